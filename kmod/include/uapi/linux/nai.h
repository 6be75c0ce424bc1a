/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/nai.yaml */
/* YNL-GEN uapi header */

#ifndef _UAPI_LINUX_NAI_H
#define _UAPI_LINUX_NAI_H

#define NAI_FAMILY_NAME		"nai"
#define NAI_FAMILY_VERSION	1

/**
 * enum nai_mode - How the frames of a leased queue reach the guest.
 * @NAI_MODE_COPY: Polled by the vhost worker, one copy into the virtqueue.
 * @NAI_MODE_SEED: The hardware writes to the guest's own buffers where it can,
 *   else as copy.
 */
enum nai_mode {
	NAI_MODE_COPY,
	NAI_MODE_SEED,
};

/**
 * enum nai_seed_bar - Why a lease of mode seed copies for the time being, or
 *   for good.
 * @NAI_SEED_BAR_NONE: It does not, but for single buffers that cannot be
 *   posted.
 * @NAI_SEED_BAR_LOG: Writes to the guest's memory are logged, as when it
 *   migrates.
 * @NAI_SEED_BAR_IOMMU: The guest's buffers are behind a virtual IOMMU.
 * @NAI_SEED_BAR_RING: The guest's ring is too small to spare descriptors.
 * @NAI_SEED_BAR_MEMLOCK: The limit of locked memory of the guest's process is
 *   too low.
 */
enum nai_seed_bar {
	NAI_SEED_BAR_NONE,
	NAI_SEED_BAR_LOG,
	NAI_SEED_BAR_IOMMU,
	NAI_SEED_BAR_RING,
	NAI_SEED_BAR_MEMLOCK,
};

/**
 * enum nai_fq_state - What a leased queue does.
 * @NAI_FQ_STATE_ATTACHING: Made, and not stocked yet.
 * @NAI_FQ_STATE_RUNNING: Stocked; frames come.
 * @NAI_FQ_STATE_PAUSED: The port is down or resets; the lease holds.
 * @NAI_FQ_STATE_DEAD: The port is gone; the lease ends as soon as the client
 *   lets go.
 */
enum nai_fq_state {
	NAI_FQ_STATE_ATTACHING,
	NAI_FQ_STATE_RUNNING,
	NAI_FQ_STATE_PAUSED,
	NAI_FQ_STATE_DEAD,
};

/**
 * enum nai_congestion - The stock of buffers that the hardware still has for a
 *   queue.
 * @NAI_CONGESTION_NORMAL: Enough.
 * @NAI_CONGESTION_LOW: Fewer than the low mark.
 * @NAI_CONGESTION_EMPTY: The hardware drops until the guest returns buffers.
 */
enum nai_congestion {
	NAI_CONGESTION_NORMAL,
	NAI_CONGESTION_LOW,
	NAI_CONGESTION_EMPTY,
};

/**
 * enum nai_detach_reason - Why a lease ended.
 * @NAI_DETACH_REASON_REQUESTED: Somebody asked for it.
 * @NAI_DETACH_REASON_BACKEND: The vhost backend was taken away, or the guest
 *   ended.
 * @NAI_DETACH_REASON_PORT_GONE: The port was unregistered.
 * @NAI_DETACH_REASON_TAP_GONE: The tap was unregistered.
 * @NAI_DETACH_REASON_POLICY: Host policy on the tap, its bridge port or the
 *   bridge changed after attach.
 * @NAI_DETACH_REASON_FEATURES: The guest negotiated what frame queues cannot
 *   serve.
 * @NAI_DETACH_REASON_MEMORY: The guest's memory could not be written.
 * @NAI_DETACH_REASON_HARDWARE: The port could not start the queue again.
 */
enum nai_detach_reason {
	NAI_DETACH_REASON_REQUESTED,
	NAI_DETACH_REASON_BACKEND,
	NAI_DETACH_REASON_PORT_GONE,
	NAI_DETACH_REASON_TAP_GONE,
	NAI_DETACH_REASON_POLICY,
	NAI_DETACH_REASON_FEATURES,
	NAI_DETACH_REASON_MEMORY,
	NAI_DETACH_REASON_HARDWARE,
};

/**
 * enum nai_drop_reason - Why a frame that the NIC had delivered did not reach
 *   the guest.
 * @NAI_DROP_REASON_FAULT: The guest's buffer could not be written.
 * @NAI_DROP_REASON_OVERSIZE: No chain of the guest's buffers was large enough.
 * @NAI_DROP_REASON_ERROR: The NIC marked the frame as in error.
 * @NAI_DROP_REASON_DESCRIPTOR: The guest's ring was not valid.
 * @NAI_DROP_REASON_DETACH: The frame waited when its lease ended.
 * @NAI_DROP_REASON_NO_DESCRIPTOR: The hardware had every descriptor of the
 *   guest's that was left.
 */
enum nai_drop_reason {
	NAI_DROP_REASON_FAULT,
	NAI_DROP_REASON_OVERSIZE,
	NAI_DROP_REASON_ERROR,
	NAI_DROP_REASON_DESCRIPTOR,
	NAI_DROP_REASON_DETACH,
	NAI_DROP_REASON_NO_DESCRIPTOR,
};

