// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/nai.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "nai_nl_gen.h"

#include <uapi/linux/nai.h>

/* NAI_CMD_ATTACH - do */
static const struct nla_policy nai_attach_nl_policy[NAI_A_FQ_TX + 1] = {
	[NAI_A_FQ_TAP_IFINDEX] = { .type = NLA_U32, },
	[NAI_A_FQ_TAP_QUEUE] = { .type = NLA_U32, },
	[NAI_A_FQ_PORT_IFINDEX] = { .type = NLA_U32, },
	[NAI_A_FQ_MODE] = NLA_POLICY_MAX(NLA_U32, 1),
	[NAI_A_FQ_MAC] = NLA_POLICY_EXACT_LEN(6),
	[NAI_A_FQ_LOW] = { .type = NLA_U32, },
	[NAI_A_FQ_HIGH] = { .type = NLA_U32, },
	[NAI_A_FQ_FORCE] = { .type = NLA_FLAG, },
	[NAI_A_FQ_LINGER] = NLA_POLICY_MAX(NLA_U32, 3600),
	[NAI_A_FQ_TX] = { .type = NLA_FLAG, },
};

/* NAI_CMD_DETACH - do */
static const struct nla_policy nai_detach_nl_policy[NAI_A_FQ_TAP_QUEUE + 1] = {
	[NAI_A_FQ_TAP_IFINDEX] = { .type = NLA_U32, },
	[NAI_A_FQ_TAP_QUEUE] = { .type = NLA_U32, },
};

/* Ops table for nai */
static const struct genl_split_ops nai_nl_ops[] = {
	{
		.cmd	= NAI_CMD_PORT_GET,
		.dumpit	= nai_nl_port_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd	= NAI_CMD_CLIENT_GET,
		.dumpit	= nai_nl_client_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd	= NAI_CMD_FQ_GET,
		.dumpit	= nai_nl_fq_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= NAI_CMD_ATTACH,
		.doit		= nai_nl_attach_doit,
		.policy		= nai_attach_nl_policy,
		.maxattr	= NAI_A_FQ_TX,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= NAI_CMD_DETACH,
		.doit		= nai_nl_detach_doit,
		.policy		= nai_detach_nl_policy,
		.maxattr	= NAI_A_FQ_TAP_QUEUE,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
};

static const struct genl_multicast_group nai_nl_mcgrps[] = {
	[NAI_NLGRP_EVENTS] = { "events", },
};

struct genl_family nai_nl_family __ro_after_init = {
	.name		= NAI_FAMILY_NAME,
	.version	= NAI_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.split_ops	= nai_nl_ops,
	.n_split_ops	= ARRAY_SIZE(nai_nl_ops),
	.mcgrps		= nai_nl_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(nai_nl_mcgrps),
};
