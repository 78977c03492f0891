/* SPDX-License-Identifier: MIT
 *
 * Many packets at once are the same as each alone, whatever kernel does it: every length, mixed
 * lengths and keys, any number, and a forged one among them.
 */
#include "crypto/aead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/internal.h"

enum { NUM_MAX = AEAD_MANY_MAX + 9, LEN_MAX = 2000 };

static uint8_t storage[NUM_MAX][LEN_MAX + AEAD_TAG_LEN + 1];
static uint8_t plain[NUM_MAX][LEN_MAX];
static uint8_t expected[NUM_MAX][LEN_MAX + AEAD_TAG_LEN];
static uint8_t keys[NUM_MAX][KEY_LEN];
static struct aead_job jobs[NUM_MAX];

static void fill(void *data, size_t len)
{
	uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(rand() >> 7);
}

/* A packet, and what libcrypto alone makes of it. */
static void prepare(unsigned i, uint32_t len, const uint8_t *key)
{
	uint64_t counter = (uint64_t)rand() << 40 ^ (uint64_t)rand();

	fill(plain[i], len);
	if (rand() % 8 == 0)
		memset(plain[i], 0xff, len);
	memcpy(storage[i], plain[i], len);
	storage[i][len + AEAD_TAG_LEN] = 0xa5;
	jobs[i] = (struct aead_job){.data = storage[i], .len = len, .counter = counter, .key = key};
	aead_seal(expected[i], plain[i], len, NULL, 0, counter, key);
}

static void assert_sealed(unsigned num)
{
	for (unsigned i = 0; i < num; i++) {
		assert_memory_equal(storage[i], expected[i], jobs[i].len + AEAD_TAG_LEN);
		assert_int_equal(storage[i][jobs[i].len + AEAD_TAG_LEN], 0xa5);
	}
}

static void test_every_length(void **state)
{
	(void)state;
	fill(keys, sizeof(keys));
	for (uint32_t len = 0; len < 700; len++) {
		for (unsigned i = 0; i < 8; i++)
			prepare(i, len + i % 2 * 1000, keys[0]);
		aead_seal_many(jobs, 8);
		assert_sealed(8);
		aead_open_many(jobs, 8);
		for (unsigned i = 0; i < 8; i++) {
			assert_true(jobs[i].ok);
			assert_memory_equal(storage[i], plain[i], jobs[i].len);
		}
	}
}

static void test_any_number_of_any_length(void **state)
{
	(void)state;
	for (int n = 0; n < 3000; n++) {
		unsigned num = 1 + (unsigned)rand() % (n % 10 ? 20 : NUM_MAX);
		bool same_key = rand() % 2, same_len = rand() % 2;
		uint32_t len = (uint32_t)rand() % LEN_MAX;
		unsigned forged = (unsigned)rand() % num;
		bool forge = rand() % 2;

		fill(keys, sizeof(keys));
		for (unsigned i = 0; i < num; i++)
			prepare(i, same_len ? len : (uint32_t)rand() % LEN_MAX,
				keys[same_key ? 0 : i]);
		aead_seal_many(jobs, num);
		assert_sealed(num);
		if (forge)
			storage[forged][(unsigned)rand() % (jobs[forged].len + AEAD_TAG_LEN)] ^=
				(uint8_t)(1 << rand() % 8);
		aead_open_many(jobs, num);
		for (unsigned i = 0; i < num; i++) {
			assert_int_equal(jobs[i].ok, !(forge && i == forged));
			if (jobs[i].ok)
				assert_memory_equal(storage[i], plain[i], jobs[i].len);
		}
	}
}

/* Nothing of a forged packet's plaintext comes out. */
static void test_forged_is_not_decrypted(void **state)
{
	(void)state;
	fill(keys, sizeof(keys));
	for (unsigned i = 0; i < 8; i++)
		prepare(i, 1000, keys[i]);
	aead_seal_many(jobs, 8);
	storage[3][1000] ^= 1;
	aead_open_many(jobs, 8);
	assert_false(jobs[3].ok);
	for (unsigned at = 0; at + 16 <= 1000; at += 16)
		assert_memory_not_equal(storage[3] + at, plain[3] + at, 16);
}

/* Carries at their longest: all bits of message, key and counter set. */
static void test_extremes(void **state)
{
	(void)state;
	memset(keys, 0xff, sizeof(keys));
	for (unsigned i = 0; i < 16; i++) {
		prepare(i, 512 + i, keys[i]);
		memset(plain[i], i % 2 ? 0xff : 0, jobs[i].len);
		memcpy(storage[i], plain[i], jobs[i].len);
		jobs[i].counter = UINT64_MAX - i;
		aead_seal(expected[i], plain[i], jobs[i].len, NULL, 0, jobs[i].counter, keys[i]);
	}
	aead_seal_many(jobs, 16);
	assert_sealed(16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_any_number_of_any_length),
		cmocka_unit_test(test_forged_is_not_decrypted),
		cmocka_unit_test(test_extremes),
	};

	if (crypto_init() < 0)
		return 1;
#if defined(__x86_64__)
	if (!aead_avx512_is_available())
		print_message("SKIPPED the AVX-512 kernel: this processor has none\n");
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
