/* SPDX-License-Identifier: MIT
 *
 * The words of `adit set`, one a line. What is accepted can be said to a daemon, which understands
 * the same; what is refused leaves nothing and says why, without a secret.
 */
#include <errno.h>
#include <stdlib.h>

#include "config/arguments.h"
#include "config/uapi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS_MAX = 64 };

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* --- the world ------------------------------------------------------- */

static int resolve(void *data, const char *host, const char *port, struct endpoint *ret_endpoint,
	const char **ret_reason)
{
	(void)data;
	check(*host && *port);
	if (strcmp(host, "host") != 0) {
		*ret_reason = "no such host";
		return -ENOENT;
	}
	*ret_endpoint = (struct endpoint){.family = AF_INET, .port = 7, .addr = {192, 0, 2, 1}};
	return 0;
}

static int read_key_file(
	void *data, const char *path, uint8_t ret_key[KEY_LEN], const char **ret_reason)
{
	(void)data;
	if (*path != 'k') {
		*ret_reason = "no such file";
		return -ENOENT;
	}
	memset(ret_key, path[1], KEY_LEN);
	return 0;
}

static void warn(void *data, const char *message)
{
	(void)data;
	check(*message && strlen(message) < CONFIG_MESSAGE_LEN);
}

/* --- one input ------------------------------------------------------- */

static void check_accepted(struct config *config)
{
	struct text first = {0}, second = {0};
	unsigned line;

	uapi_write_set(&first, config);
	config_deinit(config);
	check(uapi_parse_set(first.data, first.len, config, &line) == 0);
	uapi_write_set(&second, config);
	config_deinit(config);
	check(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	text_deinit(&first);
	text_deinit(&second);
}

static void parse(char *const *words, size_t num, const struct config_callbacks *callbacks)
{
	static const struct config empty;
	char message[CONFIG_MESSAGE_LEN] = "";
	struct config config;

	if (config_arguments_parse(words, num, callbacks, &config, message) == 0) {
		check(!*message);
		check_accepted(&config);
	} else {
		check(*message && strlen(message) < sizeof(message));
		check(memcmp(&config, &empty, sizeof(empty)) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct config_callbacks nothing;
	const struct config_callbacks callbacks = {resolve, read_key_file, warn, NULL};
	char *text = malloc(size + 1), *rest = text, *words[WORDS_MAX];
	size_t num = 0;

	check(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	while (num < WORDS_MAX && (words[num] = strsep(&rest, "\n")) != NULL)
		num++;
	parse(words, num, &callbacks);
	parse(words, num, &nothing);
	free(text);
	return 0;
}
