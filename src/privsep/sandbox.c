/* SPDX-License-Identifier: MIT
 *
 * Giving up rights. The order matters: each step needs what a later one takes away.
 */
#include "privsep/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/log.h"
#include "privsep/landlock.h"
#include "privsep/memory.h"
#include "privsep/role.h"

#define EMPTY_ROOT_PARENT "/run/adit"
#define EMPTY_ROOT EMPTY_ROOT_PARENT "/empty"
#define NOBODY 65534U

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

/* The least: memory, messages to the neighbours and to stderr, waiting, ending. */
static const int least_calls[] = {SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(sendmsg),
	SCMP_SYS(recvmsg), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(brk), SCMP_SYS(munmap),
	SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(mlock2), SCMP_SYS(futex),
	SCMP_SYS(clock_gettime), SCMP_SYS(getrandom), SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(exit), SCMP_SYS(exit_group)};

/* Calls that the C library of some machines makes in place of the first of their row: those of
 * 32-bit machines with a time of 64 bits, large files and 32-bit ids; and the return from a
 * handler without siginfo. */
static const struct {
	int call, other;
} others[] = {{SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64)},
	{SCMP_SYS(clock_getres), SCMP_SYS(clock_getres_time64)},
	{SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_nanosleep_time64)},
	{SCMP_SYS(futex), SCMP_SYS(futex_time64)}, {SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64)},
	{SCMP_SYS(pselect6), SCMP_SYS(pselect6_time64)}, {SCMP_SYS(select), SCMP_SYS(_newselect)},
	{SCMP_SYS(recvmmsg), SCMP_SYS(recvmmsg_time64)},
	{SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_settime64)},
	{SCMP_SYS(fcntl), SCMP_SYS(fcntl64)}, {SCMP_SYS(fstat), SCMP_SYS(fstat64)},
	{SCMP_SYS(stat), SCMP_SYS(stat64)}, {SCMP_SYS(lstat), SCMP_SYS(lstat64)},
	{SCMP_SYS(newfstatat), SCMP_SYS(fstatat64)}, {SCMP_SYS(newfstatat), SCMP_SYS(statx)},
	{SCMP_SYS(fstatfs), SCMP_SYS(fstatfs64)}, {SCMP_SYS(lseek), SCMP_SYS(_llseek)},
	{SCMP_SYS(ftruncate), SCMP_SYS(ftruncate64)}, {SCMP_SYS(getuid), SCMP_SYS(getuid32)},
	{SCMP_SYS(geteuid), SCMP_SYS(geteuid32)}, {SCMP_SYS(getgid), SCMP_SYS(getgid32)},
	{SCMP_SYS(getegid), SCMP_SYS(getegid32)}, {SCMP_SYS(setgroups), SCMP_SYS(setgroups32)},
	{SCMP_SYS(setresgid), SCMP_SYS(setresgid32)}, {SCMP_SYS(setresuid), SCMP_SYS(setresuid32)},
	{SCMP_SYS(setfsuid), SCMP_SYS(setfsuid32)}, {SCMP_SYS(rt_sigreturn), SCMP_SYS(sigreturn)}};

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

/* A call by one of libseccomp's own numbers, which are negative, is none of this machine's. */
static int allow_call(scmp_filter_ctx filter, int call)
{
	return call < 0 ? 0 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
}

static int allow(scmp_filter_ctx filter, const int *calls, size_t num_calls)
{
	int r = 0;

	for (size_t i = 0; i < num_calls && r == 0; i++) {
		r = allow_call(filter, calls[i]);
		for (size_t k = 0; k < ARRAY_SIZE(others) && r == 0; k++) {
			if (others[k].call == calls[i])
				r = allow_call(filter, others[k].other);
		}
	}
	return r;
}

/* Memory that is not to be executed; of programs, none that can be written as well. */
static int allow_mmap(scmp_filter_ctx filter, bool may_execute)
{
#ifdef __s390x__ /* the arguments are in memory, where a filter cannot see them */
	(void)may_execute;
	return allow_call(filter, SCMP_SYS(mmap));
#else
	static const uint32_t accesses[] = {0, PROT_WRITE, PROT_EXEC};
#ifdef __NR_mmap2
	const int call = SCMP_SYS(mmap2);
#else
	const int call = SCMP_SYS(mmap);
#endif
	int r = 0;

	for (size_t i = 0; i < (may_execute ? 3 : 2) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE | PROT_EXEC, accesses[i]));
	return r;
