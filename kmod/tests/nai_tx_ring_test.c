// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way of a frame through a lease that sends, to hardware that is slow, takes
 * little, or claims too much.
 */

#include <linux/jiffies.h>
#include <linux/unaligned.h>

#include "nai_tx_fixture.h"

/* All frames so far were given to the hardware, in order. */
static void nai_tx_expect_in_order(struct nai_test *ctx)
{
	unsigned int i;

	KUNIT_ASSERT_EQ(ctx->test, nai_tx_hw.taken, ctx->next_seq);
	for (i = 0; i < nai_tx_hw.taken; i++)
		KUNIT_ASSERT_EQ(ctx->test, nai_tx_hw.seqs[i], i);
}

static struct nai_tx_stats nai_tx_counts(struct nai_test *ctx)
{
	struct nai_tx_stats stats;

	nai_tx_read_stats(ctx->fq, &stats);
	return stats;
}

/* Round and round, in steps that do not divide the ring. */
static void nai_tx_wrap(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	unsigned int round, i;

	nai_tx_put_up(ctx);
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 17; i++)
			KUNIT_ASSERT_EQ(test, nai_tx_send(ctx, nai_tx_far),
					NAI_TX_QUEUE);
		KUNIT_EXPECT_FALSE(test, nai_tx_flush(ctx->fq));
		nai_tx_hw.sent = 17;
	}
	nai_tx_expect_in_order(ctx);
	KUNIT_EXPECT_EQ(test, nai_tx_hw.xmits, 20);
	KUNIT_EXPECT_EQ(test, nai_tx_counts(ctx).packets, 20 * 17);
	KUNIT_EXPECT_EQ(test, nai_tx_counts(ctx).bytes, 20 * 17 * ETH_ZLEN);
}

static void nai_tx_when_full(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	unsigned int i;

	nai_tx_put_up(ctx);
	for (i = 0; i < NAI_TX_DEPTH; i++)
		KUNIT_ASSERT_EQ(test, nai_tx_send(ctx, nai_tx_far),
				NAI_TX_QUEUE);
	KUNIT_EXPECT_EQ(test, nai_tx_send(ctx, nai_tx_far), NAI_TX_FULL);
	KUNIT_EXPECT_EQ(test, nai_tx_send(ctx, nai_tx_far), NAI_TX_FULL);
	KUNIT_EXPECT_EQ(test, nai_tx_counts(ctx).full, 2);
	/* What was not flushed was sent for room's sake. */
	nai_tx_expect_in_order(ctx);

	nai_tx_hw.sent = 1;
	KUNIT_EXPECT_EQ(test, nai_tx_send(ctx, nai_tx_far), NAI_TX_QUEUE);
	KUNIT_EXPECT_EQ(test, nai_tx_send(ctx, nai_tx_far), NAI_TX_FULL);
	KUNIT_EXPECT_FALSE(test, nai_tx_flush(ctx->fq));
	nai_tx_expect_in_order(ctx);
}

/* Hardware that takes less than it is offered has the rest the next time. */
static void nai_tx_partial(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	unsigned int i;

	nai_tx_put_up(ctx);
	nai_tx_hw.room = 3;
	for (i = 0; i < 10; i++)
		nai_tx_send(ctx, nai_tx_far);
	KUNIT_EXPECT_TRUE(test, nai_tx_flush(ctx->fq));
	KUNIT_EXPECT_EQ(test, nai_tx_hw.taken, 3);
	nai_tx_hw.sent = 3;
	KUNIT_EXPECT_TRUE(test, nai_tx_flush(ctx->fq));
	nai_tx_hw.room = UINT_MAX;
	KUNIT_EXPECT_FALSE(test, nai_tx_flush(ctx->fq));
	nai_tx_expect_in_order(ctx);
}

/* Hardware that claims to have sent what it was not given. */
static void nai_tx_excess(struct kunit *test)
{
	struct nai_test *ctx = test->priv;

	nai_tx_put_up(ctx);
	nai_tx_send(ctx, nai_tx_far);
	nai_tx_flush(ctx->fq);
	nai_tx_hw.excess = 1000;
	KUNIT_EXPECT_EQ(test, nai_tx_counts(ctx).packets, 1);
	KUNIT_EXPECT_EQ(test, ctx->fq->tx->in_flight, 0);
	KUNIT_EXPECT_EQ(test, nai_tx_send(ctx, nai_tx_far), NAI_TX_QUEUE);
	nai_tx_flush(ctx->fq);
	nai_tx_expect_in_order(ctx);
}

