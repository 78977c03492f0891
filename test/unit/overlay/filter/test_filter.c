/* SPDX-License-Identifier: MIT
 *
 * The filter, with real packets: a peer, a node and a host behind the node are network namespaces.
 * Peer and node are joined by two TUN devices and a process that carries packets between them, as a
 * tunnel does. Needs root.
 */
#include "overlay/filter/filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include <linux/if_tun.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <cmocka.h>

#define TUNNEL "rob-ots.1" /* every kind of character that a name may have */
#define NO_RATES "net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0"

static int node_ns = -1, peer_ns = -1, host_ns = -1;

static const struct policy_allowance any[] = {{POLICY_ANY, 0, 65535}};
static const struct policy_allowance ssh[] = {{POLICY_TCP, 22, 22}};

/* --- the lab ---------------------------------------------------------- */

static void enter(int ns)
{
	assert_int_equal(setns(ns, CLONE_NEWNET), 0);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static int run_in(int ns, const char *format, ...)
{
	char command[1024];
	va_list args;
	int status;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	enter(ns);
	status = system(command);
	enter(node_ns);
	return status;
}
#pragma GCC diagnostic pop

static int new_ns(void)
{
	int fd;

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int open_tun(int ns, const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd;

	enter(ns);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	strcpy(request.ifr_name, name);
	assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
	enter(node_ns);
	return fd;
}

/* Carry packets both ways until the test ends. */
static void carry(int a, int b)
{
	struct pollfd ends[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
	char buf[2048];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (poll(ends, 2, -1) > 0) {
		for (int i = 0; i < 2; i++) {
			ssize_t len = ends[i].revents ? read(ends[i].fd, buf, sizeof(buf)) : 0;

			if (len > 0 && write(ends[!i].fd, buf, (size_t)len) != len)
				continue; /* that end is down */
		}
	}
}

static void listen_on(int ns, int type, uint16_t port)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd;

	enter(ns);
	fd = socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 64), 0);
	enter(node_ns);
}

static int setup(void **state)
{
	int near, far;
	pid_t carrier;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0)
		return 0; /* every test will be skipped */
	peer_ns = new_ns();
	host_ns = new_ns();
	node_ns = new_ns();
	near = open_tun(node_ns, TUNNEL);
	far = open_tun(peer_ns, "far");
	carrier = fork();
	if (carrier == 0) {
		carry(near, far);
		_exit(0);
	}
	close(near);
	close(far);
	assert_int_equal(
		run_in(host_ns, "ip link add eth0 type veth peer name lan netns %d", carrier), 0);
	assert_int_equal(
		run_in(node_ns, "ip link set lo up && ip link set " TUNNEL " up && "
				"ip addr add 10.9.0.1/24 dev " TUNNEL " && "
				"ip addr add fd09::1/64 dev " TUNNEL " && "
				"ip link set lan up && ip addr add 192.0.2.1/24 dev lan && "
				"sysctl -qw net.ipv4.ip_forward=1 " NO_RATES),
		0);
	assert_int_equal(run_in(peer_ns, "ip link set far up && "
					 "ip addr add 10.9.0.2/24 dev far && "
					 "ip addr add 10.9.0.3/24 dev far && "
					 "ip addr add fd09::2/64 dev far && "
					 "ip route add default dev far && "
					 "sysctl -qw " NO_RATES),
		0);
	assert_int_equal(run_in(host_ns, "ip link set eth0 up && ip addr add 192.0.2.9/24 dev eth0 "
					 "&& ip route add default via 192.0.2.1"),
		0);
	for (uint16_t port = 22; port <= 26; port++)
		listen_on(node_ns, SOCK_STREAM, port);
	listen_on(node_ns, SOCK_DGRAM, 22);
	listen_on(peer_ns, SOCK_STREAM, 22);
	listen_on(host_ns, SOCK_STREAM, 80);
	return 0;
}

#define NEED_ROOT()              \
	do {                     \
		if (node_ns < 0) \
			skip();  \
	} while (0)