/**
 * enum nai_tx_drop_reason - Why a frame that the guest sent did not leave by
 *   its queue, nor by the tap.
 * @NAI_TX_DROP_REASON_SPOOF: Its source is not the address of the lease.
 * @NAI_TX_DROP_REASON_VLAN: It has a VLAN tag.
 * @NAI_TX_DROP_REASON_HEADER: What its virtio-net header says about the
 *   checksum cannot be.
 * @NAI_TX_DROP_REASON_STOP: The queue was stopped before it was sent.
 */
enum nai_tx_drop_reason {
	NAI_TX_DROP_REASON_SPOOF,
	NAI_TX_DROP_REASON_VLAN,
	NAI_TX_DROP_REASON_HEADER,
	NAI_TX_DROP_REASON_STOP,
};

enum {
	NAI_A_FQ_ID = 1,
	NAI_A_FQ_PORT_IFINDEX,
	NAI_A_FQ_PORT_QUEUE,
	NAI_A_FQ_TAP_IFINDEX,
	NAI_A_FQ_TAP_QUEUE,
	NAI_A_FQ_MODE,
	NAI_A_FQ_MAC,
	NAI_A_FQ_STATE,
	NAI_A_FQ_CONGESTION,
	NAI_A_FQ_DEPTH,
	NAI_A_FQ_POSTED,
	NAI_A_FQ_LOW,
	NAI_A_FQ_HIGH,
	NAI_A_FQ_FORCE,
	NAI_A_FQ_REASON,
	NAI_A_FQ_STATS,
	NAI_A_FQ_LINGER,
	NAI_A_FQ_TX,
	NAI_A_FQ_LEVEL,
	NAI_A_FQ_LEVEL_REASON,
	NAI_A_FQ_PINNED,

	__NAI_A_FQ_MAX,
	NAI_A_FQ_MAX = (__NAI_A_FQ_MAX - 1)
};

enum {
	NAI_A_STATS_PAD = 1,
	NAI_A_STATS_RX_PACKETS,
	NAI_A_STATS_RX_BYTES,
	NAI_A_STATS_RX_DROPS,
	NAI_A_STATS_RX_HW_DROP_OVERRUNS,
	NAI_A_STATS_RX_DROP_FAULT,
	NAI_A_STATS_RX_DROP_OVERSIZE,
	NAI_A_STATS_RX_DROP_ERROR,
	NAI_A_STATS_RX_DROP_DESCRIPTOR,
	NAI_A_STATS_RX_DROP_DETACH,
	NAI_A_STATS_IRQS,
	NAI_A_STATS_WAKES,
	NAI_A_STATS_STARVED,
	NAI_A_STATS_LOW_EVENTS,
	NAI_A_STATS_EMPTY_EVENTS,
	NAI_A_STATS_RESETS,
	NAI_A_STATS_TX_PACKETS,
	NAI_A_STATS_TX_BYTES,
	NAI_A_STATS_TX_DROPS,
	NAI_A_STATS_TX_DROP_SPOOF,
	NAI_A_STATS_TX_DROP_VLAN,
	NAI_A_STATS_TX_DROP_HEADER,
	NAI_A_STATS_TX_DROP_STOP,
	NAI_A_STATS_TX_TAP,
	NAI_A_STATS_TX_FULL,
	NAI_A_STATS_RX_DROP_NO_DESCRIPTOR,
	NAI_A_STATS_RX_SEEDED,
	NAI_A_STATS_SEED_REFUSED,
	NAI_A_STATS_SEED_RETURNED,
	NAI_A_STATS_SEED_REWOUND,

	__NAI_A_STATS_MAX,
	NAI_A_STATS_MAX = (__NAI_A_STATS_MAX - 1)
};

enum {
	NAI_A_PORT_IFINDEX = 1,
	NAI_A_PORT_DRIVER,
	NAI_A_PORT_MAX_QUEUES,
	NAI_A_PORT_LEASED,
	NAI_A_PORT_DEPTH,
	NAI_A_PORT_MAX_FRAME,
	NAI_A_PORT_TX_DEPTH,
	NAI_A_PORT_TX_MAX_FRAME,

	__NAI_A_PORT_MAX,
	NAI_A_PORT_MAX = (__NAI_A_PORT_MAX - 1)
};

enum {
	NAI_A_CLIENT_TAP_IFINDEX = 1,
	NAI_A_CLIENT_TAP_QUEUE,
	NAI_A_CLIENT_FQ_ID,
	NAI_A_CLIENT_FALLBACKS,
	NAI_A_CLIENT_LAST_REASON,
	NAI_A_CLIENT_PID,

	__NAI_A_CLIENT_MAX,
	NAI_A_CLIENT_MAX = (__NAI_A_CLIENT_MAX - 1)
};

enum {
	NAI_CMD_PORT_GET = 1,
	NAI_CMD_CLIENT_GET,
	NAI_CMD_FQ_GET,
	NAI_CMD_ATTACH,
	NAI_CMD_DETACH,
	NAI_CMD_ATTACHED_NTF,
	NAI_CMD_DETACHED_NTF,
	NAI_CMD_LEVEL_CHANGED_NTF,
	NAI_CMD_CONGESTED_NTF,
	NAI_CMD_CLEARED_NTF,

	__NAI_CMD_MAX,
	NAI_CMD_MAX = (__NAI_CMD_MAX - 1)
};

#define NAI_MCGRP_EVENTS	"events"

#endif /* _UAPI_LINUX_NAI_H */
