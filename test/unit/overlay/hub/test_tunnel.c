/* SPDX-License-Identifier: MIT
 *
 * Where the hub's tunnel sees a node: asked for that node alone, and not again for a while. The
 * tunnel says what a test wrote.
 */
#include "overlay/hub/tunnel.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

#define KEY "abababababababababababababababababababababababababababababababab"

static struct tunnel tunnel;
static struct member member;
static int other_end;

static int setup(void **state)
{
	int ends[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	tunnel = (struct tunnel){.uapi_fd = ends[0]};
	other_end = ends[1];
	member = (struct member){0};
	memset(member.node.public_key, 0xab, KEY_LEN);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(tunnel.uapi_fd);
	close(other_end);
	tunnel_deinit(&tunnel);
	return 0;
}

/* Look at this time; reply is what the tunnel says, NULL: it is not to be asked. */
static void look(uint64_t now_ns, const char *reply)
{
	static const char request[] = "get=1\npublic_key=" KEY "\n\n";
	char got[256];

	if (reply)
		assert_int_equal(send(other_end, reply, strlen(reply), 0), strlen(reply));
	tunnel_look_for(&tunnel, &member, now_ns);
	if (reply) {
		assert_int_equal(recv(other_end, got, sizeof(got), MSG_DONTWAIT), strlen(request));
		assert_memory_equal(got, request, strlen(request));
	} else {
		assert_int_equal(recv(other_end, got, sizeof(got), MSG_DONTWAIT), -1);
	}
}

static void assert_seen_at(const char *text)
{
	char seen[ENDPOINT_TEXT_LEN];

	assert_int_not_equal(member.seen_at.family, 0);
	endpoint_to_text(seen, &member.seen_at);
	assert_string_equal(seen, text);
}

static void test_look(void **state)
{
	(void)state;
	look(1, "listen_port=1\npublic_key=" KEY "\nerrno=0\n\n");
	assert_int_equal(member.seen_at.family, 0);
	look(50 * MSEC_NS, NULL);
	/* one that nobody has heard of yet is worth looking again soon */
	look(101 * MSEC_NS, "public_key=" KEY "\nendpoint=192.0.2.1:7\nerrno=0\n\n");
	assert_seen_at("192.0.2.1:7");
	look(4 * SECOND_NS, NULL);
	look(6 * SECOND_NS, "public_key=" KEY "\nendpoint=[2001:db8::1]:7\nerrno=0\n\n");
	assert_seen_at("[2001:db8::1]:7");
	/* one that is no peer any more was there, as far as we know */
	look(12 * SECOND_NS, "errno=-2\n\n");
	assert_seen_at("[2001:db8::1]:7");
	look(18 * SECOND_NS, "errno=0\n\n"); /* makes no sense, and does no harm */
	assert_seen_at("[2001:db8::1]:7");
}

static void test_lost(void **state)
{
	int fd = other_end;

	(void)state;
	assert_false(tunnel_is_lost(&tunnel));
	look(1, "errno=-2\n\n");
	assert_false(tunnel_is_lost(&tunnel));
	other_end = -1;
	close(fd);
	assert_true(tunnel_is_lost(&tunnel));
}

static void test_no_tunnel(void **state)
{
	int fd = tunnel.uapi_fd;

	(void)state;
	tunnel.uapi_fd = -1;
	assert_false(tunnel_is_lost(&tunnel));
	look(1, NULL);
	assert_int_equal(member.seen_at.family, 0);
	tunnel.uapi_fd = fd;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_look, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_tunnel, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
