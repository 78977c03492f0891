/* SPDX-License-Identifier: MIT
 *
 * A neighbour may be compromised: a role that is told nonsense ends. This program is monitor and
 * the other neighbours of one role at a time, which role_start() makes a real process of itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/tun.h"
#include "tunnel/ipc.h"
#include "tunnel/roles.h"
#include "tunnel/status_map.h"

enum { END_TIMEOUT_MS = 5000, FLOOD = 200000 };

/* A role under test, and our end of each of its sockets. */
struct subject {
	pid_t pid;
	int monitor, first, second, wanted; /* in the order of roles.h */
};

static void make_pair(int *ret_ours, int *ret_theirs)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	*ret_ours = ends[0];
	*ret_theirs = ends[1];
}

static struct subject start(enum tunnel_role role)
{
	struct subject s = {.second = -1, .wanted = -1};
	int fds[5] = {-1, -1, -1, -1, -1};
	unsigned num = 0;
	struct ack ack;

	make_pair(&s.monitor, &fds[num++]);
	make_pair(&s.first, &fds[num++]);
	if (role == ROLE_ENGINE)
		make_pair(&s.second, &fds[num++]);
	if (role != ROLE_VAULT)
		fds[num++] = status_create();
	if (role == ROLE_DATAPATH) {
		struct tun_features features;

		make_pair(&s.wanted, &fds[num++]);
		fds[num++] = tun_create("roles0", &features);
	}
	for (unsigned i = 0; i < num; i++)
		assert_true(fds[i] >= 0);
	s.pid = role_start(&tunnel_roles[role], "roles0", fds, num);
	assert_true(s.pid > 0);
	for (unsigned i = 0; i < num; i++)
		close(fds[i]);
	assert_int_equal(ipc_receive(s.monitor, &ack, sizeof(ack)), 0);
	assert_int_equal(ack.type, ACK_READY);
	return s;
}

static void stop(struct subject *s)
{
	close(s->monitor);
	close(s->first);
	if (s->second >= 0)
		close(s->second);
	if (s->wanted >= 0)
		close(s->wanted);
}

/* The exit status of a role that must end by itself. */
static int await_end(struct subject *s)
{
	int status;

	for (int i = 0; i < END_TIMEOUT_MS; i++) {
		pid_t pid = waitpid(s->pid, &status, WNOHANG);

		if (pid == s->pid) {
			stop(s);
			assert_true(WIFEXITED(status)); /* not killed: it has checked */
			return WEXITSTATUS(status);
		}
		poll(NULL, 0, 1);
	}
	kill(s->pid, SIGKILL);
	fail_msg("it did not end");
	return -1;
}

enum which { MONITOR, FIRST, SECOND };

static int socket_of(const struct subject *s, enum which which)
{
	return which == MONITOR ? s->monitor : which == FIRST ? s->first : s->second;
}

static void ends_on(
	enum tunnel_role role, enum which which, const void *message, size_t len, const char *what)
{
	struct subject s = start(role);
	int r = ipc_send(socket_of(&s, which), message, len);

	assert_int_equal(r, 0);
	if (await_end(&s) == 0)
		fail_msg("the %s took %s for the end", tunnel_roles[role].name, what);
}

/* Messages of the wrong size, and with a descriptor, on a socket where len is right. */
static void ends_on_wrong_sizes(enum tunnel_role role, enum which which, size_t len)
{
	static uint8_t zero[4096];
	const size_t sizes[] = {1, 4, len - 1, len + 1, sizeof(zero)};
	struct subject s;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		ends_on(role, which, zero, sizes[i], "a wrong size");
	s = start(role);
	assert_int_equal(ipc_send_fds(socket_of(&s, which), zero, len, (int[]){2}, 1), 0);
	assert_int_not_equal(await_end(&s), 0);
	s = start(role);
	close(socket_of(&s, which));
	assert_int_equal(await_end(&s), 0);
}

/* --- vault ----------------------------------------------------------- */

static void vault_ends_on_wrong_sizes(void **state)
{
	(void)state;
	ends_on_wrong_sizes(ROLE_VAULT, MONITOR, sizeof(struct vault_request));
	ends_on_wrong_sizes(ROLE_VAULT, FIRST, sizeof(struct vault_mixing));
}

