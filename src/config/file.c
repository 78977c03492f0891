/* SPDX-License-Identifier: MIT
 *
 * The config-file grammar of wg(8), reading and writing.
 */
#include "config/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/encoding.h"

enum section { SECTION_NONE, SECTION_INTERFACE, SECTION_PEER };

struct parser {
	const char *name;
	unsigned line;
	enum section section;
	unsigned peer_line; /* where the [Peer] began that has no PublicKey yet; 0: none */
	struct setting_target target;
	char *message;
};

/* Write "name:line: " and a message. */
static int __attribute__((format(printf, 3, 4)))
refuse(struct parser *parser, unsigned line, const char *format, ...)
{
	va_list args;
	int len = snprintf(parser->message, CONFIG_MESSAGE_LEN, "%.200s:%u: ", parser->name, line);

	va_start(args, format);
	vsnprintf(parser->message + len, (size_t)(CONFIG_MESSAGE_LEN - len), format, args);
	va_end(args);
	return -EINVAL;
}

/* Every peer that ends, by the next section or the end of the file, must have had its key. */
static int finish_section(struct parser *parser)
{
	if (parser->peer_line != 0)
		return refuse(parser, parser->peer_line,
			"[Peer]: PublicKey is missing; expected in every [Peer] section");
	return 0;
}

static int parse_section(struct parser *parser, const char *line)
{
	int r = finish_section(parser);

	if (r != 0)
		return r;
	if (strcasecmp(line, "[Interface]") == 0) {
		parser->section = SECTION_INTERFACE;
	} else if (strcasecmp(line, "[Peer]") == 0) {
		parser->section = SECTION_PEER;
		parser->peer_line = parser->line;
		parser->target.peer = config_add_peer(parser->target.config);
		if (parser->target.peer == NULL)
			return -ENOMEM;
		parser->target.peer->flags = CONFIG_PEER_REPLACE_ALLOWED_IPS;
	} else {
		return refuse(
			parser, parser->line, "unknown section; expected [Interface] or [Peer]");
	}
	return 0;
}

/* Say why a key isn't one. It is shown only if it is short: a line that holds nothing but a
 * base64 key looks like a key name, too. */
