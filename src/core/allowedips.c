/* SPDX-License-Identifier: MIT
 *
 * The allowed-IPs table. A trie node stands for a prefix; it has an owner, or exists only because
 * two longer prefixes part there and then has two children. So a table of n prefixes has fewer
 * than 2n nodes. Beside the trie every owned node is on its peer's circular list, known by its last
 * node; and single addresses, which nothing is longer than, are found by a map without going down
 * the trie.
 */
#include "core/allowedips.h"

#include <errno.h>
#include <stdlib.h>

#include "base/map.h"
#include "core/messages.h"

/* An address as numbers, its first bit the highest of hi; IPv4 has its 32 bits there. */
struct key {
	uint64_t hi, lo;
};

/* What a lookup reads comes first. Node 0 is never used: as a number it means "none". */
struct node {
	struct key key;
	uint32_t child[2];
	uint32_t peer; /* the owner, or ALLOWEDIPS_NONE */
	uint8_t cidr;
	bool is_ipv6;
	uint32_t parent; /* of a node on the free list: the next one */
	uint32_t prev, next;
};
static_assert(sizeof(struct node) == 48, "a table may hold a million");

struct allowedips {
	struct node *nodes;
	uint32_t capacity;
	uint32_t num_used; /* nodes that have ever been taken, and node 0 */
	uint32_t free;
	uint32_t root[2]; /* IPv4, IPv6 */
	struct map hosts; /* hash of the address -> node: most of those of full length */
	uint32_t *last;	  /* MAX_PEERS, touched as used: the last node of a peer's list, 0: empty */
};

static struct key key_load(uint16_t family, const uint8_t *addr)
{
	if (family == AF_INET)
		return (struct key){.hi = (uint64_t)load_be32(addr) << 32};
	return (struct key){.hi = (uint64_t)load_be32(addr) << 32 | load_be32(addr + 4),
		.lo = (uint64_t)load_be32(addr + 8) << 32 | load_be32(addr + 12)};
}

static uint64_t mask64(unsigned num_bits)
{
	if (num_bits == 0)
		return 0;
	return num_bits >= 64 ? UINT64_MAX : UINT64_MAX << (64 - num_bits);
}

static struct key key_mask(struct key key, unsigned cidr)
{
	key.hi &= mask64(cidr);
	key.lo &= mask64(cidr > 64 ? cidr - 64 : 0);
	return key;
}

static unsigned key_bit(struct key key, unsigned i)
{
	return (i < 64 ? key.hi : key.lo) >> (63 - i % 64) & 1;
}

/* How many leading bits two keys share. */
static unsigned key_common(struct key a, struct key b)
{
	if (a.hi != b.hi)
		return (unsigned)__builtin_clzll(a.hi ^ b.hi);
	return a.lo != b.lo ? 64 + (unsigned)__builtin_clzll(a.lo ^ b.lo) : 128;
}

/* Nobody but the administrator chooses what is in the table, so the hash needs no secret. */
static uint64_t key_hash(struct key key)
{
	uint64_t hash =
		(key.hi ^ key.lo * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);

	return hash ^ hash >> 32;
}

/* A node without owner for a valid prefix. */
static struct node node_of(const struct prefix *prefix)
{
	return (struct node){.key = key_mask(key_load(prefix->family, prefix->addr), prefix->cidr),
		.peer = ALLOWEDIPS_NONE,
		.cidr = prefix->cidr,
		.is_ipv6 = prefix->family == AF_INET6};
}

static struct prefix prefix_of(const struct node *node)
{
	struct prefix prefix = {.family = node->is_ipv6 ? AF_INET6 : AF_INET, .cidr = node->cidr};

	store_be32(prefix.addr, (uint32_t)(node->key.hi >> 32));
	store_be32(prefix.addr + 4, (uint32_t)node->key.hi); /* IPv4: zeros from here */
	store_be64(prefix.addr + 8, node->key.lo);
	return prefix;
}

