/* SPDX-License-Identifier: MIT
 *
 * Datagrams through the outer sockets, in a namespace of the test's own.
 */
#include "net/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>

#include "netns.h"

enum { SLOT = 2048 };

static struct udp_receiver *receiver;
static struct udp_pair server, client;
static uint16_t server_port, client_port;
static uint8_t storage[BATCH_MAX][SLOT];

static struct endpoint endpoint_of(const char *address, uint16_t port)
{
	struct endpoint e = {.port = port};

	e.family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton(e.family, address, e.addr), 1);
	return e;
}

static void set_local(struct endpoint *endpoint, const char *address)
{
	assert_int_equal(inet_pton(endpoint->family, address, endpoint->local), 1);
}

static void assert_address(const uint8_t addr[16], const char *text)
{
	uint8_t expected[16] = {0};

	assert_int_equal(
		inet_pton(strchr(text, ':') != NULL ? AF_INET6 : AF_INET, text, expected), 1);
	assert_memory_equal(addr, expected, 16);
}

static void open_both(void)
{
	server_port = client_port = 0;
	assert_int_equal(udp_open(&server, &server_port, 0), 0);
	assert_int_equal(udp_open(&client, &client_port, 0), 0);
	receiver = udp_receiver_new();
	assert_non_null(receiver);
}

static void close_both(void)
{
	udp_close(&server);
	udp_close(&client);
	assert_int_equal(server.fd4, -1);
	assert_int_equal(server.fd6, -1);
	udp_receiver_free(receiver);
}

/* Receive on fd, waiting for at most a second for the first datagram. */
static void receive(int fd, struct batch *ret_batch)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};

	if (!udp_receiver_has_more(receiver))
		assert_int_equal(poll(&pollfd, 1, 1000), 1);
	assert_int_equal(udp_receive(receiver, fd, ret_batch), 0);
}

static void assert_silent(int fd)
{
	struct batch batch;

	assert_int_equal(udp_receive(receiver, fd, &batch), 0);
	assert_int_equal(batch.num, 0);
}

/* Append a packet of len bytes that tells its place. */
static void add_packet(struct batch *batch, uint32_t len, uint8_t tos, struct endpoint *endpoint)
{
	uint8_t *data = storage[batch->num];

	assert_true(len <= SLOT);
	for (uint32_t i = 0; i < len; i++)
		data[i] = (uint8_t)(batch->num * 7 + i);
	batch->packets[batch->num++] =
		(struct packet){.data = data, .len = len, .tos = tos, .endpoint = endpoint};
}

static void assert_sent(struct udp_pair *pair, struct batch *batch, unsigned expected_failed)
{
	unsigned failed = 99;

	udp_send(pair, batch, &failed);
	assert_int_equal(failed, expected_failed);
}

/* Exactly the packets of sent arrive on fd, in order. */
static void assert_arrives(int fd, const struct batch *sent)
{
	struct batch got;

	for (unsigned at = 0; at < sent->num; at += got.num) {
		receive(fd, &got);
		assert_in_range(got.num, 1, sent->num - at);
		for (unsigned i = 0; i < got.num; i++) {
			assert_int_equal(got.packets[i].len, sent->packets[at + i].len);
			assert_memory_equal(got.packets[i].data, sent->packets[at + i].data,
				got.packets[i].len);
			assert_int_equal(got.packets[i].tos, sent->packets[at + i].tos);
		}
	}
	assert_silent(fd);
}

/* The reply leaves from the address addressed, with joined datagrams (UDP_GRO) as well. */
static void test_sticky_source(void **state)
{
	static const char *const addresses[] = {
		"127.0.0.1", "127.0.0.5", "127.3.2.1", "10.7.0.1", "::1", "fd00::1", "fd00::2"};

	(void)state;
	NETNS_OR_SKIP();
	assert_true(shell("ip address add 10.7.0.1/24 dev lo"));
	assert_true(shell("ip address add fd00::1/64 dev lo nodad"));
	assert_true(shell("ip address add fd00::2/64 dev lo nodad"));
	assert_true(shell_await("ip -6 route show table local | grep -q '^local fd00::1 ' && "
				"ip -6 route show table local | grep -q '^local fd00::2 '"));
	open_both();
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		struct endpoint to = endpoint_of(addresses[i], server_port);
		int server_fd = to.family == AF_INET ? server.fd4 : server.fd6;
		int client_fd = to.family == AF_INET ? client.fd4 : client.fd6;
		struct batch sent = {0}, got, reply;

		for (int n = 0; n < 20; n++)
			add_packet(&sent, 100, 0, &to);
		assert_sent(&client, &sent, 0);
		receive(server_fd, &got);
		assert_int_equal(got.num, 20);
		assert_ptr_equal(got.packets[0].endpoint, got.packets[19].endpoint);
		assert_address(got.packets[0].endpoint->local, addresses[i]);
		assert_int_equal(got.packets[0].endpoint->port, client_port);
		assert_true(got.packets[0].endpoint->local_ifindex > 0);
		assert_int_equal(got.packets[0].endpoint->scope_id, 0);
		assert_sent(&server, &got, 0);
		receive(client_fd, &reply);
		assert_int_equal(reply.num, 20);
		assert_address(reply.packets[0].endpoint->addr, addresses[i]);
		assert_int_equal(reply.packets[0].endpoint->port, server_port);
	}
	close_both();
}

