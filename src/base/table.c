/* SPDX-License-Identifier: MIT
 *
 * The table of items by id.
 */
#include "base/table.h"

#include <errno.h>
#include <stdlib.h>

int table_init(struct table *table, uint32_t capacity, size_t item_size)
{
	*table = (struct table){
		.chunks = calloc(capacity / TABLE_CHUNK + 1, sizeof(*table->chunks))};
	if (!table->chunks)
		return -ENOMEM;
	table->capacity = capacity;
	table->item_size = item_size;
	return 0;
}

void table_deinit(struct table *table)
{
	for (uint32_t id = 0; id < table->end; id++)
		table_remove(table, id);
	free(table->chunks);
	*table = (struct table){0};
}

void *table_add(struct table *table, uint32_t id)
{
	struct table_chunk *chunk = id < table->capacity ? &table->chunks[id / TABLE_CHUNK] : NULL;

	if (!chunk || table_get(table, id)) {
		errno = EEXIST;
		return NULL;
	}
	if (!chunk->items)
		chunk->items = calloc(TABLE_CHUNK, table->item_size);
	if (!chunk->items)
		return NULL;
	chunk->used |= UINT32_C(1) << id % TABLE_CHUNK;
	if (id >= table->end)
		table->end = id + 1;
	return table_get(table, id);
}

void table_remove(struct table *table, uint32_t id)
{
	void *item = table_get(table, id);
	struct table_chunk *chunk;

	if (!item)
		return;
	chunk = &table->chunks[id / TABLE_CHUNK];
	wipe(item, table->item_size);
	chunk->used &= ~(UINT32_C(1) << id % TABLE_CHUNK);
	if (chunk->used)
		return;
	free(chunk->items);
	chunk->items = NULL;
}

void *table_next(const struct table *table, uint32_t *id)
{
	void *item = NULL;

	while (*id < table->end && !(item = table_get(table, *id)))
		++*id;
	return item;
}
