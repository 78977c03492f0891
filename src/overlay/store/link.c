/* SPDX-License-Identifier: MIT
 *
 * Links: which nodes were told of each other. A link is one row, the smaller id first, found from
 * either end by an index. It has a seq of its own, so that a node whose stream is down while
 * another asks for it learns of that when it comes back.
 */
#include "overlay/store/internal.h"

static void bind_pair(sqlite3_stmt *q, int64_t a, int64_t b)
{
	bind_int(q, 1, a < b ? a : b);
	bind_int(q, 2, a < b ? b : a);
}

/* 0: linked already; -ENOENT: not. */
static int find_link(struct store *store, int64_t a, int64_t b)
{
	sqlite3_stmt *q = query(store, SQL_LINK);
	int64_t seq;

	bind_pair(q, a, b);
	return query_int(store, q, &seq);
}

/* The network that both are in. */
static int common_network(struct store *store, int64_t a, int64_t b, int64_t *ret_network_id)
{
	sqlite3_stmt *q = query(store, SQL_LINK_ENDS);
	int64_t network_a, network_b;
	int r;

	bind_pair(q, a, b);
	r = query_one(store, q);
	if (r == -ENOENT)
		return store_fail(store, r, "there is no such node");
	if (r < 0)
		return r;
	network_a = sqlite3_column_int64(q, 0);
	network_b = sqlite3_column_int64(q, 1);
	query_done(q);
	if (network_a != network_b || a == b)
		return store_fail(store, -EINVAL, "these two cannot be linked");
	*ret_network_id = network_a;
	return 0;
}

static int add_link(struct store *store, int64_t a, int64_t b)
{
	sqlite3_stmt *q = query(store, SQL_LINK_ADD);
	int64_t network_id = 0;
	uint64_t seq = 0;
	int r = common_network(store, a, b, &network_id);

	if (r == 0)
		r = store_next_seq(store, network_id, &seq);
	if (r < 0)
		return r;
	bind_pair(q, a, b);
	bind_int(q, 3, (int64_t)seq);
	return query_run(store, q);
}

int store_link(struct store *store, int64_t a, int64_t b)
{
	int r = find_link(store, a, b);

	if (r != -ENOENT)
		return r;
	r = store_begin(store);
	if (r == 0)
		r = add_link(store, a, b);
	return store_end(store, r);
}

/* A removed node goes with its last link. */
static int forget_if_removed(struct store *store, int64_t id)
{
	sqlite3_stmt *q = query(store, SQL_TOMBSTONE_DELETE);

	bind_int(q, 1, id);
	return query_run(store, q);
}

static int remove_link(struct store *store, int64_t a, int64_t b)
{
	sqlite3_stmt *q = query(store, SQL_LINK_REMOVE);
	int r;

	bind_pair(q, a, b);
	r = query_run(store, q);
	if (r == 0)
		r = forget_if_removed(store, a);
	if (r == 0)
		r = forget_if_removed(store, b);
	return r;
}

int store_unlink(struct store *store, int64_t a, int64_t b)
{
	int r = find_link(store, a, b);

	if (r != 0)
		return r == -ENOENT ? 0 : r;
	r = store_begin(store);
	if (r == 0)
		r = remove_link(store, a, b);
	return store_end(store, r);
}

int store_linked(struct store *store, int64_t id, uint64_t since, store_node_each *each, void *ctx)
{
	sqlite3_stmt *q = query(store, SQL_LINKED);

	if (since > INT64_MAX)
		return 0;
	bind_int(q, 1, id);
	bind_int(q, 2, (int64_t)since);
	return nodes_from_rows(store, q, each, ctx);
}
