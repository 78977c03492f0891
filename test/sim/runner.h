/* SPDX-License-Identifier: MIT
 *
 * Many seeds on all cores, with a bound in time.
 */
#ifndef ADIT_SIM_RUNNER_H
#define ADIT_SIM_RUNNER_H

#include "scenario.h"

struct campaign {
	const struct scenario *only; /* NULL: all, one after the other */
	uint64_t first_seed;
	uint64_t num_seeds;
	uint64_t seconds;    /* not a new seed after so long; 0: no bound */
	const char *program; /* to run a sample of seeds again, each in a process of its own */
};

/* The scenario that a seed has in a campaign of all. */
const struct scenario *campaign_scenario(const struct campaign *campaign, uint64_t seed);

/* Run them, up to the first failure. Returns whether all held. */
bool campaign_run(const struct campaign *campaign);

#endif
