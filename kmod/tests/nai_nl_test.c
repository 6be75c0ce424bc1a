// SPDX-License-Identifier: GPL-2.0-only
/*
 * Netlink: what is refused, and by which sentence or attribute; who may ask; how
 * often events are told. Requests go by a socket, so through the policy tables.
 */

#include <linux/cred.h>
#include <linux/file.h>
#include <linux/jiffies.h>
#include <net/genetlink.h>

#include "nai_test_netlink.h"

enum nai_nl_of {
	NAI_NL_AS_GIVEN,
	NAI_NL_OF_TAP,
	NAI_NL_OF_PORT,
};

struct nai_nl_attr {
	u16 type;	/* 0: the end */
	u16 len;
	enum nai_nl_of of;
	u8 fill;	/* every byte of @data, or 0 */
	u8 data[8];
};

struct nai_nl_case {
	const char *name;
	u8 cmd;
	int err;
	u16 missing;
	const char *message;
	struct nai_nl_attr attrs[10];
};

#define NAI_NL_TAP							\
	{ .type = NAI_A_FQ_TAP_IFINDEX, .len = 4, .of = NAI_NL_OF_TAP }
#define NAI_NL_PORT							\
	{ .type = NAI_A_FQ_PORT_IFINDEX, .len = 4, .of = NAI_NL_OF_PORT }
#define NAI_NL_MAC							\
	{ .type = NAI_A_FQ_MAC, .len = 6, .data = { 0x02, 0, 0, 0, 0, 1 } }
#define NAI_NL_FORCE							\
	{ .type = NAI_A_FQ_FORCE }
/* Of any byte order: all of its bytes are the same. */
#define NAI_NL_ALL(_type, _byte)					\
	{ .type = _type, .len = 4, .fill = _byte }
#define NAI_NL_LONG(_type, _len)					\
	{ .type = _type, .len = _len }

