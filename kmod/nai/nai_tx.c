// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest sends by its frame queue: which frames those are, and the buffers
 * that take them to the hardware.
 *
 * A frame is copied from the guest's memory once, to a page that was mapped when
 * the lease began, and its buffer is the guest's again at once. So nothing that
 * was looked at can change afterwards, and no guest memory is pinned or waited
 * for. The limit of it: the payload is copied too.
 *
 * DOC: locking
 *
 * tx_lock guards the ring and the counters; the provider's tx_*() run under it
 * and only while the queue runs, which fq_start() and fq_stop() change under the
 * port's hw_mutex. The worker copies a frame with no lock held: its slot is the
 * one behind the ring, which nobody else touches, and the page lives as long as
 * the lease. fq->core->port may be looked at while @running is seen, for a port
 * that goes stops its queues first.
 *
 * DOC: life of a slot
 *
 * free -> waiting: nai_tx_commit(), a frame is in it.
 * waiting -> in flight: nai_tx_push(), given to the hardware, in order.
 * in flight -> free: nai_tx_reap(), sent.
 * waiting, in flight -> free: nai_tx_reclaim(), the hardware was stopped.
 */

#include <kunit/visibility.h>
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/unaligned.h>
#include <net/checksum.h>
#include <trace/events/nai.h>

#include "nai_core.h"

/* A queue that sends nothing of what it has for this long is given up, as a
 * driver's own is reset after its transmit timeout.
 */
#define NAI_TX_PATIENCE	(5 * HZ)

/* For so long after a segment for the tap the frames behind it follow it, or they
 * would overtake what the port's own queue holds.
 */
#define NAI_TX_HOLD	(HZ / 50)

/* Buffers */

void nai_tx_destroy(struct nai_tx *tx)
{
	unsigned int i;

	if (!tx)
		return;
	for (i = 0; i < tx->depth; i++)
		if (tx->slots[i].page)
			__free_page(tx->slots[i].page);
	kvfree(tx);
}

/* Return: what a lease sends by, or NULL without memory. */
struct nai_tx *nai_tx_create(const struct nai_caps *caps, int node)
{
	struct nai_tx *tx;
	unsigned int i;

	tx = kvzalloc(struct_size(tx, slots, caps->tx_depth), GFP_KERNEL);
	if (!tx)
		return NULL;
	tx->depth = caps->tx_depth;
	spin_lock_init(&tx->lock);
	for (i = 0; i < tx->depth; i++) {
		tx->slots[i].page = alloc_pages_node(node, GFP_KERNEL |
							   __GFP_ZERO, 0);
		if (!tx->slots[i].page) {
			nai_tx_destroy(tx);
			return NULL;
		}
	}
	return tx;
}

static void nai_tx_unmap_slots(struct nai_fq *fq, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		dma_unmap_page_attrs(fq->core->dma_dev, fq->tx->slots[i].dma,
				     fq->core->caps.tx_max_frame, DMA_TO_DEVICE,
				     DMA_ATTR_SKIP_CPU_SYNC);
}

/* With nai_fq_map() and nai_fq_unmap(). */
int nai_tx_map(struct nai_fq *fq)
{
	struct device *dev = fq->core->dma_dev;
	struct nai_tx *tx = fq->tx;
	struct nai_tx_slot *slot;
	unsigned int i;

	ASSERT_RTNL();

	for (i = 0; tx && i < tx->depth; i++) {
		slot = &tx->slots[i];
		slot->dma = dma_map_page_attrs(dev, slot->page, 0,
					       fq->core->caps.tx_max_frame,
					       DMA_TO_DEVICE,
					       DMA_ATTR_SKIP_CPU_SYNC);
		if (dma_mapping_error(dev, slot->dma)) {
			nai_tx_unmap_slots(fq, i);
			return -ENOMEM;
		}
	}
	return 0;
}

void nai_tx_unmap(struct nai_fq *fq)
{
	ASSERT_RTNL();

	if (fq->tx)
		nai_tx_unmap_slots(fq, fq->tx->depth);
}

/* To the hardware and back */

static unsigned int nai_tx_step(const struct nai_tx *tx, unsigned int i)
{
	return i + 1 < tx->depth ? i + 1 : 0;
}

static void nai_tx_count_drops(struct nai_fq *fq, enum nai_tx_drop_reason reason,
			       unsigned int n)
{
	lockdep_assert_held(&fq->tx->lock);

	fq->tx->stats.drops[reason] += n;
	trace_nai_tx_drop(fq->id, reason, n);
}

