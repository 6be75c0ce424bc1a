// SPDX-License-Identifier: GPL-2.0-only
/*
 * A netlink socket as a process with all rights has it, so that a request goes
 * through everything that one from user space does. And what most cases ask of
 * rtnetlink: bridges.
 */

#include <linux/file.h>
#include <linux/if_link.h>
#include <linux/netdevice.h>
#include <net/net_namespace.h>
#include <net/rtnetlink.h>

#include "nai_test_netlink.h"

struct sk_buff *nai_test_message(struct kunit *test, u16 type, u16 flags)
{
	struct sk_buff *skb = nlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	struct nlmsghdr *nlh;

	KUNIT_ASSERT_NOT_NULL(test, skb);
	nlh = nlmsg_put(skb, 0, 1, type, 0,
			NLM_F_REQUEST | NLM_F_ACK | flags);
	KUNIT_ASSERT_NOT_NULL(test, nlh);
	return skb;
}

/* Rights are those of the file, so there has to be one. */
static struct socket *nai_test_socket(struct kunit *test, int protocol)
{
	struct socket *sock;
	struct file *file;
	int one = 1;

	KUNIT_ASSERT_EQ(test,
			sock_create_kern(&init_net, PF_NETLINK, SOCK_RAW,
					 protocol, &sock), 0);
	file = sock_alloc_file(sock, 0, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	sock->ops->setsockopt(sock, SOL_NETLINK, NETLINK_EXT_ACK,
			      KERNEL_SOCKPTR(&one), sizeof(one));
	sock->ops->setsockopt(sock, SOL_NETLINK, NETLINK_CAP_ACK,
			      KERNEL_SOCKPTR(&one), sizeof(one));
	return sock;
}

static void nai_test_read_ack(const struct nlmsghdr *nlh,
			      struct nai_test_answer *answer)
{
	const struct nlmsgerr *ack = nlmsg_data(nlh);
	const struct nlattr *attr;
	int rest;

	answer->err = ack->error;
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	nlmsg_for_each_attr(attr, nlh, sizeof(*ack), rest) {
		if (nla_type(attr) == NLMSGERR_ATTR_MSG)
			nla_strscpy(answer->message, attr,
				    sizeof(answer->message));
		else if (nla_type(attr) == NLMSGERR_ATTR_MISS_TYPE)
			answer->missing = nla_get_u32(attr);
	}
}

/* Return: true if more is to come. */
static bool nai_test_read(const char *buf, int len,
			  struct nai_test_answer *answer)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;

	for (; nlmsg_ok(nlh, len); nlh = nlmsg_next(nlh, &len)) {
		if (nlh->nlmsg_type == NLMSG_ERROR) {
			nai_test_read_ack(nlh, answer);
			return false;
		}
		if (nlh->nlmsg_type == NLMSG_DONE) {
			answer->err = *(int *)nlmsg_data(nlh);
			return false;
		}
		if (!answer->messages++)
			memcpy(answer->data, nlh,
			       min_t(u32, nlh->nlmsg_len,
				     sizeof(answer->data)));
	}
	return true;
}

void nai_test_talk(struct kunit *test, int protocol, struct sk_buff *request,
		   struct nai_test_answer *answer)
{
	struct socket *sock = nai_test_socket(test, protocol);
	struct kvec vec = { .iov_base = request->data };
	struct msghdr msg = {};
	char *buf;
	int len;

	memset(answer, 0, sizeof(*answer));
	answer->err = 1;
	nlmsg_hdr(request)->nlmsg_len = request->len;
	vec.iov_len = request->len;
	buf = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, buf);
	len = kernel_sendmsg(sock, &msg, &vec, 1, vec.iov_len);
	KUNIT_EXPECT_EQ(test, len, request->len);
	nlmsg_free(request);

	do {
		vec.iov_base = buf;
		vec.iov_len = PAGE_SIZE;
		memset(&msg, 0, sizeof(msg));
		len = kernel_recvmsg(sock, &msg, &vec, 1, PAGE_SIZE,
				     MSG_DONTWAIT);
	} while (len > 0 && nai_test_read(buf, len, answer));
	KUNIT_EXPECT_GT(test, len, 0);
	fput(sock->file);
}

