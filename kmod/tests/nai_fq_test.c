// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frame queues: buffers and their way, the end of the rings, interrupts, and
 * providers that say what is not so.
 */

#include "nai_test_lib.h"

/* The way of a buffer */

static void nai_fq_stocked(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, 100);

	KUNIT_EXPECT_EQ(test, ctx->fq->posted, 100);
	KUNIT_EXPECT_EQ(test, hw->kicked - hw->head, 100);
	KUNIT_EXPECT_EQ(test, hw->kicks, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->wakes), 1);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
}

/* What is not consumed is shown again, and its buffers stay away from the NIC. */
static void nai_fq_peek_again(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);
	struct nai_frame frames[8];

	nai_test_flood(ctx, hw, 5);
	KUNIT_EXPECT_EQ(test, nai_rx_peek(ctx->fq, frames, 3), 3);
	KUNIT_EXPECT_EQ(test, nai_rx_peek(ctx->fq, frames, 8), 5);
	KUNIT_EXPECT_EQ(test, nai_test_seq(ctx, &frames[0]), 0);
	KUNIT_EXPECT_EQ(test, frames[4].len, ETH_ZLEN);

	nai_rx_consume(ctx->fq, 2, 2, 2 * ETH_ZLEN);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, NAI_TEST_DEPTH - 3);
	KUNIT_EXPECT_EQ(test, hw->kicks, 2);
	KUNIT_EXPECT_EQ(test, nai_rx_peek(ctx->fq, frames, 8), 3);
	KUNIT_EXPECT_EQ(test, nai_test_seq(ctx, &frames[0]), 2);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
}

/* A guest that takes nothing: the ring runs dry and the NIC drops. */
static void nai_fq_runs_dry(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);
	struct nai_frame frame;

	nai_test_flood(ctx, hw, NAI_TEST_DEPTH);
	KUNIT_EXPECT_FALSE(test, nai_test_receive(ctx, hw, ETH_ZLEN, 0));
	KUNIT_EXPECT_EQ(test, nai_rx_peek(ctx->fq, &frame, 1), 1);
	nai_rx_starved(ctx->fq);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, 0);
	KUNIT_EXPECT_FALSE(test, nai_test_receive(ctx, hw, ETH_ZLEN, 0));
	NAI_TEST_EXPECT_SOUND(ctx, hw);
	nai_test_take(ctx, NAI_TEST_DEPTH, 0);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, NAI_TEST_DEPTH);
}

/* What rx_post() does not take now is offered again. */
static void nai_fq_post_in_parts(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);

	nai_test_flood(ctx, hw, 10);
	hw->room = 0;
	nai_test_take(ctx, 10, 0);
	KUNIT_EXPECT_EQ(test, ctx->fq->nr_free, 10);
	KUNIT_EXPECT_EQ(test, hw->kicks, 1);
	NAI_TEST_EXPECT_SOUND(ctx, hw);

	hw->room = 3;
	nai_test_flood(ctx, hw, 1);
	nai_test_take(ctx, 1, 10);
	KUNIT_EXPECT_EQ(test, ctx->fq->nr_free, 0);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, NAI_TEST_DEPTH);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
}

/* Indices run over the end of the ring and of their type, in any depth. */
static const unsigned int nai_wrap_depths[] = { 16, 24, 64, 100, 1000, 1024 };

static void nai_wrap_desc(const unsigned int *depth, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "depth %u", *depth);
}

KUNIT_ARRAY_PARAM(nai_wrap, nai_wrap_depths, nai_wrap_desc);

