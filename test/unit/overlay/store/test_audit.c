/* SPDX-License-Identifier: MIT
 *
 * Every change leaves an event, no secret is in one, and whoever edits, removes, reorders or adds
 * one is found out.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/encoding.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "fixture.h"

static int append_event(void *ctx, const struct audit_event *event)
{
	text_printf(ctx, "%lld %s %s %s %s %s %s\n", (long long)event->id, event->actor,
		event->action, event->network, event->subject, event->before, event->after);
	return 0;
}

/* One of each change there is. */
static struct node make_events(struct store *store)
{
	struct network network = add_network(store, "robots");
	struct join_key_info key = add_key(store, &network, 1);
	struct admin admin = {.name = "berta", .network_id = network.id, .role = ADMIN_ADMIN};
	const char tags[NODE_TAGS_MAX][TAG_MAX + 1] = {"lab"};
	struct node node;

	network.allows_by_default = true;
	expect(store, store_set_network(store, "anna", &network), 0);
	expect(store, store_set_policy(store, "anna", network.id, "allow * -> *\n"), 0);
	expect(store, store_set_admin(store, "root", &admin), 0);
	admin.role = ADMIN_OWNER;
	expect(store, store_set_admin(store, "root", &admin), 0);
	expect(store, store_remove_admin(store, "root", "berta", network.id), 0);
	node = enrol(store, &network, "Arm.lab", 1);
	expect(store, store_rename_node(store, "anna", node.id, "leg"), 0);
	expect(store, store_tag_node(store, "anna", node.id, tags), 0);
	expect(store, store_expire_node(store, "anna", node.id, 1, NOW_S), 0);
	expect(store, store_approve_node(store, "anna", node.id, NOW_S), 0);
	expect(store, store_revoke_node(store, "anna", node.id), 0);
	expect(store, store_revoke_join_key(store, "anna", network.id, key.id), 0);
	expect(store, store_remove_node(store, "anna", node.id), 0);
	expect(store, store_remove_network(store, "anna", network.id, false), 0);
	return node;
}

enum { NUM_EVENTS = 16 };

static void every_change_leaves_an_event(void **state)
{
	struct fixture *f = *state;
	struct node node = make_events(f->store);
	struct text text = {0};
	char key[KEY_BASE64_LEN + 1], expected[8192], prefix6[PREFIX_TEXT_LEN];
	const char *fd;

	key_to_base64(key, node.public_key);
	expect(f->store, store_audit(f->store, NULL, 0, 0, append_event, &text), 0);
	/* the IPv6 prefix is random */
	fd = strstr(text.data, "\"prefix6\":\"");
	assert_non_null(fd);
	(void)snprintf(prefix6, sizeof(prefix6), "%.*s", (int)strcspn(fd + 11, "\""), fd + 11);
	(void)snprintf(expected, sizeof(expected),
		"1 anna network.add robots robots  {\"allows_by_default\":false,\"approves\":false,"
		"\"id\":1,\"name\":\"robots\",\"node_ttl\":0,\"prefix4\":\"100.64.0.0/16\","
		"\"prefix6\":\"%s\"}\n"
		"2 anna key.add robots key 1  {\"approves\":true,\"ephemeral\":false,\"expires\":0,"
		"\"id\":1,\"max_uses\":0,\"revoked\":false,\"tags\":[],\"uses\":0}\n"
		"3 anna network.set robots robots {\"allows_by_default\":false,\"id\":1}"
		" {\"allows_by_default\":true,\"id\":1}\n"
		"4 anna policy.set robots robots  {\"policy\":\"allow * -> *\\n\"}\n"
		"5 root admin.set robots berta  {\"id\":1,\"role\":\"admin\"}\n"
		"6 root admin.set robots berta {\"id\":1,\"role\":\"admin\"}"
		" {\"id\":1,\"role\":\"owner\"}\n"
		"7 root admin.remove robots berta {\"id\":1,\"role\":\"owner\"} \n"
		"8 node:arm node.enrol robots arm  {\"ephemeral\":false,\"expires\":0,\"host\":2,"
		"\"hostname\":\"Arm.lab\",\"id\":1,\"join_key\":1,\"name\":\"arm\",\"public_key\":"
		"\"%s\",\"state\":\"active\",\"tags\":[],\"version\":\"0.1.0\"}\n"
		"9 anna node.rename robots arm {\"id\":1,\"name\":\"arm\"}"
		" {\"id\":1,\"name\":\"leg\"}\n"
		"10 anna node.tag robots leg {\"id\":1,\"tags\":[]} {\"id\":1,\"tags\":[\"lab\"]}\n"
		"11 anna node.expire robots leg {\"expires\":0,\"id\":1,\"state\":\"active\"}"
		" {\"expires\":1,\"id\":1,\"state\":\"expired\"}\n"
		"12 anna node.approve robots leg {\"expires\":1,\"id\":1,\"state\":\"expired\"}"
		" {\"expires\":0,\"id\":1,\"state\":\"active\"}\n"
		"13 anna node.revoke robots leg {\"id\":1,\"state\":\"active\"}"
		" {\"id\":1,\"state\":\"revoked\"}\n"
		"14 anna key.revoke robots key 1 {\"id\":1,\"revoked\":false}"
		" {\"id\":1,\"revoked\":true}\n"
		"15 anna node.remove robots leg {\"ephemeral\":false,\"expires\":0,\"host\":2,"
		"\"hostname\":\"Arm.lab\",\"id\":1,\"name\":\"leg\",\"public_key\":\"%s\","
		"\"state\":"
		"\"revoked\",\"tags\":[\"lab\"],\"version\":\"0.1.0\"} \n"
		"16 anna network.remove robots robots {\"allows_by_default\":true,\"approves\":"
		"false,\"id\":1,\"name\":\"robots\",\"node_ttl\":0,\"nodes\":0,\"prefix4\":"
		"\"100.64.0.0/16\",\"prefix6\":\"%s\"} \n",
		prefix6, key, key, prefix6);
	assert_string_equal(text.data, expected);
	text_deinit(&text);
}

