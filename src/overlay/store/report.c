/* SPDX-License-Identifier: MIT
 *
 * What nodes report of themselves: that they are there, and where they may be reached.
 *
 * When a node was seen is written once a minute for all, and at the end: a hub that is killed
 * forgets a minute of it, and a disk is not to be worn out by nodes that say nothing new.
 */
#include "overlay/store/internal.h"

enum {
	WRITE_SEEN_EVERY_S = 60,
	FORGET_EVERY_S = 3600,
	EVEN_S = 3600,	       /* we are told the time more often */
	RESTART_S = 7 * DAY_S, /* a hub that was off for longer is asked to wait, too */
	CONFIRM_S = 3600, /* so long a clock that was set stays as it is, before we believe it */
};

/* When something last happened that is on disk. 0: nothing, or it cannot be read. */
static int64_t last_written(struct store *store)
{
	sqlite3_stmt *q = query(store, SQL_TIME_LAST);
	int64_t last_s;

	return query_int(store, q, &last_s) == 0 ? last_s : 0;
}

/* Whether the clock is so far from where it could have come by itself that it must have been set,
 * or the machine was off for long: which of the two, and whether it is right now, nobody knows. */
static bool is_set(struct store *store, int64_t now_s)
{
	int64_t last_s;

	if (store->told_s > 0)
		return now_s < store->told_s - EVEN_S || now_s > store->told_s + EVEN_S;
	last_s = last_written(store);
	return last_s > 0 && (now_s < last_s - EVEN_S || now_s > last_s + RESTART_S);
}

void store_note_time(struct store *store, int64_t now_s)
{
	bool was_set = is_set(store, now_s);

	if (store->told_s == 0 || was_set || now_s < store->since_s)
		store->since_s = now_s;
	if (was_set)
		store->held_until_s = now_s + CONFIRM_S;
	else if (store->held_until_s <= now_s)
		store->held_until_s = 0;
	store->told_s = now_s;
}

int64_t store_held_until(const struct store *store)
{
	return store->held_until_s;
}

static int write_times(struct store *store, int64_t id, int64_t seen_s, int64_t asked_s)
{
	sqlite3_stmt *q = query(store, SQL_SEEN_SET);

	bind_int(q, 1, id);
	bind_int(q, 2, seen_s);
	bind_int(q, 3, asked_s);
	return query_run(store, q);
}

static int write_seen_now(struct store *store)
{
	int r = 0;

	for (size_t i = 0; store->seen.num > 0 && i <= store->seen.mask && r == 0; i++) {
		const struct map_slot *slot = &store->seen.slots[i];

		if (slot->used)
			r = write_times(store, (int64_t)slot->key, slot->value, 0);
	}
	for (size_t i = 0; store->asked.num > 0 && i <= store->asked.mask && r == 0; i++) {
		const struct map_slot *slot = &store->asked.slots[i];

		if (slot->used)
			r = write_times(store, (int64_t)slot->key, 0, slot->value);
	}
	return r;
}

int store_write_seen(struct store *store)
{
	int r;

	if (store->seen.num == 0 && store->asked.num == 0)
		return 0;
	r = store_begin(store);
	if (r == 0)
		r = write_seen_now(store);
	r = store_end(store, r);
	if (r == 0) {
		map_deinit(&store->seen);
		map_deinit(&store->asked);
	}
	return r;
}

int store_seen(struct store *store, int64_t id, int64_t now_s)
{
	struct node node;
	uint32_t seen_s;
	int r = 0;

	store_note_time(store, now_s);
	if (now_s < 0 || now_s > UINT32_MAX)
		return store_fail(store, -EINVAL, "the clock is wrong");
	if (!map_get(&store->seen, (uint64_t)id, &seen_s))
		r = store_node(store, id, &node);
	if (r < 0)
		return r;
	if (store->seen.num == 0)
		store->seen_written_s = now_s;
	if (map_put(&store->seen, (uint64_t)id, (uint32_t)now_s) < 0)
		return store_fail(store, -ENOMEM, "not enough memory");
	if (now_s - store->seen_written_s < WRITE_SEEN_EVERY_S && now_s >= store->seen_written_s)
		return 0;
	store->seen_written_s = now_s;
	return store_write_seen(store);
}

/* --- enrolment requests ------------------------------------------------ */

/* Of more there is no "newer". */
static uint32_t clamp(uint64_t time_s)
{
	return time_s < UINT32_MAX ? (uint32_t)time_s : UINT32_MAX;
}

