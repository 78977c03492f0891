/* SPDX-License-Identifier: MIT
 *
 * The launcher with real tunnels, in a network namespace of this process: what its child may have,
 * what it is refused, and that nothing stays behind. argv[1] is the `adit` command.
 */
#include "overlay/launch/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/link_address.h"
#include "overlay/launch/messages.h"
#include "privsep/ipc.h"

static const char *program;
static struct launcher *launcher;
static char ours[IFNAMSIZ], other[IFNAMSIZ]; /* names are unique: sockets have no namespace */

static int start(void **state)
{
	(void)state;
	snprintf(ours, sizeof(ours), "h4l%da", getpid() % 100000);
	snprintf(other, sizeof(other), "h4l%db", getpid() % 100000);
	launcher = launcher_new(program);
	return launcher ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	launcher_free(launcher);
	launcher = NULL;
	return if_nametoindex(ours) == 0 && if_nametoindex(other) == 0 ? 0 : -1;
}

/* Serve a child that runs `child` until it is gone. Returns its exit status and what launcher_serve
 * said last. */
static int serve(int (*child)(int fd), int *ret_last)
{
	int ends[2], status, r = 0;
	pid_t pid;

	assert_int_equal(ipc_pair(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ends[0]);
		_exit(child(ends[1]));
	}
	close(ends[1]);
	while (r == 0) {
		struct pollfd fd = {.fd = ends[0], .events = POLLIN};

		assert_int_equal(poll(&fd, 1, 20000), 1);
		r = launcher_serve(launcher, ends[0]);
	}
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	*ret_last = r;
	return WEXITSTATUS(status);
}

#define EXPECT(condition)                                                       \
	do {                                                                    \
		if (!(condition)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
			return 1;                                               \
		}                                                               \
	} while (0)

static bool has_address(const char *ifname, const char *text)
{
	struct ifaddrs *addresses;
	struct prefix wanted;
	bool found = false;

	if (prefix_from_text(&wanted, text) < 0 || getifaddrs(&addresses) < 0)
		return false;
	for (struct ifaddrs *a = addresses; a; a = a->ifa_next) {
		if (!a->ifa_addr || a->ifa_addr->sa_family != wanted.family ||
			strcmp(a->ifa_name, ifname) != 0 || !(a->ifa_flags & IFF_UP))
			continue;
		found |= wanted.family == AF_INET
				 ? memcmp(&((struct sockaddr_in *)(void *)a->ifa_addr)->sin_addr,
					   wanted.addr, 4) == 0
				 : memcmp(&((struct sockaddr_in6 *)(void *)a->ifa_addr)->sin6_addr,
					   wanted.addr, 16) == 0;
	}
	freeifaddrs(addresses);
	return found;
}

static struct prefix prefix(const char *text)
{
	struct prefix prefix = {0};

	(void)!prefix_from_text(&prefix, text);
	return prefix;
}

static bool uapi_answers(int fd)
{
	char reply[4096] = "";

	return write(fd, "get=1\n\n", 7) == 7 && read(fd, reply, sizeof(reply) - 1) > 0 &&
	       strstr(reply, "errno=0") && !strstr(reply, "_key=");
}

/* It may, but it may not read it. */
static bool sets_a_key(int fd)
{
	char request[256], reply[256] = "";
	int len = snprintf(request, sizeof(request), "set=1\nprivate_key=%064d\n\n", 11);

	return write(fd, request, (size_t)len) == len && read(fd, reply, sizeof(reply) - 1) > 0 &&
	       strcmp(reply, "errno=0\n\n") == 0;
}

