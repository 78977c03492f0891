/* SPDX-License-Identifier: MIT
 *
 * The map does what a plain array of values does, whatever the order of puts and removals.
 */
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { MODEL_KEYS = 512 };

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(random_state >> 33) % limit;
}

/* The map must hold exactly the model's keys and be findable through every one of them. */
static void check_model(const struct map *map, const uint64_t keys[MODEL_KEYS],
	const bool present[MODEL_KEYS], const uint32_t values[MODEL_KEYS])
{
	uint32_t num = 0, num_used = 0, value;

	for (size_t i = 0; i < MODEL_KEYS; i++) {
		num += present[i];
		assert_int_equal(map_get(map, keys[i], &value), present[i]);
		if (present[i])
			assert_int_equal(value, values[i]);
	}
	assert_int_equal(map->num, num);
	for (uint32_t i = 0; map->slots && i <= map->mask; i++)
		num_used += map->slots[i].used;
	assert_int_equal(num_used, num);
	assert_true(!map->slots || num * 4 <= (map->mask + 1) * 3);
}

static void test_against_model(void **state)
{
	/* From keys that all share a home slot, over a few homes at the table's very end (runs
	 * wrap around), to random ones. */
	static const struct {
		uint64_t and_bits, or_bits;
	} rows[] = {{UINT64_C(0xffffffff00000000), 7}, {UINT64_C(0xffffffff00000007), 0xfffffff8},
		{UINT64_MAX, 0}};
	static uint64_t keys[MODEL_KEYS];
	static uint32_t values[MODEL_KEYS];
	static bool present[MODEL_KEYS];

	(void)state;
	for (size_t row = 0; row < ARRAY_SIZE(rows); row++) {
		struct map map = {0};

		memset(present, 0, sizeof(present));
		for (uint32_t i = 0; i < MODEL_KEYS; i++) {
			uint64_t key = (uint64_t)i << 32 | random_below(UINT32_MAX);
			keys[i] = (key & rows[row].and_bits) | rows[row].or_bits;
		}
		for (unsigned step = 0; step < 20000; step++) {
			/* Swing between nearly empty and nearly full. */
			uint32_t want = step / 2500 % 2 ? 30 : 70;
			uint32_t i = random_below(MODEL_KEYS);

			if (random_below(100) < want) {
				values[i] = random_below(UINT32_MAX);
				assert_int_equal(map_put(&map, keys[i], values[i]), 0);
				present[i] = true;
			} else {
				assert_int_equal(map_remove(&map, keys[i]), present[i]);
				present[i] = false;
			}
			if (step % 64 == 0)
				check_model(&map, keys, present, values);
		}
		check_model(&map, keys, present, values);
		map_deinit(&map);
		assert_null(map.slots);
		assert_int_equal(map.num, 0);
	}
}

static void test_empty(void **state)
{
	struct map map = {0};
	uint32_t value = 77;

	(void)state;
	assert_false(map_get(&map, 1, &value));
	assert_int_equal(value, 77);
	assert_false(map_remove(&map, 1));
	map_deinit(&map);
	assert_int_equal(map_put(&map, 0, 5), 0); /* the zero key is a key like any other */
	assert_true(map_get(&map, 0, &value));
	assert_int_equal(value, 5);
	assert_false(map_get(&map, 8, &value)); /* the same home slot */
	map_deinit(&map);
	map_deinit(&map);
}

/* Replacing a value takes no room, so a map at its limit does not grow. */
static void test_replace_keeps_size(void **state)
{
	struct map map = {0};
	uint32_t mask, value;

	(void)state;
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(map_put(&map, i, i), 0);
	mask = map.mask;
	assert_int_equal(map_put(&map, 3, 33), 0);
	assert_int_equal(map.mask, mask);
	assert_int_equal(map.num, 6);
	assert_true(map_get(&map, 3, &value));
	assert_int_equal(value, 33);
	assert_int_equal(map_put(&map, 6, 6), 0);
	assert_int_equal(map.mask, 2 * mask + 1);
	map_deinit(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_replace_keeps_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
