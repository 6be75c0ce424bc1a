// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network Acceleration Interface: ports that lend hardware queues, clients that
 * take them, and what happens to a lease when either goes away.
 *
 * DOC: locking
 *
 * RTNL guards both lists, what is on lease, and client->tap. The order of the
 * locks is in net/nai.h. A port takes RTNL to come and go, and waits for no
 * client->lock, so no guest can hold up its driver. A client may wait: it goes
 * in the context of its own process.
 */

#include <kunit/visibility.h>
#include <linux/atomic.h>
#include <linux/device.h>
#include <linux/etherdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/pid.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <net/genetlink.h>

#define CREATE_TRACE_POINTS
#include <trace/events/nai.h>

#include "nai_core.h"
#include "nai_nl_gen.h"

LIST_HEAD(nai_ports);
LIST_HEAD(nai_clients);
struct workqueue_struct *nai_wq;

/* Numbers a lease. */
u32 nai_next_id(void)
{
	static atomic_t last;

	return atomic_inc_return(&last);
}

/* Ports */

static bool nai_port_has_all_ops(const struct nai_port_ops *ops, u32 flags)
{
	if (flags & NAI_CAP_TX && ops && !(ops->tx_xmit && ops->tx_poll))
		return false;
	return ops && ops->fq_alloc && ops->fq_free && ops->match_add &&
	       ops->match_del && ops->fq_start && ops->fq_stop &&
	       ops->rx_post && ops->rx_kick && ops->rx_poll && ops->irq_arm &&
	       ops->irq_mask && ops->get_stats;
}

static bool nai_caps_can_tx(const struct nai_caps *caps)
{
	return caps->tx_depth >= NAI_MIN_DEPTH &&
	       caps->tx_depth <= NAI_MAX_DEPTH &&
	       caps->tx_max_frame >= ETH_FRAME_LEN &&
	       caps->tx_max_frame <= PAGE_SIZE;
}

VISIBLE_IF_KUNIT bool nai_caps_are_sane(const struct nai_caps *caps)
{
	return (caps->flags & NAI_CAP_REQUIRED) == NAI_CAP_REQUIRED &&
	       caps->max_fqs &&
	       caps->rx_depth >= NAI_MIN_DEPTH &&
	       caps->rx_depth <= NAI_MAX_DEPTH &&
	       caps->rx_max_frame >= ETH_FRAME_LEN &&
	       caps->rx_buf_len >= caps->rx_max_frame &&
	       caps->rx_buf_len <= PAGE_SIZE &&
	       (!(caps->flags & NAI_CAP_TX) || nai_caps_can_tx(caps));
}
EXPORT_SYMBOL_IF_KUNIT(nai_caps_are_sane);

static void nai_port_core_release(struct kref *kref)
{
	struct nai_port_core *core;

	core = container_of(kref, struct nai_port_core, kref);
	WARN_ON_ONCE(core->nr_fqs);
	put_device(core->dma_dev);
	kfree(core);
}

void nai_port_core_get(struct nai_port_core *core)
{
	kref_get(&core->kref);
}

void nai_port_core_put(struct nai_port_core *core)
{
	kref_put(&core->kref, nai_port_core_release);
}

/* Return: with a reference, or NULL. */
struct nai_port_core *nai_port_core_find(struct net *net, u32 ifindex)
{
	struct nai_port_core *core;
	struct net_device *dev;

	ASSERT_RTNL();

	list_for_each_entry(core, &nai_ports, list) {
		dev = core->port->dev;
		if (dev->ifindex == ifindex && net_eq(dev_net(dev), net)) {
			nai_port_core_get(core);
			return core;
		}
	}
	return NULL;
}

/**
 * nai_port_register - offer the frame queues of a port
 * @port: netdev, device, ops and capabilities are set
 * @owner: the driver's module; every lease holds it
 *
 * Queues run between nai_port_up() and nai_port_down(); the port counts as down
 * until the first nai_port_up().
 *
 * Context: process, takes RTNL.
 * Return: 0, -EINVAL if the provider is not complete, -ENOMEM.
 */