#endif
}

/* Where clone has its flags. Those of clone3 are in memory, where a filter cannot see them; the C
 * library then takes clone. */
#ifdef __s390x__
enum { CLONE_FLAGS = 1 };
#else
enum { CLONE_FLAGS = 0 };
#endif

static int allow_clone(scmp_filter_ctx filter, uint32_t mask, uint32_t flags)
{
	static const int calls[] = {SCMP_SYS(set_robust_list), SCMP_SYS(rseq)};
	int r = allow(filter, calls, ARRAY_SIZE(calls));

	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return r == 0 ? seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				SCMP_CMP(CLONE_FLAGS, SCMP_CMP_MASKED_EQ, mask, flags))
		      : r;
}

/* Files, but none that gives its user's rights to who executes it. Where no file is made the C
 * library says 0. */
static int allow_files(scmp_filter_ctx filter)
{
	static const struct {
		int call;
		unsigned mode; /* which argument */
	} calls[] = {
#ifdef __NR_open
		{SCMP_SYS(open), 2},
#endif
		{SCMP_SYS(openat), 3}, {SCMP_SYS(fchmod), 1}};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(calls) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i].call, 1,
			SCMP_CMP(calls[i].mode, SCMP_CMP_MASKED_EQ, S_ISUID | S_ISGID, 0));
	return r;
}

/* Calls that are newer than Linux 6.4, and than all our lists: a C library that tries them at a
 * program's start does without where they are missing. */
static int miss_newer(scmp_filter_ctx filter)
{
	const int newest = SCMP_SYS(landlock_restrict_self) + 4; /* numbered alike everywhere */
	int r = 0;

	for (int call = newest + 1; call <= newest + 60 && r == 0; call++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), call, 0);
	return r;
}

/* A loader may try to change what it is about to execute (BTI on arm64), and can do without. */
static int allow_programs(scmp_filter_ctx filter)
{
	const uint32_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
				    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
	int r = allow_clone(filter, namespaces, 0);

	if (r == 0)
		r = allow_files(filter);
	if (r == 0)
		r = miss_newer(filter);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return r == 0 ? seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(mprotect), 1,
				SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC))
		      : r;
}

static int allow_all_of(scmp_filter_ctx filter, const struct sandbox *sandbox)
{
	int r = allow(filter, least_calls, ARRAY_SIZE(least_calls));

	if (r == 0)
		r = allow(filter, sandbox->calls, sandbox->num_calls);
	for (size_t i = 0; i < sandbox->num_exceptions && r == 0; i++) {
		const struct sandbox_exception *e = &sandbox->exceptions[i];

		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, e->call, 1,
			SCMP_CMP(e->argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, e->value));
	}
	if (r == 0 && sandbox->starts_programs)
		r = allow_programs(filter);
	else if (r == 0 && sandbox->may_start_threads)
		r = allow_clone(filter, CLONE_THREAD, CLONE_THREAD);
	return r == 0 ? allow_mmap(filter, sandbox->starts_programs) : r;
}

void sandbox_limit_calls(const struct sandbox *sandbox)
{
	scmp_filter_ctx filter;
	int r;

	if (!WITH_FILTERS)
		return;
	filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!filter)
		role_fail("seccomp", -ENOMEM);
	r = allow_all_of(filter, sandbox);
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1); /* for all threads */
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	if (r < 0)
		role_fail("seccomp", r);
}

#define WRITING                                                                 \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |        \
		LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | \
		LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |     \
		LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |   \
		LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_TRUNCATE)

static const uint64_t place_access[] = {
	[SANDBOX_FILE] = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_TRUNCATE,
	[SANDBOX_FILES] = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
			  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_TRUNCATE,
	[SANDBOX_SOCKETS] = LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE,
};

