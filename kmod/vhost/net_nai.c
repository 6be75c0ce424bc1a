// SPDX-License-Identifier: GPL-2.0-only
/*
 * vhost-net as a client of NAI: the worker of a guest's receive virtqueue takes
 * frames from a frame queue of the NIC, beside those of the tap.
 *
 * DOC: locking
 *
 * dev->mutex > NAI's client->lock > vq->mutex. The client is registered and
 * unregistered under dev->mutex and never under a vq->mutex; on release nobody
 * else has the device and dev->mutex is not needed. nvq->nai and what the data
 * path uses are under the vq->mutex of their virtqueue. The list of guests has
 * a spinlock, a leaf. The timer's callback takes no lock.
 *
 * DOC: wake-ups
 *
 * A receive run ends with vq->mutex held in one of these states, and something
 * runs the worker again in each but the last. "?" is: does not matter.
 *
 *   descriptors  tap        frame queue  the next run comes from
 *   none         ?          ?            guest's kick: notification is on, and
 *                                        the ring was looked at again after
 *   some         empty      empty        tap's poll or the interrupt: both are
 *                                        armed, and each source was looked at
 *                                        again after
 *   some         not empty  empty        itself: queued
 *   some         ?          not empty    itself: vhost_exceeds_weight() queued
 *   in error     ?          ?            guest's kick, should it mend its ring
 *   untranslated ?          ?            update of the IOTLB
 *   any of these, with seeds out:        the interrupt too, and the guest's kick
 *                                        for more of them
 *   no backend   ?          ?            the next backend; detach is on its way
 *
 * Without descriptors nothing else is armed: no frame could be delivered, and
 * the hardware queue is to run full and drop. "Not empty" for the tap includes
 * "not known": its share was used up. attach() and detach() queue the worker
 * once, so whatever the run before them armed is armed anew for the sources
 * there are now.
 *
 * DOC: what needs no hook
 *
 * In mode copy guest memory is reached by vq->iov alone, translated for each
 * frame under vq->mutex. So a changed memory table or log, which vhost swaps
 * under that mutex, holds from the next frame on, and an IOTLB
 * (VIRTIO_F_ACCESS_PLATFORM) is as good as none. In mode seed (net_nai_seed.c)
 * the hardware knows addresses of the guest's memory, so memory table and
 * features change between vhost_nai_hold() and vhost_nai_resume().
 * VHOST_RESET_OWNER stops both virtqueues first, as release does.
 * vhost_net_flush() waits for work and not for the timer: the timer owns
 * nothing and its callback only queues work, which finds whatever backend there
 * is.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/hrtimer.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <linux/uio.h>
#include <linux/virtio_net.h>

#include <net/nai.h>

#include "net_nai_priv.h"
#include "net_nai_seed.h"

/* What a guest may negotiate. All that vhost-net offers, spelt out so that a
 * feature to come which changes the ring or the header is refused here until
 * somebody has looked at it.
 */
#define VHOST_NAI_FEATURES	(VHOST_FEATURES |			\
				 BIT_ULL(VHOST_NET_F_VIRTIO_NET_HDR) |	\
				 BIT_ULL(VIRTIO_NET_F_MRG_RXBUF) |	\
				 BIT_ULL(VIRTIO_F_ACCESS_PLATFORM) |	\
				 BIT_ULL(VIRTIO_F_RING_RESET))

/* For how long a guest counts as saturated after it last was seen so. It
 * returns receive buffers a half ring at a time; at 4000 frames a second, slow
 * for a guest that is flooded, half a ring of 256 takes 32 ms.
 */
#define VHOST_NAI_SATURATED_NS	(50 * NSEC_PER_MSEC)

#define VHOST_NAI_TX_POLL_MAX_US	100000

/* What became of a frame, and whether the run goes on. */
#define VHOST_NAI_DONE		BIT(0)	/* delivered or dropped */
#define VHOST_NAI_DELIVERED	BIT(1)
#define VHOST_NAI_STOP		BIT(2)
#define VHOST_NAI_STARVED	BIT(3)	/* no descriptor for it */

