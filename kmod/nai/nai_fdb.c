// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is not on the wire. A frame that a guest sends by its queue passes no
 * bridge, so it must not be for anybody whom only the bridge reaches: the host
 * itself, other guests, stations behind other ports. A table holds these
 * addresses. It belongs to a bridge and to one port of it, beyond which the wire
 * is, and mirrors the bridge's own table but for what is behind that port. The
 * addresses of all leases are in it too.
 *
 * An address that is in it wrongly costs time, for the bridge then decides, as it
 * does for everything else. One that is missing is worse: a local station gets
 * nothing from an accelerated guest. So what the bridge forgets, as it does with
 * a station that was silent for the ageing time, is remembered here until it
 * shows up on the wire. Missing is a station that the bridge never knew, until it
 * sends a frame itself: the guest's broadcast for its address, which goes to
 * everybody, brings that about. So is one of a user's entries that age ("bridge
 * fdb add ... dynamic") and were made after the lease: the bridge does not tell
 * of them.
 *
 * The other way round the bridge does not see what a guest sends by a queue, and
 * would forget where it is, or believe whoever forges its address. It is told
 * (nai_fdb_show()), as it is by NICs that forward by themselves.
 *
 * DOC: locking
 *
 * RTNL guards the list of tables and which lease uses which. The bridge tells of
 * changes in any context, often in softirq: a table's lock guards its entries
 * against other writers. The worker, and the notifier to find the table, read
 * under RCU. A table does not outlive its bridge or port by more than a grace
 * period, for they leave each other first, of which nai_fdb_upper_changed() is
 * told.
 */

#include <kunit/visibility.h>
#include <linux/etherdevice.h>
#include <linux/if_bridge.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/rhashtable.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/switchdev.h>

#include "nai_core.h"

/* No VLAN: the address of a lease. */
#define NAI_FDB_LEASE	VLAN_N_VID

/**
 * struct nai_fdb - the table of a bridge, as seen from one of its ports
 * @list: in nai_fdbs; RTNL to write, RTNL or RCU to read
 * @bridge: whose table it mirrors
 * @port: beyond it is the wire
 * @users: leases; RTNL
 * @table: the entries, several for an address that is in several VLANs
 * @lock: guards what follows, and @table against other writers
 * @count: entries
 * @forgotten: entries that the bridge has no more, the oldest first
 * @nr_forgotten: how many
 * @missed: an entry could not be made
 * @overflow: an entry is missing
 * @free_work: after the last reader
 */
struct nai_fdb {
	struct list_head list;
	const struct net_device *bridge;
	struct net_device *port;
	unsigned int users;
	struct rhltable table;
	spinlock_t lock; /* Guards the rest, and the table's writers. */
	unsigned int count;
	struct list_head forgotten;
	unsigned int nr_forgotten;
	bool missed;
	bool overflow;
	struct rcu_work free_work;
};

struct nai_fdb_entry {
	struct rhlist_head node;
	u8 mac[ETH_ALEN];
	u16 vid;
	struct list_head forgotten;	/* empty: it is not */
	struct rcu_head rcu;
};

static const struct rhashtable_params nai_fdb_params = {
	.head_offset		= offsetof(struct nai_fdb_entry, node),
	.key_offset		= offsetof(struct nai_fdb_entry, mac),
	.key_len		= ETH_ALEN,
	.automatic_shrinking	= true,
};

static LIST_HEAD(nai_fdbs);

/* Entries */

static void nai_fdb_recall(struct nai_fdb *fdb, struct nai_fdb_entry *entry)
{
	if (list_empty(&entry->forgotten))
		return;
	list_del_init(&entry->forgotten);
	fdb->nr_forgotten--;
}

static void nai_fdb_drop(struct nai_fdb *fdb, struct nai_fdb_entry *entry)
{
	lockdep_assert_held(&fdb->lock);

	nai_fdb_recall(fdb, entry);
	rhltable_remove(&fdb->table, &entry->node, nai_fdb_params);
	fdb->count--;
	kfree_rcu(entry, rcu);
}

