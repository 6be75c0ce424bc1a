// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of who is not on the wire, as the bridge tells of it; and what the
 * bridge is told.
 */

#include <linux/delay.h>
#include <linux/if_bridge.h>
#include <linux/neighbour.h>
#include <linux/unaligned.h>
#include <net/switchdev.h>

#include "nai_tx_fixture.h"

static void nai_fdb_told(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	struct net_device *bridge;

	nai_tx_put_up(ctx);
	bridge = nai_tx_bridge();
	nai_tx_expect(ctx, NAI_TX_QUEUE, "nobody knows it");
	nai_tx_fdb(test, RTM_NEWNEIGH, ctx->tap, nai_tx_far, NUD_NOARP);
	nai_tx_expect(ctx, NAI_TX_TAP, "behind another port");
	nai_tx_fdb(test, RTM_NEWNEIGH, ctx->dev, nai_tx_far, NUD_NOARP);
	nai_tx_expect(ctx, NAI_TX_QUEUE, "moved to the wire");
	nai_tx_fdb(test, RTM_NEWNEIGH, ctx->tap, nai_tx_far, NUD_NOARP);
	nai_tx_expect(ctx, NAI_TX_TAP, "moved back");
	nai_tx_fdb(test, RTM_DELNEIGH, ctx->tap, nai_tx_far, 0);
	nai_tx_expect(ctx, NAI_TX_TAP, "forgotten by the bridge");
	nai_tx_fdb(test, RTM_NEWNEIGH, ctx->dev, nai_tx_far, NUD_PERMANENT);
	nai_tx_expect(ctx, NAI_TX_TAP, "the host's own");
	nai_tx_fdb(test, RTM_DELNEIGH, ctx->dev, nai_tx_far, 0);
	nai_tx_expect(ctx, NAI_TX_TAP, "not the host's any more");
	nai_tx_fdb(test, RTM_NEWNEIGH, ctx->dev, nai_tx_far, NUD_NOARP);
	nai_tx_expect(ctx, NAI_TX_QUEUE, "on the wire");
	nai_tx_fdb(test, RTM_DELNEIGH, ctx->dev, nai_tx_far, 0);
	nai_tx_expect(ctx, NAI_TX_QUEUE, "on the wire when it was last seen");

	KUNIT_EXPECT_EQ(test, nai_tx_send(ctx, ctx->dev->dev_addr), NAI_TX_TAP);
	KUNIT_EXPECT_EQ(test, nai_tx_send(ctx, bridge->dev_addr), NAI_TX_TAP);
	KUNIT_EXPECT_EQ(test, nai_tx_send(ctx, ctx->tap->dev_addr), NAI_TX_TAP);
	KUNIT_EXPECT_EQ(test, nai_tx_send(ctx, nai_tx_guest), NAI_TX_TAP);

	rtnl_lock();
	dev_set_promiscuity(bridge, 1);
	nai_tx_expect(ctx, NAI_TX_TAP, "somebody wants to see all");
	dev_set_promiscuity(bridge, -1);
	rtnl_unlock();
	nai_tx_expect(ctx, NAI_TX_QUEUE, "nobody does");
}

/* As the bridge tells it. */
static void nai_fdb_tell(struct net_device *dev, u32 station, unsigned long event)
{
	struct switchdev_notifier_fdb_info info = {};
	u8 mac[ETH_ALEN] = { 0x02, 0x01 };

	put_unaligned_be32(station, mac + 2);
	info.addr = mac;
	call_switchdev_notifiers(event, dev, &info.info, NULL);
}

static enum nai_tx_path nai_fdb_send(struct nai_test *ctx, u32 station)
{
	u8 mac[ETH_ALEN] = { 0x02, 0x01 };

	put_unaligned_be32(station, mac + 2);
	return nai_tx_send_as(ctx, mac, ETH_ZLEN, 0);
}

/* Of so many that the bridge has forgotten the oldest is not remembered here. */
static void nai_fdb_forgets(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	u32 i;

	nai_tx_put_up(ctx);
	for (i = 0; i <= NAI_FDB_MAX_FORGOTTEN; i++) {
		nai_fdb_tell(ctx->tap, i, SWITCHDEV_FDB_ADD_TO_DEVICE);
		nai_fdb_tell(ctx->tap, i, SWITCHDEV_FDB_DEL_TO_DEVICE);
	}
	KUNIT_EXPECT_EQ(test, nai_fdb_send(ctx, 0), NAI_TX_QUEUE);
	KUNIT_EXPECT_EQ(test, nai_fdb_send(ctx, 1), NAI_TX_TAP);
	KUNIT_EXPECT_EQ(test, nai_fdb_send(ctx, NAI_FDB_MAX_FORGOTTEN),
			NAI_TX_TAP);

	/* What came back is not forgotten, nor counted so. */
	nai_fdb_tell(ctx->tap, 1, SWITCHDEV_FDB_ADD_TO_DEVICE);
	nai_fdb_tell(ctx->tap, 0, SWITCHDEV_FDB_ADD_TO_DEVICE);
	nai_fdb_tell(ctx->tap, 0, SWITCHDEV_FDB_DEL_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, nai_fdb_send(ctx, 0), NAI_TX_TAP);
	KUNIT_EXPECT_EQ(test, nai_fdb_send(ctx, 1), NAI_TX_TAP);
	KUNIT_EXPECT_EQ(test, nai_fdb_send(ctx, 2), NAI_TX_TAP);
	nai_fdb_tell(ctx->tap, 1, SWITCHDEV_FDB_DEL_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, nai_fdb_send(ctx, 2), NAI_TX_QUEUE);
}

