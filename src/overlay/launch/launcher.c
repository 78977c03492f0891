/* SPDX-License-Identifier: MIT
 *
 * The privileged side. What the child may have done is in `obey`, and nowhere else.
 */
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

#include "base/clock.h"
#include "base/log.h"
#include "config/uapi_socket.h"
#include "net/link_address.h"
#include "overlay/launch/launch.h"
#include "overlay/launch/messages.h"
#include "overlay/wire/ranges.h"
#include "privsep/ipc.h"

enum {
	MAX_TUNNELS = 64,
	HIDE_TIMEOUT_S = 30,
};
#define START_TIMEOUT_NS (10 * SECOND_NS)
#define END_TIMEOUT_NS (3 * SECOND_NS)
#define LOOK_INTERVAL_MS 5

struct tunnel {
	pid_t pid; /* of `adit run`; 0: free */
	char ifname[IFNAMSIZ];
};

struct launcher {
	char *program;
	int program_fd; /* O_PATH, should we later not come where it is; -1: it was not there */
	bool is_ready;
	struct tunnel tunnels[MAX_TUNNELS];
};

struct launcher *launcher_new(const char *program)
{
	struct launcher *launcher = calloc(1, sizeof(*launcher));

	if (!launcher)
		return NULL;
	launcher->program = strdup(program);
	if (!launcher->program) {
		free(launcher);
		return NULL;
	}
	launcher->program_fd = open(program, O_PATH | O_CLOEXEC);
	return launcher;
}

/* --- one tunnel ------------------------------------------------------ */

/* A connection to the UAPI socket of this name, or a negative errno. Unlike uapi_socket_connect it
 * removes no file that nobody listens at: that of a tunnel that starts is such a one for a moment.
 */
static int connect_uapi(const char *ifname)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	uapi_socket_path(addr.sun_path, sizeof(addr.sun_path), ifname);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

/* One for the child, who is not to read keys: whatever it says there, the tunnel hides them. */
static int connect_for_child(const char *ifname)
{
	int fd = connect_uapi(ifname), r;

	if (fd < 0)
		return fd;
	r = ipc_limit_waiting(fd, HIDE_TIMEOUT_S);
	if (r == 0)
		r = uapi_socket_hide_keys(fd);
	if (r == 0)
		r = ipc_limit_waiting(fd, 0);
	if (r == 0)
		return fd;
	log_error("%s: cannot hide its keys: %s", ifname, strerror(-r));
	close(fd);
	return r;
}

static int connect_twice(const char *ifname, int ret_uapi[2])
{
	int first = connect_for_child(ifname), second;

	if (first < 0)
		return first;
	second = connect_for_child(ifname);
	if (second < 0) {
		close(first);
		return second;
	}
	ret_uapi[0] = first;
	ret_uapi[1] = second;
	return 0;
}

/* Whether the tunnel answers a request; what it answers does not matter. The socket is there before
 * the tunnel is ready, and is gone when it fails. */
static bool answers(const char *ifname, int timeout_ms)
{
	static const char get[] = "get=1\n\n";
	int fd = connect_uapi(ifname);
	struct pollfd answer = {.fd = fd, .events = POLLIN};
	char byte;
	bool ok;

	if (fd < 0)
		return false;
	ok = send(fd, get, sizeof(get) - 1, MSG_NOSIGNAL) == sizeof(get) - 1 &&
	     poll(&answer, 1, timeout_ms) > 0 && recv(fd, &byte, 1, 0) == 1;
	close(fd);
	return ok;
}

/* In the child: become `adit run IFNAME`, with nothing of ours but stderr, the log level, and whom
 * its roles become: to ask the name service for that takes calls that only its modules know. */