static struct nai_fdb_entry *nai_fdb_find_entry(struct nai_fdb *fdb,
						const u8 *mac, u16 vid)
{
	struct rhlist_head *list, *pos;
	struct nai_fdb_entry *entry;

	lockdep_assert_held(&fdb->lock);

	list = rhltable_lookup(&fdb->table, mac, nai_fdb_params);
	rhl_for_each_entry_rcu(entry, pos, list, node)
		if (entry->vid == vid)
			return entry;
	return NULL;
}

static struct nai_fdb_entry *nai_fdb_make(struct nai_fdb *fdb, const u8 *mac,
					  u16 vid)
{
	struct nai_fdb_entry *entry;

	if (fdb->count >= NAI_FDB_MAX)
		return NULL;
	entry = kzalloc(sizeof(*entry), GFP_ATOMIC);
	if (!entry)
		return NULL;
	ether_addr_copy(entry->mac, mac);
	entry->vid = vid;
	INIT_LIST_HEAD(&entry->forgotten);
	if (rhltable_insert(&fdb->table, &entry->node, nai_fdb_params)) {
		kfree(entry);
		return NULL;
	}
	fdb->count++;
	return entry;
}

/* It is behind another port, or the host's. */
static void nai_fdb_add(struct nai_fdb *fdb, const u8 *mac, u16 vid)
{
	struct nai_fdb_entry *entry;

	rcu_read_lock();
	spin_lock_bh(&fdb->lock);
	entry = nai_fdb_find_entry(fdb, mac, vid);
	if (entry) {
		nai_fdb_recall(fdb, entry);
	} else if (!nai_fdb_make(fdb, mac, vid)) {
		fdb->missed = true;
		WRITE_ONCE(fdb->overflow, true);
	}
	spin_unlock_bh(&fdb->lock);
	rcu_read_unlock();
}

/* Nobody knows any more where it is. That need not be the wire. */
static void nai_fdb_forget(struct nai_fdb *fdb, const u8 *mac, u16 vid)
{
	struct nai_fdb_entry *entry;

	rcu_read_lock();
	spin_lock_bh(&fdb->lock);
	entry = nai_fdb_find_entry(fdb, mac, vid);
	if (entry && list_empty(&entry->forgotten)) {
		list_add_tail(&entry->forgotten, &fdb->forgotten);
		if (++fdb->nr_forgotten > NAI_FDB_MAX_FORGOTTEN)
			nai_fdb_drop(fdb, list_first_entry(&fdb->forgotten,
							   struct nai_fdb_entry,
							   forgotten));
	}
	spin_unlock_bh(&fdb->lock);
	rcu_read_unlock();
}

/* It is on the wire, which also settles what was remembered of it. */
static void nai_fdb_del(struct nai_fdb *fdb, const u8 *mac, u16 vid)
{
	struct rhlist_head *list, *pos;
	struct nai_fdb_entry *entry;

	rcu_read_lock();
	spin_lock_bh(&fdb->lock);
	list = rhltable_lookup(&fdb->table, mac, nai_fdb_params);
	rhl_for_each_entry_rcu(entry, pos, list, node)
		if (entry->vid == vid || !list_empty(&entry->forgotten))
			nai_fdb_drop(fdb, entry);
	spin_unlock_bh(&fdb->lock);
	rcu_read_unlock();
}

/**
 * nai_fdb_is_local - is an address not on the wire?
 * @fdb: of the lease
 * @mac: any address
 *
 * A bridge that is promiscuous has somebody, such as a macvlan or a sniffer, who
 * wants to see every frame.
 *
 * Context: RCU read side.
 * Return: true if so, or if it is not known.
 */
bool nai_fdb_is_local(const struct nai_fdb *fdb, const u8 *mac)
{
	return READ_ONCE(fdb->overflow) ||
	       READ_ONCE(fdb->bridge->flags) & IFF_PROMISC ||
	       rhltable_lookup((struct rhltable *)&fdb->table, mac,
			       nai_fdb_params);
}
EXPORT_SYMBOL_IF_KUNIT(nai_fdb_is_local);

