/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of nai.ko share, and nobody else sees. */
#ifndef _NET_NAI_CORE_H
#define _NET_NAI_CORE_H

#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/netlink.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/nai.h>

#include "nai_tx.h"

#define NAI_MIN_DEPTH		16
#define NAI_MAX_DEPTH		1024
#define NAI_DROP_REASONS	(NAI_DROP_REASON_NO_DESCRIPTOR + 1)
/* No enum nai_detach_reason: the lease is to go on. */
#define NAI_LEASE_HOLDS		-1

/**
 * struct nai_port_core - what outlives a port that was unregistered
 * @kref: one for the port, one for every frame queue
 * @port: NULL once unregistered; RTNL
 * @dma_dev: of the port; a reference is held
 * @owner: the provider's module, held by every lease
 * @caps: of the port
 * @list: in nai_ports; RTNL
 * @fqs: frame queues on lease; RTNL and hw_mutex to write, either to read
 * @nr_fqs: length of @fqs
 * @up: the hardware can run queues; hw_mutex
 */
struct nai_port_core {
	struct kref kref;
	struct nai_port *port;
	struct device *dma_dev;
	struct module *owner;
	struct nai_caps caps;

	struct list_head list;
	struct list_head fqs;
	unsigned int nr_fqs;
	bool up;
};

/**
 * struct nai_client - a virtqueue that can take a lease
 * @kref: one for the list of clients, one for every frame queue and request
 * @ops: of the consumer
 * @priv: of the consumer
 * @queue: of the tap
 * @pid: the process that set the backend
 * @lock: serialises attach and detach; held while they wait for the guest
 * @gone: unregistered; @lock
 * @attaching: a request is under way; RTNL
 * @fq: the lease; @lock and RTNL to write, either or RCU to read
 * @tap: NULL once it is unregistered; RTNL to write, RTNL or RCU to read
 * @tap_tracker: of the reference to @tap
 * @list: in nai_clients; RTNL
 * @end_work: ends the lease for the reason that the frame queue was given
 * @recall_work: takes every seed back
 * @ended: woken when a lease has ended
 * @fallbacks: leases that ended for another reason than a request; RTNL
 * @last_reason: of the last one, NAI_LEASE_HOLDS if there was none; RTNL
 */
struct nai_client {
	struct kref kref;
	const struct nai_client_ops *ops;
	void *priv;
	u16 queue;
	struct pid *pid;

	struct mutex lock; /* Serialises attach and detach. */
	bool gone;
	bool attaching;
	struct nai_fq __rcu *fq;

	struct net_device __rcu *tap;
	netdevice_tracker tap_tracker;
	struct list_head list;

	struct work_struct end_work;
	struct work_struct recall_work;
	wait_queue_head_t ended;
	u32 fallbacks;
	int last_reason;
};

/* A slot is in exactly one place: in fq->free or fq->again, with the hardware, in
 * fq->ready. Or it is void: there is no seed in it.
 */
enum nai_slot_state {
	NAI_SLOT_FREE,
	NAI_SLOT_POSTED,
	NAI_SLOT_READY,
	NAI_SLOT_VOID,
};

/**
 * struct nai_slot - a buffer
 * @page: where it begins
 * @dma: its address; of a seed only while it is posted
 * @offset: of its first byte in @page
 * @len: bytes the hardware may write
 * @state: where it is
 */
struct nai_slot {
	struct page *page;
	dma_addr_t dma;
	u16 offset;
	u16 len;
	enum nai_slot_state state;
};

struct nai_ready {
	u16 slot;
	u16 len;
	u16 flags;
};

struct nai_fq_stats {
	u64 rx_packets;
	u64 rx_bytes;
	u64 drops[NAI_DROP_REASONS];
	u64 starved;
	u64 low_events;
	u64 empty_events;
	u64 resets;
	u64 seeded;
};

/* Kinds of event whose rate is limited. */
enum nai_event_kind {
	NAI_EVENT_LEVEL_CHANGED,
	NAI_EVENT_CONGESTED,
	NAI_EVENT_CLEARED,
	NAI_EVENT_KINDS,
};

/* What an attach request asks for. */
struct nai_terms {
	u32 port_ifindex;
	enum nai_mode mode;
	u8 mac[ETH_ALEN];
	bool force;
	bool tx;
	u32 low;	/* 0: the default */
	u32 high;	/* 0: the default */
	u32 linger;	/* seconds */
};

