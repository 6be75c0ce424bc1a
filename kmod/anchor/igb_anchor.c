// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keep one stocked receive ring in every emulated igb.
 *
 * QEMU's igb drops a frame whose ring is empty only while some other enabled
 * ring still has a free descriptor. When all are empty it stops reading the
 * wire instead, where an 82576 would drop; an overloaded host under test then
 * slows its own load down. This module enables receive queue 7, which igb does
 * not use here and which RSS never selects, and gives it descriptors that
 * nothing consumes. The driver under test stays the distribution's igb.
 *
 * DOC: locking
 *
 * Everything runs in the netdev notifier, hence under RTNL, as do igb's own
 * open, close and resets. Two paths reset the NIC without RTNL, resume and PCI
 * error recovery: both bring the link up again, so NETDEV_CHANGE follows.
 *
 * DOC: life of a ring
 *
 * The memory is allocated when the netdev first comes up and lives until it
 * goes, is handed to igb (more receive queues, virtual functions), or the module
 * is removed. CTRL.RST clears the registers and leaves the queue disabled, so
 * whenever the link comes up the ring is looked at and stocked again.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/iopoll.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/rtnetlink.h>

#define ANCHOR_DEVICE		0x10c9	/* 82576 */
#define ANCHOR_QUEUE		7
#define ANCHOR_DESCS		8	/* RDLEN counts in 128 bytes */
#define ANCHOR_BUFFER_SIZE	2048

/* Registers of receive queue n >= 4, as in igb's e1000_regs.h. */
#define ANCHOR_REG(offset)	(0xc000 + ANCHOR_QUEUE * 0x40 + (offset))
#define ANCHOR_RDBAL		ANCHOR_REG(0x00)
#define ANCHOR_RDBAH		ANCHOR_REG(0x04)
#define ANCHOR_RDLEN		ANCHOR_REG(0x08)
#define ANCHOR_SRRCTL		ANCHOR_REG(0x0c)
#define ANCHOR_RDH		ANCHOR_REG(0x10)
#define ANCHOR_RDT		ANCHOR_REG(0x18)
#define ANCHOR_RXDCTL		ANCHOR_REG(0x28)

#define ANCHOR_RXDCTL_ENABLE	BIT(25)
#define ANCHOR_SRRCTL_ADV_ONEBUF	BIT(25)
#define ANCHOR_SRRCTL_KIB(n)	(n)

struct anchor_desc {
	__le64 packet;
	__le64 header;
};

struct anchor {
	struct list_head list;
	struct net_device *netdev;
	struct pci_dev *pdev;
	void __iomem *regs;
	struct anchor_desc *ring;
	dma_addr_t ring_dma;
	void *buffer;
	dma_addr_t buffer_dma;
};

static LIST_HEAD(anchors);	/* RTNL */

/*
 * Return: the PCI device behind @netdev if it is an emulated 82576 that igb
 * drives, else NULL. A real one drops by itself and is none of our business.
 */
static struct pci_dev *anchor_pci_dev(const struct net_device *netdev)
{
	struct pci_dev *pdev;

	if (!netdev->dev.parent || !dev_is_pci(netdev->dev.parent))
		return NULL;
	pdev = to_pci_dev(netdev->dev.parent);
	if (pdev->vendor != PCI_VENDOR_ID_INTEL || pdev->device != ANCHOR_DEVICE)
		return NULL;
	if (pdev->subsystem_vendor != PCI_SUBVENDOR_ID_REDHAT_QUMRANET)
		return NULL;
	if (!pdev->dev.driver || strcmp(pdev->dev.driver->name, "igb"))
		return NULL;
	return pdev;
}

static struct anchor *anchor_find(const struct net_device *netdev)
{
	struct anchor *anchor;

	ASSERT_RTNL();

	list_for_each_entry(anchor, &anchors, list)
		if (anchor->netdev == netdev)
			return anchor;
	return NULL;
}

