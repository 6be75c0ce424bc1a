// SPDX-License-Identifier: GPL-2.0-only
/*
 * The netlink family: what can be leased and is, attach and detach, events.
 * Everything is seen from, and told to, the network namespace of the tap.
 *
 * DOC: locking
 *
 * Dumps hold RTNL, and a port's hw_mutex while its counters are read. Attach and
 * detach hold nothing while they wait. Events of the level are sent by the
 * worker, under its guest's vq->mutex; the others under client->lock.
 */

#include <kunit/visibility.h>
#include <linux/jiffies.h>
#include <linux/netdevice.h>
#include <linux/pid.h>
#include <linux/rtnetlink.h>
#include <net/genetlink.h>
#include <net/netlink.h>
#include <net/sock.h>

#include "nai_core.h"
#include "nai_nl_gen.h"

/* Where a dump goes on: how many entries of the list it is through with. */
struct nai_nl_dump_ctx {
	unsigned int done;
};

static struct nai_nl_dump_ctx *nai_nl_dump_ctx(struct netlink_callback *cb)
{
	NL_ASSERT_DUMP_CTX_FITS(struct nai_nl_dump_ctx);

	return (struct nai_nl_dump_ctx *)cb->ctx;
}

static void *nai_nl_put_header(struct sk_buff *skb, struct netlink_callback *cb)
{
	return genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			   &nai_nl_family, NLM_F_MULTI,
			   genl_info_dump(cb)->genlhdr->cmd);
}

/* Ports */

static int nai_nl_port_put(struct sk_buff *skb,
			   const struct nai_port_core *core)
{
	const struct nai_caps *caps = &core->caps;

	if (nla_put_u32(skb, NAI_A_PORT_IFINDEX, core->port->dev->ifindex) ||
	    nla_put_string(skb, NAI_A_PORT_DRIVER,
			   dev_driver_string(core->dma_dev)) ||
	    nla_put_u32(skb, NAI_A_PORT_MAX_QUEUES, caps->max_fqs) ||
	    nla_put_u32(skb, NAI_A_PORT_LEASED, core->nr_fqs) ||
	    nla_put_u32(skb, NAI_A_PORT_DEPTH, caps->rx_depth) ||
	    nla_put_u32(skb, NAI_A_PORT_MAX_FRAME, caps->rx_max_frame))
		return -EMSGSIZE;
	if (caps->flags & NAI_CAP_TX &&
	    (nla_put_u32(skb, NAI_A_PORT_TX_DEPTH, caps->tx_depth) ||
	     nla_put_u32(skb, NAI_A_PORT_TX_MAX_FRAME, caps->tx_max_frame)))
		return -EMSGSIZE;
	return 0;
}

