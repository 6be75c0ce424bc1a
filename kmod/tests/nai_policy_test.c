// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a lease would bypass: each policy is set up as an administrator would,
 * by rtnetlink where that can, and has to be found and named.
 */

#include <linux/if_arp.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_netdev.h>
#include <linux/pkt_sched.h>

#include "nai_test_netlink.h"

#define NAI_TEST_BRIDGE	"naitestbr"

static const u8 nai_test_mac[ETH_ALEN] = { 0x02, 0, 0, 0, 0, 0x01 };

/* rtnetlink */

static void nai_policy_set_ageing(struct nai_test *ctx, u32 time)
{
	struct net_device *bridge = dev_get_by_name(&init_net, NAI_TEST_BRIDGE);
	struct nlattr *info, *data;
	struct sk_buff *skb;

	skb = nai_test_link(ctx->test, RTM_NEWLINK, 0, AF_UNSPEC,
			    bridge->ifindex);
	dev_put(bridge);
	info = nla_nest_start(skb, IFLA_LINKINFO);
	nla_put_string(skb, IFLA_INFO_KIND, "bridge");
	data = nla_nest_start(skb, IFLA_INFO_DATA);
	nla_put_u32(skb, IFLA_BR_AGEING_TIME, time);
	nla_nest_end(skb, data);
	nla_nest_end(skb, info);
	nai_test_rtnl(ctx->test, skb);
}

static void nai_policy_set_brport(struct kunit *test, struct net_device *dev,
				  u16 attr, u8 value)
{
	struct nlattr *nest;
	struct sk_buff *skb;

	skb = nai_test_link(test, RTM_SETLINK, 0, AF_BRIDGE, dev->ifindex);
	nest = nla_nest_start(skb, IFLA_PROTINFO);
	nla_put_u8(skb, attr, value);
	nla_nest_end(skb, nest);
	nai_test_rtnl(test, skb);
}

static void nai_policy_add_qdisc(struct kunit *test, struct net_device *dev,
				 const char *kind, u32 parent, u32 handle)
{
	struct sk_buff *skb;
	struct tcmsg *tcm;

	skb = nai_test_message(test, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE);
	tcm = nlmsg_append(skb, sizeof(*tcm));
	KUNIT_ASSERT_NOT_NULL(test, tcm);
	*tcm = (struct tcmsg){ .tcm_ifindex = dev->ifindex,
			       .tcm_parent = parent, .tcm_handle = handle };
	nla_put_string(skb, TCA_KIND, kind);
	nai_test_rtnl(test, skb);
}

/* A case: bridge, both of its ports, and one thing that is in the way. */

struct nai_policy_case {
	const char *name;
	void (*set)(struct nai_test *ctx);
	void (*clear)(struct nai_test *ctx);
	const char *message;
	const char *tx_message;	/* to a lease that sends, without @message */
};

static void nai_policy_apart(struct nai_test *ctx)
{
	nai_test_set_master(ctx->test, ctx->tap, NULL);
}

static void nai_policy_port_apart(struct nai_test *ctx)
{
	nai_test_set_master(ctx->test, ctx->dev, NULL);
}

static void nai_policy_isolate(struct nai_test *ctx)
{
	nai_policy_set_brport(ctx->test, ctx->tap, IFLA_BRPORT_ISOLATED, 1);
}

static void nai_policy_isolate_both(struct nai_test *ctx)
{
	nai_policy_isolate(ctx);
	nai_policy_set_brport(ctx->test, ctx->dev, IFLA_BRPORT_ISOLATED, 1);
}

static void nai_policy_lock_tap(struct nai_test *ctx)
{
	nai_policy_set_brport(ctx->test, ctx->tap, IFLA_BRPORT_LOCKED, 1);
}

static void nai_policy_lock_port(struct nai_test *ctx)
{
	nai_policy_set_brport(ctx->test, ctx->dev, IFLA_BRPORT_LOCKED, 1);
}

