/* SPDX-License-Identifier: MIT
 *
 * What a role must not do, it dies of. Every case is a process that enters the sandbox and then
 * makes one system call.
 */
#include "tunnel/roles.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "machine.h"

/* Newer architectures have only calls with a directory, and with a signal mask. */
#ifdef SYS_unlink
#define UNLINK SYS_unlink, (long)""
#else
#define UNLINK SYS_unlinkat, AT_FDCWD, (long)""
#endif
#ifdef SYS_poll
#define POLL SYS_poll, 0, 0, 0
#else
static const struct timespec no_time;
#define POLL SYS_ppoll, 0, 0, (long)&no_time, 0
#endif

enum { FINE = 42 };

static const char path[] = "/etc/passwd";

static void enter(enum tunnel_role role)
{
	struct sandbox sandbox = tunnel_roles[role].sandbox;

	if (sandbox.removable_dir)
		sandbox.removable_dir = "/tmp"; /* the real one may not be there */
	sandbox_enter(&sandbox);
}

/* The status with which a process ends that enters the sandbox and makes this call. */
static int status_after(enum tunnel_role role, const long call[7])
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		enter(role);
		syscall(call[0], call[1], call[2], call[3], call[4], call[5], call[6]);
		_exit(FINE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool dies(enum tunnel_role role, const long call[7])
{
	int status = status_after(role, call);

	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static void nobody_may_do_these(void **state)
{
	static const struct {
		const char *name;
		long call[7];
	} rows[] = {
#ifdef SYS_open /* newer architectures have none of these */
		{"open", {SYS_open, (long)path, O_RDONLY}},
		{"creat", {SYS_creat, (long)path, 0600}},
		{"stat", {SYS_stat, (long)path, 0}},
		{"readlink", {SYS_readlink, (long)path, 0, 0}},
		{"fork", {SYS_fork}},
		{"vfork", {SYS_vfork}},
		{"pipe", {SYS_pipe, 0}},
#endif
		{"openat", {SYS_openat, AT_FDCWD, (long)path, O_RDONLY}},
		{"openat2", {SYS_openat2, AT_FDCWD, (long)path}},
		{"getdents64", {SYS_getdents64, 0, 0, 0}},
		{"clone", {SYS_clone, SIGCHLD}},
		{"clone3", {SYS_clone3}},
		{"execve", {SYS_execve, (long)path, 0, 0}},
		{"execveat", {SYS_execveat, AT_FDCWD, (long)path}},
		{"ptrace", {SYS_ptrace, PTRACE_TRACEME}},
		{"process_vm_readv", {SYS_process_vm_readv, 1}},
		{"process_vm_writev", {SYS_process_vm_writev, 1}},
		{"pidfd_open", {SYS_pidfd_open, 1}},
		{"pidfd_getfd", {SYS_pidfd_getfd, 0, 0}},
		{"kill", {SYS_kill, 0, 0}},
		{"tgkill", {SYS_tgkill, 0, 0, 0}},
		{"mprotect", {SYS_mprotect, 0, 0, PROT_EXEC}},
		{"mmap to execute", {MMAP_CALL, 0, 4096, PROT_READ | PROT_EXEC,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1}},
		{"munlock", {SYS_munlock, 0, 0}},
		{"munlockall", {SYS_munlockall}},
		{"prctl", {SYS_prctl, PR_SET_DUMPABLE, 1}},
		{"setuid", {SYS_setuid, 0}},
		{"setresuid", {SYS_setresuid, 0, 0, 0}},
		{"capset", {SYS_capset, 0, 0}},
		{"setrlimit", {SYS_setrlimit, 0, 0}},
		{"prlimit64", {SYS_prlimit64, 0, 0, 0, 0}},
		{"chroot", {SYS_chroot, (long)"/"}},
		{"chdir", {SYS_chdir, (long)"/"}},
		{"mount", {SYS_mount, 0, 0, 0, 0, 0}},
		{"unshare", {SYS_unshare, CLONE_NEWUSER}},
		{"setns", {SYS_setns, 0, 0}},
		{"bpf", {SYS_bpf, 0, 0, 0}},
		{"io_uring_setup", {SYS_io_uring_setup, 1, 0}},
		{"userfaultfd", {SYS_userfaultfd, 0}},
		{"perf_event_open", {SYS_perf_event_open, 0}},
		{"keyctl", {SYS_keyctl, 0}},
		{"memfd_create", {SYS_memfd_create, (long)"x", 0}},
		{"socketpair", {SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, 0}},
		{"listen", {SYS_listen, 0, 0}},
		{"connect", {SYS_connect, -1, 0, 0}},
		{"fcntl", {SYS_fcntl, -1, F_GETFD}},
		{"type into a terminal", {SYS_ioctl, -1, TIOCSTI, 0}},
		{"open a packet socket", {SYS_socket, AF_PACKET, SOCK_RAW, 0}},
		{"dup", {SYS_dup, 0}},
		{"pipe2", {SYS_pipe2, 0, 0}},
		{"reboot", {SYS_reboot, 0, 0, 0}},
		{"init_module", {SYS_init_module, 0, 0, 0}},
		{"settimeofday", {SYS_settimeofday, 0, 0}},
		{"clock_settime", {SYS_clock_settime, 0, 0}},
		{"an unknown call", {5000}},
		{"an x32 call", {0x40000000 + SYS_getpid}},
	};

	(void)state;
	for (int role = 0; role < ROLE_NUM; role++) {
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			if (!dies((enum tunnel_role)role, rows[i].call))
				fail_msg("the %s may %s", tunnel_roles[role].name, rows[i].name);
		}
	}
}

static void the_monitor_alone_may_do_these(void **state)
{
	static const long rows[][7] = {{SYS_socket, AF_INET, SOCK_DGRAM, 0}, {SYS_bind, -1, 0, 0},
		{SYS_accept4, -1, 0, 0, 0}, {SYS_setsockopt, -1, 0, 0, 0, 0},
		{SYS_ioctl, -1, SIOCGIFINDEX, 0}, {UNLINK}, {SYS_wait4, -1, 0, WNOHANG, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int status = status_after(ROLE_MONITOR, rows[i]);

		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == FINE);
		assert_true(dies(ROLE_VAULT, rows[i]));
		assert_true(dies(ROLE_ENGINE, rows[i]));
		assert_true(dies(ROLE_DATAPATH, rows[i]));
	}
}

/* What a process needs to go on. Without this the tests above would pass in a sandbox in which
 * nothing is allowed. */
static void everybody_may_do_these(void **state)
{
	static const long rows[][7] = {{SYS_getrandom, 0, 0, 0}, {SYS_read, -1, 0, 0},
		{SYS_write, -1, 0, 0}, {SYS_sendmsg, -1, 0, 0}, {SYS_recvmsg, -1, 0, 0}, {POLL},
		{SYS_brk, 0}, {SYS_clock_gettime, CLOCK_BOOTTIME, 0},
		{MMAP_CALL, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1}};

	(void)state;
	for (int role = 0; role < ROLE_NUM; role++) {
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			int status = status_after((enum tunnel_role)role, rows[i]);

			assert_true(WIFEXITED(status) && WEXITSTATUS(status) == FINE);
		}
	}
}

#ifdef __x86_64__
/* The 32-bit entry has other numbers for the calls, and would pass by a filter that only knows
 * ours. */
static void the_other_entry_is_closed(void **state)
{
	(void)state;
	for (int role = 0; role < ROLE_NUM; role++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			long result = 20; /* getpid, and writev among ours */

			enter((enum tunnel_role)role);
			__asm__ volatile("int $0x80" : "+a"(result) : : "memory");
			_exit(FINE);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		/* SIGSEGV: a kernel without that entry */
		assert_true(WIFSIGNALED(status));
	}
}
#endif

static int setup(void **state)
{
	(void)state;
	return sandbox_prepare();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_may_do_these),
		cmocka_unit_test(the_monitor_alone_may_do_these),
		cmocka_unit_test(everybody_may_do_these),
#ifdef __x86_64__
		cmocka_unit_test(the_other_entry_is_closed),
#endif
	};

	if (geteuid() != 0 || SANITIZED)
		return 77; /* meson's "skipped": it needs root, and filters */
	return cmocka_run_group_tests(tests, setup, NULL);
}