/* Neither the join key nor its hash is in any event; nor the key itself anywhere in the file. */
static void no_secret_is_kept(void **state)
{
	struct fixture *f = *state;
	uint8_t key[KEY_LEN], key_hash[HASH_LEN];
	char sql[512], hex[KEY_HEX_LEN + 1], base64[KEY_BASE64_LEN + 1];
	char hash_hex[KEY_HEX_LEN + 1], hash_base64[KEY_BASE64_LEN + 1];
	struct network network = add_network(f->store, "robots");
	char path[128];
	static uint8_t file[1 << 20];
	static const char *const suffixes[] = {"", "-wal"};

	fill_key(key, 1);
	hash(key_hash, key, KEY_LEN, NULL, 0);
	key_to_hex(hex, key);
	key_to_base64(base64, key);
	key_to_hex(hash_hex, key_hash);
	key_to_base64(hash_base64, key_hash);
	(void)add_key(f->store, &network, 1);
	(void)enrol(f->store, &network, "robot", 1);
	(void)snprintf(sql, sizeof(sql),
		"SELECT count(*) FROM audit WHERE lower(before || after) LIKE '%%%s%%' OR"
		" lower(before || after) LIKE '%%%s%%' OR before || after LIKE '%%%s%%' OR"
		" before || after LIKE '%%%s%%'",
		hex, hash_hex, base64, hash_base64);
	assert_int_equal(raw_int(f, sql), 0);
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		FILE *stream;
		size_t len;

		(void)snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
		stream = fopen(path, "rb");
		assert_non_null(stream);
		len = fread(file, 1, sizeof(file), stream);
		(void)fclose(stream);
		assert_true(len > 0);
		assert_null(memmem(file, len, key, KEY_LEN));
		assert_null(memmem(file, len, base64, KEY_BASE64_LEN - 1));
	}
}

static void events_are_listed_in_parts(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *network;
		int64_t from_id, limit;
		const char *ids;
	} rows[] = {
		{NULL, 0, 0, "1 2 3 4 "},
		{NULL, 2, 0, "2 3 4 "},
		{NULL, 2, 2, "2 3 "},
		{NULL, 5, 0, ""},
		{"a", 0, 0, "1 4 "},
		{"a", 2, 0, "4 "},
		{"a", 0, 1, "1 "},
		{"b", 0, 0, "2 "},
		{"c", 0, 0, "3 "},
		{"x", 0, 0, ""},
	};
	struct network a = add_network(f->store, "a");

	(void)add_network(f->store, "b");
	(void)add_network(f->store, "c");
	expect(f->store, store_set_policy(f->store, "anna", a.id, ""), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct text text = {0};
		char ids[64] = "";

		expect(f->store,
			store_audit(f->store, rows[i].network, rows[i].from_id, rows[i].limit,
				append_event, &text),
			0);
		for (char *line = text.data; line && *line; line = strchr(line, '\n') + 1)
			strncat(ids, line, strcspn(line, " ") + 1);
		assert_string_equal(ids, rows[i].ids);
		text_deinit(&text);
	}
}

static const char drop_triggers[] = "DROP TRIGGER audit_is_not_changed;"
				    "DROP TRIGGER audit_is_not_removed;"
				    "DROP TRIGGER audit_is_continued;";

static void expect_found(struct fixture *f, int64_t event)
{
	uint8_t last[HASH_LEN] = {7}, untouched[HASH_LEN] = {7};
	int64_t num = -1;

	expect(f->store, store_audit_verify(f->store, &num, last), -EBADMSG);
	assert_int_equal(num, event);
	assert_memory_equal(last, untouched, HASH_LEN);
}

