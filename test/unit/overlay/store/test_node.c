/* SPDX-License-Identifier: MIT
 *
 * What people do to nodes, what is due by time, and what nodes report of themselves.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "fixture.h"

enum { DAY_S = 86400 };

enum step { APPROVE, EXPIRE_NOW, EXPIRE_LATER, REVOKE, NUM_STEPS };

static int take_step(struct store *store, enum step step, int64_t id)
{
	switch (step) {
	case APPROVE:
		return store_approve_node(store, "anna", id, NOW_S);
	case EXPIRE_NOW:
		return store_expire_node(store, "anna", id, NOW_S, NOW_S);
	case EXPIRE_LATER:
		return store_expire_node(store, "anna", id, NOW_S + 5, NOW_S);
	default:
		return store_revoke_node(store, "anna", id);
	}
}

/* A node that is pending at first. */
static struct node enrol_pending(struct store *store, unsigned number)
{
	struct network network;
	struct enrol_request request = enrol_request("robots", "robot", 9);
	struct node node;
	uint8_t key[KEY_LEN];
	bool is_new;

	expect(store, store_network(store, "robots", &network), 0);
	if (number == 0) {
		struct join_key_info info = {.network_id = network.id};

		fill_key(key, 9);
		expect(store, store_add_join_key(store, "anna", &info, key), 0);
	}
	fill_key(key, 1000 + number);
	expect(store, store_enrol(store, key, &request, NOW_S, &node, &is_new), 0);
	return node;
}

static void steps_from_each_state(void **state)
{
	struct fixture *f = *state;
	static const struct {
		enum step to_there[2];
		unsigned num;
		enum node_state from;
		int after[NUM_STEPS]; /* the state, or an error */
	} rows[] = {
		{{0}, 0, NODE_PENDING, {NODE_ACTIVE, NODE_EXPIRED, NODE_PENDING, NODE_REVOKED}},
		{{APPROVE}, 1, NODE_ACTIVE, {-EINVAL, NODE_EXPIRED, NODE_ACTIVE, NODE_REVOKED}},
		{{APPROVE, EXPIRE_NOW}, 2, NODE_EXPIRED,
			{NODE_ACTIVE, -EINVAL, -EINVAL, NODE_REVOKED}},
		{{REVOKE}, 1, NODE_REVOKED, {-EINVAL, -EINVAL, -EINVAL, -EINVAL}},
	};
	unsigned number = 0;

	(void)add_network(f->store, "robots");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (enum step step = 0; step < NUM_STEPS; step++) {
			struct node node = enrol_pending(f->store, number++), after;
			struct network network;
			int expected = rows[i].after[step];

			for (unsigned j = 0; j < rows[i].num; j++)
				expect(f->store, take_step(f->store, rows[i].to_there[j], node.id),
					0);
			expect(f->store, store_node(f->store, node.id, &node), 0);
			assert_int_equal(node.state, rows[i].from);
			expect(f->store, take_step(f->store, step, node.id),
				expected < 0 ? expected : 0);
			expect(f->store, store_node(f->store, node.id, &after), 0);
			assert_int_equal(
				after.state, expected < 0 ? rows[i].from : (unsigned)expected);
			expect(f->store, store_network(f->store, "robots", &network), 0);
			assert_int_equal(after.seq, expected < 0 ? node.seq : network.seq);
		}
	}
	for (enum step step = 0; step < NUM_STEPS; step++)
		expect(f->store, take_step(f->store, step, 999), -ENOENT);
}

static void approval_renews_for_the_network_s_time(void **state)
{
	struct fixture *f = *state;
	struct network network = add_network(f->store, "robots");
	struct node node;

	network.node_ttl_s = 1000;
	expect(f->store, store_set_network(f->store, "anna", &network), 0);
	node = enrol_pending(f->store, 0);
	assert_int_equal(node.expires_s, 0);
	expect(f->store, store_approve_node(f->store, "anna", node.id, NOW_S), 0);
	expect(f->store, store_node(f->store, node.id, &node), 0);
	assert_int_equal(node.expires_s, NOW_S + 1000);
	expect(f->store, store_expire_node(f->store, "anna", node.id, NOW_S - 1, NOW_S), 0);
	expect(f->store, store_approve_node(f->store, "anna", node.id, NOW_S + 50), 0);
	expect(f->store, store_node(f->store, node.id, &node), 0);
	assert_int_equal(node.expires_s, NOW_S + 1050);
	expect(f->store, store_expire_node(f->store, "anna", node.id, 0, NOW_S), 0);
	expect(f->store, store_node(f->store, node.id, &node), 0);
	assert_int_equal(node.expires_s, 0);
	expect(f->store, store_expire_node(f->store, "anna", node.id, -1, NOW_S), -EINVAL);
}