/**
 * struct nai_fq - a hardware queue on lease, and its buffers
 * @kref: one for the client, one while the provider knows the queue
 * @rcu: readers of client->fq may be late
 * @core: of the port; a reference is held
 * @client: a reference is held
 * @ops: of the port; not called in state dead
 * @net: of tap and port; RTNL to write, RTNL or RCU to read
 * @net_held: a reference to it is held; RTNL
 * @terms: of the lease; low and high are as settled
 * @id: of the lease
 * @tap_ifindex: for events after the tap has gone
 * @port_ifindex: for events after the port has gone
 * @depth: number of slots with pages of our own, and of those for seeds
 * @nr_slots: the first have our own pages, behind them are seeds, if any
 * @tx: what it sends by, or NULL
 * @priv: of the provider
 * @index: the provider's number of the queue
 * @list: in core->fqs
 * @open: between fq_alloc and fq_free; RTNL
 * @matched: the MAC leads here; RTNL
 * @mapped: all slots of our own have a DMA address; RTNL
 * @held: stopped by its client, not to be started by its port; hw_mutex
 * @lingers: without a client; RTNL
 * @linger_until: in jiffies; RTNL
 * @hw_stats: as last read; hw_mutex
 * @end: why the lease is to end, or NAI_LEASE_HOLDS; the first reason stays
 * @waiter: whom interrupts wake; RCU, NULL outside a lease
 * @wakes: times an interrupt ran the worker
 * @nudged_at: @wakes when the watchdog last looked; RTNL
 * @armed: the interrupt was unmasked and has not come yet
 * @state: hw_mutex and rx_lock to write, either to read
 * @rx_lock: guards what follows; taken in process context alone
 * @slots: @nr_slots of them
 * @free: stack of the numbers of free slots, of our own
 * @nr_free: its height
 * @again: stack of the numbers of seeds that are to be posted
 * @nr_again: its height
 * @pool: so many slots of our own are with the hardware or ready, at most
 * @reach: buffers that the hardware can be given, for the level
 * @ready: ring of frames that wait, indices masked by @ready_mask
 * @ready_mask: power of two, less one
 * @ready_head: oldest that waits
 * @ready_tail: where the next goes
 * @peeked: frames of @ready that the worker was shown last
 * @posted: slots that the hardware has and that were not seen completed
 * @level: of the stock of posted slots; written by the worker alone
 * @stats: of the lease
 * @report: of the client's, in mode seed
 * @event_at: when each kind of event was last sent, in jiffies; the worker's
 * @event_sent: kinds that were sent at all; the worker's
 */
struct nai_fq {
	struct kref kref;
	struct rcu_head rcu;
	struct nai_port_core *core;
	struct nai_client *client;
	const struct nai_port_ops *ops;
	struct net __rcu *net;
	bool net_held;
	struct nai_terms terms;
	u32 id;
	int tap_ifindex;
	int port_ifindex;
	u16 depth;
	u16 nr_slots;
	struct nai_tx *tx;

	void *priv;
	u16 index;

	struct list_head list;
	bool open;
	bool matched;
	bool mapped;
	bool held;
	bool lingers;
	unsigned long linger_until;
	struct nai_hw_stats hw_stats;

	int end;

	struct nai_client __rcu *waiter;
	atomic64_t wakes;
	u64 nudged_at;
	bool armed;

	enum nai_fq_state state;
	spinlock_t rx_lock ____cacheline_aligned_in_smp; /* Guards the rest. */
	struct nai_slot *slots;
	u16 *free;
	u16 *again;
	struct nai_ready *ready;
	unsigned int nr_free;
	unsigned int nr_again;
	unsigned int pool;
	unsigned int reach;
	unsigned int ready_mask;
	unsigned int ready_head;
	unsigned int ready_tail;
	unsigned int peeked;
	unsigned int posted;
	enum nai_congestion level;
	struct nai_fq_stats stats;
	struct nai_seed_report report;
	unsigned long event_at[NAI_EVENT_KINDS];
	unsigned long event_sent;
};

/* Is this slot one for a buffer of the guest's? */
static inline bool nai_fq_is_seed(const struct nai_fq *fq, u16 index)
{
	return index >= fq->depth;
}

/* nai_core.c */
extern struct list_head nai_ports;
extern struct list_head nai_clients;
extern struct workqueue_struct *nai_wq;

