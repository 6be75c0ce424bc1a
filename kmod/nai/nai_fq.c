// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frame queues: the buffers of a hardware queue on lease, and their way from
 * the hardware to the worker of a guest and back.
 *
 * DOC: locking
 *
 * rx_lock guards slots, rings and counters; the provider's rx_*() and irq_*()
 * run under it and only in state running. State changes under the port's
 * hw_mutex and rx_lock. The worker copies a frame with neither held: its slot is
 * ready, so nobody else touches its page until it is consumed, and the page
 * lives as long as the lease. Interrupts take no lock but RCU.
 *
 * DOC: life of a buffer
 *
 * free -> posted: nai_fq_post(), to the hardware.
 * posted -> ready: nai_fq_complete(), a frame is in it; the oldest first.
 * posted -> free: the frame was in error, or the hardware was stopped.
 * ready -> free: nai_rx_consume(), or the lease has ended.
 *
 * nai_seed.c has what is different for buffers of the guest's own.
 */

#include <kunit/visibility.h>
#include <linux/bitops.h>
#include <linux/dma-mapping.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <trace/events/nai.h>

#include "nai_core.h"

static unsigned int nai_fq_nr_ready(const struct nai_fq *fq)
{
	return fq->ready_tail - fq->ready_head;
}

/* Buffers */

static int nai_fq_alloc_pages(struct nai_fq *fq)
{
	int node = dev_to_node(fq->core->dma_dev);
	struct page *page;
	unsigned int i;

	for (i = 0; i < fq->depth; i++) {
		/* Zeroed: hardware that is wrong about a length must not show
		 * the guest what was here before.
		 */
		page = alloc_pages_node(node, GFP_KERNEL | __GFP_ZERO, 0);
		if (!page)
			return -ENOMEM;
		fq->slots[i].page = page;
		fq->slots[i].len = fq->core->caps.rx_buf_len;
		fq->slots[i].state = NAI_SLOT_FREE;
		fq->free[fq->nr_free++] = i;
	}
	for (; i < fq->nr_slots; i++)
		fq->slots[i].state = NAI_SLOT_VOID;
	return 0;
}

static void nai_fq_free_buffers(struct nai_fq *fq)
{
	unsigned int i;

	for (i = 0; fq->slots && i < fq->depth; i++)
		if (fq->slots[i].page)
			__free_page(fq->slots[i].page);
	kvfree(fq->ready);
	kvfree(fq->again);
	kvfree(fq->free);
	kvfree(fq->slots);
}

static int nai_fq_alloc_buffers(struct nai_fq *fq)
{
	unsigned int entries = roundup_pow_of_two(fq->nr_slots);

	fq->ready_mask = entries - 1;
	fq->slots = kvcalloc(fq->nr_slots, sizeof(*fq->slots), GFP_KERNEL);
	fq->free = kvcalloc(fq->depth, sizeof(*fq->free), GFP_KERNEL);
	fq->again = kvcalloc(fq->depth, sizeof(*fq->again), GFP_KERNEL);
	fq->ready = kvcalloc(entries, sizeof(*fq->ready), GFP_KERNEL);
	if (!fq->slots || !fq->free || !fq->again || !fq->ready)
		return -ENOMEM;
	return nai_fq_alloc_pages(fq);
}

/**
 * nai_fq_create - a frame queue with its buffers, unknown to the provider yet
 * @client: whom it will be leased to
 * @net: of tap and port; it lives as long as the tap, see nai_fq_keep_net()
 * @core: of the port
 * @terms: of the lease, watermarks settled
 *
 * Return: with one reference, or NULL without memory.
 */
