// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers of the guest's own: posted, filled and given back; the port's resets,
 * its end, and a client that needs all of them back at once.
 */

#include <linux/dma-mapping.h>
#include <linux/prandom.h>

#include "nai_test_lib.h"

#define NAI_SEED_TEST_POOL	4

/* The ring of a guest with room for more than the hardware has. */
static struct nai_test_hw *nai_seed_lease(struct nai_test *ctx,
					  unsigned int seeds)
{
	struct nai_test_hw *hw = nai_test_lease_seed(ctx, NAI_TEST_DEPTH);

	KUNIT_ASSERT_EQ(ctx->test, nai_test_seed(ctx, seeds), seeds);
	return hw;
}

static void nai_seed_begins_empty(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_seed_lease(ctx, 0);

	KUNIT_EXPECT_TRUE(test, nai_fq_takes_seeds(ctx->fq));
	KUNIT_EXPECT_EQ(test, hw->tail, hw->head);
	KUNIT_EXPECT_EQ(test, nai_rx_room(ctx->fq), NAI_TEST_DEPTH);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
}

/* A lease that copies has no place for them. */
static void nai_seed_not_asked(struct kunit *test)
{
	struct nai_test *ctx = test->priv;

	nai_test_lease(ctx, NAI_TEST_DEPTH);
	KUNIT_EXPECT_FALSE(test, nai_fq_takes_seeds(ctx->fq));
	nai_test_hold(ctx);
	KUNIT_EXPECT_EQ(test, ctx->fq->state, NAI_FQ_STATE_RUNNING);
	nai_test_resume(ctx);
	KUNIT_EXPECT_EQ(test, ctx->revokes, 0);
}

/* Each has a DMA address for as long as the hardware may write to it. */
static void nai_seed_delivers(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_seed_lease(ctx, 20);
	struct nai_frame frames[20];
	unsigned int i;

	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->maps), NAI_TEST_DEPTH + 20);
	KUNIT_EXPECT_EQ(test, nai_rx_room(ctx->fq), NAI_TEST_DEPTH - 20);
	for (i = 0; i < 20; i++)
		KUNIT_EXPECT_EQ(test, hw->posted[(hw->head + i) %
						 NAI_MAX_DEPTH].len,
				NAI_TEST_MAX_FRAME);
	nai_test_flood(ctx, hw, 20);
	KUNIT_EXPECT_FALSE(test, nai_test_receive(ctx, hw, ETH_ZLEN, 0));

	KUNIT_ASSERT_EQ(test, nai_rx_peek(ctx->fq, frames, 20), 20);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->maps), NAI_TEST_DEPTH);
	for (i = 0; i < 20; i++) {
		KUNIT_EXPECT_TRUE(test, frames[i].flags & NAI_RX_SEEDED);
		KUNIT_EXPECT_PTR_EQ(test, frames[i].data, NULL);
		KUNIT_EXPECT_EQ(test, nai_test_seq(ctx, &frames[i]), i);
	}
	nai_test_consume(ctx, frames, 20, 20);
	KUNIT_EXPECT_EQ(test, ctx->fq->stats.seeded, 20);
	KUNIT_EXPECT_EQ(test, ctx->fq->stats.rx_packets, 20);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, 0);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
	/* Their names are free again. */
	KUNIT_EXPECT_EQ(test, nai_test_seed(ctx, NAI_TEST_DEPTH),
			NAI_TEST_DEPTH);
}

/* Never more than the queue is deep; that is a rule of the NIC's. */
static void nai_seed_beside_pool(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_seed_lease(ctx, NAI_TEST_DEPTH - 2);

	nai_rx_set_pool(ctx->fq, NAI_SEED_TEST_POOL, NAI_TEST_DEPTH);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, NAI_TEST_DEPTH);
	KUNIT_EXPECT_EQ(test, ctx->fq->nr_free, NAI_TEST_DEPTH - 2);
	KUNIT_EXPECT_EQ(test, nai_rx_room(ctx->fq), 0);
	nai_test_flood(ctx, hw, NAI_TEST_DEPTH);
	nai_test_take(ctx, NAI_TEST_DEPTH, 0);
	/* Those of its own are posted again, and now as many as it may. */
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, NAI_SEED_TEST_POOL);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
}

