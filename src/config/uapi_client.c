/* SPDX-License-Identifier: MIT
 *
 * The client's side of UAPI: requests out, replies in.
 */
#include "config/uapi.h"

#include <errno.h>
#include <inttypes.h>

#include "config/number.h"
#include "config/uapi_line.h"

enum { ERRNO_MAX = 4095 }; /* as in Linux */

static void write_peer(struct text *text, const struct config_peer *peer)
{
	char prefix[PREFIX_TEXT_LEN], endpoint[ENDPOINT_TEXT_LEN];

	uapi_write_key(text, "public_key", peer->public_key);
	if (peer->flags & CONFIG_PEER_UPDATE_ONLY)
		text_printf(text, "update_only=true\n");
	if (peer->flags & CONFIG_PEER_REMOVE) {
		text_printf(text, "remove=true\n");
		return;
	}
	if (peer->flags & CONFIG_PEER_HAS_PRESHARED_KEY)
		uapi_write_key(text, "preshared_key", peer->preshared_key);
	if (peer->endpoint.family != 0) {
		endpoint_to_text(endpoint, &peer->endpoint);
		text_printf(text, "endpoint=%s\n", endpoint);
	}
	if (peer->flags & CONFIG_PEER_HAS_KEEPALIVE)
		text_printf(text, "persistent_keepalive_interval=%u\n", peer->keepalive_s);
	if (peer->flags & CONFIG_PEER_REPLACE_ALLOWED_IPS)
		text_printf(text, "replace_allowed_ips=true\n");
	for (size_t i = 0; i < peer->num_allowed_ips; i++) {
		prefix_to_text(prefix, &peer->allowed_ips[i].prefix);
		text_printf(
			text, "allowed_ip=%s%s\n", peer->allowed_ips[i].remove ? "-" : "", prefix);
	}
}

void uapi_write_get_peer(struct text *text, const uint8_t public_key[KEY_LEN])
{
	text_printf(text, "get=1\n");
	uapi_write_key(text, "public_key", public_key);
	text_printf(text, "\n");
}

void uapi_write_set(struct text *text, const struct config *config)
{
	text_printf(text, "set=1\n");
	if (config->flags & CONFIG_HAS_PRIVATE_KEY)
		uapi_write_key(text, "private_key", config->private_key);
	if (config->flags & CONFIG_HAS_LISTEN_PORT)
		text_printf(text, "listen_port=%u\n", config->listen_port);
	if (config->flags & CONFIG_HAS_FWMARK)
		text_printf(text, "fwmark=%" PRIu32 "\n", config->fwmark);
	if (config->flags & CONFIG_REPLACE_PEERS)
		text_printf(text, "replace_peers=true\n");
	for (size_t i = 0; i < config->num_peers; i++)
		write_peer(text, &config->peers[i]);
	text_printf(text, "\n");
}

static int parse_counter(struct config *config, const struct uapi_line *line)
{
	enum { PREFIX_LEN = sizeof("drop_") - 1 };
	char name[sizeof(((struct config_counter *)0)->name)];
	size_t name_len = line->key_len - PREFIX_LEN;
	uint64_t value;

	if (name_len >= sizeof(name) || uapi_line_number(line, UINT64_MAX, &value) != 0)
		return -EPROTO;
	memcpy(name, line->key + PREFIX_LEN, name_len);
	name[name_len] = '\0';
	if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != name_len)
		return -EPROTO;
	return config_add_counter(config, name, value);
}

static int parse_device_line(struct config *config, const struct uapi_line *line)
{
	uint64_t number;

	if (uapi_line_is(line, "private_key")) {
		if (uapi_line_key(line, config->private_key) != 0)
			return -EPROTO;
		if (!bytes_are_zero(config->private_key, KEY_LEN))
			config->flags |= CONFIG_HAS_PRIVATE_KEY;
	} else if (uapi_line_is(line, "listen_port")) {
		if (uapi_line_number(line, UINT16_MAX, &number) != 0)
			return -EPROTO;
		config->listen_port = (uint16_t)number;
		if (number != 0)
			config->flags |= CONFIG_HAS_LISTEN_PORT;
	} else if (uapi_line_is(line, "fwmark")) {
		if (uapi_line_number(line, UINT32_MAX, &number) != 0)
			return -EPROTO;
		config->fwmark = (uint32_t)number;
		if (number != 0)
			config->flags |= CONFIG_HAS_FWMARK;
	} else if (line->key_len > 5 && memcmp(line->key, "drop_", 5) == 0) {
		return parse_counter(config, line);
	}
	return 0;
}

