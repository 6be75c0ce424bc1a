// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whatever happens in whatever order: every slot is in exactly one place, every
 * frame is delivered once and in order or counted, and the level is what the
 * stock says. Random steps, by seed, against a model that keeps only numbers.
 */

#include <linux/prandom.h>

#include "nai_test_lib.h"

#define NAI_PROPERTY_STEPS	3000
#define NAI_PROPERTY_FRAMES	2048

struct nai_property_case {
	u64 seed;
	u16 depth;
	enum nai_mode mode;
};

static const struct nai_property_case nai_property_cases[] = {
	{ 1, 16 },
	{ 2, 16 },
	{ 3, 17 },
	{ 4, 24 },
	{ 5, 64 },
	{ 6, 64 },
	{ 7, 100 },
	{ 8, 255 },
	{ 9, 256 },
	{ 10, 1000 },
	{ 11, 1024 },
	{ 21, 16, NAI_MODE_SEED },
	{ 22, 17, NAI_MODE_SEED },
	{ 23, 64, NAI_MODE_SEED },
	{ 24, 64, NAI_MODE_SEED },
	{ 25, 100, NAI_MODE_SEED },
	{ 26, 256, NAI_MODE_SEED },
	{ 27, 1024, NAI_MODE_SEED },
};

static void nai_property_desc(const struct nai_property_case *given, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "seed %llu, depth %u, %s",
		 given->seed, given->depth,
		 given->mode == NAI_MODE_SEED ? "guest's buffers" : "copied");
}

KUNIT_ARRAY_PARAM(nai_property, nai_property_cases, nai_property_desc);

/**
 * struct nai_model - what must be true of a frame queue
 * @ctx: of the case
 * @hw: the queue
 * @rnd: where the steps come from
 * @seqs: good frames that the hardware has delivered and the worker not, a ring
 * @oldest: of @seqs; free running
 * @newest: behind the last of @seqs; free running
 * @bad: frames in error that were delivered
 * @taken: good frames that were consumed
 * @dropped: of @taken, those that the guest did not get
 * @starved: calls
 * @resets: times the port came up again
 * @seeded: of @taken, those in the guest's own buffers
 * @revoked: frames in buffers that were taken back
 * @up: the port
 */
struct nai_model {
	struct nai_test *ctx;
	struct nai_test_hw *hw;
	struct rnd_state rnd;
	u32 seqs[NAI_PROPERTY_FRAMES];
	unsigned int oldest;
	unsigned int newest;
	unsigned int bad;
	unsigned int taken;
	unsigned int dropped;
	unsigned int starved;
	unsigned int resets;
	unsigned int seeded;
	unsigned int revoked;
	bool up;
};

static unsigned int nai_model_pick(struct nai_model *model, unsigned int n)
{
	return prandom_u32_state(&model->rnd) % n;
}

static void nai_model_receive(struct nai_model *model)
{
	bool bad = !nai_model_pick(model, 8);
	u32 seq = model->ctx->next_seq;

	if (!nai_test_receive(model->ctx, model->hw, ETH_ZLEN,
			      bad ? NAI_RX_ERR : 0))
		return;
	if (bad)
		model->bad++;
	else
		model->seqs[model->newest++ % NAI_PROPERTY_FRAMES] = seq;
}

static void nai_model_burst(struct nai_model *model)
{
	unsigned int n = nai_model_pick(model, model->ctx->fq->depth);

	while (n--)
		nai_model_receive(model);
}

static void nai_model_work(struct nai_model *model)
{
	unsigned int i, n, done, lost, want;
	struct nai_frame frames[NAI_RX_BATCH];
	struct nai_fq *fq = model->ctx->fq;
	u32 seq;

	want = 1 + nai_model_pick(model, NAI_RX_BATCH);
	n = nai_rx_peek(fq, frames, want);
	KUNIT_ASSERT_LE(model->ctx->test, n, want);
	KUNIT_ASSERT_LE(model->ctx->test, n, model->newest - model->oldest);
	for (i = 0; i < n; i++) {
		seq = model->seqs[(model->oldest + i) % NAI_PROPERTY_FRAMES];
		KUNIT_ASSERT_EQ(model->ctx->test,
				nai_test_seq(model->ctx, &frames[i]), seq);
	}

	done = nai_model_pick(model, n + 1);
	lost = nai_model_pick(model, done + 1) / 4;
	for (i = 0; i < lost; i++)
		nai_rx_drop(fq, NAI_DROP_REASON_OVERSIZE);
	for (i = 0; i < done; i++)
		model->seeded += !!(frames[i].flags & NAI_RX_SEEDED);
	if (done)
		nai_test_consume(model->ctx, frames, done, done - lost);
	model->oldest += done;
	model->taken += done;
	model->dropped += lost;
}

static void nai_model_starve(struct nai_model *model)
{
	nai_rx_starved(model->ctx->fq);
	model->starved++;
}