static const struct nai_nl_case nai_nl_cases[] = {
	{ "attach", NAI_CMD_ATTACH,
	  .attrs = { NAI_NL_TAP, NAI_NL_PORT, NAI_NL_MAC, NAI_NL_FORCE } },
	{ "attach, all that is optional", NAI_CMD_ATTACH,
	  .attrs = { NAI_NL_TAP, NAI_NL_PORT, NAI_NL_MAC, NAI_NL_FORCE,
		     NAI_NL_ALL(NAI_A_FQ_MODE, 0),
		     NAI_NL_ALL(NAI_A_FQ_TAP_QUEUE, 0),
		     NAI_NL_ALL(NAI_A_FQ_LOW, 0), NAI_NL_ALL(NAI_A_FQ_HIGH, 0),
		     NAI_NL_ALL(NAI_A_FQ_LINGER, 0) } },
	{ "attach, nothing", NAI_CMD_ATTACH, -EINVAL, NAI_A_FQ_PORT_IFINDEX },
	{ "attach, no MAC", NAI_CMD_ATTACH, -EINVAL, NAI_A_FQ_MAC,
	  .attrs = { NAI_NL_TAP, NAI_NL_PORT } },
	{ "attach, no tap", NAI_CMD_ATTACH, -EINVAL, NAI_A_FQ_TAP_IFINDEX,
	  .attrs = { NAI_NL_PORT, NAI_NL_MAC } },
	{ "attach, MAC too short", NAI_CMD_ATTACH, -ERANGE, 0,
	  "binary attribute size out of range",
	  .attrs = { NAI_NL_TAP, NAI_NL_PORT, NAI_NL_LONG(NAI_A_FQ_MAC, 5) } },
	{ "attach, MAC too long", NAI_CMD_ATTACH, -ERANGE, 0,
	  "binary attribute size out of range",
	  .attrs = { NAI_NL_TAP, NAI_NL_PORT, NAI_NL_LONG(NAI_A_FQ_MAC, 7) } },
	{ "attach, mode that is not there", NAI_CMD_ATTACH, -ERANGE, 0,
	  "integer out of range",
	  .attrs = { NAI_NL_TAP, NAI_NL_PORT, NAI_NL_MAC,
		     NAI_NL_ALL(NAI_A_FQ_MODE, 1) } },
	{ "attach, lingers for more than an hour", NAI_CMD_ATTACH, -ERANGE, 0,
	  "integer out of range",
	  .attrs = { NAI_NL_TAP, NAI_NL_PORT, NAI_NL_MAC,
		     NAI_NL_ALL(NAI_A_FQ_LINGER, 1) } },
	{ "attach, port of two bytes", NAI_CMD_ATTACH, -EINVAL, 0,
	  "invalid attribute length",
	  .attrs = { NAI_NL_TAP, NAI_NL_LONG(NAI_A_FQ_PORT_IFINDEX, 2),
		     NAI_NL_MAC } },
	{ "attach, flag with a value", NAI_CMD_ATTACH, -ERANGE, 0,
	  "Attribute failed policy validation",
	  .attrs = { NAI_NL_TAP, NAI_NL_PORT, NAI_NL_MAC,
		     NAI_NL_ALL(NAI_A_FQ_FORCE, 1) } },
	{ "attach, attribute that is not there", NAI_CMD_ATTACH, -EINVAL, 0,
	  "Unknown attribute type",
	  .attrs = { NAI_NL_TAP, NAI_NL_PORT, NAI_NL_MAC,
		     NAI_NL_ALL(NAI_A_FQ_MAX + 1, 0) } },
	{ "attach, state", NAI_CMD_ATTACH, -EINVAL, 0,
	  "Unsupported attribute",
	  .attrs = { NAI_NL_TAP, NAI_NL_PORT, NAI_NL_MAC,
		     NAI_NL_ALL(NAI_A_FQ_STATE, 0) } },
	{ "attach, tap without backend", NAI_CMD_ATTACH, -ENOENT, 0,
	  "no vhost backend is set for this queue of the tap",
	  .attrs = { NAI_NL_ALL(NAI_A_FQ_TAP_IFINDEX, 0x7f), NAI_NL_PORT,
		     NAI_NL_MAC } },
	{ "attach, queue without backend", NAI_CMD_ATTACH, -ENOENT, 0,
	  "no vhost backend is set for this queue of the tap",
	  .attrs = { NAI_NL_TAP, NAI_NL_ALL(NAI_A_FQ_TAP_QUEUE, 1),
		     NAI_NL_PORT, NAI_NL_MAC } },
	{ "attach, port that lends nothing", NAI_CMD_ATTACH, -ENODEV, 0,
	  "no driver lends frame queues of this port here",
	  .attrs = { NAI_NL_TAP, NAI_NL_MAC,
		     NAI_NL_ALL(NAI_A_FQ_PORT_IFINDEX, 0x7f) } },
	{ "attach, marks beyond the depth", NAI_CMD_ATTACH, -EINVAL, 0,
	  "not: low 8 < high 16843009 <= depth 64",
	  .attrs = { NAI_NL_TAP, NAI_NL_PORT, NAI_NL_MAC, NAI_NL_FORCE,
		     NAI_NL_ALL(NAI_A_FQ_HIGH, 1) } },
	{ "attach, MAC of a group", NAI_CMD_ATTACH, -EINVAL, 0,
	  "MAC 01:00:00:00:00:00 is not a unicast address",
	  .attrs = { NAI_NL_TAP, NAI_NL_PORT, NAI_NL_FORCE,
		     { .type = NAI_A_FQ_MAC, .len = 6, .data = { 1 } } } },
	{ "attach, no bridge", NAI_CMD_ATTACH, -EOPNOTSUPP, 0,
	  "tap naitesttap and port naitestport are not ports of the same bridge",
	  .attrs = { NAI_NL_TAP, NAI_NL_PORT, NAI_NL_MAC } },
	{ "detach, nothing", NAI_CMD_DETACH, -EINVAL, NAI_A_FQ_TAP_IFINDEX },
	{ "detach, no lease", NAI_CMD_DETACH, -ENOENT, 0,
	  "the tap's queue has no lease", .attrs = { NAI_NL_TAP } },
	{ "detach, no backend", NAI_CMD_DETACH, -ENOENT, 0,
	  "no vhost backend is set for this queue of the tap",
	  .attrs = { NAI_NL_ALL(NAI_A_FQ_TAP_IFINDEX, 0x7f) } },
	{ "detach, by MAC", NAI_CMD_DETACH, -EINVAL, 0,
	  "Unknown attribute type", .attrs = { NAI_NL_TAP, NAI_NL_MAC } },
	{ "port-get, not as a dump", NAI_CMD_PORT_GET, -EOPNOTSUPP },
	{ "an event as a request", NAI_CMD_ATTACHED_NTF, -EOPNOTSUPP },
};

