// SPDX-License-Identifier: GPL-2.0-only
/* What QEMU does for a guest: tap, memory table, rings, backends, a lease. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* First of ours: ynl.h relies on string.h, which comes with it. */
#include "guest.h"

#include <ynl.h>
#include "nai-user.h"

void die(const char *what)
{
	fprintf(stderr, "nai_guest: %s: %s\n", what, strerror(errno));
	exit(1);
}

__u64 now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

int guest_ioctl(struct guest *g, unsigned long request, void *arg)
{
	return ioctl(g->vhost, request, arg) ? -errno : 0;
}

void must_ioctl(struct guest *g, unsigned long request, void *arg,
		const char *what)
{
	if (ioctl(g->vhost, request, arg))
		die(what);
}

static void open_tap(struct guest *g)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int hlen = header_len(g);

	/* One of the two makes the header. */
	if (!g->vhost_header)
		ifr.ifr_flags |= IFF_VNET_HDR;

	g->tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (g->tap < 0)
		die("/dev/net/tun");
	memcpy(ifr.ifr_name, g->tap_name, sizeof(g->tap_name));
	if (ioctl(g->tap, TUNSETIFF, &ifr))
		die("TUNSETIFF");
	if (!g->vhost_header && ioctl(g->tap, TUNSETVNETHDRSZ, &hlen))
		die("TUNSETVNETHDRSZ");
	g->tap_ifindex = if_nametoindex(g->tap_name);
}

void guest_map(struct guest *g)
{
	g->base = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		       g->mem, 0);
	if (g->base == MAP_FAILED)
		die("mmap of the memory");
	g->rx = g->base + MEM_RX;
}

static void open_queue(struct guest *g, struct queue *q, unsigned int index)
{
	__u8 *at = g->base + MEM_RINGS + index * MEM_RING_PAGES / 2 * PAGE;

	q->index = index;
	q->num = g->num;
	/* A page or two each, with untouched ones between. */
	q->desc = (void *)at;
	q->avail = (void *)(at + 3 * PAGE);
	q->used = (void *)(at + 5 * PAGE);
	q->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	q->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	q->err = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (q->kick < 0 || q->call < 0 || q->err < 0)
		die("eventfd");
}

/* As a process without CAP_IPC_LOCK, which the limit does not bind. */
static void limit_memlock(long bytes)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct rlimit limit = { bytes, bytes };
	struct __user_cap_data_struct caps[2];

	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		die("RLIMIT_MEMLOCK");
	if (syscall(__NR_capget, &head, caps))
		die("capget");
	caps[0].effective &= ~(1u << CAP_IPC_LOCK);
	if (syscall(__NR_capset, &head, caps))
		die("capset");
}

void guest_open(struct guest *g)
{
	unsigned int i;

	if (g->memlock >= 0)
		limit_memlock(g->memlock);
	g->vhost = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
	if (g->vhost < 0)
		die("/dev/vhost-net");
	open_tap(g);
	g->mem = memfd_create("guest", MFD_CLOEXEC |
			      (g->huge ? MFD_HUGETLB : 0));
	if (g->mem < 0 || ftruncate(g->mem, MEM_FILE))
		die("memfd");
	guest_map(g);
	memset(g->base, 0, MEM_RX);
	memset(g->base + MEM_RX, CANARY, MEM_SIZE - MEM_RX);
	g->seen = mmap(NULL, (size_t)STREAMS * SEQ_MAX / 8,
		       PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	g->log_size = (GPA_BASE + MEM_SIZE) / PAGE / 8 + 8;
	g->log = mmap(NULL, g->log_size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (g->seen == MAP_FAILED || g->log == MAP_FAILED)
		die("mmap of the accounts");
	for (i = 0; i < QUEUES; i++)
		open_queue(g, &g->q[i], i);
}

/* One write for all queues, so one that is running changes as a whole. */
int guest_set_features(struct guest *g, __u64 features)
{
	int err = guest_ioctl(g, VHOST_SET_FEATURES, &features);

	if (!err)
		g->features = features;
	return err;
}

/* The rings, what may be received into, and what is sent from. */
int guest_set_memory(struct guest *g)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[3];
	} table = {
		.head.nregions = 3,
		.region = {
			{ GPA_BASE + MEM_RINGS, MEM_RX - MEM_RINGS,
			  (uintptr_t)g->base + MEM_RINGS, 0 },
			{ GPA_BASE + MEM_RX, MEM_TX - MEM_RX,
			  (uintptr_t)g->rx, 0 },
			{ GPA_BASE + MEM_TX, MEM_GAP - MEM_TX,
			  (uintptr_t)g->base + MEM_TX, 0 },
		},
	};

	return guest_ioctl(g, VHOST_SET_MEM_TABLE, &table);
}

