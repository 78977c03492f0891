/* SPDX-License-Identifier: MIT
 *
 * Nodes enrol: by a join key that is good for it, once, with a name and a number of their own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"

static void a_node_gets_what_its_key_says(void **state)
{
	struct fixture *f = *state;
	struct network network = add_network(f->store, "robots");
	struct join_key_info info = {.network_id = network.id,
		.tags = {"robot", "lab"},
		.approves = true,
		.ephemeral = true,
		.max_uses = 3};
	struct enrol_request request = enrol_request("robots", "Arm-7.lab.example", 1);
	uint8_t key[KEY_LEN];
	struct node node, again;
	bool is_new;

	fill_key(key, 1);
	expect(f->store, store_add_join_key(f->store, "anna", &info, key), 0);
	assert_string_equal(info.created_by, "anna");
	expect(f->store, store_enrol(f->store, key, &request, NOW_S, &node, &is_new), 0);
	assert_true(is_new);
	assert_string_equal(node.name, "arm-7");
	assert_string_equal(node.hostname, "Arm-7.lab.example");
	assert_string_equal(node.version, "0.1.0");
	assert_string_equal(node.tags[0], "robot");
	assert_string_equal(node.tags[1], "lab");
	assert_string_equal(node.tags[2], "");
	assert_int_equal(node.state, NODE_ACTIVE);
	assert_int_equal(node.host, 2);
	assert_int_equal(node.created_s, NOW_S);
	assert_true(node.ephemeral);
	assert_true(node.seq > network.seq);
	fixture_reopen(f);
	expect(f->store, store_node(f->store, node.id, &again), 0);
	assert_memory_equal(&again, &node, sizeof(node));
	expect(f->store, store_node_by_name(f->store, network.id, "arm-7", &again), 0);
	assert_memory_equal(&again, &node, sizeof(node));
	expect(f->store, store_node_by_host(f->store, network.id, 2, &again), 0);
	assert_memory_equal(&again, &node, sizeof(node));
}

/* Known by its own key: no join key is needed or used any more, nothing changes. */
static void enrolling_again_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct network network = add_network(f->store, "robots");
	struct enrol_request request = enrol_request("robots", "other", 99);
	struct node node, again;
	bool is_new = true;

	(void)add_key(f->store, &network, 1);
	node = enrol(f->store, &network, "robot", 1);
	expect(f->store,
		store_enrol(f->store, node.public_key, &request, NOW_S + 9, &again, &is_new), 0);
	assert_false(is_new);
	assert_memory_equal(&again, &node, sizeof(node));
	assert_int_equal(raw_int(f, "SELECT uses FROM join_keys"), 1);
	assert_int_equal(raw_int(f, "SELECT count(*) FROM audit WHERE action = 'node.enrol'"), 1);
}

static void bad_keys_are_refused(void **state)
{
	struct fixture *f = *state;
	struct network robots = add_network(f->store, "robots");
	struct network others = add_network(f->store, "others");
	static const struct {
		const char *network;
		unsigned key;
		int r;
		const char *why;
	} rows[] = {
		{"robots", 1, 0, NULL},
		{"robots", 1, -EACCES, "join key 1 is used up"},
		{"robots", 2, -EACCES, "join key 2 is expired"},
		{"robots", 3, -EACCES, "join key 3 is revoked"},
		{"robots", 4, -EACCES, "join key 4 is of another network"},
		{"robots", 5, -EACCES, "the join key is not known"},
		{"nowhere", 6, -EACCES, "there is no network of that name"},
		{"robots", 6, 0, NULL},
		{"others", 4, 0, NULL},
	};
	struct join_key_info keys[] = {
		{.network_id = robots.id, .max_uses = 1},
		{.network_id = robots.id, .expires_s = NOW_S},
		{.network_id = robots.id},
		{.network_id = others.id},
		{.network_id = robots.id, .expires_s = NOW_S + 1},
	};
	static const unsigned numbers[] = {1, 2, 3, 4, 6};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		uint8_t key[KEY_LEN];

		fill_key(key, numbers[i]);
		expect(f->store, store_add_join_key(f->store, "anna", &keys[i], key), 0);
	}
	expect(f->store, store_revoke_join_key(f->store, "anna", robots.id, keys[2].id), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct enrol_request request = enrol_request(rows[i].network, "robot", rows[i].key);
		struct node node;
		uint8_t key[KEY_LEN];
		bool is_new;
		int64_t num_events = raw_int(f, "SELECT count(*) FROM audit");

		fill_key(key, 100 + i);
		expect(f->store, store_enrol(f->store, key, &request, NOW_S, &node, &is_new),
			rows[i].r);
		if (rows[i].r < 0) {
			assert_string_equal(store_error(f->store), rows[i].why);
			assert_int_equal(raw_int(f, "SELECT count(*) FROM audit"), num_events);
		}
	}
	assert_int_equal(raw_int(f, "SELECT count(*) FROM nodes"), 3);
}

