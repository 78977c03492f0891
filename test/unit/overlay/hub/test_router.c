/* SPDX-License-Identifier: MIT
 *
 * Every route as every kind of caller: who may is served, everybody else learns nothing and changes
 * nothing.
 */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Who there is. Nodes first. The networks are "robots", which all paths are about, and "office". */
enum kind {
	NOBODY, /* an address that is no node's */
	MEMBER,
	FOREIGN_MEMBER, /* of office */
	PENDING,
	EXPIRED,
	REVOKED,
	NUM_NODE_KINDS,
	ROOT = NUM_NODE_KINDS,
	HUB_OWNER,
	HUB_ADMIN,
	HUB_AUDITOR,
	OWNER, /* of robots */
	ADMIN,
	AUDITOR,
	FOREIGN_OWNER, /* of office */
	STRANGER,      /* a user without any role */
	NUM_KINDS,
};
static const char *const kind_names[NUM_KINDS] = {"nobody", "member", "foreign member", "pending",
	"expired", "revoked", "root", "hub owner", "hub admin", "hub auditor", "owner", "admin",
	"auditor", "foreign owner", "stranger"};

#define K(kind) (1U << (kind))
#define HUB_OWNERS (K(ROOT) | K(HUB_OWNER))
#define HUB_AUDITORS (HUB_OWNERS | K(HUB_ADMIN) | K(HUB_AUDITOR))
#define OWNERS (HUB_OWNERS | K(OWNER))
#define ADMINS (OWNERS | K(HUB_ADMIN) | K(ADMIN))
#define AUDITORS (ADMINS | K(HUB_AUDITOR) | K(AUDITOR))
#define ANYONE (AUDITORS | K(FOREIGN_OWNER))

struct row {
	const char *method, *pattern, *path, *body;
	unsigned status; /* for those who may */
	unsigned may;	 /* a bit a kind */
};
#define ROBOTS "/v1/networks/{network}"
#define N "/v1/networks/robots"

static const struct row rows[] = {
	{"GET", "/v1/self", "/v1/self", NULL, 200, K(MEMBER) | K(FOREIGN_MEMBER)},
	{"GET", "/v1/stream", "/v1/stream?since=0", NULL, 200, K(MEMBER) | K(FOREIGN_MEMBER)},
	{"POST", "/v1/connect", "/v1/connect", "{\"name\": \"peer\"}", 200, K(MEMBER)},
	{"POST", "/v1/ready", "/v1/ready", "{\"id\": 1}", 204, K(MEMBER) | K(FOREIGN_MEMBER)},
	{"GET", "/v1/names", "/v1/names?name=peer", NULL, 200, K(MEMBER)},
	{"POST", "/v1/forget", "/v1/forget", "{\"id\": 1}", 204, K(MEMBER) | K(FOREIGN_MEMBER)},
	{"POST", "/v1/ready", "/v1/ready", "{\"id\": 1}", 204, K(MEMBER) | K(FOREIGN_MEMBER)},
	{"PUT", "/v1/endpoints", "/v1/endpoints", "{\"endpoints\": [\"192.0.2.1:1\"]}", 204,
		K(MEMBER) | K(FOREIGN_MEMBER)},
	{"POST", "/v1/leave", "/v1/leave", NULL, 204, K(MEMBER) | K(FOREIGN_MEMBER)},

	{"GET", "/v1/status", "/v1/status", NULL, 200, ANYONE},
	{"GET", "/v1/networks", "/v1/networks", NULL, 200, ANYONE},
	{"GET", "/v1/nodes", "/v1/nodes", NULL, 200, ANYONE},
	{"POST", "/v1/networks", "/v1/networks", "{\"name\": \"lab\"}", 201, HUB_OWNERS},
	{"GET", "/v1/audit", "/v1/audit", NULL, 200, HUB_AUDITORS},
	{"GET", "/v1/audit/verify", "/v1/audit/verify", NULL, 200, HUB_AUDITORS},
	{"GET", "/v1/admins", "/v1/admins", NULL, 200, HUB_AUDITORS},
	{"PUT", "/v1/admins/{word}", "/v1/admins/anna", "{\"uid\": 7, \"role\": \"owner\"}", 200,
		HUB_OWNERS},
	{"DELETE", "/v1/admins/{word}", "/v1/admins/hubauditor", NULL, 204, HUB_OWNERS},

	{"GET", ROBOTS, N, NULL, 200, AUDITORS},
	{"PATCH", ROBOTS, N, "{\"default\": \"deny\"}", 200, OWNERS},
	{"DELETE", ROBOTS, N "?nodes=1", NULL, 204, OWNERS},
	{"GET", ROBOTS "/keys", N "/keys", NULL, 200, AUDITORS},
	{"POST", ROBOTS "/keys", N "/keys", "{}", 201, ADMINS},
	{"DELETE", ROBOTS "/keys/{word}", N "/keys/1", NULL, 204, ADMINS},
	{"GET", ROBOTS "/nodes", N "/nodes", NULL, 200, AUDITORS},
	{"GET", ROBOTS "/nodes/{node}", N "/nodes/peer", NULL, 200, AUDITORS},
	{"PATCH", ROBOTS "/nodes/{node}", N "/nodes/peer", "{\"tags\": [\"x\"]}", 200, ADMINS},
	{"DELETE", ROBOTS "/nodes/{node}", N "/nodes/peer", NULL, 204, ADMINS},
	{"POST", ROBOTS "/nodes/{node}/approve", N "/nodes/pending/approve", NULL, 200, ADMINS},
	{"POST", ROBOTS "/nodes/{node}/revoke", N "/nodes/peer/revoke", NULL, 200, ADMINS},
	{"GET", ROBOTS "/policy", N "/policy", NULL, 200, AUDITORS},
	{"PUT", ROBOTS "/policy", N "/policy", "{\"text\": \"allow * -> *\"}", 200, OWNERS},
	{"POST", ROBOTS "/policy/check", N "/policy/check", "{\"text\": \"\"}", 200, AUDITORS},
	{"GET", ROBOTS "/why", N "/why?from=member&to=peer", NULL, 200, AUDITORS},
	{"GET", ROBOTS "/audit", N "/audit", NULL, 200, AUDITORS},
	{"GET", ROBOTS "/admins", N "/admins", NULL, 200, AUDITORS},
	{"PUT", ROBOTS "/admins/{word}", N "/admins/anna", "{\"uid\": 7, \"role\": \"owner\"}", 200,
		OWNERS},
	{"DELETE", ROBOTS "/admins/{word}", N "/admins/auditor", NULL, 204, OWNERS},
};