u32 nai_next_id(void);
struct nai_port_core *nai_port_core_find(struct net *net, u32 ifindex);
void nai_port_core_get(struct nai_port_core *core);
void nai_port_core_put(struct nai_port_core *core);
struct nai_client *nai_client_find(struct net *net, u32 tap_ifindex, u32 queue);
void nai_client_get(struct nai_client *client);
void nai_client_put(struct nai_client *client);

/* nai_attach.c */
int nai_attach(struct nai_client *client, struct net *net,
	       const struct nai_terms *terms, u32 *id, u16 *index,
	       struct netlink_ext_ack *extack);
int nai_detach(struct nai_client *client, struct netlink_ext_ack *extack);
void nai_lease_fail(struct nai_fq *fq, enum nai_detach_reason reason);
void nai_lease_end(struct nai_client *client, enum nai_detach_reason reason);
void nai_lease_close(struct nai_fq *fq);
void nai_lease_end_work(struct work_struct *work);
void nai_lease_hold(struct nai_fq *fq);
int nai_lease_resume(struct nai_fq *fq);

/* nai_fq.c */
struct nai_fq *nai_fq_create(struct nai_client *client, struct net *net,
			     struct nai_port_core *core,
			     const struct nai_terms *terms);
void nai_fq_keep_net(struct nai_fq *fq);
void nai_fq_drop_net(struct nai_fq *fq);
void nai_fq_get(struct nai_fq *fq);
void nai_fq_put(struct nai_fq *fq);
int nai_fq_map(struct nai_fq *fq);
void nai_fq_unmap(struct nai_fq *fq);
int nai_fq_run(struct nai_fq *fq);
void nai_fq_halt(struct nai_fq *fq, enum nai_fq_state state);
void nai_fq_discard_ready(struct nai_fq *fq);
void nai_fq_post(struct nai_fq *fq);
void nai_fq_count_drops(struct nai_fq *fq, enum nai_drop_reason reason,
			unsigned int n);
enum nai_congestion nai_fq_settle(struct nai_fq *fq);
void nai_fq_tell_level(struct nai_fq *fq, enum nai_congestion was);
bool nai_fq_wake(struct nai_fq *fq);
void nai_fq_nudge(struct nai_fq *fq);
void nai_fq_read_hw_stats(struct nai_fq *fq);

/* nai_seed.c */
int nai_seed_check(const struct nai_port_core *core,
		   struct netlink_ext_ack *extack);
unsigned int nai_seed_post(struct nai_fq *fq);
void nai_seed_unmap(struct nai_fq *fq, struct nai_slot *slot);
void nai_seed_again(struct nai_fq *fq, u16 index);
void nai_seed_recall_work(struct work_struct *work);

/* nai_linger.c */
bool nai_linger_is_due(const struct nai_fq *fq, enum nai_detach_reason reason);
bool nai_linger_begin(struct nai_fq *fq);
void nai_linger_end(struct nai_fq *fq);
void nai_linger_yield(struct nai_port_core *core, const u8 *mac);
void nai_linger_tap(const struct net_device *tap);
void nai_linger_bridge(const struct net_device *bridge);

/* nai_congestion.c */
enum nai_congestion nai_congestion_next(enum nai_congestion now,
					unsigned int posted, unsigned int low,
					unsigned int high);
bool nai_congestion_set_marks(unsigned int depth, u32 *low, u32 *high);

/* nai_policy.c */
int nai_policy_check_mac(const struct nai_port_core *core, const u8 *mac,
			 struct netlink_ext_ack *extack);
int nai_policy_check(struct net_device *tap, const struct nai_port_core *core,
		     struct netlink_ext_ack *extack);
int nai_policy_check_tx(struct net_device *port,
			struct netlink_ext_ack *extack);
int nai_policy_check_place(struct net_device *tap, const u8 *mac,
			   struct netlink_ext_ack *extack);
void nai_policy_recheck_soon(void);
void nai_policy_recheck_stop(void);

/* nai_nl.c */
void nai_nl_notify(struct nai_fq *fq, u8 cmd, int reason);
void nai_nl_notify_level(struct nai_fq *fq, enum nai_congestion was);

#if IS_ENABLED(CONFIG_KUNIT)
bool nai_caps_are_sane(const struct nai_caps *caps);
bool nai_nl_may_tell(struct nai_fq *fq, enum nai_event_kind kind);
#endif

#endif /* _NET_NAI_CORE_H */
