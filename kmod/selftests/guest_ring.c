// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a virtio-net driver does, and keeps account of: every descriptor that is
 * made available comes back exactly once, holds a frame that was sent and was not
 * delivered before, and no byte around it was written.
 *
 * The host is kicked only when it asks to be, so that a wake-up that it misses is
 * missed for good.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "guest.h"

#define HDR_MAX		sizeof(struct virtio_net_hdr_mrg_rxbuf)
/* Of the tap, not of the NIC: a segment that is not cut yet. */
#define LONGEST		0x10000
/* One guard in so many frames is looked at; all are when the guest is asked. */
#define GUARD_SAMPLE	16

size_t header_len(const struct guest *g)
{
	__u64 long_header = 1ull << VIRTIO_F_VERSION_1 |
			       1ull << VIRTIO_NET_F_MRG_RXBUF;

	return g->features & long_header ?
	       sizeof(struct virtio_net_hdr_mrg_rxbuf) :
	       sizeof(struct virtio_net_hdr);
}

static __u8 *page_of(const struct guest *g, const struct queue *q,
		     unsigned int i)
{
	__u8 *part = q->index == RX ? g->rx : g->base + MEM_TX;

	return part + (2 * i + 1) * PAGE;
}

/* A buffer ends with its page, if not moved; what follows is a guard. */
__u8 *buf_of(const struct guest *g, const struct queue *q, unsigned int i)
{
	return page_of(g, q, i) + PAGE - g->behind - g->buf_len;
}

static __u64 gpa_of(const struct guest *g, const struct queue *q,
		    unsigned int i)
{
	__u64 part = q->index == RX ? MEM_RX : MEM_TX;

	return GPA_BASE + part + (2 * i + 2) * PAGE - g->behind - g->buf_len;
}

static bool all_canary(const __u8 *at, size_t n)
{
	return !n || (*at == CANARY && !memcmp(at, at + 1, n - 1));
}

/* All from the buffer before, or the begin, to this one, or the end. */
static bool gap_is_whole(const struct guest *g, const struct queue *q,
			 unsigned int i)
{
	__u8 *part = page_of(g, q, 0) - PAGE, *from = part;
	__u8 *to = part + RX_SIZE;

	if (i)
		from = buf_of(g, q, i - 1) + g->buf_len;
	if (i < RING_MAX)
		to = buf_of(g, q, i);
	return all_canary(from, to - from);
}

void guest_check_guards(struct guest *g)
{
	struct queue *q;
	unsigned int i;

	for (q = g->q; q < g->q + QUEUES; q++)
		for (i = 0; i <= RING_MAX; i++)
			g->faults.canary += !gap_is_whole(g, q, i);
	g->faults.canary += !all_canary(g->base + MEM_GAP,
					MEM_GAP_PAGES * PAGE);
}

/* Rings */

void ring_init(struct guest *g, struct queue *q)
{
	unsigned int i;

	for (i = 0; i < q->num; i++) {
		q->desc[i].addr = gpa_of(g, q, i);
		q->desc[i].len = g->buf_len;
		q->desc[i].flags = q->index == RX ? VRING_DESC_F_WRITE : 0;
		q->desc[i].next = 0;
	}
}

void ring_reset(struct guest *g, struct queue *q)
{
	ring_init(g, q);
	memset(q->avail, 0, sizeof(*q->avail) + 2 * (q->num + 1));
	memset(q->used, 0, sizeof(*q->used) + 8 * q->num + 2);
	memset(q->owner, 0, sizeof(q->owner));
	memset(q->again, 0, sizeof(q->again));
	q->avail_idx = 0;
	q->last_used = 0;
	q->with_host = 0;
}

static bool wants_kick(const struct guest *g, struct queue *q, __u16 old)
{
	__u16 event;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(g->features & 1ull << VIRTIO_RING_F_EVENT_IDX))
		return !(__atomic_load_n(&q->used->flags, __ATOMIC_RELAXED) &
			 VRING_USED_F_NO_NOTIFY);
	event = __atomic_load_n((__u16 *)&q->used->ring[q->num],
				__ATOMIC_RELAXED);
	return vring_need_event(event, q->avail_idx, old);
}