static void nai_tx_reap(struct nai_fq *fq)
{
	struct nai_tx *tx = fq->tx;
	unsigned int n;

	lockdep_assert_held(&tx->lock);

	if (!tx->in_flight)
		return;
	n = fq->ops->tx_poll(fq);
	if (unlikely(n > tx->in_flight)) {
		if (net_ratelimit())
			netdev_err(fq->core->port->dev,
				   "frame queue %u sent %u frames of %u\n",
				   fq->index, n, tx->in_flight);
		n = tx->in_flight;
	}
	if (n)
		tx->progress_at = jiffies;
	tx->in_flight -= n;
	tx->stats.packets += n;
	while (n--) {
		tx->stats.bytes += tx->slots[tx->head].len;
		tx->head = nai_tx_step(tx, tx->head);
	}
}

/* Return: how many were given to the hardware. */
static unsigned int nai_tx_push_batch(struct nai_fq *fq)
{
	struct nai_tx_buf bufs[NAI_TX_BATCH];
	struct nai_tx *tx = fq->tx;
	unsigned int i, taken, n;
	unsigned int at = tx->next;

	n = min(tx->waiting, NAI_TX_BATCH);
	for (i = 0; i < n; i++) {
		bufs[i].dma = tx->slots[at].dma;
		bufs[i].len = tx->slots[at].len;
		dma_sync_single_for_device(fq->core->dma_dev, bufs[i].dma,
					   bufs[i].len, DMA_TO_DEVICE);
		at = nai_tx_step(tx, at);
	}
	taken = fq->ops->tx_xmit(fq, bufs, n);
	if (WARN_ON_ONCE(taken > n))
		taken = n;
	/* It had nothing to do until now. */
	if (taken && !tx->in_flight)
		tx->progress_at = jiffies;
	tx->waiting -= taken;
	tx->in_flight += taken;
	for (i = 0; i < taken; i++)
		tx->next = nai_tx_step(tx, tx->next);
	return taken;
}

/* Whatever the hardware does not take now is offered again the next time. */
static void nai_tx_push(struct nai_fq *fq)
{
	lockdep_assert_held(&fq->tx->lock);

	while (fq->tx->waiting)
		if (!nai_tx_push_batch(fq))
			break;
}

/* Start and stop */

/* The hardware has been started. */
void nai_tx_start(struct nai_fq *fq)
{
	struct nai_tx *tx = fq->tx;

	lockdep_assert_held(&fq->core->port->hw_mutex);

	if (!tx)
		return;
	spin_lock(&tx->lock);
	tx->running = true;
	tx->progress_at = jiffies;
	spin_unlock(&tx->lock);
}

/* The hardware is about to be stopped: it is given nothing any more. */
void nai_tx_stop(struct nai_fq *fq)
{
	struct nai_tx *tx = fq->tx;

	lockdep_assert_held(&fq->core->port->hw_mutex);

	if (!tx)
		return;
	spin_lock(&tx->lock);
	tx->running = false;
	spin_unlock(&tx->lock);
}

/* It was stopped. Its ring starts anew the next time, so what was not sent is
 * lost, as it is for the port's own queues.
 */
void nai_tx_reclaim(struct nai_fq *fq)
{
	struct nai_tx *tx = fq->tx;
	unsigned int lost;

	lockdep_assert_held(&fq->core->port->hw_mutex);

	if (!tx)
		return;
	spin_lock(&tx->lock);
	nai_tx_reap(fq);
	lost = tx->in_flight + tx->waiting;
	if (lost)
		nai_tx_count_drops(fq, NAI_TX_DROP_REASON_STOP, lost);
	tx->in_flight = 0;
	tx->waiting = 0;
	/* The worker may have a frame at the tail. */
	tx->head = tx->tail;
	tx->next = tx->tail;
	spin_unlock(&tx->lock);
}

void nai_tx_read_stats(struct nai_fq *fq, struct nai_tx_stats *stats)
{
	struct nai_tx *tx = fq->tx;

	spin_lock(&tx->lock);
	if (tx->running)
		nai_tx_reap(fq);
	*stats = tx->stats;
	spin_unlock(&tx->lock);
}
EXPORT_SYMBOL_IF_KUNIT(nai_tx_read_stats);

/**
 * nai_tx_watch - does the queue get on, and does the bridge know of the guest?
 * @fq: open
 *
 * No interrupt says that a frame was sent, and the driver's own watchdog does not
 * look after the queue: it may have stalled for good. Without a link it has
 * reason to.
 *
 * Context: RTNL held, now and then.
 */
