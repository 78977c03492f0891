/* SPDX-License-Identifier: MIT
 *
 * `adit-agent`: the privileged process, in the foreground for a service manager. It makes the
 * folders and the socket, starts the agent, and serves it as the launcher. When the agent dies it
 * is started again; tunnels go on meanwhile.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "overlay/agent/agent.h"
#include "overlay/launch/launch.h"
#include "privsep/drill.h"
#include "privsep/ipc.h"
#include "privsep/notify.h"

enum { AGAIN_MS = 1000, END_MS = 3000, BACKLOG = 16 };

static const struct role agent_role = {
	.name = "member", /* "adit-agent" is the program itself */
	.main = agent_main,
	.variables = {AGENT_ENV_CONFIG},
};

struct options {
	const char *state, *config, *socket, *program;
};

static const char usage[] =
	"Usage: adit-agent [OPTION]...\n"
	"Keep this machine a member of its overlay networks: those that `adit join' has joined,\n"
	"and those of /etc/adit/agent.d/*.conf.\n\n"
	"  --state DIR             what is known is kept there (/var/lib/adit)\n"
	"  --config-dir DIR        settings of networks (/etc/adit/agent.d)\n"
	"  --socket PATH           for the `adit' verbs (/run/adit/agent.sock)\n"
	"  --tunnel-program PATH   what runs tunnels (the `adit' beside this program)\n"
	"  --help, --version\n";

static volatile sig_atomic_t agent_pid;

/* The `adit` that was installed, or built, together with this program. */
static char *find_program(void)
{
	static char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - sizeof("/adit"));
	char *slash;

	if (len <= 0)
		return NULL;
	path[len] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return NULL;
	strcpy(slash, "/adit");
	return path;
}

/* Returns -1 to go on, or an exit code. */
static int parse_options(int argc, char *argv[], struct options *ret_options)
{
	static const struct option options[] = {{"state", required_argument, NULL, 's'},
		{"config-dir", required_argument, NULL, 'c'},
		{"socket", required_argument, NULL, 'k'},
		{"tunnel-program", required_argument, NULL, 't'}, {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'}, {0}};
	int option;

	while ((option = getopt_long(argc, argv, "hv", options, NULL)) != -1) {
		switch (option) {
		case 's':
			ret_options->state = optarg;
			break;
		case 'c':
			ret_options->config = optarg;
			break;
		case 'k':
			ret_options->socket = optarg;
			break;
		case 't':
			ret_options->program = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'v':
			puts("adit-agent " ADIT_VERSION);
			return 0;
		default:
			fputs(usage, stderr);
			return 1;
		}
	}
	if (optind == argc)
		return -1;
	fputs(usage, stderr);
	return 1;
}

/* The files in the folder may be those of the user that an earlier agent ran as. */
static int own_files(const char *path, uid_t uid, gid_t gid)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		int fd = openat(
			dirfd(dir), entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		struct stat status;

		if (fd < 0)
			continue;
		if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1 &&
			fchown(fd, uid, gid) < 0)
			log_error("%s: %m", entry->d_name);
		close(fd);
	}
	closedir(dir);
	return lchown(path, uid, gid) < 0 ? -errno : 0;
}

/* The folder of state, for the agent's user alone. On a disk that became read-only it can be read.
 */
static int open_state_dir(const char *path)
{
	struct stat status;
	uid_t uid;
	gid_t gid;
	int fd, r = 0;

	sandbox_user(&uid, &gid);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (lstat(path, &status) < 0 || status.st_uid != uid || status.st_gid != gid)
		r = own_files(path, uid, gid);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Everybody may connect: the agent looks at who it is. Returns the socket or a negative errno. */
static int listen_on(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r = 0;

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(addr.sun_path)) {
		close(fd);
		return -ENAMETOOLONG;
	}
	strcpy(addr.sun_path, path);
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0) {
		close(fd);
		return -EADDRINUSE;
	}
	(void)unlink(path);
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 || chmod(path, 0666) < 0 ||
		listen(fd, BACKLOG) < 0) {
		r = -errno;
		close(fd);
	}
	return r < 0 ? r : fd;
}

static void make_parent(const char *path)
{
	char dir[4096];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash && slash != dir) {
		*slash = '\0';
		(void)mkdir(dir, 0755);
	}
}

/* What every agent gets anew. */
struct agent_files {
	int listen_fd, state_fd;
};

