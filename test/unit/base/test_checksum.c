/* SPDX-License-Identifier: MIT
 *
 * The Internet checksum against its definition, 16 bits at a time.
 */
#include "base/checksum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

static void test_every_length(void **state)
{
	uint8_t data[200], copy[200];

	(void)state;
	for (size_t len = 0; len + 1 < sizeof(data); len++) {
		uint32_t sum = 0;

		memset(data, 0, sizeof(data));
		memset(copy, 0x5a, sizeof(copy));
		for (size_t i = 0; i < len; i++)
			data[i] = len % 3 ? (uint8_t)rand() : 0xff;
		for (size_t i = 0; i < len; i += 2) {
			uint16_t word;

			memcpy(&word, data + i, sizeof(word)); /* zeros follow an odd end */
			sum += word;
		}
		while (sum >> 16)
			sum = (sum & 0xffff) + (sum >> 16);
		assert_int_equal(checksum_fold(checksum_add(0, data, len)), sum);
		assert_int_equal(checksum_fold(checksum_add_copy(0, copy, data, len)), sum);
		assert_memory_equal(copy, data, len);
		assert_int_equal(copy[len], 0x5a);
	}
}

static void test_nothing_is_carried_away(void **state)
{
	uint8_t data[UINT16_MAX];

	(void)state;
	memset(data, 0xff, sizeof(data) - 1);
	data[sizeof(data) - 1] = 0;
	assert_int_equal(checksum_fold(checksum_add(UINT64_MAX, data, sizeof(data))), 0xffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_nothing_is_carried_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
