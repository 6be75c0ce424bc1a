// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends numbered frames to a guest by a packet socket: as many as go out, at a
 * pace, or one at a time with an answer awaited for each.
 *
 * Says when it begins. Ends after its time or count, or by SIGTERM, and prints what
 * it did as one line of JSON. What the socket did not take has no number, so that every number that
 * was given out is a frame on the wire.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "frame.h"

#define STREAM_OF_BROADCAST	1

static const __u8 broadcast[ETH_ALEN] = { 255, 255, 255, 255, 255, 255 };
static int ended;

struct flood {
	int fd;
	__u8 dst[ETH_ALEN];
	__u8 src[ETH_ALEN];
	unsigned int stream;
	__u64 first;		/* number of a stream's first frame */
	unsigned int broadcast_permille;
	unsigned int pps;	/* 0: as many as go out */
	unsigned int len;	/* 0: of every length */
	unsigned long count;	/* 0: until the time is over */
	unsigned int seconds;
	unsigned int wait_ms;	/* for an answer; 0: do not */
	unsigned int delay_us;	/* before each, at most */

	__u64 seq[FRAME_STREAMS];
	unsigned long refused;
	unsigned long answered;
	unsigned long max_us;
};

static void end(int signal)
{
	__atomic_store_n(&ended, 1, __ATOMIC_RELAXED);
}

static bool has_ended(void)
{
	return __atomic_load_n(&ended, __ATOMIC_RELAXED);
}

static __u64 now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

static void die(const char *what)
{
	fprintf(stderr, "nai_flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_wire(const char *name)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(FRAME_TYPE),
		.sll_ifindex = if_nametoindex(name),
	};
	int on = 1, fd = socket(AF_PACKET, SOCK_RAW, htons(FRAME_TYPE));

	if (fd < 0)
		die("socket");
	if (!addr.sll_ifindex)
		die(name);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("bind");
	if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)))
		die("setsockopt");
	return fd;
}

static unsigned int pick_len(const struct flood *f)
{
	if (f->len)
		return f->len;
	return FRAME_MIN + random() % (FRAME_MAX - FRAME_MIN + 1);
}

static bool send_one(struct flood *f)
{
	bool to_all = random() % 1000 < f->broadcast_permille;
	unsigned int stream = f->stream + to_all * STREAM_OF_BROADCAST;
	unsigned int len = pick_len(f);
	__u8 buf[FRAME_JUMBO];

	frame_build(buf, len, to_all ? broadcast : f->dst, f->src, stream,
		    f->seq[stream]);
	if (send(f->fd, buf, len, 0) == (ssize_t)len) {
		f->seq[stream]++;
		return true;
	}
	/* The interface may be down or gone for a while: that is the test's. */
	if (errno != ENOBUFS && errno != EAGAIN && errno != ENETDOWN &&
	    errno != ENXIO && errno != ENODEV && errno != EINTR)
		die("send");
	f->refused++;
	usleep(errno == ENOBUFS || errno == EAGAIN ? 50 : 5000);
	return false;
}

static void keep_pace(const struct flood *f, __u64 since, unsigned long n)
{
	__u64 due = since + n * 1000000ull / f->pps, now = now_us();

	if (due > now)
		usleep(due - now);
}

static void flood(struct flood *f)
{
	__u64 since = now_us(), until = since + f->seconds * 1000000ull;
	unsigned long n = 0;

	while (!has_ended() && (!f->count || n < f->count) &&
	       (!f->seconds || now_us() < until)) {
		n += send_one(f);
		if (f->pps)
			keep_pace(f, since, n);
	}
}

/* Return: whether the answer to the last frame came in time. */
static bool await_answer(struct flood *f)
{
	__u64 until = now_us() + f->wait_ms * 1000ull;
	struct pollfd pfd = { .fd = f->fd, .events = POLLIN };
	__u8 buf[2048];
	struct frame *got = (void *)buf;
	ssize_t len;

	while (!has_ended() && now_us() < until) {
		if (poll(&pfd, 1, 1 + (until - now_us()) / 1000) <= 0)
			continue;
		len = recv(f->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (len < (ssize_t)sizeof(*got))
			continue;
		if (be16toh(got->stream) == (f->stream | FRAME_ANSWER) &&
		    be64toh(got->seq) + 1 == f->seq[f->stream] &&
		    frame_check(buf, len) == FRAME_GOOD)
			return true;
	}
	return false;
}

static void ping(struct flood *f)
{
	unsigned long n;
	__u64 sent;

	for (n = 0; !has_ended() && n < f->count;) {
		if (f->delay_us)
			usleep(random() % f->delay_us);
		sent = now_us();
		if (!send_one(f))
			continue;
		n++;
		if (!await_answer(f))
			continue;
		f->answered++;
		if (now_us() - sent > f->max_us)
			f->max_us = now_us() - sent;
	}
}

static void usage(void)
{
	fprintf(stderr,
		"nai_flood -i IF -d MAC [-m SOURCE-MAC] [-s STREAM] [-S SEED] [-l LEN] [-o FIRST-NUMBER]\n"
		"\t[-b BROADCAST-PERMILLE] [-r PPS] [-n COUNT] [-t SECONDS]\n"
		"\t[-w MS: await an answer to each] [-D US: at most before each]\n");
	exit(2);
}

static void parse(struct flood *f, int argc, char **argv)
{
	const char *wire = NULL;
	int opt;

	while ((opt = getopt(argc, argv, "i:d:m:s:S:l:o:b:r:n:t:w:D:")) != -1) {
		switch (opt) {
		case 'i':
			wire = optarg;
			break;
		case 'd':
			if (!frame_parse_mac(optarg, f->dst))
				usage();
			break;
		case 'm':
			if (!frame_parse_mac(optarg, f->src))
				usage();
			break;
		case 's':
			f->stream = atoi(optarg);
			break;
		case 'S':
			srandom(atoi(optarg));
			break;
		case 'l':
			f->len = atoi(optarg);
			break;
		case 'o':
			f->first = atoll(optarg);
			break;
		case 'b':
			f->broadcast_permille = atoi(optarg);
			break;
		case 'r':
			f->pps = atoi(optarg);
			break;
		case 'n':
			f->count = atol(optarg);
			break;
		case 't':
			f->seconds = atoi(optarg);
			break;
		case 'w':
			f->wait_ms = atoi(optarg);
			break;
		case 'D':
			f->delay_us = atoi(optarg);
			break;
		default:
			usage();
		}
	}
	if (!wire || f->stream + STREAM_OF_BROADCAST >= FRAME_STREAMS ||
	    f->len > FRAME_JUMBO || (f->len && f->len < sizeof(struct frame)))
		usage();
	f->seq[f->stream] = f->first;
	f->seq[f->stream + STREAM_OF_BROADCAST] = f->first;
	f->fd = open_wire(wire);
}

int main(int argc, char **argv)
{
	struct flood f = { .src = { 2, 0xf1, 0, 0, 0, 1 } };

	signal(SIGTERM, end);
	signal(SIGINT, end);
	parse(&f, argc, argv);
	/* From here on it can be told to end. */
	puts("ready");
	fflush(stdout);
	if (f.wait_ms)
		ping(&f);
	else
		flood(&f);
	printf("{\"sent\": %llu, \"broadcast\": %llu, ",
	       f.seq[f.stream] - f.first,
	       f.seq[f.stream + STREAM_OF_BROADCAST] - f.first);
	printf("\"refused\": %lu, \"answered\": %lu, \"max_us\": %lu}\n",
	       f.refused, f.answered, f.max_us);
	return 0;
}
