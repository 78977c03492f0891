/* SPDX-License-Identifier: MIT
 *
 * The store: what the hub knows, in SQLite (WAL, foreign keys on, schema by numbered migrations).
 * Every change is one transaction together with its audit event; when the function returns 0 it is
 * on disk. One process, one thread; a connection beside it (sqlite3, a backup) does no harm.
 *
 * Names, tags and hostnames are checked here (overlay/wire/names.h), so that nothing else gets in.
 * An actor is who did it, for the audit trail: UTF-8, at most 63 bytes.
 *
 * Errors, besides what a function names: -ENOSPC disk full, -EROFS read-only, -EIO, -EBADMSG the
 * database is damaged, -EBUSY another process writes to it, -ENOMEM, -EINVAL an argument that can
 * be in no database. After an error nothing has changed; when what caused it is mended, the same
 * store goes on. store_error() says it for people.
 */
#ifndef ADIT_OVERLAY_STORE_STORE_H
#define ADIT_OVERLAY_STORE_STORE_H

#include "base/address.h"
#include "overlay/wire/enrol.h"

struct store;

/* Open or create the database at path, and bring it to the newest schema. Returns 0; -EUCLEAN when
 * it is a newer program's; -EBADMSG also when it is not ours; -ENOENT, -EACCES for the path. */
MUST_CHECK int store_open(const char *path, struct store **ret_store);
void store_close(struct store *store); /* takes NULL */

/* About the last error, for people: what failed, on what, why. Of NULL: the last error of all, that
 * of a store_open. */
const char *store_error(const struct store *store);

/* --- networks -------------------------------------------------------- */

struct network {
	int64_t id;
	char name[NETWORK_NAME_MAX + 1];
	struct prefix prefix4, prefix6; /* the hub has the first address of each */
	uint64_t seq;			/* of its last change */
	uint64_t policy_seq;		/* the same, of its policy or allows_by_default */
	bool allows_by_default;		/* what the policy says when no rule does */
	bool approves;	    /* every node waits for approval, whatever its join key says */
	int64_t node_ttl_s; /* after which a node expires; 0: never */
	int64_t created_s;
};

/* network's id, seqs and created_s are ignored, and filled in. A prefix of family 0 is chosen: the
 * next free /16 of 100.64.0.0/10, a random /64 of fd00::/8. -EEXIST: the name is taken;
 * -EADDRINUSE: a prefix overlaps that of another network; -EADDRNOTAVAIL: none is left; -EINVAL:
 * IPv4 must be a /8 to /30, IPv6 a /16 to /126, without bits behind it, in a range for private use
 * (overlay/wire/ranges.h). */
MUST_CHECK int store_add_network(struct store *store, const char *actor, struct network *network);
/* Change allows_by_default, approves and node_ttl_s. -ENOENT. */
MUST_CHECK int store_set_network(struct store *store, const char *actor, struct network *network);
/* -ENOENT; -ENOTEMPTY: it has nodes that are neither revoked nor expired, and not with_nodes. */
MUST_CHECK int store_remove_network(
	struct store *store, const char *actor, int64_t id, bool with_nodes);
MUST_CHECK int store_network(struct store *store, const char *name, struct network *ret_network);
MUST_CHECK int store_network_by_id(struct store *store, int64_t id, struct network *ret_network);
/* Each is called until it returns nonzero, which is passed on. It may not change the store, nor
 * call the function that calls it. By name. */
typedef int store_network_each(void *ctx, const struct network *network);
MUST_CHECK int store_networks(struct store *store, store_network_each *each, void *ctx);

/* The policy's text (owned by the caller, to be freed); 0 with NULL when there is none. Setting
 * NULL removes it; -ENOENT; -EINVAL: not UTF-8. */
MUST_CHECK int store_policy(struct store *store, int64_t network_id, char **ret_text);
MUST_CHECK int store_set_policy(
	struct store *store, const char *actor, int64_t network_id, const char *text);

/* --- join keys ------------------------------------------------------- */

struct join_key_info {
	int64_t id, network_id;
	char tags[NODE_TAGS_MAX][TAG_MAX + 1]; /* unused: empty */
	int64_t max_uses;		       /* 0: without limit */
	int64_t uses;
	int64_t expires_s; /* unix time; 0: never */
	bool approves;	   /* nodes that come with it need no approval */
	bool ephemeral;	   /* its nodes are removed when they have been away for a day */
	bool revoked;
	int64_t created_s;
	char created_by[64];
};

/* key (32 random bytes of the caller) is stored as its BLAKE2s only. Fills in id and created_s. */
MUST_CHECK int store_add_join_key(struct store *store, const char *actor,
	struct join_key_info *info, const uint8_t key[KEY_LEN]);
