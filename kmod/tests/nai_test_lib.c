// SPDX-License-Identifier: GPL-2.0-only
/* The guest's side of the tests, and how a case is put up and taken down. */

#include <kunit/device.h>
#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/etherdevice.h>
#include <linux/unaligned.h>

#include "nai_test_nic.h"

/* The client */

static bool nai_test_wake(void *priv)
{
	struct nai_test *ctx = priv;

	if (ctx->worker_gone)
		return false;
	atomic_inc(&ctx->wakes);
	return true;
}

static int nai_test_client_attach(void *priv, struct nai_fq *fq,
				  struct netlink_ext_ack *extack)
{
	struct nai_test *ctx = priv;

	if (nai_test_step(ctx, NAI_TEST_CLIENT))
		return -EOPNOTSUPP;
	ctx->fq = fq;
	ctx->level = NAI_CONGESTION_NORMAL;
	return 0;
}

static void nai_test_revoke(void *priv, struct nai_fq *fq)
{
	struct nai_test *ctx = priv;

	nai_rx_revoke(fq);
	bitmap_zero(ctx->out, NAI_MAX_DEPTH);
	ctx->revokes++;
}

/* What the worker holds stays in ctx->fq for as long as the lease is there. */
static void nai_test_client_detach(void *priv, struct nai_fq *fq)
{
	struct nai_test *ctx = priv;

	nai_test_step(ctx, NAI_TEST_CLIENT_END);
	if (nai_fq_takes_seeds(fq))
		nai_test_revoke(ctx, fq);
	ctx->fq = NULL;
}

static void nai_test_congestion(void *priv, enum nai_congestion level)
{
	struct nai_test *ctx = priv;

	ctx->level = level;
	ctx->levels++;
}

const struct nai_client_ops nai_test_client_ops = {
	.wake		= nai_test_wake,
	.attach		= nai_test_client_attach,
	.detach		= nai_test_client_detach,
	.revoke		= nai_test_revoke,
	.congestion	= nai_test_congestion,
};

/* Netdevs */

static netdev_tx_t nai_test_xmit(struct sk_buff *skb, struct net_device *dev)
{
	dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}

static const struct net_device_ops nai_test_netdev_ops = {
	.ndo_start_xmit		= nai_test_xmit,
	.ndo_set_mac_address	= eth_mac_addr,
};

/* Taken down by nai_test_exit() alone: a case may have to let go of it first. */
struct net_device *nai_test_netdev(struct kunit *test, const char *name)
{
	struct net_device *dev = alloc_etherdev(0);

	KUNIT_ASSERT_NOT_NULL(test, dev);
	strscpy(dev->name, name);
	dev->netdev_ops = &nai_test_netdev_ops;
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
	dev->max_mtu = ETH_MAX_MTU;
	eth_hw_addr_random(dev);
	if (register_netdev(dev)) {
		free_netdev(dev);
		KUNIT_FAIL_AND_ABORT(test, "cannot register %s", name);
	}
	return dev;
}

static void nai_test_free_netdev(struct net_device *dev)
{
	if (!dev)
		return;
	unregister_netdev(dev);
	free_netdev(dev);
}

/* A case */

int nai_test_init(struct kunit *test)
{
	struct nai_test *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->test = test;
	ctx->map_fails = -1;
	spin_lock_init(&ctx->log_lock);
	init_completion(&ctx->stalled);
	init_completion(&ctx->go_on);
	for (i = 0; i < NAI_TEST_QUEUES; i++)
		ctx->hw[i].room = NAI_MAX_DEPTH;
	test->priv = ctx;

	ctx->port.dma_dev = kunit_device_register(test, "nic");
	KUNIT_ASSERT_FALSE(test, IS_ERR(ctx->port.dma_dev));
	nai_test_set_dma(ctx, ctx->port.dma_dev);
	ctx->tap = nai_test_netdev(test, "naitesttap");
	ctx->dev = nai_test_netdev(test, "naitestport");
	return 0;
}

