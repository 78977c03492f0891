/* SPDX-License-Identifier: MIT
 *
 * A node learns what changed about those it was told of, and about no one else; and no query on a
 * node's way looks at all the others.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "fixture.h"
#include "overlay/store/internal.h"

struct told {
	struct node nodes[8];
	size_t num;
};

static int append(void *ctx, const struct node *node)
{
	struct told *told = ctx;

	assert_true(told->num < ARRAY_SIZE(told->nodes));
	told->nodes[told->num++] = *node;
	return 0;
}

static struct told linked(struct store *store, const struct node *node, uint64_t since)
{
	struct told told = {0};

	expect(store, store_linked(store, node->id, since, append, &told), 0);
	for (size_t i = 0; i < told.num; i++)
		assert_true(told.nodes[i].seq > (i > 0 ? told.nodes[i - 1].seq : since));
	return told;
}

static uint64_t seq_now(struct store *store)
{
	struct network network;

	expect(store, store_network(store, "robots", &network), 0);
	return network.seq;
}

static void changes_reach_those_concerned(void **state)
{
	struct fixture *f = *state;
	struct network network = add_network(f->store, "robots");
	struct node a, b, c;
	struct told told;
	uint64_t seq;

	(void)add_key(f->store, &network, 1);
	a = enrol(f->store, &network, "a", 1);
	b = enrol(f->store, &network, "b", 2);
	c = enrol(f->store, &network, "c", 3);
	assert_int_equal(linked(f->store, &a, 0).num, 0);
	expect(f->store, store_link(f->store, b.id, a.id), 0);
	expect(f->store, store_link(f->store, c.id, a.id), 0);
	told = linked(f->store, &a, 0);
	assert_int_equal(told.num, 2);
	assert_string_equal(told.nodes[0].name, "b");
	assert_string_equal(told.nodes[1].name, "c");
	assert_int_equal(told.nodes[1].seq, seq_now(f->store));
	told = linked(f->store, &b, 0);
	assert_int_equal(told.num, 1);
	assert_string_equal(told.nodes[0].name, "a");

	/* a link is news to a node that was away, one that exists is not */
	seq = seq_now(f->store);
	assert_int_equal(linked(f->store, &b, seq).num, 0);
	expect(f->store, store_link(f->store, a.id, b.id), 0);
	assert_int_equal(seq_now(f->store), seq);
	expect(f->store, store_link(f->store, c.id, b.id), 0);
	told = linked(f->store, &b, seq);
	assert_int_equal(told.num, 1);
	assert_string_equal(told.nodes[0].name, "c");

	/* what happens to c is told to a and b, in order, by the last of it */
	seq = seq_now(f->store);
	expect(f->store, store_rename_node(f->store, "anna", c.id, "carl"), 0);
	expect(f->store, store_revoke_node(f->store, "anna", b.id), 0);
	expect(f->store, store_revoke_node(f->store, "anna", c.id), 0);
	told = linked(f->store, &a, seq);
	assert_int_equal(told.num, 2);
	assert_string_equal(told.nodes[0].name, "b");
	assert_int_equal(told.nodes[0].state, NODE_REVOKED);
	assert_string_equal(told.nodes[1].name, "carl");
	assert_int_equal(linked(f->store, &a, UINT64_MAX).num, 0);
}

