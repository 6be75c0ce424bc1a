// SPDX-License-Identifier: GPL-2.0-only
/*
 * Failures of a software NIC to order, and what it has counted.
 *
 * DOC: naisim/ID/ in debugfs
 *
 * A knob is a number. Those that count fail the next so many times; what is read
 * is what is left. The others hold until written again.
 *
 * counting:
 *
 * hold: a frame is written to its buffer and its completion kept back, and with
 * it those of all later frames of that queue; writing 0 releases them. A queue
 * that is stopped loses them, and its buffers are good again.
 *
 * fail_fq_alloc, fail_fq_start: no queue to lend; a queue does not start.
 *
 * fail_map: no filter is left for the address. A DMA mapping itself cannot be
 * made to fail here, since nobody but the kernel makes them.
 *
 * lose_irq: an interrupt is lost. It stays armed, so the next frame's comes.
 *
 * truncate, oversize: the completion tells one byte less than a header, or one
 * more than the buffer has. No more than the buffer is ever written.
 *
 * duplicate: a completion is returned twice in a row; the core has to refuse the
 * second.
 *
 * rx_error, csum_ok: the completion has NAI_RX_ERR, NAI_RX_CSUM_OK.
 *
 * tx_refuse: the queue takes nothing to send this time.
 *
 * tx_excess: it claims to have sent more than it was given.
 *
 * lasting:
 *
 * stop_delay_us: fq_stop() finds a buffer that the engine is going to write this
 * much later, and waits for it; above 50000 it breaks its contract. The frame is
 * the next that comes for the queue, or else none: a buffer full of the canary,
 * completed with NAI_RX_ERR. Without posted buffers there is nothing to wait for.
 *
 * stop_lies: fq_stop() does not wait. The buffer is written all the same, when
 * it belongs to somebody else.
 *
 * engine_delay_us: the engine pauses before each frame, and after those that it
 * sends. A late write waits for the end of a pause.
 *
 * tx_stall: the engine sends nothing of what the frame queues hold. When it is
 * stopped a queue loses it.
 *
 * reset: any write resets the port. counters: a name and a number a line.
 *
 * DOC: locking
 *
 * Knobs and counters are atomic. No file is used any more when
 * naisim_debugfs_del() returns, which is called without RTNL, for reset takes it.
 */

#include <linux/debugfs.h>
#include <linux/rtnetlink.h>
#include <linux/seq_file.h>

#include "naisim.h"

static const char * const naisim_knob_names[] = {
	[NAISIM_KNOB_HOLD]		= "hold",
	[NAISIM_KNOB_STOP_DELAY_US]	= "stop_delay_us",
	[NAISIM_KNOB_STOP_LIES]		= "stop_lies",
	[NAISIM_KNOB_ENGINE_DELAY_US]	= "engine_delay_us",
	[NAISIM_KNOB_FAIL_FQ_ALLOC]	= "fail_fq_alloc",
	[NAISIM_KNOB_FAIL_FQ_START]	= "fail_fq_start",
	[NAISIM_KNOB_FAIL_MAP]		= "fail_map",
	[NAISIM_KNOB_LOSE_IRQ]		= "lose_irq",
	[NAISIM_KNOB_TRUNCATE]		= "truncate",
	[NAISIM_KNOB_OVERSIZE]		= "oversize",
	[NAISIM_KNOB_DUPLICATE]		= "duplicate",
	[NAISIM_KNOB_RX_ERROR]		= "rx_error",
	[NAISIM_KNOB_CSUM_OK]		= "csum_ok",
	[NAISIM_KNOB_TX_STALL]		= "tx_stall",
	[NAISIM_KNOB_TX_REFUSE]		= "tx_refuse",
	[NAISIM_KNOB_TX_EXCESS]		= "tx_excess",
};

/* Frames from the wire: wire_frames is the sum of the port_, fq_ and no_link
 * ones, but for those that are on their way.
 */
