/* SPDX-License-Identifier: MIT
 *
 * What the hub says (doc/api.md, "Node API"), as values: itself about us, peers, and the lines of
 * the stream. The hub is trusted to manage the network and not to write JSON well: everything is
 * checked here, once, and what is not understood is refused as a whole.
 */
#ifndef ADIT_OVERLAY_AGENT_NEWS_H
#define ADIT_OVERLAY_AGENT_NEWS_H

#include <jansson.h>

#include "base/address.h"
#include "overlay/policy/policy.h"

enum {
	NEWS_ADDRESSES_MAX = 4, /* of a node */
	NEWS_ENDPOINTS_MAX = 9, /* where the hub sees a node, and what it may report */
};

struct news_peer {
	int64_t id;
	char name[NODE_NAME_MAX + 1];
	uint8_t public_key[KEY_LEN];
	struct prefix addresses[NEWS_ADDRESSES_MAX]; /* full length */
	struct endpoint endpoints[NEWS_ENDPOINTS_MAX];
	uint8_t num_addresses, num_endpoints;
	struct policy_allowance *accept; /* what it may send to us; owned */
	unsigned num_accept;
};

enum news_state {
	NEWS_UNKNOWN,
	NEWS_PENDING,
	NEWS_ACTIVE,
	NEWS_EXPIRED,
	NEWS_REVOKED,
	NEWS_REMOVED
};

struct news_self {
	int64_t id;
	char name[NODE_NAME_MAX + 1];
	enum news_state state;
	int64_t expires_s;			     /* 0: never */
	struct prefix addresses[NEWS_ADDRESSES_MAX]; /* full length */
	struct prefix prefixes[NEWS_ADDRESSES_MAX];  /* of the network */
	uint8_t num_addresses, num_prefixes;
};

enum news_event { NEWS_OTHER, NEWS_HELLO, NEWS_PEER, NEWS_GONE, NEWS_SELF };

struct news_line {
	enum news_event event;
	uint64_t seq;
	struct news_self self; /* NEWS_HELLO, NEWS_SELF */
	struct news_peer peer; /* NEWS_PEER */
	bool is_awaited;       /* NEWS_PEER: it waits until we are ready for it */
	int64_t id;	       /* NEWS_GONE */
	char reason[16];       /* NEWS_GONE */
};

/* Read a line of the stream. Returns 0 (NEWS_OTHER for an event we do not know), or -EBADMSG,
 * -ENOMEM. The caller gives ret_line back to news_line_deinit. */
MUST_CHECK int news_line_parse(struct news_line *ret_line, const char *text, size_t len);
void news_line_deinit(struct news_line *line);

/* Read a peer; it is then the caller's, for news_peer_deinit. Returns 0, -EBADMSG or -ENOMEM. */
MUST_CHECK int news_peer_from_json(struct news_peer *ret_peer, const json_t *json);
void news_peer_deinit(struct news_peer *peer);

/* The same the other way round, for our own state file. NULL: out of memory. */
json_t *news_peer_to_json(const struct news_peer *peer);

/* "active" and so on; NEWS_UNKNOWN for another word, or none (NULL). */
enum news_state news_state_from_text(const char *text);

/* Arrays of addresses: full-length prefixes without their length, or with it. Reading returns how
 * many there are, or -EBADMSG. */
MUST_CHECK int news_addresses_from_json(
	struct prefix *ret_addresses, unsigned max, const json_t *json, bool with_cidr);
json_t *news_addresses_to_json(const struct prefix *addresses, unsigned num, bool with_cidr);

/* Write an address without its length, and a NUL. */
void news_address_to_text(char ret_text[PREFIX_TEXT_LEN], const struct prefix *address);

#endif
