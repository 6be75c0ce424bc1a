// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hostile side: a guest, or a QEMU that was taken over, that does all that it
 * can to the memory and the ioctls of vhost-net. What to do is drawn from a seed,
 * so a run can be repeated as far as the kernel's timing allows.
 *
 * What comes of it in its own rings is of no interest. But memory that it never
 * offered for writing keeps its canary, every other guest's accounts stay right,
 * and the kernel survives without a word.
 */
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"

#define RUN_US		300
/* Between two times that the guest is made whole and asks for a lease again. */
#define MEND_EVERY	24

typedef void (*fuzz_op)(struct guest *g, struct queue *q);

/* A generator of its own for each thread, so that one does not disturb the other. */
static __u32 draw(__u64 *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 33;
}

static __u64 drawn;

static __u32 any(__u32 below)
{
	return draw(&drawn) % below;
}

static struct vring_desc *any_desc(struct queue *q)
{
	return &q->desc[any(q->num)];
}

static void kick(struct queue *q)
{
	eventfd_write(q->kick, 1);
}

/* Make @n heads available, whoever owns them. */
static void offer(struct queue *q, unsigned int n)
{
	while (n--)
		q->avail->ring[q->avail_idx++ % q->num] = any(q->num);
	__atomic_store_n(&q->avail->idx, q->avail_idx, __ATOMIC_RELEASE);
	kick(q);
}

/* Descriptors */

static void fuzz_short(struct guest *g, struct queue *q)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		any_desc(q)->len = any(4) ? any(2048) : 0;
	offer(q, 16);
}

static void fuzz_wrong_way(struct guest *g, struct queue *q)
{
	any_desc(q)->flags ^= VRING_DESC_F_WRITE;
	offer(q, 4);
}

/* Beyond all regions, in the gap, at both ends of the address space. */
static void fuzz_outside(struct guest *g, struct queue *q)
{
	static const __u64 where[] = {
		0, PAGE, GPA_BASE - PAGE, GPA_BASE - 1, GPA_BASE + MEM_GAP,
		GPA_BASE + MEM_SIZE, GPA_BASE + MEM_SIZE + PAGE, ~0ull,
		~0ull - PAGE + 1, 1ull << 63, 0xffff800000000000ull,
	};

	any_desc(q)->addr = where[any(sizeof(where) / sizeof(*where))] + any(2);
	offer(q, 4);
}

/* Over the border of the last region, and to the end of the address space. */
static void fuzz_straddle(struct guest *g, struct queue *q)
{
	struct vring_desc *desc = any_desc(q);

	desc->addr = GPA_BASE + MEM_GAP - 1 - any(PAGE);
	desc->len = any(4) ? any(2 * PAGE) : ~0u - any(4);
	offer(q, 4);
}

static void fuzz_long(struct guest *g, struct queue *q)
{
	any_desc(q)->len = 65535 + any(3) * (1 << any(16));
	offer(q, 4);
}

/* Chains */

static void fuzz_loop(struct guest *g, struct queue *q)
{
	struct vring_desc *desc = any_desc(q);

	desc->flags |= VRING_DESC_F_NEXT;
	desc->next = any(2) ? desc - q->desc : any(65536);
	offer(q, 2);
}

static void fuzz_chain(struct guest *g, struct queue *q)
{
	unsigned int i;

	for (i = 0; i < q->num; i++) {
		q->desc[i].flags |= VRING_DESC_F_NEXT;
		q->desc[i].next = any(q->num);
		q->desc[i].len = any(64);
	}
	offer(q, 2);
}

/* A table in a table, one that leads back, one of odd or no size. */
static void fuzz_indirect(struct guest *g, struct queue *q)
{
	unsigned int i = any(q->num), n = any(8);
	struct vring_desc *table = (void *)buf_of(g, q, i);
	struct vring_desc *desc = any_desc(q);

	for (n = 0; n < 8; n++) {
		table[n] = q->desc[any(q->num)];
		table[n].next = any(12);
		table[n].flags = any(8);
	}
	desc->addr = q->desc[i].addr;
	desc->len = any(2) ? 8 * sizeof(*table) : any(256);
	desc->flags = VRING_DESC_F_INDIRECT | any(4);
	offer(q, 2);
}

