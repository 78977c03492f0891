/* SPDX-License-Identifier: MIT
 *
 * The heap of deadlines beside a plain array of them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/deadlines.h"

enum { CAPACITY = 1000, NUM_IDS = 60, NUM_ROUNDS = 20000 };

static void test_earliest_first(void **state)
{
	struct deadlines *deadlines = deadlines_new(CAPACITY);
	uint32_t id = 77;

	(void)state;
	assert_int_equal(deadlines_next(deadlines, &id), 0);
	assert_int_equal(id, 77);	/* untouched */
	deadlines_set(deadlines, 5, 0); /* removing what is not there */
	deadlines_set(deadlines, 5, 300);
	deadlines_set(deadlines, CAPACITY - 1, 200);
	deadlines_set(deadlines, 0, 250);
	assert_int_equal(deadlines_next(deadlines, &id), 200);
	assert_int_equal(id, CAPACITY - 1);
	deadlines_set(deadlines, CAPACITY - 1, 260); /* later */
	assert_int_equal(deadlines_next(deadlines, &id), 250);
	assert_int_equal(id, 0);
	deadlines_set(deadlines, 5, 1); /* earlier */
	assert_int_equal(deadlines_next(deadlines, &id), 1);
	deadlines_set(deadlines, 5, 0);
	deadlines_set(deadlines, 0, 0);
	assert_int_equal(deadlines_next(deadlines, &id), 260);
	deadlines_set(deadlines, CAPACITY - 1, 0);
	assert_int_equal(deadlines_next(deadlines, &id), 0);
	deadlines_free(deadlines);
	deadlines_free(NULL);
}

static void test_random_against_array(void **state)
{
	struct deadlines *deadlines = deadlines_new(CAPACITY);
	uint64_t model[NUM_IDS] = {0}, seed = 0xad17;

	(void)state;
	for (unsigned round = 0; round < NUM_ROUNDS; round++) {
		uint64_t earliest = 0;
		uint32_t id = 0;

		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		id = (uint32_t)(seed >> 33) % NUM_IDS;
		model[id] = (seed >> 20) % 3 == 0 ? 0 : 1 + (seed >> 40) % 1000;
		deadlines_set(deadlines, id, model[id]);
		for (unsigned i = 0; i < NUM_IDS; i++) {
			if (model[i] && (!earliest || model[i] < earliest))
				earliest = model[i];
		}
		assert_int_equal(deadlines_next(deadlines, &id), earliest);
		if (earliest)
			assert_int_equal(model[id], earliest);
	}
	deadlines_free(deadlines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_earliest_first),
		cmocka_unit_test(test_random_against_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
