/* SPDX-License-Identifier: MIT
 *
 * The door is the one that strangers talk to: what it asks the hub is looked at, and what it does
 * not listen to holds nobody up.
 */
#include "fixture.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "overlay/hub/enrol.h"
#include "overlay/hub/roles.h"
#include "privsep/ipc.h"

enum { QUESTIONS = 20000, PATIENCE_MS = 10000, CONVERSATIONS = 100 };

static struct door_question make_question(uint32_t number)
{
	struct door_question question = {.number = number,
		.source = {.family = AF_INET, .port = 9},
		.request = {.version = ENROL_VERSION, .network = "lab", .hostname = "robot"}};

	memset(question.node_key, 7, KEY_LEN);
	return question;
}

/* What becomes of a hub that serves a door which says this. */
static int serve(struct fixture *f, const void *message, size_t len, bool with_descriptor)
{
	int ends[2], status;
	pid_t pid;

	assert_int_equal(ipc_pair(ends), 0);
	assert_int_equal(
		ipc_send_fds(ends[0], message, len, (int[]){STDERR_FILENO}, with_descriptor), 0);
	pid = fork();
	if (pid == 0) {
		enrol_serve(&f->hub, ends[1]);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 0 && len == sizeof(struct door_question)) {
		struct door_verdict verdict;

		assert_int_equal(ipc_try_receive(ends[0], &verdict, sizeof(verdict), NULL), 0);
		assert_true(verdict.is_refused);
	}
	close(ends[0]);
	close(ends[1]);
	return WEXITSTATUS(status);
}

static void nonsense(void **state)
{
	struct fixture *f = *state;
	const struct door_question good = make_question(1);
	struct door_question bad;
	/* Network and all behind it without a NUL: whoever looks for one reads on and on. */
	struct {
		size_t offset, len;
		uint8_t value;
	} rows[] = {
		{offsetof(struct door_question, request.network),
			sizeof(good) - offsetof(struct door_question, request.network), 'a'},
		{offsetof(struct door_question, request.network), sizeof(good.request.network),
			'a'},
		{offsetof(struct door_question, request.network), 1, 0},
		{offsetof(struct door_question, request.network), 1, '\n'},
		{offsetof(struct door_question, request.hostname), sizeof(good.request.hostname),
			'a'},
		{offsetof(struct door_question, request.hostname), 1, 0x1b},
		{offsetof(struct door_question, request.agent_version),
			sizeof(good.request.agent_version), 'a'},
		{offsetof(struct door_question, request.version), 1, 2},
		{offsetof(struct door_question, request.flags), 1, 1},
		{offsetof(struct door_question, request.reserved), 1, 1},
		{offsetof(struct door_question, source.family), 2, 0},
		{offsetof(struct door_question, source.family), 2, 1},
		{offsetof(struct door_question, source.family), 2, 0xff},
	};

	assert_int_equal(serve(f, &good, sizeof(good), false), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bad = good;
		memset((uint8_t *)&bad + rows[i].offset, rows[i].value, rows[i].len);
		assert_int_equal(serve(f, &bad, sizeof(bad), false), HUB_EXIT_DOOR);
	}
	assert_int_equal(serve(f, &good, sizeof(good), true), HUB_EXIT_DOOR);
	assert_int_equal(serve(f, &good, sizeof(good) - 1, false), HUB_EXIT_DOOR);
	assert_int_equal(serve(f, "x", 1, false), HUB_EXIT_DOOR);
	assert_int_equal(serve(f, "", 0, false), 0); /* it looks like the door's end */
}

