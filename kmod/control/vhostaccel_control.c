// SPDX-License-Identifier: GPL-2.0-only
/*
 * One deliberate mistake, chosen by the parameter "provoke", for the detector that
 * is to report it. For debug kernels alone.
 *
 * DOC: locking
 * control_lock_a and control_lock_b are taken in both orders: that is the mistake.
 */

#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#define CONTROL_BYTES		96
#define CONTROL_RACE_MSEC	4000

static char *provoke = "";
module_param(provoke, charp, 0444);
MODULE_PARM_DESC(provoke, "The mistake to make: access, leak, lock-order, sleep, dma, shift or race");

static DEFINE_MUTEX(control_lock_a);
static DEFINE_MUTEX(control_lock_b);
static DEFINE_SPINLOCK(control_spinlock);
static unsigned long control_counter;

/* KASAN: a read of memory that was freed. */
static int control_access(void)
{
	u8 *memory = kzalloc(CONTROL_BYTES, GFP_KERNEL);
	u8 value;

	if (!memory)
		return -ENOMEM;
	kfree(memory);
	OPTIMIZER_HIDE_VAR(memory);
	value = READ_ONCE(memory[1]);
	OPTIMIZER_HIDE_VAR(value);
	return 0;
}

/* kmemleak: memory that nothing points to. */
static int control_leak(void)
{
	u8 *memory = kzalloc(CONTROL_BYTES, GFP_KERNEL);

	if (!memory)
		return -ENOMEM;
	OPTIMIZER_HIDE_VAR(memory);
	return 0;
}

/* lockdep: two orders, which two CPUs at once would turn into a deadlock. */
static int control_lock_order(void)
{
	mutex_lock(&control_lock_a);
	mutex_lock(&control_lock_b);
	mutex_unlock(&control_lock_b);
	mutex_unlock(&control_lock_a);

	mutex_lock(&control_lock_b);
	mutex_lock(&control_lock_a);
	mutex_unlock(&control_lock_a);
	mutex_unlock(&control_lock_b);
	return 0;
}

/* might_sleep: an allocation that may wait, with a spinlock held. */
static int control_sleep(void)
{
	void *memory;

	spin_lock(&control_spinlock);
	memory = kzalloc(CONTROL_BYTES, GFP_KERNEL);
	spin_unlock(&control_spinlock);
	kfree(memory);
	return 0;
}

/* DMA-API: a mapping that is taken back with half of its size. */
static int control_dma(void)
{
	struct platform_device *pdev;
	dma_addr_t addr;
	void *memory;
	int err;

	pdev = platform_device_register_simple("vhostaccel_control",
					       PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	err = dma_coerce_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	memory = kzalloc(CONTROL_BYTES, GFP_KERNEL);
	if (!err && memory) {
		addr = dma_map_single(&pdev->dev, memory, CONTROL_BYTES,
				      DMA_FROM_DEVICE);
		if (!dma_mapping_error(&pdev->dev, addr))
			dma_unmap_single(&pdev->dev, addr, CONTROL_BYTES / 2,
					 DMA_FROM_DEVICE);
	}
	kfree(memory);
	platform_device_unregister(pdev);
	return err;
}

/* UBSAN: a shift by more than there are bits. */
static int control_shift(void)
{
	unsigned int bits = 8 + BITS_PER_TYPE(u32);
	u32 value = 1;

	OPTIMIZER_HIDE_VAR(bits);
	value <<= bits;
	OPTIMIZER_HIDE_VAR(value);
	return 0;
}

static int control_count(void *unused)
{
	while (!kthread_should_stop()) {
		control_counter++;
		cond_resched();
	}
	return 0;
}

/* KCSAN: two threads that count in one variable. */
static int control_race(void)
{
	struct task_struct *threads[2];
	int i, err = 0;

	for (i = 0; i < ARRAY_SIZE(threads); i++)
		threads[i] = kthread_run(control_count, NULL,
					 "vhostaccel_control/%d", i);
	msleep(CONTROL_RACE_MSEC);
	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		if (IS_ERR(threads[i]))
			err = PTR_ERR(threads[i]);
		else
			kthread_stop(threads[i]);
	}
	return err;
}

static const struct {
	const char *name;
	int (*make)(void);
} control_mistakes[] = {
	{ "access", control_access },
	{ "leak", control_leak },
	{ "lock-order", control_lock_order },
	{ "sleep", control_sleep },
	{ "dma", control_dma },
	{ "shift", control_shift },
	{ "race", control_race },
};

static int __init control_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(control_mistakes); i++) {
		if (sysfs_streq(provoke, control_mistakes[i].name))
			return control_mistakes[i].make();
	}
	pr_err("there is no mistake \"%s\"\n", provoke);
	return -EINVAL;
}

static void __exit control_exit(void)
{
}

module_init(control_init);
module_exit(control_exit);

MODULE_DESCRIPTION("Positive controls of debug kernels");
MODULE_LICENSE("GPL");
