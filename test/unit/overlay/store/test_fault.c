/* SPDX-License-Identifier: MIT
 *
 * What is wrong with a database is said, and nothing is made worse: files that are not ours, disks
 * that are full or read-only, bytes that were changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "overlay/store/internal.h"

static void write_file(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	assert_int_equal(close(fd), 0);
}

static size_t read_file(const char *path, uint8_t *ret_data, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, ret_data, size);

	assert_true(len > 0 && (size_t)len < size);
	assert_int_equal(close(fd), 0);
	return (size_t)len;
}

static void only_a_database_of_ours_is_opened(void **state)
{
	static const struct {
		const char *sql;
		int r;
		const char *error;
	} rows[] = {
		{"PRAGMA user_version = 3", -EUCLEAN,
			"the database is of a newer version of this program (schema 3; this one "
			"knows 2)"},
		{"PRAGMA application_id = 5", -EBADMSG, "this is not the database of a hub"},
		{"PRAGMA user_version = 0", -EBADMSG, "this is not the database of a hub"},
		{"DROP TABLE links", -EBADMSG, "the database is damaged: no such table: links"},
		{"ALTER TABLE nodes RENAME COLUMN host TO number", -EBADMSG,
			"the database is damaged: table nodes has no column named host"},
		{"PRAGMA user_version = 2", 0, NULL},
	};
	struct fixture *f;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(fixture_teardown(state), 0);
		assert_int_equal(fixture_setup(state), 0);
		f = *state;
		store_close(f->store);
		f->store = NULL;
		raw_sql(f, rows[i].sql);
		expect(NULL, store_open(f->path, &f->store), rows[i].r);
		if (rows[i].r < 0)
			assert_string_equal(store_error(NULL), rows[i].error);
	}
}

static void paths_are_named_in_errors(void **state)
{
	struct fixture *f = *state;
	struct store *store = NULL;
	char path[128];
	uint8_t noise[5000];
	struct stat status;

	assert_int_equal(stat(f->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	(void)snprintf(path, sizeof(path), "%s/none/hub.db", f->folder);
	expect(NULL, store_open(path, &store), -ENOENT);
	assert_non_null(strstr(store_error(NULL), path));
	assert_true(store_open(f->folder, &store) < 0);
	assert_true(strlen(store_error(NULL)) > 10);

	(void)snprintf(path, sizeof(path), "%s/noise", f->folder);
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)(i * i >> 3);
	write_file(path, noise, sizeof(noise));
	expect(NULL, store_open(path, &store), -EBADMSG);
	assert_string_equal(store_error(NULL), "the database is damaged: file is not a database");
	assert_int_equal(unlink(path), 0);
	assert_null(store);
}

/* What the store says and holds, to see that nothing changed. */
static int64_t checksum(struct fixture *f)
{
	uint8_t last[HASH_LEN];
	int64_t num;

	expect(f->store, store_audit_verify(f->store, &num, last), 0);
	assert_int_equal(raw_int(f, "SELECT count(*) FROM pragma_integrity_check"
				    " WHERE integrity_check <> 'ok'"),
		0);
	return num * 1000000 + raw_int(f, "SELECT sum(uses) FROM join_keys") * 1000 +
	       raw_int(f, "SELECT count(*) FROM nodes");
}

static int enrol_number(struct store *store, unsigned number)
{
	struct enrol_request request = enrol_request("robots", "robot", 1);
	uint8_t key[KEY_LEN];
	struct node node;
	bool is_new;

	fill_key(key, 1000 + number);
	return store_enrol(store, key, &request, NOW_S, &node, &is_new);
}

/* Enrol until the disk is full; then nothing has changed, and nothing is lost. */
static unsigned fill_disk(struct fixture *f)
{
	unsigned number = 0;
	int64_t before;
	int r;

	do {
		r = enrol_number(f->store, number++);
	} while (r == 0 && number < 100000);
	expect(f->store, r, -ENOSPC);
	assert_string_equal(store_error(f->store), "the database cannot grow: the disk is full");
	before = checksum(f);
	for (unsigned i = 0; i < 10; i++)
		expect(f->store, enrol_number(f->store, number), -ENOSPC);
	assert_int_equal(checksum(f), before);
	return number;
}

static void a_database_that_may_not_grow(void **state)
{
	struct fixture *f = *state;
	struct network network = add_network(f->store, "robots");
	unsigned number;

	(void)add_key(f->store, &network, 1);
	expect(f->store, store_exec(f->store, "PRAGMA max_page_count = 60"), 0);
	number = fill_disk(f);
	expect(f->store, store_exec(f->store, "PRAGMA max_page_count = 6000"), 0);
	expect(f->store, enrol_number(f->store, number), 0);
	(void)checksum(f);
}