static void a_revoked_node_stays_out_until_it_is_removed(void **state)
{
	struct fixture *f = *state;
	struct network network = add_network(f->store, "robots");
	struct enrol_request request = enrol_request("robots", "robot", 1);
	struct node node, again;
	bool is_new;

	(void)add_key(f->store, &network, 1);
	node = enrol(f->store, &network, "robot", 1);
	expect(f->store, store_revoke_node(f->store, "anna", node.id), 0);
	expect(f->store, store_enrol(f->store, node.public_key, &request, NOW_S, &again, &is_new),
		-EACCES);
	expect(f->store, store_remove_node(f->store, "anna", node.id), 0);
	request.time_s = 1;
	expect(f->store, store_enrol(f->store, node.public_key, &request, NOW_S, &again, &is_new),
		0);
	assert_true(is_new);
	assert_true(again.id > node.id);
	assert_int_equal(again.state, NODE_ACTIVE);
}

static int ignore_node(void *ctx, const struct node *node)
{
	(void)ctx;
	(void)node;
	return 0;
}

/* Who recorded a node's requests cannot bring it back, whenever it sent them; the node itself can,
 * however wrong its clock is. */
static void a_replay_does_not_bring_a_removed_node_back(void **state)
{
	struct fixture *f = *state;
	struct network network = add_network(f->store, "robots");
	struct join_key_info info = add_key(f->store, &network, 1);
	struct enrol_request request = enrol_request("robots", "robot", 1);
	const uint64_t later = 77; /* by a clock that began with 1970 */
	uint8_t key[KEY_LEN];
	struct node node;
	bool is_new;
	int64_t next_s;

	fill_key(key, 1);
	for (uint64_t round = 0; round < 3; round++) {
		/* it enrols, and again when the hub is away, and it is removed */
		request.time_s = 1000 * round + 1;
		expect(f->store, store_enrol(f->store, key, &request, NOW_S, &node, &is_new), 0);
		assert_true(is_new);
		assert_int_equal(node.join_key_id, info.id);
		request.time_s += later;
		expect(f->store, store_enrol(f->store, key, &request, NOW_S, &node, &is_new), 0);
		assert_false(is_new);
		if (round == 1) /* what is not written is written then */
			fixture_reopen(f);
		expect(f->store, store_remove_node(f->store, "anna", node.id), 0);
		if (round == 2)
			fixture_reopen(f);
		for (uint64_t i = 0; i <= later; i += later) {
			request.time_s = 1000 * round + 1 + i;
			expect(f->store,
				store_enrol(f->store, key, &request, NOW_S, &node, &is_new),
				-EACCES);
		}
	}
	assert_int_equal(raw_int(f, "SELECT uses FROM join_keys"), 3);
	/* nothing is kept when there is no join key that a request could have */
	expect(f->store, store_expire_due(f->store, NOW_S, ignore_node, NULL, &next_s), 0);
	assert_int_equal(raw_int(f, "SELECT count(*) FROM removed"), 1);
	expect(f->store, store_revoke_join_key(f->store, "anna", network.id, info.id), 0);
	expect(f->store, store_expire_due(f->store, NOW_S + 3600, ignore_node, NULL, &next_s), 0);
	assert_int_equal(raw_int(f, "SELECT count(*) FROM removed"), 0);
}

/* A node key is one node's: the tunnel knows peers by it. */
static void a_key_is_in_one_network(void **state)
{
	struct fixture *f = *state;
	struct network robots = add_network(f->store, "robots");
	struct network others = add_network(f->store, "others");
	struct enrol_request request = enrol_request("others", "robot", 2);
	struct node node, again;
	bool is_new;

	(void)add_key(f->store, &robots, 1);
	(void)add_key(f->store, &others, 2);
	node = enrol(f->store, &robots, "robot", 1);
	expect(f->store, store_enrol(f->store, node.public_key, &request, NOW_S, &again, &is_new),
		-EACCES);
}

static void names_that_are_taken_get_a_number(void **state)
{
	struct fixture *f = *state;
	struct network network = add_network(f->store, "robots");
	static const char longest[] =
		"abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz-123456789";
	static const char shortened[] =
		"abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz-1234567-2";
	static const struct {
		const char *hostname, *name;
	} rows[] = {
		{"robot", "robot"},
		{"robot", "robot-2"},
		{"robot", "robot-3"},
		{"robot-5", "robot-5"},
		{"robot", "robot-4"},
		{"ROBOT.example", "robot-6"},
		{"robot-2", "robot-2-2"},
		{longest, longest},
		{longest, shortened},
		{"", "node"},
		{"r\xc3\xb6", "r"},
	};

	(void)add_key(f->store, &network, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct node node = enrol(f->store, &network, rows[i].hostname, i);

		assert_string_equal(node.name, rows[i].name);
	}
}

