/* SPDX-License-Identifier: MIT
 *
 * Networks with prefixes that do not overlap, their policies, and who may do what.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"

static struct prefix prefix(const char *text)
{
	struct prefix prefix = {0};

	if (text[0] != '\0')
		assert_int_equal(prefix_from_text(&prefix, text), 0);
	return prefix;
}

static void assert_same(const struct network *a, const struct network *b)
{
	assert_int_equal(a->id, b->id);
	assert_string_equal(a->name, b->name);
	assert_memory_equal(&a->prefix4, &b->prefix4, sizeof(a->prefix4));
	assert_memory_equal(&a->prefix6, &b->prefix6, sizeof(a->prefix6));
	assert_int_equal(a->seq, b->seq);
	assert_int_equal(a->policy_seq, b->policy_seq);
	assert_int_equal(a->allows_by_default, b->allows_by_default);
	assert_int_equal(a->approves, b->approves);
	assert_int_equal(a->node_ttl_s, b->node_ttl_s);
	assert_int_equal(a->created_s, b->created_s);
}

static void networks_are_added_or_refused(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *name, *prefix4, *prefix6;
		int r;
		const char *chosen4;
	} rows[] = {
		{"robots", "", "", 0, "100.64.0.0/16"},
		{"robots", "", "", -EEXIST, NULL},
		{"b", "100.65.128.0/24", "", 0, "100.65.128.0/24"},
		{"c", "", "", 0, "100.66.0.0/16"},
		{"d", "100.65.128.0/30", "", -EADDRINUSE, NULL},
		{"d", "100.65.0.0/16", "", -EADDRINUSE, NULL},
		{"d", "100.65.129.0/24", "", 0, "100.65.129.0/24"},
		{"e", "10.0.0.1/24", "", -EINVAL, NULL},
		{"e", "10.0.0.0/31", "", -EINVAL, NULL},
		{"e", "0.0.0.0/7", "", -EINVAL, NULL},
		{"e", "192.0.2.0/24", "", -EINVAL, NULL},
		{"e", "172.0.0.0/11", "", -EINVAL, NULL},
		{"e", "", "2001:db8::/64", -EINVAL, NULL},
		{"e", "fd00::/64", "", -EINVAL, NULL},
		{"e", "", "10.0.0.0/8", -EINVAL, NULL},
		{"e", "", "fd00::/127", -EINVAL, NULL},
		{"e", "", "fd00::1/64", -EINVAL, NULL},
		{"e", "10.0.0.0/8", "fd00:1::/112", 0, "10.0.0.0/8"},
		{"f", "", "fd00:1::/64", -EADDRINUSE, NULL},
		{"", "", "", -EINVAL, NULL},
		{"Upper", "", "", -EINVAL, NULL},
		{"lo", "", "", -EINVAL, NULL},
		{"rest", "100.96.0.0/11", "", 0, "100.96.0.0/11"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct network network = {
			.prefix4 = prefix(rows[i].prefix4), .prefix6 = prefix(rows[i].prefix6)};
		struct network given, found;
		char text[PREFIX_TEXT_LEN];

		(void)snprintf(network.name, sizeof(network.name), "%s", rows[i].name);
		given = network;
		expect(f->store, store_add_network(f->store, "anna", &network), rows[i].r);
		if (rows[i].r < 0) {
			assert_same(&network, &given);
			continue;
		}
		prefix_to_text(text, &network.prefix4);
		assert_string_equal(text, rows[i].chosen4);
		if (given.prefix6.family == 0)
			assert_true(network.prefix6.cidr == 64 && network.prefix6.addr[0] == 0xfd);
		expect(f->store, store_network(f->store, rows[i].name, &found), 0);
		assert_same(&found, &network);
		expect(f->store, store_network_by_id(f->store, network.id, &found), 0);
		assert_same(&found, &network);
	}
}

static void prefixes_come_to_an_end(void **state)
{
	struct fixture *f = *state;
	struct network all = {.name = "all-of-it", .prefix4 = prefix("100.64.0.0/10")};
	struct network network = {.name = "robots"};

	expect(f->store, store_add_network(f->store, "anna", &all), 0);
	expect(f->store, store_add_network(f->store, "anna", &network), -EADDRNOTAVAIL);
	expect(f->store, store_remove_network(f->store, "anna", all.id, false), 0);
	expect(f->store, store_add_network(f->store, "anna", &network), 0);
}

static void settings_change(void **state)
{
	struct fixture *f = *state;
	struct network network = add_network(f->store, "robots"), set = network, found;

	set.approves = true;
	set.node_ttl_s = 86400;
	(void)snprintf(set.name, sizeof(set.name), "ignored");
	expect(f->store, store_set_network(f->store, "anna", &set), 0);
	assert_string_equal(set.name, "robots");
	assert_int_equal(set.seq, network.seq + 1);
	assert_int_equal(set.policy_seq, network.policy_seq);
	set.allows_by_default = true;
	expect(f->store, store_set_network(f->store, "anna", &set), 0);
	assert_int_equal(set.policy_seq, network.seq + 2);
	expect(f->store, store_network(f->store, "robots", &found), 0);
	assert_same(&found, &set);
	set.node_ttl_s = -1;
	expect(f->store, store_set_network(f->store, "anna", &set), -EINVAL);
	set.id = 99;
	expect(f->store, store_set_network(f->store, "anna", &set), -ENOENT);
}

static void a_network_in_use_is_not_removed_by_accident(void **state)
{
	struct fixture *f = *state;
	struct network network = add_network(f->store, "robots");
	struct node a, b;

	(void)add_key(f->store, &network, 1);
	a = enrol(f->store, &network, "a", 1);
	b = enrol(f->store, &network, "b", 2);
	expect(f->store, store_link(f->store, a.id, b.id), 0);
	expect(f->store, store_seen(f->store, a.id, NOW_S), 0);
	expect(f->store, store_remove_network(f->store, "anna", network.id, false), -ENOTEMPTY);
	expect(f->store, store_revoke_node(f->store, "anna", a.id), 0);
	expect(f->store, store_remove_network(f->store, "anna", network.id, false), -ENOTEMPTY);
	expect(f->store, store_set_policy(f->store, "anna", network.id, "allow * -> *\n"), 0);
	expect(f->store, store_remove_network(f->store, "anna", network.id, true), 0);
	expect(f->store, store_remove_network(f->store, "anna", network.id, true), -ENOENT);
	expect(f->store, store_node(f->store, b.id, &b), -ENOENT);
	fixture_reopen(f); /* and with it what was seen of a node that is no more */
	assert_int_equal(raw_int(f, "SELECT (SELECT count(*) FROM nodes) + (SELECT count(*) FROM"
				    " links) + (SELECT count(*) FROM join_keys) +"
				    " (SELECT count(*) FROM policies) +"
				    " (SELECT count(*) FROM seen)"),
		0);
}