/* What a run of the receive worker has done so far, the tap's part included. */
struct vhost_nai_run {
	int pkts;
	size_t total_len;
	bool delivered;		/* a frame of the frame queue */
	bool tap_waits;		/* for descriptors: none for others before */
};

DEFINE_STATIC_KEY_FALSE(vhost_nai_key);

static LIST_HEAD(vhost_nai_guests);
static DEFINE_SPINLOCK(vhost_nai_guests_lock);

static unsigned int nai_tx_poll_us = 2000;

static int vhost_nai_set_tx_poll_us(const char *val,
				    const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 0, VHOST_NAI_TX_POLL_MAX_US);
}

static const struct kernel_param_ops vhost_nai_tx_poll_us_ops = {
	.set = vhost_nai_set_tx_poll_us,
	.get = param_get_uint,
};

module_param_cb(nai_tx_poll_us, &vhost_nai_tx_poll_us_ops, &nai_tx_poll_us,
		0644);
MODULE_PARM_DESC(nai_tx_poll_us,
		 "Look at the transmit ring of a saturated guest every so many microseconds, without notification; 0: never");

static atomic_t vhost_nai_client_errors = ATOMIC_INIT(0);

static int vhost_nai_get_client_errors(char *buffer,
				       const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%d\n",
			  atomic_read(&vhost_nai_client_errors));
}

static const struct kernel_param_ops vhost_nai_client_errors_ops = {
	.get = vhost_nai_get_client_errors,
};

module_param_cb(nai_client_errors, &vhost_nai_client_errors_ops, NULL, 0444);
MODULE_PARM_DESC(nai_client_errors,
		 "Times a tap was set as backend and could not be registered");

static struct vhost_net_virtqueue *vhost_nai_rx_vq(const struct vhost_nai *nai)
{
	return &nai->net->vqs[VHOST_NET_VQ_RX];
}

/* Guests */

static struct vhost_nai_guest *vhost_nai_guest_find(const struct mm_struct *mm)
{
	struct vhost_nai_guest *guest;

	lockdep_assert_held(&vhost_nai_guests_lock);

	list_for_each_entry(guest, &vhost_nai_guests, list)
		if (guest->mm == mm)
			return guest;
	return NULL;
}

static struct vhost_nai_guest *vhost_nai_guest_get(const struct mm_struct *mm)
{
	struct vhost_nai_guest *guest, *fresh;

	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL);
	if (!fresh)
		return NULL;
	fresh->mm = mm;

	spin_lock(&vhost_nai_guests_lock);
	guest = vhost_nai_guest_find(mm);
	if (!guest) {
		guest = fresh;
		fresh = NULL;
		list_add(&guest->list, &vhost_nai_guests);
	}
	guest->users++;
	spin_unlock(&vhost_nai_guests_lock);

	kfree(fresh);
	return guest;
}

static void vhost_nai_guest_put(struct vhost_nai_guest *guest)
{
	bool last;

	spin_lock(&vhost_nai_guests_lock);
	last = !--guest->users;
	if (last)
		list_del(&guest->list);
	spin_unlock(&vhost_nai_guests_lock);

	if (last)
		kfree(guest);
}

static void vhost_nai_guest_saturated(struct vhost_nai_guest *guest)
{
	atomic64_set(&guest->saturated_until,
		     ktime_get_ns() + VHOST_NAI_SATURATED_NS);
}

static bool vhost_nai_guest_is_saturated(const struct vhost_nai_guest *guest)
{
	return ktime_get_ns() < atomic64_read(&guest->saturated_until);
}

/* Reception */

