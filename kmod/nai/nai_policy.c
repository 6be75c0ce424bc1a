// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a lease must not bypass. A frame of a leased queue passes neither bridge
 * nor tap, so an attach is refused while the host has told either to do anything
 * but forward; unless it is forced. Filters on the guest's own frames, which
 * still pass, count too: one that keeps state, or answers, would see half of a
 * conversation.
 *
 * Not visible to a module, and so not refused: filters and steering programs
 * that were attached through the tap's file (TUNATTACHFILTER, TUNSETFILTEREBPF,
 * TUNSETSTEERINGEBPF), whether the hooks of ebtables hold any rule, and whether
 * br_netfilter passes frames on. The hooks alone are enough to refuse. Packet
 * sockets on tap, bridge or port, as of tcpdump, refuse nothing and see nothing.
 *
 * DOC: locking
 *
 * All under RTNL. Most of these policies change without a notifier, so leases
 * that were not forced are checked again by a work item, every two seconds.
 */

#include <kunit/visibility.h>
#include <linux/bpf.h>
#include <linux/if_bridge.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <linux/rtnetlink.h>
#include <net/net_namespace.h>
#include <net/sch_generic.h>

#include "nai_core.h"

#define NAI_RECHECK_PERIOD	(2 * HZ)
/* Two events of one cause are one check. */
#define NAI_RECHECK_SOON	(HZ / 20)

/* The address */

static struct nai_fq *nai_policy_find_mac(const struct nai_port_core *core,
					  const u8 *mac)
{
	struct nai_fq *fq;

	list_for_each_entry(fq, &core->fqs, list)
		if (ether_addr_equal(fq->terms.mac, mac))
			return fq;
	return NULL;
}

/**
 * nai_policy_check_mac - may frames for this address go to a guest?
 * @core: of a registered port
 * @mac: the address
 * @extack: says why not
 *
 * What is refused here cannot be forced.
 *
 * Return: 0, -EINVAL, -EBUSY if it has a lease.
 */
int nai_policy_check_mac(const struct nai_port_core *core, const u8 *mac,
			 struct netlink_ext_ack *extack)
{
	const struct net_device *dev = core->port->dev;
	const struct net_device *tap;
	struct net_device *upper;
	struct nai_fq *fq;

	ASSERT_RTNL();

	if (!is_valid_ether_addr(mac)) {
		NL_SET_ERR_MSG_FMT(extack, "MAC %pM is not a unicast address",
				   mac);
		return -EINVAL;
	}
	if (ether_addr_equal(mac, dev->dev_addr)) {
		NL_SET_ERR_MSG_FMT(extack, "MAC %pM is port %s's own", mac,
				   dev->name);
		return -EINVAL;
	}
	upper = netdev_master_upper_dev_get((struct net_device *)dev);
	if (upper && ether_addr_equal(mac, upper->dev_addr)) {
		NL_SET_ERR_MSG_FMT(extack, "MAC %pM is bridge %s's own", mac,
				   upper->name);
		return -EINVAL;
	}
	fq = nai_policy_find_mac(core, mac);
	if (fq) {
		tap = rtnl_dereference(fq->client->tap);
		NL_SET_ERR_MSG_FMT(extack, "MAC %pM is already leased to %s",
				   mac, tap ? tap->name : "a tap that is gone");
		return -EBUSY;
	}
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(nai_policy_check_mac);

/* Traffic control and XDP */

static int nai_policy_check_qdisc(const struct net_device *tap,
				  struct netlink_ext_ack *extack)
{
	const struct Qdisc *q = rtnl_dereference(tap->qdisc);

