// SPDX-License-Identifier: GPL-2.0-only
/*
 * The netdevs of a software NIC: its port, and the far end of its cable.
 *
 * DOC: locking
 *
 * RTNL guards link state, MTU, addresses and whether the core is told of resets.
 * Transmit takes no lock: both netdevs stay until neither transmits any more.
 */

#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/netdevice.h>
#include <linux/nsproxy.h>
#include <linux/rtnetlink.h>

#include "naisim.h"

#define NAISIM_MAX_MTU	9000

/* The link */

static void naisim_set_link(struct naisim *sim)
{
	ASSERT_RTNL();

	if (netif_running(sim->port) && netif_running(sim->wire)) {
		netif_carrier_on(sim->port);
		netif_carrier_on(sim->wire);
	} else {
		netif_carrier_off(sim->port);
		netif_carrier_off(sim->wire);
	}
}

static void naisim_down(struct naisim *sim)
{
	ASSERT_RTNL();

	netif_carrier_off(sim->port);
	/* Frames that the NIC has received already are still on their way. */
	if (sim->registered)
		nai_port_down(&sim->nai);
	WRITE_ONCE(sim->up, false);
}

static void naisim_up(struct naisim *sim)
{
	ASSERT_RTNL();

	WRITE_ONCE(sim->up, true);
	if (sim->registered)
		nai_port_up(&sim->nai);
	naisim_set_link(sim);
}

/* As drivers do after a transmit timeout, or when asked to. */
void naisim_reset(struct naisim *sim)
{
	ASSERT_RTNL();

	naisim_count(sim, NAISIM_RESETS);
	if (!netif_running(sim->port))
		return;
	naisim_down(sim);
	naisim_up(sim);
}

/* The port */

static int naisim_port_open(struct net_device *dev)
{
	naisim_up(naisim_of(dev));
	netif_start_queue(dev);
	return 0;
}

static int naisim_port_stop(struct net_device *dev)
{
	struct naisim *sim = naisim_of(dev);

	netif_stop_queue(dev);
	naisim_down(sim);
	naisim_set_link(sim);
	return 0;
}

static netdev_tx_t naisim_port_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct naisim *sim = naisim_of(dev);
	unsigned int len;

	/* Frees it on failure. */
	if (eth_skb_pad(skb))
		goto drop;
	len = skb->len;
	skb_tx_timestamp(skb);
	if (dev_forward_skb(sim->wire, skb) != NET_RX_SUCCESS)
		goto drop;
	dev_sw_netstats_tx_add(dev, 1, len);
	dev_sw_netstats_rx_add(sim->wire, len);
	naisim_count(sim, NAISIM_TX_FRAMES);
	return NETDEV_TX_OK;

drop:
	dev_core_stats_tx_dropped_inc(dev);
	naisim_count(sim, NAISIM_TX_DROPS);
	return NETDEV_TX_OK;
}

static int naisim_change_mtu(struct net_device *dev, int mtu)
{
	struct naisim *sim = naisim_of(dev);

	if (mtu > ETH_DATA_LEN && nai_port_has_fqs(&sim->nai)) {
		netdev_warn(dev, "frame queues are on lease, they need an MTU of at most %d\n",
			    ETH_DATA_LEN);
		return -EBUSY;
	}
	if (!netif_running(dev)) {
		WRITE_ONCE(dev->mtu, mtu);
		return 0;
	}
	naisim_down(sim);
	WRITE_ONCE(dev->mtu, mtu);
	naisim_up(sim);
	return 0;
}

static int naisim_set_mac(struct net_device *dev, void *addr)
{
	const struct sockaddr *wanted = addr;

	if (naisim_is_matched(naisim_of(dev), wanted->sa_data))
		return -EADDRINUSE;
	return eth_mac_addr(dev, addr);
}

static void naisim_get_stats64(struct net_device *dev,
			       struct rtnl_link_stats64 *stats)
{
	struct naisim *sim = naisim_of(dev);

	dev_get_tstats64(dev, stats);
	stats->rx_missed_errors =
		atomic64_read(&sim->counts[NAISIM_FQ_OVERRUNS]);
	stats->rx_length_errors =
		atomic64_read(&sim->counts[NAISIM_FQ_TOO_LONG]);
}

static const struct net_device_ops naisim_port_netdev_ops = {
	.ndo_open		= naisim_port_open,
	.ndo_stop		= naisim_port_stop,
	.ndo_start_xmit		= naisim_port_xmit,
	.ndo_change_mtu		= naisim_change_mtu,
	.ndo_set_mac_address	= naisim_set_mac,
	.ndo_validate_addr	= eth_validate_addr,
	.ndo_get_stats64	= naisim_get_stats64,
};

/* The far end of the cable */

static int naisim_wire_open(struct net_device *dev)
{
	naisim_set_link(naisim_of(dev));
	netif_start_queue(dev);
	return 0;
}