/* Put a frame and its header into the guest's buffers, @iovs in vq->iov. */
static bool vhost_nai_copy(struct vhost_net_virtqueue *nvq,
			   const struct nai_frame *frame, unsigned int iovs,
			   int heads)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {
		.hdr.gso_type = VIRTIO_NET_HDR_GSO_NONE,
		.num_buffers = cpu_to_vhost16(&nvq->vq, heads),
	};
	size_t hlen = vhost_nai_hlen(nvq);
	struct iov_iter iter;

	/* As tun does, without regard to VIRTIO_NET_F_GUEST_CSUM, which is
	 * QEMU's to negotiate and not among the features vhost is told.
	 */
	if (frame->flags & NAI_RX_CSUM_OK)
		hdr.hdr.flags = VIRTIO_NET_HDR_F_DATA_VALID;

	/* Of a header of 10 bytes num_buffers is not part. */
	iov_iter_init(&iter, ITER_DEST, nvq->vq.iov, iovs, hlen + frame->len);
	return copy_to_iter(&hdr, hlen, &iter) == hlen &&
	       copy_to_iter(frame->data, frame->len, &iter) == frame->len;
}

/* No descriptors, or not enough for this frame. */
static unsigned int vhost_nai_rx_no_desc(struct vhost_nai *nai)
{
	struct vhost_virtqueue *vq = &vhost_nai_rx_vq(nai)->vq;

	/* Frames behind it may be in descriptors that the guest waits for. */
	if (nai->seeder && vhost_nai_seeder_is_out(nai->seeder)) {
		vhost_nai_seeder_starved(nai->seeder);
		nai_rx_drop(nai->fq, NAI_DROP_REASON_NO_DESCRIPTOR);
		return VHOST_NAI_DONE;
	}
	if (unlikely(vhost_enable_notify(vq->dev, vq))) {
		/* They have slipped one in. Whether it will do is for the next
		 * look to say, and that look counts as work: a guest could do
		 * this for ever.
		 */
		vhost_disable_notify(vq->dev, vq);
		return 0;
	}
	return VHOST_NAI_STOP | VHOST_NAI_STARVED;
}

/* The guest's ring is in error: stop until the next kick, so let there be one.
 * That it may have been kicked meanwhile is no reason to go on; the ring would
 * be the same.
 */
static unsigned int vhost_nai_rx_broken(struct vhost_nai *nai,
					enum nai_drop_reason reason)
{
	struct vhost_virtqueue *vq = &vhost_nai_rx_vq(nai)->vq;

	nai_rx_drop(nai->fq, reason);
	vhost_enable_notify(vq->dev, vq);
	return VHOST_NAI_DONE | VHOST_NAI_STOP;
}

/* The guest's memory cannot be written, and nothing but the frame is known to
 * be wrong. A guest whose ring is full would not kick again, so leave it to the
 * tap, which goes on with the next frame.
 */
static unsigned int vhost_nai_rx_fault(struct vhost_nai *nai, int heads)
{
	struct vhost_virtqueue *vq = &vhost_nai_rx_vq(nai)->vq;

	vq_err(vq, "Unable to write frame at addr %p\n", vq->iov->iov_base);
	vhost_discard_vq_desc(vq, heads);
	/* Not there yet while the registration is returning: the next fault
	 * will do.
	 */
	if (nai->client)
		nai_client_fail(nai->client, NAI_DETACH_REASON_MEMORY);
	return vhost_nai_rx_broken(nai, NAI_DROP_REASON_FAULT);
}

static unsigned int vhost_nai_rx_copied(struct vhost_nai *nai,
					const struct nai_frame *frame,
					struct vhost_nai_run *run)
{
	struct vhost_net_virtqueue *nvq = vhost_nai_rx_vq(nai);
	size_t len = vhost_nai_hlen(nvq) + frame->len;
	struct vhost_virtqueue *vq = &nvq->vq;
	struct vhost_log *log = NULL;
	unsigned int iovs, logs;
	int heads, quota = 1;

