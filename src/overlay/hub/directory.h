/* SPDX-License-Identifier: MIT
 *
 * The directory: all networks and nodes of the hub in memory, as the store has them, and who is
 * connected. What is found here costs no query.
 */
#ifndef ADIT_OVERLAY_HUB_DIRECTORY_H
#define ADIT_OVERLAY_HUB_DIRECTORY_H

#include "base/map.h"
#include "base/rate.h"
#include "base/siphash.h"
#include "overlay/policy/policy.h"
#include "overlay/store/store.h"

struct stream;

enum { HUB_HOST = 1 }; /* its number in every network */

/* A network, its policy, and how much of it there is. Does not move. */
struct realm {
	struct network network;
	struct policy *policy; /* owned, never NULL */
	size_t num_nodes;
};

/* A node. Does not move. */
struct member {
	struct node node;
	struct realm *realm;
	struct stream *stream;	 /* NULL: not connected */
	struct endpoint seen_at; /* where the tunnel sees it; family 0: not known */
	uint64_t looked_ns;	 /* when we looked there; 0: never */
	struct rate writes;	 /* what it asks of us that is written to disk, or told to others */
	uint32_t slot;
};

struct directory {
	struct realm **realms; /* owned */
	size_t num_realms;
	struct member **slots; /* owned; NULL: unused */
	uint32_t num_slots, num_members;
	struct map by_id, by_host, by_name, by_key; /* values are slots */
	uint8_t hash_key[SIPHASH_KEY_LEN];
};

/* Read everything from the store. hash_key is fresh random bytes. Returns 0 or a negative errno: of
 * the store, -ENOMEM, or -EINVAL when a policy cannot be read (it was checked when it was set). */
MUST_CHECK int directory_load(
	struct directory *directory, struct store *store, const uint8_t hash_key[SIPHASH_KEY_LEN]);
void directory_deinit(struct directory *directory);

struct realm *directory_realm(const struct directory *directory, const char *name);
struct realm *directory_realm_by_id(const struct directory *directory, int64_t id);

/* Add a network, with its policy's text (NULL: none). Returns NULL: out of memory, or not a policy.
 */
struct realm *directory_add_realm(
	struct directory *directory, const struct network *network, const char *policy_text);
/* Remove a network and its nodes. */
void directory_remove_realm(struct directory *directory, struct realm *realm);

/* The member that is asked for, or NULL. */
struct member *directory_member(const struct directory *directory, int64_t id);
struct member *directory_member_by_key(
	const struct directory *directory, const uint8_t public_key[KEY_LEN]);
struct member *directory_member_by_name(
	const struct directory *directory, const struct realm *realm, const char *name);
struct member *directory_member_by_host(
	const struct directory *directory, const struct realm *realm, uint32_t host);
/* By any of its addresses (full length), in any network, or in one. */
struct member *directory_member_by_address(
	const struct directory *directory, const struct realm *realm, const struct prefix *address);

/* The first member whose slot is *slot or greater, which becomes *slot; NULL: no more. */
struct member *directory_next(const struct directory *directory, uint32_t *slot);

/* Take in a node as the store has it now: added, or in place of what was known of it. NULL: out of
 * memory, or its network is not known. */
struct member *directory_put(struct directory *directory, const struct node *node);
void directory_remove(struct directory *directory, struct member *member);

/* The number of an address in a network's prefixes; 0: it is in none of them. */
uint32_t network_host_of(const struct network *network, const struct prefix *address);

/* The address of a number in a network, IPv4 (AF_INET) or IPv6, with the prefix length of the
 * network. */
struct prefix network_address(const struct network *network, uint16_t family, uint32_t host);

/* The same with full length. */
struct prefix network_host_address(const struct network *network, uint16_t family, uint32_t host);

static inline struct policy_subject member_subject(const struct member *member)
{
	return (struct policy_subject){
		member->node.name, (const char(*)[TAG_MAX + 1]) member->node.tags};
}

#endif
