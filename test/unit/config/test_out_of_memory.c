/* SPDX-License-Identifier: MIT
 *
 * Memory runs out, once, at each place of the parsers and writers in turn: nothing is left behind
 * (the sanitizer looks for leaks), no half of a configuration is given out, and the second try
 * succeeds.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/arguments.h"
#include "config/file.h"
#include "config/uapi.h"
#include "config/uapi_serve.h"
#include "config/uapi_socket.h"
#include "refuse.h"

#define HEX_1 "0101010101010101010101010101010101010101010101010101010101010101"
#define HEX_2 "0202020202020202020202020202020202020202020202020202020202020202"
#define KEY_1 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define KEY_2 "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="

static const char set_request[] = "set=1\nprivate_key=" HEX_1 "\nlisten_port=7\n"
				  "public_key=" HEX_1 "\nallowed_ip=10.0.0.0/8\n"
				  "allowed_ip=10.1.0.0/16\nallowed_ip=::/0\n"
				  "public_key=" HEX_2 "\n\n";
static const char get_reply[] = "private_key=" HEX_1 "\nlisten_port=7\n"
				"public_key=" HEX_1 "\nallowed_ip=10.0.0.0/8\n"
				"allowed_ip=10.1.0.0/16\nallowed_ip=::/0\n"
				"public_key=" HEX_2 "\ndrop_a=1\ndrop_b=2\nerrno=0\n\n";
static const char file[] =
	"[Interface]\nListenPort = 7\n[Peer]\nPublicKey = " KEY_1
	"\nAllowedIPs = 10.0.0.0/8, ::/0, 10.1.0.0/16\n[Peer]\nPublicKey = " KEY_2
	"\nEndpoint = 192.0.2.1:5\n";
static const struct config_callbacks callbacks = {0};

static void assert_empty(const struct config *config)
{
	static const struct config empty;

	assert_memory_equal(config, &empty, sizeof(empty));
}

static int parse_set(struct config *ret_config)
{
	unsigned line;

	return uapi_parse_set(set_request, strlen(set_request), ret_config, &line);
}

static int parse_get_reply(struct config *ret_config)
{
	return uapi_parse_get_reply(get_reply, strlen(get_reply), ret_config);
}

static int parse_file(struct config *ret_config)
{
	char message[CONFIG_MESSAGE_LEN];
	int r = config_file_parse(file, strlen(file), "wg0.conf", CONFIG_FILE_REPLACE, &callbacks,
		ret_config, message);

	assert_true(r == 0 || strstr(message, "out of memory"));
	return r;
}

static int parse_arguments(struct config *ret_config)
{
	static char *const words[] = {"listen-port", "7", "peer", KEY_1, "allowed-ips",
		"10.0.0.0/8,::/0,10.1.0.0/16", "endpoint", "192.0.2.1:5", "peer", KEY_2};
	char message[CONFIG_MESSAGE_LEN];
	int r = config_arguments_parse(words, ARRAY_SIZE(words), &callbacks, ret_config, message);

	assert_true(r == 0 || strstr(message, "out of memory"));
	return r;
}

static void no_half_of_a_configuration_is_given_out(void **state)
{
	static int (*const parsers[])(struct config *) = {
		parse_set, parse_get_reply, parse_file, parse_arguments};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(parsers); i++) {
		struct config config = {0};
		unsigned num = 0;
		int r;

		for (;; num++) {
			refuse_after(num);
			r = parsers[i](&config);
			if (!refuse_end())
				break;
			assert_int_equal(r, -ENOMEM);
			assert_empty(&config);
		}
		assert_int_equal(r, 0);
		assert_in_range(num, 3, 20);
		assert_int_equal(config.num_peers, 2);
		config_deinit(&config);
	}
}

static void write_get_reply(struct text *text, const struct config *config)
{
	uapi_write_get_reply(text, config, false);
}

static void what_is_not_written_whole_says_so(void **state)
{
	static void (*const writers[])(struct text *, const struct config *) = {
		write_get_reply, uapi_write_set, config_file_write};
	struct config config = {0};

	(void)state;
	assert_int_equal(parse_set(&config), 0);
	for (size_t i = 0; i < 300; i++)
		assert_int_equal(config_peer_add_allowed_ip(&config.peers[1],
					 &config.peers[0].allowed_ips[0].prefix, false),
			0);
	for (size_t i = 0; i < ARRAY_SIZE(writers); i++) {
		unsigned num = 0;
		bool refused = true;

		for (; refused; num++) {
			struct text text = {0};

			refuse_after(num);
			writers[i](&text, &config);
			refused = refuse_end();
			assert_int_equal(text.failed, refused);
			text_deinit(&text);
		}
		assert_in_range(num, 3, 20);
	}
	config_deinit(&config);
}

/* --- a connection ---------------------------------------------------- */

