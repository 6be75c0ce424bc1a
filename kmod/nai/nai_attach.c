// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leases: how a frame queue comes to a client, and how it leaves.
 *
 * DOC: locking
 *
 * client->lock is held from the first step of an attach or detach to the last,
 * also while the client's callbacks wait for a guest that may be stalled. So
 * these run on nai_wq, and whoever asks waits for a bounded time. RTNL is taken
 * and dropped between: never while a client's callback runs. A port that goes
 * away needs RTNL alone; it closes the queue under an attach or a detach that is
 * under way, which finds state dead and undoes the rest.
 *
 * DOC: end of a lease
 *
 * Make dead: the MAC leads to the port's own queues again, nothing new comes. In
 * mode seed the hardware stops already now, so that the client can take back what
 * it has posted.
 * The client lets go: its worker makes no more calls. Close: the hardware stops,
 * under RTNL and hw_mutex, and the provider forgets the queue. Synchronize: an
 * interrupt that began before may still be reading fq->waiter, and
 * nai_client_fail() client->fq. Then the buffers are freed.
 */

#include <kunit/visibility.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <trace/events/nai.h>

#include "nai_core.h"

/* How long a request waits. A guest that is not stalled takes milliseconds, a
 * port that resets to lend its first queue a second or two, and a debug kernel
 * was seen to need more than five. genl holds a lock over every request, which
 * whoever registers a family waits for, so not longer.
 */
#define NAI_PATIENCE	(10 * HZ)

/* Parts of a lease */

static int nai_lease_check(struct nai_fq *fq, struct net_device *tap,
			   struct netlink_ext_ack *extack)
{
	struct nai_port_core *core = fq->core;
	int err;

	if (!core->port) {
		NL_SET_ERR_MSG(extack, "the port has gone away");
		return -ENODEV;
	}
	if (!tap) {
		NL_SET_ERR_MSG(extack, "the tap has gone away");
		return -ENODEV;
	}
	if (!net_eq(dev_net(tap), rtnl_dereference(fq->net)) ||
	    !net_eq(dev_net(core->port->dev), dev_net(tap))) {
		NL_SET_ERR_MSG(extack,
			       "tap and port are not in the same network namespace");
		return -EINVAL;
	}
	if (core->nr_fqs >= core->caps.max_fqs) {
		NL_SET_ERR_MSG_FMT(extack,
				   "all %u frame queues of port %s are on lease",
				   core->caps.max_fqs, core->port->dev->name);
		return -ENOSPC;
	}
	if (nai_fq_takes_seeds(fq)) {
		err = nai_seed_check(core, extack);
		if (err)
			return err;
	}
	err = nai_policy_check_mac(core, fq->terms.mac, extack);
	if (err || fq->terms.force)
		return err;
	err = nai_policy_check(tap, core, extack);
	if (!err && fq->tx)
		err = nai_policy_check_tx(core->port->dev, extack);
	if (err)
		return err;
	return nai_policy_check_place(tap, fq->terms.mac, extack);
}

/* The queue is the client's and the provider's from here to nai_lease_close(). */
static int nai_lease_open(struct nai_fq *fq, struct netlink_ext_ack *extack)
{
	struct net_device *tap = rtnl_dereference(fq->client->tap);
	struct nai_port_core *core = fq->core;
	int err;

	ASSERT_RTNL();

	nai_linger_yield(core, fq->terms.mac);
	err = nai_lease_check(fq, tap, extack);
	if (err)
		return err;
	if (!try_module_get(core->owner)) {
		NL_SET_ERR_MSG(extack, "the port's driver is being unloaded");
		return -ENODEV;
	}
	fq->ops = core->port->ops;
	err = fq->ops->fq_alloc(core->port, fq, extack);
	if (err) {
		NL_SET_ERR_MSG_WEAK(extack, "the port's driver has no queue to lend");
		module_put(core->owner);
		return err;
	}

	fq->tap_ifindex = tap->ifindex;
	fq->port_ifindex = core->port->dev->ifindex;
	fq->open = true;
	nai_fq_get(fq);
	list_add_tail(&fq->list, &core->fqs);
	core->nr_fqs++;
	nai_fdb_add_lease(fq);
	rcu_assign_pointer(fq->client->fq, fq);
	return 0;
}

static void nai_lease_unmatch(struct nai_fq *fq)
{
	ASSERT_RTNL();

	if (fq->matched)
		fq->ops->match_del(fq, fq->terms.mac);
	fq->matched = false;
}