/* -ENOENT; -EINVAL: it is revoked already. */
MUST_CHECK int store_revoke_join_key(
	struct store *store, const char *actor, int64_t network_id, int64_t id);
/* -ENOENT. */
MUST_CHECK int store_join_key(
	struct store *store, int64_t network_id, int64_t id, struct join_key_info *ret_info);
typedef int store_join_key_each(void *ctx, const struct join_key_info *info);
MUST_CHECK int store_join_keys(
	struct store *store, int64_t network_id, store_join_key_each *each, void *ctx);

/* --- nodes ----------------------------------------------------------- */

enum node_state { NODE_PENDING = 1, NODE_ACTIVE, NODE_EXPIRED, NODE_REVOKED };
enum { NODE_ENDPOINTS_MAX = 8 };

struct node {
	int64_t id, network_id;
	uint8_t public_key[KEY_LEN];
	char name[NODE_NAME_MAX + 1];
	char hostname[NODE_NAME_MAX + 1]; /* as it said when it enrolled */
	char version[ENROL_AGENT_VERSION_MAX + 1];
	char tags[NODE_TAGS_MAX][TAG_MAX + 1];
	enum node_state state;
	int64_t join_key_id; /* it came with; 0: not known */
	uint32_t host;	     /* its number in the network's prefixes: the hub is 1 */
	bool ephemeral;
	uint64_t seq;			      /* of its last change that others may see */
	int64_t created_s, expires_s, seen_s; /* unix time; 0: never */
	struct endpoint
		endpoints[NODE_ENDPOINTS_MAX]; /* candidates it reported; family 0: unused */
};

/* A node enrols, known by its key or with a join key: one conditional UPDATE of the key's uses, in
 * the transaction that adds it. Known and not revoked: its state, name and addresses as they are,
 * and no join key is needed. Returns 0; -EACCES: not with this join key (unknown, expired, revoked,
 * used up, of another network), no such network, or the node is revoked or has this key in another
 * network: a node key is in one network only, because the tunnel knows peers by it. -EADDRNOTAVAIL:
 * the network is full. A node that was removed needs a request newer than all it sent before: one
 * that somebody recorded does not bring it back (-EACCES). *ret_is_new: it was added just now; its
 * name may differ from the hostname.
 */
MUST_CHECK int store_enrol(struct store *store, const uint8_t node_key[KEY_LEN],
	const struct enrol_request *request, int64_t now_s, struct node *ret_node,
	bool *ret_is_new);

/* Nodes choose their names themselves. One that is reserved does not come with a join key alone:
 * the node waits for approval, whatever its join key says, and the audit event of its enrolment
 * says why. is_reserved may not change the store. */
typedef bool store_name_is_reserved(void *ctx, int64_t network_id, const char *name);
void store_reserve_names(struct store *store, store_name_is_reserved *is_reserved, void *ctx);

/* -ENOENT each, when there is none (or it was removed). */
MUST_CHECK int store_node(struct store *store, int64_t id, struct node *ret_node);
MUST_CHECK int store_node_by_name(
	struct store *store, int64_t network_id, const char *name, struct node *ret_node);
MUST_CHECK int store_node_by_host(
	struct store *store, int64_t network_id, uint32_t host, struct node *ret_node);
typedef int store_node_each(void *ctx, const struct node *node);
/* By name. */
MUST_CHECK int store_nodes(
	struct store *store, int64_t network_id, store_node_each *each, void *ctx);

/* Changes to a node; each gives it and its network the next seq and audits. -ENOENT; -EEXIST: the
 * name is taken; -EINVAL: no such step from its state. Only a pending or expired node is approved,
 * which renews it by the network's node_ttl_s unless its date is to come yet; only a pending or
 * active one expires; a revoked one is removed or stays. */
MUST_CHECK int store_approve_node(
	struct store *store, const char *actor, int64_t id, int64_t now_s);
MUST_CHECK int store_rename_node(
	struct store *store, const char *actor, int64_t id, const char *name);
MUST_CHECK int store_tag_node(struct store *store, const char *actor, int64_t id,
	const char tags[NODE_TAGS_MAX][TAG_MAX + 1]);
/* At expires_s; 0: never. If that is now or past, its state is NODE_EXPIRED afterwards. */
MUST_CHECK int store_expire_node(
	struct store *store, const char *actor, int64_t id, int64_t expires_s, int64_t now_s);
