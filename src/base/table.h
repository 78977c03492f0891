/* SPDX-License-Identifier: MIT
 *
 * A table of items by id: ids are small numbers that somebody else gives out. It owns its items,
 * which do not move and are wiped when they go. Memory is touched only as it is used; neighbours by
 * id lie side by side, so that a hundred thousand cost little more than what they are.
 */
#ifndef ADIT_BASE_TABLE_H
#define ADIT_BASE_TABLE_H

#include "base/bytes.h"

enum { TABLE_CHUNK = 32 }; /* items allocated at once */

struct table_chunk {
	uint8_t *items; /* TABLE_CHUNK, NULL: none is used */
	uint32_t used;	/* a bit each */
};

/* An all-zero table is an empty one without room. */
struct table {
	struct table_chunk *chunks; /* by id / TABLE_CHUNK */
	size_t item_size;
	uint32_t capacity;
	uint32_t end; /* no item has this id or a greater one */
};

/* An empty table for ids below capacity. Returns 0 or -ENOMEM (the table is all zero). */
MUST_CHECK int table_init(struct table *table, uint32_t capacity, size_t item_size);
void table_deinit(struct table *table);

/* Add an item, all zero, and return it; NULL with errno EEXIST (the id is taken or out of range) or
 * ENOMEM. */
MUST_CHECK void *table_add(struct table *table, uint32_t id);

/* Remove an item, if it is there. */
void table_remove(struct table *table, uint32_t id);

/* The first item whose id is *id or greater, which becomes *id; NULL: no more. Items may be
 * removed meanwhile. */
void *table_next(const struct table *table, uint32_t *id);

/* The item with this id, or NULL; any id may be asked for. */
static inline void *table_get(const struct table *table, uint32_t id)
{
	const struct table_chunk *chunk;

	if (id >= table->end)
		return NULL;
	chunk = &table->chunks[id / TABLE_CHUNK];
	return chunk->used >> id % TABLE_CHUNK & 1
		       ? chunk->items + id % TABLE_CHUNK * table->item_size
		       : NULL;
}

#endif