struct nai_fq *nai_fq_create(struct nai_client *client, struct net *net,
			     struct nai_port_core *core,
			     const struct nai_terms *terms)
{
	struct nai_fq *fq = kzalloc(sizeof(*fq), GFP_KERNEL);

	if (!fq)
		return NULL;

	kref_init(&fq->kref);
	spin_lock_init(&fq->rx_lock);
	INIT_LIST_HEAD(&fq->list);
	fq->core = core;
	fq->client = client;
	RCU_INIT_POINTER(fq->net, net);
	fq->terms = *terms;
	fq->id = nai_next_id();
	fq->depth = core->caps.rx_depth;
	fq->nr_slots = fq->depth;
	fq->pool = fq->depth;
	fq->reach = fq->depth;
	if (terms->mode == NAI_MODE_SEED) {
		fq->nr_slots += fq->depth;
		/* until the client has looked at what its guest offers */
		fq->pool = 0;
	}
	fq->report.level = NAI_MODE_COPY;
	fq->state = NAI_FQ_STATE_ATTACHING;
	fq->end = NAI_LEASE_HOLDS;
	nai_port_core_get(core);
	nai_client_get(client);
	if (terms->tx)
		fq->tx = nai_tx_create(&core->caps, dev_to_node(core->dma_dev));

	if (nai_fq_alloc_buffers(fq) || (terms->tx && !fq->tx)) {
		fq->depth = fq->nr_free;
		nai_fq_put(fq);
		return NULL;
	}
	return fq;
}

static void nai_fq_release(struct kref *kref)
{
	struct nai_fq *fq = container_of(kref, struct nai_fq, kref);

	WARN_ON_ONCE(fq->open || fq->mapped);
	/* Every buffer is back, or the worker or the provider lost one. */
	WARN_ON_ONCE(fq->nr_free != fq->depth || fq->nr_again);

	nai_fq_free_buffers(fq);
	nai_tx_destroy(fq->tx);
	if (fq->net_held)
		put_net(rcu_dereference_protected(fq->net, true));
	nai_client_put(fq->client);
	nai_port_core_put(fq->core);
	kfree_rcu(fq, rcu);
}

/**
 * nai_fq_keep_net - hold the namespace that the tap has held so far
 * @fq: its tap goes, or its lease has ended
 *
 * A lease must not keep a namespace alive, or its tap would never go. So it does
 * for no longer than it takes to tell the end, and not if nobody is left there.
 *
 * Context: RTNL held.
 */
void nai_fq_keep_net(struct nai_fq *fq)
{
	struct net *net = rtnl_dereference(fq->net);

	if (!net || fq->net_held)
		return;
	if (maybe_get_net(net))
		fq->net_held = true;
	else
		RCU_INIT_POINTER(fq->net, NULL);
}

/* The last event was told. */
void nai_fq_drop_net(struct nai_fq *fq)
{
	struct net *net;

	rtnl_lock();
	net = fq->net_held ? rtnl_dereference(fq->net) : NULL;
	fq->net_held = false;
	RCU_INIT_POINTER(fq->net, NULL);
	rtnl_unlock();
	if (net)
		put_net(net);
}

void nai_fq_get(struct nai_fq *fq)
{
	kref_get(&fq->kref);
}

void nai_fq_put(struct nai_fq *fq)
{
	kref_put(&fq->kref, nai_fq_release);
}
EXPORT_SYMBOL_IF_KUNIT(nai_fq_put);

static void nai_fq_unmap_slots(struct nai_fq *fq, unsigned int n)
{
	unsigned int i;

	/* Frames that wait were synced when they were completed. */
	for (i = 0; i < n; i++)
		dma_unmap_page_attrs(fq->core->dma_dev, fq->slots[i].dma,
				     fq->core->caps.rx_buf_len, DMA_FROM_DEVICE,
				     DMA_ATTR_SKIP_CPU_SYNC);
}

/* Under RTNL, and so before the driver of the port can let go of the device. */
int nai_fq_map(struct nai_fq *fq)
{
	struct device *dev = fq->core->dma_dev;
	struct nai_slot *slot;
	unsigned int i;

	ASSERT_RTNL();

	for (i = 0; i < fq->depth; i++) {
		slot = &fq->slots[i];
		slot->dma = dma_map_page_attrs(dev, slot->page, 0,
					       fq->core->caps.rx_buf_len,
					       DMA_FROM_DEVICE,
					       DMA_ATTR_SKIP_CPU_SYNC);
		if (dma_mapping_error(dev, slot->dma)) {
			nai_fq_unmap_slots(fq, i);
			return -ENOMEM;
		}
	}
	if (nai_tx_map(fq)) {
		nai_fq_unmap_slots(fq, fq->depth);
		return -ENOMEM;
	}
	fq->mapped = true;
	return 0;
}

void nai_fq_unmap(struct nai_fq *fq)
{
	ASSERT_RTNL();

	if (fq->mapped) {
		nai_fq_unmap_slots(fq, fq->depth);
		nai_tx_unmap(fq);
	}
	fq->mapped = false;
}

