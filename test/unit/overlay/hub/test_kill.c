/* SPDX-License-Identifier: MIT
 *
 * A hub that is killed at any moment keeps what it has answered: nodes that enrolled, links,
 * changes.
 */
#include "fixture.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROUNDS = 20, NODES_MAX = 250 };

/* Enrol nodes one after the other, each with a link to the one before and a tag; after each say so.
 */
static noreturn void work(struct fixture *f, int report_fd)
{
	struct member *before = NULL;

	for (unsigned i = 1; i <= NODES_MAX; i++) {
		char name[32], path[80], body[96];
		struct member *member;

		snprintf(name, sizeof(name), "node-%u", i);
		member = add_node(f, "lab", name, (uint8_t)i, true, "");
		if (before != NULL) {
			snprintf(body, sizeof(body), "{\"name\": \"%s\"}", before->node.name);
			if (ask_as_node(f, member, "POST", "/v1/connect", body, NULL) != 200)
				_exit(1);
		}
		snprintf(path, sizeof(path), "/v1/networks/lab/nodes/%s", name);
		if (ask_as_root(f, "PATCH", path, "{\"tags\": [\"done\"]}", NULL) != 200)
			_exit(1);
		if (write(report_fd, &i, sizeof(i)) != (ssize_t)sizeof(i))
			_exit(1);
		before = member;
	}
	pause();
	_exit(0);
}

/* Let a child work, kill it after a time, not before its first report if it is at_work. Returns how
 * many nodes it reported. */
static unsigned work_and_die(struct fixture *f, bool at_work, useconds_t after_us)
{
	unsigned number, last = 0;
	int pipe_fds[2], status;
	struct pollfd report;
	pid_t pid;

	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	if (pid == 0) {
		fixture_reopen(f);
		work(f, pipe_fds[1]);
	}
	close(pipe_fds[1]);
	report = (struct pollfd){.fd = pipe_fds[0], .events = POLLIN};
	if (at_work)
		assert_int_equal(poll(&report, 1, 60000), 1);
	usleep(after_us);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	while (read(pipe_fds[0], &number, sizeof(number)) == (ssize_t)sizeof(number))
		last = number;
	close(pipe_fds[0]);
	return last;
}

static int count(void *ctx, const struct node *node)
{
	(void)node;
	++*(unsigned *)ctx;
	return 0;
}

static void check_kept(struct fixture *f, unsigned num)
{
	const struct realm *realm = directory_realm(&f->hub.directory, "lab");
	uint8_t last[HASH_LEN];
	int64_t events;

	assert_int_equal(store_audit_verify(f->hub.store, &events, last), 0);
	assert_in_range(realm->num_nodes, num, num + 1);
	for (unsigned i = 1; i <= num; i++) {
		const struct member *member;
		unsigned num_links = 0;
		char name[32];

		snprintf(name, sizeof(name), "node-%u", i);
		member = directory_member_by_name(&f->hub.directory, realm, name);
		assert_non_null(member);
		assert_string_equal(member->node.tags[0], "done");
		assert_int_equal(
			store_linked(f->hub.store, member->node.id, 0, count, &num_links), 0);
		assert_true(num_links >= (i > 1) + (unsigned)(i < num));
	}
}

static void test_what_was_answered_is_kept(void **state)
{
	unsigned total = 0;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct fixture f;
		unsigned num;

		fixture_open(&f);
		add_network(&f, "lab");
		num = work_and_die(&f, round % 2, 5000 + round * 3700);
		fixture_reopen(&f);
		check_kept(&f, num);
		total += num;
		fixture_close(&f);
	}
	assert_true(total >= ROUNDS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_was_answered_is_kept)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
