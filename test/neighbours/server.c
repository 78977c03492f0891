/* SPDX-License-Identifier: MIT
 *
 * The server's neighbours, honest and not.
 */
#include "server.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "hub.h"
#include "lies.h"
#include "overlay/hub/roles.h"
#include "overlay/launch/messages.h"

/* --- what it has ----------------------------------------------------- */

#define DIRECTORY "/srv/server" /* of our own (fuzz.c) */

bool hub_begin(void)
{
	uid_t uid;
	gid_t gid;

	sandbox_user(&uid, &gid);
	return mkdir(DIRECTORY, 0700) == 0 && chown(DIRECTORY, uid, gid) == 0 &&
	       chdir(DIRECTORY) == 0;
}

/* At any address, where it is not about addresses. */
static int listen_anywhere(int family)
{
	const struct sockaddr addr = {.sa_family = (sa_family_t)family};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (family == AF_UNIX && bind(fd, &addr, sizeof(addr.sa_family)) < 0)
		return -1;
	return listen(fd, 1) == 0 ? fd : -1;
}

bool server_make_fds(struct subject *subject, int *fds, unsigned *num)
{
	int uapi[2];

	fds[(*num)++] = listen_anywhere(AF_UNIX);
	fds[(*num)++] = listen_anywhere(AF_INET6);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, uapi) < 0)
		return false;
	subject->ends[SERVER_END_UAPI] = uapi[0];
	fds[(*num)++] = uapi[1];
	return fds[*num - 3] >= 0 && fds[*num - 2] >= 0;
}

bool server_set_up(struct session *s)
{
	const struct hub_setup setup = {
		.host = "hub.example", .enrol_port = 1, .hub_port = 2, .api_port = 3};

	session_send(s, END_MONITOR, &setup, sizeof(setup));
	return !s->failure;
}

/* --- what it asks ---------------------------------------------------- */

static const char nothing[] = "listen_port=2\nerrno=0\n\n";

bool server_may_say(enum end end, size_t len)
{
	return end == SERVER_END_UAPI ? len > 0 && len < MESSAGE_MAX
				      : end == END_MONITOR && len == sizeof(struct launch_request);
}

void server_listen(struct session *s, enum end end, const void *message)
{
	const struct launch_reply done = {0};
	const struct launch_request *request = message;

	if (end == SERVER_END_UAPI) {
		if (!session_lies(s, end, nothing))
			session_send(s, end, nothing, sizeof(nothing) - 1);
		return;
	}
	s->is_ready |= request->type == LAUNCH_READY;
	if (!session_lies(s, end, &done))
		session_send(s, end, &done, sizeof(done));
}

bool server_is_ready(struct session *s)
{
	const uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_MS * MSEC_NS;

	while (!s->is_ready && !subject_has_ended(&s->subject) &&
		clock_ns(CLOCK_MONOTONIC) < until_ns)
		session_listen(s, 20);
	return s->is_ready && !subject_has_ended(&s->subject);
}

/* --- lies ------------------------------------------------------------ */

enum expectation server_lie_as_launcher(struct session *s, const void *right)
{
	static const int32_t errors[] = {-EIO, 1, INT32_MAX, INT32_MIN, -4096};
	static const size_t lens[] = {
		1, sizeof(struct launch_reply) - 1, sizeof(struct launch_reply) + 1};
	uint8_t answer[2 * sizeof(struct launch_reply)] = {0};
	size_t way = s->lie;

	static_assert(
		NUM_LAUNCHER_LIES == ARRAY_SIZE(errors) + ARRAY_SIZE(lens) + 2, "all are counted");
	if (way < ARRAY_SIZE(errors)) {
		memcpy(answer, &errors[way], sizeof(errors[way]));
		session_send(s, END_MONITOR, answer, sizeof(struct launch_reply));
		return MUST_END;
	}
	way -= ARRAY_SIZE(errors);
	if (way < ARRAY_SIZE(lens)) {
		session_send(s, END_MONITOR, answer, lens[way]);
		return MUST_END;
	}
	if (way == ARRAY_SIZE(lens)) {
		session_send_fds(s, END_MONITOR, right, sizeof(struct launch_reply),
			(int[]){STDERR_FILENO}, 1);
		return MUST_END;
	}
	/* what comes unasked tells it to end */
	session_send(s, END_MONITOR, right, sizeof(struct launch_reply));
	session_send(s, END_MONITOR, right, sizeof(struct launch_reply));
	return MUST_LEAVE;
}

#define KEY "abababababababababababababababababababababababababababababababab"
#define PEER "public_key=" KEY "\n"

/* The last one is no more than a beginning. */
static const char *const wrong_replies[NUM_TUNNEL_LIES] = {"\n\n", "errno=1\n\n", "errno=-5\n\n",
	"errno=\n\n", "errno=x\n\n", "errno=4294967296\n\n", "errno=0\nerrno=0\n\n",
	"errno=0\nlisten_port=1\n\n", "errno=0\n\nerrno=0\n\n", "listen_port=65536\nerrno=0\n\n",
	"listen_port=1\n\n", "public_key=ab\nerrno=0\n\n", PEER "endpoint=nowhere\nerrno=0\n\n",
	PEER "allowed_ip=10.0.0.0/33\nerrno=0\n\n", PEER "allowed_ip=\nerrno=0\n\n",
	PEER "persistent_keepalive_interval=65536\nerrno=0\n\n", PEER "rx_bytes=-1\nerrno=0\n\n",
	"no pair\nerrno=0\n\n", "errno=0\n"};

enum expectation server_lie_as_tunnel(struct session *s, const void *right)
{
	const char *reply = wrong_replies[s->lie];

	(void)right;
	session_send(s, SERVER_END_UAPI, reply, strlen(reply));
	if (s->lie == NUM_TUNNEL_LIES - 1)
		subject_close(&s->subject, SERVER_END_UAPI);
	return MUST_END;
}
