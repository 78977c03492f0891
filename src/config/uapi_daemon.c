/* SPDX-License-Identifier: MIT
 *
 * The daemon's side of UAPI: requests in, replies out.
 */
#include "config/uapi.h"

#include <errno.h>
#include <inttypes.h>

#include "config/uapi_line.h"

/* What requests begin with; none with the whole of another. */
static const char *const beginnings[] = {[UAPI_GET] = "get=1\n\n",
	[UAPI_SET] = "set=1\n",
	[UAPI_WATCH] = "watch=1\n\n",
	[UAPI_REFUSE] = "refuse=",
	[UAPI_HIDE_KEYS] = "hide_keys=1\n\n",
	[UAPI_GET_PEER] = "get=1\npublic_key="};

/* The operation whose request data is or may become; -EPROTO: none. */
static int find_operation(const char *data, size_t len)
{
	for (int i = 0; i < (int)ARRAY_SIZE(beginnings); i++) {
		size_t begin_len = strlen(beginnings[i]);

		if (memcmp(data, beginnings[i], len < begin_len ? len : begin_len) == 0)
			return i;
	}
	return -EPROTO;
}

ssize_t uapi_find_request(
	const char *data, size_t len, size_t *scan, enum uapi_operation *ret_operation)
{
	size_t limit = len < UAPI_REQUEST_MAX ? len : UAPI_REQUEST_MAX, begin_len;
	const char *end;
	int operation;

	if (len == 0)
		return 0;
	operation = find_operation(data, len);
	if (operation < 0)
		return operation;
	begin_len = strlen(beginnings[operation]);
	if (len < begin_len)
		return 0;

	/* What it begins with may hold one or both of the newlines that end the request. */
	if (*scan < begin_len - 2)
		*scan = begin_len - 2;
	end = *scan < limit ? memmem(data + *scan, limit - *scan, "\n\n", 2) : NULL;
	if (end == NULL) {
		*scan = limit - 1;
		return len < UAPI_REQUEST_MAX ? 0 : -EMSGSIZE;
	}
	*ret_operation = (enum uapi_operation)operation;
	return end + 2 - data;
}

/* Set flag if the line says "true", the only thing it may say. */
static int set_flag(const struct uapi_line *line, unsigned *flags, unsigned flag)
{
	if (line->value_len != 4 || memcmp(line->value, "true", 4) != 0)
		return -EINVAL;
	*flags |= flag;
	return 0;
}

static int parse_device_line(struct config *config, const struct uapi_line *line)
{
	uint64_t number;

	if (uapi_line_is(line, "private_key")) {
		if (uapi_line_key(line, config->private_key) != 0)
			return -EINVAL;
		config->flags |= CONFIG_HAS_PRIVATE_KEY;
	} else if (uapi_line_is(line, "listen_port")) {
		if (uapi_line_number(line, UINT16_MAX, &number) != 0)
			return -EINVAL;
		config->listen_port = (uint16_t)number;
		config->flags |= CONFIG_HAS_LISTEN_PORT;
	} else if (uapi_line_is(line, "fwmark")) {
		/* Older managers clear the mark by an empty value, wireguard-go once took it. */
		number = 0;
		if (line->value_len > 0 && uapi_line_number(line, UINT32_MAX, &number) != 0)
			return -EINVAL;
		config->fwmark = (uint32_t)number;
		config->flags |= CONFIG_HAS_FWMARK;
	} else if (uapi_line_is(line, "replace_peers")) {
		return set_flag(line, &config->flags, CONFIG_REPLACE_PEERS);
	} else {
		return -EINVAL;
	}
	return 0;
}

static int parse_allowed_ip(struct config_peer *peer, const struct uapi_line *line)
{
	struct prefix prefix;
	bool remove;

	if (uapi_line_allowed_ip(line, &prefix, &remove) != 0)
		return -EINVAL;
	return config_peer_add_allowed_ip(peer, &prefix, remove);
}

static int parse_peer_line(struct config_peer *peer, const struct uapi_line *line)
{
	uint64_t number;

	if (uapi_line_is(line, "allowed_ip"))
		return parse_allowed_ip(peer, line);
	if (uapi_line_is(line, "preshared_key")) {
		if (uapi_line_key(line, peer->preshared_key) != 0)
			return -EINVAL;
		peer->flags |= CONFIG_PEER_HAS_PRESHARED_KEY;
	} else if (uapi_line_is(line, "endpoint")) {
		return uapi_line_endpoint(line, &peer->endpoint);
	} else if (uapi_line_is(line, "persistent_keepalive_interval")) {
		if (uapi_line_number(line, UINT16_MAX, &number) != 0)
			return -EINVAL;
		peer->keepalive_s = (uint16_t)number;
		peer->flags |= CONFIG_PEER_HAS_KEEPALIVE;
	} else if (uapi_line_is(line, "replace_allowed_ips")) {
		/* It takes away those that stand before it in the request, too. */
		peer->num_allowed_ips = 0;
		return set_flag(line, &peer->flags, CONFIG_PEER_REPLACE_ALLOWED_IPS);
	} else if (uapi_line_is(line, "remove")) {
		return set_flag(line, &peer->flags, CONFIG_PEER_REMOVE);
	} else if (uapi_line_is(line, "update_only")) {
		return set_flag(line, &peer->flags, CONFIG_PEER_UPDATE_ONLY);
	} else if (uapi_line_is(line, "protocol_version")) {
		return uapi_line_number(line, 1, &number) == 0 && number == 1 ? 0 : -EINVAL;
	} else {
		return -EINVAL;
	}
	return 0;
}

