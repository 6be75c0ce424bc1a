// SPDX-License-Identifier: GPL-2.0-only
/* Which way a frame of the guest's goes, and what is done to it before it does. */

#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/unaligned.h>
#include <net/checksum.h>

#include "nai_test_lib.h"

#define NAI_TX_TEST_FILL	0x5a

static const u8 nai_tx_mac[ETH_ALEN] = { 0x02, 0, 0, 0, 0, 0x01 };
static const u8 nai_tx_peer[ETH_ALEN] = { 0x02, 0, 0, 0, 0, 0x02 };

/* A frame that the queue takes, but for what is given. */
struct nai_tx_case {
	const char *name;
	size_t len;
	u16 flags;
	u16 csum_start;
	u16 csum_offset;
	u16 proto;
	u8 to;		/* first byte of the destination, if not 0 */
	u8 from;	/* last byte of the source, if not 0 */
	bool local;
	enum nai_tx_path path;
	enum nai_tx_drop_reason reason;
};

#define NAI_TX_IP(_name, _len, _path)					\
	{ .name = _name, .len = _len, .proto = ETH_P_IP, .path = _path }
#define NAI_TX_SUM(_name, _len, _start, _offset, _path)			\
	{ .name = _name, .len = _len, .proto = ETH_P_IP,		\
	  .flags = NAI_TX_CSUM, .csum_start = _start,			\
	  .csum_offset = _offset, .path = _path,			\
	  .reason = NAI_TX_DROP_REASON_HEADER }

static const struct nai_tx_case nai_tx_cases[] = {
	NAI_TX_IP("plain", 60, NAI_TX_QUEUE),
	NAI_TX_IP("header alone", ETH_HLEN, NAI_TX_QUEUE),
	NAI_TX_IP("shorter than a header", ETH_HLEN - 1, NAI_TX_TAP),
	NAI_TX_IP("nothing", 0, NAI_TX_TAP),
	NAI_TX_IP("longest", NAI_TEST_MAX_FRAME, NAI_TX_QUEUE),
	NAI_TX_IP("too long", NAI_TEST_MAX_FRAME + 1, NAI_TX_TAP),
	NAI_TX_IP("far too long", SIZE_MAX, NAI_TX_TAP),
	{ .name = "segments", .len = 60, .flags = NAI_TX_GSO,
	  .path = NAI_TX_TAP },
	{ .name = "segments, sum in the header", .len = 60,
	  .flags = NAI_TX_GSO | NAI_TX_CSUM, .path = NAI_TX_TAP },
	{ .name = "broadcast", .len = 60, .to = 0xff, .path = NAI_TX_TAP },
	{ .name = "multicast", .len = 60, .to = 0x01, .path = NAI_TX_TAP },
	{ .name = "local", .len = 60, .local = true, .path = NAI_TX_TAP },
	{ .name = "local, of another", .len = 60, .from = 9, .local = true,
	  .path = NAI_TX_TAP },
	{ .name = "of another", .len = 60, .from = 9, .path = NAI_TX_DROPPED,
	  .reason = NAI_TX_DROP_REASON_SPOOF },
	{ .name = "802.1Q", .len = 60, .proto = ETH_P_8021Q,
	  .path = NAI_TX_DROPPED, .reason = NAI_TX_DROP_REASON_VLAN },
	{ .name = "802.1ad", .len = 60, .proto = ETH_P_8021AD,
	  .path = NAI_TX_DROPPED, .reason = NAI_TX_DROP_REASON_VLAN },
	{ .name = "802.1Q for all", .len = 60, .proto = ETH_P_8021Q, .to = 0xff,
	  .path = NAI_TX_TAP },
	NAI_TX_SUM("sum of UDP", 60, 34, 6, NAI_TX_QUEUE),
	NAI_TX_SUM("sum at the end", 60, 34, 24, NAI_TX_QUEUE),
	NAI_TX_SUM("sum half behind the end", 60, 34, 25, NAI_TX_DROPPED),
	NAI_TX_SUM("sum behind the end", 60, 34, 26, NAI_TX_DROPPED),
	NAI_TX_SUM("sum far behind", 60, U16_MAX, U16_MAX, NAI_TX_DROPPED),
	NAI_TX_SUM("sum right behind the header", 60, ETH_HLEN, 0,
		   NAI_TX_QUEUE),
	NAI_TX_SUM("sum over the source", 60, 0, ETH_ALEN, NAI_TX_DROPPED),
	NAI_TX_SUM("sum over the type", 60, 12, 0, NAI_TX_DROPPED),
	NAI_TX_SUM("sum from within the header", 60, ETH_HLEN - 1, 6,
		   NAI_TX_DROPPED),
	NAI_TX_SUM("sum of nothing", ETH_HLEN, ETH_HLEN, 0, NAI_TX_DROPPED),
};

KUNIT_ARRAY_PARAM_DESC(nai_tx, nai_tx_cases, name);

static void nai_tx_path(struct kunit *test)
{
	const struct nai_tx_case *given = test->param_value;
	enum nai_tx_drop_reason reason = NAI_TX_DROP_REASON_STOP;
	struct nai_tx_head head = {
		.len = given->len,
		.csum_start = given->csum_start,
		.csum_offset = given->csum_offset,
		.flags = given->flags,
	};

	ether_addr_copy(head.eth.h_dest, nai_tx_peer);
	ether_addr_copy(head.eth.h_source, nai_tx_mac);
	head.eth.h_proto = htons(given->proto ? : ETH_P_IP);
	if (given->to)
		head.eth.h_dest[0] = given->to;
	if (given->from)
		head.eth.h_source[ETH_ALEN - 1] = given->from;

	KUNIT_EXPECT_EQ(test,
			nai_tx_judge(&head, nai_tx_mac, NAI_TEST_MAX_FRAME,
				     given->local, &reason), given->path);
	if (given->path == NAI_TX_DROPPED)
		KUNIT_EXPECT_EQ(test, reason, given->reason);
	else
		KUNIT_EXPECT_EQ(test, reason, NAI_TX_DROP_REASON_STOP);
}