static void nai_fq_wrap(struct kunit *test)
{
	unsigned int depth = *(const unsigned int *)test->param_value;
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, depth);
	unsigned int i, burst;
	u32 seq = 0;

	/* Empty, so head and tail may be anywhere. */
	ctx->fq->ready_head = UINT_MAX - depth;
	ctx->fq->ready_tail = ctx->fq->ready_head;
	for (i = 0; i < 7; i++) {
		burst = i % 2 ? depth : depth / 3;
		nai_test_flood(ctx, hw, burst);
		nai_rx_starved(ctx->fq);
		NAI_TEST_EXPECT_SOUND(ctx, hw);
		nai_test_take(ctx, burst, seq);
		seq += burst;
		NAI_TEST_EXPECT_SOUND(ctx, hw);
	}
	KUNIT_EXPECT_LT(test, ctx->fq->ready_tail, UINT_MAX - depth);
	KUNIT_EXPECT_EQ(test, ctx->fq->stats.rx_packets, seq);
	KUNIT_EXPECT_EQ(test, ctx->fq->stats.rx_bytes, (u64)seq * ETH_ZLEN);
}

/* Reset of the port */

static void nai_fq_down_up(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);
	int wakes = atomic_read(&ctx->wakes);

	nai_test_flood(ctx, hw, 10);
	nai_test_down(ctx);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->wakes), wakes + 1);
	KUNIT_EXPECT_EQ(test, ctx->fq->state, NAI_FQ_STATE_PAUSED);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, 0);
	KUNIT_EXPECT_EQ(test, ctx->fq->nr_free, NAI_TEST_DEPTH - 10);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
	nai_test_down(ctx);

	/* Frames that were completed are delivered, and nothing is posted. */
	nai_test_take(ctx, 4, 0);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, 0);
	KUNIT_EXPECT_FALSE(test, nai_rx_idle(ctx->fq));
	KUNIT_EXPECT_EQ(test, hw->arms, 0);

	nai_test_up(ctx);
	nai_test_up(ctx);
	KUNIT_EXPECT_EQ(test, ctx->fq->state, NAI_FQ_STATE_RUNNING);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, NAI_TEST_DEPTH - 6);
	KUNIT_EXPECT_EQ(test, ctx->fq->stats.resets, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->wakes), wakes + 2);
	KUNIT_EXPECT_STREQ(test, ctx->log, "sS");
	NAI_TEST_EXPECT_SOUND(ctx, hw);

	nai_test_flood(ctx, hw, 2);
	nai_test_take(ctx, 8, 4);
}

/* A frame may be read as long as the worker has not given it back. */
static void nai_fq_unplug_while_shown(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);
	struct nai_frame frames[4], more;
	struct nai_fq *fq = ctx->fq;

	kref_get(&fq->kref);
	nai_test_flood(ctx, hw, 4);
	KUNIT_ASSERT_EQ(test, nai_rx_peek(fq, frames, 4), 4);
	/* The worker is in a run that the client's end has to wait for. */
	ctx->stall = NAI_TEST_CLIENT_END;
	nai_test_unplug(ctx);
	KUNIT_EXPECT_EQ(test, fq->state, NAI_FQ_STATE_DEAD);
	KUNIT_EXPECT_FALSE(test, fq->mapped);
	KUNIT_EXPECT_EQ(test, nai_test_seq(ctx, &frames[3]), 3);

	nai_rx_consume(fq, 1, 1, ETH_ZLEN);
	KUNIT_EXPECT_EQ(test, nai_rx_peek(fq, &more, 1), 0);
	KUNIT_EXPECT_FALSE(test, nai_rx_idle(fq));
	nai_rx_starved(fq);

	complete(&ctx->go_on);
	KUNIT_EXPECT_TRUE(test, nai_test_wait_over(ctx));
	nai_test_leave(ctx);
	KUNIT_EXPECT_EQ(test, fq->nr_free, NAI_TEST_DEPTH);
	KUNIT_EXPECT_EQ(test, fq->stats.drops[NAI_DROP_REASON_DETACH], 3);
	nai_fq_put(fq);
}

/* Frames that are not */

struct nai_frame_case {
	const char *name;
	u16 len;
	u16 flags;
	bool good;
};

