/* SPDX-License-Identifier: MIT
 *
 * The names of drop reasons become keys of UAPI and JSON: each has one, of its own, of letters.
 */
#include "core/status.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void each_reason_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i < DROP_NUM; i++) {
		const char *name = drop_name((enum drop)i);

		assert_non_null(name);
		assert_in_range(strlen(name), 1, 26); /* "drop_" before it: fits a counter's name */
		assert_int_equal(
			strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(name, drop_name((enum drop)j));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_reason_has_a_name)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