/* Queue 7 is igb's with 8 receive queues, and a pool's with virtual functions. */
static bool anchor_queue_is_spare(const struct net_device *netdev,
				  struct pci_dev *pdev)
{
	return netdev->real_num_rx_queues <= ANCHOR_QUEUE && !pci_num_vf(pdev);
}

/*
 * Power may be off while the link is down. The ring registers are clear then,
 * and the link coming up brings us back.
 *
 * Return: 0 if the registers cannot be reached, else what anchor_power_put()
 * wants: positive with a reference, negative where runtime PM is disabled.
 */
static int anchor_power_get(struct anchor *anchor)
{
	return pm_runtime_get_if_active(&anchor->pdev->dev);
}

static void anchor_power_put(struct anchor *anchor, int power)
{
	if (power > 0)
		pm_runtime_put(&anchor->pdev->dev);
}

static bool anchor_is_stocked(struct anchor *anchor)
{
	return readl(anchor->regs + ANCHOR_RXDCTL) & ANCHOR_RXDCTL_ENABLE &&
	       readl(anchor->regs + ANCHOR_RDBAL) ==
		       lower_32_bits(anchor->ring_dma) &&
	       readl(anchor->regs + ANCHOR_RDBAH) ==
		       upper_32_bits(anchor->ring_dma) &&
	       readl(anchor->regs + ANCHOR_RDT) !=
		       readl(anchor->regs + ANCHOR_RDH);
}

/* igb has lent queue 7 as a frame queue, the last it lends. Buffers for a guest
 * are in it, so it is an anchor itself.
 */
static bool anchor_queue_is_leased(struct anchor *anchor)
{
	return readl(anchor->regs + ANCHOR_RXDCTL) & ANCHOR_RXDCTL_ENABLE &&
	       (readl(anchor->regs + ANCHOR_RDBAL) !=
			lower_32_bits(anchor->ring_dma) ||
		readl(anchor->regs + ANCHOR_RDBAH) !=
			upper_32_bits(anchor->ring_dma));
}

/* The order matters: the tail comes last, for it is what restarts the wire. */
static void anchor_stock(struct anchor *anchor)
{
	void __iomem *regs = anchor->regs;

	writel(0, regs + ANCHOR_RXDCTL);
	writel(lower_32_bits(anchor->ring_dma), regs + ANCHOR_RDBAL);
	writel(upper_32_bits(anchor->ring_dma), regs + ANCHOR_RDBAH);
	writel(ANCHOR_DESCS * sizeof(*anchor->ring), regs + ANCHOR_RDLEN);
	writel(0, regs + ANCHOR_RDH);
	writel(0, regs + ANCHOR_RDT);
	writel(ANCHOR_SRRCTL_ADV_ONEBUF |
	       ANCHOR_SRRCTL_KIB(ANCHOR_BUFFER_SIZE / 1024),
	       regs + ANCHOR_SRRCTL);
	writel(ANCHOR_RXDCTL_ENABLE, regs + ANCHOR_RXDCTL);
	writel(ANCHOR_DESCS - 1, regs + ANCHOR_RDT);
}

static void anchor_unstock(struct anchor *anchor)
{
	u32 rxdctl;

	/* After a reset the queue may be igb's by now, or nobody's. */
	if (!anchor_is_stocked(anchor))
		return;

	writel(0, anchor->regs + ANCHOR_RXDCTL);
	if (readl_poll_timeout(anchor->regs + ANCHOR_RXDCTL, rxdctl,
			       !(rxdctl & ANCHOR_RXDCTL_ENABLE), 100, 10000))
		netdev_warn(anchor->netdev, "anchor ring did not stop\n");
	writel(0, anchor->regs + ANCHOR_RDBAL);
	writel(0, anchor->regs + ANCHOR_RDBAH);
}

static void anchor_free(struct anchor *anchor)
{
	struct device *dma_dev = &anchor->pdev->dev;

	if (anchor->buffer)
		dma_free_coherent(dma_dev, ANCHOR_BUFFER_SIZE, anchor->buffer,
				  anchor->buffer_dma);
	if (anchor->ring)
		dma_free_coherent(dma_dev, ANCHOR_DESCS * sizeof(*anchor->ring),
				  anchor->ring, anchor->ring_dma);
	if (anchor->regs)
		pci_iounmap(anchor->pdev, anchor->regs);
	pci_dev_put(anchor->pdev);
	kfree(anchor);
}

