/* SPDX-License-Identifier: MIT
 *
 * A message arrives whole and of its size, with the descriptors it may carry, or not at all.
 */
#include "privsep/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { LEN = 72, UNTOUCHED = 0x5a };

static int ends[2];

static int setup(void **state)
{
	(void)state;
	return ipc_pair(ends);
}

static int teardown(void **state)
{
	(void)state;
	close(ends[0]);
	return close(ends[1]);
}

static void exactly_one_size_is_received(void **state)
{
	static const struct {
		size_t len;
		int result;
	} rows[] = {{LEN, 0}, {LEN - 1, -EPROTO}, {LEN + 1, -EPROTO}, {1, -EPROTO},
		{2 * LEN, -EPROTO}, {60000, -EPROTO}, {0, -EPIPE}};
	static uint8_t sent[60000];
	uint8_t got[LEN];

	(void)state;
	memset(sent, 7, sizeof(sent));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(ipc_send(ends[0], sent, rows[i].len), 0);
		assert_int_equal(ipc_receive(ends[1], got, LEN), rows[i].result);
		assert_int_equal(ipc_send(ends[0], sent, rows[i].len), 0);
		assert_int_equal(ipc_try_receive(ends[1], got, LEN, NULL), rows[i].result);
		/* nothing of a long one is left over */
		assert_int_equal(ipc_try_receive(ends[1], got, LEN, NULL), -EAGAIN);
	}
}

static void messages_keep_their_borders(void **state)
{
	uint8_t sent[LEN], got[LEN];

	(void)state;
	for (int i = 0; i < 20; i++) {
		memset(sent, i, LEN);
		assert_int_equal(ipc_send(ends[0], sent, LEN), 0);
	}
	for (int i = 0; i < 20; i++) {
		assert_int_equal(ipc_receive(ends[1], got, LEN), 0);
		assert_int_equal(got[0], i);
		assert_int_equal(got[LEN - 1], i);
	}
}

static void the_end_is_told(void **state)
{
	uint8_t message[LEN] = {0};
	int other[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, other), 0);
	assert_int_equal(ipc_send(other[0], message, LEN), 0);
	close(other[0]);
	assert_int_equal(ipc_receive(other[1], message, LEN), 0);
	assert_int_equal(ipc_receive(other[1], message, LEN), -EPIPE);
	assert_int_equal(ipc_try_receive(other[1], message, LEN, NULL), -EPIPE);
	assert_int_equal(ipc_send(other[1], message, LEN), -EPIPE);
	assert_int_equal(ipc_try_send(other[1], message, LEN), -EPIPE);
	assert_int_equal(ipc_call(other[1], message, LEN, message, LEN), -EPIPE);
	close(other[1]);

	/* with what we said unread, Linux says it was reset: the same to us */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, other), 0);
	assert_int_equal(ipc_send(other[1], message, LEN), 0);
	close(other[0]);
	assert_int_equal(ipc_receive(other[1], message, LEN), -EPIPE);
	close(other[1]);
}

static void a_slow_receiver_is_told_of(void **state)
{
	uint8_t message[LEN] = {0};
	int r = 0;

	(void)state;
	for (int i = 0; i < 100000 && r == 0; i++)
		r = ipc_try_send(ends[0], message, LEN);
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(ipc_receive(ends[1], message, LEN), 0);
	assert_int_equal(ipc_try_send(ends[0], message, LEN), 0);
}

static void waiting_has_a_limit(void **state)
{
	uint8_t message[LEN] = {0};
	int r = 0;

	(void)state;
	assert_int_equal(ipc_limit_waiting(ends[0], 1), 0);
	assert_int_equal(ipc_receive(ends[0], message, LEN), -EAGAIN);
	for (int i = 0; i < 100000 && r == 0; i++)
		r = ipc_send(ends[0], message, LEN);
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(ipc_limit_waiting(-1, 1), -EBADF);
}

