/* SPDX-License-Identifier: MIT
 *
 * Ranges of addresses.
 */
#include "overlay/wire/ranges.h"

bool prefix_contains(const struct prefix *outer, const struct prefix *inner)
{
	unsigned bytes = outer->cidr / 8, bits = outer->cidr % 8;

	return outer->family == inner->family && outer->cidr <= inner->cidr &&
	       memcmp(outer->addr, inner->addr, bytes) == 0 &&
	       (bits == 0 || (outer->addr[bytes] ^ inner->addr[bytes]) >> (8 - bits) == 0);
}

static bool is_in(const struct prefix *prefix, const struct prefix *ranges, size_t num)
{
	for (size_t i = 0; i < num; i++) {
		if (prefix_contains(&ranges[i], prefix))
			return true;
	}
	return false;
}

bool prefix_is_private(const struct prefix *prefix)
{
	static const struct prefix ranges[] = {
		{AF_INET, 8, 0, {10}},
		{AF_INET, 10, 0, {100, 64}},
		{AF_INET, 12, 0, {172, 16}},
		{AF_INET, 16, 0, {192, 168}},
		{AF_INET6, 7, 0, {0xfc}},
	};

	return is_in(prefix, ranges, ARRAY_SIZE(ranges));
}

bool endpoint_is_reachable(const struct endpoint *endpoint)
{
	static const struct prefix nobodys[] = {
		{AF_INET, 8, 0, {0}},
		{AF_INET, 8, 0, {127}},
		{AF_INET, 3, 0, {224}},		 /* multicast, reserved, broadcast */
		{AF_INET6, 8, 0, {0}},		 /* unspecified, loopback, IPv4 in disguise */
		{AF_INET6, 10, 0, {0xfe, 0x80}}, /* of a link that others do not see */
		{AF_INET6, 8, 0, {0xff}},
	};
	struct prefix address = {
		.family = endpoint->family, .cidr = endpoint->family == AF_INET ? 32 : 128};

	memcpy(address.addr, endpoint->addr, endpoint->family == AF_INET ? 4 : 16);
	return endpoint->port != 0 && !is_in(&address, nobodys, ARRAY_SIZE(nobodys));
}