/* What the bridge tells */

static const struct net_device *nai_fdb_bridge_of(struct net_device *dev)
{
	if (netif_is_bridge_master(dev))
		return dev;
	return netdev_master_upper_dev_get_rcu(dev);
}

static int nai_fdb_event(struct notifier_block *nb, unsigned long event,
			 void *ptr)
{
	const struct switchdev_notifier_fdb_info *info = ptr;
	const struct net_device *bridge;
	struct net_device *dev;
	struct nai_fdb *fdb;

	if ((event != SWITCHDEV_FDB_ADD_TO_DEVICE &&
	     event != SWITCHDEV_FDB_DEL_TO_DEVICE) || list_empty(&nai_fdbs))
		return NOTIFY_DONE;

	/* The bridge itself for an address of the host's. */
	dev = switchdev_notifier_info_to_dev(ptr);
	rcu_read_lock();
	bridge = nai_fdb_bridge_of(dev);
	list_for_each_entry_rcu(fdb, &nai_fdbs, list) {
		if (fdb->bridge != bridge)
			continue;
		if (event == SWITCHDEV_FDB_DEL_TO_DEVICE)
			nai_fdb_forget(fdb, info->addr, info->vid);
		else if (dev == fdb->port)
			nai_fdb_del(fdb, info->addr, info->vid);
		else
			nai_fdb_add(fdb, info->addr, info->vid);
	}
	rcu_read_unlock();
	return NOTIFY_DONE;
}

static struct notifier_block nai_fdb_notifier = {
	.notifier_call = nai_fdb_event,
};

/* What the bridge knew a moment ago may have changed, and have been told, since.
 * Only an entry too many does no harm.
 */
static int nai_fdb_replayed(struct notifier_block *nb, unsigned long event,
			    void *ptr)
{
	const struct switchdev_notifier_fdb_info *info = ptr;
	const struct net_device *bridge;
	struct net_device *dev;
	struct nai_fdb *fdb;

	ASSERT_RTNL();

	dev = switchdev_notifier_info_to_dev(ptr);
	bridge = nai_fdb_bridge_of(dev);
	list_for_each_entry(fdb, &nai_fdbs, list)
		if (fdb->bridge == bridge && fdb->port != dev)
			nai_fdb_add(fdb, info->addr, info->vid);
	return NOTIFY_DONE;
}

/* All that the bridge knows already; of the rest it tells. */
static void nai_fdb_replay(struct nai_fdb *fdb)
{
	struct notifier_block nb = { .notifier_call = nai_fdb_replayed };
	int err;

	ASSERT_RTNL();

	spin_lock_bh(&fdb->lock);
	fdb->missed = false;
	spin_unlock_bh(&fdb->lock);
	err = switchdev_bridge_port_replay(fdb->port, fdb->port, NULL, &nb,
					   NULL, NULL);
	spin_lock_bh(&fdb->lock);
	WRITE_ONCE(fdb->overflow, err || fdb->missed);
	spin_unlock_bh(&fdb->lock);
}

/* Tables */

static void nai_fdb_free_entry(void *ptr, void *unused)
{
	kfree(ptr);
}

static void nai_fdb_free_work(struct work_struct *work)
{
	struct nai_fdb *fdb;

	fdb = container_of(to_rcu_work(work), struct nai_fdb, free_work);
	rhltable_free_and_destroy(&fdb->table, nai_fdb_free_entry, NULL);
	kfree(fdb);
}

static void nai_fdb_put(struct nai_fdb *fdb)
{
	ASSERT_RTNL();

	if (--fdb->users)
		return;
	list_del_rcu(&fdb->list);
	queue_rcu_work(nai_wq, &fdb->free_work);
}

static struct net_device *nai_fdb_bridge_of_lease(const struct nai_fq *fq)
{
	struct net_device *tap = rtnl_dereference(fq->client->tap);

	return tap ? netdev_master_upper_dev_get(tap) : NULL;
}