static int nai_nl_port_fill(struct sk_buff *skb, struct netlink_callback *cb,
			    const struct nai_port_core *core)
{
	void *hdr = nai_nl_put_header(skb, cb);

	if (!hdr)
		return -EMSGSIZE;
	if (nai_nl_port_put(skb, core)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

int nai_nl_port_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct nai_nl_dump_ctx *ctx = nai_nl_dump_ctx(cb);
	const struct net *net = sock_net(skb->sk);
	const struct nai_port_core *core;
	unsigned int i = 0;
	int err = 0;

	rtnl_lock();
	list_for_each_entry(core, &nai_ports, list) {
		if (i++ < ctx->done)
			continue;
		if (net_eq(dev_net(core->port->dev), net))
			err = nai_nl_port_fill(skb, cb, core);
		if (err)
			break;
		ctx->done = i;
	}
	rtnl_unlock();
	return err;
}

/* Clients */

static int nai_nl_client_put(struct sk_buff *skb,
			     const struct nai_client *client,
			     const struct net_device *tap)
{
	const struct nai_fq *fq = rtnl_dereference(client->fq);

	if (nla_put_u32(skb, NAI_A_CLIENT_TAP_IFINDEX, tap->ifindex) ||
	    nla_put_u32(skb, NAI_A_CLIENT_TAP_QUEUE, client->queue) ||
	    (fq && nla_put_u32(skb, NAI_A_CLIENT_FQ_ID, fq->id)) ||
	    nla_put_u32(skb, NAI_A_CLIENT_FALLBACKS, client->fallbacks) ||
	    (client->last_reason != NAI_LEASE_HOLDS &&
	     nla_put_u32(skb, NAI_A_CLIENT_LAST_REASON, client->last_reason)) ||
	    nla_put_u32(skb, NAI_A_CLIENT_PID, pid_vnr(client->pid)))
		return -EMSGSIZE;
	return 0;
}

static int nai_nl_client_fill(struct sk_buff *skb, struct netlink_callback *cb,
			      const struct nai_client *client,
			      const struct net_device *tap)
{
	void *hdr = nai_nl_put_header(skb, cb);

	if (!hdr)
		return -EMSGSIZE;
	if (nai_nl_client_put(skb, client, tap)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

int nai_nl_client_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct nai_nl_dump_ctx *ctx = nai_nl_dump_ctx(cb);
	const struct net *net = sock_net(skb->sk);
	const struct nai_client *client;
	const struct net_device *tap;
	unsigned int i = 0;
	int err = 0;

	rtnl_lock();
	list_for_each_entry(client, &nai_clients, list) {
		if (i++ < ctx->done)
			continue;
		tap = rtnl_dereference(client->tap);
		if (tap && net_eq(dev_net(tap), net))
			err = nai_nl_client_fill(skb, cb, client, tap);
		if (err)
			break;
		ctx->done = i;
	}
	rtnl_unlock();
	return err;
}

/* Frame queues */

/* A frame queue at one moment. */
struct nai_nl_fq {
	enum nai_fq_state state;
	enum nai_congestion level;
	unsigned int posted;
	struct nai_fq_stats stats;
	struct nai_tx_stats tx_stats;
	struct nai_hw_stats hw_stats;
	struct nai_seed_report report;
};

static void nai_nl_fq_read(struct nai_fq *fq, struct nai_nl_fq *seen)
{
	struct nai_port *port = fq->core->port;

	ASSERT_RTNL();

	if (port) {
		mutex_lock(&port->hw_mutex);
		nai_fq_read_hw_stats(fq);
		mutex_unlock(&port->hw_mutex);
	}
	/* Without a port nobody writes them any more. */
	seen->hw_stats = fq->hw_stats;

	spin_lock(&fq->rx_lock);
	seen->state = fq->state;
	seen->level = fq->level;
	seen->posted = fq->posted;
	seen->stats = fq->stats;
	seen->report = fq->report;
	spin_unlock(&fq->rx_lock);
	if (fq->tx)
		nai_tx_read_stats(fq, &seen->tx_stats);
}

static int nai_nl_drops_put(struct sk_buff *skb, const u64 *drops)
{
	static const u16 attrs[NAI_DROP_REASONS] = {
		[NAI_DROP_REASON_FAULT]		= NAI_A_STATS_RX_DROP_FAULT,
		[NAI_DROP_REASON_OVERSIZE]	= NAI_A_STATS_RX_DROP_OVERSIZE,
		[NAI_DROP_REASON_ERROR]		= NAI_A_STATS_RX_DROP_ERROR,
		[NAI_DROP_REASON_DESCRIPTOR]	= NAI_A_STATS_RX_DROP_DESCRIPTOR,
		[NAI_DROP_REASON_DETACH]	= NAI_A_STATS_RX_DROP_DETACH,
		[NAI_DROP_REASON_NO_DESCRIPTOR]	=
			NAI_A_STATS_RX_DROP_NO_DESCRIPTOR,
	};
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < NAI_DROP_REASONS; i++) {
		sum += drops[i];
		if (nla_put_uint(skb, attrs[i], drops[i]))
			return -EMSGSIZE;
	}
	return nla_put_uint(skb, NAI_A_STATS_RX_DROPS, sum);
}

static int nai_nl_tx_drops_put(struct sk_buff *skb, const u64 *drops)
{
	static const u16 attrs[NAI_TX_DROP_REASONS] = {
		[NAI_TX_DROP_REASON_SPOOF]	= NAI_A_STATS_TX_DROP_SPOOF,
		[NAI_TX_DROP_REASON_VLAN]	= NAI_A_STATS_TX_DROP_VLAN,
		[NAI_TX_DROP_REASON_HEADER]	= NAI_A_STATS_TX_DROP_HEADER,
		[NAI_TX_DROP_REASON_STOP]	= NAI_A_STATS_TX_DROP_STOP,
	};
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < NAI_TX_DROP_REASONS; i++) {
		sum += drops[i];
		if (nla_put_uint(skb, attrs[i], drops[i]))
			return -EMSGSIZE;
	}
	return nla_put_uint(skb, NAI_A_STATS_TX_DROPS, sum);
}

