/* SPDX-License-Identifier: MIT
 *
 * What is kept of a member on disk, and what people are told about it.
 *
 * Ages are kept, not only dates: a clock that is wrong by a year makes them no worse than the time
 * the machine was off.
 */
#include "overlay/agent/member_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/encoding.h"
#include "overlay/wire/json.h"

enum { STATE_VERSION = 1 };
#define AGE_MAX_S (10LL * 365 * 86400)

static const char *const state_words[] = {
	[MEMBER_ENROLLING] = "enrolling",
	[MEMBER_PENDING] = "pending",
	[MEMBER_EXPIRED] = "expired",
	[MEMBER_CUT_OFF] = "cut-off",
	[MEMBER_ACTIVE] = "active",
	[MEMBER_LEAVING] = "leaving",
};

static int64_t age_s(int64_t heard_ns, uint64_t now_ns)
{
	int64_t ns = (int64_t)now_ns - heard_ns;

	return ns < 0 ? 0 : ns / (int64_t)SECOND_NS;
}

/* --- saving ----------------------------------------------------------- */

static json_t *key_to_json(const uint8_t key[KEY_LEN])
{
	char text[KEY_BASE64_LEN + 1];
	json_t *json;

	key_to_base64(text, key);
	json = json_string(text);
	wipe(text, sizeof(text));
	return json;
}

static json_t *endpoint_to_json(const struct endpoint *endpoint)
{
	char text[ENDPOINT_TEXT_LEN];

	endpoint_to_text(text, endpoint);
	return json_string(text);
}

json_t *member_settings_save(const struct member_settings *s)
{
	json_t *json = json_object();

	json_put(&json, "version", json_integer(STATE_VERSION));
	json_put(&json, "network", json_string(s->link.network));
	json_put(&json, "door_key", key_to_json(s->link.hub_key));
	json_put(&json, "host", json_string(s->link.host));
	json_put(&json, "port", json_integer(s->link.port));
	if (!bytes_are_zero(s->link.join_key, KEY_LEN) && !s->is_configured)
		json_put(&json, "join_key", key_to_json(s->link.join_key));
	json_put(&json, "hostname", json_string(s->name));
	json_put(&json, "interface", json_string(s->ifname));
	if (s->endpoint.family != 0)
		json_put(&json, "endpoint", endpoint_to_json(&s->endpoint));
	json_put(&json, "keepalive", json_integer(s->keepalive_s));
	return json;
}

static json_t *save_node(const struct node_info *node)
{
	return json_pack("{s:I, s:s, s:o, s:o, s:i, s:o, s:o}", "id", (json_int_t)node->id, "name",
		node->name, "hub_key", key_to_json(node->hub_key), "hub",
		endpoint_to_json(&node->hub), "api_port", (int)node->api_port, "addresses",
		news_addresses_to_json(node->addresses, 2, true), "hub_addresses",
		news_addresses_to_json(node->hub_addresses, 2, true));
}

static json_t *save_peer(const struct member_peer *peer, uint64_t now_ns)
{
	json_t *json = news_peer_to_json(&peer->news);

	if (peer->endpoint.family != 0)
		json_put(&json, "endpoint", endpoint_to_json(&peer->endpoint));
	json_put(&json, "age", json_integer(age_s(peer->heard_ns, now_ns)));
	return json;
}

json_t *member_save(const struct member *m, uint64_t now_ns)
{
	json_t *json = json_object(), *peers = json_array();

	if (!json || !peers) {
		json_decref(json);
		json_decref(peers);
		return NULL;
	}
	json_put(&json, "version", json_integer(STATE_VERSION));
	json_put(&json, "saved", json_integer(m->ops->wall_s(m->ctx)));
	json_put(&json, "door_key", key_to_json(m->settings.link.hub_key));
	json_put(&json, "state", json_string(state_words[m->state]));
	if (m->node.id != 0)
		json_put(&json, "node", save_node(&m->node));
	json_put(&json, "listen_port", json_integer(m->listen_port));
	json_put(&json, "seq", json_integer((json_int_t)m->seq));
	if (m->heard_ns != INT64_MIN)
		json_put(&json, "age", json_integer(age_s(m->heard_ns, now_ns)));
	for (unsigned i = 0; i < m->num_peers; i++)
		json_put_last(&peers, save_peer(&m->peers[i], now_ns));
	json_put(&json, "peers", peers);
	return json;
}

/* --- loading ---------------------------------------------------------- */

static bool get_text(const json_t *json, const char *name, char *ret_text, size_t size)
{
	const char *text = json_string_value(json_object_get(json, name));

	if (!text || strlen(text) >= size)
		return false;
	memcpy(ret_text, text, strlen(text) + 1);
	return true;
}