/* What was made available since @old. */
void ring_publish(struct guest *g, struct queue *q, __u16 old)
{
	__atomic_store_n(&q->avail->idx, q->avail_idx, __ATOMIC_RELEASE);
	if (q->avail_idx != old && wants_kick(g, q, old)) {
		eventfd_write(q->kick, 1);
		g->counts.kicks++;
	}
}

static void give(struct queue *q, unsigned int head)
{
	q->owner[head] = HEAD_HOST;
	q->with_host++;
	q->avail->ring[q->avail_idx++ % q->num] = head;
}

/* Every receive buffer that the guest has. */
void ring_fill(struct guest *g, struct queue *q)
{
	__u16 old = q->avail_idx;
	unsigned int i;

	if (q->index != RX || g->stalled || q->with_host + g->keep >= q->num)
		return;
	for (i = 0; i < q->num; i++)
		if (q->owner[i] == HEAD_GUEST)
			give(q, i);
	ring_publish(g, q, old);
}

/* Buffers that the host has, once more, as no driver does. */
void ring_fill_again(struct guest *g, struct queue *q, unsigned int n)
{
	__u16 old = q->avail_idx;
	unsigned int i;

	for (i = 0; i < q->num && n; i++) {
		if (q->owner[i] != HEAD_HOST)
			continue;
		q->again[i]++;
		give(q, i);
		n--;
	}
	ring_publish(g, q, old);
}

/* Return: a buffer that the guest may fill and send, or NULL. */
__u8 *ring_room(struct guest *g, struct queue *q, unsigned int *head)
{
	for (*head = 0; *head < q->num; ++*head)
		if (q->owner[*head] == HEAD_GUEST)
			return q->on ? buf_of(g, q, *head) : NULL;
	return NULL;
}

/* To be published. */
void ring_send(struct guest *g, struct queue *q, unsigned int head, size_t len)
{
	q->desc[head].len = len;
	give(q, head);
	g->counts.tx++;
}

/* Return: whether it is a head that was to come back. */
static bool take(struct guest *g, struct queue *q, __u32 head)
{
	if (head >= q->num) {
		g->faults.bad_head++;
		return false;
	}
	if (q->owner[head] != HEAD_HOST) {
		g->faults.double_head++;
		return false;
	}
	q->with_host--;
	if (q->again[head])
		q->again[head]--;
	else
		q->owner[head] = HEAD_GUEST;
	return true;
}

/* After its backend was taken away: what was consumed has come back. */
void ring_check_stopped(struct guest *g, struct queue *q)
{
	__u16 base = guest_get_base(g, q);
	unsigned int listed[RING_MAX] = {};
	__u16 i, head;

	if (base != __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE))
		g->faults.lost_head++;
	guest_serve(g);
	if ((__u16)(q->avail_idx - base) != q->with_host)
		g->faults.lost_head++;
	for (i = base; i != q->avail_idx; i++) {
		head = q->avail->ring[i % q->num];
		if (q->owner[head] != HEAD_HOST ||
		    listed[head]++ > q->again[head])
			g->faults.double_head++;
	}
}

/* Reception */

static void account_seq(struct guest *g, unsigned int stream, __u64 seq)
{
	__u8 *byte = g->seen + ((size_t)stream * SEQ_MAX + seq) / 8;
	__u8 bit = 1 << seq % 8;

	g->counts.rx[stream]++;
	if (seq < g->last_seq[stream])
		g->counts.reordered++;
	g->last_seq[stream] = seq;
	if (*byte & bit)
		g->faults.twice++;
	*byte |= bit;
}