static socklen_t to_sockaddr(struct sockaddr_storage *ret, const char *address, uint16_t port)
{
	struct sockaddr_in *v4 = (void *)ret;
	struct sockaddr_in6 *v6 = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return sizeof(*v4);
	}
	assert_int_equal(inet_pton(AF_INET6, address, &v6->sin6_addr), 1);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	return sizeof(*v6);
}

/* A socket in ns, bound and connected. ret_error: 0, or why it could not. */
static int dial(int ns, int type, const char *from, const char *to, uint16_t port, int *ret_error)
{
	struct sockaddr_storage address;
	socklen_t len = to_sockaddr(&address, from, 0);
	struct pollfd wait = {.events = POLLOUT};
	int fd;

	enter(ns);
	fd = socket(address.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	to_sockaddr(&address, to, port);
	*ret_error = ETIMEDOUT;
	wait.fd = fd;
	if (connect(fd, (struct sockaddr *)&address, len) == 0) {
		*ret_error = 0;
	} else if (errno != EINPROGRESS) {
		*ret_error = errno;
	} else if (poll(&wait, 1, 900) == 1) {
		len = sizeof(*ret_error);
		getsockopt(fd, SOL_SOCKET, SO_ERROR, ret_error, &len);
	}
	enter(node_ns);
	return fd;
}

static int tcp(int ns, const char *from, const char *to, uint16_t port)
{
	int error, fd = dial(ns, SOCK_STREAM, from, to, port, &error);

	close(fd);
	return error;
}

/* What comes back for a datagram within a moment: an errno, ETIMEDOUT for nothing. */
static int udp(int ns, const char *from, const char *to, uint16_t port)
{
	int error, fd = dial(ns, SOCK_DGRAM, from, to, port, &error);
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	char buf[16];

	assert_int_equal(send(fd, "hello", 5, 0), 5);
	error = ETIMEDOUT;
	if (poll(&wait, 1, 150) == 1)
		error = recv(fd, buf, sizeof(buf), 0) < 0 ? errno : 0;
	close(fd);
	return error;
}

static bool ping(const char *from, const char *to)
{
	return run_in(peer_ns, "ping -c 1 -W 1 -q -I %s %s > /dev/null 2>&1", from, to) == 0;
}

static struct prefix prefix(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_from_text(&prefix, text), 0);
	return prefix;
}

static struct filter *new_filter(const char *hub)
{
	struct filter *filter = NULL;
	struct prefix hubs[1];
	char *error = NULL;
	int r;

	if (hub)
		hubs[0] = prefix(hub);
	r = filter_new(&filter, TUNNEL, hubs, hub != NULL, &error);
	if (r != 0)
		fail_msg("%d %s", r, error ? error : "");
	assert_null(error);
	return filter;
}

static void set_peer(struct filter *filter, int64_t id, const char *address, const char *address6,
	const struct policy_allowance *allowances, unsigned num_allowances)
{
	struct prefix addresses[2];
	unsigned num = 0;
	int r;

	addresses[num++] = prefix(address);
	if (address6)
		addresses[num++] = prefix(address6);
	r = filter_set_peer(filter, id, addresses, num, allowances, num_allowances);
	if (r != 0)
		fail_msg("%d %s", r, filter_error(filter));
}

/* --- what passes ------------------------------------------------------ */

