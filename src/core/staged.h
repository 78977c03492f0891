/* SPDX-License-Identifier: MIT
 *
 * Packets that wait for a keypair: a first-in first-out queue per peer, at most 128 packets each,
 * in storage shared by all peers and allocated once. When a queue is full, or the storage is, the
 * oldest packet of that queue goes.
 */
#ifndef ADIT_CORE_STAGED_H
#define ADIT_CORE_STAGED_H

#include "base/packet.h"

enum { STAGED_MAX = 128 };

struct staged_pool; /* chunks of 2 KiB; owns them */

/* Storage for num_chunks chunks (memory is touched only as it is used). NULL: out of memory. */
struct staged_pool *staged_pool_new(uint32_t num_chunks);
void staged_pool_free(struct staged_pool *pool); /* wipes; queues in it become invalid */

/* A queue; all zero is empty. */
struct staged_queue {
	uint32_t head, tail; /* chunk numbers plus 1; 0: none */
	uint32_t num;	     /* packets */
};

/* Append a copy of the packet's bytes (at most PACKET_MAX). Returns how many packets were dropped
 * to make room (0, 1…; the new packet itself if even an emptied queue has no room). */
unsigned staged_push(
	struct staged_pool *pool, struct staged_queue *queue, const struct packet *packet);

/* Take the oldest packet: copies its bytes to data, which has room for PACKET_MAX, and sets
 * *ret_len. Returns false, and touches nothing, when the queue is empty. */
MUST_CHECK bool staged_pop(
	struct staged_pool *pool, struct staged_queue *queue, uint8_t *data, uint32_t *ret_len);

/* Drop everything; returns how many packets that were. */
unsigned staged_purge(struct staged_pool *pool, struct staged_queue *queue);

#endif
