/* SPDX-License-Identifier: GPL-2.0-only */
/* A lease is the same number in all of these, in netlink and in its events. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM nai

#if !defined(_TRACE_NAI_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_NAI_H

#include <linux/if_ether.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <uapi/linux/nai.h>

/* For tools that read the format, which know no enums. */
TRACE_DEFINE_ENUM(NAI_DETACH_REASON_REQUESTED);
TRACE_DEFINE_ENUM(NAI_DETACH_REASON_BACKEND);
TRACE_DEFINE_ENUM(NAI_DETACH_REASON_PORT_GONE);
TRACE_DEFINE_ENUM(NAI_DETACH_REASON_TAP_GONE);
TRACE_DEFINE_ENUM(NAI_DETACH_REASON_POLICY);
TRACE_DEFINE_ENUM(NAI_DETACH_REASON_FEATURES);
TRACE_DEFINE_ENUM(NAI_DETACH_REASON_MEMORY);
TRACE_DEFINE_ENUM(NAI_DETACH_REASON_HARDWARE);
TRACE_DEFINE_ENUM(NAI_DROP_REASON_FAULT);
TRACE_DEFINE_ENUM(NAI_DROP_REASON_OVERSIZE);
TRACE_DEFINE_ENUM(NAI_DROP_REASON_ERROR);
TRACE_DEFINE_ENUM(NAI_DROP_REASON_DESCRIPTOR);
TRACE_DEFINE_ENUM(NAI_DROP_REASON_DETACH);
TRACE_DEFINE_ENUM(NAI_DROP_REASON_NO_DESCRIPTOR);
TRACE_DEFINE_ENUM(NAI_TX_DROP_REASON_SPOOF);
TRACE_DEFINE_ENUM(NAI_TX_DROP_REASON_VLAN);
TRACE_DEFINE_ENUM(NAI_TX_DROP_REASON_HEADER);
TRACE_DEFINE_ENUM(NAI_TX_DROP_REASON_STOP);
TRACE_DEFINE_ENUM(NAI_CONGESTION_NORMAL);
TRACE_DEFINE_ENUM(NAI_CONGESTION_LOW);
TRACE_DEFINE_ENUM(NAI_CONGESTION_EMPTY);

#define nai_trace_reason_name(value)			\
	__print_symbolic(value,				\
		{ NAI_DETACH_REASON_REQUESTED, "requested" },\
		{ NAI_DETACH_REASON_BACKEND, "backend" },\
		{ NAI_DETACH_REASON_PORT_GONE, "port-gone" },\
		{ NAI_DETACH_REASON_TAP_GONE, "tap-gone" },\
		{ NAI_DETACH_REASON_POLICY, "policy" },	\
		{ NAI_DETACH_REASON_FEATURES, "features" },\
		{ NAI_DETACH_REASON_MEMORY, "memory" },	\
		{ NAI_DETACH_REASON_HARDWARE, "hardware" })

#define nai_trace_drop_name(value)			\
	__print_symbolic(value,				\
		{ NAI_DROP_REASON_FAULT, "fault" },	\
		{ NAI_DROP_REASON_OVERSIZE, "oversize" },\
		{ NAI_DROP_REASON_ERROR, "error" },	\
		{ NAI_DROP_REASON_DESCRIPTOR, "descriptor" },\
		{ NAI_DROP_REASON_DETACH, "detach" },	\
		{ NAI_DROP_REASON_NO_DESCRIPTOR, "no-descriptor" })

#define nai_trace_tx_drop_name(value)			\
	__print_symbolic(value,				\
		{ NAI_TX_DROP_REASON_SPOOF, "spoof" },	\
		{ NAI_TX_DROP_REASON_VLAN, "vlan" },	\
		{ NAI_TX_DROP_REASON_HEADER, "header" },\
		{ NAI_TX_DROP_REASON_STOP, "stop" })

#define nai_trace_level_name(value)			\
	__print_symbolic(value,				\
		{ NAI_CONGESTION_NORMAL, "normal" },	\
		{ NAI_CONGESTION_LOW, "low" },		\
		{ NAI_CONGESTION_EMPTY, "empty" })

