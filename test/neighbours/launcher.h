/* SPDX-License-Identifier: MIT
 *
 * A hub's launcher, of whose children one lies: its vault or its door (doubles.h), or its tunnel.
 */
#ifndef ADIT_TEST_LAUNCHER_H
#define ADIT_TEST_LAUNCHER_H

#include "base/bytes.h"

struct launcher_liar {
	const char *pair;
	unsigned role; /* as in doubles.h; or the tunnel's */
};

/* In a build without the overlay there are none (no_hub.c). */
extern const struct launcher_liar launcher_liars[];
extern const size_t num_launcher_liars;

/* Whether there is a lie of this number, from 0 on. */
bool launcher_has(unsigned liar, uint64_t number);

/* Run a launcher to which it is told. Returns NULL when all is well, or what is wrong; *ret_log is
 * what they said. */
const char *launcher_run(unsigned liar, uint64_t number, const char **ret_log);

#endif
