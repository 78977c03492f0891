/* SPDX-License-Identifier: MIT
 *
 * An agent whose tunnel lies to it: what it is told there is never the end of the agent.
 */
#ifndef ADIT_TEST_AGENT_H
#define ADIT_TEST_AGENT_H

#include "base/bytes.h"

/* Whether there is a lie of this number, from 0 on. */
bool agent_has(uint64_t number);

/* Run an agent to which it is told (liar: nobody else). Returns NULL when all is well, or what is
 * wrong; *ret_log is what they said. */
const char *agent_run(unsigned liar, uint64_t number, const char **ret_log);

#endif