static void test_nothing_passes_at_first(void **state)
{
	struct filter *filter;

	(void)state;
	NEED_ROOT();
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 22), 0); /* the lab works */
	assert_int_equal(tcp(peer_ns, "fd09::2", "fd09::1", 22), 0);
	assert_int_equal(udp(peer_ns, "10.9.0.2", "10.9.0.1", 22), ETIMEDOUT);
	assert_int_equal(udp(peer_ns, "10.9.0.2", "10.9.0.1", 9), ECONNREFUSED);
	assert_true(ping("10.9.0.2", "10.9.0.1"));
	filter = new_filter(NULL);
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 22), EHOSTUNREACH);
	assert_int_equal(tcp(peer_ns, "fd09::2", "fd09::1", 22), EACCES);
	assert_int_equal(udp(peer_ns, "10.9.0.2", "10.9.0.1", 22), EHOSTUNREACH);
	assert_int_equal(udp(peer_ns, "fd09::2", "fd09::1", 22), EACCES);
	assert_false(ping("10.9.0.2", "10.9.0.1"));
	assert_false(ping("fd09::2", "fd09::1"));
	assert_int_equal(tcp(host_ns, "192.0.2.9", "192.0.2.1", 22), 0); /* another interface */
	assert_int_equal(tcp(node_ns, "127.0.0.1", "10.9.0.1", 22), 0);	 /* itself */
	filter_free(filter);
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 22), 0);
}

static void test_ports(void **state)
{
	static const struct {
		struct policy_allowance allowances[3];
		unsigned num;
		bool passes[5]; /* TCP 22 to 26 */
		bool udp, ping;
	} rows[] = {
		{{{6, 22, 22}}, 1, {1, 0, 0, 0, 0}, 0, 0},
		{{{6, 23, 25}}, 1, {0, 1, 1, 1, 0}, 0, 0},
		{{{6, 0, 65535}}, 1, {1, 1, 1, 1, 1}, 0, 0},
		{{{17, 22, 22}}, 1, {0, 0, 0, 0, 0}, 1, 0},
		{{{1, 0, 65535}, {6, 26, 26}, {17, 0, 65535}}, 3, {0, 0, 0, 0, 1}, 1, 1},
		{{{0, 0, 65535}}, 1, {1, 1, 1, 1, 1}, 1, 1},
		/* in no order, overlapping */
		{{{6, 23, 25}, {6, 24, 24}, {6, 25, 26}}, 3, {0, 1, 1, 1, 1}, 0, 0},
		{{{6, 26, 26}, {6, 22, 22}, {6, 22, 22}}, 3, {1, 0, 0, 0, 1}, 0, 0},
		{{{6, 22, 22}, {0, 0, 65535}, {6, 23, 23}}, 3, {1, 1, 1, 1, 1}, 1, 1},
		{{{6, 0, 65535}, {1, 0, 65535}, {0, 0, 65535}}, 3, {1, 1, 1, 1, 1}, 1, 1},
		{{{6, 22, 22}, {6, 0, 65535}}, 2, {1, 1, 1, 1, 1}, 0, 0},
		{{{0}}, 0, {0}, 0, 0},
	};
	struct filter *filter;

	(void)state;
	NEED_ROOT();
	filter = new_filter(NULL);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		set_peer(filter, 1, "10.9.0.2", "fd09::2", rows[i].allowances, rows[i].num);
		for (uint16_t j = 0; j < 5; j++) {
			bool passes = rows[i].passes[j];
			uint16_t port = (uint16_t)(22 + j);

			assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", port),
				passes ? 0 : EHOSTUNREACH);
			assert_int_equal(
				tcp(peer_ns, "fd09::2", "fd09::1", port), passes ? 0 : EACCES);
		}
		assert_int_equal(udp(peer_ns, "10.9.0.2", "10.9.0.1", 22),
			rows[i].udp ? ETIMEDOUT : EHOSTUNREACH);
		assert_int_equal(
			udp(peer_ns, "fd09::2", "fd09::1", 22), rows[i].udp ? ETIMEDOUT : EACCES);
		assert_int_equal(ping("10.9.0.2", "10.9.0.1"), rows[i].ping);
		assert_int_equal(ping("fd09::2", "fd09::1"), rows[i].ping);
		/* nobody else may */
		assert_int_equal(tcp(peer_ns, "10.9.0.3", "10.9.0.1", 22), EHOSTUNREACH);
	}
	assert_int_equal(filter_remove_peer(filter, 1), 0);
	assert_int_equal(filter_remove_peer(filter, 1), 0);
	filter_free(filter);
}

