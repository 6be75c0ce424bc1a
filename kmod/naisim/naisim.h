/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of naisim.ko share, and nobody else sees. */
#ifndef _NAISIM_H
#define _NAISIM_H

#include <linux/if_vlan.h>
#include <linux/irq_work.h>
#include <linux/ktime.h>
#include <linux/netdevice.h>
#include <linux/platform_device.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <net/nai.h>

#define NAISIM_DEPTH		256	/* a power of two */
#define NAISIM_BUF_LEN		2048
#define NAISIM_MAX_FRAME	VLAN_ETH_FRAME_LEN
#define NAISIM_MAX_FQS		64
/* What is written behind a frame, up to the end of its buffer. Nobody else's, so
 * that it shows wherever it should not be.
 */
#define NAISIM_CANARY		0x3c

/* What can be made to go wrong; naisim_debugfs.c says what each does. */
enum naisim_knob {
	NAISIM_KNOB_HOLD,
	NAISIM_KNOB_STOP_DELAY_US,
	NAISIM_KNOB_STOP_LIES,
	NAISIM_KNOB_ENGINE_DELAY_US,
	NAISIM_KNOB_FAIL_FQ_ALLOC,
	NAISIM_KNOB_FAIL_FQ_START,
	NAISIM_KNOB_FAIL_MAP,
	NAISIM_KNOB_LOSE_IRQ,
	NAISIM_KNOB_TRUNCATE,
	NAISIM_KNOB_OVERSIZE,
	NAISIM_KNOB_DUPLICATE,
	NAISIM_KNOB_RX_ERROR,
	NAISIM_KNOB_CSUM_OK,
	NAISIM_KNOB_TX_STALL,
	NAISIM_KNOB_TX_REFUSE,
	NAISIM_KNOB_TX_EXCESS,
	NAISIM_KNOBS,
};

/* What is counted; naisim_debugfs.c has the names. */
enum naisim_count {
	NAISIM_WIRE_FRAMES,
	NAISIM_PORT_FRAMES,
	NAISIM_PORT_DROPS,
	NAISIM_FQ_FRAMES,
	NAISIM_FQ_OVERRUNS,
	NAISIM_FQ_STOPPED,
	NAISIM_FQ_TOO_LONG,
	NAISIM_NO_LINK,
	NAISIM_TX_FRAMES,
	NAISIM_TX_DROPS,
	NAISIM_FQ_TX_FRAMES,
	NAISIM_FQ_TX_DROPS,
	NAISIM_HELD_LOST,
	NAISIM_LATE_WRITES,
	NAISIM_LIES,
	NAISIM_LIE_WRITES,
	NAISIM_IRQS,
	NAISIM_IRQS_LOST,
	NAISIM_RESETS,
	NAISIM_COUNTS,
};

/**
 * struct naisim_desc - a descriptor of a queue's ring
 * @dma: of the buffer; the driver's until published
 * @room: bytes of the buffer; as @dma
 * @slot: the core's name of the buffer
 * @len: of the frame; the engine's until completed
 * @flags: NAI_RX_*
 */
struct naisim_desc {
	dma_addr_t dma;
	u16 room;
	u16 slot;
	u16 len;
	u16 flags;
};

/**
 * struct naisim_late - a write that is under way while the queue is stopped
 * @pending: not done yet
 * @lied: fq_stop did not wait for it
 * @dma: where it goes
 * @room: bytes there
 * @at: when it is due
 * @skb: the frame, or NULL if none came
 */
struct naisim_late {
	bool pending;
	bool lied;
	dma_addr_t dma;
	u16 room;
	ktime_t at;
	struct sk_buff *skb;
};

/**
 * struct naisim_tx - the sending side of a queue
 * @ring: NAISIM_DEPTH descriptors, allocated while on lease
 * @next_to_use: first descriptor that is free; tx_lock
 * @next_to_clean: oldest that was not returned; tx_lock
 * @tail: published up to here; the driver writes, the engine reads
 * @done: sent up to here; the engine writes, the driver reads
 * @head: the engine's; the queue's lock to write
 */
struct naisim_tx {
	struct nai_tx_buf *ring;
	u32 next_to_use;
	u32 next_to_clean;
	u32 tail;
	u32 done;
	u32 head;
};

