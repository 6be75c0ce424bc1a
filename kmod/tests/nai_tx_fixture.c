// SPDX-License-Identifier: GPL-2.0-only
/* A NIC that sends what a guest gives it, and remembers it, in a bridge. */

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/unaligned.h>
#include <net/rtnetlink.h>

#include "nai_test_netlink.h"
#include "nai_tx_fixture.h"

#define NAI_TX_BRIDGE	"naitxbr"

const u8 nai_tx_guest[ETH_ALEN] = { 0x02, 0, 0, 0, 0, 0x01 };
const u8 nai_tx_far[ETH_ALEN] = { 0x02, 0, 0, 0, 0, 0x77 };
struct nai_tx_hw nai_tx_hw;

static unsigned int nai_tx_test_xmit(struct nai_fq *fq,
				     const struct nai_tx_buf *bufs,
				     unsigned int n)
{
	unsigned int i;
	u8 *data;

	lockdep_assert_held(&fq->tx->lock);

	n = min(n, nai_tx_hw.room);
	for (i = 0; i < n; i++) {
		data = phys_to_virt(bufs[i].dma);
		nai_tx_hw.seqs[nai_tx_hw.taken++ % 1024] =
			get_unaligned((u32 *)(data + ETH_HLEN));
	}
	nai_tx_hw.room -= n;
	nai_tx_hw.xmits += !!n;
	return n;
}

static unsigned int nai_tx_test_poll(struct nai_fq *fq)
{
	unsigned int n = nai_tx_hw.sent + nai_tx_hw.excess;

	lockdep_assert_held(&fq->tx->lock);

	nai_tx_hw.sent = 0;
	nai_tx_hw.excess = 0;
	return n;
}

/* rtnetlink */

static void nai_tx_talk(struct kunit *test, struct sk_buff *request)
{
	struct nai_test_answer *answer;

	answer = kunit_kzalloc(test, sizeof(*answer), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, answer);
	nai_test_talk(test, NETLINK_ROUTE, request, answer);
	KUNIT_ASSERT_EQ_MSG(test, answer->err, 0, "%s", answer->message);
}

void nai_tx_add_bridge(struct kunit *test)
{
	struct ifinfomsg ifm = {};
	struct nlattr *info;
	struct sk_buff *skb;

	skb = nai_test_message(test, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	skb_put_data(skb, &ifm, sizeof(ifm));
	nla_put_string(skb, IFLA_IFNAME, NAI_TX_BRIDGE);
	info = nla_nest_start(skb, IFLA_LINKINFO);
	nla_put_string(skb, IFLA_INFO_KIND, "bridge");
	nla_nest_end(skb, info);
	nai_tx_talk(test, skb);
}

void nai_tx_set_master(struct kunit *test, struct net_device *dev,
		       struct net_device *bridge)
{
	struct ifinfomsg ifm = { .ifi_index = dev->ifindex };
	struct sk_buff *skb;

	skb = nai_test_message(test, RTM_NEWLINK, 0);
	skb_put_data(skb, &ifm, sizeof(ifm));
	nla_put_u32(skb, IFLA_MASTER, bridge ? bridge->ifindex : 0);
	nai_tx_talk(test, skb);
}

void nai_tx_fdb(struct kunit *test, u16 type, struct net_device *dev,
		const u8 *mac, u16 state)
{
	struct ndmsg ndm = {
		.ndm_family = PF_BRIDGE,
		.ndm_ifindex = dev->ifindex,
		.ndm_state = state,
		.ndm_flags = NTF_MASTER,
	};
	struct sk_buff *skb;

	skb = nai_test_message(test, type, type == RTM_NEWNEIGH ?
			       NLM_F_CREATE | NLM_F_REPLACE : 0);
	skb_put_data(skb, &ndm, sizeof(ndm));
	nla_put(skb, NDA_LLADDR, ETH_ALEN, mac);
	nai_tx_talk(test, skb);
}

struct net_device *nai_tx_bridge(void)
{
	return __dev_get_by_name(&init_net, NAI_TX_BRIDGE);
}

/* A case */

void nai_tx_plug(struct nai_test *ctx)
{
	memset(&nai_tx_hw, 0, sizeof(nai_tx_hw));
	nai_tx_hw.ops = nai_test_port_ops;
	nai_tx_hw.ops.tx_xmit = nai_tx_test_xmit;
	nai_tx_hw.ops.tx_poll = nai_tx_test_poll;
	nai_tx_hw.room = UINT_MAX;
	ctx->port.dev = ctx->dev;
	ctx->port.ops = &nai_tx_hw.ops;
	ctx->port.caps = (struct nai_caps){
		.flags = NAI_CAP_REQUIRED | NAI_CAP_TX,
		.max_fqs = NAI_TEST_QUEUES,
		.rx_depth = NAI_TEST_DEPTH,
		.rx_buf_len = 2048,
		.rx_max_frame = NAI_TEST_MAX_FRAME,
		.tx_depth = NAI_TX_DEPTH,
		.tx_max_frame = NAI_TEST_MAX_FRAME,
	};
	KUNIT_ASSERT_EQ(ctx->test, nai_port_register(&ctx->port, THIS_MODULE),
			0);
	nai_test_up(ctx);
	nai_test_join(ctx);
}

void nai_tx_attach(struct nai_test *ctx)
{
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};

	terms.tx = true;
	KUNIT_ASSERT_EQ_MSG(ctx->test, nai_test_attach(ctx, &terms, &extack), 0,
			    "%s", extack._msg);
	KUNIT_ASSERT_TRUE(ctx->test, nai_fq_sends(ctx->fq));
}