static void nai_policy_disable_tap(struct nai_test *ctx)
{
	nai_policy_set_brport(ctx->test, ctx->tap, IFLA_BRPORT_STATE,
			      BR_STATE_DISABLED);
}

static void nai_policy_disable_port(struct nai_test *ctx)
{
	nai_policy_set_brport(ctx->test, ctx->dev, IFLA_BRPORT_STATE,
			      BR_STATE_DISABLED);
}

static void nai_policy_learn_port(struct nai_test *ctx)
{
	nai_policy_set_brport(ctx->test, ctx->dev, IFLA_BRPORT_STATE,
			      BR_STATE_LEARNING);
}

static void nai_policy_close_tap(struct nai_test *ctx)
{
	rtnl_lock();
	dev_close(ctx->tap);
	rtnl_unlock();
}

/* A port that is down delivers nothing, by any way. */
static void nai_policy_close_port(struct nai_test *ctx)
{
	rtnl_lock();
	dev_close(ctx->dev);
	rtnl_unlock();
}

static void nai_policy_close_bridge(struct nai_test *ctx)
{
	rtnl_lock();
	dev_close(netdev_master_upper_dev_get(ctx->tap));
	rtnl_unlock();
}

static void nai_policy_long_mtu(struct nai_test *ctx)
{
	rtnl_lock();
	KUNIT_EXPECT_EQ(ctx->test, dev_set_mtu(ctx->dev, 1501), 0);
	KUNIT_EXPECT_EQ(ctx->test, dev_set_mtu(ctx->tap, 1501), 0);
	rtnl_unlock();
}

/* The shorter of the two decides. */
static void nai_policy_long_port_mtu(struct nai_test *ctx)
{
	rtnl_lock();
	KUNIT_EXPECT_EQ(ctx->test, dev_set_mtu(ctx->dev, 9000), 0);
	rtnl_unlock();
}

static void nai_policy_root_qdisc(struct nai_test *ctx)
{
	nai_policy_add_qdisc(ctx->test, ctx->tap, "pfifo", TC_H_ROOT,
			     0x00010000);
}

static void nai_policy_port_qdisc(struct nai_test *ctx)
{
	nai_policy_add_qdisc(ctx->test, ctx->dev, "pfifo", TC_H_ROOT,
			     0x00010000);
}

static void nai_policy_tap_clsact(struct nai_test *ctx)
{
	nai_policy_add_qdisc(ctx->test, ctx->tap, "clsact", TC_H_CLSACT,
			     TC_H_MAKE(TC_H_CLSACT, 0));
}

static void nai_policy_tap_ingress(struct nai_test *ctx)
{
	nai_policy_add_qdisc(ctx->test, ctx->tap, "ingress", TC_H_INGRESS,
			     TC_H_MAKE(TC_H_INGRESS, 0));
}

static void nai_policy_port_ingress(struct nai_test *ctx)
{
	nai_policy_add_qdisc(ctx->test, ctx->dev, "ingress", TC_H_INGRESS,
			     TC_H_MAKE(TC_H_INGRESS, 0));
}

/* Nothing runs it: no frame passes these netdevs. */
static void nai_policy_xdp(struct net_device *dev, bool on)
{
	static struct bpf_prog prog;

	rtnl_lock();
	dev->xdp_state[XDP_MODE_DRV].prog = on ? &prog : NULL;
	rtnl_unlock();
}

static void nai_policy_tap_xdp(struct nai_test *ctx)
{
	nai_policy_xdp(ctx->tap, true);
}

static void nai_policy_tap_no_xdp(struct nai_test *ctx)
{
	nai_policy_xdp(ctx->tap, false);
}

static void nai_policy_port_xdp(struct nai_test *ctx)
{
	nai_policy_xdp(ctx->dev, true);
}

static void nai_policy_port_no_xdp(struct nai_test *ctx)
{
	nai_policy_xdp(ctx->dev, false);
}

static unsigned int nai_policy_accept(void *priv, struct sk_buff *skb,
				      const struct nf_hook_state *state)
{
	return NF_ACCEPT;
}

static struct nf_hook_ops nai_policy_hook = { .hook = nai_policy_accept };