static void numbers_are_used_again_last(void **state)
{
	struct fixture *f = *state;
	struct network network = {.name = "small"};
	struct enrol_request request = enrol_request("small", "robot", 1);
	static const uint32_t hosts[] = {2, 3, 4, 5, 6};
	struct node nodes[ARRAY_SIZE(hosts)], node;
	uint8_t key[KEY_LEN];
	bool is_new;

	assert_int_equal(prefix_from_text(&network.prefix4, "10.0.0.8/29"), 0);
	expect(f->store, store_add_network(f->store, "anna", &network), 0);
	(void)add_key(f->store, &network, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(hosts); i++) {
		nodes[i] = enrol(f->store, &network, "robot", i);
		assert_int_equal(nodes[i].host, hosts[i]);
		if (i == 1) /* its number is not used while there are new ones */
			expect(f->store, store_remove_node(f->store, "anna", nodes[1].id), 0);
	}
	expect(f->store, store_remove_node(f->store, "anna", nodes[0].id), 0);
	assert_int_equal(enrol(f->store, &network, "robot", 10).host, 3);
	assert_int_equal(enrol(f->store, &network, "robot", 11).host, 2);
	fill_key(key, 5);
	expect(f->store, store_enrol(f->store, key, &request, NOW_S, &node, &is_new),
		-EADDRNOTAVAIL);
	assert_int_equal(raw_int(f, "SELECT uses FROM join_keys"), 7);
}

static void approval_is_asked_for(void **state)
{
	struct fixture *f = *state;
	static const struct {
		bool network_approves, key_approves;
		enum node_state state;
	} rows[] = {
		{false, true, NODE_ACTIVE},
		{false, false, NODE_PENDING},
		{true, true, NODE_PENDING},
		{true, false, NODE_PENDING},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct network network = {.approves = rows[i].network_approves, .node_ttl_s = 1000};
		struct join_key_info info = {.approves = rows[i].key_approves};
		struct enrol_request request;
		struct node node;
		uint8_t key[KEY_LEN];
		bool is_new;

		(void)snprintf(network.name, sizeof(network.name), "net%u", i);
		expect(f->store, store_add_network(f->store, "anna", &network), 0);
		fill_key(key, i);
		info.network_id = network.id;
		expect(f->store, store_add_join_key(f->store, "anna", &info, key), 0);
		request = enrol_request(network.name, "robot", i);
		expect(f->store, store_enrol(f->store, key, &request, NOW_S, &node, &is_new), 0);
		assert_int_equal(node.state, rows[i].state);
		assert_int_equal(node.expires_s, rows[i].state == NODE_ACTIVE ? NOW_S + 1000 : 0);
	}
}

static int append_info(void *ctx, const struct join_key_info *info)
{
	struct join_key_info **end = ctx;

	*(*end)++ = *info;
	return 0;
}

static void keys_are_listed_and_revoked(void **state)
{
	struct fixture *f = *state;
	struct network robots = add_network(f->store, "robots");
	struct network others = add_network(f->store, "others");
	struct join_key_info added = add_key(f->store, &robots, 1), listed[2], *end = listed;
	struct join_key_info bad = {.network_id = 77};
	uint8_t key[KEY_LEN];

	fill_key(key, 1);
	(void)add_key(f->store, &others, 2);
	expect(f->store, store_join_keys(f->store, robots.id, append_info, &end), 0);
	assert_ptr_equal(end, listed + 1);
	assert_memory_equal(&listed[0], &added, sizeof(added));

	expect(f->store, store_add_join_key(f->store, "anna", &bad, key), -EEXIST);
	fill_key(key, 3);
	expect(f->store, store_add_join_key(f->store, "anna", &bad, key), -ENOENT);
	bad = (struct join_key_info){.network_id = robots.id, .max_uses = -1};
	expect(f->store, store_add_join_key(f->store, "anna", &bad, key), -EINVAL);
	bad = (struct join_key_info){.network_id = robots.id, .tags = {"Robot"}};
	expect(f->store, store_add_join_key(f->store, "anna", &bad, key), -EINVAL);
	assert_int_equal(bad.id, 0);

	expect(f->store, store_revoke_join_key(f->store, "anna", others.id, added.id), -ENOENT);
	expect(f->store, store_revoke_join_key(f->store, "anna", robots.id, added.id), 0);
	expect(f->store, store_revoke_join_key(f->store, "anna", robots.id, added.id), -EINVAL);
	end = listed;
	expect(f->store, store_join_keys(f->store, robots.id, append_info, &end), 0);
	assert_true(listed[0].revoked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_node_gets_what_its_key_says, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			enrolling_again_changes_nothing, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			bad_keys_are_refused, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_revoked_node_stays_out_until_it_is_removed,
			fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_replay_does_not_bring_a_removed_node_back,
			fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			a_key_is_in_one_network, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			names_that_are_taken_get_a_number, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			numbers_are_used_again_last, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			approval_is_asked_for, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			keys_are_listed_and_revoked, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