int note_asked(struct store *store, int64_t id, uint64_t time_s)
{
	uint32_t before_s;

	if (map_get(&store->asked, (uint64_t)id, &before_s) && before_s >= clamp(time_s))
		return 0;
	if (map_put(&store->asked, (uint64_t)id, clamp(time_s)) < 0)
		return store_fail(store, -ENOMEM, "not enough memory");
	return 0;
}

int write_asked(struct store *store, int64_t id, uint64_t time_s)
{
	return write_times(store, id, 0, clamp(time_s));
}

int bury_asked(struct store *store, const struct node *node, int64_t now_s)
{
	sqlite3_stmt *q = query(store, SQL_ASKED);
	int64_t asked_s = 0;
	uint32_t newer_s;
	int r;

	bind_int(q, 1, node->id);
	r = query_int(store, q, &asked_s);
	if (r < 0 && r != -ENOENT)
		return r;
	if (map_get(&store->asked, (uint64_t)node->id, &newer_s) && newer_s > asked_s)
		asked_s = newer_s;
	(void)map_remove(&store->asked, (uint64_t)node->id);
	q = query(store, SQL_REMOVED_ADD);
	bind_blob(q, 1, node->public_key, KEY_LEN);
	bind_int(q, 2, node->network_id);
	bind_int(q, 3, asked_s);
	bind_int(q, 4, now_s);
	return query_run(store, q);
}

int check_asked(
	struct store *store, const uint8_t public_key[KEY_LEN], int64_t network_id, uint64_t time_s)
{
	sqlite3_stmt *q = query(store, SQL_REMOVED_ASKED);
	int64_t asked_s;
	int r;

	bind_blob(q, 1, public_key, KEY_LEN);
	bind_int(q, 2, network_id);
	r = query_int(store, q, &asked_s);
	if (r == -ENOENT)
		return 0;
	if (r == 0 && clamp(time_s) <= asked_s)
		return store_fail(store, -EACCES,
			"its request is no newer than those of a node that was removed");
	return r;
}

int forget_asked(struct store *store, int64_t now_s)
{
	sqlite3_stmt *q;

	if (store->forgot_s <= now_s && now_s < store->forgot_s + FORGET_EVERY_S)
		return 0;
	store->forgot_s = now_s;
	q = query(store, SQL_REMOVED_FORGET);
	bind_int(q, 1, now_s);
	return query_run(store, q);
}

/* --- endpoints --------------------------------------------------------- */

static void endpoints_to_text(
	char ret_text[ENDPOINTS_TEXT_LEN], const struct endpoint endpoints[NODE_ENDPOINTS_MAX])
{
	size_t len = 0;

	ret_text[0] = '\0';
	for (size_t i = 0; i < NODE_ENDPOINTS_MAX; i++) {
		char text[ENDPOINT_TEXT_LEN];

		if (endpoints[i].family == 0)
			continue;
		endpoint_to_text(text, &endpoints[i]);
		len += (size_t)snprintf(
			ret_text + len, ENDPOINTS_TEXT_LEN - len, "%s%s", len > 0 ? " " : "", text);
	}
}

static int write_endpoints(
	struct store *store, const struct node *node, const char *text, uint64_t *ret_seq)
{
	sqlite3_stmt *q = query(store, SQL_NODE_SET_ENDPOINTS);
	int r = store_next_seq(store, node->network_id, ret_seq);

	if (r < 0)
		return r;
	bind_int(q, 1, node->id);
	bind_text(q, 2, text);
	bind_int(q, 3, (int64_t)*ret_seq);
	return query_run(store, q);
}

int store_set_endpoints(struct store *store, int64_t id,
	const struct endpoint endpoints[NODE_ENDPOINTS_MAX], uint64_t *ret_seq)
{
	char before[ENDPOINTS_TEXT_LEN], after[ENDPOINTS_TEXT_LEN];
	struct node node;
	uint64_t seq;
	int r;

	for (size_t i = 0; i < NODE_ENDPOINTS_MAX; i++) {
		if (!endpoint_is_valid(&endpoints[i]))
			return store_fail(store, -EINVAL, "an endpoint is of no known family");
	}
	r = store_node(store, id, &node);
	if (r < 0)
		return r;
	endpoints_to_text(before, node.endpoints);
	endpoints_to_text(after, endpoints);
	if (strcmp(before, after) == 0) {
		*ret_seq = 0;
		return 0;
	}
	r = store_begin(store);
	if (r == 0)
		r = write_endpoints(store, &node, after, &seq);
	r = store_end(store, r);
	if (r == 0)
		*ret_seq = seq;
	return r;
}
