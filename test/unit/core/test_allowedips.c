/* SPDX-License-Identifier: MIT
 *
 * The allowed-IPs table: fixed cases, and long random runs beside a plain list of prefixes. It
 * includes the implementation to check after changes that the trie is as small as it says.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <cmocka.h>

#include "core/allowedips.c"

static struct prefix prefix(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_from_text(&prefix, text), 0);
	return prefix;
}

static void insert(struct allowedips *table, const char *text, uint32_t peer_id)
{
	const struct prefix p = prefix(text);

	assert_int_equal(allowedips_insert(table, &p, peer_id), 0);
}

static bool take(struct allowedips *table, const char *text, uint32_t peer_id)
{
	const struct prefix p = prefix(text);

	return allowedips_remove(table, &p, peer_id);
}

static uint32_t lookup_prefix(const struct allowedips *table, const struct prefix *addr)
{
	return allowedips_lookup(table, addr->family, addr->addr);
}

static uint32_t find(const struct allowedips *table, const char *text)
{
	const struct prefix addr = prefix(text);

	return lookup_prefix(table, &addr);
}

/* Number of nodes below and with n; every one has an owner or two children. */
static uint32_t check_subtree(const struct allowedips *table, uint32_t n, uint32_t parent)
{
	const struct node *node;

	if (!n)
		return 0;
	node = &table->nodes[n];
	assert_int_equal(node->parent, parent);
	assert_true(node->peer != ALLOWEDIPS_NONE || (node->child[0] && node->child[1]));
	for (unsigned i = 0; i < 2; i++) {
		const struct node *child = &table->nodes[node->child[i]];

		if (!node->child[i])
			continue;
		assert_true(child->cidr > node->cidr);
		assert_true(key_common(child->key, node->key) >= node->cidr);
		assert_int_equal(key_bit(child->key, node->cidr), i);
	}
	return 1 + check_subtree(table, node->child[0], n) +
	       check_subtree(table, node->child[1], n);
}

/* Nodes that are taken. */
static uint32_t num_taken(const struct allowedips *table)
{
	uint32_t num = table->num_used - 1;

	for (uint32_t n = table->free; n; n = table->nodes[n].parent)
		num--;
	return num;
}

static void check_structure(const struct allowedips *table)
{
	const uint32_t in_tries =
		check_subtree(table, table->root[0], 0) + check_subtree(table, table->root[1], 0);

	assert_int_equal(num_taken(table), in_tries);
}

