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

#endif
