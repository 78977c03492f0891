/* SPDX-License-Identifier: MIT
 *
 * Views.
 */
#include "overlay/hub/views.h"

#include <stdio.h>

#include "base/encoding.h"
#include "config/number.h"
#include "overlay/wire/json.h"

const char *node_state_name(enum node_state state)
{
	static const char *const names[] = {
		[0] = "removed",
		[NODE_PENDING] = "pending",
		[NODE_ACTIVE] = "active",
		[NODE_EXPIRED] = "expired",
		[NODE_REVOKED] = "revoked",
	};

	return names[state];
}

const char *admin_role_name(enum role_of_admin role)
{
	static const char *const names[] = {
		[0] = "none",
		[ADMIN_AUDITOR] = "auditor",
		[ADMIN_ADMIN] = "admin",
		[ADMIN_OWNER] = "owner",
	};

	return names[role];
}

/* --- parts ----------------------------------------------------------- */

json_t *view_prefix(const struct prefix *prefix)
{
	char text[PREFIX_TEXT_LEN];

	prefix_to_text(text, prefix);
	if (prefix->cidr == address_bits(prefix->family))
		*strchr(text, '/') = '\0';
	return json_string(text);
}

static json_t *view_endpoint(const struct endpoint *endpoint)
{
	char text[ENDPOINT_TEXT_LEN];

	endpoint_to_text(text, endpoint);
	return json_string(text);
}

static json_t *view_public_key(const uint8_t public_key[KEY_LEN])
{
	char text[KEY_BASE64_LEN + 1];

	key_to_base64(text, public_key);
	return json_string(text);
}

static json_t *view_addresses(const struct network *network, uint32_t host)
{
	static const uint16_t families[] = {AF_INET, AF_INET6};
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct prefix address = network_host_address(network, families[i], host);

		if (address.family != 0)
			json_put_last(&list, view_prefix(&address));
	}
	return list;
}

static json_t *view_prefixes(const struct network *network)
{
	json_t *list = json_array();

	if (network->prefix4.family != 0)
		json_put_last(&list, view_prefix(&network->prefix4));
	if (network->prefix6.family != 0)
		json_put_last(&list, view_prefix(&network->prefix6));
	return list;
}

json_t *view_tags(const char tags[NODE_TAGS_MAX][TAG_MAX + 1])
{
	json_t *list = json_array();

	for (size_t i = 0; i < NODE_TAGS_MAX; i++) {
		if (*tags[i] != '\0')
			json_put_last(&list, json_string(tags[i]));
	}
	return list;
}

/* Candidates: where the tunnel sees it first, then what it reported. */
static json_t *view_endpoints(const struct member *member)
{
	json_t *list = json_array();

	if (member->seen_at.family != 0)
		json_put_last(&list, view_endpoint(&member->seen_at));
	for (size_t i = 0; i < NODE_ENDPOINTS_MAX; i++) {
		const struct endpoint *endpoint = &member->node.endpoints[i];

		if (endpoint->family != 0 && !endpoint_same_remote(endpoint, &member->seen_at))
			json_put_last(&list, view_endpoint(endpoint));
	}
	return list;
}

json_t *view_allowances(const struct policy_allowance *allowances, unsigned num)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < num; i++) {
		const struct policy_allowance *allowance = &allowances[i];
		const char *proto = allowance->protocol == POLICY_TCP	 ? "tcp"
				    : allowance->protocol == POLICY_UDP	 ? "udp"
				    : allowance->protocol == POLICY_ICMP ? "icmp"
									 : "any";
		json_t *item = json_pack("{s:s}", "proto", proto);
		bool has_ports =
			allowance->protocol == POLICY_TCP || allowance->protocol == POLICY_UDP;
		char ports[16];

		snprintf(ports, sizeof(ports), "%u-%u", allowance->first, allowance->last);
		if (allowance->first == allowance->last)
			*strchr(ports, '-') = '\0';
		if (has_ports && (allowance->first != 0 || allowance->last != UINT16_MAX))
			json_put(&item, "ports", json_string(ports));
		json_put_last(&list, item);
	}
	return list;
}

static void put_time(json_t **object, const char *key, int64_t time_s)
{
	if (time_s != 0)
		json_put(object, key, json_integer(time_s));
}

/* --- for nodes ------------------------------------------------------- */