static int set_ring_addr(struct guest *g, struct queue *q)
{
	struct vhost_vring_addr addr = {
		.index = q->index,
		.flags = g->logging ? 1 << VHOST_VRING_F_LOG : 0,
		.desc_user_addr = (uintptr_t)q->desc,
		.avail_user_addr = (uintptr_t)q->avail,
		.used_user_addr = (uintptr_t)q->used,
		.log_guest_addr = GPA_BASE + ((__u8 *)q->used - g->base),
	};

	return guest_ioctl(g, VHOST_SET_VRING_ADDR, &addr);
}

static int set_ring_fds(struct guest *g, struct queue *q)
{
	struct vhost_vring_file file = { .index = q->index, .fd = q->kick };
	int err;

	err = guest_ioctl(g, VHOST_SET_VRING_KICK, &file);
	file.fd = q->call;
	err = err ?: guest_ioctl(g, VHOST_SET_VRING_CALL, &file);
	file.fd = q->err;
	return err ?: guest_ioctl(g, VHOST_SET_VRING_ERR, &file);
}

int guest_set_ring(struct guest *g, struct queue *q)
{
	struct vhost_vring_state num = { .index = q->index, .num = q->num };
	int err;

	err = guest_ioctl(g, VHOST_SET_VRING_NUM, &num);
	err = err ?: set_ring_addr(g, q);
	return err ?: set_ring_fds(g, q);
}

int guest_set_base(struct guest *g, struct queue *q, __u16 base)
{
	struct vhost_vring_state state = { .index = q->index, .num = base };

	return guest_ioctl(g, VHOST_SET_VRING_BASE, &state);
}

__u16 guest_get_base(struct guest *g, struct queue *q)
{
	struct vhost_vring_state state = { .index = q->index };

	must_ioctl(g, VHOST_GET_VRING_BASE, &state, "VHOST_GET_VRING_BASE");
	return state.num;
}

int guest_set_backend(struct guest *g, struct queue *q, bool on)
{
	struct vhost_vring_file file = {
		.index = q->index,
		.fd = on ? g->tap : VHOST_FILE_UNBIND,
	};
	int err = guest_ioctl(g, VHOST_NET_SET_BACKEND, &file);

	if (!err)
		q->on = on;
	return err;
}

/* As a guest does that has just booted; its rings are made anew. */
void guest_start(struct guest *g)
{
	struct queue *q;

	must_ioctl(g, VHOST_SET_OWNER, NULL, "VHOST_SET_OWNER");
	if (guest_set_features(g, g->features))
		die("VHOST_SET_FEATURES");
	if (guest_set_memory(g))
		die("VHOST_SET_MEM_TABLE");
	for (q = g->q; q < g->q + QUEUES; q++) {
		ring_reset(g, q);
		if (guest_set_ring(g, q))
			die("ring");
		if (guest_set_base(g, q, 0))
			die("VHOST_SET_VRING_BASE");
		ring_fill(g, q);
	}
	for (q = g->q; q < g->q + QUEUES; q++)
		if (guest_set_backend(g, q, true))
			die("VHOST_NET_SET_BACKEND");
}

int guest_set_log(struct guest *g, bool on)
{
	__u64 bit = 1ull << VHOST_F_LOG_ALL, base = (uintptr_t)g->log;
	struct queue *q;
	int err = 0;

	if (on) {
		memset(g->log + GPA_BASE / PAGE / 8, 0, MEM_SIZE / PAGE / 8);
		err = guest_ioctl(g, VHOST_SET_LOG_BASE, &base);
	}
	g->logging = on;
	err = err ?: guest_set_features(g, on ? g->features | bit :
					       g->features & ~bit);
	for (q = g->q; q < g->q + QUEUES; q++)
		err = err ?: set_ring_addr(g, q);
	return err;
}

/* Return: 0, or the kernel's error. */
int guest_attach(struct guest *g)
{
	struct nai_attach_req *req;
	struct nai_attach_rsp *rsp;
	struct ynl_error err;

	if (!g->ys)
		g->ys = ynl_sock_create(&ynl_nai_family, &err);
	if (!g->ys)
		die(err.msg);

	req = nai_attach_req_alloc();
	nai_attach_req_set_tap_ifindex(req, g->tap_ifindex);
	nai_attach_req_set_port_ifindex(req, g->port);
	nai_attach_req_set_mac(req, g->mac, ETH_ALEN);
	if (g->force)
		nai_attach_req_set_force(req);
	if (g->tx)
		nai_attach_req_set_tx(req);
	/* Now and then the queue outlives the guest, until that goes on. */
	if (!(random() % 4))
		nai_attach_req_set_linger(req, 1 + random() % 2);
	if (g->seeded)
		nai_attach_req_set_mode(req, NAI_MODE_SEED);
	rsp = nai_attach(g->ys, req);
	nai_attach_req_free(req);
	if (!rsp) {
		g->counts.refused++;
		return g->ys->err.code;
	}
	nai_attach_rsp_free(rsp);
	g->counts.attached++;
	return 0;
}
