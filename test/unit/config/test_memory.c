/* SPDX-License-Identifier: MIT
 *
 * Memory that is out at any moment: every allocation fails in its turn, until there are no more of
 * them. Then nothing is left behind, and the error says what it was. (The linker puts our functions
 * in the place of malloc and calloc.)
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/arguments.h"
#include "config/file.h"
#include "config/uapi.h"

#define KEY "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define HEX "0101010101010101010101010101010101010101010101010101010101010101"

void *__real_malloc(size_t size);
void *__real_calloc(size_t num, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t num, size_t size);

static unsigned num_left; /* allocations that succeed before one does not */
static bool has_failed;

static bool fails(void)
{
	if (has_failed || num_left-- > 0)
		return false;
	has_failed = true;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t num, size_t size)
{
	return fails() ? NULL : __real_calloc(num, size);
}

static int parse_file(struct config *config, char message[CONFIG_MESSAGE_LEN])
{
	static const struct config_callbacks callbacks;
	static const char text[] =
		"[Interface]\nListenPort = 5\n[Peer]\nPublicKey = " KEY
		"\nAllowedIPs = 10.0.0.1, 10.0.0.2\n[Peer]\nPublicKey = " KEY "\n";

	return config_file_parse(
		text, sizeof(text) - 1, "x.conf", CONFIG_FILE_APPEND, &callbacks, config, message);
}

static int parse_arguments(struct config *config, char message[CONFIG_MESSAGE_LEN])
{
	static const struct config_callbacks callbacks;
	static char *const words[] = {
		"listen-port", "5", "peer", KEY, "allowed-ips", "10.0.0.1,10.0.0.2", "peer", KEY};

	return config_arguments_parse(words, ARRAY_SIZE(words), &callbacks, config, message);
}

static int parse_request(struct config *config, char message[CONFIG_MESSAGE_LEN])
{
	static const char text[] =
		"set=1\nlisten_port=5\npublic_key=" HEX
		"\nallowed_ip=10.0.0.1/32\nallowed_ip=10.0.0.2/32\npublic_key=" HEX "\n\n";
	unsigned line;
	int r = uapi_parse_set(text, sizeof(text) - 1, config, &line);

	strcpy(message, r == 0 ? "" : "out of memory");
	return r;
}

static int parse_reply(struct config *config, char message[CONFIG_MESSAGE_LEN])
{
	static const char text[] =
		"drop_a=1\ndrop_b=2\npublic_key=" HEX
		"\nallowed_ip=10.0.0.1/32\nallowed_ip=10.0.0.2/32\npublic_key=" HEX "\nerrno=0\n\n";
	int r = uapi_parse_get_reply(text, sizeof(text) - 1, config);

	strcpy(message, r == 0 ? "" : "out of memory");
	return r;
}

static void nothing_is_left_behind(void **state)
{
	static int (*const parsers[])(struct config *, char[CONFIG_MESSAGE_LEN]) = {
		parse_file, parse_arguments, parse_request, parse_reply};
	static const struct config empty;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(parsers); i++) {
		unsigned turn = 0;

		for (int r = -ENOMEM; r != 0; turn++) {
			char message[CONFIG_MESSAGE_LEN] = "";
			struct config config;
			bool was_out;

			num_left = turn;
			has_failed = false;
			r = parsers[i](&config, message);
			was_out = has_failed;
			has_failed = true; /* no more */
			assert_int_equal(r, was_out ? -ENOMEM : 0);
			if (r == 0) {
				assert_int_equal(config.num_peers, 2);
			} else {
				assert_memory_equal(&config, &empty, sizeof(empty));
				assert_non_null(strstr(message, "out of memory"));
			}
			config_deinit(&config);
		}
		assert_in_range(turn, 5, 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_left_behind)};

	has_failed = true;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
