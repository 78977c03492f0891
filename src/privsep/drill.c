/* SPDX-License-Identifier: MIT
 *
 * Attacks: one system call each, with arguments that a process with all rights succeeds with.
 */
#include "privsep/drill.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"

#define SECRET_FILE "/etc/shadow"
#define OWN_FILE "/run/adit/drill" /* the test's */

enum { MAX_DESCRIPTORS = 1024 };

static char page[4096] __attribute__((__aligned__(4096)));

static long attack_openat(int number)
{
	(void)number;
	return syscall(SYS_openat, AT_FDCWD, SECRET_FILE, O_RDONLY);
}

static long attack_open(int number)
{
#ifdef SYS_open
	(void)number;
	return syscall(SYS_open, SECRET_FILE, O_RDONLY);
#else
	return attack_openat(number);
#endif
}

static long attack_create(int number)
{
	(void)number;
	return syscall(SYS_openat, AT_FDCWD, OWN_FILE, O_WRONLY | O_CREAT, 0600);
}

static long attack_remove(int number)
{
	(void)number;
#ifdef SYS_unlink
	return syscall(SYS_unlink, OWN_FILE);
#else
	return syscall(SYS_unlinkat, AT_FDCWD, OWN_FILE, 0);
#endif
}

/* Who executes the file would be whose it is. */
static long attack_set_user_id(int number)
{
	(void)number;
	return syscall(SYS_fchmod, STDERR_FILENO, S_ISUID | S_IRUSR | S_IWUSR);
}

static long attack_proc_mem(int number)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/mem", number);
	return syscall(SYS_openat, AT_FDCWD, path, O_RDWR);
}

static long attack_socket_inet(int number)
{
	(void)number;
	return syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0);
}

static long attack_socket_unix(int number)
{
	(void)number;
	return syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
}

static long attack_socket_netlink(int number)
{
	(void)number;
	return syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0);
}

static long attack_socket_packet(int number)
{
	(void)number;
	return syscall(SYS_socket, AF_PACKET, SOCK_RAW, 0);
}

static long attack_socket_raw(int number)
{
	(void)number;
	return syscall(SYS_socket, AF_INET, SOCK_RAW, 1);
}

static long attack_socketpair(int number)
{
	int ends[2];

	(void)number;
	return syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ends);
}

static long attack_execve(int number)
{
	char *const none[] = {NULL};

	(void)number;
	return syscall(SYS_execve, "/bin/true", none, none);
}

static long attack_clone(int number)
{
	long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	(void)number;
	if (pid == 0)
		_exit(0);
	return pid;
}

static long attack_ptrace(int number)
{
	return syscall(SYS_ptrace, PTRACE_SEIZE, number, 0, 0);
}

static long attack_kill(int number)
{
	return syscall(SYS_kill, number, SIGCONT);
}

static long attack_pidfd(int number)
{
	return syscall(SYS_pidfd_open, number, 0);
}

static long attack_read_memory(int number)
{
	struct iovec iov = {page, sizeof(page)};

	return syscall(SYS_process_vm_readv, number, &iov, 1, &iov, 1, 0);
}

static long attack_write_memory(int number)
{
	struct iovec iov = {page, sizeof(page)};

	return syscall(SYS_process_vm_writev, number, &iov, 1, &iov, 1, 0);
}

static long attack_mmap_exec(int number)
{
	(void)number;
	return mmap(NULL, sizeof(page), PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		       ? -1
		       : 0;
}

static long attack_mprotect_exec(int number)
{
	(void)number;
	return syscall(SYS_mprotect, page, sizeof(page), PROT_READ | PROT_EXEC);
}

static long attack_memfd(int number)
{
	(void)number;
	return syscall(SYS_memfd_create, "drill", 0);
}

static long attack_setuid(int number)
{
	(void)number;
	return syscall(SYS_setuid, 0);
}

static long attack_capset(int number)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct data[2] = {
		{.effective = 1U << CAP_NET_ADMIN, .permitted = 1U << CAP_NET_ADMIN}};

	(void)number;
	return syscall(SYS_capset, &header, data);
}

static long attack_chroot(int number)
{
	(void)number;
	return syscall(SYS_chroot, "/");
}

/* Where it does no harm: there is no such place. */
static long attack_mount(int number)
{
	(void)number;
	return syscall(SYS_mount, "none", "/run/adit/nowhere", "tmpfs", 0, NULL);
}

static long attack_unshare(int number)
{
	(void)number;
	return syscall(SYS_unshare, CLONE_NEWNS | CLONE_NEWNET);
}

