/* SPDX-License-Identifier: MIT
 *
 * The hub's JSON, read and checked.
 */
#include "overlay/agent/news.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/encoding.h"
#include "config/number.h"
#include "overlay/wire/json.h"

static const struct {
	const char *word;
	uint8_t protocol;
} protocols[] = {
	{"any", POLICY_ANY}, {"icmp", POLICY_ICMP}, {"tcp", POLICY_TCP}, {"udp", POLICY_UDP}};

static const char *const states[] = {
	[NEWS_PENDING] = "pending",
	[NEWS_ACTIVE] = "active",
	[NEWS_EXPIRED] = "expired",
	[NEWS_REVOKED] = "revoked",
	[NEWS_REMOVED] = "removed",
};

enum news_state news_state_from_text(const char *text)
{
	for (size_t i = NEWS_PENDING; text && i < ARRAY_SIZE(states); i++) {
		if (strcmp(states[i], text) == 0)
			return (enum news_state)i;
	}
	return NEWS_UNKNOWN;
}

static int get_id(const json_t *json, int64_t *ret_id)
{
	const json_t *id = json_object_get(json, "id");

	if (!json_is_integer(id) || json_integer_value(id) <= 0)
		return -EBADMSG;
	*ret_id = json_integer_value(id);
	return 0;
}

static int get_name(const json_t *json, char ret_name[NODE_NAME_MAX + 1])
{
	const char *name = json_string_value(json_object_get(json, "name"));

	if (!name || !node_name_is_valid(name))
		return -EBADMSG;
	snprintf(ret_name, NODE_NAME_MAX + 1, "%s", name);
	return 0;
}

int news_addresses_from_json(
	struct prefix *ret_addresses, unsigned max, const json_t *json, bool with_cidr)
{
	unsigned num = 0;
	size_t i;
	const json_t *item;

	if (!json_is_array(json))
		return -EBADMSG;
	json_array_foreach(json, i, item)
	{
		const char *text = json_string_value(item);

		if (!text || num == max || !strchr(text, '/') == with_cidr ||
			prefix_from_text(&ret_addresses[num], text) < 0)
			return -EBADMSG;
		num++;
	}
	return (int)num;
}

void news_address_to_text(char ret_text[PREFIX_TEXT_LEN], const struct prefix *address)
{
	prefix_to_text(ret_text, address);
	*strchrnul(ret_text, '/') = '\0';
}

json_t *news_addresses_to_json(const struct prefix *addresses, unsigned num, bool with_cidr)
{
	json_t *json = json_array();

	for (unsigned i = 0; i < num; i++) {
		char text[PREFIX_TEXT_LEN];

		if (with_cidr)
			prefix_to_text(text, &addresses[i]);
		else
			news_address_to_text(text, &addresses[i]);
		json_put_last(&json, json_string(text));
	}
	return json;
}

/* Endpoints beyond our maximum, and of a form we do not know, are left out: there are others. */
static void get_endpoints(struct news_peer *peer, const json_t *json)
{
	size_t i;
	const json_t *item;

	json_array_foreach(json, i, item)
	{
		const char *text = json_string_value(item);

		if (peer->num_endpoints < NEWS_ENDPOINTS_MAX && text &&
			endpoint_from_text(&peer->endpoints[peer->num_endpoints], text) == 0 &&
			peer->endpoints[peer->num_endpoints].port != 0)
			peer->num_endpoints++;
	}
}

/* "N" or "N-M". */
static int get_ports(struct policy_allowance *allowance, const char *text)
{
	const char *hyphen = strchrnul(text, '-');
	uint64_t first, last;

	if (!number_from_text(text, (size_t)(hyphen - text), UINT16_MAX, &first))
		return -EBADMSG;
	last = first;
	if (*hyphen && !number_from_text(hyphen + 1, strlen(hyphen + 1), UINT16_MAX, &last))
		return -EBADMSG;
	if (first > last)
		return -EBADMSG;
	allowance->first = (uint16_t)first;
	allowance->last = (uint16_t)last;
	return 0;
}

static int get_allowance(struct policy_allowance *ret_allowance, const json_t *json)
{
	const char *protocol = json_string_value(json_object_get(json, "proto"));
	const json_t *ports = json_object_get(json, "ports");
	size_t i = 0;

	while (protocol && i < ARRAY_SIZE(protocols) && strcmp(protocols[i].word, protocol) != 0)
		i++;
	if (!protocol || i == ARRAY_SIZE(protocols) || (ports && !json_is_string(ports)))
		return -EBADMSG;
	*ret_allowance =
		(struct policy_allowance){.protocol = protocols[i].protocol, .last = UINT16_MAX};
	return ports ? get_ports(ret_allowance, json_string_value(ports)) : 0;
}

static int get_accept(struct news_peer *peer, const json_t *json)
{
	size_t num = json_array_size(json);

	if (!json_is_array(json) || num > POLICY_ALLOWANCES_MAX)
		return -EBADMSG;
	peer->accept = num > 0 ? calloc(num, sizeof(*peer->accept)) : NULL;
	if (num > 0 && !peer->accept)
		return -ENOMEM;
	for (size_t i = 0; i < num; i++) {
		int r = get_allowance(&peer->accept[i], json_array_get(json, i));

		if (r < 0)
			return r;
	}
	peer->num_accept = (unsigned)num;
	return 0;
}

