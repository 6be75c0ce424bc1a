// SPDX-License-Identifier: GPL-2.0-only
/*
 * The level of a frame queue's stock of buffers. Nothing here but arithmetic:
 * no locks, no frame queues.
 *
 *   normal --posted < low--> low --posted == 0--> empty
 *   low, empty --posted >= high--> normal
 *
 * The gap between low and high keeps the level from changing with every frame.
 */

#include <kunit/visibility.h>
#include <linux/export.h>

#include "nai_core.h"

/**
 * nai_congestion_next - the level after the stock has changed
 * @now: level so far
 * @posted: buffers that the hardware can still fill
 * @low: fewer than this are low
 * @high: as many as this are normal again
 *
 * Return: the level from now on.
 */
enum nai_congestion nai_congestion_next(enum nai_congestion now,
					unsigned int posted, unsigned int low,
					unsigned int high)
{
	if (posted >= high)
		return NAI_CONGESTION_NORMAL;
	if (!posted)
		return NAI_CONGESTION_EMPTY;
	if (now == NAI_CONGESTION_NORMAL && posted < low)
		return NAI_CONGESTION_LOW;
	return now;
}
EXPORT_SYMBOL_IF_KUNIT(nai_congestion_next);

/**
 * nai_congestion_set_marks - fill in the defaults and check
 * @depth: buffers of the queue
 * @low: 0 for an eighth of @depth
 * @high: 0 for half of @depth
 *
 * Return: true if 0 < low < high <= depth.
 */
bool nai_congestion_set_marks(unsigned int depth, u32 *low, u32 *high)
{
	if (!*low)
		*low = depth / 8;
	if (!*high)
		*high = depth / 2;
	return *low < *high && *high <= depth;
}
EXPORT_SYMBOL_IF_KUNIT(nai_congestion_set_marks);
