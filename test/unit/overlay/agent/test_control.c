/* SPDX-License-Identifier: MIT
 *
 * The control socket: words, answers now and later, clients that hang up, too many of them, and who
 * may change things.
 */
#include "overlay/agent/control.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

/* accept4 and poll of the server go through here. */
int __real_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int __wrap_poll(struct pollfd *fds, nfds_t num, int timeout_ms);

static unsigned accepts_that_fail, num_pauses;

int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	if (accepts_that_fail == 0)
		return __real_accept4(fd, addr, len, flags);
	accepts_that_fail--;
	errno = EMFILE;
	return -1;
}

int __wrap_poll(struct pollfd *fds, nfds_t num, int timeout_ms)
{
	(void)timeout_ms;
	assert_null(fds);
	assert_int_equal(num, 0);
	num_pauses++;
	return 0;
}

static struct loop *loop;
static struct control *control;
static struct sockaddr_un addr = {.sun_family = AF_UNIX};
static uint64_t last_id;
static unsigned num_requests;
static bool answers, may;
static char words_text[256];

static void request(void *ctx, uint64_t id, bool may_change, char *const *words, unsigned num_words)
{
	assert_ptr_equal(ctx, &last_id);
	last_id = id;
	may = may_change;
	num_requests++;
	*words_text = '\0';
	for (unsigned i = 0; i < num_words; i++)
		snprintf(words_text + strlen(words_text), sizeof(words_text) - strlen(words_text),
			"%s,", words[i]);
	if (answers)
		control_reply_words(control, id, 3, "hello %s\n", words[0]);
}

static int start(void **state)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(addr);
	const sa_family_t family = AF_UNIX;

	(void)state;
	num_requests = 0;
	answers = true;
	loop = loop_new(4);
	/* an abstract address of the kernel's choice */
	if (bind(fd, (const struct sockaddr *)&family, sizeof(family)) < 0 || listen(fd, 64) < 0 ||
		getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return -1;
	control = control_new(loop, fd, (gid_t)-1, request, &last_id);
	return control ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	control_free(control);
	loop_free(loop);
	return 0;
}

static void run(void)
{
	for (int i = 0; i < 8; i++)
		loop_run_once(loop, clock_boottime_ns() + 2 * MSEC_NS);
}

static int client(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* an abstract name of five hex digits */
	assert_int_equal(connect(fd, (const struct sockaddr *)&addr, sizeof(sa_family_t) + 6), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	run();
}

static void expect(int fd, const char *text)
{
	char buffer[256] = "";
	ssize_t len = recv(fd, buffer, sizeof(buffer) - 1, 0);

	assert_int_equal(len, strlen(text));
	assert_string_equal(buffer, text);
	assert_int_equal(recv(fd, buffer, sizeof(buffer), 0), 0); /* one request a connection */
	close(fd);
}

static void test_words(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "join  adit://x");
	assert_int_equal(num_requests, 0);
	say(fd, "#y name=z \n");
	assert_string_equal(words_text, "join,adit://x#y,name=z,");
	assert_true(may); /* the test is root's */
	expect(fd, "3\nhello join\n");
	fd = client();
	say(fd, "\n");
	expect(fd, "2\nthat is no request\n");
	fd = client();
	say(fd, "a\033[2J\n");
	expect(fd, "2\nthat is no request\n");
}

static void test_answer_later(void **state)
{
	int fd = client(), gone = client();

	(void)state;
	answers = false;
	say(fd, "status\n");
	control_reply_words(control, last_id, 0, "late\n");
	control_reply_words(control, last_id, 1, "twice\n");
	run();
	expect(fd, "0\nlate\n");
	say(gone, "status\n");
	close(gone);
	run();
	control_reply_words(control, last_id, 0, "nobody hears\n");
	run();
}

static void test_flood(void **state)
{
	char long_line[CONTROL_LINE_MAX + 1];
	int fds[100], fd;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = client();
		run();
	}
	fd = client();
	say(fd, "status\n"); /* who was there first and said nothing gave way */
	expect(fd, "3\nhello status\n");
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	run();
	memset(long_line, 'x', sizeof(long_line));
	fd = client();
	(void)!send(fd, long_line, sizeof(long_line), MSG_NOSIGNAL);
	run();
	assert_true(recv(fd, long_line, 1, 0) <= 0 && errno != EAGAIN);
	close(fd);
}

static void test_who_may(void **state)
{
	int fd;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(setresuid(65534, 65534, 0), 0);
	fd = client();
	assert_int_equal(setresuid(0, 0, 0), 0);
	say(fd, "status\n");
	assert_false(may);
	close(fd);
}

/* Who may only look, however often, sends nobody away who may do. */
static void test_flood_of_others(void **state)
{
	int fds[100], fd;

	(void)state;
	if (geteuid() != 0)
		skip();
	fd = client();
	run();
	assert_int_equal(setresuid(65534, 65534, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = client();
		run();
	}
	assert_int_equal(setresuid(0, 0, 0), 0);
	say(fd, "status\n");
	assert_true(may);
	expect(fd, "3\nhello status\n");
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

/* Without a descriptor to accept it with a client would go on waiting, and the loop would not. */
static void test_no_descriptor(void **state)
{
	int fd = client();

	(void)state;
	accepts_that_fail = 1;
	run();
	assert_int_equal(recv(fd, words_text, 1, 0), 0); /* it was turned away */
	close(fd);
	fd = client();
	accepts_that_fail = 6; /* two a turn: not even the descriptor that was kept for it helps */
	num_pauses = 0;
	run();
	assert_int_equal(num_pauses, 3);
	say(fd, "status\n");
	expect(fd, "3\nhello status\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_words, start, stop),
		cmocka_unit_test_setup_teardown(test_answer_later, start, stop),
		cmocka_unit_test_setup_teardown(test_flood, start, stop),
		cmocka_unit_test_setup_teardown(test_no_descriptor, start, stop),
		cmocka_unit_test_setup_teardown(test_who_may, start, stop),
		cmocka_unit_test_setup_teardown(test_flood_of_others, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
