/* SPDX-License-Identifier: MIT
 *
 * Networks.
 */
#include "overlay/store/internal.h"

/* Columns are NETWORK_COLUMNS. */
static int network_from_row(struct store *store, sqlite3_stmt *q, struct network *ret_network)
{
	struct network network = {
		.id = sqlite3_column_int64(q, 0),
		.seq = (uint64_t)sqlite3_column_int64(q, 4),
		.policy_seq = (uint64_t)sqlite3_column_int64(q, 5),
		.allows_by_default = sqlite3_column_int64(q, 6) != 0,
		.approves = sqlite3_column_int64(q, 7) != 0,
		.node_ttl_s = sqlite3_column_int64(q, 8),
		.created_s = sqlite3_column_int64(q, 9),
	};
	char prefix4[PREFIX_TEXT_LEN], prefix6[PREFIX_TEXT_LEN];
	int r = column_text(store, q, 1, network.name, sizeof(network.name));

	if (r == 0)
		r = column_text(store, q, 2, prefix4, sizeof(prefix4));
	if (r == 0)
		r = column_text(store, q, 3, prefix6, sizeof(prefix6));
	if (r < 0)
		return r;
	if (prefix_from_text(&network.prefix4, prefix4) < 0 ||
		prefix_from_text(&network.prefix6, prefix6) < 0 ||
		network.prefix4.family != AF_INET || network.prefix6.family != AF_INET6)
		return store_damaged(store, "a network's prefix");
	*ret_network = network;
	return 0;
}

static int one_network(struct store *store, sqlite3_stmt *q, struct network *ret_network)
{
	int r = query_one(store, q);

	if (r == -ENOENT)
		return store_fail(store, r, "there is no such network");
	if (r < 0)
		return r;
	r = network_from_row(store, q, ret_network);
	query_done(q);
	return r;
}

int store_network(struct store *store, const char *name, struct network *ret_network)
{
	sqlite3_stmt *q = query(store, SQL_NETWORK_BY_NAME);

	bind_text(q, 1, name);
	return one_network(store, q, ret_network);
}

int store_network_by_id(struct store *store, int64_t id, struct network *ret_network)
{
	sqlite3_stmt *q = query(store, SQL_NETWORK_BY_ID);

	bind_int(q, 1, id);
	return one_network(store, q, ret_network);
}

int store_networks(struct store *store, store_network_each *each, void *ctx)
{
	sqlite3_stmt *q = query(store, SQL_NETWORKS);
	int r;

	while ((r = query_step(store, q)) == 1) {
		struct network network;

		r = network_from_row(store, q, &network);
		if (r == 0)
			r = each(ctx, &network);
		if (r != 0) {
			query_done(q);
			return r;
		}
	}
	return r;
}

int store_next_seq(struct store *store, int64_t network_id, uint64_t *ret_seq)
{
	sqlite3_stmt *q = query(store, SQL_NETWORK_NEXT_SEQ);
	int64_t seq;
	int r;

	bind_int(q, 1, network_id);
	r = query_int(store, q, &seq);
	if (r == 0)
		*ret_seq = (uint64_t)seq;
	return r == -ENOENT ? store_fail(store, r, "there is no such network") : r;
}

static json_t *network_to_json(const struct network *network)
{
	char prefix4[PREFIX_TEXT_LEN], prefix6[PREFIX_TEXT_LEN];

	prefix_to_text(prefix4, &network->prefix4);
	prefix_to_text(prefix6, &network->prefix6);
	return json_pack("{s:I, s:s, s:s, s:s, s:b, s:b, s:I}", "id", (json_int_t)network->id,
		"name", network->name, "prefix4", prefix4, "prefix6", prefix6, "allows_by_default",
		network->allows_by_default, "approves", network->approves, "node_ttl",
		(json_int_t)network->node_ttl_s);
}

/* --- changes ----------------------------------------------------------- */

static int insert_network(struct store *store, struct network *network)
{
	sqlite3_stmt *q = query(store, SQL_NETWORK_ADD);
	char prefix4[PREFIX_TEXT_LEN], prefix6[PREFIX_TEXT_LEN];
	int r;

	prefix_to_text(prefix4, &network->prefix4);
	prefix_to_text(prefix6, &network->prefix6);
	network->created_s = store_wall_s();
	network->seq = network->policy_seq = 1;
	bind_text(q, 1, network->name);
	bind_text(q, 2, prefix4);
	bind_text(q, 3, prefix6);
	bind_int(q, 4, network->allows_by_default);
	bind_int(q, 5, network->approves);
	bind_int(q, 6, network->node_ttl_s);
	bind_int(q, 7, network->created_s);
	r = query_run(store, q);
	if (r == -EEXIST)
		return store_fail(store, r, "there is a network %s already", network->name);
	network->id = sqlite3_last_insert_rowid(store->db);
	return r;
}

