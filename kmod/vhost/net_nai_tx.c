// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest sends by a frame queue of the NIC: the worker of its transmit
 * virtqueue copies frames for the wire from the guest's memory straight to the
 * queue's buffers, and leaves all others to the tap.
 *
 * What the header says is looked at in a copy, and the copy is what is sent. The
 * guest has its buffer back at the end of the run, whenever the NIC is done with
 * the copy.
 *
 * The tap's frames are collected, too, and sent together, in net.c. For a flow
 * that takes both ways to keep its order the queue has no frame before all that
 * were read before it have left, and the other way round: net.c flushes the queue
 * before the tap's frames, and the tap's when it is told VHOST_NAI_TX_AGAIN.
 *
 * DOC: locking
 *
 * All under the transmit virtqueue's mutex, where nai->tx_fq is. The timer is
 * the one of TX moderation (net_nai.c): it runs the worker and knows no more.
 *
 * DOC: wake-ups
 *
 * A frame that finds the queue full stays in the virtqueue, notification stays
 * off, and the timer runs the worker again: soon at first, as a NIC sends half a
 * ring of small frames in that time, and less often while nothing moves. When
 * the link is lost, or the port goes down, frames are left to the tap; a queue
 * that stands still for no reason is given up by nai.ko after a while.
 */

#include <linux/hrtimer.h>
#include <linux/if_ether.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <linux/uio.h>
#include <linux/virtio_net.h>

#include "net_nai_priv.h"

#define VHOST_NAI_TX_WAIT_MIN_US	100
#define VHOST_NAI_TX_WAIT_MAX_US	10000

/**
 * vhost_nai_tx_use - send by another frame queue, or by none
 * @nai: the device
 * @fq: the queue, or NULL
 *
 * Takes the transmit virtqueue's mutex. On return the one before is not used any
 * more.
 */
void vhost_nai_tx_use(struct vhost_nai *nai, struct nai_fq *fq)
{
	struct vhost_virtqueue *vq = &nai->net->vqs[VHOST_NET_VQ_TX].vq;

	mutex_lock(&vq->mutex);
	nai->tx_fq = fq;
	nai->tx_wait_us = 0;
	mutex_unlock(&vq->mutex);
}

static void vhost_nai_tx_wait(struct vhost_nai *nai)
{
	nai->tx_wait_us = clamp(2 * nai->tx_wait_us, VHOST_NAI_TX_WAIT_MIN_US,
				VHOST_NAI_TX_WAIT_MAX_US);
	hrtimer_start(&nai->tx_timer,
		      ns_to_ktime(nai->tx_wait_us * NSEC_PER_USEC),
		      HRTIMER_MODE_REL);
}

/* The header that tun would look at. Without one, vhost has skipped its own, and
 * nothing is left to be done for the frame.
 */
static bool vhost_nai_tx_read_header(struct vhost_net_virtqueue *nvq,
				     struct iov_iter *from,
				     struct nai_tx_head *head)
{
	struct vhost_virtqueue *vq = &nvq->vq;
	struct virtio_net_hdr hdr;

	if (!nvq->sock_hlen)
		return true;
	if (iov_iter_count(from) < nvq->sock_hlen ||
	    copy_from_iter(&hdr, sizeof(hdr), from) != sizeof(hdr))
		return false;
	iov_iter_advance(from, nvq->sock_hlen - sizeof(hdr));

	if (hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		head->flags |= NAI_TX_GSO;
	if (hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		head->flags |= NAI_TX_CSUM;
		head->csum_start = vhost16_to_cpu(vq, hdr.csum_start);
		head->csum_offset = vhost16_to_cpu(vq, hdr.csum_offset);
	}
	return true;
}

/* Return: false if the guest's memory cannot be read; the tap will say so. */
static bool vhost_nai_tx_read_head(struct vhost_net_virtqueue *nvq,
				   struct iov_iter *from,
				   struct nai_tx_head *head)
{
	size_t n;

	if (!vhost_nai_tx_read_header(nvq, from, head))
		return false;
	head->len = iov_iter_count(from);
	n = min_t(size_t, head->len, ETH_HLEN);
	return copy_from_iter(&head->eth, n, from) == n;
}

static enum vhost_nai_tx vhost_nai_tx_frame(struct vhost_net_virtqueue *nvq,
					    struct iov_iter *from)
{
	struct vhost_nai *nai = nvq->nai;
	struct nai_tx_head head = {};
	void *data;
	size_t n;

	if (unlikely(!vhost_nai_tx_read_head(nvq, from, &head)))
		return VHOST_NAI_TX_TAP;

	switch (nai_tx_begin(nai->tx_fq, &head, &data)) {
	case NAI_TX_QUEUE:
		break;
	case NAI_TX_DROPPED:
		return VHOST_NAI_TX_DONE;
	case NAI_TX_FULL:
		vhost_nai_tx_wait(nai);
		return VHOST_NAI_TX_LATER;
	case NAI_TX_TAP:
	default:
		return VHOST_NAI_TX_TAP;
	}

	if (nvq->batched_xdp)
		return VHOST_NAI_TX_AGAIN;
	nai->tx_wait_us = 0;
	memcpy(data, &head.eth, ETH_HLEN);
	n = head.len - ETH_HLEN;
	if (unlikely(copy_from_iter(data + ETH_HLEN, n, from) != n))
		return VHOST_NAI_TX_TAP;
	nai_tx_commit(nai->tx_fq, &head);
	return VHOST_NAI_TX_DONE;
}

/**
 * __vhost_nai_tx - send a frame by the frame queue, if that is its way
 * @nvq: the transmit virtqueue
 * @from: the frame, and the header for tun before it, in the guest's memory
 *
 * Return: what became of it; if nothing did, @from is as it was.
 */
enum vhost_nai_tx __vhost_nai_tx(struct vhost_net_virtqueue *nvq,
				 struct iov_iter *from)
{
	struct vhost_nai *nai = nvq->nai;
	size_t len = iov_iter_count(from);
	enum vhost_nai_tx what;

	lockdep_assert_held(&nvq->vq.mutex);

	/* The lease is of the tap that is the receive virtqueue's backend. */
	if (!nai->tx_fq || vhost_vq_get_backend(&nvq->vq) != nai->sock)
		return VHOST_NAI_TX_TAP;
	what = vhost_nai_tx_frame(nvq, from);
	if (what == VHOST_NAI_TX_TAP || what == VHOST_NAI_TX_AGAIN)
		iov_iter_revert(from, len - iov_iter_count(from));
	return what;
}

void __vhost_nai_tx_flush(struct vhost_net_virtqueue *nvq)
{
	struct vhost_nai *nai = nvq->nai;

	lockdep_assert_held(&nvq->vq.mutex);

	if (nai->tx_fq && nai_tx_flush(nai->tx_fq))
		vhost_nai_tx_wait(nai);
}
