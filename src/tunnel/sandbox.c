/* SPDX-License-Identifier: MIT
 *
 * Giving up rights. The order matters: each step needs what a later one takes away.
 */
#include "tunnel/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/log.h"

#define EMPTY_ROOT_PARENT "/run/adit"
#define EMPTY_ROOT EMPTY_ROOT_PARENT "/empty"

#if defined(__has_feature)
#define HAS_FEATURE(feature) __has_feature(feature)
#else
#define HAS_FEATURE(feature) 0
#endif

/* Sanitizers need system calls and files that a role must not have. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || HAS_FEATURE(address_sanitizer)
enum { WITH_FILTERS = 0 };
#else
enum { WITH_FILTERS = 1 };
#endif

/* Newer architectures have only the call with a directory. */
#ifdef __NR_unlink
#define REMOVE_FILE_CALL SCMP_SYS(unlink)
#else
#define REMOVE_FILE_CALL SCMP_SYS(unlinkat)
#endif

/* Memory, messages to the neighbours and to stderr, waiting, ending. */
static const int common_calls[] = {SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(sendmsg),
	SCMP_SYS(recvmsg), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(brk), SCMP_SYS(munmap),
	SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(clock_gettime),
	SCMP_SYS(getrandom), SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigreturn), SCMP_SYS(exit),
	SCMP_SYS(exit_group)};

static const int engine_calls[] = {SCMP_SYS(timerfd_settime)};

static const int datapath_calls[] = {
	SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(recvmmsg), SCMP_SYS(sendmmsg), SCMP_SYS(close)};

/* The monitor opens and configures sockets, serves its clients, reaps children, cleans up; getpid
 * is libmnl's, when a namespace gets its first id. What it may do with socket and ioctl is limited
 * below. */
static const int monitor_calls[] = {SCMP_SYS(bind), SCMP_SYS(getsockname), SCMP_SYS(setsockopt),
	SCMP_SYS(getsockopt), SCMP_SYS(accept4), SCMP_SYS(sendto), SCMP_SYS(recvfrom),
	SCMP_SYS(close), SCMP_SYS(wait4), SCMP_SYS(writev), SCMP_SYS(getpid), REMOVE_FILE_CALL};

static void must(int result, const char *what)
{
	if (result < 0)
		role_fail(what, -errno);
}

/* A directory that only root may change. */
static int make_directory(const char *path)
{
	struct stat status;

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (lstat(path, &status) < 0)
		return -errno;
	return S_ISDIR(status.st_mode) && status.st_uid == 0 && !(status.st_mode & 022) ? 0
											: -EPERM;
}

int sandbox_prepare(void)
{
	int r = make_directory(EMPTY_ROOT_PARENT);

	return r == 0 ? make_directory(EMPTY_ROOT) : r;
}

static int allow(scmp_filter_ctx filter, const int *calls, size_t num_calls)
{
	int r = 0;

	for (size_t i = 0; i < num_calls && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	return r;
}

/* Sockets for packets and for if_nametoindex (a scope in an endpoint), and its one ioctl. */
static int allow_monitor(scmp_filter_ctx filter)
{
	static const uint64_t families[] = {AF_UNIX, AF_INET, AF_INET6};
	int r = seccomp_rule_add(
		filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, SIOCGIFINDEX, 0));

	for (size_t i = 0; i < ARRAY_SIZE(families) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
			SCMP_A0(SCMP_CMP_EQ, families[i], 0));
	return r == 0 ? allow(filter, monitor_calls, ARRAY_SIZE(monitor_calls)) : r;
}

static int allow_role(scmp_filter_ctx filter, enum role role)
{
	switch (role) {
	case ROLE_ENGINE:
		return allow(filter, engine_calls, ARRAY_SIZE(engine_calls));
	case ROLE_DATAPATH:
		return allow(filter, datapath_calls, ARRAY_SIZE(datapath_calls));
	case ROLE_MONITOR:
		return allow_monitor(filter);
	case ROLE_VAULT:
	case ROLE_NUM:
		break;
	}
	return 0;
}