/* --- the world ------------------------------------------------------- */

static void populate(struct fixture *f)
{
	struct member *member;

	add_network(f, "robots");
	add_network(f, "office");
	add_node(f, "robots", "peer", 1, true, "");
	add_node(f, "robots", "member", 2, true, "");
	add_node(f, "robots", "pending", 3, false, "");
	member = add_node(f, "robots", "expired", 4, true, "");
	assert_int_equal(
		store_expire_node(f->hub.store, "test", member->node.id, 1, hub_now_s()), 0);
	assert_ptr_equal(changes_node(&f->hub, member->node.id), member);
	member = add_node(f, "robots", "revoked", 5, true, "");
	assert_int_equal(store_revoke_node(f->hub.store, "test", member->node.id), 0);
	assert_ptr_equal(changes_node(&f->hub, member->node.id), member);
	add_node(f, "office", "foreign", 6, true, "");
	add_admin(f, "hubowner", 1001, NULL, ADMIN_OWNER);
	add_admin(f, "hubadmin", 1002, NULL, ADMIN_ADMIN);
	add_admin(f, "hubauditor", 1003, NULL, ADMIN_AUDITOR);
	add_admin(f, "owner", 1011, "robots", ADMIN_OWNER);
	add_admin(f, "admin", 1012, "robots", ADMIN_ADMIN);
	add_admin(f, "auditor", 1013, "robots", ADMIN_AUDITOR);
	add_admin(f, "foreignowner", 1021, "office", ADMIN_OWNER);
}

static struct caller caller_of(const struct fixture *f, enum kind kind)
{
	static const uint8_t keys[NUM_NODE_KINDS] = {
		[MEMBER] = 2, [FOREIGN_MEMBER] = 6, [PENDING] = 3, [EXPIRED] = 4, [REVOKED] = 5};
	static const uid_t uids[NUM_KINDS] = {[HUB_OWNER] = 1001,
		[HUB_ADMIN] = 1002,
		[HUB_AUDITOR] = 1003,
		[OWNER] = 1011,
		[ADMIN] = 1012,
		[AUDITOR] = 1013,
		[FOREIGN_OWNER] = 1021,
		[STRANGER] = 1099};
	struct caller caller = {.is_admin = kind >= NUM_NODE_KINDS, .uid = uids[kind]};
	uint8_t key[KEY_LEN];

