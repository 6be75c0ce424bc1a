// SPDX-License-Identifier: GPL-2.0-only
/*
 * What QEMU does to a guest that works, many times over and with frames coming:
 * stop and go, new memory, new features, migration's log, a reset of the owner,
 * memory that does not answer. The guest stays honest and so do its accounts.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"

/* Old mappings that are watched for a late write, before they go. */
#define STALE_MAPS	8
#define DRAIN_US	20000000
#define LOG_US		20000

static void must(int err, const char *what)
{
	if (!err)
		return;
	errno = -err;
	die(what);
}

/* A short time, of any length down to none. */
static void run_a_little(struct guest *g)
{
	guest_run(g, random() % (1 << random() % 12));
}

/* No canary: the hardware's may be the same. */
#define WATCHED		0x5a
#define WATCH_US	3000

static void paint(struct guest *g, __u8 with)
{
	unsigned int i;

	for (i = 0; i < g->num; i++)
		memset(buf_of(g, &g->q[RX], i), with, g->buf_len);
}

/* From now on nobody may write to any buffer, also not to one in the ring. */
static void watch(struct guest *g)
{
	const __u8 *buf;
	unsigned int i;

	paint(g, WATCHED);
	usleep(random() % WATCH_US);
	for (i = 0; i < g->num; i++) {
		buf = buf_of(g, &g->q[RX], i);
		g->faults.stale += *buf != WATCHED ||
				   memcmp(buf, buf + 1, g->buf_len - 1);
	}
	paint(g, CANARY);
}

static void stop(struct guest *g, struct queue *q)
{
	must(guest_set_backend(g, q, false), "backend off");
	ring_check_stopped(g, q);
	if (g->seeded && q->index == RX)
		watch(g);
}

static void go(struct guest *g, struct queue *q)
{
	/* A guest that resets its ring, or goes on with it. */
	if (random() % 2) {
		ring_reset(g, q);
		must(guest_set_base(g, q, 0), "base");
	} else {
		must(guest_set_base(g, q, q->used->idx), "base");
	}
	must(guest_set_backend(g, q, true), "backend on");
	ring_fill(g, q);
}

/* Sometimes one queue alone is stopped, as when a guest resets it. */
void op_toggle(struct guest *g, unsigned long n)
{
	unsigned int which;

	while (n--) {
		if (g->port)
			guest_attach(g);
		run_a_little(g);
		which = 1 + random() % 3;
		if (which & 1)
			stop(g, &g->q[RX]);
		if (which & 2)
			stop(g, &g->q[TX]);
		if (which & 1)
			go(g, &g->q[RX]);
		if (which & 2)
			go(g, &g->q[TX]);
	}
	if (g->port)
		guest_attach(g);
}