	if (vhost_has_feature(vq, VIRTIO_NET_F_MRG_RXBUF))
		quota = UIO_MAXIOV;
	if (unlikely(vhost_has_feature(vq, VHOST_F_LOG_ALL)))
		log = vq->log;

	heads = vhost_net_get_rx_bufs(vq, vq->heads + nvq->done_idx, len, &iovs,
				      log, &logs, quota);
	/* The IOTLB was asked; its answer queues the worker. */
	if (unlikely(heads == -EAGAIN))
		return VHOST_NAI_STOP;
	if (unlikely(heads < 0))
		return vhost_nai_rx_broken(nai, NAI_DROP_REASON_DESCRIPTOR);
	if (!heads)
		return vhost_nai_rx_no_desc(nai);
	if (unlikely(heads > UIO_MAXIOV)) {
		/* The descriptors are with the ring again already. */
		nai_rx_drop(nai->fq, NAI_DROP_REASON_OVERSIZE);
		return VHOST_NAI_DONE;
	}
	if (unlikely(!vhost_nai_copy(nvq, frame, iovs, heads)))
		return vhost_nai_rx_fault(nai, heads);

	if (unlikely(log))
		vhost_log_write(vq, log, logs, len, vq->iov, iovs);
	nvq->done_idx += heads;
	if (nvq->done_idx > VHOST_NET_BATCH)
		vhost_net_signal_used(nvq);
	run->total_len += len;
	return VHOST_NAI_DONE | VHOST_NAI_DELIVERED;
}

static unsigned int vhost_nai_rx_frame(struct vhost_nai *nai,
				       const struct nai_frame *frame,
				       struct vhost_nai_run *run)
{
	if (frame->flags & NAI_RX_SEEDED) {
		run->total_len += vhost_nai_seeder_deliver(nai->seeder, frame);
		return VHOST_NAI_DONE | VHOST_NAI_DELIVERED;
	}
	if (unlikely(run->tap_waits))
		return vhost_nai_rx_no_desc(nai);
	return vhost_nai_rx_copied(nai, frame, run);
}

/* Give the @n frames that wait to the guest, as far as it has descriptors. */
static unsigned int vhost_nai_rx_batch(struct vhost_nai *nai, unsigned int n,
				       struct vhost_nai_run *run)
{
	struct vhost_virtqueue *vq = &vhost_nai_rx_vq(nai)->vq;
	unsigned int done = 0, delivered = 0, what = 0;
	u64 bytes = 0;

	while (done < n && !(what & VHOST_NAI_STOP)) {
		const struct nai_frame *frame = &nai->frames[done];

		what = vhost_nai_rx_frame(nai, frame, run);
		if (what & VHOST_NAI_DONE)
			done++;
		if (what & VHOST_NAI_DELIVERED) {
			delivered++;
			bytes += frame->len;
		}
		if (!(what & VHOST_NAI_STOP) &&
		    vhost_exceeds_weight(vq, ++run->pkts, run->total_len))
			what |= VHOST_NAI_STOP;
	}

	if (done)
		nai_rx_consume(nai->fq, done, delivered, bytes);
	if (nai->seeder)
		vhost_nai_seeder_report(nai->seeder);
	if (delivered)
		run->delivered = true;
	return what;
}

/* The frame queue is empty. Both sources or, if the tap is not, none are armed:
 * it is all the same which comes first.
 */
static void vhost_nai_rx_idle(struct vhost_nai *nai, bool tap_empty)
{
	struct vhost_virtqueue *vq = &vhost_nai_rx_vq(nai)->vq;

	if (!tap_empty) {
		vhost_poll_queue(&vq->poll);
		return;
	}
	/* With more buffers to post the guest wakes the worker too. */
	if (nai->seeder && vhost_enable_notify(vq->dev, vq)) {
		vhost_disable_notify(vq->dev, vq);
		vhost_poll_queue(&vq->poll);
		return;
	}
	vhost_net_enable_vq(nai->net, vq);
	if (nai_rx_idle(nai->fq))
		vhost_poll_queue(&vq->poll);
}

