/* SPDX-License-Identifier: MIT
 *
 * A person's commands, to whom agent and hub lie.
 */
#ifndef ADIT_TEST_CLIENT_H
#define ADIT_TEST_CLIENT_H

#include <stdnoreturn.h>

#include "base/bytes.h"

enum { CLIENT_OF_AGENT, CLIENT_OF_HUB, NUM_CLIENTS };
extern const char *const client_pairs[NUM_CLIENTS];

/* Where the programs are, before anything is mounted: beside this one's folder. */
void client_find_programs(void);
/* The path of one, good until the next call. */
const char *client_program(const char *name);
extern const char client_self[]; /* this one's name there */

/* Whether there is a lie of this number, from 0 on. */
bool client_has(unsigned client, uint64_t number);

/* Run a command to which it is told. Returns NULL when all is well, or what is wrong; *ret_log is
 * what it said. */
const char *client_run(unsigned client, uint64_t number, const char **ret_log);

#endif