static void nai_policy_add_hook(struct nai_test *ctx, u8 family,
				unsigned int num, struct net_device *dev)
{
	nai_policy_hook.pf = family;
	nai_policy_hook.hooknum = num;
	nai_policy_hook.dev = dev;
	KUNIT_ASSERT_EQ(ctx->test,
			nf_register_net_hook(&init_net, &nai_policy_hook), 0);
}

static void nai_policy_del_hook(struct nai_test *ctx)
{
	nf_unregister_net_hook(&init_net, &nai_policy_hook);
	nai_policy_hook.hook_ops_type = NF_HOOK_OP_UNDEFINED;
}

static void nai_policy_tap_nf_ingress(struct nai_test *ctx)
{
	nai_policy_add_hook(ctx, NFPROTO_NETDEV, NF_NETDEV_INGRESS, ctx->tap);
}

static void nai_policy_tap_nf_egress(struct nai_test *ctx)
{
	nai_policy_add_hook(ctx, NFPROTO_NETDEV, NF_NETDEV_EGRESS, ctx->tap);
}

static void nai_policy_port_nf_ingress(struct nai_test *ctx)
{
	nai_policy_add_hook(ctx, NFPROTO_NETDEV, NF_NETDEV_INGRESS, ctx->dev);
}

static void nai_policy_nf_forward(struct nai_test *ctx)
{
	nai_policy_add_hook(ctx, NFPROTO_BRIDGE, NF_BR_FORWARD, NULL);
}

static void nai_policy_nf_pre(struct nai_test *ctx)
{
	nai_policy_add_hook(ctx, NFPROTO_BRIDGE, NF_BR_PRE_ROUTING, NULL);
}

static void nai_policy_nf_local(struct nai_test *ctx)
{
	nai_policy_add_hook(ctx, NFPROTO_BRIDGE, NF_BR_LOCAL_IN, NULL);
}

static void nai_policy_nf_tables(struct nai_test *ctx)
{
	nai_policy_hook.hook_ops_type = NF_HOOK_OP_NF_TABLES;
	nai_policy_nf_forward(ctx);
}

static void nai_policy_nf_bpf(struct nai_test *ctx)
{
	nai_policy_hook.hook_ops_type = NF_HOOK_OP_BPF;
	nai_policy_nf_forward(ctx);
}

static void nai_policy_port_nf_egress(struct nai_test *ctx)
{
	nai_policy_add_hook(ctx, NFPROTO_NETDEV, NF_NETDEV_EGRESS, ctx->dev);
}

static void nai_policy_port_no_flood(struct nai_test *ctx)
{
	nai_policy_set_brport(ctx->test, ctx->dev, IFLA_BRPORT_UNICAST_FLOOD, 0);
}

static void nai_policy_port_no_learning(struct nai_test *ctx)
{
	nai_policy_set_brport(ctx->test, ctx->dev, IFLA_BRPORT_LEARNING, 0);
}

static void nai_policy_tap_no_learning(struct nai_test *ctx)
{
	nai_policy_set_brport(ctx->test, ctx->tap, IFLA_BRPORT_LEARNING, 0);
}

/* As libvirt does where it manages the table itself. */
static void nai_policy_tap_managed(struct nai_test *ctx)
{
	nai_policy_tap_no_learning(ctx);
	nai_policy_set_brport(ctx->test, ctx->tap, IFLA_BRPORT_UNICAST_FLOOD, 0);
}

static void nai_policy_no_ageing(struct nai_test *ctx)
{
	nai_policy_set_ageing(ctx, 0);
}

