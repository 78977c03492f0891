/* SPDX-License-Identifier: MIT
 *
 * Code and constants are given back at rest, and are there all the same.
 */
#include "privsep/memory.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { LEN = 1 << 20 };

static const uint8_t constants[LEN] = {[0] = 1, [LEN - 1] = 2};
static int (*const volatile functions[])(const char *) = {atoi}; /* a relocation each */
static volatile int number = 3;

/* Read all constants, so that they are in memory. */
static void touch(void)
{
	unsigned sum = 0;

	for (size_t i = 0; i < LEN; i++)
		sum += ((const volatile uint8_t *)constants)[i];
	assert_int_equal(sum, 3);
}

/* Whether most pages of constants are mapped. */
static bool are_resident(void)
{
	size_t page_len = (size_t)sysconf(_SC_PAGESIZE), num = LEN / page_len, num_present = 0;
	uint64_t *entries = calloc(num, sizeof(*entries));
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, entries, num * sizeof(*entries),
				 (off_t)((uintptr_t)constants / page_len * sizeof(*entries))),
		num * sizeof(*entries));
	for (size_t i = 0; i < num; i++)
		num_present += (size_t)(entries[i] >> 63);
	close(fd);
	free(entries);
	return num_present > num / 2;
}

static void what_was_written_stays(void **state)
{
	char *text = strdup("42");

	(void)state;
	touch();
	assert_true(are_resident());
	number = 4;
	memory_rest();
	assert_false(are_resident());
	touch();
	assert_int_equal(number, 4);
	assert_int_equal(functions[0](text), 42);
	free(text);
}

static void what_is_kept_stays(void **state)
{
	(void)state;
	touch();
	memory_keep();
	memory_rest();
	assert_true(are_resident());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_stays),
		cmocka_unit_test(what_is_kept_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
