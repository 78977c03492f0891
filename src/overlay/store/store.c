/* SPDX-License-Identifier: MIT
 *
 * Opening and closing the database. Settings that matter for what is promised: WAL with
 * synchronous=FULL (a commit has reached the disk when it returns), foreign keys, and no trust in
 * what a damaged file says about itself.
 */
#include "overlay/store/internal.h"

#include <fcntl.h>
#include <unistd.h>

enum { BUSY_TIMEOUT_MS = 250 }; /* the hub serves nobody meanwhile */

static const char settings[] = "PRAGMA foreign_keys=ON;"
			       "PRAGMA synchronous=FULL;"
			       "PRAGMA trusted_schema=OFF;"
			       "PRAGMA cell_size_check=ON;"
			       "PRAGMA mmap_size=0;"	   /* an I/O error is to be no SIGBUS */
			       "PRAGMA temp_store=MEMORY;" /* there is no /tmp in the sandbox */
			       "PRAGMA cache_size=-8192;"
			       "PRAGMA journal_size_limit=4194304;";

/* Only its owner may read the database: it knows who is who. SQLite gives its other files the same
 * mode. A file that exists is not opened here: closing it would drop the locks of another
 * connection of this process. */
static int create_file(struct store *store, const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0)
		(void)close(fd);
	else if (errno != EEXIST)
		return store_fail(store, -errno, "the database %s cannot be created: %s", path,
			strerror(errno));
	return 0;
}

static int connect_database(struct store *store, const char *path)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	int r = store_sql_result(store, sqlite3_open_v2(path, &store->db, flags, NULL));

	if (r < 0)
		return r;
	(void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	(void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	(void)sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
	if (sqlite3_db_readonly(store->db, "main") == 1)
		return store_fail(store, -EROFS, "the database %s is read-only", path);
	return store_exec(store, settings);
}

static int switch_to_wal(struct store *store)
{
	sqlite3_stmt *q;
	const unsigned char *mode;
	bool is_wal = false;
	int r = store_sql_result(
		store, sqlite3_prepare_v2(store->db, "PRAGMA journal_mode=WAL", -1, &q, NULL));

	if (r < 0)
		return r;
	r = query_step(store, q);
	if (r == 1) {
		mode = sqlite3_column_text(q, 0);
		is_wal = mode && strcmp((const char *)mode, "wal") == 0;
	}
	(void)sqlite3_finalize(q);
	if (r < 0)
		return r;
	return is_wal ? 0 : store_fail(store, -EIO, "the file system does not allow WAL mode");
}

static int prepare_all(struct store *store)
{
	int r = 0;

	for (size_t i = 0; i < NUM_STATEMENTS && r == 0; i++)
		r = store_sql_result(
			store, sqlite3_prepare_v3(store->db, sql_texts[i], -1,
				       SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL));
	return r;
}

static void disconnect(struct store *store)
{
	for (size_t i = 0; i < NUM_STATEMENTS; i++)
		(void)sqlite3_finalize(store->statements[i]);
	(void)sqlite3_close(store->db);
	map_deinit(&store->seen);
	map_deinit(&store->asked);
	free(store);
}

int store_open(const char *path, struct store **ret_store)
{
	struct store *store = calloc(1, sizeof(*store));
	int r;

	if (!store)
		return -ENOMEM;
	r = create_file(store, path);
	if (r == 0)
		r = connect_database(store, path);
	if (r == 0)
		r = store_check_version(store); /* before anything is written */
	if (r == 0)
		r = switch_to_wal(store);
	if (r == 0)
		r = store_migrate(store);
	if (r == 0)
		r = prepare_all(store);
	if (r < 0) {
		disconnect(store);
		return r;
	}
	*ret_store = store;
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	(void)store_write_seen(store); /* the rest is on disk */
	disconnect(store);
}
