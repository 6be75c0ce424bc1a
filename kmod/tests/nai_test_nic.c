// SPDX-License-Identifier: GPL-2.0-only
/*
 * The NIC of the tests: a provider that keeps to the rules of net/nai.h, tells
 * when nai.ko does not, and breaks them when told to.
 */

#include <linux/dma-map-ops.h>
#include <linux/unaligned.h>

#include "nai_test_nic.h"

static struct nai_test *nai_test_of(const struct nai_port *port)
{
	return container_of(port, struct nai_test, port);
}

/**
 * nai_test_step - a step of a lease was taken
 * @ctx: of the case
 * @step: which
 *
 * Return: true if it is to fail.
 */
bool nai_test_step(struct nai_test *ctx, char step)
{
	size_t len;

	spin_lock(&ctx->log_lock);
	len = strlen(ctx->log);
	if (len + 1 < sizeof(ctx->log))
		ctx->log[len] = step;
	spin_unlock(&ctx->log_lock);

	if (ctx->stall == step) {
		complete(&ctx->stalled);
		wait_for_completion_timeout(&ctx->go_on, NAI_TEST_PATIENCE);
	}
	return ctx->fail == step;
}

static void nai_test_rule(struct nai_test *ctx, bool kept, const char *rule)
{
	spin_lock(&ctx->log_lock);
	if (!kept && !ctx->broken)
		ctx->broken = rule;
	spin_unlock(&ctx->log_lock);
}

static int nai_test_fq_alloc(struct nai_port *port, struct nai_fq *fq,
			     struct netlink_ext_ack *extack)
{
	struct nai_test *ctx = nai_test_of(port);
	unsigned int i;

	ASSERT_RTNL();

	if (nai_test_step(ctx, NAI_TEST_ALLOC))
		return -EIO;
	for (i = 0; i < NAI_TEST_QUEUES && ctx->hw[i].fq; i++)
		;
	if (i == NAI_TEST_QUEUES) {
		nai_test_rule(ctx, false, "more leases than queues");
		return -ENOSPC;
	}
	ctx->hw[i].fq = fq;
	nai_fq_set_priv(fq, &ctx->hw[i]);
	nai_fq_set_index(fq, i + 1);
	return 0;
}

static void nai_test_fq_free(struct nai_fq *fq)
{
	struct nai_test *ctx = nai_test_of(nai_fq_port(fq));
	struct nai_test_hw *hw = nai_fq_priv(fq);

	ASSERT_RTNL();

	nai_test_step(ctx, NAI_TEST_FREE);
	nai_test_rule(ctx, !hw->running, "fq_free of a queue that runs");
	hw->fq = NULL;
}

static int nai_test_match_add(struct nai_fq *fq, const u8 *mac,
			      struct netlink_ext_ack *extack)
{
	struct nai_test *ctx = nai_test_of(nai_fq_port(fq));
	struct nai_test_hw *hw = nai_fq_priv(fq);

	ASSERT_RTNL();

	nai_test_rule(ctx, hw->running || !fq->core->up,
		      "match_add before the queue works");
	return nai_test_step(ctx, NAI_TEST_MATCH) ? -ENOSPC : 0;
}

static void nai_test_match_del(struct nai_fq *fq, const u8 *mac)
{
	struct nai_test *ctx = nai_test_of(nai_fq_port(fq));

	ASSERT_RTNL();

	nai_test_step(ctx, NAI_TEST_UNMATCH);
}

static int nai_test_fq_start(struct nai_fq *fq)
{
	struct nai_test *ctx = nai_test_of(nai_fq_port(fq));
	struct nai_test_hw *hw = nai_fq_priv(fq);

	lockdep_assert_held(&ctx->port.hw_mutex);

	nai_test_rule(ctx, !hw->running, "fq_start of a queue that runs");
	if (nai_test_step(ctx, NAI_TEST_START))
		return -EIO;
	hw->running = true;
	hw->masked = true;
	hw->tail = hw->head;
	hw->kicked = hw->head;
	hw->done_head = hw->done_tail;
	return 0;
}

static void nai_test_fq_stop(struct nai_fq *fq)
{
	struct nai_test *ctx = nai_test_of(nai_fq_port(fq));
	struct nai_test_hw *hw = nai_fq_priv(fq);

	lockdep_assert_held(&ctx->port.hw_mutex);

	nai_test_rule(ctx, hw->masked, "fq_stop with the interrupt armed");
	nai_test_step(ctx, NAI_TEST_STOP);
	hw->running = false;
	hw->tail = hw->head;
	hw->kicked = hw->head;
}

static unsigned int nai_test_rx_post(struct nai_fq *fq,
				     const struct nai_rx_buf *bufs,
				     unsigned int n)
{
	struct nai_test *ctx = nai_test_of(nai_fq_port(fq));
	struct nai_test_hw *hw = nai_fq_priv(fq);
	unsigned int i;

	lockdep_assert_held(&fq->rx_lock);

	nai_test_rule(ctx, hw->running, "rx_post to a queue that is stopped");
	nai_test_rule(ctx, hw->tail - hw->head + n <= fq->depth,
		      "more buffers posted than the queue is deep");
	n = min(n, hw->room);
	for (i = 0; i < n; i++)
		hw->posted[hw->tail++ % NAI_MAX_DEPTH] = bufs[i];
	return n;
}

static void nai_test_rx_kick(struct nai_fq *fq)
{
	struct nai_test *ctx = nai_test_of(nai_fq_port(fq));
	struct nai_test_hw *hw = nai_fq_priv(fq);

	lockdep_assert_held(&fq->rx_lock);

	nai_test_rule(ctx, hw->kicked != hw->tail, "rx_kick with nothing new");
	hw->kicked = hw->tail;
	hw->kicks++;
}