void nai_tx_watch(struct nai_fq *fq)
{
	struct nai_tx *tx = fq->tx;
	bool idle, stuck;
	u64 packets;

	ASSERT_RTNL();

	if (!tx)
		return;
	spin_lock(&tx->lock);
	if (tx->running)
		nai_tx_reap(fq);
	idle = !tx->in_flight && !tx->waiting;
	if (idle || !netif_carrier_ok(fq->core->port->dev))
		tx->progress_at = jiffies;
	stuck = time_after(jiffies, tx->progress_at + NAI_TX_PATIENCE);
	packets = tx->stats.packets;
	spin_unlock(&tx->lock);

	if (stuck)
		nai_lease_fail(fq, NAI_DETACH_REASON_HARDWARE);
	if (packets != tx->seen)
		nai_fdb_show(fq);
	tx->seen = packets;
}
EXPORT_SYMBOL_IF_KUNIT(nai_tx_watch);

/* The path of a frame */

/* A sum that began in the header could be made to replace the source address,
 * which has been looked at by then.
 */
static bool nai_tx_csum_is_sane(const struct nai_tx_head *head)
{
	return head->csum_start >= ETH_HLEN &&
	       (size_t)head->csum_start + head->csum_offset + sizeof(__sum16) <=
	       head->len;
}

/**
 * nai_tx_judge - which way is a frame to go?
 * @head: of the frame
 * @mac: of the lease
 * @max_frame: what the queue can send
 * @local: the destination is not on the wire
 * @reason: set if it is to be dropped
 *
 * The bridge does with what the tap takes as it always has, so the rules for the
 * wire apply to the rest alone.
 *
 * Return: any but NAI_TX_FULL.
 */
VISIBLE_IF_KUNIT enum nai_tx_path
nai_tx_judge(const struct nai_tx_head *head, const u8 *mac,
	     unsigned int max_frame, bool local,
	     enum nai_tx_drop_reason *reason)
{
	/* What is too short for a header is the tap's to refuse. */
	if (head->len < ETH_HLEN || head->len > max_frame ||
	    head->flags & NAI_TX_GSO)
		return NAI_TX_TAP;
	if (local || is_multicast_ether_addr(head->eth.h_dest))
		return NAI_TX_TAP;

	if (!ether_addr_equal(head->eth.h_source, mac)) {
		*reason = NAI_TX_DROP_REASON_SPOOF;
		return NAI_TX_DROPPED;
	}
	if (eth_type_vlan(head->eth.h_proto)) {
		*reason = NAI_TX_DROP_REASON_VLAN;
		return NAI_TX_DROPPED;
	}
	if (head->flags & NAI_TX_CSUM && !nai_tx_csum_is_sane(head)) {
		*reason = NAI_TX_DROP_REASON_HEADER;
		return NAI_TX_DROPPED;
	}
	return NAI_TX_QUEUE;
}
EXPORT_SYMBOL_IF_KUNIT(nai_tx_judge);

/* Without a table nobody knows who is on the wire. */
static bool nai_tx_is_local(struct nai_fq *fq, const u8 *mac)
{
	const struct nai_fdb *fdb;
	bool local;

	rcu_read_lock();
	fdb = rcu_dereference(fq->tx->fdb);
	local = !fdb || nai_fdb_is_local(fdb, mac);
	rcu_read_unlock();
	return local;
}

/* Does the guest send segments to the wire, or did it just now? */
static bool nai_tx_is_held(struct nai_tx *tx, const struct nai_tx_head *head,
			   bool local)
{
	lockdep_assert_held(&tx->lock);

	if (head->flags & NAI_TX_GSO && !local) {
		tx->held = true;
		tx->held_at = jiffies;
	} else if (tx->held && time_after(jiffies, tx->held_at + NAI_TX_HOLD)) {
		tx->held = false;
	}
	return tx->held;
}

/* Can the port send it? If not, what that means is for the bridge to say. */
static bool nai_tx_is_possible(const struct nai_fq *fq, size_t len)
{
	const struct net_device *port;

	if (!fq->tx->running)
		return false;
	port = fq->core->port->dev;
	return netif_carrier_ok(port) && len <= READ_ONCE(port->mtu) + ETH_HLEN;
}

static enum nai_tx_path nai_tx_reserve(struct nai_fq *fq, size_t len,
				       void **data)
{
	struct nai_tx *tx = fq->tx;

	lockdep_assert_held(&tx->lock);

	if (!nai_tx_is_possible(fq, len))
		return NAI_TX_TAP;
	if (tx->in_flight + tx->waiting == tx->depth) {
		nai_tx_push(fq);
		nai_tx_reap(fq);
	}
	if (tx->in_flight + tx->waiting == tx->depth) {
		tx->stats.full++;
		return NAI_TX_FULL;
	}
	*data = page_address(tx->slots[tx->tail].page);
	return NAI_TX_QUEUE;
}

/* The worker's calls */

bool nai_fq_sends(const struct nai_fq *fq)
{
	return fq->tx;
}
EXPORT_SYMBOL_GPL(nai_fq_sends);