/* From free to the hardware */

static void nai_fq_free_slot(struct nai_fq *fq, u16 index)
{
	lockdep_assert_held(&fq->rx_lock);

	if (WARN_ON_ONCE(fq->nr_free >= fq->depth))
		return;
	fq->slots[index].state = NAI_SLOT_FREE;
	fq->free[fq->nr_free++] = index;
}

/* How many more of our own slots may leave fq->free. */
static unsigned int nai_fq_spare(const struct nai_fq *fq)
{
	unsigned int out = fq->depth - fq->nr_free;

	if (out >= fq->pool)
		return 0;
	return min3(fq->pool - out, fq->nr_free,
		    (unsigned int)fq->depth - fq->posted);
}

static unsigned int nai_fq_post_batch(struct nai_fq *fq)
{
	unsigned int i, taken, n = min(nai_fq_spare(fq), NAI_RX_BATCH);
	struct nai_rx_buf bufs[NAI_RX_BATCH];
	u16 index;

	for (i = 0; i < n; i++) {
		index = fq->free[fq->nr_free - 1 - i];
		bufs[i].slot = index;
		bufs[i].dma = fq->slots[index].dma;
		bufs[i].len = fq->core->caps.rx_buf_len;
		dma_sync_single_for_device(fq->core->dma_dev, bufs[i].dma,
					   fq->core->caps.rx_buf_len,
					   DMA_FROM_DEVICE);
	}
	taken = fq->ops->rx_post(fq, bufs, n);
	if (WARN_ON_ONCE(taken > n))
		taken = n;
	for (i = 0; i < taken; i++)
		fq->slots[bufs[i].slot].state = NAI_SLOT_POSTED;
	fq->nr_free -= taken;
	fq->posted += taken;
	return taken;
}

/* Whatever the hardware does not take now is offered again the next time. */
void nai_fq_post(struct nai_fq *fq)
{
	unsigned int taken, total;

	lockdep_assert_held(&fq->rx_lock);

	total = fq->nr_again ? nai_seed_post(fq) : 0;
	while (nai_fq_spare(fq)) {
		taken = nai_fq_post_batch(fq);
		if (!taken)
			break;
		total += taken;
	}
	if (total)
		fq->ops->rx_kick(fq);
}

/* From the hardware to ready */

void nai_fq_count_drops(struct nai_fq *fq, enum nai_drop_reason reason,
			unsigned int n)
{
	lockdep_assert_held(&fq->rx_lock);

	fq->stats.drops[reason] += n;
	trace_nai_drop(fq->id, reason, n);
}

/* A provider's error, or its hardware's: the slot may be in use elsewhere, so it
 * is left alone. No WARN(), which would end a host that has panic_on_warn.
 */
static void nai_fq_refuse(struct nai_fq *fq, u16 index)
{
	nai_fq_count_drops(fq, NAI_DROP_REASON_ERROR, 1);
	if (net_ratelimit())
		netdev_err(fq->core->port->dev,
			   "frame queue %u completed buffer %u, which it did not have\n",
			   fq->index, index);
}

/* The frame cannot be used, or there is none. */
static void nai_fq_take_back(struct nai_fq *fq, u16 index)
{
	fq->posted--;
	if (nai_fq_is_seed(fq, index)) {
		nai_seed_unmap(fq, &fq->slots[index]);
		nai_seed_again(fq, index);
	} else {
		nai_fq_free_slot(fq, index);
	}
}

/* A guest that offers a buffer twice has it mapped twice. By a part of it dma-debug
 * cannot tell which one is meant and complains, so it is asked only where there
 * is something to be done.
 */
static void nai_fq_sync_seed(struct nai_fq *fq, struct nai_slot *slot,
			     unsigned int len)
{
	struct device *dev = fq->core->dma_dev;

	if (dma_need_sync(dev, slot->dma))
		dma_sync_single_for_cpu(dev, slot->dma, len, DMA_FROM_DEVICE);
	nai_seed_unmap(fq, slot);
}

