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

/* The last len bytes, fewer than 8, as a word. */
static inline uint64_t tail_word(const uint8_t *src, size_t len)
{
	uint64_t sum = 0;
	uint32_t word;
	uint16_t half;

	if (len & 4) {
		memcpy(&word, src, sizeof(word));
		sum += word;
		src += sizeof(word);
	}
	if (len & 2) {
		memcpy(&half, src, sizeof(half));
		sum += half;
		src += sizeof(half);
	}
	if (len & 1) {
		half = 0;
		memcpy(&half, src, 1);
		sum += half;
	}
	return sum;
}

/* The sum of num chunks, copied to dst unless it is NULL. */
static inline uint64_t add_chunks(uint8_t *dst, const uint8_t *src, size_t num)
{
	vector sums[VECTORS] = {{0}}, words;
	uint64_t sum = 0;

	for (; num; num--, src += CHUNK) {
#pragma GCC unroll 4
		for (size_t i = 0; i < VECTORS; i++) {
			memcpy(&words, src + sizeof(words) * i, sizeof(words));
			sums[i] += (words & UINT32_MAX) + (words >> 32);
			if (dst)
				memcpy(dst + sizeof(words) * i, &words, sizeof(words));
		}
		dst = dst ? dst + CHUNK : NULL;
	}
	for (int i = 0; i < VECTORS; i++)
		sum += sums[i][0] + sums[i][1];
	return sum;
}

static inline uint64_t add(const uint8_t *src, size_t len)
{
	uint64_t sum = 0, word;

	for (; len >= 8; src += 8, len -= 8) {
		memcpy(&word, src, sizeof(word));
		sum += halves(word);
	}
	return sum + tail_word(src, len);
}

uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
	size_t in_chunks = len / CHUNK * CHUNK;

	sum = halves(sum);
	if (in_chunks)
		sum += halves(add_chunks(NULL, data, len / CHUNK));
	return sum + add((const uint8_t *)data + in_chunks, len - in_chunks);
}

uint64_t checksum_add_copy(uint64_t sum, void *dst, const void *src, size_t len)
{
	size_t in_chunks = len / CHUNK * CHUNK, rest = len - in_chunks;
	const uint8_t *from = (const uint8_t *)src + in_chunks;

	if (rest)
		memcpy((uint8_t *)dst + in_chunks, from, rest);
	return halves(sum) + halves(add_chunks(dst, src, len / CHUNK)) + add(from, rest);
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
