// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transmit queues of an 82576 on lease. Pool k sends by transmit queue k, as it
 * receives by receive queue k (igb_nai.c), beside the port's own queue 0.
 *
 * No interrupt is asked for: the queue has no entry in IVAR. Each descriptor is
 * written back when its frame has been sent, which whoever sends the next ones
 * looks at. Frames come as they are to be: no offload, no context descriptor.
 * The pool's local loopback is off, so a frame for another pool of the same port
 * would go to the wire; nai.ko gives us none.
 *
 * DOC: locking
 *
 * The port's hw_mutex guards start and stop, the frame queue's tx_lock ring
 * indices and descriptors in between.
 */

#include <linux/dma-mapping.h>
#include <linux/iopoll.h>
#include <linux/netdevice.h>
#include <net/nai.h>

#include "igb.h"
#include "igb_nai_queue.h"

#define IGB_NAI_TX_POLL_US	10000

/* For a lease that sends. The rest below does nothing for one that does not. */
int igb_nai_tx_alloc(struct igb_nai_queue *queue, struct device *dev)
{
	struct igb_nai_tx *tx = &queue->tx;

	tx->desc = dma_alloc_coherent(dev, IGB_NAI_TX_DESCS * sizeof(*tx->desc),
				      &tx->dma, GFP_KERNEL);
	return tx->desc ? 0 : -ENOMEM;
}

void igb_nai_tx_free(struct igb_nai_queue *queue, struct device *dev)
{
	struct igb_nai_tx *tx = &queue->tx;

	if (!tx->desc)
		return;
	dma_free_coherent(dev, IGB_NAI_TX_DESCS * sizeof(*tx->desc), tx->desc,
			  tx->dma);
	tx->desc = NULL;
}

/* Start and stop */

static void igb_nai_tx_setup_ring(struct igb_nai_queue *queue)
{
	struct e1000_hw *hw = &queue->adapter->hw;
	struct igb_nai_tx *tx = &queue->tx;
	u16 n = queue->index;

	memset(tx->desc, 0, IGB_NAI_TX_DESCS * sizeof(*tx->desc));
	tx->next_to_use = 0;
	tx->next_to_clean = 0;

	wr32(E1000_TXDCTL(n), 0);
	wr32(E1000_TDBAL(n), lower_32_bits(tx->dma));
	wr32(E1000_TDBAH(n), upper_32_bits(tx->dma));
	wr32(E1000_TDLEN(n), IGB_NAI_TX_DESCS * sizeof(*tx->desc));
	wr32(E1000_TDH(n), 0);
	wr32(E1000_TDT(n), 0);
}

/* Source addresses were looked at already. An 82576 does it once more; not every
 * implementation of it.
 */
static void igb_nai_tx_set_pool(struct igb_nai_queue *queue, bool on)
{
	struct e1000_hw *hw = &queue->adapter->hw;
	u32 bit = BIT(queue->index);

	if (on) {
		wr32(E1000_DTXSWC, rd32(E1000_DTXSWC) | bit);
		wr32(E1000_VFTE, rd32(E1000_VFTE) | bit);
	} else {
		wr32(E1000_VFTE, rd32(E1000_VFTE) & ~bit);
		wr32(E1000_DTXSWC, rd32(E1000_DTXSWC) & ~bit);
	}
}

/* Return: 0 when the queue is as asked, or cannot do anything any more. */
static int igb_nai_tx_enable(struct igb_nai_queue *queue, bool enable)
{
	struct igb_adapter *adapter = queue->adapter;
	struct e1000_hw *hw = &adapter->hw;
	u32 txdctl = 0;

	if (enable)
		txdctl = IGB_TX_PTHRESH | IGB_TX_HTHRESH << 8 |
			 IGB_TX_WTHRESH << 16 | E1000_TXDCTL_QUEUE_ENABLE;
	wr32(E1000_TXDCTL(queue->index), txdctl);
	return read_poll_timeout(igb_rd32, txdctl,
				 E1000_REMOVED(hw->hw_addr) ||
				 !!(txdctl & E1000_TXDCTL_QUEUE_ENABLE) == enable,
				 50, IGB_NAI_TX_POLL_US, false, hw,
				 E1000_TXDCTL(queue->index));
}

int igb_nai_tx_start(struct igb_nai_queue *queue)
{
	int err;

	if (!queue->tx.desc)
		return 0;
	igb_nai_tx_setup_ring(queue);
	igb_nai_tx_set_pool(queue, true);
	err = igb_nai_tx_enable(queue, true);
	if (err) {
		netdev_err(queue->adapter->netdev,
			   "frame queue %u does not start to send\n",
			   queue->index);
		igb_nai_tx_stop(queue);
	}
	return err;
}

/* Frames that the NIC has fetched already may still be sent, and reported until
 * the caller has let the queue settle.
 */
int igb_nai_tx_stop(struct igb_nai_queue *queue)
{
	int err;

	if (!queue->tx.desc)
		return 0;
	err = igb_nai_tx_enable(queue, false);
	igb_nai_tx_set_pool(queue, false);
	return err;
}

/* Ring */

static void igb_nai_tx_fill(union e1000_adv_tx_desc *desc,
			    const struct nai_tx_buf *buf)
{
	desc->read.buffer_addr = cpu_to_le64(buf->dma);
	desc->read.cmd_type_len = cpu_to_le32(E1000_ADVTXD_DTYP_DATA |
					      E1000_ADVTXD_DCMD_DEXT |
					      E1000_ADVTXD_DCMD_IFCS |
					      IGB_TXD_DCMD | buf->len);
	/* also clears DD */
	desc->read.olinfo_status =
		cpu_to_le32(buf->len << E1000_ADVTXD_PAYLEN_SHIFT);
}

unsigned int igb_nai_tx_xmit(struct nai_fq *fq, const struct nai_tx_buf *bufs,
			     unsigned int n)
{
	struct igb_nai_queue *queue = nai_fq_priv(fq);
	struct e1000_hw *hw = &queue->adapter->hw;
	struct igb_nai_tx *tx = &queue->tx;
	u16 i = tx->next_to_use;
	unsigned int done;

	for (done = 0; done < n; done++) {
		if (igb_nai_tx_next(i) == tx->next_to_clean)
			break;
		igb_nai_tx_fill(&tx->desc[i], &bufs[done]);
		i = igb_nai_tx_next(i);
	}
	tx->next_to_use = i;
	if (done) {
		/* The descriptors must be in memory before the NIC may fetch
		 * them.
		 */
		dma_wmb();
		wr32(E1000_TDT(queue->index), i);
	}
	return done;
}

unsigned int igb_nai_tx_poll(struct nai_fq *fq)
{
	struct igb_nai_queue *queue = nai_fq_priv(fq);
	struct igb_nai_tx *tx = &queue->tx;
	const union e1000_adv_tx_desc *desc;
	unsigned int done = 0;

	while (tx->next_to_clean != tx->next_to_use) {
		desc = &tx->desc[tx->next_to_clean];
		if (!(READ_ONCE(desc->wb.status) &
		      cpu_to_le32(E1000_TXD_STAT_DD)))
			break;
		tx->next_to_clean = igb_nai_tx_next(tx->next_to_clean);
		done++;
	}
	return done;
}