static void nai_fq_complete(struct nai_fq *fq, const struct nai_rx_cpl *cpl)
{
	struct nai_ready *ready;
	struct nai_slot *slot;

	if (cpl->slot >= fq->nr_slots ||
	    fq->slots[cpl->slot].state != NAI_SLOT_POSTED) {
		nai_fq_refuse(fq, cpl->slot);
		return;
	}

	if (cpl->flags & NAI_RX_ERR || cpl->len < ETH_HLEN ||
	    cpl->len > fq->core->caps.rx_max_frame) {
		nai_fq_take_back(fq, cpl->slot);
		nai_fq_count_drops(fq, NAI_DROP_REASON_ERROR, 1);
		return;
	}
	slot = &fq->slots[cpl->slot];
	fq->posted--;
	if (nai_fq_is_seed(fq, cpl->slot))
		nai_fq_sync_seed(fq, slot, cpl->len);
	else
		dma_sync_single_for_cpu(fq->core->dma_dev, slot->dma, cpl->len,
					DMA_FROM_DEVICE);
	slot->state = NAI_SLOT_READY;
	ready = &fq->ready[fq->ready_tail++ & fq->ready_mask];
	ready->slot = cpl->slot;
	ready->len = cpl->len;
	ready->flags = cpl->flags;
}

/* Return: how many were completed; a full batch says there may be more. */
static unsigned int nai_fq_harvest(struct nai_fq *fq)
{
	struct nai_rx_cpl cpls[NAI_RX_BATCH];
	unsigned int i, n;

	lockdep_assert_held(&fq->rx_lock);

	n = fq->ops->rx_poll(fq, cpls, NAI_RX_BATCH);
	if (WARN_ON_ONCE(n > NAI_RX_BATCH))
		n = NAI_RX_BATCH;
	for (i = 0; i < n; i++)
		nai_fq_complete(fq, &cpls[i]);
	return n;
}

/* Bounded, whatever the provider says: no more can be completed than exist. */
static void nai_fq_harvest_all(struct nai_fq *fq)
{
	unsigned int batches = fq->depth / NAI_RX_BATCH + 1;

	while (batches-- && nai_fq_harvest(fq) == NAI_RX_BATCH)
		;
}

static void nai_fq_reclaim(struct nai_fq *fq)
{
	unsigned int i;

	lockdep_assert_held(&fq->rx_lock);

	nai_fq_harvest_all(fq);
	for (i = 0; i < fq->nr_slots; i++)
		if (fq->slots[i].state == NAI_SLOT_POSTED)
			nai_fq_take_back(fq, i);
	WARN_ON_ONCE(fq->posted);
}

/* Start and stop */

static void nai_fq_mask(struct nai_fq *fq)
{
	lockdep_assert_held(&fq->rx_lock);

	WRITE_ONCE(fq->armed, false);
	fq->ops->irq_mask(fq);
}

/**
 * nai_fq_run - start the hardware and stock it
 * @fq: paused, or attaching
 *
 * The interrupt stays masked: the worker is to be woken and arms it when it has
 * found nothing.
 *
 * Return: 0, or what the provider says.
 */
int nai_fq_run(struct nai_fq *fq)
{
	int err;

	lockdep_assert_held(&fq->core->port->hw_mutex);

	err = fq->ops->fq_start(fq);
	if (err)
		return err;

	spin_lock(&fq->rx_lock);
	fq->state = NAI_FQ_STATE_RUNNING;
	nai_fq_post(fq);
	spin_unlock(&fq->rx_lock);
	nai_tx_start(fq);
	return 0;
}

/**
 * nai_fq_halt - stop the hardware and take the buffers back
 * @fq: any state
 * @state: paused or dead
 *
 * Frames that were completed wait for the worker, or for the end of the lease.
 */
void nai_fq_halt(struct nai_fq *fq, enum nai_fq_state state)
{
	bool running;

	lockdep_assert_held(&fq->core->port->hw_mutex);

	spin_lock(&fq->rx_lock);
	running = fq->state == NAI_FQ_STATE_RUNNING;
	fq->state = state;
	if (running)
		nai_fq_mask(fq);
	spin_unlock(&fq->rx_lock);
	if (!running)
		return;

	nai_tx_stop(fq);
	fq->ops->fq_stop(fq);

	spin_lock(&fq->rx_lock);
	nai_fq_reclaim(fq);
	spin_unlock(&fq->rx_lock);
	nai_tx_reclaim(fq);
}

