/* SPDX-License-Identifier: MIT
 *
 * Inner packets: lengths and addresses (RFC 791, RFC 8200), ECN across the tunnel (RFC 6040), and
 * destination unreachable (RFC 792, RFC 4443). Every offset is checked against the bytes at hand.
 */
#include "core/inner.h"

#include "base/checksum.h"

enum {
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	FRAGMENT_HEADER = 8,
	UDP_HEADER = 8,
	ICMP_HEADER = 8, /* of an error: type, code, checksum, unused */
	ICMPV4_ERROR_MAX = 576,
	HOP_LIMIT = 64,
	TOS_INTERNETWORK_CONTROL = 0xc0, /* RFC 1812 4.3.2.5 */
};

enum { ECN_NOT_ECT = 0, ECN_ECT_1 = 1, ECN_ECT_0 = 2, ECN_CE = 3, ECN_MASK = 3 };

bool inner_parse(const uint8_t *data, size_t len, struct inner *ret_inner)
{
	if (len >= IPV4_HEADER && data[0] >> 4 == 4) {
		const uint32_t total = load_be16(data + 2);

		if (total < IPV4_HEADER || total > len)
			return false;
		*ret_inner = (struct inner){.family = AF_INET,
			.len = total,
			.src = data + 12,
			.dst = data + 16,
			.tos = data[1]};
		return true;
	}
	if (len >= IPV6_HEADER && data[0] >> 4 == 6) {
		const uint32_t total = IPV6_HEADER + (uint32_t)load_be16(data + 4);

		if (total > len)
			return false;
		*ret_inner = (struct inner){.family = AF_INET6,
			.len = total,
			.src = data + 8,
			.dst = data + 24,
			.tos = (uint8_t)(data[0] << 4 | data[1] >> 4)};
		return true;
	}
	return false;
}

uint8_t inner_ecn_encapsulate(uint8_t inner_tos)
{
	return inner_tos & ECN_MASK;
}

void inner_ecn_decapsulate(uint8_t *data, const struct inner *inner, uint8_t outer_tos)
{
	const uint8_t old = inner->tos & ECN_MASK, outer = outer_tos & ECN_MASK;
	uint8_t change = 0; /* bits of the ECN field to flip */

	if (outer == ECN_CE && old != ECN_NOT_ECT)
		change = old ^ ECN_CE;
	else if (outer == ECN_ECT_1 && old == ECN_ECT_0)
		change = old ^ ECN_ECT_1;

	if (inner->family == AF_INET6) {
		data[1] ^= (uint8_t)(change << 4);
	} else if (change) {
		const uint16_t checksum = load_be16(data + 10), before = load_be16(data);
		uint32_t sum;

		data[1] ^= change; /* and RFC 1624, equation 3 */
		sum = (uint32_t)(uint16_t)~checksum + (uint16_t)~before + load_be16(data);
		store_be16(data + 10, (uint16_t)~checksum_fold(sum));
	}
}

/* Find the transport header of a whole packet or first fragment. False: a later fragment, or behind
 * IPv6 extension headers; but the fragment's is seen through, as our own datagrams may get it. */
static bool transport_find(const uint8_t *packet, const struct inner *inner, uint8_t *ret_protocol,
	uint32_t *ret_offset)
{
	if (inner->family == AF_INET) {
		*ret_offset = (packet[0] & 0xfU) * 4;
		*ret_protocol = packet[9];
		return *ret_offset >= IPV4_HEADER && *ret_offset <= inner->len &&
		       (load_be16(packet + 6) & 0x1fff) == 0;
	}

	uint8_t protocol = packet[6];

	*ret_offset = IPV6_HEADER;
	if (protocol == IPPROTO_FRAGMENT && inner->len >= IPV6_HEADER + FRAGMENT_HEADER &&
		(load_be16(packet + IPV6_HEADER + 2) & 0xfff8) == 0) {
		protocol = packet[IPV6_HEADER];
		*ret_offset += FRAGMENT_HEADER;
	}
	*ret_protocol = protocol;
	return protocol != IPPROTO_HOPOPTS && protocol != IPPROTO_ROUTING &&
	       protocol != IPPROTO_FRAGMENT && protocol != IPPROTO_AH &&
	       protocol != IPPROTO_DSTOPTS;
}