/**
 * vhost_nai_rx - the frame queue's turn in a run of the receive worker
 * @net: the device; its receive virtqueue has a frame queue
 * @tap_empty: nothing waits in the tap
 * @pkts: frames of the tap in this run
 * @total_len: bytes of the tap in this run
 *
 * Ends the run but for signalling what was used. A run is bounded, with the
 * tap's part of it, by vhost_exceeds_weight(): every frame and every look for a
 * descriptor counts.
 */
void vhost_nai_rx(struct vhost_net *net, bool tap_empty, int pkts,
		  size_t total_len)
{
	struct vhost_net_virtqueue *nvq = &net->vqs[VHOST_NET_VQ_RX];
	struct vhost_nai_run run = { .pkts = pkts, .total_len = total_len };
	struct vhost_nai *nai = nvq->nai;
	unsigned int n, what = 0;

	lockdep_assert_held(&nvq->vq.mutex);

	while (!(what & VHOST_NAI_STOP)) {
		if (nai->seeder)
			vhost_nai_seeder_refill(nai->seeder);
		n = nai_rx_peek(nai->fq, nai->frames, NAI_RX_BATCH);
		if (!n) {
			vhost_nai_rx_idle(nai, tap_empty);
			break;
		}
		what = vhost_nai_rx_batch(nai, n, &run);
	}
	if (what & VHOST_NAI_STARVED)
		nai_rx_starved(nai->fq);

	/* A guest that takes nothing at all, as with its interface down, has no
	 * use for fewer exits; it would only transmit late elsewhere.
	 */
	if (run.delivered && (what & VHOST_NAI_STARVED ||
			      nai->level != NAI_CONGESTION_NORMAL))
		vhost_nai_guest_saturated(nai->guest);
}

/* The tap waits for descriptors, with notification on. The guest may have to see
 * first what is in those that the hardware had.
 */
static void vhost_nai_rx_seeded(struct vhost_nai *nai)
{
	struct vhost_nai_run run = { .tap_waits = true };
	struct vhost_virtqueue *vq = &vhost_nai_rx_vq(nai)->vq;
	unsigned int n, what = 0;

	while (!(what & VHOST_NAI_STOP)) {
		n = nai_rx_peek(nai->fq, nai->frames, NAI_RX_BATCH);
		if (!n) {
			if (nai_rx_idle(nai->fq))
				vhost_poll_queue(&vq->poll);
			else if (vhost_nai_seeder_gives_up(nai->seeder) &&
				 nai->client)
				nai_client_recall(nai->client);
			break;
		}
		what = vhost_nai_rx_batch(nai, n, &run);
	}
	if (what & VHOST_NAI_STARVED)
		nai_rx_starved(nai->fq);
}

/* The tap came first and there was no descriptor, so the frame queue will have
 * none either, but for those that the hardware has.
 */
void __vhost_nai_rx_starved(struct vhost_net_virtqueue *nvq)
{
	struct vhost_nai *nai = nvq->nai;

	lockdep_assert_held(&nvq->vq.mutex);

	if (nai->seeder && vhost_nai_seeder_is_out(nai->seeder))
		vhost_nai_rx_seeded(nai);
	else if (nai_rx_peek(nai->fq, nai->frames, 1))
		nai_rx_starved(nai->fq);
}

/* Transmission
 *
 * A saturated guest forwards a few frames, kicks, and is interrupted at once by
 * a worker that sends them, finds no more and asks for the next kick: an exit
 * for every two or three frames. While it is saturated its transmit ring is
 * looked at by a timer instead, and notification stays off for as long as each
 * look finds something. One look that does not turns it on again.
 */

/**
 * __vhost_nai_tx_defer - leave notification off and look again by timer?
 * @nvq: a transmit virtqueue, its ring empty
 * @sent: bytes this run has found in it
 *
 * Return: true if the timer was started.
 */