	/* The kernel's default, whatever its kind, has no handle. */
	if (!q || !q->handle || !strcmp(q->ops->id, "noqueue"))
		return 0;
	NL_SET_ERR_MSG_FMT(extack, "tap %s has qdisc %s", tap->name, q->ops->id);
	return -EOPNOTSUPP;
}

/* Also clsact and ingress qdiscs without a filter: the pointer says no more. */
static int nai_policy_check_tc(const struct net_device *tap,
			       const struct net_device *port,
			       struct netlink_ext_ack *extack)
{
#ifdef CONFIG_NET_XGRESS
	if (rcu_access_pointer(tap->tcx_egress)) {
		NL_SET_ERR_MSG_FMT(extack, "tap %s has tc egress filters",
				   tap->name);
		return -EOPNOTSUPP;
	}
	if (rcu_access_pointer(tap->tcx_ingress)) {
		NL_SET_ERR_MSG_FMT(extack, "tap %s has tc ingress filters",
				   tap->name);
		return -EOPNOTSUPP;
	}
	if (rcu_access_pointer(port->tcx_ingress)) {
		NL_SET_ERR_MSG_FMT(extack, "port %s has tc ingress filters",
				   port->name);
		return -EOPNOTSUPP;
	}
#endif
	return 0;
}

static int nai_policy_check_xdp(struct net_device *tap, struct net_device *port,
				struct netlink_ext_ack *extack)
{
	if (dev_xdp_prog_count(tap)) {
		NL_SET_ERR_MSG_FMT(extack, "tap %s has an XDP program",
				   tap->name);
		return -EOPNOTSUPP;
	}
	if (dev_xdp_prog_count(port)) {
		NL_SET_ERR_MSG_FMT(extack, "port %s has an XDP program",
				   port->name);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* Netfilter */

static int nai_policy_check_nf_dev(const struct net_device *tap,
				   const struct net_device *port,
				   struct netlink_ext_ack *extack)
{
#ifdef CONFIG_NETFILTER_EGRESS
	if (rcu_access_pointer(tap->nf_hooks_egress)) {
		NL_SET_ERR_MSG_FMT(extack, "tap %s has netfilter egress rules",
				   tap->name);
		return -EOPNOTSUPP;
	}
#endif
#ifdef CONFIG_NETFILTER_INGRESS
	if (rcu_access_pointer(tap->nf_hooks_ingress)) {
		NL_SET_ERR_MSG_FMT(extack, "tap %s has netfilter ingress rules",
				   tap->name);
		return -EOPNOTSUPP;
	}
	if (rcu_access_pointer(port->nf_hooks_ingress)) {
		NL_SET_ERR_MSG_FMT(extack, "port %s has netfilter ingress rules",
				   port->name);
		return -EOPNOTSUPP;
	}
#endif
	return 0;
}

#ifdef CONFIG_NETFILTER_FAMILY_BRIDGE
/* Frames to and from the bridge itself, LOCAL_IN and LOCAL_OUT, keep their way.
 * The broute table hooks in at PRE_ROUTING: BROUTING is behind the array's end.
 */
static const unsigned int nai_policy_nf_hooks[] = {
	NF_BR_PRE_ROUTING, NF_BR_FORWARD, NF_BR_POST_ROUTING,
};

static const char *nai_policy_nf_name(const struct nf_hook_entries *entries)
{
	struct nf_hook_ops **ops = nf_hook_entries_get_hook_ops(entries);
	unsigned int i;

	for (i = 0; i < entries->num_hook_entries; i++) {
		if (ops[i]->hook_ops_type == NF_HOOK_OP_NF_TABLES)
			return "nf_tables";
		if (ops[i]->hook_ops_type == NF_HOOK_OP_BPF)
			return "a BPF program";
	}
	return "ebtables or br_netfilter";
}

static int nai_policy_check_nf_bridge(const struct net *net,
				      struct netlink_ext_ack *extack)
{
	const struct nf_hook_entries *entries;
	const char *name = NULL;
	unsigned int i;

	rcu_read_lock();
	for (i = 0; !name && i < ARRAY_SIZE(nai_policy_nf_hooks); i++) {
		entries = rcu_dereference(net->nf.hooks_bridge[nai_policy_nf_hooks[i]]);
		if (entries && entries->num_hook_entries)
			name = nai_policy_nf_name(entries);
	}
	rcu_read_unlock();
	if (!name)
		return 0;
	NL_SET_ERR_MSG_FMT(extack, "%s filters bridged frames", name);
	return -EOPNOTSUPP;
}
#else
static int nai_policy_check_nf_bridge(const struct net *net,
				      struct netlink_ext_ack *extack)
{
	return 0;
}
#endif

/* The bridge */

/* Untagged frames come as those of the PVID and must leave as they came, and no
 * other VLAN may.
 */
static bool nai_policy_is_vlan_kept(u16 flags)
{
	return !(flags & BRIDGE_VLAN_INFO_PVID) ==
	       !(flags & BRIDGE_VLAN_INFO_UNTAGGED);
}

/* The first VLAN that the bridge does not hand through unchanged, or 0. */
static u16 nai_policy_filtered_vlan(const struct net_device *tap,
				    const struct net_device *port)
{
	struct bridge_vlan_info from, to;
	u16 vid;

	for (vid = 1; vid < VLAN_VID_MASK; vid++)
		if (br_vlan_get_info(port, vid, &from) ||
		    br_vlan_get_info(tap, vid, &to) || from.flags != to.flags ||
		    !nai_policy_is_vlan_kept(from.flags))
			return vid;
	return 0;
}

static int nai_policy_check_vlan(const struct net_device *bridge,
				 const struct net_device *tap,
				 const struct net_device *port,
				 struct netlink_ext_ack *extack)
{
	u16 vid, pvid;

	if (!br_vlan_enabled(bridge))
		return 0;
	vid = nai_policy_filtered_vlan(tap, port);
	if (vid) {
		NL_SET_ERR_MSG_FMT(extack,
				   "bridge %s filters VLAN %u on the way to tap %s",
				   bridge->name, vid, tap->name);
		return -EOPNOTSUPP;
	}
	if (br_vlan_get_pvid(port, &pvid) || !pvid) {
		NL_SET_ERR_MSG_FMT(extack,
				   "bridge %s drops untagged frames on the way to tap %s",
				   bridge->name, tap->name);
		return -EOPNOTSUPP;
	}
	return 0;
}

static int nai_policy_check_flags(const struct net_device *tap,
				  const struct net_device *port,
				  struct netlink_ext_ack *extack)
{
	/* Isolated ports reach those that are not; one of the two may be. */
	if (br_port_flag_is_set(tap, BR_ISOLATED) &&
	    br_port_flag_is_set(port, BR_ISOLATED)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "tap %s and port %s are isolated from each other",
				   tap->name, port->name);
		return -EOPNOTSUPP;
	}
	if (br_port_flag_is_set(tap, BR_PORT_LOCKED)) {
		NL_SET_ERR_MSG_FMT(extack, "tap %s is a locked bridge port",
				   tap->name);
		return -EOPNOTSUPP;
	}
	if (br_port_flag_is_set(port, BR_PORT_LOCKED)) {
		NL_SET_ERR_MSG_FMT(extack, "port %s is a locked bridge port",
				   port->name);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* No frame that the bridge takes from this port is let through. Listening and
 * learning pass by themselves, and so does a link that is down.
 */
static bool nai_policy_is_shut(const struct net_device *dev)
{
	u8 state = br_port_get_stp_state(dev);

	return state == BR_STATE_BLOCKING ||
	       (state == BR_STATE_DISABLED && netif_running(dev) &&
		netif_oper_up(dev));
}

/* Who cuts a guest off does so at its tap or at the bridge. */
static int nai_policy_check_forwarding(const struct net_device *bridge,
				       const struct net_device *tap,
				       const struct net_device *port,
				       struct netlink_ext_ack *extack)
{
	if (!netif_running(bridge)) {
		NL_SET_ERR_MSG_FMT(extack, "bridge %s is down", bridge->name);
		return -EOPNOTSUPP;
	}
	if (!netif_running(tap) || !netif_carrier_ok(tap)) {
		NL_SET_ERR_MSG_FMT(extack, "tap %s is down", tap->name);
		return -EOPNOTSUPP;
	}
	if (nai_policy_is_shut(tap) || nai_policy_is_shut(port)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "bridge %s does not forward from port %s to tap %s",
				   bridge->name, port->name, tap->name);
		return -EOPNOTSUPP;
	}
	return 0;
}

static int nai_policy_check_bridge(struct net_device *tap,
				   struct net_device *port,
				   struct netlink_ext_ack *extack)
{
	struct net_device *bridge = netdev_master_upper_dev_get(tap);
	int err;

	if (!bridge || !netif_is_bridge_master(bridge) ||
	    netdev_master_upper_dev_get(port) != bridge) {
		NL_SET_ERR_MSG_FMT(extack,
				   "tap %s and port %s are not ports of the same bridge",
				   tap->name, port->name);
		return -EOPNOTSUPP;
	}
	err = nai_policy_check_forwarding(bridge, tap, port, extack);
	if (err)
		return err;
	err = nai_policy_check_vlan(bridge, tap, port, extack);
	if (err)
		return err;
	return nai_policy_check_flags(tap, port, extack);
}

/* A frame that is longer than either MTU does not get through the bridge. */
static int nai_policy_check_mtu(const struct net_device *tap,
				const struct net_device *port, u16 max_frame,
				struct netlink_ext_ack *extack)
{
	unsigned int mtu = min(READ_ONCE(tap->mtu), READ_ONCE(port->mtu));

	if (mtu + ETH_HLEN + VLAN_HLEN <= max_frame)
		return 0;
	NL_SET_ERR_MSG_FMT(extack, "MTU %u is above the %u of port %s's queues",
			   mtu, max_frame - ETH_HLEN - VLAN_HLEN, port->name);
	return -EOPNOTSUPP;
}

/**
 * nai_policy_check_place - has the bridge seen this address elsewhere?
 * @tap: of the guest
 * @mac: of the guest
 * @extack: says where
 *
 * For an attach alone: one forged frame from the wire is enough to move an
 * address, and must not be enough to end a lease.
 *
 * Return: 0 or -EOPNOTSUPP.
 */
int nai_policy_check_place(struct net_device *tap, const u8 *mac,
			   struct netlink_ext_ack *extack)
{
	struct net_device *bridge = netdev_master_upper_dev_get(tap);
	const struct net_device *behind;

	ASSERT_RTNL();

	behind = bridge ? br_fdb_find_port(bridge, mac, 0) : NULL;
	if (!behind || behind == tap)
		return 0;
	NL_SET_ERR_MSG_FMT(extack, "MAC %pM is behind %s, not tap %s", mac,
			   behind->name, tap->name);
	return -EOPNOTSUPP;
}
EXPORT_SYMBOL_IF_KUNIT(nai_policy_check_place);

/**
 * nai_policy_check - would a lease bypass anything?
 * @tap: of the guest
 * @core: of a registered port
 * @extack: names what was found
 *
 * Return: 0 or -EOPNOTSUPP.
 */
int nai_policy_check(struct net_device *tap, const struct nai_port_core *core,
		     struct netlink_ext_ack *extack)
{
	struct net_device *port = core->port->dev;
	int err;

	ASSERT_RTNL();

	err = nai_policy_check_bridge(tap, port, extack);
	if (err)
		return err;
	err = nai_policy_check_mtu(tap, port, core->caps.rx_max_frame, extack);
	if (err)
		return err;
	err = nai_policy_check_qdisc(tap, extack);
	if (err)
		return err;
	err = nai_policy_check_tc(tap, port, extack);
	if (err)
		return err;
	err = nai_policy_check_xdp(tap, port, extack);
	if (err)
		return err;
	err = nai_policy_check_nf_dev(tap, port, extack);
	if (err)
		return err;
	return nai_policy_check_nf_bridge(dev_net(tap), extack);
}
EXPORT_SYMBOL_IF_KUNIT(nai_policy_check);

/* The guest's own frames */

static int nai_policy_check_port_tx(const struct net_device *port,
				    struct netlink_ext_ack *extack)
{
	const struct Qdisc *q = rtnl_dereference(port->qdisc);

	if (q && q->handle && strcmp(q->ops->id, "noqueue")) {
		NL_SET_ERR_MSG_FMT(extack, "port %s has qdisc %s", port->name,
				   q->ops->id);
		return -EOPNOTSUPP;
	}
#ifdef CONFIG_NET_XGRESS
	if (rcu_access_pointer(port->tcx_egress)) {
		NL_SET_ERR_MSG_FMT(extack, "port %s has tc egress filters",
				   port->name);
		return -EOPNOTSUPP;
	}
#endif
#ifdef CONFIG_NETFILTER_EGRESS
	if (rcu_access_pointer(port->nf_hooks_egress)) {
		NL_SET_ERR_MSG_FMT(extack, "port %s has netfilter egress rules",
				   port->name);
		return -EOPNOTSUPP;
	}
#endif
	return 0;
}

/* The wire gets what the bridge does not know the place of. That must be where it
 * floods to, and nobody else may depend on being flooded.
 */
static int nai_policy_check_flood(struct net_device *bridge,
				  const struct net_device *port,
				  struct netlink_ext_ack *extack)
{
	struct net_device *other;
	struct list_head *iter;

	if (!br_port_flag_is_set(port, BR_FLOOD)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "the bridge floods no unicast to port %s",
				   port->name);
		return -EOPNOTSUPP;
	}
	if (!br_get_ageing_time(bridge)) {
		NL_SET_ERR_MSG_FMT(extack, "bridge %s learns no addresses",
				   bridge->name);
		return -EOPNOTSUPP;
	}
	netdev_for_each_lower_dev(bridge, other, iter) {
		if (other == port || br_port_flag_is_set(other, BR_LEARNING) ||
		    !br_port_flag_is_set(other, BR_FLOOD))
			continue;
		NL_SET_ERR_MSG_FMT(extack,
				   "bridge %s floods to %s and does not learn who is there",
				   bridge->name, other->name);
		return -EOPNOTSUPP;
	}
	return 0;
}

/**
 * nai_policy_check_tx - would it bypass anything to send by a queue of the port?
 * @port: of the lease, in a bridge with the tap
 * @extack: names what was found
 *
 * What the tap and the bridge do to the guest's own frames nai_policy_check() has
 * looked at. This is what the port does, and how the bridge finds others.
 *
 * Return: 0 or -EOPNOTSUPP.
 */
int nai_policy_check_tx(struct net_device *port,
			struct netlink_ext_ack *extack)
{
	int err;

