/* SPDX-License-Identifier: MIT
 *
 * A tunnel's starter, to which its monitor lies by how it ends, and by what it leaves behind.
 */
#ifndef ADIT_TEST_STARTER_H
#define ADIT_TEST_STARTER_H

#include <stdnoreturn.h>

#include "base/bytes.h"

/* Whether a monitor can end in a way of this number, from 0 on. */
bool starter_has(uint64_t number);

/* Run a starter with one that does (liar: the monitor). Returns NULL when all is well, or what is
 * wrong; *ret_log is what they said. */
const char *starter_run(unsigned liar, uint64_t number, const char **ret_log);

/* Be that monitor, of a tunnel of this name. */
noreturn void starter_monitor(uint64_t number, const char *ifname);

#endif