/* What is left of an earlier frame is no part of a short one. */
static void nai_tx_padding(struct kunit *test)
{
	struct nai_tx_head head = {};
	u8 data[ETH_ZLEN + 8];
	unsigned int i;

	for (head.len = ETH_HLEN; head.len <= ETH_ZLEN + 1; head.len++) {
		memset(data, NAI_TX_TEST_FILL, sizeof(data));
		nai_tx_finish(data, &head);
		for (i = 0; i < sizeof(data); i++)
			KUNIT_ASSERT_EQ(test, data[i],
					i >= head.len && i < ETH_ZLEN ?
					0 : NAI_TX_TEST_FILL);
	}
}

/* As hardware would: the field holds the sum of the pseudo header before, and the
 * whole adds up to nothing after.
 */
static void nai_tx_sum(struct kunit *test)
{
	struct nai_tx_head head = {
		.len = 75, .flags = NAI_TX_CSUM,
		.csum_start = 34, .csum_offset = 6,
	};
	__wsum pseudo = csum_partial(nai_tx_mac, ETH_ALEN, 0);
	u8 data[80], before[80];
	unsigned int i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = i * 7;
	put_unaligned((__force u16)~csum_fold(pseudo), (u16 *)(data + 40));
	memcpy(before, data, sizeof(data));
	nai_tx_finish(data, &head);

	KUNIT_EXPECT_MEMEQ(test, data, before, 40);
	KUNIT_EXPECT_MEMEQ(test, data + 42, before + 42, sizeof(data) - 42);
	/* What the receiver sums: pseudo header and all bytes. */
	KUNIT_EXPECT_EQ(test, (__force u16)
			csum_fold(csum_partial(data + 34, 75 - 34, pseudo)), 0);
}

/* A sum that comes out as 0 means "none" in UDP, so it is sent as its other zero. */
static void nai_tx_sum_of_zero(struct kunit *test)
{
	struct nai_tx_head head = {
		.len = 60, .flags = NAI_TX_CSUM,
		.csum_start = 34, .csum_offset = 6,
	};
	u8 data[60] = {};

	data[34] = 0xff;
	data[35] = 0xff;
	nai_tx_finish(data, &head);
	KUNIT_EXPECT_EQ(test, get_unaligned((u16 *)(data + 40)),
			(__force u16)CSUM_MANGLED_0);
}

/* A port that says it sends can. */
static void nai_tx_caps(struct kunit *test)
{
	struct nai_caps caps = {
		.flags = NAI_CAP_REQUIRED | NAI_CAP_TX,
		.max_fqs = 1,
		.rx_depth = NAI_TEST_DEPTH,
		.rx_buf_len = 2048,
		.rx_max_frame = NAI_TEST_MAX_FRAME,
		.tx_depth = NAI_MIN_DEPTH,
		.tx_max_frame = ETH_FRAME_LEN,
	};

	KUNIT_EXPECT_TRUE(test, nai_caps_are_sane(&caps));
	caps.tx_depth = NAI_MIN_DEPTH - 1;
	KUNIT_EXPECT_FALSE(test, nai_caps_are_sane(&caps));
	caps.tx_depth = NAI_MAX_DEPTH + 1;
	KUNIT_EXPECT_FALSE(test, nai_caps_are_sane(&caps));
	caps.tx_depth = NAI_MAX_DEPTH;
	caps.tx_max_frame = ETH_FRAME_LEN - 1;
	KUNIT_EXPECT_FALSE(test, nai_caps_are_sane(&caps));
	caps.tx_max_frame = PAGE_SIZE + 1;
	KUNIT_EXPECT_FALSE(test, nai_caps_are_sane(&caps));
	caps.flags = NAI_CAP_REQUIRED;
	KUNIT_EXPECT_TRUE(test, nai_caps_are_sane(&caps));
}

/* Asked of a port that does not send. */
static void nai_tx_refused(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};

	terms.tx = true;
	nai_test_plug(ctx, NAI_TEST_DEPTH);
	nai_test_join(ctx);
	KUNIT_EXPECT_EQ(test, nai_test_attach(ctx, &terms, &extack),
			-EOPNOTSUPP);
	KUNIT_EXPECT_STREQ(test, extack._msg,
			   "frame queues of this port do not send");
}

static struct kunit_case nai_tx_suite_cases[] = {
	KUNIT_CASE_PARAM(nai_tx_path, nai_tx_gen_params),
	KUNIT_CASE(nai_tx_padding),
	KUNIT_CASE(nai_tx_sum),
	KUNIT_CASE(nai_tx_sum_of_zero),
	KUNIT_CASE(nai_tx_caps),
	KUNIT_CASE(nai_tx_refused),
	{}
};

static struct kunit_suite nai_tx_suite = {
	.name = "nai-tx",
	.init = nai_test_init,
	.exit = nai_test_exit,
	.test_cases = nai_tx_suite_cases,
};

kunit_test_suite(nai_tx_suite);