static void test_longest_wins(void **state)
{
	static const struct {
		const char *prefix;
		uint32_t peer;
	} given[] = {
		{"192.168.4.0/24", 1},
		{"192.168.4.4/32", 2},
		{"192.168.0.0/16", 3},
		{"192.95.5.64/27", 4},
		{"192.95.5.65/27", 3}, /* the same prefix: moves */
		{"0.0.0.0/0", 5},
		{"10.0.0.0/8", 6},
		{"10.255.255.255/32", 7},
		{"128.0.0.0/1", 8},
		{"::/0", 1},
		{"2607:5300:60:6b0::/64", 2},
		{"2607:5300:60:6b0::c05f:543/128", 3},
		{"2607:5300:60::/48", 4},
		{"8000::/1", 5},
		{"2607:5300:60:6b0:8000::/65", 6},
	};
	static const struct {
		const char *addr;
		uint32_t peer;
	} rows[] = {
		{"192.168.4.20", 1},
		{"192.168.4.4", 2},
		{"192.168.4.5", 1},
		{"192.168.200.182", 3},
		{"192.95.5.68", 3},
		{"192.95.5.95", 3},
		{"192.95.5.96", 8},
		{"192.95.5.63", 8},
		{"1.2.3.4", 5},
		{"127.255.255.255", 5},
		{"128.0.0.0", 8},
		{"10.1.2.3", 6},
		{"10.255.255.255", 7},
		{"10.255.255.254", 6},
		{"11.0.0.0", 5},
		{"0.0.0.0", 5},
		{"255.255.255.255", 8},
		{"::", 1},
		{"::1", 1},
		{"7fff::", 1},
		{"8000::", 5},
		{"2607:5300:60:6b0::1", 2},
		{"2607:5300:60:6b0::c05f:543", 3},
		{"2607:5300:60:6b0::c05f:542", 2},
		{"2607:5300:60:6b1::", 4},
		{"2607:5300:61::", 1},
		{"2607:5300:60:6b0:8000::1", 6},
		{"2607:5300:60:6b0:7fff:ffff:ffff:ffff", 2},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 5},
	};
	struct allowedips *table = allowedips_new();

	(void)state;
	assert_int_equal(find(table, "1.2.3.4"), ALLOWEDIPS_NONE);
	assert_int_equal(find(table, "::1"), ALLOWEDIPS_NONE);
	for (size_t i = 0; i < ARRAY_SIZE(given); i++)
		insert(table, given[i].prefix, given[i].peer);
	check_structure(table);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (find(table, rows[i].addr) != rows[i].peer)
			fail_msg("%s: %u", rows[i].addr, find(table, rows[i].addr));
	}
	assert_true(take(table, "0.0.0.0/0", 5));
	assert_int_equal(find(table, "1.2.3.4"), ALLOWEDIPS_NONE);
	assert_int_equal(find(table, "10.0.0.1"), 6);
	assert_int_equal(find(table, "::1"), 1); /* the other family is another table */
	allowedips_free(table);
	allowedips_free(NULL);
}

static void test_move_and_remove(void **state)
{
	struct allowedips *table = allowedips_new();

	(void)state;
	insert(table, "10.0.0.0/8", 1);
	insert(table, "10.0.0.0/8", 2);
	assert_int_equal(find(table, "10.1.1.1"), 2);
	assert_false(take(table, "10.0.0.0/8", 1)); /* no longer its owner */
	assert_false(take(table, "10.0.0.0/9", 2));
	assert_false(take(table, "10.0.0.0/7", 2));
	assert_false(take(table, "11.0.0.0/8", 2));
	assert_false(take(table, "a00::/8", 2));
	assert_int_equal(find(table, "10.1.1.1"), 2);
	assert_true(take(table, "10.9.9.9/8", 2)); /* host bits do not count */
	assert_false(take(table, "10.0.0.0/8", 2));
	assert_int_equal(find(table, "10.1.1.1"), ALLOWEDIPS_NONE);
	check_structure(table);

	/* A branching node is nobody's, can be given away, and goes when it is not needed. */
	insert(table, "10.0.0.0/9", 1);
	insert(table, "10.128.0.0/9", 2);
	assert_int_equal(num_taken(table), 3);
	assert_false(take(table, "10.0.0.0/8", 1));
	insert(table, "10.0.0.0/8", 3);
	assert_int_equal(num_taken(table), 3);
	assert_true(take(table, "10.0.0.0/8", 3));
	assert_true(take(table, "10.0.0.0/9", 1));
	assert_int_equal(num_taken(table), 1);
	check_structure(table);
	assert_int_equal(find(table, "10.0.0.1"), ALLOWEDIPS_NONE);
	assert_int_equal(find(table, "10.128.0.1"), 2);

	insert(table, "0.0.0.0/0", 2);
	insert(table, "::/0", 2);
	insert(table, "10.0.0.0/24", 7);
	allowedips_remove_peer(table, 2);
	allowedips_remove_peer(table, 12345);
	assert_int_equal(find(table, "10.128.0.1"), ALLOWEDIPS_NONE);
	assert_int_equal(find(table, "::"), ALLOWEDIPS_NONE);
	assert_int_equal(find(table, "10.0.0.1"), 7);
	check_structure(table);
	allowedips_free(table);
}