TRACE_EVENT(nai_attach,

	TP_PROTO(u32 id, int port, u16 port_queue, int tap, u16 tap_queue,
		 const u8 *mac),
	TP_ARGS(id, port, port_queue, tap, tap_queue, mac),

	TP_STRUCT__entry(
		__field(u32, id)
		__field(int, port)
		__field(int, tap)
		__field(u16, port_queue)
		__field(u16, tap_queue)
		__array(u8, mac, ETH_ALEN)
	),

	TP_fast_assign(
		__entry->id = id;
		__entry->port = port;
		__entry->tap = tap;
		__entry->port_queue = port_queue;
		__entry->tap_queue = tap_queue;
		memcpy(__entry->mac, mac, ETH_ALEN);
	),

	TP_printk("id=%u port=%d port_queue=%u tap=%d tap_queue=%u mac=%pM",
		  __entry->id, __entry->port, __entry->port_queue,
		  __entry->tap, __entry->tap_queue, __entry->mac)
);

TRACE_EVENT(nai_detach,

	TP_PROTO(u32 id, int tap, u16 tap_queue, int reason, u64 delivered,
		 u64 dropped),
	TP_ARGS(id, tap, tap_queue, reason, delivered, dropped),

	TP_STRUCT__entry(
		__field(u32, id)
		__field(int, tap)
		__field(u16, tap_queue)
		__field(int, reason)
		__field(u64, delivered)
		__field(u64, dropped)
	),

	TP_fast_assign(
		__entry->id = id;
		__entry->tap = tap;
		__entry->tap_queue = tap_queue;
		__entry->reason = reason;
		__entry->delivered = delivered;
		__entry->dropped = dropped;
	),

	TP_printk("id=%u tap=%d tap_queue=%u reason=%s delivered=%llu dropped=%llu",
		  __entry->id, __entry->tap, __entry->tap_queue,
		  nai_trace_reason_name(__entry->reason),
		  __entry->delivered, __entry->dropped)
);

TRACE_EVENT(nai_congestion,

	TP_PROTO(u32 id, int was, int level, unsigned int posted),
	TP_ARGS(id, was, level, posted),

	TP_STRUCT__entry(
		__field(u32, id)
		__field(int, was)
		__field(int, level)
		__field(unsigned int, posted)
	),

	TP_fast_assign(
		__entry->id = id;
		__entry->was = was;
		__entry->level = level;
		__entry->posted = posted;
	),

	TP_printk("id=%u was=%s level=%s posted=%u", __entry->id,
		  nai_trace_level_name(__entry->was),
		  nai_trace_level_name(__entry->level),
		  __entry->posted)
);

TRACE_EVENT(nai_irq,

	TP_PROTO(u32 id, bool woken),
	TP_ARGS(id, woken),

	TP_STRUCT__entry(
		__field(u32, id)
		__field(bool, woken)
	),

	TP_fast_assign(
		__entry->id = id;
		__entry->woken = woken;
	),

	TP_printk("id=%u woken=%d", __entry->id, __entry->woken)
);

TRACE_EVENT(nai_starved,

	TP_PROTO(u32 id, unsigned int posted, unsigned int ready),
	TP_ARGS(id, posted, ready),

	TP_STRUCT__entry(
		__field(u32, id)
		__field(unsigned int, posted)
		__field(unsigned int, ready)
	),

	TP_fast_assign(
		__entry->id = id;
		__entry->posted = posted;
		__entry->ready = ready;
	),

	TP_printk("id=%u posted=%u ready=%u", __entry->id, __entry->posted,
		  __entry->ready)
);

DECLARE_EVENT_CLASS(nai_drop_class,

	TP_PROTO(u32 id, int reason, unsigned int frames),
	TP_ARGS(id, reason, frames),

	TP_STRUCT__entry(
		__field(u32, id)
		__field(int, reason)
		__field(unsigned int, frames)
	),

	TP_fast_assign(
		__entry->id = id;
		__entry->reason = reason;
		__entry->frames = frames;
	),

	TP_printk("id=%u reason=%s frames=%u", __entry->id,
		  nai_trace_drop_name(__entry->reason),
		  __entry->frames)
);

DEFINE_EVENT(nai_drop_class, nai_drop,

	TP_PROTO(u32 id, int reason, unsigned int frames),
	TP_ARGS(id, reason, frames)
);

/* The same, with the reasons of the guest's own frames. */
DEFINE_EVENT_PRINT(nai_drop_class, nai_tx_drop,

	TP_PROTO(u32 id, int reason, unsigned int frames),
	TP_ARGS(id, reason, frames),

	TP_printk("id=%u reason=%s frames=%u", __entry->id,
		  nai_trace_tx_drop_name(__entry->reason),
		  __entry->frames)
);

#endif /* _TRACE_NAI_H */

#include <trace/define_trace.h>
