/* SPDX-License-Identifier: MIT
 *
 * The table of pointers by id.
 */
#include "base/table.h"

#include <errno.h>
#include <stdlib.h>

int table_init(struct table *table, uint32_t capacity)
{
	*table = (struct table){.items = calloc(capacity, sizeof(*table->items))};
	if (!table->items)
		return -ENOMEM;
	table->capacity = capacity;
	return 0;
}

void table_deinit(struct table *table)
{
	free(table->items);
	*table = (struct table){0};
}

int table_add(struct table *table, uint32_t id, void *item)
{
	if (id >= table->capacity || table->items[id])
		return -EEXIST;
	table->items[id] = item;
	if (id >= table->end)
		table->end = id + 1;
	return 0;
}

void *table_remove(struct table *table, uint32_t id)
{
	void *item = table_get(table, id);

	if (item)
		table->items[id] = NULL;
	return item;
}

void *table_next(const struct table *table, uint32_t *id)
{
	while (*id < table->end && !table->items[*id])
		++*id;
	return table_get(table, *id);
}
