// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engine of a software NIC: a thread that takes frames from the cable and
 * writes them to posted buffers, as a NIC does by DMA.
 *
 * DOC: what it writes
 *
 * A buffer is reached by its DMA address alone. The frame comes first, then
 * NAISIM_CANARY up to the end of the buffer, as hardware may leave anything there;
 * never more. Then the completion, then the interrupt, if
 * it is armed. Frames of one queue stay in order.
 *
 * DOC: locking
 *
 * A queue's lock is held from the check that it is enabled to the completion, so
 * whoever disables it under that lock knows that nothing is written afterwards.
 * A late write (see the knob stop_delay_us) is the exception that fq_stop() waits
 * for. The descriptors pass between driver and engine without a lock: tail
 * publishes them, done returns them. The thread takes no RTNL and no hw_mutex,
 * so both may be held while it is waited for.
 */

#include <linux/delay.h>
#include <linux/dma-direct.h>
#include <linux/etherdevice.h>
#include <linux/kthread.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/netdev_queues.h>

#include "naisim.h"

/* Frames that are on the cable before the sender has to wait. */
#define NAISIM_CABLE	256

/* The cable */

static int naisim_cable_room(const struct naisim *sim)
{
	return NAISIM_CABLE - (int)skb_queue_len_lockless(&sim->cable);
}

/* Nothing is lost on a cable: a sender that is faster than the engine waits. */
netdev_tx_t naisim_cable_send(struct naisim *sim, struct sk_buff *skb)
{
	struct net_device *wire = sim->wire;

	if (!pskb_may_pull(skb, ETH_HLEN)) {
		kfree_skb(skb);
		dev_core_stats_tx_dropped_inc(wire);
		return NETDEV_TX_OK;
	}
	/* Frees it on failure. */
	if (eth_skb_pad(skb)) {
		dev_core_stats_tx_dropped_inc(wire);
		return NETDEV_TX_OK;
	}

	skb_tx_timestamp(skb);
	dev_sw_netstats_tx_add(wire, 1, skb->len);
	skb_queue_tail(&sim->cable, skb);
	netif_txq_maybe_stop(netdev_get_tx_queue(wire, 0),
			     naisim_cable_room(sim), 1, NAISIM_CABLE / 2);
	wake_up(&sim->work);
	return NETDEV_TX_OK;
}

static void naisim_cable_wake(struct naisim *sim)
{
	/* Either this sees the queue stopped, or the sender sees the room. */
	smp_mb();
	if (netif_queue_stopped(sim->wire) && netif_running(sim->wire) &&
	    naisim_cable_room(sim) >= NAISIM_CABLE / 2)
		netif_wake_queue(sim->wire);
}

/* Buffers */

static void naisim_write(struct naisim *sim, dma_addr_t dma, u16 room,
			 const struct sk_buff *skb)
{
	u8 *buf = phys_to_virt(dma_to_phys(sim->nai.dma_dev, dma));
	unsigned int len = skb ? skb->len : 0;

	if (skb)
		skb_copy_bits(skb, 0, buf, len);
	memset(buf + len, NAISIM_CANARY, room - len);
}

/* Completions that are wrong, as often as they were asked for. */
static void naisim_spoil(struct naisim *sim, struct naisim_desc *desc)
{
	if (naisim_take(sim, NAISIM_KNOB_TRUNCATE))
		desc->len = ETH_HLEN - 1;
	if (naisim_take(sim, NAISIM_KNOB_OVERSIZE))
		desc->len = NAISIM_BUF_LEN + 1;
	if (naisim_take(sim, NAISIM_KNOB_RX_ERROR))
		desc->flags |= NAI_RX_ERR;
	if (naisim_take(sim, NAISIM_KNOB_CSUM_OK))
		desc->flags |= NAI_RX_CSUM_OK;
}

static void naisim_publish(struct naisim_queue *queue)
{
	struct naisim *sim = queue->sim;

	lockdep_assert_held(&queue->lock);

	/* The frame must be in memory before the driver may look at it. */
	smp_store_release(&queue->done, queue->head);
	/* Either irq_arm() sees the frame, or this sees that it has armed. */
	smp_mb();
	if (!READ_ONCE(queue->armed))
		return;
	if (naisim_take(sim, NAISIM_KNOB_LOSE_IRQ)) {
		naisim_count(sim, NAISIM_IRQS_LOST);
		return;
	}
	if (xchg(&queue->armed, false))
		irq_work_queue(&queue->irq);
}

/* A frame that was never whole has no skb. */
static void naisim_complete(struct naisim_queue *queue,
			    const struct sk_buff *skb)
{
	struct naisim_desc *desc;

	lockdep_assert_held(&queue->lock);

	desc = &queue->ring[queue->head++ % NAISIM_DEPTH];
	desc->len = skb ? skb->len : 0;
	desc->flags = skb ? 0 : NAI_RX_ERR;
	if (skb)
		naisim_spoil(queue->sim, desc);

	/* Completions are in order: one that is kept back keeps back the rest. */
	if (naisim_take(queue->sim, NAISIM_KNOB_HOLD))
		queue->held++;
	if (!queue->held)
		naisim_publish(queue);
}

/* What was kept back comes now. */
void naisim_queue_release(struct naisim_queue *queue)
{
	spin_lock(&queue->lock);
	if (queue->held) {
		queue->held = 0;
		naisim_publish(queue);
	}
	spin_unlock(&queue->lock);
}

/* Late writes */

/* Return: the frame, if there was one and it has been written. */
static struct sk_buff *naisim_write_late(struct naisim_queue *queue)
{
	struct naisim_late *late = &queue->late;
	struct naisim *sim = queue->sim;
	struct sk_buff *skb = late->skb;