static void test_hub_may_everything(void **state)
{
	struct filter *filter;
	struct prefix taken;

	(void)state;
	NEED_ROOT();
	filter = new_filter("10.9.0.2/32");
	taken = prefix("10.9.0.0/24");
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 25), 0);
	assert_true(ping("10.9.0.2", "10.9.0.1"));
	assert_int_equal(tcp(peer_ns, "10.9.0.3", "10.9.0.1", 25), EHOSTUNREACH);
	assert_int_equal(filter_set_peer(filter, 5, &taken, 1, ssh, 1), -EEXIST);
	assert_int_equal(tcp(peer_ns, "10.9.0.3", "10.9.0.1", 22), EHOSTUNREACH);
	filter_free(filter);
}

/* A hub's own host: one port for everybody. */
static void test_everybody(void **state)
{
	struct filter *filter;

	(void)state;
	NEED_ROOT();
	filter = new_filter(NULL);
	set_peer(filter, 1, "0.0.0.0/0", "::/0", ssh, 1);
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 22), 0);
	assert_int_equal(tcp(peer_ns, "10.9.0.3", "10.9.0.1", 22), 0);
	assert_int_equal(tcp(peer_ns, "fd09::2", "fd09::1", 22), 0);
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 23), EHOSTUNREACH);
	assert_int_equal(tcp(peer_ns, "fd09::2", "fd09::1", 23), EACCES);
	filter_free(filter);
}

/* The node may open connections to whoever lets it, and hears of what goes wrong. */
static void test_answers_pass(void **state)
{
	struct filter *filter;

	(void)state;
	NEED_ROOT();
	filter = new_filter(NULL);
	assert_int_equal(tcp(node_ns, "10.9.0.1", "10.9.0.2", 22), 0);
	assert_int_equal(tcp(node_ns, "fd09::1", "fd09::2", 22), 0);
	assert_int_equal(tcp(node_ns, "10.9.0.1", "10.9.0.2", 99), ECONNREFUSED);
	assert_int_equal(udp(node_ns, "10.9.0.1", "10.9.0.2", 99), ECONNREFUSED);
	assert_int_equal(udp(node_ns, "fd09::1", "fd09::2", 99), ECONNREFUSED);
	filter_free(filter);
}

/* --- what is cut ------------------------------------------------------ */

