/* SPDX-License-Identifier: MIT
 *
 * Single values that people paste from anywhere: join links, addresses, prefixes, keys, numbers,
 * names. Each reads the same text. What is accepted means the same after it was written and read
 * again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/encoding.h"
#include "config/number.h"
#include "overlay/wire/link.h"
#include "overlay/wire/ranges.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void read_link(const char *text)
{
	char written[JOIN_LINK_TEXT_LEN];
	struct join_link link, again;
	const char *error = NULL;

	if (join_link_parse(&link, text, &error) != 0) {
		require(error != NULL);
		return;
	}
	require(!error && network_name_is_valid(link.network) && link.port != 0);
	join_link_write(written, &link);
	require(join_link_parse(&again, written, &error) == 0);
	require(bytes_equal(&link, &again, sizeof(link)));
}

static void read_names(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	char name[NODE_NAME_MAX + 1];

	node_name_from_hostname(name, text);
	require(node_name_is_valid(name));
	if (node_name_is_valid(text))
		require(strlen(text) <= NODE_NAME_MAX && strcmp(name, text) == 0);
	if (network_name_is_valid(text))
		require(strlen(text) <= NETWORK_NAME_MAX && !text[strspn(text, letters)]);
	if (tag_is_valid(text))
		require(strlen(text) <= TAG_MAX && !text[strspn(text, letters)]);
}

static void read_endpoint(const char *text)
{
	struct endpoint endpoint = {0}, again;
	char written[ENDPOINT_TEXT_LEN];

	if (endpoint_from_text(&endpoint, text) != 0) {
		require(endpoint.family == 0);
		return;
	}
	require(endpoint_is_valid(&endpoint) && !endpoint_has_source(&endpoint));
	(void)endpoint_is_reachable(&endpoint);
	endpoint_to_text(written, &endpoint);
	require(endpoint_from_text(&again, written) == 0);
	require(memcmp(&endpoint, &again, sizeof(endpoint)) == 0);
}

static void read_prefix(const char *text)
{
	static const struct prefix all4 = {.family = AF_INET}, all6 = {.family = AF_INET6};
	char written[PREFIX_TEXT_LEN];
	struct prefix prefix, again;

	if (prefix_from_text(&prefix, text) != 0)
		return;
	require(prefix_is_valid(&prefix));
	require(prefix_contains(&prefix, &prefix));
	require(prefix_contains(prefix.family == AF_INET ? &all4 : &all6, &prefix));
	require(!prefix_contains(prefix.family == AF_INET ? &all6 : &all4, &prefix));
	require(prefix.cidr != 0 || !prefix_is_private(&prefix));
	prefix_to_text(written, &prefix);
	require(prefix_from_text(&again, written) == 0);
	require(memcmp(&prefix, &again, sizeof(prefix)) == 0);
}

/* A key has one text, but that hex digits are of either case. */
static void read_keys(const char *text, size_t len)
{
	char base64[KEY_BASE64_LEN + 1], base64url[KEY_BASE64URL_LEN + 1], hex[KEY_HEX_LEN + 1];
	uint8_t key[KEY_LEN];

	if (key_from_base64(key, text, len) == 0) {
		key_to_base64(base64, key);
		require(strcmp(base64, text) == 0);
	}
	if (key_from_base64url(key, text, len) == 0) {
		key_to_base64url(base64url, key);
		require(strcmp(base64url, text) == 0);
	}
	if (key_from_hex(key, text, len) == 0) {
		key_to_hex(hex, key);
		require(strcasecmp(hex, text) == 0);
	}
}

static void read_numbers(const char *text, size_t len)
{
	static const uint64_t limits[] = {0, 1, 9, 4095, UINT16_MAX, INT64_MAX, UINT64_MAX};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		uint64_t number;
		char written[32];

		if (!number_from_text(text, len, limits[i], &number))
			continue;
		snprintf(written, sizeof(written), "%" PRIu64, number);
		require(number <= limits[i] && strlen(written) <= len);
		require(strcmp(text + len - strlen(written), written) == 0);
		require(strspn(text, "0") >= len - strlen(written));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	size_t len;

	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	len = strlen(text);
	read_link(text);
	read_names(text);
	read_endpoint(text);
	read_prefix(text);
	read_keys(text, len);
	read_numbers(text, len);
	free(text);
	return 0;
}
