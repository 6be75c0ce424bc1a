// SPDX-License-Identifier: GPL-2.0-only
/*
 * A queue whose guest has gone: it keeps the guest's frames away from the host.
 *
 * The flood of a guest does not end with the guest. Without its queue the frames
 * come to the bridge, which knows the address no more and hands each to all of its
 * ports, so a dead guest would starve those beside it. A lease that asked for it
 * therefore lingers: nobody posts buffers any more, the hardware runs out of them
 * and drops, and the interrupt stays masked. Broadcast and multicast pass as ever.
 *
 * It must not hold back the frames of a guest that lives. So it ends at once when
 * the address is leased anew, when the tap has a vhost backend again, when any
 * device joins the bridge of the port, when the port has no other queue to lend,
 * and after the time that was asked for.
 *
 * DOC: locking
 *
 * All under RTNL. A queue that lingers has no client any more: nobody wakes it,
 * polls it or finds it but through the port's list.
 */

#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#include "nai_core.h"

/**
 * nai_linger_is_due - will a queue linger when its lease ends?
 * @fq: its lease is ending
 * @reason: why
 *
 * Return: true if it was asked for, the guest is what has gone, and frames are
 * still led to the queue.
 */
bool nai_linger_is_due(const struct nai_fq *fq, enum nai_detach_reason reason)
{
	ASSERT_RTNL();

	return fq->terms.linger && fq->open && fq->matched &&
	       (reason == NAI_DETACH_REASON_BACKEND ||
		reason == NAI_DETACH_REASON_TAP_GONE);
}

/**
 * nai_linger_begin - let a queue go on without a client
 * @fq: due; its client has let go
 *
 * Takes over the reference of the lease to the port's module, and one to @fq.
 *
 * Return: false if the port has closed it meanwhile, or cannot go on with it.
 */
bool nai_linger_begin(struct nai_fq *fq)
{
	ASSERT_RTNL();

	if (!fq->open)
		return false;
	/* It was stopped if the guest's own buffers were posted. */
	if (nai_lease_resume(fq)) {
		nai_lease_close(fq);
		return false;
	}
	nai_fq_get(fq);
	fq->lingers = true;
	fq->linger_until = jiffies + fq->terms.linger * HZ;
	return true;
}

/**
 * nai_linger_end - frames for this address come to the bridge again
 * @fq: lingers
 */
void nai_linger_end(struct nai_fq *fq)
{
	struct module *owner = fq->core->owner;

	ASSERT_RTNL();

	fq->lingers = false;
	nai_lease_close(fq);
	nai_fq_discard_ready(fq);
	module_put(owner);
	nai_fq_put(fq);
}

/* A lease of this address is asked for, and needs a queue of the port. */
void nai_linger_yield(struct nai_port_core *core, const u8 *mac)
{
	struct nai_fq *fq, *next, *oldest = NULL;

	ASSERT_RTNL();

	list_for_each_entry_safe(fq, next, &core->fqs, list) {
		if (!fq->lingers)
			continue;
		if (ether_addr_equal(fq->terms.mac, mac))
			nai_linger_end(fq);
		else if (!oldest ||
			 time_before(fq->linger_until, oldest->linger_until))
			oldest = fq;
	}
	if (oldest && core->nr_fqs >= core->caps.max_fqs)
		nai_linger_end(oldest);
}

/* The tap has a vhost backend again. */
void nai_linger_tap(const struct net_device *tap)
{
	struct nai_port_core *core;
	struct nai_fq *fq, *next;

	ASSERT_RTNL();

	list_for_each_entry(core, &nai_ports, list) {
		if (!net_eq(dev_net(core->port->dev), dev_net(tap)))
			continue;
		list_for_each_entry_safe(fq, next, &core->fqs, list)
			if (fq->lingers && fq->tap_ifindex == tap->ifindex)
				nai_linger_end(fq);
	}
}

/* A device has joined a bridge, and may be the guest's on its way back. */
void nai_linger_bridge(const struct net_device *bridge)
{
	struct nai_port_core *core;
	struct nai_fq *fq, *next;

	ASSERT_RTNL();

	list_for_each_entry(core, &nai_ports, list) {
		if (netdev_master_upper_dev_get(core->port->dev) != bridge)
			continue;
		list_for_each_entry_safe(fq, next, &core->fqs, list)
			if (fq->lingers)
				nai_linger_end(fq);
	}
}