static int nai_nl_tx_stats_put(struct sk_buff *skb,
			       const struct nai_tx_stats *stats)
{
	if (nla_put_uint(skb, NAI_A_STATS_TX_PACKETS, stats->packets) ||
	    nla_put_uint(skb, NAI_A_STATS_TX_BYTES, stats->bytes) ||
	    nai_nl_tx_drops_put(skb, stats->drops) ||
	    nla_put_uint(skb, NAI_A_STATS_TX_TAP, stats->tap) ||
	    nla_put_uint(skb, NAI_A_STATS_TX_FULL, stats->full))
		return -EMSGSIZE;
	return 0;
}

static int nai_nl_seed_stats_put(struct sk_buff *skb,
				 const struct nai_nl_fq *seen)
{
	const struct nai_seed_report *report = &seen->report;

	if (nla_put_uint(skb, NAI_A_STATS_RX_SEEDED, seen->stats.seeded) ||
	    nla_put_uint(skb, NAI_A_STATS_SEED_REFUSED, report->refused) ||
	    nla_put_uint(skb, NAI_A_STATS_SEED_RETURNED, report->returned) ||
	    nla_put_uint(skb, NAI_A_STATS_SEED_REWOUND, report->rewound))
		return -EMSGSIZE;
	return 0;
}

