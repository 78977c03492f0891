/* SPDX-License-Identifier: MIT
 *
 * SipHash-2-4 against the reference vectors of its paper (key 00..0f, message 00, 01, ..).
 */
#include "base/siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_reference_vectors(void **state)
{
	static const struct {
		size_t len;
		uint64_t expect;
	} rows[] = {
		{0, UINT64_C(0x726fdb47dd0e0e31)},
		{1, UINT64_C(0x74f839c593dc67fd)},
		{2, UINT64_C(0x0d6c8009d9a94f5a)},
		{3, UINT64_C(0x85676696d7fb7e2d)},
		{4, UINT64_C(0xcf2794e0277187b7)},
		{5, UINT64_C(0x18765564cd99a68d)},
		{6, UINT64_C(0xcbc9466e58fee3ce)},
		{7, UINT64_C(0xab0200f58b01d137)},
		{8, UINT64_C(0x93f5f5799a932462)},
		{9, UINT64_C(0x9e0082df0ba9e4b0)},
		{15, UINT64_C(0xa129ca6149be45e5)},
		{16, UINT64_C(0x3f2acc7f57c29bdb)},
		{63, UINT64_C(0x958a324ceb064572)},
	};
	uint8_t key[SIPHASH_KEY_LEN], data[64];

	(void)state;
	for (uint8_t i = 0; i < sizeof(data); i++)
		data[i] = i;
	memcpy(key, data, sizeof(key));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(siphash(key, data, rows[i].len), rows[i].expect);
}

/* Every length to 299, other key and data: the xor of all, from an independent script. */
static void test_lengths(void **state)
{
	uint8_t key[SIPHASH_KEY_LEN], data[300];
	uint64_t all = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i + 3);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(7 * i);
	for (size_t len = 0; len < sizeof(data); len++)
		all ^= siphash(key, data, len);
	assert_int_equal(all, UINT64_C(0x5fdde95b57eb580f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reference_vectors),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
