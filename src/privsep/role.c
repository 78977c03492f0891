/* SPDX-License-Identifier: MIT
 *
 * Starting a role: fork, place its descriptors, exec ourselves. The name in argv[0] tells the new
 * process what it is, and a person who reads ps as well.
 */
#include "privsep/role.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/log.h"
#include "privsep/drill.h"

#define ARGV0_PREFIX "adit-"

/* What every role is told by the environment, and the tests' sanitizers. */
static const char *const variables[] = {
	"LOG_LEVEL",
	SANDBOX_ENV_USER,
	"ASAN_OPTIONS",
	"UBSAN_OPTIONS",
#ifdef ADIT_DRILLS
	DRILL_ENV,
	"ADIT_DRILL_ALLOC",
	"ADIT_DRILL_CLOCK",
	"ADIT_DRILL_SEND",
	"GLIBC_TUNABLES",
#endif
};

enum { MAX_VARIABLES = ARRAY_SIZE(variables) + ROLE_MAX_VARIABLES };

void role_fail(const char *what, int error)
{
	log_error("%s: %s", what, strerror(-error));
	_exit(1);
}

const char *role_death(int signal)
{
	return signal == SIGSYS ? "a forbidden system call" : strsignal(signal);
}

static noreturn void run(const struct role *role, const char *subject)
{
	char text[64];

	snprintf(text, sizeof(text), "adit: %s: %s", subject, role->name);
	log_set_prefix(text);
	log_set_level(log_level_from_text(getenv("LOG_LEVEL")));
	snprintf(text, sizeof(text), ARGV0_PREFIX "%s", role->name);
	prctl(PR_SET_NAME, text);
	drill_arm(role->name);
	role->main(subject);
	_exit(1);
}

void role_main(const struct role *roles, size_t num_roles, int argc, char *argv[])
{
	size_t prefix_len = strlen(ARGV0_PREFIX);

	if (argc != 2 || strncmp(argv[0], ARGV0_PREFIX, prefix_len) != 0)
		return;
	for (size_t i = 0; i < num_roles; i++) {
		if (strcmp(argv[0] + prefix_len, roles[i].name) == 0)
			run(&roles[i], argv[1]);
	}
}

/* The "name=value" of this process's environment, or NULL. */
static char *find_variable(const char *name)
{
	size_t len = strlen(name);

	for (char **variable = environ; *variable; variable++) {
		if (strncmp(*variable, name, len) == 0 && (*variable)[len] == '=')
			return *variable;
	}
	return NULL;
}

static void keep_environment(const struct role *role, char *ret_environment[MAX_VARIABLES + 1])
{
	size_t num = 0;

	for (size_t i = 0; i < MAX_VARIABLES; i++) {
		const char *name = i < ARRAY_SIZE(variables)
					   ? variables[i]
					   : role->variables[i - ARRAY_SIZE(variables)];

		ret_environment[num] = name ? find_variable(name) : NULL;
		num += ret_environment[num] != NULL;
	}
	ret_environment[num] = NULL;
}

/* A copy beyond all numbers that have a meaning, CLOEXEC. */
static int duplicate(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, ROLE_FIRST_FD + ROLE_MAX_FDS);

	if (copy < 0 && errno == EINVAL)
		errno = EMFILE; /* the limit is below that */
	return copy;
}

/* In the child: nothing but fds[] at 3… and stderr stays open. */
static int place_fds(const int *fds, unsigned num_fds)
{
	int high[ROLE_MAX_FDS];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct stat messages;

	null = null < 0 ? -1 : duplicate(null);
	if (null < 0 || num_fds > ROLE_MAX_FDS)
		return -1;
	/* out of the way first, so that no target overwrites a source */
	for (unsigned i = 0; i < num_fds; i++) {
		high[i] = duplicate(fds[i]);
		if (high[i] < 0)
			return -1;
	}
	for (unsigned i = 0; i < num_fds; i++) {
		if (dup2(high[i], ROLE_FIRST_FD + (int)i) < 0)
			return -1;
	}
	/* a terminal would let us read what is typed there; isatty() makes other calls in each libc
	 */
	if (fstat(STDERR_FILENO, &messages) == 0 && S_ISCHR(messages.st_mode)) {
		int terminal = open("/proc/self/fd/2", O_WRONLY | O_NOCTTY | O_CLOEXEC);

		if (terminal >= 0)
			dup2(terminal, STDERR_FILENO);
	}
	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		return -1;
	return close_range(ROLE_FIRST_FD + num_fds, ~0U, 0);
}

pid_t role_start(const struct role *role, const char *subject, const int *fds, unsigned num_fds)
{
	char argv0[32], name[32];
	char *argv[] = {argv0, name, NULL};
	char *environment[MAX_VARIABLES + 1];
	pid_t parent = getpid(), pid;
	sigset_t none;

	snprintf(argv0, sizeof(argv0), ARGV0_PREFIX "%s", role->name);
	snprintf(name, sizeof(name), "%s", subject);
	pid = fork();
	if (pid != 0)
		return pid < 0 ? -errno : pid;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGCHLD, SIG_DFL); /* ignored, it would not tell the role of a death */
	prctl(PR_SET_PDEATHSIG, role->handles_signals ? SIGTERM : SIGKILL);
	if (!role->handles_signals) {
		/* from a terminal or a service manager they come to all of us */
		signal(SIGTERM, SIG_IGN);
		signal(SIGINT, SIG_IGN);
	}
	if (getppid() == parent && place_fds(fds, num_fds) == 0) {
		keep_environment(role, environment);
		execve("/proc/self/exe", argv, environment);
	}
	log_error("cannot start the %s: %s", role->name, strerror(errno));
	_exit(127);
}