static bool get_key(const json_t *json, const char *name, uint8_t ret_key[KEY_LEN])
{
	const char *text = json_string_value(json_object_get(json, name));

	return text && key_from_base64(ret_key, text, strlen(text)) == 0;
}

static bool get_endpoint(const json_t *json, const char *name, struct endpoint *ret_endpoint)
{
	const char *text = json_string_value(json_object_get(json, name));

	return text && endpoint_from_text(ret_endpoint, text) == 0;
}

static bool get_number(const json_t *json, const char *name, int64_t max, int64_t *ret_number)
{
	const json_t *number = json_object_get(json, name);

	if (!json_is_integer(number) || json_integer_value(number) < 0 ||
		json_integer_value(number) > max)
		return false;
	*ret_number = json_integer_value(number);
	return true;
}

int member_settings_load(struct member_settings *ret_settings, const json_t *json)
{
	struct member_settings s = {0};
	int64_t version, port, keepalive;

	if (!get_number(json, "version", STATE_VERSION, &version) ||
		!get_text(json, "network", s.link.network, sizeof(s.link.network)) ||
		!network_name_is_valid(s.link.network) ||
		!get_key(json, "door_key", s.link.hub_key) ||
		!get_text(json, "host", s.link.host, sizeof(s.link.host)) ||
		!get_number(json, "port", UINT16_MAX, &port) ||
		!get_text(json, "hostname", s.name, sizeof(s.name)) ||
		!get_text(json, "interface", s.ifname, sizeof(s.ifname)) ||
		!get_number(json, "keepalive", UINT16_MAX, &keepalive))
		return -EBADMSG;
	(void)get_key(json, "join_key", s.link.join_key);
	(void)get_endpoint(json, "endpoint", &s.endpoint);
	s.link.port = (uint16_t)port;
	s.keepalive_s = (uint16_t)keepalive;
	*ret_settings = s;
	wipe(&s, sizeof(s));
	return 0;
}

static bool load_node(struct node_info *ret_node, const json_t *json)
{
	struct node_info node = {0};
	int64_t port;

	if (!get_number(json, "id", INT64_MAX, &node.id) || node.id == 0 ||
		!get_text(json, "name", node.name, sizeof(node.name)) ||
		!get_key(json, "hub_key", node.hub_key) || !get_endpoint(json, "hub", &node.hub) ||
		!get_number(json, "api_port", UINT16_MAX, &port) ||
		news_addresses_from_json(
			node.addresses, 2, json_object_get(json, "addresses"), true) != 2 ||
		news_addresses_from_json(
			node.hub_addresses, 2, json_object_get(json, "hub_addresses"), true) != 2)
		return false;
	node.api_port = (uint16_t)port;
	*ret_node = node;
	return true;
}

static bool load_peer(struct member *m, const json_t *json, uint64_t now_ns, int64_t off_s)
{
	struct member_peer *peer = member_append_peer(m);
	int64_t age = 0;

	if (!peer || news_peer_from_json(&peer->news, json) < 0)
		return false;
	(void)get_endpoint(json, "endpoint", &peer->endpoint);
	(void)get_number(json, "age", AGE_MAX_S, &age);
	peer->heard_ns = (int64_t)now_ns - (age + off_s) * (int64_t)SECOND_NS;
	return true;
}

/* How long ago this was saved, as far as the clock can be believed. */
static int64_t off_time_s(const struct member *m, const json_t *json)
{
	int64_t saved = 0, off;

	(void)get_number(json, "saved", INT64_MAX, &saved);
	off = m->ops->wall_s(m->ctx) - saved;
	return off < 0 ? 0 : off < AGE_MAX_S ? off : AGE_MAX_S;
}

static int load(struct member *m, const json_t *json, uint64_t now_ns)
{
	const char *state = json_string_value(json_object_get(json, "state"));
	const json_t *node = json_object_get(json, "node"), *item;
	int64_t off_s = off_time_s(m, json), number;
	size_t i;

	if (!get_number(json, "version", STATE_VERSION, &number) || !state ||
		(node && !load_node(&m->node, node)))
		return -EBADMSG;
	if (get_number(json, "listen_port", UINT16_MAX, &number))
		m->listen_port = (uint16_t)number;
	if (get_number(json, "age", AGE_MAX_S, &number))
		m->heard_ns = (int64_t)now_ns - (number + off_s) * (int64_t)SECOND_NS;
	if (strcmp(state, state_words[MEMBER_CUT_OFF]) == 0) {
		m->state = MEMBER_CUT_OFF;
		m->cut_off_by = NEWS_REMOVED;
	}
	if (strcmp(state, state_words[MEMBER_ACTIVE]) != 0 || m->node.id == 0)
		return 0;
	m->state = MEMBER_ACTIVE;
	m->is_known = true;
	if (get_number(json, "seq", INT64_MAX, &number))
		m->seq = (uint64_t)number;
	json_array_foreach(json_object_get(json, "peers"), i, item)
	{
		if (!load_peer(m, item, now_ns, off_s))
			return -EBADMSG;
	}
	return 0;
}