/* Frames that wait in the core's own buffers count for the limit too. */
static void nai_seed_pool_is_bounded(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_seed_lease(ctx, 0);
	struct nai_frame frames[NAI_SEED_TEST_POOL];

	nai_rx_set_pool(ctx->fq, NAI_SEED_TEST_POOL, NAI_TEST_DEPTH);
	nai_test_flood(ctx, hw, NAI_SEED_TEST_POOL);
	KUNIT_ASSERT_EQ(test, nai_rx_peek(ctx->fq, frames, NAI_SEED_TEST_POOL),
			NAI_SEED_TEST_POOL);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, 0);
	nai_rx_set_pool(ctx->fq, 0, NAI_TEST_DEPTH);
	nai_test_consume(ctx, frames, 2, 2);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, 0);
	nai_rx_set_pool(ctx->fq, NAI_SEED_TEST_POOL, NAI_TEST_DEPTH);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, 2);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
}

/* The hardware takes fewer than it could: the rest waits with the core. */
static void nai_seed_offered_again(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_seed_lease(ctx, 0);

	hw->room = 0;
	KUNIT_EXPECT_EQ(test, nai_test_seed(ctx, 5), 5);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, 0);
	KUNIT_EXPECT_EQ(test, nai_rx_room(ctx->fq), NAI_TEST_DEPTH - 5);
	/* What is not posted has no address. */
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->maps), NAI_TEST_DEPTH);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
	hw->room = NAI_MAX_DEPTH;
	nai_rx_set_pool(ctx->fq, 0, NAI_TEST_DEPTH);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, 5);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
}

/* Between what nai_rx_room() has said and the post a reset may have brought our
 * own back.
 */
static void nai_seed_too_many(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_seed_lease(ctx, 0);
	struct nai_frame frames[2];

	nai_rx_set_pool(ctx->fq, NAI_SEED_TEST_POOL, NAI_TEST_DEPTH);
	KUNIT_EXPECT_EQ(test, nai_test_seed(ctx, NAI_TEST_DEPTH),
			NAI_TEST_DEPTH);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, NAI_TEST_DEPTH);
	KUNIT_EXPECT_EQ(test, ctx->fq->nr_again, NAI_SEED_TEST_POOL);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
	nai_test_flood(ctx, hw, 2);
	KUNIT_EXPECT_EQ(test, nai_rx_peek(ctx->fq, frames, 2), 2);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, NAI_TEST_DEPTH);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
}

static void nai_seed_cannot_map(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_seed_lease(ctx, 0);

	ctx->map_fails = NAI_TEST_DEPTH + 3;
	KUNIT_EXPECT_EQ(test, nai_test_seed(ctx, 5), 5);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, 3);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
	ctx->map_fails = -1;
	nai_rx_set_pool(ctx->fq, 0, NAI_TEST_DEPTH);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, 5);
}

static void nai_seed_in_error(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_seed_lease(ctx, 2);
	struct nai_frame frame;

	nai_test_receive(ctx, hw, ETH_ZLEN, NAI_RX_ERR);
	KUNIT_EXPECT_EQ(test, nai_rx_peek(ctx->fq, &frame, 1), 0);
	KUNIT_EXPECT_EQ(test, ctx->fq->stats.drops[NAI_DROP_REASON_ERROR], 1);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->maps), NAI_TEST_DEPTH + 2);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
}

/* The client hears nothing of a reset: its buffers are posted again. */
static void nai_seed_over_reset(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_seed_lease(ctx, 10);

	nai_test_flood(ctx, hw, 3);
	nai_test_down(ctx);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->maps), NAI_TEST_DEPTH);
	KUNIT_EXPECT_EQ(test, nai_rx_room(ctx->fq), 0);
	KUNIT_EXPECT_EQ(test, nai_test_seed(ctx, 1), 0);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
	nai_test_up(ctx);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, 7);
	nai_test_flood(ctx, hw, 7);
	nai_test_take(ctx, 10, 0);
	KUNIT_EXPECT_EQ(test, ctx->revokes, 0);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
}