/* Returns 0 or a negative errno. */
static int allow_path(const struct landlock *landlock, const char *path, uint64_t accesses)
{
	int fd = open(path, O_PATH | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = landlock_allow(landlock, fd, accesses);
	close(fd);
	return r;
}

/* No writing but where the sandbox has it, where the kernel has Landlock. */
static void limit_writing(const struct sandbox *sandbox)
{
	struct landlock landlock;

	if (!WITH_FILTERS || !landlock_begin(&landlock, WRITING))
		return;
	for (size_t i = 0; i < sandbox->num_places; i++) {
		const struct sandbox_place *place = &sandbox->places[i];
		int r = allow_path(&landlock, place->path, place_access[place->kind]);

		if (r < 0 && r != -ENOENT) /* a pipe, which stderr may be, can have no rule */
			log_debug("%s: no rule: %s", place->path, strerror(-r));
	}
	landlock_enter(&landlock);
}

/* What a role may do with the files of its own directory. */
#define OWN_FILES_ACCESS                                                    \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |     \
		LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
		LANDLOCK_ACCESS_FS_REMOVE_FILE)

static void must_allow(const struct landlock *landlock, const char *dir, uint64_t accesses)
{
	int r = allow_path(landlock, dir, accesses);

	if (r < 0)
		role_fail(dir, r);
}

/* No file of any kind but what the sandbox keeps, where the kernel has Landlock; the root directory
 * alone elsewhere. */
static void deny_files(const struct sandbox *sandbox)
{
	struct landlock landlock;

	if (!WITH_FILTERS || !landlock_begin(&landlock, LANDLOCK_ALL))
		return;
	if (sandbox->removable_dir)
		must_allow(&landlock, sandbox->removable_dir, LANDLOCK_ACCESS_FS_REMOVE_FILE);
	if (sandbox->keeps_directory)
		must_allow(&landlock, "/", OWN_FILES_ACCESS);
	landlock_enter(&landlock);
}

/* Which of these it has: where it is started with few, some of what it is for cannot be done. */
static uint32_t find_capabilities(uint32_t mask)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	must((int)syscall(SYS_capget, &header, data), "capget");
	return mask & data[0].permitted;
}

void sandbox_keep_capabilities(uint32_t mask)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct data[2] = {
		{.effective = mask, .permitted = mask, .inheritable = 0}};

	must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "ambient capabilities");
	must((int)syscall(SYS_capset, &header, data), "capset");
}

void sandbox_lock_memory(void)
{
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	struct rlimit limit;
	int future = 0;

	(void)setrlimit(RLIMIT_MEMLOCK, &unlimited);
	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY)
		future = MCL_FUTURE;
	if (mlockall(MCL_CURRENT | MCL_ONFAULT | future) < 0)
		memory_lock_what_is_hidden();
	else if (!future)
		log_debug("later memory is not locked: RLIMIT_MEMLOCK is not unlimited");
}

void sandbox_limit(int resource, uint64_t most, const char *name)
{
	struct rlimit limit;

	must(getrlimit((__rlimit_resource_t)resource, &limit), name);
	limit.rlim_max = limit.rlim_max < most ? limit.rlim_max : most;
	limit.rlim_cur = limit.rlim_max;
	must(setrlimit((__rlimit_resource_t)resource, &limit), name);
}

static void forbid_dumps(void)
{
	sandbox_limit(RLIMIT_CORE, 0, "RLIMIT_CORE");
	must(prctl(PR_SET_DUMPABLE, 0), "PR_SET_DUMPABLE");
}

/* What no system call on the list could exceed; a second lock on the same doors. Messages may go to
 * a file. */
static void limit_resources(const struct sandbox *sandbox)
{
	struct stat messages;

	sandbox_limit(RLIMIT_NPROC, 0, "RLIMIT_NPROC");
	sandbox_limit(RLIMIT_MSGQUEUE, 0, "RLIMIT_MSGQUEUE");
	if (sandbox->max_descriptors)
		sandbox_limit(RLIMIT_NOFILE, sandbox->max_descriptors, "RLIMIT_NOFILE");
	if (!sandbox->keeps_directory &&
		(fstat(STDERR_FILENO, &messages) < 0 || !S_ISREG(messages.st_mode)))
		sandbox_limit(RLIMIT_FSIZE, 0, "RLIMIT_FSIZE");
}

/* What mapping is to be in a core dump, should there be one: none. Children inherit it, so it also
 * holds for memory that memory_hide has not seen. */
