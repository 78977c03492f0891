/* SPDX-License-Identifier: MIT
 *
 * A server that answers each line with the same line: requests whole and in parts, several at once,
 * clients that go too far, too many clients, and the socket file.
 */
#include "net/local_server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { LINE_MAX_LEN = 100000, WAIT_MS = 10 };

static char dir[] = "/tmp/adit-local-server-XXXXXX";
static struct local_server *server;
static size_t num_answers;

static ssize_t answer(void *ctx, const char *data, size_t len, size_t *scan, struct text *reply)
{
	const char *end = len > *scan ? memchr(data + *scan, '\n', len - *scan) : NULL;

	assert_ptr_equal(ctx, &num_answers);
	assert_true(*scan <= len);
	if (!end) {
		*scan = len;
		return len < LINE_MAX_LEN ? 0 : -EMSGSIZE;
	}
	num_answers++;
	if (len == 10 && memcmp(data, "subscribe\n", 10) == 0) {
		text_printf(reply, "subscribe %d\n", local_server_subscribe(server));
		return 10;
	}
	if (len == 9 && memcmp(data, "restrict\n", 9) == 0)
		local_server_restrict(server);
	if (local_server_is_restricted(server))
		text_printf(reply, "restricted ");
	text_append(reply, data, (size_t)(end + 1 - data));
	return end + 1 - data;
}

/* accept4 and poll of the server go through here. */
int __real_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int __real_poll(struct pollfd *fds, nfds_t num, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t num, int timeout_ms);

static int accept_error; /* 0: none */
static unsigned accepts_that_fail, num_pauses;

int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	if (accepts_that_fail == 0)
		return __real_accept4(fd, addr, len, flags);
	accepts_that_fail--;
	errno = accept_error;
	return -1;
}

int __wrap_poll(struct pollfd *fds, nfds_t num, int timeout_ms)
{
	num_pauses += num == 0;
	return num == 0 ? 0 : __real_poll(fds, num, timeout_ms);
}

/* Serve until nothing happens any more. Returns what the last dispatch did. */
static bool serve(void)
{
	struct pollfd fds[LOCAL_SERVER_MAX_POLLFDS];
	bool there = true;

	for (int i = 0; i < 1000 && there; i++) {
		unsigned num = local_server_pollfds(server, fds);

		assert_in_range(num, 2, LOCAL_SERVER_MAX_POLLFDS);
		if (poll(fds, num, WAIT_MS) == 0)
			return true;
		there = local_server_dispatch(server, answer, &num_answers, fds, num);
	}
	assert_false(there);
	return false;
}

static struct sockaddr_un address(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/x.sock", dir);
	return addr;
}

static int new_client(void)
{
	struct sockaddr_un addr = address();
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_true(serve());
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	assert_true(serve());
}

static void hears(int fd, const char *text)
{
	char got[256];
	ssize_t n = recv(fd, got, sizeof(got), MSG_DONTWAIT);

	assert_int_equal(n, *text ? (ssize_t)strlen(text) : -1);
	if (n > 0)
		assert_memory_equal(got, text, (size_t)n);
}

static void is_sent_away(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
	close(fd);
}

static int setup(void **state)
{
	(void)state;
	num_answers = 0;
	return local_server_new(dir, "x.sock", -1, &server);
}

static int teardown(void **state)
{
	(void)state;
	local_server_free(server);
	server = NULL;
	return 0;
}

static void requests_are_answered(void **state)
{
	int fd = new_client(), other = new_client();

	(void)state;
	say(fd, "one\n");
	hears(fd, "one\n");
	say(fd, "tw");
	hears(fd, "");
	say(other, "three\nfour\nfi");
	hears(other, "three\nfour\n");
	say(fd, "o\n");
	hears(fd, "two\n");
	say(other, "ve\n");
	hears(other, "five\n");
	assert_int_equal(num_answers, 5);
	close(fd);
	close(other);
}

static void a_client_that_makes_no_sense_is_sent_away(void **state)
{
	static char much[LINE_MAX_LEN + 1];
	int fd = new_client(), other = new_client();

	(void)state;
	memset(much, 'x', LINE_MAX_LEN);
	say(fd, much);
	is_sent_away(fd);
	say(other, "still here\n");
	hears(other, "still here\n");
	close(other);
}

static void push(const char *text)
{
	local_server_push(server, text, strlen(text));
}

