/* SPDX-License-Identifier: MIT
 *
 * What the files of the store share: the handle, statements, transactions, errors, audit events.
 */
#ifndef ADIT_OVERLAY_STORE_INTERNAL_H
#define ADIT_OVERLAY_STORE_INTERNAL_H

#include <jansson.h>
#include <sqlite3.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "crypto/hash.h"
#include "overlay/store/sql.h"
#include "overlay/store/store.h"

enum {
	STORE_ERROR_LEN = 512,
	TAGS_TEXT_LEN = NODE_TAGS_MAX * (TAG_MAX + 1),
	ENDPOINTS_TEXT_LEN = NODE_ENDPOINTS_MAX * ENDPOINT_TEXT_LEN,
	DAY_S = 86400,
};

struct store {
	sqlite3 *db;
	sqlite3_stmt *statements[NUM_STATEMENTS]; /* prepared at open */
	struct map seen;			  /* node id -> unix time: not written yet */
	struct map asked;	/* node id -> the newest time in its requests: not written yet */
	int64_t forgot_s;	/* when we last looked for removed nodes to forget */
	int64_t seen_written_s; /* when they were last */
	store_name_is_reserved *name_is_reserved; /* NULL: none is */
	void *name_ctx;
	int64_t told_s;	      /* the last time we were told; 0: none yet */
	int64_t since_s;      /* since then time has passed evenly: who was away before, we do not
			       * know */
	int64_t held_until_s; /* the clock was set: nothing is due until it proves right */
	char error[STORE_ERROR_LEN];
};

/* --- errors ------------------------------------------------------------ */