/* Those with a frame, those without, those that were never posted. */
static void nai_seed_revoked(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_seed_lease(ctx, 6);
	struct nai_frame frames[8];
	int wakes;

	nai_rx_set_pool(ctx->fq, 1, NAI_TEST_DEPTH);
	nai_test_flood(ctx, hw, 7);
	KUNIT_EXPECT_EQ(test, nai_rx_peek(ctx->fq, frames, 8), 7);
	KUNIT_EXPECT_EQ(test, nai_test_seed(ctx, 3), 3);
	hw->room = 0;
	KUNIT_EXPECT_EQ(test, nai_test_seed(ctx, 2), 2);
	hw->room = NAI_MAX_DEPTH;

	nai_test_hold(ctx);
	KUNIT_EXPECT_FALSE(test, hw->running);
	KUNIT_EXPECT_EQ(test, ctx->revokes, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->maps), NAI_TEST_DEPTH);
	KUNIT_EXPECT_EQ(test, ctx->fq->stats.drops[NAI_DROP_REASON_DETACH], 6);
	KUNIT_EXPECT_EQ(test, ctx->fq->nr_again, 0);
	KUNIT_EXPECT_EQ(test, ctx->fq->peeked, 0);
	/* The one in the core's own buffer waits as before. */
	KUNIT_EXPECT_EQ(test, nai_rx_peek(ctx->fq, frames, 8), 1);
	KUNIT_EXPECT_EQ(test, nai_test_seq(ctx, &frames[0]), 6);
	NAI_TEST_EXPECT_SOUND(ctx, hw);

	wakes = atomic_read(&ctx->wakes);
	nai_test_resume(ctx);
	/* The worker is to post anew. */
	KUNIT_EXPECT_GT(test, atomic_read(&ctx->wakes), wakes);
	KUNIT_EXPECT_TRUE(test, hw->running);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, 0);
	KUNIT_EXPECT_EQ(test, nai_test_seed(ctx, 9), 9);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
}

/* The port may come and go meanwhile, and must not start what is held. */
static void nai_seed_held_over_reset(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_seed_lease(ctx, 6);

	nai_test_hold(ctx);
	nai_test_down(ctx);
	nai_test_up(ctx);
	KUNIT_EXPECT_FALSE(test, hw->running);
	nai_test_down(ctx);
	nai_test_resume(ctx);
	KUNIT_EXPECT_FALSE(test, hw->running);
	KUNIT_EXPECT_EQ(test, ctx->fq->state, NAI_FQ_STATE_PAUSED);
	nai_test_up(ctx);
	KUNIT_EXPECT_TRUE(test, hw->running);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
}

/* A queue that does not start again loses its lease, as after a reset. */
static void nai_seed_not_resumed(struct kunit *test)
{
	struct nai_test *ctx = test->priv;

	nai_seed_lease(ctx, 6);
	nai_test_hold(ctx);
	ctx->fail = NAI_TEST_START;
	nai_test_resume(ctx);
	KUNIT_EXPECT_TRUE(test, nai_test_wait_over(ctx));
	KUNIT_EXPECT_EQ(test, ctx->client->last_reason,
			NAI_DETACH_REASON_HARDWARE);
}

/* The worker asks for it, which cannot wait: it is done elsewhere, and once. */
static void nai_seed_recalled(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_seed_lease(ctx, 6);

	nai_test_flood(ctx, hw, 2);
	nai_client_recall(ctx->client);
	flush_work(&ctx->client->recall_work);
	KUNIT_EXPECT_EQ(test, ctx->revokes, 1);
	KUNIT_EXPECT_TRUE(test, hw->running);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->maps), NAI_TEST_DEPTH);
	KUNIT_EXPECT_EQ(test, nai_test_seed(ctx, 6), 6);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
}

/* The hardware stops before the client lets go. */
static void nai_seed_detached(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_seed_lease(ctx, 12);

	nai_test_flood(ctx, hw, 4);
	KUNIT_EXPECT_EQ(test, nai_test_detach(ctx), 0);
	KUNIT_EXPECT_STREQ(test, ctx->log, "msca");
	KUNIT_EXPECT_EQ(test, ctx->revokes, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->maps), 0);
}