static void vault_ends_on_what_a_neighbour_may_not_ask(void **state)
{
	static const struct vault_request requests[] = {{.type = 0}, {.type = VAULT_GET_PSK + 1},
		{.type = 1000}, {.type = UINT32_MAX}, {VAULT_ADD_PEER, MAX_PEERS, {0}},
		{VAULT_REMOVE_PEER, MAX_PEERS, {0}}, {VAULT_SET_PSK, MAX_PEERS, {0}},
		{VAULT_GET_PSK, UINT32_MAX, {0}}};
	static const struct vault_mixing mixings[] = {{.secret = 0, .num = 1},
		{.secret = NOISE_ANSWER + 1, .num = NOISE_ANSWER_MIXES},
		{.secret = UINT32_MAX, .num = 1}, {.secret = NOISE_ANSWER, .num = 1},
		{.secret = NOISE_ANSWER, .num = NOISE_ANSWER_MIXES + 1},
		{.secret = NOISE_ANSWER, .num = 0}, {.secret = NOISE_DH},
		{.secret = NOISE_DH, .num = NOISE_MIXES_MAX + 1},
		{.secret = NOISE_DH, .num = UINT32_MAX},
		{.secret = NOISE_STATIC, .num = 1, .mixes[0].peer_id = MAX_PEERS},
		{.secret = NOISE_PSK,
			.num = NOISE_MIXES_MAX,
			.mixes[NOISE_MIXES_MAX - 1].peer_id = UINT32_MAX}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		ends_on(ROLE_VAULT, MONITOR, &requests[i], sizeof(requests[i]), "a bad request");
	for (size_t i = 0; i < ARRAY_SIZE(mixings); i++)
		ends_on(ROLE_VAULT, FIRST, &mixings[i], sizeof(mixings[i]), "a bad mixing");
	/* each has its own kind of message */
	for (uint32_t type = VAULT_SET_PRIVATE_KEY; type <= VAULT_GET_PSK; type++) {
		const struct vault_request request = {.type = type};

		ends_on(ROLE_VAULT, FIRST, &request, sizeof(request), "a key request of engine");
	}
	for (uint32_t secret = NOISE_DH; secret <= NOISE_ANSWER; secret++) {
		const struct vault_mixing mixing = {.secret = secret, .num = 1};

		ends_on(ROLE_VAULT, MONITOR, &mixing, sizeof(mixing), "a mixing of monitor");
	}
}

static int ask(int fd, uint32_t type, uint32_t peer_id, uint8_t a, struct vault_reply *ret_reply)
{
	struct vault_request request = {.type = type, .peer_id = peer_id};

	memset(request.a, a, KEY_LEN);
	assert_int_equal(ipc_call(fd, &request, sizeof(request), ret_reply, sizeof(*ret_reply)), 0);
	return ret_reply->error;
}

static struct vault_mixing mix(int fd, enum noise_secret secret, uint32_t peer_id, uint8_t point)
{
	struct vault_mixing mixing = {.secret = secret,
		.num = secret == NOISE_ANSWER ? NOISE_ANSWER_MIXES : 1,
		.mixes[0] = {.peer_id = peer_id, .point = {point}}};

	assert_int_equal(ipc_call(fd, &mixing, sizeof(mixing), &mixing, sizeof(mixing)), 0);
	return mixing;
}

static void assert_mix_error(
	int fd, enum noise_secret secret, uint32_t peer_id, uint8_t point, int error)
{
	const struct noise_mix expected = {.peer_id = peer_id, .error = error};
	struct vault_mixing mixing = mix(fd, secret, peer_id, point);

	assert_memory_equal(&mixing.mixes[0], &expected, sizeof(expected));
}

/* An error says nothing but itself, and whatever the engine asks, no key is in the answer. */
static void vault_tells_the_engine_no_key(void **state)
{
	static const uint8_t psk[] = {0x77, 0x77, 0x77, 0x77, 0x77, 0x77};
	const struct vault_reply none = {0};
	struct subject s = start(ROLE_VAULT);
	struct vault_reply reply, private;

	(void)state;
	assert_mix_error(s.first, NOISE_DH, 0, 9, -ENOKEY);
	assert_int_equal(ask(s.monitor, VAULT_SET_PRIVATE_KEY, 0, 0x40, &reply), 0);
	assert_int_equal(ask(s.monitor, VAULT_GET_PRIVATE_KEY, 0, 0, &private), 0);
	assert_int_equal(ask(s.monitor, VAULT_SET_PSK, 5, 0x77, &reply), -ENOENT);
	assert_memory_equal(&reply.a, &none.a, sizeof(none) - sizeof(none.error));
	assert_int_equal(ask(s.monitor, VAULT_ADD_PEER, 5, 9, &reply), 0);
	assert_int_equal(ask(s.monitor, VAULT_SET_PSK, 5, 0x77, &reply), 0);
	for (uint32_t secret = NOISE_DH; secret <= NOISE_ANSWER; secret++) {
		struct vault_mixing mixing = mix(s.first, secret, 5, 9);

		assert_int_equal(mixing.mixes[0].error, 0);
		assert_null(memmem(&mixing, sizeof(mixing), psk, sizeof(psk)));
		assert_null(memmem(&mixing, sizeof(mixing), private.a, 8));
	}
	/* a point of low order, and a peer there is not */
	assert_mix_error(s.first, NOISE_DH, 0, 0, -EKEYREJECTED);
	assert_mix_error(s.first, NOISE_STATIC, 6, 0, -ENOENT);
	assert_mix_error(s.first, NOISE_PSK, 6, 0, -ENOENT);
	stop(&s);
	assert_int_equal(waitpid(s.pid, NULL, 0), s.pid);
}

static void vault_does_not_wait_for_one_who_asks_and_does_not_listen(void **state)
{
	const struct vault_mixing mixing = {.secret = NOISE_PSK, .num = 1};
	struct subject s = start(ROLE_VAULT);
	int r = 0, waited_ms = 0;

	(void)state;
	for (int i = 0; i < FLOOD && r != -EPIPE && waited_ms < END_TIMEOUT_MS; i++) {
		r = ipc_try_send(s.first, &mixing, sizeof(mixing));
		if (r == -EAGAIN)
			waited_ms += poll(NULL, 0, 1) == 0;
	}
	assert_int_equal(r, -EPIPE);
	assert_int_not_equal(await_end(&s), 0);
}

/* --- engine ---------------------------------------------------------- */

static void engine_ends_on_wrong_sizes(void **state)
{
	(void)state;
	ends_on_wrong_sizes(ROLE_ENGINE, MONITOR, sizeof(struct request));
	ends_on_wrong_sizes(ROLE_ENGINE, SECOND, sizeof(struct event));
}

static void engine_ends_on_nonsense(void **state)
{
	static const struct event events[] = {
		{.type = 0},
		{.type = EVENT_KEYPAIR_GONE + 1},
		{.type = UINT32_MAX},
		{.type = EVENT_WATCH, .peer_id = MAX_PEERS},
		{.type = EVENT_WANT_HANDSHAKE, .peer_id = UINT32_MAX},
		{.type = EVENT_HANDSHAKE_MESSAGE, .endpoint.family = AF_INET, .peer_id = MAX_PEERS},
		{.type = EVENT_HANDSHAKE_MESSAGE, .endpoint.family = AF_INET, .len = UINT16_MAX},
		{.type = EVENT_HANDSHAKE_MESSAGE,
			.endpoint.family = AF_INET,
			.len = HANDSHAKE_MESSAGE_MAX + 1},
		{.type = EVENT_HANDSHAKE_MESSAGE},
		{.type = EVENT_HANDSHAKE_MESSAGE, .endpoint.family = AF_UNIX},
		{.type = EVENT_WATCH, .endpoint.family = AF_UNIX},
		{.type = EVENT_WATCH, .len = sizeof(struct message_response)},
	};
	static const struct request requests[] = {
		{.type = 0},
		{.type = REQUEST_SET_ENDPOINT},
		{.type = REQUEST_GET_PEER},
		{.type = UINT32_MAX},
		{.type = REQUEST_ADD_PEER, .peer_id = MAX_PEERS},
		{.type = REQUEST_REMOVE_PEER, .peer_id = UINT32_MAX},
		{.type = REQUEST_SET_KEEPALIVE, .peer_id = 3},
		{.type = REQUEST_SET_KEEPALIVE, .keepalive_s = UINT16_MAX + 1},
		{.type = REQUEST_SET_LINK, .link = {.up = 2}},
		{.type = REQUEST_SET_LINK, .link = {.up = 1, .mtu = PACKET_MAX + 1}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		ends_on(ROLE_ENGINE, SECOND, &events[i], sizeof(events[i]), "a bad event");
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		ends_on(ROLE_ENGINE, MONITOR, &requests[i], sizeof(requests[i]), "a bad request");
}

/* An engine that has asked the vault for the static-static result of peer 7. */
static struct subject start_asking(struct vault_mixing *ret_question)
{
	struct request requests[] = {{.type = REQUEST_SET_PUBLIC_KEY, .key = {1}},
		{.type = REQUEST_ADD_PEER, .peer_id = 7, .key = {9}},
		{.type = REQUEST_SET_LINK, .link = {1, 1420}}};
	struct subject s = start(ROLE_ENGINE);

	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		assert_int_equal(ipc_send(s.monitor, &requests[i], sizeof(requests[i])), 0);
	assert_int_equal(ipc_receive(s.first, ret_question, sizeof(*ret_question)), 0);
	assert_int_equal(ret_question->secret, NOISE_STATIC);
	assert_int_equal(ret_question->num, 1);
	assert_int_equal(ret_question->mixes[0].peer_id, 7);
	return s;
}

static void engine_ends_on_an_answer_of_the_wrong_size(void **state)
{
	static const uint8_t zero[sizeof(struct vault_mixing) + 1];
	static const size_t sizes[] = {1, sizeof(zero) - 2, sizeof(zero)};
	struct vault_mixing question;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct subject s = start_asking(&question);

		assert_int_equal(ipc_send(s.first, zero, sizes[i]), 0);
		assert_int_not_equal(await_end(&s), 0);
	}
}

static void engine_ends_on_an_answer_to_another_question(void **state)
{
	static const struct vault_mixing answers[] = {
		{NOISE_DH, 1, {{.peer_id = 7}}},
		{NOISE_STATIC, 2, {{.peer_id = 7}}},
		{NOISE_STATIC, 0, {{.peer_id = 7}}},
		{NOISE_STATIC, 1, {{.peer_id = 6}}},
		{NOISE_STATIC, 1, {{.peer_id = 7, .error = 1}}},
		{NOISE_STATIC, 1, {{.peer_id = 7, .error = INT32_MIN}}},
		{NOISE_STATIC, 1, {{.peer_id = 7, .has_psk = 2}}},
		{NOISE_STATIC, 1, {{.peer_id = 7, .error = -ENOENT, .key = {1}}}},
	};
	struct vault_mixing question;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct subject s = start_asking(&question);

		assert_int_equal(ipc_send(s.first, &answers[i], sizeof(answers[i])), 0);
		assert_int_not_equal(await_end(&s), 0);
	}
}

/* --- datapath -------------------------------------------------------- */

static void datapath_ends_on_wrong_sizes(void **state)
{
	(void)state;
	ends_on_wrong_sizes(ROLE_DATAPATH, MONITOR, sizeof(struct request));
	ends_on_wrong_sizes(ROLE_DATAPATH, FIRST, sizeof(struct control));
}

static void datapath_ends_on_nonsense(void **state)
{
	static const struct control controls[] = {
		{.type = 0},
		{.type = CONTROL_PURGE_STAGED + 1},
		{.type = UINT32_MAX},
		{.type = CONTROL_CLEAR_KEYPAIRS, .peer_id = MAX_PEERS},
		{.type = CONTROL_SEND_HANDSHAKE, .handshake.len = HANDSHAKE_MESSAGE_MAX + 1},
		{.type = CONTROL_SEND_HANDSHAKE, .handshake.len = UINT16_MAX},
		{.type = CONTROL_SEND_HANDSHAKE, .handshake.endpoint.family = AF_UNIX},
		{.type = CONTROL_SEND_COOKIE_REPLY, .handshake.len = 64},
		{.type = CONTROL_SEND_COOKIE_REPLY,
			.handshake = {.endpoint.family = AF_INET, .len = 63}},
		{.type = CONTROL_SEND_COOKIE_REPLY,
			.handshake = {.endpoint.family = AF_UNIX, .len = 64}},
		{.type = CONTROL_INSTALL_KEYPAIR, .keypair.endpoint.family = AF_UNIX},
		{.type = CONTROL_INSTALL_KEYPAIR, .keypair.local_index = 1},
		{.type = CONTROL_INSTALL_KEYPAIR, .keypair.endpoint.family = AF_INET},
		{.type = CONTROL_INSTALL_KEYPAIR,
			.keypair = {.endpoint.family = AF_INET,
				.local_index = 1,
				.is_initiator = 2}},
		/* not a message of the protocol, or of another kind, or to somebody */
		{.type = CONTROL_SEND_HANDSHAKE},
		{.type = CONTROL_SEND_HANDSHAKE, .handshake.len = 148},
		{.type = CONTROL_SEND_HANDSHAKE, .handshake = {.len = 92, .message = {1}}},
		{.type = CONTROL_SEND_HANDSHAKE, .handshake = {.len = 64, .message = {3}}},
		{.type = CONTROL_SEND_HANDSHAKE, .handshake = {.len = 32, .message = {4}}},
		{.type = CONTROL_SEND_HANDSHAKE,
			.handshake = {.len = 148, .message = {1}, .forget_source = 2}},
		{.type = CONTROL_SEND_HANDSHAKE,
			.handshake = {.len = 148, .message = {1}, .endpoint.family = AF_INET}},
		{.type = CONTROL_SEND_COOKIE_REPLY,
			.handshake = {.endpoint.family = AF_INET, .len = 64}},
		{.type = CONTROL_SEND_COOKIE_REPLY,
			.handshake = {.endpoint.family = AF_INET, .len = 148, .message = {1}}},
	};
	static const struct request requests[] = {
		{.type = 0},
		{.type = REQUEST_SET_KEEPALIVE},
		{.type = REQUEST_REFUSE + 1},
		{.type = UINT32_MAX},
		{.type = REQUEST_ADD_PEER, .peer_id = MAX_PEERS},
		{.type = REQUEST_GET_PEER, .peer_id = UINT32_MAX},
		{.type = REQUEST_SET_ENDPOINT, .endpoint.family = AF_UNIX},
		{.type = REQUEST_ADD_ALLOWED_IP, .prefix = {.family = AF_INET, .cidr = 8}},
		{.type = REQUEST_ADD_ALLOWED_IP, .prefix = {.family = AF_INET, .cidr = 33}},
		{.type = REQUEST_REMOVE_ALLOWED_IP, .prefix = {.family = AF_INET6, .cidr = 129}},
		{.type = REQUEST_REMOVE_ALLOWED_IP, .prefix = {.family = 0}},
		{.type = REQUEST_WATCH, .watch = 2},
		{.type = REQUEST_REFUSE, .prefix = {.family = AF_INET, .cidr = 31}},
		{.type = REQUEST_REFUSE, .prefix = {.family = AF_INET, .cidr = 128}},
		{.type = REQUEST_REFUSE, .prefix = {.family = AF_INET6, .cidr = 0}},
		{.type = REQUEST_REFUSE, .prefix = {.family = AF_UNIX, .cidr = 128}},
		{.type = REQUEST_SET_SOCKETS, .sockets = {.has_ipv4 = 1}},
		{.type = REQUEST_SET_SOCKETS, .sockets = {.has_ipv4 = 1, .has_ipv6 = 1}},
		{.type = REQUEST_SET_SOCKETS, .sockets = {.lane = 1}}, /* it has one TUN queue */
		{.type = REQUEST_SET_SOCKETS, .sockets = {.has_ipv4 = 2}},
		{.type = REQUEST_SET_LINK, .link = {.up = 2}},
		{.type = REQUEST_SET_LINK, .link = {.mtu = PACKET_MAX + 1}},
		{.type = REQUEST_FORGET_SOURCE, .endpoint.family = AF_UNIX},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(controls); i++)
		ends_on(ROLE_DATAPATH, FIRST, &controls[i], sizeof(controls[i]), "a bad control");
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		ends_on(ROLE_DATAPATH, MONITOR, &requests[i], sizeof(requests[i]), "a bad request");
}

static void datapath_ends_on_descriptors_that_are_no_udp_sockets(void **state)
{
	const int udp4 = socket(AF_INET, SOCK_DGRAM, 0), udp6 = socket(AF_INET6, SOCK_DGRAM, 0);
	const int tcp = socket(AF_INET, SOCK_STREAM, 0), local = socket(AF_UNIX, SOCK_DGRAM, 0);
	const int raw = socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
	const struct {
		uint32_t has_ipv4, has_ipv6;
		int fds[2];
		size_t num;
		bool is_good;
	} rows[] = {{1, 1, {udp4, udp6}, 2, true}, {0, 1, {udp6}, 1, true},
		{1, 0, {udp4, udp6}, 2, false}, {1, 1, {udp6, udp4}, 2, false},
		{0, 1, {udp4}, 1, false}, {1, 0, {tcp}, 1, false}, {1, 0, {local}, 1, false},
		{1, 0, {raw}, 1, false}, {1, 0, {STDERR_FILENO}, 1, false},
		{2, 0, {udp4, udp4}, 2, false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct subject s = start(ROLE_DATAPATH);
		struct request request = {.type = REQUEST_SET_SOCKETS,
			.sockets = {rows[i].has_ipv4, rows[i].has_ipv6, 0}};
		struct ack ack;

		assert_int_equal(ipc_send_fds(s.monitor, &request, sizeof(request), rows[i].fds,
					 rows[i].num),
			0);
		if (rows[i].is_good) {
			request = (struct request){.type = REQUEST_SYNC};
			assert_int_equal(
				ipc_call(s.monitor, &request, sizeof(request), &ack, sizeof(ack)),
				0);
			close(s.monitor);
			assert_int_equal(await_end(&s), 0);
		} else {
			assert_int_equal(await_end(&s), 1);
		}
	}
	close(udp4);
	close(udp6);
	close(tcp);
	close(local);
	close(raw);
}

/* The cursor of a report is a place in a list of the datapath's. */
static void datapath_ends_on_a_cursor_that_is_none(void **state)
{
	static const uint32_t cursors[] = {2, 3, 1000, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cursors); i++) {
		const struct request requests[] = {{.type = REQUEST_ADD_PEER, .peer_id = 1},
			{.type = REQUEST_ADD_PEER, .peer_id = 2},
			{.type = REQUEST_ADD_ALLOWED_IP,
				.peer_id = 1,
				.prefix = {AF_INET, 32, 0, {10}}},
			{.type = REQUEST_ADD_ALLOWED_IP,
				.peer_id = 2,
				.prefix = {AF_INET, 32, 0, {10, 0, 0, 1}}},
			{.type = REQUEST_GET_PEER, .peer_id = 1},
			{.type = REQUEST_GET_PEER, .peer_id = 1, .cursor = cursors[i]}};
		struct subject s = start(ROLE_DATAPATH);
		struct report report;

		for (size_t k = 0; k < ARRAY_SIZE(requests); k++)
			assert_int_equal(ipc_send(s.monitor, &requests[k], sizeof(requests[k])), 0);
		assert_int_equal(ipc_receive(s.monitor, &report, sizeof(report)), 0);
		assert_int_equal(report.num_prefixes, 1);
		assert_int_equal(ipc_receive(s.monitor, &report, sizeof(report)), -EPIPE);
		assert_int_equal(await_end(&s), 1);
	}
}

static int setup(void **state)
{
	(void)state;
	setenv("LOG_LEVEL", "silent", 1);
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	return sandbox_prepare();
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vault_ends_on_wrong_sizes),
		cmocka_unit_test(vault_ends_on_what_a_neighbour_may_not_ask),
		cmocka_unit_test(vault_tells_the_engine_no_key),
		cmocka_unit_test(vault_does_not_wait_for_one_who_asks_and_does_not_listen),
		cmocka_unit_test(engine_ends_on_wrong_sizes),
		cmocka_unit_test(engine_ends_on_nonsense),
		cmocka_unit_test(engine_ends_on_an_answer_of_the_wrong_size),
		cmocka_unit_test(engine_ends_on_an_answer_to_another_question),
		cmocka_unit_test(datapath_ends_on_wrong_sizes),
		cmocka_unit_test(datapath_ends_on_nonsense),
		cmocka_unit_test(datapath_ends_on_descriptors_that_are_no_udp_sockets),
		cmocka_unit_test(datapath_ends_on_a_cursor_that_is_none),
	};

	role_main(tunnel_roles, ROLE_NUM, argc, argv);
	if (geteuid() != 0)
		return 77; /* meson's "skipped": roles need root to give it up */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, setup, NULL);
}