/**
 * nai_lease_close - take the queue from the hardware and the provider
 * @fq: open or not
 *
 * Waits for no guest. The client may still look at frames that it was shown.
 */
void nai_lease_close(struct nai_fq *fq)
{
	struct nai_port_core *core = fq->core;

	ASSERT_RTNL();

	if (!fq->open)
		return;
	nai_lease_unmatch(fq);
	nai_fdb_leave(fq);

	mutex_lock(&core->port->hw_mutex);
	nai_fq_halt(fq, NAI_FQ_STATE_DEAD);
	nai_fq_read_hw_stats(fq);
	list_del_init(&fq->list);
	core->nr_fqs--;
	mutex_unlock(&core->port->hw_mutex);
	nai_fdb_del_lease(fq);

	fq->ops->fq_free(fq);
	fq->open = false;
	nai_fq_unmap(fq);
	nai_fq_put(fq);
}

/**
 * nai_lease_hold - stop the queue until it is resumed or closed
 * @fq: open or not
 *
 * Frames that were completed stay ready. The port does not start it meanwhile.
 *
 * Context: takes RTNL.
 */
void nai_lease_hold(struct nai_fq *fq)
{
	struct nai_port_core *core = fq->core;

	rtnl_lock();
	if (fq->open) {
		mutex_lock(&core->port->hw_mutex);
		fq->held = true;
		nai_fq_halt(fq, NAI_FQ_STATE_PAUSED);
		mutex_unlock(&core->port->hw_mutex);
	}
	rtnl_unlock();
}

/**
 * nai_lease_resume - start a queue that was held, if its port is up
 * @fq: open or not, held or not
 *
 * Context: RTNL held.
 * Return: 0, or why it does not start.
 */
int nai_lease_resume(struct nai_fq *fq)
{
	struct nai_port_core *core = fq->core;
	int err = 0;

	ASSERT_RTNL();

	if (!fq->open || !fq->held)
		return 0;
	mutex_lock(&core->port->hw_mutex);
	fq->held = false;
	if (core->up)
		err = nai_fq_run(fq);
	mutex_unlock(&core->port->hw_mutex);
	return err;
}

/* The client makes no more calls, and has taken back what it has posted. */
static void nai_lease_let_go(struct nai_fq *fq)
{
	if (nai_fq_takes_seeds(fq))
		nai_lease_hold(fq);
	fq->client->ops->detach(fq->client->priv, fq);
}

/* Stock and start the queue, or leave that to nai_port_up(). */
static int nai_lease_run(struct nai_fq *fq, struct netlink_ext_ack *extack)
{
	struct nai_port_core *core = fq->core;
	int err = 0;

	mutex_lock(&core->port->hw_mutex);
	if (core->up) {
		err = nai_fq_run(fq);
	} else {
		spin_lock(&fq->rx_lock);
		fq->state = NAI_FQ_STATE_PAUSED;
		spin_unlock(&fq->rx_lock);
	}
	mutex_unlock(&core->port->hw_mutex);
	if (err)
		NL_SET_ERR_MSG(extack, "the port could not start the frame queue");
	return err;
}

static int nai_lease_start(struct nai_fq *fq, struct netlink_ext_ack *extack)
{
	int err;

	ASSERT_RTNL();

	if (!fq->open || READ_ONCE(fq->end) != NAI_LEASE_HOLDS) {
		NL_SET_ERR_MSG(extack, "port, tap or guest went away meanwhile");
		return -ENODEV;
	}
	err = nai_fq_map(fq);
	if (err) {
		NL_SET_ERR_MSG(extack, "the port cannot reach the buffers by DMA");
		return err;
	}
	err = nai_fdb_join(fq);
	if (err)
		return err;
	rcu_assign_pointer(fq->waiter, fq->client);
	err = nai_lease_run(fq, extack);
	if (err)
		return err;

	/* Last, so that no frame is led to a queue that does not work. */
	err = fq->ops->match_add(fq, fq->terms.mac, extack);
	if (err) {
		NL_SET_ERR_MSG_WEAK(extack, "the port cannot match the MAC");
		return err;
	}
	fq->matched = true;
	nai_policy_recheck_soon();
	return 0;
}

/* The client has let go, or never had it. */
static void nai_lease_finish(struct nai_fq *fq, bool linger)
{
	struct module *owner = fq->core->owner;

	rtnl_lock();
	if (linger)
		linger = nai_linger_begin(fq);
	else
		nai_lease_close(fq);
	/* Whoever takes the tap away does not find it any more. */
	nai_fq_keep_net(fq);
	RCU_INIT_POINTER(fq->client->fq, NULL);
	RCU_INIT_POINTER(fq->waiter, NULL);
	rtnl_unlock();

	synchronize_rcu();
	nai_fq_discard_ready(fq);
	if (!linger)
		module_put(owner);
	/* Also for who waits to end a lease that never began. */
	wake_up_all(&fq->client->ended);
}