/* A peer's list as text, read with pages of the given size. */
static const char *list_text(const struct allowedips *table, uint32_t peer_id, size_t page)
{
	static char text[1024];
	struct prefix prefixes[16];
	uint32_t cursor = 0;
	size_t num;

	text[0] = '\0';
	do {
		num = allowedips_list(table, peer_id, &cursor, prefixes, page);
		for (size_t i = 0; i < num; i++) {
			char one[PREFIX_TEXT_LEN];

			prefix_to_text(one, &prefixes[i]);
			strcat(strcat(text, one), " ");
		}
	} while (num == page);
	return text;
}

static void test_invalid(void **state)
{
	static const struct prefix rows[] = {
		{.family = AF_INET, .cidr = 33},
		{.family = AF_INET6, .cidr = 129},
		{.family = 0, .cidr = 0},
		{.family = AF_UNIX, .cidr = 8},
	};
	const struct prefix good = {.family = AF_INET, .cidr = 8};
	struct allowedips *table = allowedips_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(allowedips_insert(table, &rows[i], 1), -EINVAL);
		assert_false(allowedips_remove(table, &rows[i], 1));
	}
	assert_int_equal(allowedips_insert(table, &good, ALLOWEDIPS_NONE), -EINVAL);
	assert_false(allowedips_remove(table, &good, ALLOWEDIPS_NONE));
	assert_int_equal(allowedips_insert(table, &good, MAX_PEERS), -EINVAL);
	assert_false(allowedips_remove(table, &good, MAX_PEERS));
	allowedips_remove_peer(table, MAX_PEERS);
	assert_string_equal(list_text(table, MAX_PEERS, 1), "");
	assert_int_equal(allowedips_insert(table, &good, MAX_PEERS - 1), 0);
	assert_int_equal(find(table, "0.1.2.3"), MAX_PEERS - 1);
	allowedips_free(table);
}

static void test_list_order(void **state)
{
	struct allowedips *table = allowedips_new();

	(void)state;
	insert(table, "10.1.2.3/8", 1);
	insert(table, "fd00::1/64", 1);
	insert(table, "10.2.0.0/16", 1);
	insert(table, "192.0.2.0/24", 2);
	insert(table, "1.2.3.4/32", 1);
	for (size_t page = 1; page <= 5; page++) {
		assert_string_equal(
			list_text(table, 1, page), "10.0.0.0/8 fd00::/64 10.2.0.0/16 1.2.3.4/32 ");
		assert_string_equal(list_text(table, 2, page), "192.0.2.0/24 ");
		assert_string_equal(list_text(table, 3, page), "");
	}
	insert(table, "fd00::/64", 1); /* given again: to the end */
	insert(table, "192.0.2.0/24", 2);
	insert(table, "10.2.0.0/16", 2);
	assert_string_equal(list_text(table, 1, 2), "10.0.0.0/8 1.2.3.4/32 fd00::/64 ");
	assert_string_equal(list_text(table, 2, 2), "192.0.2.0/24 10.2.0.0/16 ");
	insert(table, "192.0.2.0/24", 1);
	insert(table, "10.2.0.0/16", 1);
	assert_string_equal(list_text(table, 2, 1), "");
	check_structure(table);
	allowedips_remove_peer(table, 1);
	assert_string_equal(list_text(table, 1, 1), "");
	assert_int_equal(num_taken(table), 0);
	allowedips_free(table);
}

/* The model: prefixes in the order they were given, and a loop over all of them. */
enum { MODEL_MAX = 3000, NUM_PEERS = 40 };

struct model {
	size_t num;
	struct prefix prefixes[MODEL_MAX];
	uint32_t peers[MODEL_MAX];
};

static bool holds(const struct prefix *prefix, const struct prefix *addr)
{
	if (prefix->family != addr->family)
		return false;
	for (unsigned i = 0; i < prefix->cidr; i++) {
		if ((prefix->addr[i / 8] ^ addr->addr[i / 8]) & (0x80 >> i % 8))
			return false;
	}
	return true;
}

