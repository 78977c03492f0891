/* SPDX-License-Identifier: MIT
 *
 * `adit show --json`. Numbers are plain: seconds, bytes, 0 for never and off.
 */
#include "tools/show.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/encoding.h"
#include "config/settings.h"

static void print_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < ' ')
			printf("\\u%04x", (unsigned char)*text);
		else
			putchar(*text);
	}
	putchar('"');
}

static void print_key(const uint8_t key[KEY_LEN])
{
	char base64[KEY_BASE64_LEN + 1];

	key_to_base64(base64, key);
	printf("\"%s\"", base64);
	wipe(base64, sizeof(base64));
}

/* Print "has_<name>" and, if secrets are to be seen, the key itself. */
static void print_secret(const char *name, const uint8_t key[KEY_LEN], bool is_there)
{
	printf("\"has_%s\": %s, ", name, is_there ? "true" : "false");
	if (is_there && show_reveals_keys()) {
		printf("\"%s\": ", name);
		print_key(key);
		printf(", ");
	}
}

static void print_peer(const struct config_peer *peer)
{
	char text[ENDPOINT_TEXT_LEN];

	printf("{\"public_key\": ");
	print_key(peer->public_key);
	printf(", ");
	print_secret(
		"preshared_key", peer->preshared_key, peer->flags & CONFIG_PEER_HAS_PRESHARED_KEY);
	printf("\"endpoint\": ");
	setting_endpoint_to_text(text, &peer->endpoint);
	if (peer->endpoint.family != 0)
		print_string(text);
	else
		printf("null");
	printf(", \"allowed_ips\": [");
	for (size_t i = 0; i < peer->num_allowed_ips; i++) {
		prefix_to_text(text, &peer->allowed_ips[i].prefix);
		printf("%s\"%s\"", i > 0 ? ", " : "", text);
	}
	printf("], \"latest_handshake\": %" PRIu64 ", \"rx_bytes\": %" PRIu64
	       ", \"tx_bytes\": %" PRIu64 ", \"persistent_keepalive\": %u}",
		peer->last_handshake_s, peer->rx_bytes, peer->tx_bytes, peer->keepalive_s);
}

void show_json(const struct config *config)
{
	bool has_key = config->flags & CONFIG_HAS_PRIVATE_KEY;

	printf("{\"interface\": ");
	print_string(config->name);
	printf(", \"public_key\": ");
	if (has_key)
		print_key(config->public_key);
	else
		printf("null");
	printf(", ");
	print_secret("private_key", config->private_key, has_key);
	printf("\"listen_port\": %u, \"fwmark\": %" PRIu32 ", \"dropped\": {", config->listen_port,
		config->fwmark);
	for (size_t i = 0; i < config->num_counters; i++)
		printf("%s\"%s\": %" PRIu64, i > 0 ? ", " : "", config->counters[i].name,
			config->counters[i].value);
	printf("}, \"peers\": [");
	for (size_t i = 0; i < config->num_peers; i++) {
		printf("%s", i > 0 ? ",\n " : "");
		print_peer(&config->peers[i]);
	}
	printf("]}");
}