/* Nothing is mapped when the port has gone, whatever the guest does. */
static void nai_seed_unplugged(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_seed_lease(ctx, 12);

	nai_test_flood(ctx, hw, 4);
	ctx->stall = NAI_TEST_CLIENT_END;
	nai_test_unplug(ctx);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->maps), 0);
	KUNIT_EXPECT_EQ(test, ctx->revokes, 0);
	KUNIT_EXPECT_GT(test, wait_for_completion_timeout(&ctx->stalled,
							  NAI_TEST_PATIENCE),
			0);
	KUNIT_EXPECT_EQ(test, nai_rx_room(ctx->fq), 0);
	complete_all(&ctx->go_on);
	KUNIT_EXPECT_TRUE(test, nai_test_wait_over(ctx));
	KUNIT_EXPECT_EQ(test, ctx->revokes, 1);
}

/* The last step of an attach fails when buffers may be posted already. */
static void nai_seed_undone(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};

	terms.mode = NAI_MODE_SEED;
	nai_test_plug(ctx, NAI_TEST_DEPTH);
	nai_test_join(ctx);
	ctx->fail = NAI_TEST_MATCH;
	KUNIT_EXPECT_EQ(test, nai_test_attach(ctx, &terms, &extack), -ENOSPC);
	KUNIT_EXPECT_STREQ(test, ctx->log, "ACSMsca");
	KUNIT_EXPECT_EQ(test, ctx->revokes, 1);
}

static void nai_seed_needs_hardware(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};

	terms.mode = NAI_MODE_SEED;
	nai_test_plug(ctx, NAI_TEST_DEPTH);
	nai_test_join(ctx);
	ctx->port.core->caps.flags &= ~NAI_CAP_SEED;
	KUNIT_EXPECT_EQ(test, nai_test_attach(ctx, &terms, &extack),
			-EOPNOTSUPP);
	KUNIT_EXPECT_NOT_NULL(test, strstr(extack._msg, "mode copy"));
	terms.mode = NAI_MODE_COPY;
	KUNIT_EXPECT_EQ(test, nai_test_attach(ctx, &terms, &extack), 0);
}

/* Buffers out of its reach would be bounced, and so copied after all. */
static void nai_seed_needs_reach(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};

	terms.mode = NAI_MODE_SEED;
	nai_test_plug(ctx, NAI_TEST_DEPTH);
	nai_test_join(ctx);
	ctx->port.dma_dev->bus_dma_limit = DMA_BIT_MASK(20);
	KUNIT_EXPECT_EQ(test, nai_test_attach(ctx, &terms, &extack),
			-EOPNOTSUPP);
	KUNIT_EXPECT_NOT_NULL(test, strstr(extack._msg, "reach"));
	terms.mode = NAI_MODE_COPY;
	KUNIT_EXPECT_EQ(test, nai_test_attach(ctx, &terms, &extack), 0);
}

/* A queue that lingers drops for want of buffers, so it runs without seeds. */
static void nai_seed_lingers(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_seed_lease(ctx, 12);

	ctx->fq->terms.linger = 60;
	nai_test_leave(ctx);
	KUNIT_EXPECT_TRUE(test, hw->running);
	KUNIT_EXPECT_EQ(test, hw->tail, hw->head);
	KUNIT_EXPECT_EQ(test, ctx->revokes, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->maps), NAI_TEST_DEPTH);
}

/* Of a guest with few descriptors the level is judged by those. */
static void nai_seed_level(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_seed_lease(ctx, 0);
	struct nai_fq *fq = ctx->fq;

	/* A quarter of the queue, and so of its marks. */
	nai_rx_set_pool(fq, 0, NAI_TEST_DEPTH / 4);
	nai_rx_idle(fq);
	KUNIT_EXPECT_EQ(test, ctx->level, NAI_CONGESTION_EMPTY);
	nai_test_seed(ctx, fq->terms.high / 4 - 1);
	KUNIT_EXPECT_EQ(test, ctx->level, NAI_CONGESTION_EMPTY);
	nai_test_seed(ctx, 1);
	KUNIT_EXPECT_EQ(test, ctx->level, NAI_CONGESTION_NORMAL);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
}

/* Holes in the ring */

struct nai_seed_hole_case {
	const char *name;
	u16 end;
	u16 seqs[4];
	bool last;
};