/* Return: true if one came meanwhile, and there was a buffer for it. */
static bool nai_model_idle_race(struct nai_model *model, bool *waiting)
{
	unsigned int overruns = model->hw->overruns;
	u32 seq = model->ctx->next_seq;
	bool came;

	model->hw->arm_brings = !nai_model_pick(model, 4);
	came = model->hw->arm_brings;
	*waiting = nai_rx_idle(model->ctx->fq);
	came = came && !model->hw->arm_brings &&
	       model->hw->overruns == overruns;
	model->hw->arm_brings = 0;
	if (came)
		model->seqs[model->newest++ % NAI_PROPERTY_FRAMES] = seq;
	return came;
}

/* Nothing may be left lying behind an armed interrupt. */
static void nai_model_idle(struct nai_model *model)
{
	bool waiting;

	if (nai_model_idle_race(model, &waiting))
		KUNIT_ASSERT_TRUE(model->ctx->test, waiting);
	if (waiting || !model->up || model->ctx->held)
		return;
	KUNIT_ASSERT_FALSE(model->ctx->test, model->hw->masked);
	KUNIT_ASSERT_EQ(model->ctx->test, model->hw->done_head,
			model->hw->done_tail);
	KUNIT_ASSERT_EQ(model->ctx->test, model->ctx->fq->ready_head,
			model->ctx->fq->ready_tail);
}

static void nai_model_port(struct nai_model *model)
{
	if (model->up) {
		nai_test_down(model->ctx);
	} else {
		nai_test_up(model->ctx);
		model->resets += !model->ctx->held;
	}
	model->up = !model->up;
}

static void nai_model_room(struct nai_model *model)
{
	model->hw->room = nai_model_pick(model, model->ctx->fq->depth + 1);
}

static void nai_model_stock(struct nai_model *model)
{
	struct nai_fq *fq = model->ctx->fq;
	unsigned int n = nai_model_pick(model, nai_rx_room(fq) + 1);
	unsigned int left = fq->depth - bitmap_weight(model->ctx->out,
						      fq->depth);

	nai_rx_set_pool(fq, nai_model_pick(model, fq->depth + 1), fq->depth);
	n = min3(n, left, nai_rx_room(fq));
	KUNIT_ASSERT_EQ(model->ctx->test, nai_test_seed(model->ctx, n), n);
}

/* Of the frames that wait, those in the core's own buffers are left, in order. */
static void nai_model_revoked(struct nai_model *model)
{
	unsigned int i, j = model->oldest, to = model->oldest;
	struct nai_fq *fq = model->ctx->fq;
	u32 seq;

	for (i = fq->ready_head; i != fq->ready_tail; i++) {
		const struct nai_ready *ready = &fq->ready[i & fq->ready_mask];
		const struct nai_frame frame = {
			.data = page_address(fq->slots[ready->slot].page),
		};

		KUNIT_ASSERT_LT(model->ctx->test, ready->slot, fq->depth);
		seq = nai_test_seq(model->ctx, &frame);
		while (j != model->newest &&
		       model->seqs[j % NAI_PROPERTY_FRAMES] != seq)
			j++;
		KUNIT_ASSERT_NE(model->ctx->test, j, model->newest);
		model->seqs[to++ % NAI_PROPERTY_FRAMES] = seq;
	}
	model->revoked += model->newest - to;
	model->newest = to;
}

static void nai_model_hold(struct nai_model *model)
{
	if (model->ctx->held) {
		nai_test_resume(model->ctx);
		return;
	}
	nai_test_hold(model->ctx);
	KUNIT_ASSERT_TRUE(model->ctx->test,
			  bitmap_empty(model->ctx->out, NAI_MAX_DEPTH));
	nai_model_revoked(model);
}

static void nai_model_step(struct nai_model *model)
{
	unsigned int what = nai_model_pick(model, 100);

	if (nai_fq_takes_seeds(model->ctx->fq)) {
		if (what % 4 == 0)
			nai_model_stock(model);
		else if (what == 7 || model->ctx->held)
			nai_model_hold(model);
	}
	if (what < 30)
		nai_model_receive(model);
	else if (what < 40)
		nai_model_burst(model);
	else if (what < 75)
		nai_model_work(model);
	else if (what < 85)
		nai_model_starve(model);
	else if (what < 92)
		nai_model_idle(model);
	else if (what < 96)
		nai_model_room(model);
	else
		nai_model_port(model);
}