/* A broadcast address is no source: the reply leaves from our own. */
static void test_broadcast_destination(void **state)
{
	struct batch sent = {0}, got;
	struct endpoint to;
	int on = 1;

	(void)state;
	NETNS_OR_SKIP();
	open_both();
	to = endpoint_of("127.255.255.255", server_port);
	assert_int_equal(setsockopt(client.fd4, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)), 0);
	add_packet(&sent, 10, 0, &to);
	assert_sent(&client, &sent, 0);
	receive(server.fd4, &got);
	assert_int_equal(got.num, 1);
	assert_address(got.packets[0].endpoint->local, "127.0.0.1");
	assert_sent(&server, &got, 0);
	assert_arrives(client.fd4, &sent);
	close_both();
}

/* Link-local addresses keep their scope, both ways. */
static void test_link_local(void **state)
{
	struct batch sent = {0}, got;
	struct endpoint to;

	(void)state;
	NETNS_OR_SKIP();
	assert_true(shell("ip link add h-net0 type veth peer name h-net1 && "
			  "ip link set h-net0 up && ip link set h-net1 up && "
			  "ip address add fe80::77/64 dev h-net0 nodad"));
	assert_true(shell_await("ip -6 route show table local | grep -q '^local fe80::77 ' && "
				"ip -o link show dev h-net0 | grep -q 'state UP'"));
	open_both();
	to = endpoint_of("fe80::77", server_port);
	to.scope_id = if_nametoindex("h-net0");
	add_packet(&sent, 10, 0, &to);
	assert_sent(&client, &sent, 0);
	receive(server.fd6, &got);
	assert_int_equal(got.num, 1);
	assert_int_equal(got.packets[0].endpoint->scope_id, to.scope_id);
	assert_address(got.packets[0].endpoint->local, "fe80::77");
	assert_sent(&server, &got, 0);
	assert_arrives(client.fd6, &sent);
	close_both();
}

/* The way back may be another than the way here: the source is kept, the interface not forced. */
static void test_asymmetric_route(void **state)
{
	struct batch sent = {0}, got;
	struct endpoint to;

	(void)state;
	NETNS_OR_SKIP();
	assert_true(shell("ip link add h-net0 type veth peer name h-net1 && "
			  "ip link set h-net0 up && ip link set h-net1 up"));
	open_both();
	to = endpoint_of("127.0.0.1", server_port);
	set_local(&to, "127.0.0.6");
	to.local_ifindex = if_nametoindex("h-net0");
	add_packet(&sent, 10, 0, &to);
	assert_sent(&client, &sent, 0);
	receive(server.fd4, &got);
	assert_int_equal(got.num, 1);
	assert_address(got.packets[0].endpoint->addr, "127.0.0.6");
	close_both();
}

static void test_tos(void **state)
{
	static const uint8_t values[] = {0x88, 0x00, 0x01, 0x02, 0x03, 0xb8, 0xff};

	(void)state;
	NETNS_OR_SKIP();
	open_both();
	for (int v6 = 0; v6 < 2; v6++) {
		struct endpoint to = endpoint_of(v6 ? "::1" : "127.0.0.1", server_port);
		struct batch sent = {0};

		for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
			add_packet(&sent, 50, values[i], &to);
			add_packet(&sent, 50, values[i], &to);
		}
		assert_sent(&client, &sent, 0);
		assert_arrives(v6 ? server.fd6 : server.fd4, &sent);
	}
	close_both();
}

