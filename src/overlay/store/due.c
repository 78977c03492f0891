/* SPDX-License-Identifier: MIT
 *
 * What is due by time: nodes past their date, and ephemeral nodes that have been away for a day. A
 * day in which the hub was away itself does not count, nor one that a step of its clock made.
 */
#include "overlay/store/internal.h"

enum { DUE_BATCH = 64 }; /* in one transaction */

struct due {
	struct node nodes[DUE_BATCH];
	size_t num;
};

static int collect(void *ctx, const struct node *node)
{
	struct due *due = ctx;

	due->nodes[due->num++] = *node;
	return 0;
}

static int find(struct store *store, enum statement statement, int64_t until_s, struct due *ret_due)
{
	sqlite3_stmt *q = query(store, statement);

	bind_int(q, 1, until_s);
	bind_int(q, 2, DUE_BATCH);
	ret_due->num = 0;
	return nodes_from_rows(store, q, collect, ret_due);
}

typedef int change_due(
	struct store *store, const struct network *network, struct node *node, int64_t now_s);

static int expire_due(
	struct store *store, const struct network *network, struct node *node, int64_t now_s)
{
	struct node before = *node;

	(void)now_s;
	node->state = NODE_EXPIRED;
	return change_node_now(store, "hub", "node.expire", network->name, &before, node);
}

static int remove_due(
	struct store *store, const struct network *network, struct node *node, int64_t now_s)
{
	return remove_node_now(store, "hub", network->name, node, now_s);
}

static int change_all(struct store *store, struct due *due, change_due *change, int64_t now_s)
{
	struct network network;
	int r = store_begin(store);

	for (size_t i = 0; i < due->num && r == 0; i++) {
		r = store_network_by_id(store, due->nodes[i].network_id, &network);
		if (r == 0)
			r = change(store, &network, &due->nodes[i], now_s);
	}
	return store_end(store, r);
}

/* Change all that a statement finds, and tell of each once it is on disk. */
static int settle(struct store *store, enum statement statement, int64_t until_s, int64_t now_s,
	change_due *change, store_node_each *each, void *ctx)
{
	struct due *due = malloc(sizeof(*due));
	int r = 0;

	if (!due)
		return store_fail(store, -ENOMEM, "not enough memory");
	while (r == 0) {
		r = find(store, statement, until_s, due);
		if (r != 0 || due->num == 0)
			break;
		r = change_all(store, due, change, now_s);
		for (size_t i = 0; i < due->num && r == 0; i++)
			r = each(ctx, &due->nodes[i]);
	}
	free(due);
	return r;
}

static int forget_removed(struct store *store, int64_t now_s)
{
	sqlite3_stmt *q = query(store, SQL_TOMBSTONES_DELETE);

	bind_int(q, 1, now_s);
	return query_run(store, q);
}

static int next_due(struct store *store, int64_t *ret_next_s)
{
	int64_t due_s = 0, away_s = 0;
	int r = query_int(store, query(store, SQL_NODES_NEXT_DUE), &due_s);

	if (r == 0)
		r = query_int(store, query(store, SQL_NODES_NEXT_AWAY), &away_s);
	if (r < 0)
		return r;
	if (away_s > 0) {
		away_s = (away_s > store->since_s ? away_s : store->since_s) + DAY_S;
		due_s = due_s > 0 && due_s < away_s ? due_s : away_s;
	}
	*ret_next_s = due_s;
	return 0;
}

int store_expire_due(
	struct store *store, int64_t now_s, store_node_each *each, void *ctx, int64_t *ret_next_s)
{
	int r;

	store_note_time(store, now_s);
	r = store_write_seen(store);
	if (r == 0 && store->held_until_s > 0) {
		*ret_next_s = store->held_until_s;
		return 0;
	}
	if (r == 0)
		r = settle(store, SQL_NODES_DUE, now_s, now_s, expire_due, each, ctx);
	if (r == 0 && store->since_s <= now_s - DAY_S)
		r = settle(store, SQL_NODES_AWAY, now_s - DAY_S, now_s, remove_due, each, ctx);
	if (r == 0 && store->since_s <= now_s - DAY_S)
		r = forget_removed(store, now_s);
	if (r == 0)
		r = forget_asked(store, now_s);
	return r == 0 ? next_due(store, ret_next_s) : r;
}