/* Leases there were before. */
static void nai_fdb_add_leases(struct nai_fdb *fdb)
{
	struct nai_port_core *core;
	struct nai_fq *fq;

	list_for_each_entry(core, &nai_ports, list)
		list_for_each_entry(fq, &core->fqs, list)
			if (nai_fdb_bridge_of_lease(fq) == fdb->bridge)
				nai_fdb_add(fdb, fq->terms.mac, NAI_FDB_LEASE);
}

static struct nai_fdb *nai_fdb_create(const struct net_device *bridge,
				      struct net_device *port)
{
	struct nai_fdb *fdb = kzalloc(sizeof(*fdb), GFP_KERNEL);

	if (!fdb)
		return NULL;
	fdb->bridge = bridge;
	fdb->port = port;
	spin_lock_init(&fdb->lock);
	INIT_LIST_HEAD(&fdb->forgotten);
	INIT_RCU_WORK(&fdb->free_work, nai_fdb_free_work);
	if (rhltable_init(&fdb->table, &nai_fdb_params)) {
		kfree(fdb);
		return NULL;
	}
	list_add_rcu(&fdb->list, &nai_fdbs);
	/* Whoever tells of an entry sees the table, or the entry is in the
	 * bridge's when that is read.
	 */
	synchronize_net();
	nai_fdb_replay(fdb);
	nai_fdb_add_leases(fdb);
	return fdb;
}

/* Return: with one more user, or NULL without memory. */
static struct nai_fdb *nai_fdb_get(const struct net_device *bridge,
				   struct net_device *port)
{
	struct nai_fdb *fdb;

	ASSERT_RTNL();

	list_for_each_entry(fdb, &nai_fdbs, list) {
		if (fdb->bridge == bridge && fdb->port == port) {
			fdb->users++;
			return fdb;
		}
	}
	fdb = nai_fdb_create(bridge, port);
	if (fdb)
		fdb->users++;
	return fdb;
}

static bool nai_fdb_has_room_again(struct nai_fdb *fdb)
{
	bool room;

	spin_lock_bh(&fdb->lock);
	room = fdb->overflow && fdb->count <= NAI_FDB_MAX / 2;
	spin_unlock_bh(&fdb->lock);
	return room;
}

/* Now and then: what had no room in its table has it now. */
void nai_fdb_mend(void)
{
	struct nai_fdb *fdb;

	ASSERT_RTNL();

	list_for_each_entry(fdb, &nai_fdbs, list) {
		if (!nai_fdb_has_room_again(fdb))
			continue;
		nai_fdb_replay(fdb);
		nai_fdb_add_leases(fdb);
	}
}

/* Leases */

/**
 * nai_fdb_join - give a lease that sends its table
 * @fq: open
 *
 * A lease that was forced and has no bridge in common with its port has none, and
 * leaves everything to the tap.
 *
 * Context: RTNL held.
 * Return: 0 or -ENOMEM.
 */
int nai_fdb_join(struct nai_fq *fq)
{
	struct net_device *bridge = nai_fdb_bridge_of_lease(fq);
	struct net_device *port = fq->core->port->dev;
	struct nai_fdb *fdb;

	ASSERT_RTNL();

	if (!fq->tx || !bridge || !netif_is_bridge_master(bridge) ||
	    netdev_master_upper_dev_get(port) != bridge)
		return 0;
	fdb = nai_fdb_get(bridge, port);
	if (!fdb)
		return -ENOMEM;
	rcu_assign_pointer(fq->tx->fdb, fdb);
	return 0;
}

static void nai_fdb_tell(struct nai_fq *fq, struct net_device *tap, u16 vid,
			 unsigned long event)
{
	struct switchdev_notifier_fdb_info info = {
		.addr = fq->terms.mac,
		.vid = vid,
	};

	call_switchdev_notifiers(event, tap, &info.info, NULL);
}

/**
 * nai_fdb_show - tell the bridge that a guest is where it was
 * @fq: its guest has sent by it
 *
 * As its frames would, had they passed the bridge: an address that was forgotten
 * is known again, and one that somebody else has used comes back.
 *
 * Context: RTNL held, now and then.
 */
