/* SPDX-License-Identifier: MIT
 *
 * An agent that never comes to an end, in a process with little memory or on a clock of our own:
 * the command gives up.
 */
#include "tools/agent_client.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/tools.h"

/* More than the command takes. */
enum { ENDLESS = 1 << 20 };

static char folder[] = "/tmp/adit-agent-client-XXXXXX";
static int listen_fd;

static struct {
	const char *reply; /* of which each recv gives what fits; then what follows */
	size_t len;
	size_t piece;	    /* bytes that follow in one recv; 0: the end */
	unsigned num_recvs; /* so far */
	time_t pace_s;	    /* that each of them takes */
	time_t passed_s;
	size_t biggest_malloc; /* 0: any */
} world;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
ssize_t __wrap_recv(int fd, void *data, size_t size, int flags);
int __wrap_poll(struct pollfd *fds, nfds_t num, int timeout_ms);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);

void *__wrap_malloc(size_t size)
{
	if (world.biggest_malloc > 0 && size > world.biggest_malloc)
		return NULL;
	return __real_malloc(size);
}

ssize_t __wrap_recv(int fd, void *data, size_t size, int flags)
{
	size_t len = world.len > 0 ? world.len : world.piece;

	(void)fd;
	(void)flags;
	world.passed_s += world.pace_s;
	if (++world.num_recvs == ENDLESS)
		len = 0;
	len = len < size ? len : size;
	memset(data, 'x', len);
	if (world.len > 0) {
		memcpy(data, world.reply, len);
		world.reply += len;
		world.len -= len;
	}
	return (ssize_t)len;
}

int __wrap_poll(struct pollfd *fds, nfds_t num, int timeout_ms)
{
	(void)timeout_ms;
	fds->revents = POLLIN;
	return (int)num;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	(void)clock;
	*ret_time = (struct timespec){.tv_sec = 1000 + world.passed_s};
	return 0;
}

/* Its name where time has 64 bits and a pointer 32. */
int __wrap___clock_gettime64(clockid_t clock, struct timespec *ret_time);
int __wrap___clock_gettime64(clockid_t clock, struct timespec *ret_time)
{
	return __wrap_clock_gettime(clock, ret_time);
}

void complain(const char *format, ...)
{
	fail_msg("%s", format);
}

int finish_output(void)
{
	return 0;
}

static int ask(const char *reply, size_t piece)
{
	struct text text = {0};
	int r;

	world.reply = reply;
	world.len = strlen(reply);
	world.piece = piece;
	r = agent_ask(&text, "status");
	text_deinit(&text);
	assert_in_range(world.num_recvs, 1, ENDLESS - 1);
	return r;
}

static int setup(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	(void)state;
	world.num_recvs = 0;
	world.pace_s = 0;
	world.passed_s = 0;
	world.biggest_malloc = 0;
	if (!mkdtemp(folder))
		return -1;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/agent", folder);
	setenv("ADIT_AGENT_SOCKET", addr.sun_path, true);
	listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return bind(listen_fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(listen_fd, 1);
}

static int teardown(void **state)
{
	(void)state;
	close(listen_fd);
	unlink(getenv("ADIT_AGENT_SOCKET"));
	rmdir(folder);
	memcpy(strrchr(folder, '-') + 1, "XXXXXX", 6);
	return 0;
}

static void an_answer_is_taken(void **state)
{
	(void)state;
	world.pace_s = 1;
	assert_int_equal(ask("3\nthis\n", 0), 3);
}

static void what_is_too_long_is_no_answer(void **state)
{
	(void)state;
	assert_int_equal(ask("0\n", 4096), -EMSGSIZE);
}

static void without_memory_there_is_no_answer(void **state)
{
	(void)state;
	world.biggest_malloc = 1 << 16;
	assert_int_equal(ask("0\n", 4096), -ENOMEM);
}

static void nobody_waits_for_ever(void **state)
{
	(void)state;
	world.pace_s = 1;
	assert_int_equal(ask("0\n", 1), -ETIMEDOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_answer_is_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_too_long_is_no_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory_there_is_no_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_waits_for_ever, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