static int naisim_wire_stop(struct net_device *dev)
{
	netif_stop_queue(dev);
	naisim_set_link(naisim_of(dev));
	return 0;
}

static netdev_tx_t naisim_wire_xmit(struct sk_buff *skb, struct net_device *dev)
{
	return naisim_cable_send(naisim_of(dev), skb);
}

static const struct net_device_ops naisim_wire_netdev_ops = {
	.ndo_open		= naisim_wire_open,
	.ndo_stop		= naisim_wire_stop,
	.ndo_start_xmit		= naisim_wire_xmit,
	.ndo_set_mac_address	= eth_mac_addr,
	.ndo_validate_addr	= eth_validate_addr,
	.ndo_get_stats64	= dev_get_tstats64,
};

/* ethtool */

static void naisim_get_drvinfo(struct net_device *dev,
			       struct ethtool_drvinfo *info)
{
	strscpy(info->driver, KBUILD_MODNAME, sizeof(info->driver));
	strscpy(info->bus_info, dev_name(&naisim_of(dev)->pdev->dev),
		sizeof(info->bus_info));
}

static int naisim_get_link_ksettings(struct net_device *dev,
				     struct ethtool_link_ksettings *settings)
{
	settings->base.speed = SPEED_10000;
	settings->base.duplex = DUPLEX_FULL;
	settings->base.port = PORT_TP;
	settings->base.autoneg = AUTONEG_DISABLE;
	return 0;
}

static int naisim_nway_reset(struct net_device *dev)
{
	naisim_reset(naisim_of(dev));
	return 0;
}

static const struct ethtool_ops naisim_ethtool_ops = {
	.get_drvinfo		= naisim_get_drvinfo,
	.get_link		= ethtool_op_get_link,
	.get_link_ksettings	= naisim_get_link_ksettings,
	.get_ts_info		= ethtool_op_get_ts_info,
	.nway_reset		= naisim_nway_reset,
};

/* Coming and going */

static void naisim_setup(struct net_device *dev)
{
	ether_setup(dev);
	dev->ethtool_ops = &naisim_ethtool_ops;
	dev->max_mtu = NAISIM_MAX_MTU;
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
	/* A frame is queued as it is. */
	dev->priv_flags &= ~IFF_TX_SKB_SHARING;
	dev->priv_flags |= IFF_LIVE_ADDR_CHANGE;
	eth_hw_addr_random(dev);
	netif_carrier_off(dev);
}

static struct net_device *naisim_netdev_create(struct naisim *sim,
					       const struct net_device_ops *ops,
					       const char *end)
{
	struct naisim_netdev *priv;
	struct net_device *dev;
	char name[IFNAMSIZ];

	snprintf(name, sizeof(name), "naisim%d%s", sim->pdev->id, end);
	dev = alloc_netdev(sizeof(*priv), name, NET_NAME_USER, naisim_setup);
	if (!dev)
		return NULL;
	priv = netdev_priv(dev);
	priv->sim = sim;
	dev->netdev_ops = ops;
	dev_net_set(dev, current->nsproxy->net_ns);
	return dev;
}

static int naisim_netdevs_create(struct naisim *sim)
{
	sim->port = naisim_netdev_create(sim, &naisim_port_netdev_ops, "");
	if (!sim->port)
		return -ENOMEM;
	sim->wire = naisim_netdev_create(sim, &naisim_wire_netdev_ops, "w");
	if (!sim->wire) {
		free_netdev(sim->port);
		return -ENOMEM;
	}
	SET_NETDEV_DEV(sim->port, &sim->pdev->dev);
	return 0;
}

static void naisim_netdevs_free(struct naisim *sim)
{
	free_netdev(sim->wire);
	free_netdev(sim->port);
}

/* Return: 0, and both netdevs are there, in the caller's network namespace. */
int naisim_netdevs_register(struct naisim *sim)
{
	int err;

	err = naisim_netdevs_create(sim);
	if (err)
		return err;

	rtnl_lock();
	err = register_netdevice(sim->port);
	if (err)
		goto err_unlock;
	err = register_netdevice(sim->wire);
	if (err)
		goto err_unregister;
	rtnl_unlock();
	return 0;

err_unregister:
	unregister_netdevice(sim->port);
err_unlock:
	rtnl_unlock();
	naisim_netdevs_free(sim);
	return err;
}

/* The engine has ended: it must not receive for a netdev that goes. */
void naisim_netdevs_unregister(struct naisim *sim)
{
	LIST_HEAD(list);

	rtnl_lock();
	unregister_netdevice_queue(sim->port, &list);
	unregister_netdevice_queue(sim->wire, &list);
	unregister_netdevice_many(&list);
	rtnl_unlock();
	naisim_netdevs_free(sim);
}
