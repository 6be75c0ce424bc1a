// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest sends by itself, good and bad. Frames have a kind each, which is
 * their stream's number on the wire, so whoever sniffs there knows which of them
 * came through.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <pthread.h>
#include <stdio.h>

#include "guest.h"

enum {
	SEND_GOOD,		/* to the peer */
	SEND_BROADCAST,
	SEND_SPOOFED,		/* another source */
	SEND_TAGGED,		/* 802.1Q */
	SEND_SHORT,		/* to be padded */
	SEND_CSUM,		/* checksum still to be filled in */
	SEND_CSUM_SOURCE,	/* the same, into the source address */
	SEND_CSUM_BEHIND,	/* the same, behind the frame */
	SEND_GSO,		/* as if there were segments */
	SEND_LONG,		/* more than the wire takes */
	SEND_MIXED,		/* broadcast and good in turns, many at one time */
	SEND_FLIPPED,		/* the source changes back and forth meanwhile */
	SEND_KINDS,
};

#define SEND_LEN	200
#define SEND_CSUM_START	(sizeof(struct frame))
#define SHORT_LEN	40
#define LONG_LEN	1600
#define WAIT_US		5000000

static const __u8 everybody[ETH_ALEN] = { 255, 255, 255, 255, 255, 255 };

static unsigned int length_of(unsigned int kind)
{
	switch (kind) {
	case SEND_SHORT:
		return SHORT_LEN;
	case SEND_LONG:
		return LONG_LEN;
	default:
		return SEND_LEN;
	}
}

static void fill_header(struct virtio_net_hdr *h, unsigned int kind)
{
	if (kind == SEND_CSUM || kind == SEND_CSUM_SOURCE ||
	    kind == SEND_CSUM_BEHIND)
		h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->csum_start = SEND_CSUM_START;
	if (kind == SEND_CSUM_SOURCE) {
		h->csum_start = 0;
		h->csum_offset = ETH_ALEN;
	}
	if (kind == SEND_CSUM_BEHIND)
		h->csum_offset = SEND_LEN - SEND_CSUM_START - 1;
	if (kind == SEND_GSO) {
		h->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		h->gso_size = 100;
	}
}

static void spoil(struct frame *f, unsigned int kind, unsigned long seq)
{
	if (kind == SEND_BROADCAST || (kind == SEND_MIXED && !(seq % 2)))
		memcpy(f->eth.h_dest, everybody, ETH_ALEN);
	if (kind == SEND_SPOOFED)
		f->eth.h_source[5] ^= 0x80;
	if (kind == SEND_TAGGED)
		f->eth.h_proto = htobe16(ETH_P_8021Q);
	if (kind == SEND_CSUM)
		memset(f->body, 0, 2);
}

static bool flipping;

static void *flip(void *arg)
{
	struct guest *g = arg;
	struct queue *q = &g->q[TX];
	size_t hlen = header_len(g);
	struct frame *f;
	unsigned int i;

	while (__atomic_load_n(&flipping, __ATOMIC_RELAXED)) {
		for (i = 0; i < q->num; i++) {
			f = (void *)(buf_of(g, q, i) + hlen);
			__atomic_xor_fetch(&f->eth.h_source[5], 0x80,
					   __ATOMIC_RELAXED);
		}
	}
	return NULL;
}

/* Return: a buffer to fill, with what is there already published; or NULL if the
 * host does not return any.
 */
static __u8 *wait_for_room(struct guest *g, struct queue *q, unsigned int *head,
			   __u16 *old)
{
	__u64 until = now_us() + WAIT_US;
	__u8 *buf;

	while (!(buf = ring_room(g, q, head))) {
		if (now_us() > until)
			return NULL;
		ring_publish(g, q, *old);
		*old = q->avail_idx;
		guest_run(g, 1000);
	}
	return buf;
}

static int send_all(struct guest *g, unsigned int kind, unsigned long n)
{
	struct queue *q = &g->q[TX];
	size_t hlen = header_len(g);
	__u16 old = q->avail_idx;
	unsigned int head, len;
	unsigned long seq;
	__u8 *buf;

	for (seq = 0; seq < n; seq++) {
		buf = wait_for_room(g, q, &head, &old);
		if (!buf)
			return -ENOBUFS;
		len = length_of(kind);
		memset(buf, 0, hlen);
		fill_header((void *)buf, kind);
		frame_build(buf + hlen, len, g->peer, g->mac, kind, seq);
		spoil((void *)(buf + hlen), kind, seq);
		ring_send(g, q, head, hlen + len);
		if (kind == SEND_MIXED && seq + 1 < n)
			continue;
		ring_publish(g, q, old);
		old = q->avail_idx;
	}
	return 0;
}

/* Return: 0, or -ENOBUFS if the host does not return buffers. */
int guest_send(struct guest *g, unsigned int kind, unsigned long n)
{
	pthread_t flipper;
	int err;

	if (kind >= SEND_KINDS)
		return -EINVAL;
	if (kind != SEND_FLIPPED)
		return send_all(g, kind, n);

	flipping = true;
	if (pthread_create(&flipper, NULL, flip, g))
		die("pthread_create");
	err = send_all(g, kind, n);
	/* Until the last was read. */
	guest_run(g, 100000);
	__atomic_store_n(&flipping, false, __ATOMIC_RELAXED);
	pthread_join(flipper, NULL);
	return err;
}