/* Whoever says "subscribe" does. */
static void what_is_pushed_goes_to_the_subscriber(void **state)
{
	int fd = new_client(), other = new_client();

	(void)state;
	push("to nobody\n");
	say(other, "here\n");
	hears(other, "here\n");
	say(fd, "subscribe\n");
	hears(fd, "subscribe 0\n");
	push("one\n");
	push("two\n");
	hears(fd, "one\ntwo\n");
	say(fd, "subscribe\n");
	hears(fd, "subscribe 0\n");
	say(other, "subscribe\n");
	hears(other, "subscribe -16\n");
	push("three\n");
	say(fd, "still asking\n");
	hears(fd, "three\nstill asking\n");
	close(fd);
	push("four\n"); /* it is gone, but nobody has looked yet */
	assert_true(local_server_has_subscriber(server));
	assert_true(serve());
	assert_false(local_server_has_subscriber(server));
	push("five\n");
	say(other, "subscribe\n");
	hears(other, "subscribe 0\n");
	close(other);
}

static void a_slow_subscriber_loses_what_is_pushed(void **state)
{
	enum { LINES = 100000 };
	int fd = new_client(), other = new_client(), num = 0, last = -1, number;
	char line[16];

	(void)state;
	say(fd, "subscribe\n");
	hears(fd, "subscribe 0\n");
	for (int i = 0; i < LINES; i++) {
		snprintf(line, sizeof(line), "%07d\n", i);
		push(line);
	}
	say(other, "meanwhile\n");
	hears(other, "meanwhile\n");
	while (recv(fd, line, 8, MSG_DONTWAIT) == 8 ||
		(serve() && recv(fd, line, 8, MSG_DONTWAIT) == 8)) {
		number = atoi(line);
		assert_true(number > last); /* whole lines, in order */
		last = number;
		num++;
	}
	assert_in_range(num, 65536 / 8, LINES / 2);
	assert_false(local_server_is_busy(server));
	push("again\n");
	hears(fd, "again\n");
	close(fd);
	close(other);
}

static void who_is_busy(void **state)
{
	int fd = new_client();

	(void)state;
	assert_false(local_server_is_busy(server));
	say(fd, "o");
	assert_true(local_server_is_busy(server));
	say(fd, "ne\n");
	hears(fd, "one\n");
	assert_false(local_server_is_busy(server));
	close(fd);
}

/* Whoever says "restrict" is, alone and to the end; who takes its place is not. */
static void a_client_stays_restricted(void **state)
{
	int fd = new_client(), other = new_client();

	(void)state;
	say(fd, "one\n");
	hears(fd, "one\n");
	for (int i = 0; i < 2; i++) {
		say(fd, "restrict\n");
		hears(fd, "restricted restrict\n");
		say(other, "one\n");
		hears(other, "one\n");
		say(fd, "two\n");
		hears(fd, "restricted two\n");
	}
	close(fd);
	assert_true(serve());
	fd = new_client();
	say(fd, "three\n");
	hears(fd, "three\n");
	close(fd);
	close(other);
}

/* What waits for a client that does not read stays small: it is not read itself. */
static void a_client_that_does_not_read_waits(void **state)
{
	static char line[60001], got[sizeof(line) - 1];
	int fd = new_client();
	size_t sent = 0, received = 0;
	ssize_t n;

	(void)state;
	memset(line, 'x', sizeof(line) - 2);
	line[sizeof(line) - 2] = '\n';
	while ((n = send(fd, line, sizeof(line) - 1, MSG_DONTWAIT)) > 0 && sent < 100 << 20) {
		sent += (size_t)n;
		assert_true(serve());
	}
	assert_true(n < 0);
	assert_true(sent < 10 << 20);
	while (received < sent - sent % (sizeof(line) - 1) &&
		(n = recv(fd, got, sizeof(got), MSG_DONTWAIT)) > 0) {
		received += (size_t)n;
		assert_true(serve());
	}
	assert_int_equal(received, sent - sent % (sizeof(line) - 1));
	close(fd);
}

static void the_longest_silent_client_makes_room(void **state)
{
	int fds[LOCAL_SERVER_MAX_CLIENTS], extra;

	(void)state;
	for (int i = 0; i < LOCAL_SERVER_MAX_CLIENTS; i++)
		fds[i] = new_client();
	say(fds[1], "subscribe\n"); /* it may be silent */
	hears(fds[1], "subscribe 0\n");
	for (int i = 3; i < LOCAL_SERVER_MAX_CLIENTS; i++) {
		say(fds[i], "I am busy\n");
		hears(fds[i], "I am busy\n");
	}
	say(fds[0], "I am busy\n");
	hears(fds[0], "I am busy\n");
	extra = new_client();
	is_sent_away(fds[2]);
	fds[2] = extra;
	extra = new_client();
	is_sent_away(fds[3]);
	fds[3] = extra;
	for (int i = 0; i < LOCAL_SERVER_MAX_CLIENTS; i++) {
		say(fds[i], "here\n");
		hears(fds[i], "here\n");
		close(fds[i]);
	}
}

