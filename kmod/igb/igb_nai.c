// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues of an 82576 on lease: igb as a provider of frame queues. What they send
 * by is in igb_nai_tx.c.
 *
 * DOC: pool mode
 *
 * The 82576 can sort received frames into 8 pools by destination address. Pool
 * k delivers to receive queue k. Pool 0 is the port's own and takes whatever no
 * other pool asked for; pools 1 to 7 are frame queues 1 to 7, each with an MSI-X
 * vector of its own. The first lease switches the port to pool mode, which
 * resets it once and leaves it one receive and one transmit queue; it goes back
 * when it is closed with nothing on lease. Until then nothing is changed.
 *
 * In pool mode every queue drops when it has no descriptors (DROP_EN and QDE).
 * So an empty frame queue neither blocks the other queues nor fills the packet
 * buffer, and no pause frames are sent on its account.
 *
 * DOC: how far the NIC writes
 *
 * A receive descriptor has no length. A queue has one for all of its buffers, in
 * SRRCTL and in KiB: 2 here. But a guest's own buffer is what its driver asked
 * for; Linux' has 1536 bytes, or 1530. What keeps the NIC within those is the
 * pool's limit on the length of a frame, VMOLR.RLPML: the NIC stores a frame
 * whole, and throws one that is longer away before it picks a buffer. So it
 * writes rx_max_frame bytes at most, and no shorter buffer is posted. The limit
 * is set before the queue is enabled; a reset clears both, and nobody else
 * writes the VMOLR of a pool beside the port's own.
 *
 * A buffer begins where the guest's header ends, at any address. For that the
 * lowest bit of a descriptor's address has to be one of the address.
 *
 * DOC: locking
 *
 * RTNL guards pool mode, the leases, the MAC filters and the requested irqs.
 * The port's hw_mutex guards start and stop and the counters; the frame queue's
 * rx_lock guards ring indices and descriptors. The interrupt handler takes no
 * lock: it reads queue->fq, which is set before the interrupt is first unmasked
 * and cleared with it masked, then waited for.
 */

#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/iopoll.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/rtnetlink.h>
#include <net/nai.h>

#include "igb.h"
#include "igb_nai.h"
#include "igb_nai_queue.h"

#define IGB_NAI_MAX_QUEUES	7	/* pools beside the port's own */
#define IGB_NAI_BUF_LEN		IGB_RXBUFFER_2048
/* With FCS: a VLAN tag on a full frame just fits. */
#define IGB_NAI_RLPML		MAXIMUM_ETHERNET_VLAN_SIZE
/* Descriptors prefetched before the queue stopped may still be written back. */
#define IGB_NAI_SETTLE_US	1000
#define IGB_NAI_POLL_US		10000
#define IGB_NAI_RQDPC_MASK	0xfff
/* In RXCTL: the lowest bit of a buffer's address says not to snoop. */
#define IGB_NAI_RXCTL_DATA_NSE	BIT(12)

/**
 * struct igb_nai - a port that lends queues
 * @port: the core's part
 * @adapter: backlink
 * @rss_queues: queues of the port itself, outside pool mode
 * @registered: the core is to hear of resets
 * @blocked: virtual functions are being made
 * @queues: queue 1 first
 */
struct igb_nai {
	struct nai_port port;
	struct igb_adapter *adapter;
	u32 rss_queues;
	bool registered;
	bool blocked;
	struct igb_nai_queue queues[IGB_NAI_MAX_QUEUES];
};

static struct igb_nai *igb_nai_of_port(struct nai_port *port)
{
	return container_of(port, struct igb_nai, port);
}

/* Pool mode */

bool igb_nai_is_leased(const struct igb_adapter *adapter)
{
	const struct igb_nai *nai = adapter->nai;
	int i;

	if (!nai)
		return false;
	for (i = 0; i < IGB_NAI_MAX_QUEUES; i++)
		if (nai->queues[i].fq)
			return true;
	return false;
}

static void igb_nai_set_pools(struct igb_adapter *adapter, unsigned int pools,
			      u32 rss_queues, unsigned int max_rss_queues)
{
	adapter->vmdq_pools = pools;
	adapter->rss_queues = rss_queues;
	igb_set_flag_queue_pairs(adapter, max_rss_queues);
}