static int use_tunnel(int fd)
{
	const struct prefix v4 = prefix("100.64.0.7/16"), v6 = prefix("fd5c::7/64");
	int uapi[2], again[2];

	EXPECT(launch_tunnel(fd, ours, uapi) == 0);
	EXPECT(uapi_answers(uapi[0]) && uapi_answers(uapi[1]));
	EXPECT(sets_a_key(uapi[0]));
	EXPECT(uapi_answers(uapi[0]) && uapi_answers(uapi[1]));
	EXPECT(launch_tunnel(fd, ours, again) == 0); /* the same once more */
	EXPECT(uapi_answers(again[0]));
	EXPECT(launch_add_address(fd, ours, &v4) == 0);
	EXPECT(launch_add_address(fd, ours, &v6) == 0);
	EXPECT(launch_add_address(fd, ours, &v6) == 0);
	EXPECT(has_address(ours, "100.64.0.7") && has_address(ours, "fd5c::7"));
	EXPECT(launch_remove_address(fd, ours, &v4) == 0);
	EXPECT(launch_remove_address(fd, ours, &v4) == 0);
	EXPECT(!has_address(ours, "100.64.0.7") && has_address(ours, "fd5c::7"));
	EXPECT(launch_tunnel(fd, other, again) == 0);
	EXPECT(launch_end_tunnel(fd, other) == 0);
	EXPECT(if_nametoindex(other) == 0);
	EXPECT(launch_end_tunnel(fd, other) == -ENOENT);
	EXPECT(launch_ready(fd) == 0);
	return 0;
}

static void test_tunnel(void **state)
{
	int last;

	(void)state;
	assert_false(launcher_take_ready(launcher));
	assert_int_equal(serve(use_tunnel, &last), 0);
	assert_true(launcher_take_ready(launcher));
	assert_false(launcher_take_ready(launcher));
	assert_int_equal(last, -EPIPE);
	/* the child is gone, the tunnel is not */
	assert_int_not_equal(if_nametoindex(ours), 0);
	assert_true(has_address(ours, "fd5c::7"));
}

static int ask_too_much(int fd)
{
	static const char *const names[] = {"", "-x", "a/b", "../x", "a b", "%d"};
	static const char *const addresses[] = {"0.0.0.0/0", "10.0.0.1/0", "10.0.0.1/7",
		"127.0.0.1/8", "224.0.0.1/24", "fd00::1/0", "::1/128", "ff02::1/64", "8.0.0.1/8",
		"192.0.2.1/24", "100.63.0.1/16", "100.64.0.1/9", "2001:db8::1/64", "fe80::1/64"};
	struct prefix bad = {.family = AF_UNIX, .cidr = 24, .addr = {10}};
	const struct prefix good = prefix("10.1.0.1/16");
	int uapi[2];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char name[IFNAMSIZ] = {0};

		strcpy(name, names[i]);
		EXPECT(launch_tunnel(fd, name, uapi) == -EINVAL);
		EXPECT(launch_end_tunnel(fd, name) == -EINVAL);
	}
	EXPECT(launch_tunnel(fd, (char[IFNAMSIZ]){"lo"}, uapi) == -EBUSY);
	EXPECT(launch_end_tunnel(fd, (char[IFNAMSIZ]){"lo"}) == -ENOENT);
	EXPECT(launch_add_address(fd, (char[IFNAMSIZ]){"lo"}, &good) == -ENOENT);
	EXPECT(launch_tunnel(fd, ours, uapi) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		const struct prefix address = prefix(addresses[i]);

		EXPECT(launch_add_address(fd, ours, &address) == -EINVAL);
	}
	EXPECT(launch_add_address(fd, ours, &bad) == -EINVAL);
	bad = good;
	bad.cidr = 33;
	EXPECT(launch_add_address(fd, ours, &bad) == -EINVAL);
	return 0;
}

static void test_refusals(void **state)
{
	int last;

	(void)state;
	assert_int_equal(serve(ask_too_much, &last), 0);
	assert_int_equal(last, -EPIPE);
}

static int send_bad_type(int fd)
{
	const struct launch_request request = {.type = 99, .ifname = "x"};

	return ipc_send(fd, &request, sizeof(request)) == 0 ? 0 : 1;
}

static int send_unterminated(int fd)
{
	struct launch_request request = {.type = LAUNCH_TUNNEL};

	memset(request.ifname, 'a', sizeof(request.ifname));
	return ipc_send(fd, &request, sizeof(request)) == 0 ? 0 : 1;
}

static int send_short(int fd)
{
	return ipc_send(fd, "x", 1) == 0 ? 0 : 1;
}

