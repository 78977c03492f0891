/* SPDX-License-Identifier: MIT
 *
 * The admin API: networks.
 */
#include <errno.h>

#include "base/log.h"
#include "overlay/hub/changes.h"
#include "overlay/hub/router.h"
#include "overlay/hub/views.h"
#include "overlay/wire/json.h"

void serve_networks(struct request *request, struct response *response)
{
	const struct directory *directory = &request->hub->directory;
	json_t *list = json_array();
	char name[33];

	for (size_t i = 0; i < directory->num_realms; i++) {
		const struct realm *realm = directory->realms[i];

		if (caller_role(request->hub, request->caller.uid, realm->network.id, name) != 0)
			json_put_last(&list, view_network(realm));
	}
	answer(response, 200, json_pack("{s:o}", "networks", list));
}

void serve_network(struct request *request, struct response *response)
{
	answer(response, 200, view_network(request->realm));
}

/* Read "default", "approve" and "node_ttl". Returns false with the answer 400. */
static bool read_settings(
	const struct request *request, struct response *response, struct network *network)
{
	const char *text = network->allows_by_default ? "allow" : "deny";

	if (!field_text(request, response, "default", &text) ||
		!field_flag(request, response, "approve", &network->approves) ||
		!field_number(request, response, "node_ttl", &network->node_ttl_s))
		return false;
	if (strcmp(text, "allow") != 0 && strcmp(text, "deny") != 0) {
		answer_error(response, 400, "\"default\" is neither \"allow\" nor \"deny\"");
		return false;
	}
	network->allows_by_default = strcmp(text, "allow") == 0;
	return true;
}

/* Read a prefix, if there is one. Returns false with the answer 400. */
static bool read_prefix(const struct request *request, struct response *response, const char *key,
	uint16_t family, struct prefix *ret_prefix)
{
	const char *text = NULL;
	struct prefix prefix;

	if (!field_text(request, response, key, &text))
		return false;
	if (text == NULL)
		return true;
	if (prefix_from_text(&prefix, text) != 0 || prefix.family != family ||
		prefix.cidr > address_bits(family) - 2) {
		answer_error(response, 400, "\"%.60s\" is no %s prefix, like %s", text,
			family == AF_INET ? "IPv4" : "IPv6",
			family == AF_INET ? "100.64.0.0/16" : "fd12:3456:789a:1::/64");
		return false;
	}
	*ret_prefix = prefix;
	return true;
}

void serve_add_network(struct request *request, struct response *response)
{
	struct hub *hub = request->hub;
	struct network network = {.allows_by_default = true};
	const char *name = NULL;
	struct realm *realm;
	int r;

	if (!field_text(request, response, "name", &name) ||
		!read_prefix(request, response, "prefix4", AF_INET, &network.prefix4) ||
		!read_prefix(request, response, "prefix6", AF_INET6, &network.prefix6) ||
		!read_settings(request, response, &network))
		return;
	if (name == NULL || !network_name_is_valid(name)) {
		answer_error(response, 400,
			"a network's name is 1 to %d of a-z, 0-9 and inner hyphens, a letter first",
			NETWORK_NAME_MAX);
		return;
	}
	memcpy(network.name, name, strlen(name));
	r = store_add_network(hub->store, request->actor, &network);
	if (r != 0) {
		answer_store_error(request, response, r);
		return;
	}
	hub->work.changes++;
	realm = directory_add_realm(&hub->directory, &network, NULL);
	if (realm == NULL)
		hub_start_anew("a new network cannot be kept", "out of memory");
	(void)hub_add_addresses(hub, &network);
	answer(response, 201, view_network(realm));
}

void serve_set_network(struct request *request, struct response *response)
{
	struct network network = request->realm->network;
	bool allows = network.allows_by_default;
	int r;

	if (!read_settings(request, response, &network))
		return;
	if (network.allows_by_default != allows &&
		!policy_passes(
			request, response, request->realm->policy, network.allows_by_default))
		return;
	r = store_set_network(request->hub->store, request->actor, &network);
	if (r != 0) {
		answer_store_error(request, response, r);
		return;
	}
	request->realm->network.approves = network.approves;
	request->realm->network.node_ttl_s = network.node_ttl_s;
	if (network.allows_by_default != allows)
		changes_policy(request->hub, request->realm, NULL, network.allows_by_default);
	answer(response, 200, view_network(request->realm));
}

void serve_remove_network(struct request *request, struct response *response)
{
	struct network network = request->realm->network;
	const char *with_nodes = request_argument(request, "nodes");
	int r = store_remove_network(request->hub->store, request->actor, network.id,
		with_nodes != NULL && strcmp(with_nodes, "1") == 0);

	if (r != 0) {
		answer_store_error(request, response, r);
		return;
	}
	changes_remove_network(request->hub, request->realm);
	request->realm = NULL;
	r = hub_remove_addresses(request->hub, &network);
	if (r != 0)
		log_error("network %s: cannot remove the hub's addresses: %s", network.name,
			strerror(-r));
	answer(response, 204, NULL);
}
