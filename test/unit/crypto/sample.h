/* SPDX-License-Identifier: MIT
 *
 * Bytes for the crypto tests: vectors from hex, and the generator of RFC 7693, appendix E.
 */
#ifndef ADIT_TEST_CRYPTO_SAMPLE_H
#define ADIT_TEST_CRYPTO_SAMPLE_H

#include "base/bytes.h"

#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* Write the bytes of hex, which must be len of them, to ret_bytes. */
static inline void sample_hex(uint8_t *ret_bytes, size_t len, const char *hex)
{
	assert_int_equal(strlen(hex), 2 * len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &ret_bytes[i]), 1);
}

/* Whether bytes are those of hex; both are shown when not. */
static inline void sample_assert_hex(const void *bytes, size_t len, const char *hex)
{
	const uint8_t *b = bytes;
	char text[1024];

	assert_true(2 * len < sizeof(text));
	text[0] = '\0';
	for (size_t i = 0; i < len; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", b[i]);
	assert_string_equal(text, hex);
}

/* len bytes from seed. */
static inline void sample_sequence(uint8_t *ret_bytes, size_t len, uint32_t seed)
{
	uint32_t a = 0xdead4badU * seed, b = 1;

	for (size_t i = 0; i < len; i++) {
		uint32_t sum = a + b;

		a = b;
		b = sum;
		ret_bytes[i] = (uint8_t)(sum >> 24);
	}
}

#endif
