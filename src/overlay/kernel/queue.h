/* SPDX-License-Identifier: MIT
 *
 * Packets that leave by an interface of the kernel's WireGuard to addresses no peer has: nftables
 * gives them to us (NFQUEUE) and we hold them until there is a peer, or somebody refuses. It is
 * what core/wanted.h is in a tunnel of our own.
 */
#ifndef ADIT_OVERLAY_KERNEL_QUEUE_H
#define ADIT_OVERLAY_KERNEL_QUEUE_H

#include <net/if.h>

#include "base/address.h"

struct queue;

/* Make the nftables table "adit-kernel-IFNAME" and bind its queue. Until queue_watch all packets
 * pass, and the kernel answers those without a peer itself. Returns 0 or a negative errno. Needs
 * CAP_NET_ADMIN, libnftables, and nft_queue in the kernel. */
MUST_CHECK int queue_new(const char ifname[IFNAMSIZ], struct queue **ret_queue);
void queue_free(struct queue *queue); /* takes NULL; removes the table, what is held is dropped */

/* The descriptor to poll for packets. */
int queue_fd(const struct queue *queue);

/* Whether packets without a peer are held. */
void queue_watch(struct queue *queue, bool on);

/* An address or prefix has a peer from now on: what is held for it goes out. Or has none any more.
 */
MUST_CHECK int queue_add_peer(struct queue *queue, const struct prefix *prefix);
MUST_CHECK int queue_remove_peer(struct queue *queue, const struct prefix *prefix);

/* What is held for an address or prefix goes out. */
void queue_pass(struct queue *queue, const struct prefix *prefix);

/* Whether a prefix has an address. */
bool queue_prefix_has(const struct prefix *prefix, const struct prefix *address);

/* Take in one packet, without waiting. Returns 1 with the address it wants to reach if it is the
 * first one to it, 0 if there is nothing to tell, or a negative errno (-EAGAIN: no more). */
MUST_CHECK int queue_next(struct queue *queue, struct prefix *ret_address);

/* Answer what is held for an address by ICMP (administratively prohibited), and what comes in the
 * next seconds. */
MUST_CHECK int queue_refuse(struct queue *queue, const struct prefix *address);

/* Drop what has been held for too long. Returns when to call again in milliseconds, -1: never. */
int queue_expire(struct queue *queue);

#endif
