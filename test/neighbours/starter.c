/* SPDX-License-Identifier: MIT
 *
 * How monitors end.
 */
#include "starter.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/uapi_socket.h"
#include "doubles.h"
#include "subject.h"
#include "tunnel.h"
#include "tunnel/run.h"

enum { LEAVES_CHILD = 1, LEAVES_SOCKET = 2 };

static const struct fate {
	const char *says; /* where it is to say that it is ready */
	size_t len;
	int end; /* its exit status, or minus a signal */
	unsigned leaves;
	int status; /* the starter's */
} fates[] = {
	{"", 0, 0, 0, 0},
	{"", 0, 1, 0, 1},
	{"", 0, 255, 0, 255},
	{"", 0, -SIGKILL, 0, 1},
	{"", 0, -SIGSYS, LEAVES_CHILD, 1},
	{"", 0, 1, LEAVES_CHILD, 1},
	{"", 0, 1, LEAVES_SOCKET, 1},
	{"", 1, 0, 0, 0},
	{"", 1, 1, LEAVES_CHILD | LEAVES_SOCKET, 1},
	{"", 1, -SIGTERM, LEAVES_CHILD | LEAVES_SOCKET, 1},
	{"", 1, -SIGKILL, LEAVES_CHILD, 1},
	{"", 1, 0, LEAVES_CHILD, 0},
	{"", 1, 0, LEAVES_SOCKET, 0},
	{"\377", 1, 1, 0, 1},
	{"not a byte", 10, 3, LEAVES_SOCKET, 3},
};

bool starter_has(uint64_t number)
{
	return number < ARRAY_SIZE(fates);
}

/* --- the monitor ----------------------------------------------------- */

/* One that ends for nobody's sake. */
static void leave_child(void)
{
	if (fork() != 0)
		return;
	close(MONITOR_FD_READY); /* or it would seem that the monitor may yet say something */
	signal(SIGTERM, SIG_IGN);
	for (;;)
		pause();
}

static void leave_socket(const char *ifname)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), UAPI_SOCKET_DIR "/%s" UAPI_SOCKET_SUFFIX,
		ifname);
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1) < 0)
		perror(addr.sun_path);
}

void starter_monitor(uint64_t number, const char *ifname)
{
	const struct fate *fate = &fates[number % ARRAY_SIZE(fates)];
	const struct rlimit none = {0, 0};
	sigset_t all;

	(void)setpgid(0, 0); /* this it cannot undo, nor do without */
	(void)setrlimit(RLIMIT_CORE, &none);
	if (fate->leaves & LEAVES_SOCKET)
		leave_socket(ifname);
	if (fate->leaves & LEAVES_CHILD)
		leave_child();
	(void)!write(MONITOR_FD_READY, fate->says, fate->len);
	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (fate->end < 0)
		raise(-fate->end);
	_exit(fate->end);
}

/* --- the starter ----------------------------------------------------- */

static const char *judge(const struct fate *fate, int status, const char *log)
{
	if (!WIFEXITED(status))
		return "the starter was killed";
	if (WEXITSTATUS(status) != fate->status)
		return "the starter ends with another status";
	if (fate->end < 0 && !strstr(log, "the monitor died"))
		return "the starter does not say that the monitor died";
	return strstr(log, "Sanitizer") || strstr(log, "runtime error") ? "a sanitizer reports"
									: NULL;
}

const char *starter_run(unsigned liar, uint64_t number, const char **ret_log)
{
	char ifname[IFNAMSIZ];
	const char *failure = "the starter does not end";
	int saved, status, log_fd;
	pid_t pid;

	doubles_name(ifname, liar, number);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	log_fd = log_begin(&saved);
	pid = fork();
	if (pid == 0)
		_exit(run_tunnel(ifname, true));
	log_end(saved);
	if (tunnel_await_exit(pid, &status))
		failure = judge(&fates[number], status, log_read(log_fd));
	*ret_log = log_read(log_fd);
	close(log_fd);
	if (!tunnel_is_all_gone(ifname) && !failure)
		failure = "something is left of the tunnel";
	return failure;
}