/* Attach */

static struct nai_fq *nai_lease_create(struct nai_client *client,
				       struct net *net,
				       const struct nai_terms *terms,
				       struct netlink_ext_ack *extack)
{
	struct nai_terms settled = *terms;
	struct nai_port_core *core;
	struct nai_fq *fq = NULL;
	int err = -EINVAL;

	rtnl_lock();
	core = nai_port_core_find(net, terms->port_ifindex);
	rtnl_unlock();
	if (!core) {
		NL_SET_ERR_MSG(extack,
			       "no driver lends frame queues of this port here");
		return ERR_PTR(-ENODEV);
	}
	if (terms->tx && !(core->caps.flags & NAI_CAP_TX)) {
		NL_SET_ERR_MSG(extack, "frame queues of this port do not send");
		err = -EOPNOTSUPP;
		goto out;
	}
	if (!nai_congestion_set_marks(core->caps.rx_depth, &settled.low,
				      &settled.high)) {
		NL_SET_ERR_MSG_FMT(extack, "not: low %u < high %u <= depth %u",
				   settled.low, settled.high,
				   core->caps.rx_depth);
		goto out;
	}
	fq = nai_fq_create(client, net, core, &settled);
	if (!fq)
		err = -ENOMEM;
out:
	nai_port_core_put(core);
	return fq ? : ERR_PTR(err);
}

static int nai_lease_give(struct nai_fq *fq, struct netlink_ext_ack *extack)
{
	struct nai_client *client = fq->client;
	int err;

	rtnl_lock();
	err = nai_lease_open(fq, extack);
	rtnl_unlock();
	if (err)
		return err;

	err = client->ops->attach(client->priv, fq, extack);
	if (err) {
		NL_SET_ERR_MSG_WEAK(extack, "the guest's virtqueue refused");
		goto err_finish;
	}
	rtnl_lock();
	err = nai_lease_start(fq, extack);
	rtnl_unlock();
	if (err)
		goto err_detach;
	return 0;

err_detach:
	nai_lease_let_go(fq);
err_finish:
	nai_lease_finish(fq, false);
	return err;
}

static int nai_lease_begin(struct nai_client *client, struct net *net,
			   const struct nai_terms *terms,
			   struct netlink_ext_ack *extack)
{
	struct nai_fq *fq;
	int err;

	lockdep_assert_held(&client->lock);

	if (client->gone) {
		NL_SET_ERR_MSG(extack, "the guest's vhost backend has gone away");
		return -ENOENT;
	}
	if (rcu_access_pointer(client->fq)) {
		NL_SET_ERR_MSG(extack, "the tap's queue has a lease already");
		return -EBUSY;
	}
	fq = nai_lease_create(client, net, terms, extack);
	if (IS_ERR(fq))
		return PTR_ERR(fq);
	err = nai_lease_give(fq, extack);
	if (err) {
		nai_fq_put(fq);
		return err;
	}

	/* The interrupt is masked until the worker has looked. */
	nai_fq_wake(fq);
	trace_nai_attach(fq->id, fq->port_ifindex, fq->index, fq->tap_ifindex,
			 client->queue, fq->terms.mac);
	nai_nl_notify(fq, NAI_CMD_ATTACHED_NTF, NAI_LEASE_HOLDS);
	return 0;
}

/* Detach */

static void nai_lease_told(struct nai_fq *fq, enum nai_detach_reason reason)
{
	u64 delivered, dropped = 0;
	unsigned int i;

	/* A queue that lingers may end at any time, and count what it drops. */
	spin_lock(&fq->rx_lock);
	delivered = fq->stats.rx_packets;
	for (i = 0; i < NAI_DROP_REASONS; i++)
		dropped += fq->stats.drops[i];
	spin_unlock(&fq->rx_lock);
	trace_nai_detach(fq->id, fq->tap_ifindex, fq->client->queue, reason,
			 delivered, dropped);
	nai_nl_notify(fq, NAI_CMD_DETACHED_NTF, reason);
}

/**
 * nai_lease_end - end the lease of a client, if it has one
 * @client: locked; not gone yet
 * @reason: if the lease was not given another one before
 */
