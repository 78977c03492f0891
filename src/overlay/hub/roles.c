/* SPDX-License-Identifier: MIT
 *
 * The roles of a hub: names, main functions and rights. (The vault is a tunnel's.)
 */
#include "overlay/hub/roles.h"

#include <seccomp.h>
#include <sys/mman.h>

static const int door_calls[] = {SCMP_SYS(recvmmsg), SCMP_SYS(sendmmsg)};

/* Files of SQLite (WAL: shared memory, locks, syncs; what it asks about its user and its working
 * directory), HTTP connections, streams and timers. No new sockets but those it accepts, no
 * programs. */
static const int server_calls[] = {
	/* files */
	SCMP_SYS(openat), SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
	SCMP_SYS(fstatfs), SCMP_SYS(lseek), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(readv),
	SCMP_SYS(writev), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(ftruncate),
	SCMP_SYS(fallocate), SCMP_SYS(fcntl), SCMP_SYS(unlinkat), SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(readlinkat), SCMP_SYS(fchmod), SCMP_SYS(getdents64),
	SCMP_SYS(getcwd), SCMP_SYS(umask), SCMP_SYS(msync),
#ifdef __NR_open /* newer architectures have only those with a directory */
	SCMP_SYS(open), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(access), SCMP_SYS(unlink),
	SCMP_SYS(readlink),
#endif
	/* connections */
	SCMP_SYS(accept4), SCMP_SYS(accept), SCMP_SYS(sendto), SCMP_SYS(recvfrom),
	SCMP_SYS(shutdown), SCMP_SYS(setsockopt), SCMP_SYS(getsockopt), SCMP_SYS(getsockname),
	SCMP_SYS(getpeername), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait),
#ifdef __NR_epoll_wait
	SCMP_SYS(epoll_wait),
#endif
#ifdef __NR_time /* where the C library cannot read the clock by itself */
	SCMP_SYS(time),
#endif
	SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(pipe2),
	SCMP_SYS(dup), SCMP_SYS(dup3),
	/* itself and time */
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid),
	SCMP_SYS(getrusage), SCMP_SYS(prlimit64), SCMP_SYS(sysinfo), SCMP_SYS(uname),
	SCMP_SYS(sched_yield), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask)};

/* An allocator's memory; never to be executed. */
static const struct sandbox_exception server_exceptions[] = {
	{SCMP_SYS(mprotect), 2, PROT_READ | PROT_WRITE}, {SCMP_SYS(mprotect), 2, PROT_NONE}};

/* How far descriptors go: the door's are its four from the start, a stream or a connection of the
 * server takes one each. */
enum { DOOR_DESCRIPTORS = ROLE_FIRST_FD + 4, SERVER_DESCRIPTORS = 65536 };

static noreturn void run_door(const char *subject)
{
	(void)subject;
	door_main(&hub_roles[HUB_ROLE_DOOR].sandbox);
}

const struct role hub_roles[HUB_ROLE_NUM] = {
	[HUB_ROLE_DOOR] = {.name = "door",
		.main = run_door,
		.sandbox = {.max_descriptors = DOOR_DESCRIPTORS,
			.calls = door_calls,
			.num_calls = ARRAY_SIZE(door_calls)}},
	/* not "hub": "adit-hub" is the command's name, and would make `adit-hub WORD` a role */
	[HUB_ROLE_SERVER] = {.name = "server",
		.main = hub_main,
		.sandbox = {.keeps_directory = true,
			.max_descriptors = SERVER_DESCRIPTORS,
			.calls = server_calls,
			.num_calls = ARRAY_SIZE(server_calls),
			.exceptions = server_exceptions,
			.num_exceptions = ARRAY_SIZE(server_exceptions)}},
};

void hub_enter_sandbox(void)
{
	sandbox_enter(&hub_roles[HUB_ROLE_SERVER].sandbox);
}
