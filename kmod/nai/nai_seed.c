// SPDX-License-Identifier: GPL-2.0-only
/*
 * Seeds: buffers of the guest's own memory, which the hardware of a leased
 * queue writes to.
 *
 * DOC: locking
 *
 * As nai_fq.c: rx_lock guards the slots. Whose a page is does not depend on a
 * lock: the client holds it from before nai_rx_seed() until the seed has come
 * back, as a frame or by nai_rx_revoke().
 *
 * DOC: life of a seed
 *
 * void -> free: nai_rx_seed(); it waits in fq->again.
 * free -> posted: nai_seed_post(), to the hardware; it has a DMA address now.
 * posted -> ready: a frame is in it; no DMA address any more.
 * posted -> free: the frame was in error, or the hardware was stopped.
 * ready -> void: nai_rx_consume(); it is the client's again.
 * free, ready -> void: nai_rx_revoke().
 *
 * A seed has a DMA address only while the hardware may write to it. So a port
 * that goes away finds none once its queues are stopped, and need not wait for
 * a guest. A reset posts the same seeds again, and the guest does not notice.
 */

#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "nai_core.h"

/**
 * nai_seed_check - can the hardware write to any buffer of a guest's?
 * @core: of the port
 * @extack: why not
 *
 * A buffer of a guest's shares cache lines with its header, which is the
 * worker's, and with whatever the guest has beside it. So DMA has to be coherent
 * for all there is. And where a buffer is out of reach it could only be bounced,
 * which is to copy.
 *
 * Return: 0 or -EOPNOTSUPP.
 */
int nai_seed_check(const struct nai_port_core *core,
		   struct netlink_ext_ack *extack)
{
	if (!(core->caps.flags & NAI_CAP_SEED)) {
		NL_SET_ERR_MSG(extack,
			       "the port's hardware cannot write to the guest's own buffers; mode copy can be had");
		return -EOPNOTSUPP;
	}
	if (dma_get_cache_alignment() > 1 ||
	    dma_addressing_limited(core->dma_dev)) {
		NL_SET_ERR_MSG(extack,
			       "the port's DMA does not reach the guest's own buffers as they are; mode copy can be had");
		return -EOPNOTSUPP;
	}
	return 0;
}

/* To the hardware */

static bool nai_seed_map(struct nai_fq *fq, struct nai_slot *slot)
{
	struct device *dev = fq->core->dma_dev;

	/* Without this attribute a bounce buffer would be copied back whole,
	 * also where the hardware has written nothing.
	 */
	slot->dma = dma_map_page_attrs(dev, slot->page, slot->offset, slot->len,
				       DMA_FROM_DEVICE, DMA_ATTR_SKIP_CPU_SYNC);
	if (dma_mapping_error(dev, slot->dma))
		return false;
	dma_sync_single_for_device(dev, slot->dma, slot->len, DMA_FROM_DEVICE);
	return true;
}

/**
 * nai_seed_unmap - the hardware writes to a seed no more
 * @fq: its queue
 * @slot: completed, or the hardware was stopped
 */
void nai_seed_unmap(struct nai_fq *fq, struct nai_slot *slot)
{
	lockdep_assert_held(&fq->rx_lock);

	dma_unmap_page_attrs(fq->core->dma_dev, slot->dma, slot->len,
			     DMA_FROM_DEVICE, DMA_ATTR_SKIP_CPU_SYNC);
}

/**
 * nai_seed_again - keep a seed to be posted
 * @fq: its queue
 * @index: its slot, which has no DMA address
 */
void nai_seed_again(struct nai_fq *fq, u16 index)
{
	lockdep_assert_held(&fq->rx_lock);

	fq->slots[index].state = NAI_SLOT_FREE;
	fq->again[fq->nr_again++] = index;
}

static unsigned int nai_seed_post_batch(struct nai_fq *fq)
{
	unsigned int room = fq->depth - fq->posted;
	struct nai_rx_buf bufs[NAI_RX_BATCH];
	unsigned int i, n, taken;
	struct nai_slot *slot;

	room = min3(fq->nr_again, room, (unsigned int)NAI_RX_BATCH);
	for (n = 0; n < room; n++) {
		bufs[n].slot = fq->again[fq->nr_again - 1 - n];
		slot = &fq->slots[bufs[n].slot];
		if (!nai_seed_map(fq, slot))
			break;
		bufs[n].dma = slot->dma;
		bufs[n].len = slot->len;
	}
	taken = n ? fq->ops->rx_post(fq, bufs, n) : 0;
	if (WARN_ON_ONCE(taken > n))
		taken = n;
	for (i = 0; i < taken; i++)
		fq->slots[bufs[i].slot].state = NAI_SLOT_POSTED;
	for (; i < n; i++)
		nai_seed_unmap(fq, &fq->slots[bufs[i].slot]);
	fq->nr_again -= taken;
	fq->posted += taken;
	return taken;
}

