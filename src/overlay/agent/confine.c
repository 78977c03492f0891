/* SPDX-License-Identifier: MIT
 *
 * What the agent gives up. privsep/sandbox.c is for processes that need no file and no name
 * service; this one needs both, and CAP_NET_ADMIN for nftables.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "overlay/agent/agent.h"
#include "privsep/landlock.h"

/* The loop and the state folder; libcurl's and the name service's connections; libnftables; what
 * modules of the name service do besides (mdns, resolve, myhostname). */
static const int calls[] = {
	/* files */
	SCMP_SYS(openat), SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
	SCMP_SYS(fstatfs), SCMP_SYS(lseek), SCMP_SYS(pread64), SCMP_SYS(readv), SCMP_SYS(writev),
	SCMP_SYS(fsync), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(unlinkat),
	SCMP_SYS(getdents64), SCMP_SYS(fcntl), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(readlinkat), SCMP_SYS(getcwd),
#ifdef __NR_open /* newer architectures have only those with a directory */
	SCMP_SYS(open), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(access), SCMP_SYS(readlink),
#endif
	/* connections */
	SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(accept4), SCMP_SYS(sendto), SCMP_SYS(recvfrom),
	SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg), SCMP_SYS(shutdown), SCMP_SYS(setsockopt),
	SCMP_SYS(getsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait), SCMP_SYS(pselect6),
#ifdef __NR_epoll_wait
	SCMP_SYS(epoll_wait), SCMP_SYS(select),
#endif
	SCMP_SYS(pipe2), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
	SCMP_SYS(dup),
	/* itself and time */
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
	SCMP_SYS(getegid), SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(getrusage),
	SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday),
#ifdef __NR_time
	SCMP_SYS(time),
#endif
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask)};

/* No raw sockets and none for packets; memory of allocators and of threads, never to be executed.
 */
static const struct sandbox_exception exceptions[] = {{SCMP_SYS(socket), 0, AF_UNIX},
	{SCMP_SYS(socket), 0, AF_INET}, {SCMP_SYS(socket), 0, AF_INET6},
	{SCMP_SYS(socket), 0, AF_NETLINK}, {SCMP_SYS(socketpair), 0, AF_UNIX},
	{SCMP_SYS(ioctl), 1, SIOCGIFINDEX}, {SCMP_SYS(ioctl), 1, SIOCGIFNAME},
	{SCMP_SYS(ioctl), 1, FIONREAD}, {SCMP_SYS(ioctl), 1, FIONBIO},
	{SCMP_SYS(mprotect), 2, PROT_READ | PROT_WRITE}, {SCMP_SYS(mprotect), 2, PROT_READ},
	{SCMP_SYS(mprotect), 2, PROT_NONE}};

/* A network has its tunnel's two, a stream, and what it asks its hub meanwhile; then the verbs'
 * connections, and what a name's resolution opens. */
enum { MAX_DESCRIPTORS = 8 * AGENT_NETWORKS_MAX + 128 };

static const struct sandbox sandbox = {.may_start_threads = true,
	.calls = calls,
	.num_calls = ARRAY_SIZE(calls),
	.exceptions = exceptions,
	.num_exceptions = ARRAY_SIZE(exceptions)};

static void must(long result, const char *what)
{
	if (result < 0)
		role_fail(what, -errno);
}

static void change_user(void)
{
	uid_t uid;
	gid_t gid;

	sandbox_user(&uid, &gid);
	sandbox_bound_capabilities(0);
	must(prctl(PR_SET_KEEPCAPS, 1), "PR_SET_KEEPCAPS");
	must(setgroups(0, NULL), "setgroups");
	must(setresgid(gid, gid, gid), "setresgid");
	must(setresuid(uid, uid, uid), "setresuid");
	sandbox_keep_capabilities(UINT32_C(1) << CAP_NET_ADMIN);
	must(prctl(PR_SET_PDEATHSIG, SIGKILL), "PR_SET_PDEATHSIG"); /* cleared by the change */
	sandbox_limit(RLIMIT_CORE, 0, "RLIMIT_CORE");
	sandbox_limit(RLIMIT_NOFILE, MAX_DESCRIPTORS, "RLIMIT_NOFILE");
	must(prctl(PR_SET_DUMPABLE, 0), "PR_SET_DUMPABLE");
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
}

static void allow(const struct landlock *landlock, int fd, uint64_t accesses)
{
	int r = landlock_allow(landlock, fd, accesses);

	if (r < 0)
		role_fail("Landlock", r);
}

/* The name service: its settings, and modules that it loads. */
static void limit_files(void)
{
	static const char *const readable[] = {"/etc", "/run/systemd/resolve", "/run/resolvconf",
		"/run/NetworkManager", "/usr", "/lib", "/lib64"};
	struct landlock landlock;

	if (!landlock_begin(&landlock, LANDLOCK_ALL))
		return;
	allow(&landlock, AGENT_FD_STATE,
		LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
			LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
			LANDLOCK_ACCESS_FS_MAKE_REG);
	for (size_t i = 0; i < ARRAY_SIZE(readable); i++) {
		int fd = open(readable[i], O_PATH | O_CLOEXEC);

		if (fd < 0)
			continue;
		allow(&landlock, fd, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
		close(fd);
	}
	landlock_enter(&landlock);
}

/* Later nothing can be loaded: it would have to be executable. Modules that are named afterwards
 * are there when the agent was killed for them, and started again. */
static void load_name_service(void)
{
	FILE *file = fopen("/etc/nsswitch.conf", "re");
	char line[512], library[64], *rest, *word;

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "hosts:", 6) != 0)
			continue;
		rest = line + 6;
		while ((word = strsep(&rest, " \t\n"))) {
			if (*word == '\0' || *word == '[' || strchr(word, '/'))
				continue;
			snprintf(library, sizeof(library), "libnss_%s.so.2", word);
			(void)dlopen(library, RTLD_NOW); /* some are within the C library */
		}
	}
	if (file)
		fclose(file);
}

void agent_confine(void)
{
	load_name_service();
	sandbox_lock_memory();
	change_user();
	limit_files();
	sandbox_limit_calls(&sandbox);
}
