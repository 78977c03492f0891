/* SPDX-License-Identifier: MIT
 *
 * The tunnel with a double in it.
 */
#include "tunnel.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/uapi_socket.h"
#include "doubles.h"
#include "net/link_address.h"
#include "subject.h"

enum { PATIENCE_MS = 20000, ROUNDS = 3, REPLY_MAX = 1 << 20 };

#define KEY(digit)                                                                                \
	digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit \
		digit digit digit digit digit digit digit digit digit digit digit digit digit     \
			digit digit digit digit

#define PEER_A "public_key=" KEY("34") "\n"
#define PEER_B "public_key=" KEY("56") "\n"
#define PSK "preshared_key=" KEY("78") "\n"
#define ENDPOINT "endpoint=127.0.0.1:9\npersistent_keepalive_interval=1\n"
#define START "set=1\nprivate_key=" KEY("12") "\nreplace_peers=true\n"

/* What a client asks for; after the second the interface comes up. */
static const char *const requests[] = {
	START PEER_A PSK ENDPOINT "allowed_ip=10.0.0.1/32\n" PEER_B "allowed_ip=10.0.0.2/32\n\n",
	"get=1\n\n",
	"get=1\n\n",
	"set=1\n" PEER_A "remove=true\n\n",
	"get=1\n\n",
};

static char ifname[IFNAMSIZ];

static int connect_uapi(const char *name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), UAPI_SOCKET_DIR "/%s" UAPI_SOCKET_SUFFIX,
		name);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool is_success(const char *reply, size_t len)
{
	static const char end[] = "errno=0\n\n";
	const size_t end_len = sizeof(end) - 1;

	return len >= end_len && memcmp(reply + len - end_len, end, end_len) == 0;
}

/* Returns whether it was done. */
static bool request(const char *text)
{
	static char reply[REPLY_MAX];
	int fd = connect_uapi(ifname);
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	ssize_t n = fd < 0 ? -1 : send(fd, text, strlen(text), MSG_NOSIGNAL);
	size_t len = 0;

	while (n > 0 && !is_success(reply, len) && poll(&readable, 1, PATIENCE_MS) > 0) {
		n = read(fd, reply + len, sizeof(reply) - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		close(fd);
	return is_success(reply, len);
}

/* Give it something to do, until it is over or everything was asked for. */
static bool use(void)
{
	const unsigned ifindex = if_nametoindex(ifname);

	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
			if (!request(requests[i]))
				return false;
			if (i == 1 && ifindex)
				(void)!link_set_up(ifindex);
		}
	}
	return true;
}

bool tunnel_await_exit(pid_t pid, int *ret_status)
{
	const uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_MS * MSEC_NS;

	while (clock_ns(CLOCK_MONOTONIC) < until_ns) {
		if (waitpid(pid, ret_status, WNOHANG) == pid)
			return true;
		poll(NULL, 0, 1);
	}
	kill(pid, SIGKILL);
	waitpid(pid, ret_status, 0);
	return false;
}

bool tunnel_is_all_gone(const char *name)
{
	const uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_MS * MSEC_NS;
	int fd;

	while (waitpid(-1, NULL, WNOHANG) >= 0) {
		if (clock_ns(CLOCK_MONOTONIC) > until_ns)
			return false;
		poll(NULL, 0, 1);
	}
	fd = connect_uapi(name);
	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == ENOENT && if_nametoindex(name) == 0;
}

/* Whether it names the liar, as it should, except at start, or when that has left in good order. */
static bool blames(const char *log, enum tunnel_role liar)
{
	char text[64];

	snprintf(text, sizeof(text), "the %s", tunnel_roles[liar].name);
	return strstr(log, text) || strstr(log, "a process did not start: ") ||
	       strstr(log, "ended without a reason: ");
}

static const char *judge_truth(int status, bool was_used)
{
	if (!was_used)
		return "the monitor does not answer";
	return WEXITSTATUS(status) == 0 ? NULL : "the monitor ends for no reason";
}

static const char *judge_lie(enum tunnel_role liar, const char *log, int status)
{
	if (WEXITSTATUS(status) != 1)
		return "the monitor takes a lie for the truth";
	return blames(log, liar) ? NULL : "the monitor does not say because of whom it ends";
}

static const char *judge(
	enum tunnel_role liar, const char *log, int status, bool has_lied, bool was_used)
{
	if (strstr(log, "Sanitizer") || strstr(log, "runtime error"))
		return "a sanitizer reports";
	if (!WIFEXITED(status))
		return "the monitor was killed";
	return has_lied ? judge_lie(liar, log, status) : judge_truth(status, was_used);
}

const char *tunnel_run(enum tunnel_role liar, uint64_t seed, const char **ret_log, bool *ret_lied)
{
	int ready[2], saved, status, log_fd;
	bool was_used = false, ended;
	const char *failure;
	char byte;
	pid_t pid;

	doubles_name(ifname, liar, seed);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (pipe(ready) < 0)
		return "no pipe";
	log_fd = log_begin(&saved);
	pid = role_start(&tunnel_roles[ROLE_MONITOR], ifname, &ready[1], 1);
	log_end(saved);
	close(ready[1]);
	if (read(ready[0], &byte, 1) == 1)
		was_used = use();
	close(ready[0]);
	*ret_lied = strstr(log_read(log_fd), DOUBLES_LIE) != NULL;
	if (!*ret_lied && was_used)
		kill(pid, SIGTERM);
	ended = tunnel_await_exit(pid, &status);
	*ret_log = log_read(log_fd);
	*ret_lied = strstr(*ret_log, DOUBLES_LIE) != NULL;
	close(log_fd);
	failure = !ended ? "the monitor does not end"
			 : judge(liar, *ret_log, status, *ret_lied, was_used);
	if (!tunnel_is_all_gone(ifname) && !failure)
		failure = "something is left of the tunnel";
	return failure;
}