int store_add_network(struct store *store, const char *actor, struct network *network)
{
	struct network added = *network;
	int r = network_check_prefixes(store, network);

	if (r < 0)
		return r;
	if (!network_name_is_valid(network->name))
		return store_fail(store, -EINVAL, "%.*s cannot be a network's name",
			NETWORK_NAME_MAX, network->name);
	r = store_begin(store);
	if (r == 0)
		r = network_settle_prefixes(store, &added);
	if (r == 0)
		r = insert_network(store, &added);
	if (r == 0)
		r = store_add_event(
			store, &(struct store_event){actor, "network.add", added.name, added.name,
				       json_null(), network_to_json(&added)});
	r = store_end(store, r);
	if (r == 0)
		*network = added;
	return r;
}

int store_policy_changed(struct store *store, int64_t network_id, uint64_t *ret_seq)
{
	sqlite3_stmt *q = query(store, SQL_NETWORK_POLICY_CHANGED);
	int r = store_next_seq(store, network_id, ret_seq);

	if (r < 0)
		return r;
	bind_int(q, 1, network_id);
	return query_run(store, q);
}

static int set_network(struct store *store, const char *actor, struct network *network)
{
	struct network before = {0};
	sqlite3_stmt *q = query(store, SQL_NETWORK_SET);
	int r = store_network_by_id(store, network->id, &before);

	if (r < 0)
		return r;
	bind_int(q, 1, network->id);
	bind_int(q, 2, network->allows_by_default);
	bind_int(q, 3, network->approves);
	bind_int(q, 4, network->node_ttl_s);
	r = query_run(store, q);
	if (r == 0 && network->allows_by_default != before.allows_by_default)
		r = store_policy_changed(store, network->id, &network->seq);
	else if (r == 0)
		r = store_next_seq(store, network->id, &network->seq);
	if (r == 0)
		r = store_network_by_id(store, network->id, network);
	if (r < 0)
		return r;
	return store_add_event(
		store, &(struct store_event){actor, "network.set", network->name, network->name,
			       network_to_json(&before), network_to_json(network)});
}

int store_set_network(struct store *store, const char *actor, struct network *network)
{
	struct network after = *network;
	int r = store_begin(store);

	if (r == 0)
		r = set_network(store, actor, &after);
	r = store_end(store, r);
	if (r == 0)
		*network = after;
	return r;
}

static int count_nodes(struct store *store, int64_t id, int64_t *ret_all, int64_t *ret_in_use)
{
	sqlite3_stmt *q = query(store, SQL_NETWORK_COUNT_NODES);
	int r;

	bind_int(q, 1, id);
	r = query_one(store, q);
	if (r < 0)
		return r;
	*ret_all = sqlite3_column_int64(q, 0);
	*ret_in_use = sqlite3_column_int64(q, 1);
	query_done(q);
	return 0;
}

static int remove_network(struct store *store, const char *actor, int64_t id, bool with_nodes)
{
	struct network network = {0};
	int64_t num_nodes = 0, num_in_use = 0;
	sqlite3_stmt *q = query(store, SQL_NETWORK_REMOVE);
	json_t *before;
	int r = store_network_by_id(store, id, &network);

	if (r == 0)
		r = count_nodes(store, id, &num_nodes, &num_in_use);
	if (r < 0)
		return r;
	if (num_in_use > 0 && !with_nodes)
		return store_fail(store, -ENOTEMPTY, "network %s has %lld nodes", network.name,
			(long long)num_in_use);
	bind_int(q, 1, id);
	r = query_run(store, q);
	if (r < 0)
		return r;
	before = network_to_json(&network);
	if (json_object_set_new(before, "nodes", json_integer(num_nodes)) < 0) {
		json_decref(before);
		before = NULL;
	}
	return store_add_event(store, &(struct store_event){actor, "network.remove", network.name,
					      network.name, before, json_null()});
}

int store_remove_network(struct store *store, const char *actor, int64_t id, bool with_nodes)
{
	int r = store_begin(store);

	if (r == 0)
		r = remove_network(store, actor, id, with_nodes);
	return store_end(store, r);
}
