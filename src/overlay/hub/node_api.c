/* SPDX-License-Identifier: MIT
 *
 * The node API: what an active node may ask. It can tell nodes that do not exist from those the
 * policy keeps from it by nothing.
 */
#include <errno.h>

#include "base/clock.h"
#include "overlay/hub/changes.h"
#include "overlay/hub/router.h"
#include "overlay/hub/views.h"
#include "overlay/wire/ranges.h"

/* A transaction of the store keeps the hub from everybody else for some milliseconds. */
#define WRITE_COST_NS (SECOND_NS / 50)
#define WRITE_BURST UINT64_C(1000)
static const char hub_name[] = "hub";

/* Whether the caller has not asked too much; otherwise that is answered. */
static bool may_write(struct request *request, struct response *response)
{
	if (rate_allow(&request->caller.member->writes, clock_boottime_ns(), WRITE_COST_NS,
		    WRITE_BURST))
		return true;
	answer_error(response, 429, "this node asks too often");
	return false;
}

void serve_self(struct request *request, struct response *response)
{
	answer(response, 200, view_self(request->caller.member));
}

void serve_stream(struct request *request, struct response *response)
{
	if (!request_number(request, response, "since", &response->since))
		return;
	response->status = 200;
	response->is_stream = true;
}

/* The member a name or an address (one is NULL) means in the caller's network. */
static struct member *find_peer(
	const struct request *request, const char *name, const char *address)
{
	const struct directory *directory = &request->hub->directory;
	struct prefix prefix;

	if (name != NULL)
		return directory_member_by_name(directory, request->realm, name);
	if (prefix_from_text(&prefix, address) != 0 || prefix.cidr != address_bits(prefix.family))
		return NULL;
	return directory_member_by_address(directory, request->realm, &prefix);
}

/* Whether the caller may know that it exists. */
static bool is_visible(const struct request *request, const struct member *peer)
{
	return peer != NULL && peer->node.state == NODE_ACTIVE &&
	       (peer == request->caller.member || members_may_meet(request->caller.member, peer));
}

static void answer_unknown(struct response *response)
{
	answer_error(response, 404, "there is no such node, or the policy keeps it from you");
}

/* Whether exactly one of both was given; otherwise that is answered. */
static bool is_one(struct response *response, const char *name, const char *address)
{
	if ((name == NULL) != (address == NULL))
		return true;
	answer_error(response, 400, "say either name or address");
	return false;
}

void serve_connect(struct request *request, struct response *response)
{
	struct member *member = request->caller.member, *peer;
	const char *name = NULL, *address = NULL;
	int r;

	if (!field_text(request, response, "name", &name) ||
		!field_text(request, response, "address", &address) ||
		!is_one(response, name, address) || !may_write(request, response))
		return;
	peer = find_peer(request, name, address);
	if (peer == member) {
		answer_error(response, 409, "that is this node itself");
		return;
	}
	if (!is_visible(request, peer)) {
		answer_unknown(response);
		return;
	}
	r = changes_connect(request->hub, member, peer);
	if (r != 0) {
		answer_store_error(request, response, r);
		return;
	}
	answer(response, 200, json_pack("{s:o}", "peer", view_peer(member, peer)));
	response->awaited = peer;
}

/* Read the id of a node in the body. Returns false with the answer 400. */
static bool read_id(const struct request *request, struct response *response, int64_t *ret_id)
{
	*ret_id = -1;
	if (!field_number(request, response, "id", ret_id))
		return false;
	if (*ret_id < 0)
		answer_error(response, 400, "\"id\" is missing");
	return *ret_id >= 0;
}

void serve_ready(struct request *request, struct response *response)
{
	int64_t id;

	if (!read_id(request, response, &id))
		return;
	rendezvous_ready(&request->hub->rendezvous, id, request->caller.member->node.id);
	answer(response, 204, NULL);
}

