/* SPDX-License-Identifier: MIT
 *
 * What does not follow from a table of messages: what depends on what was said before, descriptors
 * that are expected, and who asks and does not listen.
 */
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "pairs.h"
#include "rules.h"

#define END_OF_ACTS              \
	{                        \
		NULL, NULL, NULL \
	}

/* --- of the vault ---------------------------------------------------- */

/* It never waits for one who does not take its answers. */
static enum expectation do_not_listen(struct session *s, const struct act *act)
{
	const uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_MS * MSEC_NS;
	uint8_t message[sizeof(struct vault_mixing)];

	(void)act;
	draw_bounds(&s->dice, &s->pair->kinds[1], false, message, s->pair->len);
	while (!subject_has_ended(&s->subject) && clock_ns(CLOCK_MONOTONIC) < until_ns) {
		if (session_try_send(s, s->pair->end, message, s->pair->len))
			s->owed[s->pair->end]++;
		else
			poll(NULL, 0, 1);
	}
	return MUST_END;
}

const struct act vault_acts[] = {{"asks and does not listen", do_not_listen, NULL}, END_OF_ACTS};

/* --- requests of the monitor that depend on others ------------------- */

enum { NEW = FUZZ_PEERS, NOT_THERE = 999 };

/* One request after the other, up to REQUEST_SYNC, which is not said; and what must come of it. */
struct script {
	struct request requests[4];
	enum expectation expectation;
};

static enum expectation play(struct session *s, const struct act *act)
{
	const struct script *script = act->data;

	for (size_t i = 0; script->requests[i].type != REQUEST_SYNC; i++) {
		s->owed[END_MONITOR] += script->requests[i].type == REQUEST_GET_PEER;
		session_send(s, END_MONITOR, &script->requests[i], sizeof(script->requests[i]));
	}
	return script->expectation;
}

#define SCRIPT(wanted, ...)                                               \
	play, &(const struct script)                                      \
	{                                                                 \
		.requests = {__VA_ARGS__, {.type = REQUEST_SYNC}}, wanted \
	}
#define ADD(id)                                                                              \
	{                                                                                    \
		.type = REQUEST_ADD_PEER, .peer_id = (id), .key = { 9, 9, 9, 9, (id) % 256 } \
	}
#define REMOVE(id)                                           \
	{                                                    \
		.type = REQUEST_REMOVE_PEER, .peer_id = (id) \
	}
#define KEEPALIVE(id)                                                            \
	{                                                                        \
		.type = REQUEST_SET_KEEPALIVE, .peer_id = (id), .keepalive_s = 1 \
	}
#define ENDPOINT(id)                                                                            \
	{                                                                                       \
		.type = REQUEST_SET_ENDPOINT, .peer_id = (id), .endpoint = {.family = AF_INET } \
	}
#define ALLOW(id)                                                            \
	{                                                                    \
		.type = REQUEST_ADD_ALLOWED_IP, .peer_id = (id), .prefix = { \
			.family = AF_INET,                                   \
			.cidr = 8                                            \
		}                                                            \
	}
#define GET(id, from)                                                       \
	{                                                                   \
		.type = REQUEST_GET_PEER, .peer_id = (id), .cursor = (from) \
	}

const struct act engine_acts[] = {
	{"adds a peer", SCRIPT(GOES_ON, ADD(NEW))},
	{"adds a peer twice", SCRIPT(MUST_END, ADD(NEW), ADD(NEW))},
	{"adds, removes and adds a peer", SCRIPT(GOES_ON, ADD(NEW), REMOVE(NEW), ADD(NEW))},
	{"removes a peer twice", SCRIPT(GOES_ON, REMOVE(1), REMOVE(1))},
	{"sets the keepalive of none", SCRIPT(MUST_END, KEEPALIVE(NOT_THERE))},
	{"sets an endpoint, as if it were the datapath", SCRIPT(MUST_END, ENDPOINT(1))},
	END_OF_ACTS,
};

/* --- descriptors for the datapath ------------------------------------ */

enum sort { NONE, UDP4, UDP6, TCP4, TCP6, RAW, PING, LOCAL, FILE_FD, NUM_SORTS };

struct handover {
	uint32_t has_ipv4, has_ipv6, lane;
	enum sort sorts[3];
	enum expectation expectation;
};

static int make(enum sort sort)
{
	static const int sockets[NUM_SORTS][3] = {[UDP4] = {AF_INET, SOCK_DGRAM},
		[UDP6] = {AF_INET6, SOCK_DGRAM},
		[TCP4] = {AF_INET, SOCK_STREAM},
		[TCP6] = {AF_INET6, SOCK_STREAM},
		[RAW] = {AF_INET, SOCK_RAW, IPPROTO_UDP},
		[PING] = {AF_INET, SOCK_DGRAM, IPPROTO_ICMP},
		[LOCAL] = {AF_UNIX, SOCK_DGRAM}};

	if (sort == FILE_FD)
		return dup(STDERR_FILENO);
	return socket(sockets[sort][0], sockets[sort][1], sockets[sort][2]);
}

