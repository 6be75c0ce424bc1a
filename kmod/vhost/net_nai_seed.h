/* SPDX-License-Identifier: GPL-2.0-only */
/* What net_nai.c calls of net_nai_seed.c. */
#ifndef _VHOST_NET_NAI_SEED_H
#define _VHOST_NET_NAI_SEED_H

#include <linux/types.h>

struct nai_fq;
struct nai_frame;
struct task_struct;
struct vhost_nai_seeder;
struct vhost_net_virtqueue;

/* Process context, no vq mutex. NULL without memory. */
struct vhost_nai_seeder *
vhost_nai_seeder_create(struct vhost_net_virtqueue *nvq, struct nai_fq *fq,
			struct task_struct *owner);
/* Nothing is out any more. */
void vhost_nai_seeder_destroy(struct vhost_nai_seeder *s);
/* The hardware is stopped: all that is out goes back to the guest's ring. */
void vhost_nai_seeder_revoke(struct vhost_nai_seeder *s);

/* The worker, vq mutex held. */

/* Post what the guest has to offer; notification of the ring is off. */
void vhost_nai_seeder_refill(struct vhost_nai_seeder *s);
/* No descriptor is left to copy a frame to. */
void vhost_nai_seeder_starved(struct vhost_nai_seeder *s);
/* Return: bytes, the header included. */
size_t vhost_nai_seeder_deliver(struct vhost_nai_seeder *s,
				const struct nai_frame *frame);
/* What it holds now is to be shown. */
void vhost_nai_seeder_report(const struct vhost_nai_seeder *s);
/* The tap waits for descriptors and no frame came. True: what the hardware has is
 * to be taken back.
 */
bool vhost_nai_seeder_gives_up(struct vhost_nai_seeder *s);
/* Does the hardware have descriptors of the guest's? */
bool vhost_nai_seeder_is_out(const struct vhost_nai_seeder *s);

#endif /* _VHOST_NET_NAI_SEED_H */