KUNIT_ARRAY_PARAM_DESC(nai_nl, nai_nl_cases, name);

static void nai_nl_put_attr(struct nai_test *ctx, struct sk_buff *skb,
			    const struct nai_nl_attr *attr)
{
	u8 data[sizeof(attr->data)];
	int err;

	switch (attr->of) {
	case NAI_NL_OF_TAP:
		err = nla_put_u32(skb, attr->type, ctx->tap->ifindex);
		break;
	case NAI_NL_OF_PORT:
		err = nla_put_u32(skb, attr->type, ctx->dev->ifindex);
		break;
	default:
		memcpy(data, attr->data, sizeof(data));
		if (attr->fill)
			memset(data, attr->fill, sizeof(data));
		err = nla_put(skb, attr->type, attr->len, data);
		break;
	}
	KUNIT_ASSERT_EQ(ctx->test, err, 0);
}

static struct sk_buff *nai_nl_message(struct kunit *test, u16 family, u8 cmd,
				      u16 flags)
{
	struct sk_buff *skb = nai_test_message(test, family, flags);
	struct genlmsghdr *genl = nlmsg_append(skb, sizeof(*genl));

	KUNIT_ASSERT_NOT_NULL(test, genl);
	*genl = (struct genlmsghdr){ .cmd = cmd, .version = 1 };
	return skb;
}

static void nai_nl_parse(struct kunit *test,
			 const struct nai_test_answer *answer,
			 struct nlattr **attrs, int max)
{
	KUNIT_ASSERT_EQ(test, answer->err, 0);
	KUNIT_ASSERT_EQ(test, answer->messages, 1);
	KUNIT_ASSERT_LE(test, ((struct nlmsghdr *)answer->data)->nlmsg_len,
			sizeof(answer->data));
	KUNIT_ASSERT_EQ(test,
			nlmsg_parse_deprecated((void *)answer->data,
					       GENL_HDRLEN, attrs, max, NULL,
					       NULL), 0);
}