int member_load(struct member *m, const json_t *json, uint64_t now_ns)
{
	uint8_t door_key[KEY_LEN];
	int r;

	if (!get_key(json, "door_key", door_key))
		return -EBADMSG;
	if (memcmp(door_key, m->settings.link.hub_key, KEY_LEN) != 0)
		return 0; /* of another hub: worth nothing */
	r = load(m, json, now_ns);
	if (r < 0) { /* none of it is believed */
		member_forget_peers(m);
		m->node = (struct node_info){0};
		m->seq = 0;
		m->state = MEMBER_ENROLLING;
		m->heard_ns = INT64_MIN;
	}
	return r;
}

/* --- for people ------------------------------------------------------- */

static void write_duration(struct text *text, int64_t s)
{
	if (s < 120)
		text_printf(text, "%lld s", (long long)s);
	else if (s < 7200)
		text_printf(text, "%lld min", (long long)(s / 60));
	else if (s < 2 * 86400)
		text_printf(text, "%lld h", (long long)(s / 3600));
	else
		text_printf(text, "%lld days", (long long)(s / 86400));
}

static void write_three_things(const struct member *m, struct text *text)
{
	const struct join_link *link = &m->settings.link;

	text_printf(text,
		"%s: no answer from %s yet; a hub is silent when something is wrong. Check that\n"
		"  1. %s is the hub and UDP port %u of it can be reached from here;\n"
		"  2. the link is complete, and its join key neither expired, used up nor "
		"revoked;\n"
		"  3. the link is from this very hub (its key is in it: a hub made anew has "
		"another).\n"
		"It is tried on in the background.\n",
		link->network, link->host, link->host, link->port);
}

void member_describe(const struct member *m, struct text *text)
{
	const char *network = m->settings.link.network;
	char print[FINGERPRINT_TEXT_LEN], address[2][PREFIX_TEXT_LEN];

	switch (m->state) {
	case MEMBER_ENROLLING:
		if (m->enrol_tries <= 3)
			text_printf(text, "%s: asking %s\n", network, m->settings.link.host);
		else
			write_three_things(m, text);
		break;
	case MEMBER_PENDING:
		fingerprint(print, m->public_key);
		text_printf(text, "%s: waiting for approval; the fingerprint of this node is %s\n",
			network, print);
		break;
	case MEMBER_EXPIRED:
		fingerprint(print, m->public_key);
		text_printf(text,
			"%s: expired, waiting for renewal; the fingerprint of this node is %s\n",
			network, print);
		break;
	case MEMBER_CUT_OFF:
		text_printf(text, "%s: cut off: the hub has %s this node\n", network,
			m->cut_off_by == NEWS_REVOKED ? "revoked" : "removed");
		break;
	case MEMBER_LEAVING:
		text_printf(text, "%s: leaving\n", network);
		break;
	case MEMBER_ACTIVE:
		if (!m->is_up) {
			text_printf(text, "%s: joined as %s, but interface %s is not up: %s\n",
				network, m->node.name, m->settings.ifname,
				m->up_error == -EBUSY
					? "the name is another interface's (choose one: "
					  "--interface)"
					: strerror(-m->up_error));
			break;
		}
		news_address_to_text(address[0], &m->node.addresses[0]);
		news_address_to_text(address[1], &m->node.addresses[1]);
		text_printf(text, "%s: joined as %s, %s %s, interface %s\n", network, m->node.name,
			address[0], address[1], m->settings.ifname);
		if (strcmp(m->node.name, m->settings.name) != 0)
			text_printf(text, "  the name %s is not ours: taken, or given by the hub\n",
				m->settings.name);
		break;
	}
}

static const char *stream_word(const struct member *m)
{
	return m->stream == STREAM_UP	   ? "connected"
	       : m->state == MEMBER_ACTIVE ? "unreachable"
					   : "none";
}

static int64_t handshake_age_s(const struct member *m, const struct member_peer *peer)
{
	int64_t age = m->ops->wall_s(m->ctx) - peer->handshake_s;

	return age < 0 ? 0 : age; /* the clock was set back */
}

static void write_peer(
	const struct member *m, const struct member_peer *peer, uint64_t now_ns, struct text *text)
{
	char address[PREFIX_TEXT_LEN], endpoint[ENDPOINT_TEXT_LEN];

	news_address_to_text(address, &peer->news.addresses[0]);
	text_printf(text, "  peer %s: %s", peer->news.name, address);
	if (peer->endpoint.family != 0) {
		endpoint_to_text(endpoint, &peer->endpoint);
		text_printf(text, ", direct %s", endpoint);
	}
	if (peer->handshake_s != 0) {
		text_printf(text, ", handshake ");
		write_duration(text, handshake_age_s(m, peer));
		text_printf(text, " ago");
	} else {
		text_printf(text, ", no handshake yet");
	}
	text_printf(text, ", told ");
	write_duration(text, age_s(peer->heard_ns, now_ns));
	text_printf(text, " ago\n");
}

