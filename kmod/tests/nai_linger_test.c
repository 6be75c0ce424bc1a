// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues that linger: after which end of a lease, what becomes of frames
 * meanwhile, and everything that ends them.
 */

#include <linux/netdevice.h>
#include <linux/sched.h>

#include "nai_test_netlink.h"

#define NAI_LINGER_S		4
/* Above the time from one look at what is up to the next. */
#define NAI_LINGER_LOOK		(5 * HZ / 2)
#define NAI_LINGER_BRIDGE	"naitestbr"
#define NAI_LINGER_ELSEWHERE	"naitestbr2"

static struct nai_test_hw *nai_linger_attach(struct nai_test *ctx, u8 mac,
					     u32 seconds)
{
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};

	terms.mac[ETH_ALEN - 1] = mac;
	terms.linger = seconds;
	KUNIT_ASSERT_EQ_MSG(ctx->test, nai_test_attach(ctx, &terms, &extack), 0,
			    "%s", extack._msg);
	memset(ctx->log, 0, sizeof(ctx->log));
	return nai_fq_priv(ctx->fq);
}

static struct nai_test_hw *nai_linger_lease(struct nai_test *ctx, u32 seconds)
{
	nai_test_plug(ctx, NAI_TEST_DEPTH);
	nai_test_join(ctx);
	return nai_linger_attach(ctx, 1, seconds);
}

/* A lease whose guest has gone. */
static struct nai_test_hw *nai_linger_left(struct nai_test *ctx)
{
	struct nai_test_hw *hw = nai_linger_lease(ctx, NAI_LINGER_S);

	nai_test_leave(ctx);
	KUNIT_ASSERT_STREQ(ctx->test, ctx->log, "c");
	return hw;
}

static void nai_linger_expect(struct nai_test *ctx,
			      const struct nai_test_hw *hw, bool lingers)
{
	KUNIT_EXPECT_EQ(ctx->test, hw->fq && hw->fq->lingers, lingers);
	KUNIT_EXPECT_EQ(ctx->test, hw->running, lingers);
	KUNIT_EXPECT_EQ(ctx->test, ctx->port.core->nr_fqs, lingers);
}

static void nai_linger_free_tap(void *tap)
{
	unregister_netdev(tap);
	free_netdev(tap);
}

/* One more tap, which stays longer than the case's client. */
static struct net_device *nai_linger_add_tap(struct nai_test *ctx,
					     const char *name)
{
	struct net_device *tap = nai_test_netdev(ctx->test, name);

	KUNIT_ASSERT_EQ(ctx->test,
			kunit_add_action_or_reset(ctx->test,
						  nai_linger_free_tap, tap), 0);
	return tap;
}

/* Another guest, now that the one before has gone. */
static void nai_linger_next_guest(struct nai_test *ctx, const char *name)
{
	struct net_device *tap = nai_linger_add_tap(ctx, name);
	struct nai_client *client;

	client = nai_client_register(tap, 0, &nai_test_client_ops, ctx);
	KUNIT_ASSERT_FALSE(ctx->test, IS_ERR(client));
	ctx->client = client;
}

/* Which leases linger */

struct nai_linger_case {
	const char *name;
	enum nai_detach_reason reason;
	u32 seconds;
	bool lingers;
};

static const struct nai_linger_case nai_linger_cases[] = {
	{ "backend", NAI_DETACH_REASON_BACKEND, NAI_LINGER_S, true },
	{ "backend, not asked for", NAI_DETACH_REASON_BACKEND, 0, false },
	{ "tap gone", NAI_DETACH_REASON_TAP_GONE, NAI_LINGER_S, true },
	{ "tap gone, not asked for", NAI_DETACH_REASON_TAP_GONE, 0, false },
	{ "requested", NAI_DETACH_REASON_REQUESTED, NAI_LINGER_S, false },
	{ "policy", NAI_DETACH_REASON_POLICY, NAI_LINGER_S, false },
	{ "features", NAI_DETACH_REASON_FEATURES, NAI_LINGER_S, false },
	{ "memory", NAI_DETACH_REASON_MEMORY, NAI_LINGER_S, false },
	{ "hardware", NAI_DETACH_REASON_HARDWARE, NAI_LINGER_S, false },
};