bool __vhost_nai_tx_defer(struct vhost_net_virtqueue *nvq, size_t sent)
{
	unsigned int us = READ_ONCE(nai_tx_poll_us);
	struct vhost_nai *nai = nvq->nai;

	lockdep_assert_held(&nvq->vq.mutex);

	if (!nai || !sent || !us || !vhost_nai_guest_is_saturated(nai->guest))
		return false;
	hrtimer_start(&nai->tx_timer, ns_to_ktime(us * NSEC_PER_USEC),
		      HRTIMER_MODE_REL);
	return true;
}

static enum hrtimer_restart vhost_nai_tx_timer(struct hrtimer *timer)
{
	struct vhost_nai *nai = container_of(timer, struct vhost_nai, tx_timer);

	/* False if the guest was killed: then nobody waits for a frame. */
	vhost_poll_queue(&nai->net->vqs[VHOST_NET_VQ_TX].vq.poll);
	return HRTIMER_NORESTART;
}

/* The transmit virtqueue has another backend, or none. A timer that was started
 * for the last one may have fired while there was none, so notification may be
 * off with nothing to turn it on: the worker's next run does.
 */
static void vhost_nai_tx_set_backend(struct vhost_net *n, struct socket *sock)
{
	struct vhost_net_virtqueue *nvq = &n->vqs[VHOST_NET_VQ_TX];

	if (nvq->nai)
		hrtimer_cancel(&nvq->nai->tx_timer);
	if (sock)
		vhost_poll_queue(&nvq->vq.poll);
}

/* Client */

/* Can this virtqueue be served as its guest and QEMU have set it up? */
static bool vhost_nai_is_fit(struct vhost_net_virtqueue *nvq)
{
	size_t hlen = vhost_nai_hlen(nvq);

	return !(nvq->vq.acked_features & ~VHOST_NAI_FEATURES) &&
	       (hlen == sizeof(struct virtio_net_hdr) ||
		hlen == sizeof(struct virtio_net_hdr_mrg_rxbuf));
}

static bool vhost_nai_wake(void *priv)
{
	struct vhost_virtqueue *vq = &vhost_nai_rx_vq(priv)->vq;

	return vhost_vq_work_queue(vq, &vq->poll.work);
}

static int vhost_nai_use(struct vhost_nai *nai, struct nai_fq *fq,
			 struct vhost_nai_seeder *seeder,
			 struct netlink_ext_ack *extack)
{
	struct vhost_net_virtqueue *nvq = vhost_nai_rx_vq(nai);

	lockdep_assert_held(&nvq->vq.mutex);

	if (vhost_vq_get_backend(&nvq->vq) != nai->sock) {
		NL_SET_ERR_MSG(extack,
			       "vhost-net's virtqueue has not this tap as its backend any more");
		return -ENOTCONN;
	}
	if (!vhost_nai_is_fit(nvq)) {
		NL_SET_ERR_MSG(extack,
			       "the guest negotiated features that frame queues cannot serve");
		return -EOPNOTSUPP;
	}
	nai->fq = fq;
	nai->seeder = seeder;
	nai->level = NAI_CONGESTION_NORMAL;
	nvq->nai = nai;
	return 0;
}

static int vhost_nai_attach(void *priv, struct nai_fq *fq,
			    struct netlink_ext_ack *extack)
{
	struct vhost_nai *nai = priv;
	struct vhost_virtqueue *vq = &vhost_nai_rx_vq(nai)->vq;
	struct vhost_nai_seeder *seeder = NULL;
	int err;