static struct anchor *anchor_create(struct net_device *netdev,
				    struct pci_dev *pdev)
{
	struct anchor *anchor;
	int i;

	ASSERT_RTNL();

	anchor = kzalloc(sizeof(*anchor), GFP_KERNEL);
	if (!anchor)
		return NULL;
	anchor->netdev = netdev;
	anchor->pdev = pci_dev_get(pdev);

	anchor->regs = pci_iomap(pdev, 0, 0);
	if (!anchor->regs)
		goto err_free;
	anchor->ring = dma_alloc_coherent(&pdev->dev,
					  ANCHOR_DESCS * sizeof(*anchor->ring),
					  &anchor->ring_dma, GFP_KERNEL);
	if (!anchor->ring)
		goto err_free;
	anchor->buffer = dma_alloc_coherent(&pdev->dev, ANCHOR_BUFFER_SIZE,
					    &anchor->buffer_dma, GFP_KERNEL);
	if (!anchor->buffer)
		goto err_free;

	for (i = 0; i < ANCHOR_DESCS; i++)
		anchor->ring[i].packet = cpu_to_le64(anchor->buffer_dma);
	list_add(&anchor->list, &anchors);
	return anchor;

err_free:
	anchor_free(anchor);
	return NULL;
}

static void anchor_destroy(struct anchor *anchor)
{
	int power;

	if (!anchor)
		return;

	power = anchor_power_get(anchor);
	if (power) {
		anchor_unstock(anchor);
		anchor_power_put(anchor, power);
	}
	list_del(&anchor->list);
	anchor_free(anchor);
}

static void anchor_ensure(struct net_device *netdev, struct pci_dev *pdev)
{
	struct anchor *anchor = anchor_find(netdev);
	int power;

	if (!anchor_queue_is_spare(netdev, pdev)) {
		netdev_warn(netdev, "no anchor ring: igb uses queue %d itself\n",
			    ANCHOR_QUEUE);
		anchor_destroy(anchor);
		return;
	}

	if (!anchor)
		anchor = anchor_create(netdev, pdev);
	if (!anchor) {
		netdev_err(netdev, "no anchor ring: out of memory\n");
		return;
	}

	power = anchor_power_get(anchor);
	if (!power)
		return;
	if (!anchor_is_stocked(anchor) && !anchor_queue_is_leased(anchor)) {
		anchor_stock(anchor);
		netdev_info(netdev, "anchor ring stocked on queue %d\n",
			    ANCHOR_QUEUE);
	}
	anchor_power_put(anchor, power);
}

static int anchor_netdev_event(struct notifier_block *nb, unsigned long event,
			       void *ptr)
{
	struct net_device *netdev = netdev_notifier_info_to_dev(ptr);
	struct pci_dev *pdev;

	switch (event) {
	case NETDEV_UP:
	case NETDEV_CHANGE:
	case NETDEV_CHANGEMTU:
		pdev = anchor_pci_dev(netdev);
		if (pdev && netif_running(netdev))
			anchor_ensure(netdev, pdev);
		break;
	case NETDEV_UNREGISTER:
		anchor_destroy(anchor_find(netdev));
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block anchor_notifier = {
	.notifier_call = anchor_netdev_event,
};

/* Registering replays REGISTER and UP for the netdevs that are there already. */
static int __init anchor_init(void)
{
	return register_netdevice_notifier(&anchor_notifier);
}

/* Unregistering replays UNREGISTER for every netdev, which frees every ring. */
static void __exit anchor_exit(void)
{
	unregister_netdevice_notifier(&anchor_notifier);
}

module_init(anchor_init);
module_exit(anchor_exit);

MODULE_DESCRIPTION("One stocked receive ring in every emulated igb");
MODULE_LICENSE("GPL");