static bool enter_mount_namespace(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static void a_disk_that_is_full(void **state)
{
	struct fixture *f = *state;
	struct network network;
	unsigned number;
	int64_t before;
	int r;

	if (!enter_mount_namespace())
		skip();
	store_close(f->store);
	f->store = NULL;
	assert_int_equal(mount("none", f->folder, "tmpfs", 0, "size=600k"), 0);
	expect(NULL, store_open(f->path, &f->store), 0);
	network = add_network(f->store, "robots");
	(void)add_key(f->store, &network, 1);
	number = fill_disk(f);
	assert_int_equal(mount("none", f->folder, "tmpfs", MS_REMOUNT, "size=1m"), 0);
	expect(f->store, enrol_number(f->store, number), 0);
	number = fill_disk(f);
	before = checksum(f);
	store_close(f->store); /* there may be no room for what it needs to begin */
	f->store = NULL;
	r = store_open(f->path, &f->store);
	expect(NULL, r, r < 0 ? -ENOSPC : 0);
	store_close(f->store);
	f->store = NULL;
	assert_int_equal(mount("none", f->folder, "tmpfs", MS_REMOUNT, "size=8m"), 0);
	expect(NULL, store_open(f->path, &f->store), 0);
	assert_int_equal(checksum(f), before);
	expect(f->store, enrol_number(f->store, number), 0);
	(void)checksum(f);
	store_close(f->store);
	f->store = NULL;
	assert_int_equal(umount(f->folder), 0);
}

static void a_disk_that_is_read_only(void **state)
{
	struct fixture *f = *state;
	struct store *store = NULL;
	char path[128];

	if (!enter_mount_namespace())
		skip();
	store_close(f->store);
	f->store = NULL;
	assert_int_equal(mount(f->folder, f->folder, NULL, MS_BIND, NULL), 0);
	assert_int_equal(mount(NULL, f->folder, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), 0);
	expect(NULL, store_open(f->path, &store), -EROFS);
	assert_non_null(strstr(store_error(NULL), "read-only"));
	(void)snprintf(path, sizeof(path), "%s/new.db", f->folder);
	expect(NULL, store_open(path, &store), -EROFS);
	assert_int_equal(mount(NULL, f->folder, NULL, MS_BIND | MS_REMOUNT, NULL), 0);
	expect(NULL, store_open(f->path, &f->store), 0);
	(void)add_network(f->store, "robots");
	store_close(f->store);
	f->store = NULL;
	assert_int_equal(umount(f->folder), 0);
}

/* --- damage ------------------------------------------------------------ */

static int ignore_network(void *ctx, const struct network *network)
{
	assert_true(strnlen(network->name, sizeof(network->name)) <= NETWORK_NAME_MAX);
	++*(unsigned *)ctx;
	return 0;
}

static int ignore_node(void *ctx, const struct node *node)
{
	assert_true(strnlen(node->name, sizeof(node->name)) <= NODE_NAME_MAX);
	++*(unsigned *)ctx;
	return 0;
}

static int ignore_key(void *ctx, const struct join_key_info *info)
{
	(void)info;
	++*(unsigned *)ctx;
	return 0;
}

static int ignore_admin(void *ctx, const struct admin *admin)
{
	(void)admin;
	++*(unsigned *)ctx;
	return 0;
}

/* Returns whether an error was seen; every one must be said. */
static bool use(struct store *store)
{
	uint8_t last[HASH_LEN];
	unsigned count = 0;
	int64_t number;
	char *text = NULL;
	struct network network = {.name = "another"};
	int results[12];
	bool failed = false;

	results[0] = store_networks(store, ignore_network, &count);
	results[1] = store_nodes(store, 1, ignore_node, &count);
	results[2] = store_linked(store, 1, 0, ignore_node, &count);
	results[3] = store_join_keys(store, 1, ignore_key, &count);
	results[4] = store_admins(store, ignore_admin, &count);
	results[5] = store_policy(store, 1, &text);
	results[6] = store_audit_verify(store, &number, last);
	results[7] = enrol_number(store, 1);
	results[8] = enrol_number(store, 5000);
	results[9] = store_add_network(store, "anna", &network);
	results[10] = store_expire_due(store, NOW_S + 999, ignore_node, &count, &number);
	results[11] = store_remove_node(store, "anna", 1);
	free(text);
	for (size_t i = 0; i < ARRAY_SIZE(results); i++)
		failed |= results[i] != 0;
	if (failed)
		assert_true(strlen(store_error(store)) > 0);
	return failed;
}

static void make_something_of_each(struct store *store)
{
	struct network network = add_network(store, "robots");
	struct admin admin = {.name = "berta", .network_id = network.id, .role = ADMIN_ADMIN};
	struct endpoint endpoints[NODE_ENDPOINTS_MAX] = {0};
	uint64_t seq;

	(void)add_key(store, &network, 1);
	assert_int_equal(endpoint_from_text(&endpoints[0], "192.0.2.1:51820"), 0);
	for (unsigned i = 0; i < 40; i++)
		expect(store, enrol_number(store, i), 0);
	expect(store, store_set_endpoints(store, 2, endpoints, &seq), 0);
	for (int64_t i = 2; i < 20; i++)
		expect(store, store_link(store, 1, i), 0);
	expect(store, store_set_admin(store, "anna", &admin), 0);
	expect(store, store_set_policy(store, "anna", network.id, "allow * -> *\n"), 0);
	expect(store, store_expire_node(store, "anna", 3, NOW_S + 5, NOW_S), 0);
}

static void damage_is_no_crash(void **state)
{
	enum { ROUNDS = 400, SIZE = 1 << 20 };
	struct fixture *f = *state;
	uint8_t *good = malloc(SIZE), *bad = malloc(SIZE);
	unsigned num_failed = 0;
	size_t len;
	char wal[128];

	assert_true(good && bad);
	(void)snprintf(wal, sizeof(wal), "%s-wal", f->path);
	make_something_of_each(f->store);
	store_close(f->store);
	f->store = NULL;
	len = read_file(f->path, good, SIZE);
	srand(1);
	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t bad_len = round % 8 == 7 ? (size_t)rand() % len : len;
		struct store *store = NULL;
		bool failed = true;

		memcpy(bad, good, len);
		/* the schema and headers of pages are hit more often than chance would */
		for (unsigned i = 0; i < 1 + round % 16; i++) {
			size_t at = (size_t)rand() % len;

			if (i % 3 == 0)
				at = at / 4096 * 4096 + (size_t)rand() % 128;
			bad[at] = (uint8_t)rand();
		}
		write_file(f->path, bad, bad_len);
		(void)unlink(wal);
		if (store_open(f->path, &store) == 0)
			failed = use(store);
		else
			assert_true(strlen(store_error(NULL)) > 0);
		store_close(store);
		num_failed += failed;
	}
	free(good);
	free(bad);
	assert_true(num_failed > ROUNDS / 4); /* the test does hit something */
}

