/* SPDX-License-Identifier: GPL-2.0-only */
/* Netlink requests as from user space, and what was answered. */
#ifndef _NAI_TEST_NETLINK_H
#define _NAI_TEST_NETLINK_H

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

#endif /* _NAI_TEST_NETLINK_H */