static const struct nai_policy_case nai_policy_cases[] = {
	{ "nothing" },
	{ "tap not in the bridge", nai_policy_apart, NULL,
	  "tap naitesttap and port naitestport are not ports of the same bridge" },
	{ "port not in the bridge", nai_policy_port_apart, NULL,
	  "tap naitesttap and port naitestport are not ports of the same bridge" },
	{ "tap isolated, port not", nai_policy_isolate },
	{ "both isolated", nai_policy_isolate_both, NULL,
	  "tap naitesttap and port naitestport are isolated from each other" },
	{ "tap locked", nai_policy_lock_tap, NULL,
	  "tap naitesttap is a locked bridge port" },
	{ "port locked", nai_policy_lock_port, NULL,
	  "port naitestport is a locked bridge port" },
	{ "tap disabled", nai_policy_disable_tap, NULL,
	  "bridge naitestbr does not forward from port naitestport to tap naitesttap" },
	{ "port disabled", nai_policy_disable_port, NULL,
	  "bridge naitestbr does not forward from port naitestport to tap naitesttap" },
	{ "port learning", nai_policy_learn_port },
	{ "tap down", nai_policy_close_tap, NULL, "tap naitesttap is down" },
	{ "port down", nai_policy_close_port },
	{ "bridge down", nai_policy_close_bridge, NULL,
	  "bridge naitestbr is down" },
	{ "MTU above the queue's", nai_policy_long_mtu, NULL,
	  "MTU 1501 is above the 1500 of port naitestport's queues" },
	{ "MTU of the port alone", nai_policy_long_port_mtu },
	{ "qdisc of the tap", nai_policy_root_qdisc, NULL,
	  "tap naitesttap has qdisc pfifo" },
	{ "qdisc of the port", nai_policy_port_qdisc, NULL, NULL,
	  "port naitestport has qdisc pfifo" },
	{ "clsact of the tap", nai_policy_tap_clsact, NULL,
	  "tap naitesttap has tc egress filters" },
	{ "ingress of the tap", nai_policy_tap_ingress, NULL,
	  "tap naitesttap has tc ingress filters" },
	{ "ingress of the port", nai_policy_port_ingress, NULL,
	  "port naitestport has tc ingress filters" },
	{ "XDP of the tap", nai_policy_tap_xdp, nai_policy_tap_no_xdp,
	  "tap naitesttap has an XDP program" },
	{ "XDP of the port", nai_policy_port_xdp, nai_policy_port_no_xdp,
	  "port naitestport has an XDP program" },
	{ "netfilter ingress of the tap", nai_policy_tap_nf_ingress,
	  nai_policy_del_hook, "tap naitesttap has netfilter ingress rules" },
	{ "netfilter egress of the tap", nai_policy_tap_nf_egress,
	  nai_policy_del_hook, "tap naitesttap has netfilter egress rules" },
	{ "netfilter ingress of the port", nai_policy_port_nf_ingress,
	  nai_policy_del_hook, "port naitestport has netfilter ingress rules" },
	{ "netfilter egress of the port", nai_policy_port_nf_egress,
	  nai_policy_del_hook, NULL,
	  "port naitestport has netfilter egress rules" },
	{ "port not flooded", nai_policy_port_no_flood, NULL, NULL,
	  "the bridge floods no unicast to port naitestport" },
	{ "nobody learned at the port", nai_policy_port_no_learning },
	{ "nobody learned at the tap", nai_policy_tap_no_learning, NULL, NULL,
	  "bridge naitestbr floods to naitesttap and does not learn who is there" },
	{ "nobody learned at the tap, nor flooded", nai_policy_tap_managed },
	{ "no ageing time", nai_policy_no_ageing, NULL, NULL,
	  "bridge naitestbr learns no addresses" },
	{ "netfilter of the bridge, forward", nai_policy_nf_forward,
	  nai_policy_del_hook,
	  "ebtables or br_netfilter filters bridged frames" },
	{ "netfilter of the bridge, pre-routing", nai_policy_nf_pre,
	  nai_policy_del_hook,
	  "ebtables or br_netfilter filters bridged frames" },
	{ "nf_tables of the bridge", nai_policy_nf_tables, nai_policy_del_hook,
	  "nf_tables filters bridged frames" },
	{ "BPF of the bridge", nai_policy_nf_bpf, nai_policy_del_hook,
	  "a BPF program filters bridged frames" },
	{ "netfilter of the bridge, its own frames", nai_policy_nf_local,
	  nai_policy_del_hook },
};

