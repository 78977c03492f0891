/* SPDX-License-Identifier: MIT
 *
 * Attacks from inside, for tests of the sandbox. Only a build with the option "drills" has them.
 */
#ifndef ADIT_PRIVSEP_DRILL_H
#define ADIT_PRIVSEP_DRILL_H

#ifdef ADIT_DRILLS

/* "ROLE:ATTACK". The role (or the "starter") makes that attack when it gets SIGUSR1, with the
 * number that came with the signal: a neighbour's process id. It says on stderr what it tries
 * before it does, and then, if it lives, what came of it. "ROLE:control": makes all attacks in
 * children, at once, before it has given anything up. */
#define DRILL_ENV "ADIT_DRILL"

/* To be called when a role starts. */
void drill_arm(const char *role);

#else

static inline void drill_arm(const char *role)
{
	(void)role;
}

#endif

#endif