/* Whether an address can be one host's on a network: may be told, and may be told about. */
static bool is_host(uint16_t family, const uint8_t *addr)
{
	if (family == AF_INET)
		return addr[0] != 0 && addr[0] != 127 && addr[0] < 224;

	const bool unspecified_or_loopback = bytes_are_zero(addr, 15) && addr[15] <= 1;

	return addr[0] != 0xff && !unspecified_or_loopback;
}

bool inner_is_routable(uint16_t family, const uint8_t *addr)
{
	const uint16_t begin = load_be16(addr);

	return is_host(family, addr) &&
	       (family == AF_INET ? begin != 0xa9fe : (begin & 0xffc0) != 0xfe80);
}

/* Whether ICMP's rules allow an error in answer to this packet. */
static bool may_answer(const uint8_t *packet, const struct inner *inner)
{
	uint8_t protocol;
	uint32_t offset;

	if (!is_host(inner->family, inner->src) || !is_host(inner->family, inner->dst) ||
		!transport_find(packet, inner, &protocol, &offset))
		return false;
	if (protocol != (inner->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return true;
	if (offset == inner->len)
		return false;

	const uint8_t type = packet[offset];

	if (inner->family == AF_INET6)
		return type >= 128 && type != 137; /* 137: redirect */
	/* Unreachable, source quench, redirect, time exceeded, parameter problem. */
	return type != 3 && type != 4 && type != 5 && type != 11 && type != 12;
}

/* The header of an answer, whose ICMP part has len bytes. */
static void header_write(uint8_t *buf, const struct inner *answered, uint32_t len)
{
	if (answered->family == AF_INET) {
		buf[0] = 4 << 4 | IPV4_HEADER / 4;
		buf[1] = TOS_INTERNETWORK_CONTROL;
		store_be16(buf + 2, (uint16_t)(IPV4_HEADER + len));
		buf[8] = HOP_LIMIT;
		buf[9] = IPPROTO_ICMP;
		memcpy(buf + 12, answered->dst, 4);
		memcpy(buf + 16, answered->src, 4);
		checksum_store_ipv4(buf);
		return;
	}
	buf[0] = 6 << 4;
	store_be16(buf + 4, (uint16_t)len);
	buf[6] = IPPROTO_ICMPV6;
	buf[7] = HOP_LIMIT;
	memcpy(buf + 8, answered->dst, 16);
	memcpy(buf + 24, answered->src, 16);
}

size_t inner_unreachable(
	uint8_t buf[INNER_UNREACHABLE_MAX], const uint8_t *packet, size_t len, bool prohibited)
{
	struct inner inner;

	if (!inner_parse(packet, len, &inner) || !may_answer(packet, &inner))
		return 0;

	const bool is_ipv6 = inner.family == AF_INET6;
	const uint32_t header_len = is_ipv6 ? IPV6_HEADER : IPV4_HEADER;
	const uint32_t max = is_ipv6 ? INNER_UNREACHABLE_MAX : ICMPV4_ERROR_MAX;
	const uint32_t room = max - header_len - ICMP_HEADER;
	const uint32_t quote_len = inner.len < room ? inner.len : room;
	const uint32_t icmp_len = ICMP_HEADER + quote_len;
	uint8_t *icmp = buf + header_len;
	uint64_t sum = 0;

	memset(buf, 0, header_len + ICMP_HEADER);
	icmp[0] = is_ipv6 ? 1 : 3; /* destination unreachable: */
	if (prohibited)
		icmp[1] = is_ipv6 ? 1 : 13;
	else
		icmp[1] = is_ipv6 ? 3 : 1; /* address, or host */
	memcpy(icmp + ICMP_HEADER, packet, quote_len);
	header_write(buf, &inner, icmp_len);
	if (is_ipv6) /* the checksum of ICMP itself has no pseudo header */
		sum = checksum_add_pseudo(sum, buf, AF_INET6, IPPROTO_ICMPV6, icmp_len);
	checksum_store(icmp + 2, checksum_add(sum, icmp, icmp_len), false);
	return header_len + icmp_len;
}

bool inner_udp(const uint8_t *packet, const struct inner *inner, size_t payload_min,
	uint16_t *ret_destination_port, const uint8_t **ret_payload)
{
	uint8_t protocol;
	uint32_t offset;

	if (!transport_find(packet, inner, &protocol, &offset) || protocol != IPPROTO_UDP ||
		inner->len - offset < UDP_HEADER || inner->len - offset - UDP_HEADER < payload_min)
		return false;
	*ret_destination_port = load_be16(packet + offset + 2);
	*ret_payload = packet + offset + UDP_HEADER;
	return true;
}