static void exclude_from_dumps(void)
{
	int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "0", 1) != 1)
		log_debug("/proc/self/coredump_filter stays as it is: %m");
	if (fd >= 0)
		close(fd);
}

/* The number of a user or group, up to this character. 0 is root, and the last means "no change" to
 * the kernel. Returns what follows, or NULL. */
static const char *read_id(const char *text, char end, uint32_t *ret_id)
{
	uint64_t id = 0;

	for (; *text >= '0' && *text <= '9' && id < UINT32_MAX; text++)
		id = 10 * id + (uint64_t)(*text - '0');
	*ret_id = (uint32_t)id;
	return *text == end && id > 0 && id < UINT32_MAX ? text + 1 : NULL;
}

/* What sandbox_choose_user has written, if it was called. */
void sandbox_user(uid_t *ret_uid, gid_t *ret_gid)
{
	const char *text = getenv(SANDBOX_ENV_USER);

	*ret_uid = NOBODY;
	*ret_gid = NOBODY;
	if (!text)
		return;
	text = read_id(text, ':', ret_uid);
	if (!text || !read_id(text, '\0', ret_gid))
		role_fail(SANDBOX_ENV_USER ": USER:GROUP in numbers that are not root's", -EINVAL);
}

/* Who may not do it, for want of CAP_SETPCAP, was started with what it may have. */
void sandbox_bound_capabilities(uint32_t mask)
{
	for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
		capability++) {
		if (capability >= 32 || !(mask & UINT32_C(1) << capability))
			(void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
	}
}

static void drop_user(bool keeps_directory)
{
	const char *root = keeps_directory ? "." : EMPTY_ROOT;
	uid_t uid;
	gid_t gid;

	sandbox_user(&uid, &gid);
	must(setresgid(gid, gid, gid), "setresgid");
	(void)setfsuid(uid); /* whose directory it is; a root without CAP_DAC_* may not enter it */
	if (WITH_FILTERS || keeps_directory) {
		must(chroot(root), root);
		must(chdir("/"), "chdir");
	}
	must(setresuid(uid, uid, uid), "setresuid");
	must(prctl(PR_SET_PDEATHSIG, SIGKILL), "PR_SET_PDEATHSIG"); /* cleared by the change */
}

void sandbox_choose_user(void)
{
	const struct passwd *user;
	char text[32];
	uid_t uid;
	gid_t gid;

	if (getenv(SANDBOX_ENV_USER)) {
		sandbox_user(&uid, &gid); /* to complain once, and now */
		return;
	}
	user = getpwnam("adit");
	if (!user)
		user = getpwnam("nobody");
	if (user && user->pw_uid != 0 && user->pw_gid != 0)
		snprintf(text, sizeof(text), "%u:%u", user->pw_uid, user->pw_gid);
	else
		snprintf(text, sizeof(text), "%u:%u", NOBODY, NOBODY);
	setenv(SANDBOX_ENV_USER, text, 1);
}

/* What its children could not do without. */
static void keep_to_itself(const struct sandbox *sandbox, FILE *maps)
{
	deny_files(sandbox);
	if (sandbox->start_threads)
		sandbox->start_threads();
	if (WITH_FILTERS) {
		memory_hide(maps);
		limit_resources(sandbox);
	}
}

void sandbox_enter(const struct sandbox *sandbox)
{
	const bool starts_programs = sandbox->starts_programs;
	uint32_t capabilities = sandbox->capabilities;
	FILE *maps = fopen("/proc/self/maps", "re");

	must(maps ? 0 : -1, "/proc/self/maps");
	if (!sandbox->has_no_secrets)
		sandbox_lock_memory();
	exclude_from_dumps();
	if (starts_programs)
		limit_writing(sandbox); /* the places may take a capability to be found */
	if (sandbox->keeps_user)
		capabilities = find_capabilities(capabilities);
	sandbox_bound_capabilities(starts_programs ? capabilities : 0);
	must(setgroups(0, NULL), "setgroups");
	if (!sandbox->keeps_user)
		drop_user(sandbox->keeps_directory);
	forbid_dumps(); /* a change of user would allow them again */
	sandbox_keep_capabilities(capabilities);
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
	if (!starts_programs)
		keep_to_itself(sandbox, maps);
	fclose(maps);
	sandbox_limit_calls(sandbox);
}
