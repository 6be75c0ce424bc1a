/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Network Acceleration Interface: a NIC's hardware frame queue on lease to a
 * consumer in process context, such as the vhost-net worker of a guest.
 *
 * Drivers (providers) and vhost-net (the client) meet here and nowhere else.
 */
#ifndef _NET_NAI_H
#define _NET_NAI_H

#include <linux/etherdevice.h>
#include <linux/if_ether.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/types.h>
#include <uapi/linux/nai.h>

struct module;
struct netlink_ext_ack;

/**
 * DOC: NAI locking
 *
 * Order, outermost first; a lock may be taken with any above it held::
 *
 *   vhost dev->mutex > client->lock > RTNL > port->hw_mutex > fq->rx_lock
 *   vhost dev->mutex > client->lock > vhost vq->mutex > fq->rx_lock
 *
 * What a lease sends has a lock of its own, tx_lock, in the place of rx_lock;
 * the two are never held together.
 *
 * RTNL and vq->mutex are never held together: the worker faults on guest memory
 * under vq->mutex, so its holder can be stalled by userspace for any time. For
 * the same reason no holder of RTNL or hw_mutex waits for a client->lock.
 * hw_mutex, rx_lock and tx_lock are leaves: no user access, no waiting for netdev.
 */

/* Flags of struct nai_caps. */
#define NAI_CAP_NO_HOL		BIT(0)	/* an empty queue drops, never blocks the port */
#define NAI_CAP_CRC_STRIP	BIT(1)	/* frames come without FCS */
#define NAI_CAP_HW_DROPS	BIT(2)	/* get_stats() can count hw_drop_overruns */
#define NAI_CAP_TX		BIT(3)	/* queues send too: the tx_*() of the ops */
/* Buffers of any length from rx_max_frame on, at any address: the hardware keeps
 * to the length of each. Without it none of a guest's own can be posted.
 */
#define NAI_CAP_SEED		BIT(4)

#define NAI_CAP_REQUIRED	(NAI_CAP_NO_HOL | NAI_CAP_CRC_STRIP)

/**
 * struct nai_caps - what a port's hardware can do; fixed while registered
 * @flags: NAI_CAP_*; NAI_CAP_REQUIRED must all be there
 * @max_fqs: frame queues that can be leased at one time
 * @rx_depth: buffers one queue can hold
 * @rx_buf_len: bytes the hardware may write into one posted buffer, at worst
 * @rx_max_frame: longest frame delivered, enforced by hardware, without FCS
 * @tx_depth: frames one queue can hold, with NAI_CAP_TX
 * @tx_max_frame: longest frame it sends, without FCS, with NAI_CAP_TX
 */
struct nai_caps {
	u32 flags;
	u16 max_fqs;
	u16 rx_depth;
	u16 rx_buf_len;
	u16 rx_max_frame;
	u16 tx_depth;
	u16 tx_max_frame;
};

/**
 * struct nai_rx_buf - a buffer for the hardware to fill
 * @dma: its address; so many bytes are mapped as the hardware may write
 * @len: that many; always rx_buf_len without NAI_CAP_SEED
 * @slot: the core's name of it, comes back in the completion
 */
struct nai_rx_buf {
	dma_addr_t dma;
	u16 len;
	u16 slot;
};

/* Flags of struct nai_rx_cpl and struct nai_frame. */
#define NAI_RX_CSUM_OK		BIT(0)	/* L4 checksum verified by hardware */
#define NAI_RX_ERR		BIT(1)	/* frame in error or not whole: discard */
#define NAI_RX_SEEDED		BIT(2)	/* struct nai_frame: in a buffer of the client's */

/**
 * struct nai_rx_cpl - a buffer that the hardware is done with
 * @slot: as it was posted
 * @len: bytes of the frame
 * @flags: NAI_RX_*
 */
struct nai_rx_cpl {
	u16 slot;
	u16 len;
	u16 flags;
};

/**
 * struct nai_tx_buf - a frame for the hardware to send
 * @dma: its address
 * @len: bytes of it, ETH_ZLEN at least, without FCS
 */
struct nai_tx_buf {
	dma_addr_t dma;
	u16 len;
};

/**
 * struct nai_hw_stats - what the hardware counted since fq_alloc; never goes back
 * @hw_drop_overruns: frames dropped because no buffer was posted
 * @irqs: interrupts taken
 */
struct nai_hw_stats {
	u64 hw_drop_overruns;
	u64 irqs;
};

struct nai_fq;
struct nai_port;