void nai_tx_put_up(struct nai_test *ctx)
{
	nai_tx_plug(ctx);
	nai_tx_add_bridge(ctx->test);
	nai_tx_set_master(ctx->test, ctx->dev, nai_tx_bridge());
	nai_tx_set_master(ctx->test, ctx->tap, nai_tx_bridge());
	nai_tx_attach(ctx);
}

void nai_tx_exit(struct kunit *test)
{
	struct net_device *bridge;
	LIST_HEAD(kill);

	rtnl_lock();
	bridge = nai_tx_bridge();
	if (bridge) {
		bridge->rtnl_link_ops->dellink(bridge, &kill);
		unregister_netdevice_many(&kill);
	}
	rtnl_unlock();
	nai_test_exit(test);
}

enum nai_tx_path nai_tx_send_as(struct nai_test *ctx, const u8 *to, size_t len,
				u16 flags)
{
	struct nai_tx_head head = { .len = len, .flags = flags };
	enum nai_tx_path path;
	void *data = NULL;

	ether_addr_copy(head.eth.h_dest, to);
	ether_addr_copy(head.eth.h_source, nai_tx_guest);
	head.eth.h_proto = htons(ETH_P_IP);
	path = nai_tx_begin(ctx->fq, &head, &data);
	if (path != NAI_TX_QUEUE)
		return path;
	memcpy(data, &head.eth, ETH_HLEN);
	put_unaligned(ctx->next_seq++, (u32 *)(data + ETH_HLEN));
	nai_tx_commit(ctx->fq, &head);
	return path;
}

enum nai_tx_path nai_tx_send(struct nai_test *ctx, const u8 *to)
{
	return nai_tx_send_as(ctx, to, ETH_ZLEN, 0);
}

void nai_tx_expect(struct nai_test *ctx, enum nai_tx_path path,
		   const char *what)
{
	KUNIT_EXPECT_EQ_MSG(ctx->test, nai_tx_send(ctx, nai_tx_far), path,
			    "%s", what);
	nai_tx_flush(ctx->fq);
	nai_tx_hw.sent = ctx->fq->tx->in_flight;
}

void nai_tx_look(struct nai_test *ctx)
{
	rtnl_lock();
	nai_tx_watch(ctx->fq);
	rtnl_unlock();
}