KUNIT_ARRAY_PARAM_DESC(nai_policy, nai_policy_cases, name);

static void nai_policy_put_up(struct nai_test *ctx, bool vlan_filtering)
{
	nai_test_plug(ctx, NAI_TEST_DEPTH);
	nai_test_add_bridge(ctx->test, NAI_TEST_BRIDGE, vlan_filtering);
	nai_test_set_master(ctx->test, ctx->dev, NAI_TEST_BRIDGE);
	nai_test_set_master(ctx->test, ctx->tap, NAI_TEST_BRIDGE);
	rtnl_lock();
	KUNIT_EXPECT_EQ(ctx->test, dev_open(ctx->dev, NULL), 0);
	KUNIT_EXPECT_EQ(ctx->test, dev_open(ctx->tap, NULL), 0);
	KUNIT_EXPECT_EQ(ctx->test,
			dev_open(netdev_master_upper_dev_get(ctx->tap), NULL),
			0);
	rtnl_unlock();
}

static void nai_policy_expect(struct nai_test *ctx, const char *message)
{
	struct netlink_ext_ack extack = {};
	int err;

	rtnl_lock();
	err = nai_policy_check(ctx->tap, ctx->port.core, &extack);
	rtnl_unlock();
	KUNIT_EXPECT_EQ(ctx->test, err, message ? -EOPNOTSUPP : 0);
	KUNIT_EXPECT_STREQ(ctx->test, extack._msg ? : "nothing",
			   message ? : "nothing");
}

static void nai_policy_expect_tx(struct nai_test *ctx, const char *message)
{
	struct netlink_ext_ack extack = {};
	int err;

	rtnl_lock();
	err = nai_policy_check_tx(ctx->dev, &extack);
	rtnl_unlock();
	KUNIT_EXPECT_EQ(ctx->test, err, message ? -EOPNOTSUPP : 0);
	KUNIT_EXPECT_STREQ(ctx->test, extack._msg ? : "nothing",
			   message ? : "nothing");
}

static void nai_policy_found(struct kunit *test)
{
	const struct nai_policy_case *given = test->param_value;
	struct nai_test *ctx = test->priv;

	nai_policy_put_up(ctx, false);
	nai_policy_expect(ctx, NULL);
	if (given->set)
		given->set(ctx);
	nai_policy_expect(ctx, given->message);
	if (!given->message)
		nai_policy_expect_tx(ctx, given->tx_message);
	if (given->clear) {
		given->clear(ctx);
		nai_policy_expect(ctx, NULL);
		nai_policy_expect_tx(ctx, NULL);
	}
}

static void nai_policy_add_vlans(struct kunit *test, struct net_device *dev,
				 u16 first, u16 last)
{
	struct bridge_vlan_info vlan = {};
	struct nlattr *nest;
	struct sk_buff *skb;

	skb = nai_test_link(test, RTM_SETLINK, 0, AF_BRIDGE, dev->ifindex);
	nest = nla_nest_start(skb, IFLA_AF_SPEC);
	vlan.flags = BRIDGE_VLAN_INFO_RANGE_BEGIN;
	vlan.vid = first;
	nla_put(skb, IFLA_BRIDGE_VLAN_INFO, sizeof(vlan), &vlan);
	vlan.flags = BRIDGE_VLAN_INFO_RANGE_END;
	vlan.vid = last;
	nla_put(skb, IFLA_BRIDGE_VLAN_INFO, sizeof(vlan), &vlan);
	nla_nest_end(skb, nest);
	nai_test_rtnl(test, skb);
}

/* By default both carry VLAN 1 untagged and no other. */
static void nai_policy_vlan(struct kunit *test)
{
	struct nai_test *ctx = test->priv;

	nai_policy_put_up(ctx, true);
	nai_policy_expect(ctx,
			  "bridge naitestbr filters VLAN 2 on the way to tap naitesttap");
	nai_policy_add_vlans(test, ctx->dev, 2, VLAN_VID_MASK - 1);
	nai_policy_expect(ctx,
			  "bridge naitestbr filters VLAN 2 on the way to tap naitesttap");
	nai_policy_add_vlans(test, ctx->tap, 2, VLAN_VID_MASK - 1);
	nai_policy_expect(ctx, NULL);
}

