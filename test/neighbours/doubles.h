/* SPDX-License-Identifier: MIT
 *
 * Doubles of vault, engine and datapath, for a monitor that does not know: one of the processes it
 * starts is such a double, which does what it is asked until a lot says that it lies.
 */
#ifndef ADIT_TEST_DOUBLES_H
#define ADIT_TEST_DOUBLES_H

#include <net/if.h>

#include "tunnel/roles.h"

/* What a double says on stderr before it lies. */
#define DOUBLES_LIE "now it lies: "

/* A seed with this bit does not draw a lie: the rest of it is the number of the only one. */
#define DOUBLES_RULE UINT64_C(0x800000)

/* Whether there is a lie of this number, from 0 on. Roles are those of a tunnel, and
 * SURVIVOR_DOOR. */
bool doubles_has(unsigned role, uint64_t number);

/* Whoever runs as a role in a tunnel of this name, of which this role is a double, gets the seed
 * from it: up to 24 bits. Names are unique, as UAPI sockets have no namespace. */
void doubles_name(char ret_ifname[IFNAMSIZ], unsigned role, uint64_t seed);

/* If this process was started as a role: be it, or its double; does not return then. */
void doubles_main(int argc, char *argv[]);

#endif
