/* SPDX-License-Identifier: MIT
 *
 * While memory is short: what the store has done is told, or the server begins anew with it.
 */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "refuse.h"

enum { KNOWN = 10, KNOWN_AND_NOTHING_REFUSED, UNKNOWN };

/* In a process of its own: a node expires while this allocation is refused, and there is another
 * look when memory is there again. Returns whether the hub knows then. */
static int expire_without_memory(struct fixture *f, int64_t id, unsigned allocation)
{
	const int64_t before_s = hub_now_s() - 20;
	bool was_refused;

	fixture_reopen(f);
	if (directory_member(&f->hub.directory, id)->node.state != NODE_ACTIVE)
		assert_int_equal(store_approve_node(f->hub.store, "test", id, before_s), 0);
	assert_int_equal(store_expire_node(f->hub.store, "test", id, before_s + 10, before_s), 0);
	assert_int_equal(changes_node(&f->hub, id)->node.state, NODE_ACTIVE);
	refuse_after(allocation);
	(void)hub_expire(&f->hub, clock_boottime_ns());
	was_refused = refuse_end();
	f->hub.expire_s = hub_now_s();
	(void)hub_expire(&f->hub, clock_boottime_ns());
	if (directory_member(&f->hub.directory, id)->node.state != NODE_EXPIRED)
		return UNKNOWN;
	return was_refused ? KNOWN : KNOWN_AND_NOTHING_REFUSED;
}

static void expiry_is_known_or_the_server_begins_anew(void **state)
{
	struct fixture *f = *state;
	struct member *member;
	int status = 0;

	add_network(f, "lab");
	member = add_node(f, "lab", "one", 1, true, "");
	for (unsigned i = 0; WEXITSTATUS(status) != KNOWN_AND_NOTHING_REFUSED; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			_exit(expire_without_memory(f, member->node.id, i));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) != 1) /* as hub_start_anew() ends */
			assert_in_range(WEXITSTATUS(status), KNOWN, KNOWN_AND_NOTHING_REFUSED);
		assert_in_range(i, 0, 100);
	}
}

/* As after an answer that there was no memory for. */
static void a_lost_tunnel_is_a_new_server_s(void **state)
{
	struct fixture *f = *state;
	int ends[2], status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
			_exit(2);
		f->hub.tunnel.uapi_fd = ends[0];
		(void)hub_expire(&f->hub, clock_boottime_ns());
		shutdown(ends[0], SHUT_RDWR);
		(void)hub_expire(&f->hub, clock_boottime_ns());
		_exit(3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			expiry_is_known_or_the_server_begins_anew, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			a_lost_tunnel_is_a_new_server_s, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