static const struct nai_frame_case nai_frame_cases[] = {
	{ "shortest", ETH_HLEN, 0, true },
	{ "longest", NAI_TEST_MAX_FRAME, NAI_RX_CSUM_OK, true },
	{ "too short", ETH_HLEN - 1, 0, false },
	{ "nothing", 0, 0, false },
	{ "too long", NAI_TEST_MAX_FRAME + 1, 0, false },
	{ "length of the buffer", 2048, 0, false },
	{ "beyond the buffer", 2049, 0, false },
	{ "beyond the page", U16_MAX, 0, false },
	{ "in error", ETH_ZLEN, NAI_RX_ERR, false },
	{ "in error, checksum good", ETH_ZLEN, NAI_RX_ERR | NAI_RX_CSUM_OK,
	  false },
};

KUNIT_ARRAY_PARAM_DESC(nai_frame, nai_frame_cases, name);

static void nai_fq_frame(struct kunit *test)
{
	const struct nai_frame_case *given = test->param_value;
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);
	struct nai_frame frame;

	nai_test_receive(ctx, hw, given->len, given->flags);
	KUNIT_EXPECT_EQ(test, nai_rx_peek(ctx->fq, &frame, 1), given->good);
	KUNIT_EXPECT_EQ(test, ctx->fq->stats.drops[NAI_DROP_REASON_ERROR],
			!given->good);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, NAI_TEST_DEPTH - given->good);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
	if (!given->good)
		return;
	KUNIT_EXPECT_EQ(test, frame.len, given->len);
	KUNIT_EXPECT_EQ(test, frame.flags, given->flags);
}

/* Completions that are not: none may touch a slot that is elsewhere. */

struct nai_claim_case {
	const char *name;
	enum nai_slot_state state;
	int slot;	/* -1: one that is in @state */
};

static const struct nai_claim_case nai_claim_cases[] = {
	{ "of a frame that waits", NAI_SLOT_READY, -1 },
	{ "of a free slot", NAI_SLOT_FREE, -1 },
	{ "just out of range", 0, NAI_TEST_DEPTH },
	{ "far out of range", 0, U16_MAX },
};

KUNIT_ARRAY_PARAM_DESC(nai_claim, nai_claim_cases, name);

static void nai_fq_claim(struct kunit *test)
{
	const struct nai_claim_case *given = test->param_value;
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);
	struct nai_frame frames[NAI_TEST_DEPTH];
	u16 slot = given->slot;

	/* Frame 0 gets a slot free that stays so; frame 1 waits. */
	hw->room = 0;
	nai_test_flood(ctx, hw, 2);
	nai_test_take(ctx, 1, 0);
	KUNIT_ASSERT_EQ(test, nai_rx_peek(ctx->fq, frames, 2), 1);
	if (given->slot < 0 && given->state == NAI_SLOT_READY)
		slot = ctx->fq->ready[ctx->fq->ready_head &
				      ctx->fq->ready_mask].slot;
	else if (given->slot < 0)
		slot = ctx->fq->free[0];

	nai_test_claim(hw, slot, ETH_ZLEN);
	nai_test_claim(hw, slot, ETH_ZLEN);
	nai_test_flood(ctx, hw, 1);
	KUNIT_EXPECT_EQ(test, nai_rx_peek(ctx->fq, frames, NAI_TEST_DEPTH), 2);
	KUNIT_EXPECT_EQ(test, nai_test_seq(ctx, &frames[0]), 1);
	KUNIT_EXPECT_EQ(test, nai_test_seq(ctx, &frames[1]), 2);
	KUNIT_EXPECT_EQ(test, ctx->fq->stats.drops[NAI_DROP_REASON_ERROR], 2);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
}

/* Out of range by one, and yet it looks as good as any. */
static void nai_fq_claim_behind(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);
	struct nai_frame frame;

	ctx->fq->nr_slots--;
	nai_test_claim(hw, ctx->fq->nr_slots, ETH_ZLEN);
	KUNIT_EXPECT_EQ(test, nai_rx_peek(ctx->fq, &frame, 1), 0);
	KUNIT_EXPECT_EQ(test, ctx->fq->stats.drops[NAI_DROP_REASON_ERROR], 1);
	ctx->fq->nr_slots++;
	NAI_TEST_EXPECT_SOUND(ctx, hw);
}

