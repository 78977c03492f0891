/* SPDX-License-Identifier: MIT
 *
 * The starter: parent of the monitor, and all that is left to clean up if the monitor itself is
 * killed. It waits and does nothing else, and once the tunnel is up it can do nothing else.
 */
#include "tunnel/run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <net/if.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/number.h"
#include "config/uapi_socket.h"
#include "privsep/drill.h"
#include "privsep/memory.h"
#include "privsep/notify.h"
#include "tunnel/roles.h"
#include "tunnel/uapi.h"

static volatile sig_atomic_t monitor_pid;
static pid_t parent_pid; /* whose death is to end us; 0: nobody's */

/* The UAPI socket, known by its inode: later its name may be another tunnel's. */
static struct {
	char path[sizeof(UAPI_SOCKET_DIR UAPI_SOCKET_SUFFIX) + IFNAMSIZ];
	struct stat status; /* st_ino 0: there is none */
} uapi_file;

/* When it comes because our parent died, what died with that has yet to say goodbye: the kernel
 * closes its connections, and their last segments go through the tunnel. */
static void forward_signal(int signal)
{
	const struct timespec last_words = {.tv_nsec = 200 * MSEC_NS};
	int before = errno;

	if (parent_pid != 0 && getppid() != parent_pid)
		(void)nanosleep(&last_words, NULL);
	if (monitor_pid > 0)
		kill((pid_t)monitor_pid, signal);
	errno = before;
}

static bool name_is_valid(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < IFNAMSIZ && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       strspn(name,
		       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_=+.-") ==
		       len;
}

/* Descriptor number of an environment variable appended to fds; the variable gets its new place.
 * Returns false after an error message if that is no descriptor. */
static bool pass_fd(const char *variable, int *fds, unsigned *num_fds)
{
	const char *text = getenv(variable);
	char number[16];
	uint64_t fd;

	if (!text || !*text)
		return true;
	if (!number_from_text(text, strlen(text), INT_MAX, &fd) || fd <= STDERR_FILENO ||
		fcntl((int)fd, F_GETFD) < 0) {
		log_error("%s: \"%s\" is not an open descriptor greater than 2", variable, text);
		return false;
	}
	fds[*num_fds] = (int)fd;
	snprintf(number, sizeof(number), "%u", MONITOR_FD_READY + *num_fds);
	setenv(variable, number, 1);
	++*num_fds;
	return true;
}

/* What we inherited and do not need would stay open with us: a caller's pipe, the TUN device. */
static void close_others(int a, int b)
{
	unsigned low = (unsigned)(a < b ? a : b), high = (unsigned)(a < b ? b : a);

	if (low > STDERR_FILENO + 1)
		(void)close_range(STDERR_FILENO + 1, low - 1, 0);
	if (high > low + 1)
		(void)close_range(low + 1, high - 1, 0);
	(void)close_range(high + 1, ~0U, 0);
}

/* Returns the read end of the pipe that tells when the monitor is ready, or -1. */
static int start_monitor(const char *ifname)
{
	int ready[2], fds[3];
	unsigned num_fds = 1;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0) {
		log_error("cannot start the monitor: %m");
		return -1;
	}
	fds[0] = ready[1];
	if (!pass_fd(ROLES_ENV_TUN_FD, fds, &num_fds) || !pass_fd(ROLES_ENV_UAPI_FD, fds, &num_fds))
		return -1;
	pid = role_start(&tunnel_roles[ROLE_MONITOR], ifname, fds, num_fds);
	if (pid < 0) {
		log_error("cannot start the monitor: %s", strerror((int)-pid));
		return -1;
	}
	monitor_pid = pid;
	return ready[0];
}

static bool wait_ready(int fd)
{
	char byte;
	ssize_t n = read(fd, &byte, 1);

	close(fd);
	return n == 1;
}

static void find_uapi_file(const char *ifname)
{
	uapi_socket_path(uapi_file.path, sizeof(uapi_file.path), ifname);
	if (lstat(uapi_file.path, &uapi_file.status) < 0)
		uapi_file.status.st_ino = 0;
}

static void remove_uapi_file(void)
{
	struct stat now;

	if (lstat(uapi_file.path, &now) == 0 && now.st_ino == uapi_file.status.st_ino &&
		now.st_dev == uapi_file.status.st_dev)
		(void)unlink(uapi_file.path);
}

/* What is left to do: wait, pass signals on to the monitor, end what it may leave (processes of
 * another user, which takes a capability), and remove its file. */
static void enter_sandbox(void)
{
	static const int calls[] = {SCMP_SYS(waitid), SCMP_SYS(wait4), SCMP_SYS(getppid),
		SCMP_SYS(close), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep),
		SCMP_SYS(newfstatat), ROLES_REMOVE_FILE_CALL};
	const struct sandbox_exception exceptions[] = {{SCMP_SYS(kill), 0, (uint32_t)monitor_pid},
		{SCMP_SYS(kill), 0, (uint32_t)-monitor_pid}};

	sandbox_enter(&(const struct sandbox){.keeps_user = true,
		.has_no_secrets = true,
		.capabilities = UINT32_C(1) << CAP_KILL,
		.removable_dir = UAPI_SOCKET_DIR,
		.max_descriptors = STDERR_FILENO + 1,
		.calls = calls,
		.num_calls = ARRAY_SIZE(calls),
		.exceptions = exceptions,
		.num_exceptions = ARRAY_SIZE(exceptions)});
}