int nai_port_register(struct nai_port *port, struct module *owner)
{
	struct nai_port_core *core;

	if (WARN_ON_ONCE(!port->dev || !port->dma_dev ||
			 !nai_port_has_all_ops(port->ops, port->caps.flags) ||
			 !nai_caps_are_sane(&port->caps)))
		return -EINVAL;

	core = kzalloc(sizeof(*core), GFP_KERNEL);
	if (!core)
		return -ENOMEM;
	kref_init(&core->kref);
	INIT_LIST_HEAD(&core->fqs);
	core->port = port;
	core->dma_dev = get_device(port->dma_dev);
	core->owner = owner;
	core->caps = port->caps;
	mutex_init(&port->hw_mutex);

	rtnl_lock();
	port->core = core;
	list_add_tail(&core->list, &nai_ports);
	rtnl_unlock();
	return 0;
}
EXPORT_SYMBOL_GPL(nai_port_register);

/**
 * nai_port_unregister - take a port away, and every lease of it
 * @port: registered
 *
 * On return no function of the provider runs or will, and no buffer is mapped.
 * Clients learn of it from a work item: a worker that is stalled by its guest
 * holds up nobody here.
 *
 * Context: process, takes RTNL.
 */
void nai_port_unregister(struct nai_port *port)
{
	struct nai_port_core *core = port->core;
	struct nai_fq *fq, *next;

	rtnl_lock();
	list_for_each_entry_safe(fq, next, &core->fqs, list) {
		if (fq->lingers) {
			nai_linger_end(fq);
			continue;
		}
		nai_lease_fail(fq, NAI_DETACH_REASON_PORT_GONE);
		nai_lease_close(fq);
	}
	list_del(&core->list);
	core->port = NULL;
	port->core = NULL;
	rtnl_unlock();

	mutex_destroy(&port->hw_mutex);
	nai_port_core_put(core);
}
EXPORT_SYMBOL_GPL(nai_port_unregister);

/**
 * nai_port_down - stop the queues before a reset or when the port is closed
 * @port: registered; may be down already
 *
 * The leases hold. Frames that were completed still reach their guests.
 *
 * Context: RTNL held.
 */
void nai_port_down(struct nai_port *port)
{
	struct nai_port_core *core = port->core;
	struct nai_fq *fq;

	ASSERT_RTNL();

	mutex_lock(&port->hw_mutex);
	core->up = false;
	list_for_each_entry(fq, &core->fqs, list)
		if (fq->state == NAI_FQ_STATE_RUNNING) {
			nai_fq_halt(fq, NAI_FQ_STATE_PAUSED);
			/* for the frames that were completed */
			nai_fq_wake(fq);
		}
	mutex_unlock(&port->hw_mutex);
}
EXPORT_SYMBOL_GPL(nai_port_down);

static void nai_fq_resume(struct nai_fq *fq)
{
	if (nai_fq_run(fq)) {
		nai_lease_fail(fq, NAI_DETACH_REASON_HARDWARE);
		return;
	}
	spin_lock(&fq->rx_lock);
	fq->stats.resets++;
	spin_unlock(&fq->rx_lock);
	nai_fq_wake(fq);
}

/**
 * nai_port_up - start the queues on lease, stocked anew
 * @port: registered; may be up already
 *
 * A queue that does not start loses its lease.
 *
 * Context: RTNL held.
 */
void nai_port_up(struct nai_port *port)
{
	struct nai_port_core *core = port->core;
	struct nai_fq *fq;

	ASSERT_RTNL();

	mutex_lock(&port->hw_mutex);
	core->up = true;
	list_for_each_entry(fq, &core->fqs, list)
		if (fq->state == NAI_FQ_STATE_PAUSED && !fq->held)
			nai_fq_resume(fq);
	mutex_unlock(&port->hw_mutex);
}
EXPORT_SYMBOL_GPL(nai_port_up);