/* Whether a byte goes from one end to the other within a moment. */
static bool carries(int from, int to)
{
	struct pollfd wait = {.fd = to, .events = POLLIN};
	char buf[256];

	while (recv(to, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	if (send(from, "x", 1, MSG_NOSIGNAL) != 1)
		return false;
	return poll(&wait, 1, 250) == 1 && recv(to, buf, sizeof(buf), MSG_DONTWAIT) > 0;
}

static int listener_on(int ns, uint16_t port)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd;

	enter(ns);
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	enter(node_ns);
	return fd;
}

static void test_removal_cuts_connections(void **state)
{
	int listener, peer_listener, theirs, theirs_here, ours, ours_there, error;
	struct filter *filter;

	(void)state;
	NEED_ROOT();
	filter = new_filter(NULL);
	set_peer(filter, 1, "10.9.0.2", NULL, any, 1);
	listener = listener_on(node_ns, 40);
	peer_listener = listener_on(peer_ns, 40);
	theirs = dial(peer_ns, SOCK_STREAM, "10.9.0.2", "10.9.0.1", 40, &error);
	assert_int_equal(error, 0);
	theirs_here = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ours = dial(node_ns, SOCK_STREAM, "10.9.0.1", "10.9.0.2", 40, &error);
	assert_int_equal(error, 0);
	ours_there = accept4(peer_listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(carries(theirs, theirs_here));
	assert_true(carries(theirs_here, theirs));
	assert_true(carries(ours, ours_there));
	assert_true(carries(ours_there, ours));

	set_peer(filter, 1, "10.9.0.2", NULL, ssh, 1); /* another port than theirs */
	assert_false(carries(theirs, theirs_here));
	assert_true(carries(ours_there, ours));
	set_peer(filter, 1, "10.9.0.2", NULL, any, 1);
	assert_true(carries(theirs, theirs_here));
	assert_int_equal(filter_remove_peer(filter, 1), 0);
	assert_false(carries(theirs, theirs_here));
	assert_true(carries(ours_there, ours)); /* until the tunnel's peer is gone */
	filter_free(filter);
	close(theirs);
	close(theirs_here);
	close(ours);
	close(ours_there);
	close(listener);
	close(peer_listener);
}

static void test_addresses_move(void **state)
{
	struct filter *filter;
	struct prefix bad = prefix("10.9.0.2");

	(void)state;
	NEED_ROOT();
	filter = new_filter(NULL);
	set_peer(filter, 1, "10.9.0.2", "fd09::2", ssh, 1);
	set_peer(filter, 2, "10.9.0.3", NULL, ssh, 1);
	set_peer(filter, 3, "10.9.0.2", NULL, any, 1); /* takes it from 1 */
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 23), 0);
	assert_int_equal(tcp(peer_ns, "10.9.0.3", "10.9.0.1", 22), 0);
	assert_int_equal(tcp(peer_ns, "fd09::2", "fd09::1", 22), EACCES);
	assert_int_equal(filter_remove_peer(filter, 1), 0);
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 23), 0);
	set_peer(filter, 2, "10.9.0.0/24", "10.9.0.7", ssh, 1); /* takes it from 3 */
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 23), EHOSTUNREACH);
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 22), 0);
	set_peer(filter, 2, "10.9.0.2", "10.9.0.99/24", ssh, 1); /* the same, written otherwise */
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 22), 0);
	bad.cidr = 33;
	assert_int_equal(filter_set_peer(filter, 4, &bad, 1, ssh, 1), -EINVAL);
	bad.cidr = 32;
	assert_int_equal(filter_set_peer(filter, 4, &bad, 1,
				 &(struct policy_allowance){POLICY_TCP, 9, 8}, 1),
		-EINVAL);
	assert_int_equal(
		filter_set_peer(filter, 4, &bad, 1, &(struct policy_allowance){47, 0, 65535}, 1),
		-EINVAL);
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 22), 0);
	filter_free(filter);
}

/* --- forwarding ------------------------------------------------------- */

static void test_a_node_is_no_router(void **state)
{
	struct filter *filter;

	(void)state;
	NEED_ROOT();
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "192.0.2.9", 80), 0); /* the lab works */
	filter = new_filter(NULL);
	set_peer(filter, 1, "10.9.0.2", NULL, any, 1);
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "192.0.2.9", 80), EHOSTUNREACH);
	assert_int_equal(tcp(host_ns, "192.0.2.9", "10.9.0.2", 22), 0); /* answers come back */
	/* A container's published port is the node's: 8080, not 80, is what is asked about. */
	assert_int_equal(
		run_in(node_ns, "nft 'table ip publish { chain c { type nat hook prerouting "
				"priority dstnat; tcp dport 8080 dnat to 192.0.2.9:80; }; }'"),
		0);
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 8080), 0);
	set_peer(filter, 1, "10.9.0.2", NULL, &(struct policy_allowance){POLICY_TCP, 80, 80}, 1);
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 8080), EHOSTUNREACH);
	set_peer(
		filter, 1, "10.9.0.2", NULL, &(struct policy_allowance){POLICY_TCP, 8080, 8080}, 1);
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 8080), 0);
	assert_int_equal(run_in(node_ns, "nft delete table ip publish"), 0);
	filter_free(filter);
}

/* --- the table -------------------------------------------------------- */

static bool is_readable(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	return poll(&wait, 1, 50) == 1;
}