/* The daemon has answered: a whole configuration, or none. */
static int ask(int ends[2], const char *reply, struct config *ret_config)
{
	int r;

	(void)send(ends[1], reply, strlen(reply), MSG_NOSIGNAL | MSG_DONTWAIT);
	r = uapi_socket_get(ends[0], ret_config);
	if (r == 0)
		assert_int_equal(ret_config->listen_port, 7);
	else
		assert_empty(ret_config);
	return r;
}

/* What is left of a reply does not answer the next request: the connection is whole or lost. */
static void replies_are_not_mistaken(void **state)
{
	static char reply[100000];
	unsigned num = 1; /* without memory for the request, nothing is asked */
	bool refused = true;

	(void)state;
	snprintf(reply, sizeof(reply), "listen_port=7\n%0*d=1\nerrno=0\n\n", 90000, 0);
	for (; refused; num++) {
		struct config config;
		int ends[2], r;

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		refuse_after(num);
		r = ask(ends, reply, &config);
		refused = refuse_end();
		assert_int_equal(r, refused ? -ENOMEM : 0);
		config_deinit(&config);
		for (int i = 0; i < 2; i++) {
			r = ask(ends, "listen_port=7\nerrno=0\n\n", &config);
			assert_int_equal(r != 0, uapi_socket_is_lost(ends[0]));
			config_deinit(&config);
		}
		close(ends[0]);
		close(ends[1]);
	}
	assert_in_range(num, 3, 20);
}

/* --- requests -------------------------------------------------------- */

static unsigned num_applied;

static int get(void *ctx, const uint8_t *public_key, struct config *ret_config)
{
	(void)ctx;
	(void)public_key;
	return parse_set(ret_config);
}

static int set(void *ctx, const struct config *config)
{
	(void)ctx;
	assert_int_equal(config->num_peers, 2);
	num_applied++;
	return 0;
}

static bool hides_keys(void *ctx)
{
	(void)ctx;
	return false;
}

/* A request is done and answered, or the answer is an error, or there is none. */
static void a_request_is_done_or_refused(void **state)
{
	static const struct uapi_ops ops = {.get = get, .set = set, .hides_keys = hides_keys};
	static const char *const requests[] = {set_request, "get=1\n\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		const size_t len = strlen(requests[i]);
		bool refused = true;
		unsigned num = 0;

		for (; refused; num++) {
			struct text reply = {0};
			size_t scan = 0;

			num_applied = 0;
			refuse_after(num);
			assert_int_equal(
				uapi_serve(&ops, NULL, requests[i], len, &scan, &reply), len);
			refused = refuse_end();
			if (!reply.failed && refused) {
				assert_string_equal(reply.data, "errno=-12\n\n");
				assert_int_equal(num_applied, 0);
			} else if (!reply.failed) {
				assert_non_null(strstr(reply.data, "errno=0\n\n"));
				assert_int_equal(num_applied, i == 0);
			}
			text_deinit(&reply);
		}
		assert_in_range(num, 3, 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_half_of_a_configuration_is_given_out),
		cmocka_unit_test(what_is_not_written_whole_says_so),
		cmocka_unit_test(replies_are_not_mistaken),
		cmocka_unit_test(a_request_is_done_or_refused),
	};

	return cmocka_run_group_tests_name("out of memory", tests, NULL, NULL);
}