/* The lowest free descriptor number: unchanged when none was left open. */
static int next_fd(void)
{
	int fd = open("/dev/null", O_RDONLY);

	close(fd);
	return fd;
}

/* As ipc_send_fds, but with as many as a broken neighbour likes. */
static void send_many_fds(size_t len, int num)
{
	uint8_t message[LEN + 1] = {0};
	union {
		char buf[CMSG_SPACE(64 * sizeof(int))];
		struct cmsghdr align;
	} control = {.align = {.cmsg_len = CMSG_LEN((size_t)num * sizeof(int)),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS}};
	struct iovec iov = {message, len};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = CMSG_SPACE((size_t)num * sizeof(int))};

	for (int i = 0; i < num; i++)
		memcpy(CMSG_DATA(&control.align) + (size_t)i * sizeof(int), &(int){2}, sizeof(int));
	assert_int_equal(sendmsg(ends[0], &msg, 0), len);
}

static void descriptors_arrive_where_they_are_accepted(void **state)
{
	uint8_t message[LEN] = {0};
	int fds[2];

	(void)state;
	for (size_t num = 0; num <= 2; num++) {
		int before = next_fd();

		assert_int_equal(ipc_send_fds(ends[0], message, LEN, ends, num), 0);
		assert_int_equal(ipc_try_receive(ends[1], message, LEN, fds), 0);
		for (size_t i = 0; i < 2; i++) {
			if (i >= num) {
				assert_int_equal(fds[i], -1);
				continue;
			}
			assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
			close(fds[i]);
		}
		assert_int_equal(next_fd(), before);
	}
}

static void descriptors_that_a_process_may_not_have_are_an_error(void **state)
{
	struct rlimit limit, before;
	uint8_t message[LEN] = {0};
	int fds[2];

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (int room = 0; room <= 2; room++) {
		int next = next_fd();

		assert_int_equal(ipc_send_fds(ends[0], message, LEN, ends, 2), 0);
		limit = (struct rlimit){(rlim_t)(next + room), before.rlim_max};
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		assert_int_equal(
			ipc_try_receive(ends[1], message, LEN, fds), room < 2 ? -EMFILE : 0);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		assert_int_equal(next_fd(), next + (room < 2 ? 0 : 2));
	}
	close(fds[0]);
	close(fds[1]);
}

static void unexpected_descriptors_are_refused_and_closed(void **state)
{
	static const struct {
		size_t len;
		int num;
		bool accepted;
	} rows[] = {{LEN, 1, false}, {LEN, 2, false}, {LEN, 64, false}, {LEN, 3, true},
		{LEN, 64, true}, {LEN - 1, 1, true}, {LEN + 1, 2, true}};
	uint8_t message[LEN];
	int fds[2] = {UNTOUCHED, UNTOUCHED}, before = next_fd();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		send_many_fds(rows[i].len, rows[i].num);
		assert_int_equal(
			ipc_try_receive(ends[1], message, LEN, rows[i].accepted ? fds : NULL),
			-EPROTO);
		assert_int_equal(next_fd(), before);
		assert_int_equal(fds[0], UNTOUCHED);
	}
	send_many_fds(LEN, 1);
	assert_int_equal(ipc_receive(ends[1], message, LEN), -EPROTO);
	assert_int_equal(next_fd(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(exactly_one_size_is_received, setup, teardown),
		cmocka_unit_test_setup_teardown(messages_keep_their_borders, setup, teardown),
		cmocka_unit_test(the_end_is_told),
		cmocka_unit_test_setup_teardown(a_slow_receiver_is_told_of, setup, teardown),
		cmocka_unit_test_setup_teardown(waiting_has_a_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(
			descriptors_arrive_where_they_are_accepted, setup, teardown),
		cmocka_unit_test_setup_teardown(
			descriptors_that_a_process_may_not_have_are_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(
			unexpected_descriptors_are_refused_and_closed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