/* Any other system call kills the process; so does memory that is to be executable. */
static void limit_system_calls(enum role role)
{
	scmp_filter_ctx filter;
	int r;

	if (!WITH_FILTERS)
		return;
	filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!filter)
		role_fail("seccomp", -ENOMEM);
	r = allow(filter, common_calls, ARRAY_SIZE(common_calls));
	if (r == 0)
		r = allow_role(filter, role);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	if (r < 0)
		role_fail("seccomp", r);
}

/* No file of any kind, where the kernel has Landlock; the empty root alone elsewhere. If removable
 * is given, files in that directory may be removed. */
static void deny_files(const char *removable)
{
	const struct landlock_ruleset_attr attr = {
		.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1};
	struct landlock_path_beneath_attr rule = {.allowed_access = LANDLOCK_ACCESS_FS_REMOVE_FILE};
	int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (!WITH_FILTERS || fd < 0) {
		log_debug("no Landlock");
		return;
	}
	if (removable) {
		rule.parent_fd = open(removable, O_PATH | O_CLOEXEC);
		must(rule.parent_fd, removable);
		must((int)syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0),
			"Landlock");
		close(rule.parent_fd);
	}
	must((int)syscall(SYS_landlock_restrict_self, fd, 0), "Landlock");
	close(fd);
}

static void keep_capabilities(uint32_t mask)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct data[2] = {
		{.effective = mask, .permitted = mask, .inheritable = 0}};

	must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "ambient capabilities");
	must((int)syscall(SYS_capset, &header, data), "capset");
}

/* Keys must not reach swap. Where memory may not be locked without bound, what exists now is. */
static void lock_memory(void)
{
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	struct rlimit limit;
	int future = 0;

	(void)setrlimit(RLIMIT_MEMLOCK, &unlimited);
	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY)
		future = MCL_FUTURE;
	if (mlockall(MCL_CURRENT | MCL_ONFAULT | future) < 0 || !future)
		log_debug("later memory is not locked: RLIMIT_MEMLOCK is not unlimited");
}

static void forbid_dumps(void)
{
	const struct rlimit none = {0, 0};

	must(setrlimit(RLIMIT_CORE, &none), "RLIMIT_CORE");
	must(prctl(PR_SET_DUMPABLE, 0), "PR_SET_DUMPABLE");
}

static void drop_user(const struct sandbox_user *user)
{
	if (WITH_FILTERS) {
		must(chroot(EMPTY_ROOT), "chroot " EMPTY_ROOT);
		must(chdir("/"), "chdir");
	}
	must(setgroups(0, NULL), "setgroups");
	must(setresgid(user->gid, user->gid, user->gid), "setresgid");
	must(setresuid(user->uid, user->uid, user->uid), "setresuid");
}

struct sandbox_user sandbox_find_user(void)
{
	const struct passwd *user = getpwnam("adit");

	if (!user)
		user = getpwnam("nobody");
	if (!user || user->pw_uid == 0)
		return (struct sandbox_user){65534, 65534};
	return (struct sandbox_user){user->pw_uid, user->pw_gid};
}

void sandbox_enter(enum role role)
{
	const struct sandbox_user user = role_user();

	lock_memory();
	drop_user(&user);
	/* a change of user clears both */
	must(prctl(PR_SET_PDEATHSIG, SIGKILL), "PR_SET_PDEATHSIG");
	forbid_dumps();
	keep_capabilities(0);
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
	deny_files(NULL);
	limit_system_calls(role);
}

void sandbox_enter_monitor(const char *uapi_dir)
{
	lock_memory();
	forbid_dumps();
	keep_capabilities(UINT32_C(1) << CAP_NET_ADMIN);
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
	deny_files(uapi_dir);
	limit_system_calls(ROLE_MONITOR);
}
