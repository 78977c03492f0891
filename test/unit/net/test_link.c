/* SPDX-License-Identifier: MIT
 *
 * A TUN interface followed through its life, in namespaces of the test's own.
 */
#include "net/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>

#include "net/tun.h"
#include "netns.h"

static int tun_fd;
static struct link_monitor *monitor;

static void start(void)
{
	struct tun_features features;

	tun_fd = tun_create("h-net0", &features);
	assert_true(tun_fd >= 0);
	monitor = link_monitor_new(if_nametoindex("h-net0"));
	assert_non_null(monitor);
}

static void stop(void)
{
	link_monitor_free(monitor);
	close(tun_fd);
}

static int current_netns(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* Run a command in another namespace; NETNS in it stands for a path of the namespace `target`. */
static void shell_in(int netns, const char *command, int target)
{
	int home = current_netns();
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), target);
	assert_int_equal(setenv("NETNS", path, 1), 0);
	assert_int_equal(setns(netns, CLONE_NEWNET), 0);
	assert_true(shell(command));
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(home);
}

/* A new namespace, without going there. */
static int other_netns(void)
{
	int home = current_netns(), other;

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	other = current_netns();
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(home);
	return other;
}

static bool dispatch(void)
{
	bool changed = false;

	assert_int_equal(link_monitor_dispatch(monitor, &changed), 0);
	return changed;
}

/* What the kernel has told by now. */
static void assert_state(bool up, uint32_t mtu, bool gone)
{
	struct link_state state;

	(void)dispatch();
	state = link_monitor_state(monitor);
	assert_int_equal(state.up, up);
	assert_int_equal(state.mtu, mtu);
	assert_int_equal(state.gone, gone);
}

static void test_life(void **state)
{
	(void)state;
	NETNS_OR_SKIP();
	assert_null(link_monitor_new(0));
	assert_int_equal(errno, ENODEV);
	assert_null(link_monitor_new(4711));
	assert_int_equal(errno, ENODEV);
	start();
	assert_state(false, 1500, false);
	assert_true(shell("ip link set h-net0 up"));
	assert_int_equal(
		poll(&(struct pollfd){.fd = link_monitor_fd(monitor), .events = POLLIN}, 1, 0), 1);
	assert_state(true, 1500, false);
	assert_true(shell("ip link set h-net0 mtu 34816"));
	assert_state(true, 34816, false);
	assert_true(shell("ip link set h-net0 down"));
	assert_state(false, 34816, false);
	assert_true(shell("ip link set h-net0 name h-net9 && ip link set h-net9 up mtu 1280"));
	assert_state(true, 1280, false);

	/* Another interface is none of our business. */
	assert_true(shell("ip tuntap add h-net1 mode tun && ip link set h-net1 up mtu 1300 && "
			  "ip link delete h-net1"));
	assert_state(true, 1280, false);
	assert_true(shell("ip link delete h-net9"));
	assert_state(false, 1280, true);
	stop();
}

static void test_set(void **state)
{
	(void)state;
	NETNS_OR_SKIP();
	start();
	assert_true(shell("ip link set h-net0 up"));
	assert_int_equal(link_set_mtu(monitor, 1420), 0);
	assert_state(true, 1420, false);
	assert_int_equal(link_set_mtu(monitor, 1), -EINVAL);
	assert_int_equal(link_set_down(monitor), 0);
	assert_state(false, 1420, false);
	close(tun_fd);
	assert_int_equal(link_set_down(monitor), -ENODEV);
	link_monitor_free(monitor);
}

/* Away, on, back, and gone, with a rename and a taken index on the way. */
static void test_moved(void **state)
{
	int home, other, third;

	(void)state;
	NETNS_OR_SKIP();
	home = current_netns();
	other = other_netns();
	third = other_netns();
	start();
	assert_true(shell("ip link set h-net0 up mtu 1420"));
	assert_state(true, 1420, false);
	/* The same name and index as ours, in the other namespace. */
	shell_in(other, "ip tuntap add h-net0 mode tun", -1);
	shell_in(home, "ip link set h-net0 name h-net5 netns $NETNS", other);
	assert_state(false, 1420, false);
	shell_in(other, "ip link set h-net5 up", -1);
	assert_state(true, 1420, false);
	shell_in(other, "ip link set h-net5 mtu 1300", -1);
	shell_in(other, "ip link set h-net0 up mtu 1600", -1);
	assert_state(true, 1300, false);
	assert_int_equal(link_set_down(monitor), -EOPNOTSUPP);
	assert_int_equal(link_set_mtu(monitor, 1500), -EOPNOTSUPP);

	/* On to a namespace that home knows by an interface there. */
	shell_in(home,
		"ip link add h-net1 type veth peer name h-net2 && ip link set h-net2 netns $NETNS",
		third);
	shell_in(other, "ip link set h-net5 netns $NETNS", third);
	assert_state(false, 1300, false);
	shell_in(third, "ip link set h-net5 up mtu 1310", -1);
	assert_state(true, 1310, false);

	shell_in(third, "ip link set h-net5 netns $NETNS", home);
	assert_state(false, 1310, false);
	shell_in(home, "ip link set h-net5 up mtu 1320", -1);
	assert_state(true, 1320, false);
	assert_int_equal(link_set_down(monitor), 0);
	assert_state(false, 1320, false);

	shell_in(home, "ip link set h-net5 netns $NETNS", third);
	assert_state(false, 1320, false);
	shell_in(third, "ip link delete h-net5", -1);
	assert_state(false, 1320, true);
	stop();
	close(home);
	close(other);
	close(third);
}