	if (nai_fq_takes_seeds(fq)) {
		seeder = vhost_nai_seeder_create(vhost_nai_rx_vq(nai), fq,
						 nai->owner);
		if (!seeder)
			return -ENOMEM;
	}
	/* On before nvq->nai is set and off after it is cleared, so a run of
	 * the worker sees one thing all along.
	 */
	static_branch_inc(&vhost_nai_key);
	mutex_lock(&vq->mutex);
	err = vhost_nai_use(nai, fq, seeder, extack);
	mutex_unlock(&vq->mutex);
	if (err) {
		static_branch_dec(&vhost_nai_key);
		if (seeder)
			vhost_nai_seeder_destroy(seeder);
		return err;
	}
	if (nai_fq_sends(fq))
		vhost_nai_tx_use(nai, fq);
	vhost_poll_queue(&vq->poll);
	return 0;
}

static void vhost_nai_revoke(void *priv, struct nai_fq *fq)
{
	struct vhost_nai *nai = priv;

	vhost_nai_seeder_revoke(nai->seeder);
}

static void vhost_nai_detach(void *priv, struct nai_fq *fq)
{
	struct vhost_nai *nai = priv;
	struct vhost_net_virtqueue *nvq = vhost_nai_rx_vq(nai);
	struct vhost_nai_seeder *seeder = nai->seeder;

	if (seeder)
		vhost_nai_seeder_revoke(seeder);
	mutex_lock(&nvq->vq.mutex);
	nvq->nai = NULL;
	nai->fq = NULL;
	nai->seeder = NULL;
	mutex_unlock(&nvq->vq.mutex);
	vhost_nai_tx_use(nai, NULL);
	if (seeder)
		vhost_nai_seeder_destroy(seeder);
	static_branch_dec(&vhost_nai_key);
	/* The tap's poll is off if the last run left it to the frame queue. */
	vhost_poll_queue(&nvq->vq.poll);
}

static void vhost_nai_congestion(void *priv, enum nai_congestion level)
{
	struct vhost_nai *nai = priv;

	lockdep_assert_held(&vhost_nai_rx_vq(nai)->vq.mutex);

	nai->level = level;
}

static const struct nai_client_ops vhost_nai_client_ops = {
	.wake		= vhost_nai_wake,
	.attach		= vhost_nai_attach,
	.detach		= vhost_nai_detach,
	.revoke		= vhost_nai_revoke,
	.congestion	= vhost_nai_congestion,
};

static struct vhost_nai *vhost_nai_alloc(struct vhost_net *n,
					 struct socket *sock)
{
	struct vhost_nai *nai = kzalloc(sizeof(*nai), GFP_KERNEL);

	if (!nai)
		return NULL;
	nai->guest = vhost_nai_guest_get(n->dev.mm);
	if (!nai->guest) {
		kfree(nai);
		return NULL;
	}
	nai->owner = get_task_struct(current->group_leader);
	nai->net = n;
	nai->sock = sock;
	hrtimer_init(&nai->tx_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	nai->tx_timer.function = vhost_nai_tx_timer;
	return nai;
}

static void vhost_nai_free(struct vhost_nai *nai)
{
	put_task_struct(nai->owner);
	vhost_nai_guest_put(nai->guest);
	kfree(nai);
}

static int vhost_nai_register(struct vhost_net *n, struct socket *sock,
			      struct net_device *tap, u16 queue)
{
	struct nai_client *client;
	struct vhost_nai *nai;

	nai = vhost_nai_alloc(n, sock);
	if (!nai)
		return -ENOMEM;
	client = nai_client_register(tap, queue, &vhost_nai_client_ops, nai);
	if (IS_ERR(client)) {
		vhost_nai_free(nai);
		return PTR_ERR(client);
	}

	mutex_lock(&n->vqs[VHOST_NET_VQ_RX].vq.mutex);
	nai->client = client;
	mutex_unlock(&n->vqs[VHOST_NET_VQ_RX].vq.mutex);