static int read_peer(struct news_peer *peer, const json_t *json)
{
	const char *key = json_string_value(json_object_get(json, "public_key"));
	int r = get_id(json, &peer->id);

	if (r == 0)
		r = get_name(json, peer->name);
	if (r < 0 || !key || key_from_base64(peer->public_key, key, strlen(key)) < 0)
		return -EBADMSG;
	r = news_addresses_from_json(
		peer->addresses, NEWS_ADDRESSES_MAX, json_object_get(json, "addresses"), false);
	if (r <= 0)
		return -EBADMSG;
	peer->num_addresses = (uint8_t)r;
	get_endpoints(peer, json_object_get(json, "endpoints"));
	return get_accept(peer, json_object_get(json, "accept"));
}

int news_peer_from_json(struct news_peer *ret_peer, const json_t *json)
{
	struct news_peer peer = {0};
	int r = read_peer(&peer, json);

	if (r < 0)
		news_peer_deinit(&peer);
	else
		*ret_peer = peer;
	return r;
}

void news_peer_deinit(struct news_peer *peer)
{
	free(peer->accept);
	*peer = (struct news_peer){0};
}

static json_t *allowance_to_json(const struct policy_allowance *allowance)
{
	json_t *json = json_object();
	char ports[16];

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (protocols[i].protocol == allowance->protocol)
			json_put(&json, "proto", json_string(protocols[i].word));
	}
	if (allowance->first != 0 || allowance->last != UINT16_MAX) {
		snprintf(ports, sizeof(ports), "%u-%u", allowance->first, allowance->last);
		json_put(&json, "ports", json_string(ports));
	}
	return json;
}

json_t *news_peer_to_json(const struct news_peer *peer)
{
	char key[KEY_BASE64_LEN + 1], text[ENDPOINT_TEXT_LEN];
	json_t *endpoints = json_array(), *accept = json_array();

	key_to_base64(key, peer->public_key);
	for (unsigned i = 0; i < peer->num_endpoints; i++) {
		endpoint_to_text(text, &peer->endpoints[i]);
		json_put_last(&endpoints, json_string(text));
	}
	for (unsigned i = 0; i < peer->num_accept; i++)
		json_put_last(&accept, allowance_to_json(&peer->accept[i]));
	return json_pack("{s:I, s:s, s:s, s:o, s:o, s:o}", "id", (json_int_t)peer->id, "name",
		peer->name, "public_key", key, "addresses",
		news_addresses_to_json(peer->addresses, peer->num_addresses, false), "endpoints",
		endpoints, "accept", accept);
}

static int read_self(struct news_self *self, const json_t *json)
{
	const json_t *network = json_object_get(json, "network");
	int r = get_id(json, &self->id);

	if (r == 0)
		r = get_name(json, self->name);
	if (r < 0)
		return r;
	self->state = news_state_from_text(json_string_value(json_object_get(json, "state")));
	if (self->state == NEWS_UNKNOWN)
		return -EBADMSG;
	self->expires_s = json_integer_value(json_object_get(json, "expires"));
	r = news_addresses_from_json(
		self->addresses, NEWS_ADDRESSES_MAX, json_object_get(json, "addresses"), false);
	if (r < 0)
		return r;
	self->num_addresses = (uint8_t)r;
	r = news_addresses_from_json(
		self->prefixes, NEWS_ADDRESSES_MAX, json_object_get(network, "prefixes"), true);
	if (r < 0)
		return r;
	self->num_prefixes = (uint8_t)r;
	return 0;
}

static int read_line(struct news_line *line, const json_t *json)
{
	const char *event = json_string_value(json_object_get(json, "event"));
	const char *reason = json_string_value(json_object_get(json, "reason"));
	const json_t *seq = json_object_get(json, "seq");

	if (!event)
		return -EBADMSG;
	line->event = strcmp(event, "hello") == 0  ? NEWS_HELLO
		      : strcmp(event, "peer") == 0 ? NEWS_PEER
		      : strcmp(event, "gone") == 0 ? NEWS_GONE
		      : strcmp(event, "self") == 0 ? NEWS_SELF
						   : NEWS_OTHER;
	if (json_is_integer(seq) && json_integer_value(seq) >= 0)
		line->seq = (uint64_t)json_integer_value(seq);
	else if (line->event != NEWS_OTHER)
		return -EBADMSG;
	if (line->event == NEWS_OTHER)
		return 0;
	snprintf(line->reason, sizeof(line->reason), "%s", reason ? reason : "");
	line->is_awaited = json_is_true(json_object_get(json, "awaited"));
	if (line->event == NEWS_PEER)
		return news_peer_from_json(&line->peer, json_object_get(json, "peer"));
	if (line->event == NEWS_GONE)
		return get_id(json, &line->id);
	return read_self(&line->self, json_object_get(json, "self"));
}

int news_line_parse(struct news_line *ret_line, const char *text, size_t len)
{
	struct news_line line = {0};
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	int r = json ? read_line(&line, json) : -EBADMSG;

	json_decref(json);
	if (r == 0)
		*ret_line = line;
	else
		news_line_deinit(&line);
	return r;
}

void news_line_deinit(struct news_line *line)
{
	news_peer_deinit(&line->peer);
}