void nai_lease_end(struct nai_client *client, enum nai_detach_reason reason)
{
	struct nai_fq *fq;
	bool linger;

	lockdep_assert_held(&client->lock);

	fq = rcu_dereference_protected(client->fq,
				       lockdep_is_held(&client->lock));
	if (!fq)
		return;
	if (cmpxchg(&fq->end, NAI_LEASE_HOLDS, reason) != NAI_LEASE_HOLDS)
		reason = READ_ONCE(fq->end);

	rtnl_lock();
	linger = nai_linger_is_due(fq, reason);
	if (!linger)
		nai_lease_unmatch(fq);
	client->last_reason = reason;
	if (reason != NAI_DETACH_REASON_REQUESTED)
		client->fallbacks++;
	rtnl_unlock();

	nai_lease_let_go(fq);
	nai_lease_finish(fq, linger);
	nai_lease_told(fq, reason);
	nai_fq_drop_net(fq);
	nai_fq_put(fq);
}

void nai_lease_end_work(struct work_struct *work)
{
	struct nai_client *client;
	struct nai_fq *fq;

	client = container_of(work, struct nai_client, end_work);
	mutex_lock(&client->lock);
	fq = rcu_dereference_protected(client->fq,
				       lockdep_is_held(&client->lock));
	/* The lease that failed may have ended, and another begun. */
	if (fq && READ_ONCE(fq->end) != NAI_LEASE_HOLDS)
		nai_lease_end(client, READ_ONCE(fq->end));
	mutex_unlock(&client->lock);
}

/**
 * nai_lease_fail - let a lease end soon
 * @fq: of a client that is still registered
 * @reason: if the lease was not given another one before
 *
 * Context: any.
 */
void nai_lease_fail(struct nai_fq *fq, enum nai_detach_reason reason)
{
	if (cmpxchg(&fq->end, NAI_LEASE_HOLDS, reason) == NAI_LEASE_HOLDS)
		queue_work(nai_wq, &fq->client->end_work);
}

/**
 * nai_client_fail - give a lease up, from where it cannot be ended
 * @client: registered
 * @reason: why
 *
 * The lease ends soon and the tap takes over. Without a lease nothing happens.
 *
 * Context: any.
 */
void nai_client_fail(struct nai_client *client, enum nai_detach_reason reason)
{
	struct nai_fq *fq;

	rcu_read_lock();
	fq = rcu_dereference(client->fq);
	if (fq)
		nai_lease_fail(fq, reason);
	rcu_read_unlock();
}
EXPORT_SYMBOL_GPL(nai_client_fail);

/* Requests: what is asked by netlink waits outside of all locks, and not for
 * ever. genl holds a lock of its own over every request.
 */

enum nai_request_state {
	NAI_REQUEST_PENDING,
	NAI_REQUEST_ANSWERED,
	NAI_REQUEST_ABANDONED,
};

struct nai_request {
	struct work_struct work;
	struct kref kref;
	struct completion done;
	int state;
	struct nai_client *client;
	struct net *net;
	struct nai_terms terms;

	int err;
	u32 id;
	u16 index;
	struct netlink_ext_ack extack;
};

static void nai_request_release(struct kref *kref)
{
	struct nai_request *req = container_of(kref, struct nai_request, kref);

	put_net(req->net);
	nai_client_put(req->client);
	kfree(req);
}

static void nai_request_put(struct nai_request *req)
{
	kref_put(&req->kref, nai_request_release);
}

/* Return: false if nobody wants the answer any more. */
static bool nai_request_answer(struct nai_request *req)
{
	struct nai_fq *fq;

	fq = rcu_dereference_protected(req->client->fq,
				       lockdep_is_held(&req->client->lock));
	if (!req->err) {
		req->id = fq->id;
		req->index = fq->index;
	}
	return cmpxchg(&req->state, NAI_REQUEST_PENDING,
		       NAI_REQUEST_ANSWERED) == NAI_REQUEST_PENDING;
}

static void nai_request_work(struct work_struct *work)
{
	struct nai_request *req = container_of(work, struct nai_request, work);
	struct nai_client *client = req->client;

	mutex_lock(&client->lock);
	req->err = nai_lease_begin(client, req->net, &req->terms, &req->extack);
	if (!nai_request_answer(req) && !req->err)
		nai_lease_end(client, NAI_DETACH_REASON_REQUESTED);
	mutex_unlock(&client->lock);

	rtnl_lock();
	client->attaching = false;
	rtnl_unlock();
	complete(&req->done);
	nai_request_put(req);
}

