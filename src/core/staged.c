/* SPDX-License-Identifier: MIT
 *
 * Packets that wait for a keypair. A packet fills one chunk or several, a queue is the chain of
 * all its packets' chunks, and how many belong to the first packet follows from its length. Chunks
 * that were never used are not on the free list, so that idle storage stays untouched.
 */
#include "core/staged.h"

#include <stdlib.h>

enum { CHUNK_SIZE = 2048, CHUNK_HEADER = 8, CHUNK_DATA = CHUNK_SIZE - CHUNK_HEADER };

struct chunk {
	uint32_t next; /* chunk number plus 1; 0: none */
	uint32_t len;  /* of the packet that begins here; otherwise unused */
	uint8_t data[CHUNK_DATA];
};
static_assert(sizeof(struct chunk) == CHUNK_SIZE, "a full-size packet fits one chunk");

struct staged_pool {
	uint32_t num_used; /* chunks that have ever been used */
	uint32_t free;	   /* chain of those that are free again */
	uint32_t num_free; /* of both kinds */
	struct chunk chunks[];
};

struct staged_pool *staged_pool_new(uint32_t num_chunks)
{
	struct staged_pool *pool =
		calloc(1, sizeof(*pool) + (size_t)num_chunks * sizeof(struct chunk));

	if (pool)
		pool->num_free = num_chunks;
	return pool;
}

void staged_pool_free(struct staged_pool *pool)
{
	if (pool)
		wipe(pool->chunks, (size_t)pool->num_used * sizeof(struct chunk));
	free(pool);
}

static uint32_t chunks_needed(uint32_t len)
{
	return len <= CHUNK_DATA ? 1 : (len + CHUNK_DATA - 1) / CHUNK_DATA;
}

static uint32_t chunk_take(struct staged_pool *pool)
{
	uint32_t number = pool->free;

	if (number)
		pool->free = pool->chunks[number - 1].next;
	else
		number = ++pool->num_used;
	pool->num_free--;
	return number;
}

/* Unlink the oldest packet, of which there must be one, and copy its bytes to data unless that is
 * NULL; returns its length. */
static uint32_t take_head(struct staged_pool *pool, struct staged_queue *queue, uint8_t *data)
{
	const uint32_t len = pool->chunks[queue->head - 1].len;

	for (uint32_t i = 0, num = chunks_needed(len); i < num; i++) {
		const uint32_t number = queue->head, at = i * CHUNK_DATA;
		struct chunk *chunk = &pool->chunks[number - 1];

		if (data)
			memcpy(data + at, chunk->data,
				len - at < CHUNK_DATA ? len - at : CHUNK_DATA);
		queue->head = chunk->next;
		chunk->next = pool->free;
		pool->free = number;
		pool->num_free++;
	}
	if (--queue->num == 0)
		queue->tail = 0;
	return len;
}

unsigned staged_push(
	struct staged_pool *pool, struct staged_queue *queue, const struct packet *packet)
{
	const uint32_t num = chunks_needed(packet->len);
	unsigned num_dropped = 0;

	assert(packet->len <= PACKET_MAX);
	while (queue->num && (queue->num >= STAGED_MAX || pool->num_free < num)) {
		take_head(pool, queue, NULL);
		num_dropped++;
	}
	if (pool->num_free < num)
		return num_dropped + 1;

	for (uint32_t i = 0; i < num; i++) {
		const uint32_t number = chunk_take(pool), left = packet->len - i * CHUNK_DATA;
		struct chunk *chunk = &pool->chunks[number - 1];

		chunk->next = 0;
		chunk->len = packet->len;
		memcpy(chunk->data, packet->data + i * CHUNK_DATA,
			left < CHUNK_DATA ? left : CHUNK_DATA);
		if (queue->tail)
			pool->chunks[queue->tail - 1].next = number;
		else
			queue->head = number;
		queue->tail = number;
	}
	queue->num++;
	return num_dropped;
}

bool staged_pop(
	struct staged_pool *pool, struct staged_queue *queue, uint8_t *data, uint32_t *ret_len)
{
	if (!queue->num)
		return false;
	*ret_len = take_head(pool, queue, data);
	return true;
}

unsigned staged_purge(struct staged_pool *pool, struct staged_queue *queue)
{
	const unsigned num = queue->num;

	while (queue->num)
		take_head(pool, queue, NULL);
	return num;
}