/* The family, asked for by its name. */
static void nai_nl_get_family(struct kunit *test, struct nlattr **attrs)
{
	struct nai_test_answer *answer;
	struct sk_buff *skb;

	answer = kunit_kzalloc(test, sizeof(*answer), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, answer);
	skb = nai_nl_message(test, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	nla_put_string(skb, CTRL_ATTR_FAMILY_NAME, NAI_FAMILY_NAME);
	nai_test_talk(test, NETLINK_GENERIC, skb, answer);
	nai_nl_parse(test, answer, attrs, CTRL_ATTR_MAX);
}

static u16 nai_nl_family_id(struct kunit *test)
{
	struct nlattr *attrs[CTRL_ATTR_MAX + 1];

	nai_nl_get_family(test, attrs);
	KUNIT_ASSERT_NOT_NULL(test, attrs[CTRL_ATTR_FAMILY_ID]);
	return nla_get_u16(attrs[CTRL_ATTR_FAMILY_ID]);
}

/* Of the only group that it has. */
static u32 nai_nl_group_id(struct kunit *test)
{
	struct nlattr *group[CTRL_ATTR_MCAST_GRP_MAX + 1];
	struct nlattr *attrs[CTRL_ATTR_MAX + 1];

	nai_nl_get_family(test, attrs);
	KUNIT_ASSERT_NOT_NULL(test, attrs[CTRL_ATTR_MCAST_GROUPS]);
	KUNIT_ASSERT_EQ(test,
			nla_parse_nested_deprecated(group,
						    CTRL_ATTR_MCAST_GRP_MAX,
						    nla_data(attrs[CTRL_ATTR_MCAST_GROUPS]),
						    NULL, NULL), 0);
	KUNIT_ASSERT_NOT_NULL(test, group[CTRL_ATTR_MCAST_GRP_ID]);
	return nla_get_u32(group[CTRL_ATTR_MCAST_GRP_ID]);
}

static struct nai_test_answer *nai_nl_ask(struct nai_test *ctx, u8 cmd,
					  u16 flags,
					  const struct nai_nl_attr *attrs)
{
	struct nai_test_answer *answer;
	struct sk_buff *skb;

	answer = kunit_kzalloc(ctx->test, sizeof(*answer), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(ctx->test, answer);
	skb = nai_nl_message(ctx->test, nai_nl_family_id(ctx->test), cmd,
			     flags);
	for (; attrs && attrs->type; attrs++)
		nai_nl_put_attr(ctx, skb, attrs);
	nai_test_talk(ctx->test, NETLINK_GENERIC, skb, answer);
	return answer;
}

static void nai_nl_asked(struct kunit *test)
{
	const struct nai_nl_case *given = test->param_value;
	struct nai_test *ctx = test->priv;
	struct nai_test_answer *answer;

	nai_test_plug(ctx, NAI_TEST_DEPTH);
	nai_test_join(ctx);
	answer = nai_nl_ask(ctx, given->cmd, 0, given->attrs);
	KUNIT_EXPECT_EQ(test, answer->err, given->err);
	KUNIT_EXPECT_EQ(test, answer->missing, given->missing);
	KUNIT_EXPECT_STREQ(test, answer->message, given->message ? : "");
	if (given->err)
		KUNIT_EXPECT_STREQ(test, ctx->log, "");
	else
		KUNIT_EXPECT_STREQ(test, ctx->log, "ACSM");
}

static const struct nai_nl_attr nai_nl_good[] = {
	NAI_NL_TAP, NAI_NL_PORT, NAI_NL_MAC, NAI_NL_FORCE, {}
};

/* The answer names lease and queue; then the lease can be ended by its tap. */
static void nai_nl_answers(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nlattr *attrs[NAI_A_FQ_MAX + 1];
	struct nai_test_answer *answer;

	nai_test_plug(ctx, NAI_TEST_DEPTH);
	nai_test_join(ctx);
	answer = nai_nl_ask(ctx, NAI_CMD_ATTACH, 0, nai_nl_good);
	nai_nl_parse(test, answer, attrs, NAI_A_FQ_MAX);
	KUNIT_ASSERT_NOT_NULL(test, attrs[NAI_A_FQ_ID]);
	KUNIT_ASSERT_NOT_NULL(test, attrs[NAI_A_FQ_PORT_QUEUE]);
	KUNIT_EXPECT_EQ(test, nla_get_u32(attrs[NAI_A_FQ_ID]), ctx->fq->id);
	KUNIT_EXPECT_EQ(test, nla_get_u32(attrs[NAI_A_FQ_PORT_QUEUE]), 1);

	answer = nai_nl_ask(ctx, NAI_CMD_DETACH, 0, nai_nl_good + 3);
	KUNIT_EXPECT_EQ(test, answer->err, -EINVAL);
	answer = nai_nl_ask(ctx, NAI_CMD_DETACH, 0,
			    (const struct nai_nl_attr[]){ NAI_NL_TAP, {} });
	KUNIT_EXPECT_EQ(test, answer->err, 0);
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(ctx->client->fq), NULL);
}

/* What a dump shows of the lease is what the queue has. */
static void nai_nl_shows(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);
	struct nlattr *attrs[NAI_A_FQ_MAX + 1];
	struct nlattr *stats[NAI_A_STATS_MAX + 1];
	struct nai_test_answer *answer;

	nai_test_flood(ctx, hw, 5);
	nai_test_take(ctx, 3, 0);
	nai_rx_drop(ctx->fq, NAI_DROP_REASON_OVERSIZE);
	nai_rx_drop(ctx->fq, NAI_DROP_REASON_FAULT);
	hw->overruns = 7;

	answer = nai_nl_ask(ctx, NAI_CMD_FQ_GET, NLM_F_DUMP, NULL);
	nai_nl_parse(test, answer, attrs, NAI_A_FQ_MAX);
	KUNIT_EXPECT_EQ(test, nla_get_u32(attrs[NAI_A_FQ_STATE]),
			NAI_FQ_STATE_RUNNING);
	KUNIT_EXPECT_EQ(test, nla_get_u32(attrs[NAI_A_FQ_DEPTH]),
			NAI_TEST_DEPTH);
	KUNIT_EXPECT_EQ(test, nla_get_u32(attrs[NAI_A_FQ_LOW]), 8);
	KUNIT_ASSERT_EQ(test,
			nla_parse_nested_deprecated(stats, NAI_A_STATS_MAX,
						    attrs[NAI_A_FQ_STATS],
						    NULL, NULL), 0);
	KUNIT_EXPECT_EQ(test, nla_get_uint(stats[NAI_A_STATS_RX_PACKETS]), 3);
	KUNIT_EXPECT_EQ(test, nla_get_uint(stats[NAI_A_STATS_RX_DROPS]), 2);
	KUNIT_EXPECT_EQ(test,
			nla_get_uint(stats[NAI_A_STATS_RX_DROP_OVERSIZE]), 1);
	KUNIT_EXPECT_EQ(test,
			nla_get_uint(stats[NAI_A_STATS_RX_HW_DROP_OVERRUNS]),
			7);

	answer = nai_nl_ask(ctx, NAI_CMD_PORT_GET, NLM_F_DUMP, NULL);
	KUNIT_EXPECT_GE(test, answer->messages, 1);
	answer = nai_nl_ask(ctx, NAI_CMD_CLIENT_GET, NLM_F_DUMP, NULL);
	KUNIT_EXPECT_GE(test, answer->messages, 1);
}