static const struct nai_seed_hole_case nai_seed_hole_cases[] = {
	{ "in order", 20, { 16, 17, 18, 19 }, true },
	{ "in no order", 20, { 19, 16, 18, 17 }, true },
	{ "over the end", 2, { 65534, 65535, 0, 1 }, true },
	{ "at the end", 0, { 65532, 65533, 65534, 65535 }, true },
	{ "one taken after", 21, { 16, 17, 18, 19 }, false },
	{ "one taken between", 21, { 16, 17, 19, 20 }, false },
	{ "one returned between", 20, { 15, 16, 18, 19 }, false },
	{ "over the end, one after", 3, { 65534, 65535, 0, 1 }, false },
	{ "long ago", 30000, { 16, 17, 18, 19 }, false },
};

static void nai_seed_hole_desc(const struct nai_seed_hole_case *given,
			       char *desc)
{
	strscpy(desc, given->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(nai_seed_hole, nai_seed_hole_cases, nai_seed_hole_desc);

static void nai_seed_holes(struct kunit *test)
{
	const struct nai_seed_hole_case *given = test->param_value;
	bool last = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(given->seqs); i++)
		last &= nai_seed_is_last(given->seqs[i],
					 ARRAY_SIZE(given->seqs), given->end);
	KUNIT_EXPECT_EQ(test, last, given->last);
}

/* Descriptors are taken, some to be posted, and come back in any order. At any
 * time those that are out are the last ones if nothing else was taken after the
 * first of them, and none of them came back but in the order of the ring.
 */
static void nai_seed_holes_any(struct kunit *test)
{
	bool *out = kunit_kcalloc(test, 65536, sizeof(*out), GFP_KERNEL);
	u16 first = 65000, end = 65000, seq;
	unsigned int step, n, hits = 0;
	struct rnd_state rnd;
	bool last, truth;

	KUNIT_ASSERT_NOT_NULL(test, out);
	prandom_seed_state(&rnd, 5);
	for (step = 0; step < 20000; step++) {
		if ((u16)(end - first) < 64)
			out[end++] = prandom_u32_state(&rnd) % 16;
		if (prandom_u32_state(&rnd) % 3 == 0)
			out[(u16)(first + prandom_u32_state(&rnd) % 64)] = false;
		if (prandom_u32_state(&rnd) % 64 == 0)
			first = end;
		while (first != end && !out[first])
			first++;
		for (n = 0, truth = true, seq = first; seq != end; seq++) {
			n += out[seq];
			truth &= out[seq];
		}
		for (last = true, seq = first; seq != end; seq++)
			last &= !out[seq] || nai_seed_is_last(seq, n, end);
		KUNIT_ASSERT_EQ(test, last, truth);
		hits += last && n;
	}
	KUNIT_EXPECT_GT(test, hits, 100);
}

static struct kunit_case nai_seed_test_cases[] = {
	KUNIT_CASE(nai_seed_begins_empty),
	KUNIT_CASE(nai_seed_not_asked),
	KUNIT_CASE(nai_seed_delivers),
	KUNIT_CASE(nai_seed_beside_pool),
	KUNIT_CASE(nai_seed_pool_is_bounded),
	KUNIT_CASE(nai_seed_offered_again),
	KUNIT_CASE(nai_seed_too_many),
	KUNIT_CASE(nai_seed_cannot_map),
	KUNIT_CASE(nai_seed_in_error),
	KUNIT_CASE(nai_seed_over_reset),
	KUNIT_CASE(nai_seed_revoked),
	KUNIT_CASE(nai_seed_held_over_reset),
	KUNIT_CASE(nai_seed_not_resumed),
	KUNIT_CASE(nai_seed_recalled),
	KUNIT_CASE(nai_seed_detached),
	KUNIT_CASE(nai_seed_unplugged),
	KUNIT_CASE(nai_seed_undone),
	KUNIT_CASE(nai_seed_needs_hardware),
	KUNIT_CASE(nai_seed_needs_reach),
	KUNIT_CASE(nai_seed_lingers),
	KUNIT_CASE(nai_seed_level),
	KUNIT_CASE_PARAM(nai_seed_holes, nai_seed_hole_gen_params),
	KUNIT_CASE(nai_seed_holes_any),
	{}
};

static struct kunit_suite nai_seed_suite = {
	.name = "nai-seed",
	.init = nai_test_init,
	.exit = nai_test_exit,
	.test_cases = nai_seed_test_cases,
};

kunit_test_suite(nai_seed_suite);
