/* SPDX-License-Identifier: GPL-2.0-only */
/* What igb_nai.c and igb_nai_tx.c share. */

#ifndef _IGB_NAI_QUEUE_H_
#define _IGB_NAI_QUEUE_H_

#include <linux/if.h>
#include <net/nai.h>

#include "igb.h"

/* Of a ring. One stays unused, for a full ring must not look like an empty one.
 * To receive, as many as a tap queues by default: its guest was not ready for so
 * long either. To send, a few: the port's own ring has as many.
 */
#define IGB_NAI_RX_DESCS	1024
#define IGB_NAI_TX_DESCS	256

/**
 * struct igb_nai_tx - the sending side of a queue
 * @desc: descriptor ring, allocated while on lease
 * @dma: address of @desc
 * @next_to_use: first descriptor that is free; tx_lock
 * @next_to_clean: oldest that was not seen sent; tx_lock
 */
struct igb_nai_tx {
	union e1000_adv_tx_desc *desc;
	dma_addr_t dma;
	u16 next_to_use;
	u16 next_to_clean;
};

/**
 * struct igb_nai_queue - a queue that can be lent
 * @adapter: backlink
 * @fq: the lease, or NULL
 * @index: number of the queue, of its pool, and of its vector among the pools'
 * @desc: descriptor ring, allocated while on lease
 * @dma: address of @desc
 * @slots: the core's slot of the buffer in each descriptor
 * @next_to_use: first descriptor that is free
 * @next_to_clean: oldest posted descriptor
 * @partial: the last descriptor did not end a frame
 * @running: between start and stop
 * @tx: what it sends by
 * @irq: number of the requested interrupt, or 0
 * @eims: its bit in EIMS, EIMC and EICR
 * @irqs: interrupts taken
 * @drops: what RQDPC has counted
 * @name: of the interrupt
 */
struct igb_nai_queue {
	struct igb_adapter *adapter;
	struct nai_fq *fq;
	u8 index;

	union e1000_adv_rx_desc *desc;
	dma_addr_t dma;
	u16 slots[IGB_NAI_RX_DESCS];
	u16 next_to_use;
	u16 next_to_clean;
	bool partial;
	bool running;

	struct igb_nai_tx tx;

	int irq;
	u32 eims;
	atomic64_t irqs;
	u64 drops;
	char name[IFNAMSIZ + 8];
};

static inline u16 igb_nai_rx_next(u16 i)
{
	return i + 1 < IGB_NAI_RX_DESCS ? i + 1 : 0;
}

static inline u16 igb_nai_tx_next(u16 i)
{
	return i + 1 < IGB_NAI_TX_DESCS ? i + 1 : 0;
}

/* igb_nai_tx.c; RTNL held to allocate and free, hw_mutex to start and stop. */
int igb_nai_tx_alloc(struct igb_nai_queue *queue, struct device *dev);
void igb_nai_tx_free(struct igb_nai_queue *queue, struct device *dev);
int igb_nai_tx_start(struct igb_nai_queue *queue);
int igb_nai_tx_stop(struct igb_nai_queue *queue);
unsigned int igb_nai_tx_xmit(struct nai_fq *fq, const struct nai_tx_buf *bufs,
			     unsigned int n);
unsigned int igb_nai_tx_poll(struct nai_fq *fq);

#endif /* _IGB_NAI_QUEUE_H_ */
