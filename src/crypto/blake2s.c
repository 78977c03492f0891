/* SPDX-License-Identifier: MIT
 *
 * The compression function of BLAKE2s (RFC 7693, section 3.2). A handshake takes some 80 of them;
 * libcrypto's way there costs more than they do.
 */
#include "crypto/internal.h"

static const uint8_t sigma[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	{14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
	{11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
	{7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
	{9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
	{2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
	{12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
	{13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
	{6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
	{10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

const uint32_t blake2s_iv[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
	0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static inline uint32_t rotate_right(uint32_t x, unsigned bits)
{
	return x >> bits | x << (32 - bits);
}

static inline __attribute__((always_inline)) void mix(
	uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d, uint32_t x, uint32_t y)
{
	*a += *b + x;
	*d = rotate_right(*d ^ *a, 16);
	*c += *d;
	*b = rotate_right(*b ^ *c, 12);
	*a += *b + y;
	*d = rotate_right(*d ^ *a, 8);
	*c += *d;
	*b = rotate_right(*b ^ *c, 7);
}

void blake2s_compress(struct blake2s *s, bool is_last)
{
	uint32_t m[16], v[16];

	for (unsigned i = 0; i < 16; i++)
		m[i] = load_le32(s->block + 4 * i);
	for (unsigned i = 0; i < 8; i++) {
		v[i] = s->h[i];
		v[8 + i] = blake2s_iv[i];
	}
	v[12] ^= (uint32_t)s->len;
	v[13] ^= (uint32_t)(s->len >> 32);
	v[14] ^= is_last ? UINT32_MAX : 0;
#pragma GCC unroll 10
	for (unsigned round = 0; round < 10; round++) {
		const uint8_t *p = sigma[round];

		mix(&v[0], &v[4], &v[8], &v[12], m[p[0]], m[p[1]]);
		mix(&v[1], &v[5], &v[9], &v[13], m[p[2]], m[p[3]]);
		mix(&v[2], &v[6], &v[10], &v[14], m[p[4]], m[p[5]]);
		mix(&v[3], &v[7], &v[11], &v[15], m[p[6]], m[p[7]]);
		mix(&v[0], &v[5], &v[10], &v[15], m[p[8]], m[p[9]]);
		mix(&v[1], &v[6], &v[11], &v[12], m[p[10]], m[p[11]]);
		mix(&v[2], &v[7], &v[8], &v[13], m[p[12]], m[p[13]]);
		mix(&v[3], &v[4], &v[9], &v[14], m[p[14]], m[p[15]]);
	}
	for (unsigned i = 0; i < 8; i++)
		s->h[i] ^= v[i] ^ v[8 + i];
}
