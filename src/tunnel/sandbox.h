/* SPDX-License-Identifier: MIT
 *
 * What a process gives up before it sees its first outside byte.
 */
#ifndef ADIT_TUNNEL_SANDBOX_H
#define ADIT_TUNNEL_SANDBOX_H

#include "tunnel/role.h"

/* The child's sandbox: no core dumps and no ptrace, memory locked, an empty root, an unprivileged
 * user, no capabilities, no_new_privs, Landlock where the kernel has it, and the role's list of
 * system calls, any other of which kills. Ends the process when a step fails that must not. */
void sandbox_enter(enum role role);

/* The monitor's: CAP_NET_ADMIN alone stays, its own list of system calls, and of the file system
 * the right to remove files in uapi_dir. */
void sandbox_enter_monitor(const char *uapi_dir);

/* Who the roles become: the user "adit" if the machine has it, else "nobody". Asks the name
 * service, so it is the starter's to call. */
struct sandbox_user {
	uid_t uid;
	gid_t gid;
};
struct sandbox_user sandbox_find_user(void);

/* Make /run/adit/empty, the root directory of the other roles. Returns 0 or a negative errno. */
int sandbox_prepare(void);

#endif