/* Runs that can and runs that cannot be joined arrive as they were: every size, in order. */
static void test_runs(void **state)
{
	static const struct {
		unsigned num;
		uint32_t len, tail;
	} rows[] = {
		{1, 148, 0},
		{1, 0, 0},
		{3, 0, 0},
		{64, 1452, 0},
		{64, 100, 0},
		{65, 1024, 0},
		{128, 1400, 0},
		{128, 1, 0},
		{40, 500, 1},
		{40, 500, 499},
		{40, 500, 501},
		{127, 92, 148},
		{30, 500, 0},
	};

	(void)state;
	NETNS_OR_SKIP();
	open_both();
	for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		struct endpoint to = endpoint_of(i & 1 ? "::1" : "127.0.0.1", server_port);
		struct batch sent = {0};

		for (unsigned n = 0; n < rows[i / 2].num; n++)
			add_packet(&sent, rows[i / 2].len, 0, &to);
		if (rows[i / 2].tail != 0)
			add_packet(&sent, rows[i / 2].tail, 0, &to);
		assert_sent(&client, &sent, 0);
		assert_arrives(i & 1 ? server.fd6 : server.fd4, &sent);
	}
	assert_false(client.no_segment);
	close_both();
}

/* More datagrams than a batch holds are kept, and lose neither order nor endpoint. */
static void test_receiver_keeps_rest(void **state)
{
	struct batch sent = {0}, got;
	struct endpoint to;
	unsigned total = 0;

	(void)state;
	NETNS_OR_SKIP();
	open_both();
	to = endpoint_of("127.0.0.8", server_port);
	for (int n = 0; n < 120; n++)
		add_packet(&sent, 60, 0, &to);
	for (int n = 0; n < 3; n++)
		assert_sent(&client, &sent, 0);
	receive(server.fd4, &got);
	assert_int_equal(got.num, BATCH_MAX);
	assert_true(udp_receiver_has_more(receiver));
	for (; got.num > 0; receive(udp_receiver_has_more(receiver) ? -1 : server.fd4, &got)) {
		for (unsigned i = 0; i < got.num; i++, total++) {
			assert_memory_equal(got.packets[i].data, storage[total % 120], 60);
			assert_address(got.packets[i].endpoint->local, "127.0.0.8");
		}
		if (total == 360)
			break;
	}
	assert_int_equal(total, 360);
	assert_silent(server.fd4);
	close_both();
}

static void test_mixed_endpoints(void **state)
{
	struct batch sent = {0}, expected4 = {0}, expected6 = {0};
	struct endpoint to[4], nowhere = {0};

	(void)state;
	NETNS_OR_SKIP();
	open_both();
	to[0] = endpoint_of("127.0.0.1", server_port);
	to[1] = endpoint_of("::1", server_port);
	to[2] = endpoint_of("127.0.0.2", server_port);
	to[3] = endpoint_of("::ffff:0:0", server_port);
	for (unsigned n = 0; n < 60; n++) {
		struct endpoint *e = n % 10 == 9 ? &nowhere : &to[n / 4 % 3];

		add_packet(&sent, 33 + n % 2, 0, e);
		if (e->family == AF_INET)
			expected4.packets[expected4.num++] = sent.packets[n];
		else if (e->family == AF_INET6)
			expected6.packets[expected6.num++] = sent.packets[n];
	}
	add_packet(&sent, 5, 0, NULL);
	assert_sent(&client, &sent, 7);
	assert_arrives(server.fd4, &expected4);
	assert_arrives(server.fd6, &expected6);

	/* Without a family its datagrams are dropped, the others go. */
	close(client.fd6);
	client.fd6 = -1;
	assert_sent(&client, &sent, 7 + expected6.num);
	assert_arrives(server.fd4, &expected4);
	assert_silent(server.fd6);
	close_both();
}

/* What does not fit the MTU is fragmented, joined or not; what fits no datagram is dropped. */
static void test_oversized(void **state)
{
	static uint8_t big[PACKET_MAX];
	static const struct {
		const char *address;
		uint32_t len;
		unsigned failed;
	} rows[] = {
		{"127.0.0.1", 65507, 0},
		{"127.0.0.1", 65508, 1},
		{"::1", 65507, 0},
		{"::1", 65535, 1},
	};

	(void)state;
	NETNS_OR_SKIP();
	assert_true(shell("ip link set lo mtu 1500"));
	open_both();
	memset(big, 0x5a, sizeof(big));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct endpoint to = endpoint_of(rows[i].address, server_port);
		int fd = to.family == AF_INET ? server.fd4 : server.fd6;
		struct batch sent = {0}, many = {0};

		sent.packets[sent.num++] =
			(struct packet){.data = big, .len = rows[i].len, .endpoint = &to};
		assert_sent(&client, &sent, rows[i].failed);
		if (rows[i].failed == 0)
			assert_arrives(fd, &sent);
		for (int n = 0; n < 10; n++)
			add_packet(&many, 1600, 0, &to);
		assert_sent(&client, &many, 0);
		assert_arrives(fd, &many);
	}
	close_both();
}