static enum expectation hand_over(struct session *s, const struct act *act)
{
	const struct handover *handover = act->data;
	const struct request request = {.type = REQUEST_SET_SOCKETS,
		.sockets = {handover->has_ipv4, handover->has_ipv6, handover->lane}};
	size_t num = 0;
	int fds[3];

	while (num < 3 && handover->sorts[num]) {
		fds[num] = make(handover->sorts[num]);
		if (fds[num++] < 0)
			session_fail(s, "this machine has no such sockets");
	}
	session_send_fds(s, END_MONITOR, &request, sizeof(request), fds, num);
	while (num > 0)
		close(fds[--num]);
	return handover->expectation;
}

#define SOCKETS(...)                        \
	hand_over, &(const struct handover) \
	{                                   \
		__VA_ARGS__                 \
	}

const struct act datapath_acts[] = {
	{"adds a peer", SCRIPT(GOES_ON, ADD(NEW))},
	{"adds a peer twice", SCRIPT(MUST_END, ADD(NEW), ADD(NEW))},
	{"adds, removes and adds a peer", SCRIPT(GOES_ON, ADD(NEW), REMOVE(NEW), ADD(NEW))},
	{"removes a peer twice", SCRIPT(GOES_ON, REMOVE(1), REMOVE(1))},
	{"sets the endpoint of none", SCRIPT(GOES_ON, ENDPOINT(NOT_THERE))},
	{"gives none an address", SCRIPT(MUST_END, ALLOW(NOT_THERE))},
	{"asks about none", SCRIPT(MUST_END, GET(NOT_THERE, 0))},
	{"asks about one at another's place", SCRIPT(MUST_END, GET(3, 1))},
	{"sets a keepalive, as if it were the engine", SCRIPT(MUST_END, KEEPALIVE(1))},
	{"no sockets", SOCKETS(0, 0, 0, {NONE}, GOES_ON)},
	{"IPv4", SOCKETS(1, 0, 0, {UDP4}, GOES_ON)},
	{"IPv6", SOCKETS(0, 1, 0, {UDP6}, GOES_ON)},
	{"both", SOCKETS(1, 1, 0, {UDP4, UDP6}, GOES_ON)},
	{"IPv4 for a lane that is not there", SOCKETS(1, 0, 1, {UDP4}, MUST_END)},
	{"IPv4 for no lane at all", SOCKETS(1, 0, UINT32_MAX, {UDP4}, MUST_END)},
	{"IPv4, none brought", SOCKETS(1, 0, 0, {NONE}, MUST_END)},
	{"IPv6, none brought", SOCKETS(0, 1, 0, {NONE}, MUST_END)},
	{"both, one brought", SOCKETS(1, 1, 0, {UDP4}, MUST_END)},
	{"none, one brought", SOCKETS(0, 0, 0, {UDP4}, MUST_END)},
	{"IPv4, both brought", SOCKETS(1, 0, 0, {UDP4, UDP6}, MUST_END)},
	{"both, three brought", SOCKETS(1, 1, 0, {UDP4, UDP6, UDP6}, MUST_END)},
	{"IPv6 twice", SOCKETS(0, 2, 0, {UDP6, UDP6}, MUST_END)},
	{"IPv4 twice", SOCKETS(2, 0, 0, {UDP4, UDP4}, MUST_END)},
	{"both, in the wrong order", SOCKETS(1, 1, 0, {UDP6, UDP4}, MUST_END)},
	{"IPv6 for IPv4", SOCKETS(1, 0, 0, {UDP6}, MUST_END)},
	{"IPv4 for IPv6", SOCKETS(0, 1, 0, {UDP4}, MUST_END)},
	{"TCP for IPv4", SOCKETS(1, 0, 0, {TCP4}, MUST_END)},
	{"TCP for IPv6", SOCKETS(0, 1, 0, {TCP6}, MUST_END)},
	{"raw", SOCKETS(1, 0, 0, {RAW}, MUST_END)},
	{"ICMP", SOCKETS(1, 0, 0, {PING}, MUST_END)},
	{"local", SOCKETS(1, 0, 0, {LOCAL}, MUST_END)},
	{"no socket", SOCKETS(1, 0, 0, {FILE_FD}, MUST_END)},
	{"IPv4 and no socket", SOCKETS(1, 1, 0, {UDP4, FILE_FD}, MUST_END)},
	END_OF_ACTS,
};
