/* SPDX-License-Identifier: MIT
 *
 * The launcher.
 */
#include "launcher.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "doubles.h"
#include "overlay/hub/roles.h"
#include "subject.h"
#include "tunnel.h"
#include "uapi_double.h"

enum { LIAR_TUNNEL = SURVIVOR_SERVER + 1 };

const struct launcher_liar launcher_liars[] = {{"vault-launcher", ROLE_VAULT},
	{"door-launcher", SURVIVOR_DOOR}, {"tunnel-launcher", LIAR_TUNNEL}};
const size_t num_launcher_liars = ARRAY_SIZE(launcher_liars);

bool launcher_has(unsigned liar, uint64_t number)
{
	if (liar != LIAR_TUNNEL)
		return doubles_has(liar, number);
	return uapi_double_has(UAPI_OF_LAUNCHER, number);
}

/* In its place. /srv is this program's own (fuzz.c). */
static noreturn void be_launcher(char *ifname)
{
	char program[4096];
	char *argv[] = {"run", "--tunnel-program", program, "--interface", ifname, "--host",
		"127.0.0.1", "--state", "/srv/launcher", "--socket", "/srv/admin", NULL};

	snprintf(program, sizeof(program), "%s", client_program(client_self));
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
	char ifname[IFNAMSIZ];
	const char *failure = "the launcher does not end";
	int saved, status, log_fd;
	pid_t pid;

	if (liar == LIAR_TUNNEL)
		uapi_double_name(ifname, UAPI_OF_LAUNCHER, number);
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
	uapi_double_remove(ifname);
	if (!tunnel_is_all_gone(ifname) && !failure)
		failure = "something is left of the hub";
	return failure;
}