static void a_door_that_does_not_listen(void **state)
{
	struct fixture *f = *state;
	const struct door_question question = make_question(1);
	int ends[2], status, waited_ms = 0;
	pid_t pid;

	assert_int_equal(ipc_pair(ends), 0);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		for (;;) {
			struct pollfd fd = {.fd = ends[1], .events = POLLIN};

			poll(&fd, 1, -1);
			enrol_serve(&f->hub, ends[1]);
		}
	}
	close(ends[1]);
	for (int i = 0; i < QUESTIONS && waited_ms < PATIENCE_MS; i++) {
		while (ipc_try_send(ends[0], &question, sizeof(question)) == -EAGAIN &&
			waited_ms++ < PATIENCE_MS)
			poll(NULL, 0, 1);
	}
	assert_true(waited_ms < PATIENCE_MS);
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* A question that a door may ask, of a stranger who has no key: all that is its own is noise. */
static struct door_question draw_question(uint32_t number)
{
	struct door_question question = make_question(number);

	for (size_t i = 0; i < KEY_LEN; i++) {
		question.node_key[i] = (uint8_t)rand();
		question.source.addr[i % 4] = (uint8_t)rand();
	}
	for (size_t i = 0; i < sizeof(question.request.join_key); i++)
		question.request.join_key[i] = (uint8_t)rand();
	if (rand() % 2)
		strcpy(question.request.network, "nowhere");
	return question;
}

enum { LIES = 6 };

/* The last thing it says: wrong in size, in a field, in all of it, or by what it brings along. */
static void lie(int fd)
{
	union {
		struct door_question question;
		uint8_t bytes[2 * sizeof(struct door_question)];
	} message = {.question = draw_question(9)};
	size_t len = sizeof(message.question);
	unsigned num_fds = 0;

	switch (rand() % LIES) {
	case 0:
		len = 1 + (size_t)rand() % (len - 1);
		break;
	case 1:
		len += 1 + (size_t)rand() % len;
		break;
	case 2:
		num_fds = 1 + (unsigned)rand() % 2;
		break;
	case 3:
		message.question.source.family = (uint16_t)(11 + rand() % 60000);
		break;
	case 4:
		message.question.request.hostname[rand() % 4] = (char)(1 + rand() % 31);
		break;
	default:
		for (size_t i = 0; i < len; i++)
			message.bytes[i] = (uint8_t)rand();
		message.question.request.version = (uint8_t)(ENROL_VERSION + 1 + rand() % 200);
	}
	assert_int_equal(ipc_send_fds(fd, &message, len, (int[]){fd, fd}, num_fds), 0);
}

/* Questions first, so many as one batch holds or more, then a lie or nothing: none but questions
 * are answered, in their order, and it is always told how the door ended. */
static void a_door_that_lies_in_the_end(void **state)
{
	struct fixture *f = *state;
	struct door_verdict verdict;
	uint32_t num_answers = 0;

	srand(1);
	for (int seed = 0; seed < CONVERSATIONS; seed++) {
		const uint32_t num = (uint32_t)rand() % (2 * ENROL_BATCH);
		const bool lies = rand() % 4 != 0;
		int ends[2], status;
		pid_t pid;

		assert_int_equal(ipc_pair(ends), 0);
		for (uint32_t i = 0; i < num; i++) {
			const struct door_question question = draw_question(i);

			assert_int_equal(ipc_send(ends[0], &question, sizeof(question)), 0);
		}
		if (lies)
			lie(ends[0]);
		shutdown(ends[0], SHUT_WR);
		pid = fork();
		if (pid == 0) {
			for (;;)
				enrol_serve(&f->hub, ends[1]);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), lies ? HUB_EXIT_DOOR : 0);
		for (uint32_t i = 0; ipc_try_receive(ends[0], &verdict, sizeof(verdict), NULL) == 0;
			i++) {
			assert_int_equal(verdict.number, i);
			assert_true(i < num && verdict.is_refused);
			num_answers++;
		}
		close(ends[0]);
		close(ends[1]);
	}
	assert_true(num_answers > 0);
}

static int setup(void **state)
{
	if (fixture_setup(state) != 0)
		return -1;
	add_network(*state, "lab");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nonsense, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			a_door_that_lies_in_the_end, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			a_door_that_does_not_listen, setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