struct socket *nai_test_listen(struct kunit *test, int protocol, int group)
{
	struct nlmsghdr noop = { .nlmsg_len = NLMSG_HDRLEN,
				 .nlmsg_type = NLMSG_NOOP,
				 .nlmsg_flags = NLM_F_REQUEST };
	struct kvec vec = { .iov_base = &noop, .iov_len = sizeof(noop) };
	struct socket *sock = nai_test_socket(test, protocol);
	struct msghdr msg = {};

	/* Who has not said anything has the number of the kernel, which does
	 * not hear itself.
	 */
	KUNIT_EXPECT_EQ(test,
			kernel_sendmsg(sock, &msg, &vec, 1, sizeof(noop)),
			sizeof(noop));
	KUNIT_EXPECT_EQ(test,
			sock->ops->setsockopt(sock, SOL_NETLINK,
					      NETLINK_ADD_MEMBERSHIP,
					      KERNEL_SOCKPTR(&group),
					      sizeof(group)), 0);
	return sock;
}

bool nai_test_hear(struct kunit *test, struct socket *sock,
		   struct nai_test_answer *answer)
{
	struct kvec vec = { .iov_len = PAGE_SIZE };
	struct msghdr msg = {};
	char *buf;
	int len;

	buf = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	vec.iov_base = buf;
	memset(answer, 0, sizeof(*answer));
	len = kernel_recvmsg(sock, &msg, &vec, 1, PAGE_SIZE, MSG_DONTWAIT);
	if (len > 0)
		nai_test_read(buf, len, answer);
	return answer->messages == 1;
}

void nai_test_rtnl(struct kunit *test, struct sk_buff *request)
{
	struct nai_test_answer *answer;

	answer = kunit_kzalloc(test, sizeof(*answer), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, answer);
	nai_test_talk(test, NETLINK_ROUTE, request, answer);
	KUNIT_ASSERT_EQ_MSG(test, answer->err, 0, "%s", answer->message);
}

struct sk_buff *nai_test_link(struct kunit *test, u16 type, u16 flags,
			      u8 family, int ifindex)
{
	struct sk_buff *skb = nai_test_message(test, type, flags);
	struct ifinfomsg *ifm = nlmsg_append(skb, sizeof(*ifm));

	KUNIT_ASSERT_NOT_NULL(test, ifm);
	*ifm = (struct ifinfomsg){ .ifi_family = family,
				   .ifi_index = ifindex };
	return skb;
}

void nai_test_add_bridge(struct kunit *test, const char *name,
			 bool vlan_filtering)
{
	struct nlattr *info, *data;
	struct sk_buff *skb;

	skb = nai_test_link(test, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
			    AF_UNSPEC, 0);
	nla_put_string(skb, IFLA_IFNAME, name);
	info = nla_nest_start(skb, IFLA_LINKINFO);
	nla_put_string(skb, IFLA_INFO_KIND, "bridge");
	data = nla_nest_start(skb, IFLA_INFO_DATA);
	nla_put_u8(skb, IFLA_BR_VLAN_FILTERING, vlan_filtering);
	nla_nest_end(skb, data);
	nla_nest_end(skb, info);
	nai_test_rtnl(test, skb);
}

void nai_test_del_bridge(const char *name)
{
	struct net_device *bridge;
	LIST_HEAD(kill);

	rtnl_lock();
	bridge = __dev_get_by_name(&init_net, name);
	if (bridge) {
		bridge->rtnl_link_ops->dellink(bridge, &kill);
		unregister_netdevice_many(&kill);
	}
	rtnl_unlock();
}

void nai_test_set_master(struct kunit *test, struct net_device *dev,
			 const char *master)
{
	struct net_device *upper;
	struct sk_buff *skb;

	upper = master ? dev_get_by_name(&init_net, master) : NULL;
	skb = nai_test_link(test, RTM_NEWLINK, 0, AF_UNSPEC, dev->ifindex);
	nla_put_u32(skb, IFLA_MASTER, upper ? upper->ifindex : 0);
	dev_put(upper);
	nai_test_rtnl(test, skb);
}
