/* SPDX-License-Identifier: MIT
 *
 * A database that any older version of the program left is brought to the newest schema with all
 * that is in it. For every schema there was, schema_N.sql is the dump of such a database; all say
 * the same. Their folder is the argument.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/hash.h"
#include "fixture.h"

enum { NUM_SCHEMAS = 2 };

static const char *dumps;

static void load(struct fixture *f, unsigned schema)
{
	static char sql[1 << 16];
	char path[512];
	FILE *stream;
	size_t len;

	store_close(f->store);
	f->store = NULL;
	assert_int_equal(unlink(f->path), 0);
	(void)snprintf(path, sizeof(path), "%s/schema_%u.sql", dumps, schema);
	stream = fopen(path, "r");
	assert_non_null(stream);
	len = fread(sql, 1, sizeof(sql) - 1, stream);
	(void)fclose(stream);
	sql[len] = '\0';
	raw_sql(f, sql);
	assert_int_equal(raw_int(f, "PRAGMA user_version"), schema);
}

static int append_node(void *ctx, const struct node *node)
{
	char *text = ctx;
	size_t len = strlen(text);

	(void)snprintf(text + len, 256 - len, "%lld:%s:%d ", (long long)node->id, node->name,
		(int)node->state);
	return 0;
}

static void expect_content(struct store *store)
{
	struct network network;
	struct node node;
	char text[256] = "", prefix[PREFIX_TEXT_LEN], endpoint[ENDPOINT_TEXT_LEN], *policy;
	uint8_t last[HASH_LEN], key[KEY_LEN];
	int64_t num;

	expect(store, store_network(store, "robots", &network), 0);
	assert_int_equal(network.node_ttl_s, 1000);
	prefix_to_text(prefix, &network.prefix6);
	assert_string_equal(prefix, "fd00:1:2:3::/64");
	expect(store, store_policy(store, network.id, &policy), 0);
	assert_string_equal(policy, "allow * -> *\n");
	free(policy);
	expect(store, store_nodes(store, network.id, append_node, text), 0);
	assert_string_equal(text, "1:robot:2 2:robot-2:4 ");
	text[0] = '\0';
	expect(store, store_linked(store, 1, 0, append_node, text), 0);
	assert_string_equal(text, "3::0 2:robot-2:4 ");
	expect(store, store_node_by_host(store, network.id, 2, &node), 0);
	fill_key(key, 1000);
	assert_memory_equal(node.public_key, key, KEY_LEN);
	assert_string_equal(node.hostname, "Robot");
	assert_string_equal(node.tags[1], "lab");
	assert_int_equal(node.seen_s, 1800000005);
	assert_int_equal(node.expires_s, 1800001000);
	endpoint_to_text(endpoint, &node.endpoints[1]);
	assert_string_equal(endpoint, "[2001:db8::1]:51820");
	expect(store, store_audit_verify(store, &num, last), 0);
	assert_int_equal(num, 12);
}

static void older_databases_are_brought_up(void **state)
{
	struct fixture *f = *state;

	for (unsigned schema = 1; schema <= NUM_SCHEMAS; schema++) {
		struct enrol_request request = enrol_request("robots", "robot", 1);
		struct node node;
		uint8_t key[KEY_LEN];
		bool is_new;

		load(f, schema);
		expect(NULL, store_open(f->path, &f->store), 0);
		assert_int_equal(raw_int(f, "PRAGMA user_version"), NUM_SCHEMAS);
		expect_content(f->store);
		fixture_reopen(f);
		expect_content(f->store);

		/* and it goes on from there */
		fill_key(key, 7);
		expect(f->store, store_enrol(f->store, key, &request, NOW_S, &node, &is_new), 0);
		assert_string_equal(node.name, "robot-5");
		assert_int_equal(node.id, 5);
		assert_int_equal(node.host, 6);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			older_databases_are_brought_up, fixture_setup, fixture_teardown),
	};

	if (argc != 2)
		return 2;
	dumps = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