static long attack_dumpable(int number)
{
	(void)number;
	return syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long attack_limits(int number)
{
	const struct rlimit more = {64, 64};

	(void)number;
	return syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &more, NULL);
}

static long attack_munlockall(int number)
{
	(void)number;
	return syscall(SYS_munlockall);
}

static long attack_bpf(int number)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	(void)number;
	return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

static long attack_perf(int number)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK};

	(void)number;
	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static long attack_io_uring(int number)
{
	struct io_uring_params params = {0};

	(void)number;
	return syscall(SYS_io_uring_setup, 1, &params);
}

static long attack_keyctl(int number)
{
	(void)number;
	return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1);
}

static long attack_userfaultfd(int number)
{
	(void)number;
	return syscall(SYS_userfaultfd, O_CLOEXEC);
}

static long attack_dup(int number)
{
	(void)number;
	return syscall(SYS_dup, STDERR_FILENO);
}

/* All descriptors from this one on: how many can be read or written. */
static long attack_descriptors(int number)
{
	long num = 0;

	for (int fd = number; fd < MAX_DESCRIPTORS; fd++) {
		num += read(fd, page, 0) >= 0 || errno != EBADF;
		num += write(fd, page, 0) >= 0 || errno != EBADF;
	}
	return num;
}

static const struct attack {
	const char *name;
	long (*make)(int number); /* returns as a system call does */
} attacks[] = {
	{"open", attack_open},
	{"openat", attack_openat},
	{"create", attack_create},
	{"remove", attack_remove},
	{"set-user-id", attack_set_user_id},
	{"proc-mem", attack_proc_mem},
	{"socket-inet", attack_socket_inet},
	{"socket-unix", attack_socket_unix},
	{"socket-netlink", attack_socket_netlink},
	{"socket-packet", attack_socket_packet},
	{"socket-raw", attack_socket_raw},
	{"socketpair", attack_socketpair},
	{"execve", attack_execve},
	{"clone", attack_clone},
	{"ptrace", attack_ptrace},
	{"kill", attack_kill},
	{"pidfd", attack_pidfd},
	{"read-memory", attack_read_memory},
	{"write-memory", attack_write_memory},
	{"mmap-exec", attack_mmap_exec},
	{"mprotect-exec", attack_mprotect_exec},
	{"memfd", attack_memfd},
	{"setuid", attack_setuid},
	{"capset", attack_capset},
	{"chroot", attack_chroot},
	{"mount", attack_mount},
	{"unshare", attack_unshare},
	{"dumpable", attack_dumpable},
	{"limits", attack_limits},
	{"munlockall", attack_munlockall},
	{"bpf", attack_bpf},
	{"perf", attack_perf},
	{"io-uring", attack_io_uring},
	{"keyctl", attack_keyctl},
	{"userfaultfd", attack_userfaultfd},
	{"dup", attack_dup},
	{"descriptors", attack_descriptors},
};

static const struct attack *armed;

static void say(const char *text)
{
	(void)!write(STDERR_FILENO, text, strlen(text));
}

static void make_attack(int signal, siginfo_t *info, void *context)
{
	int saved_errno = errno;
	char text[64];
	long result;

	(void)signal;
	(void)context;
	snprintf(text, sizeof(text), "drill: %s: tried\n", armed->name);
	say(text);
	result = armed->make(info->si_value.sival_int);
	snprintf(text, sizeof(text), "drill: %s: %ld\n", armed->name, result < 0 ? -errno : result);
	say(text);
	errno = saved_errno;
}

/* A child's exit status says how it went; whatever it became is gone with it. */
static void make_all_in_children(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
		char text[64];
		int status;
		pid_t parent = getpid(), pid = fork();

		if (pid == 0)
			_exit(attacks[i].make(parent) < 0 ? errno : 0);
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			continue;
		snprintf(text, sizeof(text), "drill: %s: control %d\n", attacks[i].name,
			WIFEXITED(status) ? WEXITSTATUS(status) : -1);
		say(text);
	}
}

void drill_arm(const char *role)
{
	const struct sigaction action = {
		.sa_sigaction = make_attack, .sa_flags = SA_SIGINFO | SA_RESTART};
	const char *text = getenv(DRILL_ENV);
	size_t len = strlen(role);

	if (!text || strncmp(text, role, len) != 0 || text[len] != ':')
		return;
	text += len + 1;
	if (strcmp(text, "control") == 0)
		make_all_in_children();
	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
		if (strcmp(text, attacks[i].name) == 0)
			armed = &attacks[i];
	}
	if (armed)
		sigaction(SIGUSR1, &action, NULL);
}
