// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leases: the steps of attach and detach, each of them failing in turn, and
 * everybody going away.
 */

#include "nai_test_lib.h"

static bool nai_test_has_fqs(struct nai_test *ctx)
{
	bool has;

	rtnl_lock();
	has = nai_port_has_fqs(&ctx->port);
	rtnl_unlock();
	return has;
}

/* The steps */

static void nai_lease_order(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};

	nai_test_plug(ctx, NAI_TEST_DEPTH);
	nai_test_join(ctx);
	KUNIT_ASSERT_EQ(test, nai_test_attach(ctx, &terms, &extack), 0);
	KUNIT_EXPECT_STREQ(test, ctx->log, "ACSM");
	KUNIT_EXPECT_EQ(test, ctx->fq->state, NAI_FQ_STATE_RUNNING);
	KUNIT_EXPECT_EQ(test, ctx->fq->index, 1);
	KUNIT_EXPECT_TRUE(test, nai_test_has_fqs(ctx));

	KUNIT_EXPECT_EQ(test, nai_test_detach(ctx), 0);
	KUNIT_EXPECT_STREQ(test, ctx->log, "ACSMmcsa");
	KUNIT_EXPECT_FALSE(test, nai_test_has_fqs(ctx));
	KUNIT_EXPECT_EQ(test, ctx->client->last_reason,
			NAI_DETACH_REASON_REQUESTED);
	KUNIT_EXPECT_EQ(test, ctx->client->fallbacks, 0);
	KUNIT_EXPECT_TRUE(test, nai_test_wait_refs(&ctx->port.core->kref, 1));
	KUNIT_EXPECT_TRUE(test, nai_test_wait_refs(&ctx->client->kref, 1));
	KUNIT_EXPECT_EQ(test, nai_test_detach(ctx), -ENOENT);
}

struct nai_undo_case {
	const char *name;
	char fail;
	int map_fails;
	int err;
	const char *log;
	const char *message;
};

static const struct nai_undo_case nai_undo_cases[] = {
	{ "provider has no queue", NAI_TEST_ALLOC, -1, -EIO, "A",
	  "the port's driver has no queue to lend" },
	{ "client refuses", NAI_TEST_CLIENT, -1, -EOPNOTSUPP, "ACa",
	  "the guest's virtqueue refused" },
	{ "no buffer can be mapped", 0, 0, -ENOMEM, "ACca",
	  "the port cannot reach the buffers by DMA" },
	{ "the last buffer cannot be mapped", 0, NAI_TEST_DEPTH - 1, -ENOMEM,
	  "ACca", "the port cannot reach the buffers by DMA" },
	{ "hardware does not start", NAI_TEST_START, -1, -EIO, "ACSca",
	  "the port could not start the frame queue" },
	{ "MAC cannot be matched", NAI_TEST_MATCH, -1, -ENOSPC, "ACSMcsa",
	  "the port cannot match the MAC" },
};

KUNIT_ARRAY_PARAM_DESC(nai_undo, nai_undo_cases, name);

static void nai_lease_undone(struct kunit *test)
{
	const struct nai_undo_case *given = test->param_value;
	struct nai_test *ctx = test->priv;
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};

	if (given->map_fails >= 0 && !IS_ENABLED(CONFIG_ARCH_HAS_DMA_OPS))
		kunit_skip(test, "no DMA operations of a device's own here");

	nai_test_plug(ctx, NAI_TEST_DEPTH);
	nai_test_join(ctx);
	ctx->fail = given->fail;
	ctx->map_fails = given->map_fails;
	KUNIT_EXPECT_EQ(test, nai_test_attach(ctx, &terms, &extack),
			given->err);
	KUNIT_EXPECT_STREQ(test, extack._msg, given->message);
	KUNIT_EXPECT_STREQ(test, ctx->log, given->log);

	/* Nobody knows of it any more, and nothing of it is left. */
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(ctx->client->fq), NULL);
	KUNIT_EXPECT_EQ(test, ctx->port.core->nr_fqs, 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&ctx->port.core->fqs));
	KUNIT_EXPECT_NULL(test, ctx->hw[0].fq);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->maps), 0);
	KUNIT_EXPECT_TRUE(test, nai_test_wait_refs(&ctx->port.core->kref, 1));
	KUNIT_EXPECT_TRUE(test, nai_test_wait_refs(&ctx->client->kref, 1));

	/* And it can be had after all. */
	ctx->fail = 0;
	ctx->map_fails = -1;
	KUNIT_EXPECT_EQ(test, nai_test_attach(ctx, &terms, &extack), 0);
	KUNIT_EXPECT_NOT_NULL(test, ctx->hw[0].fq);
}

