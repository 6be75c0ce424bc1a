/* SPDX-License-Identifier: GPL-2.0-only */
/* What a lease sends by, and the table of who is not on the wire. */
#ifndef _NET_NAI_TX_H
#define _NET_NAI_TX_H

#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <net/nai.h>

#define NAI_TX_DROP_REASONS	(NAI_TX_DROP_REASON_STOP + 1)

/* With more local addresses than this all are taken for local, until they are
 * fewer again. A guest can make up as many as it likes.
 */
#define NAI_FDB_MAX		16384
#define NAI_FDB_MAX_FORGOTTEN	1024

struct nai_fdb;

/**
 * struct nai_tx_stats - counters of what a lease sends
 * @packets: completed by the hardware
 * @bytes: of these, without FCS
 * @drops: enum nai_tx_drop_reason
 * @tap: frames left to the tap
 * @full: times that there was no room
 */
struct nai_tx_stats {
	u64 packets;
	u64 bytes;
	u64 drops[NAI_TX_DROP_REASONS];
	u64 tap;
	u64 full;
};

struct nai_tx_slot {
	struct page *page;
	dma_addr_t dma;
	u16 len;
};

/**
 * struct nai_tx - the sending side of a frame queue
 * @fdb: who is not on the wire; NULL: nobody is known to be; RTNL to write, RCU
 *	to read
 * @tap_packets: to be added to the tap's counters; the worker's
 * @tap_bytes: likewise
 * @seen: @stats.packets when the watchdog last looked; RTNL
 * @shown: the bridge was told where the guest is; RTNL
 * @shown_vid: in this VLAN; RTNL
 * @lock: guards what follows; taken in process context alone
 * @running: the hardware sends; the port is there
 * @head: oldest slot that the hardware has
 * @next: oldest that it was not given yet
 * @tail: the worker's, free
 * @in_flight: slots that the hardware has
 * @waiting: slots committed and not given to it yet
 * @progress_at: when the hardware last sent or had nothing to, in jiffies
 * @held: the guest was sending segments
 * @held_at: when it last was seen to, in jiffies
 * @stats: of the lease
 * @depth: number of slots
 * @slots: a ring, in use from @head to @tail
 */
struct nai_tx {
	struct nai_fdb __rcu *fdb;
	unsigned int tap_packets;
	u64 tap_bytes;
	u64 seen;
	bool shown;
	u16 shown_vid;

	spinlock_t lock; /* tx_lock; guards the rest. */
	bool running;
	unsigned int head;
	unsigned int next;
	unsigned int tail;
	unsigned int in_flight;
	unsigned int waiting;
	unsigned long progress_at;
	bool held;
	unsigned long held_at;
	struct nai_tx_stats stats;
	unsigned int depth;
	struct nai_tx_slot slots[] __counted_by(depth);
};

/* nai_tx.c; each does nothing for a queue that does not send. */
struct nai_tx *nai_tx_create(const struct nai_caps *caps, int node);
void nai_tx_destroy(struct nai_tx *tx);
int nai_tx_map(struct nai_fq *fq);
void nai_tx_unmap(struct nai_fq *fq);
void nai_tx_start(struct nai_fq *fq);
void nai_tx_stop(struct nai_fq *fq);
void nai_tx_reclaim(struct nai_fq *fq);
void nai_tx_watch(struct nai_fq *fq);
void nai_tx_read_stats(struct nai_fq *fq, struct nai_tx_stats *stats);

/* nai_fdb.c */
int nai_fdb_init(void);
void nai_fdb_exit(void);
int nai_fdb_join(struct nai_fq *fq);
void nai_fdb_leave(struct nai_fq *fq);
void nai_fdb_add_lease(struct nai_fq *fq);
void nai_fdb_del_lease(struct nai_fq *fq);
void nai_fdb_upper_changed(void);
void nai_fdb_show(struct nai_fq *fq);
void nai_fdb_mend(void);
bool nai_fdb_is_local(const struct nai_fdb *fdb, const u8 *mac);

#if IS_ENABLED(CONFIG_KUNIT)
enum nai_tx_path nai_tx_judge(const struct nai_tx_head *head, const u8 *mac,
			      unsigned int max_frame, bool local,
			      enum nai_tx_drop_reason *reason);
void nai_tx_finish(void *data, const struct nai_tx_head *head);
#endif

#endif /* _NET_NAI_TX_H */
