// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mode seed of vhost-net's NAI client: the guest's own receive buffers are
 * posted to the frame queue, and the hardware writes frames to where the guest
 * wants them. The worker adds the header and returns the descriptor.
 *
 * DOC: locking
 *
 * All of it is under the receive virtqueue's mutex, but for what happens before
 * the first post and after the last: creation, destruction, the charge of
 * memory.
 *
 * DOC: which buffers
 *
 * One piece, long enough for header and longest frame, and contiguous in
 * physical memory: in one page, or in two of one folio. It is pinned from when
 * it is taken from the ring until it is returned there, so what is pinned is
 * what is posted. There is no cache of pinned memory: that would need to hear
 * of what QEMU does to the memory, as a balloon does, and a buffer that is
 * posted is the guest's to leave alone. Any other buffer stays in the ring and
 * frames are copied to it.
 *
 * DOC: the reserve
 *
 * Some descriptors are never posted: the tap has frames too, and the hardware
 * returns what it has only with a frame in it. That many are needed as the
 * tap's longest frame takes, 64 KiB in mergeable buffers of 1.5 KiB each, and as
 * many more as a driver keeps before it returns any, or the tap would wait for
 * ever. Linux's driver returns them when it has more than 32, half of its NAPI
 * budget. A few buffers of the core's own are posted beside the guest's, no more
 * than the ring has descriptors, so that a guest that offers next to nothing
 * gets its frames too. A frame in one of them that finds no descriptor is
 * dropped if there are buffers of the guest's out: they may be behind it in the
 * queue.
 *
 * A driver that keeps more still gets the tap's frames: when the tap has waited
 * for a second in which no descriptor moved, those that are out are taken back,
 * and none is posted any more in this lease. Should nothing run the worker to
 * notice, nai.ko's watchdog does.
 *
 * DOC: descriptors that come back
 *
 * With a frame they are returned in the order of the frames. When the hardware
 * was stopped, the rest is given back. If nothing was taken from the ring after
 * them, it is as if they had never been taken. Else there are holes between
 * them: the ring's index cannot step back over a descriptor that was used, so
 * all are returned as used with length 0, which a driver recycles as a frame
 * that is too short. None is lost and none is returned twice either way.
 *
 * DOC: locked memory
 *
 * What could be pinned at one time, by ring and queue, is charged to the guest's
 * process once, for the lease: mm->locked_vm against RLIMIT_MEMLOCK of the
 * process that set the backend, as VFIO does. Not to the user: all guests of a
 * host may be of one user, and each is to have its own limit. Not to the worker:
 * it may be a kernel thread, which no limit binds.
 */

#include <linux/capability.h>
#include <linux/completion.h>
#include <linux/highmem.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/virtio_net.h>

#include <net/nai.h>

#include "net.h"
#include "net_nai_seed.h"

#define VHOST_NAI_SEED_PAGES	2
/* Descriptors that are never posted: what a driver keeps, and what the tap's
 * longest frame takes in mergeable buffers, or a few frames in others.
 */
#define VHOST_NAI_KEPT		32
#define VHOST_NAI_LONGEST	48
#define VHOST_NAI_RESERVE_MIN	8
/* More than are returned at one time: vhost_add_used_n() takes it for granted. */
#define VHOST_NAI_RING_MIN	(2 * VHOST_NET_BATCH)
/* Buffers of the core's own beside the guest's. */
#define VHOST_NAI_POOL		16
/* For so long the tap waits for descriptors that are out. */
#define VHOST_NAI_PATIENCE	HZ

/* A descriptor that was taken from the ring, and its pinned buffer. */
struct vhost_nai_seed {
	struct page *pages[VHOST_NAI_SEED_PAGES];
	u16 nr_pages;		/* 0: not in use */
	u16 offset;		/* of the header, in the first */
	u16 head;
	u16 seq;		/* index of the available ring */
};

struct vhost_nai_seeder {
	struct vhost_net_virtqueue *nvq;
	struct nai_fq *fq;
	struct mm_struct *mm;	/* the device's, which holds it */
	struct task_struct *owner;
	unsigned long charged;	/* pages */

