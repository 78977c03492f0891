/* SPDX-License-Identifier: MIT
 *
 * The admin API: nodes.
 */
#include <errno.h>

#include "base/clock.h"
#include "overlay/hub/changes.h"
#include "overlay/hub/router.h"
#include "overlay/hub/views.h"
#include "overlay/wire/json.h"

/* Add the nodes of a network to a list; all of those that have this name, if it is not NULL. */
static void add_nodes(
	const struct hub *hub, const struct realm *realm, const char *name, json_t **list)
{
	const struct member *member;

	for (uint32_t slot = 0; (member = directory_next(&hub->directory, &slot)) != NULL; slot++) {
		if (member->realm == realm &&
			(name == NULL || strcmp(member->node.name, name) == 0))
			json_put_last(list, view_node(member));
	}
}

void serve_nodes(struct request *request, struct response *response)
{
	json_t *list = json_array();

	add_nodes(request->hub, request->realm, request_argument(request, "name"), &list);
	answer(response, 200, json_pack("{s:o}", "nodes", list));
}

void serve_all_nodes(struct request *request, struct response *response)
{
	const struct directory *directory = &request->hub->directory;
	json_t *list = json_array();
	char name[33];

	for (size_t i = 0; i < directory->num_realms; i++) {
		const struct realm *realm = directory->realms[i];

		if (caller_role(request->hub, request->caller.uid, realm->network.id, name) != 0)
			add_nodes(request->hub, realm, request_argument(request, "name"), &list);
	}
	answer(response, 200, json_pack("{s:o}", "nodes", list));
}

void serve_node(struct request *request, struct response *response)
{
	tunnel_look_for(&request->hub->tunnel, request->node, clock_boottime_ns());
	answer(response, 200, view_node(request->node));
}

/* What a change to a node came to: all concerned hear of it, and the caller what it is now. */
static void finish(struct request *request, struct response *response, int result)
{
	const struct member *member;

	if (result != 0) {
		answer_store_error(request, response, result);
		return;
	}
	member = changes_node(request->hub, request->node->node.id);
	answer(response, 200, member != NULL ? view_node(member) : NULL);
}

/* Each field is a change of its own; what comes after one that fails is not done. */
void serve_change_node(struct request *request, struct response *response)
{
	struct store *store = request->hub->store;
	int64_t id = request->node->node.id, expires_s = -1;
	char tags[NODE_TAGS_MAX][TAG_MAX + 1] = {0};
	const char *name = NULL;
	int r = 0;

	if (!field_text(request, response, "name", &name) || !field_tags(request, response, tags) ||
		!field_number(request, response, "expires", &expires_s))
		return;
	if (name != NULL && !node_name_is_valid(name)) {
		answer_error(response, 400,
			"a node's name is 1 to %d of a-z, 0-9 and inner hyphens, not digits alone; "
			"hub and localhost are taken",
			NODE_NAME_MAX);
		return;
	}
	if (name != NULL)
		r = store_rename_node(store, request->actor, id, name);
	if (r == 0 && json_object_get(request->json, "tags") != NULL)
		r = store_tag_node(store, request->actor, id, (const char(*)[TAG_MAX + 1]) tags);
	if (r == 0 && expires_s >= 0)
		r = store_expire_node(store, request->actor, id, expires_s, hub_now_s());
	finish(request, response, r);
	if (r != 0) /* something before that may be done */
		(void)changes_node(request->hub, id);
}

void serve_approve_node(struct request *request, struct response *response)
{
	finish(request, response,
		store_approve_node(
			request->hub->store, request->actor, request->node->node.id, hub_now_s()));
}

/* The join key that a node came with. Returns 0 also when it is of no use already. */
static int revoke_key_of(const struct request *request, const struct node *node)
{
	struct join_key_info key;
	int r = store_join_key(request->hub->store, node->network_id, node->join_key_id, &key);

	if (r == 0 && !key.revoked)
		r = store_revoke_join_key(
			request->hub->store, request->actor, node->network_id, key.id);
	return r == -ENOENT ? 0 : r;
}

/* While the join key that it came with is good, a stolen node can come again, with another key of
 * its own: so the caller is told of it. */
void serve_revoke_node(struct request *request, struct response *response)
{
	const struct node node = request->node->node;
	struct join_key_info key;
	bool with_key = false;
	int r;

	if (!field_flag(request, response, "with_key", &with_key))
		return;
	r = with_key ? revoke_key_of(request, &node) : 0;
	if (r == 0 && !(with_key && node.state == NODE_REVOKED))
		r = store_revoke_node(request->hub->store, request->actor, node.id);
	finish(request, response, r);
	if (r == 0 && response->body != NULL &&
		store_join_key(request->hub->store, node.network_id, node.join_key_id, &key) == 0)
		json_put(&response->body, "key", view_join_key(&key));
}

void serve_remove_node(struct request *request, struct response *response)
{
	int r = changes_remove_node(request->hub, request->actor, request->node);

	if (r != 0)
		answer_store_error(request, response, r);
	else
		answer(response, 204, NULL);
}
