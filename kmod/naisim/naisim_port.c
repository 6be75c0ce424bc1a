// SPDX-License-Identifier: GPL-2.0-only
/*
 * The software NIC as a provider of frame queues.
 *
 * DOC: locking
 *
 * RTNL guards the leases and orders changes of the addresses; match_lock lets
 * the engine read those. hw_mutex guards start and stop, the frame queue's
 * rx_lock next_to_use and next_to_clean; a queue's own lock keeps the engine out
 * (naisim_engine.c). The interrupt takes no lock: it reads queue->fq, which is
 * set before it is first armed and cleared with it masked, then waited for.
 */

#include <linux/etherdevice.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#include "naisim.h"

/* Interrupts */

static void naisim_irq(struct irq_work *work)
{
	struct naisim_queue *queue;
	struct nai_fq *fq;

	queue = container_of(work, struct naisim_queue, irq);
	fq = READ_ONCE(queue->fq);
	naisim_count(queue->sim, NAISIM_IRQS);
	atomic64_inc(&queue->irqs);
	/* The engine has masked it. */
	if (fq)
		nai_fq_irq(fq);
}

static void naisim_irq_mask(struct nai_fq *fq)
{
	struct naisim_queue *queue = nai_fq_priv(fq);

	WRITE_ONCE(queue->armed, false);
}

static bool naisim_irq_arm(struct nai_fq *fq)
{
	struct naisim_queue *queue = nai_fq_priv(fq);

	WRITE_ONCE(queue->armed, true);
	/* Either the engine sees it armed, or this sees the frame. */
	smp_mb();
	if (READ_ONCE(queue->done) == queue->next_to_clean)
		return false;
	WRITE_ONCE(queue->armed, false);
	return true;
}

/* Ring */

static unsigned int naisim_rx_post(struct nai_fq *fq,
				   const struct nai_rx_buf *bufs,
				   unsigned int n)
{
	struct naisim_queue *queue = nai_fq_priv(fq);
	struct naisim_desc *desc;
	unsigned int done;

	for (done = 0; done < n; done++) {
		if (queue->next_to_use - queue->next_to_clean == NAISIM_DEPTH)
			break;
		desc = &queue->ring[queue->next_to_use++ % NAISIM_DEPTH];
		desc->dma = bufs[done].dma;
		desc->room = bufs[done].len;
		desc->slot = bufs[done].slot;
	}
	return done;
}

static void naisim_rx_kick(struct nai_fq *fq)
{
	struct naisim_queue *queue = nai_fq_priv(fq);

	/* The descriptors must be in memory before the engine reads them. */
	smp_store_release(&queue->tail, queue->next_to_use);
}

/* A completion that comes twice does so in one poll, before the core can post
 * the buffer again.
 */
static unsigned int naisim_rx_poll(struct nai_fq *fq, struct nai_rx_cpl *cpls,
				   unsigned int budget)
{
	struct naisim_queue *queue = nai_fq_priv(fq);
	struct naisim_desc *desc;
	unsigned int done = 0;
	u32 end;

	/* Nothing of a descriptor may be read before it is completed. */
	end = smp_load_acquire(&queue->done);
	while (queue->next_to_clean != end && done < budget) {
		desc = &queue->ring[queue->next_to_clean++ % NAISIM_DEPTH];
		cpls[done].slot = desc->slot;
		cpls[done].len = desc->len;
		cpls[done].flags = desc->flags;
		done++;
		if (done < budget &&
		    naisim_take(queue->sim, NAISIM_KNOB_DUPLICATE)) {
			cpls[done] = cpls[done - 1];
			done++;
		}
	}
	return done;
}

/* Start and stop */

static int naisim_fq_start(struct nai_fq *fq)
{
	struct naisim_queue *queue = nai_fq_priv(fq);

	lockdep_assert_held(&nai_fq_port(fq)->hw_mutex);

	if (naisim_take(queue->sim, NAISIM_KNOB_FAIL_FQ_START))
		return -EIO;

	spin_lock(&queue->lock);
	queue->next_to_use = 0;
	queue->next_to_clean = 0;
	queue->tail = 0;
	queue->done = 0;
	queue->head = 0;
	queue->held = 0;
	naisim_tx_reset(queue);
	WRITE_ONCE(queue->enabled, true);
	spin_unlock(&queue->lock);
	WRITE_ONCE(queue->armed, false);
	return 0;
}