/**
 * nai_seed_post - give the hardware the seeds that wait for it
 * @fq: running
 *
 * Return: how many it took.
 */
unsigned int nai_seed_post(struct nai_fq *fq)
{
	unsigned int taken, total = 0;

	lockdep_assert_held(&fq->rx_lock);

	do {
		taken = nai_seed_post_batch(fq);
		total += taken;
	} while (taken);
	return total;
}

/* The client's calls */

/**
 * nai_fq_takes_seeds - is this a lease in mode seed?
 * @fq: on lease to the caller
 *
 * Return: true if so.
 */
bool nai_fq_takes_seeds(const struct nai_fq *fq)
{
	return fq->nr_slots > fq->depth;
}
EXPORT_SYMBOL_GPL(nai_fq_takes_seeds);

/**
 * nai_fq_depth - how many buffers a queue can hold
 * @fq: on lease to the caller
 *
 * Return: that many.
 */
u16 nai_fq_depth(const struct nai_fq *fq)
{
	return fq->depth;
}
EXPORT_SYMBOL_GPL(nai_fq_depth);

/**
 * nai_fq_seed_min - what a seed has to have room for
 * @fq: on lease to the caller
 *
 * Return: bytes.
 */
u16 nai_fq_seed_min(const struct nai_fq *fq)
{
	return fq->core->caps.rx_max_frame;
}
EXPORT_SYMBOL_GPL(nai_fq_seed_min);

/**
 * nai_fq_seed_max - what the hardware can make use of
 * @fq: on lease to the caller
 *
 * Return: bytes.
 */
u16 nai_fq_seed_max(const struct nai_fq *fq)
{
	return fq->core->caps.rx_buf_len;
}
EXPORT_SYMBOL_GPL(nai_fq_seed_max);

/**
 * nai_rx_room - for how many seeds the hardware has room
 * @fq: on lease to the caller
 *
 * Context: the worker, process context.
 * Return: that many, none while the queue is stopped.
 */
unsigned int nai_rx_room(struct nai_fq *fq)
{
	unsigned int room = 0;

	spin_lock(&fq->rx_lock);
	if (fq->state == NAI_FQ_STATE_RUNNING &&
	    fq->posted + fq->nr_again < fq->depth)
		room = fq->depth - fq->posted - fq->nr_again;
	spin_unlock(&fq->rx_lock);
	return room;
}
EXPORT_SYMBOL_GPL(nai_rx_room);

static bool nai_seed_put(struct nai_fq *fq, const struct nai_seed *seed)
{
	struct nai_slot *slot = &fq->slots[fq->depth + seed->name];

	if (WARN_ON_ONCE(seed->name >= fq->nr_slots - fq->depth ||
			 slot->state != NAI_SLOT_VOID ||
			 seed->len < fq->core->caps.rx_max_frame))
		return false;
	slot->page = seed->page;
	slot->offset = seed->offset;
	slot->len = seed->len;
	nai_seed_again(fq, fq->depth + seed->name);
	return true;
}

/**
 * nai_rx_seed - let the hardware write to buffers of the guest's
 * @fq: on lease to the caller, in mode seed
 * @seeds: the buffers
 * @n: how many, at most what nai_rx_room() has said
 *
 * Context: the worker, process context.
 * Return: how many were taken, from the first; fewer if the queue has stopped.
 */
unsigned int nai_rx_seed(struct nai_fq *fq, const struct nai_seed *seeds,
			 unsigned int n)
{
	enum nai_congestion was;
	unsigned int taken = 0;

	spin_lock(&fq->rx_lock);
	if (fq->state == NAI_FQ_STATE_RUNNING) {
		while (taken < n && nai_seed_put(fq, &seeds[taken]))
			taken++;
		nai_fq_post(fq);
	}
	was = nai_fq_settle(fq);
	spin_unlock(&fq->rx_lock);

	nai_fq_tell_level(fq, was);
	return taken;
}
EXPORT_SYMBOL_GPL(nai_rx_seed);

/**
 * nai_rx_set_pool - how many of the core's own buffers are to be used
 * @fq: on lease to the caller
 * @pool: at most so many are with the hardware or hold a frame
 * @reach: buffers of either kind that the hardware can be given, at most
 *
 * Context: the worker, process context.
 */