	if (kind > NOBODY && kind < NUM_NODE_KINDS) {
		memset(key, keys[kind], sizeof(key));
		caller.member = directory_member_by_key(&f->hub.directory, key);
		assert_non_null(caller.member);
	}
	return caller;
}

/* What the audit trail is at: its last hash says whether anything was changed. */
static void note_trail(struct fixture *f, uint8_t ret_hash[HASH_LEN])
{
	int64_t num;

	assert_int_equal(store_audit_verify(f->hub.store, &num, ret_hash), 0);
}

static bool is_of_node_api(const struct row *row)
{
	return strncmp(row->pattern, "/v1/networks", 12) != 0 &&
	       (row->may & ~0U << NUM_NODE_KINDS) == 0;
}

/* Statuses that refuse: and those of the other API have nothing at this path. */
static bool is_refusal(const struct row *row, enum kind kind, unsigned status)
{
	bool by_node_api = kind < NUM_NODE_KINDS;

	if (by_node_api != is_of_node_api(row) &&
		(kind == MEMBER || kind == FOREIGN_MEMBER || !by_node_api))
		return status == 404 || status == 405;
	if (kind == FOREIGN_MEMBER)
		return status == 404; /* nobody of that name */
	if (kind == FOREIGN_OWNER || kind == STRANGER)
		return status == (strstr(row->pattern, "{network}") != NULL ? 404 : 403);
	return status == 403;
}

static void test_every_route_as_every_caller(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	populate(&f);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (enum kind kind = 0; kind < NUM_KINDS; kind++) {
			const struct row *row = &rows[i];
			struct caller caller = caller_of(&f, kind);
			uint8_t before[HASH_LEN], after[HASH_LEN];
			bool may = row->may & K(kind);
			unsigned status;

			note_trail(&f, before);
			status = ask(&f, &caller, row->method, row->path, row->body, NULL);
			if (may ? status != row->status : !is_refusal(row, kind, status))
				fail_msg("%s %s as %s: %u", row->method, row->path,
					kind_names[kind], status);
			note_trail(&f, after);
			if (!may)
				assert_memory_equal(before, after, HASH_LEN);
			if (may && strcmp(row->method, "GET") != 0) {
				fixture_close(&f);
				fixture_open(&f);
				populate(&f);
			}
		}
	}
	fixture_close(&f);
}

static void test_no_route_is_left_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < num_node_routes + num_admin_routes; i++) {
		const struct route *route =
			i < num_node_routes ? &node_routes[i] : &admin_routes[i - num_node_routes];
		bool is_there = false;

		for (size_t j = 0; j < ARRAY_SIZE(rows); j++)
			is_there |= strcmp(route->method, rows[j].method) == 0 &&
				    strcmp(route->pattern, rows[j].pattern) == 0;
		if (!is_there)
			fail_msg("%s %s is in no row", route->method, route->pattern);
	}
}

/* A list holds only what its caller may see. */
static void test_lists_are_cut(void **state)
{
	static const struct {
		enum kind kind;
		unsigned num_networks, num_nodes;
	} table[] = {{ROOT, 2, 6}, {HUB_AUDITOR, 2, 6}, {AUDITOR, 1, 5}, {FOREIGN_OWNER, 1, 1}};
	struct fixture *f = *state;

	populate(f);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct caller caller = caller_of(f, table[i].kind);
		json_t *answer;

		assert_int_equal(ask(f, &caller, "GET", "/v1/networks", NULL, &answer), 200);
		assert_int_equal(json_array_size(json_object_get(answer, "networks")),
			table[i].num_networks);
		json_decref(answer);
		assert_int_equal(ask(f, &caller, "GET", "/v1/nodes", NULL, &answer), 200);
		assert_int_equal(
			json_array_size(json_object_get(answer, "nodes")), table[i].num_nodes);
		json_decref(answer);
	}
}

static void test_state_is_told_to_nodes_that_may_not(void **state)
{
	static const struct {
		enum kind kind;
		const char *state;
	} table[] = {{PENDING, "pending"}, {EXPIRED, "expired"}, {REVOKED, "revoked"}};
	struct fixture *f = *state;

	populate(f);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct caller caller = caller_of(f, table[i].kind);
		json_t *answer;

		assert_int_equal(ask(f, &caller, "GET", "/v1/self", NULL, &answer), 403);
		assert_string_equal(
			json_string_value(json_object_get(answer, "state")), table[i].state);
		json_decref(answer);
	}
}

