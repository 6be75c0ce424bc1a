// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that is stalled: its client does not come back from a callback. None
 * but its own request may wait for it, and that not for ever. And a worker that
 * was not woken: the watchdog does.
 */

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>

#include "nai_test_lib.h"

/* Something that a thread of its own does, while the case goes on. */
struct nai_stall {
	struct nai_test *ctx;
	struct netlink_ext_ack extack;
	struct task_struct *task;
	struct completion done;
	int err;
};

static int nai_stall_do_attach(void *data)
{
	struct nai_stall *stall = data;
	struct nai_terms terms = nai_test_terms(stall->ctx);

	allow_signal(SIGUSR1);
	stall->err = nai_test_attach(stall->ctx, &terms, &stall->extack);
	complete(&stall->done);
	return 0;
}

static int nai_stall_do_detach(void *data)
{
	struct nai_stall *stall = data;

	allow_signal(SIGUSR1);
	stall->err = nai_detach(stall->ctx->client, &stall->extack);
	complete(&stall->done);
	return 0;
}

static int nai_stall_do_leave(void *data)
{
	struct nai_stall *stall = data;

	nai_test_leave(stall->ctx);
	complete(&stall->done);
	return 0;
}

static struct nai_stall *nai_stall_start(struct nai_test *ctx,
					 int (*what)(void *data))
{
	struct nai_stall *stall;

	stall = kunit_kzalloc(ctx->test, sizeof(*stall), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(ctx->test, stall);
	stall->ctx = ctx;
	init_completion(&stall->done);
	stall->task = kthread_run(what, stall, "nai-test");
	KUNIT_ASSERT_FALSE(ctx->test, IS_ERR(stall->task));
	return stall;
}

/* The callback that is to stall has been called. */
static void nai_stall_await(struct nai_test *ctx)
{
	KUNIT_ASSERT_GT(ctx->test,
			wait_for_completion_timeout(&ctx->stalled,
						    NAI_TEST_PATIENCE), 0);
}

static void nai_stall_end(struct nai_stall *stall)
{
	KUNIT_ASSERT_GT(stall->ctx->test,
			wait_for_completion_timeout(&stall->done,
						    NAI_TEST_PATIENCE), 0);
}

/* An attach that has come as far as the client, which stalls it there. */
static struct nai_stall *nai_stall_in_attach(struct nai_test *ctx)
{
	struct nai_stall *stall;

	nai_test_plug(ctx, NAI_TEST_DEPTH);
	nai_test_join(ctx);
	ctx->stall = NAI_TEST_CLIENT;
	stall = nai_stall_start(ctx, nai_stall_do_attach);
	nai_stall_await(ctx);
	return stall;
}

static void nai_stall_go_on(struct nai_stall *stall)
{
	complete(&stall->ctx->go_on);
	nai_stall_end(stall);
}

/* Only what is to be shown can hold RTNL for so long. */
static bool nai_stall_rtnl_is_free(void)
{
	unsigned int ms;

	for (ms = 0; ms < 2000; ms += 5) {
		if (rtnl_trylock()) {
			rtnl_unlock();
			return true;
		}
		usleep_range(5000, 6000);
	}
	return false;
}

static void nai_stall_detach(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);

	nai_test_flood(ctx, hw, 3);
	ctx->stall = NAI_TEST_CLIENT_END;
	nai_client_fail(ctx->client, NAI_DETACH_REASON_MEMORY);
	nai_stall_await(ctx);
	/* Frames take the way through the tap already. */
	KUNIT_EXPECT_STREQ(test, ctx->log, "mc");
	KUNIT_ASSERT_TRUE(test, nai_stall_rtnl_is_free());

	nai_test_down(ctx);
	nai_test_up(ctx);
	nai_test_unplug(ctx);
	KUNIT_EXPECT_STREQ(test, ctx->log, "mcsSsa");
	/* And it has not let go meanwhile. */
	KUNIT_ASSERT_NOT_NULL(test, ctx->fq);
	KUNIT_EXPECT_FALSE(test, ctx->fq->mapped);

	complete(&ctx->go_on);
	KUNIT_EXPECT_TRUE(test, nai_test_wait_over(ctx));
	KUNIT_EXPECT_EQ(test, ctx->client->last_reason,
			NAI_DETACH_REASON_MEMORY);
}

static void nai_stall_attach(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_stall *stall = nai_stall_in_attach(ctx);

	KUNIT_ASSERT_TRUE(test, nai_stall_rtnl_is_free());
	nai_test_unplug(ctx);
	KUNIT_EXPECT_STREQ(test, ctx->log, "ACa");

	nai_stall_go_on(stall);
	KUNIT_EXPECT_EQ(test, stall->err, -ENODEV);
	KUNIT_EXPECT_STREQ(test, stall->extack._msg,
			   "port, tap or guest went away meanwhile");
	KUNIT_EXPECT_STREQ(test, ctx->log, "ACac");
	KUNIT_EXPECT_TRUE(test, nai_test_wait_refs(&ctx->client->kref, 1));
}

/* What ends a lease may come before the lease has begun. */
static void nai_stall_failed_attach(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_stall *stall = nai_stall_in_attach(ctx);

	nai_client_fail(ctx->client, NAI_DETACH_REASON_FEATURES);
	nai_stall_go_on(stall);
	KUNIT_EXPECT_EQ(test, stall->err, -ENODEV);
	KUNIT_EXPECT_STREQ(test, ctx->log, "ACca");
	KUNIT_EXPECT_TRUE(test, nai_test_wait_refs(&ctx->port.core->kref, 1));
}