/* A namespace that dies takes the interface along. */
static void test_namespace_dies(void **state)
{
	int home, other;

	(void)state;
	NETNS_OR_SKIP();
	home = current_netns();
	other = other_netns();
	start();
	shell_in(home, "ip link set h-net0 netns $NETNS", other);
	assert_state(false, 1500, false);
	close(other);
	for (int i = 0; i < 200 && !link_monitor_state(monitor).gone; i++) {
		usleep(10000);
		(void)dispatch();
	}
	assert_true(link_monitor_state(monitor).gone);
	stop();
	close(home);
}

/* Home may have an id for itself, which its messages then carry (before Linux 6.18 at least; there
 * it is hidden, and this test easy). */
static void test_home_has_id(void **state)
{
	(void)state;
	NETNS_OR_SKIP();
	start();
	assert_true(shell("ip netns attach h-net-home $PPID && ip netns set h-net-home 7"));
	assert_true(shell("ip link set h-net0 up mtu 1300"));
	assert_state(true, 1300, false);
	assert_true(shell("ip address add 10.8.0.1/24 dev h-net0"));
	assert_true(dispatch());
	link_monitor_free(monitor);
	monitor = link_monitor_new(if_nametoindex("h-net0"));
	assert_non_null(monitor);
	assert_true(shell("ip link set h-net0 mtu 1310"));
	assert_state(true, 1310, false);
	assert_true(shell("ip netns delete h-net-home"));
	stop();
}

/* Messages that were lost are made up for. */
static void test_overrun(void **state)
{
	int small = 1;

	(void)state;
	NETNS_OR_SKIP();
	start();
	assert_int_equal(
		setsockopt(link_monitor_fd(monitor), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)),
		0);
	assert_true(shell("for i in 1 2 3 4 5 6 7 8 9; do ip link set lo mtu 200$i; done; "
			  "ip link set h-net0 up mtu 1300"));
	assert_true(dispatch());
	assert_state(true, 1300, false);
	assert_true(shell("for i in 1 2 3 4 5 6 7 8 9; do ip link set lo mtu 300$i; done; "
			  "ip link delete h-net0"));
	assert_state(false, 1300, true);
	stop();
}

static void test_routes_changed(void **state)
{
	static const struct {
		const char *command;
		bool changed;
	} rows[] = {
		{"true", false},
		{"ip address add 10.9.0.1/24 dev lo", true},
		{"ip route add 10.10.0.0/16 dev lo", true},
		{"ip link set lo mtu 9000", false},
		{"ip route delete 10.10.0.0/16", true},
		{"ip address add fd01::1/64 dev lo", true},
		{"ip address delete 10.9.0.1/24 dev lo", true},
	};
	int other;

	(void)state;
	NETNS_OR_SKIP();
	other = other_netns();
	start();
	(void)dispatch();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_true(shell(rows[i].command));
		assert_int_equal(dispatch(), rows[i].changed);
	}
	/* Elsewhere it does not matter, though we hear of it. */
	shell_in(current_netns(), "ip link set h-net0 netns $NETNS", other);
	(void)dispatch();
	shell_in(other, "ip link set lo up; ip route add 10.10.0.0/16 dev lo", -1);
	assert_int_equal(
		poll(&(struct pollfd){.fd = link_monitor_fd(monitor), .events = POLLIN}, 1, 0), 1);
	assert_false(dispatch());
	assert_int_equal(link_monitor_dispatch(monitor, NULL), 0);
	stop();
	close(other);
}

static void test_route(void **state)
{
	static const struct {
		const char *address, *local,
			*device; /* NULL: an error, which one depends on Linux */
		uint32_t fwmark;
	} rows[] = {
		{"127.0.0.1", NULL, "lo", 0},
		{"10.20.0.9", NULL, "h-net0", 0},
		{"10.20.0.9", "10.20.0.1", "h-net0", 0},
		{"10.20.0.9", "10.21.0.1", "h-net0", 0},
		{"10.20.0.9", "10.99.0.1", NULL, 0},
		{"10.20.0.9", NULL, "h-net1", 5},
		{"192.0.2.1", NULL, NULL, 0},
		{"fd20::9", NULL, "h-net0", 0},
		{"fd20::9", "fd20::1", "h-net0", 0},
		{"2001:db8::1", NULL, NULL, 0},
	};

	(void)state;
	NETNS_OR_SKIP();
	start();
	assert_true(shell("ip tuntap add h-net1 mode tun && ip link set h-net0 up && "
			  "ip link set h-net1 up && ip address add 10.20.0.1/24 dev h-net0 && "
			  "ip address add 10.21.0.1/24 dev h-net1 && "
			  "ip address add fd20::1/64 dev h-net0 nodad && "
			  "ip route add default dev h-net1 table 100 && "
			  "ip rule add fwmark 5 table 100"));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct endpoint to = {.port = 1};
		int r;

		to.family = strchr(rows[i].address, ':') != NULL ? AF_INET6 : AF_INET;
		assert_int_equal(inet_pton(to.family, rows[i].address, to.addr), 1);
		if (rows[i].local != NULL)
			assert_int_equal(inet_pton(to.family, rows[i].local, to.local), 1);
		r = link_route_ifindex(monitor, &to, true, rows[i].fwmark);
		if (rows[i].device != NULL)
			assert_int_equal(r, if_nametoindex(rows[i].device));
		else
			assert_true(r < 0);
		if (rows[i].device == NULL && rows[i].local != NULL)
			assert_true(link_route_ifindex(monitor, &to, false, 0) > 0);
	}
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_moved),
		cmocka_unit_test(test_namespace_dies),
		cmocka_unit_test(test_home_has_id),
		cmocka_unit_test(test_overrun),
		cmocka_unit_test(test_routes_changed),
		cmocka_unit_test(test_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