static struct nai_request *nai_request_create(struct nai_client *client,
					      struct net *net,
					      const struct nai_terms *terms)
{
	struct nai_request *req = kzalloc(sizeof(*req), GFP_KERNEL);

	if (!req)
		return NULL;
	INIT_WORK(&req->work, nai_request_work);
	kref_init(&req->kref);
	init_completion(&req->done);
	req->net = get_net(net);
	req->client = client;
	nai_client_get(client);
	req->terms = *terms;
	return req;
}

/* The message may be in the request's own buffer, which goes away. */
static void nai_request_copy_message(const struct nai_request *req,
				     struct netlink_ext_ack *extack)
{
	if (req->extack._msg == req->extack._msg_buf)
		NL_SET_ERR_MSG_FMT(extack, "%s", req->extack._msg_buf);
	else
		extack->_msg = req->extack._msg;
}

static int nai_request_wait(struct nai_request *req,
			    struct netlink_ext_ack *extack)
{
	long left;

	left = wait_for_completion_interruptible_timeout(&req->done,
							 NAI_PATIENCE);
	if (left <= 0 && cmpxchg(&req->state, NAI_REQUEST_PENDING,
				 NAI_REQUEST_ABANDONED) == NAI_REQUEST_PENDING) {
		if (left < 0)
			return -EINTR;
		NL_SET_ERR_MSG(extack,
			       "the guest's vhost worker or the port did not answer in time");
		return -ETIMEDOUT;
	}
	nai_request_copy_message(req, extack);
	return req->err;
}

static int nai_client_claim(struct nai_client *client,
			    struct netlink_ext_ack *extack)
{
	int err = 0;

	rtnl_lock();
	if (client->attaching) {
		NL_SET_ERR_MSG(extack, "an attach of this tap is under way");
		err = -EBUSY;
	}
	client->attaching = true;
	rtnl_unlock();
	return err;
}

/**
 * nai_attach - lease a queue of a port to a client
 * @client: a reference is held
 * @net: where the request comes from
 * @terms: what is asked for
 * @id: of the new lease
 * @index: the provider's number of the queue
 * @extack: says why not
 *
 * Context: process, no locks of NAI, no RTNL.
 * Return: 0, -ENOENT without the client, -ENODEV without port or tap, -EBUSY if
 * client or MAC has a lease, -EOPNOTSUPP if host policy would be bypassed,
 * -ENOSPC if no queue is left, -ETIMEDOUT for a stalled guest, or what client
 * and provider say.
 */
int nai_attach(struct nai_client *client, struct net *net,
	       const struct nai_terms *terms, u32 *id, u16 *index,
	       struct netlink_ext_ack *extack)
{
	struct nai_request *req;
	int err;

	req = nai_request_create(client, net, terms);
	if (!req)
		return -ENOMEM;
	err = nai_client_claim(client, extack);
	if (err)
		goto out;

	kref_get(&req->kref);
	queue_work(nai_wq, &req->work);
	err = nai_request_wait(req, extack);
	if (!err) {
		*id = req->id;
		*index = req->index;
	}
out:
	nai_request_put(req);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(nai_attach);

static bool nai_lease_is_over(struct nai_client *client, struct nai_fq *fq)
{
	return rcu_access_pointer(client->fq) != fq;
}

/**
 * nai_detach - end the lease of a client
 * @client: a reference is held
 * @extack: says why not
 *
 * Frames take the way through the tap again at once, also when the guest is
 * stalled and the lease itself cannot end yet.
 *
 * Context: process, no locks of NAI, no RTNL.
 * Return: 0, -ENOENT without a lease, -ETIMEDOUT if it has not ended yet.
 */
int nai_detach(struct nai_client *client, struct netlink_ext_ack *extack)
{
	struct nai_fq *fq;
	int err = 0;
	long left;

	rtnl_lock();
	fq = rtnl_dereference(client->fq);
	if (fq) {
		nai_fq_get(fq);
		nai_lease_fail(fq, NAI_DETACH_REASON_REQUESTED);
	}
	rtnl_unlock();
	if (!fq) {
		NL_SET_ERR_MSG(extack, "the tap's queue has no lease");
		return -ENOENT;
	}

	left = wait_event_interruptible_timeout(client->ended,
						nai_lease_is_over(client, fq),
						NAI_PATIENCE);
	if (left < 0) {
		err = -EINTR;
	} else if (!left) {
		NL_SET_ERR_MSG(extack,
			       "the guest's vhost worker does not let go; the lease ends when it does");
		err = -ETIMEDOUT;
	}
	nai_fq_put(fq);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(nai_detach);
