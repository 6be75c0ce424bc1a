// SPDX-License-Identifier: GPL-2.0-only
/* The level of the stock: marks, and what lies between them. */

#include "nai_test_lib.h"

struct nai_marks_case {
	const char *name;
	unsigned int depth;
	u32 low;
	u32 high;
	bool good;
	u32 low_then;
	u32 high_then;
};

static const struct nai_marks_case nai_marks_cases[] = {
	{ "defaults", 256, 0, 0, true, 32, 128 },
	{ "defaults of the smallest", NAI_MIN_DEPTH, 0, 0, true, 2, 8 },
	{ "defaults of the largest", NAI_MAX_DEPTH, 0, 0, true, 128, 512 },
	{ "defaults of an odd depth", 100, 0, 0, true, 12, 50 },
	{ "low alone", 256, 100, 0, true, 100, 128 },
	{ "high alone", 256, 0, 33, true, 32, 33 },
	{ "closest", 256, 1, 2, true, 1, 2 },
	{ "highest", 256, 255, 256, true, 255, 256 },
	{ "equal", 256, 64, 64, false, 64, 64 },
	{ "crossed", 256, 65, 64, false, 65, 64 },
	{ "low above the default high", 256, 128, 0, false, 128, 128 },
	{ "high below the default low", 256, 0, 32, false, 32, 32 },
	{ "above the depth", 256, 0, 257, false, 32, 257 },
	{ "out of all bounds", 256, U32_MAX - 1, U32_MAX, false, U32_MAX - 1,
	  U32_MAX },
};

KUNIT_ARRAY_PARAM_DESC(nai_marks, nai_marks_cases, name);

static void nai_congestion_marks(struct kunit *test)
{
	const struct nai_marks_case *given = test->param_value;
	u32 low = given->low, high = given->high;

	KUNIT_EXPECT_EQ(test,
			nai_congestion_set_marks(given->depth, &low, &high),
			given->good);
	KUNIT_EXPECT_EQ(test, low, given->low_then);
	KUNIT_EXPECT_EQ(test, high, given->high_then);
}

/* Stock after stock, with marks 8 and 32 of 64, and the level after each. */
static const struct {
	unsigned int posted;
	enum nai_congestion level;
} nai_congestion_course[] = {
	{ 64, NAI_CONGESTION_NORMAL },
	{ 32, NAI_CONGESTION_NORMAL },
	{ 31, NAI_CONGESTION_NORMAL },
	{ 8, NAI_CONGESTION_NORMAL },
	{ 7, NAI_CONGESTION_LOW },
	{ 8, NAI_CONGESTION_LOW },
	{ 31, NAI_CONGESTION_LOW },
	{ 7, NAI_CONGESTION_LOW },
	{ 32, NAI_CONGESTION_NORMAL },
	{ 1, NAI_CONGESTION_LOW },
	{ 0, NAI_CONGESTION_EMPTY },
	{ 1, NAI_CONGESTION_EMPTY },
	{ 8, NAI_CONGESTION_EMPTY },
	{ 31, NAI_CONGESTION_EMPTY },
	{ 0, NAI_CONGESTION_EMPTY },
	{ 32, NAI_CONGESTION_NORMAL },
	{ 0, NAI_CONGESTION_EMPTY },
	{ 64, NAI_CONGESTION_NORMAL },
};

static void nai_congestion_hysteresis(struct kunit *test)
{
	enum nai_congestion level = NAI_CONGESTION_NORMAL;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nai_congestion_course); i++) {
		level = nai_congestion_next(level,
					    nai_congestion_course[i].posted, 8,
					    32);
		KUNIT_EXPECT_EQ_MSG(test, level, nai_congestion_course[i].level,
				    "step %u", i);
	}
}

/* Nothing that the stock does between the marks changes the level. */
static void nai_congestion_gap(struct kunit *test)
{
	enum nai_congestion level;
	unsigned int posted;

	for (level = NAI_CONGESTION_NORMAL; level <= NAI_CONGESTION_EMPTY;
	     level++)
		for (posted = 8; posted < 32; posted++)
			KUNIT_EXPECT_EQ(test, level,
					nai_congestion_next(level, posted, 8,
							    32));
}

/* On a lease: told once for each change, and counted. */
static void nai_congestion_told(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);
	const struct nai_fq_stats *stats = &ctx->fq->stats;

	nai_test_flood(ctx, hw, 57);
	nai_rx_starved(ctx->fq);
	KUNIT_EXPECT_EQ(test, ctx->level, NAI_CONGESTION_LOW);
	nai_rx_starved(ctx->fq);
	KUNIT_EXPECT_EQ(test, ctx->levels, 1);

	nai_test_flood(ctx, hw, 7);
	KUNIT_EXPECT_FALSE(test, nai_test_receive(ctx, hw, ETH_ZLEN, 0));
	nai_rx_starved(ctx->fq);
	KUNIT_EXPECT_EQ(test, ctx->level, NAI_CONGESTION_EMPTY);

	nai_test_take(ctx, 31, 0);
	KUNIT_EXPECT_EQ(test, ctx->level, NAI_CONGESTION_EMPTY);
	nai_test_take(ctx, 1, 31);
	KUNIT_EXPECT_EQ(test, ctx->level, NAI_CONGESTION_NORMAL);

	KUNIT_EXPECT_EQ(test, ctx->levels, 3);
	KUNIT_EXPECT_EQ(test, stats->starved, 3);
	KUNIT_EXPECT_EQ(test, stats->low_events, 1);
	KUNIT_EXPECT_EQ(test, stats->empty_events, 1);
}

/* A port that is down has no stock, and is not congested by that. */
static void nai_congestion_paused(struct kunit *test)
{
	struct nai_test *ctx = test->priv;

	nai_test_lease(ctx, NAI_TEST_DEPTH);
	nai_test_down(ctx);
	nai_rx_starved(ctx->fq);
	nai_rx_idle(ctx->fq);
	KUNIT_EXPECT_EQ(test, ctx->levels, 0);
	KUNIT_EXPECT_EQ(test, ctx->fq->level, NAI_CONGESTION_NORMAL);
}

static struct kunit_case nai_congestion_cases[] = {
	KUNIT_CASE_PARAM(nai_congestion_marks, nai_marks_gen_params),
	KUNIT_CASE(nai_congestion_hysteresis),
	KUNIT_CASE(nai_congestion_gap),
	KUNIT_CASE(nai_congestion_told),
	KUNIT_CASE(nai_congestion_paused),
	{}
};

static struct kunit_suite nai_congestion_suite = {
	.name = "nai-congestion",
	.init = nai_test_init,
	.exit = nai_test_exit,
	.test_cases = nai_congestion_cases,
};

kunit_test_suite(nai_congestion_suite);
