/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A process that is guest and QEMU at once for vhost-net: it owns tap, memory and
 * both rings, fills and empties them itself, and so knows what ought to be in
 * every byte and who ought to own every descriptor.
 */
#ifndef _NAI_TEST_GUEST_H
#define _NAI_TEST_GUEST_H

#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "frame.h"

#define PAGE		4096u
#define RING_MAX	256u
#define BUF_MAX		PAGE
#define STREAMS		(2 * FRAME_STREAMS)
#define SEQ_MAX		0x100000000ull

/*
 * Guest memory: one file, so that it can be mapped twice. Between any two parts
 * that the host may write lies a page that it must not.
 *
 *	rings	descriptors, available and used rings of both queues
 *	rx	for each descriptor a guard page, then one that ends with its buffer,
 *		or both a little earlier
 *	tx	as rx
 *	gap	in the file and in no region of the memory table
 */
#define MEM_RING_PAGES	16u
#define MEM_BUF_PAGES	(2 * RING_MAX + 1)
#define MEM_GAP_PAGES	16u
#define MEM_RINGS	0ul
#define MEM_RX		(MEM_RINGS + MEM_RING_PAGES * PAGE)
#define MEM_TX		(MEM_RX + MEM_BUF_PAGES * PAGE)
#define MEM_GAP		(MEM_TX + MEM_BUF_PAGES * PAGE)
#define MEM_SIZE	(MEM_GAP + MEM_GAP_PAGES * PAGE)
#define RX_SIZE		(MEM_TX - MEM_RX)
#define HUGE_SIZE	(512 * PAGE)
#define MEM_FILE	((MEM_SIZE + HUGE_SIZE - 1) / HUGE_SIZE * HUGE_SIZE)
/* Where the guest believes its memory to be. */
#define GPA_BASE	0x40000000ull
#define CANARY		0xa5
/* So much around a buffer is looked at with each frame. */
#define NEAR		256

enum { RX, TX, QUEUES };

enum head_owner {
	HEAD_GUEST,
	HEAD_HOST,
};

struct queue {
	unsigned int index;
	unsigned int num;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	int kick, call, err;

	__u16 avail_idx;
	__u16 last_used;
	unsigned int with_host;
	enum head_owner owner[RING_MAX];
	bool unpainted[RING_MAX];	/* holds what an earlier frame left */
	unsigned int again[RING_MAX];	/* times offered while with the host */
	bool on;		/* has a backend */
};

/* What must stay zero, or be explained by the test. */
struct faults {
	__u64 bad_head;	/* used entry of no descriptor */
	__u64 double_head;	/* used entry of one that the guest owns */
	__u64 lost_head;	/* consumed, and not returned when stopped */
	__u64 bad_len;	/* longer than the buffer, or no header */
	__u64 bad_header;	/* virtio-net header that no frame here has */
	__u64 canary;	/* written outside of what was given */
	__u64 corrupt;	/* frame is not what was sent */
	__u64 twice;		/* frame was delivered before */
	__u64 unlogged;	/* page was written and is not in the log */
	__u64 stale;		/* memory written after it was taken away */
};

struct counts {
	__u64 rx[STREAMS];
	__u64 foreign;
	__u64 valid;		/* marked as verified by the hardware */
	__u64 bytes;
	__u64 reordered;
	__u64 returned;		/* buffers that came back unused */
	__u64 tx;
	__u64 no_tx_room;
	__u64 kicks;
	__u64 logged_pages;
	__u64 changed_pages;
	__u64 attached;
	__u64 refused;
};

struct ynl_sock;

struct guest {
	/* As told on the command line. */
	char tap_name[16];
	__u8 mac[ETH_ALEN];
	__u8 peer[ETH_ALEN];	/* whom guest_send() sends to */
	unsigned int port;	/* ifindex, 0: never attach by itself */
	unsigned int num;
	unsigned int buf_len;
	unsigned int behind;	/* from the end of a buffer to that of its page */
	unsigned int keep;	/* buffers are returned when there are more */
	__u64 features;
	bool echo;
	bool vhost_header;
	bool force;
	bool tx;		/* a lease is to send */
	bool seeded;		/* the hardware writes to the buffers */
	bool huge;		/* memory of huge pages */
	long memlock;		/* that the process may lock, -1: any */

	int vhost, tap, mem;
	unsigned int tap_ifindex;
	__u8 *base;		/* all of the memory */
	__u8 *rx;		/* the rx part, as the host has it mapped */
	struct queue q[QUEUES];
	bool listens;		/* a command ends guest_run() */
	bool stalled;
	bool hidden;		/* the rx part is away: do not touch it */
	bool logging;
	bool flipped;		/* features were changed under way */
	__u8 *log;
	size_t log_size;

	struct ynl_sock *ys;
	struct faults faults;
	struct counts counts;
	__u64 last_seq[STREAMS];
	__u8 *seen;		/* a bit for each frame of each stream */

	/* The hostile side. */
	pthread_t scribbler;
	int scribbling;
	__u64 fuzz_ops[32];
};

/* guest_vhost.c: what QEMU does */
void die(const char *what);
__u64 now_us(void);
void guest_open(struct guest *g);
void guest_map(struct guest *g);
int guest_ioctl(struct guest *g, unsigned long request, void *arg);
void must_ioctl(struct guest *g, unsigned long request, void *arg,
		const char *what);
int guest_set_features(struct guest *g, __u64 features);
int guest_set_memory(struct guest *g);
int guest_set_ring(struct guest *g, struct queue *q);
int guest_set_base(struct guest *g, struct queue *q, __u16 base);
__u16 guest_get_base(struct guest *g, struct queue *q);
int guest_set_backend(struct guest *g, struct queue *q, bool on);
void guest_start(struct guest *g);
int guest_set_log(struct guest *g, bool on);
int guest_attach(struct guest *g);

/* guest_ring.c: what a driver does */
void ring_init(struct guest *g, struct queue *q);
void ring_fill(struct guest *g, struct queue *q);
void ring_fill_again(struct guest *g, struct queue *q, unsigned int n);
void ring_skip(struct guest *g, struct queue *q);
void ring_reset(struct guest *g, struct queue *q);
__u8 *ring_room(struct guest *g, struct queue *q, unsigned int *head);
void ring_send(struct guest *g, struct queue *q, unsigned int head, size_t len);
void ring_publish(struct guest *g, struct queue *q, __u16 old);
void ring_check_stopped(struct guest *g, struct queue *q);
__u8 *buf_of(const struct guest *g, const struct queue *q, unsigned int i);
size_t header_len(const struct guest *g);
void guest_check_guards(struct guest *g);
unsigned int guest_serve(struct guest *g);
void guest_run(struct guest *g, __u64 us);
bool guest_drain(struct guest *g, __u64 us);

/* guest_ops.c: what is done to a guest that works */
void op_toggle(struct guest *g, unsigned long n);
void op_move(struct guest *g, unsigned long n);
void op_discard(struct guest *g, unsigned long n);
void op_memory(struct guest *g, unsigned long n);
void op_features(struct guest *g, unsigned long n);
void op_owner(struct guest *g, unsigned long n);
void op_readonly(struct guest *g, unsigned long on);
void op_log(struct guest *g, unsigned long n);
void op_userfault(struct guest *g, unsigned long on);

/* guest_tx.c: what a driver sends by itself */
int guest_send(struct guest *g, unsigned int kind, unsigned long n);

/* guest_fuzz.c: the hostile side */
void op_fuzz(struct guest *g, unsigned int seconds, unsigned int seed);
void fuzz_print(const struct guest *g);

#endif