static int append_name(void *ctx, const struct network *network)
{
	char *names = ctx;

	strcat(strcat(names, network->name), " ");
	return strcmp(network->name, "b") == 0 ? 7 : 0;
}

static void each_stops_when_it_is_told(void **state)
{
	struct fixture *f = *state;
	char names[64] = "";

	(void)add_network(f->store, "c");
	(void)add_network(f->store, "a");
	expect(f->store, store_networks(f->store, append_name, names), 0);
	assert_string_equal(names, "a c ");
	(void)add_network(f->store, "b");
	names[0] = '\0';
	assert_int_equal(store_networks(f->store, append_name, names), 7);
	assert_string_equal(names, "a b ");
}

static void policies_are_kept_as_text(void **state)
{
	struct fixture *f = *state;
	struct network network = add_network(f->store, "robots"), after;
	char *text, *other;

	expect(f->store, store_policy(f->store, network.id, &text), 0);
	assert_null(text);
	expect(f->store, store_set_policy(f->store, "anna", network.id, "allow * -> *\n# \"ä\"\n"),
		0);
	expect(f->store, store_policy(f->store, network.id, &text), 0);
	assert_string_equal(text, "allow * -> *\n# \"ä\"\n");
	free(text);
	expect(f->store, store_network(f->store, "robots", &after), 0);
	assert_int_equal(after.seq, network.seq + 1);
	assert_int_equal(after.policy_seq, after.seq);
	expect(f->store, store_set_policy(f->store, "anna", network.id, "\xff"), -EINVAL);
	expect(f->store, store_set_policy(f->store, "anna", 99, ""), -ENOENT);
	expect(f->store, store_set_policy(f->store, "anna", network.id, NULL), 0);
	expect(f->store, store_policy(f->store, network.id, &other), 0);
	assert_null(other);
}

static int append_admin(void *ctx, const struct admin *admin)
{
	char *text = ctx;
	size_t len = strlen(text);

	(void)snprintf(text + len, 128 - len, "%s:%lld:%d ", admin->name,
		(long long)admin->network_id, (int)admin->role);
	return 0;
}

static void admins_have_a_role_in_a_place(void **state)
{
	struct fixture *f = *state;
	struct network network = add_network(f->store, "robots");
	struct admin rows[] = {
		{.name = "berta", .network_id = network.id, .role = ADMIN_AUDITOR},
		{.name = "anna", .role = ADMIN_OWNER},
		{.name = "anna", .network_id = network.id, .role = ADMIN_ADMIN},
		{.name = "berta", .network_id = network.id, .role = ADMIN_OWNER},
	};
	struct admin nobody = {.name = "carl", .network_id = 99, .role = ADMIN_ADMIN};
	struct admin nothing = {.name = "carl"};
	struct admin nameless = {.role = ADMIN_ADMIN};
	char text[128] = "";

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		expect(f->store, store_set_admin(f->store, "root", &rows[i]), 0);
	assert_int_equal(rows[0].id, rows[3].id);
	expect(f->store, store_set_admin(f->store, "root", &nobody), -ENOENT);
	expect(f->store, store_set_admin(f->store, "root", &nothing), -EINVAL);
	expect(f->store, store_set_admin(f->store, "root", &nameless), -EINVAL);
	expect(f->store, store_admins(f->store, append_admin, text), 0);
	assert_string_equal(text, "anna:0:3 anna:1:2 berta:1:3 ");
	expect(f->store, store_remove_admin(f->store, "root", "carl", 0), -ENOENT);
	expect(f->store, store_remove_admin(f->store, "root", "anna", 0), 0);
	expect(f->store, store_remove_admin(f->store, "root", "anna", 0), -ENOENT);
	text[0] = '\0';
	expect(f->store, store_admins(f->store, append_admin, text), 0);
	assert_string_equal(text, "anna:1:2 berta:1:3 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			networks_are_added_or_refused, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			prefixes_come_to_an_end, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(settings_change, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_network_in_use_is_not_removed_by_accident,
			fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			each_stops_when_it_is_told, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			policies_are_kept_as_text, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			admins_have_a_role_in_a_place, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
