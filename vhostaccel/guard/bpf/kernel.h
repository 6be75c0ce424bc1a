/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's own types, as far as the guard looks at them.
 *
 * Only names and types of the fields matter: where they are is found when the program
 * is loaded, in the type information (BTF) of the kernel that runs and of its module
 * tun, so one object serves all kernels.
 */
#ifndef VHOSTACCEL_GUARD_KERNEL_H
#define VHOSTACCEL_GUARD_KERNEL_H

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct net_device {
	int ifindex;
	possible_net_t nd_net;
};

struct ptr_ring {
	int producer;
	int consumer_head;
	int size;
	void **queue;
};

struct tun_file;

struct tun_struct {
	struct tun_file *tfiles[1];	/* more in fact */
	unsigned int numqueues;
	struct net_device *dev;
};

struct tun_file {
	struct tun_struct *tun;
	struct ptr_ring tx_ring;
};

struct inode {
	__u32 i_rdev;
};

struct file {
	struct inode *f_inode;
	void *private_data;
};

struct task_struct {
	int tgid;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

#pragma clang attribute pop

#endif /* VHOSTACCEL_GUARD_KERNEL_H */