	/* A seed's place in it is its name. */
	struct vhost_nai_seed *seeds;
	u16 *free;		/* stack of names */
	unsigned int nr_free;
	unsigned int depth;

	unsigned int pool;	/* as the core was told */
	unsigned int reach;
	bool waits;		/* the tap does, since @waits_since */
	bool gave_up;		/* it waited in vain */
	unsigned long waits_since;	/* jiffies */
	bool refused;		/* the one at @refused_seq cannot be posted */
	u16 refused_seq;
	struct nai_seed_report report;
	struct nai_seed batch[NAI_RX_BATCH];
};

static size_t vhost_nai_seed_hlen(const struct vhost_nai_seeder *s)
{
	return s->nvq->vhost_hlen ?: s->nvq->sock_hlen;
}

static unsigned int vhost_nai_seeds_out(const struct vhost_nai_seeder *s)
{
	return s->depth - s->nr_free;
}

bool vhost_nai_seeder_is_out(const struct vhost_nai_seeder *s)
{
	return vhost_nai_seeds_out(s);
}

/* Locked memory */

static int vhost_nai_charge(struct vhost_nai_seeder *s, unsigned long pages,
			    bool inc)
{
	bool free_of_limit = has_capability_noaudit(s->owner, CAP_IPC_LOCK);
	int err;

	mmap_write_lock(s->mm);
	err = __account_locked_vm(s->mm, pages, inc, s->owner, free_of_limit);
	mmap_write_unlock(s->mm);
	return err;
}

/* Creation */

/* No more are out than the ring has descriptors; a ring with a backend keeps its
 * size.
 */
static unsigned long vhost_nai_seed_max_pages(const struct vhost_nai_seeder *s)
{
	return min(s->depth, s->nvq->vq.num) * VHOST_NAI_SEED_PAGES;
}

static void vhost_nai_seeder_free(struct vhost_nai_seeder *s)
{
	put_task_struct(s->owner);
	kvfree(s->free);
	kvfree(s->seeds);
	kfree(s);
}

/**
 * vhost_nai_seeder_create - prepare to post a guest's buffers
 * @nvq: its receive virtqueue
 * @fq: on lease to it, in mode seed
 * @owner: the process that set the backend
 *
 * A process that may not lock so much memory gets its frames by copy.
 *
 * Return: NULL without memory.
 */
struct vhost_nai_seeder *
vhost_nai_seeder_create(struct vhost_net_virtqueue *nvq, struct nai_fq *fq,
			struct task_struct *owner)
{
	struct vhost_nai_seeder *s = kzalloc(sizeof(*s), GFP_KERNEL);
	unsigned long pages;
	unsigned int i;

	if (!s)
		return NULL;
	s->nvq = nvq;
	s->fq = fq;
	s->mm = nvq->vq.dev->mm;
	s->owner = get_task_struct(owner);
	s->depth = nai_fq_depth(fq);
	s->seeds = kvcalloc(s->depth, sizeof(*s->seeds), GFP_KERNEL);
	s->free = kvcalloc(s->depth, sizeof(*s->free), GFP_KERNEL);
	if (!s->seeds || !s->free) {
		vhost_nai_seeder_free(s);
		return NULL;
	}
	for (i = 0; i < s->depth; i++)
		s->free[s->nr_free++] = i;

	pages = vhost_nai_seed_max_pages(s);
	if (!vhost_nai_charge(s, pages, true))
		s->charged = pages;
	return s;
}

/**
 * vhost_nai_seeder_destroy - the lease has ended
 * @s: nothing of it is out
 */
void vhost_nai_seeder_destroy(struct vhost_nai_seeder *s)
{
	WARN_ON_ONCE(vhost_nai_seeds_out(s) || s->report.pinned);

	if (s->charged)
		vhost_nai_charge(s, s->charged, false);
	vhost_nai_seeder_free(s);
}

/* One buffer */

