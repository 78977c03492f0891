/* SPDX-License-Identifier: MIT
 *
 * What the agent gives up. privsep/sandbox.c is for processes that need no file and no name
 * service; this one needs both, and CAP_NET_ADMIN for nftables.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "overlay/agent/agent.h"

static void must(long result, const char *what)
{
	if (result < 0)
		role_fail(what, -errno);
}

static void change_user(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const uint32_t mask = 1U << CAP_NET_ADMIN;
	const struct __user_cap_data_struct data[2] = {{.effective = mask, .permitted = mask}};
	const struct rlimit none = {0, 0};
	uid_t uid;
	gid_t gid;

	sandbox_user(&uid, &gid);
	must(prctl(PR_SET_KEEPCAPS, 1), "PR_SET_KEEPCAPS");
	must(setgroups(0, NULL), "setgroups");
	must(setresgid(gid, gid, gid), "setresgid");
	must(setresuid(uid, uid, uid), "setresuid");
	must(syscall(SYS_capset, &header, data), "capset");
	must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "ambient capabilities");
	must(prctl(PR_SET_PDEATHSIG, SIGKILL), "PR_SET_PDEATHSIG"); /* cleared by the change */
	must(setrlimit(RLIMIT_CORE, &none), "RLIMIT_CORE");
	must(prctl(PR_SET_DUMPABLE, 0), "PR_SET_DUMPABLE");
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
}

static void allow(int ruleset, int fd, uint64_t access)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};

	must(syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0),
		"Landlock");
}

/* The name service: its settings, and modules that it loads. */
static void limit_files(int state_fd)
{
	static const char *const readable[] = {"/etc", "/run/systemd/resolve", "/run/resolvconf",
		"/run/NetworkManager", "/usr", "/lib", "/lib64"};
	const struct landlock_ruleset_attr attr = {
		.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1};
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (ruleset < 0) {
		log_debug("no Landlock");
		return;
	}
	allow(ruleset, state_fd,
		LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
			LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
			LANDLOCK_ACCESS_FS_MAKE_REG);
	for (size_t i = 0; i < ARRAY_SIZE(readable); i++) {
		int fd = open(readable[i], O_PATH | O_CLOEXEC);

		if (fd < 0)
			continue;
		allow(ruleset, fd, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
		close(fd);
	}
	must(syscall(SYS_landlock_restrict_self, ruleset, 0), "Landlock");
	close(ruleset);
}

void agent_confine(int state_fd)
{
	sandbox_lock_memory();
	change_user();
	limit_files(state_fd);
}
