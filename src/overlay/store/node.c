/* SPDX-License-Identifier: MIT
 *
 * Nodes: reading them.
 */
#include "overlay/store/internal.h"

#include "base/encoding.h"

static int endpoints_from_row(struct store *store, sqlite3_stmt *q, int column,
	struct endpoint ret_endpoints[NODE_ENDPOINTS_MAX])
{
	char text[ENDPOINTS_TEXT_LEN], *rest = text;
	int r = column_text(store, q, column, text, sizeof(text));

	if (r < 0)
		return r;
	memset(ret_endpoints, 0, NODE_ENDPOINTS_MAX * sizeof(*ret_endpoints));
	for (size_t i = 0; rest && *rest != '\0'; i++) {
		const char *word = strsep(&rest, " ");

		if (i == NODE_ENDPOINTS_MAX || endpoint_from_text(&ret_endpoints[i], word) < 0)
			return store_damaged(store, "endpoints");
	}
	return 0;
}

/* What is not written yet is newer. */
static int64_t newest_seen(const struct store *store, int64_t id, int64_t written_s)
{
	uint32_t seen_s;

	return map_get(&store->seen, (uint64_t)id, &seen_s) ? (int64_t)seen_s : written_s;
}

static int texts_from_row(struct store *store, sqlite3_stmt *q, struct node *node)
{
	int r = column_text(store, q, 3, node->name, sizeof(node->name));

	if (r == 0)
		r = column_text(store, q, 4, node->hostname, sizeof(node->hostname));
	if (r == 0)
		r = column_text(store, q, 5, node->version, sizeof(node->version));
	if (r == 0)
		r = tags_from_row(store, q, 6, node->tags);
	if (r == 0)
		r = endpoints_from_row(store, q, 14, node->endpoints);
	return r;
}

int node_from_row(struct store *store, sqlite3_stmt *q, struct node *ret_node)
{
	int64_t state = sqlite3_column_int64(q, 7), host = sqlite3_column_int64(q, 8);
	struct node node = {
		.id = sqlite3_column_int64(q, 0),
		.seq = (uint64_t)sqlite3_column_int64(q, 10),
	};
	int r;

	if (state == 0) {
		*ret_node = node;
		return 0;
	}
	if (state < NODE_PENDING || state > NODE_REVOKED || host < 2 || host > UINT32_MAX)
		return store_damaged(store, "a node's state or number");
	node.network_id = sqlite3_column_int64(q, 1);
	node.state = (enum node_state)state;
	node.host = (uint32_t)host;
	node.ephemeral = sqlite3_column_int64(q, 9) != 0;
	node.created_s = sqlite3_column_int64(q, 11);
	node.expires_s = sqlite3_column_int64(q, 12);
	node.join_key_id = sqlite3_column_int64(q, 15);
	node.seen_s = newest_seen(store, node.id, sqlite3_column_int64(q, 13));
	r = column_blob(store, q, 2, node.public_key, KEY_LEN);
	if (r == 0)
		r = texts_from_row(store, q, &node);
	if (r == 0)
		*ret_node = node;
	return r;
}

int nodes_from_rows(struct store *store, sqlite3_stmt *q, store_node_each *each, void *ctx)
{
	int r;

	while ((r = query_step(store, q)) == 1) {
		struct node node;

		r = node_from_row(store, q, &node);
		if (r == 0)
			r = each(ctx, &node);
		if (r != 0) {
			query_done(q);
			return r;
		}
	}
	return r;
}

int node_from_query(struct store *store, sqlite3_stmt *q, struct node *ret_node)
{
	int r = query_one(store, q);

	if (r == -ENOENT)
		return store_fail(store, r, "there is no such node");
	if (r < 0)
		return r;
	r = node_from_row(store, q, ret_node);
	query_done(q);
	return r;
}

int store_node(struct store *store, int64_t id, struct node *ret_node)
{
	sqlite3_stmt *q = query(store, SQL_NODE);

	bind_int(q, 1, id);
	return node_from_query(store, q, ret_node);
}

int store_node_by_name(
	struct store *store, int64_t network_id, const char *name, struct node *ret_node)
{
	sqlite3_stmt *q = query(store, SQL_NODE_BY_NAME);

	bind_int(q, 1, network_id);
	bind_text(q, 2, name);
	return node_from_query(store, q, ret_node);
}

int store_node_by_host(
	struct store *store, int64_t network_id, uint32_t host, struct node *ret_node)
{
	sqlite3_stmt *q = query(store, SQL_NODE_BY_HOST);

	bind_int(q, 1, network_id);
	bind_int(q, 2, host);
	return node_from_query(store, q, ret_node);
}

int store_nodes(struct store *store, int64_t network_id, store_node_each *each, void *ctx)
{
	sqlite3_stmt *q = query(store, SQL_NODES);

	bind_int(q, 1, network_id);
	return nodes_from_rows(store, q, each, ctx);
}

int node_name_is_taken(
	struct store *store, int64_t network_id, const char *name, bool *ret_is_taken)
{
	sqlite3_stmt *q = query(store, SQL_NODE_NAME_IS_TAKEN);
	int64_t id;
	int r;

	bind_int(q, 1, network_id);
	bind_text(q, 2, name);
	r = query_int(store, q, &id);
	if (r < 0 && r != -ENOENT)
		return r;
	*ret_is_taken = r == 0;
	return 0;
}

const char *store_state_name(enum node_state state)
{
	static const char *const names[] = {
		[NODE_PENDING] = "pending",
		[NODE_ACTIVE] = "active",
		[NODE_EXPIRED] = "expired",
		[NODE_REVOKED] = "revoked",
	};

	return names[state];
}

json_t *store_node_to_json(const struct node *node)
{
	char key[KEY_BASE64_LEN + 1];

	key_to_base64(key, node->public_key);
	return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:o, s:I, s:b, s:I}", "id",
		(json_int_t)node->id, "name", node->name, "state", store_state_name(node->state),
		"public_key", key, "hostname", node->hostname, "version", node->version, "tags",
		store_tags_to_json(node->tags), "host", (json_int_t)node->host, "ephemeral",
		node->ephemeral, "expires", (json_int_t)node->expires_s);
}
