/* SPDX-License-Identifier: MIT
 *
 * The launcher, and a tunnel that has no more than an interface and a socket.
 */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/uapi_socket.h"
#include "doubles.h"
#include "net/tun.h"
#include "overlay/hub/roles.h"
#include "subject.h"
#include "tunnel.h"

enum { LIAR_TUNNEL = SURVIVOR_SERVER + 1, REQUEST_MAX = 4096, CLIENTS_MAX = 8 };

const struct launcher_liar launcher_liars[] = {{"vault-launcher", ROLE_VAULT},
	{"door-launcher", SURVIVOR_DOOR}, {"tunnel-launcher", LIAR_TUNNEL}};
const size_t num_launcher_liars = ARRAY_SIZE(launcher_liars);

/* --- the tunnel ------------------------------------------------------ */

/* What it is asked that it lies about. */
static const char *const asked[] = {"hide_keys=", "set="};

/* The empty one: it hangs up. */
static const char *const wrong_replies[] = {"", "\n\n", "errno=1\n\n", "errno=-5\n\n", "errno=\n\n",
	"errno=x\n\n", "errno=0x\n\n", "errno=4294967296\n\n", "errno=18446744073709551616\n\n",
	"errno=-5\nerrno=0\n\n", "errno=0\nerrno=-5\n\n", "errno=0\n\nerrno=0\n\n", "errno\n\n",
	"0\n\n"};

static const char tunnel_prefix[] = "ft";

static int listen_uapi(const char *ifname)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), UAPI_SOCKET_DIR "/%s" UAPI_SOCKET_SUFFIX,
		ifname);
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		listen(fd, CLIENTS_MAX) < 0)
		role_fail(addr.sun_path, -errno);
	return fd;
}

/* Returns false when it is to hang up. */
static bool reply(int fd, uint64_t lie)
{
	static const char right[] = "errno=0\n\n";
	char request[REQUEST_MAX] = "";
	const char *said = right, *about = asked[lie % ARRAY_SIZE(asked)];

	if (read(fd, request, sizeof(request) - 1) <= 0)
		return false;
	if (strncmp(request, about, strlen(about)) == 0 &&
		lie / ARRAY_SIZE(asked) < ARRAY_SIZE(wrong_replies)) {
		said = wrong_replies[lie / ARRAY_SIZE(asked)];
		fprintf(stderr, DOUBLES_LIE "%s%s\n", about, said);
	}
	return *said && write(fd, said, strlen(said)) > 0;
}

static noreturn void be_tunnel(const char *ifname)
{
	const uint64_t lie = strncmp(ifname, tunnel_prefix, 2) == 0
				     ? strtoul(ifname + 2, NULL, 16) & ~DOUBLES_RULE
				     : UINT64_MAX;
	struct pollfd fds[1 + CLIENTS_MAX];
	struct tun_features features;
	nfds_t num = 1;

	if (tun_create(ifname, &features) < 0)
		role_fail(ifname, -EBUSY);
	fds[0] = (struct pollfd){.fd = listen_uapi(ifname), .events = POLLIN};
	for (;;) {
		if (poll(fds, num, -1) < 0)
			_exit(1);
		for (nfds_t i = num - 1; i > 0; i--) {
			if (fds[i].revents && !reply(fds[i].fd, lie)) {
				close(fds[i].fd);
				fds[i] = fds[--num];
			}
		}
		if (fds[0].revents && num <= CLIENTS_MAX)
			fds[num++] =
				(struct pollfd){.fd = accept4(fds[0].fd, NULL, NULL, SOCK_CLOEXEC),
					.events = POLLIN};
	}
}

void launcher_tunnel_main(int argc, char *argv[])
{
	if (argc == 3 && strcmp(argv[1], "run") == 0)
		be_tunnel(argv[2]);
}

/* --- the launcher ---------------------------------------------------- */

bool launcher_has(unsigned liar, uint64_t number)
{
	if (liar != LIAR_TUNNEL)
		return doubles_has(liar, number);
	return number < ARRAY_SIZE(asked) * ARRAY_SIZE(wrong_replies);
}

/* In its place. /tmp is this program's own (server.c). */
static noreturn void be_launcher(char *ifname)
{
	char *argv[] = {"run", "--tunnel-program", "/proc/self/exe", "--interface", ifname,
		"--host", "127.0.0.1", "--state", "/tmp/launcher", "--socket", "/tmp/admin", NULL};

	dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
	exit(hub_run(ARRAY_SIZE(argv) - 1, argv));
}

static const char *judge(unsigned liar, int status, const char *log)
{
	static const char *const names[] = {
		[ROLE_VAULT] = "vault", [SURVIVOR_DOOR] = "door", [LIAR_TUNNEL] = "tunnel"};

	if (!WIFEXITED(status))
		return "the launcher was killed";
	if (!strstr(log, DOUBLES_LIE))
		return "it had no occasion to lie";
	if (WEXITSTATUS(status) != 1)
		return "the launcher takes a lie for the truth";
	if (strstr(log, "Sanitizer") || strstr(log, "runtime error"))
		return "a sanitizer reports";
	return strstr(log, names[liar]) || strstr(log, "a process did not start") ||
			       strstr(log, "cannot hide its keys")
		       ? NULL
		       : "the launcher does not say because of whom it ends";
}

const char *launcher_run(unsigned liar, uint64_t number, const char **ret_log)
{
	char ifname[IFNAMSIZ], path[128];
	const char *failure = "the launcher does not end";
	int saved, status, log_fd;
	pid_t pid;

	if (liar == LIAR_TUNNEL)
		snprintf(ifname, sizeof(ifname), "%s%x-%x", tunnel_prefix, (unsigned)number,
			(unsigned)getpid() & 0xffffff);
	else
		doubles_name(ifname, liar, number | DOUBLES_RULE);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fflush(stdout);
	log_fd = log_begin(&saved);
	pid = fork();
	if (pid == 0)
		be_launcher(ifname);
	log_end(saved);
	if (tunnel_await_exit(pid, &status))
		failure = judge(liar, status, log_read(log_fd));
	*ret_log = log_read(log_fd);
	close(log_fd);
	/* it has no starter to remove it */
	snprintf(path, sizeof(path), UAPI_SOCKET_DIR "/%s" UAPI_SOCKET_SUFFIX, ifname);
	(void)unlink(path);
	if (!tunnel_is_all_gone(ifname) && !failure)
		failure = "something is left of the hub";
	return failure;
}