/* Also after a case that was left in the middle. */
void nai_test_exit(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	unsigned int i;

	if (!ctx)
		return;
	complete_all(&ctx->go_on);
	if (ctx->held)
		nai_test_resume(ctx);
	nai_test_leave(ctx);
	nai_test_unplug(ctx);
	nai_test_free_netdev(ctx->tap);
	nai_test_free_netdev(ctx->dev);
	for (i = 0; i < NAI_MAX_DEPTH; i++)
		if (ctx->seed_pages[i])
			__free_page(ctx->seed_pages[i]);
	KUNIT_EXPECT_STREQ(test, ctx->broken ? : "no rule broken",
			   "no rule broken");
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->maps), 0);
}

void nai_test_plug(struct nai_test *ctx, u16 depth)
{
	ctx->port.dev = ctx->dev;
	ctx->port.ops = &nai_test_port_ops;
	ctx->port.caps = (struct nai_caps){
		.flags = NAI_CAP_REQUIRED | NAI_CAP_HW_DROPS | NAI_CAP_SEED,
		.max_fqs = NAI_TEST_QUEUES,
		.rx_depth = depth,
		.rx_buf_len = 2048,
		.rx_max_frame = NAI_TEST_MAX_FRAME,
	};
	KUNIT_ASSERT_EQ(ctx->test, nai_port_register(&ctx->port, THIS_MODULE),
			0);
	nai_test_up(ctx);
}

void nai_test_unplug(struct nai_test *ctx)
{
	if (!ctx->port.core)
		return;
	nai_port_unregister(&ctx->port);
	KUNIT_EXPECT_NULL(ctx->test, ctx->port.core);
}

void nai_test_down(struct nai_test *ctx)
{
	rtnl_lock();
	nai_port_down(&ctx->port);
	rtnl_unlock();
}

void nai_test_up(struct nai_test *ctx)
{
	rtnl_lock();
	nai_port_up(&ctx->port);
	rtnl_unlock();
}

void nai_test_join(struct nai_test *ctx)
{
	struct nai_client *client;

	client = nai_client_register(ctx->tap, 0, &nai_test_client_ops, ctx);
	KUNIT_ASSERT_FALSE(ctx->test, IS_ERR(client));
	ctx->client = client;
}

void nai_test_leave(struct nai_test *ctx)
{
	nai_client_unregister(ctx->client);
	ctx->client = NULL;
}

struct nai_terms nai_test_terms(struct nai_test *ctx)
{
	return (struct nai_terms){
		.port_ifindex = ctx->dev->ifindex,
		.mode = NAI_MODE_COPY,
		.mac = { 0x02, 0, 0, 0, 0, 0x01 },
		.force = true,
	};
}

int nai_test_attach(struct nai_test *ctx, const struct nai_terms *terms,
		    struct netlink_ext_ack *extack)
{
	u16 index;
	u32 id;

	return nai_attach(ctx->client, &init_net, terms, &id, &index, extack);
}

/* The client is free of its lease a little before all of it has ended. */
static void nai_test_settle(struct nai_test *ctx)
{
	mutex_lock(&ctx->client->lock);
	mutex_unlock(&ctx->client->lock);
}

int nai_test_detach(struct nai_test *ctx)
{
	struct netlink_ext_ack extack = {};
	int err = nai_detach(ctx->client, &extack);

	nai_test_settle(ctx);
	return err;
}

static struct nai_test_hw *nai_test_lease_mode(struct nai_test *ctx, u16 depth,
					       enum nai_mode mode)
{
	struct nai_terms terms = nai_test_terms(ctx);
	struct netlink_ext_ack extack = {};