static bool vhost_nai_seed_is_whole(const struct vhost_nai_seed *seed)
{
	return seed->nr_pages == 1 ||
	       (page_folio(seed->pages[0]) == page_folio(seed->pages[1]) &&
		page_to_pfn(seed->pages[1]) == page_to_pfn(seed->pages[0]) + 1);
}

static bool vhost_nai_seed_pin(struct vhost_nai_seeder *s,
			       struct vhost_nai_seed *seed, unsigned long addr,
			       size_t len)
{
	unsigned int n = DIV_ROUND_UP(offset_in_page(addr) + len, PAGE_SIZE);
	int got;

	if (n > VHOST_NAI_SEED_PAGES)
		return false;
	got = pin_user_pages_fast(addr, n, FOLL_WRITE | FOLL_LONGTERM,
				  seed->pages);
	seed->nr_pages = n;
	if (got == n && vhost_nai_seed_is_whole(seed)) {
		seed->offset = offset_in_page(addr);
		s->report.pinned += n;
		return true;
	}
	if (got > 0)
		unpin_user_pages(seed->pages, got);
	seed->nr_pages = 0;
	return false;
}

/* Its name is free again. What is in it may be written, if only in part. */
static void vhost_nai_seed_release(struct vhost_nai_seeder *s, u16 name)
{
	struct vhost_nai_seed *seed = &s->seeds[name];

	unpin_user_pages_dirty_lock(seed->pages, seed->nr_pages, true);
	s->report.pinned -= seed->nr_pages;
	seed->nr_pages = 0;
	s->free[s->nr_free++] = name;
}

/* The hardware's part of it, behind the header. */
static void vhost_nai_seed_show(const struct vhost_nai_seeder *s, u16 name,
				size_t len, struct nai_seed *shown)
{
	const struct vhost_nai_seed *seed = &s->seeds[name];
	size_t at = seed->offset + vhost_nai_seed_hlen(s);

	shown->page = seed->pages[at >> PAGE_SHIFT];
	shown->offset = offset_in_page(at);
	shown->len = len;
	shown->name = name;
}

/* From the ring to the hardware */

static enum nai_seed_bar vhost_nai_seed_bar(const struct vhost_nai_seeder *s,
					    unsigned int reserve)
{
	struct vhost_virtqueue *vq = &s->nvq->vq;

	if (!s->charged)
		return NAI_SEED_BAR_MEMLOCK;
	if (vhost_has_feature(vq, VHOST_F_LOG_ALL))
		return NAI_SEED_BAR_LOG;
	if (vq->iotlb)
		return NAI_SEED_BAR_IOMMU;
	if (s->gave_up || vq->num < max(3 * reserve, VHOST_NAI_RING_MIN))
		return NAI_SEED_BAR_RING;
	return NAI_SEED_BAR_NONE;
}

static unsigned int vhost_nai_seed_reserve(const struct vhost_nai_seeder *s)
{
	struct vhost_virtqueue *vq = &s->nvq->vq;

	if (vhost_has_feature(vq, VIRTIO_NET_F_MRG_RXBUF))
		return VHOST_NAI_KEPT + VHOST_NAI_LONGEST;
	return VHOST_NAI_KEPT + max(vq->num / 16, VHOST_NAI_RESERVE_MIN);
}

/* Descriptors in the ring. The index that vhost keeps may be an old one. */
static unsigned int vhost_nai_seed_avail(const struct vhost_nai_seeder *s)
{
	struct vhost_virtqueue *vq = &s->nvq->vq;
	__virtio16 idx;
	u16 n;

	if (get_user(idx, &vq->avail->idx))
		return 0;
	n = vhost16_to_cpu(vq, idx) - vq->last_avail_idx;
	return n > vq->num ? 0 : n;
}

/* Leave a descriptor where it is: frames can be copied to it. */
static bool vhost_nai_seed_refuse(struct vhost_nai_seeder *s)
{
	struct vhost_virtqueue *vq = &s->nvq->vq;

	vhost_discard_vq_desc(vq, 1);
	s->report.refused++;
	s->refused = true;
	s->refused_seq = vq->last_avail_idx;
	return false;
}

