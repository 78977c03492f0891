/* SPDX-License-Identifier: MIT
 *
 * While memory is short: what the store has done is told, or the server begins anew with it. What
 * launcher and tunnel fail to do, who say here what a test wrote, is made good later.
 */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "overlay/launch/messages.h"
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

/* When the tunnel would say so, at this time: whether it is asked. */
static bool catches_up(struct hub *hub, int tunnel, uint64_t now_ns, const char *reply)
{
	char got[256];

	assert_int_equal(send(tunnel, reply, strlen(reply), 0), strlen(reply));
	(void)hub_expire(hub, now_ns);
	(void)recv(hub->tunnel.uapi_fd, got, sizeof(got), MSG_DONTWAIT);
	return recv(tunnel, got, sizeof(got), MSG_DONTWAIT) > 0;
}

/* It is tried again at once, and ever more seldom. */
static void a_tunnel_that_fails_is_not_asked_all_the_time(void **state)
{
	static const char error[] = "errno=-28\n\n", peers[] = "errno=0\n\n";
	struct hub *hub = &((struct fixture *)*state)->hub;
	uint64_t now_ns = clock_boottime_ns();
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	hub->tunnel.uapi_fd = ends[0];
	assert_false(catches_up(hub, ends[1], now_ns, peers));
	for (int i = 0; i < 2; i++) {
		hub->tunnel.is_behind = true;
		assert_true(catches_up(hub, ends[1], now_ns, error));
		for (uint64_t pause_s = 1; pause_s <= 128; pause_s *= 2) {
			uint64_t pause_ns = (pause_s < 64 ? pause_s : 64) * SECOND_NS;

			assert_false(catches_up(hub, ends[1], now_ns + pause_ns - 1, error));
			now_ns += pause_ns;
			assert_true(hub->tunnel.is_behind);
			assert_true(
				catches_up(hub, ends[1], now_ns, pause_s < 128 ? error : peers));
		}
		assert_false(hub->tunnel.is_behind);
	}
	hub->tunnel.uapi_fd = -1;
	close(ends[0]);
	close(ends[1]);
}

static void launcher_says(int fd, int error)
{
	const struct launch_reply reply = {error};

	assert_int_equal(send(fd, &reply, sizeof(reply), 0), sizeof(reply));
}

static unsigned launcher_hears(int fd)
{
	struct launch_request request;
	unsigned num = 0;

	while (recv(fd, &request, sizeof(request), MSG_DONTWAIT) == sizeof(request))
		num += request.type == LAUNCH_ADD_ADDRESS;
	return num;
}

static void an_address_that_fails_is_set_later(void **state)
{
	struct fixture *f = *state;
	struct hub *hub = &f->hub;
	uint64_t now_ns = clock_boottime_ns();
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	hub->launcher_fd = ends[0];
	launcher_says(ends[1], -ENOMEM);
	add_network(f, "lab");
	assert_int_equal(launcher_hears(ends[1]), 1);
	launcher_says(ends[1], 0);
	launcher_says(ends[1], -EPERM);
	(void)hub_expire(hub, now_ns);
	assert_int_equal(launcher_hears(ends[1]), 2);
	launcher_says(ends[1], 0);
	launcher_says(ends[1], 0);
	(void)hub_expire(hub, now_ns + SECOND_NS);
	assert_int_equal(launcher_hears(ends[1]), 2);
	(void)hub_expire(hub, now_ns + 10 * SECOND_NS);
	assert_int_equal(launcher_hears(ends[1]), 0);
	hub->launcher_fd = -1;
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			expiry_is_known_or_the_server_begins_anew, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			a_lost_tunnel_is_a_new_server_s, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_tunnel_that_fails_is_not_asked_all_the_time,
			fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			an_address_that_fails_is_set_later, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
