/* SPDX-License-Identifier: MIT
 *
 * A whole tunnel, of which the monitor is the survivor: one of the processes it starts is a double
 * (doubles.h), and a client of the UAPI socket gives it things to do.
 */
#ifndef ADIT_TEST_TUNNEL_H
#define ADIT_TEST_TUNNEL_H

#include "tunnel/roles.h"

/* Run one. Returns NULL when all is well, or what is wrong; *ret_log is what its processes said,
 * and *ret_lied whether the double lied. */
const char *tunnel_run(enum tunnel_role liar, uint64_t seed, const char **ret_log, bool *ret_lied);

/* Wait for a process, and kill it if it does not end in time; returns whether it did. */
bool tunnel_await_exit(pid_t pid, int *ret_status);

/* Whether nothing is left of a tunnel: processes, whose parent we are or became, the interface, its
 * socket. Waits for it. */
bool tunnel_is_all_gone(const char *name);

#endif