/* Returns the launcher's end of its socket, or a negative errno. */
static int start_agent(const struct agent_files *files)
{
	int ends[2], r = ipc_pair(ends), fds[AGENT_NUM_FDS];

	if (r < 0)
		return r;
	fds[AGENT_FD_LAUNCHER - ROLE_FIRST_FD] = ends[1];
	fds[AGENT_FD_CONTROL - ROLE_FIRST_FD] = files->listen_fd;
	fds[AGENT_FD_STATE - ROLE_FIRST_FD] = files->state_fd;
	r = role_start(&agent_role, "agent", fds, AGENT_NUM_FDS);
	close(ends[1]);
	if (r < 0) {
		close(ends[0]);
		return r;
	}
	agent_pid = r;
	return ends[0];
}

static int open_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void reap(struct launcher *launcher)
{
	char ifname[IFNAMSIZ];
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == agent_pid && WIFSIGNALED(status))
			log_error("the agent died (signal %d, %s)", WTERMSIG(status),
				role_death(WTERMSIG(status)));
		else if (pid == agent_pid && WEXITSTATUS(status) != 0)
			log_error("the agent ended (status %d)", WEXITSTATUS(status));
		if (pid == agent_pid)
			agent_pid = 0;
		else if (launcher_reaped(launcher, pid, ifname))
			log_error("%s: the tunnel ended", ifname);
	}
}

/* Returns whether to end. */
static bool take_signals(int signal_fd, struct launcher *launcher)
{
	struct signalfd_siginfo info;
	bool ends = false;

	while (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGCHLD)
			ends = true;
	}
	reap(launcher);
	return ends;
}

/* The agent saves what it knows when its socket closes; then the tunnels end. */
static void end(int agent_fd, struct launcher *launcher)
{
	uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + END_MS * MSEC_NS;

	if (agent_fd >= 0)
		close(agent_fd);
	while (agent_pid > 0 && clock_ns(CLOCK_MONOTONIC) < until_ns) {
		poll(NULL, 0, 5);
		reap(launcher);
	}
	launcher_free(launcher);
}

static void serve(const struct agent_files *files, int signal_fd, struct launcher *launcher)
{
	int agent_fd = start_agent(files);
	bool ends = false;

	while (!ends) {
		struct pollfd fds[] = {
			{.fd = signal_fd, .events = POLLIN}, {.fd = agent_fd, .events = POLLIN}};

		if (agent_fd < 0)
			log_error("the agent does not run; it is started again");
		if (poll(fds, 2, agent_fd < 0 ? AGAIN_MS : -1) < 0 && errno != EINTR)
			break;
		if (fds[0].revents)
			ends = take_signals(signal_fd, launcher);
		if (agent_fd >= 0 && fds[1].revents && launcher_serve(launcher, agent_fd) < 0) {
			close(agent_fd);
			if (agent_pid > 0)
				kill((pid_t)agent_pid, SIGKILL); /* it has misbehaved */
			agent_fd = -1;
		} else if (agent_fd < 0 && agent_pid == 0 && !ends) {
			agent_fd = start_agent(files);
		}
	}
	end(agent_fd, launcher);
}

static int fail(const char *what, int error)
{
	log_error("%s: %s", what,
		error == -EADDRINUSE ? "another agent serves it" : strerror(-error));
	return 1;
}

int main(int argc, char *argv[])
{
	struct options options = {.state = "/var/lib/adit",
		.config = "/etc/adit/agent.d",
		.socket = "/run/adit/agent.sock",
		.program = find_program()};
	struct agent_files files;
	struct launcher *launcher;
	int r, signal_fd;

	role_main(&agent_role, 1, argc, argv);
	r = parse_options(argc, argv, &options);
	if (r >= 0)
		return r;
	log_set_prefix("adit-agent");
	log_set_level(log_level_from_text(getenv("LOG_LEVEL")));
	if (geteuid() != 0 || !options.program)
		return fail("only root may make interfaces", -EPERM);
	sandbox_choose_user();
	files.state_fd = open_state_dir(options.state);
	if (files.state_fd < 0)
		return fail(options.state, files.state_fd);
	if (setenv(AGENT_ENV_CONFIG, options.config, 1) < 0)
		return fail("cannot start", -errno);
	launcher = launcher_new(options.program);
	if (!launcher)
		return fail("cannot start", -ENOMEM);
	signal_fd = open_signals();
	if (signal_fd < 0)
		return fail("cannot start", -errno);
	make_parent(options.socket);
	files.listen_fd = listen_on(options.socket);
	if (files.listen_fd < 0)
		return fail(options.socket, files.listen_fd);
	drill_arm("launcher");
	launcher_enter_sandbox(options.socket, options.state);
	notify_ready();
	serve(&files, signal_fd, launcher);
	(void)unlink(options.socket);
	return 0;
}