/* Make sure that the two nodes an insertion may need can be taken without moving the array. */
static int nodes_reserve(struct allowedips *table)
{
	const uint32_t capacity = table->capacity ? table->capacity * 2 : 64;
	struct node *nodes;

	if (table->num_used + 2 <= table->capacity)
		return 0;
	if (table->capacity > UINT32_MAX / 2)
		return -ENOMEM;
	nodes = reallocarray(table->nodes, capacity, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	table->nodes = nodes;
	table->capacity = capacity;
	return 0;
}

static bool node_is_host(const struct node *node)
{
	return node->cidr == (node->is_ipv6 ? 128 : 32);
}

static uint32_t node_take(struct allowedips *table, struct node value)
{
	uint32_t n = table->free, other;

	if (n)
		table->free = table->nodes[n].parent;
	else
		n = table->num_used++;
	table->nodes[n] = value;
	/* where memory or a collision refuses it, the trie has it still */
	if (node_is_host(&value) && !map_get(&table->hosts, key_hash(value.key), &other))
		(void)!map_put(&table->hosts, key_hash(value.key), n);
	return n;
}

static void node_release(struct allowedips *table, uint32_t n)
{
	const struct node *node = &table->nodes[n];
	uint32_t found;

	if (node_is_host(node) && map_get(&table->hosts, key_hash(node->key), &found) && found == n)
		map_remove(&table->hosts, key_hash(node->key));
	table->nodes[n].parent = table->free;
	table->free = n;
}

static void list_append(struct allowedips *table, uint32_t peer_id, uint32_t n)
{
	struct node *nodes = table->nodes;
	const uint32_t last = table->last[peer_id];

	nodes[n].peer = peer_id;
	nodes[n].prev = last ? last : n;
	nodes[n].next = last ? nodes[last].next : n;
	nodes[nodes[n].prev].next = n;
	nodes[nodes[n].next].prev = n;
	table->last[peer_id] = n;
}

static void list_unlink(struct allowedips *table, uint32_t n)
{
	struct node *node = &table->nodes[n];

	table->nodes[node->prev].next = node->next;
	table->nodes[node->next].prev = node->prev;
	if (table->last[node->peer] == n)
		table->last[node->peer] = node->prev == n ? 0 : node->prev;
	node->peer = ALLOWEDIPS_NONE;
}

/* Where the trie refers to a node that has this parent (0: the root) and lies on key's side. */
static uint32_t *trie_link(struct allowedips *table, uint32_t parent, const struct node *node)
{
	struct node *above = &table->nodes[parent];

	return parent ? &above->child[key_bit(node->key, above->cidr)]
		      : &table->root[node->is_ipv6];
}

static void trie_set(struct allowedips *table, uint32_t parent, uint32_t n)
{
	*trie_link(table, parent, &table->nodes[n]) = n;
	table->nodes[n].parent = parent;
}

/* Go down towards a prefix: returns the node that it equals or would have to take the place of (0:
 * a free place), and its parent. */
static uint32_t trie_descend(
	const struct allowedips *table, const struct node *wanted, uint32_t *ret_parent)
{
	uint32_t n = table->root[wanted->is_ipv6];

	*ret_parent = 0;
	while (n) {
		const struct node *node = &table->nodes[n];

		if (node->cidr >= wanted->cidr || key_common(node->key, wanted->key) < node->cidr)
			break;
		*ret_parent = n;
		n = node->child[key_bit(wanted->key, node->cidr)];
	}
	return n;
}

static bool node_equals(const struct node *a, const struct node *b)
{
	return a->cidr == b->cidr && a->key.hi == b->key.hi && a->key.lo == b->key.lo;
}

/* Find the node of a prefix or make it, with a branching node if needed: needs two reserved. */
static uint32_t trie_place(struct allowedips *table, const struct node *wanted)
{
	uint32_t parent;
	const uint32_t down = trie_descend(table, wanted, &parent);

	if (down && node_equals(&table->nodes[down], wanted))
		return down;

	const uint32_t n = node_take(table, *wanted);

	if (down) {
		const unsigned common = key_common(table->nodes[down].key, wanted->key);

		if (common < wanted->cidr) {
			struct node branch = *wanted;

			branch.cidr = (uint8_t)common;
			branch.key = key_mask(wanted->key, common);
			const uint32_t fork = node_take(table, branch);

			trie_set(table, parent, fork);
			trie_set(table, fork, down);
			parent = fork;
		} else {
			trie_set(table, n, down);
		}
	}
	trie_set(table, parent, n);
	return n;
}

/* Take out a node without owner unless two children part there; that may leave its parent so. */
static void trie_prune(struct allowedips *table, uint32_t n)
{
	while (n) {
		const struct node *node = &table->nodes[n];
		const uint32_t parent = node->parent;
		const uint32_t down = node->child[0] ? node->child[0] : node->child[1];

		if (node->peer != ALLOWEDIPS_NONE || (node->child[0] && node->child[1]))
			return;
		*trie_link(table, parent, node) = down;
		if (down)
			table->nodes[down].parent = parent;
		node_release(table, n);
		n = down ? 0 : parent;
	}
}

struct allowedips *allowedips_new(void)
{
	struct allowedips *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->num_used = 1;
	table->last = calloc(MAX_PEERS, sizeof(*table->last));
	if (!table->last) {
		free(table);
		return NULL;
	}
	return table;
}

void allowedips_free(struct allowedips *table)
{
	if (!table)
		return;
	map_deinit(&table->hosts);
	free(table->last);
	free(table->nodes);
	free(table);
}

int allowedips_insert(struct allowedips *table, const struct prefix *prefix, uint32_t peer_id)
{
	int r;

	if (peer_id >= MAX_PEERS || !prefix_is_valid(prefix))
		return -EINVAL;
	r = nodes_reserve(table);
	if (r < 0)
		return r;

	const struct node wanted = node_of(prefix);
	const uint32_t n = trie_place(table, &wanted);

	if (table->nodes[n].peer != ALLOWEDIPS_NONE)
		list_unlink(table, n);
	list_append(table, peer_id, n);
	return 0;
}

bool allowedips_remove(struct allowedips *table, const struct prefix *prefix, uint32_t peer_id)
{
	uint32_t parent;

	if (peer_id >= MAX_PEERS || !prefix_is_valid(prefix))
		return false;

	const struct node wanted = node_of(prefix);
	const uint32_t n = trie_descend(table, &wanted, &parent);

	if (!n || !node_equals(&table->nodes[n], &wanted) || table->nodes[n].peer != peer_id)
		return false;
	list_unlink(table, n);
	trie_prune(table, n);
	return true;
}

void allowedips_remove_peer(struct allowedips *table, uint32_t peer_id)
{
	while (peer_id < MAX_PEERS && table->last[peer_id]) {
		const uint32_t n = table->last[peer_id];

		list_unlink(table, n);
		trie_prune(table, n);
	}
}

uint32_t allowedips_lookup(const struct allowedips *table, uint16_t family, const uint8_t *addr)
{
	const struct key key = key_load(family, addr);
	const bool is_ipv6 = family == AF_INET6;
	uint32_t n, peer = ALLOWEDIPS_NONE;

	if (map_get(&table->hosts, key_hash(key), &n)) {
		const struct node *host = &table->nodes[n];

		if (host->is_ipv6 == is_ipv6 && host->key.hi == key.hi && host->key.lo == key.lo)
			return host->peer;
	}
	n = table->root[is_ipv6];
	while (n) {
		const struct node *node = &table->nodes[n];

		if (key_common(node->key, key) < node->cidr)
			break;
		if (node->peer != ALLOWEDIPS_NONE)
			peer = node->peer;
		n = node->child[key_bit(key, node->cidr)]; /* a full-length prefix has none */
	}
	return peer;
}

bool allowedips_cursor_is_valid(const struct allowedips *table, uint32_t peer_id, uint32_t cursor)
{
	return cursor == 0 || (cursor < table->num_used && table->nodes[cursor].peer == peer_id);
}

size_t allowedips_list(const struct allowedips *table, uint32_t peer_id, uint32_t *cursor,
	struct prefix *ret_prefixes, size_t max)
{
	const uint32_t last = peer_id < MAX_PEERS ? table->last[peer_id] : 0;
	size_t num = 0;

	while (*cursor != last && num < max) {
		*cursor = table->nodes[*cursor ? *cursor : last].next;
		ret_prefixes[num++] = prefix_of(&table->nodes[*cursor]);
	}
	return num;
}