static void write_hub(const struct member *m, uint64_t now_ns, struct text *text)
{
	char endpoint[ENDPOINT_TEXT_LEN];

	endpoint_to_text(endpoint, &m->node.hub);
	text_printf(text, "  hub: %s %s", endpoint, stream_word(m));
	if (m->stream != STREAM_UP && *m->stream_error)
		text_printf(text, " (%s)", m->stream_error);
	if (m->heard_ns != INT64_MIN) {
		text_printf(text, ", last heard ");
		write_duration(text, age_s(m->heard_ns, now_ns));
		text_printf(text, " ago");
	}
	text_printf(text, "\n");
}

void member_write_status(struct member *m, uint64_t now_ns, struct text *text)
{
	member_look(m, now_ns);
	member_describe(m, text);
	if (m->node.id != 0)
		write_hub(m, now_ns, text);
	if (m->filter_error < 0)
		text_printf(text, "  the packet filter fails: %s\n", strerror(-m->filter_error));
	if (m->save_error < 0)
		text_printf(
			text, "  what is known cannot be saved: %s\n", strerror(-m->save_error));
	for (unsigned i = 0; i < m->num_peers; i++)
		write_peer(m, &m->peers[i], now_ns, text);
}

/* --- for programs ----------------------------------------------------- */

static json_t *peer_status(const struct member *m, const struct member_peer *peer, uint64_t now_ns)
{
	json_t *json = json_pack("{s:I, s:s, s:o, s:I, s:I, s:I}", "id", (json_int_t)peer->news.id,
		"name", peer->news.name, "addresses",
		news_addresses_to_json(peer->news.addresses, peer->news.num_addresses, false),
		"age", (json_int_t)age_s(peer->heard_ns, now_ns), "rx_bytes",
		(json_int_t)peer->rx_bytes, "tx_bytes", (json_int_t)peer->tx_bytes);

	json_put(&json, "public_key", key_to_json(peer->news.public_key));
	if (peer->endpoint.family != 0) {
		json_put(&json, "path", json_string("direct"));
		json_put(&json, "endpoint", endpoint_to_json(&peer->endpoint));
	}
	if (peer->handshake_s != 0)
		json_put(&json, "handshake_age", json_integer(handshake_age_s(m, peer)));
	return json;
}

static json_t *hub_status(const struct member *m, uint64_t now_ns)
{
	json_t *json = json_pack("{s:s, s:s, s:i, s:s}", "host", m->settings.link.host, "stream",
		stream_word(m), "enrol_port", (int)m->settings.link.port, "error", m->stream_error);

	if (m->node.id != 0)
		json_put(&json, "endpoint", endpoint_to_json(&m->node.hub));
	if (m->heard_ns != INT64_MIN)
		json_put(&json, "age", json_integer(age_s(m->heard_ns, now_ns)));
	if (m->node.id != 0)
		json_put(&json, "addresses",
			news_addresses_to_json(m->node.hub_addresses, 2, false));
	return json;
}

static void add_error(json_t **errors, const char *what, int error)
{
	if (error < 0)
		json_put_last(errors, json_sprintf("%s: %s", what, strerror(-error)));
}

json_t *member_status(struct member *m, uint64_t now_ns)
{
	json_t *peers = json_array(), *errors = json_array(), *json;
	char print[FINGERPRINT_TEXT_LEN];

	member_look(m, now_ns);
	for (unsigned i = 0; i < m->num_peers; i++)
		json_put_last(&peers, peer_status(m, &m->peers[i], now_ns));
	add_error(&errors, "interface", m->up_error);
	add_error(&errors, "packet filter", m->filter_error);
	add_error(&errors, "state file", m->save_error);
	fingerprint(print, m->public_key);
	json = json_pack("{s:s, s:s, s:s, s:b, s:o, s:s, s:o, s:o, s:o}", "network",
		m->settings.link.network, "state", state_words[m->state], "interface",
		m->settings.ifname, "up", m->is_up, "public_key", key_to_json(m->public_key),
		"fingerprint", print, "hub", hub_status(m, now_ns), "peers", peers, "errors",
		errors);
	if (m->node.id != 0) {
		json_put(&json, "id", json_integer(m->node.id));
		json_put(&json, "name", json_string(m->node.name));
		json_put(&json, "addresses", news_addresses_to_json(m->node.addresses, 2, false));
		json_put(&json, "listen_port", json_integer(m->listen_port));
	}
	if (m->expires_s != 0)
		json_put(&json, "expires", json_integer(m->expires_s));
	return json;
}