/* A source that is not ours any more is forgotten, and the datagrams still go. */
static void test_source_disappears(void **state)
{
	static const struct {
		const char *to, *local;
		unsigned num;
	} rows[] = {
		{"127.0.0.1", "10.99.0.1", 1},
		{"127.0.0.1", "10.99.0.1", 40},
		{"::1", "fd99::1", 1},
		{"::1", "fd99::1", 40},
		{"::1", "fe80::1", 2},
	};

	(void)state;
	NETNS_OR_SKIP();
	open_both();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct endpoint to = endpoint_of(rows[i].to, server_port);
		static const uint8_t none[16];
		struct batch sent = {0};

		set_local(&to, rows[i].local);
		to.local_ifindex = 4711;
		for (unsigned n = 0; n < rows[i].num; n++)
			add_packet(&sent, 80, 3, &to);
		assert_sent(&client, &sent, 0);
		assert_memory_equal(to.local, none, 16);
		assert_int_equal(to.local_ifindex, 0);
		assert_arrives(to.family == AF_INET ? server.fd4 : server.fd6, &sent);
	}
	close_both();
}

/* No route at all: a drop, counted, and the source survives only if it is not to blame. */
static void test_unreachable(void **state)
{
	struct batch sent = {0};
	struct endpoint to;

	(void)state;
	NETNS_OR_SKIP();
	open_both();
	to = endpoint_of("192.0.2.1", 9);
	for (int n = 0; n < 5; n++)
		add_packet(&sent, 80, 0, &to);
	assert_sent(&client, &sent, 5);
	udp_send(&client, &sent, NULL);
	close_both();
}

/* A closed port answers with an ICMP error: neither side stumbles over it. */
static void test_refused(void **state)
{
	struct batch sent = {0}, lost = {0};
	struct endpoint to, closed;

	(void)state;
	NETNS_OR_SKIP();
	open_both();
	to = endpoint_of("127.0.0.1", server_port);
	closed = endpoint_of("127.0.0.1", 9);
	add_packet(&lost, 10, 0, &closed);
	assert_sent(&client, &lost, 0);
	assert_silent(client.fd4);
	add_packet(&sent, 10, 0, &to);
	assert_sent(&client, &sent, 0);
	assert_arrives(server.fd4, &sent);

	/* A connected socket is told of the error: once for each packet, and it still goes. */
	assert_int_equal(connect(client.fd4,
				 (struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET,
					 .sin_port = htons(9),
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
				 sizeof(struct sockaddr_in)),
		0);
	assert_sent(&client, &lost, 0);
	assert_silent(client.fd4); /* takes in ECONNREFUSED */
	assert_sent(&client, &lost, 0);
	assert_sent(&client, &sent, 0); /* meets ECONNREFUSED */
	assert_arrives(server.fd4, &sent);
	close_both();
}

static void test_port_zero(void **state)
{
	struct {
		struct udphdr udp;
		uint8_t payload[4];
	} raw = {0};
	struct sockaddr_in loopback = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct batch sent = {0};
	struct endpoint to;
	int fd;

	(void)state;
	NETNS_OR_SKIP();
	open_both();
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP);
	assert_true(fd >= 0);
	raw.udp.dest = htons(server_port);
	raw.udp.len = htons(sizeof(raw));
	assert_int_equal(
		sendto(fd, &raw, sizeof(raw), 0, (struct sockaddr *)&loopback, sizeof(loopback)),
		sizeof(raw));
	assert_silent(server.fd4);

	/* It does not take the next one with it. */
	to = endpoint_of("127.0.0.1", server_port);
	add_packet(&sent, 30, 0, &to);
	assert_int_equal(
		sendto(fd, &raw, sizeof(raw), 0, (struct sockaddr *)&loopback, sizeof(loopback)),
		sizeof(raw));
	assert_sent(&client, &sent, 0);
	assert_arrives(server.fd4, &sent);
	close(fd);
	close_both();
}

