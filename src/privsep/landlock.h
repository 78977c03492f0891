/* SPDX-License-Identifier: MIT
 *
 * Landlock: what a process may do with files from now on, where the kernel has it (Linux 5.13).
 */
#ifndef ADIT_PRIVSEP_LANDLOCK_H
#define ADIT_PRIVSEP_LANDLOCK_H

#include <linux/landlock.h>

#include "base/bytes.h"

/* All accesses of the first version, which every later one has. */
#define LANDLOCK_ALL ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

/* Since Linux 6.2, and no access before: an open for reading may truncate, too. */
#define LANDLOCK_TRUNCATE (UINT64_C(1) << 14)

struct landlock {
	int fd; /* owned, until landlock_enter() */
	uint64_t accesses;
};

/* Of these accesses none will be allowed but what landlock_allow() names. Returns false if this
 * kernel has no Landlock. Ends the process when it fails. */
MUST_CHECK bool landlock_begin(struct landlock *ret_landlock, uint64_t accesses);

/* Below the file or folder of this descriptor these will be allowed. Returns 0 or a negative errno:
 * what has no name, as a pipe, can have no rule. */
MUST_CHECK int landlock_allow(const struct landlock *landlock, int fd, uint64_t accesses);

/* It is so from here on, for good; new privileges are given up with it. Ends the process when it
 * fails. */
void landlock_enter(struct landlock *landlock);

#endif