static void test_flushed(void **state)
{
	static const char *const losses[] = {"flush ruleset", "delete table inet adit-" TUNNEL,
		"flush chain inet adit-" TUNNEL " received",
		"flush chain inet adit-" TUNNEL " forwarded"};
	struct filter *filter;
	bool mended;

	(void)state;
	NEED_ROOT();
	filter = new_filter("10.9.0.3");
	set_peer(filter, 1, "10.9.0.2", "fd09::2", ssh, 1);
	assert_true(is_readable(filter_fd(filter)));
	assert_int_equal(filter_mend(filter, &mended), 0);
	assert_false(mended); /* that was ourselves */
	assert_false(is_readable(filter_fd(filter)));
	set_peer(filter, 1, "10.9.0.2", "fd09::2", ssh, 1);
	assert_false(is_readable(filter_fd(filter))); /* what is the same is not said again */

	for (size_t i = 0; i < ARRAY_SIZE(losses); i++) {
		assert_int_equal(run_in(node_ns, "nft %s", losses[i]), 0);
		assert_true(is_readable(filter_fd(filter)));
		assert_int_equal(filter_mend(filter, &mended), 0);
		assert_true(mended);
		assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 22), 0);
		assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 23), EHOSTUNREACH);
		assert_int_equal(tcp(peer_ns, "10.9.0.3", "10.9.0.1", 23), 0);
		assert_int_equal(tcp(peer_ns, "10.9.0.2", "192.0.2.9", 80), EHOSTUNREACH);
		assert_int_equal(filter_mend(filter, &mended), 0);
		assert_false(mended);
	}
	/* Without being told, the next change notices. */
	assert_int_equal(run_in(node_ns, "nft flush ruleset"), 0);
	set_peer(filter, 2, "10.9.0.9", NULL, ssh, 1);
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 22), 0);
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 23), EHOSTUNREACH);
	/* So does one when somebody emptied a set. */
	assert_int_equal(run_in(node_ns, "nft flush set inet adit-" TUNNEL " ports4"), 0);
	set_peer(filter, 1, "10.9.0.2", "fd09::2", any, 1);
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 23), 0);
	filter_free(filter);
}

/* How many elements were added and deleted since this was asked last. */
static void count_elements(const struct filter *filter, unsigned *ret_added, unsigned *ret_deleted)
{
	_Alignas(struct nlmsghdr) char buf[8192];
	ssize_t len;

	*ret_added = *ret_deleted = 0;
	while ((len = recv(filter_fd(filter), buf, sizeof(buf), 0)) > 0) {
		const struct nlmsghdr *message = (const void *)buf;
		int rest = (int)len;

		for (; mnl_nlmsg_ok(message, rest); message = mnl_nlmsg_next(message, &rest)) {
			if (message->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM))
				++*ret_added;
			if (message->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELSETELEM))
				++*ret_deleted;
		}
	}
}

static void test_only_what_differs(void **state)
{
	static const struct policy_allowance before[] = {
		{POLICY_TCP, 22, 22}, {POLICY_TCP, 80, 90}, {POLICY_ICMP, 0, 65535}};
	static const struct policy_allowance after[] = {
		{POLICY_ICMP, 0, 65535}, {POLICY_TCP, 80, 91}, {POLICY_TCP, 22, 22}};
	struct filter *filter;
	unsigned added, deleted;

	(void)state;
	NEED_ROOT();
	filter = new_filter(NULL);
	count_elements(filter, &added, &deleted); /* of sets inside rules */
	set_peer(filter, 1, "10.9.0.3", "fd09::3", before, ARRAY_SIZE(before));
	set_peer(filter, 2, "10.9.0.2", "fd09::2", before, ARRAY_SIZE(before));
	count_elements(filter, &added, &deleted);
	assert_int_equal(added, 12);
	set_peer(filter, 1, "10.9.0.3", "fd09::3", after, ARRAY_SIZE(after));
	count_elements(filter, &added, &deleted);
	assert_int_equal(added, 2);
	assert_int_equal(deleted, 2);
	set_peer(filter, 3, "10.9.0.3", "fd09::4", after, ARRAY_SIZE(after)); /* in place of 1 */
	count_elements(filter, &added, &deleted);
	assert_int_equal(added, 3);
	assert_int_equal(deleted, 3);
	assert_int_equal(filter_remove_peer(filter, 3), 0);
	count_elements(filter, &added, &deleted);
	assert_int_equal(added, 0);
	assert_int_equal(deleted, 6);
	filter_free(filter);
}