/**
 * struct naisim_queue - a queue that can be lent
 * @sim: backlink
 * @fq: the lease, or NULL
 * @ring: NAISIM_DEPTH descriptors, allocated while on lease
 * @next_to_use: first descriptor that is free; rx_lock
 * @next_to_clean: oldest that was not returned; rx_lock
 * @tail: published up to here; the driver writes, the engine reads
 * @done: completed up to here; the engine writes, the driver reads
 * @armed: the interrupt is unmasked
 * @irq: raises the interrupt
 * @irqs: interrupts taken
 * @drops: frames that found no buffer
 * @tx: what it sends by
 * @lock: guards what follows
 * @head: written up to here
 * @held: completions that are kept back
 * @enabled: between start and stop; looked at without the lock, too
 * @late: see there
 */
struct naisim_queue {
	struct naisim *sim;
	struct nai_fq *fq;
	struct naisim_desc *ring;
	u32 next_to_use;
	u32 next_to_clean;
	u32 tail;
	u32 done;
	bool armed;
	struct irq_work irq;
	atomic64_t irqs;
	atomic64_t drops;
	struct naisim_tx tx;

	spinlock_t lock; /* Held over every write to a posted buffer. */
	u32 head;
	u32 held;
	bool enabled;
	struct naisim_late late;
};

/* An address that leads to a frame queue. */
struct naisim_match {
	u8 mac[ETH_ALEN];
	struct naisim_queue *queue;
};

/**
 * struct naisim - a software NIC and the far end of its cable
 * @nai: the core's part
 * @pdev: the device
 * @port: the NIC's netdev
 * @wire: the far end's netdev
 * @dir: in debugfs
 * @registered: the core is to hear of resets; RTNL
 * @up: the port is open; RTNL to write
 * @engine: moves frames from the cable to buffers
 * @cable: frames on their way
 * @work: the engine waits here for something to do
 * @stopped: fq_stop waits here for the engine
 * @late: queues with a late write
 * @knobs: enum naisim_knob
 * @counts: enum naisim_count
 * @match_lock: guards @matches
 * @matches: unused ones have no queue
 * @nr_queues: length of @queues
 * @queues: the frame queues
 */
struct naisim {
	struct nai_port nai;
	struct platform_device *pdev;
	struct net_device *port;
	struct net_device *wire;
	struct dentry *dir;
	bool registered;
	bool up;

	struct task_struct *engine;
	struct sk_buff_head cable;
	wait_queue_head_t work;
	wait_queue_head_t stopped;
	atomic_t late;

	atomic_t knobs[NAISIM_KNOBS];
	atomic64_t counts[NAISIM_COUNTS];

	spinlock_t match_lock; /* Guards the addresses; innermost. */
	struct naisim_match matches[NAISIM_MAX_FQS];

	unsigned int nr_queues;
	struct naisim_queue queues[] __counted_by(nr_queues);
};

/* Both netdevs have this in netdev_priv(). */
struct naisim_netdev {
	struct naisim *sim;
};

static inline struct naisim *naisim_of(const struct net_device *dev)
{
	return ((struct naisim_netdev *)netdev_priv(dev))->sim;
}

static inline u32 naisim_knob(struct naisim *sim, enum naisim_knob knob)
{
	return atomic_read(&sim->knobs[knob]);
}

/* Return: true as many times as the knob was set to. */
static inline bool naisim_take(struct naisim *sim, enum naisim_knob knob)
{
	return atomic_dec_if_positive(&sim->knobs[knob]) >= 0;
}

static inline void naisim_count(struct naisim *sim, enum naisim_count count)
{
	atomic64_inc(&sim->counts[count]);
}

/* naisim_engine.c */
int naisim_engine(void *data);
netdev_tx_t naisim_cable_send(struct naisim *sim, struct sk_buff *skb);
void naisim_queue_release(struct naisim_queue *queue);

/* naisim_tx.c */
int naisim_tx_alloc(struct naisim_queue *queue);
void naisim_tx_free(struct naisim_queue *queue);
void naisim_tx_reset(struct naisim_queue *queue);
unsigned int naisim_tx_xmit(struct nai_fq *fq, const struct nai_tx_buf *bufs,
			    unsigned int n);
unsigned int naisim_tx_poll(struct nai_fq *fq);
bool naisim_tx_pending(struct naisim *sim);
bool naisim_tx_run(struct naisim *sim);

/* naisim_port.c */
extern const struct nai_port_ops naisim_port_ops;

void naisim_queues_init(struct naisim *sim);
bool naisim_is_matched(struct naisim *sim, const u8 *mac);

/* naisim_netdev.c */
int naisim_netdevs_register(struct naisim *sim);
void naisim_netdevs_unregister(struct naisim *sim);
void naisim_reset(struct naisim *sim);

/* naisim_debugfs.c */
void naisim_debugfs_add(struct naisim *sim, struct dentry *root);
void naisim_debugfs_del(struct naisim *sim);

#endif /* _NAISIM_H */
