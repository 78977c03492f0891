/* SPDX-License-Identifier: MIT
 *
 * Keys as text: each form that they are read from and written to. Where the key stands in the text
 * is public, its digits are not; secrets.supp has the places that look for the end of a line.
 */
#include "base/encoding.h"
#include "config/file.h"
#include "config/uapi.h"
#include "overlay/wire/link.h"
#include "secret.h"

/* A key, and its text whose digits are secret. */
static uint8_t key[KEY_LEN];

static void base64(void)
{
	char text[KEY_BASE64_LEN + 1];

	secret_bytes(key, sizeof(key), 1);
	key_to_base64(text, key);
	publish(text + KEY_BASE64_LEN - 1, 1); /* the padding; arithmetic has no part in it */
	assert(key_from_base64(key, text, KEY_BASE64_LEN) == 0);
}

static void hex(void)
{
	char text[KEY_HEX_LEN + 1];

	secret_bytes(key, sizeof(key), 1);
	key_to_hex(text, key);
	assert(key_from_hex(key, text, KEY_HEX_LEN) == 0);
}

static void base64url(void)
{
	char text[KEY_BASE64URL_LEN + 1];

	secret_bytes(key, sizeof(key), 1);
	key_to_base64url(text, key);
	assert(key_from_base64url(key, text, KEY_BASE64URL_LEN) == 0);
}

/* What is no key: that it is none is public, where it went wrong is not. */
static void no_keys(void)
{
	char text[KEY_HEX_LEN];

	secret_bytes(text, sizeof(text), 1);
	publish(text + KEY_BASE64_LEN - 1, 1);
	text[KEY_BASE64_LEN - 1] = '=';
	assert(key_from_base64(key, text, KEY_BASE64_LEN) < 0);
	assert(key_from_base64url(key, text, KEY_BASE64URL_LEN) < 0);
	assert(key_from_hex(key, text, KEY_HEX_LEN) < 0);
}

/* A configuration with both kinds of secret keys. */
static void make_config(struct config *config)
{
	struct config_peer *peer;

	*config = (struct config){.flags = CONFIG_HAS_PRIVATE_KEY};
	secret_bytes(config->private_key, KEY_LEN, 1);
	peer = config_add_peer(config);
	assert(peer);
	memset(peer->public_key, 9, KEY_LEN);
	secret_bytes(peer->preshared_key, KEY_LEN, 2);
	peer->flags = CONFIG_PEER_HAS_PRESHARED_KEY;
}

static void check_config(struct config *config)
{
	uint8_t expected[KEY_LEN];
	bool equal;

	assert(config->num_peers == 1);
	secret_bytes(expected, sizeof(expected), 2);
	equal = bytes_equal(config->peers[0].preshared_key, expected, KEY_LEN);
	publish(&equal, sizeof(equal)); /* for the test */
	assert(equal);
	config_deinit(config);
}

static void config_file(void)
{
	const struct config_callbacks callbacks = {.data = NULL};
	char message[CONFIG_MESSAGE_LEN];
	struct text text = {.data = NULL};
	struct config config;

	make_config(&config);
	config_file_write(&text, &config);
	config_deinit(&config);
	assert(config_file_parse(text.data, text.len, "wg0", CONFIG_FILE_REPLACE, &callbacks,
		       &config, message) == 0);
	check_config(&config);
	text_deinit(&text);
}

static void uapi_set(void)
{
	enum uapi_operation operation;
	struct text text = {.data = NULL};
	struct config config;
	unsigned line;
	size_t scan = 0;

	make_config(&config);
	uapi_write_set(&text, &config);
	config_deinit(&config);
	assert(uapi_find_request(text.data, text.len, &scan, &operation) == (ssize_t)text.len);
	assert(uapi_parse_set(text.data, text.len, &config, &line) == 0);
	check_config(&config);
	text_deinit(&text);
}

static void uapi_get(void)
{
	struct text text = {.data = NULL};
	struct config config;

	make_config(&config);
	uapi_write_get_reply(&text, &config, false);
	config_deinit(&config);
	assert(uapi_parse_get_reply(text.data, text.len, &config) == 0);
	check_config(&config);
	text_deinit(&text);
}

static void join_link(void)
{
	struct join_link link = {.host = "hub.example", .port = 7, .network = "robots"};
	char text[JOIN_LINK_TEXT_LEN];
	const char *error;

	secret_bytes(link.join_key, KEY_LEN, 1);
	join_link_write(text, &link);
	assert(join_link_parse(&link, text, &error) == 0 && link.port == 7);
}

const struct ct_case text_cases[] = {
	{"base64", base64, false},
	{"hex", hex, false},
	{"base64url", base64url, false},
	{"no keys", no_keys, false},
	{"configuration file", config_file, false},
	{"UAPI set", uapi_set, false},
	{"UAPI get", uapi_get, false},
	{"join link", join_link, false},
	{NULL, NULL, false},
};