/* Rings */

static void fuzz_same_head(struct guest *g, struct queue *q)
{
	unsigned int n = 1 + any(8), head = any(q->num);

	while (n--)
		q->avail->ring[q->avail_idx++ % q->num] = head;
	__atomic_store_n(&q->avail->idx, q->avail_idx, __ATOMIC_RELEASE);
	kick(q);
}

static void fuzz_bad_head(struct guest *g, struct queue *q)
{
	q->avail->ring[q->avail_idx++ % q->num] = q->num + any(65536 - q->num);
	__atomic_store_n(&q->avail->idx, q->avail_idx, __ATOMIC_RELEASE);
	kick(q);
}

static void fuzz_index_jump(struct guest *g, struct queue *q)
{
	q->avail_idx += any(65536);
	__atomic_store_n(&q->avail->idx, q->avail_idx, __ATOMIC_RELEASE);
	kick(q);
}

static void fuzz_flags(struct guest *g, struct queue *q)
{
	q->avail->flags = any(65536);
	q->used->flags = any(65536);
	q->avail->ring[q->num] = any(65536);
	kick(q);
}

static void fuzz_used_index(struct guest *g, struct queue *q)
{
	q->used->idx = any(65536);
	kick(q);
}

/* Transmission: headers that promise what is not there. */
static void fuzz_send(struct guest *g, struct queue *ignored)
{
	struct queue *q = &g->q[TX];
	unsigned int i, k, n = 1 + any(16);
	struct virtio_net_hdr *h;
	struct ethhdr *eth;

	while (n--) {
		i = any(q->num);
		h = (void *)buf_of(g, q, i);
		for (k = 0; k < sizeof(*h); k++)
			((__u8 *)h)[k] = any(3) ? 0 : any(256);
		eth = (void *)((__u8 *)h + header_len(g));
		frame_build(eth, FRAME_MIN,
			    any(4) ? (__u8 *)"\2\xf1\0\0\0\1" :
				     (__u8 *)"\xff\xff\xff\xff\xff\xff",
			    g->mac, 0, 0);
		/* No other guest is to take it for one of nai_flood's. */
		eth->h_proto = htobe16(FRAME_TYPE + 1);
		q->desc[i].addr = GPA_BASE + MEM_TX + (2 * i + 2) * PAGE -
				  g->buf_len;
		q->desc[i].flags = 0;
		q->desc[i].len = any(4) ? header_len(g) + FRAME_MIN : any(2048);
		q->avail->ring[q->avail_idx++ % q->num] = i;
	}
	__atomic_store_n(&q->avail->idx, q->avail_idx, __ATOMIC_RELEASE);
	kick(q);
}

/* Memory */

static __u8 *ring_page(struct queue *q)
{
	__u8 *pages[] = {
		(__u8 *)q->desc, (__u8 *)q->avail, (__u8 *)q->used,
	};

	return pages[any(3)];
}

/* The ring is freed under way, and is back some time later. */
static void fuzz_unmap_ring(struct guest *g, struct queue *q)
{
	__u8 *page = ring_page(q);

	munmap(page, PAGE);
	kick(q);
	usleep(any(200));
	if (mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 g->mem, page - g->base) != page)
		die("mmap of the ring");
	kick(q);
}

static void fuzz_protect(struct guest *g, struct queue *q)
{
	__u8 *page = g->rx + any(MEM_BUF_PAGES) * PAGE;

	mprotect(page, PAGE, any(2) ? PROT_NONE : PROT_READ);
	kick(q);
	usleep(any(200));
	mprotect(page, PAGE, PROT_READ | PROT_WRITE);
}

static void fuzz_discard(struct guest *g, struct queue *q)
{
	madvise(g->rx, any(MEM_BUF_PAGES) * PAGE, MADV_DONTNEED);
	offer(q, 8);
}

