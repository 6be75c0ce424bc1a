// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guard: drops frames at the NIC that their guest's tap would have to drop.
 *
 * DOC: life of a decision
 *
 * Frames for a guarded guest are known by their destination. While the CPU that
 * receives them is engaged, the fill of the tap's ring decides: with the high mark
 * reached the guest is congested and its frames are dropped, until its reader has
 * brought the ring down to the low mark. Nothing else is dropped but group frames
 * above the port's limit, for each of those costs work for every guest of the bridge.
 *
 * DOC: nothing is dropped for long by mistake
 *
 * - A CPU is engaged until a time that the keeper sets anew all the while. A keeper
 *   that died or hangs sets none, and all frames pass.
 * - The rings are looked up anew, from the tap's network device on, once in each tick
 *   of the coarse clock. So a tap that was closed, reopened or resized is seen then.
 * - A device that is gone is told by its address and number: its guest's frames pass.
 * - One frame of a congested guest passes every PROBE_NS, whatever the ring seems to say.
 *
 * DOC: who writes what
 *
 * The keeper writes deadlines, guests and the limit of ports; the program the rest.
 * Fills are shared by all CPUs without a lock: two that write at once write the same
 * rings, and a probe or a mark too many is harmless.
 */
#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "kernel.h"

char LICENSE[] SEC("license") = "GPL";

#define MAX_GUESTS 256
#define MAX_PORTS 64
/* Queues of one tap; a guest with more is not guarded. */
#define MAX_QUEUES 16
#define PROBE_NS 10000000ULL
#define GROUP_WINDOW_NS 100000000ULL
/* Marks are in this many parts of a ring. */
#define MARK_SHIFT 8
/* What is read must be a ring at all: more than any tx_queue_len in use. */
#define MAX_RING (1 << 22)
/* MKDEV(10, TUN_MINOR) as the kernel holds it: /dev/net/tun. */
#define TUN_DEVICE ((10 << 20) | 200)

/* Whether the kernel has bpf_rdonly_cast() (since 6.2), which reads memory at less cost. */
const volatile bool use_cast = false;

struct address {
	__u32 port;		/* ifindex of the NIC port */
	__u8 mac[ETH_ALEN];
	__u16 pad;
};

struct guest {
	__u64 tun;		/* its tap's struct tun_struct */
	__u64 dev;		/* its tap's struct net_device */
	__s32 ifindex;		/* of that device */
	__u32 slot;		/* where its fill and counts are */
	__u32 high;		/* congested from here on [1/256 of the ring] */
	__u32 low;		/* and not any more from here on */
};

struct fill {
	__u64 synced;		/* tick in which the rings were looked up */
	__u64 probe_at;		/* when a frame passes all the same */
	__u32 congested;
	__u32 queues;		/* how many rings there are; 0: none can be read */
	__u64 rings[MAX_QUEUES];
};

struct guest_counts {
	__u64 passed;
	__u64 dropped;
	__u64 probed;		/* passed though congested */
	__u64 unread;		/* passed since the rings could not be read */
};

struct port {
	__u64 window;		/* when the present window began */
	__u64 used;		/* group frames in it so far */
	__u64 limit;		/* group frames that may pass in a window */
	__u64 passed;
	__u64 dropped;
};

struct cpu_counts {
	__u64 frames;
	__u64 dropped;
};

struct tap_file {
	__u64 tun;
	__u64 dev;
	__s32 ifindex;
	__u32 netns;
	__u32 queues;
	__u32 ring;		/* its size */
	__s32 pid;
	__u32 pad;
};