static int nai_nl_stats_put(struct sk_buff *skb, const struct nai_fq *fq,
			    const struct nai_nl_fq *seen)
{
	const struct nai_fq_stats *stats = &seen->stats;
	struct nlattr *nest;

	nest = nla_nest_start(skb, NAI_A_FQ_STATS);
	if (!nest)
		return -EMSGSIZE;
	if (nla_put_uint(skb, NAI_A_STATS_RX_PACKETS, stats->rx_packets) ||
	    nla_put_uint(skb, NAI_A_STATS_RX_BYTES, stats->rx_bytes) ||
	    nai_nl_drops_put(skb, stats->drops) ||
	    (fq->core->caps.flags & NAI_CAP_HW_DROPS &&
	     nla_put_uint(skb, NAI_A_STATS_RX_HW_DROP_OVERRUNS,
			  seen->hw_stats.hw_drop_overruns)) ||
	    nla_put_uint(skb, NAI_A_STATS_IRQS, seen->hw_stats.irqs) ||
	    nla_put_uint(skb, NAI_A_STATS_WAKES, atomic64_read(&fq->wakes)) ||
	    nla_put_uint(skb, NAI_A_STATS_STARVED, stats->starved) ||
	    nla_put_uint(skb, NAI_A_STATS_LOW_EVENTS, stats->low_events) ||
	    nla_put_uint(skb, NAI_A_STATS_EMPTY_EVENTS, stats->empty_events) ||
	    nla_put_uint(skb, NAI_A_STATS_RESETS, stats->resets) ||
	    (fq->tx && nai_nl_tx_stats_put(skb, &seen->tx_stats)) ||
	    (nai_fq_takes_seeds(fq) && nai_nl_seed_stats_put(skb, seen))) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

static int nai_nl_seed_put(struct sk_buff *skb, const struct nai_nl_fq *seen)
{
	const struct nai_seed_report *report = &seen->report;

	if (nla_put_u32(skb, NAI_A_FQ_LEVEL, report->level) ||
	    nla_put_u32(skb, NAI_A_FQ_LEVEL_REASON, report->bar) ||
	    nla_put_u32(skb, NAI_A_FQ_PINNED, report->pinned * PAGE_SIZE))
		return -EMSGSIZE;
	return 0;
}

static int nai_nl_fq_put(struct sk_buff *skb, const struct nai_fq *fq,
			 const struct nai_nl_fq *seen)
{
	if (nla_put_u32(skb, NAI_A_FQ_ID, fq->id) ||
	    nla_put_u32(skb, NAI_A_FQ_PORT_IFINDEX, fq->port_ifindex) ||
	    nla_put_u32(skb, NAI_A_FQ_PORT_QUEUE, fq->index) ||
	    nla_put_u32(skb, NAI_A_FQ_TAP_IFINDEX, fq->tap_ifindex) ||
	    nla_put_u32(skb, NAI_A_FQ_TAP_QUEUE, fq->client->queue) ||
	    nla_put_u32(skb, NAI_A_FQ_MODE, fq->terms.mode) ||
	    nla_put(skb, NAI_A_FQ_MAC, ETH_ALEN, fq->terms.mac) ||
	    nla_put_u32(skb, NAI_A_FQ_STATE, seen->state) ||
	    nla_put_u32(skb, NAI_A_FQ_CONGESTION, seen->level) ||
	    nla_put_u32(skb, NAI_A_FQ_DEPTH, fq->depth) ||
	    nla_put_u32(skb, NAI_A_FQ_POSTED, seen->posted) ||
	    nla_put_u32(skb, NAI_A_FQ_LOW, fq->terms.low) ||
	    nla_put_u32(skb, NAI_A_FQ_HIGH, fq->terms.high) ||
	    (fq->tx && nla_put_flag(skb, NAI_A_FQ_TX)) ||
	    (nai_fq_takes_seeds(fq) && nai_nl_seed_put(skb, seen)))
		return -EMSGSIZE;
	return nai_nl_stats_put(skb, fq, seen);
}

static int nai_nl_fq_fill(struct sk_buff *skb, struct netlink_callback *cb,
			  struct nai_fq *fq)
{
	struct nai_nl_fq seen;
	void *hdr;

	hdr = nai_nl_put_header(skb, cb);
	if (!hdr)
		return -EMSGSIZE;
	nai_nl_fq_read(fq, &seen);
	if (nai_nl_fq_put(skb, fq, &seen)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

/* By client, not by port: a lease whose port has gone is still there until its
 * client has let go.
 */
int nai_nl_fq_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct nai_nl_dump_ctx *ctx = nai_nl_dump_ctx(cb);
	const struct net *net = sock_net(skb->sk);
	const struct nai_client *client;
	unsigned int i = 0;
	struct nai_fq *fq;
	int err = 0;

	rtnl_lock();
	list_for_each_entry(client, &nai_clients, list) {
		if (i++ < ctx->done)
			continue;
		fq = rtnl_dereference(client->fq);
		if (fq && rtnl_dereference(fq->net) == net)
			err = nai_nl_fq_fill(skb, cb, fq);
		if (err)
			break;
		ctx->done = i;
	}
	rtnl_unlock();
	return err;
}

/* Attach and detach */

static struct nai_client *nai_nl_client_get(struct genl_info *info)
{
	struct nai_client *client;
	u32 queue = 0;

	if (GENL_REQ_ATTR_CHECK(info, NAI_A_FQ_TAP_IFINDEX))
		return ERR_PTR(-EINVAL);
	if (info->attrs[NAI_A_FQ_TAP_QUEUE])
		queue = nla_get_u32(info->attrs[NAI_A_FQ_TAP_QUEUE]);

	client = nai_client_find(genl_info_net(info),
				 nla_get_u32(info->attrs[NAI_A_FQ_TAP_IFINDEX]),
				 queue);
	if (!client) {
		NL_SET_ERR_MSG_ATTR(info->extack,
				    info->attrs[NAI_A_FQ_TAP_IFINDEX],
				    "no vhost backend is set for this queue of the tap");
		return ERR_PTR(-ENOENT);
	}
	return client;
}

static int nai_nl_parse_terms(struct genl_info *info, struct nai_terms *terms)
{
	struct nlattr **attrs = info->attrs;

	if (GENL_REQ_ATTR_CHECK(info, NAI_A_FQ_PORT_IFINDEX) ||
	    GENL_REQ_ATTR_CHECK(info, NAI_A_FQ_MAC))
		return -EINVAL;

	terms->port_ifindex = nla_get_u32(attrs[NAI_A_FQ_PORT_IFINDEX]);
	nla_memcpy(terms->mac, attrs[NAI_A_FQ_MAC], ETH_ALEN);
	terms->force = nla_get_flag(attrs[NAI_A_FQ_FORCE]);
	terms->tx = nla_get_flag(attrs[NAI_A_FQ_TX]);
	terms->mode = NAI_MODE_COPY;
	if (attrs[NAI_A_FQ_MODE])
		terms->mode = nla_get_u32(attrs[NAI_A_FQ_MODE]);
	if (attrs[NAI_A_FQ_LOW])
		terms->low = nla_get_u32(attrs[NAI_A_FQ_LOW]);
	if (attrs[NAI_A_FQ_HIGH])
		terms->high = nla_get_u32(attrs[NAI_A_FQ_HIGH]);
	if (attrs[NAI_A_FQ_LINGER])
		terms->linger = nla_get_u32(attrs[NAI_A_FQ_LINGER]);
	return 0;
}

static int nai_nl_attach_reply(struct sk_buff *rsp, struct genl_info *info,
			       enum nai_mode mode, u32 id, u16 index)
{
	void *hdr = genlmsg_iput(rsp, info);

	if (!hdr || nla_put_u32(rsp, NAI_A_FQ_ID, id) ||
	    nla_put_u32(rsp, NAI_A_FQ_PORT_QUEUE, index) ||
	    nla_put_u32(rsp, NAI_A_FQ_MODE, mode)) {
		nlmsg_free(rsp);
		return -EMSGSIZE;
	}
	genlmsg_end(rsp, hdr);
	return genlmsg_reply(rsp, info);
}

int nai_nl_attach_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nai_terms terms = {};
	struct nai_client *client;
	struct sk_buff *rsp;
	u16 index;
	u32 id;
	int err;

	err = nai_nl_parse_terms(info, &terms);
	if (err)
		return err;
	client = nai_nl_client_get(info);
	if (IS_ERR(client))
		return PTR_ERR(client);

	/* First, so that the attach need not be undone for want of it. */
	rsp = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!rsp) {
		err = -ENOMEM;
		goto out;
	}
	err = nai_attach(client, genl_info_net(info), &terms, &id, &index,
			 info->extack);
	if (err)
		nlmsg_free(rsp);
	else
		err = nai_nl_attach_reply(rsp, info, terms.mode, id, index);
out:
	nai_client_put(client);
	return err;
}