/* A provider that always has something to say holds nobody up. */
static void nai_fq_endless(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, 1000);
	struct nai_frame frames[NAI_RX_BATCH];

	hw->endless = true;
	nai_rx_starved(ctx->fq);
	KUNIT_EXPECT_LE(test, hw->polls, 1000 / NAI_RX_BATCH + 1);
	hw->polls = 0;
	nai_rx_peek(ctx->fq, frames, NAI_RX_BATCH);
	KUNIT_EXPECT_LE(test, hw->polls, 1);
	hw->polls = 0;
	nai_test_down(ctx);
	KUNIT_EXPECT_LE(test, hw->polls, 1000 / NAI_RX_BATCH + 1);
	hw->endless = false;
	NAI_TEST_EXPECT_SOUND(ctx, hw);
}

/* Interrupts */

static void nai_fq_idle_arms(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);
	int wakes = atomic_read(&ctx->wakes);

	KUNIT_EXPECT_FALSE(test, nai_rx_idle(ctx->fq));
	KUNIT_EXPECT_TRUE(test, ctx->fq->armed);
	KUNIT_EXPECT_FALSE(test, hw->masked);

	/* The NIC masks, then calls. */
	hw->masked = true;
	nai_fq_irq(ctx->fq);
	KUNIT_EXPECT_FALSE(test, ctx->fq->armed);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->wakes), wakes + 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&ctx->fq->wakes), 1);
}

/* It comes after the worker's last look and before the interrupt is armed. */
static void nai_fq_idle_race(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);
	struct nai_frame frame;

	KUNIT_ASSERT_EQ(test, nai_rx_peek(ctx->fq, &frame, 1), 0);
	hw->arm_brings = 1;
	KUNIT_EXPECT_TRUE(test, nai_rx_idle(ctx->fq));
	KUNIT_EXPECT_TRUE(test, hw->masked);
	KUNIT_EXPECT_FALSE(test, ctx->fq->armed);
	nai_test_take(ctx, 1, 0);
	KUNIT_EXPECT_FALSE(test, nai_rx_idle(ctx->fq));
	KUNIT_EXPECT_FALSE(test, hw->masked);
}

/* It comes when the interrupt is armed, and nai_rx_idle() is not through. */
static void nai_fq_idle_irq(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);
	int wakes = atomic_read(&ctx->wakes);

	hw->arm_fires = true;
	KUNIT_EXPECT_FALSE(test, nai_rx_idle(ctx->fq));
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->wakes), wakes + 1);
	KUNIT_EXPECT_FALSE(test, ctx->fq->armed);
	nai_test_take(ctx, 1, 0);
}

/* Harvested and not shown yet: there is nothing to arm for. */
static void nai_fq_idle_with_frames(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);

	nai_test_flood(ctx, hw, 3);
	nai_rx_starved(ctx->fq);
	KUNIT_EXPECT_TRUE(test, nai_rx_idle(ctx->fq));
	KUNIT_EXPECT_EQ(test, hw->arms, 0);
	KUNIT_EXPECT_TRUE(test, hw->masked);
}

/* Who runs already needs no interrupt, and who waits for the guest neither. */
static void nai_fq_masked_again(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);
	struct nai_frame frame;

	nai_rx_idle(ctx->fq);
	KUNIT_EXPECT_FALSE(test, hw->masked);
	nai_test_flood(ctx, hw, 1);
	KUNIT_EXPECT_EQ(test, nai_rx_peek(ctx->fq, &frame, 1), 1);
	KUNIT_EXPECT_TRUE(test, hw->masked);
	nai_rx_consume(ctx->fq, 1, 1, ETH_ZLEN);

	nai_rx_idle(ctx->fq);
	KUNIT_EXPECT_FALSE(test, hw->masked);
	nai_rx_starved(ctx->fq);
	KUNIT_EXPECT_TRUE(test, hw->masked);
	KUNIT_EXPECT_FALSE(test, ctx->fq->armed);
}

