/* SPDX-License-Identifier: MIT
 *
 * What the hub's roles must not do, they die of. Every case is a process that enters a role's
 * sandbox and then makes one system call. (What they must do is in test_run.c and the hub's own
 * tests.)
 */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "overlay/hub/roles.h"
#include "machine.h"

enum { FINE = 42 };

static const char path[] = "/etc/passwd";

/* The table wants them; they are not run here. */
void hub_main(const char *subject)
{
	(void)subject;
	_exit(1);
}

/* In an own mount and directory; the status of the process after the call. */
static int status_after(enum hub_role role, const long call[7])
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		char dir[] = "/tmp/adit-test-sandbox-XXXXXX";

		if (!mkdtemp(dir) || chmod(dir, 0777) < 0 || chdir(dir) < 0 || rmdir(dir) < 0)
			_exit(1);
		sandbox_enter(&hub_roles[role].sandbox);
		syscall(call[0], call[1], call[2], call[3], call[4], call[5], call[6]);
		_exit(FINE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_calls(void **state)
{
	enum { DIES = 1, LIVES = 0 };
	const struct {
		const char *name;
		bool door_dies, server_dies;
		long call[7];
	} calls[] = {
		{"execve", DIES, DIES, {SYS_execve, (long)path}},
		{"fork", DIES, DIES, {SYS_clone, SIGCHLD}},
		{"socket", DIES, DIES, {SYS_socket, AF_INET, SOCK_STREAM}},
		{"socket unix", DIES, DIES, {SYS_socket, AF_UNIX, SOCK_STREAM}},
		{"connect", DIES, DIES, {SYS_connect, -1}},
		{"bind", DIES, DIES, {SYS_bind, -1}},
		{"listen", DIES, DIES, {SYS_listen, -1}},
		{"kill", DIES, DIES, {SYS_kill, 0, 0}},
		{"ptrace", DIES, DIES, {SYS_ptrace}},
		{"setuid", DIES, DIES, {SYS_setuid}},
		{"unshare", DIES, DIES, {SYS_unshare}},
		{"mount", DIES, DIES, {SYS_mount}},
		{"chroot", DIES, DIES, {SYS_chroot, (long)path}},
		{"symlink", DIES, DIES, {SYS_symlinkat, (long)path, AT_FDCWD, (long)"x"}},
		{"mkdir", DIES, DIES, {SYS_mkdirat, AT_FDCWD, (long)"x"}},
		{"code", DIES, DIES,
			{MMAP_CALL, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
				-1}},
		{"code, later", DIES, DIES, {SYS_mprotect, 0, 4096, PROT_READ | PROT_EXEC}},
		{"openat", DIES, LIVES, {SYS_openat, AT_FDCWD, (long)path}},
		{"accept4", DIES, LIVES, {SYS_accept4, -1}},
		{"fsync", DIES, LIVES, {SYS_fsync, -1}},
		{"memory", LIVES, LIVES,
			{MMAP_CALL, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1}},
	};

	(void)state;
	if (SANITIZED)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		for (enum hub_role role = 0; role < HUB_ROLE_NUM; role++) {
			int status = status_after(role, calls[i].call);
			bool dies =
				role == HUB_ROLE_DOOR ? calls[i].door_dies : calls[i].server_dies;

			if (dies ? !WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS
				 : !WIFEXITED(status) || WEXITSTATUS(status) != FINE)
				fail_msg("%s: %s: status %x", hub_roles[role].name, calls[i].name,
					status);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_calls)};

	if (geteuid() != 0)
		return 77; /* skipped */
	(void)!sandbox_prepare();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