/* Who has no say over the host's network is not heard; who only looks is. */
static void nai_nl_rights(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_answer *attach, *ports;
	const struct cred *before;
	struct cred *poor;

	nai_test_plug(ctx, NAI_TEST_DEPTH);
	nai_test_join(ctx);
	poor = prepare_creds();
	KUNIT_ASSERT_NOT_NULL(test, poor);
	cap_lower(poor->cap_effective, CAP_NET_ADMIN);
	before = override_creds(poor);
	attach = nai_nl_ask(ctx, NAI_CMD_ATTACH, 0, nai_nl_good);
	ports = nai_nl_ask(ctx, NAI_CMD_PORT_GET, NLM_F_DUMP, NULL);
	revert_creds(before);
	put_cred(poor);
	KUNIT_EXPECT_EQ(test, attach->err, -EPERM);
	KUNIT_EXPECT_STREQ(test, ctx->log, "");
	KUNIT_EXPECT_EQ(test, ports->err, 0);
}

static void nai_nl_hear(struct kunit *test, struct socket *sock, u8 cmd,
			u32 id, int reason)
{
	struct nlattr *attrs[NAI_A_FQ_MAX + 1];
	struct nai_test_answer *answer;
	struct genlmsghdr *genl;
	int said;

	answer = kunit_kzalloc(test, sizeof(*answer), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, answer);
	KUNIT_ASSERT_TRUE(test, nai_test_hear(test, sock, answer));
	genl = nlmsg_data((struct nlmsghdr *)answer->data);
	KUNIT_EXPECT_EQ(test, genl->cmd, cmd);
	nai_nl_parse(test, answer, attrs, NAI_A_FQ_MAX);
	KUNIT_ASSERT_NOT_NULL(test, attrs[NAI_A_FQ_ID]);
	KUNIT_EXPECT_EQ(test, nla_get_u32(attrs[NAI_A_FQ_ID]), id);
	said = attrs[NAI_A_FQ_REASON] ?
	       (int)nla_get_u32(attrs[NAI_A_FQ_REASON]) : NAI_LEASE_HOLDS;
	KUNIT_EXPECT_EQ(test, said, reason);
}

