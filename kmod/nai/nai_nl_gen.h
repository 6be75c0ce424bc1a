/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/nai.yaml */
/* YNL-GEN kernel header */

#ifndef _LINUX_NAI_GEN_H
#define _LINUX_NAI_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/nai.h>

int nai_nl_port_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int nai_nl_client_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int nai_nl_fq_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int nai_nl_attach_doit(struct sk_buff *skb, struct genl_info *info);
int nai_nl_detach_doit(struct sk_buff *skb, struct genl_info *info);

enum {
	NAI_NLGRP_EVENTS,
};

extern struct genl_family nai_nl_family;

#endif /* _LINUX_NAI_GEN_H */
