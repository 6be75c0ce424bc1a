/* SPDX-License-Identifier: GPL-2.0-only */
/* The NIC of the tests, for nai_test_lib.c alone. */
#ifndef _NAI_TEST_NIC_H
#define _NAI_TEST_NIC_H

#include "nai_test_lib.h"

extern const struct nai_port_ops nai_test_port_ops;

bool nai_test_step(struct nai_test *ctx, char step);
bool nai_test_fill(struct nai_test *ctx, struct nai_test_hw *hw, u16 len,
		   u16 flags);
void nai_test_set_dma(struct nai_test *ctx, struct device *dev);

#endif /* _NAI_TEST_NIC_H */