int nai_nl_detach_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nai_client *client;
	int err;

	client = nai_nl_client_get(info);
	if (IS_ERR(client))
		return PTR_ERR(client);
	err = nai_detach(client, info->extack);
	nai_client_put(client);
	return err;
}

/* Events */

static int nai_nl_event_put(struct sk_buff *skb, const struct nai_fq *fq,
			    u8 cmd, int reason)
{
	void *hdr = genlmsg_put(skb, 0, 0, &nai_nl_family, 0, cmd);

	if (!hdr ||
	    nla_put_u32(skb, NAI_A_FQ_ID, fq->id) ||
	    nla_put_u32(skb, NAI_A_FQ_PORT_IFINDEX, fq->port_ifindex) ||
	    nla_put_u32(skb, NAI_A_FQ_TAP_IFINDEX, fq->tap_ifindex) ||
	    nla_put_u32(skb, NAI_A_FQ_TAP_QUEUE, fq->client->queue) ||
	    nla_put_u32(skb, NAI_A_FQ_MODE, fq->terms.mode) ||
	    nla_put(skb, NAI_A_FQ_MAC, ETH_ALEN, fq->terms.mac) ||
	    nla_put_u32(skb, NAI_A_FQ_CONGESTION, READ_ONCE(fq->level)) ||
	    (reason != NAI_LEASE_HOLDS &&
	     nla_put_u32(skb, NAI_A_FQ_REASON, reason)))
		return -EMSGSIZE;
	genlmsg_end(skb, hdr);
	return 0;
}

