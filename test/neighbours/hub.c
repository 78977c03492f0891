/* SPDX-License-Identifier: MIT
 *
 * The door asks its hub and its vault, and is talked to by strangers. The server is talked to by
 * its launcher, once.
 */
#include "hub.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "lies.h"
#include "overlay/hub/roles.h"
#include "pairs.h"
#include "rules.h"
#include "server.h"

/* --- what may be said ------------------------------------------------ */

static const struct kind verdicts[] = {
	{"verdict", 1, false, false, {BELOW(struct door_verdict, is_refused, 2)}},
};

/* It has sockets of both. */
#define HAS(member)                                                \
	{                                                          \
		RULE_BELOW, AT(struct door_setup, member), 1, 2, 0 \
	}

static const struct kind door_setups[] = {
	{"setup", 1, false, false, {HAS(has_ipv4), HAS(has_ipv6)}},
};

static const struct kind server_setups[] = {
	{"setup", 1, false, false, {{RULE_HOST, AT(struct hub_setup, host), 0, 0, 0}}},
};

/* The table of mixings is the engine's. */
const struct pair hub_pairs[] = {
	{.name = "hub-door",
		.survivor = SURVIVOR_DOOR,
		.end = END_MONITOR,
		.speaker = "hub",
		.is_untyped = true,
		.len = sizeof(struct door_verdict),
		KINDS(verdicts)},
	{.name = "vault-door",
		.survivor = SURVIVOR_DOOR,
		.end = END_FIRST,
		.speaker = "vault",
		.answers = true,
		.lie = lie_to_engine,
		.num_lies = NUM_VAULT_LIES},
	{.name = "launcher-door",
		.survivor = SURVIVOR_DOOR,
		.end = END_MONITOR,
		.speaker = "launcher",
		.is_setup = true,
		.is_untyped = true,
		.len = sizeof(struct door_setup),
		KINDS(door_setups)},
	{.name = "launcher-server",
		.survivor = SURVIVOR_SERVER,
		.end = END_MONITOR,
		.speaker = "launcher",
		.is_setup = true,
		.is_untyped = true,
		.len = sizeof(struct hub_setup),
		KINDS(server_setups)},
	{.name = "launcher-server-answers",
		.survivor = SURVIVOR_SERVER,
		.end = END_MONITOR,
		.speaker = "launcher",
		.is_setup = true,
		.answers = true,
		.lie = server_lie_as_launcher,
		.num_lies = NUM_LAUNCHER_LIES},
	{.name = "tunnel-server",
		.survivor = SURVIVOR_SERVER,
		.end = SERVER_END_UAPI,
		.speaker = "the tunnel cannot be set up",
		.is_setup = true,
		.answers = true,
		.lie = server_lie_as_tunnel,
		.num_lies = NUM_TUNNEL_LIES},
};
const size_t num_hub_pairs = ARRAY_SIZE(hub_pairs);

const struct role *hub_role(unsigned survivor)
{
	return &hub_roles[survivor == SURVIVOR_DOOR ? HUB_ROLE_DOOR : HUB_ROLE_SERVER];
}

bool hub_make_fds(struct subject *subject, int *fds, unsigned *num)
{
	if (!subject_add_pair(subject, END_MONITOR, fds, num) ||
		!subject_add_pair(subject, END_FIRST, fds, num))
		return false;
	if (subject->role == SURVIVOR_SERVER)
		return server_make_fds(subject, fds, num);
	fds[(*num)++] = dup(devices.udp4);
	fds[(*num)++] = dup(devices.udp6);
	return true;
}

bool hub_set_up(struct session *s)
{
	struct door_setup setup = {.has_ipv4 = 1, .has_ipv6 = 1};

	if (s->subject.role == SURVIVOR_SERVER)
		return server_set_up(s);
	memcpy(setup.hub_key, s->public_key, KEY_LEN);
	session_send(s, END_MONITOR, &setup, sizeof(setup));
	return subject_await_ready(&s->subject);
}

bool hub_may_say(const struct session *s, enum end end, size_t len)
{
	if (s->subject.role == SURVIVOR_SERVER)
		return server_may_say(end, len);
	return len == sizeof(struct door_question);
}

void hub_listen(struct session *s, enum end end, const void *message, size_t len)
{
	if (s->subject.role == SURVIVOR_SERVER)
		server_listen(s, end, message);
	else if (end == s->asked)
		memcpy(s->answer, message, len);
}

/* A request which only the vault's answers can open. */
void hub_knock(struct session *s)
{
	const struct enrol_request request = {
		.version = ENROL_VERSION, .network = "lab", .hostname = "robot"};
	struct sockaddr_in door;
	socklen_t len = sizeof(door);
	struct enrol_initiator initiator = {0};
	struct message_enrol message;
	uint8_t private_key[KEY_LEN], random[36];
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)!getsockname(devices.udp4, (void *)&door, &len);
	door.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (size_t i = 0; i < sizeof(random); i++)
		random[i] = (uint8_t)dice_roll(&s->dice);
	memcpy(private_key, random + 1, KEY_LEN);
	if (enrol_create_request(
		    &initiator, private_key, s->public_key, &request, random, 1, &message) == 0)
		(void)!sendto(fd, &message, sizeof(message), 0, (const void *)&door, sizeof(door));
	close(fd);
}

/* The door asks the hub about one that the vault has helped to open. */
bool hub_answers(struct session *s)
{
	const struct door_question *question = (const void *)s->answer;
	const uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_MS * MSEC_NS;

	if (s->subject.role == SURVIVOR_SERVER)
		return server_is_ready(s);
	if (s->pair->is_setup) /* its key is not ours: it can do no more */
		return subject_await_ready(&s->subject);
	s->asked = END_MONITOR;
	memset(s->answer, 0, sizeof(*question));
	while (question->request.version != ENROL_VERSION && !s->failure &&
		clock_ns(CLOCK_MONOTONIC) < until_ns) {
		session_prompt(s);
		session_listen(s, 20);
	}
	return strcmp(question->request.network, "lab") == 0;
}

void hub_roles_main(int argc, char *argv[])
{
	role_main(hub_roles, HUB_ROLE_NUM, argc, argv);
}
