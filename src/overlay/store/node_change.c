/* SPDX-License-Identifier: MIT
 *
 * What people do to nodes. Each change has its place in the network's sequence.
 */
#include "overlay/store/internal.h"

enum { TOMBSTONE_S = 30 * DAY_S };

int change_node_now(struct store *store, const char *actor, const char *action, const char *network,
	const struct node *before, struct node *node)
{
	sqlite3_stmt *q = query(store, SQL_NODE_CHANGE);
	char tags[TAGS_TEXT_LEN];
	int r = store_next_seq(store, node->network_id, &node->seq);

	if (r < 0)
		return r;
	tags_to_text(tags, node->tags);
	bind_int(q, 1, node->id);
	bind_int(q, 2, node->state);
	bind_text(q, 3, node->name);
	bind_text(q, 4, tags);
	bind_int(q, 5, node->expires_s);
	bind_int(q, 6, (int64_t)node->seq);
	r = query_run(store, q);
	if (r < 0)
		return r;
	return store_add_event(
		store, &(struct store_event){actor, action, network, before->name,
			       store_node_to_json(before), store_node_to_json(node)});
}

struct edit {
	const char *name;
	const char (*tags)[TAG_MAX + 1];
	int64_t expires_s, now_s;
	int64_t ttl_s; /* the network's */
};
typedef int edit_node(struct store *store, struct node *node, const struct edit *edit);

static int edit_in_transaction(struct store *store, const char *actor, const char *action,
	int64_t id, edit_node *edit_it, struct edit *edit)
{
	struct network network = {0};
	struct node before, node;
	int r = store_node(store, id, &before);

	if (r == 0)
		r = store_network_by_id(store, before.network_id, &network);
	if (r < 0)
		return r;
	node = before;
	edit->ttl_s = network.node_ttl_s;
	r = edit_it(store, &node, edit);
	if (r < 0)
		return r;
	return change_node_now(store, actor, action, network.name, &before, &node);
}

static int edit(struct store *store, const char *actor, const char *action, int64_t id,
	edit_node *edit_it, struct edit *edit)
{
	int r = store_begin(store);

	if (r == 0)
		r = edit_in_transaction(store, actor, action, id, edit_it, edit);
	return store_end(store, r);
}

static int no_such_step(struct store *store, const struct node *node)
{
	return store_fail(
		store, -EINVAL, "node %s is %s", node->name, store_state_name(node->state));
}

static int approve(struct store *store, struct node *node, const struct edit *edit)
{
	if (node->state != NODE_PENDING && node->state != NODE_EXPIRED)
		return no_such_step(store, node);
	node->state = NODE_ACTIVE;
	if (node->expires_s <= edit->now_s) /* or none: a date that is to come stays */
		node->expires_s = edit->ttl_s > 0 ? edit->now_s + edit->ttl_s : 0;
	return 0;
}

int store_approve_node(struct store *store, const char *actor, int64_t id, int64_t now_s)
{
	return edit(store, actor, "node.approve", id, approve, &(struct edit){.now_s = now_s});
}

static int rename_to(struct store *store, struct node *node, const struct edit *edit)
{
	bool is_taken;
	int r;

	if (!node_name_is_valid(edit->name))
		return store_fail(store, -EINVAL, "%s cannot be a node's name", edit->name);
	if (strcmp(node->name, edit->name) == 0)
		return 0;
	r = node_name_is_taken(store, node->network_id, edit->name, &is_taken);
	if (r < 0)
		return r;
	if (is_taken)
		return store_fail(store, -EEXIST, "the name %s is taken", edit->name);
	(void)snprintf(node->name, sizeof(node->name), "%s", edit->name);
	return 0;
}

int store_rename_node(struct store *store, const char *actor, int64_t id, const char *name)
{
	return edit(store, actor, "node.rename", id, rename_to, &(struct edit){.name = name});
}

static int set_tags(struct store *store, struct node *node, const struct edit *edit)
{
	int r = tags_check(store, edit->tags);

	if (r == 0)
		memcpy(node->tags, edit->tags, sizeof(node->tags));
	return r;
}