static void account_frame(struct guest *g, const __u8 *data, size_t len)
{
	const struct frame *f = (const void *)data;
	__u64 seq = be64toh(f->seq);
	__u16 stream = be16toh(f->stream);

	switch (frame_check(data, len)) {
	case FRAME_FOREIGN:
		g->counts.foreign++;
		return;
	case FRAME_CORRUPT:
		g->faults.corrupt++;
		return;
	case FRAME_GOOD:
		break;
	}
	if (stream & FRAME_ANSWER)
		stream = (stream & ~FRAME_ANSWER) + FRAME_STREAMS;
	if (stream >= STREAMS || seq >= SEQ_MAX) {
		g->faults.corrupt++;
		return;
	}
	g->counts.bytes += len;
	account_seq(g, stream, seq);
}

static void answer(struct guest *g, const __u8 *data, size_t len)
{
	struct queue *q = &g->q[TX];
	size_t hlen = header_len(g);
	__u16 old = q->avail_idx;
	struct frame *f;
	unsigned int i;

	if (frame_check(data, len) != FRAME_GOOD || data[0] & 1)
		return;
	for (i = 0; i < q->num && q->owner[i] != HEAD_GUEST; i++)
		;
	if (i == q->num || !q->on) {
		g->counts.no_tx_room++;
		return;
	}
	memset(buf_of(g, q, i), 0, hlen);
	f = (void *)(buf_of(g, q, i) + hlen);
	memcpy(f, data, len);
	memcpy(f->eth.h_dest, f->eth.h_source, ETH_ALEN);
	memcpy(f->eth.h_source, g->mac, ETH_ALEN);
	f->stream |= htobe16(FRAME_ANSWER);
	q->desc[i].len = hlen + len;
	give(q, i);
	ring_publish(g, q, old);
	g->counts.tx++;
}

/* Around what was written: what is left of the buffer, and before and behind it. */
static void check_around(struct guest *g, struct queue *q, unsigned int head,
			 __u32 written)
{
	__u8 *buf = buf_of(g, q, head), *end = buf + g->buf_len;

	if (!all_canary(buf - NEAR, NEAR) || !all_canary(end, NEAR))
		g->faults.canary++;
	/* In it is what the hardware leaves behind a frame. */
	if (!g->seeded && !all_canary(buf + written, g->buf_len - written))
		g->faults.canary++;
	if (random() % GUARD_SAMPLE)
		return;
	if (!gap_is_whole(g, q, head) || !gap_is_whole(g, q, head + 1))
		g->faults.canary++;
}

/* While the log is compared nobody but the host may write. */
static void repaint(struct guest *g, struct queue *q, unsigned int head)
{
	q->unpainted[head] = g->logging;
	if (!g->logging)
		memset(buf_of(g, q, head), CANARY, g->buf_len);
}

static bool is_mergeable(const struct guest *g)
{
	return g->features & 1ull << VIRTIO_NET_F_MRG_RXBUF;
}

/*
 * Of one that is not mergeable the tap leaves num_buffers as it was in the buffer.
 * When features change under way, the guest may find such a one in its ring yet.
 */
static bool header_is_sane(const struct guest *g,
			   const struct virtio_net_hdr_mrg_rxbuf *h)
{
	if (h->hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE ||
	    h->hdr.flags & ~VIRTIO_NET_HDR_F_DATA_VALID)
		return false;
	if (!is_mergeable(g) || g->flipped)
		return true;
	return h->num_buffers >= 1 && h->num_buffers <= g->num;
}

/* Take back what is used by now, whatever is in it. */
void ring_skip(struct guest *g, struct queue *q)
{
	__u16 used = __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE);
	__u32 head;

	while (q->last_used != used) {
		head = q->used->ring[q->last_used++ % q->num].id;
		if (take(g, q, head))
			repaint(g, q, head);
	}
}

