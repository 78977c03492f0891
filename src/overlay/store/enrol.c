/* SPDX-License-Identifier: MIT
 *
 * A node becomes a member: its join key is used, it gets a name and a number, all in one
 * transaction.
 */
#include "overlay/store/internal.h"

static int find_by_key(struct store *store, const uint8_t node_key[KEY_LEN], struct node *ret_node)
{
	sqlite3_stmt *q = query(store, SQL_NODE_BY_KEY);

	bind_blob(q, 1, node_key, KEY_LEN);
	return node_from_query(store, q, ret_node);
}

static int find_network(struct store *store, const char *name, struct network *ret_network)
{
	int r = store_network(store, name, ret_network);

	return r == -ENOENT ? store_fail(store, -EACCES, "there is no network of that name") : r;
}

/* A node that is known already: 0, or -EACCES. -ENOENT: it is not. */
static int recognise(struct store *store, const uint8_t node_key[KEY_LEN],
	const struct enrol_request *request, struct node *ret_node)
{
	struct network network = {0};
	struct node node = {0};
	int r = find_by_key(store, node_key, &node);

	if (r == 0)
		r = find_network(store, request->network, &network);
	if (r < 0)
		return r;
	if (node.network_id != network.id)
		return store_fail(
			store, -EACCES, "its key is that of node %s in another network", node.name);
	if (node.state == NODE_REVOKED)
		return store_fail(store, -EACCES, "node %s is revoked", node.name);
	*ret_node = node;
	return 0;
}

/* --- the join key ------------------------------------------------------ */

/* Why a join key could not be used. */
static int refuse_join_key(struct store *store, const uint8_t key_hash[HASH_LEN],
	const struct network *network, int64_t now_s)
{
	sqlite3_stmt *q = query(store, SQL_JOIN_KEY_BY_HASH);
	struct join_key_info info;
	const char *why;
	int r;

	bind_blob(q, 1, key_hash, HASH_LEN);
	r = query_one(store, q);
	if (r == -ENOENT)
		return store_fail(store, -EACCES, "the join key is not known");
	if (r < 0)
		return r;
	r = join_key_from_row(store, q, &info);
	query_done(q);
	if (r < 0)
		return r;
	if (info.network_id != network->id)
		why = "of another network";
	else if (info.revoked)
		why = "revoked";
	else if (info.expires_s > 0 && info.expires_s <= now_s)
		why = "expired";
	else
		why = "used up";
	return store_fail(store, -EACCES, "join key %lld is %s", (long long)info.id, why);
}

static int use_join_key(struct store *store, const uint8_t key[KEY_LEN],
	const struct network *network, int64_t now_s, struct join_key_info *ret_info)
{
	sqlite3_stmt *q = query(store, SQL_JOIN_KEY_USE);
	uint8_t key_hash[HASH_LEN];
	int r;

	hash(key_hash, key, KEY_LEN, NULL, 0);
	bind_blob(q, 1, key_hash, HASH_LEN);
	bind_int(q, 2, network->id);
	bind_int(q, 3, now_s);
	r = query_one(store, q);
	if (r == -ENOENT)
		return refuse_join_key(store, key_hash, network, now_s);
	if (r < 0)
		return r;
	r = join_key_from_row(store, q, ret_info);
	query_done(q);
	return r;
}

/* --- name and number --------------------------------------------------- */

static int next_name_number(
	struct store *store, int64_t network_id, const char *name, int64_t *ret_number)
{
	sqlite3_stmt *q = query(store, SQL_NAME_NUMBER);

	bind_int(q, 1, network_id);
	bind_text(q, 2, name);
	return query_int(store, q, ret_number);
}

/* The name nearest to the hostname, or if that is taken "robot-2", "robot-3", …: the numbers count
 * up per hostname, so that the next is found without trying all before. A number is tried once and
 * never again. */
static int choose_name(struct store *store, int64_t network_id, const char *hostname,
	char ret_name[NODE_NAME_MAX + 1])
{
	char nearest[NODE_NAME_MAX + 1], suffix[24];
	int64_t number;
	bool is_taken;
	int r;

	node_name_from_hostname(nearest, hostname);
	memcpy(ret_name, nearest, sizeof(nearest));
	for (;;) {
		r = node_name_is_taken(store, network_id, ret_name, &is_taken);
		if (r < 0 || !is_taken)
			return r;
		r = next_name_number(store, network_id, nearest, &number);
		if (r < 0)
			return r;
		(void)snprintf(suffix, sizeof(suffix), "-%lld", (long long)number);
		(void)snprintf(ret_name, NODE_NAME_MAX + 1, "%.*s%s",
			(int)(NODE_NAME_MAX - strlen(suffix)), nearest, suffix);
	}
}