/* The lease has ended and the client has let go. */
void nai_fq_discard_ready(struct nai_fq *fq)
{
	unsigned int n;

	spin_lock(&fq->rx_lock);
	n = nai_fq_nr_ready(fq);
	while (fq->ready_head != fq->ready_tail)
		nai_fq_free_slot(fq, fq->ready[fq->ready_head++ &
					       fq->ready_mask].slot);
	if (n)
		nai_fq_count_drops(fq, NAI_DROP_REASON_DETACH, n);
	spin_unlock(&fq->rx_lock);
}

/* What was read last stays when the port has gone. */
void nai_fq_read_hw_stats(struct nai_fq *fq)
{
	lockdep_assert_held(&fq->core->port->hw_mutex);

	if (fq->open)
		fq->ops->get_stats(fq, &fq->hw_stats);
}

/* Interrupts */

/* Return: false if nobody was there to be woken. */
bool nai_fq_wake(struct nai_fq *fq)
{
	struct nai_client *client;
	bool woken;

	rcu_read_lock();
	client = rcu_dereference(fq->waiter);
	woken = client && client->ops->wake(client->priv);
	rcu_read_unlock();
	return woken;
}

/**
 * nai_fq_irq - a frame has come, or may have
 * @fq: its interrupt is masked already
 *
 * It stays masked until the worker has found nothing and arms it. So it does
 * when there is no worker any more.
 *
 * Context: any; made for the hard interrupt handler.
 */
void nai_fq_irq(struct nai_fq *fq)
{
	bool woken;

	WRITE_ONCE(fq->armed, false);
	woken = nai_fq_wake(fq);
	if (woken)
		atomic64_inc(&fq->wakes);
	trace_nai_irq(fq->id, woken);
}
EXPORT_SYMBOL_GPL(nai_fq_irq);

/* Frames wait for a guest that does not kick, and the hardware goes on filling
 * buffers: nobody has looked how many are left.
 */
static bool nai_fq_is_forgotten(struct nai_fq *fq)
{
	bool forgotten;

	spin_lock(&fq->rx_lock);
	forgotten = fq->state == NAI_FQ_STATE_RUNNING && nai_fq_nr_ready(fq) &&
		    fq->posted;
	spin_unlock(&fq->rx_lock);
	return forgotten;
}

/**
 * nai_fq_nudge - run the worker if no interrupt has, for all this time
 * @fq: open
 *
 * Interrupts get lost, in hardware and in hypervisors, and a queue that waits
 * for a lost one would wait for ever. Its driver's own watchdog does the same
 * for the queues of the port. And a guest that has stopped for good would leave
 * its queue at the level that it had when it was last looked at.
 *
 * Context: RTNL held, now and then.
 */
void nai_fq_nudge(struct nai_fq *fq)
{
	u64 wakes = atomic64_read(&fq->wakes);

	ASSERT_RTNL();

	if (wakes == fq->nudged_at &&
	    (READ_ONCE(fq->armed) || nai_fq_is_forgotten(fq)))
		nai_fq_wake(fq);
	fq->nudged_at = wakes;
}

/* The level of the stock */

/* A mark as it is for what the hardware can be given. */
static unsigned int nai_fq_mark(const struct nai_fq *fq, u32 mark)
{
	return max(mark * fq->reach / fq->depth, 1U);
}

/* Return: the level before. */
enum nai_congestion nai_fq_settle(struct nai_fq *fq)
{
	enum nai_congestion was = fq->level;

	lockdep_assert_held(&fq->rx_lock);

	/* A port that is down has no stock, and nothing to tell by it. */
	if (fq->state != NAI_FQ_STATE_RUNNING)
		return was;
	/* Events read it without the lock. */
	WRITE_ONCE(fq->level,
		   nai_congestion_next(was, fq->posted,
				       nai_fq_mark(fq, fq->terms.low),
				       nai_fq_mark(fq, fq->terms.high)));
	if (fq->level == was)
		return was;
	if (fq->level == NAI_CONGESTION_LOW)
		fq->stats.low_events++;
	else if (fq->level == NAI_CONGESTION_EMPTY)
		fq->stats.empty_events++;
	trace_nai_congestion(fq->id, was, fq->level, fq->posted);
	return was;
}