static void fuzz_memory(struct guest *g, struct queue *q)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[2];
	} table = {
		.head.nregions = any(3),
		.region = {
			{ GPA_BASE + any(2) * PAGE, MEM_TX,
			  (uintptr_t)g->base, 0 },
			{ any(2) ? GPA_BASE : ~0ull - any(2) * PAGE,
			  any(2) * PAGE - any(2), (uintptr_t)g->base, 0 },
		},
	};

	if (any(2))
		guest_set_memory(g);
	else
		guest_ioctl(g, VHOST_SET_MEM_TABLE, &table);
	kick(q);
}

/* Device */

static void fuzz_base(struct guest *g, struct queue *q)
{
	bool off = any(2);

	if (off)
		guest_set_backend(g, q, false);
	guest_set_base(g, q, any(4) ? any(65536) : q->used->idx);
	if (off)
		guest_set_backend(g, q, true);
	kick(q);
}

static void fuzz_backend(struct guest *g, struct queue *q)
{
	guest_set_backend(g, q, any(2));
}

static void fuzz_owner(struct guest *g, struct queue *q)
{
	guest_ioctl(g, VHOST_RESET_OWNER, NULL);
	if (any(2))
		guest_ioctl(g, VHOST_SET_OWNER, NULL);
}

/* Never the IOTLB: with it on, the device waits for answers that we do not give. */
static void fuzz_features(struct guest *g, struct queue *q)
{
	static const unsigned int bits[] = {
		VIRTIO_NET_F_MRG_RXBUF, VIRTIO_F_VERSION_1, VHOST_F_LOG_ALL,
		VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC,
		VHOST_NET_F_VIRTIO_NET_HDR, VIRTIO_F_ANY_LAYOUT,
	};
	__u64 features = 0, base = (uintptr_t)g->log;
	unsigned int i;

	for (i = 0; i < sizeof(bits) / sizeof(*bits); i++)
		features |= (__u64)any(2) << bits[i];
	guest_ioctl(g, VHOST_SET_LOG_BASE, &base);
	guest_set_features(g, features);
	kick(q);
}

static void fuzz_ring(struct guest *g, struct queue *q)
{
	struct vhost_vring_addr addr = {
		.index = q->index,
		.desc_user_addr = (uintptr_t)q->desc + 16 * any(2),
		.avail_user_addr = (uintptr_t)q->avail + 2 * any(2),
		.used_user_addr = (uintptr_t)(any(2) ? q->used : NULL),
	};
	struct vhost_vring_state num = { .index = q->index, .num = any(512) };

	guest_ioctl(g, VHOST_SET_VRING_NUM, &num);
	guest_ioctl(g, VHOST_SET_VRING_ADDR, &addr);
}

static void fuzz_files(struct guest *g, struct queue *q)
{
	static const unsigned long which[] = {
		VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL, VHOST_SET_VRING_ERR,
	};
	int fds[] = { -1, q->kick, q->call, q->err, g->tap, 0x7fffffff };
	struct vhost_vring_file file = {
		.index = q->index,
		.fd = fds[any(sizeof(fds) / sizeof(*fds))],
	};

	guest_ioctl(g, which[any(3)], &file);
}

static const struct {
	const char *name;
	fuzz_op op;
	unsigned int weight;
} ops[] = {
	{ "short", fuzz_short, 4 },
	{ "wrong_way", fuzz_wrong_way, 2 },
	{ "outside", fuzz_outside, 3 },
	{ "straddle", fuzz_straddle, 3 },
	{ "long", fuzz_long, 2 },
	{ "loop", fuzz_loop, 2 },
	{ "chain", fuzz_chain, 1 },
	{ "indirect", fuzz_indirect, 3 },
	{ "same_head", fuzz_same_head, 3 },
	{ "bad_head", fuzz_bad_head, 1 },
	{ "index_jump", fuzz_index_jump, 1 },
	{ "flags", fuzz_flags, 2 },
	{ "used_index", fuzz_used_index, 1 },
	{ "send", fuzz_send, 4 },
	{ "unmap_ring", fuzz_unmap_ring, 2 },
	{ "protect", fuzz_protect, 2 },
	{ "discard", fuzz_discard, 1 },
	{ "memory", fuzz_memory, 2 },
	{ "base", fuzz_base, 2 },
	{ "backend", fuzz_backend, 3 },
	{ "owner", fuzz_owner, 1 },
	{ "features", fuzz_features, 2 },
	{ "ring", fuzz_ring, 1 },
	{ "files", fuzz_files, 1 },
};