static void nai_model_check(struct nai_model *model, unsigned int step)
{
	struct nai_fq *fq = model->ctx->fq;
	struct kunit *test = model->ctx->test;

	KUNIT_ASSERT_STREQ_MSG(test,
			       nai_test_unsound(fq, model->hw) ? : "sound",
			       "sound", "step %u", step);
	KUNIT_ASSERT_EQ_MSG(test, fq->stats.rx_packets,
			    model->taken - model->dropped, "step %u", step);
	KUNIT_ASSERT_EQ_MSG(test, fq->stats.drops[NAI_DROP_REASON_OVERSIZE],
			    model->dropped, "step %u", step);
	KUNIT_ASSERT_LE_MSG(test, fq->stats.drops[NAI_DROP_REASON_ERROR],
			    model->bad, "step %u", step);
	KUNIT_ASSERT_EQ_MSG(test, fq->level, model->ctx->level, "step %u",
			    step);
	KUNIT_ASSERT_EQ_MSG(test, fq->state,
			    model->up && !model->ctx->held ? NAI_FQ_STATE_RUNNING :
							NAI_FQ_STATE_PAUSED,
			    "step %u", step);
	KUNIT_ASSERT_EQ_MSG(test, fq->stats.seeded, model->seeded, "step %u",
			    step);
	KUNIT_ASSERT_EQ_MSG(test, fq->stats.drops[NAI_DROP_REASON_DETACH],
			    model->revoked, "step %u", step);
}

/* All that still waits is taken, or dropped with the lease, and none is lost. */
static void nai_model_end(struct nai_model *model)
{
	struct kunit *test = model->ctx->test;
	struct nai_fq *fq = model->ctx->fq;
	unsigned int waiting;

	if (model->ctx->held)
		nai_model_hold(model);
	kref_get(&fq->kref);
	KUNIT_EXPECT_EQ(test, nai_test_detach(model->ctx), 0);
	waiting = model->newest - model->oldest + model->revoked;
	KUNIT_EXPECT_EQ(test, fq->stats.drops[NAI_DROP_REASON_DETACH], waiting);
	KUNIT_EXPECT_EQ(test, fq->stats.drops[NAI_DROP_REASON_ERROR],
			model->bad);
	KUNIT_EXPECT_EQ(test, fq->stats.starved, model->starved);
	KUNIT_EXPECT_EQ(test, fq->stats.resets, model->resets);
	KUNIT_EXPECT_EQ(test, fq->nr_free, fq->depth);
	KUNIT_EXPECT_EQ(test, fq->posted, 0);
	nai_fq_put(fq);
}

static void nai_property_holds(struct kunit *test)
{
	const struct nai_property_case *given = test->param_value;
	struct nai_test *ctx = test->priv;
	struct nai_model *model;
	unsigned int step;

	model = kunit_kzalloc(test, sizeof(*model), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, model);
	model->ctx = ctx;
	model->hw = given->mode == NAI_MODE_SEED ?
		    nai_test_lease_seed(ctx, given->depth) :
		    nai_test_lease(ctx, given->depth);
	model->up = true;
	prandom_seed_state(&model->rnd, given->seed);
	/* The end of the indices comes soon. */
	ctx->fq->ready_head = UINT_MAX - 100;
	ctx->fq->ready_tail = ctx->fq->ready_head;

	for (step = 0; step < NAI_PROPERTY_STEPS; step++) {
		nai_model_step(model);
		nai_model_check(model, step);
	}
	KUNIT_EXPECT_GT(test, model->taken, 0);
	KUNIT_EXPECT_EQ(test, model->seeded > 0, given->mode == NAI_MODE_SEED);
	nai_model_end(model);
}

/* What a model of the level says for every stock, step by step up and down. */
static void nai_property_level(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);
	struct nai_fq *fq = ctx->fq;
	unsigned int i;
	u32 seq = 0;

	for (i = 0; i < 200; i++) {
		nai_test_flood(ctx, hw, min(fq->posted, i % 70));
		nai_rx_starved(fq);
		KUNIT_ASSERT_EQ(test, ctx->level == NAI_CONGESTION_EMPTY,
				!fq->posted);
		KUNIT_ASSERT_TRUE(test, fq->posted < fq->terms.high ||
				  ctx->level == NAI_CONGESTION_NORMAL);
		KUNIT_ASSERT_TRUE(test, fq->posted >= fq->terms.low ||
				  ctx->level != NAI_CONGESTION_NORMAL);
		if (i % 3 == 2) {
			nai_test_take(ctx, fq->ready_tail - fq->ready_head,
				      seq);
			seq = ctx->next_seq;
			KUNIT_ASSERT_EQ(test, ctx->level,
					NAI_CONGESTION_NORMAL);
		}
	}
}

static struct kunit_case nai_property_test_cases[] = {
	KUNIT_CASE_PARAM(nai_property_holds, nai_property_gen_params),
	KUNIT_CASE(nai_property_level),
	{}
};

static struct kunit_suite nai_property_suite = {
	.name = "nai-property",
	.init = nai_test_init,
	.exit = nai_test_exit,
	.test_cases = nai_property_test_cases,
};

kunit_test_suite(nai_property_suite);