/* By CPU: the time up to which it is engaged. The loader sets the number of CPUs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} deadlines SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_GUESTS);
	__type(key, struct address);
	__type(value, struct guest);
} guests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_GUESTS);
	__type(key, __u32);
	__type(value, struct fill);
} fills SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_GUESTS);
	__type(key, __u32);
	__type(value, struct guest_counts);
} guest_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_PORTS);
	__type(key, __u32);
	__type(value, struct port);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu_counts);
} cpu_counts SEC(".maps");

extern void *bpf_rdonly_cast(void *obj, __u32 btf_id) __ksym __weak;

/* Return the frames in a ring, or -1 if there is none at that address. */
static __always_inline int ring_fill(__u64 address, int *size)
{
	int producer, consumer, frames;
	struct ptr_ring *ring;
	void **queue, *next = NULL;

	if (use_cast) {
		ring = bpf_rdonly_cast((void *)address,
				       bpf_core_type_id_kernel(struct ptr_ring));
		producer = ring->producer;
		consumer = ring->consumer_head;
		*size = ring->size;
		queue = ring->queue;
	} else {
		ring = (struct ptr_ring *)address;
		producer = BPF_CORE_READ(ring, producer);
		consumer = BPF_CORE_READ(ring, consumer_head);
		*size = BPF_CORE_READ(ring, size);
		queue = NULL;
	}
	if (*size <= 0 || *size > MAX_RING)
		return -1;
	if (producer < 0 || producer >= *size || consumer < 0 || consumer >= *size)
		return -1;
	frames = producer - consumer;
	if (frames < 0)
		frames += *size;
	if (frames)
		return frames;
	/* Empty or full: where the producer writes next there is a frame or none. */
	if (!use_cast)
		queue = BPF_CORE_READ(ring, queue);
	if (bpf_probe_read_kernel(&next, sizeof(next), queue + producer))
		return -1;
	return next ? *size : 0;
}

/*
 * Look the rings up. Who frees a queue first takes it off the device and waits for
 * whoever is inside an RCU reader like this program, so what is found is in use now.
 */
static __always_inline void find_rings(const struct guest *guest, struct fill *fill)
{
	const __u64 files = guest->tun + bpf_core_field_offset(struct tun_struct, tfiles);
	const __u32 to_ring = bpf_core_field_offset(struct tun_file, tx_ring);
	struct tun_struct *tun = (struct tun_struct *)guest->tun;
	__u32 i, queues = 0;
	__u64 file;

	/* The device's memory is someone else's once it is gone. */
	if ((__u64)BPF_CORE_READ(tun, dev) == guest->dev &&
	    BPF_CORE_READ(tun, dev, ifindex) == guest->ifindex)
		queues = BPF_CORE_READ(tun, numqueues);
	if (queues > MAX_QUEUES)
		queues = 0;
	for (i = 0; i < MAX_QUEUES && i < queues; i++) {
		if (bpf_probe_read_kernel(&file, sizeof(file),
					  (void *)(files + i * sizeof(file))))
			file = 0;
		fill->rings[i] = file + to_ring;
	}
	fill->queues = queues;
}

enum room {
	ROOM,
	NO_ROOM,
	UNREAD,
};

/*
 * A tap with several queues chooses one by the frame's flow, which is not known here.
 * So the emptiest one decides: no frame is dropped that might have had room.
 */
static __always_inline enum room find_room(const struct guest *guest,
					   const struct fill *fill)
{
	__u32 i, mark = fill->congested ? guest->low : guest->high;
	enum room found = UNREAD;

	for (i = 0; i < MAX_QUEUES && i < fill->queues; i++) {
		int size, frames = ring_fill(fill->rings[i], &size);

		if (frames < 0)
			return UNREAD;
		if (((__u64)frames << MARK_SHIFT) < (__u64)size * mark)
			return ROOM;
		found = NO_ROOM;
	}
	return found;
}

static __always_inline int judge_guest(const struct guest *guest, __u64 now)
{
	struct guest_counts *counts;
	__u32 slot = guest->slot;
	struct fill *fill;

	fill = bpf_map_lookup_elem(&fills, &slot);
	counts = bpf_map_lookup_elem(&guest_counts, &slot);
	if (!fill || !counts)
		return XDP_PASS;
	if (fill->synced != now) {
		find_rings(guest, fill);
		fill->synced = now;
	}
	switch (find_room(guest, fill)) {
	case ROOM:
		fill->congested = 0;
		counts->passed++;
		return XDP_PASS;
	case UNREAD:
		fill->congested = 0;
		counts->unread++;
		return XDP_PASS;
	case NO_ROOM:
		break;
	}
	if (!fill->congested) {
		fill->congested = 1;
		fill->probe_at = now + PROBE_NS;
	} else if (now >= fill->probe_at) {
		fill->probe_at = now + PROBE_NS;
		counts->probed++;
		return XDP_PASS;
	}
	counts->dropped++;
	return XDP_DROP;
}