/* The port's vectors and queues anew; it is closed. */
static int igb_nai_reinit(struct igb_adapter *adapter, bool reopen)
{
	int err;

	igb_clear_interrupt_scheme(adapter);
	err = igb_init_interrupt_scheme(adapter, true);
	if (err)
		return err;
	return reopen ? igb_open(adapter->netdev) : 0;
}

static int igb_nai_enter(struct igb_nai *nai, struct netlink_ext_ack *extack)
{
	struct igb_adapter *adapter = nai->adapter;
	struct net_device *netdev = adapter->netdev;
	bool running = netif_running(netdev);
	int err;

	if (adapter->vmdq_pools)
		return 0;

	if (running)
		igb_close(netdev);
	nai->rss_queues = adapter->rss_queues;
	igb_nai_set_pools(adapter, nai->port.caps.max_fqs, 1, 1);
	err = igb_nai_reinit(adapter, running);
	if (!err && adapter->pool_vectors) {
		netdev_info(netdev, "frame queues on, one queue left to the port\n");
		return 0;
	}

	NL_SET_ERR_MSG(extack, "The port cannot get interrupts for frame queues");
	if (!err && running)
		igb_close(netdev);
	igb_nai_set_pools(adapter, 0, nai->rss_queues,
			  igb_get_max_rss_queues(adapter));
	if (igb_nai_reinit(adapter, running))
		netdev_err(netdev, "cannot go back from pool mode\n");
	return err ? : -ENOSPC;
}

/* The caller is about to set up the port's queues and vectors anew. */
void igb_nai_leave(struct igb_adapter *adapter)
{
	ASSERT_RTNL();

	if (!igb_nai_is_leased(adapter))
		adapter->vmdq_pools = 0;
}

void igb_nai_closed(struct igb_adapter *adapter)
{
	struct igb_nai *nai = adapter->nai;

	ASSERT_RTNL();

	if (!adapter->vmdq_pools || igb_nai_is_leased(adapter) ||
	    adapter->netdev->dismantle)
		return;

	igb_nai_set_pools(adapter, 0, nai->rss_queues,
			  igb_get_max_rss_queues(adapter));
	if (igb_nai_reinit(adapter, false))
		netdev_err(adapter->netdev, "cannot go back from pool mode\n");
	else
		netdev_info(adapter->netdev, "frame queues off\n");
}

int igb_nai_block(struct igb_adapter *adapter)
{
	int err = 0;

	rtnl_lock();
	if (adapter->vmdq_pools) {
		netdev_err(adapter->netdev, "frame queues are in use: no virtual functions until they are given back and the port was down\n");
		err = -EBUSY;
	} else if (adapter->nai) {
		adapter->nai->blocked = true;
	}
	rtnl_unlock();
	return err;
}

void igb_nai_unblock(struct igb_adapter *adapter)
{
	rtnl_lock();
	if (adapter->nai)
		adapter->nai->blocked = false;
	rtnl_unlock();
}

/* Interrupts */

static irqreturn_t igb_nai_msix(int irq, void *data)
{
	struct igb_nai_queue *queue = data;
	struct e1000_hw *hw = &queue->adapter->hw;
	struct nai_fq *fq = READ_ONCE(queue->fq);

	/* Not left to EIAM: not every implementation has it. */
	wr32(E1000_EIMC, queue->eims);
	atomic64_inc(&queue->irqs);
	if (fq)
		nai_fq_irq(fq);
	return IRQ_HANDLED;
}

/* A queue whose interrupt is not to be had stays shut; the port does not. */
void igb_nai_request_irqs(struct igb_adapter *adapter)
{
	struct igb_nai *nai = adapter->nai;
	struct igb_nai_queue *queue;
	int i, vector, irq, err;

	for (i = 0; i < adapter->pool_vectors; i++) {
		queue = &nai->queues[i];
		vector = NON_Q_VECTORS + adapter->num_q_vectors + i;
		irq = adapter->msix_entries[vector].vector;
		snprintf(queue->name, sizeof(queue->name), "%s-nai-%u",
			 adapter->netdev->name, queue->index);
		err = request_irq(irq, igb_nai_msix, 0, queue->name, queue);
		if (err) {
			netdev_err(adapter->netdev,
				   "frame queue %u has no interrupt: error %d\n",
				   queue->index, err);
			continue;
		}
		queue->irq = irq;
		queue->eims = BIT(vector);
	}
}

