/* SPDX-License-Identifier: MIT
 *
 * The allowed-IPs table: longest prefix wins, each prefix belongs to exactly one peer. One
 * path-compressed binary trie per family; nodes lie in one array and refer to each other by
 * number.
 */
#ifndef ADIT_CORE_ALLOWEDIPS_H
#define ADIT_CORE_ALLOWEDIPS_H

#include "base/address.h"

struct allowedips; /* owns its nodes */

enum { ALLOWEDIPS_NONE = UINT32_MAX }; /* no peer; never a peer's id */

struct allowedips *allowedips_new(void); /* NULL: out of memory */
void allowedips_free(struct allowedips *table);

/* Give a prefix (masked to its length) to peer_id, taking it from whoever had it; it goes to the
 * end of the peer's list, also when the peer had it already. Returns 0, -EINVAL (family, cidr or
 * peer_id out of range) or -ENOMEM; on failure the table is unchanged. */
MUST_CHECK int allowedips_insert(
	struct allowedips *table, const struct prefix *prefix, uint32_t peer_id);

/* Take a prefix away if exactly it (masked to its length) is there and belongs to peer_id; returns
 * whether it was. */
bool allowedips_remove(struct allowedips *table, const struct prefix *prefix, uint32_t peer_id);

/* Take everything from a peer; costs what the peer has, not what the table holds. */
void allowedips_remove_peer(struct allowedips *table, uint32_t peer_id);

/* The peer whose longest prefix holds the address (4 bytes for AF_INET, 16 for AF_INET6), or
 * ALLOWEDIPS_NONE. */
uint32_t allowedips_lookup(const struct allowedips *table, uint16_t family, const uint8_t *addr);

/* Whether a cursor said to be of this peer's list is: 0, or a place in it. */
MUST_CHECK bool allowedips_cursor_is_valid(
	const struct allowedips *table, uint32_t peer_id, uint32_t cursor);

/* List a peer's prefixes in the order they were given to it, from a cursor: *cursor is 0 at first
 * and is moved on; a cursor is good only while the table does not change. Fills up to max and
 * returns how many; fewer than max: that was all. */
size_t allowedips_list(const struct allowedips *table, uint32_t peer_id, uint32_t *cursor,
	struct prefix *ret_prefixes, size_t max);

#endif
