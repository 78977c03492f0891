/* SPDX-License-Identifier: MIT
 *
 * Bytes: loads and stores of fixed endianness, constant-time comparison, wiping.
 */
#ifndef ADIT_BASE_BYTES_H
#define ADIT_BASE_BYTES_H

#include <assert.h>
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { KEY_LEN = 32 }; /* public, private, preshared, session: all keys are 32 bytes */

static inline uint16_t load_be16(const void *p)
{
	const uint8_t *b = p;
	return (uint16_t)((b[0] << 8) | b[1]);
}

static inline uint32_t load_be32(const void *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static inline uint32_t load_le32(const void *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static inline uint64_t load_le64(const void *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline void store_be16(void *p, uint16_t v)
{
	uint8_t *b = p;
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static inline void store_be32(void *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void store_be64(void *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

static inline void store_le32(void *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void store_le64(void *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

/* Numbers in messages, which are little endian: to be read by the loads above, and of a type of
 * their own so that none is read otherwise. */
struct le32 {
	uint8_t bytes[4];
};

struct le64 {
	uint8_t bytes[8];
};

static inline struct le32 le32(uint32_t v)
{
	struct le32 r;

	store_le32(&r, v);
	return r;
}

static inline struct le64 le64(uint64_t v)
{
	struct le64 r;

	store_le64(&r, v);
	return r;
}

/* Whether two secrets of len bytes are equal, in time that depends on len alone. */
static inline bool bytes_equal(const void *a, const void *b, size_t len)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t diff = 0;

	for (size_t i = 0; i < len; i++)
		diff |= x[i] ^ y[i];
	return diff == 0;
}

/* Whether len bytes are all zero, in time that depends on len alone. */
static inline bool bytes_are_zero(const void *a, size_t len)
{
	const volatile uint8_t *x = a;
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum |= x[i];
	return sum == 0;
}

/* Overwrite a secret; the compiler may not leave it out. */
static inline void wipe(void *p, size_t len)
{
	explicit_bzero(p, len);
}

#endif