static void names_and_tags_change(void **state)
{
	struct fixture *f = *state;
	struct network robots = add_network(f->store, "robots");
	struct network others = add_network(f->store, "others");
	struct node a, b, found;
	char tags[NODE_TAGS_MAX][TAG_MAX + 1] = {"lab", "", "arm"};
	static const struct {
		const char *name;
		int r;
	} rows[] = {{"b", -EEXIST}, {"c", 0}, {"c", 0}, {"", -EINVAL}, {"-x", -EINVAL},
		{"X", -EINVAL}, {"hub", -EINVAL}, {"d", 0}};

	(void)add_key(f->store, &robots, 1);
	a = enrol(f->store, &robots, "a", 1);
	b = enrol(f->store, &robots, "b", 2);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		expect(f->store, store_rename_node(f->store, "anna", a.id, rows[i].name),
			rows[i].r);
	expect(f->store, store_rename_node(f->store, "anna", 99, "x"), -ENOENT);
	expect(f->store, store_node_by_name(f->store, robots.id, "d", &found), 0);
	assert_int_equal(found.id, a.id);
	expect(f->store, store_node_by_name(f->store, robots.id, "a", &found), -ENOENT);
	expect(f->store, store_node_by_name(f->store, others.id, "d", &found), -ENOENT);
	expect(f->store, store_rename_node(f->store, "anna", b.id, "a"), 0);

	expect(f->store, store_tag_node(f->store, "anna", a.id, tags), 0);
	expect(f->store, store_node(f->store, a.id, &found), 0);
	assert_string_equal(found.tags[0], "lab");
	assert_string_equal(found.tags[1], "arm");
	assert_string_equal(found.tags[2], "");
	memset(tags[5], 'x', sizeof(tags[5]));
	expect(f->store, store_tag_node(f->store, "anna", a.id, tags), -EINVAL);
	memset(tags, 0, sizeof(tags));
	expect(f->store, store_tag_node(f->store, "anna", a.id, tags), 0);
	for (size_t i = 0; i < NODE_TAGS_MAX; i++) {
		memset(tags[i], 'a' + (int)i, TAG_MAX);
		tags[i][TAG_MAX] = '\0';
	}
	expect(f->store, store_tag_node(f->store, "anna", a.id, tags), 0);
	expect(f->store, store_node(f->store, a.id, &found), 0);
	assert_memory_equal(found.tags, tags, sizeof(tags));
}

static int append_node(void *ctx, const struct node *node)
{
	char *text = ctx;
	size_t len = strlen(text);

	(void)snprintf(text + len, 256 - len, "%s:%d ", node->name, (int)node->state);
	return 0;
}

static int64_t expire_due(struct fixture *f, int64_t now_s, const char *expected)
{
	char text[256] = "";
	int64_t next_s;

	expect(f->store, store_expire_due(f->store, now_s, append_node, text, &next_s), 0);
	assert_string_equal(text, expected);
	return next_s;
}

/* Let time pass as a hub does. Nothing is due until the end. */
static int64_t pass_time(struct fixture *f, int64_t from_s, int64_t until_s, const char *expected)
{
	for (from_s += 1800; from_s < until_s; from_s += 1800)
		(void)expire_due(f, from_s, "");
	return expire_due(f, until_s, expected);
}

