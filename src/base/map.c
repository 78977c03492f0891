/* SPDX-License-Identifier: MIT
 *
 * The open-addressing map. A key sits in its home slot (its low bits) or in the first free one
 * behind; between the two no slot is free, and removal keeps it so.
 */
#include "base/map.h"

#include <errno.h>
#include <stdlib.h>

enum { MAP_MIN_SLOTS = 8 };

/* The slot that holds key, or the free one where it would go. Some slot is always free. */
static uint32_t find(const struct map *map, uint64_t key)
{
	uint32_t i = (uint32_t)key & map->mask;

	while (map->slots[i].used && map->slots[i].key != key)
		i = (i + 1) & map->mask;
	return i;
}

static int grow(struct map *map)
{
	const uint64_t num_slots = map->slots ? ((uint64_t)map->mask + 1) * 2 : MAP_MIN_SLOTS;
	struct map larger = {.mask = (uint32_t)(num_slots - 1), .num = map->num};

	if (num_slots > UINT64_C(1) << 31)
		return -ENOMEM;
	larger.slots = calloc((size_t)num_slots, sizeof(*larger.slots));
	if (!larger.slots)
		return -ENOMEM;
	for (uint64_t i = 0; i < num_slots / 2 && map->slots; i++) {
		if (map->slots[i].used)
			larger.slots[find(&larger, map->slots[i].key)] = map->slots[i];
	}
	free(map->slots);
	*map = larger;
	return 0;
}

void map_deinit(struct map *map)
{
	free(map->slots);
	*map = (struct map){0};
}

bool map_get(const struct map *map, uint64_t key, uint32_t *ret_value)
{
	const struct map_slot *slot;

	if (!map->slots)
		return false;
	slot = &map->slots[find(map, key)];
	if (!slot->used)
		return false;
	*ret_value = slot->value;
	return true;
}

int map_put(struct map *map, uint64_t key, uint32_t value)
{
	uint32_t i = map->slots ? find(map, key) : 0;

	if (!map->slots || !map->slots[i].used) {
		if (!map->slots || (uint64_t)(map->num + 1) * 4 > ((uint64_t)map->mask + 1) * 3) {
			int r = grow(map);

			if (r < 0)
				return r;
			i = find(map, key);
		}
		map->num++;
	}
	map->slots[i] = (struct map_slot){.key = key, .value = value, .used = 1};
	return 0;
}

bool map_remove(struct map *map, uint64_t key)
{
	uint32_t hole, i;

	if (!map->slots)
		return false;
	hole = find(map, key);
	if (!map->slots[hole].used)
		return false;
	for (i = (hole + 1) & map->mask; map->slots[i].used; i = (i + 1) & map->mask) {
		uint32_t home = (uint32_t)map->slots[i].key & map->mask;

		/* It may move into the hole unless its home lies behind the hole. */
		if (((i - home) & map->mask) >= ((i - hole) & map->mask)) {
			map->slots[hole] = map->slots[i];
			hole = i;
		}
	}
	map->slots[hole] = (struct map_slot){0};
	map->num--;
	return true;
}