static void removal_is_told_while_there_are_links(void **state)
{
	struct fixture *f = *state;
	struct network network = add_network(f->store, "robots");
	struct node a, b, c;
	struct told told;
	uint64_t seq;

	(void)add_key(f->store, &network, 1);
	a = enrol(f->store, &network, "a", 1);
	b = enrol(f->store, &network, "b", 2);
	c = enrol(f->store, &network, "c", 3);
	expect(f->store, store_link(f->store, a.id, b.id), 0);
	expect(f->store, store_link(f->store, b.id, c.id), 0);
	seq = seq_now(f->store);
	expect(f->store, store_remove_node(f->store, "anna", b.id), 0);
	fixture_reopen(f);
	told = linked(f->store, &a, seq);
	assert_int_equal(told.num, 1);
	assert_memory_equal(
		&told.nodes[0], (&(struct node){.id = b.id, .seq = seq + 1}), sizeof(struct node));
	expect(f->store, store_link(f->store, b.id, a.id), 0); /* is there still */
	expect(f->store, store_remove_node(f->store, "anna", b.id), -ENOENT);
	expect(f->store, store_rename_node(f->store, "anna", a.id, "b"), 0);

	expect(f->store, store_unlink(f->store, a.id, b.id), 0);
	expect(f->store, store_unlink(f->store, a.id, b.id), 0);
	assert_int_equal(linked(f->store, &a, 0).num, 0);
	assert_int_equal(linked(f->store, &c, 0).num, 1);
	assert_int_equal(raw_int(f, "SELECT count(*) FROM nodes"), 3);
	expect(f->store, store_link(f->store, a.id, b.id), -ENOENT);
	expect(f->store, store_unlink(f->store, b.id, c.id), 0);
	assert_int_equal(raw_int(f, "SELECT count(*) FROM nodes"), 2);
	expect(f->store, store_remove_node(f->store, "anna", c.id), 0); /* without links */
	assert_int_equal(raw_int(f, "SELECT count(*) FROM nodes"), 1);
}

static void strangers_are_not_linked(void **state)
{
	struct fixture *f = *state;
	struct network robots = add_network(f->store, "robots");
	struct network others = add_network(f->store, "others");
	struct enrol_request request = enrol_request("others", "b", 2);
	struct node a, b;
	uint8_t key[KEY_LEN];
	bool is_new;

	(void)add_key(f->store, &robots, 1);
	(void)add_key(f->store, &others, 2);
	a = enrol(f->store, &robots, "a", 1);
	fill_key(key, 2);
	expect(f->store, store_enrol(f->store, key, &request, NOW_S, &b, &is_new), 0);
	expect(f->store, store_link(f->store, a.id, b.id), -EINVAL);
	expect(f->store, store_link(f->store, a.id, a.id), -EINVAL);
	expect(f->store, store_link(f->store, a.id, 99), -ENOENT);
	expect(f->store, store_unlink(f->store, a.id, 99), 0);
}

/* What may look at all rows there are: lists for people, and what comes with rare changes. */
static bool may_scan(enum statement statement)
{
	switch (statement) {
	case SQL_NETWORKS:
	case SQL_ADMINS:
	case SQL_AUDIT:
	case SQL_AUDIT_LAST:	 /* ends at the first */
	case SQL_REMOVED_FORGET: /* every hour */
		return true;
	default:
		return false;
	}
}

static void nothing_looks_at_all_rows(void **state)
{
	struct fixture *f = *state;

	for (enum statement i = SQL_COMMIT; i < NUM_STATEMENTS; i++) {
		char sql[2048];
		sqlite3_stmt *q;

		(void)snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s", sql_texts[i]);
		assert_int_equal(sqlite3_prepare_v2(f->store->db, sql, -1, &q, NULL), SQLITE_OK);
		while (sqlite3_step(q) == SQLITE_ROW) {
			const char *plan = (const char *)sqlite3_column_text(q, 3);

			if (strncmp(plan, "SCAN", 4) == 0 && !may_scan(i) &&
				strstr(plan, "CONSTANT ROW") == NULL &&
				strcmp(plan, "SCAN l") != 0 && /* those linked */
				strstr(plan, "nodes_ephemeral") == NULL)
				fail_msg("%s: %s", sql_texts[i], plan);
		}
		(void)sqlite3_finalize(q);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			changes_reach_those_concerned, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			removal_is_told_while_there_are_links, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			strangers_are_not_linked, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			nothing_looks_at_all_rows, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