static void the_file_is_roots_and_its_removal_the_end(void **state)
{
	struct sockaddr_un addr = address();
	struct local_server *second = NULL;
	char other[sizeof(addr.sun_path)];
	struct stat status;

	(void)state;
	assert_int_equal(stat(addr.sun_path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0700);
	assert_int_equal(local_server_new(dir, "x.sock", -1, &second), -EADDRINUSE);
	snprintf(other, sizeof(other), "%.90s/y", dir);
	fclose(fopen(other, "w"));
	unlink(other);
	assert_true(serve());
	unlink(addr.sun_path);
	assert_false(serve());
}

static void a_stale_file_is_replaced(void **state)
{
	struct sockaddr_un addr = address();
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(setup(NULL), 0);
	fd = new_client();
	say(fd, "x\n");
	hears(fd, "x\n");
	close(fd);
	teardown(NULL);
	assert_int_equal(access(addr.sun_path, F_OK), -1);
}

static void a_socket_may_be_handed_down(void **state)
{
	struct sockaddr_un addr = address();
	static char long_name[200];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), client;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(local_server_new(dir, "x.sock", fd, &server), -ENOTSOCK);
	assert_int_equal(local_server_new(dir, "x.sock", 0, &server), -ENOTSOCK);
	memset(long_name, 'x', sizeof(long_name) - 1);
	assert_int_equal(local_server_new(dir, long_name, -1, &server), -ENAMETOOLONG);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(local_server_new(dir, "x.sock", fd, &server), 0);
	client = new_client();
	say(client, "x\n");
	hears(client, "x\n");
	close(client);
	teardown(NULL);
}

/* Not even the descriptor that was kept for it helps: somebody else has it. */
static void while_no_client_can_be_accepted_nothing_spins(void **state)
{
	static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		int fd;

		accept_error = errors[i];
		accepts_that_fail = 20; /* two a turn */
		num_pauses = 0;
		fd = new_client();
		assert_int_equal(num_pauses, 10);
		say(fd, "at last\n");
		hears(fd, "at last\n");
		close(fd);
		assert_true(serve());
	}
}

/* Another client has to go first; a single failure costs nobody else anything. */
static void who_is_silent_makes_room_for_a_descriptor(void **state)
{
	int silent = new_client(), fd;

	(void)state;
	accept_error = EMFILE;
	accepts_that_fail = 1;
	num_pauses = 0;
	fd = new_client();
	is_sent_away(silent);
	say(fd, "one\n");
	hears(fd, "one\n");
	accepts_that_fail = 2;
	accept_error = ECONNABORTED;
	silent = new_client();
	say(fd, "two\n");
	hears(fd, "two\n");
	assert_int_equal(num_pauses, 0);
	close(fd);
	close(silent);
}

/* What the system has no more of is nobody's whom we could send away. */
static void nobody_has_to_go_for_what_the_system_lacks(void **state)
{
	static const int errors[] = {ENFILE, ENOBUFS, ENOMEM};
	int silent = new_client();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		int fd;

		accept_error = errors[i];
		accepts_that_fail = 4;
		fd = new_client();
		say(fd, "at last\n");
		hears(fd, "at last\n");
		close(fd);
		assert_true(serve());
	}
	say(silent, "here\n");
	hears(silent, "here\n");
	close(silent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(requests_are_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_client_that_makes_no_sense_is_sent_away, setup, teardown),
		cmocka_unit_test_setup_teardown(a_client_that_does_not_read_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_pushed_goes_to_the_subscriber, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_slow_subscriber_loses_what_is_pushed, setup, teardown),
		cmocka_unit_test_setup_teardown(who_is_busy, setup, teardown),
		cmocka_unit_test_setup_teardown(a_client_stays_restricted, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_longest_silent_client_makes_room, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_file_is_roots_and_its_removal_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(
			while_no_client_can_be_accepted_nothing_spins, setup, teardown),
		cmocka_unit_test_setup_teardown(
			who_is_silent_makes_room_for_a_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(
			nobody_has_to_go_for_what_the_system_lacks, setup, teardown),
		cmocka_unit_test(a_stale_file_is_replaced),
		cmocka_unit_test(a_socket_may_be_handed_down),
	};
	int failed;

	if (!mkdtemp(dir))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return failed;
}
