/* SPDX-License-Identifier: MIT
 *
 * See fixture.h.
 */
#include "fixture.h"

#include <sqlite3.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	/* in memory if possible: a thousand syncs of a busy disk take minutes */
	(void)snprintf(f->folder, sizeof(f->folder), "/dev/shm/adit-store-XXXXXX");
	if (!mkdtemp(f->folder)) {
		(void)snprintf(f->folder, sizeof(f->folder), "/tmp/adit-store-XXXXXX");
		if (!mkdtemp(f->folder))
			return -1;
	}
	(void)snprintf(f->path, sizeof(f->path), "%s/hub.db", f->folder);
	*state = f;
	return store_open(f->path, &f->store);
}

int fixture_teardown(void **state)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
	struct fixture *f = *state;
	char path[128];

	store_close(f->store);
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
		(void)unlink(path);
	}
	int r = rmdir(f->folder);
	free(f);
	return r;
}

void fixture_reopen(struct fixture *f)
{
	store_close(f->store);
	f->store = NULL;
	expect(NULL, store_open(f->path, &f->store), 0);
}

void expect(const struct store *store, int r, int expected)
{
	if (r != expected)
		fail_msg("%d (%s), not %d; the store says: %s", r, strerror(-r), expected,
			store_error(store));
	if (r < 0)
		assert_true(strlen(store_error(store)) > 0);
}

static sqlite3 *raw_open(const struct fixture *f)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	(void)sqlite3_busy_timeout(db, 1000);
	return db;
}

int raw_try(const struct fixture *f, const char *sql)
{
	sqlite3 *db = raw_open(f);
	int result = sqlite3_exec(db, sql, NULL, NULL, NULL);

	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return result;
}

void raw_sql(const struct fixture *f, const char *sql)
{
	if (raw_try(f, sql) != SQLITE_OK)
		fail_msg("%s", sql);
}

void raw_text(const struct fixture *f, const char *sql, char *ret_text, size_t size)
{
	sqlite3 *db = raw_open(f);
	sqlite3_stmt *q;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	(void)snprintf(ret_text, size, "%s", (const char *)sqlite3_column_text(q, 0));
	(void)sqlite3_finalize(q);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

int64_t raw_int(const struct fixture *f, const char *sql)
{
	char text[32];

	raw_text(f, sql, text, sizeof(text));
	return strtoll(text, NULL, 10);
}

void fill_key(uint8_t ret_key[KEY_LEN], unsigned number)
{
	memset(ret_key, 0xa5, KEY_LEN);
	store_le32(ret_key, number);
}

struct network add_network(struct store *store, const char *name)
{
	struct network network = {0};

	(void)snprintf(network.name, sizeof(network.name), "%s", name);
	expect(store, store_add_network(store, "anna", &network), 0);
	return network;
}

struct join_key_info add_key(struct store *store, const struct network *network, unsigned number)
{
	struct join_key_info info = {.network_id = network->id, .approves = true};
	uint8_t key[KEY_LEN];

	fill_key(key, number);
	expect(store, store_add_join_key(store, "anna", &info, key), 0);
	return info;
}

struct enrol_request enrol_request(const char *network, const char *hostname, unsigned join_key)
{
	struct enrol_request request = {.version = ENROL_VERSION, .agent_version = "0.1.0"};

	fill_key(request.join_key, join_key);
	(void)snprintf(request.network, sizeof(request.network), "%s", network);
	(void)snprintf(request.hostname, sizeof(request.hostname), "%s", hostname);
	return request;
}

struct node enrol(
	struct store *store, const struct network *network, const char *hostname, unsigned number)
{
	struct enrol_request request = enrol_request(network->name, hostname, 1);
	uint8_t key[KEY_LEN];
	struct node node;
	bool is_new;

	fill_key(key, 1000000 + number);
	expect(store, store_enrol(store, key, &request, NOW_S, &node, &is_new), 0);
	assert_true(is_new);
	return node;
}