/* The engine has fetched the next descriptor already, and will write to it. */
static void naisim_begin_late(struct naisim_queue *queue)
{
	u32 delay = naisim_knob(queue->sim, NAISIM_KNOB_STOP_DELAY_US);
	struct naisim_late *late = &queue->late;
	u32 tail;

	lockdep_assert_held(&queue->lock);

	/* Nothing of a descriptor may be read before it is published. */
	tail = smp_load_acquire(&queue->tail);
	if (!delay || late->pending || queue->head == tail)
		return;
	late->dma = queue->ring[queue->head % NAISIM_DEPTH].dma;
	late->room = queue->ring[queue->head % NAISIM_DEPTH].room;
	late->at = ktime_add_us(ktime_get(), delay);
	late->lied = false;
	WRITE_ONCE(late->pending, true);
	atomic_inc(&queue->sim->late);
}

/* What was kept back until now is lost, as hardware loses what it has written
 * but not reported. The core takes the buffers back.
 */
static void naisim_drop_held(struct naisim_queue *queue)
{
	spin_lock(&queue->lock);
	atomic64_add(queue->head - queue->done,
		     &queue->sim->counts[NAISIM_HELD_LOST]);
	queue->head = queue->done;
	queue->held = 0;
	spin_unlock(&queue->lock);
}

static void naisim_fq_stop(struct nai_fq *fq)
{
	struct naisim_queue *queue = nai_fq_priv(fq);
	struct naisim *sim = queue->sim;
	bool lie = naisim_knob(sim, NAISIM_KNOB_STOP_LIES);

	lockdep_assert_held(&nai_fq_port(fq)->hw_mutex);

	spin_lock(&queue->lock);
	if (queue->enabled)
		naisim_begin_late(queue);
	WRITE_ONCE(queue->enabled, false);
	if (lie && queue->late.pending && !queue->late.lied) {
		queue->late.lied = true;
		naisim_count(sim, NAISIM_LIES);
	}
	spin_unlock(&queue->lock);
	WRITE_ONCE(queue->armed, false);

	wake_up(&sim->work);
	if (!lie)
		wait_event(sim->stopped, !READ_ONCE(queue->late.pending));
	irq_work_sync(&queue->irq);
	naisim_drop_held(queue);
}

static void naisim_get_stats(struct nai_fq *fq, struct nai_hw_stats *stats)
{
	struct naisim_queue *queue = nai_fq_priv(fq);

	lockdep_assert_held(&nai_fq_port(fq)->hw_mutex);

	stats->hw_drop_overruns = atomic64_read(&queue->drops);
	stats->irqs = atomic64_read(&queue->irqs);
}

/* Leases */

static struct naisim_queue *naisim_free_queue(struct naisim *sim)
{
	unsigned int i;

	for (i = 0; i < sim->nr_queues; i++)
		if (!sim->queues[i].fq)
			return &sim->queues[i];
	return NULL;
}

static int naisim_fq_alloc(struct nai_port *port, struct nai_fq *fq,
			   struct netlink_ext_ack *extack)
{
	struct naisim *sim = container_of(port, struct naisim, nai);
	struct naisim_queue *queue;

	ASSERT_RTNL();

	if (naisim_take(sim, NAISIM_KNOB_FAIL_FQ_ALLOC)) {
		NL_SET_ERR_MSG(extack, "The port was told to fail");
		return -ENOMEM;
	}
	if (sim->port->mtu > ETH_DATA_LEN) {
		NL_SET_ERR_MSG(extack,
			       "Frame queues do not take frames for an MTU above 1500");
		return -EINVAL;
	}
	queue = naisim_free_queue(sim);
	if (!queue) {
		NL_SET_ERR_MSG(extack, "All frame queues are on lease");
		return -ENOSPC;
	}
	queue->ring = kvcalloc(NAISIM_DEPTH, sizeof(*queue->ring), GFP_KERNEL);
	if (!queue->ring)
		return -ENOMEM;
	if (naisim_tx_alloc(queue)) {
		kvfree(queue->ring);
		queue->ring = NULL;
		return -ENOMEM;
	}