/**
 * nai_tx_begin - a frame is to be sent
 * @fq: on lease to the caller, and sends
 * @head: of the frame, in memory that the guest cannot change
 * @data: with NAI_TX_QUEUE, set to where the frame goes, @head->eth included
 *
 * Calls may be repeated for the same frame; one that was begun and not committed
 * leaves no trace.
 *
 * Context: the worker, process context.
 * Return: what is to become of the frame.
 */
enum nai_tx_path nai_tx_begin(struct nai_fq *fq, const struct nai_tx_head *head,
			      void **data)
{
	enum nai_tx_drop_reason reason;
	struct nai_tx *tx = fq->tx;
	enum nai_tx_path path;
	bool local;

	local = nai_tx_is_local(fq, head->eth.h_dest);
	path = nai_tx_judge(head, fq->terms.mac, fq->core->caps.tx_max_frame,
			    local, &reason);
	spin_lock(&tx->lock);
	if (nai_tx_is_held(tx, head, local) && path == NAI_TX_QUEUE)
		path = NAI_TX_TAP;
	if (path == NAI_TX_QUEUE)
		path = nai_tx_reserve(fq, head->len, data);
	if (path == NAI_TX_TAP)
		tx->stats.tap++;
	else if (path == NAI_TX_DROPPED)
		nai_tx_count_drops(fq, reason, 1);
	spin_unlock(&tx->lock);
	return path;
}
EXPORT_SYMBOL_GPL(nai_tx_begin);

/* The checksum that hardware would fill in, and zeroes up to the least length. */
VISIBLE_IF_KUNIT void nai_tx_finish(void *data, const struct nai_tx_head *head)
{
	unsigned int start = head->csum_start;
	__sum16 *sum;

	if (head->flags & NAI_TX_CSUM) {
		sum = data + start + head->csum_offset;
		put_unaligned(csum_fold(csum_partial(data + start,
						     head->len - start, 0)) ? :
			      CSUM_MANGLED_0, sum);
	}
	if (head->len < ETH_ZLEN)
		memset(data + head->len, 0, ETH_ZLEN - head->len);
}
EXPORT_SYMBOL_IF_KUNIT(nai_tx_finish);

/**
 * nai_tx_commit - the frame that was begun is where it was to go
 * @fq: on lease to the caller
 * @head: as it was begun with
 *
 * Context: the worker, process context.
 */
void nai_tx_commit(struct nai_fq *fq, const struct nai_tx_head *head)
{
	struct nai_tx *tx = fq->tx;
	struct nai_tx_slot *slot;

	/* The worker alone moves the tail. */
	slot = &tx->slots[tx->tail];
	nai_tx_finish(page_address(slot->page), head);

	tx->tap_packets++;
	tx->tap_bytes += head->len;
	spin_lock(&tx->lock);
	if (tx->running) {
		slot->len = max_t(size_t, head->len, ETH_ZLEN);
		tx->tail = nai_tx_step(tx, tx->tail);
		tx->waiting++;
		if (tx->waiting >= NAI_TX_BATCH)
			nai_tx_push(fq);
	} else {
		nai_tx_count_drops(fq, NAI_TX_DROP_REASON_STOP, 1);
	}
	spin_unlock(&tx->lock);
}
EXPORT_SYMBOL_GPL(nai_tx_commit);

/* From the guest is the tap's receive direction, as when tun takes a frame. */
static void nai_tx_count_tap(struct nai_fq *fq)
{
	struct pcpu_sw_netstats *stats;
	struct nai_tx *tx = fq->tx;
	struct net_device *tap;

	rcu_read_lock();
	tap = rcu_dereference(fq->client->tap);
	if (tap && tap->pcpu_stat_type == NETDEV_PCPU_STAT_TSTATS) {
		local_bh_disable();
		stats = this_cpu_ptr(tap->tstats);
		u64_stats_update_begin(&stats->syncp);
		u64_stats_add(&stats->rx_packets, tx->tap_packets);
		u64_stats_add(&stats->rx_bytes, tx->tap_bytes);
		u64_stats_update_end(&stats->syncp);
		local_bh_enable();
	}
	rcu_read_unlock();
	tx->tap_packets = 0;
	tx->tap_bytes = 0;
}

/**
 * nai_tx_flush - send what was committed
 * @fq: on lease to the caller
 *
 * Context: the worker, process context.
 * Return: true if the hardware did not take all of it.
 */
bool nai_tx_flush(struct nai_fq *fq)
{
	struct nai_tx *tx = fq->tx;
	bool left;

	spin_lock(&tx->lock);
	if (tx->running) {
		nai_tx_push(fq);
		nai_tx_reap(fq);
	}
	left = tx->waiting;
	spin_unlock(&tx->lock);

	if (tx->tap_packets)
		nai_tx_count_tap(fq);
	return left;
}
EXPORT_SYMBOL_GPL(nai_tx_flush);
