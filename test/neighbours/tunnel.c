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

enum { PATIENCE_MS = 20000, ROUNDS = 3 };

#define KEY(digit)                                                                                \
	digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit \
		digit digit digit digit digit digit digit digit digit digit digit digit digit     \
			digit digit digit digit

/* What a client asks for; between the first two the interface comes up, after them it goes down. */
static const char *const requests[] = {
	"set=1\nprivate_key=" KEY("12") "\nreplace_peers=true\npublic_key=" KEY(
		"34") "\npreshared_key=" KEY("56") "\nendpoint=127.0.0.1:9\n"
						   "persistent_keepalive_interval=1\nallowed_ip=10."
						   "0.0.1/"
						   "32\npublic_key=" KEY(
							   "78") "\nallowed_ip=10.0.0.2/32\n\n",
	"get=1\n\n",
	"get=1\n\n",
	"set=1\npublic_key=" KEY("34") "\nremove=true\npublic_key=" KEY("9a") "\n\n",
	"get=1\n\n",
};

static char ifname[IFNAMSIZ];

static int connect_uapi(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), UAPI_SOCKET_DIR "/%s" UAPI_SOCKET_SUFFIX,
		ifname);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Returns whether there was an answer that ends as one should. */
static bool request(const char *text)
{
	char tail[64] = "", buffer[4096];
	int fd = connect_uapi();
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	ssize_t n = fd < 0 ? -1 : send(fd, text, strlen(text), MSG_NOSIGNAL);

	while (n > 0 && !strstr(tail, "errno=0\n\n") && poll(&readable, 1, PATIENCE_MS) > 0) {
		n = read(fd, buffer, sizeof(buffer));
		if (n > 0) {
			size_t keep = strlen(tail), take = (size_t)n;

			if (take >= sizeof(tail) / 2)
				keep = 0, take = sizeof(tail) / 2;
			if (keep + take >= sizeof(tail)) {
				memmove(tail, tail + keep - 16, 16);
				keep = 16;
			}
			memcpy(tail + keep, buffer + n - take, take);
			tail[keep + take] = '\0';
		}
	}
	if (fd >= 0)
		close(fd);
	return strstr(tail, "errno=0\n\n") != NULL;
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

static bool await_exit(pid_t pid, int *ret_status)
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

/* Processes, whose parent we have become, interface and socket. */
static bool is_all_gone(void)
{
	const uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_MS * MSEC_NS;
	int fd;

	while (waitpid(-1, NULL, WNOHANG) >= 0) {
		if (clock_ns(CLOCK_MONOTONIC) > until_ns)
			return false;
		poll(NULL, 0, 1);
	}
	fd = connect_uapi();
	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == ENOENT && if_nametoindex(ifname) == 0;
}

/* Whether the log has a reason after the lie, and it names the liar, or is that one's death. */
static bool blames(const char *log, enum tunnel_role liar)
{
	static const char *const forms[] = {
		"a process did not start: ", "the other processes ended without a reason: "};
	char text[64];

	snprintf(text, sizeof(text), "the %s", tunnel_roles[liar].name);
	if (strstr(log, text))
		return true;
	return strstr(log, forms[0]) || strstr(log, forms[1]);
}

static const char *judge(
	enum tunnel_role liar, const char *log, int status, bool has_lied, bool was_used)
{
	if (strstr(log, "Sanitizer") || strstr(log, "runtime error"))
		return "a sanitizer reports";
	if (!WIFEXITED(status))
		return "the monitor was killed";
	if (!has_lied)
		return !was_used		  ? "the monitor does not answer"
		       : WEXITSTATUS(status) != 0 ? "the monitor ends for no reason"
						  : NULL;
	if (WEXITSTATUS(status) != 1)
		return "the monitor takes a lie for the truth";
	return blames(log, liar) ? NULL : "the monitor does not say because of whom it ends";
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
	ended = await_exit(pid, &status);
	*ret_log = log_read(log_fd);
	*ret_lied = strstr(*ret_log, DOUBLES_LIE) != NULL;
	close(log_fd);
	failure = !ended ? "the monitor does not end"
			 : judge(liar, *ret_log, status, *ret_lied, was_used);
	if (!is_all_gone() && !failure)
		failure = "something is left of the tunnel";
	return failure;
}
