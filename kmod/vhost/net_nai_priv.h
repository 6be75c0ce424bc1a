/* SPDX-License-Identifier: GPL-2.0-only */
/* What net_nai.c and net_nai_tx.c share. */
#ifndef _VHOST_NET_NAI_PRIV_H
#define _VHOST_NET_NAI_PRIV_H

#include <linux/atomic.h>
#include <linux/hrtimer.h>
#include <linux/list.h>
#include <net/nai.h>

#include "net_nai.h"

struct mm_struct;
struct task_struct;
struct vhost_nai_seeder;

/* Devices of one guest. Its flood comes in by one of them and the answers go
 * out by another.
 */
struct vhost_nai_guest {
	struct list_head list;
	/* The guest's process. Only compared: every user is a device that holds
	 * the mm, so no other can have the same address.
	 */
	const struct mm_struct *mm;
	unsigned int users;
	atomic64_t saturated_until;	/* ktime_get_ns() */
};

/* A vhost-net device with a tap as backend. */
struct vhost_nai {
	struct vhost_net *net;
	struct socket *sock;	/* the backend when registered, only compared */
	struct vhost_nai_guest *guest;
	struct task_struct *owner;	/* the process that set the backend */
	struct hrtimer tx_timer;

	/* Under the receive virtqueue's mutex. */
	struct nai_client *client;
	struct nai_fq *fq;
	struct vhost_nai_seeder *seeder;	/* NULL: not in mode seed */
	enum nai_congestion level;
	struct nai_frame frames[NAI_RX_BATCH];

	/* Under the transmit virtqueue's mutex. */
	struct nai_fq *tx_fq;	/* NULL: all goes by the tap */
	unsigned int tx_wait_us;
};

/* Of the header before each frame in the ring. */
static inline size_t vhost_nai_hlen(const struct vhost_net_virtqueue *nvq)
{
	return nvq->vhost_hlen ?: nvq->sock_hlen;
}

/* net_nai_tx.c */
void vhost_nai_tx_use(struct vhost_nai *nai, struct nai_fq *fq);

#endif /* _VHOST_NET_NAI_PRIV_H */