/* A port that stops masks what was armed; up wakes a worker, which arms. */
static void nai_fq_masked_by_down(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);
	int wakes;

	nai_rx_idle(ctx->fq);
	nai_test_down(ctx);
	KUNIT_EXPECT_TRUE(test, hw->masked);
	KUNIT_EXPECT_FALSE(test, ctx->fq->armed);
	wakes = atomic_read(&ctx->wakes);
	nai_test_up(ctx);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->wakes), wakes + 1);
}

static void nai_fq_irq_without_worker(struct kunit *test)
{
	struct nai_test *ctx = test->priv;

	nai_test_lease(ctx, NAI_TEST_DEPTH);
	nai_rx_idle(ctx->fq);
	ctx->worker_gone = true;
	nai_fq_irq(ctx->fq);
	KUNIT_EXPECT_FALSE(test, ctx->fq->armed);
	KUNIT_EXPECT_EQ(test, atomic64_read(&ctx->fq->wakes), 0);
}

/* Counters */

static void nai_fq_drops(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	unsigned int reason, other;

	nai_test_lease(ctx, NAI_TEST_DEPTH);
	for (reason = 0; reason < NAI_DROP_REASONS; reason++) {
		nai_rx_drop(ctx->fq, reason);
		for (other = 0; other < NAI_DROP_REASONS; other++)
			KUNIT_EXPECT_EQ(test, ctx->fq->stats.drops[other],
					other <= reason);
	}
}

static u64 nai_test_tap_packets(const struct net_device *tap)
{
	struct rtnl_link_stats64 stats = {};

	dev_fetch_sw_netstats(&stats, tap->tstats);
	return stats.tx_packets;
}

/* What the guest got counts for the tap too; what it did not get does not. */
static void nai_fq_tap_counts(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);
	struct nai_frame frames[4];

	nai_test_flood(ctx, hw, 4);
	KUNIT_ASSERT_EQ(test, nai_rx_peek(ctx->fq, frames, 4), 4);
	nai_rx_drop(ctx->fq, NAI_DROP_REASON_FAULT);
	nai_rx_consume(ctx->fq, 4, 3, 3 * ETH_ZLEN);
	KUNIT_EXPECT_EQ(test, nai_test_tap_packets(ctx->tap), 3);
	KUNIT_EXPECT_EQ(test, ctx->fq->stats.rx_packets, 3);
	KUNIT_EXPECT_EQ(test, ctx->fq->stats.rx_bytes, 3 * ETH_ZLEN);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
}

static struct kunit_case nai_fq_cases[] = {
	KUNIT_CASE(nai_fq_stocked),
	KUNIT_CASE(nai_fq_peek_again),
	KUNIT_CASE(nai_fq_runs_dry),
	KUNIT_CASE(nai_fq_post_in_parts),
	KUNIT_CASE_PARAM(nai_fq_wrap, nai_wrap_gen_params),
	KUNIT_CASE(nai_fq_down_up),
	KUNIT_CASE(nai_fq_unplug_while_shown),
	KUNIT_CASE_PARAM(nai_fq_frame, nai_frame_gen_params),
	KUNIT_CASE_PARAM(nai_fq_claim, nai_claim_gen_params),
	KUNIT_CASE(nai_fq_claim_behind),
	KUNIT_CASE(nai_fq_endless),
	KUNIT_CASE(nai_fq_idle_arms),
	KUNIT_CASE(nai_fq_idle_race),
	KUNIT_CASE(nai_fq_idle_irq),
	KUNIT_CASE(nai_fq_idle_with_frames),
	KUNIT_CASE(nai_fq_masked_again),
	KUNIT_CASE(nai_fq_masked_by_down),
	KUNIT_CASE(nai_fq_irq_without_worker),
	KUNIT_CASE(nai_fq_drops),
	KUNIT_CASE(nai_fq_tap_counts),
	{}
};

static struct kunit_suite nai_fq_suite = {
	.name = "nai-fq",
	.init = nai_test_init,
	.exit = nai_test_exit,
	.test_cases = nai_fq_cases,
};

kunit_test_suite(nai_fq_suite);