void serve_forget(struct request *request, struct response *response)
{
	struct member *peer;
	int64_t id;
	int r = 0;

	if (!read_id(request, response, &id) || !may_write(request, response))
		return;
	peer = directory_member(&request->hub->directory, id);
	if (peer != NULL && peer->realm == request->realm && peer != request->caller.member)
		r = changes_forget(request->hub, request->caller.member, peer);
	if (r != 0 && r != -ENOENT)
		answer_store_error(request, response, r);
	else
		answer(response, 204, NULL);
}

/* Whether the hub is meant. */
static bool is_hub(const struct request *request, const char *name, const char *address)
{
	struct prefix prefix;

	if (name != NULL)
		return strcmp(name, hub_name) == 0;
	return prefix_from_text(&prefix, address) == 0 &&
	       network_host_of(&request->realm->network, &prefix) == HUB_HOST;
}

void serve_names(struct request *request, struct response *response)
{
	const char *name = request_argument(request, "name");
	const char *address = request_argument(request, "address");
	const struct network *network = &request->realm->network;
	const struct member *peer;

	if (!is_one(response, name, address))
		return;
	if (is_hub(request, name, address)) {
		answer(response, 200, view_name(network, 0, hub_name, HUB_HOST));
		return;
	}
	peer = find_peer(request, name, address);
	if (is_visible(request, peer))
		answer(response, 200,
			view_name(network, peer->node.id, peer->node.name, peer->node.host));
	else
		answer_unknown(response);
}

/* Whether it is reached through the very tunnel that is to reach it. */
static bool is_inside(const struct network *network, const struct endpoint *endpoint)
{
	struct prefix address = {
		.family = endpoint->family, .cidr = (uint8_t)address_bits(endpoint->family)};

	memcpy(address.addr, endpoint->addr, sizeof(address.addr));
	return prefix_contains(&network->prefix4, &address) ||
	       prefix_contains(&network->prefix6, &address);
}

/* Read the list of endpoints. Returns false with the answer 400. */
static bool read_endpoints(const struct request *request, struct response *response,
	struct endpoint ret_endpoints[NODE_ENDPOINTS_MAX])
{
	const json_t *list = json_object_get(request->json, "endpoints");

	if (!json_is_array(list) || json_array_size(list) > NODE_ENDPOINTS_MAX) {
		answer_error(response, 400, "\"endpoints\" is not a list of at most %d",
			NODE_ENDPOINTS_MAX);
		return false;
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		/* A scope is a number of one machine, and a name of one of ours. */
		if (text == NULL || strchr(text, '%') != NULL ||
			endpoint_from_text(&ret_endpoints[i], text) != 0 ||
			!endpoint_is_reachable(&ret_endpoints[i]) ||
			is_inside(&request->realm->network, &ret_endpoints[i])) {
			answer_error(response, 400,
				"\"%.60s\" is no endpoint, like 192.0.2.1:51820 or "
				"[2001:db8::1]:51820",
				text != NULL ? text : "");
			return false;
		}
	}
	return true;
}

static bool same_endpoints(const struct endpoint *a, const struct endpoint *b)
{
	for (size_t i = 0; i < NODE_ENDPOINTS_MAX; i++) {
		if (!endpoint_same_remote(&a[i], &b[i]))
			return false;
	}
	return true;
}

void serve_endpoints(struct request *request, struct response *response)
{
	struct member *member = request->caller.member;
	struct endpoint endpoints[NODE_ENDPOINTS_MAX] = {0};
	uint64_t seq = 0;
	int r;

	if (!read_endpoints(request, response, endpoints))
		return;
	if (same_endpoints(endpoints, member->node.endpoints)) {
		answer(response, 204, NULL);
		return;
	}
	if (!may_write(request, response))
		return;
	r = store_set_endpoints(request->hub->store, member->node.id, endpoints, &seq);
	if (r != 0) {
		answer_store_error(request, response, r);
		return;
	}
	memcpy(member->node.endpoints, endpoints, sizeof(endpoints));
	changes_endpoints(request->hub, member, seq);
	answer(response, 204, NULL);
}

void serve_leave(struct request *request, struct response *response)
{
	int r = changes_remove_node(request->hub, request->actor, request->caller.member);

	if (r != 0)
		answer_store_error(request, response, r);
	else
		answer(response, 204, NULL);
}
