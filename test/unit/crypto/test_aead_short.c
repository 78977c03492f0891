/* SPDX-License-Identifier: MIT
 *
 * Short messages sealed and opened by our own cipher, beside libcrypto's.
 */
#include "crypto/aead_short.h"

#include "crypto/internal.h"
#include "sample.h"

enum { LEN_MAX = 200, AAD_MAX = 70, BUF = LEN_MAX + AEAD_TAG_LEN };

static void assert_same(
	const uint8_t *text, size_t len, const uint8_t *aad, size_t aad_len, const uint8_t *key)
{
	uint8_t wanted[BUF], got[BUF], opened[BUF];

	aead_seal(wanted, text, len, aad, aad_len, 0, key);
	aead_short_seal(got, text, len, aad, aad_len, key);
	assert_memory_equal(got, wanted, len + AEAD_TAG_LEN);
	assert_true(aead_short_open(opened, got, len + AEAD_TAG_LEN, aad, aad_len, key));
	if (len)
		assert_memory_equal(opened, text, len);
}

static void test_every_length(void **state)
{
	uint8_t text[LEN_MAX], aad[AAD_MAX], key[KEY_LEN];

	(void)state;
	for (uint32_t len = 0; len <= LEN_MAX; len++) {
		for (uint32_t aad_len = 0; aad_len <= AAD_MAX; aad_len++) {
			sample_sequence(text, sizeof(text), len * 100 + aad_len);
			sample_sequence(aad, sizeof(aad), len * 101 + aad_len);
			sample_sequence(key, sizeof(key), len * 102 + aad_len);
			assert_same(text, len, aad, aad_len, key);
		}
	}
}

/* Sums of Poly1305 near 2^130 - 5 and 2^128, where carries go far: texts of many ones. */
static void test_carries(void **state)
{
	uint8_t text[LEN_MAX], aad[AAD_MAX], key[KEY_LEN];

	(void)state;
	memset(aad, 0xff, sizeof(aad));
	for (uint32_t i = 0; i < 20000; i++) {
		sample_sequence(key, sizeof(key), i);
		memset(text, 0, sizeof(text)); /* so that what is authenticated is all ones */
		aead_seal(text, text, i % 49, NULL, 0, 0, key);
		for (uint32_t k = 0; k < i % 49; k++)
			text[k] ^= 0xff;
		assert_same(text, i % 49, aad, i % 3 * 16, key);
	}
}

/* RFC 8439, appendix A.3, from number 7 on: sums around 2^128 and 2^130 - 5, which no key of the
 * cipher leads to. The first byte of each block differs from the rest. */
static void test_poly1305_edges(void **state)
{
	static const struct {
		uint8_t r, s;
		struct {
			uint8_t first, rest;
		} blocks[3];
		uint8_t num_blocks;
		uint8_t tag_first, tag_rest;
	} rows[] = {
		{2, 0x00, {{0xff, 0xff}}, 1, 0x03, 0x00},
		{2, 0xff, {{0x02, 0x00}}, 1, 0x03, 0x00},
		{1, 0x00, {{0xff, 0xff}, {0xf0, 0xff}, {0x11, 0x00}}, 3, 0x05, 0x00},
		{1, 0x00, {{0xff, 0xff}, {0xfb, 0xfe}, {0x01, 0x01}}, 3, 0x00, 0x00},
		{2, 0x00, {{0xfd, 0xff}}, 1, 0xfa, 0xff},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t key[KEY_LEN] = {rows[i].r}, data[48], wanted[16], tag[16];
		const struct bytes all = {data, 16U * rows[i].num_blocks};

		memset(key + 16, rows[i].s, 16);
		for (unsigned n = 0; n < rows[i].num_blocks; n++) {
			memset(data + 16 * n, rows[i].blocks[n].rest, 16);
			data[16 * n] = rows[i].blocks[n].first;
		}
		memset(wanted, rows[i].tag_rest, 16);
		wanted[0] = rows[i].tag_first;
		poly1305_padded(tag, &all, 1, key);
		assert_memory_equal(tag, wanted, 16);
	}
}

static void test_nothing_false_opens(void **state)
{
	uint8_t text[48], sealed[48 + AEAD_TAG_LEN], aad[32], key[KEY_LEN], opened[48];
	const uint8_t untouched[48] = {0};

	(void)state;
	sample_sequence(text, sizeof(text), 1);
	sample_sequence(aad, sizeof(aad), 2);
	sample_sequence(key, sizeof(key), 3);
	aead_short_seal(sealed, text, sizeof(text), aad, sizeof(aad), key);
	memset(opened, 0, sizeof(opened));
	for (unsigned bit = 0; bit < 8 * sizeof(sealed); bit++) {
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		aad[bit / 8 % sizeof(aad)] ^= (uint8_t)(bit % 2); /* now and then this too */
		assert_false(
			aead_short_open(opened, sealed, sizeof(sealed), aad, sizeof(aad), key));
		aad[bit / 8 % sizeof(aad)] ^= (uint8_t)(bit % 2);
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (unsigned bit = 0; bit < 8 * sizeof(aad); bit++) {
		aad[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(
			aead_short_open(opened, sealed, sizeof(sealed), aad, sizeof(aad), key));
		aad[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t len = 0; len < sizeof(sealed); len++)
		assert_false(aead_short_open(opened, sealed, len, aad, sizeof(aad), key));
	assert_memory_equal(opened, untouched, sizeof(opened));
	assert_true(aead_short_open(sealed, sealed, sizeof(sealed), aad, sizeof(aad), key));
	assert_memory_equal(sealed, text, sizeof(text)); /* in place */
}

static int setup(void **state)
{
	(void)state;
	return crypto_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_carries),
		cmocka_unit_test(test_poly1305_edges),
		cmocka_unit_test(test_nothing_false_opens),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
