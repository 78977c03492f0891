/* SPDX-License-Identifier: MIT
 *
 * Three system calls that the C library has no names for.
 */
#include "privsep/landlock.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "privsep/role.h"

enum { TRUNCATE_VERSION = 3 };

static int must(long result)
{
	if (result < 0)
		role_fail("Landlock", -errno);
	return (int)result;
}

bool landlock_begin(struct landlock *ret_landlock, uint64_t accesses)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr attr = {.handled_access_fs = accesses};

	if (version < 1) {
		log_debug("no Landlock");
		return false;
	}
	if (version < TRUNCATE_VERSION)
		attr.handled_access_fs &= ~LANDLOCK_TRUNCATE;
	ret_landlock->accesses = attr.handled_access_fs;
	ret_landlock->fd = must(syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0));
	return true;
}

int landlock_allow(const struct landlock *landlock, int fd, uint64_t accesses)
{
	const struct landlock_path_beneath_attr rule = {
		.allowed_access = accesses & landlock->accesses, .parent_fd = fd};

	return syscall(SYS_landlock_add_rule, landlock->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) ==
			       0
		       ? 0
		       : -errno;
}

void landlock_enter(struct landlock *landlock)
{
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	must(syscall(SYS_landlock_restrict_self, landlock->fd, 0));
	close(landlock->fd);
	landlock->fd = -1;
}