int store_tag_node(struct store *store, const char *actor, int64_t id,
	const char tags[NODE_TAGS_MAX][TAG_MAX + 1])
{
	return edit(store, actor, "node.tag", id, set_tags, &(struct edit){.tags = tags});
}

static int expire(struct store *store, struct node *node, const struct edit *edit)
{
	if (node->state != NODE_PENDING && node->state != NODE_ACTIVE)
		return no_such_step(store, node);
	if (edit->expires_s < 0)
		return store_fail(store, -EINVAL, "the date is before 1970");
	node->expires_s = edit->expires_s;
	if (edit->expires_s > 0 && edit->expires_s <= edit->now_s)
		node->state = NODE_EXPIRED;
	return 0;
}

int store_expire_node(
	struct store *store, const char *actor, int64_t id, int64_t expires_s, int64_t now_s)
{
	return edit(store, actor, "node.expire", id, expire,
		&(struct edit){.expires_s = expires_s, .now_s = now_s});
}

static int revoke(struct store *store, struct node *node, const struct edit *edit)
{
	(void)edit;
	if (node->state == NODE_REVOKED)
		return no_such_step(store, node);
	node->state = NODE_REVOKED;
	return 0;
}

int store_revoke_node(struct store *store, const char *actor, int64_t id)
{
	return edit(store, actor, "node.revoke", id, revoke, &(struct edit){0});
}

/* --- removing ---------------------------------------------------------- */

static int has_links(struct store *store, int64_t id, bool *ret_has_links)
{
	sqlite3_stmt *q = query(store, SQL_LINKS_OF);
	int64_t has;
	int r;

	bind_int(q, 1, id);
	r = query_int(store, q, &has);
	if (r == 0)
		*ret_has_links = has != 0;
	return r;
}

/* The row goes, or stays for those who are to be told. */
static int bury(struct store *store, const struct node *node, int64_t now_s)
{
	bool is_linked = false;
	sqlite3_stmt *q;
	int r = has_links(store, node->id, &is_linked);

	if (r < 0)
		return r;
	q = query(store, is_linked ? SQL_NODE_TO_TOMBSTONE : SQL_NODE_DELETE);
	bind_int(q, 1, node->id);
	if (is_linked) {
		bind_int(q, 2, (int64_t)node->seq);
		bind_int(q, 3, now_s + TOMBSTONE_S);
	}
	return query_run(store, q);
}

static int give_back_host(struct store *store, const struct node *node)
{
	sqlite3_stmt *q = query(store, SQL_HOST_FREE);

	bind_int(q, 1, node->network_id);
	bind_int(q, 2, node->host);
	return query_run(store, q);
}

static int forget_seen(struct store *store, int64_t id)
{
	sqlite3_stmt *q = query(store, SQL_SEEN_REMOVE);

	bind_int(q, 1, id);
	(void)map_remove(&store->seen, (uint64_t)id);
	return query_run(store, q);
}

int remove_node_now(struct store *store, const char *actor, const char *network, struct node *node,
	int64_t now_s)
{
	json_t *before;
	int r = store_next_seq(store, node->network_id, &node->seq);

	if (r == 0)
		r = bury_asked(store, node, now_s);
	if (r == 0)
		r = forget_seen(store, node->id);
	if (r == 0)
		r = bury(store, node, now_s);
	if (r == 0)
		r = give_back_host(store, node);
	if (r < 0)
		return r;
	before = store_node_to_json(node);
	node->state = 0;
	return store_add_event(store, &(struct store_event){actor, "node.remove", network,
					      node->name, before, json_null()});
}

static int remove_node(struct store *store, const char *actor, int64_t id)
{
	struct network network;
	struct node node;
	int r = store_node(store, id, &node);

	if (r == 0)
		r = store_network_by_id(store, node.network_id, &network);
	if (r < 0)
		return r;
	return remove_node_now(store, actor, network.name, &node, store_wall_s());
}

int store_remove_node(struct store *store, const char *actor, int64_t id)
{
	int r = store_begin(store);

	if (r == 0)
		r = remove_node(store, actor, id);
	return store_end(store, r);
}