/* All VLANs from one to another, with the same flags. */
static void nai_policy_set_vlans(struct nai_test *ctx, struct net_device *dev,
				 u16 from, u16 to, u16 flags)
{
	struct bridge_vlan_info vlan = { .flags = flags, .vid = from };
	struct nlattr *nest;
	struct sk_buff *skb;

	skb = nai_test_link(ctx->test, RTM_SETLINK, 0, AF_BRIDGE,
			    dev->ifindex);
	nest = nla_nest_start(skb, IFLA_AF_SPEC);
	if (from != to) {
		vlan.flags |= BRIDGE_VLAN_INFO_RANGE_BEGIN;
		nla_put(skb, IFLA_BRIDGE_VLAN_INFO, sizeof(vlan), &vlan);
		vlan.flags = flags | BRIDGE_VLAN_INFO_RANGE_END;
		vlan.vid = to;
	}
	nla_put(skb, IFLA_BRIDGE_VLAN_INFO, sizeof(vlan), &vlan);
	nla_nest_end(skb, nest);
	nai_test_rtnl(ctx->test, skb);
}

/* Each on both sides: that it is the same does not make it a way through. */
static void nai_policy_vlans_of_both(struct nai_test *ctx, u16 vid, u16 flags)
{
	nai_policy_set_vlans(ctx, ctx->tap, vid, vid, flags);
	nai_policy_set_vlans(ctx, ctx->dev, vid, vid, flags);
}

static void nai_policy_all_vlans(struct kunit *test)
{
	struct nai_test *ctx = test->priv;

	nai_policy_put_up(ctx, true);
	nai_policy_set_vlans(ctx, ctx->tap, 2, VLAN_VID_MASK - 1, 0);
	nai_policy_set_vlans(ctx, ctx->dev, 2, VLAN_VID_MASK - 1, 0);
	nai_policy_expect(ctx, NULL);

	nai_policy_vlans_of_both(ctx, 7, BRIDGE_VLAN_INFO_UNTAGGED);
	nai_policy_expect(ctx,
			  "bridge naitestbr filters VLAN 7 on the way to tap naitesttap");
	nai_policy_vlans_of_both(ctx, 7, 0);
	nai_policy_vlans_of_both(ctx, 1, BRIDGE_VLAN_INFO_PVID);
	nai_policy_expect(ctx,
			  "bridge naitestbr filters VLAN 1 on the way to tap naitesttap");
	nai_policy_vlans_of_both(ctx, 1, 0);
	nai_policy_expect(ctx,
			  "bridge naitestbr drops untagged frames on the way to tap naitesttap");
}

/* The address */

struct nai_mac_case {
	const char *name;
	u8 mac[ETH_ALEN];
	bool of_port;
	bool of_bridge;
	bool leased;
	int err;
	const char *message;
};

static const struct nai_mac_case nai_mac_cases[] = {
	{ .name = "a guest's", .mac = { 0x52, 0x54, 0, 1, 2, 3 } },
	{ .name = "multicast", .mac = { 0x01, 0, 0x5e, 0, 0, 1 },
	  .err = -EINVAL,
	  .message = "MAC 01:00:5e:00:00:01 is not a unicast address" },
	{ .name = "broadcast",
	  .mac = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, .err = -EINVAL,
	  .message = "MAC ff:ff:ff:ff:ff:ff is not a unicast address" },
	{ .name = "nobody's", .err = -EINVAL,
	  .message = "MAC 00:00:00:00:00:00 is not a unicast address" },
	{ .name = "the port's", .of_port = true, .err = -EINVAL },
	{ .name = "the bridge's", .of_bridge = true, .err = -EINVAL },
	{ .name = "leased", .mac = { 0x02, 0, 0, 0, 0, 0x01 }, .leased = true,
	  .err = -EBUSY,
	  .message = "MAC 02:00:00:00:00:01 is already leased to naitesttap" },
};