static _Noreturn void become_tunnel(
	const struct launcher *launcher, const char *ifname, pid_t parent)
{
	static char log_level[64], user[64], program[64];
	const char *level = getenv("LOG_LEVEL");
	char *environment[] = {log_level, user, NULL};
	char *argv[] = {launcher->program, (char[]){"run"}, (char *)(uintptr_t)ifname, NULL};
	int null = open("/dev/null", O_RDWR);
	sigset_t none;
	uid_t uid;
	gid_t gid;

	snprintf(log_level, sizeof(log_level), "LOG_LEVEL=%s", level ? level : "");
	sandbox_user(&uid, &gid);
	snprintf(user, sizeof(user), SANDBOX_ENV_USER "=%u:%u", uid, gid);
	snprintf(program, sizeof(program), "/proc/self/fd/%d", launcher->program_fd);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid(); /* what a terminal sends comes to us, and we pass it on */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() == parent && null >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
		dup2(null, STDOUT_FILENO) >= 0 &&
		close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) == 0) {
		execve(launcher->program, argv, environment);
		if (errno == EACCES) /* a script could not be read in this way */
			execve(program, argv, environment);
	}
	log_error("cannot start %s: %m", launcher->program);
	_exit(127);
}

static bool has_ended(struct tunnel *tunnel)
{
	if (tunnel->pid != 0 && waitpid(tunnel->pid, NULL, WNOHANG) == tunnel->pid)
		tunnel->pid = 0;
	return tunnel->pid == 0;
}

static void end_tunnel(struct tunnel *tunnel)
{
	uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + END_TIMEOUT_NS;

	if (tunnel->pid == 0)
		return;
	kill(tunnel->pid, SIGTERM);
	while (!has_ended(tunnel) && clock_ns(CLOCK_MONOTONIC) < until_ns)
		poll(NULL, 0, LOOK_INTERVAL_MS);
	if (tunnel->pid == 0)
		return;
	kill(tunnel->pid, SIGKILL); /* its children die with it */
	waitpid(tunnel->pid, NULL, 0);
	tunnel->pid = 0;
}

static int await_tunnel(struct tunnel *tunnel)
{
	uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + START_TIMEOUT_NS;

	while (clock_ns(CLOCK_MONOTONIC) < until_ns) {
		if (answers(tunnel->ifname, 1000))
			return 0;
		if (has_ended(tunnel))
			return -ECANCELED; /* it has said why */
		poll(NULL, 0, LOOK_INTERVAL_MS);
	}
	end_tunnel(tunnel);
	return -ETIMEDOUT;
}

/* --- all of them ----------------------------------------------------- */

static bool ifname_is_valid(const char ifname[IFNAMSIZ])
{
	size_t len = strnlen(ifname, IFNAMSIZ);

	return len > 0 && len < IFNAMSIZ &&
	       strspn(ifname, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			      "0123456789_-") == len &&
	       *ifname != '-';
}

static struct tunnel *find_tunnel(struct launcher *launcher, const char *ifname)
{
	for (size_t i = 0; i < MAX_TUNNELS; i++) {
		if (launcher->tunnels[i].pid != 0 &&
			strcmp(launcher->tunnels[i].ifname, ifname) == 0)
			return &launcher->tunnels[i];
	}
	return NULL;
}

static struct tunnel *find_free(struct launcher *launcher)
{
	for (size_t i = 0; i < MAX_TUNNELS; i++) {
		if (launcher->tunnels[i].pid == 0)
			return &launcher->tunnels[i];
	}
	return NULL;
}

static int start_tunnel(struct launcher *launcher, const char *ifname)
{
	struct tunnel *tunnel = find_free(launcher);
	pid_t parent = getpid(), pid;
	int fd;

	if (!tunnel)
		return -EMFILE;
	fd = connect_uapi(ifname); /* a tunnel of somebody else, perhaps in another namespace */
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || if_nametoindex(ifname) != 0)
		return -EBUSY;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_tunnel(launcher, ifname, parent);
	tunnel->pid = pid;
	memcpy(tunnel->ifname, ifname, strlen(ifname) + 1);
	return await_tunnel(tunnel);
}

