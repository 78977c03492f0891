/* SPDX-License-Identifier: MIT
 *
 * A client of the agent (`adit-agent`): a line of words there, an exit code and a text back.
 */
#ifndef ADIT_TOOLS_AGENT_CLIENT_H
#define ADIT_TOOLS_AGENT_CLIENT_H

#include "base/text.h"

enum {
	AGENT_DONE = 0,
	AGENT_FAILED = 1,
	AGENT_WRONG = 2,   /* it was asked wrongly */
	AGENT_PENDING = 3, /* waits for approval or renewal */
	AGENT_NOT_YET = 4,
};

/* Ask the agent at /run/adit/agent.sock, or where ADIT_AGENT_SOCKET says. Returns the code it
 * answers, with its text in reply; or a negative errno: -ENOENT or -ECONNREFUSED, it does not run;
 * -EPROTO, that is no answer; -EMSGSIZE, it is too long; -ETIMEDOUT, it is not whole in time. */
MUST_CHECK int agent_ask(struct text *reply, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Ask, and print the answer: on stdout, or on stderr when the code is not AGENT_DONE. Returns the
 * exit code; 1 with a message when there is no answer. */
MUST_CHECK int agent_ask_and_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Print a reply so. Returns the exit code. */
MUST_CHECK int agent_print(int code, const struct text *reply);

/* Say that the agent does not answer, and why. */
void agent_complain(int error);

/* Wait a tenth of a second. */
void agent_pause(void);

#endif
