/* SPDX-License-Identifier: MIT
 *
 * Statements, transactions, and what SQLite's errors are called here.
 */
#include "overlay/store/internal.h"

#include <stdarg.h>

#include "base/clock.h"

/* The last failed store_open: there is no store then to keep it in. */
static char open_error[STORE_ERROR_LEN];

int store_fail(struct store *store, int r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(store->error, sizeof(store->error), format, args);
	va_end(args);
	memcpy(open_error, store->error, sizeof(open_error));
	return r;
}

const char *store_error(const struct store *store)
{
	return store ? store->error : open_error;
}

int store_damaged(struct store *store, const char *what)
{
	return store_fail(store, -EBADMSG, "the database is damaged: %s", what);
}

/* What the system said where SQLite only says that it did not work. */
static int io_errno(struct store *store, int otherwise)
{
	switch (sqlite3_system_errno(store->db)) {
	case ENOSPC:
	case EDQUOT:
		return -ENOSPC;
	case EROFS:
		return -EROFS;
	case EACCES:
		return -EACCES;
	case ENOENT:
		return -ENOENT;
	default:
		return otherwise;
	}
}

static int constraint_errno(int extended)
{
	switch (extended) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
		return -EEXIST;
	case SQLITE_CONSTRAINT_FOREIGNKEY:
		return -ENOENT;
	default:
		return -EINVAL;
	}
}

int store_sql_result(struct store *store, int sql_result)
{
	const char *text = store->db ? sqlite3_errmsg(store->db) : "";

	switch (sql_result & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return store_fail(store, -ENOSPC, "the database cannot grow: the disk is full");
	case SQLITE_READONLY:
		return store_fail(store, -EROFS, "the database is read-only (%s)", text);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* a statement does not fit the schema */
	case SQLITE_SCHEMA:
	case SQLITE_MISMATCH:
		return store_damaged(store, text);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return store_fail(store, -EBUSY, "another process is writing to the database");
	case SQLITE_NOMEM:
		return store_fail(store, -ENOMEM, "not enough memory");
	case SQLITE_CONSTRAINT:
		return store_fail(store, constraint_errno(sql_result), "%s", text);
	case SQLITE_TOOBIG:
		return store_fail(store, -EINVAL, "too long for the database");
	case SQLITE_CANTOPEN:
		return store_fail(store, io_errno(store, -EIO), "the database cannot be opened: %s",
			strerror(sqlite3_system_errno(store->db)));
	default:
		return store_fail(store, io_errno(store, -EIO),
			"the database cannot be used: %s (%s)", text,
			strerror(sqlite3_system_errno(store->db)));
	}
}

int store_exec(struct store *store, const char *sql)
{
	return store_sql_result(store, sqlite3_exec(store->db, sql, NULL, NULL, NULL));
}

sqlite3_stmt *query(struct store *store, enum statement statement)
{
	sqlite3_stmt *q = store->statements[statement];

	assert(!sqlite3_stmt_busy(q)); /* an each calls its own caller */
	return q;
}

/* Binding without a copy fails for a wrong index alone. */
void bind_int(sqlite3_stmt *q, int index, int64_t value)
{
	int result = sqlite3_bind_int64(q, index, value);

	assert(result == SQLITE_OK);
	(void)result;
}

void bind_text(sqlite3_stmt *q, int index, const char *text)
{
	int result = sqlite3_bind_text(q, index, text, -1, SQLITE_STATIC);

	assert(result == SQLITE_OK);
	(void)result;
}

void bind_blob(sqlite3_stmt *q, int index, const void *data, size_t len)
{
	int result = sqlite3_bind_blob64(q, index, data, len, SQLITE_STATIC);

	assert(result == SQLITE_OK);
	(void)result;
}

void query_done(sqlite3_stmt *q)
{
	(void)sqlite3_reset(q); /* the error it repeats was seen by the step */
	(void)sqlite3_clear_bindings(q);
}

int query_step(struct store *store, sqlite3_stmt *q)
{
	int result = sqlite3_step(q), r;

	if (result == SQLITE_ROW)
		return 1;
	r = store_sql_result(store, result);
	query_done(q);
	return r;
}

int query_one(struct store *store, sqlite3_stmt *q)
{
	int r = query_step(store, q);

	return r == 1 ? 0 : r == 0 ? -ENOENT : r;
}

int query_run(struct store *store, sqlite3_stmt *q)
{
	int r;

	do {
		r = query_step(store, q);
	} while (r == 1);
	return r;
}

int query_int(struct store *store, sqlite3_stmt *q, int64_t *ret_value)
{
	int r = query_one(store, q);

	if (r == 0) {
		*ret_value = sqlite3_column_int64(q, 0);
		query_done(q);
	}
	return r;
}

int column_text(struct store *store, sqlite3_stmt *q, int column, char *ret_text, size_t size)
{
	const unsigned char *text = sqlite3_column_text(q, column);
	size_t len = (size_t)sqlite3_column_bytes(q, column);

	if (!text && sqlite3_column_type(q, column) != SQLITE_NULL)
		return store_fail(store, -ENOMEM, "not enough memory");
	if (!text)
		len = 0;
	if (len >= size || (len > 0 && memchr(text, 0, len)))
		return store_damaged(store, sqlite3_column_name(q, column));
	if (len > 0)
		memcpy(ret_text, text, len);
	memset(ret_text + len, 0, size - len);
	return 0;
}

int column_blob(struct store *store, sqlite3_stmt *q, int column, uint8_t *ret_data, size_t len)
{
	const void *data = sqlite3_column_blob(q, column);

	if (!data && sqlite3_errcode(store->db) == SQLITE_NOMEM)
		return store_fail(store, -ENOMEM, "not enough memory");
	if (!data || (size_t)sqlite3_column_bytes(q, column) != len)
		return store_damaged(store, sqlite3_column_name(q, column));
	memcpy(ret_data, data, len);
	return 0;
}

int store_begin(struct store *store)
{
	return query_run(store, query(store, SQL_BEGIN));
}

int store_end(struct store *store, int r)
{
	if (r == 0)
		r = query_run(store, query(store, SQL_COMMIT));
	if (r != 0 && !sqlite3_get_autocommit(store->db)) {
		(void)sqlite3_step(query(store, SQL_ROLLBACK));
		query_done(store->statements[SQL_ROLLBACK]);
	}
	return r;
}

int64_t store_wall_s(void)
{
	return (int64_t)(clock_wall_ns() / SECOND_NS);
}
