/* SPDX-License-Identifier: MIT
 *
 * The audit trail: events chained by their hashes, so that nobody changes the past unseen.
 */
#include "overlay/store/internal.h"

#include "base/text.h"
#include "overlay/wire/json.h"

static void append_field(struct text *text, const void *data, size_t len)
{
	uint8_t len_bytes[8];

	store_le64(len_bytes, len);
	text_append(text, len_bytes, sizeof(len_bytes));
	text_append(text, data, len);
}

static void append_int_field(struct text *text, int64_t value)
{
	uint8_t bytes[8];

	store_le64(bytes, (uint64_t)value);
	append_field(text, bytes, sizeof(bytes));
}

/* The hash of an event's fields, which end with it. */
static int hash_fields(
	const uint8_t last[HASH_LEN], struct text *fields, uint8_t ret_hash[HASH_LEN])
{
	bool is_whole = !fields->failed;

	if (is_whole)
		hash(ret_hash, last, HASH_LEN, fields->data, fields->len);
	text_deinit(fields);
	return is_whole ? 0 : -ENOMEM;
}

/* The hash of a row of AUDIT_COLUMNS but the last: of the bytes, whatever they are. */
static int hash_row(const uint8_t last[HASH_LEN], sqlite3_stmt *q, uint8_t ret_hash[HASH_LEN])
{
	struct text text = {0};

	append_int_field(&text, sqlite3_column_int64(q, 0));
	append_int_field(&text, sqlite3_column_int64(q, 1));
	for (int column = 2; column < 8; column++) {
		const void *data = sqlite3_column_text(q, column);

		if (!data && sqlite3_column_type(q, column) != SQLITE_NULL)
			text.failed = true;
		append_field(&text, data ? data : "", (size_t)sqlite3_column_bytes(q, column));
	}
	return hash_fields(last, &text, ret_hash);
}

static int hash_event(const uint8_t last[HASH_LEN], struct audit_event *event)
{
	const char *fields[] = {event->actor, event->action, event->network, event->subject,
		event->before, event->after};
	struct text text = {0};

	append_int_field(&text, event->id);
	append_int_field(&text, event->time_s);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		append_field(&text, fields[i], strlen(fields[i]));
	return hash_fields(last, &text, event->hash);
}

/* What is the same on both sides is no news, but for who it is about. */
static void drop_same(json_t *before, json_t *after)
{
	const char *key;
	json_t *value;
	void *next;

	if (!json_is_object(before) || !json_is_object(after))
		return;
	json_object_foreach_safe(before, next, key, value)
	{
		if (strcmp(key, "id") != 0 && json_equal(value, json_object_get(after, key))) {
			(void)json_object_del(after, key);
			(void)json_object_del(before, key);
		}
	}
}

static char *json_text(const json_t *json)
{
	if (!json)
		return NULL;
	return json_is_null(json) ? strdup("") : json_to_text(json, JSON_COMPACT | JSON_SORT_KEYS);
}

static int insert_event(struct store *store, const struct audit_event *event)
{
	sqlite3_stmt *q = query(store, SQL_AUDIT_ADD);

	bind_int(q, 1, event->id);
	bind_int(q, 2, event->time_s);
	bind_text(q, 3, event->actor);
	bind_text(q, 4, event->action);
	bind_text(q, 5, event->network);
	bind_text(q, 6, event->subject);
	bind_text(q, 7, event->before);
	bind_text(q, 8, event->after);
	bind_blob(q, 9, event->hash, HASH_LEN);
	return query_run(store, q);
}

static int append_event(struct store *store, struct audit_event *event)
{
	uint8_t last[HASH_LEN] = {0};
	sqlite3_stmt *q = query(store, SQL_AUDIT_LAST);
	int r = query_one(store, q);

	event->id = 1;
	if (r == 0) {
		event->id = sqlite3_column_int64(q, 0) + 1;
		r = column_blob(store, q, 1, last, HASH_LEN);
		query_done(q);
	} else if (r == -ENOENT) {
		r = 0;
	}
	if (r == 0 && hash_event(last, event) < 0)
		r = store_fail(store, -ENOMEM, "not enough memory");
	return r < 0 ? r : insert_event(store, event);
}