	mutex_lock(&n->vqs[VHOST_NET_VQ_TX].vq.mutex);
	n->vqs[VHOST_NET_VQ_TX].nai = nai;
	mutex_unlock(&n->vqs[VHOST_NET_VQ_TX].vq.mutex);
	return 0;
}

/* Without a client the guest has its tap, as ever; so a failure is no reason to
 * refuse the backend.
 */
static void vhost_nai_register_tap(struct vhost_net *n, struct socket *sock)
{
	struct net_device *tap;
	u16 queue;
	int err;

	/* A packet socket, a macvtap, or a tap that is detached just now. */
	tap = tun_get_netdev(sock->file, &queue);
	if (IS_ERR_OR_NULL(tap))
		return;
	if (tap->type == ARPHRD_ETHER) {
		err = vhost_nai_register(n, sock, tap, queue);
		if (err) {
			atomic_inc(&vhost_nai_client_errors);
			pr_debug("%s queue %u: no client of NAI: %d\n",
				 tap->name, queue, err);
		}
	}
	dev_put(tap);
}

/**
 * vhost_nai_stop - end being a client, and any lease with it
 * @n: the device
 *
 * Both virtqueues go on with what backend they have. On return nothing of this
 * file knows the device, and neither callback nor timer comes any more.
 */
void vhost_nai_stop(struct vhost_net *n)
{
	struct vhost_net_virtqueue *nvq = &n->vqs[VHOST_NET_VQ_TX];
	struct vhost_nai *nai = nvq->nai;

	if (!nai)
		return;
	nai_client_unregister(nai->client);

	mutex_lock(&nvq->vq.mutex);
	nvq->nai = NULL;
	mutex_unlock(&nvq->vq.mutex);
	/* With the timer goes what would have turned notification on. */
	if (hrtimer_cancel(&nai->tx_timer))
		vhost_poll_queue(&nvq->vq.poll);
	vhost_nai_free(nai);
}

/**
 * vhost_nai_set_backend - a virtqueue has another backend
 * @n: the device
 * @index: of the virtqueue
 * @sock: the backend, NULL for none; the one before still exists
 */
void vhost_nai_set_backend(struct vhost_net *n, unsigned int index,
			   struct socket *sock)
{
	lockdep_assert_held(&n->dev.mutex);

	if (index == VHOST_NET_VQ_TX) {
		vhost_nai_tx_set_backend(n, sock);
		return;
	}
	vhost_nai_stop(n);
	if (sock)
		vhost_nai_register_tap(n, sock);
}

/**
 * vhost_nai_hold - let the hardware know no address of the guest's memory
 * @n: the device
 *
 * Until vhost_nai_resume(), for memory or features to change.
 */
void vhost_nai_hold(struct vhost_net *n)
{
	struct vhost_nai *nai = n->vqs[VHOST_NET_VQ_TX].nai;

	lockdep_assert_held(&n->dev.mutex);

	if (nai)
		nai_client_hold(nai->client);
}

/**
 * vhost_nai_resume - go on with the memory and features there are now
 * @n: held
 */
void vhost_nai_resume(struct vhost_net *n)
{
	struct vhost_nai *nai = n->vqs[VHOST_NET_VQ_TX].nai;

	lockdep_assert_held(&n->dev.mutex);

	if (nai)
		nai_client_resume(nai->client);
}

/**
 * vhost_nai_features_changed - go on with the frame queue, or not
 * @nvq: any virtqueue whose features or header length were set
 *
 * If not, the tap has the guest at once and the lease ends soon.
 */
void vhost_nai_features_changed(struct vhost_net_virtqueue *nvq)
{
	struct vhost_net *n = container_of(nvq->vq.dev, struct vhost_net, dev);
	struct vhost_nai *nai = nvq->nai;

	lockdep_assert_held(&n->dev.mutex);
	lockdep_assert_held(&nvq->vq.mutex);

	if (!nai || vhost_nai_is_fit(nvq))
		return;
	if (nvq != &n->vqs[VHOST_NET_VQ_RX]) {
		nai->tx_fq = NULL;
		return;
	}
	nvq->nai = NULL;
	vhost_poll_queue(&nvq->vq.poll);
	nai_client_fail(nai->client, NAI_DETACH_REASON_FEATURES);
}