static void test_versions(void **state)
{
	static const struct {
		const char *header;
		unsigned status;
	} table[] = {{NULL, 200}, {"1", 200}, {"2", 426}, {"0", 426}, {"", 426}, {"one", 426},
		{"1 ", 426}, {"18446744073709551617", 426}};
	struct fixture *f = *state;

	populate(f);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct request request = {.hub = &f->hub,
			.caller = caller_of(f, MEMBER),
			.method = "GET",
			.path = "/v1/self",
			.api = table[i].header};
		struct response response;

		router_serve(&request, &response);
		assert_int_equal(response.status, table[i].status);
		if (table[i].status == 426) {
			const json_t *api = json_object_get(response.body, "api");

			assert_int_equal(json_array_size(api), 2);
			assert_int_equal(json_integer_value(json_array_get(api, 0)), API_LOWEST);
			assert_int_equal(json_integer_value(json_array_get(api, 1)), API_HIGHEST);
		}
		json_decref(response.body);
	}
}

/* Input that is none: an answer of 4xx with a sentence. */
static void test_bad_requests(void **state)
{
	static const struct {
		enum kind kind;
		const char *method, *path, *body;
		unsigned status;
	} table[] = {
		{MEMBER, "GET", "/v1/stream?since=x", NULL, 400},
		{MEMBER, "GET", "/v1/stream?since=-1", NULL, 400},
		{MEMBER, "POST", "/v1/connect", "", 400},
		{MEMBER, "POST", "/v1/connect", "[]", 400},
		{MEMBER, "POST", "/v1/connect", "{", 400},
		{MEMBER, "POST", "/v1/connect", "{\"name\": 7}", 400},
		{MEMBER, "POST", "/v1/connect", "{\"name\": \"a\\u0000b\"}", 400},
		{MEMBER, "POST", "/v1/connect", "{\"name\": \"a\", \"name\": \"b\"}", 400},
		{MEMBER, "POST", "/v1/connect", "{\"name\": \"peer\", \"address\": \"::\"}", 400},
		{MEMBER, "POST", "/v1/connect", "{\"name\": \"member\"}", 409},
		{MEMBER, "POST", "/v1/connect", "{\"name\": \"revoked\"}", 404},
		{MEMBER, "POST", "/v1/connect", "{\"name\": \"foreign\"}", 404},
		{MEMBER, "POST", "/v1/connect", "{\"address\": \"100.64.0.0/16\"}", 404},
		{MEMBER, "POST", "/v1/connect", "{\"address\": \"100.64.255.254\"}", 404},
		{MEMBER, "POST", "/v1/forget", "{}", 400},
		{MEMBER, "POST", "/v1/forget", "{\"id\": 99}", 204},
		{MEMBER, "GET", "/v1/names", NULL, 400},
		{MEMBER, "GET", "/v1/names?name=hub", NULL, 200},
		{MEMBER, "PUT", "/v1/endpoints", "{\"endpoints\": [\"here\"]}", 400},
		{MEMBER, "PUT", "/v1/endpoints", "{\"endpoints\": [\"192.0.2.1:0\"]}", 400},
		{MEMBER, "PUT", "/v1/endpoints", "{\"endpoints\": [\"100.64.0.9:1\"]}", 400},
		{MEMBER, "PUT", "/v1/endpoints", "{\"endpoints\": [\"127.0.0.1:1\"]}", 400},
		{MEMBER, "PUT", "/v1/endpoints", "{\"endpoints\": [\"0.0.0.0:1\"]}", 400},
		{MEMBER, "PUT", "/v1/endpoints", "{\"endpoints\": [\"224.0.0.1:1\"]}", 400},
		{MEMBER, "PUT", "/v1/endpoints", "{\"endpoints\": [\"255.255.255.255:1\"]}", 400},
		{MEMBER, "PUT", "/v1/endpoints", "{\"endpoints\": [\"[::1]:1\"]}", 400},
		{MEMBER, "PUT", "/v1/endpoints", "{\"endpoints\": [\"[::ffff:127.0.0.1]:1\"]}",
			400},
		{MEMBER, "PUT", "/v1/endpoints", "{\"endpoints\": [\"[fe80::1]:1\"]}", 400},
		{MEMBER, "PUT", "/v1/endpoints", "{\"endpoints\": [\"[ff02::1]:1\"]}", 400},
		{MEMBER, "PUT", "/v1/endpoints", "{\"endpoints\": [\"[2001:db8::1]:1\"]}", 204},
		{MEMBER, "PUT", "/v1/endpoints", "{\"endpoints\": [\"[fe80::1%1]:1\"]}", 400},
		{MEMBER, "PUT", "/v1/endpoints", "{\"endpoints\": [1,2,3,4,5,6,7,8,9]}", 400},
		{MEMBER, "PATCH", "/v1/self", NULL, 405},
		{MEMBER, "GET", "/v1/selfie", NULL, 404},
		{MEMBER, "GET", "/v1/status", NULL, 404},
		{ROOT, "POST", "/v1/networks", "{\"name\": \"robots\"}", 409},
		{ROOT, "POST", "/v1/networks", "{\"name\": \"Robots\"}", 400},
		{ROOT, "POST", "/v1/networks", "{}", 400},
		{ROOT, "POST", "/v1/networks", "{\"name\": \"x\", \"prefix4\": \"fd00::/64\"}",
			400},
		{ROOT, "POST", "/v1/networks", "{\"name\": \"x\", \"prefix4\": \"192.0.2.0/24\"}",
			400},
		{ROOT, "PATCH", N, "{\"default\": \"maybe\"}", 400},
		{ROOT, "POST", N "/keys", "{\"tags\": [\"Tag\"]}", 400},
		{ROOT, "POST", N "/keys", "{\"uses\": -1}", 400},
		{ROOT, "DELETE", N "/keys/9", NULL, 404},
		{ROOT, "DELETE", N "/keys/x", NULL, 404},
		{ROOT, "PATCH", N "/nodes/peer", "{\"name\": \"member\"}", 409},
		{ROOT, "PATCH", N "/nodes/peer", "{\"name\": \"-\"}", 400},
		{ROOT, "GET", N "/nodes/foreign", NULL, 404},
		{ROOT, "POST", N "/nodes/peer/approve", NULL, 400},
		{ROOT, "PUT", N "/policy", "{\"text\": \"allow\"}", 400},
		{ROOT, "PUT", N "/policy", "{\"text\": \"test deny peer -> member\"}", 400},
		{ROOT, "PUT", N "/policy", "{\"text\": \"# \\u009b2J\"}", 400},
		{ROOT, "PUT", N "/policy", "{\"text\": \"# \\u202e\"}", 400},
		{ROOT, "POST", N "/policy/check", "{\"text\": \"# \\u007f\"}", 400},
		{ROOT, "PUT", N "/policy", "{\"text\": \"#\\t\\u00e4\\r\\n\"}", 200},
		{ROOT, "GET", N "/why?from=peer", NULL, 400},
		{ROOT, "GET", N "/why?from=peer&to=member&proto=tcp&port=65536", NULL, 400},
		{ROOT, "GET", N "/why?from=peer&to=member&proto=icmp&port=1", NULL, 400},
		{ROOT, "PUT", "/v1/admins/a:b", "{\"uid\": 1, \"role\": \"owner\"}", 400},
		{ROOT, "PUT", "/v1/admins/anna", "{\"uid\": 1, \"role\": \"king\"}", 400},
		{ROOT, "PUT", "/v1/admins/owner", "{\"role\": \"owner\"}", 400},
		{ROOT, "DELETE", "/v1/admins/owner", NULL, 404},
		{ROOT, "GET", "/v1/networks//nodes", NULL, 404},
	};
	struct fixture *f = *state;

	populate(f);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct caller caller = caller_of(f, table[i].kind);
		json_t *answer;
		unsigned status =
			ask(f, &caller, table[i].method, table[i].path, table[i].body, &answer);

		if (status != table[i].status)
			fail_msg("%s %s %s: %u", table[i].method, table[i].path,
				table[i].body != NULL ? table[i].body : "", status);
		if (status >= 400)
			assert_true(json_is_string(json_object_get(answer, "error")));
		json_decref(answer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_route_as_every_caller),
		cmocka_unit_test(test_no_route_is_left_out),
		cmocka_unit_test_setup_teardown(
			test_lists_are_cut, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_state_is_told_to_nodes_that_may_not, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_versions, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_bad_requests, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