/* The numbers of a peer. Returns 0 for other keys, too. */
static int parse_peer_number(struct config_peer *peer, const struct uapi_line *line)
{
	uint64_t number;

	if (uapi_line_is(line, "rx_bytes"))
		return uapi_line_number(line, UINT64_MAX, &peer->rx_bytes);
	if (uapi_line_is(line, "tx_bytes"))
		return uapi_line_number(line, UINT64_MAX, &peer->tx_bytes);
	if (uapi_line_is(line, "last_handshake_time_sec"))
		return uapi_line_number(line, INT64_MAX, &peer->last_handshake_s);
	if (uapi_line_is(line, "last_handshake_time_nsec")) {
		if (uapi_line_number(line, 999999999, &number) != 0)
			return -EPROTO;
		peer->last_handshake_ns = (uint32_t)number;
	} else if (uapi_line_is(line, "persistent_keepalive_interval")) {
		if (uapi_line_number(line, UINT16_MAX, &number) != 0)
			return -EPROTO;
		peer->keepalive_s = (uint16_t)number;
		if (number != 0)
			peer->flags |= CONFIG_PEER_HAS_KEEPALIVE;
	}
	return 0;
}

static int parse_peer_line(struct config_peer *peer, const struct uapi_line *line)
{
	struct prefix prefix;
	bool remove;

	if (uapi_line_is(line, "allowed_ip")) {
		if (uapi_line_allowed_ip(line, &prefix, &remove) != 0 || remove)
			return -EPROTO;
		return config_peer_add_allowed_ip(peer, &prefix, false);
	}
	if (uapi_line_is(line, "endpoint"))
		return uapi_line_endpoint(line, &peer->endpoint) == 0 ? 0 : -EPROTO;
	if (uapi_line_is(line, "preshared_key")) {
		if (uapi_line_key(line, peer->preshared_key) != 0)
			return -EPROTO;
		if (!bytes_are_zero(peer->preshared_key, KEY_LEN))
			peer->flags |= CONFIG_PEER_HAS_PRESHARED_KEY;
		return 0;
	}
	return parse_peer_number(peer, line) == 0 ? 0 : -EPROTO;
}

/* Read N of "errno=N". Some daemons send it negative, some positive. */
static int parse_errno_line(const struct uapi_line *line, int *ret_error)
{
	bool is_negative = line->value_len > 0 && line->value[0] == '-';
	uint64_t number;

	if (!number_from_text(
		    line->value + is_negative, line->value_len - is_negative, ERRNO_MAX, &number))
		return -EPROTO;
	*ret_error = -(int)number;
	return 0;
}

/* Parse lines up to the empty one into config. Behind the error nothing may come: it could be
 * another one. */
static int parse_reply(const char *data, size_t len, struct config *config)
{
	struct config_peer *peer = NULL;
	struct uapi_line line;
	bool has_error = false;
	int error = 0, r;

	while ((r = uapi_line_next(&data, &len, &line)) == 1) {
		if (has_error)
			return -EPROTO;
		if (uapi_line_is(&line, "errno")) {
			r = parse_errno_line(&line, &error);
			has_error = true;
		} else if (uapi_line_is(&line, "public_key")) {
			peer = config_add_peer(config);
			if (peer == NULL)
				return -ENOMEM;
			r = uapi_line_key(&line, peer->public_key) == 0 ? 0 : -EPROTO;
		} else {
			r = peer ? parse_peer_line(peer, &line) : parse_device_line(config, &line);
		}
		if (r != 0)
			return r;
	}
	if (r == 0)
		r = has_error && len == 0 ? error : -EPROTO;
	return r;
}

int uapi_parse_get_reply(const char *data, size_t len, struct config *ret_config)
{
	int r;

	*ret_config = (struct config){0};
	r = parse_reply(data, len, ret_config);
	if (r != 0)
		config_deinit(ret_config);
	return r;
}

int uapi_parse_errno(const char *data, size_t len)
{
	struct config config;
	int r = uapi_parse_get_reply(data, len, &config);

	config_deinit(&config);
	return r;
}
