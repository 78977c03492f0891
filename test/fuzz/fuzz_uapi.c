/* SPDX-License-Identifier: MIT
 *
 * UAPI text from outside, read as requests and as replies. What is accepted means the same after
 * it was written and read again.
 */
#include <stdlib.h>

#include "config/uapi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static bool same_text(const struct text *a, const struct text *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static bool is_empty(const struct config *config)
{
	static const struct config empty;

	return memcmp(config, &empty, sizeof(empty)) == 0;
}

static void parse_as_set(const char *data, size_t len)
{
	struct text first = {0}, second = {0};
	struct config config;
	unsigned line;

	if (uapi_parse_set(data, len, &config, &line) != 0) {
		check(is_empty(&config));
		return;
	}
	uapi_write_set(&first, &config);
	config_deinit(&config);
	check(uapi_parse_set(first.data, first.len, &config, &line) == 0);
	uapi_write_set(&second, &config);
	config_deinit(&config);
	check(same_text(&first, &second));
	text_deinit(&first);
	text_deinit(&second);
}

static void parse_as_reply(const char *data, size_t len)
{
	struct text first = {0}, second = {0}, hidden = {0};
	struct config config;

	if (uapi_parse_get_reply(data, len, &config) != 0) {
		check(is_empty(&config));
		return;
	}
	uapi_write_get_reply(&first, &config, false);
	uapi_write_get_reply(&hidden, &config, true);
	check(strncmp(hidden.data, "private_key=", 12) != 0); /* it would be the first line */
	check(!memmem(hidden.data, hidden.len, "\npreshared_key=", 15));
	config_deinit(&config);
	check(uapi_parse_get_reply(first.data, first.len, &config) == 0);
	uapi_write_get_reply(&second, &config, false);
	config_deinit(&config);
	check(same_text(&first, &second));
	text_deinit(&hidden);
	text_deinit(&first);
	text_deinit(&second);
}

static void parse_as_address(const char *data, size_t len, const char *key)
{
	struct prefix address, again;
	struct text text = {0};

	if (uapi_parse_address(data, len, key, &address) != 0)
		return;
	check(prefix_is_address(&address));
	uapi_write_address(&text, key, &address);
	check(uapi_parse_address(text.data, text.len, key, &again) == 0);
	check(memcmp(&address, &again, sizeof(address)) == 0);
	text_deinit(&text);
}

static void parse_as_get_peer(const char *data, size_t len)
{
	uint8_t key[KEY_LEN], again[KEY_LEN];
	struct text text = {0};

	if (uapi_parse_get_peer(data, len, key) != 0)
		return;
	uapi_write_get_peer(&text, key);
	check(uapi_parse_get_peer(text.data, text.len, again) == 0);
	check(memcmp(key, again, KEY_LEN) == 0);
	text_deinit(&text);
}

/* A request is found at the same place whether it comes at once or in pieces. */
static void find(const char *data, size_t len)
{
	enum uapi_operation operation;
	size_t scan = 0, have = 0;
	ssize_t found, piecewise = 0;

	found = uapi_find_request(data, len, &scan, &operation);
	scan = 0;
	while (piecewise == 0 && have < len) {
		have += len - have < 7 ? len - have : 7;
		piecewise = uapi_find_request(data, have, &scan, &operation);
	}
	check(found == piecewise && found <= (ssize_t)len);
	if (found > 0 && operation == UAPI_SET)
		parse_as_set(data, (size_t)found);
	if (found > 0 && operation == UAPI_REFUSE)
		parse_as_address(data, (size_t)found, "refuse");
	if (found > 0 && operation == UAPI_GET_PEER)
		parse_as_get_peer(data, (size_t)found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	find((const char *)data, size);
	parse_as_set((const char *)data, size);
	parse_as_reply((const char *)data, size);
	parse_as_address((const char *)data, size, "wanted");
	parse_as_get_peer((const char *)data, size);
	return 0;
}
