/* SPDX-License-Identifier: GPL-2.0-only */
/* What the suites of sending share: a NIC that sends too, in a bridge. */
#ifndef _NAI_TX_FIXTURE_H
#define _NAI_TX_FIXTURE_H

#include "nai_test_lib.h"
#include "nai_test_nic.h"

#define NAI_TX_DEPTH	40

/**
 * struct nai_tx_hw - what the hardware was given to send
 * @ops: those of the NIC of the tests, and two more
 * @room: so many more does it take
 * @seqs: numbers of the frames, in the order they were taken
 * @taken: how many
 * @sent: of these, to be told by the next poll
 * @excess: to be told besides
 * @xmits: calls that gave something
 */
struct nai_tx_hw {
	struct nai_port_ops ops;
	unsigned int room;
	u32 seqs[1024];
	unsigned int taken;
	unsigned int sent;
	unsigned int excess;
	unsigned int xmits;
};

extern struct nai_tx_hw nai_tx_hw;
extern const u8 nai_tx_guest[ETH_ALEN];
extern const u8 nai_tx_far[ETH_ALEN];

/* rtnetlink */
void nai_tx_add_bridge(struct kunit *test);
struct net_device *nai_tx_bridge(void);
void nai_tx_set_master(struct kunit *test, struct net_device *dev,
		       struct net_device *bridge);
void nai_tx_fdb(struct kunit *test, u16 type, struct net_device *dev,
		const u8 *mac, u16 state);

/* A case: the port comes, the lease begins; or both, in a bridge. */
void nai_tx_plug(struct nai_test *ctx);
void nai_tx_attach(struct nai_test *ctx);
void nai_tx_put_up(struct nai_test *ctx);
void nai_tx_exit(struct kunit *test);

/* A frame of the guest's, with the next number. */
enum nai_tx_path nai_tx_send_as(struct nai_test *ctx, const u8 *to, size_t len,
				u16 flags);
enum nai_tx_path nai_tx_send(struct nai_test *ctx, const u8 *to);
/* One to nai_tx_far, and the hardware sends it. */
void nai_tx_expect(struct nai_test *ctx, enum nai_tx_path path,
		   const char *what);
/* The watchdog looks. */
void nai_tx_look(struct nai_test *ctx);

#endif /* _NAI_TX_FIXTURE_H */