	atomic64_set(&queue->drops, 0);
	atomic64_set(&queue->irqs, 0);
	nai_fq_set_priv(fq, queue);
	nai_fq_set_index(fq, queue - sim->queues);
	WRITE_ONCE(queue->fq, fq);
	return 0;
}

static void naisim_fq_free(struct nai_fq *fq)
{
	struct naisim_queue *queue = nai_fq_priv(fq);

	ASSERT_RTNL();

	WRITE_ONCE(queue->fq, NULL);
	irq_work_sync(&queue->irq);
	naisim_tx_free(queue);
	kvfree(queue->ring);
	queue->ring = NULL;
}

/* Addresses */

bool naisim_is_matched(struct naisim *sim, const u8 *mac)
{
	unsigned int i;

	ASSERT_RTNL();

	for (i = 0; i < NAISIM_MAX_FQS; i++)
		if (sim->matches[i].queue &&
		    ether_addr_equal(sim->matches[i].mac, mac))
			return true;
	return false;
}

static int naisim_match_add(struct nai_fq *fq, const u8 *mac,
			    struct netlink_ext_ack *extack)
{
	struct naisim_queue *queue = nai_fq_priv(fq);
	struct naisim *sim = queue->sim;
	unsigned int i = 0;

	if (naisim_is_matched(sim, mac) ||
	    ether_addr_equal(mac, sim->port->dev_addr)) {
		NL_SET_ERR_MSG(extack,
			       "The port itself or another frame queue has this MAC address");
		return -EADDRINUSE;
	}
	while (i < NAISIM_MAX_FQS && sim->matches[i].queue)
		i++;
	if (i == NAISIM_MAX_FQS || naisim_take(sim, NAISIM_KNOB_FAIL_MAP)) {
		NL_SET_ERR_MSG(extack, "The port's MAC filters are all in use");
		return -ENOSPC;
	}

	spin_lock(&sim->match_lock);
	ether_addr_copy(sim->matches[i].mac, mac);
	sim->matches[i].queue = queue;
	spin_unlock(&sim->match_lock);
	return 0;
}

static void naisim_match_del(struct nai_fq *fq, const u8 *mac)
{
	struct naisim_queue *queue = nai_fq_priv(fq);
	struct naisim *sim = queue->sim;
	unsigned int i;

	ASSERT_RTNL();

	spin_lock(&sim->match_lock);
	for (i = 0; i < NAISIM_MAX_FQS; i++)
		if (sim->matches[i].queue == queue &&
		    ether_addr_equal(sim->matches[i].mac, mac))
			sim->matches[i].queue = NULL;
	spin_unlock(&sim->match_lock);
}

const struct nai_port_ops naisim_port_ops = {
	.fq_alloc	= naisim_fq_alloc,
	.fq_free	= naisim_fq_free,
	.match_add	= naisim_match_add,
	.match_del	= naisim_match_del,
	.fq_start	= naisim_fq_start,
	.fq_stop	= naisim_fq_stop,
	.rx_post	= naisim_rx_post,
	.rx_kick	= naisim_rx_kick,
	.rx_poll	= naisim_rx_poll,
	.irq_arm	= naisim_irq_arm,
	.irq_mask	= naisim_irq_mask,
	.get_stats	= naisim_get_stats,
	.tx_xmit	= naisim_tx_xmit,
	.tx_poll	= naisim_tx_poll,
};

void naisim_queues_init(struct naisim *sim)
{
	struct naisim_queue *queue;
	unsigned int i;

	spin_lock_init(&sim->match_lock);
	for (i = 0; i < sim->nr_queues; i++) {
		queue = &sim->queues[i];
		queue->sim = sim;
		spin_lock_init(&queue->lock);
		init_irq_work(&queue->irq, naisim_irq);
	}
}