	terms.mode = mode;
	nai_test_plug(ctx, depth);
	nai_test_join(ctx);
	KUNIT_ASSERT_EQ_MSG(ctx->test, nai_test_attach(ctx, &terms, &extack), 0,
			    "%s", extack._msg);
	memset(ctx->log, 0, sizeof(ctx->log));
	return nai_fq_priv(ctx->fq);
}

struct nai_test_hw *nai_test_lease(struct nai_test *ctx, u16 depth)
{
	return nai_test_lease_mode(ctx, depth, NAI_MODE_COPY);
}

struct nai_test_hw *nai_test_lease_seed(struct nai_test *ctx, u16 depth)
{
	return nai_test_lease_mode(ctx, depth, NAI_MODE_SEED);
}

bool nai_test_wait_over(struct nai_test *ctx)
{
	unsigned int ms;

	for (ms = 0; ms < 5000; ms += 5) {
		if (!rcu_access_pointer(ctx->client->fq)) {
			nai_test_settle(ctx);
			return true;
		}
		usleep_range(5000, 6000);
	}
	return false;
}

bool nai_test_wait_refs(const struct kref *kref, unsigned int n)
{
	unsigned int ms;

	for (ms = 0; ms < 5000; ms += 5) {
		if (kref_read(kref) == n)
			return true;
		usleep_range(5000, 6000);
	}
	return false;
}

/* Frames */

bool nai_test_receive(struct nai_test *ctx, struct nai_test_hw *hw, u16 len,
		      u16 flags)
{
	bool filled;

	spin_lock(&hw->fq->rx_lock);
	filled = nai_test_fill(ctx, hw, len, flags);
	spin_unlock(&hw->fq->rx_lock);
	return filled;
}

void nai_test_flood(struct nai_test *ctx, struct nai_test_hw *hw,
		    unsigned int n)
{
	while (n--)
		KUNIT_ASSERT_TRUE(ctx->test,
				  nai_test_receive(ctx, hw, ETH_ZLEN, 0));
}

void nai_test_claim(struct nai_test_hw *hw, u16 slot, u16 len)
{
	spin_lock(&hw->fq->rx_lock);
	hw->done[hw->done_tail++ % ARRAY_SIZE(hw->done)] =
		(struct nai_rx_cpl){ .slot = slot, .len = len };
	spin_unlock(&hw->fq->rx_lock);
}

/* Seeds */

static struct page *nai_test_seed_page(struct nai_test *ctx, unsigned int name)
{
	if (!ctx->seed_pages[name])
		ctx->seed_pages[name] = alloc_page(GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(ctx->test, ctx->seed_pages[name]);
	return ctx->seed_pages[name];
}

unsigned int nai_test_seed(struct nai_test *ctx, unsigned int n)
{
	unsigned int i, name, taken = 0;
	struct nai_seed seed;

	for (i = 0; i < n; i++) {
		name = find_first_zero_bit(ctx->out, nai_fq_depth(ctx->fq));
		KUNIT_ASSERT_LT(ctx->test, name, nai_fq_depth(ctx->fq));
		seed = (struct nai_seed){
			.page = nai_test_seed_page(ctx, name),
			.offset = NAI_TEST_SEED_AT,
			.len = NAI_TEST_MAX_FRAME,
			.name = name,
		};
		if (!nai_rx_seed(ctx->fq, &seed, 1))
			break;
		__set_bit(name, ctx->out);
		taken++;
	}
	return taken;
}

void nai_test_hold(struct nai_test *ctx)
{
	nai_client_hold(ctx->client);
	ctx->held = true;
}

void nai_test_resume(struct nai_test *ctx)
{
	ctx->held = false;
	nai_client_resume(ctx->client);
}

u32 nai_test_seq(const struct nai_test *ctx, const struct nai_frame *frame)
{
	const void *data = frame->data;

	if (frame->flags & NAI_RX_SEEDED)
		data = page_address(ctx->seed_pages[frame->seed]) +
		       NAI_TEST_SEED_AT;
	return get_unaligned((u32 *)data);
}

void nai_test_consume(struct nai_test *ctx, const struct nai_frame *frames,
		      unsigned int n, unsigned int delivered)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (frames[i].flags & NAI_RX_SEEDED)
			__clear_bit(frames[i].seed, ctx->out);
	nai_rx_consume(ctx->fq, n, delivered, delivered * ETH_ZLEN);
}