/* Wait for the monitor, and for its children should it leave any. Those are of another user, so
 * nobody but us may kill one that does not end by itself; they are in the monitor's process group,
 * whose number is nobody else's before the monitor is reaped. */
static int wait_end(void)
{
	int status, result = 1;
	siginfo_t child;

	while (waitid(P_ALL, 0, &child, WEXITED | WNOWAIT) == 0) {
		const bool is_monitor = child.si_pid == monitor_pid;

		if (is_monitor) {
			kill(-child.si_pid, SIGKILL);
			monitor_pid = 0; /* once it is reaped the number may be another's */
		}
		if (waitpid(child.si_pid, &status, 0) < 0 || !is_monitor)
			continue;
		if (WIFSIGNALED(status)) {
			log_error("the monitor died (signal %d, %s): the tunnel ends",
				WTERMSIG(status), role_death(WTERMSIG(status)));
		} else {
			result = WEXITSTATUS(status);
		}
	}
	return result;
}

/* Once the tunnel is up: say so, also on ready_fd if that is not -1. Returns its exit status. */
static int watch(const char *ifname, int ready_fd)
{
	int notify_fd = notify_open(), status;

	find_uapi_file(ifname);
	enter_sandbox();
	memory_rest();
	notify_ready_on(notify_fd);
	if (ready_fd >= 0) {
		(void)!write(ready_fd, "", 1);
		close(ready_fd);
	}
	status = wait_end();
	remove_uapi_file();
	return status;
}

/* When it did not come up. */
static int bury(const char *ifname, int ready_fd)
{
	int status;

	if (ready_fd >= 0)
		close(ready_fd);
	status = wait_end();
	uapi_remove_socket(ifname);
	return status;
}

static void take_signals(void)
{
	const struct sigaction forward = {.sa_handler = forward_signal, .sa_flags = SA_RESTART};
	int death_signal = 0;

	(void)prctl(PR_GET_PDEATHSIG, &death_signal);
	parent_pid = death_signal ? getppid() : 0;
	signal(SIGCHLD, SIG_DFL);
	sigaction(SIGTERM, &forward, NULL);
	sigaction(SIGINT, &forward, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Returns the tunnel's exit status; announces on ready_fd, if not -1, that it is usable. */
static int supervise(const char *ifname, int ready_fd)
{
	sigset_t signals, before;
	int fd;

	/* a launcher may execute us by a descriptor, whose number it was */
	prctl(PR_SET_NAME, "adit");
	take_signals();
	drill_arm("starter");
	sandbox_choose_user();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* a signal must not come before there is somebody to forward it to */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, &before);
	fd = start_monitor(ifname);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (fd < 0)
		return 1;
	close_others(fd, ready_fd < 0 ? fd : ready_fd);
	return wait_ready(fd) ? watch(ifname, ready_fd) : bury(ifname, ready_fd);
}

/* Leave the terminal. stderr stays if the user asked to hear more, as with wireguard-go, else it
 * goes to errors_fd as long as the starter reads there. */
static void detach(int errors_fd)
{
	const char *level = getenv("LOG_LEVEL");
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	(void)!chdir("/");
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (!level || !*level || strcmp(level, "silent") == 0)
		dup2(errors_fd, STDERR_FILENO);
}

/* Copy what the detached process complains of until it is ready or gone. */
static int await_detached(int ready_fd, int errors_fd)
{
	struct pollfd fds[] = {
		{.fd = errors_fd, .events = POLLIN}, {.fd = ready_fd, .events = POLLIN}};
	char buffer[1024];
	ssize_t n;

	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents && (n = read(errors_fd, buffer, sizeof(buffer))) > 0) {
			(void)!write(STDERR_FILENO, buffer, (size_t)n);
			continue;
		}
		if (fds[1].revents)
			return read(ready_fd, buffer, 1) == 1 ? 0 : 1;
		if (fds[0].revents)
			fds[0].fd = -1;
	}
}

static int run_detached(const char *ifname)
{
	int ready[2], errors[2];
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(errors, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		log_error("cannot detach: %m");
		return 1;
	}
	if (pid == 0) {
		/* once the starter is gone, writing to it must fail and not fill a pipe */
		close(ready[0]);
		close(errors[0]);
		detach(errors[1]);
		_exit(supervise(ifname, ready[1]));
	}
	close(ready[1]);
	close(errors[1]);
	return await_detached(ready[0], errors[0]);
}

/* Nothing we open may get the number of a standard descriptor, where messages would go to it. */
static bool open_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	return fd >= 0;
}

int run_tunnel(const char *ifname, bool foreground)
{
	char prefix[64];

	if (!open_standard_fds()) {
		log_error("/dev/null: %m");
		return 1;
	}

	if (!name_is_valid(ifname)) {
		log_error("\"%s\" cannot be an interface name: 1 to 15 letters, digits or _=+.-",
			ifname);
		return 1;
	}
	if (geteuid() != 0) {
		log_error("only root may create the interface %s", ifname);
		return 1;
	}
	snprintf(prefix, sizeof(prefix), "adit: %s", ifname);
	log_set_prefix(prefix);
	log_set_level(log_level_from_text(getenv("LOG_LEVEL")));
	return foreground ? supervise(ifname, -1) : run_detached(ifname);
}
