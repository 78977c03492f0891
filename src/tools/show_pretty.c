/* SPDX-License-Identifier: MIT
 *
 * `adit show` for people: byte for byte what `wg show` prints, colours too.
 */
#include "tools/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/encoding.h"
#include "config/settings.h"

struct palette {
	const char *reset, *bold, *red, *green, *yellow, *cyan;
};

static const struct palette *choose_palette(void)
{
	static const struct palette plain = {"", "", "", "", "", ""};
	static const struct palette ansi = {
		"\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[36m"};
	const char *mode = getenv("WG_COLOR_MODE");

	if (mode != NULL && strcmp(mode, "always") == 0)
		return &ansi;
	if (mode != NULL && strcmp(mode, "never") == 0)
		return &plain;
	return isatty(STDOUT_FILENO) ? &ansi : &plain;
}

static void print_label(const struct palette *c, const char *label)
{
	printf("  %s%s%s: ", c->bold, label, c->reset);
}

static void print_key(const uint8_t key[KEY_LEN])
{
	char base64[KEY_BASE64_LEN + 1];

	key_to_base64(base64, key);
	fputs(base64, stdout);
	wipe(base64, sizeof(base64));
}

static void print_secret(const uint8_t key[KEY_LEN])
{
	if (show_reveals_keys())
		print_key(key);
	else
		fputs("(hidden)", stdout);
	putchar('\n');
}

/* Print a duration in the units that aren't zero: "1 minute, 3 seconds". */
static void print_duration(const struct palette *c, uint64_t seconds)
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} units[] = {
		{"year", 365 * 24 * 60 * 60},
		{"day", 24 * 60 * 60},
		{"hour", 60 * 60},
		{"minute", 60},
		{"second", 1},
	};
	const char *separator = "";

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		uint64_t number = seconds / units[i].seconds;

		seconds %= units[i].seconds;
		if (number == 0)
			continue;
		printf("%s%" PRIu64 " %s%s%s%s", separator, number, c->cyan, units[i].name,
			number == 1 ? "" : "s", c->reset);
		separator = ", ";
	}
}

static void print_ago(const struct palette *c, uint64_t then_s)
{
	uint64_t now_s = (uint64_t)time(NULL);

	if (now_s == then_s) {
		printf("Now\n");
	} else if (now_s < then_s) {
		printf("(%sSystem clock wound backward; connection problems may ensue.%s)\n",
			c->red, c->reset);
	} else {
		print_duration(c, now_s - then_s);
		printf(" ago\n");
	}
}

static void print_bytes(const struct palette *c, uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
	double scaled = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		printf("%" PRIu64 " %sB%s", bytes, c->cyan, c->reset);
		return;
	}
	for (; bytes >= UINT64_C(1) << 20 && unit + 1 < ARRAY_SIZE(units); unit++) {
		bytes >>= 10;
		scaled /= 1024;
	}
	printf("%.2f %s%s%s", scaled, c->cyan, units[unit], c->reset);
}

static void print_allowed_ips(const struct palette *c, const struct config_peer *peer)
{
	char text[PREFIX_TEXT_LEN];

	print_label(c, "allowed ips");
	if (peer->num_allowed_ips == 0)
		printf("(none)");
	for (size_t i = 0; i < peer->num_allowed_ips; i++) {
		const struct prefix *prefix = &peer->allowed_ips[i].prefix;

		prefix_to_text(text, prefix);
		text[strcspn(text, "/")] = '\0';
		printf("%s%s%s/%s%u", i > 0 ? ", " : "", text, c->cyan, c->reset, prefix->cidr);
	}
	putchar('\n');
}

static void print_peer(const struct palette *c, const struct config_peer *peer)
{
	char endpoint[ENDPOINT_TEXT_LEN];

	printf("%s%speer%s: %s", c->yellow, c->bold, c->reset, c->yellow);
	print_key(peer->public_key);
	printf("%s\n", c->reset);
	if (peer->flags & CONFIG_PEER_HAS_PRESHARED_KEY) {
		print_label(c, "preshared key");
		print_secret(peer->preshared_key);
	}
	if (peer->endpoint.family != 0) {
		print_label(c, "endpoint");
		setting_endpoint_to_text(endpoint, &peer->endpoint);
		printf("%s\n", endpoint);
	}
	print_allowed_ips(c, peer);
	if (peer->last_handshake_s != 0) {
		print_label(c, "latest handshake");
		print_ago(c, peer->last_handshake_s);
	}
	if (peer->rx_bytes != 0 || peer->tx_bytes != 0) {
		print_label(c, "transfer");
		print_bytes(c, peer->rx_bytes);
		printf(" received, ");
		print_bytes(c, peer->tx_bytes);
		printf(" sent\n");
	}
	if (peer->keepalive_s != 0) {
		print_label(c, "persistent keepalive");
		printf("every ");
		print_duration(c, peer->keepalive_s);
		putchar('\n');
	}
}

/* The latest handshake first; equal ones stay in the order they have. */
static int compare_peers(const void *a, const void *b)
{
	const struct config_peer *const *x = a, *const *y = b;

	if ((*x)->last_handshake_s != (*y)->last_handshake_s)
		return (*x)->last_handshake_s > (*y)->last_handshake_s ? -1 : 1;
	if ((*x)->last_handshake_ns != (*y)->last_handshake_ns)
		return (*x)->last_handshake_ns > (*y)->last_handshake_ns ? -1 : 1;
	return *x < *y ? -1 : *x > *y;
}

static void print_peers(const struct palette *c, const struct config *config)
{
	const struct config_peer **sorted = calloc(config->num_peers + 1, sizeof(*sorted));

	for (size_t i = 0; sorted && i < config->num_peers; i++)
		sorted[i] = &config->peers[i];
	if (sorted)
		qsort(sorted, config->num_peers, sizeof(*sorted), compare_peers);
	for (size_t i = 0; i < config->num_peers; i++) {
		putchar('\n');
		print_peer(c, sorted ? sorted[i] : &config->peers[i]);
	}
	free(sorted);
}

void show_pretty(const struct config *config)
{
	const struct palette *c = choose_palette();

	printf("%s%s%sinterface%s: %s%s%s\n", c->reset, c->green, c->bold, c->reset, c->green,
		config->name, c->reset);
	if (config->flags & CONFIG_HAS_PRIVATE_KEY) {
		print_label(c, "public key");
		print_key(config->public_key);
		putchar('\n');
		print_label(c, "private key");
		print_secret(config->private_key);
	}
	if (config->listen_port != 0) {
		print_label(c, "listening port");
		printf("%u\n", config->listen_port);
	}
	if (config->fwmark != 0) {
		print_label(c, "fwmark");
		printf("0x%" PRIx32 "\n", config->fwmark);
	}
	print_peers(c, config);
}
