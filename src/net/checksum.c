/* SPDX-License-Identifier: MIT
 *
 * The Internet checksum, eight bytes at a time.
 */
#include "net/checksum.h"

/* The two halves of a word, added: what is carried is never lost in 64 bits. */
static inline uint64_t halves(uint64_t word)
{
	return (word & UINT32_MAX) + (word >> 32);
}

static uint64_t tail_word(const uint8_t *data, size_t len)
{
	uint64_t word = 0;

	memcpy(&word, data, len);
	return word;
}

uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t a = 0, b = 0;

	for (; len >= 16; p += 16, len -= 16) {
		a += halves(load_le64(p));
		b += halves(load_le64(p + 8));
	}
	if (len >= 8) {
		a += halves(load_le64(p));
		p += 8;
		len -= 8;
	}
	return halves(sum) + halves(a) + halves(b) + halves(tail_word(p, len));
}

uint64_t checksum_add_copy(uint64_t sum, void *dst, const void *src, size_t len)
{
	memcpy(dst, src, len);
	return checksum_add(sum, dst, len);
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
