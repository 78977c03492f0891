/* SPDX-License-Identifier: MIT
 *
 * The client of UAPI sockets against a daemon that says what a test wrote: one request after the
 * other on a connection, events in pieces and between replies, a daemon that goes.
 */
#include "config/uapi_socket.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static int client, daemon_fd;
static struct uapi_watch watch;

static int setup(void **state)
{
	int ends[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	client = ends[0];
	daemon_fd = ends[1];
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	uapi_watch_deinit(&watch);
	close(client);
	return close(daemon_fd);
}

static void daemon_says(const char *text)
{
	assert_int_equal(send(daemon_fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void daemon_hears(const char *text)
{
	char got[1000];
	ssize_t n = recv(daemon_fd, got, sizeof(got), MSG_DONTWAIT);

	assert_int_equal(n, strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

static void requests_follow_each_other(void **state)
{
	struct config config = {.flags = CONFIG_HAS_LISTEN_PORT, .listen_port = 5};

	(void)state;
	for (int i = 0; i < 3; i++) {
		daemon_says("errno=0\n\n");
		assert_int_equal(uapi_socket_set(client, &config), 0);
		daemon_hears("set=1\nlisten_port=5\n\n");
		daemon_says("listen_port=7\nerrno=0\n\n");
		assert_int_equal(uapi_socket_get(client, &config), 0);
		daemon_hears("get=1\n\n");
		assert_int_equal(config.listen_port, 7);
		config.listen_port = 5;
		daemon_says("errno=-98\n\n"); /* which does no harm to the connection */
		assert_int_equal(uapi_socket_set(client, &config), -EADDRINUSE);
		daemon_hears("set=1\nlisten_port=5\n\n");
	}
	assert_false(uapi_socket_is_lost(client));
	daemon_says("errno=0\n");
	shutdown(daemon_fd, SHUT_WR);
	assert_int_equal(uapi_socket_get(client, &config), -EPROTO);
	shutdown(daemon_fd, SHUT_RDWR);
	assert_int_equal(uapi_socket_set(client, &config), -EPIPE);
}

#define HEX_A "abababababababababababababababababababababababababababababababab"
#define HEX_1 "0101010101010101010101010101010101010101010101010101010101010101"

static void one_peer_is_asked_for(void **state)
{
	static const struct {
		const char *said;
		int result;
	} rows[] = {
		{"listen_port=7\npublic_key=" HEX_A "\nrx_bytes=3\nerrno=0\n\n", 0},
		{"errno=-2\n\n", -ENOENT},
		{"listen_port=7\nerrno=0\n\n", -EPROTO}, /* another daemon might say so */
		{"public_key=" HEX_1 "\nerrno=0\n\n", -EPROTO},
		{"public_key=" HEX_A "\npublic_key=" HEX_1 "\nerrno=0\n\n", -EPROTO},
	};
	static const struct config empty;
	uint8_t key[KEY_LEN];
	struct config config;

	(void)state;
	memset(key, 0xab, KEY_LEN);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		daemon_says(rows[i].said);
		assert_int_equal(uapi_socket_get_peer(client, key, &config), rows[i].result);
		daemon_hears("get=1\npublic_key=" HEX_A "\n\n");
		if (rows[i].result != 0) {
			assert_memory_equal(&config, &empty, sizeof(config));
			continue;
		}
		assert_int_equal(config.listen_port, 7);
		assert_int_equal(config.peers[0].rx_bytes, 3);
		config_deinit(&config);
	}
}

static void a_daemon_is_told_to_hide_keys(void **state)
{
	(void)state;
	daemon_says("errno=0\n\n");
	assert_int_equal(uapi_socket_hide_keys(client), 0);
	daemon_hears("hide_keys=1\n\n");
	daemon_says("errno=-22\n\n");
	assert_int_equal(uapi_socket_hide_keys(client), -EINVAL);
	shutdown(daemon_fd, SHUT_WR); /* as one does that knows no such request */
	assert_int_equal(uapi_socket_hide_keys(client), -EPROTO);
}

static void begin(void)
{
	daemon_says("errno=0\n\n");
	assert_int_equal(uapi_watch_begin(&watch, client), 0);
	daemon_hears("watch=1\n\n");
}

static void assert_next(const char *text)
{
	struct prefix expected, address;

	assert_int_equal(prefix_from_text(&expected, text), 0);
	assert_int_equal(uapi_watch_next(&watch, &address), 1);
	assert_memory_equal(&address, &expected, sizeof(address));
}

static void assert_none(int result)
{
	struct prefix address;

	assert_int_equal(uapi_watch_next(&watch, &address), result);
}

static void events_are_taken_one_by_one(void **state)
{
	struct prefix address;

	(void)state;
	begin();
	assert_none(0);
	daemon_says("wanted=10.8.0.7\n\nwanted=fd08::7\n\nwan");
	assert_next("10.8.0.7");
	assert_next("fd08::7");
	assert_none(0);
	assert_int_equal(prefix_from_text(&address, "fd08::7"), 0);
	assert_int_equal(uapi_watch_refuse(&watch, &address), 0);
	daemon_hears("refuse=fd08::7\n\n");
	daemon_says("ted=10.8.0.8\n\nerrno=0\n\n");
	assert_next("10.8.0.8");
	assert_none(0);
	daemon_says("errno=0\n\nwanted=10.8.0.9\n\n");
	assert_next("10.8.0.9");
	shutdown(daemon_fd, SHUT_RDWR);
	assert_none(-EPIPE);
	assert_int_equal(uapi_watch_refuse(&watch, &address), -EPIPE);
}

static void events_may_come_with_the_first_reply(void **state)
{
	struct pollfd readable = {.fd = client, .events = POLLIN};

	(void)state;
	daemon_says("errno=0\n\nwanted=10.8.0.7\n\n");
	assert_int_equal(uapi_watch_begin(&watch, client), 0);
	assert_int_equal(poll(&readable, 1, 0), 1); /* for who waits for events */
	assert_next("10.8.0.7");
	assert_none(0);
}

static void what_is_no_event(void **state)
{
	static const struct {
		const char *said;
		int result;
	} rows[] = {
		{"errno=-22\n\n", -EINVAL},
		{"wanted=10.8.0.7/32\n\n", -EPROTO},
		{"wanted=x\n\n", -EPROTO},
		{"refuse=10.8.0.7\n\n", -EPROTO},
		{"\n\n", -EPROTO},
	};
	static char endless[10000];

	(void)state;
	begin();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		daemon_says(rows[i].said);
		assert_none(rows[i].result);
	}
	memset(endless, 'x', sizeof(endless) - 1);
	daemon_says(endless);
	assert_none(-EPROTO);
}

static void a_tunnel_may_have_a_watcher_or_know_of_none(void **state)
{
	(void)state;
	daemon_says("errno=-16\n\n");
	assert_int_equal(uapi_watch_begin(&watch, client), -EBUSY);
	shutdown(daemon_fd, SHUT_WR);
	assert_int_equal(uapi_watch_begin(&watch, client), -EPIPE);
}

static void a_slow_tunnel_is_not_waited_for(void **state)
{
	struct prefix address;
	int r = 0;

	(void)state;
	begin();
	assert_int_equal(prefix_from_text(&address, "10.8.0.7"), 0);
	for (int i = 0; i < 100000 && r == 0; i++)
		r = uapi_watch_refuse(&watch, &address);
	assert_int_equal(r, -EAGAIN);
}

static void names(void **state)
{
	(void)state;
	assert_int_equal(uapi_socket_connect(""), -EINVAL);
	assert_int_equal(uapi_socket_connect("a/b"), -EINVAL);
	assert_int_equal(uapi_socket_connect("a123456789012345"), -EINVAL);
	assert_int_equal(uapi_socket_connect("a12345678901234"), -ENOENT);
}

/* Who is to say no more than an error cannot have all our memory. */
static void a_short_reply_is_short(void **state)
{
	const struct config config = {0};
	char text[8192];

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_false(uapi_socket_is_lost(client));
	assert_int_equal(send(daemon_fd, text, sizeof(text), MSG_NOSIGNAL), sizeof(text));
	assert_int_equal(uapi_socket_set(client, &config), -EMSGSIZE);
	/* what comes of it later answers nothing else */
	(void)send(daemon_fd, "errno=0\n\n", 9, MSG_NOSIGNAL);
	assert_int_not_equal(uapi_socket_set(client, &config), 0);
	assert_true(uapi_socket_is_lost(client));
}

/* Who says it byte by byte cannot keep us for long: each may take as long as we wait at all. */
static void a_short_reply_takes_few_turns(void **state)
{
	const struct config config = {0};

	(void)state;
	daemon_says("errno=-4095\n\n");
	assert_int_equal(uapi_socket_set(client, &config), -4095);
	daemon_says("errno=-0000004095");
	assert_int_equal(shutdown(daemon_fd, SHUT_WR), 0);
	assert_int_equal(uapi_socket_set(client, &config), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(requests_follow_each_other, setup, teardown),
		cmocka_unit_test_setup_teardown(one_peer_is_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(a_daemon_is_told_to_hide_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(events_are_taken_one_by_one, setup, teardown),
		cmocka_unit_test_setup_teardown(
			events_may_come_with_the_first_reply, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_event, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_tunnel_may_have_a_watcher_or_know_of_none, setup, teardown),
		cmocka_unit_test_setup_teardown(a_slow_tunnel_is_not_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(a_short_reply_is_short, setup, teardown),
		cmocka_unit_test_setup_teardown(a_short_reply_takes_few_turns, setup, teardown),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