/* Values of the right type that the store never writes. */
static void rows_that_were_never_written(void **state)
{
	static const struct {
		const char *sql;
		const char *error;
	} rows[] = {
		{"UPDATE nodes SET public_key = zeroblob(31) WHERE id = 1", "public_key"},
		{"UPDATE nodes SET name = printf('%.*c', 64, 'x') WHERE id = 1", "name"},
		{"UPDATE nodes SET name = 'a' || char(0) || 'b' WHERE id = 1", "name"},
		{"UPDATE nodes SET hostname = printf('%.*c', 64, 'x') WHERE id = 1", "hostname"},
		{"UPDATE nodes SET tags = printf('%.*c', 33, 'x') WHERE id = 1", "tags"},
		{"UPDATE nodes SET tags = 'a a a a a a a a a a a a a a a a a' WHERE id = 1",
			"tags"},
		{"UPDATE nodes SET state = 9 WHERE id = 1", "a node's state or number"},
		{"UPDATE nodes SET host = 4294967296 WHERE id = 1", "a node's state or number"},
		{"UPDATE nodes SET endpoints = '192.0.2.1' WHERE id = 1", "endpoints"},
		{"UPDATE networks SET prefix4 = '10.0.0.0'", NULL},
		{"UPDATE networks SET prefix4 = 'x'", "a network's prefix"},
		{"UPDATE networks SET prefix6 = '10.0.0.0/8'", "a network's prefix"},
		{"UPDATE admins SET role = 9", "an admin's role"},
	};
	struct fixture *f;
	char sql[256], error[128];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned count = 0;
		int r;

		assert_int_equal(fixture_teardown(state), 0);
		assert_int_equal(fixture_setup(state), 0);
		f = *state;
		make_something_of_each(f->store);
		(void)snprintf(
			sql, sizeof(sql), "PRAGMA ignore_check_constraints = ON; %s", rows[i].sql);
		raw_sql(f, sql);
		r = store_networks(f->store, ignore_network, &count);
		if (r == 0)
			r = store_nodes(f->store, 1, ignore_node, &count);
		if (r == 0)
			r = store_admins(f->store, ignore_admin, &count);
		expect(f->store, r, rows[i].error ? -EBADMSG : 0);
		if (!rows[i].error)
			continue;
		(void)snprintf(error, sizeof(error), "the database is damaged: %s", rows[i].error);
		assert_string_equal(store_error(f->store), error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			only_a_database_of_ours_is_opened, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			paths_are_named_in_errors, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			a_database_that_may_not_grow, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			a_disk_that_is_full, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			a_disk_that_is_read_only, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			damage_is_no_crash, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			rows_that_were_never_written, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
