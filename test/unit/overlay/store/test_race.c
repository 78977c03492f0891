/* SPDX-License-Identifier: MIT
 *
 * A one-time key has one winner, however many ask at once; and a hub that is killed at any moment
 * loses nothing it has acknowledged.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/hash.h"
#include "fixture.h"

enum { USES = 100 };

static int enrol_once(struct store *store, unsigned number)
{
	struct enrol_request request = enrol_request("robots", "robot", 1);
	uint8_t key[KEY_LEN];
	struct node node;
	bool is_new;
	int r;

	fill_key(key, 1000 + number);
	do { /* many writers are no case for the hub, and its patience with them is short */
		r = store_enrol(store, key, &request, NOW_S, &node, &is_new);
	} while (r == -EBUSY);
	return r;
}

static void add_one_time_key(struct store *store)
{
	struct network network = add_network(store, "robots");
	struct join_key_info info = {.network_id = network.id, .max_uses = 1, .approves = true};
	uint8_t key[KEY_LEN];

	fill_key(key, 1);
	expect(store, store_add_join_key(store, "anna", &info, key), 0);
}

static void expect_one_winner(struct fixture *f)
{
	uint8_t last[HASH_LEN];
	int64_t num;

	assert_int_equal(raw_int(f, "SELECT count(*) FROM nodes"), 1);
	assert_int_equal(raw_int(f, "SELECT uses FROM join_keys"), 1);
	assert_int_equal(raw_int(f, "SELECT count(*) FROM audit WHERE action = 'node.enrol'"), 1);
	expect(f->store, store_audit_verify(f->store, &num, last), 0);
}

static void one_winner_among_many(void **state)
{
	struct fixture *f = *state;
	unsigned num_winners = 0;

	add_one_time_key(f->store);
	for (unsigned i = 0; i < USES; i++) {
		int r = enrol_once(f->store, i);

		expect(f->store, r, num_winners == 0 ? 0 : -EACCES);
		num_winners += r == 0;
	}
	assert_int_equal(num_winners, 1);
	expect_one_winner(f);
}

/* In a process of its own: use the key as soon as told to. Its exit status is how often it won. */
static pid_t start_user(const struct fixture *f, const int start[2], unsigned first, unsigned num)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct pollfd go = {.fd = start[0]};
		struct store *store;
		unsigned num_winners = 0;

		if (store_open(f->path, &store) < 0)
			_exit(100);
		(void)close(start[1]);
		(void)poll(&go, 1, 5000);
		for (unsigned i = 0; i < num; i++) {
			int r = enrol_once(store, first + i);

			if (r != 0 && r != -EACCES)
				_exit(101);
			num_winners += r == 0;
		}
		store_close(store);
		_exit((int)num_winners);
	}
	assert_true(pid > 0);
	return pid;
}

static void one_winner_among_processes(void **state)
{
	enum { PROCESSES = 4, ROUNDS = 10 };
	struct fixture *f;

	for (unsigned round = 0; round < ROUNDS; round++) {
		int start[2], status, num_winners = 0;
		pid_t pids[PROCESSES];

		assert_int_equal(fixture_teardown(state), 0);
		assert_int_equal(fixture_setup(state), 0);
		f = *state;
		add_one_time_key(f->store);
		store_close(f->store); /* a connection does not survive a fork */
		f->store = NULL;
		assert_int_equal(pipe(start), 0);
		for (unsigned i = 0; i < PROCESSES; i++)
			pids[i] = start_user(f, start, i * (USES / PROCESSES), USES / PROCESSES);
		(void)usleep(20000);
		(void)close(start[1]); /* go */
		for (unsigned i = 0; i < PROCESSES; i++) {
			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
			assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
			num_winners += WEXITSTATUS(status);
		}
		(void)close(start[0]);
		assert_int_equal(num_winners, 1);
		expect(NULL, store_open(f->path, &f->store), 0);
		expect_one_winner(f);
	}
}

/* --- killed ------------------------------------------------------------ */

/* What the child has been told is done. Atomic: shorter than a pipe's guarantee. */
struct done {
	int64_t id;
	unsigned number; /* of the node's key; its name is "nNUMBER-renamed" once it is renamed */
	enum { ENROLLED, RENAMED, LINKED, REMOVED } what;
};

static void tell(int fd, int64_t id, unsigned number, unsigned what)
{
	struct done done = {.id = id, .number = number, .what = what};

	if (write(fd, &done, sizeof(done)) != sizeof(done))
		_exit(102);
}

static void check_in_child(int r)
{
	if (r != 0)
		_exit(103);
}