/* A reset loses what was not sent, and says how much; a frame that is being
 * copied meanwhile is lost alone.
 */
static void nai_tx_reset(struct kunit *test)
{
	struct nai_tx_head head = { .len = ETH_ZLEN };
	struct nai_test *ctx = test->priv;
	unsigned int i;
	void *data;

	nai_tx_put_up(ctx);
	for (i = 0; i < 10; i++)
		nai_tx_send(ctx, nai_tx_far);
	nai_tx_flush(ctx->fq);
	for (i = 0; i < 5; i++)
		nai_tx_send(ctx, nai_tx_far);
	ether_addr_copy(head.eth.h_dest, nai_tx_far);
	ether_addr_copy(head.eth.h_source, nai_tx_guest);
	KUNIT_EXPECT_EQ(test, nai_tx_begin(ctx->fq, &head, &data),
			NAI_TX_QUEUE);
	nai_tx_hw.sent = 4;
	nai_test_down(ctx);
	nai_tx_commit(ctx->fq, &head);
	KUNIT_EXPECT_EQ(test, nai_tx_counts(ctx).packets, 4);
	KUNIT_EXPECT_EQ(test,
			nai_tx_counts(ctx).drops[NAI_TX_DROP_REASON_STOP],
			6 + 5 + 1);
	KUNIT_EXPECT_EQ(test, nai_tx_send(ctx, nai_tx_far), NAI_TX_TAP);
	KUNIT_EXPECT_FALSE(test, nai_tx_flush(ctx->fq));

	nai_test_up(ctx);
	ctx->next_seq = 0;
	nai_tx_hw.taken = 0;
	for (i = 0; i < NAI_TX_DEPTH; i++)
		KUNIT_ASSERT_EQ(test, nai_tx_send(ctx, nai_tx_far),
				NAI_TX_QUEUE);
	KUNIT_EXPECT_EQ(test, nai_tx_send(ctx, nai_tx_far), NAI_TX_FULL);
	nai_tx_expect_in_order(ctx);
}

/* Nobody waits for room: what it has is enough. */
static void nai_tx_stands_still(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_fq *fq;

	nai_tx_put_up(ctx);
	fq = ctx->fq;
	nai_tx_send(ctx, nai_tx_far);
	nai_tx_flush(fq);
	nai_tx_look(ctx);
	KUNIT_EXPECT_EQ(test, READ_ONCE(fq->end), NAI_LEASE_HOLDS);
	/* As if it had been so for long. */
	fq->tx->progress_at = jiffies - 6 * HZ;
	nai_tx_look(ctx);
	KUNIT_EXPECT_TRUE(test, nai_test_wait_over(ctx));
	KUNIT_EXPECT_EQ(test, ctx->client->last_reason,
			NAI_DETACH_REASON_HARDWARE);
}

/* Nothing to send for long, or no link to send by, is no stall. */
static void nai_tx_rests(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_fq *fq;

	nai_tx_put_up(ctx);
	fq = ctx->fq;
	fq->tx->progress_at = jiffies - 6 * HZ;
	nai_tx_look(ctx);
	nai_tx_send(ctx, nai_tx_far);
	nai_tx_flush(fq);
	fq->tx->progress_at = jiffies - 6 * HZ;
	netif_carrier_off(ctx->dev);
	nai_tx_look(ctx);
	netif_carrier_on(ctx->dev);
	nai_tx_look(ctx);
	fq->tx->progress_at = jiffies - 6 * HZ;
	nai_tx_hw.sent = 1;
	nai_tx_look(ctx);
	KUNIT_EXPECT_EQ(test, READ_ONCE(fq->end), NAI_LEASE_HOLDS);
}

static void nai_tx_no_link(struct kunit *test)
{
	struct nai_test *ctx = test->priv;

	nai_tx_put_up(ctx);
	netif_carrier_off(ctx->dev);
	KUNIT_EXPECT_EQ(test, nai_tx_send(ctx, nai_tx_far), NAI_TX_TAP);
	netif_carrier_on(ctx->dev);
	KUNIT_EXPECT_EQ(test, nai_tx_send(ctx, nai_tx_far), NAI_TX_QUEUE);
	KUNIT_EXPECT_EQ(test, nai_tx_counts(ctx).tap, 1);
}

