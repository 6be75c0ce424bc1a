// SPDX-License-Identifier: GPL-2.0-only
/*
 * A software NIC that lends frame queues, for tests.
 *
 *   modprobe naisim
 *   echo "ID [QUEUES]" > /sys/kernel/debug/naisim/new_device
 *   echo ID > /sys/kernel/debug/naisim/del_device
 *
 * makes the netdev naisimID, a NIC's port with that many frame queues (4), and
 * naisimIDw, the far end of its cable: what is sent there arrives at the port,
 * and what the port sends arrives there. Frames for an address that leads to a
 * frame queue are written to its buffers by a thread (naisim_engine.c), all
 * others are received by the port. del_device unplugs the NIC, at any time.
 * naisim_debugfs.c says what can be made to go wrong.
 *
 * The device is a platform device with a driver, so buffers are mapped for a
 * real device, and it can be unbound like any.
 *
 * DOC: locking
 *
 * naisim_mutex guards the list of devices and is held while one comes or goes;
 * it is outside of all other locks. A device that comes or goes otherwise (bind
 * and unbind in sysfs) has the device's lock.
 */

#include <linux/debugfs.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/iommu-dma.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "naisim.h"

#define NAISIM_DEFAULT_FQS	4
/* What leaves room for it in the name of a netdev. */
#define NAISIM_MAX_ID		99999

/* What the driver has to know of a device before it looks. */
struct naisim_config {
	unsigned int nr_queues;
};

struct naisim_device {
	struct list_head list;
	struct platform_device *pdev;
};

static DEFINE_MUTEX(naisim_mutex); /* Guards the list. */
static LIST_HEAD(naisim_devices);
static struct dentry *naisim_root;

/* The driver */

/* The engine finds memory by its DMA address; an IOMMU's would mislead it. */
static bool naisim_dma_is_direct(struct device *dev)
{
	return !get_dma_ops(dev) && !use_dma_iommu(dev);
}

static void naisim_set_caps(struct naisim *sim)
{
	struct nai_caps *caps = &sim->nai.caps;

	caps->flags = NAI_CAP_NO_HOL | NAI_CAP_CRC_STRIP | NAI_CAP_HW_DROPS |
		      NAI_CAP_TX | NAI_CAP_SEED;
	caps->max_fqs = sim->nr_queues;
	caps->rx_depth = NAISIM_DEPTH;
	caps->rx_buf_len = NAISIM_BUF_LEN;
	caps->rx_max_frame = NAISIM_MAX_FRAME;
	caps->tx_depth = NAISIM_DEPTH;
	caps->tx_max_frame = NAISIM_MAX_FRAME;
}

static struct naisim *naisim_create(struct platform_device *pdev)
{
	const struct naisim_config *config = dev_get_platdata(&pdev->dev);
	struct naisim *sim;

	sim = devm_kzalloc(&pdev->dev,
			   struct_size(sim, queues, config->nr_queues),
			   GFP_KERNEL);
	if (!sim)
		return NULL;
	sim->nr_queues = config->nr_queues;
	sim->pdev = pdev;
	skb_queue_head_init(&sim->cable);
	init_waitqueue_head(&sim->work);
	init_waitqueue_head(&sim->stopped);
	naisim_queues_init(sim);
	return sim;
}

static int naisim_start_engine(struct naisim *sim)
{
	struct task_struct *engine;

	engine = kthread_run(naisim_engine, sim, "naisim%d", sim->pdev->id);
	if (IS_ERR(engine))
		return PTR_ERR(engine);
	sim->engine = engine;
	return 0;
}

static int naisim_lend(struct naisim *sim)
{
	int err;

	sim->nai.dev = sim->port;
	sim->nai.dma_dev = &sim->pdev->dev;
	sim->nai.ops = &naisim_port_ops;
	naisim_set_caps(sim);
	err = nai_port_register(&sim->nai, THIS_MODULE);
	if (err)
		return err;

	/* The port may have been opened already. */
	rtnl_lock();
	sim->registered = true;
	if (netif_running(sim->port))
		nai_port_up(&sim->nai);
	rtnl_unlock();
	return 0;
}

static void naisim_purge(struct naisim *sim)
{
	unsigned int i;

	skb_queue_purge(&sim->cable);
	for (i = 0; i < sim->nr_queues; i++)
		kfree_skb(sim->queues[i].late.skb);
}

static int naisim_probe(struct platform_device *pdev)
{
	struct naisim *sim;
	int err;

	if (!naisim_dma_is_direct(&pdev->dev))
		return dev_err_probe(&pdev->dev, -EOPNOTSUPP,
				     "memory cannot be reached by its DMA address\n");
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (err)
		return err;
	sim = naisim_create(pdev);
	if (!sim)
		return -ENOMEM;
	err = naisim_netdevs_register(sim);
	if (err)
		return dev_err_probe(&pdev->dev, err, "no netdevs\n");
	err = naisim_start_engine(sim);
	if (err)
		goto err_netdevs;
	err = naisim_lend(sim);
	if (err)
		goto err_engine;
	naisim_debugfs_add(sim, naisim_root);
	platform_set_drvdata(pdev, sim);
	return 0;

err_engine:
	kthread_stop(sim->engine);
err_netdevs:
	naisim_netdevs_unregister(sim);
	naisim_purge(sim);
	return err;
}