KUNIT_ARRAY_PARAM_DESC(nai_mac, nai_mac_cases, name);

/* Of its own, not that of a port. */
static void nai_policy_set_bridge_mac(struct nai_test *ctx, u8 *mac)
{
	struct net_device *bridge = netdev_master_upper_dev_get(ctx->dev);
	struct sockaddr addr = { .sa_family = ARPHRD_ETHER };

	eth_random_addr(mac);
	memcpy(addr.sa_data, mac, ETH_ALEN);
	KUNIT_EXPECT_EQ(ctx->test, dev_set_mac_address(bridge, &addr, NULL), 0);
}

static void nai_policy_mac(struct kunit *test)
{
	const struct nai_mac_case *given = test->param_value;
	struct nai_test *ctx = test->priv;
	struct netlink_ext_ack extack = {};
	struct nai_terms terms;
	u8 mac[ETH_ALEN];
	int err;

	nai_policy_put_up(ctx, false);
	ether_addr_copy(mac, given->mac);
	if (given->leased) {
		terms = nai_test_terms(ctx);
		nai_test_join(ctx);
		KUNIT_ASSERT_EQ(test, nai_test_attach(ctx, &terms, &extack), 0);
	}
	rtnl_lock();
	if (given->of_port)
		ether_addr_copy(mac, ctx->dev->dev_addr);
	if (given->of_bridge)
		nai_policy_set_bridge_mac(ctx, mac);
	err = nai_policy_check_mac(ctx->port.core, mac, &extack);
	rtnl_unlock();
	KUNIT_EXPECT_EQ(test, err, given->err);
	KUNIT_EXPECT_EQ(test, !!extack._msg, !!given->err);
	if (given->message)
		KUNIT_EXPECT_STREQ(test, extack._msg, given->message);
}

/* A lease that has not ended yet holds its address. */
static void nai_policy_mac_of_gone(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct netlink_ext_ack extack = {};

	nai_test_lease(ctx, NAI_TEST_DEPTH);
	ctx->stall = NAI_TEST_CLIENT_END;
	unregister_netdev(ctx->tap);
	KUNIT_EXPECT_GT(test,
			wait_for_completion_timeout(&ctx->stalled,
						    NAI_TEST_PATIENCE), 0);
	rtnl_lock();
	KUNIT_EXPECT_EQ(test,
			nai_policy_check_mac(ctx->port.core, nai_test_mac,
					     &extack), -EBUSY);
	rtnl_unlock();
	KUNIT_EXPECT_STREQ(test, extack._msg,
			   "MAC 02:00:00:00:00:01 is already leased to a tap that is gone");
	complete(&ctx->go_on);
	KUNIT_EXPECT_TRUE(test, nai_test_wait_over(ctx));
	free_netdev(ctx->tap);
	ctx->tap = NULL;
}