static void nai_nl_multicast(struct net *net, const struct nai_fq *fq, u8 cmd,
			     int reason)
{
	struct sk_buff *skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);

	if (!skb)
		return;
	if (nai_nl_event_put(skb, fq, cmd, reason)) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_multicast_netns(&nai_nl_family, net, skb, 0, NAI_NLGRP_EVENTS,
				GFP_KERNEL);
}

/**
 * nai_nl_notify - tell who listens about a lease
 * @fq: the lease
 * @cmd: which event
 * @reason: why it ended, or NAI_LEASE_HOLDS
 *
 * Context: process.
 */
void nai_nl_notify(struct nai_fq *fq, u8 cmd, int reason)
{
	struct net *net;

	rcu_read_lock();
	net = rcu_dereference(fq->net);
	if (net)
		net = maybe_get_net(net);
	rcu_read_unlock();
	if (!net)
		return;
	if (genl_has_listeners(&nai_nl_family, net, NAI_NLGRP_EVENTS))
		nai_nl_multicast(net, fq, cmd, reason);
	put_net(net);
}

VISIBLE_IF_KUNIT
bool nai_nl_may_tell(struct nai_fq *fq, enum nai_event_kind kind)
{
	if (fq->event_sent & BIT(kind) &&
	    time_before(jiffies, fq->event_at[kind] + HZ))
		return false;
	fq->event_sent |= BIT(kind);
	fq->event_at[kind] = jiffies;
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(nai_nl_may_tell);

/**
 * nai_nl_notify_level - tell who listens that the level has changed
 * @fq: the lease
 * @was: the level before
 *
 * At most one event of a kind in a second, so the last may not be told; counters
 * and fq-get know better.
 *
 * Context: the worker, process context.
 */
void nai_nl_notify_level(struct nai_fq *fq, enum nai_congestion was)
{
	enum nai_event_kind kind = NAI_EVENT_LEVEL_CHANGED;
	u8 cmd = NAI_CMD_LEVEL_CHANGED_NTF;

	if (fq->level == NAI_CONGESTION_EMPTY) {
		kind = NAI_EVENT_CONGESTED;
		cmd = NAI_CMD_CONGESTED_NTF;
	} else if (was == NAI_CONGESTION_EMPTY) {
		kind = NAI_EVENT_CLEARED;
		cmd = NAI_CMD_CLEARED_NTF;
	}
	if (nai_nl_may_tell(fq, kind))
		nai_nl_notify(fq, cmd, NAI_LEASE_HOLDS);
}