/* Note what went wrong, for people. Returns r. */
int store_fail(struct store *store, int r, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* 0 for SQLITE_OK, ROW, DONE; otherwise the errno for the error the connection has, noted. */
MUST_CHECK int store_sql_result(struct store *store, int sql_result);
/* -EBADMSG: a row holds what was never written. */
int store_damaged(struct store *store, const char *what);

/* --- statements -------------------------------------------------------- */

/* A statement of sql.h, ready to be bound. It may not be under way already. */
sqlite3_stmt *query(struct store *store, enum statement statement);
/* Parameters are borrowed until query_done. */
void bind_int(sqlite3_stmt *q, int index, int64_t value);
void bind_text(sqlite3_stmt *q, int index, const char *text); /* NULL: NULL */
void bind_blob(sqlite3_stmt *q, int index, const void *data, size_t len);
/* 1: there is a row; 0: no more, or an error: then the statement is done. */
MUST_CHECK int query_step(struct store *store, sqlite3_stmt *q);
/* The only row: 0, to be followed by query_done; -ENOENT without a note, or an error. */
MUST_CHECK int query_one(struct store *store, sqlite3_stmt *q);
/* To its end; rows are not looked at. */
MUST_CHECK int query_run(struct store *store, sqlite3_stmt *q);
/* Its only row's first column. As query_one, but done. */
MUST_CHECK int query_int(struct store *store, sqlite3_stmt *q, int64_t *ret_value);
void query_done(sqlite3_stmt *q);
/* Copy a column of text, or of exactly len bytes. -EBADMSG: it is not like that. */
MUST_CHECK int column_text(
	struct store *store, sqlite3_stmt *q, int column, char *ret_text, size_t size);
MUST_CHECK int column_blob(
	struct store *store, sqlite3_stmt *q, int column, uint8_t *ret_data, size_t len);
/* Run SQL that takes and gives nothing. */
MUST_CHECK int store_exec(struct store *store, const char *sql);

/* --- transactions ------------------------------------------------------ */

/* Every change is `r = store_begin(…); if (r == 0) r = …; return store_end(store, r);` */
MUST_CHECK int store_begin(struct store *store);
/* Commit if r is 0, else undo all. Returns r or why it could not be committed. */
MUST_CHECK int store_end(struct store *store, int r);

/* --- schema ------------------------------------------------------------ */

/* Whether the database is ours and not a newer program's, or empty. */
MUST_CHECK int store_check_version(struct store *store);
MUST_CHECK int store_migrate(struct store *store);

/* --- audit ------------------------------------------------------------- */

struct store_event {
	const char *actor, *action, *network, *subject;
	json_t *before, *after; /* json_null() for none; NULL: memory ran out. Given away */
};
/* Add an event to the transaction under way. What is the same before and after, but for "id", is
 * left out. */
MUST_CHECK int store_add_event(struct store *store, const struct store_event *event);

/* --- networks ---------------------------------------------------------- */

/* Its next seq, which becomes that of its last change. -ENOENT. */
MUST_CHECK int store_next_seq(struct store *store, int64_t network_id, uint64_t *ret_seq);
/* The same; who knows less is to be told anew what is allowed. */
MUST_CHECK int store_policy_changed(struct store *store, int64_t network_id, uint64_t *ret_seq);
/* Whether the prefixes it names could be a network's: 0 or -EINVAL. */
MUST_CHECK int network_check_prefixes(struct store *store, const struct network *network);
/* Choose those it does not name; the others must be free. */
MUST_CHECK int network_settle_prefixes(struct store *store, struct network *network);
/* The greatest host number there is in both its prefixes. */
uint32_t network_max_host(const struct network *network);

/* --- join keys --------------------------------------------------------- */

/* The row of a statement that has JOIN_KEY_COLUMNS. */
MUST_CHECK int join_key_from_row(
	struct store *store, sqlite3_stmt *q, struct join_key_info *ret_info);

/* --- nodes ------------------------------------------------------------- */

/* The row of a statement that has NODE_COLUMNS. */
MUST_CHECK int node_from_row(struct store *store, sqlite3_stmt *q, struct node *ret_node);
/* The only row; -ENOENT is noted. */
MUST_CHECK int node_from_query(struct store *store, sqlite3_stmt *q, struct node *ret_node);
/* Every row of a statement until each returns nonzero, which is passed on. */
MUST_CHECK int nodes_from_rows(
	struct store *store, sqlite3_stmt *q, store_node_each *each, void *ctx);
const char *store_state_name(enum node_state state);
json_t *store_node_to_json(const struct node *node);
/* Remove a node in the transaction under way; it becomes state 0 with the seq of that. */
MUST_CHECK int remove_node_now(struct store *store, const char *actor, const char *network,
	struct node *node, int64_t now_s);
/* Change a node to what *node is now from what it was, with the next seq, in the transaction under
 * way. */
MUST_CHECK int change_node_now(struct store *store, const char *actor, const char *action,
	const char *network, const struct node *before, struct node *node);

MUST_CHECK int node_name_is_taken(
	struct store *store, int64_t network_id, const char *name, bool *ret_is_taken);

/* Tags as words with a space between, as they are kept. */
void tags_to_text(char ret_text[TAGS_TEXT_LEN], const char tags[NODE_TAGS_MAX][TAG_MAX + 1]);
MUST_CHECK int tags_from_row(struct store *store, sqlite3_stmt *q, int column,
	char ret_tags[NODE_TAGS_MAX][TAG_MAX + 1]);
json_t *store_tags_to_json(const char tags[NODE_TAGS_MAX][TAG_MAX + 1]);
/* -EINVAL: a tag is longer than can be, or has a space or what JSON cannot say. */
MUST_CHECK int tags_check(struct store *store, const char tags[NODE_TAGS_MAX][TAG_MAX + 1]);

/* --- seen -------------------------------------------------------------- */

/* Time has come in from outside. It may have been set, wrongly perhaps. */
void store_note_time(struct store *store, int64_t now_s);
int store_write_seen(struct store *store);

/* The time in a known node's request. It may be written later. */
MUST_CHECK int note_asked(struct store *store, int64_t id, uint64_t time_s);
/* Write the time in a new node's request; keep the newest when a node is removed. In the
 * transaction under way. */
MUST_CHECK int write_asked(struct store *store, int64_t id, uint64_t time_s);
MUST_CHECK int bury_asked(struct store *store, const struct node *node, int64_t now_s);
/* -EACCES: a removed node with this key has sent such a request, or a newer one, before. */
MUST_CHECK int check_asked(struct store *store, const uint8_t public_key[KEY_LEN],
	int64_t network_id, uint64_t time_s);
/* Forget removed nodes of which no request that is recorded could be good any more. */
MUST_CHECK int forget_asked(struct store *store, int64_t now_s);

/* The time for created_s and audit events. */
int64_t store_wall_s(void);

#endif