/* Is the next descriptor one that was looked at, and can only be copied to? */
static bool vhost_nai_seed_is_stuck(const struct vhost_nai_seeder *s)
{
	return s->refused && s->refused_seq == s->nvq->vq.last_avail_idx;
}

/* Take the next descriptor from the ring, if it can be posted. */
static bool vhost_nai_seed_take(struct vhost_nai_seeder *s,
				struct nai_seed *shown)
{
	struct vhost_virtqueue *vq = &s->nvq->vq;
	size_t hlen = vhost_nai_seed_hlen(s), len;
	struct vhost_nai_seed *seed;
	unsigned int out, in;
	int head;
	u16 name;

	head = vhost_get_vq_desc(vq, vq->iov, ARRAY_SIZE(vq->iov), &out, &in,
				 NULL, NULL);
	/* A ring in error is for the copy of a frame to find. */
	if (head < 0 || head == vq->num)
		return false;
	if (out || in != 1 ||
	    vq->iov[0].iov_len < hlen + nai_fq_seed_min(s->fq))
		return vhost_nai_seed_refuse(s);

	name = s->free[s->nr_free - 1];
	seed = &s->seeds[name];
	len = min_t(size_t, vq->iov[0].iov_len - hlen,
		    nai_fq_seed_max(s->fq));
	if (!vhost_nai_seed_pin(s, seed, (unsigned long)vq->iov[0].iov_base,
				hlen + len))
		return vhost_nai_seed_refuse(s);
	s->nr_free--;
	seed->head = head;
	seed->seq = vq->last_avail_idx - 1;
	s->refused = false;
	vhost_nai_seed_show(s, name, len, shown);
	return true;
}

/* Return: how many of @n were posted. */
static unsigned int vhost_nai_seed_some(struct vhost_nai_seeder *s,
					unsigned int n)
{
	unsigned int i, taken = 0, posted;

	while (taken < n && vhost_nai_seed_take(s, &s->batch[taken]))
		taken++;
	if (!taken)
		return 0;
	posted = nai_rx_seed(s->fq, s->batch, taken);
	/* It was stopped meanwhile. */
	for (i = posted; i < taken; i++)
		vhost_nai_seed_release(s, s->batch[i].name);
	vhost_discard_vq_desc(&s->nvq->vq, taken - posted);
	return posted;
}

/* Return: how many were posted. */
static unsigned int vhost_nai_seed_most(struct vhost_nai_seeder *s,
					unsigned int n)
{
	unsigned int some, posted, total = 0;

	do {
		some = min(n - total, NAI_RX_BATCH);
		posted = vhost_nai_seed_some(s, some);
		total += posted;
	} while (posted && posted == some && total < n);
	return total;
}

static void vhost_nai_seed_set_pool(struct vhost_nai_seeder *s,
				    unsigned int pool, unsigned int reach)
{
	if (pool == s->pool && reach == s->reach)
		return;
	s->pool = pool;
	s->reach = reach;
	nai_rx_set_pool(s->fq, pool, reach);
}

static void vhost_nai_seed_post(struct vhost_nai_seeder *s,
				unsigned int reserve)
{
	unsigned int avail = vhost_nai_seed_avail(s), n = 0;
	unsigned int out = vhost_nai_seeds_out(s);
	struct vhost_virtqueue *vq = &s->nvq->vq;

	/* A guest may offer again what it has not got back. */
	if (avail > reserve && out < vq->num && !vhost_nai_seed_is_stuck(s))
		n = min3(avail - reserve, vq->num - out,
			 min(nai_rx_room(s->fq), s->nr_free));
	if (n)
		avail -= vhost_nai_seed_most(s, n);
	if (!vhost_nai_seed_is_stuck(s))
		avail = min_t(unsigned int, avail, VHOST_NAI_POOL);
	vhost_nai_seed_set_pool(s, avail, min(s->depth, vq->num - reserve));
}