/* A wrong clock does not put the fleet out. */
static void a_clock_that_was_set_is_waited_for(void **state)
{
	enum { YEAR_S = 365 * DAY_S };
	struct fixture *f = *state;
	struct network network = add_network(f->store, "robots");
	struct join_key_info info = {.network_id = network.id, .approves = true, .ephemeral = true};
	struct node a, b;
	uint8_t key[KEY_LEN];

	fill_key(key, 1);
	expect(f->store, store_add_join_key(f->store, "anna", &info, key), 0);
	a = enrol(f->store, &network, "a", 1);
	b = enrol(f->store, &network, "b", 2);
	expect(f->store, store_expire_node(f->store, "anna", a.id, NOW_S + 9 * DAY_S, NOW_S), 0);
	assert_int_equal(store_held_until(f->store), 0);

	/* while it runs, and what follows it is no better */
	assert_int_equal(expire_due(f, NOW_S + YEAR_S, ""), NOW_S + YEAR_S + 3600);
	assert_int_equal(store_held_until(f->store), NOW_S + YEAR_S + 3600);
	(void)expire_due(f, NOW_S + YEAR_S + 3599, "");
	(void)expire_due(f, NOW_S + 60, "");
	(void)expire_due(f, NOW_S + 60 - YEAR_S, "");
	expect(f->store, store_seen(f->store, b.id, NOW_S + 90), 0);
	assert_int_equal(store_held_until(f->store), NOW_S + 3690);
	(void)expire_due(f, NOW_S + 3690, "");
	assert_int_equal(store_held_until(f->store), 0);

	/* before it runs */
	fixture_reopen(f);
	(void)expire_due(f, NOW_S + YEAR_S, "");
	fixture_reopen(f);
	(void)expire_due(f, NOW_S - YEAR_S, "");
	assert_int_equal(store_held_until(f->store), NOW_S - YEAR_S + 3600);

	/* a year that is confirmed; who is connected is seen meanwhile */
	fixture_reopen(f);
	(void)expire_due(f, NOW_S + YEAR_S, "");
	expect(f->store, store_seen(f->store, b.id, NOW_S + YEAR_S + 60), 0);
	(void)pass_time(f, NOW_S + YEAR_S, NOW_S + YEAR_S + 3600, "a:3 ");
	(void)pass_time(f, NOW_S + YEAR_S + 3600, NOW_S + YEAR_S + DAY_S, "a:0 ");
	(void)pass_time(f, NOW_S + YEAR_S + DAY_S, NOW_S + YEAR_S + DAY_S + 60, "b:0 ");
}

static void dates_are_kept(void **state)
{
	struct fixture *f = *state;
	struct network network = add_network(f->store, "robots");
	struct node nodes[4];

	(void)add_key(f->store, &network, 1);
	assert_int_equal(expire_due(f, NOW_S, ""), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(nodes); i++)
		nodes[i] = enrol(f->store, &network, "robot", i);
	expect(f->store, store_expire_node(f->store, "anna", nodes[0].id, NOW_S + 30, NOW_S), 0);
	expect(f->store, store_expire_node(f->store, "anna", nodes[1].id, NOW_S + 10, NOW_S), 0);
	expect(f->store, store_expire_node(f->store, "anna", nodes[2].id, NOW_S + 20, NOW_S), 0);
	expect(f->store, store_revoke_node(f->store, "anna", nodes[2].id), 0);
	assert_int_equal(expire_due(f, NOW_S + 9, ""), NOW_S + 10);
	assert_int_equal(expire_due(f, NOW_S + 10, "robot-2:3 "), NOW_S + 30);
	fixture_reopen(f);
	assert_int_equal(expire_due(f, NOW_S + 99, "robot:3 "), 0);
	assert_int_equal(raw_int(f, "SELECT count(*) FROM audit WHERE actor = 'hub' AND action ="
				    " 'node.expire'"),
		2);
}

/* More than fit one transaction. */
static void many_are_due_at_once(void **state)
{
	struct fixture *f = *state;
	struct network network = {.name = "robots", .node_ttl_s = 10};
	char text[256] = "";
	int64_t next_s;

	expect(f->store, store_add_network(f->store, "anna", &network), 0);
	(void)add_key(f->store, &network, 1);
	for (unsigned i = 0; i < 150; i++)
		(void)enrol(f->store, &network, "robot", i);
	expect(f->store, store_expire_due(f->store, NOW_S + 10, append_node, text, &next_s), 0);
	assert_int_equal(next_s, 0);
	assert_int_equal(raw_int(f, "SELECT count(*) FROM nodes WHERE state = 3"), 150);
}

