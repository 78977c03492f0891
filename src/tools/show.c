/* SPDX-License-Identifier: MIT
 *
 * `adit show`: which interfaces, in which form. The forms for scripts, `dump` and the single
 * fields, are here.
 */
#include "tools/show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/encoding.h"
#include "config/settings.h"
#include "config/uapi_socket.h"
#include "tools/client.h"
#include "tools/tools.h"

bool show_reveals_keys(void)
{
	const char *hide = getenv("WG_HIDE_KEYS");

	return hide != NULL && strcmp(hide, "never") == 0;
}

static void print_key(const uint8_t key[KEY_LEN], bool is_there)
{
	char base64[KEY_BASE64_LEN + 1];

	key_to_base64(base64, key);
	fputs(is_there ? base64 : "(none)", stdout);
	wipe(base64, sizeof(base64));
}

static void print_private_key(const struct config *config)
{
	print_key(config->private_key, config->flags & CONFIG_HAS_PRIVATE_KEY);
}

static void print_public_key(const struct config *config)
{
	print_key(config->public_key, config->flags & CONFIG_HAS_PRIVATE_KEY);
}

static void print_listen_port(const struct config *config)
{
	printf("%u", config->listen_port);
}

static void print_fwmark(const struct config *config)
{
	if (config->fwmark != 0)
		printf("0x%" PRIx32, config->fwmark);
	else
		printf("off");
}

static void print_preshared_key(const struct config_peer *peer)
{
	print_key(peer->preshared_key, peer->flags & CONFIG_PEER_HAS_PRESHARED_KEY);
}

static void print_endpoint(const struct config_peer *peer)
{
	char text[ENDPOINT_TEXT_LEN];

	setting_endpoint_to_text(text, &peer->endpoint);
	fputs(text, stdout);
}

static void print_allowed_ip_list(const struct config_peer *peer, char separator)
{
	char text[PREFIX_TEXT_LEN];

	if (peer->num_allowed_ips == 0)
		fputs("(none)", stdout);
	for (size_t i = 0; i < peer->num_allowed_ips; i++) {
		prefix_to_text(text, &peer->allowed_ips[i].prefix);
		if (i > 0)
			putchar(separator);
		fputs(text, stdout);
	}
}

static void print_allowed_ips(const struct config_peer *peer)
{
	print_allowed_ip_list(peer, ' ');
}

static void print_latest_handshake(const struct config_peer *peer)
{
	printf("%" PRIu64, peer->last_handshake_s);
}

static void print_transfer(const struct config_peer *peer)
{
	printf("%" PRIu64 "\t%" PRIu64, peer->rx_bytes, peer->tx_bytes);
}

static void print_keepalive(const struct config_peer *peer)
{
	if (peer->keepalive_s != 0)
		printf("%u", peer->keepalive_s);
	else
		printf("off");
}

/* What a single field prints: once for the device, or behind each peer's public key. */
static const struct field {
	const char *name;
	void (*print)(const struct config *config);
	void (*print_peer)(const struct config_peer *peer);
} fields[] = {
	{"public-key", print_public_key, NULL},
	{"private-key", print_private_key, NULL},
	{"listen-port", print_listen_port, NULL},
	{"fwmark", print_fwmark, NULL},
	{"peers", NULL, NULL},
	{"preshared-keys", NULL, print_preshared_key},
	{"endpoints", NULL, print_endpoint},
	{"allowed-ips", NULL, print_allowed_ips},
	{"latest-handshakes", NULL, print_latest_handshake},
	{"transfer", NULL, print_transfer},
	{"persistent-keepalive", NULL, print_keepalive},
	{"dump", NULL, NULL},
};

static const struct field *find_field(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	}
	return NULL;
}

static void print_name(const struct config *config, bool with_name)
{
	if (with_name)
		printf("%s\t", config->name);
}

static void print_field(const struct config *config, const struct field *field, bool with_name)
{
	if (field->print != NULL) {
		print_name(config, with_name);
		field->print(config);
		putchar('\n');
		return;
	}
	for (size_t i = 0; i < config->num_peers; i++) {
		print_name(config, with_name);
		print_key(config->peers[i].public_key, true);
		if (field->print_peer != NULL) {
			putchar('\t');
			field->print_peer(&config->peers[i]);
		}
		putchar('\n');
	}
}