/* 01:80:c2:00:00:0x: spanning tree, LACP, LLDP. What a bridge lives on always passes. */
static __always_inline bool is_link_local(const __u8 *mac)
{
	return mac[0] == 0x01 && mac[1] == 0x80 && mac[2] == 0xc2 && !mac[3] &&
	       !mac[4] && mac[5] < 0x10;
}

static __always_inline int judge_group(__u32 ifindex, const __u8 *mac, __u64 now)
{
	struct port *port;

	if (is_link_local(mac))
		return XDP_PASS;
	port = bpf_map_lookup_elem(&ports, &ifindex);
	if (!port)
		return XDP_PASS;
	if (now - port->window >= GROUP_WINDOW_NS) {
		port->window = now;
		port->used = 0;
	}
	if (port->used >= port->limit) {
		__sync_fetch_and_add(&port->dropped, 1);
		return XDP_DROP;
	}
	__sync_fetch_and_add(&port->used, 1);
	__sync_fetch_and_add(&port->passed, 1);
	return XDP_PASS;
}

static __always_inline int judge(struct xdp_md *ctx, __u64 now)
{
	struct ethhdr *frame = (void *)(long)ctx->data;
	struct address address = { .port = ctx->ingress_ifindex };
	struct guest *guest;

	if ((void *)(frame + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	__builtin_memcpy(address.mac, frame->h_dest, ETH_ALEN);
	if (address.mac[0] & 1)
		return judge_group(address.port, address.mac, now);
	guest = bpf_map_lookup_elem(&guests, &address);
	return guest ? judge_guest(guest, now) : XDP_PASS;
}

SEC("xdp")
int guard(struct xdp_md *ctx)
{
	__u32 zero = 0, cpu = bpf_get_smp_processor_id();
	struct cpu_counts *counts;
	__u64 *deadline, now;
	int verdict;

	counts = bpf_map_lookup_elem(&cpu_counts, &zero);
	deadline = bpf_map_lookup_elem(&deadlines, &cpu);
	if (!counts || !deadline)
		return XDP_PASS;
	counts->frames++;
	/* Mostly it is 0, and then the clock need not be asked. */
	if (!*deadline)
		return XDP_PASS;
	now = bpf_ktime_get_coarse_ns();
	if (now >= *deadline)
		return XDP_PASS;
	verdict = judge(ctx, now);
	if (verdict == XDP_DROP)
		counts->dropped++;
	return verdict;
}

/* Writes a struct tap_file for every open file of a tap. */
SEC("iter/task_file")
int scan_taps(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct tap_file found = {};
	struct tun_file *tun_file;
	struct tun_struct *tun;

	if (!task || !file)
		return 0;
	if (BPF_CORE_READ(file, f_inode, i_rdev) != TUN_DEVICE)
		return 0;
	tun_file = BPF_CORE_READ(file, private_data);
	tun = BPF_CORE_READ(tun_file, tun);
	if (!tun)
		return 0;
	found.tun = (__u64)tun;
	found.dev = (__u64)BPF_CORE_READ(tun, dev);
	found.ifindex = BPF_CORE_READ(tun, dev, ifindex);
	found.netns = BPF_CORE_READ(tun, dev, nd_net.net, ns.inum);
	found.queues = BPF_CORE_READ(tun, numqueues);
	found.ring = BPF_CORE_READ(tun_file, tx_ring.size);
	found.pid = BPF_CORE_READ(task, tgid);
	bpf_seq_write(ctx->meta->seq, &found, sizeof(found));
	return 0;
}
