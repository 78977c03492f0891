/* SPDX-License-Identifier: MIT
 *
 * The Internet checksum (RFC 1071), accumulated over parts. Sums are kept in the machine's byte
 * order, as RFC 1071 section 2(B) allows; every part but the last has an even length.
 */
#ifndef ADIT_BASE_CHECKSUM_H
#define ADIT_BASE_CHECKSUM_H

#include "base/address.h"

/* Add len bytes to a sum. */
uint64_t checksum_add(uint64_t sum, const void *data, size_t len);

/* The same while copying them to dst. */
uint64_t checksum_add_copy(uint64_t sum, void *dst, const void *src, size_t len);

/* Add the pseudo header of a TCP or UDP segment of len bytes: addresses as they stand in the IP
 * header at packet. */
uint64_t checksum_add_pseudo(
	uint64_t sum, const uint8_t *packet, uint16_t family, uint8_t protocol, size_t len);

/* Fold a sum to 16 bits, to be complemented or not, and stored as it is. */
static inline uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

/* Store the checksum that a finished sum stands for; is_udp: zero is written as its other form. */
static inline void checksum_store(uint8_t *field, uint64_t sum, bool is_udp)
{
	uint16_t checksum = (uint16_t)~checksum_fold(sum);

	if (is_udp && checksum == 0)
		checksum = UINT16_MAX;
	memcpy(field, &checksum, sizeof(checksum));
}

/* Recompute the header checksum of an IPv4 packet. */
void checksum_store_ipv4(uint8_t *packet);

#endif
