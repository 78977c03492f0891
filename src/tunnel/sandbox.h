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

/* The monitor's: CAP_NET_ADMIN alone stays, and its own list of system calls. */
void sandbox_enter_monitor(void);

/* Make /run/adit/empty, the root directory of the other roles. Returns 0 or a negative errno. */
int sandbox_prepare(void);

#endif