KUNIT_ARRAY_PARAM_DESC(nai_linger, nai_linger_cases, name);

static void nai_linger_end_by(struct nai_test *ctx,
			      enum nai_detach_reason reason)
{
	switch (reason) {
	case NAI_DETACH_REASON_REQUESTED:
		KUNIT_EXPECT_EQ(ctx->test, nai_test_detach(ctx), 0);
		break;
	case NAI_DETACH_REASON_BACKEND:
		nai_test_leave(ctx);
		break;
	case NAI_DETACH_REASON_TAP_GONE:
		unregister_netdev(ctx->tap);
		KUNIT_EXPECT_TRUE(ctx->test, nai_test_wait_over(ctx));
		free_netdev(ctx->tap);
		ctx->tap = NULL;
		break;
	default:
		nai_client_fail(ctx->client, reason);
		KUNIT_EXPECT_TRUE(ctx->test, nai_test_wait_over(ctx));
		break;
	}
}

static void nai_linger_who(struct kunit *test)
{
	const struct nai_linger_case *given = test->param_value;
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw;

	hw = nai_linger_lease(ctx, given->seconds);
	nai_linger_end_by(ctx, given->reason);
	KUNIT_EXPECT_STREQ(test, ctx->log, given->lingers ? "c" : "mcsa");
	nai_linger_expect(ctx, hw, given->lingers);
}

/* A port that went while the guest let go takes the queue with it. */
static void nai_linger_too_late(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_linger_lease(ctx, NAI_LINGER_S);

	ctx->stall = NAI_TEST_CLIENT_END;
	unregister_netdev(ctx->tap);
	KUNIT_EXPECT_GT(test,
			wait_for_completion_timeout(&ctx->stalled,
						    NAI_TEST_PATIENCE), 0);
	nai_test_unplug(ctx);
	KUNIT_EXPECT_STREQ(test, ctx->log, "cmsa");
	complete(&ctx->go_on);
	KUNIT_EXPECT_TRUE(test, nai_test_wait_over(ctx));
	KUNIT_EXPECT_TRUE(test, nai_test_wait_refs(&ctx->client->kref, 1));
	KUNIT_EXPECT_STREQ(test, ctx->log, "cmsa");
	KUNIT_EXPECT_NULL(test, hw->fq);
	free_netdev(ctx->tap);
	ctx->tap = NULL;
}

/* Meanwhile */

/* What was stocked is filled, the rest is the hardware's to drop; nobody is
 * woken, no buffer is posted, and every frame is accounted for in the end.
 */
static void nai_linger_drops(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_linger_lease(ctx, NAI_LINGER_S);
	struct nai_fq *fq = ctx->fq;
	struct nai_frame frame;
	int i, wakes;

	kref_get(&fq->kref);
	nai_test_flood(ctx, hw, 8);
	nai_test_take(ctx, 8, 0);
	KUNIT_EXPECT_FALSE(test, nai_rx_idle(fq));
	nai_test_flood(ctx, hw, 12);
	KUNIT_EXPECT_EQ(test, nai_rx_peek(fq, &frame, 1), 1);
	wakes = atomic_read(&ctx->wakes);

	nai_test_leave(ctx);
	KUNIT_EXPECT_EQ(test, fq->stats.drops[NAI_DROP_REASON_DETACH], 12);
	nai_fq_irq(fq);
	nai_test_flood(ctx, hw, NAI_TEST_DEPTH - 12);
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_FALSE(test,
				   nai_test_receive(ctx, hw, ETH_ZLEN, 0));
	KUNIT_EXPECT_EQ(test, hw->overruns, 5);
	KUNIT_EXPECT_EQ(test, fq->nr_free, 12);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->wakes), wakes);

	nai_test_unplug(ctx);
	KUNIT_EXPECT_STREQ(test, ctx->log, "cmsa");
	KUNIT_EXPECT_EQ(test, fq->stats.rx_packets, 8);
	KUNIT_EXPECT_EQ(test, fq->stats.drops[NAI_DROP_REASON_DETACH],
			NAI_TEST_DEPTH);
	KUNIT_EXPECT_EQ(test, kref_read(&fq->kref), 1);
	nai_fq_put(fq);
}