/* What the bridge would not pass on to the port it does not get by the queue. */
static void nai_tx_mtu(struct kunit *test)
{
	struct nai_test *ctx = test->priv;

	nai_tx_put_up(ctx);
	KUNIT_EXPECT_EQ(test, nai_tx_send_as(ctx, nai_tx_far, ETH_FRAME_LEN, 0),
			NAI_TX_QUEUE);
	KUNIT_EXPECT_EQ(test,
			nai_tx_send_as(ctx, nai_tx_far, ETH_FRAME_LEN + 1, 0),
			NAI_TX_TAP);
	rtnl_lock();
	KUNIT_EXPECT_EQ(test, dev_set_mtu(ctx->dev, 1000), 0);
	rtnl_unlock();
	KUNIT_EXPECT_EQ(test,
			nai_tx_send_as(ctx, nai_tx_far, 1000 + ETH_HLEN, 0),
			NAI_TX_QUEUE);
	KUNIT_EXPECT_EQ(test,
			nai_tx_send_as(ctx, nai_tx_far, 1001 + ETH_HLEN, 0),
			NAI_TX_TAP);
}

/* Frames do not overtake the segments that the tap was given before. */
static void nai_tx_segments(struct kunit *test)
{
	struct nai_test *ctx = test->priv;

	nai_tx_put_up(ctx);
	KUNIT_EXPECT_EQ(test, nai_tx_send_as(ctx, ctx->dev->dev_addr, 9000,
					     NAI_TX_GSO), NAI_TX_TAP);
	KUNIT_EXPECT_EQ(test, nai_tx_send(ctx, nai_tx_far), NAI_TX_QUEUE);
	KUNIT_EXPECT_EQ(test, nai_tx_send_as(ctx, nai_tx_far, 9000, NAI_TX_GSO),
			NAI_TX_TAP);
	/* For as long as it takes to be here. */
	ctx->fq->tx->held_at += HZ;
	KUNIT_EXPECT_EQ(test, nai_tx_send(ctx, nai_tx_far), NAI_TX_TAP);
	ctx->fq->tx->held_at = jiffies - HZ;
	KUNIT_EXPECT_EQ(test, nai_tx_send(ctx, nai_tx_far), NAI_TX_QUEUE);
}

/* Every mapping of either side fails in turn; the others are undone. */
static void nai_tx_map_fails(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};

	if (!IS_ENABLED(CONFIG_ARCH_HAS_DMA_OPS))
		kunit_skip(test, "needs DMA operations of its own");
	terms.tx = true;
	nai_tx_plug(ctx);
	for (ctx->map_fails = 0;
	     ctx->map_fails < NAI_TEST_DEPTH + NAI_TX_DEPTH;
	     ctx->map_fails++) {
		KUNIT_ASSERT_EQ(test, nai_test_attach(ctx, &terms, &extack),
				-ENOMEM);
		KUNIT_ASSERT_EQ(test, atomic_read(&ctx->maps), 0);
	}
	ctx->map_fails = -1;
	nai_tx_attach(ctx);
}

static struct kunit_case nai_tx_ring_cases[] = {
	KUNIT_CASE(nai_tx_wrap),
	KUNIT_CASE(nai_tx_when_full),
	KUNIT_CASE(nai_tx_partial),
	KUNIT_CASE(nai_tx_excess),
	KUNIT_CASE(nai_tx_reset),
	KUNIT_CASE(nai_tx_stands_still),
	KUNIT_CASE(nai_tx_rests),
	KUNIT_CASE(nai_tx_no_link),
	KUNIT_CASE(nai_tx_mtu),
	KUNIT_CASE(nai_tx_segments),
	KUNIT_CASE_SLOW(nai_tx_map_fails),
	{}
};

static struct kunit_suite nai_tx_ring_suite = {
	.name = "nai-tx-ring",
	.init = nai_test_init,
	.exit = nai_tx_exit,
	.test_cases = nai_tx_ring_cases,
};

kunit_test_suite(nai_tx_ring_suite);