/* While one request is under way another is told so, and does not wait. */
static void nai_stall_two_requests(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_stall *stall = nai_stall_in_attach(ctx);
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};

	KUNIT_EXPECT_EQ(test, nai_test_attach(ctx, &terms, &extack), -EBUSY);
	KUNIT_EXPECT_STREQ(test, extack._msg,
			   "an attach of this tap is under way");

	nai_stall_go_on(stall);
	KUNIT_EXPECT_EQ(test, stall->err, 0);
}

/* The guest goes, and while it does a lease is asked for. */
static void nai_stall_guest_gone(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_stall *leave, *attach;

	nai_test_lease(ctx, NAI_TEST_DEPTH);
	ctx->stall = NAI_TEST_CLIENT_END;
	leave = nai_stall_start(ctx, nai_stall_do_leave);
	nai_stall_await(ctx);
	attach = nai_stall_start(ctx, nai_stall_do_attach);
	schedule_timeout_uninterruptible(HZ / 10);
	KUNIT_EXPECT_FALSE(test, completion_done(&attach->done));

	complete(&ctx->go_on);
	nai_stall_end(leave);
	nai_stall_end(attach);
	KUNIT_EXPECT_EQ(test, attach->err, -ENOENT);
	KUNIT_EXPECT_STREQ(test, attach->extack._msg,
			   "the guest's vhost backend has gone away");
	KUNIT_EXPECT_STREQ(test, ctx->log, "mcsa");
}

/* A request that is not answered in time, or whose process is wanted elsewhere,
 * is told so. What it asked for is undone, or done, when it can be.
 */

struct nai_stall_case {
	const char *name;
	bool detach;
	bool interrupt;
	int err;
	const char *message;
};

static const struct nai_stall_case nai_stall_cases[] = {
	{ "attach, in time", false, false, -ETIMEDOUT,
	  "the guest's vhost worker or the port did not answer in time" },
	{ "attach, signal", false, true, -EINTR, "nothing" },
	{ "detach, in time", true, false, -ETIMEDOUT,
	  "the guest's vhost worker does not let go; the lease ends when it does" },
	{ "detach, signal", true, true, -EINTR, "nothing" },
};

KUNIT_ARRAY_PARAM_DESC(nai_stall, nai_stall_cases, name);

static void nai_stall_given_up(struct kunit *test)
{
	const struct nai_stall_case *given = test->param_value;
	struct nai_test *ctx = test->priv;
	struct nai_stall *stall;

	if (given->detach) {
		nai_test_lease(ctx, NAI_TEST_DEPTH);
		ctx->stall = NAI_TEST_CLIENT_END;
		stall = nai_stall_start(ctx, nai_stall_do_detach);
		nai_stall_await(ctx);
	} else {
		stall = nai_stall_in_attach(ctx);
	}
	if (given->interrupt)
		send_sig(SIGUSR1, stall->task, 1);
	nai_stall_end(stall);
	KUNIT_EXPECT_EQ(test, stall->err, given->err);
	KUNIT_EXPECT_STREQ(test, stall->extack._msg ? : "nothing",
			   given->message);

	complete(&ctx->go_on);
	KUNIT_EXPECT_TRUE(test, nai_test_wait_refs(&ctx->client->kref, 1));
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(ctx->client->fq), NULL);
	KUNIT_EXPECT_STREQ(test, ctx->log,
			   given->detach ? "mcsa" : "ACSMmcsa");
}

/* The watchdog */

#define NAI_STALL_TEST_WATCH_S	5

/* An interrupt that is lost costs time, and no more. */
static void nai_stall_lost_interrupt(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);
	int wakes;

	KUNIT_EXPECT_FALSE(test, nai_rx_idle(ctx->fq));
	hw->masked = true;
	nai_test_flood(ctx, hw, 1);
	wakes = atomic_read(&ctx->wakes);
	ssleep(NAI_STALL_TEST_WATCH_S);
	KUNIT_EXPECT_GT(test, atomic_read(&ctx->wakes), wakes);
}

/* Frames wait for a guest that has stopped: its level is to be looked at. */
static void nai_stall_forgotten(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_test_hw *hw = nai_test_lease(ctx, NAI_TEST_DEPTH);
	struct nai_frame frame;
	int wakes;

	nai_test_flood(ctx, hw, 3);
	KUNIT_EXPECT_EQ(test, nai_rx_peek(ctx->fq, &frame, 1), 1);
	wakes = atomic_read(&ctx->wakes);
	ssleep(NAI_STALL_TEST_WATCH_S);
	KUNIT_EXPECT_GT(test, atomic_read(&ctx->wakes), wakes);
}

/* One that was woken is left alone: its interrupt is masked, and nothing waits. */
static void nai_stall_not_forgotten(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	int wakes;

	nai_test_lease(ctx, NAI_TEST_DEPTH);
	wakes = atomic_read(&ctx->wakes);
	ssleep(NAI_STALL_TEST_WATCH_S);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->wakes), wakes);
}

static struct kunit_case nai_stall_test_cases[] = {
	KUNIT_CASE(nai_stall_detach),
	KUNIT_CASE(nai_stall_attach),
	KUNIT_CASE(nai_stall_failed_attach),
	KUNIT_CASE(nai_stall_two_requests),
	KUNIT_CASE(nai_stall_guest_gone),
	KUNIT_CASE_PARAM_ATTR(nai_stall_given_up, nai_stall_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE(nai_stall_lost_interrupt),
	KUNIT_CASE(nai_stall_forgotten),
	KUNIT_CASE(nai_stall_not_forgotten),
	{}
};

static struct kunit_suite nai_stall_suite = {
	.name = "nai-stall",
	.init = nai_test_init,
	.exit = nai_test_exit,
	.test_cases = nai_stall_test_cases,
};

kunit_test_suite(nai_stall_suite);