/* What was left over is replaced; what is others' stays. */
static void test_neighbours(void **state)
{
	struct filter *first, *second;

	(void)state;
	NEED_ROOT();
	assert_int_equal(run_in(node_ns, "nft add table inet adit-other"), 0);
	first = new_filter(NULL);
	set_peer(first, 1, "10.9.0.2", NULL, any, 1);
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 22), 0);
	second = new_filter(NULL);
	assert_int_equal(tcp(peer_ns, "10.9.0.2", "10.9.0.1", 22), EHOSTUNREACH);
	filter_free(second);
	filter_free(first); /* it is gone already */
	assert_int_equal(run_in(node_ns, "nft list ruleset | grep -q rob-ots"), 256);
	assert_int_equal(run_in(node_ns, "nft delete table inet adit-other"), 0);
}

static void test_names(void **state)
{
	static const char rows[][IFNAMSIZ] = {"", "a b", "a\"b", "a;b", "a{", "a\nb", "a/b", "a*",
		"\xc3\xa4", "$x", "a#", "1234567890123456"};
	struct filter *filter = NULL;
	char *error = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(filter_new(&filter, rows[i], NULL, 0, &error), -EINVAL);
		assert_null(filter);
		assert_null(error);
	}
}

/* Without the privilege it says so. */
static void test_unprivileged(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	NEED_ROOT();
	pid = fork();
	if (pid == 0) {
		struct filter *filter = NULL;
		char *error = NULL;

		if (setuid(65534) < 0)
			_exit(1);
		if (filter_new(&filter, TUNNEL, NULL, 0, &error) != -EPERM)
			_exit(2);
		_exit(error && strstr(error, "not permitted") ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* --- many ------------------------------------------------------------- */

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void test_a_thousand_peers(void **state)
{
	enum { PEERS = 1000 };
	static const struct policy_allowance allowances[] = {
		{POLICY_ICMP, 0, 65535}, {POLICY_TCP, 22, 22}, {POLICY_UDP, 7400, 7500}};
	double start = seconds(), first = 0, last;
	struct filter *filter;
	char text[32], text6[32];
	bool mended;

	(void)state;
	NEED_ROOT();
	filter = new_filter(NULL);
	for (int i = 0; i < PEERS; i++) {
		snprintf(text, sizeof(text), "10.10.%d.%d", i / 250, i % 250);
		snprintf(text6, sizeof(text6), "fd10::%x", i + 1);
		set_peer(filter, i, text, text6, allowances, ARRAY_SIZE(allowances));
		if (i == 9)
			first = (seconds() - start) / 10;
	}
	print_message("%d peers one by one: %.2f s, each of the first ten %.2f ms\n", PEERS,
		seconds() - start, 1e3 * first);
	start = seconds();
	for (int i = 0; i < 10; i++)
		set_peer(filter, PEERS, "10.9.0.2", "fd09::2", i % 2 ? allowances : any, 1);
	last = (seconds() - start) / 10;
	assert_true(ping("10.9.0.2", "10.9.0.1"));
	print_message("one of %d changes: %.2f ms\n", PEERS, 1e3 * last);
	assert_int_equal(run_in(node_ns, "nft flush ruleset"), 0);
	start = seconds();
	assert_int_equal(filter_mend(filter, &mended), 0);
	assert_true(mended);
	print_message("all anew: %.2f ms\n", 1e3 * (seconds() - start));
	filter_free(filter);
	assert_true(last < 0.5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_passes_at_first),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_hub_may_everything),
		cmocka_unit_test(test_everybody),
		cmocka_unit_test(test_answers_pass),
		cmocka_unit_test(test_removal_cuts_connections),
		cmocka_unit_test(test_addresses_move),
		cmocka_unit_test(test_a_node_is_no_router),
		cmocka_unit_test(test_flushed),
		cmocka_unit_test(test_only_what_differs),
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_unprivileged),
		cmocka_unit_test(test_a_thousand_peers),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