static void nai_linger_port_down(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_linger_left(ctx);

	nai_test_flood(ctx, hw, 10);
	nai_test_down(ctx);
	KUNIT_EXPECT_EQ(test, hw->fq->state, NAI_FQ_STATE_PAUSED);
	nai_test_up(ctx);
	KUNIT_EXPECT_STREQ(test, ctx->log, "csS");
	KUNIT_EXPECT_EQ(test, hw->fq->state, NAI_FQ_STATE_RUNNING);
	nai_linger_expect(ctx, hw, true);
	KUNIT_EXPECT_STREQ(test, nai_test_unsound(hw->fq, hw) ? : "sound",
			   "sound");
	nai_test_unplug(ctx);
	KUNIT_EXPECT_STREQ(test, ctx->log, "csSmsa");
}

/* A guest goes while the port is down. */
static void nai_linger_paused(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_linger_lease(ctx, NAI_LINGER_S);

	nai_test_down(ctx);
	nai_test_leave(ctx);
	KUNIT_EXPECT_STREQ(test, ctx->log, "sc");
	nai_test_up(ctx);
	KUNIT_EXPECT_STREQ(test, ctx->log, "scS");
	nai_linger_expect(ctx, hw, true);
}

/* There is no lease any more that could be lost. */
static void nai_linger_does_not_resume(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_linger_left(ctx);

	nai_test_down(ctx);
	ctx->fail = NAI_TEST_START;
	nai_test_up(ctx);
	KUNIT_EXPECT_STREQ(test, ctx->log, "csS");
	KUNIT_EXPECT_TRUE(test, hw->fq->lingers);
	nai_test_join(ctx);
	KUNIT_EXPECT_STREQ(test, ctx->log, "csSma");
	nai_linger_expect(ctx, hw, false);
}

/* What ends it */

static void nai_linger_time(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_linger_left(ctx);

	schedule_timeout_uninterruptible((NAI_LINGER_S - 1) * HZ);
	nai_linger_expect(ctx, hw, true);
	schedule_timeout_uninterruptible(HZ + NAI_LINGER_LOOK);
	nai_linger_expect(ctx, hw, false);
	KUNIT_EXPECT_STREQ(test, ctx->log, "cmsa");
	KUNIT_EXPECT_TRUE(test, nai_test_wait_refs(&ctx->port.core->kref, 1));
}

/* A guest comes with the same address, at another tap. */
static void nai_linger_leased_anew(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_linger_left(ctx);
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};

	nai_linger_next_guest(ctx, "naitesttap2");
	nai_linger_expect(ctx, hw, true);
	KUNIT_EXPECT_EQ_MSG(test, nai_test_attach(ctx, &terms, &extack), 0,
			    "%s", extack._msg);
	KUNIT_EXPECT_STREQ(test, ctx->log, "cmsaACSM");
	KUNIT_EXPECT_EQ(test, ctx->port.core->nr_fqs, 1);
}

static void nai_linger_tap_back(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_linger_left(ctx);

	nai_test_join(ctx);
	nai_linger_expect(ctx, hw, false);
	KUNIT_EXPECT_STREQ(test, ctx->log, "cmsa");
}

/* What joins the port's bridge may be the guest; what leaves, or joins another
 * one, is not.
 */
