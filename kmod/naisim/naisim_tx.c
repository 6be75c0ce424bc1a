// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sending side of a software NIC's frame queues: a ring that the driver
 * fills, and from which the engine reads frames by their DMA address and lays
 * them on the cable.
 *
 * DOC: locking
 *
 * The frame queue's tx_lock guards next_to_use and next_to_clean. The queue's own
 * lock keeps the engine out of a queue that is stopped, as it does for buffers
 * to be filled (naisim_engine.c), but for a look from time to time whether there
 * is a frame at all. Descriptors pass without a lock: tail publishes them, done
 * returns them.
 */

#include <linux/dma-direct.h>
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/slab.h>

#include "naisim.h"

/* The driver */

int naisim_tx_alloc(struct naisim_queue *queue)
{
	queue->tx.ring = kvcalloc(NAISIM_DEPTH, sizeof(*queue->tx.ring),
				  GFP_KERNEL);
	return queue->tx.ring ? 0 : -ENOMEM;
}

void naisim_tx_free(struct naisim_queue *queue)
{
	kvfree(queue->tx.ring);
	queue->tx.ring = NULL;
}

void naisim_tx_reset(struct naisim_queue *queue)
{
	struct naisim_tx *tx = &queue->tx;

	lockdep_assert_held(&queue->lock);

	tx->next_to_use = 0;
	tx->next_to_clean = 0;
	WRITE_ONCE(tx->head, 0);
	WRITE_ONCE(tx->done, 0);
	WRITE_ONCE(tx->tail, 0);
}

unsigned int naisim_tx_xmit(struct nai_fq *fq, const struct nai_tx_buf *bufs,
			    unsigned int n)
{
	struct naisim_queue *queue = nai_fq_priv(fq);
	struct naisim_tx *tx = &queue->tx;
	unsigned int done;

	if (naisim_take(queue->sim, NAISIM_KNOB_TX_REFUSE))
		return 0;
	for (done = 0; done < n; done++) {
		if (tx->next_to_use - tx->next_to_clean == NAISIM_DEPTH)
			break;
		tx->ring[tx->next_to_use++ % NAISIM_DEPTH] = bufs[done];
	}
	/* The descriptors must be in memory before the engine reads them. */
	smp_store_release(&tx->tail, tx->next_to_use);
	wake_up(&queue->sim->work);
	return done;
}

unsigned int naisim_tx_poll(struct nai_fq *fq)
{
	struct naisim_queue *queue = nai_fq_priv(fq);
	struct naisim_tx *tx = &queue->tx;
	unsigned int n;

	/* A slot may be written again once it was returned. */
	n = smp_load_acquire(&tx->done) - tx->next_to_clean;
	tx->next_to_clean += n;
	if (n && naisim_take(queue->sim, NAISIM_KNOB_TX_EXCESS))
		return NAISIM_DEPTH + 1;
	return n;
}

/* The engine */

static bool naisim_tx_has_frame(struct naisim_queue *queue)
{
	return READ_ONCE(queue->enabled) &&
	       READ_ONCE(queue->tx.head) != READ_ONCE(queue->tx.tail);
}

bool naisim_tx_pending(struct naisim *sim)
{
	unsigned int i;

	for (i = 0; i < sim->nr_queues; i++)
		if (naisim_tx_has_frame(&sim->queues[i]))
			return true;
	return false;
}

/* Return: whether there was a frame. */
static bool naisim_tx_fetch(struct naisim_queue *queue, struct sk_buff *skb)
{
	struct naisim_tx *tx = &queue->tx;
	const struct nai_tx_buf *buf;
	bool found = false;

	spin_lock(&queue->lock);
	/* Nothing of a descriptor may be read before it is published. */
	if (queue->enabled && tx->head != smp_load_acquire(&tx->tail)) {
		buf = &tx->ring[tx->head % NAISIM_DEPTH];
		skb_put_data(skb,
			     phys_to_virt(dma_to_phys(queue->sim->nai.dma_dev,
						      buf->dma)),
			     buf->len);
		WRITE_ONCE(tx->head, tx->head + 1);
		/* The frame was read before its slot is returned. */
		smp_store_release(&tx->done, tx->head);
		found = true;
	}
	spin_unlock(&queue->lock);
	return found;
}

static void naisim_tx_to_wire(struct naisim *sim, struct sk_buff *skb)
{
	unsigned int len = skb->len;

	local_bh_disable();
	/* Frees it on failure. */
	if (dev_forward_skb(sim->wire, skb) == NET_RX_SUCCESS) {
		dev_sw_netstats_rx_add(sim->wire, len);
		naisim_count(sim, NAISIM_FQ_TX_FRAMES);
	} else {
		naisim_count(sim, NAISIM_FQ_TX_DROPS);
	}
	local_bh_enable();
}

/* Return: whether a frame of the queue was sent. */
static bool naisim_tx_one(struct naisim_queue *queue)
{
	struct naisim *sim = queue->sim;
	struct sk_buff *skb;

	if (!naisim_tx_has_frame(queue))
		return false;
	skb = alloc_skb(NAISIM_MAX_FRAME + NET_IP_ALIGN, GFP_KERNEL);
	if (!skb)
		return false;
	skb_reserve(skb, NET_IP_ALIGN);
	skb->dev = sim->port;
	if (!naisim_tx_fetch(queue, skb)) {
		kfree_skb(skb);
		return false;
	}
	naisim_tx_to_wire(sim, skb);
	return true;
}

/* A frame of each queue. Return: whether there was any. */
bool naisim_tx_run(struct naisim *sim)
{
	bool any = false;
	unsigned int i;

	if (naisim_knob(sim, NAISIM_KNOB_TX_STALL))
		return false;
	for (i = 0; i < sim->nr_queues; i++)
		any |= naisim_tx_one(&sim->queues[i]);
	return any;
}