void igb_nai_free_irqs(struct igb_adapter *adapter)
{
	struct igb_nai *nai = adapter->nai;
	int i;

	if (!nai)
		return;
	for (i = 0; i < IGB_NAI_MAX_QUEUES; i++) {
		if (!nai->queues[i].irq)
			continue;
		free_irq(nai->queues[i].irq, &nai->queues[i]);
		nai->queues[i].irq = 0;
	}
}

static bool igb_nai_has_frame(const struct igb_nai_queue *queue)
{
	const union e1000_adv_rx_desc *desc;

	if (queue->next_to_clean == queue->next_to_use)
		return false;
	desc = &queue->desc[queue->next_to_clean];
	return READ_ONCE(desc->wb.upper.status_error) &
	       cpu_to_le32(E1000_RXD_STAT_DD);
}

static void igb_nai_irq_mask(struct nai_fq *fq)
{
	struct igb_nai_queue *queue = nai_fq_priv(fq);
	struct e1000_hw *hw = &queue->adapter->hw;

	wr32(E1000_EIMC, queue->eims);
}

static bool igb_nai_irq_arm(struct nai_fq *fq)
{
	struct igb_nai_queue *queue = nai_fq_priv(fq);
	struct e1000_hw *hw = &queue->adapter->hw;

	if (!READ_ONCE(queue->running))
		return false;

	/* Frames taken while masked have left their cause behind. */
	wr32(E1000_EICR, queue->eims);
	wr32(E1000_EIMS, queue->eims);
	/* A frame whose cause was just cleared is in memory when this read
	 * returns; one that comes later interrupts.
	 */
	wrfl();
	if (!igb_nai_has_frame(queue))
		return false;
	wr32(E1000_EIMC, queue->eims);
	return true;
}

/* Ring */

static unsigned int igb_nai_rx_post(struct nai_fq *fq,
				    const struct nai_rx_buf *bufs,
				    unsigned int n)
{
	struct igb_nai_queue *queue = nai_fq_priv(fq);
	u16 i = queue->next_to_use;
	unsigned int done;

	for (done = 0; done < n; done++) {
		if (igb_nai_rx_next(i) == queue->next_to_clean)
			break;
		queue->slots[i] = bufs[done].slot;
		queue->desc[i].read.pkt_addr = cpu_to_le64(bufs[done].dma);
		/* also clears the status */
		queue->desc[i].read.hdr_addr = 0;
		i = igb_nai_rx_next(i);
	}
	queue->next_to_use = i;
	return done;
}

static void igb_nai_rx_kick(struct nai_fq *fq)
{
	struct igb_nai_queue *queue = nai_fq_priv(fq);
	struct e1000_hw *hw = &queue->adapter->hw;

	/* The descriptors must be in memory before the NIC may fetch them. */
	dma_wmb();
	wr32(E1000_RDT(queue->index), queue->next_to_use);
}

/* The rules are those of igb_rx_checksum() and igb_cleanup_headers(). */
static u16 igb_nai_rx_flags(struct igb_nai_queue *queue, u32 staterr)
{
	bool partial = queue->partial;

	queue->partial = !(staterr & E1000_RXD_STAT_EOP);
	if (partial || queue->partial ||
	    staterr & E1000_RXDEXT_ERR_FRAME_ERR_MASK)
		return NAI_RX_ERR;

	if (!(queue->adapter->netdev->features & NETIF_F_RXCSUM) ||
	    staterr & (E1000_RXD_STAT_IXSM | E1000_RXDEXT_STATERR_TCPE |
		       E1000_RXDEXT_STATERR_IPE))
		return 0;
	if (staterr & (E1000_RXD_STAT_TCPCS | E1000_RXD_STAT_UDPCS))
		return NAI_RX_CSUM_OK;
	return 0;
}

