/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the suites of nai.ko share: a NIC that lends two queues, a guest's
 * virtqueue and two netdevs, all made up.
 */
#ifndef _NAI_TEST_LIB_H
#define _NAI_TEST_LIB_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/rtnetlink.h>

#include "../nai_core.h"

#define NAI_TEST_DEPTH		64
#define NAI_TEST_MAX_FRAME	1518
#define NAI_TEST_QUEUES		2
/* Where the frame begins in a page of the guest's, behind the header. */
#define NAI_TEST_SEED_AT	12
/* Above any wait that is to succeed, below KUnit's patience. */
#define NAI_TEST_PATIENCE	(30 * HZ)

/* One step of a lease each, in nai_test->log and for nai_test->fail. */
#define NAI_TEST_ALLOC		'A'
#define NAI_TEST_FREE		'a'
#define NAI_TEST_CLIENT		'C'
#define NAI_TEST_CLIENT_END	'c'
#define NAI_TEST_START		'S'
#define NAI_TEST_STOP		's'
#define NAI_TEST_MATCH		'M'
#define NAI_TEST_UNMATCH	'm'

/**
 * struct nai_test_hw - a hardware queue; fq->rx_lock guards it
 * @fq: NULL while not on lease
 * @running: between fq_start and fq_stop
 * @masked: its interrupt
 * @posted: buffers it has, oldest at @head; free running indices
 * @head: next to be filled
 * @kicked: as far as they were published
 * @tail: where the next goes
 * @done: completions, oldest at @done_head; free running indices
 * @done_head: next to be polled
 * @done_tail: where the next goes
 * @room: so many does rx_post take at one time
 * @overruns: frames without a buffer
 * @kicks: calls
 * @polls: calls
 * @arms: calls
 * @arm_brings: frames that come in the middle of irq_arm
 * @arm_fires: the interrupt comes before irq_arm is through
 * @endless: rx_poll never runs out of completions, of slot 0
 */
struct nai_test_hw {
	struct nai_fq *fq;
	bool running;
	bool masked;

	struct nai_rx_buf posted[NAI_MAX_DEPTH];
	unsigned int head;
	unsigned int kicked;
	unsigned int tail;
	struct nai_rx_cpl done[2 * NAI_MAX_DEPTH];
	unsigned int done_head;
	unsigned int done_tail;

	unsigned int room;
	unsigned int overruns;
	unsigned int kicks;
	unsigned int polls;
	unsigned int arms;
	unsigned int arm_brings;
	bool arm_fires;
	bool endless;
};

/**
 * struct nai_test - everything a case needs
 * @test: the case
 * @port: of the NIC; registered by nai_test_plug()
 * @hw: its queues
 * @dev: netdev of the port
 * @tap: of the guest
 * @client: the virtqueue; registered by nai_test_join()
 * @fq: its lease
 * @next_seq: number of the next frame, in its first four bytes
 * @wakes: of the worker
 * @worker_gone: there is no worker to wake
 * @level: as last told
 * @levels: times it was told
 * @seed_pages: of the guest's, one for each name
 * @out: names that the core has
 * @revokes: times the seeds were taken back
 * @held: by nai_test_hold()
 * @stall: the callback of this step waits for @go_on
 * @stalled: it does now
 * @go_on: it may end
 * @fail: this step fails
 * @log_lock: guards what follows
 * @log: steps so far
 * @broken: the first rule of net/nai.h that was broken
 * @maps: buffers mapped now
 * @map_fails: the mapping after so many fails; negative: none does
 */
struct nai_test {
	struct kunit *test;
	struct nai_port port;
	struct nai_test_hw hw[NAI_TEST_QUEUES];
	struct net_device *dev;
	struct net_device *tap;
	struct nai_client *client;
	struct nai_fq *fq;
	u32 next_seq;

	atomic_t wakes;
	bool worker_gone;
	enum nai_congestion level;
	unsigned int levels;
	struct page *seed_pages[NAI_MAX_DEPTH];
	DECLARE_BITMAP(out, NAI_MAX_DEPTH);
	unsigned int revokes;
	bool held;

	char stall;
	struct completion stalled;
	struct completion go_on;
	char fail;
	spinlock_t log_lock; /* Guards log and broken. */
	char log[64];
	const char *broken;
	atomic_t maps;
	int map_fails;
};

extern const struct nai_client_ops nai_test_client_ops;

int nai_test_init(struct kunit *test);
void nai_test_exit(struct kunit *test);

struct net_device *nai_test_netdev(struct kunit *test, const char *name);
/* The port comes, up; it goes. */
void nai_test_plug(struct nai_test *ctx, u16 depth);
void nai_test_unplug(struct nai_test *ctx);
void nai_test_down(struct nai_test *ctx);
void nai_test_up(struct nai_test *ctx);
/* The virtqueue comes; it goes. */
void nai_test_join(struct nai_test *ctx);
void nai_test_leave(struct nai_test *ctx);

/* A lease that no policy is asked about. */
struct nai_terms nai_test_terms(struct nai_test *ctx);
int nai_test_attach(struct nai_test *ctx, const struct nai_terms *terms,
		    struct netlink_ext_ack *extack);
int nai_test_detach(struct nai_test *ctx);
/* All of the above in one, and the steps so far forgotten. */
struct nai_test_hw *nai_test_lease(struct nai_test *ctx, u16 depth);
/* The same in mode seed. */
struct nai_test_hw *nai_test_lease_seed(struct nai_test *ctx, u16 depth);
/* Stop the queue and take the seeds back; go on without them. */
void nai_test_hold(struct nai_test *ctx);
void nai_test_resume(struct nai_test *ctx);
/* Post @n buffers of the guest's. Return: how many were taken. */
unsigned int nai_test_seed(struct nai_test *ctx, unsigned int n);
/* True once the lease has ended by itself. */
bool nai_test_wait_over(struct nai_test *ctx);
bool nai_test_wait_refs(const struct kref *kref, unsigned int n);

/* A frame from the wire. False: there was no buffer for it. */
bool nai_test_receive(struct nai_test *ctx, struct nai_test_hw *hw, u16 len,
		      u16 flags);
/* The same for @n good ones; all must find a buffer. */
void nai_test_flood(struct nai_test *ctx, struct nai_test_hw *hw,
		    unsigned int n);
/* What no hardware should say. */
void nai_test_claim(struct nai_test_hw *hw, u16 slot, u16 len);
u32 nai_test_seq(const struct nai_test *ctx, const struct nai_frame *frame);
/* The worker gives back the first @n of what it was shown. */
void nai_test_consume(struct nai_test *ctx, const struct nai_frame *frames,
		      unsigned int n, unsigned int delivered);
/* The worker takes @n frames, which must be there and be the next ones. */
void nai_test_take(struct nai_test *ctx, unsigned int n, u32 first_seq);

/* NULL if every slot is in exactly one place, or what is wrong. */
const char *nai_test_unsound(struct nai_fq *fq, struct nai_test_hw *hw);

#define NAI_TEST_EXPECT_SOUND(_ctx, _hw)				\
do {									\
	const struct nai_test *__ctx = _ctx;				\
	const char *__wrong = nai_test_unsound(__ctx->fq, _hw);		\
									\
	KUNIT_EXPECT_STREQ(__ctx->test, __wrong ? : "sound", "sound");	\
} while (0)

#endif /* _NAI_TEST_LIB_H */