/**
 * vhost_nai_seeder_refill - post what the guest has to offer
 * @s: of a lease
 *
 * Context: the worker, notification of the ring is off.
 */
void vhost_nai_seeder_refill(struct vhost_nai_seeder *s)
{
	unsigned int reserve = vhost_nai_seed_reserve(s);
	enum nai_seed_bar bar = vhost_nai_seed_bar(s, reserve);

	lockdep_assert_held(&s->nvq->vq.mutex);

	s->waits = false;
	s->report.bar = bar;
	if (bar == NAI_SEED_BAR_NONE) {
		s->report.level = NAI_MODE_SEED;
		vhost_nai_seed_post(s, reserve);
	} else {
		s->report.level = NAI_MODE_COPY;
		vhost_nai_seed_set_pool(s, s->depth, s->depth);
	}
	vhost_nai_seeder_report(s);
}

/**
 * vhost_nai_seeder_starved - no descriptor is left to copy a frame to
 * @s: of a lease
 *
 * Until the next refill the core's own buffers are not posted any more. Else
 * the hardware would fill them for the worker to drop, as fast as frames come.
 */
void vhost_nai_seeder_starved(struct vhost_nai_seeder *s)
{
	lockdep_assert_held(&s->nvq->vq.mutex);

	vhost_nai_seed_set_pool(s, 0, s->reach);
}

/**
 * vhost_nai_seeder_gives_up - the tap waits for descriptors that are out
 * @s: of a lease, with no frame to return one with
 *
 * Return: true if it has waited for too long: nai_client_recall() is due.
 */
bool vhost_nai_seeder_gives_up(struct vhost_nai_seeder *s)
{
	lockdep_assert_held(&s->nvq->vq.mutex);

	if (!s->waits) {
		s->waits = true;
		s->waits_since = jiffies;
	}
	if (time_before(jiffies, s->waits_since + VHOST_NAI_PATIENCE))
		return false;
	s->gave_up = true;
	return true;
}

/* From the hardware to the guest */

static void vhost_nai_seed_put_header(const struct vhost_nai_seeder *s,
				      const struct vhost_nai_seed *seed,
				      u16 flags)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {
		.hdr.gso_type = VIRTIO_NET_HDR_GSO_NONE,
		.num_buffers = cpu_to_vhost16(&s->nvq->vq, 1),
	};
	size_t hlen = vhost_nai_seed_hlen(s);
	size_t here = min(hlen, PAGE_SIZE - seed->offset);

	/* As of a frame that is copied, see vhost_nai_copy(). */
	if (flags & NAI_RX_CSUM_OK)
		hdr.hdr.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	memcpy_to_page(seed->pages[0], seed->offset, (char *)&hdr, here);
	if (here < hlen)
		memcpy_to_page(seed->pages[1], 0, (char *)&hdr + here,
			       hlen - here);
}

/**
 * vhost_nai_seeder_deliver - return a descriptor with a frame in it
 * @s: of a lease
 * @frame: with NAI_RX_SEEDED; it is consumed before the next refill
 *
 * The header goes to the pinned memory, where the frame is, and not by the
 * guest's address, which may lead elsewhere by now. So this cannot fail.
 *
 * Return: bytes, the header included.
 */
size_t vhost_nai_seeder_deliver(struct vhost_nai_seeder *s,
				const struct nai_frame *frame)
{
	struct vhost_nai_seed *seed = &s->seeds[frame->seed];
	size_t len = vhost_nai_seed_hlen(s) + frame->len;
	struct vhost_net_virtqueue *nvq = s->nvq;
	struct vring_used_elem *used = &nvq->vq.heads[nvq->done_idx];

	lockdep_assert_held(&nvq->vq.mutex);

	vhost_nai_seed_put_header(s, seed, frame->flags);
	used->id = cpu_to_vhost32(&nvq->vq, seed->head);
	used->len = cpu_to_vhost32(&nvq->vq, len);
	vhost_nai_seed_release(s, frame->seed);
	s->waits = false;
	if (++nvq->done_idx > VHOST_NET_BATCH)
		vhost_net_signal_used(nvq);
	return len;
}