/* Return: the used entries that the frame takes, 0 if they are not all there. */
static unsigned int receive(struct guest *g, struct queue *q, __u16 there)
{
	__u8 data[HDR_MAX + LONGEST + BUF_MAX];
	struct virtio_net_hdr_mrg_rxbuf h = {};
	size_t hlen = header_len(g), len = 0;
	unsigned int i, n = 1;
	__u32 head, part;

	for (i = 0; i < n && i < there; i++) {
		head = q->used->ring[(__u16)(q->last_used + i) % q->num].id;
		part = q->used->ring[(__u16)(q->last_used + i) % q->num].len;
		if (!take(g, q, head))
			return 1;
		if (!i && !part && g->seeded) {
			g->counts.returned++;
			repaint(g, q, head);
			return 1;
		}
		if (part > g->buf_len || len + part > sizeof(data) ||
		    (!i && part < hlen)) {
			g->faults.bad_len++;
			return i + 1;
		}
		memcpy(data + len, buf_of(g, q, head), part);
		len += part;
		if (!q->unpainted[head])
			check_around(g, q, head, part);
		repaint(g, q, head);
		if (i)
			continue;
		memcpy(&h, data, hlen);
		if (!header_is_sane(g, &h)) {
			g->faults.bad_header++;
			return 1;
		}
		g->counts.valid += h.hdr.flags == VIRTIO_NET_HDR_F_DATA_VALID;
		/* Its buffers hold a frame each when features are changed. */
		if (is_mergeable(g) && !g->flipped)
			n = h.num_buffers;
	}
	if (i < n) {
		/* The parts of a frame are published together. */
		g->faults.lost_head++;
		return i;
	}
	account_frame(g, data + hlen, len - hlen);
	if (g->echo)
		answer(g, data + hlen, len - hlen);
	return n;
}

static unsigned int reap(struct guest *g, struct queue *q)
{
	__u16 used = __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE);
	unsigned int done = 0;

	while (q->last_used != used) {
		if (q->index == RX)
			q->last_used += receive(g, q, used - q->last_used);
		else
			take(g, q, q->used->ring[q->last_used++ % q->num].id);
		done++;
	}
	return done;
}

/* Ask to be interrupted from the next entry on. */
static void arm(const struct guest *g, struct queue *q)
{
	if (g->features & 1ull << VIRTIO_RING_F_EVENT_IDX)
		q->avail->ring[q->num] = q->last_used;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Return: what there was to do. */
unsigned int guest_serve(struct guest *g)
{
	unsigned int done = 0;
	struct queue *q;

	for (q = g->q; q < g->q + QUEUES; q++) {
		if (g->hidden && q->index == RX)
			continue;
		done += reap(g, q);
		arm(g, q);
		done += reap(g, q);
		if (q->on)
			ring_fill(g, q);
	}
	return done;
}

void guest_run(struct guest *g, __u64 us)
{
	struct pollfd pfd[] = {
		{ .fd = g->q[RX].call, .events = POLLIN },
		{ .fd = g->q[TX].call, .events = POLLIN },
		{ .fd = g->listens ? STDIN_FILENO : -1, .events = POLLIN },
	};
	__u64 until = now_us() + us, now;
	struct timespec rest;
	eventfd_t n;

	while ((now = now_us()) < until) {
		if (guest_serve(g))
			continue;
		rest.tv_sec = (until - now) / 1000000;
		rest.tv_nsec = (until - now) % 1000000 * 1000;
		if (ppoll(pfd, 3, &rest, NULL) <= 0)
			continue;
		if (pfd[2].revents)
			return;
		eventfd_read(g->q[RX].call, &n);
		eventfd_read(g->q[TX].call, &n);
	}
}

/* With fewer than the largest frame takes, the host waits for more. */
static bool is_drained(const struct guest *g)
{
	size_t most = header_len(g) + FRAME_MAX;

	if (!is_mergeable(g))
		return !g->q[RX].with_host;
	return g->q[RX].with_host * g->buf_len < most;
}

/*
 * Return no receive buffer, until the host has used what it has: from then on it
 * has next to nothing to write to. Return: whether that came to pass.
 */
bool guest_drain(struct guest *g, __u64 us)
{
	__u64 until = now_us() + us;

	g->stalled = true;
	while (!is_drained(g) && now_us() < until)
		guest_run(g, 1000);
	return is_drained(g);
}