/**
 * struct nai_port_ops - what a provider implements
 *
 * All are mandatory but for the tx_*(), which are together with NAI_CAP_TX.
 *
 * No function may take RTNL or call back into NAI unless it says so.
 */
struct nai_port_ops {
	/**
	 * @fq_alloc: first call for a queue. RTNL held, hw_mutex not: the
	 * provider may reset the port here, and so call nai_port_down() and
	 * nai_port_up(). It tells its own number of the queue by
	 * nai_fq_set_index().
	 */
	int (*fq_alloc)(struct nai_port *port, struct nai_fq *fq,
			struct netlink_ext_ack *extack);
	/** @fq_free: last call for a queue. RTNL held, hw_mutex not. */
	void (*fq_free)(struct nai_fq *fq);

	/**
	 * @match_add: frames for a unicast MAC go to this queue from now on.
	 * RTNL held. The provider replays matches after a reset by itself.
	 */
	int (*match_add)(struct nai_fq *fq, const u8 *mac,
			 struct netlink_ext_ack *extack);
	/** @match_del: they go to the default queue again. RTNL held. */
	void (*match_del)(struct nai_fq *fq, const u8 *mac);

	/**
	 * @fq_start: leaves empty rings and a masked interrupt. hw_mutex
	 * held, may sleep.
	 */
	int (*fq_start)(struct nai_fq *fq);
	/**
	 * @fq_stop: on return the hardware does not touch any posted buffer,
	 * @rx_poll still returns what was completed, and nothing else is left
	 * posted. The same goes for frames to send and @tx_poll. Ends within
	 * 50 ms and may be repeated. hw_mutex held, may sleep.
	 */
	void (*fq_stop)(struct nai_fq *fq);

	/**
	 * @rx_post: returns how many it took, in order from the first.
	 * fq->rx_lock held; no sleeping.
	 */
	unsigned int (*rx_post)(struct nai_fq *fq, const struct nai_rx_buf *bufs,
				unsigned int n);
	/** @rx_kick: publishes them, once for a batch. rx_lock held. */
	void (*rx_kick)(struct nai_fq *fq);
	/**
	 * @rx_poll: returns finished frames in order, each exactly once; fewer
	 * than @budget when there are no more for now. rx_lock held.
	 */
	unsigned int (*rx_poll)(struct nai_fq *fq, struct nai_rx_cpl *cpls,
				unsigned int budget);

	/**
	 * @irq_arm: unmask after clearing stale causes, then look again. True
	 * says a frame is waiting and leaves the interrupt masked. rx_lock held.
	 */
	bool (*irq_arm)(struct nai_fq *fq);
	/** @irq_mask: rx_lock held. */
	void (*irq_mask)(struct nai_fq *fq);

	/** @get_stats: hw_mutex held, may sleep. */
	void (*get_stats)(struct nai_fq *fq, struct nai_hw_stats *stats);

	/**
	 * @tx_xmit: sends frames as they are, in order, and returns how many it
	 * took, from the first. No interrupt comes of it. fq->tx_lock held; no
	 * sleeping.
	 */
	unsigned int (*tx_xmit)(struct nai_fq *fq, const struct nai_tx_buf *bufs,
				unsigned int n);
	/**
	 * @tx_poll: returns how many more of them were sent, in order, since
	 * the last call. tx_lock held.
	 */
	unsigned int (*tx_poll)(struct nai_fq *fq);
};

/**
 * struct nai_port - a NIC port that lends frame queues; part of a driver's state
 * @dev: the port's netdev, set by the driver
 * @dma_dev: the device that frames are written by, set by the driver
 * @ops: set by the driver; not called after nai_port_unregister() returns
 * @caps: set by the driver
 * @hw_mutex: serialises fq_start, fq_stop, get_stats and the state of the fqs
 * @core: private to nai.ko; outlives the port
 */
struct nai_port {
	struct net_device *dev;
	struct device *dma_dev;
	const struct nai_port_ops *ops;
	struct nai_caps caps;

	struct mutex hw_mutex; /* Innermost but for rx_lock and tx_lock. */
	struct nai_port_core *core;
};

/* Driver side. */
int nai_port_register(struct nai_port *port, struct module *owner);
/* No RTNL. Detaches every lease without waiting for any guest. */
void nai_port_unregister(struct nai_port *port);
/* RTNL held. Around a reset: stop DMA and keep the leases; start and post again. */
void nai_port_down(struct nai_port *port);
void nai_port_up(struct nai_port *port);
/* Hard interrupt of a queue; the provider has masked it. */
void nai_fq_irq(struct nai_fq *fq);
/* The provider's own state of a queue, and its number. */
void nai_fq_set_priv(struct nai_fq *fq, void *priv);
void nai_fq_set_index(struct nai_fq *fq, u16 index);
void *nai_fq_priv(const struct nai_fq *fq);
struct nai_port *nai_fq_port(const struct nai_fq *fq);
bool nai_port_has_fqs(const struct nai_port *port);