static int parse_set_line(
	struct config *config, struct config_peer **peer, const struct uapi_line *line)
{
	if (uapi_line_is(line, "public_key")) {
		*peer = config_add_peer(config);
		if (*peer == NULL)
			return -ENOMEM;
		return uapi_line_key(line, (*peer)->public_key);
	}
	return *peer ? parse_peer_line(*peer, line) : parse_device_line(config, line);
}

int uapi_parse_set(const char *data, size_t len, struct config *ret_config, unsigned *ret_line)
{
	struct config_peer *peer = NULL;
	struct uapi_line line;
	unsigned num_line = 1;
	int r;

	*ret_config = (struct config){0};
	r = uapi_line_next(&data, &len, &line);
	if (r == 1)
		r = uapi_line_is(&line, "set") ? 0 : -EINVAL;
	while (r == 0) {
		num_line++;
		r = uapi_line_next(&data, &len, &line);
		if (r == 0)
			return 0;
		if (r == 1)
			r = parse_set_line(ret_config, &peer, &line);
	}
	config_deinit(ret_config);
	*ret_line = num_line;
	return r;
}

int uapi_parse_get_peer(const char *data, size_t len, uint8_t ret_key[KEY_LEN])
{
	struct uapi_line get, key, end;

	if (uapi_line_next(&data, &len, &get) != 1 || !uapi_line_is(&get, "get") ||
		uapi_line_next(&data, &len, &key) != 1 || !uapi_line_is(&key, "public_key") ||
		uapi_line_next(&data, &len, &end) != 0 || len != 0)
		return -EINVAL;
	return uapi_line_key(&key, ret_key);
}

static void write_peer(struct text *text, const struct config_peer *peer, bool hide_keys)
{
	char prefix[PREFIX_TEXT_LEN], endpoint[ENDPOINT_TEXT_LEN];

	uapi_write_key(text, "public_key", peer->public_key);
	if (!hide_keys)
		uapi_write_key(text, "preshared_key", peer->preshared_key);
	text_printf(text, "protocol_version=1\n");
	if (peer->endpoint.family != 0) {
		endpoint_to_text(endpoint, &peer->endpoint);
		text_printf(text, "endpoint=%s\n", endpoint);
	}
	text_printf(text, "last_handshake_time_sec=%" PRIu64 "\n", peer->last_handshake_s);
	text_printf(text, "last_handshake_time_nsec=%" PRIu32 "\n", peer->last_handshake_ns);
	text_printf(text, "tx_bytes=%" PRIu64 "\n", peer->tx_bytes);
	text_printf(text, "rx_bytes=%" PRIu64 "\n", peer->rx_bytes);
	text_printf(text, "persistent_keepalive_interval=%u\n", peer->keepalive_s);
	for (size_t i = 0; i < peer->num_allowed_ips; i++) {
		prefix_to_text(prefix, &peer->allowed_ips[i].prefix);
		text_printf(text, "allowed_ip=%s\n", prefix);
	}
}

void uapi_write_get_reply(struct text *text, const struct config *config, bool hide_keys)
{
	if (!hide_keys && config->flags & CONFIG_HAS_PRIVATE_KEY &&
		!bytes_are_zero(config->private_key, KEY_LEN))
		uapi_write_key(text, "private_key", config->private_key);
	if (config->listen_port != 0)
		text_printf(text, "listen_port=%u\n", config->listen_port);
	if (config->fwmark != 0)
		text_printf(text, "fwmark=%" PRIu32 "\n", config->fwmark);
	for (size_t i = 0; i < config->num_counters; i++)
		text_printf(text, "drop_%s=%" PRIu64 "\n", config->counters[i].name,
			config->counters[i].value);
	for (size_t i = 0; i < config->num_peers; i++)
		write_peer(text, &config->peers[i], hide_keys);
	uapi_write_errno(text, 0);
}

void uapi_write_errno(struct text *text, int error)
{
	text_printf(text, "errno=%d\n\n", error);
}