/* The worker alone changes the level, so it is stable here without the lock. */
void nai_fq_tell_level(struct nai_fq *fq, enum nai_congestion was)
{
	if (fq->level == was)
		return;
	fq->client->ops->congestion(fq->client->priv, fq->level);
	nai_nl_notify_level(fq, was);
}

/* The worker's calls */

static void nai_fq_show(const struct nai_fq *fq, const struct nai_ready *ready,
			struct nai_frame *frame)
{
	frame->len = ready->len;
	frame->flags = ready->flags;
	if (nai_fq_is_seed(fq, ready->slot)) {
		frame->data = NULL;
		frame->flags |= NAI_RX_SEEDED;
		frame->seed = ready->slot - fq->depth;
	} else {
		frame->data = page_address(fq->slots[ready->slot].page);
	}
}

/* The worker is done with the oldest frame. */
static void nai_fq_pop(struct nai_fq *fq)
{
	u16 index = fq->ready[fq->ready_head++ & fq->ready_mask].slot;

	if (nai_fq_is_seed(fq, index)) {
		fq->slots[index].state = NAI_SLOT_VOID;
		fq->stats.seeded++;
	} else {
		nai_fq_free_slot(fq, index);
	}
}

/**
 * nai_rx_peek - frames that wait
 * @fq: on lease to the caller
 * @frames: filled, oldest first
 * @n: room in @frames
 *
 * The same frames are shown again until they are consumed. While enough wait
 * the hardware is left alone: what it has no buffers for it drops.
 *
 * Context: the worker, process context.
 * Return: number of frames.
 */
unsigned int nai_rx_peek(struct nai_fq *fq, struct nai_frame *frames,
			 unsigned int n)
{
	const struct nai_ready *ready;
	unsigned int i;

	spin_lock(&fq->rx_lock);
	if (fq->state == NAI_FQ_STATE_RUNNING && nai_fq_nr_ready(fq) < n) {
		nai_fq_harvest(fq);
		/* of frames in error */
		if (unlikely(nai_fq_spare(fq) || fq->nr_again))
			nai_fq_post(fq);
	}
	n = min(n, nai_fq_nr_ready(fq));
	if (fq->state == NAI_FQ_STATE_DEAD)
		n = 0;
	/* Something else ran the worker; it does not need the interrupt too. */
	if (n && READ_ONCE(fq->armed) && fq->state == NAI_FQ_STATE_RUNNING)
		nai_fq_mask(fq);
	for (i = 0; i < n; i++) {
		ready = &fq->ready[(fq->ready_head + i) & fq->ready_mask];
		nai_fq_show(fq, ready, &frames[i]);
	}
	fq->peeked = n;
	spin_unlock(&fq->rx_lock);
	return n;
}
EXPORT_SYMBOL_GPL(nai_rx_peek);

/* To the guest is the tap's transmit direction, as when tun delivers. */
static void nai_fq_count_tap(struct nai_fq *fq, unsigned int packets, u64 bytes)
{
	struct net_device *tap;

	rcu_read_lock();
	tap = rcu_dereference(fq->client->tap);
	if (tap && tap->pcpu_stat_type == NETDEV_PCPU_STAT_TSTATS) {
		local_bh_disable();
		dev_sw_netstats_tx_add(tap, packets, bytes);
		local_bh_enable();
	}
	rcu_read_unlock();
}

/**
 * nai_rx_consume - give frames back
 * @fq: on lease to the caller
 * @n: how many of the last peek, from the first
 * @delivered: how many of them the guest got; the others were counted by
 *	nai_rx_drop()
 * @bytes: length of the delivered ones
 *
 * Their buffers go to the hardware again, with one kick; seeds are the caller's.
 *
 * Context: the worker, process context.
 */
void nai_rx_consume(struct nai_fq *fq, unsigned int n, unsigned int delivered,
		    u64 bytes)
{
	enum nai_congestion was;

	spin_lock(&fq->rx_lock);
	if (WARN_ON_ONCE(n > fq->peeked))
		n = fq->peeked;
	fq->peeked -= n;
	while (n--)
		nai_fq_pop(fq);
	fq->stats.rx_packets += delivered;
	fq->stats.rx_bytes += bytes;
	if (fq->state == NAI_FQ_STATE_RUNNING)
		nai_fq_post(fq);
	was = nai_fq_settle(fq);
	spin_unlock(&fq->rx_lock);

	if (delivered)
		nai_fq_count_tap(fq, delivered, bytes);
	nai_fq_tell_level(fq, was);
}
EXPORT_SYMBOL_GPL(nai_rx_consume);

