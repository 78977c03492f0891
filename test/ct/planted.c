/* SPDX-License-Identifier: MIT
 *
 * The mistakes that this is to find, planted: each must be complained of.
 */
#include "crypto/hash.h"
#include "secret.h"

static volatile unsigned sink;

/* A mac compared by a function that stops at the first byte that differs. */
static void mac_by_memcmp(void)
{
	static volatile size_t len =
		MAC_LEN; /* else it is done in line, by chance without a branch */
	uint8_t key[KEY_LEN], expected[MAC_LEN], received[MAC_LEN] = {0};

	secret_bytes(key, sizeof(key), 1);
	mac(expected, key, sizeof(key), "message", 7, NULL, 0);
	sink = memcmp(expected, received, len) == 0;
}

static void table_lookup(void)
{
	static volatile uint8_t table[256] = {1};
	uint8_t key[KEY_LEN];

	secret_bytes(key, sizeof(key), 1);
	for (unsigned i = 0; i < KEY_LEN; i++)
		sink = table[key[i]];
}

static int decode(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] < '+' || text[i] > 'z')
			return -1;
	return 0;
}

/* A decoder that stops at the first character that is none of its alphabet. */
static void early_exit(void)
{
	char text[44];

	secret_bytes(text, sizeof(text), 1);
	sink = (unsigned)decode(text, sizeof(text));
}

static unsigned power(const uint8_t *scalar)
{
	unsigned product = 1;

	for (unsigned i = 0; i < 8 * KEY_LEN; i++) {
		product *= product;
		if (scalar[i / 8] >> i % 8 & 1)
			product += sink;
	}
	return product;
}

/* A ladder that does more where the scalar has a bit. */
static void square_and_multiply(void)
{
	uint8_t scalar[KEY_LEN];

	secret_bytes(scalar, sizeof(scalar), 1);
	sink = power(scalar);
}

const struct ct_case planted_cases[] = {
	{"planted: memcmp of a mac", mac_by_memcmp, true},
	{"planted: table lookup", table_lookup, true},
	{"planted: early exit", early_exit, true},
	{"planted: square and multiply", square_and_multiply, true},
	{NULL, NULL, false},
};