/**
 * vhost_nai_seeder_report - let what it holds now be shown
 * @s: of a lease
 */
void vhost_nai_seeder_report(const struct vhost_nai_seeder *s)
{
	lockdep_assert_held(&s->nvq->vq.mutex);

	nai_rx_report(s->fq, &s->report);
}

/* Back to the ring */

static bool vhost_nai_seeds_are_last(const struct vhost_nai_seeder *s)
{
	unsigned int i, out = vhost_nai_seeds_out(s);
	u16 end = s->nvq->vq.last_avail_idx;

	for (i = 0; i < s->depth; i++)
		if (s->seeds[i].nr_pages &&
		    !nai_seed_is_last(s->seeds[i].seq, out, end))
			return false;
	return true;
}

/* As used, with nothing in them. */
static void vhost_nai_seeds_return(struct vhost_nai_seeder *s)
{
	struct vhost_net_virtqueue *nvq = s->nvq;
	struct vring_used_elem *used;
	unsigned int i;

	for (i = 0; i < s->depth; i++) {
		if (!s->seeds[i].nr_pages)
			continue;
		used = &nvq->vq.heads[nvq->done_idx++];
		used->id = cpu_to_vhost32(&nvq->vq, s->seeds[i].head);
		used->len = 0;
		if (nvq->done_idx > VHOST_NET_BATCH)
			vhost_net_signal_used(nvq);
	}
	vhost_net_signal_used(nvq);
}

static void vhost_nai_seeds_settle(struct vhost_nai_seeder *s, bool dead)
{
	unsigned int i, out = vhost_nai_seeds_out(s);

	lockdep_assert_held(&s->nvq->vq.mutex);

	nai_rx_revoke(s->fq);
	if (vhost_nai_seeds_are_last(s)) {
		vhost_discard_vq_desc(&s->nvq->vq, out);
		s->report.rewound += out;
	} else if (!dead) {
		vhost_nai_seeds_return(s);
		s->report.returned += out;
	}
	for (i = 0; i < s->depth; i++)
		if (s->seeds[i].nr_pages)
			vhost_nai_seed_release(s, i);
	s->refused = false;
	vhost_nai_seeder_report(s);
}

struct vhost_nai_revoke {
	struct vhost_work work;
	struct vhost_nai_seeder *seeder;
	struct completion done;
};

static void vhost_nai_revoke_work(struct vhost_work *work)
{
	struct vhost_nai_revoke *revoke;
	struct vhost_nai_seeder *s;

	revoke = container_of(work, struct vhost_nai_revoke, work);
	s = revoke->seeder;
	mutex_lock(&s->nvq->vq.mutex);
	vhost_nai_seeds_settle(s, false);
	mutex_unlock(&s->nvq->vq.mutex);
	complete(&revoke->done);
}

/**
 * vhost_nai_seeder_revoke - take back what the hardware had
 * @s: of a lease whose hardware is stopped
 *
 * The ring is in the guest's memory, and who ends a lease may be any process. So
 * the device's worker writes to it, as ever. Without one the guest was killed, and
 * nobody reads its ring any more: its pages are given back, and that is all.
 *
 * Context: process, waits for the worker, takes the virtqueue's mutex.
 */
void vhost_nai_seeder_revoke(struct vhost_nai_seeder *s)
{
	struct vhost_virtqueue *vq = &s->nvq->vq;
	struct vhost_nai_revoke revoke = { .seeder = s };

	init_completion(&revoke.done);
	vhost_work_init(&revoke.work, vhost_nai_revoke_work);
	/* A worker that is killed now does what it was given before. */
	if (vhost_vq_work_queue(vq, &revoke.work)) {
		wait_for_completion(&revoke.done);
		return;
	}
	mutex_lock(&vq->mutex);
	vhost_nai_seeds_settle(s, true);
	mutex_unlock(&vq->mutex);
}