static void nai_linger_bridged(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct net_device *tap;
	struct nai_test_hw *hw;

	hw = nai_linger_lease(ctx, NAI_LINGER_S);
	tap = nai_linger_add_tap(ctx, "naitesttap2");
	nai_test_add_bridge(test, NAI_LINGER_BRIDGE, false);
	nai_test_add_bridge(test, NAI_LINGER_ELSEWHERE, false);
	nai_test_set_master(test, ctx->dev, NAI_LINGER_BRIDGE);
	nai_test_set_master(test, ctx->tap, NAI_LINGER_BRIDGE);

	nai_test_leave(ctx);
	nai_test_set_master(test, tap, NAI_LINGER_ELSEWHERE);
	nai_linger_expect(ctx, hw, true);
	nai_test_set_master(test, ctx->tap, NULL);
	nai_linger_expect(ctx, hw, true);
	nai_test_set_master(test, tap, NAI_LINGER_BRIDGE);
	nai_linger_expect(ctx, hw, false);
}

/* Two linger, and a third guest comes: the one that is due first makes room. */

struct nai_linger_room_case {
	const char *name;
	u32 first_s;
	u32 second_s;
	bool second_ends;
};

static const struct nai_linger_room_case nai_linger_room_cases[] = {
	{ "the first is due", NAI_LINGER_S, 3600, false },
	{ "the second is due", 3600, NAI_LINGER_S, true },
};

KUNIT_ARRAY_PARAM_DESC(nai_linger_room, nai_linger_room_cases, name);

static void nai_linger_makes_room(struct kunit *test)
{
	const struct nai_linger_room_case *given = test->param_value;
	struct nai_test_hw *first, *second, *third, *other;
	struct nai_test *ctx = test->priv;

	first = nai_linger_lease(ctx, given->first_s);
	nai_test_leave(ctx);
	nai_linger_next_guest(ctx, "naitesttap2");
	second = nai_linger_attach(ctx, 2, given->second_s);
	/* There was a queue left. */
	KUNIT_ASSERT_PTR_NE(test, first, second);
	KUNIT_EXPECT_TRUE(test, first->fq->lingers);
	nai_test_leave(ctx);

	nai_linger_next_guest(ctx, "naitesttap3");
	third = nai_linger_attach(ctx, 3, 0);
	KUNIT_EXPECT_PTR_EQ(test, third, given->second_ends ? second : first);
	other = given->second_ends ? first : second;
	KUNIT_EXPECT_TRUE(test, other->fq->lingers);
	KUNIT_EXPECT_EQ(test, ctx->port.core->nr_fqs, NAI_TEST_QUEUES);
}

static void nai_linger_exit(struct kunit *test)
{
	nai_test_del_bridge(NAI_LINGER_BRIDGE);
	nai_test_del_bridge(NAI_LINGER_ELSEWHERE);
	nai_test_exit(test);
}

static struct kunit_case nai_linger_test_cases[] = {
	KUNIT_CASE_PARAM(nai_linger_who, nai_linger_gen_params),
	KUNIT_CASE(nai_linger_too_late),
	KUNIT_CASE(nai_linger_drops),
	KUNIT_CASE(nai_linger_port_down),
	KUNIT_CASE(nai_linger_paused),
	KUNIT_CASE(nai_linger_does_not_resume),
	KUNIT_CASE_SLOW(nai_linger_time),
	KUNIT_CASE(nai_linger_leased_anew),
	KUNIT_CASE(nai_linger_tap_back),
	KUNIT_CASE(nai_linger_bridged),
	KUNIT_CASE_PARAM(nai_linger_makes_room, nai_linger_room_gen_params),
	{}
};

static struct kunit_suite nai_linger_suite = {
	.name = "nai-linger",
	.init = nai_test_init,
	.exit = nai_linger_exit,
	.test_cases = nai_linger_test_cases,
};

kunit_test_suite(nai_linger_suite);