/* Client side: the worker of one receive virtqueue, and of its transmit one. */

#define NAI_RX_BATCH	64

/**
 * struct nai_frame - a received frame, good until nai_rx_consume() gives it back
 * @data: its first byte, in kernel memory; NULL with NAI_RX_SEEDED
 * @len: bytes from there on, without FCS
 * @flags: NAI_RX_*
 * @seed: with NAI_RX_SEEDED, the client's name of the buffer it is in
 */
struct nai_frame {
	void *data;
	u16 len;
	u16 flags;
	u16 seed;
};

/**
 * struct nai_seed - a buffer of the guest's, for the hardware to write to
 * @page: where it begins; the client holds it, and what follows is contiguous
 * @offset: of its first byte, below PAGE_SIZE
 * @len: bytes, rx_max_frame of the port or more
 * @name: the client's, below the depth of the queue, and not in use
 */
struct nai_seed {
	struct page *page;
	u16 offset;
	u16 len;
	u16 name;
};

/**
 * struct nai_seed_report - what the client has made of mode seed
 * @level: the mode that it works in now
 * @bar: why that is not seed
 * @pinned: pages of the guest that it holds
 * @refused: descriptors that could not be posted, which frames are copied to
 * @returned: descriptors that went back unused, as the guest's to recycle
 * @rewound: descriptors that went back as if they had never been taken
 */
struct nai_seed_report {
	enum nai_mode level;
	enum nai_seed_bar bar;
	u32 pinned;
	u64 refused;
	u64 returned;
	u64 rewound;
};

/**
 * struct nai_client_ops - what a consumer implements
 */
struct nai_client_ops {
	/**
	 * @wake: run the worker. Any context. False: there is no worker any
	 * more, the interrupt stays masked.
	 */
	bool (*wake)(void *priv);
	/**
	 * @attach: use a queue. Process context, client->lock held, RTNL not
	 * held; takes vq->mutex. An error refuses the attachment.
	 */
	int (*attach)(void *priv, struct nai_fq *fq,
		      struct netlink_ext_ack *extack);
	/**
	 * @detach: stop using it. Context as of @attach. After return the
	 * client makes no nai_rx_*() or nai_tx_*() call on that queue, and it
	 * has taken back every seed: the hardware was stopped before.
	 */
	void (*detach)(void *priv, struct nai_fq *fq);
	/**
	 * @revoke: take back every seed; the hardware is stopped, and goes on
	 * with new ones. Context as of @attach. Only called for mode seed.
	 */
	void (*revoke)(void *priv, struct nai_fq *fq);
	/**
	 * @congestion: the stock of buffers changed its level. Called from
	 * nai_rx_*() below, so with vq->mutex held; rx_lock is not.
	 */
	void (*congestion)(void *priv, enum nai_congestion level);
};

struct nai_client;

/* For the tap queue that a backend was set to. Process context, may sleep, no
 * RTNL, no vq->mutex. Nothing is attached yet. ERR_PTR on failure.
 */
struct nai_client *nai_client_register(struct net_device *tap, u16 queue,
				       const struct nai_client_ops *ops, void *priv);
/* Detaches. No callback runs after return. NULL is fine. Same context. */
void nai_client_unregister(struct nai_client *client);

/* The worker's calls, vq->mutex held. */

/* Frames that wait, up to @n, oldest first; they stay until consumed. */
unsigned int nai_rx_peek(struct nai_fq *fq, struct nai_frame *frames,
			 unsigned int n);
/* The first @n frames of the last peek are done with; their buffers go back to
 * the hardware. @delivered of them reached the guest, with @bytes.
 */
void nai_rx_consume(struct nai_fq *fq, unsigned int n, unsigned int delivered,
		    u64 bytes);
/* The guest has no descriptor for the next frame. Settles the congestion level;
 * the interrupt stays masked until the guest's kick runs the worker again.
 */
void nai_rx_starved(struct nai_fq *fq);
/* Nothing waits: arm the interrupt. True: a frame came meanwhile, go on. */
bool nai_rx_idle(struct nai_fq *fq);
/* A frame was not delivered for a reason the client knows. */
void nai_rx_drop(struct nai_fq *fq, enum nai_drop_reason reason);