static void tampering_is_found(void **state)
{
	static const struct {
		const char *sql;
		int64_t event;
	} rows[] = {
		{"UPDATE audit SET time_s = time_s + 1 WHERE id = 5", 5},
		{"UPDATE audit SET actor = 'carl' WHERE id = 5", 5},
		{"UPDATE audit SET action = 'admin.get' WHERE id = 5", 5},
		{"UPDATE audit SET network = '' WHERE id = 5", 5},
		{"UPDATE audit SET subject = 'bertb' WHERE id = 5", 5},
		{"UPDATE audit SET before = ' ' WHERE id = 5", 5},
		{"UPDATE audit SET after = '' WHERE id = 5", 5},
		{"UPDATE audit SET after = after || char(0) WHERE id = 5", 5},
		{"UPDATE audit SET hash = zeroblob(32) WHERE id = 5", 5},
		/* a byte moved from one field to the next */
		{"UPDATE audit SET actor = 'roota', action = 'dmin.set' WHERE id = 5", 5},
		{"UPDATE audit SET actor = 'x' WHERE id = 1", 1},
		{"UPDATE audit SET actor = 'x' WHERE id = 16", 16},
		{"UPDATE audit SET id = 99 WHERE id = 16", 16},
		{"UPDATE audit SET id = -1 WHERE id = 1", 1},
		{"DELETE FROM audit WHERE id = 1", 1},
		{"DELETE FROM audit WHERE id = 5", 5},
		{"DELETE FROM audit WHERE id = 5; UPDATE audit SET id = id - 1 WHERE id > 5", 5},
		{"UPDATE audit SET id = 99 WHERE id = 5; UPDATE audit SET id = 5 WHERE id = 6;"
		 " UPDATE audit SET id = 6 WHERE id = 99",
			5},
		{"INSERT INTO audit SELECT 17, time_s, actor, action, network, subject, before,"
		 " after, hash FROM audit WHERE id = 16",
			17},
		{"UPDATE audit SET id = -id WHERE id > 5; UPDATE audit SET id = 1 - id"
		 " WHERE id < 0; INSERT INTO audit SELECT 6, time_s, actor, action, network,"
		 " subject, before, after, hash FROM audit WHERE id = 5",
			6},
	};
	struct fixture *f = *state;
	uint8_t last[HASH_LEN];
	int64_t num;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(fixture_teardown(state), 0);
		assert_int_equal(fixture_setup(state), 0);
		f = *state;
		(void)make_events(f->store);
		expect(f->store, store_audit_verify(f->store, &num, last), 0);
		assert_int_equal(num, NUM_EVENTS);
		raw_sql(f, drop_triggers);
		raw_sql(f, rows[i].sql);
		expect_found(f, rows[i].event);
	}
}

/* What is cut off the end shows against a copy of the last hash. */
static void the_end_is_known_by_its_hash(void **state)
{
	struct fixture *f = *state;
	uint8_t before[HASH_LEN], after[HASH_LEN];
	int64_t num;

	expect(f->store, store_audit_verify(f->store, &num, before), 0);
	assert_int_equal(num, 0);
	assert_true(bytes_are_zero(before, HASH_LEN));
	(void)make_events(f->store);
	expect(f->store, store_audit_verify(f->store, &num, before), 0);
	raw_sql(f, drop_triggers);
	raw_sql(f, "DELETE FROM audit WHERE id = 16");
	expect(f->store, store_audit_verify(f->store, &num, after), 0);
	assert_int_equal(num, NUM_EVENTS - 1);
	assert_memory_not_equal(before, after, HASH_LEN);
}

static void the_trail_is_not_changed_by_accident(void **state)
{
	struct fixture *f = *state;
	static const char *const rows[] = {
		"UPDATE audit SET actor = 'x'",
		"DELETE FROM audit",
		"INSERT INTO audit SELECT 99, time_s, actor, action, network, subject, before,"
		" after, hash FROM audit WHERE id = 1",
		"INSERT OR REPLACE INTO audit SELECT 1, time_s, 'x', action, network, subject,"
		" before, after, hash FROM audit WHERE id = 1",
		"DELETE FROM networks; UPDATE audit SET network = 'x'",
	};
	uint8_t last[HASH_LEN];
	int64_t num;

	(void)make_events(f->store);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_true(raw_try(f, rows[i]) != 0);
	expect(f->store, store_audit_verify(f->store, &num, last), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			every_change_leaves_an_event, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(no_secret_is_kept, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			events_are_listed_in_parts, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			tampering_is_found, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			the_end_is_known_by_its_hash, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			the_trail_is_not_changed_by_accident, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