void nai_test_take(struct nai_test *ctx, unsigned int n, u32 first_seq)
{
	struct nai_frame frames[NAI_RX_BATCH];
	unsigned int i, batch;

	for (; n; n -= batch) {
		batch = nai_rx_peek(ctx->fq, frames, min(n, NAI_RX_BATCH));
		KUNIT_ASSERT_GT(ctx->test, batch, 0);
		for (i = 0; i < batch; i++)
			KUNIT_ASSERT_EQ(ctx->test,
					nai_test_seq(ctx, &frames[i]),
					first_seq++);
		nai_test_consume(ctx, frames, batch, batch);
	}
}

/* Accounting */

struct nai_test_census {
	struct nai_fq *fq;
	DECLARE_BITMAP(seen, 2 * NAI_MAX_DEPTH);
	unsigned int counted;
};

static bool nai_test_count(struct nai_test_census *census, u16 slot,
			   enum nai_slot_state state)
{
	if (slot >= census->fq->nr_slots || test_bit(slot, census->seen) ||
	    census->fq->slots[slot].state != state)
		return false;
	__set_bit(slot, census->seen);
	census->counted++;
	return true;
}

static const char *nai_test_count_ours(struct nai_test_census *census)
{
	struct nai_fq *fq = census->fq;
	unsigned int i;

	for (i = 0; i < fq->nr_free; i++)
		if (!nai_test_count(census, fq->free[i], NAI_SLOT_FREE))
			return "a slot on the free stack is elsewhere too";
	for (i = 0; i < fq->nr_again; i++)
		if (!nai_test_count(census, fq->again[i], NAI_SLOT_FREE))
			return "a seed to be posted is elsewhere too";
	for (i = 0; i < fq->nr_slots; i++)
		if (fq->slots[i].state == NAI_SLOT_VOID &&
		    !nai_test_count(census, i, NAI_SLOT_VOID))
			return "a slot without a seed is elsewhere too";
	for (i = fq->ready_head; i != fq->ready_tail; i++)
		if (!nai_test_count(census, fq->ready[i & fq->ready_mask].slot,
				    NAI_SLOT_READY))
			return "a slot with a frame is elsewhere too";
	return NULL;
}

static const char *nai_test_count_hw(struct nai_test_census *census,
				     struct nai_test_hw *hw)
{
	unsigned int i, before = census->counted;
	u16 slot;

	for (i = hw->head; i != hw->tail; i++) {
		slot = hw->posted[i % NAI_MAX_DEPTH].slot;
		if (!nai_test_count(census, slot, NAI_SLOT_POSTED))
			return "a slot of the hardware is elsewhere too";
	}
	for (i = hw->done_head; i != hw->done_tail; i++) {
		slot = hw->done[i % ARRAY_SIZE(hw->done)].slot;
		if (!nai_test_count(census, slot, NAI_SLOT_POSTED))
			return "a completed slot is elsewhere too";
	}
	if (census->counted - before != census->fq->posted)
		return "posted is not what the hardware has";
	return NULL;
}

const char *nai_test_unsound(struct nai_fq *fq, struct nai_test_hw *hw)
{
	struct nai_test_census census = { .fq = fq };
	const char *wrong;

	spin_lock(&fq->rx_lock);
	wrong = nai_test_count_ours(&census);
	if (!wrong)
		wrong = nai_test_count_hw(&census, hw);
	if (!wrong && census.counted != fq->nr_slots)
		wrong = "a slot is nowhere";
	spin_unlock(&fq->rx_lock);
	return wrong;
}
