/* SPDX-License-Identifier: MIT
 *
 * The table of items by id.
 */
#include "base/table.h"

#include <errno.h>
#include <stdlib.h>

int table_init(struct table *table, uint32_t capacity, size_t item_size)
{
	*table = (struct table){.items = calloc(capacity, sizeof(*table->items))};
	if (!table->items)
		return -ENOMEM;
	table->capacity = capacity;
	table->item_size = item_size;
	return 0;
}

void table_deinit(struct table *table)
{
	for (uint32_t id = 0; id < table->end; id++)
		table_remove(table, id);
	free(table->items);
	*table = (struct table){0};
}

void *table_add(struct table *table, uint32_t id)
{
	if (id >= table->capacity || table->items[id]) {
		errno = EEXIST;
		return NULL;
	}
	table->items[id] = calloc(1, table->item_size);
	if (table->items[id] && id >= table->end)
		table->end = id + 1;
	return table->items[id];
}

void table_remove(struct table *table, uint32_t id)
{
	void *item = table_get(table, id);

	if (!item)
		return;
	wipe(item, table->item_size);
	free(item);
	table->items[id] = NULL;
}

void *table_next(const struct table *table, uint32_t *id)
{
	while (*id < table->end && !table->items[*id])
		++*id;
	return table_get(table, *id);
}