/* Change and tell until killed. */
static void change_forever(struct store *store, int fd, unsigned number)
{
	for (int64_t last_id = 0;; number++) {
		char name[32];
		struct enrol_request request;
		struct node node;
		uint8_t key[KEY_LEN];
		bool is_new;

		(void)snprintf(name, sizeof(name), "n%u", number);
		request = enrol_request("robots", name, 1);
		fill_key(key, 1000 + number);
		check_in_child(store_enrol(store, key, &request, NOW_S, &node, &is_new));
		tell(fd, node.id, number, ENROLLED);
		(void)snprintf(name, sizeof(name), "n%u-renamed", number);
		check_in_child(store_rename_node(store, "anna", node.id, name));
		tell(fd, node.id, number, RENAMED);
		if (last_id > 0) {
			check_in_child(store_link(store, node.id, last_id));
			tell(fd, node.id, number, LINKED);
		}
		if (number % 4 == 3) {
			check_in_child(store_remove_node(store, "anna", node.id));
			tell(fd, node.id, number, REMOVED);
			last_id = 0;
		} else {
			last_id = node.id;
		}
	}
}

static pid_t start_changer(const struct fixture *f, int fd, unsigned number)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct store *store;

		if (store_open(f->path, &store) < 0)
			_exit(100);
		change_forever(store, fd, number);
	}
	assert_true(pid > 0);
	return pid;
}

static int count_node(void *ctx, const struct node *node)
{
	(void)node;
	++*(unsigned *)ctx;
	return 0;
}

static void expect_done(struct store *store, const struct done *done)
{
	char name[32];
	struct node node;
	unsigned num_linked = 0;
	int r = store_node(store, done->id, &node);

	if (done->what == REMOVED) {
		expect(store, r, -ENOENT);
		return;
	}
	if (r == -ENOENT) /* its removal was done, but not told any more */
		return;
	expect(store, r, 0);
	(void)snprintf(name, sizeof(name), "n%u%s", done->number,
		done->what == ENROLLED ? "" : "-renamed");
	assert_int_equal(strncmp(node.name, name, strlen(name)), 0);
	if (done->what == LINKED) {
		expect(store, store_linked(store, done->id, 0, count_node, &num_linked), 0);
		assert_true(num_linked > 0);
	}
}

/* Returns how many changes were told. */
static unsigned expect_all_done(struct fixture *f, int fd, unsigned *number)
{
	struct done done;
	unsigned num = 0;
	uint8_t last[HASH_LEN];
	int64_t num_events;

	expect(NULL, store_open(f->path, &f->store), 0);
	for (; read(fd, &done, sizeof(done)) == sizeof(done); num++) {
		expect_done(f->store, &done);
		*number = done.number;
	}
	*number += 2;
	expect(f->store, store_audit_verify(f->store, &num_events, last), 0);
	assert_int_equal(raw_int(f, "SELECT count(*) FROM pragma_integrity_check"
				    " WHERE integrity_check <> 'ok'"),
		0);
	assert_int_equal(raw_int(f, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
	assert_int_equal(raw_int(f, "SELECT uses FROM join_keys"),
		raw_int(f, "SELECT count(*) FROM audit WHERE action = 'node.enrol'"));
	assert_int_equal(raw_int(f, "SELECT count(*) FROM nodes WHERE state > 0"),
		raw_int(f, "SELECT sum((action = 'node.enrol') - (action = 'node.remove'))"
			   " FROM audit"));
	return num;
}

/* Wait until a change is told. */
static void await_change(int fd)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&readable, 1, 60000), 1);
}

static void killed_at_any_moment(void **state)
{
	enum { KILLS = 200 };
	struct fixture *f = *state;
	struct network network = add_network(f->store, "robots");
	unsigned num = 0, number = 0;

	(void)add_key(f->store, &network, 1);
	srand(1);
	for (unsigned i = 0; i < KILLS; i++) {
		int pipe_fds[2], status;
		pid_t pid;

		store_close(f->store);
		f->store = NULL;
		assert_int_equal(pipe(pipe_fds), 0);
		pid = start_changer(f, pipe_fds[1], number);
		(void)close(pipe_fds[1]);
		/* every other one while it opens the database, the rest at work, however slow the
		 * disk is */
		if (i % 2)
			await_change(pipe_fds[0]);
		(void)usleep((unsigned)rand() % 8000);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status)); /* it met no error */
		num += expect_all_done(f, pipe_fds[0], &number);
		(void)close(pipe_fds[0]);
	}
	print_message("%u changes acknowledged, none lost by %d kills\n", num, KILLS);
	assert_true(num >= KILLS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			one_winner_among_many, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			one_winner_among_processes, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			killed_at_any_moment, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