int launcher_start(struct launcher *launcher, const char *ifname, int ret_uapi[2])
{
	int r = 0;

	if (strnlen(ifname, IFNAMSIZ) == IFNAMSIZ || !ifname_is_valid(ifname))
		return -EINVAL;
	if (!find_tunnel(launcher, ifname))
		r = start_tunnel(launcher, ifname);
	return r == 0 ? connect_twice(ifname, ret_uapi) : r;
}

void launcher_free(struct launcher *launcher)
{
	if (!launcher)
		return;
	for (size_t i = 0; i < MAX_TUNNELS; i++) {
		if (launcher->tunnels[i].pid != 0) /* all at once, then wait for each */
			kill(launcher->tunnels[i].pid, SIGTERM);
	}
	for (size_t i = 0; i < MAX_TUNNELS; i++)
		end_tunnel(&launcher->tunnels[i]);
	if (launcher->program_fd >= 0)
		close(launcher->program_fd);
	free(launcher->program);
	free(launcher);
}

bool launcher_take_ready(struct launcher *launcher)
{
	bool is_ready = launcher->is_ready;

	launcher->is_ready = false;
	return is_ready;
}

bool launcher_reaped(struct launcher *launcher, int pid, char ret_ifname[IFNAMSIZ])
{
	for (size_t i = 0; i < MAX_TUNNELS; i++) {
		struct tunnel *tunnel = &launcher->tunnels[i];

		if (tunnel->pid == 0 || tunnel->pid != pid)
			continue;
		tunnel->pid = 0;
		memcpy(ret_ifname, tunnel->ifname, IFNAMSIZ);
		return true;
	}
	return false;
}

/* --- the child ------------------------------------------------------- */

static int change_address(const struct launch_request *request)
{
	unsigned ifindex = if_nametoindex(request->ifname);
	int r;

	if (!prefix_is_valid(&request->address) || !prefix_is_private(&request->address))
		return -EINVAL;
	if (ifindex == 0)
		return -ENODEV;
	if (request->type == LAUNCH_REMOVE_ADDRESS)
		return link_remove_address(ifindex, &request->address);
	r = link_set_up(ifindex);
	return r == 0 ? link_add_address(ifindex, &request->address) : r;
}

/* -EPROTO: no honest child would ask this. */
static int obey(struct launcher *launcher, const struct launch_request *request, int ret_fds[2])
{
	struct tunnel *tunnel;

	if (request->type < LAUNCH_TUNNEL || request->type > LAUNCH_READY ||
		strnlen(request->ifname, IFNAMSIZ) == IFNAMSIZ)
		return -EPROTO;
	if (request->type == LAUNCH_READY) {
		launcher->is_ready = true;
		return 0;
	}
	if (!ifname_is_valid(request->ifname))
		return -EINVAL;
	if (request->type == LAUNCH_TUNNEL)
		return launcher_start(launcher, request->ifname, ret_fds);
	tunnel = find_tunnel(launcher, request->ifname);
	if (!tunnel)
		return -ENOENT;
	if (request->type != LAUNCH_END_TUNNEL)
		return change_address(request);
	end_tunnel(tunnel);
	return 0;
}

int launcher_serve(struct launcher *launcher, int fd)
{
	struct launch_request request;
	struct launch_reply reply;
	int fds[2] = {-1, -1};
	int r = ipc_try_receive(fd, &request, sizeof(request), NULL);

	if (r < 0)
		return r == -EAGAIN ? 0 : r;
	r = obey(launcher, &request, fds);
	if (r == -EPROTO)
		return r;
	reply.error = r;
	if (fds[0] < 0)
		return ipc_try_send(fd, &reply, sizeof(reply));
	r = ipc_try_send_fds(fd, &reply, sizeof(reply), fds, 2);
	close(fds[0]);
	close(fds[1]);
	return r;
}
