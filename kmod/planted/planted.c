// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mistakes made on purpose, for the checkers to find: a checker that reports
 * nothing here is not to be believed when it reports nothing elsewhere. No part
 * of the series; vhostaccel/kmod/control.py lists which checker finds what.
 */

#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/types.h>

static DEFINE_SPINLOCK(planted_lock);
static DEFINE_MUTEX(planted_mutex);

/* W=1: no prototype, and a variable that nobody reads. */
int planted_unannounced(int given)
{
	int unread;

	unread = given + 1;
	return given;
}

/**
 * planted_undescribed - kernel-doc: a parameter without a word
 * @known: described
 */
u32 planted_undescribed(u32 known, u32 unknown);
u32 planted_undescribed(u32 known, u32 unknown)
{
	return known + unknown;
}

/* sparse: big endian taken for the CPU's, userspace read as if it were ours, and
 * a lock that is kept on one way out.
 */
u32 planted_endian(__be32 wire);
u32 planted_endian(__be32 wire)
{
	return wire;
}

int planted_user(int __user *there);
int planted_user(int __user *there)
{
	int *here = there;

	return here != NULL;
}

int planted_kept(int given);
int planted_kept(int given)
{
	spin_lock(&planted_lock);
	if (given)
		return given;
	spin_unlock(&planted_lock);
	return 0;
}

/* coccicheck: a mutex taken twice, memory used after it was freed. */
void planted_twice(void);
void planted_twice(void)
{
	mutex_lock(&planted_mutex);
	mutex_lock(&planted_mutex);
	mutex_unlock(&planted_mutex);
}

int planted_freed(int *memory);
int planted_freed(int *memory)
{
	kfree(memory);
	return *memory;
}

/* clang: a variable that one branch leaves without a value. */
int planted_unset(bool set);
int planted_unset(bool set)
{
	int value;

	if (set)
		value = 1;
	return value;
}

/* 32 bits: a size is no long there, and 64 bits cannot be divided. */
int planted_size(char *text, size_t size);
int planted_size(char *text, size_t size)
{
	return snprintf(text, 24, "%lu", size);
}

u64 planted_share(u64 sum, u64 number);
u64 planted_share(u64 sum, u64 number)
{
	return sum / number;
}

MODULE_DESCRIPTION("Mistakes for checkers to find");
MODULE_LICENSE("GPL");