static int refuse_key(struct parser *parser, const char *key, size_t key_len)
{
	static const char *const quick_keys[] = {"Address", "DNS", "MTU", "Table", "PreUp",
		"PostUp", "PreDown", "PostDown", "SaveConfig"};
	bool is_peer = parser->section == SECTION_PEER;

	for (size_t i = 0; i < ARRAY_SIZE(quick_keys); i++) {
		if (!is_peer && strlen(quick_keys[i]) == key_len &&
			strncasecmp(quick_keys[i], key, key_len) == 0)
			return refuse(parser, parser->line,
				"%s: a key of wg-quick; expected PrivateKey, ListenPort or FwMark "
				"(`wg-quick strip` leaves the others out)",
				quick_keys[i]);
	}
	if (key_len > 24 ||
		strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") < key_len)
		key_len = 0;
	return refuse(parser, parser->line, "%.*s%sunknown key in [%s]; expected %s", (int)key_len,
		key, key_len > 0 ? ": " : "", is_peer ? "Peer" : "Interface",
		is_peer ? "PublicKey, PresharedKey, Endpoint, AllowedIPs or PersistentKeepalive"
			: "PrivateKey, ListenPort or FwMark");
}

static int read_secret(
	struct setting_target *target, const struct setting *setting, const char *value)
{
	uint8_t key[KEY_LEN];
	int r = key_from_base64(key, value, strlen(value));

	if (r == 0)
		setting->put_key(target, key);
	wipe(key, sizeof(key));
	return r;
}

static int parse_setting(struct parser *parser, char *line)
{
	char *equals = strchr(line, '='), *value;
	char where[CONFIG_MESSAGE_LEN];
	const struct setting *setting;
	size_t key_len;
	int r;

	if (equals == NULL)
		return refuse(parser, parser->line, "expected Key = Value");
	if (parser->section == SECTION_NONE)
		return refuse(parser, parser->line,
			"expected [Interface] or [Peer] before the first key");
	value = equals + 1;
	key_len = (size_t)(equals - line);
	setting = setting_by_key(parser->section == SECTION_PEER, line, key_len);
	if (setting == NULL)
		return refuse_key(parser, line, key_len);

	snprintf(where, sizeof(where), "%.200s:%u: ", parser->name, parser->line);
	parser->target.where = where;
	parser->target.bad = parser->target.reason = NULL;
	r = setting->is_secret ? read_secret(&parser->target, setting, value)
			       : setting->read(&parser->target, value);
	if (r != 0)
		setting_explain(
			parser->message, where, setting->key, setting, &parser->target, value, r);
	else if (strcmp(setting->key, "PublicKey") == 0)
		parser->peer_line = 0;
	return r;
}

/* Parse one line of len bytes; buf has room for it and a NUL. */
static int parse_line(struct parser *parser, const char *line, size_t len, char *buf)
{
	const char *comment = memchr(line, '#', len);

	if (comment != NULL)
		len = (size_t)(comment - line);
	if (memchr(line, '\0', len) != NULL)
		return refuse(parser, parser->line, "a NUL byte; expected text");
	setting_strip(buf, line, len);
	if (*buf == '\0')
		return 0;
	return *buf == '[' ? parse_section(parser, buf) : parse_setting(parser, buf);
}

static int parse_lines(struct parser *parser, const char *data, size_t len)
{
	char *buf = malloc(len + 1);
	int r = 0;

	if (buf == NULL)
		return -ENOMEM;
	for (size_t pos = 0; r == 0 && pos < len;) {
		const char *end = memchr(data + pos, '\n', len - pos);
		size_t line_len = end ? (size_t)(end - data) - pos : len - pos;

		parser->line++;
		r = parse_line(parser, data + pos, line_len, buf);
		pos += line_len + 1;
	}
	wipe(buf, len + 1);
	free(buf);
	return r ? r : finish_section(parser);
}

int config_file_parse(const char *data, size_t len, const char *name, enum config_file_mode mode,
	const struct config_callbacks *callbacks, struct config *ret_config,
	char ret_message[CONFIG_MESSAGE_LEN])
{
	struct parser parser = {
		.name = name,
		.target = {.callbacks = callbacks, .config = ret_config},
		.message = ret_message,
	};
	int r;

	*ret_config = (struct config){0};
	if (mode == CONFIG_FILE_REPLACE)
		ret_config->flags = CONFIG_REPLACE_PEERS | CONFIG_HAS_PRIVATE_KEY |
				    CONFIG_HAS_FWMARK | CONFIG_HAS_LISTEN_PORT;
	r = parse_lines(&parser, data, len);
	if (r == -ENOMEM)
		snprintf(ret_message, CONFIG_MESSAGE_LEN, "%.200s: out of memory", name);
	if (r != 0)
		config_deinit(ret_config);
	return r;
}

static void write_key(struct text *text, const char *name, const uint8_t key[KEY_LEN])
{
	char base64[KEY_BASE64_LEN + 1];

	key_to_base64(base64, key);
	text_printf(text, "%s = ", name);
	text_append(text, base64, KEY_BASE64_LEN); /* printf would look at each digit */
	text_append(text, "\n", 1);
	wipe(base64, sizeof(base64));
}

static void write_peer(struct text *text, const struct config_peer *peer)
{
	char prefix[PREFIX_TEXT_LEN], endpoint[ENDPOINT_TEXT_LEN];

	text_printf(text, "[Peer]\n");
	write_key(text, "PublicKey", peer->public_key);
	if (peer->flags & CONFIG_PEER_HAS_PRESHARED_KEY)
		write_key(text, "PresharedKey", peer->preshared_key);
	for (size_t i = 0; i < peer->num_allowed_ips; i++) {
		prefix_to_text(prefix, &peer->allowed_ips[i].prefix);
		text_printf(text, "%s%s", i == 0 ? "AllowedIPs = " : ", ", prefix);
	}
	if (peer->num_allowed_ips > 0)
		text_printf(text, "\n");
	if (peer->endpoint.family != 0) {
		setting_endpoint_to_text(endpoint, &peer->endpoint);
		text_printf(text, "Endpoint = %s\n", endpoint);
	}
	if (peer->keepalive_s != 0)
		text_printf(text, "PersistentKeepalive = %u\n", peer->keepalive_s);
}

void config_file_write(struct text *text, const struct config *config)
{
	text_printf(text, "[Interface]\n");
	if (config->listen_port != 0)
		text_printf(text, "ListenPort = %u\n", config->listen_port);
	if (config->fwmark != 0)
		text_printf(text, "FwMark = 0x%" PRIx32 "\n", config->fwmark);
	if (config->flags & CONFIG_HAS_PRIVATE_KEY)
		write_key(text, "PrivateKey", config->private_key);
	text_printf(text, "\n");
	for (size_t i = 0; i < config->num_peers; i++) {
		if (i > 0)
			text_printf(text, "\n");
		write_peer(text, &config->peers[i]);
	}
}