/**
 * nai_port_has_fqs - is anything of a port on lease?
 * @port: registered
 *
 * Context: RTNL held.
 * Return: true if so.
 */
bool nai_port_has_fqs(const struct nai_port *port)
{
	ASSERT_RTNL();

	return port->core && port->core->nr_fqs;
}
EXPORT_SYMBOL_GPL(nai_port_has_fqs);

/* Clients */

static void nai_client_release(struct kref *kref)
{
	struct nai_client *client = container_of(kref, struct nai_client, kref);

	put_pid(client->pid);
	kfree(client);
}

void nai_client_get(struct nai_client *client)
{
	kref_get(&client->kref);
}

void nai_client_put(struct nai_client *client)
{
	kref_put(&client->kref, nai_client_release);
}

static struct nai_client *__nai_client_find(struct net *net, u32 tap_ifindex,
					    u32 queue)
{
	struct nai_client *client;
	struct net_device *tap;

	ASSERT_RTNL();

	list_for_each_entry(client, &nai_clients, list) {
		tap = rtnl_dereference(client->tap);
		if (tap && tap->ifindex == tap_ifindex &&
		    client->queue == queue && net_eq(dev_net(tap), net))
			return client;
	}
	return NULL;
}

/* Return: with a reference, or NULL. */
struct nai_client *nai_client_find(struct net *net, u32 tap_ifindex, u32 queue)
{
	struct nai_client *client;

	rtnl_lock();
	client = __nai_client_find(net, tap_ifindex, queue);
	if (client)
		nai_client_get(client);
	rtnl_unlock();
	return client;
}

static int nai_client_add(struct nai_client *client, struct net_device *tap)
{
	ASSERT_RTNL();

	/* The notifier has been and would not drop the reference. */
	if (tap->reg_state != NETREG_REGISTERED)
		return -ENODEV;
	if (__nai_client_find(dev_net(tap), tap->ifindex, client->queue))
		return -EBUSY;
	nai_linger_tap(tap);
	netdev_hold(tap, &client->tap_tracker, GFP_KERNEL);
	rcu_assign_pointer(client->tap, tap);
	list_add_tail(&client->list, &nai_clients);
	return 0;
}

/**
 * nai_client_register - make a virtqueue known that can take a lease
 * @tap: what its frames come from otherwise; the caller has a reference
 * @queue: of @tap
 * @ops: what the client implements
 * @priv: for @ops
 *
 * Context: process, takes RTNL; may not hold what @ops->attach takes.
 * Return: the client, or ERR_PTR() of -ENODEV if the tap is going away, -EBUSY
 * if this queue of it has a client, -ENOMEM.
 */
struct nai_client *nai_client_register(struct net_device *tap, u16 queue,
				       const struct nai_client_ops *ops,
				       void *priv)
{
	struct nai_client *client = kzalloc(sizeof(*client), GFP_KERNEL);
	int err;

	if (!client)
		return ERR_PTR(-ENOMEM);
	kref_init(&client->kref);
	mutex_init(&client->lock);
	INIT_WORK(&client->end_work, nai_lease_end_work);
	INIT_WORK(&client->recall_work, nai_seed_recall_work);
	init_waitqueue_head(&client->ended);
	client->ops = ops;
	client->priv = priv;
	client->queue = queue;
	client->last_reason = NAI_LEASE_HOLDS;
	client->pid = get_task_pid(current, PIDTYPE_TGID);

	rtnl_lock();
	err = nai_client_add(client, tap);
	rtnl_unlock();
	if (err) {
		nai_client_put(client);
		return ERR_PTR(err);
	}
	return client;
}
EXPORT_SYMBOL_GPL(nai_client_register);

static void nai_client_drop_tap(struct nai_client *client)
{
	struct net_device *tap = rtnl_dereference(client->tap);

	if (!tap)
		return;
	RCU_INIT_POINTER(client->tap, NULL);
	netdev_put(tap, &client->tap_tracker);
}