static void print_dump_peer(const struct config_peer *peer)
{
	print_key(peer->public_key, true);
	putchar('\t');
	print_preshared_key(peer);
	putchar('\t');
	print_endpoint(peer);
	putchar('\t');
	print_allowed_ip_list(peer, ',');
	putchar('\t');
	print_latest_handshake(peer);
	putchar('\t');
	print_transfer(peer);
	putchar('\t');
	print_keepalive(peer);
	putchar('\n');
}

static void print_dump(const struct config *config, bool with_name)
{
	print_name(config, with_name);
	print_private_key(config);
	putchar('\t');
	print_public_key(config);
	putchar('\t');
	print_listen_port(config);
	putchar('\t');
	print_fwmark(config);
	putchar('\n');
	for (size_t i = 0; i < config->num_peers; i++) {
		print_name(config, with_name);
		print_dump_peer(&config->peers[i]);
	}
}

static void print_device(
	const struct config *config, const struct field *field, bool is_json, bool with_name)
{
	if (is_json)
		show_json(config);
	else if (field == NULL)
		show_pretty(config);
	else if (strcmp(field->name, "dump") == 0)
		print_dump(config, with_name);
	else
		print_field(config, field, with_name);
}

static int show_one(const char *name, const struct field *field, bool is_json)
{
	struct config config;
	int r = client_get(name, &config);

	if (r != 0) {
		client_complain(name, r);
		return 1;
	}
	print_device(&config, field, is_json, false);
	if (is_json)
		putchar('\n');
	config_deinit(&config);
	return 0;
}

/* Show every interface. Those that fail are named; it is an error only if all of them do. */
static int show_list(const struct client_names *list, const struct field *field, bool is_json)
{
	size_t num_shown = 0;

	if (is_json)
		putchar('[');
	for (size_t i = 0; i < list->num; i++) {
		struct config config;
		int r = client_get(list->names[i], &config);

		if (r != 0) {
			client_complain(list->names[i], r);
			continue;
		}
		if (is_json && num_shown > 0)
			fputs(",\n", stdout);
		print_device(&config, field, is_json, true);
		if (!is_json && field == NULL && i + 1 < list->num)
			putchar('\n');
		config_deinit(&config);
		num_shown++;
	}
	if (is_json)
		fputs("]\n", stdout);
	return num_shown == 0 && list->num > 0;
}

static void print_names(const struct client_names *list)
{
	for (size_t i = 0; i < list->num; i++)
		printf("%s%c", list->names[i], i + 1 < list->num ? ' ' : '\n');
}

/* "interfaces" if only_names, otherwise "all". */
static int show_all(bool only_names, const struct field *field, bool is_json)
{
	struct client_names list;
	int r = client_list(&list);

	if (r != 0) {
		complain(UAPI_SOCKET_DIR ": %s", strerror(-r));
		return 1;
	}
	if (only_names)
		print_names(&list);
	else
		r = show_list(&list, field, is_json);
	free(list.names);
	return r;
}

/* Take "--json" out of the words. */
static bool take_json(int *argc, char *argv[])
{
	int num = 0;
	bool is_json = false;

	for (int i = 0; i < *argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			is_json = true;
		else
			argv[num++] = argv[i];
	}
	*argc = num;
	return is_json;
}

int show_main(int argc, char *argv[])
{
	bool is_json = take_json(&argc, argv), only_names;
	const struct field *field = NULL;
	int r;

	only_names = argc >= 2 && strcmp(argv[1], "interfaces") == 0;
	if (argc > 3 || (argc == 3 && (is_json || only_names)) || (is_json && only_names))
		return USAGE;
	if (argc == 3) {
		field = find_field(argv[2]);
		if (field == NULL) {
			complain("unknown field \"%s\"", argv[2]);
			return USAGE;
		}
	}
	if (argc < 2 || only_names || strcmp(argv[1], "all") == 0)
		r = show_all(only_names, field, is_json);
	else
		r = show_one(argv[1], field, is_json);
	return finish_output() | r;
}
