/* SPDX-License-Identifier: MIT
 *
 * adit-sim: whole networks of Adit in one process, under a simulated clock, network and random
 * source.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/aead.h"
#include "scenario.h"

static void report(const struct scenario *scenario, uint64_t seed, const struct outcome *o)
{
	printf("seed %llu, scenario %s: %.2f host hours, %llu of %llu packets, %llu sessions, "
	       "%llu datagrams, trace %016llx\n",
		(unsigned long long)seed, scenario->name, (double)o->simulated_ns / 3600e9,
		(unsigned long long)o->delivered, (unsigned long long)o->packets,
		(unsigned long long)o->sessions, (unsigned long long)o->datagrams,
		(unsigned long long)o->trace_hash);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seed", required_argument, NULL, 's'},
		{"scenario", required_argument, NULL, 'c'}, {"trace", no_argument, NULL, 't'}, {0}};
	uint64_t seed = 1;
	const struct scenario *scenario = &scenarios[0];
	struct outcome outcome;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (option == 'c')
			scenario = scenario_find(optarg);
		else if (option == 't')
			world.prints_trace = true;
		else
			return 2;
	}
	if (!scenario || crypto_init() < 0)
		return 2;
	outcome = scenario_run(scenario, seed);
	report(scenario, seed, &outcome);
	return 0;
}