/* The lowest that nobody ever had; when there is none left, the one given back longest ago. */
static int choose_host(struct store *store, const struct network *network, uint32_t *ret_host)
{
	sqlite3_stmt *q = query(store, SQL_HOST_NEXT);
	int64_t host;
	int r;

	bind_int(q, 1, network->id);
	bind_int(q, 2, network_max_host(network));
	r = query_int(store, q, &host);
	if (r == -ENOENT) {
		q = query(store, SQL_HOST_REUSE);
		bind_int(q, 1, network->id);
		r = query_int(store, q, &host);
	}
	if (r == -ENOENT)
		return store_fail(
			store, -EADDRNOTAVAIL, "network %s has no address left", network->name);
	if (r == 0)
		*ret_host = (uint32_t)host;
	return r;
}

/* --- adding ------------------------------------------------------------ */

/* What a node says of itself, fit to be shown. */
static void copy_plain(char *ret_text, size_t size, const char *text)
{
	size_t len = strnlen(text, size - 1);

	memset(ret_text, 0, size);
	for (size_t i = 0; i < len; i++)
		ret_text[i] = (char)(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
}

static int insert_node(struct store *store, struct node *node)
{
	sqlite3_stmt *q = query(store, SQL_NODE_ADD);
	char tags[TAGS_TEXT_LEN];
	int r;

	tags_to_text(tags, node->tags);
	bind_int(q, 1, node->network_id);
	bind_blob(q, 2, node->public_key, KEY_LEN);
	bind_text(q, 3, node->name);
	bind_text(q, 4, node->hostname);
	bind_text(q, 5, node->version);
	bind_text(q, 6, tags);
	bind_int(q, 7, node->state);
	bind_int(q, 8, node->host);
	bind_int(q, 9, node->ephemeral);
	bind_int(q, 10, (int64_t)node->seq);
	bind_int(q, 11, node->created_s);
	bind_int(q, 12, node->expires_s);
	bind_int(q, 13, node->join_key_id);
	r = query_run(store, q);
	node->id = sqlite3_last_insert_rowid(store->db);
	return r;
}

static int audit_enrolment(struct store *store, const struct network *network,
	const struct node *node, int64_t join_key_id, bool is_reserved)
{
	char actor[sizeof("node:") + NODE_NAME_MAX];
	json_t *after = store_node_to_json(node);

	(void)snprintf(actor, sizeof(actor), "node:%s", node->name);
	if (json_object_set_new(after, "join_key", json_integer(join_key_id)) < 0 ||
		(is_reserved && json_object_set_new(after, "held",
					json_string("the policy speaks of this name")) < 0)) {
		json_decref(after);
		after = NULL;
	}
	return store_add_event(store, &(struct store_event){actor, "node.enrol", network->name,
					      node->name, json_null(), after});
}

static int add_node(
	struct store *store, const struct enrol_request *request, int64_t now_s, struct node *node)
{
	struct network network = {0};
	struct join_key_info key = {0};
	bool is_reserved;
	int r = find_network(store, request->network, &network);

	if (r == 0)
		r = check_asked(store, node->public_key, network.id, request->time_s);
	if (r == 0)
		r = use_join_key(store, request->join_key, &network, now_s, &key);
	if (r == 0)
		r = choose_name(store, network.id, node->hostname, node->name);
	if (r == 0)
		r = choose_host(store, &network, &node->host);
	if (r == 0)
		r = store_next_seq(store, network.id, &node->seq);
	if (r < 0)
		return r;
	node->network_id = network.id;
	is_reserved = store->name_is_reserved &&
		      store->name_is_reserved(store->name_ctx, network.id, node->name);
	node->state =
		key.approves && !network.approves && !is_reserved ? NODE_ACTIVE : NODE_PENDING;
	node->ephemeral = key.ephemeral;
	node->join_key_id = key.id;
	node->created_s = now_s;
	if (node->state == NODE_ACTIVE && network.node_ttl_s > 0)
		node->expires_s = now_s + network.node_ttl_s;
	memcpy(node->tags, key.tags, sizeof(node->tags));
	r = insert_node(store, node);
	if (r == 0)
		r = write_asked(store, node->id, request->time_s);
	return r < 0 ? r : audit_enrolment(store, &network, node, key.id, is_reserved);
}

void store_reserve_names(struct store *store, store_name_is_reserved *is_reserved, void *ctx)
{
	store->name_is_reserved = is_reserved;
	store->name_ctx = ctx;
}

int store_enrol(struct store *store, const uint8_t node_key[KEY_LEN],
	const struct enrol_request *request, int64_t now_s, struct node *ret_node, bool *ret_is_new)
{
	struct node node = {0};
	int r = recognise(store, node_key, request, ret_node);

	store_note_time(store, now_s);
	if (r == 0) {
		*ret_is_new = false;
		r = note_asked(store, ret_node->id, request->time_s);
	}
	if (r != -ENOENT)
		return r;
	memcpy(node.public_key, node_key, KEY_LEN);
	copy_plain(node.hostname, sizeof(node.hostname), request->hostname);
	copy_plain(node.version, sizeof(node.version), request->agent_version);
	r = store_begin(store);
	if (r == 0)
		r = add_node(store, request, now_s, &node);
	r = store_end(store, r);
	if (r < 0)
		return r;
	*ret_node = node;
	*ret_is_new = true;
	return 0;
}
