/* SPDX-License-Identifier: MIT
 *
 * Starting a role: fork, place its descriptors, exec ourselves. The name in argv[0] tells the new
 * process what it is, and a person who reads ps as well.
 */
#include "tunnel/role.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/aead.h"
#include "tunnel/run.h"
#include "tunnel/sandbox.h"

#define ARGV0_PREFIX "adit-"
#define ENV_USER "ADIT_USER"

enum { FIRST_FD = 3 };

static const char *const names[ROLE_NUM] = {
	[ROLE_MONITOR] = "monitor",
	[ROLE_VAULT] = "vault",
	[ROLE_ENGINE] = "engine",
	[ROLE_DATAPATH] = "datapath",
};

const char *role_name(enum role role)
{
	return names[role];
}

void role_fail(const char *what, int error)
{
	log_error("%s: %s", what, strerror(-error));
	_exit(1);
}

void role_init_crypto(void)
{
	int r = crypto_init();

	if (r < 0)
		role_fail("libcrypto lacks an algorithm", r);
}

static noreturn void run(enum role role, const char *ifname)
{
	char prefix[64];

	snprintf(prefix, sizeof(prefix), "adit: %s: %s", ifname, names[role]);
	log_set_prefix(prefix);
	log_set_level(log_level_from_text(getenv("LOG_LEVEL")));
	snprintf(prefix, sizeof(prefix), ARGV0_PREFIX "%s", names[role]);
	prctl(PR_SET_NAME, prefix);
	switch (role) {
	case ROLE_MONITOR:
		monitor_main(ifname);
	case ROLE_VAULT:
		vault_main();
	case ROLE_ENGINE:
		engine_main();
	case ROLE_DATAPATH:
		datapath_main();
	case ROLE_NUM:
		break;
	}
	_exit(1);
}

void role_main(int argc, char *argv[])
{
	size_t prefix_len = strlen(ARGV0_PREFIX);

	if (argc != 2 || strncmp(argv[0], ARGV0_PREFIX, prefix_len) != 0)
		return;
	for (int role = 0; role < ROLE_NUM; role++) {
		if (strcmp(argv[0] + prefix_len, names[role]) == 0)
			run((enum role)role, argv[1]);
	}
}

/* What a role is told by the environment; nothing else of it concerns a role. */
static const char *const kept_variables[] = {
	"LOG_LEVEL", RUN_ENV_TUN_FD, RUN_ENV_UAPI_FD, ENV_USER, "ASAN_OPTIONS", "UBSAN_OPTIONS"};

static void keep_environment(char *ret_environment[ARRAY_SIZE(kept_variables) + 1])
{
	size_t num = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kept_variables); i++) {
		size_t len = strlen(kept_variables[i]);

		for (char **variable = environ; *variable; variable++) {
			if (strncmp(*variable, kept_variables[i], len) == 0 &&
				(*variable)[len] == '=')
				ret_environment[num++] = *variable;
		}
	}
	ret_environment[num] = NULL;
}

struct sandbox_user role_user(void)
{
	const char *text = getenv(ENV_USER);
	struct sandbox_user user = {65534, 65534};

	if (text)
		sscanf(text, "%u:%u", &user.uid, &user.gid);
	return user;
}

void role_set_user(void)
{
	struct sandbox_user user = sandbox_find_user();
	char text[32];

	snprintf(text, sizeof(text), "%u:%u", user.uid, user.gid);
	setenv(ENV_USER, text, 1);
}

/* In the child: nothing but fds[] at 3… and stderr stays open. */
static int place_fds(const int *fds, unsigned num_fds)
{
	int high[16];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	null = null < 0 ? -1 : fcntl(null, F_DUPFD_CLOEXEC, FIRST_FD + 16);
	if (null < 0 || num_fds > 16)
		return -1;
	/* out of the way first, so that no target overwrites a source */
	for (unsigned i = 0; i < num_fds; i++) {
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST_FD + 16);
		if (high[i] < 0)
			return -1;
	}
	for (unsigned i = 0; i < num_fds; i++) {
		if (dup2(high[i], FIRST_FD + (int)i) < 0)
			return -1;
	}
	/* a terminal would let us read what is typed there */
	if (isatty(STDERR_FILENO)) {
		int terminal = open("/proc/self/fd/2", O_WRONLY | O_NOCTTY | O_CLOEXEC);

		if (terminal >= 0)
			dup2(terminal, STDERR_FILENO);
	}
	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		return -1;
	return close_range(FIRST_FD + num_fds, ~0U, 0);
}

pid_t role_start(enum role role, const char *ifname, const int *fds, unsigned num_fds)
{
	char argv0[32], name[32];
	char *argv[] = {argv0, name, NULL};
	char *environment[ARRAY_SIZE(kept_variables) + 1];
	pid_t parent = getpid(), pid;
	sigset_t none;

	snprintf(argv0, sizeof(argv0), ARGV0_PREFIX "%s", names[role]);
	snprintf(name, sizeof(name), "%s", ifname);
	pid = fork();
	if (pid != 0)
		return pid < 0 ? -errno : pid;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGCHLD, SIG_DFL); /* ignored, it would not tell the monitor of a death */
	/* a monitor whose starter dies cleans up; the others have nothing to clean */
	prctl(PR_SET_PDEATHSIG, role == ROLE_MONITOR ? SIGTERM : SIGKILL);
	if (role != ROLE_MONITOR) {
		/* what is meant for all of us, from a terminal or a service manager, is the
		 * monitor's to handle */
		signal(SIGTERM, SIG_IGN);
		signal(SIGINT, SIG_IGN);
	}
	if (getppid() == parent && place_fds(fds, num_fds) == 0) {
		keep_environment(environment);
		execve("/proc/self/exe", argv, environment);
	}
	log_error("cannot start the %s: %s", names[role], strerror(errno));
	_exit(127);
}