static void ephemeral_nodes_go_when_they_are_away(void **state)
{
	struct fixture *f = *state;
	struct network network = add_network(f->store, "robots");
	struct join_key_info info = {.network_id = network.id, .approves = true, .ephemeral = true};
	struct node a, b, found;
	uint8_t key[KEY_LEN];

	fill_key(key, 1);
	expect(f->store, store_add_join_key(f->store, "anna", &info, key), 0);
	a = enrol(f->store, &network, "a", 1);
	b = enrol(f->store, &network, "b", 2);
	expect(f->store, store_link(f->store, a.id, b.id), 0);
	expect(f->store, store_seen(f->store, b.id, NOW_S + 100), 0);
	expect(f->store, store_node(f->store, b.id, &found), 0);
	assert_int_equal(found.seen_s, NOW_S + 100);
	assert_int_equal(pass_time(f, NOW_S, NOW_S + DAY_S - 1, ""), NOW_S + DAY_S);
	assert_int_equal(expire_due(f, NOW_S + DAY_S, "a:0 "), NOW_S + DAY_S + 100);
	expect(f->store, store_node(f->store, a.id, &found), -ENOENT);

	/* the hub was away itself */
	fixture_reopen(f);
	expect(f->store, store_node(f->store, b.id, &found), 0);
	assert_int_equal(found.seen_s, NOW_S + 100);
	assert_int_equal(expire_due(f, NOW_S + 5 * DAY_S, ""), NOW_S + 6 * DAY_S);
	assert_int_equal(
		pass_time(f, NOW_S + 5 * DAY_S, NOW_S + 6 * DAY_S, "b:0 "), NOW_S + 31 * DAY_S);
	assert_int_equal(raw_int(f, "SELECT count(*) FROM nodes"), 2);

	/* nobody is left to be told */
	assert_int_equal(
		pass_time(f, NOW_S + 6 * DAY_S, NOW_S + 31 * DAY_S, ""), NOW_S + 36 * DAY_S);
	assert_int_equal(pass_time(f, NOW_S + 31 * DAY_S, NOW_S + 36 * DAY_S, ""), 0);
	assert_int_equal(raw_int(f, "SELECT count(*) FROM nodes"), 0);
	assert_int_equal(raw_int(f, "SELECT count(*) FROM links"), 0);
}

static void seen_is_written_now_and_then(void **state)
{
	struct fixture *f = *state;
	struct network network = add_network(f->store, "robots");
	struct node node;
	static const char written[] = "SELECT coalesce(sum(seen_s), 0) FROM seen";

	(void)add_key(f->store, &network, 1);
	node = enrol(f->store, &network, "robot", 1);
	expect(f->store, store_seen(f->store, 99, NOW_S), -ENOENT);
	expect(f->store, store_seen(f->store, node.id, -1), -EINVAL);
	expect(f->store, store_seen(f->store, node.id, NOW_S), 0);
	expect(f->store, store_seen(f->store, node.id, NOW_S + 59), 0);
	assert_int_equal(raw_int(f, written), 0);
	expect(f->store, store_seen(f->store, node.id, NOW_S + 60), 0);
	assert_int_equal(raw_int(f, written), NOW_S + 60);
	expect(f->store, store_seen(f->store, node.id, NOW_S + 61), 0);
	fixture_reopen(f);
	assert_int_equal(raw_int(f, written), NOW_S + 61);
	expect(f->store, store_seen(f->store, node.id, NOW_S + 62), 0);
	expect(f->store, store_remove_node(f->store, "anna", node.id), 0);
	expect(f->store, store_seen(f->store, node.id, NOW_S + 63), -ENOENT);
}

static void endpoints_count_when_they_change(void **state)
{
	struct fixture *f = *state;
	struct network network = add_network(f->store, "robots");
	struct endpoint endpoints[NODE_ENDPOINTS_MAX] = {0};
	struct node node, found;
	uint64_t seq = 77;

	(void)add_key(f->store, &network, 1);
	node = enrol(f->store, &network, "robot", 1);
	expect(f->store, store_set_endpoints(f->store, node.id, endpoints, &seq), 0);
	assert_int_equal(seq, 0);
	for (size_t i = 0; i < NODE_ENDPOINTS_MAX; i++)
		assert_int_equal(
			endpoint_from_text(&endpoints[i], "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:"
							  "fffe%4294967295]:65535"),
			0);
	assert_int_equal(endpoint_from_text(&endpoints[1], "192.0.2.1:1"), 0);
	expect(f->store, store_set_endpoints(f->store, node.id, endpoints, &seq), 0);
	assert_int_equal(seq, node.seq + 1);
	expect(f->store, store_node(f->store, node.id, &found), 0);
	assert_memory_equal(found.endpoints, endpoints, sizeof(endpoints));
	assert_int_equal(found.seq, seq);
	expect(f->store, store_set_endpoints(f->store, node.id, endpoints, &seq), 0);
	assert_int_equal(seq, 0);
	endpoints[3].family = 77;
	expect(f->store, store_set_endpoints(f->store, node.id, endpoints, &seq), -EINVAL);
	memset(endpoints, 0, sizeof(endpoints));
	expect(f->store, store_set_endpoints(f->store, 99, endpoints, &seq), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			steps_from_each_state, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			approval_renews_for_the_network_s_time, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			names_and_tags_change, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			a_clock_that_was_set_is_waited_for, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(dates_are_kept, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			many_are_due_at_once, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			ephemeral_nodes_go_when_they_are_away, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			seen_is_written_now_and_then, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			endpoints_count_when_they_change, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
