/* SPDX-License-Identifier: MIT
 *
 * The table of items by id.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <cmocka.h>

#include "base/table.h"

enum { CAPACITY = 100 };

static void test_get_add_remove(void **state)
{
	struct table table;
	uint64_t *item;

	(void)state;
	assert_int_equal(table_init(&table, CAPACITY, sizeof(uint64_t)), 0);
	assert_null(table_get(&table, 0));
	assert_null(table_get(&table, UINT32_MAX));
	assert_non_null(table_add(&table, CAPACITY - 1));
	item = table_get(&table, CAPACITY - 1);
	assert_int_equal(*item, 0);
	*item = 7;
	errno = 0;
	assert_null(table_add(&table, CAPACITY));
	assert_int_equal(errno, EEXIST);
	errno = 0;
	assert_null(table_add(&table, UINT32_MAX));
	assert_int_equal(errno, EEXIST);
	errno = 0;
	assert_null(table_add(&table, CAPACITY - 1));
	assert_int_equal(errno, EEXIST);
	assert_ptr_equal(table_get(&table, CAPACITY - 1), item);
	assert_null(table_get(&table, CAPACITY - 2));
	assert_null(table_get(&table, CAPACITY));
	table_remove(&table, CAPACITY - 2);
	table_remove(&table, CAPACITY);
	assert_int_equal(*item, 7);
	table_remove(&table, CAPACITY - 1);
	table_remove(&table, CAPACITY - 1);
	assert_null(table_get(&table, CAPACITY - 1));
	assert_non_null(table_add(&table, CAPACITY - 1));
	assert_int_equal(*(uint64_t *)table_get(&table, CAPACITY - 1), 0);
	table_deinit(&table);
	assert_null(table_get(&table, CAPACITY - 1));
	errno = 0;
	assert_null(table_add(&table, 0));
	assert_int_equal(errno, EEXIST);
}

static void test_next(void **state)
{
	static const uint32_t ids[] = {0, 3, 4, 50, CAPACITY - 1};
	struct table table;
	uint32_t id = 0;
	size_t num;

	(void)state;
	assert_int_equal(table_init(&table, CAPACITY, 1), 0);
	assert_null(table_next(&table, &id));
	for (size_t i = ARRAY_SIZE(ids); i-- > 0;)
		assert_non_null(table_add(&table, ids[i]));
	for (id = 0, num = 0; table_next(&table, &id); id++, num++) {
		assert_int_equal(id, ids[num]);
		assert_ptr_equal(table_next(&table, &id), table_get(&table, id));
		table_remove(&table, id);
	}
	assert_int_equal(num, ARRAY_SIZE(ids));
	id = 0;
	assert_null(table_next(&table, &id));
	table_deinit(&table);
}

/* Items that share memory come and go without each other. */
static void test_neighbours(void **state)
{
	struct table table;

	(void)state;
	assert_int_equal(table_init(&table, CAPACITY, sizeof(uint64_t)), 0);
	for (int round = 0; round < 2; round++) {
		for (uint32_t id = 0; id < CAPACITY; id++) {
			uint64_t *item = table_add(&table, id);

			assert_non_null(item);
			assert_int_equal(*item, 0);
			*item = id;
		}
		for (uint32_t id = 1; id < CAPACITY; id += 2)
			table_remove(&table, id);
		for (uint32_t id = 0; id < CAPACITY; id++) {
			uint64_t *item = table_get(&table, id);

			assert_int_equal(item != NULL, id % 2 == 0);
			assert_true(!item || *item == id);
		}
		for (uint32_t id = 0; id < CAPACITY; id += 2)
			table_remove(&table, id);
	}
	for (uint32_t i = 0; i <= CAPACITY / TABLE_CHUNK; i++)
		assert_null(table.chunks[i].items);
	table_deinit(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get_add_remove),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_neighbours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
