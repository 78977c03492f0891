/* SPDX-License-Identifier: MIT
 *
 * Inner packets: the few fields of IPv4 and IPv6 headers a tunnel looks at. Reads bytes that an
 * authenticated peer, or any local program, has chosen.
 */
#ifndef ADIT_CORE_INNER_H
#define ADIT_CORE_INNER_H

#include "base/packet.h"

enum { INNER_UNREACHABLE_MAX = 1280 }; /* the longest answer of inner_unreachable */

struct inner {
	uint16_t family;    /* AF_INET or AF_INET6 */
	uint32_t len;	    /* of the packet by its own header, <= the bytes at hand */
	const uint8_t *src; /* 4 or 16 bytes within the packet */
	const uint8_t *dst;
	uint8_t tos; /* TOS or traffic class byte */
};

/* Parse the header at data (len bytes, padding included). IPv4: at least 20 bytes, 20 <= total
 * length <= len; IPv6: at least 40, payload length + 40 <= len. Anything else is false with
 * ret_inner untouched. Options and extension headers are not looked at. */
MUST_CHECK bool inner_parse(const uint8_t *data, size_t len, struct inner *ret_inner);

/* The outer TOS byte of an inner packet, RFC 6040 normal mode: its ECN field is copied, CE too;
 * DSCP is 0, so that nothing else of the inner header shows. */
uint8_t inner_ecn_encapsulate(uint8_t inner_tos);

/* Merge the ECN field of the outer TOS byte into the packet at data, which inner describes (RFC
 * 6040, figure 4): CE over ECT(0) or ECT(1) becomes CE, ECT(1) over ECT(0) becomes ECT(1), and an
 * IPv4 header checksum is mended. CE over Not-ECT passes unchanged, as with the kernel. inner->tos
 * keeps the old value. */
void inner_ecn_decapsulate(uint8_t *data, const struct inner *inner, uint8_t outer_tos);

/* Build in buf the complete ICMP(v6) packet that tells the sender of packet that its destination
 * is unreachable: IPv4 type 3 code 1 (host), IPv6 type 1 code 3 (address), or if it is prohibited
 * code 13 and 1 (by administration), from the unreachable destination itself, quoting as much as
 * RFC 1812 (576 in all) and RFC 4443 (1280) allow. Returns its length, or 0 when none may be sent
 * (RFC 1122 3.2.2, RFC 4443 2.4): packet does not parse, is an ICMP error or a redirect, is a later
 * fragment or has IPv6 extension headers, or has a source or destination that is no single host's
 * (multicast, broadcast, unspecified) or is loopback. */
size_t inner_unreachable(
	uint8_t buf[INNER_UNREACHABLE_MAX], const uint8_t *packet, size_t len, bool prohibited);

/* Whether an address can be one host's, and not only on the link it is used on: not multicast,
 * broadcast, loopback, unspecified or link-local. */
bool inner_is_routable(uint16_t family, const uint8_t *addr);

/* Whether the packet, which inner describes, is a whole UDP datagram or its first fragment, with at
 * least payload_min bytes of payload at hand; if so sets its destination port and payload. IPv6
 * extension headers other than the fragment's are not seen through. */
MUST_CHECK bool inner_udp(const uint8_t *packet, const struct inner *inner, size_t payload_min,
	uint16_t *ret_destination_port, const uint8_t **ret_payload);

#endif