/* Refused before anything is done */

static void nai_lease_marks(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};

	nai_test_plug(ctx, NAI_TEST_DEPTH);
	nai_test_join(ctx);
	terms.high = NAI_TEST_DEPTH + 1;
	KUNIT_EXPECT_EQ(test, nai_test_attach(ctx, &terms, &extack), -EINVAL);
	KUNIT_EXPECT_STREQ(test, extack._msg,
			   "not: low 8 < high 65 <= depth 64");
	KUNIT_EXPECT_STREQ(test, ctx->log, "");

	terms.low = 3;
	terms.high = 5;
	KUNIT_EXPECT_EQ(test, nai_test_attach(ctx, &terms, &extack), 0);
	KUNIT_EXPECT_EQ(test, ctx->fq->terms.low, 3);
	KUNIT_EXPECT_EQ(test, ctx->fq->terms.high, 5);
}

static void nai_lease_no_port(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};

	nai_test_join(ctx);
	KUNIT_EXPECT_EQ(test, nai_test_attach(ctx, &terms, &extack), -ENODEV);
	KUNIT_EXPECT_STREQ(test, extack._msg,
			   "no driver lends frame queues of this port here");
}

static void nai_lease_no_tap(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};
	struct nai_client *client;

	nai_test_plug(ctx, NAI_TEST_DEPTH);
	nai_test_join(ctx);
	unregister_netdev(ctx->tap);
	KUNIT_EXPECT_EQ(test, nai_test_attach(ctx, &terms, &extack), -ENODEV);
	KUNIT_EXPECT_STREQ(test, extack._msg, "the tap has gone away");
	KUNIT_EXPECT_STREQ(test, ctx->log, "");

	client = nai_client_register(ctx->tap, 1, &nai_test_client_ops, ctx);
	KUNIT_EXPECT_PTR_EQ(test, client, ERR_PTR(-ENODEV));
	free_netdev(ctx->tap);
	ctx->tap = NULL;
}

static void nai_lease_second(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};

	nai_test_lease(ctx, NAI_TEST_DEPTH);
	terms.mac[5]++;
	KUNIT_EXPECT_EQ(test, nai_test_attach(ctx, &terms, &extack), -EBUSY);
	KUNIT_EXPECT_STREQ(test, extack._msg,
			   "the tap's queue has a lease already");
}

/* More virtqueues than queues; every one of them is of the same tap. */
static void nai_lease_all_gone(struct kunit *test)
{
	struct nai_client *clients[NAI_TEST_QUEUES] = {};
	struct nai_test *ctx = test->priv;
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};
	int i, err = 0;
	u16 index;
	u32 id;

	nai_test_lease(ctx, NAI_TEST_DEPTH);
	for (i = 0; i < NAI_TEST_QUEUES; i++) {
		clients[i] = nai_client_register(ctx->tap, i + 1,
						 &nai_test_client_ops, ctx);
		KUNIT_ASSERT_FALSE(test, IS_ERR(clients[i]));
		terms.mac[5]++;
		err = nai_attach(clients[i], &init_net, &terms, &id, &index,
				 &extack);
		if (err)
			break;
		KUNIT_EXPECT_EQ(test, index, i + 2);
	}
	for (i = 0; i < NAI_TEST_QUEUES; i++)
		nai_client_unregister(clients[i]);
	KUNIT_EXPECT_EQ(test, err, -ENOSPC);
	KUNIT_EXPECT_STREQ(test, extack._msg,
			   "all 2 frame queues of port naitestport are on lease");
}

static void nai_lease_client_twice(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_client *client;

	nai_test_join(ctx);
	client = nai_client_register(ctx->tap, 0, &nai_test_client_ops, ctx);
	KUNIT_EXPECT_PTR_EQ(test, client, ERR_PTR(-EBUSY));
}

/* The port is down at first */