/**
 * nai_rx_starved - frames wait and the guest has no descriptor
 * @fq: on lease to the caller
 *
 * Everything completed is taken from the hardware, so that what counts as
 * posted is what it can still fill.
 *
 * Context: the worker, process context.
 */
void nai_rx_starved(struct nai_fq *fq)
{
	unsigned int posted, ready;
	enum nai_congestion was;

	spin_lock(&fq->rx_lock);
	fq->stats.starved++;
	if (fq->state == NAI_FQ_STATE_RUNNING) {
		nai_fq_harvest_all(fq);
		/* The guest's kick runs the worker next, not a frame. */
		if (READ_ONCE(fq->armed))
			nai_fq_mask(fq);
	}
	posted = fq->posted;
	ready = nai_fq_nr_ready(fq);
	was = nai_fq_settle(fq);
	spin_unlock(&fq->rx_lock);

	trace_nai_starved(fq->id, posted, ready);
	nai_fq_tell_level(fq, was);
}
EXPORT_SYMBOL_GPL(nai_rx_starved);

/**
 * nai_rx_idle - wait for the next frame by interrupt
 * @fq: on lease to the caller, which has found nothing
 *
 * Context: the worker, process context.
 * Return: true if a frame came meanwhile; the interrupt stays masked.
 */
bool nai_rx_idle(struct nai_fq *fq)
{
	enum nai_congestion was;
	bool waiting = false;

	spin_lock(&fq->rx_lock);
	if (fq->state == NAI_FQ_STATE_RUNNING) {
		waiting = nai_fq_nr_ready(fq);
		if (!waiting) {
			/* First: it may come before irq_arm() returns. */
			WRITE_ONCE(fq->armed, true);
			waiting = fq->ops->irq_arm(fq);
			if (waiting)
				WRITE_ONCE(fq->armed, false);
		}
	}
	was = nai_fq_settle(fq);
	spin_unlock(&fq->rx_lock);

	nai_fq_tell_level(fq, was);
	return waiting;
}
EXPORT_SYMBOL_GPL(nai_rx_idle);

/**
 * nai_rx_drop - count a frame that the guest did not get
 * @fq: on lease to the caller
 * @reason: why
 *
 * The frame is still to be consumed.
 *
 * Context: the worker, process context.
 */
void nai_rx_drop(struct nai_fq *fq, enum nai_drop_reason reason)
{
	if (WARN_ON_ONCE((unsigned int)reason >= NAI_DROP_REASONS))
		return;

	spin_lock(&fq->rx_lock);
	nai_fq_count_drops(fq, reason, 1);
	spin_unlock(&fq->rx_lock);
}
EXPORT_SYMBOL_GPL(nai_rx_drop);

/* The provider's view */

/**
 * nai_fq_set_priv - remember the provider's own state of a queue
 * @fq: in fq_alloc
 * @priv: returned by nai_fq_priv()
 */
void nai_fq_set_priv(struct nai_fq *fq, void *priv)
{
	fq->priv = priv;
}
EXPORT_SYMBOL_GPL(nai_fq_set_priv);

/**
 * nai_fq_set_index - tell which of the port's queues it is
 * @fq: in fq_alloc
 * @index: the provider's own number of the queue
 */
void nai_fq_set_index(struct nai_fq *fq, u16 index)
{
	fq->index = index;
}
EXPORT_SYMBOL_GPL(nai_fq_set_index);

/**
 * nai_fq_priv - the provider's own state of a queue
 * @fq: a queue of the caller's
 *
 * Return: what nai_fq_set_priv() was given.
 */
void *nai_fq_priv(const struct nai_fq *fq)
{
	return fq->priv;
}
EXPORT_SYMBOL_GPL(nai_fq_priv);

/**
 * nai_fq_port - the port of a queue
 * @fq: a queue of the caller's
 *
 * Return: the port; good in every function of struct nai_port_ops.
 */
struct nai_port *nai_fq_port(const struct nai_fq *fq)
{
	return fq->core->port;
}
EXPORT_SYMBOL_GPL(nai_fq_port);