MUST_CHECK int store_revoke_node(struct store *store, const char *actor, int64_t id);
MUST_CHECK int store_remove_node(struct store *store, const char *actor, int64_t id);
/* All that is due by time: nodes past their date become NODE_EXPIRED, ephemeral ones that have been
 * away for a day are removed; a time in which there was no open store is not "away". To be called
 * every ten minutes at least: a clock that moves by more than an hour between two calls of the
 * store was set (or was not running), and then nothing is due until it has gone evenly for an hour;
 * so it is, too, when a store is opened in which the last that was heard of a node is to come, or a
 * week old. each is called
 * for every node after its change, as it is now; for a removed one as it was, but with state 0 and
 * its last seq. *ret_next_s: when to call again; 0: not until something changes. */
MUST_CHECK int store_expire_due(
	struct store *store, int64_t now_s, store_node_each *each, void *ctx, int64_t *ret_next_s);

/* Until when nothing is due because the clock was set; 0: it was not. */
int64_t store_held_until(const struct store *store);

/* What a node reports about itself; no audit event, and no seq unless the endpoints changed: then
 * *ret_seq is its new one, else 0. Their sources (local) are not kept. store_seen does not wait for
 * the disk: it is written once a minute for all nodes, and by store_close. */
MUST_CHECK int store_set_endpoints(struct store *store, int64_t id,
	const struct endpoint endpoints[NODE_ENDPOINTS_MAX], uint64_t *ret_seq);
MUST_CHECK int store_seen(struct store *store, int64_t id, int64_t now_s);

/* --- links: who was told about whom ---------------------------------- */

/* Both ends know each other from now on; or do not. No audit event. A new link takes the network's
 * next seq; for one that exists nothing is written. -ENOENT; -EINVAL: not in one network. Removing
 * one that is not there succeeds. */
MUST_CHECK int store_link(struct store *store, int64_t a, int64_t b);
MUST_CHECK int store_unlink(struct store *store, int64_t a, int64_t b);
/* The nodes linked to this one whose seq is greater than since, in the order of seq; those that
 * were revoked, expired or removed, too, as long as the link is there. A removed node has only id
 * and seq, and state 0; after 30 days, or with its last link, it is gone. Here a node's seq is the
 * link's if that is later: a node whose stream was down while another asked for it learns of that.
 */
MUST_CHECK int store_linked(
	struct store *store, int64_t id, uint64_t since, store_node_each *each, void *ctx);

/* --- people ---------------------------------------------------------- */

enum role_of_admin { ADMIN_AUDITOR = 1, ADMIN_ADMIN, ADMIN_OWNER };
struct admin {
	int64_t id;
	char name[33];	    /* of a unix user */
	int64_t network_id; /* 0: of all networks, and of the hub itself */
	enum role_of_admin role;
};
/* Give somebody a role, or another one. Fills in id. -ENOENT: there is no such network. */
MUST_CHECK int store_set_admin(struct store *store, const char *actor, struct admin *admin);
/* -ENOENT. */
MUST_CHECK int store_remove_admin(
	struct store *store, const char *actor, const char *name, int64_t network_id);
/* By name. */
typedef int store_admin_each(void *ctx, const struct admin *admin);
MUST_CHECK int store_admins(struct store *store, store_admin_each *each, void *ctx);

/* --- audit ----------------------------------------------------------- */

/* hash = BLAKE2s(hash of the event before (zeros before the first), and all the rest in this order,
 * each field with its length before it). Lengths, id and time are 8 bytes, little endian.
 *
 * Actions: network.add .set .remove, policy.set, key.add .revoke, node.enrol .approve .rename .tag
 * .expire .revoke .remove, admin.set .remove. Subject: a name; of keys "key 5". The actor of an
 * enrolment is "node:NAME", of what is due by time "hub". before and after have what changed, and
 * "id". */
struct audit_event {
	int64_t id; /* 1, 2, 3, … without gaps */
	int64_t time_s;
	const char *actor, *action, *network, *subject; /* never NULL; borrowed */
	const char *before, *after;			/* JSON, or "" */
	uint8_t hash[HASH_LEN];
};
typedef int store_audit_each(void *ctx, const struct audit_event *event);
/* Events from the id on, at most limit of them (0: all), oldest first; network NULL: of all. */
MUST_CHECK int store_audit(struct store *store, const char *network, int64_t from_id, int64_t limit,
	store_audit_each *each, void *ctx);
/* Walk the chain. Returns 0 with the number of events and the last hash (to be compared with a copy
 * elsewhere, against cutting off the end); -EBADMSG with *ret_num the id of the first event that is
 * wrong or missing. */
MUST_CHECK int store_audit_verify(
	struct store *store, int64_t *ret_num, uint8_t ret_last[HASH_LEN]);

#endif
