/* SPDX-License-Identifier: MIT
 *
 * Keys as text: exact forms, round trips, and one text for one key.
 */
#include "base/encoding.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static const char base64_alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Keys first, first + step, ..; the texts are from an independent script. */
static const struct {
	uint8_t first, step;
	const char *base64, *hex;
} rows[] = {
	{0x00, 0, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"0000000000000000000000000000000000000000000000000000000000000000"},
	{0xff, 0, "//////////////////////////////////////////8=",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	{0x00, 1, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"},
	{0xfb, 0, "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=",
		"fbfbfbfbfbfbfbfbfbfbfbfbfbfbfbfbfbfbfbfbfbfbfbfbfbfbfbfbfbfbfbfb"},
};

static void test_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t key[KEY_LEN], back[KEY_LEN];
		char text[KEY_HEX_LEN + 1];

		for (size_t j = 0; j < KEY_LEN; j++)
			key[j] = (uint8_t)(rows[i].first + j * rows[i].step);
		key_to_base64(text, key);
		assert_string_equal(text, rows[i].base64);
		assert_int_equal(key_from_base64(back, text, KEY_BASE64_LEN), 0);
		assert_memory_equal(back, key, KEY_LEN);
		key_to_hex(text, key);
		assert_string_equal(text, rows[i].hex);
		memset(back, 0, sizeof(back));
		assert_int_equal(key_from_hex(back, text, KEY_HEX_LEN), 0);
		assert_memory_equal(back, key, KEY_LEN);
	}
}

/* Each byte at each position has its value in the text, and the text gives it back. */
static void test_every_byte(void **state)
{
	(void)state;
	for (unsigned at = 0; at < KEY_LEN; at++) {
		for (unsigned value = 0; value < 256; value++) {
			uint8_t key[KEY_LEN], back[KEY_LEN] = {0};
			char text[KEY_HEX_LEN + 1], pair[3];

			memset(key, 0x5a, sizeof(key));
			key[at] = (uint8_t)value;
			key_to_base64(text, key);
			assert_int_equal(key_from_base64(back, text, KEY_BASE64_LEN), 0);
			assert_memory_equal(back, key, KEY_LEN);
			key_to_hex(text, key);
			(void)snprintf(pair, sizeof(pair), "%02x", value);
			assert_memory_equal(text + 2 * at, pair, 2);
			(void)snprintf(pair, sizeof(pair), "%02X", value);
			memcpy(text + 2 * at, pair, 2);
			memset(back, 0, sizeof(back));
			assert_int_equal(key_from_hex(back, text, KEY_HEX_LEN), 0);
			assert_memory_equal(back, key, KEY_LEN);
		}
	}
}

/* Every character at every position is a digit or refused, and a refusal changes nothing. */
static void test_every_character(void **state)
{
	uint8_t untouched[KEY_LEN], key[KEY_LEN];
	char text[KEY_HEX_LEN + 1];

	(void)state;
	memset(untouched, 0xee, sizeof(untouched));
	for (unsigned c = 0; c < 256; c++) {
		const char *digit = c ? strchr(base64_alphabet, (int)c) : NULL;
		bool is_hex = c && strchr("0123456789abcdefABCDEF", (int)c);

		for (unsigned at = 0; at < KEY_BASE64_LEN; at++) {
			/* The last digit carries 4 bits; its low 2 must be zero (one key, one
			 * text). Behind it stands the padding and nothing else. */
			bool ok = at == 43   ? c == '='
				  : at == 42 ? digit && (digit - base64_alphabet) % 4 == 0
					     : digit != NULL;

			memcpy(text, rows[2].base64, KEY_BASE64_LEN + 1);
			memcpy(key, untouched, sizeof(key));
			text[at] = (char)c;
			assert_int_equal(
				key_from_base64(key, text, KEY_BASE64_LEN), ok ? 0 : -EINVAL);
			if (!ok)
				assert_memory_equal(key, untouched, sizeof(key));
		}
		for (unsigned at = 0; at < KEY_HEX_LEN; at++) {
			memcpy(text, rows[2].hex, KEY_HEX_LEN + 1);
			memcpy(key, untouched, sizeof(key));
			text[at] = (char)c;
			assert_int_equal(
				key_from_hex(key, text, KEY_HEX_LEN), is_hex ? 0 : -EINVAL);
			if (!is_hex)
				assert_memory_equal(key, untouched, sizeof(key));
		}
	}
}

static void test_every_length(void **state)
{
	char text[128];
	uint8_t key[KEY_LEN];

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		memset(text, 'A', sizeof(text));
		text[43] = '=';
		assert_int_equal(
			key_from_base64(key, text, len), len == KEY_BASE64_LEN ? 0 : -EINVAL);
		if (len && len != KEY_BASE64_LEN) { /* padding where it would end */
			text[43] = 'A';
			text[len - 1] = '=';
			assert_int_equal(key_from_base64(key, text, len), -EINVAL);
		}
		memset(text, 'a', sizeof(text));
		assert_int_equal(key_from_hex(key, text, len), len == KEY_HEX_LEN ? 0 : -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_every_character),
		cmocka_unit_test(test_every_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