static int send_descriptor(int fd)
{
	const struct launch_request request = {.type = LAUNCH_END_TUNNEL, .ifname = "x"};

	return ipc_send_fds(fd, &request, sizeof(request), &fd, 1) == 0 ? 0 : 1;
}

static void test_misbehaviour(void **state)
{
	int (*const children[])(int) = {
		send_bad_type, send_unterminated, send_short, send_descriptor};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		int last;

		assert_int_equal(serve(children[i], &last), 0);
		assert_int_equal(last, -EPROTO);
	}
}

/* Ask so often that we are ready, and hear nothing of it, until there is no room for an answer or
 * max is reached. Returns how many answers there were. */
static int ask_deafly(const int ends[2], int max)
{
	const struct launch_request ready = {.type = LAUNCH_READY};
	int num = 0, r = 0;

	while (num < max && r == 0) {
		assert_int_equal(ipc_send(ends[1], &ready, sizeof(ready)), 0);
		r = launcher_serve(launcher, ends[0]);
		num += r == 0;
	}
	assert_true(r == 0 || r == -EAGAIN);
	return num;
}

/* A child that does not take its answers keeps nobody waiting, also where descriptors come with the
 * answer. */
static void test_nobody_is_waited_for(void **state)
{
	struct launch_request tunnel = {.type = LAUNCH_TUNNEL};
	int ends[2], other_ends[2], room;

	(void)state;
	strcpy(tunnel.ifname, ours);
	assert_int_equal(ipc_pair(ends), 0);
	room = ask_deafly(ends, INT_MAX);
	assert_int_equal(ipc_pair(other_ends), 0);
	assert_int_equal(ask_deafly(other_ends, room), room);
	assert_int_equal(ipc_send(other_ends[1], &tunnel, sizeof(tunnel)), 0);
	alarm(30); /* ends this program should it wait */
	assert_int_equal(launcher_serve(launcher, other_ends[0]), -EAGAIN);
	alarm(0);
	for (size_t i = 0; i < 2; i++) {
		close(ends[i]);
		close(other_ends[i]);
	}
}

/* Noise, of which it is known whether an honest child could say it: a tunnel's name is always one
 * that is refused. Returns its length. */
static size_t make_noise(struct launch_request *ret_request, bool *ret_is_message)
{
	const size_t len = rand() % 8 ? sizeof(*ret_request) : 1 + (size_t)rand() % 200;
	uint8_t *bytes = (uint8_t *)ret_request;

	for (size_t i = 0; i < sizeof(*ret_request); i++)
		bytes[i] = (uint8_t)rand();
	if (rand() % 4)
		ret_request->type = 1 + (uint32_t)rand() % (LAUNCH_READY + 1);
	ret_request->ifname[0] = '/';
	if (rand() % 4)
		ret_request->ifname[1 + rand() % (IFNAMSIZ - 1)] = '\0';
	*ret_is_message = len == sizeof(*ret_request) && ret_request->type >= LAUNCH_TUNNEL &&
			  ret_request->type <= LAUNCH_READY &&
			  memchr(ret_request->ifname, 0, IFNAMSIZ) != NULL;
	return len;
}

static void test_noise(void **state)
{
	unsigned num_messages = 0;
	int ends[2];

	(void)state;
	srand(1);
	assert_int_equal(ipc_pair(ends), 0);
	for (int i = 0; i < 20000; i++) {
		union {
			struct launch_request request;
			uint8_t bytes[201];
		} noise = {0};
		struct launch_reply reply;
		bool is_message;
		size_t len = make_noise(&noise.request, &is_message);
		int expected = noise.request.type == LAUNCH_READY ? 0 : -EINVAL;

		assert_int_equal(ipc_send(ends[1], &noise, len), 0);
		assert_int_equal(launcher_serve(launcher, ends[0]), is_message ? 0 : -EPROTO);
		assert_int_equal(ipc_try_receive(ends[1], &reply, sizeof(reply), NULL),
			is_message ? 0 : -EAGAIN);
		if (is_message)
			assert_int_equal(reply.error, expected);
		num_messages += is_message;
	}
	assert_in_range(num_messages, 1000, 19000);
	close(ends[0]);
	close(ends[1]);
}