static void nai_policy_add_fdb(struct kunit *test, struct net_device *dev)
{
	struct sk_buff *skb;
	struct ndmsg *ndm;

	skb = nai_test_message(test, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
	ndm = nlmsg_append(skb, sizeof(*ndm));
	KUNIT_ASSERT_NOT_NULL(test, ndm);
	*ndm = (struct ndmsg){ .ndm_family = AF_BRIDGE,
			       .ndm_ifindex = dev->ifindex,
			       .ndm_state = NUD_NOARP,
			       .ndm_flags = NTF_MASTER };
	nla_put(skb, NDA_LLADDR, ETH_ALEN, nai_test_mac);
	nai_test_rtnl(test, skb);
}

static int nai_policy_place_of(struct nai_test *ctx,
			       struct netlink_ext_ack *extack)
{
	int err;

	rtnl_lock();
	err = nai_policy_check_place(ctx->tap, nai_test_mac, extack);
	rtnl_unlock();
	return err;
}

/* Unknown, behind the tap, behind the port. */
static void nai_policy_place(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct netlink_ext_ack extack = {};

	nai_policy_put_up(ctx, false);
	KUNIT_EXPECT_EQ(test, nai_policy_place_of(ctx, &extack), 0);
	nai_policy_add_fdb(test, ctx->tap);
	KUNIT_EXPECT_EQ(test, nai_policy_place_of(ctx, &extack), 0);
	nai_policy_add_fdb(test, ctx->dev);
	KUNIT_EXPECT_EQ(test, nai_policy_place_of(ctx, &extack), -EOPNOTSUPP);
	KUNIT_EXPECT_STREQ(test, extack._msg,
			   "MAC 02:00:00:00:00:01 is behind naitestport, not tap naitesttap");
}

/* On a lease */

/* Refused unless it is forced; what is refused leaves no trace. */
static void nai_policy_force(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};

	nai_policy_put_up(ctx, false);
	nai_policy_lock_tap(ctx);
	nai_test_join(ctx);
	terms.force = false;
	KUNIT_EXPECT_EQ(test, nai_test_attach(ctx, &terms, &extack),
			-EOPNOTSUPP);
	KUNIT_EXPECT_STREQ(test, extack._msg,
			   "tap naitesttap is a locked bridge port");
	KUNIT_EXPECT_STREQ(test, ctx->log, "");
	terms.force = true;
	KUNIT_EXPECT_EQ(test, nai_test_attach(ctx, &terms, &extack), 0);
}

/* Longer than it takes until a change is looked at, and shorter than until the
 * next look without one.
 */
#define NAI_POLICY_SOON	(HZ / 4)

/* A change ends what was not forced, and nothing else. */
static void nai_policy_change(struct kunit *test, bool force)
{
	struct nai_test *ctx = test->priv;
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};

	nai_policy_put_up(ctx, false);
	nai_test_join(ctx);
	terms.force = force;
	KUNIT_ASSERT_EQ_MSG(test, nai_test_attach(ctx, &terms, &extack), 0,
			    "%s", extack._msg);
	schedule_timeout_uninterruptible(NAI_POLICY_SOON);
	KUNIT_ASSERT_NOT_NULL(test, rcu_access_pointer(ctx->client->fq));
	nai_policy_apart(ctx);
	schedule_timeout_uninterruptible(NAI_POLICY_SOON);
}

static void nai_policy_change_ends(struct kunit *test)
{
	struct nai_test *ctx = test->priv;

	nai_policy_change(test, false);
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(ctx->client->fq), NULL);
	KUNIT_EXPECT_TRUE(test, nai_test_wait_over(ctx));
	KUNIT_EXPECT_EQ(test, ctx->client->last_reason,
			NAI_DETACH_REASON_POLICY);
	KUNIT_EXPECT_EQ(test, ctx->client->fallbacks, 1);
}

static void nai_policy_change_forced(struct kunit *test)
{
	struct nai_test *ctx = test->priv;

	nai_policy_change(test, true);
	KUNIT_EXPECT_NOT_NULL(test, rcu_access_pointer(ctx->client->fq));
}

static void nai_policy_exit(struct kunit *test)
{
	nai_test_del_bridge(NAI_TEST_BRIDGE);
	nai_test_exit(test);
}

static struct kunit_case nai_policy_test_cases[] = {
	KUNIT_CASE_PARAM(nai_policy_found, nai_policy_gen_params),
	KUNIT_CASE(nai_policy_vlan),
	KUNIT_CASE(nai_policy_all_vlans),
	KUNIT_CASE_PARAM(nai_policy_mac, nai_mac_gen_params),
	KUNIT_CASE(nai_policy_mac_of_gone),
	KUNIT_CASE(nai_policy_place),
	KUNIT_CASE(nai_policy_force),
	KUNIT_CASE(nai_policy_change_ends),
	KUNIT_CASE(nai_policy_change_forced),
	{}
};

static struct kunit_suite nai_policy_suite = {
	.name = "nai-policy",
	.init = nai_test_init,
	.exit = nai_policy_exit,
	.test_cases = nai_policy_test_cases,
};

kunit_test_suite(nai_policy_suite);