/* With too many everybody is local, until there are fewer. */
static void nai_fdb_overflows(struct kunit *test)
{
	struct nai_test *ctx = test->priv;
	unsigned int ms;
	u32 i;

	nai_tx_put_up(ctx);
	nai_tx_expect(ctx, NAI_TX_QUEUE, "room for all");
	for (i = 0; i < NAI_FDB_MAX; i++)
		nai_fdb_tell(ctx->tap, i, SWITCHDEV_FDB_ADD_TO_DEVICE);
	nai_tx_expect(ctx, NAI_TX_TAP, "one too many");
	for (i = 0; i < NAI_FDB_MAX; i++)
		nai_fdb_tell(ctx->dev, i, SWITCHDEV_FDB_ADD_TO_DEVICE);
	for (ms = 0; ms < 5000; ms += 10) {
		if (nai_tx_send(ctx, nai_tx_far) == NAI_TX_QUEUE)
			return;
		usleep_range(10000, 11000);
	}
	KUNIT_FAIL(test, "all are local for ever");
}

static struct net_device *nai_fdb_place(void)
{
	struct net_device *place;

	rtnl_lock();
	place = br_fdb_find_port(nai_tx_bridge(), nai_tx_guest, 0);
	rtnl_unlock();
	return place;
}

/* The bridge knows where a guest is that it sees no frame of. */
static void nai_fdb_shown(struct kunit *test)
{
	struct nai_test *ctx = test->priv;

	nai_tx_put_up(ctx);
	nai_tx_look(ctx);
	KUNIT_EXPECT_PTR_EQ(test, nai_fdb_place(), NULL);
	nai_tx_expect(ctx, NAI_TX_QUEUE, "sends");
	nai_tx_look(ctx);
	KUNIT_EXPECT_PTR_EQ(test, nai_fdb_place(), ctx->tap);

	/* Somebody on the wire says that it is there. */
	nai_tx_fdb(test, RTM_NEWNEIGH, ctx->dev, nai_tx_guest, NUD_NOARP);
	nai_tx_look(ctx);
	KUNIT_EXPECT_PTR_EQ(test, nai_fdb_place(), ctx->dev);
	nai_tx_expect(ctx, NAI_TX_QUEUE, "sends again");
	nai_tx_look(ctx);
	KUNIT_EXPECT_PTR_EQ(test, nai_fdb_place(), ctx->tap);

	KUNIT_EXPECT_EQ(test, nai_test_detach(ctx), 0);
	KUNIT_EXPECT_PTR_EQ(test, nai_fdb_place(), NULL);
}

/* What the bridge knew before the lease, or the lease before it. */
static void nai_fdb_replay(struct kunit *test)
{
	struct nai_test *ctx = test->priv;

	nai_tx_plug(ctx);
	nai_tx_add_bridge(test);
	nai_tx_set_master(test, ctx->dev, nai_tx_bridge());
	nai_tx_set_master(test, ctx->tap, nai_tx_bridge());
	nai_tx_fdb(test, RTM_NEWNEIGH, ctx->tap, nai_tx_far, NUD_NOARP);
	nai_tx_attach(ctx);
	nai_tx_expect(ctx, NAI_TX_TAP, "known before");
	KUNIT_EXPECT_EQ(test, nai_test_detach(ctx), 0);
	nai_tx_fdb(test, RTM_DELNEIGH, ctx->tap, nai_tx_far, 0);
	nai_tx_attach(ctx);
	nai_tx_expect(ctx, NAI_TX_QUEUE, "forgotten between two leases");
}

/* Without a bridge nobody knows who is on the wire. */
static void nai_fdb_gone(struct kunit *test)
{
	struct nai_test *ctx = test->priv;

	nai_tx_put_up(ctx);
	nai_tx_expect(ctx, NAI_TX_QUEUE, "in the bridge");
	nai_tx_set_master(test, ctx->tap, NULL);
	nai_tx_expect(ctx, NAI_TX_TAP, "the tap left");
	KUNIT_EXPECT_NULL(test, rcu_access_pointer(ctx->fq->tx->fdb));
}

static void nai_fdb_port_gone(struct kunit *test)
{
	struct nai_test *ctx = test->priv;

	nai_tx_put_up(ctx);
	nai_tx_set_master(test, ctx->dev, NULL);
	nai_tx_expect(ctx, NAI_TX_TAP, "the port left");
}

static struct kunit_case nai_fdb_cases[] = {
	KUNIT_CASE(nai_fdb_told),
	KUNIT_CASE(nai_fdb_forgets),
	KUNIT_CASE_SLOW(nai_fdb_overflows),
	KUNIT_CASE(nai_fdb_shown),
	KUNIT_CASE(nai_fdb_replay),
	KUNIT_CASE(nai_fdb_gone),
	KUNIT_CASE(nai_fdb_port_gone),
	{}
};

static struct kunit_suite nai_fdb_suite = {
	.name = "nai-fdb",
	.init = nai_test_init,
	.exit = nai_tx_exit,
	.test_cases = nai_fdb_cases,
};

kunit_test_suite(nai_fdb_suite);
