/* SPDX-License-Identifier: MIT
 *
 * A program of several processes, each a fresh exec of its binary under a role's name, with rights,
 * descriptors and an environment of its own. Which roles there are is the program's to say.
 */
#ifndef ADIT_PRIVSEP_ROLE_H
#define ADIT_PRIVSEP_ROLE_H

#include <stdnoreturn.h>
#include <sys/types.h>

#include "privsep/sandbox.h"

enum { ROLE_FIRST_FD = 3, ROLE_MAX_FDS = 16, ROLE_MAX_VARIABLES = 4 };

struct role {
	const char *name;		   /* as in "adit-name": ps and messages show it */
	void (*main)(const char *subject); /* does not return */
	/* Whether SIGTERM and SIGINT are its to handle, SIGTERM also as the sign that its parent
	 * died. The others ignore both, and are killed when their parent dies. */
	bool handles_signals;
	/* Environment variables it gets besides what every role does; the rest are NULL. */
	const char *variables[ROLE_MAX_VARIABLES];
	struct sandbox sandbox; /* which main enters when it has all it needs */
};

/* If this process was started as one of these roles (its argv[0] says so): run it and exit.
 * Otherwise return. */
void role_main(const struct role *roles, size_t num_roles, int argc, char *argv[]);

/* Start a role for a subject, which its messages and ps show: a tunnel's name. fds[0..num_fds)
 * become its descriptors 3, 4, …; it has no others but stderr. Returns its pid or a negative errno.
 */
pid_t role_start(const struct role *role, const char *subject, const int *fds, unsigned num_fds);

/* How a signal ended a process, for a person. */
const char *role_death(int signal);

/* Say why and end this process with status 1: it fails closed. error is a negative errno. */
noreturn void role_fail(const char *what, int error);

#endif