/* Put something else where memory was that the host does not have any more. */
static void reuse(__u8 *old)
{
	if (mmap(old, RX_SIZE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != old)
		die("mmap over old memory");
	memset(old, CANARY, RX_SIZE);
}

static void drop_stale(struct guest *g, __u8 *old)
{
	size_t i;

	for (i = 0; i < RX_SIZE; i++)
		if (old[i] != CANARY) {
			g->faults.stale++;
			break;
		}
	munmap(old, RX_SIZE);
}

/* The same bytes at another place, as when memory is plugged or moved. */
void op_memory(struct guest *g, unsigned long n)
{
	__u8 *stale[STALE_MAPS] = {}, *old;
	unsigned int i;

	while (n--) {
		run_a_little(g);
		old = g->rx;
		g->rx = mmap(NULL, RX_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			     g->mem, MEM_RX);
		if (g->rx == MAP_FAILED)
			die("second mapping");
		must(guest_set_memory(g), "VHOST_SET_MEM_TABLE");
		i = n % STALE_MAPS;
		if (stale[i])
			drop_stale(g, stale[i]);
		reuse(old);
		stale[i] = old;
	}
	run_a_little(g);
	for (i = 0; i < STALE_MAPS; i++)
		if (stale[i])
			drop_stale(g, stale[i]);
}

/* Pages of buffers that the guest has, given up and taken anew, as a balloon does. */
void op_discard(struct guest *g, unsigned long n)
{
	struct queue *q = &g->q[RX];
	unsigned int i;
	__u8 *page;

	while (n--) {
		g->stalled = true;
		run_a_little(g);
		for (i = 0; i < q->num; i++) {
			if (q->owner[i] != HEAD_GUEST)
				continue;
			page = buf_of(g, q, i) + g->buf_len - PAGE;
			if (fallocate(g->mem, FALLOC_FL_PUNCH_HOLE |
				      FALLOC_FL_KEEP_SIZE, page - g->base, PAGE))
				die("punch hole");
			memset(page, CANARY, PAGE);
		}
		g->stalled = false;
		run_a_little(g);
	}
}

/* Other memory altogether. Whoever knows where it was is not to write there. */
void op_move(struct guest *g, unsigned long n)
{
	__u8 *old;

	while (n--) {
		run_a_little(g);
		guest_serve(g);
		old = g->rx;
		g->rx = mmap(NULL, RX_SIZE, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (g->rx == MAP_FAILED)
			die("other memory");
		memset(g->rx, CANARY, RX_SIZE);
		must(guest_set_memory(g), "VHOST_SET_MEM_TABLE");
		/* What came meanwhile may be in either. */
		ring_skip(g, &g->q[RX]);
		memset(old, WATCHED, RX_SIZE);
		guest_run(g, random() % WATCH_US);
		g->faults.stale += *old != WATCHED ||
				   memcmp(old, old + 1, RX_SIZE - 1);
		munmap(old, RX_SIZE);
	}
}

/*
 * Mergeable buffers on and off; with VERSION_1 the header keeps its length. What
 * the guest finds in its ring may be of the time before.
 */
void op_features(struct guest *g, unsigned long n)
{
	g->flipped = true;
	while (n--) {
		run_a_little(g);
		must(guest_set_features(g, g->features ^
					   1ull << VIRTIO_NET_F_MRG_RXBUF),
		     "VHOST_SET_FEATURES");
	}
}

/* VHOST_RESET_OWNER is refused while something of the device is in use. */
void op_owner(struct guest *g, unsigned long n)
{
	while (n--) {
		run_a_little(g);
		must(guest_ioctl(g, VHOST_RESET_OWNER, NULL),
		     "VHOST_RESET_OWNER");
		g->q[RX].on = false;
		g->q[TX].on = false;
		/* What was received until then. */
		guest_serve(g);
		guest_start(g);
		if (g->port)
			guest_attach(g);
	}
}

static bool is_logged(const struct guest *g, size_t page)
{
	size_t bit = GPA_BASE / PAGE + page;

	return g->log[bit / 8] & 1 << bit % 8;
}

static void compare(struct guest *g, const __u8 *before, size_t at,
		    size_t size)
{
	size_t page;

	for (page = at / PAGE; page < (at + size) / PAGE; page++) {
		g->counts.logged_pages += is_logged(g, page);
		if (!memcmp(before + page * PAGE, g->base + page * PAGE, PAGE))
			continue;
		g->counts.changed_pages++;
		/* One that is being written now is logged right after. */
		if (!is_logged(g, page))
			usleep(LOG_US);
		if (!is_logged(g, page))
			g->faults.unlogged++;
	}
}

/*
 * Each page that the host has changed since logging was turned on is in the log.
 * While it is on, the guest writes to no buffer, so that all change is the host's.
 */
void op_log(struct guest *g, unsigned long n)
{
	size_t used = (__u8 *)g->q[RX].used - g->base;
	__u8 *before = malloc(MEM_SIZE);
	unsigned int i;

	if (!before)
		die("malloc");
	while (n--) {
		must(guest_set_log(g, true), "log on");
		memcpy(before, g->base, MEM_SIZE);
		run_a_little(g);
		guest_run(g, 2000);
		errno = ETIMEDOUT;
		if (!guest_drain(g, DRAIN_US))
			die("no frames to log");
		compare(g, before, MEM_RX, RX_SIZE);
		compare(g, before, used / PAGE * PAGE, PAGE);
		must(guest_set_log(g, false), "log off");
		for (i = 0; i < g->num; i++) {
			if (g->q[RX].owner[i] == HEAD_HOST)
				continue;
			memset(buf_of(g, &g->q[RX], i), CANARY, g->buf_len);
			g->q[RX].unpainted[i] = false;
		}
		g->stalled = false;
		guest_run(g, 1000);
	}
	free(before);
}

/* Memory that the host may read, as QEMU has for a ROM. */
void op_readonly(struct guest *g, unsigned long on)
{
	if (mprotect(g->rx, RX_SIZE, on ? PROT_READ : PROT_READ | PROT_WRITE))
		die("mprotect");
}

/*
 * Take the receive buffers' pages away and let nobody put them back: the vhost
 * worker that writes to one sleeps, with its virtqueue's mutex, until the guest
 * is told to give them back.
 */
void op_userfault(struct guest *g, unsigned long on)
{
	static int uffd = -1;
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)g->rx, RX_SIZE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_zeropage zero = { .range = reg.range };

	if (on) {
		uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
		if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) ||
		    ioctl(uffd, UFFDIO_REGISTER, &reg))
			die("userfaultfd");
		if (fallocate(g->mem, FALLOC_FL_PUNCH_HOLE |
			      FALLOC_FL_KEEP_SIZE, MEM_RX, RX_SIZE))
			die("punch hole");
		g->hidden = true;
		return;
	}
	if (ioctl(uffd, UFFDIO_ZEROPAGE, &zero) && errno != EEXIST)
		die("UFFDIO_ZEROPAGE");
	if (ioctl(uffd, UFFDIO_UNREGISTER, &reg.range))
		die("UFFDIO_UNREGISTER");
	close(uffd);
	memset(g->rx, CANARY, RX_SIZE);
	g->hidden = false;
}
