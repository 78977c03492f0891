/* SPDX-License-Identifier: MIT
 *
 * Addresses: an endpoint (where a peer was last heard, and the local address it spoke to) and a
 * prefix (an allowed IP). Plain values, fixed size, without pointers: they cross processes.
 */
#ifndef ADIT_BASE_ADDRESS_H
#define ADIT_BASE_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/bytes.h"

/* The remote address and port of a peer. `local` and `local_ifindex` are the sticky source: the
 * address and interface its last authenticated packet came to; all zero when unknown. */
struct endpoint {
	uint16_t family; /* AF_INET, AF_INET6, or 0: no endpoint */
	uint16_t port;	 /* host order */
	uint32_t scope_id;
	uint8_t addr[16]; /* IPv4 in the first 4 bytes, the rest zero */
	uint8_t local[16];
	uint32_t local_ifindex;
};
static_assert(sizeof(struct endpoint) == 44, "crosses processes");

/* For what another process says: whether the family is one of those above. */
static inline bool endpoint_is_valid(const struct endpoint *endpoint)
{
	return endpoint->family == 0 || endpoint->family == AF_INET || endpoint->family == AF_INET6;
}

/* Whether the remote sides (family, address, port, scope) are the same. */
static inline bool endpoint_same_remote(const struct endpoint *a, const struct endpoint *b)
{
	return a->family == b->family && a->port == b->port && a->scope_id == b->scope_id &&
	       memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

static inline bool endpoint_has_source(const struct endpoint *endpoint)
{
	static const uint8_t none[sizeof(endpoint->local)];

	return memcmp(endpoint->local, none, sizeof(none)) != 0;
}

static inline void endpoint_clear_source(struct endpoint *endpoint)
{
	memset(endpoint->local, 0, sizeof(endpoint->local));
	endpoint->local_ifindex = 0;
}

/* An IP prefix. Bits behind cidr are zero once it is stored in a table. */
struct prefix {
	uint16_t family; /* AF_INET or AF_INET6 */
	uint8_t cidr;	 /* 0-32 or 0-128 */
	uint8_t pad;
	uint8_t addr[16];
};
static_assert(sizeof(struct prefix) == 20, "crosses processes");

static inline unsigned address_bits(uint16_t family)
{
	return family == AF_INET ? 32 : 128;
}

static inline bool prefix_is_valid(const struct prefix *prefix)
{
	return (prefix->family == AF_INET || prefix->family == AF_INET6) &&
	       prefix->cidr <= address_bits(prefix->family);
}

/* Whether it is of full length: a single address. */
static inline bool prefix_is_address(const struct prefix *prefix)
{
	return prefix_is_valid(prefix) && prefix->cidr == address_bits(prefix->family);
}

enum {
	ENDPOINT_TEXT_LEN = 64 + 16, /* "[v6%scope]:port" and a NUL fit */
	PREFIX_TEXT_LEN = 64,
};

/* Write "1.2.3.4:51820" or "[fe80::1%2]:51820" (scope as a number) and a NUL; "(none)" for no
 * endpoint. */
void endpoint_to_text(char ret_text[ENDPOINT_TEXT_LEN], const struct endpoint *endpoint);

/* Read the numeric forms endpoint_to_text writes; a scope may be a number or an interface name.
 * No names are resolved. Returns 0, or -EINVAL with ret_endpoint untouched. */
MUST_CHECK int endpoint_from_text(struct endpoint *ret_endpoint, const char *text);

/* Write "10.0.0.0/8" or "fd00::/8" and a NUL. */
void prefix_to_text(char ret_text[PREFIX_TEXT_LEN], const struct prefix *prefix);

/* Read an address with or without "/cidr" (without: the full length). Host bits are kept.
 * Returns 0, or -EINVAL with ret_prefix untouched. */
MUST_CHECK int prefix_from_text(struct prefix *ret_prefix, const char *text);

#endif