void nai_fdb_show(struct nai_fq *fq)
{
	struct net_device *tap = rtnl_dereference(fq->client->tap);
	struct net_device *bridge = nai_fdb_bridge_of_lease(fq);
	u16 vid = 0;

	ASSERT_RTNL();

	if (!rtnl_dereference(fq->tx->fdb) || !tap || !bridge ||
	    !br_port_flag_is_set(tap, BR_LEARNING) ||
	    ether_addr_equal(fq->terms.mac, bridge->dev_addr))
		return;
	if (br_vlan_enabled(bridge) && br_vlan_get_pvid(tap, &vid))
		return;
	if (br_fdb_find_port(bridge, fq->terms.mac, vid) == tap)
		return;
	nai_fdb_tell(fq, tap, vid, SWITCHDEV_FDB_ADD_TO_BRIDGE);
	fq->tx->shown = true;
	fq->tx->shown_vid = vid;
}

/* From now on its frames do that by themselves. */
static void nai_fdb_hide(struct nai_fq *fq, const struct nai_fdb *fdb)
{
	if (fq->tx->shown && nai_fdb_bridge_of_lease(fq) == fdb->bridge)
		nai_fdb_tell(fq, rtnl_dereference(fq->client->tap),
			     fq->tx->shown_vid, SWITCHDEV_FDB_DEL_TO_BRIDGE);
	fq->tx->shown = false;
}

/* From now on the lease leaves everything to the tap. */
void nai_fdb_leave(struct nai_fq *fq)
{
	struct nai_fdb *fdb;

	ASSERT_RTNL();

	if (!fq->tx)
		return;
	fdb = rtnl_dereference(fq->tx->fdb);
	if (!fdb)
		return;
	nai_fdb_hide(fq, fdb);
	RCU_INIT_POINTER(fq->tx->fdb, NULL);
	nai_fdb_put(fdb);
}

/* The guest of this lease, whether it sends by its queue or not, is local. */
void nai_fdb_add_lease(struct nai_fq *fq)
{
	struct net_device *bridge = nai_fdb_bridge_of_lease(fq);
	struct nai_fdb *fdb;

	ASSERT_RTNL();

	list_for_each_entry(fdb, &nai_fdbs, list)
		if (fdb->bridge == bridge)
			nai_fdb_add(fdb, fq->terms.mac, NAI_FDB_LEASE);
}

/* It was taken off the list of its port. Another port may lend to the address. */
void nai_fdb_del_lease(struct nai_fq *fq)
{
	struct nai_fdb *fdb;

	ASSERT_RTNL();

	list_for_each_entry(fdb, &nai_fdbs, list) {
		nai_fdb_forget(fdb, fq->terms.mac, NAI_FDB_LEASE);
		nai_fdb_add_leases(fdb);
	}
}

static bool nai_fdb_is_apart(const struct nai_fq *fq)
{
	const struct nai_fdb *fdb;

	fdb = fq->tx ? rtnl_dereference(fq->tx->fdb) : NULL;
	return fdb && (nai_fdb_bridge_of_lease(fq) != fdb->bridge ||
		       netdev_master_upper_dev_get(fq->core->port->dev) !=
		       fdb->bridge);
}

/**
 * nai_fdb_upper_changed - a tap or a port may have left its bridge
 *
 * Its leases send nothing by their queues any more. They end soon, unless they
 * were forced.
 *
 * Context: RTNL held.
 */
void nai_fdb_upper_changed(void)
{
	struct nai_port_core *core;
	struct nai_fq *fq;

	ASSERT_RTNL();

	list_for_each_entry(core, &nai_ports, list)
		list_for_each_entry(fq, &core->fqs, list)
			if (nai_fdb_is_apart(fq))
				nai_fdb_leave(fq);
}

int nai_fdb_init(void)
{
	return register_switchdev_notifier(&nai_fdb_notifier);
}

/* There are no leases any more. */
void nai_fdb_exit(void)
{
	unregister_switchdev_notifier(&nai_fdb_notifier);
	/* Tables on their way to nai_wq. */
	rcu_barrier();
}