static uint32_t model_lookup(const struct model *model, const struct prefix *addr)
{
	uint32_t peer = ALLOWEDIPS_NONE;
	int cidr = -1;

	for (size_t i = 0; i < model->num; i++) {
		if (model->prefixes[i].cidr > cidr && holds(&model->prefixes[i], addr)) {
			cidr = model->prefixes[i].cidr;
			peer = model->peers[i];
		}
	}
	return peer;
}

static void model_drop(struct model *model, size_t i)
{
	model->num--;
	memmove(&model->prefixes[i], &model->prefixes[i + 1],
		(model->num - i) * sizeof(model->prefixes[0]));
	memmove(&model->peers[i], &model->peers[i + 1], (model->num - i) * sizeof(model->peers[0]));
}

/* The place of a prefix, compared by value; num if it is not there. */
static size_t model_find(const struct model *model, const struct prefix *prefix)
{
	size_t i = 0;

	while (i < model->num &&
		(model->prefixes[i].cidr != prefix->cidr || !holds(&model->prefixes[i], prefix)))
		i++;
	return i;
}

static void model_insert(struct model *model, const struct prefix *prefix, uint32_t peer_id)
{
	const size_t at = model_find(model, prefix);
	struct prefix *last;

	if (at < model->num)
		model_drop(model, at);
	last = &model->prefixes[model->num];
	*last = *prefix;
	for (unsigned i = prefix->cidr; i < 128; i++)
		last->addr[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	model->peers[model->num++] = peer_id;
}

static uint64_t seed;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Few values per byte and few lengths, so that prefixes nest, collide and part everywhere. */
static struct prefix random_prefix(void)
{
	static const uint8_t bytes[] = {0, 0, 0x80, 0xff, 0x01, 0x55};
	const bool is_ipv6 = next_random() % 2;
	struct prefix p = {.family = is_ipv6 ? AF_INET6 : AF_INET};

	for (unsigned i = 0; i < (is_ipv6 ? 16U : 4U); i++) {
		const uint64_t r = next_random() >> 11;

		p.addr[i] = r % 5 ? bytes[r % ARRAY_SIZE(bytes)] : (uint8_t)(r >> 20);
	}
	p.cidr = (uint8_t)((next_random() >> 7) % (address_bits(p.family) + 1));
	return p;
}

static void check_against_model(const struct allowedips *table, const struct model *model)
{
	for (uint32_t peer = 0; peer < NUM_PEERS; peer++) {
		struct prefix listed[7];
		uint32_t cursor = 0;
		size_t at = 0, num = 0;

		for (size_t i = 0; i < model->num; i++) {
			if (model->peers[i] != peer)
				continue;
			if (at == num) {
				num = allowedips_list(table, peer, &cursor, listed, 7);
				at = 0;
			}
			assert_true(at < num);
			assert_memory_equal(&listed[at++], &model->prefixes[i], sizeof(listed[0]));
		}
		assert_true(at == num && allowedips_list(table, peer, &cursor, listed, 7) == 0);
	}
	check_structure(table);
}

static void test_random_against_model(void **state)
{
	static struct model model;
	struct allowedips *table = allowedips_new();

	(void)state;
	seed = 0xad17;
	for (unsigned round = 0; round < 30000; round++) {
		const uint64_t r = next_random() >> 5;
		const uint32_t peer = (uint32_t)(r >> 32) % NUM_PEERS;
		const bool grow = round / 5000 % 2 == 0;
		struct prefix p = random_prefix();

		if (model.num && r % 3 == 0) { /* one that exists, with other host bits */
			const struct prefix *known = &model.prefixes[(r >> 8) % model.num];

			p = *known;
			p.addr[p.family == AF_INET ? 3 : 15] |= p.cidr < address_bits(p.family);
		}
		if (r % 1000 == 999) {
			allowedips_remove_peer(table, peer);
			for (size_t i = model.num; i-- > 0;) {
				if (model.peers[i] == peer)
					model_drop(&model, i);
			}
		} else if (r % 10 < (grow ? 7 : 2) && model.num < MODEL_MAX) {
			assert_int_equal(allowedips_insert(table, &p, peer), 0);
			model_insert(&model, &p, peer);
		} else {
			const size_t at = model_find(&model, &p);
			const uint32_t owner = at < model.num && r % 8 ? model.peers[at] : peer;
			const bool expected = at < model.num && model.peers[at] == owner;

			assert_int_equal(allowedips_remove(table, &p, owner), expected);
			if (expected)
				model_drop(&model, at);
		}
		p = random_prefix();
		assert_int_equal(lookup_prefix(table, &p), model_lookup(&model, &p));
		if (model.num) {
			p = model.prefixes[(r >> 16) % model.num];
			assert_int_equal(lookup_prefix(table, &p), model_lookup(&model, &p));
		}
		if (round % 250 == 0)
			check_against_model(table, &model);
	}
	for (uint32_t peer = 0; peer < NUM_PEERS; peer++)
		allowedips_remove_peer(table, peer);
	assert_int_equal(num_taken(table), 0);
	assert_true(table->root[0] == 0 && table->root[1] == 0);
	allowedips_free(table);
}

/* Many prefixes of many peers: grows, finds all, and a removed place is used again. */
static void test_many(void **state)
{
	enum { NUM = 100000 };
	struct allowedips *table = allowedips_new();
	struct prefix p = {.family = AF_INET, .cidr = 32};

	(void)state;
	for (unsigned turn = 0; turn < 2; turn++) {
		for (uint32_t i = 0; i < NUM; i++) {
			store_be32(p.addr, i * 40503);
			assert_int_equal(allowedips_insert(table, &p, i / 3), 0);
		}
		for (uint32_t i = 0; i < NUM; i++) {
			store_be32(p.addr, i * 40503);
			assert_int_equal(allowedips_lookup(table, AF_INET, p.addr), i / 3);
		}
		assert_true(table->num_used <= 2 * NUM);
		for (uint32_t i = 0; i <= NUM / 3; i++)
			allowedips_remove_peer(table, i);
		assert_int_equal(num_taken(table), 0);
	}
	allowedips_free(table);
}

/* Two addresses of one hash: the map has one of them, the trie both. */
static void test_hosts_of_one_hash(void **state)
{
	const struct key a = {.hi = UINT64_C(0xfd00) << 48, .lo = 1};
	struct key b = {.lo = 2};
	struct allowedips *table = allowedips_new();
	struct prefix hosts[2];

	(void)state;
	assert_non_null(table);
	b.hi = a.hi ^ a.lo * UINT64_C(0x9e3779b97f4a7c15) ^ b.lo * UINT64_C(0x9e3779b97f4a7c15);
	assert_true(key_hash(a) == key_hash(b));
	for (unsigned i = 0; i < 2; i++) {
		const struct node node = {.key = i ? b : a, .cidr = 128, .is_ipv6 = true};

		hosts[i] = prefix_of(&node);
		assert_int_equal(allowedips_insert(table, &hosts[i], i), 0);
	}
	assert_int_equal(table->hosts.num, 1);
	for (uint32_t first = 0; first < 2; first++) {
		for (uint32_t i = 0; i < 2; i++)
			assert_int_equal(lookup_prefix(table, &hosts[i]), i);
		assert_true(allowedips_remove(table, &hosts[first], first));
		assert_int_equal(lookup_prefix(table, &hosts[first]), ALLOWEDIPS_NONE);
		assert_int_equal(lookup_prefix(table, &hosts[!first]), !first);
		assert_int_equal(allowedips_insert(table, &hosts[first], first), 0);
	}
	allowedips_remove_peer(table, 0);
	allowedips_remove_peer(table, 1);
	assert_int_equal(table->hosts.num, 0);
	allowedips_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_longest_wins),
		cmocka_unit_test(test_move_and_remove),
		cmocka_unit_test(test_invalid),
		cmocka_unit_test(test_list_order),
		cmocka_unit_test(test_random_against_model),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_hosts_of_one_hash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