static unsigned int nai_test_rx_poll(struct nai_fq *fq,
				     struct nai_rx_cpl *cpls,
				     unsigned int budget)
{
	struct nai_test *ctx = nai_test_of(nai_fq_port(fq));
	struct nai_test_hw *hw = nai_fq_priv(fq);
	unsigned int n;

	lockdep_assert_held(&fq->rx_lock);

	nai_test_rule(ctx, budget <= NAI_RX_BATCH, "rx_poll without bound");
	hw->polls++;
	for (n = 0; n < budget && hw->done_head != hw->done_tail; n++)
		cpls[n] = hw->done[hw->done_head++ % ARRAY_SIZE(hw->done)];
	for (; n < budget && hw->endless; n++)
		cpls[n] = (struct nai_rx_cpl){ .len = ETH_ZLEN };
	return n;
}

static bool nai_test_irq_arm(struct nai_fq *fq)
{
	struct nai_test *ctx = nai_test_of(nai_fq_port(fq));
	struct nai_test_hw *hw = nai_fq_priv(fq);

	lockdep_assert_held(&fq->rx_lock);

	nai_test_rule(ctx, hw->running, "irq_arm of a queue that is stopped");
	hw->arms++;
	while (hw->arm_brings) {
		hw->arm_brings--;
		nai_test_fill(ctx, hw, ETH_ZLEN, 0);
	}
	hw->masked = hw->done_head != hw->done_tail;
	if (hw->masked || !hw->arm_fires)
		return hw->masked;
	hw->masked = true;
	nai_test_fill(ctx, hw, ETH_ZLEN, 0);
	nai_fq_irq(fq);
	return false;
}

static void nai_test_irq_mask(struct nai_fq *fq)
{
	struct nai_test_hw *hw = nai_fq_priv(fq);

	lockdep_assert_held(&fq->rx_lock);

	hw->masked = true;
}

static void nai_test_get_stats(struct nai_fq *fq, struct nai_hw_stats *stats)
{
	struct nai_test_hw *hw = nai_fq_priv(fq);

	lockdep_assert_held(&nai_fq_port(fq)->hw_mutex);

	stats->hw_drop_overruns = hw->overruns;
}

const struct nai_port_ops nai_test_port_ops = {
	.fq_alloc	= nai_test_fq_alloc,
	.fq_free	= nai_test_fq_free,
	.match_add	= nai_test_match_add,
	.match_del	= nai_test_match_del,
	.fq_start	= nai_test_fq_start,
	.fq_stop	= nai_test_fq_stop,
	.rx_post	= nai_test_rx_post,
	.rx_kick	= nai_test_rx_kick,
	.rx_poll	= nai_test_rx_poll,
	.irq_arm	= nai_test_irq_arm,
	.irq_mask	= nai_test_irq_mask,
	.get_stats	= nai_test_get_stats,
};

/**
 * nai_test_fill - a frame comes, with the next number in it
 * @ctx: of the case
 * @hw: where
 * @len: of the frame, as told
 * @flags: of the completion
 *
 * Return: false if there was no buffer for it.
 */
bool nai_test_fill(struct nai_test *ctx, struct nai_test_hw *hw, u16 len,
		   u16 flags)
{
	u32 seq = ctx->next_seq++;
	struct nai_rx_cpl *cpl;
	u16 slot;

	lockdep_assert_held(&hw->fq->rx_lock);

	if (hw->head == hw->kicked) {
		hw->overruns++;
		return false;
	}
	slot = hw->posted[hw->head++ % NAI_MAX_DEPTH].slot;
	put_unaligned(seq, (u32 *)(page_address(hw->fq->slots[slot].page) +
				   hw->fq->slots[slot].offset));
	cpl = &hw->done[hw->done_tail++ % ARRAY_SIZE(hw->done)];
	*cpl = (struct nai_rx_cpl){ .slot = slot, .len = len, .flags = flags };
	return true;
}

#ifdef CONFIG_ARCH_HAS_DMA_OPS

static dma_addr_t nai_test_map_page(struct device *dev, struct page *page,
				    unsigned long offset, size_t size,
				    enum dma_data_direction dir,
				    unsigned long attrs)
{
	struct nai_test *ctx = dev_get_drvdata(dev);

	if (atomic_read(&ctx->maps) == ctx->map_fails)
		return DMA_MAPPING_ERROR;
	atomic_inc(&ctx->maps);
	return page_to_phys(page) + offset;
}

static void nai_test_unmap_page(struct device *dev, dma_addr_t dma, size_t size,
				enum dma_data_direction dir,
				unsigned long attrs)
{
	struct nai_test *ctx = dev_get_drvdata(dev);

	atomic_dec(&ctx->maps);
}

static const struct dma_map_ops nai_test_dma_ops = {
	.map_page	= nai_test_map_page,
	.unmap_page	= nai_test_unmap_page,
};

#endif /* CONFIG_ARCH_HAS_DMA_OPS */

/**
 * nai_test_set_dma - let a device write to memory
 * @ctx: of the case
 * @dev: of the NIC
 */
void nai_test_set_dma(struct nai_test *ctx, struct device *dev)
{
	dev_set_drvdata(dev, ctx);
#ifdef CONFIG_ARCH_HAS_DMA_OPS
	set_dma_ops(dev, &nai_test_dma_ops);
#endif
	KUNIT_ASSERT_EQ(ctx->test,
			dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64)), 0);
}
