/* SPDX-License-Identifier: MIT
 *
 * Sending, listening, and being the vault.
 */
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "hub.h"
#include "lies.h"

void session_fail(struct session *s, const char *why)
{
	if (!s->failure)
		s->failure = why;
}

bool session_try_send(struct session *s, enum end end, const void *message, size_t len)
{
	return s->subject.ends[end] >= 0 && ipc_try_send(s->subject.ends[end], message, len) == 0;
}

static ssize_t send_once(int fd, const void *message, size_t len, const int *fds, size_t num_fds)
{
	union {
		char buf[CMSG_SPACE(64 * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)message, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (num_fds) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(num_fds * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(num_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, num_fds * sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void session_send_fds(struct session *s, enum end end, const void *message, size_t len,
	const int *fds, size_t num_fds)
{
	const uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_MS * MSEC_NS;

	while (s->subject.ends[end] >= 0 &&
		send_once(s->subject.ends[end], message, len, fds, num_fds) < 0) {
		if (errno != EAGAIN)
			return; /* it has ended */
		if (clock_ns(CLOCK_MONOTONIC) > until_ns) {
			session_fail(s, "it does not listen");
			return;
		}
		session_listen(s, 1);
	}
}

/* --- what it says ---------------------------------------------------- */

bool session_lies(struct session *s, enum end end, const void *right)
{
	if (!s->lies || end != s->pair->end)
		return false;
	s->lies = false;
	s->expectation = s->pair->lie(s, right);
	return true;
}

static void answer_question(struct session *s, const struct vault_mixing *question)
{
	struct vault_mixing answer = *question;

	if (question->secret < NOISE_DH || question->secret > NOISE_ANSWER || question->num < 1 ||
		question->num > NOISE_MIXES_MAX) {
		session_fail(s, "it asks the vault nonsense");
		return;
	}
	keyring_mix(s->keyring, answer.secret, answer.mixes, answer.num);
	if (!session_lies(s, END_FIRST, &answer))
		session_send(s, END_FIRST, &answer, sizeof(answer));
}

static bool asks_vault(const struct session *s, enum end end)
{
	return end == END_FIRST &&
	       (s->subject.role == ROLE_ENGINE || s->subject.role == SURVIVOR_DOOR);
}

/* Whether it may say something of this size here; what is an answer is checked off. */
static bool is_expected(struct session *s, enum end end, size_t len)
{
	const bool is_vault = s->subject.role == ROLE_VAULT;

	if (asks_vault(s, end))
		return len == sizeof(struct vault_mixing);
	if (s->subject.role >= ROLE_NUM)
		return hub_may_say(s, end, len);
	if (!is_vault && end != END_MONITOR)
		return len == (end == END_WANTED ? sizeof(struct prefix) : sizeof(struct event));
	if (s->owed[end] == 0)
		return false;
	s->owed[end]--;
	if (is_vault)
		return len == (end == END_MONITOR ? sizeof(struct vault_reply)
						  : sizeof(struct vault_mixing));
	return len == sizeof(struct ack) ||
	       (s->subject.role == ROLE_DATAPATH && len == sizeof(struct report));
}

static void listen_at(struct session *s, enum end end)
{
	static alignas(8) uint8_t message[MESSAGE_MAX];
	ssize_t n = recv(s->subject.ends[end], message, sizeof(message), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		subject_close(&s->subject, end);
		return;
	}
	if (!is_expected(s, end, (size_t)n)) {
		session_fail(s, "it says what nobody asked for, or of the wrong size");
		return;
	}
	if (asks_vault(s, end))
		answer_question(s, (const void *)message);
	else if (s->subject.role >= ROLE_NUM)
		hub_listen(s, end, message, (size_t)n);
	else if (end == s->asked)
		memcpy(s->answer, message, (size_t)n);
}

void session_listen(struct session *s, int timeout_ms)
{
	struct pollfd fds[NUM_ENDS];

	for (int end = 0; end < NUM_ENDS; end++)
		fds[end] = (struct pollfd){.fd = s->subject.ends[end], .events = POLLIN};
	if (poll(fds, NUM_ENDS, timeout_ms) <= 0)
		return;
	for (int end = 0; end < NUM_ENDS; end++) {
		if (fds[end].revents)
			listen_at(s, (enum end)end);
	}
}

static bool await_answers(struct session *s, enum end end)
{
	const uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_MS * MSEC_NS;

	while (s->owed[end] > 0 && s->subject.ends[end] >= 0 && !s->failure &&
		clock_ns(CLOCK_MONOTONIC) < until_ns)
		session_listen(s, 10);
	return s->owed[end] == 0;
}

bool session_ask(struct session *s, enum end end, const void *message, size_t len)
{
	if (!await_answers(s, end))
		return false;
	s->asked = end;
	s->owed[end]++;
	session_send(s, end, message, len);
	return await_answers(s, end);
}

void session_prompt(struct session *s)
{
	struct event event = {.type = EVENT_HANDSHAKE_MESSAGE,
		.len = sizeof(struct message_initiation),
		.endpoint.family = AF_INET,
		.message = {MESSAGE_INITIATION}};

	if (s->subject.role == SURVIVOR_DOOR) {
		hub_knock(s);
		return;
	}
	if (s->subject.role != ROLE_ENGINE)
		return; /* it asks by itself */
	for (size_t i = 8; i < sizeof(event.message); i++)
		event.message[i] = (uint8_t)dice_roll(&s->dice);
	session_send(s, END_SECOND, &event, sizeof(event));
}

/* --- begin, end ------------------------------------------------------ */

/* A point that gives a result, different for each. */
static void make_key(uint8_t ret_key[KEY_LEN], uint32_t number)
{
	memset(ret_key, 0x40, KEY_LEN);
	memcpy(ret_key, &number, sizeof(number));
}

static void begin_vault(struct session *s)
{
	struct vault_request request = {.type = VAULT_SET_PRIVATE_KEY, .a = {1, 2, 3}};

	(void)!session_ask(s, END_MONITOR, &request, sizeof(request));
	for (uint32_t id = 0; id < FUZZ_PEERS; id++) {
		request = (struct vault_request){.type = VAULT_ADD_PEER, .peer_id = id};
		make_key(request.a, id);
		(void)!session_ask(s, END_MONITOR, &request, sizeof(request));
	}
}

static void tell(struct session *s, struct request request)
{
	session_send(s, END_MONITOR, &request, sizeof(request));
}

static void begin_engine(struct session *s)
{
	struct request request = {.type = REQUEST_SET_PUBLIC_KEY};

	memcpy(request.key, s->public_key, KEY_LEN);
	tell(s, request);
	for (uint32_t id = 0; id < FUZZ_PEERS; id++) {
		request = (struct request){.type = REQUEST_ADD_PEER, .peer_id = id};
		make_key(request.key, id);
		if (keyring_add_peer(s->keyring, id, request.key) < 0)
			session_fail(s, "out of memory");
		tell(s, request);
	}
	tell(s, (struct request){.type = REQUEST_SET_LINK, .link = {1, 1420}});
}

static void begin_datapath(struct session *s)
{
	const int sockets[] = {socket(AF_INET, SOCK_DGRAM, 0), socket(AF_INET6, SOCK_DGRAM, 0)};
	const struct request set_sockets = {
		.type = REQUEST_SET_SOCKETS, .sockets = {.has_ipv4 = 1, .has_ipv6 = 1}};

	tell(s, (struct request){.type = REQUEST_SET_PUBLIC_KEY, .key = {1}});
	for (uint32_t id = 0; id < FUZZ_PEERS; id++) {
		tell(s, (struct request){.type = REQUEST_ADD_PEER, .peer_id = id});
		tell(s, (struct request){.type = REQUEST_SET_ENDPOINT,
				.peer_id = id,
				.endpoint = {
					.family = AF_INET, .port = 9, .addr = {127, 0, 0, 1}}});
		tell(s, (struct request){.type = REQUEST_ADD_ALLOWED_IP,
				.peer_id = id,
				.prefix = {AF_INET, 32, 0, {10, 0, 0, (uint8_t)id}}});
	}
	session_send_fds(s, END_MONITOR, &set_sockets, sizeof(set_sockets), sockets, 2);
	close(sockets[0]);
	close(sockets[1]);
	tell(s, (struct request){.type = REQUEST_SET_LINK, .link = {1, 1420}});
}

bool session_begin(struct session *s, const struct pair *pair, uint64_t seed, bool is_verbose)
{
	const struct request sync = {.type = REQUEST_SYNC};
	const uint8_t private_key[KEY_LEN] = {1, 2, 3};

	*s = (struct session){.pair = pair,
		.dice.state = seed,
		.is_verbose = is_verbose,
		.keyring = keyring_new()};
	s->is_honest = dice_below(&s->dice, 3) == 0;
	if (!s->keyring)
		return false;
	keyring_set_private_key(s->keyring, private_key, s->public_key);
	if (!subject_start(&s->subject, pair->survivor))
		return false;
	if (pair->is_setup && !pair->answers)
		return true;
	if (pair->survivor >= ROLE_NUM)
		return hub_set_up(s);
	if (!subject_await_ready(&s->subject))
		return false;
	if (pair->survivor == ROLE_VAULT)
		begin_vault(s);
	else if (pair->survivor == ROLE_ENGINE)
		begin_engine(s);
	else
		begin_datapath(s);
	return pair->survivor == ROLE_VAULT || session_ask(s, END_MONITOR, &sync, sizeof(sync));
}

void session_end(struct session *s)
{
	subject_stop(&s->subject);
	keyring_free(s->keyring);
}