static unsigned int igb_nai_rx_poll(struct nai_fq *fq, struct nai_rx_cpl *cpls,
				    unsigned int budget)
{
	struct igb_nai_queue *queue = nai_fq_priv(fq);
	const union e1000_adv_rx_desc *desc;
	unsigned int done;
	u16 i;

	for (done = 0; done < budget && igb_nai_has_frame(queue); done++) {
		/* Nothing else of the descriptor may be read before DD. */
		dma_rmb();
		i = queue->next_to_clean;
		desc = &queue->desc[i];
		cpls[done].slot = queue->slots[i];
		cpls[done].len = le16_to_cpu(desc->wb.upper.length);
		cpls[done].flags =
			igb_nai_rx_flags(queue,
					 le32_to_cpu(desc->wb.upper.status_error));
		queue->next_to_clean = igb_nai_rx_next(i);
	}
	return done;
}

/* Start and stop */

static void igb_nai_setup_ring(struct igb_nai_queue *queue)
{
	struct e1000_hw *hw = &queue->adapter->hw;
	u16 n = queue->index;

	memset(queue->desc, 0, IGB_NAI_RX_DESCS * sizeof(*queue->desc));
	queue->next_to_use = 0;
	queue->next_to_clean = 0;
	queue->partial = false;

	wr32(E1000_RXDCTL(n), 0);
	wr32(E1000_RDBAL(n), lower_32_bits(queue->dma));
	wr32(E1000_RDBAH(n), upper_32_bits(queue->dma));
	wr32(E1000_RDLEN(n), IGB_NAI_RX_DESCS * sizeof(*queue->desc));
	wr32(E1000_RDH(n), 0);
	wr32(E1000_RDT(n), 0);
	wr32(E1000_SRRCTL(n), E1000_SRRCTL_DROP_EN |
	     (IGB_NAI_BUF_LEN >> E1000_SRRCTL_BSIZEPKT_SHIFT) |
	     E1000_SRRCTL_DESCTYPE_ADV_ONEBUF);
	wr32(E1000_RXCTL(n), rd32(E1000_RXCTL(n)) & ~IGB_NAI_RXCTL_DATA_NSE);
}

/* Without broadcast, multicast and tag stripping. RLPML, not the length of the
 * buffer, is what keeps a frame whole and within it.
 */
static void igb_nai_setup_pool(struct igb_nai_queue *queue)
{
	struct e1000_hw *hw = &queue->adapter->hw;

	wr32(E1000_VMOLR(queue->index), E1000_VMOLR_STRCRC | E1000_VMOLR_AUPE |
	     E1000_VMOLR_LPE | IGB_NAI_RLPML);
	wr32(E1000_VFRE, rd32(E1000_VFRE) | BIT(queue->index));
}

/* Return: 0 when the queue is as asked, or cannot do anything any more. */
static int igb_nai_enable_queue(struct igb_nai_queue *queue, bool enable)
{
	struct igb_adapter *adapter = queue->adapter;
	struct e1000_hw *hw = &adapter->hw;
	u32 rxdctl = 0;

	if (enable)
		rxdctl = IGB_RX_PTHRESH | IGB_RX_HTHRESH << 8 |
			 IGB_RX_WTHRESH << 16 | E1000_RXDCTL_QUEUE_ENABLE;
	wr32(E1000_RXDCTL(queue->index), rxdctl);
	return read_poll_timeout(igb_rd32, rxdctl,
				 E1000_REMOVED(hw->hw_addr) ||
				 !!(rxdctl & E1000_RXDCTL_QUEUE_ENABLE) == enable,
				 50, IGB_NAI_POLL_US, false, hw,
				 E1000_RXDCTL(queue->index));
}

static void igb_nai_count_drops(struct igb_nai_queue *queue)
{
	struct e1000_hw *hw = &queue->adapter->hw;

	/* Clears on read. It has 12 bits, so what was dropped between two reads
	 * is a lower bound; a device that was removed reads as all ones.
	 */
	queue->drops += rd32(E1000_RQDPC(queue->index)) & IGB_NAI_RQDPC_MASK;
}