static void naisim_remove(struct platform_device *pdev)
{
	struct naisim *sim = platform_get_drvdata(pdev);

	naisim_debugfs_del(sim);
	/* With all queues stopped, a reset on the way out concerns nobody. */
	rtnl_lock();
	nai_port_down(&sim->nai);
	sim->registered = false;
	rtnl_unlock();
	/* The engine has to be there until all queues were stopped. */
	nai_port_unregister(&sim->nai);
	kthread_stop(sim->engine);
	naisim_netdevs_unregister(sim);
	naisim_purge(sim);
}

static struct platform_driver naisim_driver = {
	.probe	= naisim_probe,
	.remove	= naisim_remove,
	.driver	= {
		.name		= KBUILD_MODNAME,
		.probe_type	= PROBE_FORCE_SYNCHRONOUS,
	},
};

/* Devices */

static struct naisim_device *naisim_find_device(unsigned int id)
{
	struct naisim_device *device;

	lockdep_assert_held(&naisim_mutex);

	list_for_each_entry(device, &naisim_devices, list)
		if (device->pdev->id == id)
			return device;
	return NULL;
}

static int naisim_add_device(unsigned int id, unsigned int nr_queues)
{
	struct naisim_config config = { .nr_queues = nr_queues };
	struct platform_device_info info = {
		.name		= KBUILD_MODNAME,
		.id		= id,
		.data		= &config,
		.size_data	= sizeof(config),
		.dma_mask	= DMA_BIT_MASK(64),
	};
	struct naisim_device *device;
	int err;

	lockdep_assert_held(&naisim_mutex);

	if (naisim_find_device(id))
		return -EEXIST;
	device = kzalloc(sizeof(*device), GFP_KERNEL);
	if (!device)
		return -ENOMEM;
	device->pdev = platform_device_register_full(&info);
	if (IS_ERR(device->pdev)) {
		err = PTR_ERR(device->pdev);
		kfree(device);
		return err;
	}
	/* Why the driver does not want it stands in the log. */
	if (!device_is_bound(&device->pdev->dev)) {
		platform_device_unregister(device->pdev);
		kfree(device);
		return -ENXIO;
	}
	list_add_tail(&device->list, &naisim_devices);
	return 0;
}

static void naisim_del_device(struct naisim_device *device)
{
	lockdep_assert_held(&naisim_mutex);

	list_del(&device->list);
	platform_device_unregister(device->pdev);
	kfree(device);
}

static int naisim_read_line(const char __user *from, size_t count, char *line,
			    size_t size)
{
	if (count >= size)
		return -EINVAL;
	if (copy_from_user(line, from, count))
		return -EFAULT;
	line[count] = '\0';
	return 0;
}

static ssize_t naisim_new_device_write(struct file *file,
				       const char __user *from, size_t count,
				       loff_t *ppos)
{
	unsigned int id, nr_queues = NAISIM_DEFAULT_FQS;
	char line[32];
	int err;

	err = naisim_read_line(from, count, line, sizeof(line));
	if (err)
		return err;
	if (sscanf(line, "%u %u", &id, &nr_queues) < 1 ||
	    id > NAISIM_MAX_ID || !nr_queues || nr_queues > NAISIM_MAX_FQS)
		return -EINVAL;
	mutex_lock(&naisim_mutex);
	err = naisim_add_device(id, nr_queues);
	mutex_unlock(&naisim_mutex);
	return err ? : count;
}

static ssize_t naisim_del_device_write(struct file *file,
				       const char __user *from, size_t count,
				       loff_t *ppos)
{
	struct naisim_device *device;
	unsigned int id;
	char line[32];
	int err;

	err = naisim_read_line(from, count, line, sizeof(line));
	if (!err)
		err = kstrtouint(strim(line), 0, &id);
	if (err)
		return err;
	mutex_lock(&naisim_mutex);
	device = naisim_find_device(id);
	if (device)
		naisim_del_device(device);
	mutex_unlock(&naisim_mutex);
	return device ? count : -ENOENT;
}

static const struct file_operations naisim_new_device_fops = {
	.owner	= THIS_MODULE,
	.open	= simple_open,
	.write	= naisim_new_device_write,
};

static const struct file_operations naisim_del_device_fops = {
	.owner	= THIS_MODULE,
	.open	= simple_open,
	.write	= naisim_del_device_write,
};

/* The module */

static int __init naisim_init(void)
{
	int err;

	naisim_root = debugfs_create_dir(KBUILD_MODNAME, NULL);
	err = platform_driver_register(&naisim_driver);
	if (err) {
		debugfs_remove(naisim_root);
		return err;
	}
	debugfs_create_file("new_device", 0200, naisim_root, NULL,
			    &naisim_new_device_fops);
	debugfs_create_file("del_device", 0200, naisim_root, NULL,
			    &naisim_del_device_fops);
	return 0;
}

/* Without the driver nothing is bound any more, so no device has a folder. */
static void __exit naisim_exit(void)
{
	struct naisim_device *device, *next;

	platform_driver_unregister(&naisim_driver);
	debugfs_remove(naisim_root);
	mutex_lock(&naisim_mutex);
	list_for_each_entry_safe(device, next, &naisim_devices, list)
		naisim_del_device(device);
	mutex_unlock(&naisim_mutex);
}

module_init(naisim_init);
module_exit(naisim_exit);

MODULE_DESCRIPTION("Software NIC that lends frame queues, for tests");
MODULE_LICENSE("GPL");
