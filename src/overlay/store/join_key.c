/* SPDX-License-Identifier: MIT
 *
 * Join keys, known by their hashes only.
 *
 * Looking a hash up by an index takes a time that depends on it. That helps nobody: keys are 256
 * random bits, so that to come nearer to a hash that is kept is as hard as to guess the key. For
 * the same reason there is no salt.
 */
#include "overlay/store/internal.h"

int join_key_from_row(struct store *store, sqlite3_stmt *q, struct join_key_info *ret_info)
{
	struct join_key_info info = {
		.id = sqlite3_column_int64(q, 0),
		.network_id = sqlite3_column_int64(q, 1),
		.max_uses = sqlite3_column_int64(q, 3),
		.uses = sqlite3_column_int64(q, 4),
		.expires_s = sqlite3_column_int64(q, 5),
		.approves = sqlite3_column_int64(q, 6) != 0,
		.ephemeral = sqlite3_column_int64(q, 7) != 0,
		.revoked = sqlite3_column_int64(q, 8) != 0,
		.created_s = sqlite3_column_int64(q, 9),
	};
	int r = tags_from_row(store, q, 2, info.tags);

	if (r == 0)
		r = column_text(store, q, 10, info.created_by, sizeof(info.created_by));
	if (r == 0)
		*ret_info = info;
	return r;
}

/* Nothing of the key itself, nor of its hash. */
static json_t *join_key_to_json(const struct join_key_info *info)
{
	return json_pack("{s:I, s:o, s:I, s:I, s:I, s:b, s:b, s:b}", "id", (json_int_t)info->id,
		"tags", store_tags_to_json(info->tags), "max_uses", (json_int_t)info->max_uses,
		"uses", (json_int_t)info->uses, "expires", (json_int_t)info->expires_s, "approves",
		info->approves, "ephemeral", info->ephemeral, "revoked", info->revoked);
}

static int audit_join_key(struct store *store, const char *actor, const char *action,
	int64_t network_id, int64_t id, json_t *before, json_t *after)
{
	struct network network;
	char subject[24];
	int r = store_network_by_id(store, network_id, &network);

	(void)snprintf(subject, sizeof(subject), "key %lld", (long long)id);
	if (r < 0) {
		json_decref(before);
		json_decref(after);
		return r;
	}
	return store_add_event(
		store, &(struct store_event){actor, action, network.name, subject, before, after});
}

static int insert_join_key(
	struct store *store, struct join_key_info *info, const uint8_t key[KEY_LEN])
{
	sqlite3_stmt *q = query(store, SQL_JOIN_KEY_ADD);
	char tags[TAGS_TEXT_LEN];
	uint8_t key_hash[HASH_LEN];
	int r;

	tags_to_text(tags, info->tags);
	hash(key_hash, key, KEY_LEN, NULL, 0);
	bind_int(q, 1, info->network_id);
	bind_blob(q, 2, key_hash, HASH_LEN);
	bind_text(q, 3, tags);
	bind_int(q, 4, info->max_uses);
	bind_int(q, 5, info->expires_s);
	bind_int(q, 6, info->approves);
	bind_int(q, 7, info->ephemeral);
	bind_int(q, 8, info->created_s);
	bind_text(q, 9, info->created_by);
	r = query_run(store, q);
	if (r == -ENOENT)
		return store_fail(store, r, "there is no such network");
	info->id = sqlite3_last_insert_rowid(store->db);
	return r;
}

int store_add_join_key(struct store *store, const char *actor, struct join_key_info *info,
	const uint8_t key[KEY_LEN])
{
	struct join_key_info added = *info;
	int r = tags_check(store, info->tags);

	if (r < 0)
		return r;
	added.uses = 0;
	added.revoked = false;
	added.created_s = store_wall_s();
	(void)snprintf(added.created_by, sizeof(added.created_by), "%s", actor);
	r = store_begin(store);
	if (r == 0)
		r = insert_join_key(store, &added, key);
	if (r == 0)
		r = audit_join_key(store, actor, "key.add", added.network_id, added.id, json_null(),
			join_key_to_json(&added));
	r = store_end(store, r);
	if (r == 0)
		*info = added;
	return r;
}

int store_join_key(
	struct store *store, int64_t network_id, int64_t id, struct join_key_info *ret_info)
{
	sqlite3_stmt *q = query(store, SQL_JOIN_KEY_BY_ID);
	int r;

	bind_int(q, 1, id);
	r = query_one(store, q);
	if (r == 0) {
		r = join_key_from_row(store, q, ret_info);
		query_done(q);
	}
	if (r == -ENOENT || (r == 0 && ret_info->network_id != network_id))
		return store_fail(store, -ENOENT, "there is no such join key");
	return r;
}

static int revoke_join_key(struct store *store, const char *actor, int64_t network_id, int64_t id)
{
	struct join_key_info before = {0}, after;
	sqlite3_stmt *q = query(store, SQL_JOIN_KEY_REVOKE);
	int r = store_join_key(store, network_id, id, &before);

	if (r < 0)
		return r;
	if (before.revoked)
		return store_fail(store, -EINVAL, "the join key is revoked already");
	bind_int(q, 1, id);
	r = query_run(store, q);
	if (r < 0)
		return r;
	after = before;
	after.revoked = true;
	return audit_join_key(store, actor, "key.revoke", network_id, id, join_key_to_json(&before),
		join_key_to_json(&after));
}

int store_revoke_join_key(struct store *store, const char *actor, int64_t network_id, int64_t id)
{
	int r = store_begin(store);

	if (r == 0)
		r = revoke_join_key(store, actor, network_id, id);
	return store_end(store, r);
}

int store_join_keys(struct store *store, int64_t network_id, store_join_key_each *each, void *ctx)
{
	sqlite3_stmt *q = query(store, SQL_JOIN_KEYS);
	int r;

	bind_int(q, 1, network_id);
	while ((r = query_step(store, q)) == 1) {
		struct join_key_info info;

		r = join_key_from_row(store, q, &info);
		if (r == 0)
			r = each(ctx, &info);
		if (r != 0) {
			query_done(q);
			return r;
		}
	}
	return r;
}
