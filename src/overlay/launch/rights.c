/* SPDX-License-Identifier: MIT
 *
 * What a launcher keeps: what it does itself once everything is open, and what its children need,
 * at most, before they give up the rest by themselves. They inherit all of it: what is not here,
 * nothing that is started later can have.
 */
#include <libgen.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "config/uapi_socket.h"
#include "overlay/launch/launch.h"

#define CAPABILITY(number) (1U << (number))

/* Opening files of others (CAP_DAC_*), giving them away (CAP_CHOWN) and low ports are for the
 * start, before. */
enum {
	KEPT = CAPABILITY(
		       CAP_NET_ADMIN) |	 /* interfaces, addresses, nftables: also monitor, agent */
	       CAPABILITY(CAP_KILL) |	 /* to end children, who are another user: also starter */
	       CAPABILITY(CAP_SETUID) |	 /* children become that user … */
	       CAPABILITY(CAP_SETGID) |	 /* … and of no group */
	       CAPABILITY(CAP_SETPCAP) | /* children empty their bounding set */
	       CAPABILITY(CAP_SYS_CHROOT) | /* children change their root directory */
	       CAPABILITY(CAP_IPC_LOCK)	    /* children lock memory, if RLIMIT_MEMLOCK is low */
};

/* How the C library asks whether something is a terminal, since glibc 2.42; its headers have it for
 * those alone that do without <sys/ioctl.h>. */
#define TCGETS2_OF_GLIBC_2_42 ((uint32_t)_IOC(_IOC_READ, 'T', 0x2a, 44))

static const int calls[] = {
	/* processes: a program's start, waiting, giving up rights; namespaces are in none of it */
	SCMP_SYS(execve), SCMP_SYS(set_tid_address), SCMP_SYS(wait4), SCMP_SYS(waitid),
	SCMP_SYS(kill), SCMP_SYS(setsid), SCMP_SYS(setpgid), SCMP_SYS(getpid), SCMP_SYS(getppid),
	SCMP_SYS(gettid), SCMP_SYS(prctl), SCMP_SYS(seccomp), SCMP_SYS(landlock_create_ruleset),
	SCMP_SYS(landlock_add_rule), SCMP_SYS(landlock_restrict_self), SCMP_SYS(chroot),
	SCMP_SYS(setgroups), SCMP_SYS(setresgid), SCMP_SYS(setresuid), SCMP_SYS(setfsuid),
	SCMP_SYS(capget), SCMP_SYS(capset), SCMP_SYS(mlockall), SCMP_SYS(prlimit64),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_yield), SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
	SCMP_SYS(getegid), SCMP_SYS(getrusage), SCMP_SYS(sysinfo), SCMP_SYS(uname),
#ifdef __NR_arch_prctl
	SCMP_SYS(arch_prctl),
#endif
#ifdef __NR_set_thread_area
	SCMP_SYS(set_thread_area),
#endif
#ifdef __arm__
	SCMP_SYS(set_tls), SCMP_SYS(cacheflush),
#endif
	/* time */
	SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_getres),
	SCMP_SYS(gettimeofday),
#ifdef __NR_time
	SCMP_SYS(time),
#endif
	/* files */
	SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(fstat), SCMP_SYS(newfstatat),
	SCMP_SYS(statx), SCMP_SYS(fstatfs), SCMP_SYS(lseek), SCMP_SYS(pread64), SCMP_SYS(pwrite64),
	SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(fsync), SCMP_SYS(fdatasync),
	SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fcntl), SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(mkdirat),
	SCMP_SYS(unlinkat), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(chdir),
	SCMP_SYS(getcwd), SCMP_SYS(umask), SCMP_SYS(msync), SCMP_SYS(memfd_create), SCMP_SYS(dup),
	SCMP_SYS(dup3), SCMP_SYS(pipe2), SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch),
#ifdef __NR_open /* newer architectures have only those with a directory, or more arguments */
	SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(access), SCMP_SYS(readlink), SCMP_SYS(mkdir),
	SCMP_SYS(unlink), SCMP_SYS(rename), SCMP_SYS(dup2), SCMP_SYS(pipe), SCMP_SYS(epoll_wait),
	SCMP_SYS(select),
#endif
	/* connections and events */
	SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(connect), SCMP_SYS(accept), SCMP_SYS(accept4),
	SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg),
	SCMP_SYS(shutdown), SCMP_SYS(setsockopt), SCMP_SYS(getsockopt), SCMP_SYS(getsockname),
	SCMP_SYS(getpeername), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait),
	SCMP_SYS(pselect6), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
	SCMP_SYS(signalfd4)};

/* Neither packet sockets nor rare families; of a terminal, whether it is one. */
static const struct sandbox_exception exceptions[] = {{SCMP_SYS(socket), 0, AF_UNIX},
	{SCMP_SYS(socket), 0, AF_INET}, {SCMP_SYS(socket), 0, AF_INET6},
	{SCMP_SYS(socket), 0, AF_NETLINK}, {SCMP_SYS(socketpair), 0, AF_UNIX},
	{SCMP_SYS(ioctl), 1, TCGETS}, {SCMP_SYS(ioctl), 1, TCGETS2_OF_GLIBC_2_42},
	{SCMP_SYS(ioctl), 1, TIOCGWINSZ}, {SCMP_SYS(ioctl), 1, FIONREAD},
	{SCMP_SYS(ioctl), 1, FIONBIO}, {SCMP_SYS(ioctl), 1, SIOCGIFINDEX},
	{SCMP_SYS(ioctl), 1, SIOCGIFNAME}, {SCMP_SYS(ioctl), 1, TUNSETIFF},
	{SCMP_SYS(ioctl), 1, TUNGETIFF}, {SCMP_SYS(ioctl), 1, TUNSETOFFLOAD},
	{SCMP_SYS(ioctl), 1, TUNSETVNETHDRSZ}, {SCMP_SYS(ioctl), 1, TUNSETQUEUE}};

void launcher_enter_sandbox(const char *socket, const char *state)
{
	char path[PATH_MAX] = "";
	const char *socket_dir = dirname(strncpy(path, socket, sizeof(path) - 1));
	const struct sandbox_place places[] = {{SANDBOX_SOCKETS, UAPI_SOCKET_DIR},
		{SANDBOX_SOCKETS, socket_dir}, {SANDBOX_FILES, state}, {SANDBOX_FILE, "/dev/null"},
		{SANDBOX_FILE, "/dev/net/tun"},
		{SANDBOX_FILE, "/proc/self/fd/2"}}; /* a terminal, which roles open anew */

	/* no tunnel could make them later */
	(void)mkdir(UAPI_SOCKET_DIR, 0755);
	(void)!sandbox_prepare();
	sandbox_enter(&(const struct sandbox){.keeps_user = true,
		.starts_programs = true,
		.places = places,
		.num_places = ARRAY_SIZE(places),
		.capabilities = KEPT,
		.calls = calls,
		.num_calls = ARRAY_SIZE(calls),
		.exceptions = exceptions,
		.num_exceptions = ARRAY_SIZE(exceptions)});
}
