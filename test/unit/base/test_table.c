/* SPDX-License-Identifier: MIT
 *
 * The table of pointers by id.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <cmocka.h>

#include "base/table.h"

enum { CAPACITY = 100 };

static int items[CAPACITY];

static void test_get_add_remove(void **state)
{
	struct table table;

	(void)state;
	assert_int_equal(table_init(&table, CAPACITY), 0);
	assert_null(table_get(&table, 0));
	assert_null(table_get(&table, UINT32_MAX));
	assert_int_equal(table_add(&table, CAPACITY - 1, &items[1]), 0);
	assert_int_equal(table_add(&table, CAPACITY, &items[2]), -EEXIST);
	assert_int_equal(table_add(&table, UINT32_MAX, &items[2]), -EEXIST);
	assert_int_equal(table_add(&table, CAPACITY - 1, &items[2]), -EEXIST);
	assert_ptr_equal(table_get(&table, CAPACITY - 1), &items[1]);
	assert_null(table_get(&table, CAPACITY - 2));
	assert_null(table_get(&table, CAPACITY));
	assert_null(table_remove(&table, CAPACITY - 2));
	assert_null(table_remove(&table, CAPACITY));
	assert_ptr_equal(table_remove(&table, CAPACITY - 1), &items[1]);
	assert_null(table_remove(&table, CAPACITY - 1));
	assert_null(table_get(&table, CAPACITY - 1));
	assert_int_equal(table_add(&table, CAPACITY - 1, &items[3]), 0);
	table_deinit(&table);
	assert_null(table_get(&table, CAPACITY - 1));
	assert_int_equal(table_add(&table, 0, &items[0]), -EEXIST);
}

static void test_next(void **state)
{
	static const uint32_t ids[] = {0, 3, 4, 50, CAPACITY - 1};
	struct table table;
	uint32_t id = 0;
	size_t num;

	(void)state;
	assert_int_equal(table_init(&table, CAPACITY), 0);
	assert_null(table_next(&table, &id));
	for (size_t i = ARRAY_SIZE(ids); i-- > 0;)
		assert_int_equal(table_add(&table, ids[i], &items[ids[i]]), 0);
	for (id = 0, num = 0; table_next(&table, &id); id++, num++) {
		assert_int_equal(id, ids[num]);
		assert_ptr_equal(table_next(&table, &id), &items[id]);
		assert_ptr_equal(table_remove(&table, id), &items[id]);
	}
	assert_int_equal(num, ARRAY_SIZE(ids));
	id = 0;
	assert_null(table_next(&table, &id));
	table_deinit(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get_add_remove),
		cmocka_unit_test(test_next),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