void nai_rx_set_pool(struct nai_fq *fq, unsigned int pool, unsigned int reach)
{
	spin_lock(&fq->rx_lock);
	fq->pool = min_t(unsigned int, pool, fq->depth);
	fq->reach = clamp_t(unsigned int, reach, 1, fq->depth);
	if (fq->state == NAI_FQ_STATE_RUNNING)
		nai_fq_post(fq);
	spin_unlock(&fq->rx_lock);
}
EXPORT_SYMBOL_GPL(nai_rx_set_pool);

/* Leave in the ring of frames those in buffers of our own. */
static unsigned int nai_seed_drop_ready(struct nai_fq *fq)
{
	unsigned int i, to = fq->ready_head, dropped = 0;
	const struct nai_ready *ready;

	for (i = fq->ready_head; i != fq->ready_tail; i++) {
		ready = &fq->ready[i & fq->ready_mask];
		if (nai_fq_is_seed(fq, ready->slot)) {
			fq->slots[ready->slot].state = NAI_SLOT_VOID;
			dropped++;
		} else {
			fq->ready[to++ & fq->ready_mask] = *ready;
		}
	}
	fq->ready_tail = to;
	return dropped;
}

/**
 * nai_rx_revoke - take every seed back
 * @fq: on lease to the caller, the hardware stopped
 *
 * Context: process, in the client's callbacks detach and revoke.
 */
void nai_rx_revoke(struct nai_fq *fq)
{
	unsigned int dropped;

	spin_lock(&fq->rx_lock);
	if (!WARN_ON_ONCE(fq->state == NAI_FQ_STATE_RUNNING)) {
		dropped = nai_seed_drop_ready(fq);
		while (fq->nr_again)
			fq->slots[fq->again[--fq->nr_again]].state =
				NAI_SLOT_VOID;
		fq->peeked = 0;
		if (dropped)
			nai_fq_count_drops(fq, NAI_DROP_REASON_DETACH, dropped);
	}
	spin_unlock(&fq->rx_lock);
}
EXPORT_SYMBOL_GPL(nai_rx_revoke);

/**
 * nai_rx_report - what is to be shown of a lease in mode seed
 * @fq: on lease to the caller
 * @report: counters never go back
 *
 * Context: with the virtqueue's mutex.
 */
void nai_rx_report(struct nai_fq *fq, const struct nai_seed_report *report)
{
	spin_lock(&fq->rx_lock);
	fq->report = *report;
	spin_unlock(&fq->rx_lock);
}
EXPORT_SYMBOL_GPL(nai_rx_report);

/* Hold and resume */

/**
 * nai_client_hold - see to it that no seed is with the hardware
 * @client: registered
 *
 * Until nai_client_resume() no lease of this client begins or ends. A lease
 * that copies goes on.
 *
 * Context: process, takes RTNL; may not hold what the client's callbacks take.
 */
void nai_client_hold(struct nai_client *client)
{
	struct nai_fq *fq;

	mutex_lock(&client->lock);
	fq = rcu_dereference_protected(client->fq,
				       lockdep_is_held(&client->lock));
	if (!fq || !nai_fq_takes_seeds(fq))
		return;
	nai_lease_hold(fq);
	client->ops->revoke(client->priv, fq);
}
EXPORT_SYMBOL_GPL(nai_client_hold);

/**
 * nai_client_resume - go on
 * @client: held
 *
 * Context: as nai_client_hold().
 */
void nai_client_resume(struct nai_client *client)
{
	struct nai_fq *fq;

	fq = rcu_dereference_protected(client->fq,
				       lockdep_is_held(&client->lock));
	if (fq && nai_fq_takes_seeds(fq)) {
		rtnl_lock();
		if (nai_lease_resume(fq))
			nai_lease_fail(fq, NAI_DETACH_REASON_HARDWARE);
		rtnl_unlock();
		nai_fq_wake(fq);
	}
	mutex_unlock(&client->lock);
}
EXPORT_SYMBOL_GPL(nai_client_resume);

void nai_seed_recall_work(struct work_struct *work)
{
	struct nai_client *client;

	client = container_of(work, struct nai_client, recall_work);
	nai_client_hold(client);
	nai_client_resume(client);
}

/**
 * nai_client_recall - take every seed back soon, and go on
 * @client: registered; its lease holds until its worker has let go
 *
 * For its worker, which cannot wait for that itself.
 *
 * Context: any.
 */
void nai_client_recall(struct nai_client *client)
{
	queue_work(nai_wq, &client->recall_work);
}
EXPORT_SYMBOL_GPL(nai_client_recall);