/**
 * nai_client_unregister - a virtqueue is not there any more
 * @client: registered, or NULL
 *
 * A lease that it has ends. On return no callback runs or will.
 *
 * Context: process, takes RTNL; may not hold what the client's callbacks take.
 */
void nai_client_unregister(struct nai_client *client)
{
	if (!client)
		return;

	mutex_lock(&client->lock);
	client->gone = true;
	nai_lease_end(client, NAI_DETACH_REASON_BACKEND);
	mutex_unlock(&client->lock);

	rtnl_lock();
	list_del(&client->list);
	nai_client_drop_tap(client);
	rtnl_unlock();

	/* Without a lease nothing queues them again. */
	cancel_work_sync(&client->end_work);
	cancel_work_sync(&client->recall_work);
	nai_client_put(client);
}
EXPORT_SYMBOL_GPL(nai_client_unregister);

/* Netdevs come, go and change */

static void nai_tap_gone(struct net_device *dev)
{
	struct nai_client *client;
	struct nai_fq *fq;

	list_for_each_entry(client, &nai_clients, list) {
		if (rcu_access_pointer(client->tap) != dev)
			continue;
		fq = rtnl_dereference(client->fq);
		if (fq) {
			nai_lease_fail(fq, NAI_DETACH_REASON_TAP_GONE);
			nai_fq_keep_net(fq);
		}
		nai_client_drop_tap(client);
	}
}

static void nai_upper_changed(const struct netdev_notifier_changeupper_info *info)
{
	if (info->linking && info->master)
		nai_linger_bridge(info->upper_dev);
	nai_policy_recheck_soon();
}

static int nai_netdev_event(struct notifier_block *nb, unsigned long event,
			    void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);

	ASSERT_RTNL();

	switch (event) {
	case NETDEV_UNREGISTER:
		/* Also when it leaves for another network namespace. */
		nai_tap_gone(dev);
		nai_policy_recheck_soon();
		break;
	case NETDEV_CHANGEUPPER:
		nai_upper_changed(ptr);
		nai_fdb_upper_changed();
		break;
	case NETDEV_UP:
	case NETDEV_DOWN:
	case NETDEV_CHANGEMTU:
	case NETDEV_CHANGEADDR:
		nai_policy_recheck_soon();
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block nai_netdev_notifier = {
	.notifier_call = nai_netdev_event,
};

static int __init nai_init(void)
{
	int err;

	/* A lease that ended between freeze and resume would write to a NIC
	 * that is asleep.
	 */
	nai_wq = alloc_workqueue("nai", WQ_UNBOUND | WQ_FREEZABLE, 0);
	if (!nai_wq)
		return -ENOMEM;
	err = nai_fdb_init();
	if (err)
		goto err_wq;
	err = register_netdevice_notifier(&nai_netdev_notifier);
	if (err)
		goto err_fdb;
	err = genl_register_family(&nai_nl_family);
	if (err)
		goto err_notifier;
	return 0;

err_notifier:
	unregister_netdevice_notifier(&nai_netdev_notifier);
	nai_policy_recheck_stop();
err_fdb:
	nai_fdb_exit();
err_wq:
	destroy_workqueue(nai_wq);
	return err;
}

/* Drivers and vhost-net use our symbols, so there are no ports and clients any
 * more. A request that nobody waited for may still be on its way out.
 */
static void __exit nai_exit(void)
{
	genl_unregister_family(&nai_nl_family);
	unregister_netdevice_notifier(&nai_netdev_notifier);
	nai_policy_recheck_stop();
	nai_fdb_exit();
	destroy_workqueue(nai_wq);
}

module_init(nai_init);
module_exit(nai_exit);

MODULE_DESCRIPTION("Network Acceleration Interface: hardware queues on lease to guests");
MODULE_LICENSE("GPL");
