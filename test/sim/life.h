/* SPDX-License-Identifier: MIT
 *
 * What happens to hosts and their network, one thing at a time; and the proof that all works again
 * when nothing happens any more.
 */
#ifndef ADIT_SIM_LIFE_H
#define ADIT_SIM_LIFE_H

#include "scenario.h"

/* Links: a pair of hosts that are each other's peers. */
struct link {
	struct host *a, *b;
};

void life_start(unsigned faults);

/* Hosts become each other's peers. */
void life_link(struct host *a, struct host *b);

/* One thing happens, and some time passes. */
void life_goes_on(void);

/* All that is broken is mended; then, once the time is over that the timers promise, every packet
 * arrives. */
void life_heals(void);

/* Let time pass. */
void pass(uint64_t ns);

#endif
