/* SPDX-License-Identifier: MIT
 *
 * The schema, as a numbered list of steps: a database says in user_version how many of them it has
 * seen. A step that was released is never changed; what is wrong with it is put right by a further
 * one.
 *
 * The constraints are what the store's own code leans on; they hold whoever writes. A removed node
 * stays, without name, key and number and with state 0, as long as others are to be told: its
 * expires_s is when that ends.
 */
#include "overlay/store/internal.h"

#include <errno.h>

enum { APPLICATION_ID = 0x41646974 }; /* "Adit" */

static const char schema_1[] =
	"CREATE TABLE networks ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 15"
	"  AND name NOT GLOB '*[^a-z0-9-]*' AND name NOT GLOB '-*'),"
	" prefix4 TEXT NOT NULL,"
	" prefix6 TEXT NOT NULL,"
	" seq INTEGER NOT NULL CHECK (seq > 0),"
	" policy_seq INTEGER NOT NULL CHECK (policy_seq > 0),"
	" allows_by_default INTEGER NOT NULL CHECK (allows_by_default IN (0, 1)),"
	" approves INTEGER NOT NULL CHECK (approves IN (0, 1)),"
	" node_ttl_s INTEGER NOT NULL CHECK (node_ttl_s >= 0),"
	" next_host INTEGER NOT NULL CHECK (next_host > 1)," /* lowest that nobody ever had */
	" created_s INTEGER NOT NULL"
	") STRICT;"

	"CREATE TABLE policies ("
	" network_id INTEGER PRIMARY KEY REFERENCES networks ON DELETE CASCADE,"
	" text TEXT NOT NULL"
	") STRICT;"

	"CREATE TABLE join_keys ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" network_id INTEGER NOT NULL REFERENCES networks ON DELETE CASCADE,"
	" hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),"
	" tags TEXT NOT NULL,"
	" max_uses INTEGER NOT NULL CHECK (max_uses >= 0),"
	" uses INTEGER NOT NULL CHECK (uses >= 0 AND (max_uses = 0 OR uses <= max_uses)),"
	" expires_s INTEGER NOT NULL CHECK (expires_s >= 0),"
	" approves INTEGER NOT NULL CHECK (approves IN (0, 1)),"
	" ephemeral INTEGER NOT NULL CHECK (ephemeral IN (0, 1)),"
	" revoked INTEGER NOT NULL CHECK (revoked IN (0, 1)),"
	" created_s INTEGER NOT NULL,"
	" created_by TEXT NOT NULL"
	") STRICT;"
	"CREATE INDEX join_keys_network ON join_keys (network_id);"

	"CREATE TABLE nodes ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" network_id INTEGER NOT NULL REFERENCES networks ON DELETE CASCADE,"
	" seq INTEGER NOT NULL CHECK (seq > 0),"
	" state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 4),"
	" public_key BLOB UNIQUE CHECK (length(public_key) = 32),"
	" name TEXT CHECK (length(name) BETWEEN 1 AND 63 AND name NOT GLOB '*[^a-z0-9-]*'"
	"  AND name NOT GLOB '-*' AND name NOT GLOB '*-'),"
	" hostname TEXT NOT NULL,"
	" version TEXT NOT NULL,"
	" tags TEXT NOT NULL,"
	" host INTEGER CHECK (host > 1),"
	" ephemeral INTEGER NOT NULL CHECK (ephemeral IN (0, 1)),"
	" created_s INTEGER NOT NULL,"
	" expires_s INTEGER NOT NULL CHECK (expires_s >= 0),"
	" endpoints TEXT NOT NULL,"
	" UNIQUE (network_id, name),"
	" UNIQUE (network_id, host),"
	" CHECK ((state = 0) = (public_key IS NULL)),"
	" CHECK ((state = 0) = (name IS NULL)),"
	" CHECK ((state = 0) = (host IS NULL))"
	") STRICT;"
	"CREATE INDEX nodes_due ON nodes (expires_s) WHERE expires_s > 0 AND state < 3;"
	"CREATE INDEX nodes_ephemeral ON nodes (id) WHERE ephemeral = 1;"

	/* apart from nodes: it is written often, and is small */
	"CREATE TABLE seen ("
	" id INTEGER PRIMARY KEY REFERENCES nodes ON DELETE CASCADE,"
	" seen_s INTEGER NOT NULL"
	") STRICT;"

	/* the numbers of removed nodes, in the order in which they were given back */
	"CREATE TABLE free_hosts ("
	" id INTEGER PRIMARY KEY,"
	" network_id INTEGER NOT NULL REFERENCES networks ON DELETE CASCADE,"
	" host INTEGER NOT NULL CHECK (host > 1),"
	" UNIQUE (network_id, host)"
	") STRICT;"
	"CREATE INDEX free_hosts_network ON free_hosts (network_id, id);"

	/* the last number that was tried behind a name that is taken */
	"CREATE TABLE name_numbers ("
	" network_id INTEGER NOT NULL REFERENCES networks ON DELETE CASCADE,"
	" name TEXT NOT NULL,"
	" last INTEGER NOT NULL,"
	" PRIMARY KEY (network_id, name)"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE links ("
	" a INTEGER NOT NULL REFERENCES nodes ON DELETE CASCADE,"
	" b INTEGER NOT NULL REFERENCES nodes ON DELETE CASCADE,"
	" seq INTEGER NOT NULL CHECK (seq > 0),"
	" PRIMARY KEY (a, b),"
	" CHECK (a < b)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX links_b ON links (b, a, seq);"

	"CREATE TABLE admins ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 32),"
	" network_id INTEGER REFERENCES networks ON DELETE CASCADE," /* NULL: the hub */
	" role INTEGER NOT NULL CHECK (role BETWEEN 1 AND 3)"
	") STRICT;"
	"CREATE UNIQUE INDEX admins_name ON admins (name, coalesce(network_id, 0));"
	"CREATE INDEX admins_network ON admins (network_id);"

	/* It names networks by name and refers to nothing: it outlives what it tells of. */
	"CREATE TABLE audit ("
	" id INTEGER PRIMARY KEY,"
	" time_s INTEGER NOT NULL,"
	" actor TEXT NOT NULL,"
	" action TEXT NOT NULL,"
	" network TEXT NOT NULL,"
	" subject TEXT NOT NULL,"
	" before TEXT NOT NULL,"
	" after TEXT NOT NULL,"
	" hash BLOB NOT NULL CHECK (length(hash) = 32)"
	") STRICT;"
	"CREATE INDEX audit_network ON audit (network);"
	"CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN"
	" SELECT RAISE(ABORT, 'the audit trail is not changed'); END;"
	"CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit BEGIN"
	" SELECT RAISE(ABORT, 'the audit trail is not shortened'); END;"
	"CREATE TRIGGER audit_is_continued BEFORE INSERT ON audit"
	" WHEN NEW.id IS NOT (SELECT coalesce(max(id), 0) + 1 FROM audit) BEGIN"
	" SELECT RAISE(ABORT, 'the audit trail has no gaps'); END;";

static const char schema_2[] =
	"ALTER TABLE nodes ADD COLUMN join_key_id INTEGER NOT NULL DEFAULT 0;" /* 0: not known */

	/* the time in the newest enrolment request of a node, by its own clock */
	"ALTER TABLE seen ADD COLUMN asked_s INTEGER NOT NULL DEFAULT 0;"

	/* the same of nodes that were removed: who recorded a request of theirs cannot bring them
	 * back. Kept as long as a join key that such a request may have is good */
	"CREATE TABLE removed ("
	" public_key BLOB NOT NULL CHECK (length(public_key) = 32),"
	" network_id INTEGER NOT NULL REFERENCES networks ON DELETE CASCADE,"
	" asked_s INTEGER NOT NULL,"
	" removed_s INTEGER NOT NULL,"
	" PRIMARY KEY (public_key, network_id)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX removed_network ON removed (network_id);";

static const char *const steps[] = {schema_1, schema_2};

static int get_number(struct store *store, const char *pragma, int64_t *ret_number)
{
	sqlite3_stmt *q;
	int r = store_sql_result(store, sqlite3_prepare_v2(store->db, pragma, -1, &q, NULL));

	if (r < 0)
		return r;
	r = query_step(store, q);
	if (r == 1)
		*ret_number = sqlite3_column_int64(q, 0);
	(void)sqlite3_finalize(q);
	return r == 1 ? 0 : r < 0 ? r : -EBADMSG;
}

/* How many steps the database has seen. */
static int get_version(struct store *store, size_t *ret_version)
{
	int64_t application, version, num_objects;
	int r = get_number(store, "PRAGMA application_id", &application);

	if (r == 0)
		r = get_number(store, "PRAGMA user_version", &version);
	if (r == 0)
		r = get_number(store, "SELECT count(*) FROM sqlite_schema", &num_objects);
	if (r < 0)
		return r;
	if (application == 0 && version == 0 && num_objects == 0) {
		*ret_version = 0;
		return 0;
	}
	if (application != APPLICATION_ID || version < 1)
		return store_fail(store, -EBADMSG, "this is not the database of a hub");
	if (version > (int64_t)ARRAY_SIZE(steps))
		return store_fail(store, -EUCLEAN,
			"the database is of a newer version of this program (schema %lld; "
			"this one knows %zu)",
			(long long)version, ARRAY_SIZE(steps));
	*ret_version = (size_t)version;
	return 0;
}

static int take_step(struct store *store, size_t step)
{
	char pragmas[96];
	int r = store_exec(store, steps[step]);

	(void)snprintf(pragmas, sizeof(pragmas),
		"PRAGMA application_id=%d; PRAGMA user_version=%zu;", APPLICATION_ID, step + 1);
	return r < 0 ? r : store_exec(store, pragmas);
}

int store_check_version(struct store *store)
{
	size_t version;

	return get_version(store, &version);
}

int store_migrate(struct store *store)
{
	size_t version = 0;
	int r = get_version(store, &version);

	if (r < 0 || version == ARRAY_SIZE(steps))
		return r;
	r = store_exec(store, "BEGIN IMMEDIATE");
	if (r == 0)
		r = get_version(store, &version); /* somebody may have been faster */
	for (; r == 0 && version < ARRAY_SIZE(steps); version++)
		r = take_step(store, version);
	if (r == 0)
		r = store_exec(store, "COMMIT");
	if (r < 0 && !sqlite3_get_autocommit(store->db))
		(void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}