static const char * const naisim_count_names[] = {
	[NAISIM_WIRE_FRAMES]	= "wire_frames",
	[NAISIM_PORT_FRAMES]	= "port_frames",
	[NAISIM_PORT_DROPS]	= "port_drops",
	[NAISIM_FQ_FRAMES]	= "fq_frames",
	[NAISIM_FQ_OVERRUNS]	= "fq_overruns",
	[NAISIM_FQ_STOPPED]	= "fq_stopped",
	[NAISIM_FQ_TOO_LONG]	= "fq_too_long",
	[NAISIM_NO_LINK]	= "no_link",
	[NAISIM_TX_FRAMES]	= "tx_frames",
	[NAISIM_TX_DROPS]	= "tx_drops",
	[NAISIM_FQ_TX_FRAMES]	= "fq_tx_frames",
	[NAISIM_FQ_TX_DROPS]	= "fq_tx_drops",
	[NAISIM_HELD_LOST]	= "held_lost",
	[NAISIM_LATE_WRITES]	= "late_writes",
	[NAISIM_LIES]		= "lies",
	[NAISIM_LIE_WRITES]	= "lie_writes",
	[NAISIM_IRQS]		= "irqs",
	[NAISIM_IRQS_LOST]	= "irqs_lost",
	[NAISIM_RESETS]		= "resets",
};

static int naisim_knob_get(void *data, u64 *value)
{
	*value = atomic_read((atomic_t *)data);
	return 0;
}

static int naisim_knob_set(void *data, u64 value)
{
	if (value > INT_MAX)
		return -ERANGE;
	atomic_set((atomic_t *)data, value);
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(naisim_knob_fops, naisim_knob_get, naisim_knob_set,
			 "%llu\n");

static int naisim_hold_get(void *data, u64 *value)
{
	struct naisim *sim = data;

	*value = naisim_knob(sim, NAISIM_KNOB_HOLD);
	return 0;
}

static int naisim_hold_set(void *data, u64 value)
{
	struct naisim *sim = data;
	unsigned int i;
	int err;

	err = naisim_knob_set(&sim->knobs[NAISIM_KNOB_HOLD], value);
	if (err || value)
		return err;
	for (i = 0; i < sim->nr_queues; i++)
		naisim_queue_release(&sim->queues[i]);
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(naisim_hold_fops, naisim_hold_get, naisim_hold_set,
			 "%llu\n");

static int naisim_reset_set(void *data, u64 value)
{
	rtnl_lock();
	naisim_reset(data);
	rtnl_unlock();
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(naisim_reset_fops, NULL, naisim_reset_set, "%llu\n");

static int naisim_counters_show(struct seq_file *file, void *unused)
{
	struct naisim *sim = file->private;
	unsigned int i;

	for (i = 0; i < NAISIM_COUNTS; i++)
		seq_printf(file, "%s %lld\n", naisim_count_names[i],
			   atomic64_read(&sim->counts[i]));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(naisim_counters);

void naisim_debugfs_add(struct naisim *sim, struct dentry *root)
{
	char name[12];
	unsigned int i;

	snprintf(name, sizeof(name), "%d", sim->pdev->id);
	sim->dir = debugfs_create_dir(name, root);
	debugfs_create_file_unsafe("hold", 0600, sim->dir, sim,
				   &naisim_hold_fops);
	for (i = NAISIM_KNOB_HOLD + 1; i < NAISIM_KNOBS; i++)
		debugfs_create_file_unsafe(naisim_knob_names[i], 0600, sim->dir,
					   &sim->knobs[i], &naisim_knob_fops);
	debugfs_create_file_unsafe("reset", 0200, sim->dir, sim,
				   &naisim_reset_fops);
	debugfs_create_file("counters", 0400, sim->dir, sim,
			    &naisim_counters_fops);
}

void naisim_debugfs_del(struct naisim *sim)
{
	debugfs_remove(sim->dir);
}
