/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The calls of vhost-net's own code into its NAI client, net_nai.c. While no
 * frame queue is attached anywhere, those of the data path are a no-op
 * instruction each.
 */
#ifndef _VHOST_NET_NAI_H
#define _VHOST_NET_NAI_H

#include <linux/jump_label.h>
#include <linux/types.h>

#include "net.h"

struct iov_iter;
struct socket;

/* What became of a frame of the transmit virtqueue. */
enum vhost_nai_tx {
	VHOST_NAI_TX_TAP,	/* nothing: it is the tap's */
	VHOST_NAI_TX_AGAIN,	/* nothing: the tap's batch is to leave before */
	VHOST_NAI_TX_DONE,	/* sent by a frame queue, or dropped */
	VHOST_NAI_TX_LATER,	/* a timer runs the worker for it again */
};

#if IS_ENABLED(CONFIG_VHOST_NET_NAI)

/* Frames of the tap in one run of the worker before the frame queue has its
 * turn. The tap goes first: a flood takes every descriptor the guest returns,
 * so behind the frame queue ARP and the like would never get one. But its
 * share is small, so that a flood by way of the tap does not shut out the frame
 * queue in turn: 8 of the 256 frames of a run.
 */
#define VHOST_NAI_TAP_PKTS	8

/* The same in bytes, as eight 64 KiB segments are the whole run. */
#define VHOST_NAI_TAP_BYTES	(VHOST_NET_WEIGHT / 4)

/* On while any frame queue is attached. */
DECLARE_STATIC_KEY_FALSE(vhost_nai_key);

/* Control path, device mutex held but for stop() on release, no vq mutex. */
void vhost_nai_set_backend(struct vhost_net *n, unsigned int index,
			   struct socket *sock);
void vhost_nai_stop(struct vhost_net *n);
void vhost_nai_hold(struct vhost_net *n);
void vhost_nai_resume(struct vhost_net *n);
/* Device mutex and vq mutex held. */
void vhost_nai_features_changed(struct vhost_net_virtqueue *nvq);

/* Data path, vq mutex held. */
void vhost_nai_rx(struct vhost_net *net, bool tap_empty, int pkts,
		  size_t total_len);
void __vhost_nai_rx_starved(struct vhost_net_virtqueue *nvq);
bool __vhost_nai_tx_defer(struct vhost_net_virtqueue *nvq, size_t sent);
enum vhost_nai_tx __vhost_nai_tx(struct vhost_net_virtqueue *nvq,
				 struct iov_iter *from);
void __vhost_nai_tx_flush(struct vhost_net_virtqueue *nvq);

/* Does this receive virtqueue have a frame queue? vq mutex held; the answer
 * holds until it is dropped.
 */
static inline bool vhost_nai_attached(const struct vhost_net_virtqueue *nvq)
{
	return static_branch_unlikely(&vhost_nai_key) && nvq->nai;
}

static inline bool
vhost_nai_tap_share_used(const struct vhost_net_virtqueue *nvq, int pkts,
			 size_t total_len)
{
	return vhost_nai_attached(nvq) && (pkts >= VHOST_NAI_TAP_PKTS ||
					   total_len >= VHOST_NAI_TAP_BYTES);
}

/* The guest had no descriptor for a frame of the tap. */
static inline void vhost_nai_rx_starved(struct vhost_net_virtqueue *nvq)
{
	if (vhost_nai_attached(nvq))
		__vhost_nai_rx_starved(nvq);
}

/* The transmit ring is empty after @sent bytes. True: notification stays off, a
 * timer runs the worker again.
 */
static inline bool vhost_nai_tx_defer(struct vhost_net_virtqueue *nvq,
				      size_t sent)
{
	return static_branch_unlikely(&vhost_nai_key) &&
	       __vhost_nai_tx_defer(nvq, sent);
}

/* A frame of the guest's, behind vhost's own header if it has one. */
static inline enum vhost_nai_tx vhost_nai_tx(struct vhost_net_virtqueue *nvq,
					     struct iov_iter *from)
{
	if (!static_branch_unlikely(&vhost_nai_key) || !nvq->nai)
		return VHOST_NAI_TX_TAP;
	return __vhost_nai_tx(nvq, from);
}

/* The frames of this run so far are to leave. */
static inline void vhost_nai_tx_flush(struct vhost_net_virtqueue *nvq)
{
	if (static_branch_unlikely(&vhost_nai_key) && nvq->nai)
		__vhost_nai_tx_flush(nvq);
}

#else

static inline void vhost_nai_set_backend(struct vhost_net *n,
					 unsigned int index,
					 struct socket *sock)
{
}

static inline void vhost_nai_stop(struct vhost_net *n)
{
}

static inline void vhost_nai_hold(struct vhost_net *n)
{
}

static inline void vhost_nai_resume(struct vhost_net *n)
{
}

static inline void vhost_nai_features_changed(struct vhost_net_virtqueue *nvq)
{
}

static inline void vhost_nai_rx(struct vhost_net *net, bool tap_empty,
				int pkts, size_t total_len)
{
}

static inline bool vhost_nai_attached(const struct vhost_net_virtqueue *nvq)
{
	return false;
}

static inline bool
vhost_nai_tap_share_used(const struct vhost_net_virtqueue *nvq, int pkts,
			 size_t total_len)
{
	return false;
}

static inline void vhost_nai_rx_starved(struct vhost_net_virtqueue *nvq)
{
}

static inline bool vhost_nai_tx_defer(struct vhost_net_virtqueue *nvq,
				      size_t sent)
{
	return false;
}

static inline enum vhost_nai_tx vhost_nai_tx(struct vhost_net_virtqueue *nvq,
					     struct iov_iter *from)
{
	return VHOST_NAI_TX_TAP;
}

static inline void vhost_nai_tx_flush(struct vhost_net_virtqueue *nvq)
{
}

#endif /* CONFIG_VHOST_NET_NAI */
#endif /* _VHOST_NET_NAI_H */