/* Who listens is told of a lease's begin and end, and of its level between. */
static void nai_nl_tells(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_answer *answer;
	struct nai_test_hw *hw;
	struct socket *sock;
	u32 id;

	sock = nai_test_listen(test, NETLINK_GENERIC, nai_nl_group_id(test));
	hw = nai_test_lease(ctx, NAI_TEST_DEPTH);
	id = ctx->fq->id;
	nai_nl_hear(test, sock, NAI_CMD_ATTACHED_NTF, id, NAI_LEASE_HOLDS);

	nai_test_flood(ctx, hw, NAI_TEST_DEPTH - 1);
	nai_rx_starved(ctx->fq);
	nai_nl_hear(test, sock, NAI_CMD_LEVEL_CHANGED_NTF, id, NAI_LEASE_HOLDS);
	nai_test_flood(ctx, hw, 1);
	nai_rx_starved(ctx->fq);
	nai_nl_hear(test, sock, NAI_CMD_CONGESTED_NTF, id, NAI_LEASE_HOLDS);
	nai_test_take(ctx, NAI_TEST_DEPTH, 0);
	nai_nl_hear(test, sock, NAI_CMD_CLEARED_NTF, id, NAI_LEASE_HOLDS);

	KUNIT_EXPECT_EQ(test, nai_test_detach(ctx), 0);
	nai_nl_hear(test, sock, NAI_CMD_DETACHED_NTF, id,
		    NAI_DETACH_REASON_REQUESTED);
	answer = kunit_kzalloc(test, sizeof(*answer), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, answer);
	KUNIT_EXPECT_FALSE(test, nai_test_hear(test, sock, answer));
	fput(sock->file);
}

/* One event of a kind in a second, also when jiffies start anew. */
static void nai_nl_moderation(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	unsigned long *at;

	nai_test_lease(ctx, NAI_TEST_DEPTH);
	at = &ctx->fq->event_at[NAI_EVENT_CONGESTED];
	KUNIT_EXPECT_TRUE(test, nai_nl_may_tell(ctx->fq, NAI_EVENT_CONGESTED));
	KUNIT_EXPECT_FALSE(test, nai_nl_may_tell(ctx->fq, NAI_EVENT_CONGESTED));
	KUNIT_EXPECT_TRUE(test, nai_nl_may_tell(ctx->fq, NAI_EVENT_CLEARED));
	*at = jiffies - HZ;
	KUNIT_EXPECT_TRUE(test, nai_nl_may_tell(ctx->fq, NAI_EVENT_CONGESTED));
	KUNIT_EXPECT_FALSE(test, nai_nl_may_tell(ctx->fq, NAI_EVENT_CONGESTED));
	/* Sent long ago, and yet a larger number than now. */
	*at = jiffies + LONG_MAX + 1UL;
	KUNIT_EXPECT_TRUE(test, nai_nl_may_tell(ctx->fq, NAI_EVENT_CONGESTED));
}

static struct kunit_case nai_nl_test_cases[] = {
	KUNIT_CASE_PARAM(nai_nl_asked, nai_nl_gen_params),
	KUNIT_CASE(nai_nl_answers),
	KUNIT_CASE(nai_nl_shows),
	KUNIT_CASE(nai_nl_rights),
	KUNIT_CASE(nai_nl_tells),
	KUNIT_CASE(nai_nl_moderation),
	{}
};

static struct kunit_suite nai_nl_suite = {
	.name = "nai-netlink",
	.init = nai_test_init,
	.exit = nai_test_exit,
	.test_cases = nai_nl_test_cases,
};

kunit_test_suite(nai_nl_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit tests of the Network Acceleration Interface");
MODULE_LICENSE("GPL");
