/* SPDX-License-Identifier: GPL-2.0-only */
/* Netlink requests as from user space, and what was answered. */
#ifndef _NAI_TEST_NETLINK_H
#define _NAI_TEST_NETLINK_H

#include <linux/net.h>
#include <linux/skbuff.h>
#include <net/netlink.h>

#include "nai_test_lib.h"

/**
 * struct nai_test_answer - what came back
 * @err: of the request, 0 or negative
 * @message: the sentence that came with it, or empty
 * @missing: the attribute that was asked for, or 0
 * @messages: others than acknowledgements
 * @data: the first of them, with its header
 */
struct nai_test_answer {
	int err;
	char message[NETLINK_MAX_FMTMSG_LEN];
	u16 missing;
	unsigned int messages;
	char data[1024] __aligned(NLMSG_ALIGNTO);
};

/* A request to fill in; nai_test_talk() frees it. */
struct sk_buff *nai_test_message(struct kunit *test, u16 type, u16 flags);
void nai_test_talk(struct kunit *test, int protocol, struct sk_buff *request,
		   struct nai_test_answer *answer);

/* A socket that hears a group, to be closed by fput() of its file, and what it
 * has heard next. False: nothing.
 */
struct socket *nai_test_listen(struct kunit *test, int protocol, int group);
bool nai_test_hear(struct kunit *test, struct socket *sock,
		   struct nai_test_answer *answer);

/* The same as nai_test_talk() for rtnetlink, which must not refuse. */
struct sk_buff *nai_test_link(struct kunit *test, u16 type, u16 flags,
			      u8 family, int ifindex);
void nai_test_rtnl(struct kunit *test, struct sk_buff *request);

/* A bridge comes; it goes, if it is there. */
void nai_test_add_bridge(struct kunit *test, const char *name,
			 bool vlan_filtering);
void nai_test_del_bridge(const char *name);
/* A device joins a bridge; it leaves, with NULL. */
void nai_test_set_master(struct kunit *test, struct net_device *dev,
			 const char *master);

#endif /* _NAI_TEST_NETLINK_H */
