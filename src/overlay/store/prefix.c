/* SPDX-License-Identifier: MIT
 *
 * The prefixes of networks: no two overlap, so that an address is in one network at most.
 */
#include "overlay/store/internal.h"

#include <sys/random.h>

#include "overlay/wire/ranges.h"

enum {
	PREFIX4_CIDR_MIN = 8,
	PREFIX4_CIDR_MAX = 30,
	PREFIX6_CIDR_MIN = 16,
	PREFIX6_CIDR_MAX = 126,
	RANDOM_TRIES = 8,
};

static bool prefixes_overlap(const struct prefix *a, const struct prefix *b)
{
	unsigned bits = a->cidr < b->cidr ? a->cidr : b->cidr;
	unsigned rest = bits % 8;

	if (a->family != b->family || memcmp(a->addr, b->addr, bits / 8) != 0)
		return false;
	return rest == 0 || (a->addr[bits / 8] ^ b->addr[bits / 8]) >> (8 - rest) == 0;
}

static bool has_host_bits(const struct prefix *prefix)
{
	for (unsigned bit = prefix->cidr; bit < address_bits(prefix->family); bit++) {
		if (prefix->addr[bit / 8] & 0x80 >> bit % 8)
			return true;
	}
	return false;
}

static bool prefix_is_usable(const struct prefix *prefix, uint16_t family, uint8_t min, uint8_t max)
{
	return prefix->family == family && prefix->cidr >= min && prefix->cidr <= max &&
	       !has_host_bits(prefix);
}

int network_check_prefixes(struct store *store, const struct network *network)
{
	const struct prefix *prefix4 = &network->prefix4, *prefix6 = &network->prefix6;

	if (prefix4->family != 0 &&
		!prefix_is_usable(prefix4, AF_INET, PREFIX4_CIDR_MIN, PREFIX4_CIDR_MAX))
		return store_fail(store, -EINVAL,
			"the IPv4 prefix must be a /%d to /%d without bits behind it",
			PREFIX4_CIDR_MIN, PREFIX4_CIDR_MAX);
	if (prefix6->family != 0 &&
		!prefix_is_usable(prefix6, AF_INET6, PREFIX6_CIDR_MIN, PREFIX6_CIDR_MAX))
		return store_fail(store, -EINVAL,
			"the IPv6 prefix must be a /%d to /%d without bits behind it",
			PREFIX6_CIDR_MIN, PREFIX6_CIDR_MAX);
	if ((prefix4->family != 0 && !prefix_is_private(prefix4)) ||
		(prefix6->family != 0 && !prefix_is_private(prefix6)))
		return store_fail(store, -EINVAL,
			"a network's prefix must be in one of those for private use: " RANGES_TEXT);
	return 0;
}

struct overlap {
	const struct prefix *prefix;
	bool found;
};

static int look_for_overlap(void *ctx, const struct network *network)
{
	struct overlap *overlap = ctx;

	overlap->found |= prefixes_overlap(overlap->prefix, &network->prefix4) ||
			  prefixes_overlap(overlap->prefix, &network->prefix6);
	return 0;
}

static int prefix_is_free(struct store *store, const struct prefix *prefix, bool *ret_is_free)
{
	struct overlap overlap = {.prefix = prefix};
	int r = store_networks(store, look_for_overlap, &overlap);

	*ret_is_free = !overlap.found;
	return r;
}

/* The next free /16 of 100.64.0.0/10. */
static int choose_prefix4(struct store *store, struct prefix *ret_prefix)
{
	struct prefix prefix = {.family = AF_INET, .cidr = 16, .addr = {100, 64}};
	bool is_free = false;
	int r = 0;

	for (unsigned i = 0; i < 64 && !is_free && r == 0; i++) {
		prefix.addr[1] = (uint8_t)(64 + i);
		r = prefix_is_free(store, &prefix, &is_free);
	}
	if (r == 0 && !is_free)
		return store_fail(
			store, -EADDRNOTAVAIL, "no /16 of 100.64.0.0/10 is free: name a prefix");
	if (r == 0)
		*ret_prefix = prefix;
	return r;
}

static int choose_prefix6(struct store *store, struct prefix *ret_prefix)
{
	struct prefix prefix = {.family = AF_INET6, .cidr = 64, .addr = {0xfd}};
	bool is_free = false;
	int r = 0;

	for (unsigned i = 0; i < RANDOM_TRIES && !is_free && r == 0; i++) {
		if (getrandom(prefix.addr + 1, 7, 0) != 7)
			return store_fail(store, -EIO, "no random numbers");
		r = prefix_is_free(store, &prefix, &is_free);
	}
	if (r == 0 && !is_free)
		return store_fail(store, -EADDRNOTAVAIL, "no /64 of fd00::/8 was found free");
	if (r == 0)
		*ret_prefix = prefix;
	return r;
}

static int claim_prefix(struct store *store, const struct prefix *prefix)
{
	char text[PREFIX_TEXT_LEN];
	bool is_free;
	int r = prefix_is_free(store, prefix, &is_free);

	if (r < 0 || is_free)
		return r;
	prefix_to_text(text, prefix);
	return store_fail(store, -EADDRINUSE, "%s overlaps the prefix of another network", text);
}

int network_settle_prefixes(struct store *store, struct network *network)
{
	int r = network->prefix4.family == 0 ? choose_prefix4(store, &network->prefix4)
					     : claim_prefix(store, &network->prefix4);

	if (r < 0)
		return r;
	return network->prefix6.family == 0 ? choose_prefix6(store, &network->prefix6)
					    : claim_prefix(store, &network->prefix6);
}

uint32_t network_max_host(const struct network *network)
{
	unsigned bits4 = 32 - network->prefix4.cidr, bits6 = 128 - network->prefix6.cidr;
	uint64_t max4 = (UINT64_C(1) << bits4) - 2; /* the last one is for broadcast */
	uint64_t max6 = bits6 < 32 ? (UINT64_C(1) << bits6) - 1 : UINT32_MAX;

	return (uint32_t)(max4 < max6 ? max4 : max6);
}