/* What a launcher says that is none: an answer, and descriptors with it. */
static int hear(int fd, int32_t error, size_t num_fds)
{
	const struct launch_reply reply = {error};
	int ends[2], uapi[2], before = open("/dev/null", O_RDONLY), after, r;

	assert_int_equal(ipc_pair(ends), 0);
	assert_int_equal(ipc_send_fds(ends[0], &reply, sizeof(reply), (int[]){fd, fd}, num_fds), 0);
	r = launch_tunnel(ends[1], ours, uapi);
	close(ends[0]);
	close(ends[1]);
	close(before);
	after = open("/dev/null", O_RDONLY);
	assert_int_equal(after, before); /* it keeps none */
	close(after);
	return r;
}

static void test_answers(void **state)
{
	(void)state;
	assert_int_equal(hear(STDERR_FILENO, -EBUSY, 0), -EBUSY);
	assert_int_equal(hear(STDERR_FILENO, 0, 0), -EPROTO);
	assert_int_equal(hear(STDERR_FILENO, 0, 1), -EPROTO);
	assert_int_equal(hear(STDERR_FILENO, -EBUSY, 1), -EPROTO);
	assert_int_equal(hear(STDERR_FILENO, -EBUSY, 2), -EPROTO);
	assert_int_equal(hear(STDERR_FILENO, 1, 0), -EPROTO);
	assert_int_equal(hear(STDERR_FILENO, INT32_MIN, 0), -EPROTO);
}

/* A tunnel that dies is reported by its name, and can be started again. */
static void test_death(void **state)
{
	char name[IFNAMSIZ] = "", command[64];
	int uapi[2];
	pid_t pid;

	(void)state;
	assert_int_equal(launcher_start(launcher, ours, uapi), 0);
	close(uapi[0]);
	close(uapi[1]);
	assert_false(launcher_reaped(launcher, getpid(), name));
	snprintf(command, sizeof(command), "pkill -KILL -P %d -f 'run %s$'", getpid(), ours);
	assert_int_equal(system(command), 0);
	pid = waitpid(-1, NULL, 0);
	assert_true(launcher_reaped(launcher, pid, name));
	assert_string_equal(name, ours);
	assert_false(launcher_reaped(launcher, pid, name));
	for (int i = 0; i < 1000 && if_nametoindex(ours) != 0; i++)
		poll(NULL, 0, 5);
	assert_int_equal(launcher_start(launcher, ours, uapi), 0);
	assert_true(uapi_answers(uapi[1]));
	close(uapi[0]);
	close(uapi[1]);
}

static void test_no_program(void **state)
{
	struct launcher *broken = launcher_new("/nonexistent/adit");
	int uapi[2];

	(void)state;
	assert_non_null(broken);
	assert_int_equal(launcher_start(broken, other, uapi), -ECANCELED);
	launcher_free(broken);
}

static void test_default_source(void **state)
{
	struct prefix found = {0};

	(void)state;
	assert_true(link_default_source(&found) < 0);
	assert_int_equal(system("ip link add h4x type veth peer name h4y && ip link set h4x up && "
				"ip link set h4y up && ip addr add 10.9.8.7/24 dev h4x && "
				"ip route add default via 10.9.8.1"),
		0);
	assert_int_equal(link_default_source(&found), 0);
	assert_int_equal(found.family, AF_INET);
	assert_memory_equal(found.addr, ((uint8_t[]){10, 9, 8, 7}), 4);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tunnel),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_misbehaviour),
		cmocka_unit_test(test_nobody_is_waited_for),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_death),
		cmocka_unit_test(test_no_program),
		cmocka_unit_test(test_default_source),
	};

	if (argc != 2 || geteuid() != 0 || access("/dev/net/tun", W_OK) < 0 ||
		unshare(CLONE_NEWNET) < 0) {
		fprintf(stderr, "needs root, /dev/net/tun and network namespaces\n");
		return 77; /* skipped */
	}
	program = argv[1];
	return cmocka_run_group_tests(tests, start, stop);
}
