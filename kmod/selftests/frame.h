/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The frames that nai_flood sends and nai_guest expects: each says which stream
 * it belongs to, its number there and its length, and every further byte follows
 * from these. So a frame that was cut, mixed up or delivered twice is noticed.
 */
#ifndef _NAI_TEST_FRAME_H
#define _NAI_TEST_FRAME_H

#include <endian.h>
#include <linux/if_ether.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Local experimental, so nobody else's protocol looks at it. */
#define FRAME_TYPE	0x88b5
#define FRAME_MAGIC	0x4e414921
#define FRAME_MIN	60
#define FRAME_MAX	1514
#define FRAME_JUMBO	4014	/* that can be sent, if asked for */
#define FRAME_STREAMS	8
/* Set in the stream of an answer. */
#define FRAME_ANSWER	0x8000

#pragma pack(push, 1)
struct frame {
	struct ethhdr eth;
	__u32 magic;
	__u16 stream;
	__u16 len;
	__u64 seq;
	__u8 body[];
};

#pragma pack(pop)

enum frame_kind {
	FRAME_GOOD,
	FRAME_FOREIGN,	/* somebody else's, such as the bridge's own */
	FRAME_CORRUPT,
};

static inline __u8 frame_byte(__u64 seq, unsigned int i)
{
	return seq * 131 + i * 7 + (seq >> 8);
}

static inline void frame_build(void *buf, unsigned int len, const __u8 *dst,
			       const __u8 *src, __u16 stream,
			       __u64 seq)
{
	struct frame *f = buf;
	unsigned int i;

	memcpy(f->eth.h_dest, dst, ETH_ALEN);
	memcpy(f->eth.h_source, src, ETH_ALEN);
	f->eth.h_proto = htobe16(FRAME_TYPE);
	f->magic = htobe32(FRAME_MAGIC);
	f->stream = htobe16(stream);
	f->len = htobe16(len);
	f->seq = htobe64(seq);
	for (i = 0; i + sizeof(*f) < len; i++)
		f->body[i] = frame_byte(seq, i);
}

static inline enum frame_kind frame_check(const void *buf, unsigned int len)
{
	const struct frame *f = buf;
	__u64 seq;
	unsigned int i;

	if (len < sizeof(*f) || f->eth.h_proto != htobe16(FRAME_TYPE))
		return FRAME_FOREIGN;
	if (f->magic != htobe32(FRAME_MAGIC) || be16toh(f->len) != len)
		return FRAME_CORRUPT;
	seq = be64toh(f->seq);
	for (i = 0; i + sizeof(*f) < len; i++)
		if (f->body[i] != frame_byte(seq, i))
			return FRAME_CORRUPT;
	return FRAME_GOOD;
}

static inline bool frame_parse_mac(const char *text, __u8 *mac)
{
	unsigned int v[ETH_ALEN], i;
	char end;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &v[0], &v[1], &v[2],
		   &v[3], &v[4], &v[5], &end) != ETH_ALEN)
		return false;
	for (i = 0; i < ETH_ALEN; i++)
		mac[i] = v[i];
	return true;
}

#endif