/* Sending: the worker of the same guest's transmit virtqueue, its vq->mutex held.
 * The worker reads each byte of the guest's memory once: first the head, then,
 * if that is to go by the queue, the rest to where nai_tx_begin() said.
 */

/* Flags of struct nai_tx_head. */
#define NAI_TX_GSO		BIT(0)	/* longer than it may be on the wire */
#define NAI_TX_CSUM		BIT(1)	/* the checksum is still to be filled in */

/**
 * struct nai_tx_head - what decides about a frame, in kernel memory
 * @eth: its first bytes
 * @len: of the whole frame, @eth included
 * @csum_start: with NAI_TX_CSUM, where the sum begins
 * @csum_offset: with NAI_TX_CSUM, where it goes, from there on
 * @flags: NAI_TX_*
 */
struct nai_tx_head {
	struct ethhdr eth;
	size_t len;
	u16 csum_start;
	u16 csum_offset;
	u16 flags;
};

/**
 * enum nai_tx_path - what is to become of a frame
 * @NAI_TX_QUEUE: the frame queue sends it
 * @NAI_TX_TAP: the tap takes it, as without a lease
 * @NAI_TX_DROPPED: it was, and counted
 * @NAI_TX_FULL: the queue will; try again a little later
 */
enum nai_tx_path {
	NAI_TX_QUEUE,
	NAI_TX_TAP,
	NAI_TX_DROPPED,
	NAI_TX_FULL,
};

/* Frames that nai_tx_flush() may have been left to do. */
#define NAI_TX_BATCH	64

/* Does this lease send? The answer never changes. */
bool nai_fq_sends(const struct nai_fq *fq);
/* With NAI_TX_QUEUE, the frame goes to @data, behind it nothing is written;
 * then, if all of it could be read, to nai_tx_commit().
 */
enum nai_tx_path nai_tx_begin(struct nai_fq *fq, const struct nai_tx_head *head,
			      void **data);
void nai_tx_commit(struct nai_fq *fq, const struct nai_tx_head *head);
/* What was committed goes out now. Before the worker rests; true: not all did,
 * again a little later.
 */
bool nai_tx_flush(struct nai_fq *fq);

/* Mode seed: the hardware writes to the guest's own buffers. The answer never
 * changes for a lease.
 */
bool nai_fq_takes_seeds(const struct nai_fq *fq);
/* So many names there are for them, and so long are they at least and at most. */
u16 nai_fq_depth(const struct nai_fq *fq);
u16 nai_fq_seed_min(const struct nai_fq *fq);
u16 nai_fq_seed_max(const struct nai_fq *fq);
/* How many the hardware has room for now; none while it is stopped. */
unsigned int nai_rx_room(struct nai_fq *fq);
/* Post them. Returns how many were taken, from the first: all, or none if the
 * queue was stopped meanwhile. They come back as frames, in the order in which
 * the hardware fills them, or by nai_rx_revoke().
 */
unsigned int nai_rx_seed(struct nai_fq *fq, const struct nai_seed *seeds,
			 unsigned int n);
/* Post of the core's own buffers no more than @pool, beside the seeds. The stock
 * is judged as if the queue could hold @reach buffers.
 */
void nai_rx_set_pool(struct nai_fq *fq, unsigned int pool, unsigned int reach);
/* In @revoke and @detach: all seeds are the client's again. Frames that wait in
 * some are dropped and counted.
 */
void nai_rx_revoke(struct nai_fq *fq);
/* What is to be shown of it. */
void nai_rx_report(struct nai_fq *fq, const struct nai_seed_report *report);

/* Is @seq among the @n indices before @end? If all of @n different ones are, they
 * are the last that were taken, without a hole, and can be given back as if they
 * had not been.
 */
static inline bool nai_seed_is_last(u16 seq, unsigned int n, u16 end)
{
	return (u16)(end - 1 - seq) < n;
}

/* Around a change that no seed may outlive: memory, features. Between the two no
 * seed is with the hardware, and no lease begins or ends. Context as of
 * nai_client_register().
 */
void nai_client_hold(struct nai_client *client);
void nai_client_resume(struct nai_client *client);
/* Any context, in a lease: one after the other, soon. */
void nai_client_recall(struct nai_client *client);

/* Any context: a failure that the client cannot go on with. Detaches soon, the
 * tap takes over; counted and told with the reason.
 */
void nai_client_fail(struct nai_client *client, enum nai_detach_reason reason);

#endif /* _NET_NAI_H */