static void nai_lease_paused(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};

	nai_test_plug(ctx, NAI_TEST_DEPTH);
	nai_test_down(ctx);
	nai_test_join(ctx);
	KUNIT_ASSERT_EQ(test, nai_test_attach(ctx, &terms, &extack), 0);
	KUNIT_EXPECT_STREQ(test, ctx->log, "ACM");
	KUNIT_EXPECT_EQ(test, ctx->fq->state, NAI_FQ_STATE_PAUSED);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, 0);
	nai_test_up(ctx);
	KUNIT_EXPECT_EQ(test, ctx->fq->state, NAI_FQ_STATE_RUNNING);
	KUNIT_EXPECT_EQ(test, ctx->fq->posted, NAI_TEST_DEPTH);
	KUNIT_EXPECT_EQ(test, nai_test_detach(ctx), 0);
	KUNIT_EXPECT_STREQ(test, ctx->log, "ACMSmcsa");
}

/* A queue that does not start again loses its lease, and says so. */
static void nai_lease_does_not_resume(struct kunit *test)
{
	struct nai_test *ctx = test->priv;

	nai_test_lease(ctx, NAI_TEST_DEPTH);
	nai_test_down(ctx);
	ctx->fail = NAI_TEST_START;
	nai_test_up(ctx);
	KUNIT_EXPECT_TRUE(test, nai_test_wait_over(ctx));
	KUNIT_EXPECT_TRUE(test, nai_test_wait_refs(&ctx->port.core->kref, 1));
	KUNIT_EXPECT_EQ(test, ctx->client->last_reason,
			NAI_DETACH_REASON_HARDWARE);
	KUNIT_EXPECT_EQ(test, ctx->client->fallbacks, 1);
	KUNIT_EXPECT_STREQ(test, ctx->log, "sSmca");
}

/* Ends of a lease */

static void nai_lease_first_reason(struct kunit *test)
{
	struct nai_test *ctx = test->priv;

	nai_test_lease(ctx, NAI_TEST_DEPTH);
	ctx->stall = NAI_TEST_CLIENT_END;
	nai_client_fail(ctx->client, NAI_DETACH_REASON_MEMORY);
	KUNIT_ASSERT_GT(test,
			wait_for_completion_timeout(&ctx->stalled,
						    NAI_TEST_PATIENCE), 0);
	nai_client_fail(ctx->client, NAI_DETACH_REASON_FEATURES);
	complete(&ctx->go_on);
	KUNIT_EXPECT_TRUE(test, nai_test_wait_over(ctx));
	KUNIT_EXPECT_EQ(test, ctx->client->last_reason,
			NAI_DETACH_REASON_MEMORY);
	KUNIT_EXPECT_EQ(test, ctx->client->fallbacks, 1);
}

static void nai_lease_backend(struct kunit *test)
{
	struct nai_test *ctx = test->priv;

	nai_test_lease(ctx, NAI_TEST_DEPTH);
	nai_test_leave(ctx);
	KUNIT_EXPECT_STREQ(test, ctx->log, "mcsa");
	KUNIT_EXPECT_EQ(test, kref_read(&ctx->port.core->kref), 1);
}

static void nai_lease_tap_gone(struct kunit *test)
{
	struct nai_test *ctx = test->priv;

	nai_test_lease(ctx, NAI_TEST_DEPTH);
	unregister_netdev(ctx->tap);
	KUNIT_EXPECT_TRUE(test, nai_test_wait_over(ctx));
	KUNIT_EXPECT_EQ(test, ctx->client->last_reason,
			NAI_DETACH_REASON_TAP_GONE);
	free_netdev(ctx->tap);
	ctx->tap = NULL;
}

/* No more callbacks, interrupts or others, once it is over. */
static void nai_lease_silent_after(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_fq *fq;
	int wakes;

	nai_test_lease(ctx, NAI_TEST_DEPTH);
	fq = ctx->fq;
	kref_get(&fq->kref);
	KUNIT_EXPECT_EQ(test, nai_test_detach(ctx), 0);
	wakes = atomic_read(&ctx->wakes);
	nai_fq_irq(fq);
	nai_client_fail(ctx->client, NAI_DETACH_REASON_MEMORY);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->wakes), wakes);
	KUNIT_EXPECT_EQ(test, ctx->client->fallbacks, 0);
	nai_fq_put(fq);
}