	ASSERT_RTNL();

	err = nai_policy_check_port_tx(port, extack);
	if (err)
		return err;
	return nai_policy_check_flood(netdev_master_upper_dev_get(port), port,
				      extack);
}
EXPORT_SYMBOL_IF_KUNIT(nai_policy_check_tx);

/* Changes after the attach */

static void nai_policy_recheck_fq(struct nai_fq *fq)
{
	struct net_device *tap = rtnl_dereference(fq->client->tap);
	struct netlink_ext_ack extack = {};

	/* Its lease is ending already. */
	if (!tap || READ_ONCE(fq->end) != NAI_LEASE_HOLDS)
		return;
	if (!net_eq(dev_net(fq->core->port->dev), dev_net(tap)))
		NL_SET_ERR_MSG(&extack, "its port left the network namespace");
	else if (fq->terms.force ||
		 (!nai_policy_check(tap, fq->core, &extack) &&
		  (!fq->tx ||
		   !nai_policy_check_tx(fq->core->port->dev, &extack))))
		return;

	netdev_notice(tap, "queue %u loses its frame queue: %s\n",
		      fq->client->queue, extack._msg);
	nai_lease_fail(fq, NAI_DETACH_REASON_POLICY);
}

static void nai_policy_recheck(struct work_struct *work);
static DECLARE_DELAYED_WORK(nai_policy_recheck_work, nai_policy_recheck);
/* The work is due soon already; RTNL. */
static bool nai_policy_is_soon;

static void nai_policy_recheck(struct work_struct *work)
{
	struct nai_port_core *core;
	struct nai_fq *fq, *next;
	bool again = false;

	rtnl_lock();
	nai_policy_is_soon = false;
	list_for_each_entry(core, &nai_ports, list) {
		list_for_each_entry_safe(fq, next, &core->fqs, list) {
			again = true;
			if (!fq->lingers) {
				nai_policy_recheck_fq(fq);
				nai_fq_nudge(fq);
				nai_tx_watch(fq);
			} else if (time_after_eq(jiffies, fq->linger_until)) {
				nai_linger_end(fq);
			}
		}
	}
	nai_fdb_mend();
	rtnl_unlock();
	if (again)
		queue_delayed_work(nai_wq, &nai_policy_recheck_work,
				   NAI_RECHECK_PERIOD);
}

static bool nai_policy_has_leases(void)
{
	struct nai_port_core *core;

	list_for_each_entry(core, &nai_ports, list)
		if (core->nr_fqs)
			return true;
	return false;
}

/* Something changed that a lease may depend on. Without leases nothing does. */
void nai_policy_recheck_soon(void)
{
	ASSERT_RTNL();

	/* Events without end must not put it off without end. */
	if (nai_policy_is_soon || !nai_policy_has_leases())
		return;
	nai_policy_is_soon = true;
	mod_delayed_work(nai_wq, &nai_policy_recheck_work, NAI_RECHECK_SOON);
}

void nai_policy_recheck_stop(void)
{
	cancel_delayed_work_sync(&nai_policy_recheck_work);
}