static int igb_nai_fq_start(struct nai_fq *fq)
{
	struct igb_nai_queue *queue = nai_fq_priv(fq);
	struct e1000_hw *hw = &queue->adapter->hw;
	int err;

	lockdep_assert_held(&nai_fq_port(fq)->hw_mutex);

	/* MSI-X may have been lost when the vectors were last set up. */
	if (!queue->irq)
		return -ENXIO;

	igb_nai_irq_mask(fq);
	err = igb_nai_tx_start(queue);
	if (err)
		return err;
	/* What was dropped when nobody had the queue. */
	rd32(E1000_RQDPC(queue->index));
	igb_nai_setup_ring(queue);
	igb_nai_setup_pool(queue);
	err = igb_nai_enable_queue(queue, true);
	if (err) {
		netdev_err(queue->adapter->netdev,
			   "frame queue %u does not start\n", queue->index);
		igb_nai_enable_queue(queue, false);
		igb_nai_tx_stop(queue);
		return err;
	}
	WRITE_ONCE(queue->running, true);
	return 0;
}

/* The buffers are freed next, whatever the queue does: stop all of reception and
 * transmission, as closing the port does, until the reset.
 */
static void igb_nai_stop_port(struct igb_adapter *adapter)
{
	struct e1000_hw *hw = &adapter->hw;

	wr32(E1000_RCTL, rd32(E1000_RCTL) & ~E1000_RCTL_EN);
	wr32(E1000_TCTL, rd32(E1000_TCTL) & ~E1000_TCTL_EN);
	wrfl();
	usleep_range(IGB_NAI_POLL_US, 2 * IGB_NAI_POLL_US);
	schedule_work(&adapter->reset_task);
}

static void igb_nai_fq_stop(struct nai_fq *fq)
{
	struct igb_nai_queue *queue = nai_fq_priv(fq);
	struct igb_adapter *adapter = queue->adapter;
	struct e1000_hw *hw = &adapter->hw;
	int err;

	lockdep_assert_held(&nai_fq_port(fq)->hw_mutex);

	if (!queue->running)
		return;
	WRITE_ONCE(queue->running, false);

	igb_nai_irq_mask(fq);
	/* A channel that is offline does not carry DMA either. */
	if (!pci_channel_offline(adapter->pdev)) {
		igb_nai_count_drops(queue);
		wr32(E1000_VFRE, rd32(E1000_VFRE) & ~BIT(queue->index));
		err = igb_nai_tx_stop(queue);
		if (igb_nai_enable_queue(queue, false) || err) {
			netdev_err(adapter->netdev,
				   "frame queue %u does not stop, resetting\n",
				   queue->index);
			igb_nai_stop_port(adapter);
		}
		usleep_range(IGB_NAI_SETTLE_US, 2 * IGB_NAI_SETTLE_US);
		/* Behind what the NIC wrote last. */
		wrfl();
	}
	synchronize_irq(queue->irq);
}

static void igb_nai_get_stats(struct nai_fq *fq, struct nai_hw_stats *stats)
{
	struct igb_nai_queue *queue = nai_fq_priv(fq);

	lockdep_assert_held(&nai_fq_port(fq)->hw_mutex);

	if (queue->running)
		igb_nai_count_drops(queue);
	stats->hw_drop_overruns = queue->drops;
	stats->irqs = atomic64_read(&queue->irqs);
}

/* Leases */

static int igb_nai_check(struct igb_nai *nai, struct netlink_ext_ack *extack)
{
	struct net_device *netdev = nai->adapter->netdev;

	if (nai->blocked || nai->adapter->vfs_allocated_count) {
		NL_SET_ERR_MSG(extack,
			       "Frame queues and virtual functions exclude each other");
		return -EBUSY;
	}
	if (!netif_device_present(netdev)) {
		NL_SET_ERR_MSG(extack, "The port is suspended or in error");
		return -ENODEV;
	}
	if (netdev->mtu > ETH_DATA_LEN) {
		NL_SET_ERR_MSG(extack,
			       "Frame queues do not take frames for an MTU above 1500");
		return -EINVAL;
	}
	if (netdev->features & NETIF_F_RXALL) {
		NL_SET_ERR_MSG(extack,
			       "Frame queues do not take bad frames: turn rx-all off");
		return -EINVAL;
	}
	return 0;
}

static struct igb_nai_queue *igb_nai_free_queue(struct igb_nai *nai)
{
	bool running = netif_running(nai->adapter->netdev);
	int i;