/* Frames of one lease, then of the next: in order, none twice, none lost
 * uncounted.
 */
static void nai_lease_order_of_frames(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};
	struct nai_fq *first = ctx->fq;
	struct nai_frame frame;

	kref_get(&first->kref);
	nai_test_flood(ctx, hw, 20);
	nai_test_take(ctx, 8, 0);
	KUNIT_EXPECT_EQ(test, nai_test_detach(ctx), 0);
	KUNIT_EXPECT_EQ(test, first->stats.rx_packets, 8);
	KUNIT_EXPECT_EQ(test, first->stats.drops[NAI_DROP_REASON_DETACH], 12);
	KUNIT_EXPECT_EQ(test, first->nr_free, NAI_TEST_DEPTH);

	KUNIT_ASSERT_EQ(test, nai_test_attach(ctx, &terms, &extack), 0);
	hw = nai_fq_priv(ctx->fq);
	KUNIT_EXPECT_NE(test, ctx->fq->id, first->id);
	KUNIT_EXPECT_EQ(test, nai_rx_peek(ctx->fq, &frame, 1), 0);
	nai_test_flood(ctx, hw, 5);
	nai_test_take(ctx, 5, 20);
	KUNIT_EXPECT_EQ(test, ctx->fq->stats.drops[NAI_DROP_REASON_DETACH], 0);
	NAI_TEST_EXPECT_SOUND(ctx, hw);
	nai_fq_put(first);
}

/* A provider that is not complete */

struct nai_port_case {
	const char *name;
	u32 flags;
	u16 depth;
	u16 buf_len;
	u16 max_frame;
};

static const struct nai_port_case nai_port_cases[] = {
	{ "a queue that blocks the port", NAI_CAP_CRC_STRIP, 64, 2048, 1518 },
	{ "frames with FCS", NAI_CAP_NO_HOL, 64, 2048, 1518 },
	{ "too shallow", NAI_CAP_REQUIRED, NAI_MIN_DEPTH - 1, 2048, 1518 },
	{ "too deep", NAI_CAP_REQUIRED, NAI_MAX_DEPTH + 1, 2048, 1518 },
	{ "buffers beyond the page", NAI_CAP_REQUIRED, 64,
	  (u16)(PAGE_SIZE + 1), 1518 },
	{ "frames longer than buffers", NAI_CAP_REQUIRED, 64, 1517, 1518 },
	{ "frames shorter than Ethernet's", NAI_CAP_REQUIRED, 64, 2048, 1513 },
};

KUNIT_ARRAY_PARAM_DESC(nai_port, nai_port_cases, name);

static void nai_lease_port_caps(struct kunit *test)
{
	const struct nai_port_case *given = test->param_value;
	const struct nai_caps caps = {
		.flags = given->flags,
		.max_fqs = 1,
		.rx_depth = given->depth,
		.rx_buf_len = given->buf_len,
		.rx_max_frame = given->max_frame,
	};

	KUNIT_EXPECT_FALSE(test, nai_caps_are_sane(&caps));
}

static struct kunit_case nai_lease_cases[] = {
	KUNIT_CASE(nai_lease_order),
	KUNIT_CASE_PARAM(nai_lease_undone, nai_undo_gen_params),
	KUNIT_CASE(nai_lease_marks),
	KUNIT_CASE(nai_lease_no_port),
	KUNIT_CASE(nai_lease_no_tap),
	KUNIT_CASE(nai_lease_second),
	KUNIT_CASE(nai_lease_all_gone),
	KUNIT_CASE(nai_lease_client_twice),
	KUNIT_CASE(nai_lease_paused),
	KUNIT_CASE(nai_lease_does_not_resume),
	KUNIT_CASE(nai_lease_first_reason),
	KUNIT_CASE(nai_lease_backend),
	KUNIT_CASE(nai_lease_tap_gone),
	KUNIT_CASE(nai_lease_silent_after),
	KUNIT_CASE(nai_lease_order_of_frames),
	KUNIT_CASE_PARAM(nai_lease_port_caps, nai_port_gen_params),
	{}
};

static struct kunit_suite nai_lease_suite = {
	.name = "nai-lease",
	.init = nai_test_init,
	.exit = nai_test_exit,
	.test_cases = nai_lease_cases,
};

kunit_test_suite(nai_lease_suite);
