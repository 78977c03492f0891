/* SPDX-License-Identifier: MIT
 *
 * Inner packets: the few fields of IPv4 and IPv6 headers a tunnel looks at. Reads bytes that an
 * authenticated peer, or any local program, has chosen.
 */
#ifndef ADIT_CORE_INNER_H
#define ADIT_CORE_INNER_H

#include "base/packet.h"

struct inner {
	uint16_t family;    /* AF_INET or AF_INET6 */
	uint32_t len;	    /* of the packet by its own header, <= the bytes at hand */
	const uint8_t *src; /* 4 or 16 bytes within the packet */
	const uint8_t *dst;
	uint8_t tos; /* TOS or traffic class byte */
};

/* Parse the header at data (len bytes, padding included). IPv4: at least 20 bytes, 20 <= total
 * length <= len; IPv6: at least 40, payload length + 40 <= len, in wide arithmetic. Anything else
 * is false with ret_inner untouched. */
MUST_CHECK bool inner_parse(const uint8_t *data, size_t len, struct inner *ret_inner);

/* RFC 6040 normal mode, as the kernel does it. The outer TOS byte of an inner packet: its ECN
 * bits with DSCP 0, and CE becoming ECT(0)… see inner.c. */
uint8_t inner_ecn_encapsulate(uint8_t inner_tos);

/* Merge the outer ECN into a valid inner packet in place: CE on an ECT inner packet makes it CE
 * (and mends the IPv4 header checksum). CE over Not-ECT is left as it is, like the kernel. */
void inner_ecn_decapsulate(uint8_t *data, const struct inner *inner, uint8_t outer_tos);

/* Build in buf (at least 1280 bytes) the ICMP(v6) destination-unreachable that answers packet: IPv4
 * type 3 code 1, IPv6 type 1 code 3, source = the unreachable destination, quoting as much as RFC
 * 1812 (576 in all) and RFC 4443 (1280) allow. Returns its length, or 0 when none may be sent:
 * packet is an ICMP error, a later fragment, to or from multicast or broadcast, from the
 * unspecified address (RFC 1122 3.2.2, RFC 4443 2.4). */
size_t inner_unreachable(uint8_t *buf, const uint8_t *packet, size_t len);

/* If the packet is an unfragmented or first-fragment UDP datagram with at least payload_min bytes
 * of payload at hand: its source port and payload. Returns false otherwise. */
MUST_CHECK bool inner_udp(const uint8_t *packet, size_t len, size_t payload_min,
	uint16_t *ret_source_port, const uint8_t **ret_payload);

#endif