#define OPS	(sizeof(ops) / sizeof(*ops))

static unsigned int any_op(void)
{
	unsigned int i, total = 0, at;

	for (i = 0; i < OPS; i++)
		total += ops[i].weight;
	at = any(total);
	for (i = 0; at >= ops[i].weight; i++)
		at -= ops[i].weight;
	return i;
}

/*
 * Rewrites descriptors, ring entries and sent headers while they are in use. By a
 * mapping of its own: the other is taken away at times.
 */
static void *scribble(void *arg)
{
	struct guest *g = arg;
	__u8 *alias = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE,
			      MAP_SHARED, g->mem, 0), *at;
	__u64 state = drawn;
	struct queue *q;
	__u32 i;

	if (alias == MAP_FAILED)
		die("mmap for the scribbler");
	while (__atomic_load_n(&g->scribbling, __ATOMIC_RELAXED)) {
		q = &g->q[draw(&state) % QUEUES];
		i = draw(&state) % g->num;
		switch (draw(&state) % 4) {
		case 0:
			at = alias + (buf_of(g, &g->q[TX], i) - g->base);
			at[draw(&state) % 12] ^= 1 << draw(&state) % 8;
			break;
		case 1:
			at = alias + ((__u8 *)&q->desc[i] - g->base);
			at[draw(&state) % sizeof(*q->desc)] ^= 1;
			break;
		case 2:
			at = alias + ((__u8 *)&q->avail->ring[i] - g->base);
			at[draw(&state) % 2] ^= 1;
			break;
		case 3:
			sched_yield();
			break;
		}
	}
	munmap(alias, MEM_SIZE);
	return NULL;
}

/* As a guest that reboots: all is said anew, whatever was said before. */
static void mend(struct guest *g)
{
	guest_ioctl(g, VHOST_RESET_OWNER, NULL);
	guest_set_features(g, 1ull << VIRTIO_F_VERSION_1 |
			      1ull << VIRTIO_RING_F_INDIRECT_DESC |
			      (__u64)any(2) << VIRTIO_NET_F_MRG_RXBUF |
			      (__u64)any(2) << VIRTIO_RING_F_EVENT_IDX);
	g->logging = false;
	memset(g->rx, CANARY, MEM_TX - MEM_RX);
	guest_start(g);
	if (g->port)
		guest_attach(g);
}

/* What no descriptor of either ring was ever allowed to be written to. */
static void check_untouched(struct guest *g)
{
	const __u8 *at = g->base + MEM_GAP, *end = g->base + MEM_SIZE;

	for (; at < end; at++)
		if (*at != CANARY) {
			g->faults.canary++;
			memset(g->base + MEM_GAP, CANARY, MEM_SIZE - MEM_GAP);
			return;
		}
}

void op_fuzz(struct guest *g, unsigned int seconds, unsigned int seed)
{
	__u64 until = now_us() + seconds * 1000000ull;
	unsigned int i, n;

	drawn = seed;
	any(2);
	mend(g);
	g->scribbling = 1;
	if (pthread_create(&g->scribbler, NULL, scribble, g))
		die("pthread_create");

	for (n = 1; now_us() < until; n++) {
		i = any_op();
		ops[i].op(g, &g->q[any(4) ? RX : TX]);
		g->fuzz_ops[i]++;
		usleep(any(RUN_US));
		if (n % MEND_EVERY)
			continue;
		check_untouched(g);
		mend(g);
	}

	__atomic_store_n(&g->scribbling, 0, __ATOMIC_RELAXED);
	pthread_join(g->scribbler, NULL);
	check_untouched(g);
	/* An honest guest again: it must get its frames as any other does. */
	mend(g);
	memset(g->base + MEM_TX, CANARY, MEM_GAP - MEM_TX);
}

void fuzz_print(const struct guest *g)
{
	unsigned int i;

	printf("\"fuzz\": {");
	for (i = 0; i < OPS; i++)
		printf("%s\"%s\": %llu", i ? ", " : "", ops[i].name,
		       g->fuzz_ops[i]);
	printf("}");
}