json_t *view_self(const struct member *member)
{
	const struct node *node = &member->node;
	const struct network *network = &member->realm->network;
	json_t *self = json_pack("{s:I, s:s, s:o, s:o, s:s, s:{s:s, s:o}, s:{s:s, s:I}}", "id",
		(json_int_t)node->id, "name", node->name, "addresses",
		view_addresses(network, node->host), "tags",
		view_tags((const char(*)[TAG_MAX + 1]) node->tags), "state",
		node_state_name(node->state), "network", "name", network->name, "prefixes",
		view_prefixes(network), "hub", "version", ADIT_VERSION, "time",
		(json_int_t)hub_now_s());

	put_time(&self, "expires", node->expires_s);
	return self;
}

json_t *view_peer(const struct member *member, const struct member *peer)
{
	const struct node *node = &peer->node;
	const struct realm *realm = peer->realm;
	const struct policy_subject from = member_subject(peer), to = member_subject(member);
	struct policy_allowance allowances[POLICY_ALLOWANCES_MAX];
	unsigned num = policy_allowances(
		realm->policy, realm->network.allows_by_default, &from, &to, allowances);

	return json_pack("{s:I, s:s, s:o, s:o, s:o, s:o, s:o}", "id", (json_int_t)node->id, "name",
		node->name, "public_key", view_public_key(node->public_key), "addresses",
		view_addresses(&realm->network, node->host), "tags",
		view_tags((const char(*)[TAG_MAX + 1]) node->tags), "endpoints",
		view_endpoints(peer), "accept", view_allowances(allowances, num));
}

json_t *view_name(const struct network *network, int64_t id, const char *name, uint32_t host)
{
	return json_pack("{s:I, s:s, s:o}", "id", (json_int_t)id, "name", name, "addresses",
		view_addresses(network, host));
}

/* --- for admins ------------------------------------------------------ */

json_t *view_node(const struct member *member)
{
	const struct node *node = &member->node;
	char print[FINGERPRINT_TEXT_LEN];
	json_t *view;

	fingerprint(print, node->public_key);
	view = json_pack("{s:I, s:s, s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:b, s:b, s:o, s:I, s:I}",
		"id", (json_int_t)node->id, "network", member->realm->network.name, "name",
		node->name, "hostname", node->hostname, "state", node_state_name(node->state),
		"addresses", view_addresses(&member->realm->network, node->host), "fingerprint",
		print, "public_key", view_public_key(node->public_key), "tags",
		view_tags((const char(*)[TAG_MAX + 1]) node->tags), "online",
		member->stream != NULL, "ephemeral", node->ephemeral, "endpoints",
		view_endpoints(member), "created", (json_int_t)node->created_s, "seq",
		(json_int_t)node->seq);
	if (*node->version != '\0')
		json_put(&view, "version", json_string(node->version));
	put_time(&view, "expires", node->expires_s);
	put_time(&view, "seen", node->seen_s);
	if (node->join_key_id != 0)
		json_put(&view, "join_key", json_integer(node->join_key_id));
	return view;
}

json_t *view_network(const struct realm *realm)
{
	const struct network *network = &realm->network;

	return json_pack("{s:s, s:o, s:o, s:s, s:b, s:I, s:I, s:I, s:I}", "name", network->name,
		"prefixes", view_prefixes(network), "hub_addresses", view_addresses(network, 1),
		"default", network->allows_by_default ? "allow" : "deny", "approve",
		network->approves, "node_ttl", (json_int_t)network->node_ttl_s, "nodes",
		(json_int_t)realm->num_nodes, "seq", (json_int_t)network->seq, "created",
		(json_int_t)network->created_s);
}

json_t *view_join_key(const struct join_key_info *info)
{
	json_t *view = json_pack("{s:I, s:o, s:I, s:I, s:b, s:b, s:b, s:I, s:s}", "id",
		(json_int_t)info->id, "tags", view_tags(info->tags), "uses", (json_int_t)info->uses,
		"max_uses", (json_int_t)info->max_uses, "approved", info->approves, "ephemeral",
		info->ephemeral, "revoked", info->revoked, "created", (json_int_t)info->created_s,
		"created_by", info->created_by);

	put_time(&view, "expires", info->expires_s);
	return view;
}

json_t *view_admin(const struct admin *admin)
{
	const char *colon = strchr(admin->name, ':');
	uint64_t uid = 0;
	bool has_uid =
		colon != NULL && number_from_text(colon + 1, strlen(colon + 1), UINT32_MAX, &uid);

	return json_pack("{s:s%, s:I, s:s}", "name", admin->name,
		colon != NULL ? (size_t)(colon - admin->name) : strlen(admin->name), "uid",
		has_uid ? (json_int_t)uid : -1, "role", admin_role_name(admin->role));
}
