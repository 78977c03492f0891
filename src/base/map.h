/* SPDX-License-Identifier: MIT
 *
 * A map from 64-bit keys to 32-bit values: open addressing, linear probing, at most 3/4 full,
 * removal by shifting back. Keys must be unpredictable to strangers (random indices, SipHash
 * results): they are spread by their low bits as they are. Lookups allocate nothing.
 */
#ifndef ADIT_BASE_MAP_H
#define ADIT_BASE_MAP_H

#include "base/bytes.h"

struct map_slot {
	uint64_t key;
	uint32_t value;
	uint32_t used;
};

struct map {
	struct map_slot *slots; /* mask + 1 of them, owned; NULL when empty */
	uint32_t mask;
	uint32_t num;
};

/* An all-zero struct map is a valid empty map. */
void map_deinit(struct map *map);

/* Find key. Returns true and sets *ret_value, or false. */
bool map_get(const struct map *map, uint64_t key, uint32_t *ret_value);

/* Add key, or replace its value. Returns 0 or -ENOMEM (the map is unchanged). */
MUST_CHECK int map_put(struct map *map, uint64_t key, uint32_t value);

/* Remove key; returns whether it was there. */
bool map_remove(struct map *map, uint64_t key);

#endif