	/* Without its interrupt a queue does not start. */
	for (i = 0; i < nai->adapter->pool_vectors; i++)
		if (!nai->queues[i].fq && (nai->queues[i].irq || !running))
			return &nai->queues[i];
	return NULL;
}

static int igb_nai_lend(struct igb_nai *nai, struct nai_fq *fq,
			struct netlink_ext_ack *extack)
{
	struct device *dev = nai->port.dma_dev;
	struct igb_nai_queue *queue;
	int err;

	err = igb_nai_enter(nai, extack);
	if (err)
		return err;

	queue = igb_nai_free_queue(nai);
	if (!queue) {
		NL_SET_ERR_MSG(extack,
			       "All frame queues that have an interrupt are on lease");
		return -ENOSPC;
	}
	queue->desc = dma_alloc_coherent(dev,
					 IGB_NAI_RX_DESCS * sizeof(*queue->desc),
					 &queue->dma, GFP_KERNEL);
	if (!queue->desc)
		return -ENOMEM;
	err = nai_fq_sends(fq) ? igb_nai_tx_alloc(queue, dev) : 0;
	if (err) {
		dma_free_coherent(dev, IGB_NAI_RX_DESCS * sizeof(*queue->desc),
				  queue->desc, queue->dma);
		return err;
	}

	queue->drops = 0;
	atomic64_set(&queue->irqs, 0);
	nai_fq_set_priv(fq, queue);
	nai_fq_set_index(fq, queue->index);
	WRITE_ONCE(queue->fq, fq);
	return 0;
}

static int igb_nai_fq_alloc(struct nai_port *port, struct nai_fq *fq,
			    struct netlink_ext_ack *extack)
{
	struct igb_nai *nai = igb_nai_of_port(port);
	struct device *dev = port->dma_dev;
	int err;

	ASSERT_RTNL();

	/* A port without link would be suspended, and lose the ring. */
	err = pm_runtime_resume_and_get(dev);
	if (err) {
		NL_SET_ERR_MSG(extack, "The port does not resume");
		return err;
	}
	err = igb_nai_check(nai, extack);
	if (!err)
		err = igb_nai_lend(nai, fq, extack);
	if (err)
		pm_runtime_put(dev);
	return err;
}

static void igb_nai_fq_free(struct nai_fq *fq)
{
	struct igb_nai_queue *queue = nai_fq_priv(fq);
	struct device *dev = nai_fq_port(fq)->dma_dev;

	ASSERT_RTNL();

	WRITE_ONCE(queue->fq, NULL);
	if (queue->irq)
		synchronize_irq(queue->irq);
	dma_free_coherent(dev, IGB_NAI_RX_DESCS * sizeof(*queue->desc),
			  queue->desc, queue->dma);
	queue->desc = NULL;
	igb_nai_tx_free(queue, dev);
	pm_runtime_put(dev);
}

static int igb_nai_match_add(struct nai_fq *fq, const u8 *mac,
			     struct netlink_ext_ack *extack)
{
	struct igb_nai_queue *queue = nai_fq_priv(fq);
	int err;

	if (!netif_device_present(queue->adapter->netdev)) {
		NL_SET_ERR_MSG(extack, "The port is suspended or in error");
		return -ENODEV;
	}
	err = igb_add_pool_mac(queue->adapter, mac, queue->index);
	if (err == -EADDRINUSE)
		NL_SET_ERR_MSG(extack,
			       "The port itself, another frame queue or an ethtool filter has this MAC address");
	else if (err == -ENOSPC)
		NL_SET_ERR_MSG(extack, "The port's MAC filters are all in use");
	return err;
}

static void igb_nai_match_del(struct nai_fq *fq, const u8 *mac)
{
	struct igb_nai_queue *queue = nai_fq_priv(fq);

	igb_del_pool_mac(queue->adapter, mac, queue->index);
}

