/* SPDX-License-Identifier: MIT
 *
 * Keys as base64 and hex. A character and its value are both secret, so they are converted by
 * arithmetic: every range of the alphabet is computed and the one that applies is masked in.
 */
#include "base/encoding.h"

#include <errno.h>

enum { BASE64_DIGITS = KEY_BASE64_LEN - 1 }; /* the last character is the padding */

/* All ones when low <= x <= high, else zero. All three are below 2^31. */
static uint32_t in_range(uint32_t x, uint32_t low, uint32_t high)
{
	uint32_t mask = 0U - (((low - 1U - x) & (x - high - 1U)) >> 31);

	__asm__("" : "+r"(mask)); /* the compiler shall not make a branch of it */
	return mask;
}

static char base64_digit(uint32_t value)
{
	return (char)((in_range(value, 0, 25) & (value + 'A')) |
		      (in_range(value, 26, 51) & (value - 26 + 'a')) |
		      (in_range(value, 52, 61) & (value - 52 + '0')) |
		      (in_range(value, 62, 62) & '+') | (in_range(value, 63, 63) & '/'));
}

/* The value of a digit; a character that is none gives 0 and sets *bad. */
static uint32_t base64_value(char digit, uint32_t *bad)
{
	const uint32_t c = (uint8_t)digit;
	const uint32_t upper = in_range(c, 'A', 'Z'), lower = in_range(c, 'a', 'z');
	const uint32_t number = in_range(c, '0', '9');
	const uint32_t plus = in_range(c, '+', '+'), slash = in_range(c, '/', '/');

	*bad |= ~(upper | lower | number | plus | slash);
	return (upper & (c - 'A')) | (lower & (c - 'a' + 26)) | (number & (c - '0' + 52)) |
	       (plus & 62) | (slash & 63);
}

static char hex_digit(uint32_t value)
{
	return (char)((in_range(value, 0, 9) & (value + '0')) |
		      (in_range(value, 10, 15) & (value - 10 + 'a')));
}

static uint32_t hex_value(char digit, uint32_t *bad)
{
	const uint32_t c = (uint8_t)digit;
	const uint32_t number = in_range(c, '0', '9');
	const uint32_t upper = in_range(c, 'A', 'F'), lower = in_range(c, 'a', 'f');

	*bad |= ~(number | upper | lower);
	return (number & (c - '0')) | (upper & (c - 'A' + 10)) | (lower & (c - 'a' + 10));
}

/* Commit a decoded key unless something in it was bad. */
static int key_commit(uint8_t ret_key[KEY_LEN], uint8_t key[KEY_LEN], uint32_t bad)
{
	const bool good = bytes_are_zero(&bad, sizeof(bad));

	if (good)
		memcpy(ret_key, key, KEY_LEN);
	wipe(key, KEY_LEN);
	return good ? 0 : -EINVAL;
}

void key_to_base64(char ret_text[KEY_BASE64_LEN + 1], const uint8_t key[KEY_LEN])
{
	uint32_t acc = 0;
	unsigned bits = 0, next = 0;

	for (unsigned i = 0; i < BASE64_DIGITS; i++) {
		if (bits < 6) { /* behind the key's end come zero bits */
			acc = acc << 8 | (next < KEY_LEN ? key[next] : 0);
			next++;
			bits += 8;
		}
		bits -= 6;
		ret_text[i] = base64_digit(acc >> bits & 63);
	}
	ret_text[BASE64_DIGITS] = '=';
	ret_text[KEY_BASE64_LEN] = '\0';
}

int key_from_base64(uint8_t ret_key[KEY_LEN], const char *text, size_t text_len)
{
	uint8_t key[KEY_LEN];
	uint32_t acc = 0, bad = 0;
	unsigned bits = 0, next = 0;

	if (text_len != KEY_BASE64_LEN || text[BASE64_DIGITS] != '=')
		return -EINVAL;
	for (unsigned i = 0; i < BASE64_DIGITS; i++) {
		acc = acc << 6 | base64_value(text[i], &bad);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			key[next++] = (uint8_t)(acc >> bits);
		}
	}
	bad |= acc & ((1U << bits) - 1); /* else several texts would name one key */
	return key_commit(ret_key, key, bad);
}

void key_to_hex(char ret_text[KEY_HEX_LEN + 1], const uint8_t key[KEY_LEN])
{
	for (unsigned i = 0; i < KEY_LEN; i++) {
		ret_text[2 * i] = hex_digit(key[i] >> 4);
		ret_text[2 * i + 1] = hex_digit(key[i] & 15);
	}
	ret_text[KEY_HEX_LEN] = '\0';
}

int key_from_hex(uint8_t ret_key[KEY_LEN], const char *text, size_t text_len)
{
	uint8_t key[KEY_LEN];
	uint32_t bad = 0;

	if (text_len != KEY_HEX_LEN)
		return -EINVAL;
	for (unsigned i = 0; i < KEY_LEN; i++)
		key[i] = (uint8_t)(hex_value(text[2 * i], &bad) << 4 |
				   hex_value(text[2 * i + 1], &bad));
	return key_commit(ret_key, key, bad);
}