	lockdep_assert_held(&queue->lock);

	naisim_write(sim, late->dma, late->room, skb);
	naisim_count(sim, NAISIM_LATE_WRITES);
	if (late->lied) {
		/* The ring may be gone, or another. */
		naisim_count(sim, NAISIM_LIE_WRITES);
		if (skb)
			naisim_count(sim, NAISIM_FQ_STOPPED);
	} else {
		naisim_complete(queue, skb);
		if (skb)
			naisim_count(sim, NAISIM_FQ_FRAMES);
	}
	late->skb = NULL;
	WRITE_ONCE(late->pending, false);
	atomic_dec(&sim->late);
	return skb;
}

static void naisim_finish_late(struct naisim *sim)
{
	struct naisim_queue *queue;
	struct sk_buff *skb = NULL;
	unsigned int i;

	for (i = 0; i < sim->nr_queues; i++) {
		queue = &sim->queues[i];
		spin_lock(&queue->lock);
		if (queue->late.pending &&
		    ktime_compare(ktime_get(), queue->late.at) >= 0)
			skb = naisim_write_late(queue);
		spin_unlock(&queue->lock);
		consume_skb(skb);
		skb = NULL;
	}
	wake_up(&sim->stopped);
}

/* Frames */

/* Return: what became of the frame; it is the caller's. */
static enum naisim_count naisim_fill(struct naisim_queue *queue,
				     const struct sk_buff *skb)
{
	const struct naisim_desc *desc;
	u32 i = queue->head;

	lockdep_assert_held(&queue->lock);

	/* No buffer is shorter than this. */
	if (skb->len > NAISIM_MAX_FRAME)
		return NAISIM_FQ_TOO_LONG;
	if (!queue->enabled)
		return NAISIM_FQ_STOPPED;
	/* Nothing of a descriptor may be read before it is published. */
	if (i == smp_load_acquire(&queue->tail)) {
		atomic64_inc(&queue->drops);
		return NAISIM_FQ_OVERRUNS;
	}
	desc = &queue->ring[i % NAISIM_DEPTH];
	naisim_write(queue->sim, desc->dma, desc->room, skb);
	naisim_complete(queue, skb);
	return NAISIM_FQ_FRAMES;
}

static void naisim_to_queue(struct naisim_queue *queue, struct sk_buff *skb)
{
	struct naisim_late *late = &queue->late;
	enum naisim_count became;
	bool kept = false;

	spin_lock(&queue->lock);
	became = naisim_fill(queue, skb);
	if (became == NAISIM_FQ_STOPPED && late->pending && !late->skb) {
		late->skb = skb;
		kept = true;
	}
	spin_unlock(&queue->lock);
	if (kept)
		return;

	naisim_count(queue->sim, became);
	if (became == NAISIM_FQ_FRAMES)
		consume_skb(skb);
	else
		kfree_skb(skb);
}

/* The port's own receive queue. */
static void naisim_to_port(struct naisim *sim, struct sk_buff *skb)
{
	unsigned int len = skb->len;

	local_bh_disable();
	if (dev_forward_skb(sim->port, skb) == NET_RX_SUCCESS) {
		dev_sw_netstats_rx_add(sim->port, len);
		naisim_count(sim, NAISIM_PORT_FRAMES);
	} else {
		naisim_count(sim, NAISIM_PORT_DROPS);
	}
	local_bh_enable();
}

static struct naisim_queue *naisim_find(struct naisim *sim, const u8 *mac)
{
	struct naisim_queue *queue = NULL;
	unsigned int i;

	spin_lock(&sim->match_lock);
	for (i = 0; i < NAISIM_MAX_FQS && !queue; i++)
		if (sim->matches[i].queue &&
		    ether_addr_equal(sim->matches[i].mac, mac))
			queue = sim->matches[i].queue;
	spin_unlock(&sim->match_lock);
	return queue;
}

static void naisim_receive(struct naisim *sim, struct sk_buff *skb)
{
	struct naisim_queue *queue;

	naisim_count(sim, NAISIM_WIRE_FRAMES);
	if (!READ_ONCE(sim->up)) {
		naisim_count(sim, NAISIM_NO_LINK);
		kfree_skb(skb);
		return;
	}
	queue = naisim_find(sim, skb->data);
	if (queue)
		naisim_to_queue(queue, skb);
	else
		naisim_to_port(sim, skb);
}

/* The thread */

static bool naisim_has_work(struct naisim *sim)
{
	return !skb_queue_empty_lockless(&sim->cable) ||
	       atomic_read(&sim->late) || naisim_tx_pending(sim) ||
	       kthread_should_stop();
}

static void naisim_pause(struct naisim *sim)
{
	u32 delay = naisim_knob(sim, NAISIM_KNOB_ENGINE_DELAY_US);

	if (delay)
		usleep_range(delay, delay + delay / 8 + 1);
}

int naisim_engine(void *data)
{
	struct naisim *sim = data;
	struct sk_buff *skb;
	bool sent;

	while (!kthread_should_stop()) {
		if (atomic_read(&sim->late))
			naisim_finish_late(sim);
		sent = naisim_tx_run(sim);
		if (sent)
			naisim_pause(sim);
		skb = skb_dequeue(&sim->cable);
		if (skb) {
			naisim_cable_wake(sim);
			naisim_pause(sim);
			naisim_receive(sim, skb);
			cond_resched();
		} else if (sent) {
			cond_resched();
		} else if (atomic_read(&sim->late)) {
			usleep_range(20, 50);
		} else if (naisim_tx_pending(sim)) {
			/* It stalls, until it is told not to. */
			usleep_range(200, 500);
		} else {
			wait_event_idle(sim->work, naisim_has_work(sim));
		}
	}
	return 0;
}
