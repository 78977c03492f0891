/* SPDX-License-Identifier: MIT
 *
 * The Internet checksum, in vectors of the size that every 64-bit processor has.
 */
#include "base/checksum.h"

typedef uint64_t vector __attribute__((vector_size(16)));

enum { VECTORS = 4, CHUNK = VECTORS * sizeof(vector) };

/* The two halves of a word, added: what is carried is never lost in 64 bits. */
static inline uint64_t halves(uint64_t word)
{
	return (word & UINT32_MAX) + (word >> 32);
}

/* The sum of len bytes, copied to dst unless it is NULL. */
static inline uint64_t add(uint8_t *dst, const uint8_t *src, size_t len)
{
	vector sums[VECTORS] = {{0}};
	uint64_t sum = 0, word;

	for (; len >= CHUNK; src += CHUNK, len -= CHUNK) {
#pragma GCC unroll 4
		for (int i = 0; i < VECTORS; i++) {
			vector words;

			memcpy(&words, src + sizeof(words) * (size_t)i, sizeof(words));
			sums[i] += (words & UINT32_MAX) + (words >> 32);
			if (dst)
				memcpy(dst + sizeof(words) * (size_t)i, &words, sizeof(words));
		}
		dst = dst ? dst + CHUNK : NULL;
	}
	for (int i = 0; i < VECTORS; i++)
		sum += sums[i][0] + sums[i][1];
	for (size_t n; len; src += n, len -= n) {
		n = len < sizeof(word) ? len : sizeof(word);
		word = 0;
		memcpy(&word, src, n);
		sum += halves(word);
		if (dst) {
			memcpy(dst, src, n);
			dst += n;
		}
	}
	return halves(sum);
}

uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
	return halves(sum) + add(NULL, data, len);
}

uint64_t checksum_add_copy(uint64_t sum, void *dst, const void *src, size_t len)
{
	return halves(sum) + add(dst, src, len);
}

uint64_t checksum_add_pseudo(
	uint64_t sum, const uint8_t *packet, uint16_t family, uint8_t protocol, size_t len)
{
	uint8_t rest[8] = {0};

	store_be32(rest, (uint32_t)len);
	rest[7] = protocol;
	sum = family == AF_INET ? checksum_add(sum, packet + 12, 8)
				: checksum_add(sum, packet + 8, 32);
	return checksum_add(sum, rest, sizeof(rest));
}

void checksum_store_ipv4(uint8_t *packet)
{
	store_be16(packet + 10, 0);
	checksum_store(packet + 10, checksum_add(0, packet, (packet[0] & 15) * 4u), false);
}