int store_add_event(struct store *store, const struct store_event *event)
{
	char *before, *after;
	int r = -ENOMEM;

	drop_same(event->before, event->after);
	before = json_text(event->before);
	after = json_text(event->after);
	json_decref(event->before);
	json_decref(event->after);
	if (before && after)
		r = append_event(store, &(struct audit_event){
						.time_s = store_wall_s(),
						.actor = event->actor,
						.action = event->action,
						.network = event->network,
						.subject = event->subject,
						.before = before,
						.after = after,
					});
	else
		(void)store_fail(store, r, "not enough memory");
	free(before);
	free(after);
	return r;
}

/* A column of text, borrowed until the next step. */
static const char *borrow_text(sqlite3_stmt *q, int column)
{
	const unsigned char *text = sqlite3_column_text(q, column);

	return text ? (const char *)text : "";
}

static int event_from_row(struct store *store, sqlite3_stmt *q, struct audit_event *ret_event)
{
	*ret_event = (struct audit_event){
		.id = sqlite3_column_int64(q, 0),
		.time_s = sqlite3_column_int64(q, 1),
		.actor = borrow_text(q, 2),
		.action = borrow_text(q, 3),
		.network = borrow_text(q, 4),
		.subject = borrow_text(q, 5),
		.before = borrow_text(q, 6),
		.after = borrow_text(q, 7),
	};
	return column_blob(store, q, 8, ret_event->hash, HASH_LEN);
}

int store_audit(struct store *store, const char *network, int64_t from_id, int64_t limit,
	store_audit_each *each, void *ctx)
{
	sqlite3_stmt *q = query(store, network ? SQL_AUDIT_NETWORK : SQL_AUDIT);
	int r;

	bind_int(q, 1, from_id);
	bind_int(q, 2, limit > 0 ? limit : -1);
	if (network)
		bind_text(q, 3, network);
	while ((r = query_step(store, q)) == 1) {
		struct audit_event event;

		r = event_from_row(store, q, &event);
		if (r == 0)
			r = each(ctx, &event);
		if (r != 0) {
			query_done(q);
			return r;
		}
	}
	return r;
}

/* Whether a row is the event that comes after the one whose hash is last; then last becomes its
 * own. Its id is part of what is hashed. */
static int continues(sqlite3_stmt *q, uint8_t last[HASH_LEN])
{
	const void *kept = sqlite3_column_blob(q, 8);
	uint8_t expected[HASH_LEN];
	int r;

	if (!kept || sqlite3_column_bytes(q, 8) != HASH_LEN)
		return -EBADMSG;
	r = hash_row(last, q, expected);
	if (r < 0)
		return r;
	if (memcmp(kept, expected, HASH_LEN) != 0)
		return -EBADMSG;
	memcpy(last, expected, HASH_LEN);
	return 0;
}

int store_audit_verify(struct store *store, int64_t *ret_num, uint8_t ret_last[HASH_LEN])
{
	uint8_t last[HASH_LEN] = {0};
	sqlite3_stmt *q = query(store, SQL_AUDIT);
	int64_t num = 0;
	int r;

	bind_int(q, 1, INT64_MIN);
	bind_int(q, 2, -1);
	while ((r = query_step(store, q)) == 1) {
		r = continues(q, last);
		if (r < 0) {
			query_done(q);
			break;
		}
		num++;
	}
	if (r == -EBADMSG) {
		*ret_num = num + 1;
		return store_fail(
			store, r, "audit event %lld is wrong or missing", (long long)num + 1);
	}
	if (r == -ENOMEM)
		return store_fail(store, r, "not enough memory");
	if (r < 0)
		return r;
	*ret_num = num;
	memcpy(ret_last, last, HASH_LEN);
	return 0;
}
