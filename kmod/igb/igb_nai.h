/* SPDX-License-Identifier: GPL-2.0-only */
/* Where igb meets igb_nai.c, which lends its receive queues as frame queues. */

#ifndef _IGB_NAI_H_
#define _IGB_NAI_H_

#include <linux/types.h>

struct igb_adapter;

#ifdef CONFIG_IGB_NAI
/* Probe and remove; no RTNL. */
void igb_nai_probe(struct igb_adapter *adapter);
void igb_nai_remove(struct igb_adapter *adapter);

/* RTNL held: around every reset of a running port, and after it was closed. */
void igb_nai_down(struct igb_adapter *adapter);
void igb_nai_up(struct igb_adapter *adapter);
void igb_nai_closed(struct igb_adapter *adapter);

/* RTNL held: with igb's own interrupts. */
void igb_nai_request_irqs(struct igb_adapter *adapter);
void igb_nai_free_irqs(struct igb_adapter *adapter);

/* RTNL held: what leases forbid. */
bool igb_nai_is_leased(const struct igb_adapter *adapter);
void igb_nai_leave(struct igb_adapter *adapter);

/* No RTNL: no leases while virtual functions are being made. */
int igb_nai_block(struct igb_adapter *adapter);
void igb_nai_unblock(struct igb_adapter *adapter);
#else
static inline void igb_nai_probe(struct igb_adapter *adapter)
{
}

static inline void igb_nai_remove(struct igb_adapter *adapter)
{
}

static inline void igb_nai_down(struct igb_adapter *adapter)
{
}

static inline void igb_nai_up(struct igb_adapter *adapter)
{
}

static inline void igb_nai_closed(struct igb_adapter *adapter)
{
}

static inline void igb_nai_request_irqs(struct igb_adapter *adapter)
{
}

static inline void igb_nai_free_irqs(struct igb_adapter *adapter)
{
}

static inline bool igb_nai_is_leased(const struct igb_adapter *adapter)
{
	return false;
}

static inline void igb_nai_leave(struct igb_adapter *adapter)
{
}

static inline int igb_nai_block(struct igb_adapter *adapter)
{
	return 0;
}

static inline void igb_nai_unblock(struct igb_adapter *adapter)
{
}
#endif /* CONFIG_IGB_NAI */

#endif /* _IGB_NAI_H_ */