static void test_port_taken(void **state)
{
	struct udp_pair pair = {.fd4 = -7, .fd6 = -8}, only6;
	uint16_t port, port6;

	(void)state;
	NETNS_OR_SKIP();
	open_both();
	port = server_port;
	assert_int_equal(udp_open(&pair, &port, 0), -EADDRINUSE);
	assert_int_equal(port, server_port);
	assert_int_equal(pair.fd4, -7);
	assert_int_equal(pair.fd6, -8);

	/* Taken for IPv6 alone: nothing may stay open for IPv4. */
	only6 = server;
	close(server.fd4);
	server.fd4 = -1;
	port6 = server_port;
	assert_int_equal(udp_open(&pair, &port6, 0), -EADDRINUSE);
	close(only6.fd6);
	server.fd6 = -1;
	assert_int_equal(udp_open(&server, &port6, 0), 0);
	assert_int_equal(port6, port);
	close_both();
}

/* Two pairs on a port share its remote addresses; nobody joins in, and the port is not taken from
 * another who would share it. */
static void test_port_shared(void **state)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6};
	struct udp_pair more, pair;
	socklen_t len = sizeof(any);
	unsigned num[2] = {0};
	int one = 1, foreign;
	uint16_t port;

	(void)state;
	NETNS_OR_SKIP();
	open_both();
	assert_int_equal(udp_open_more(&more, &server, server_port, 0), 0);
	for (unsigned i = 0; i < 100; i++) {
		struct batch sent = {0}, got;
		struct endpoint to = endpoint_of(i % 2 ? "127.0.0.1" : "::1", server_port);

		udp_close(&client); /* another source port */
		client_port = 0;
		assert_int_equal(udp_open(&client, &client_port, 0), 0);
		add_packet(&sent, 10, 0, &to);
		assert_sent(&client, &sent, 0);
		for (unsigned k = 0; k < 2; k++) {
			const struct udp_pair *receiving = k ? &more : &server;

			assert_int_equal(udp_receive(receiver,
						 i % 2 ? receiving->fd4 : receiving->fd6, &got),
				0);
			num[k] += got.num;
		}
	}
	assert_int_equal(num[0] + num[1], 100);
	assert_in_range(num[0], 10, 90);
	port = server_port;
	assert_int_equal(udp_open(&pair, &port, 0), -EADDRINUSE);
	udp_close(&more);

	foreign = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(foreign, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
	assert_int_equal(bind(foreign, (struct sockaddr *)&any, len), 0);
	assert_int_equal(getsockname(foreign, (struct sockaddr *)&any, &len), 0);
	port = ntohs(any.sin6_port);
	assert_int_equal(udp_open(&pair, &port, 0), -EADDRINUSE);
	close(foreign);
	close_both();
}

static uint32_t mark_of(int fd)
{
	uint32_t mark = 99;
	socklen_t len = sizeof(mark);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &len), 0);
	return mark;
}

static void test_fwmark(void **state)
{
	struct udp_pair pair;
	uint16_t port = 0;

	(void)state;
	NETNS_OR_SKIP();
	assert_int_equal(udp_open(&pair, &port, 0xca6c), 0);
	assert_true(port != 0);
	assert_int_equal(mark_of(pair.fd4), 0xca6c);
	assert_int_equal(mark_of(pair.fd6), 0xca6c);
	assert_int_equal(udp_set_mark(&pair, 0xffffffff), 0);
	assert_int_equal(mark_of(pair.fd4), 0xffffffff);
	assert_int_equal(mark_of(pair.fd6), 0xffffffff);
	assert_int_equal(udp_set_mark(&pair, 0), 0);
	assert_int_equal(mark_of(pair.fd4), 0);
	assert_int_equal(mark_of(pair.fd6), 0);
	udp_close(&pair);
}

static void test_bad_descriptor(void **state)
{
	struct batch batch;

	(void)state;
	receiver = udp_receiver_new();
	assert_non_null(receiver);
	assert_int_equal(udp_receive(receiver, -1, &batch), -EBADF);
	udp_receiver_free(receiver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sticky_source),
		cmocka_unit_test(test_broadcast_destination),
		cmocka_unit_test(test_link_local),
		cmocka_unit_test(test_asymmetric_route),
		cmocka_unit_test(test_tos),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_receiver_keeps_rest),
		cmocka_unit_test(test_mixed_endpoints),
		cmocka_unit_test(test_oversized),
		cmocka_unit_test(test_source_disappears),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_port_zero),
		cmocka_unit_test(test_port_taken),
		cmocka_unit_test(test_port_shared),
		cmocka_unit_test(test_fwmark),
		cmocka_unit_test(test_bad_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