static const struct nai_port_ops igb_nai_port_ops = {
	.fq_alloc	= igb_nai_fq_alloc,
	.fq_free	= igb_nai_fq_free,
	.match_add	= igb_nai_match_add,
	.match_del	= igb_nai_match_del,
	.fq_start	= igb_nai_fq_start,
	.fq_stop	= igb_nai_fq_stop,
	.rx_post	= igb_nai_rx_post,
	.rx_kick	= igb_nai_rx_kick,
	.rx_poll	= igb_nai_rx_poll,
	.irq_arm	= igb_nai_irq_arm,
	.irq_mask	= igb_nai_irq_mask,
	.get_stats	= igb_nai_get_stats,
	.tx_xmit	= igb_nai_tx_xmit,
	.tx_poll	= igb_nai_tx_poll,
};

/* The port */

void igb_nai_down(struct igb_adapter *adapter)
{
	if (adapter->nai && adapter->nai->registered)
		nai_port_down(&adapter->nai->port);
}

void igb_nai_up(struct igb_adapter *adapter)
{
	if (adapter->nai && adapter->nai->registered)
		nai_port_up(&adapter->nai->port);
}

/* RQDPC is there but never counts in emulated 82576, which look the same. */
static void igb_nai_set_caps(struct nai_caps *caps, int max_fqs)
{
	caps->flags = NAI_CAP_NO_HOL | NAI_CAP_CRC_STRIP | NAI_CAP_HW_DROPS |
		      NAI_CAP_TX | NAI_CAP_SEED;
	caps->max_fqs = max_fqs;
	caps->rx_depth = IGB_NAI_RX_DESCS - 1;
	caps->rx_buf_len = IGB_NAI_BUF_LEN;
	caps->rx_max_frame = IGB_NAI_RLPML - ETH_FCS_LEN;
	caps->tx_depth = IGB_NAI_TX_DESCS - 1;
	caps->tx_max_frame = IGB_NAI_RLPML - ETH_FCS_LEN;
}

/* How many queues there can be vectors for, beside two of the port's own. */
static int igb_nai_max_fqs(struct igb_adapter *adapter)
{
	int vectors = pci_msix_vec_count(adapter->pdev);

	if (adapter->hw.mac.type != e1000_82576 ||
	    !(adapter->flags & IGB_FLAG_HAS_MSIX))
		return 0;
	vectors = min(vectors, MAX_MSIX_ENTRIES) - (NON_Q_VECTORS + 1);
	return clamp(vectors, 0, IGB_NAI_MAX_QUEUES);
}

static struct igb_nai *igb_nai_create(struct igb_adapter *adapter, int max_fqs)
{
	struct device *dev = &adapter->pdev->dev;
	struct igb_nai *nai;
	int i;

	/* Closing the port frees interrupts of ours after igb_nai_remove(). */
	nai = devm_kzalloc(dev, sizeof(*nai), GFP_KERNEL);
	if (!nai)
		return NULL;

	nai->adapter = adapter;
	for (i = 0; i < IGB_NAI_MAX_QUEUES; i++) {
		nai->queues[i].adapter = adapter;
		nai->queues[i].index = i + 1;
	}
	nai->port.dev = adapter->netdev;
	nai->port.dma_dev = dev;
	nai->port.ops = &igb_nai_port_ops;
	igb_nai_set_caps(&nai->port.caps, max_fqs);
	return nai;
}

void igb_nai_probe(struct igb_adapter *adapter)
{
	int err, max_fqs = igb_nai_max_fqs(adapter);
	struct igb_nai *nai;

	if (!max_fqs)
		return;
	nai = igb_nai_create(adapter, max_fqs);
	if (!nai)
		return;

	adapter->nai = nai;
	err = nai_port_register(&nai->port, THIS_MODULE);
	if (err) {
		dev_warn(nai->port.dma_dev, "no frame queues: error %d\n", err);
		return;
	}

	/* The port may have been opened already. */
	rtnl_lock();
	nai->registered = true;
	if (!test_bit(__IGB_DOWN, &adapter->state))
		nai_port_up(&nai->port);
	rtnl_unlock();
}

void igb_nai_remove(struct igb_adapter *adapter)
{
	struct igb_nai *nai = adapter->nai;

	if (!nai || !nai->registered)
		return;
	/* With all queues stopped, a reset on the way out concerns nobody. */
	rtnl_lock();
	nai_port_down(&nai->port);
	nai->registered = false;
	rtnl_unlock();
	nai_port_unregister(&nai->port);
}
