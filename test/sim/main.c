/* SPDX-License-Identifier: MIT
 *
 * adit-sim: whole networks of Adit in one process, under a simulated clock, network and random
 * source, and what must hold of them.
 *
 *   adit-sim --seed N --scenario S [--trace | --hash]   one run, with all that happens, or its hash
 *   adit-sim --seeds N [--first N] [--seconds N] [--scenario S]   many; --first random: any
 *   adit-sim --list
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "crypto/aead.h"
#include "runner.h"

enum option_name { SEED, SCENARIO, TRACE, HASH, SEEDS, FIRST, SECONDS, LIST };

static int usage(void)
{
	fprintf(stderr,
		"usage: adit-sim --seed N --scenario S [--trace | --hash]\n"
		"       adit-sim --seeds N [--first N|random] [--seconds N] [--scenario S]\n"
		"       adit-sim --list\n");
	return 2;
}

static int list(void)
{
	for (unsigned i = 0; i < num_scenarios; i++)
		printf("%-14s %s\n", scenarios[i].name, scenarios[i].what);
	return 0;
}

static uint64_t number(const char *text)
{
	uint32_t any = 0;

	if (strcmp(text, "random") != 0)
		return strtoull(text, NULL, 0);
	(void)!getrandom(&any, sizeof(any), 0);
	return any;
}

static void run_one(const struct scenario *scenario, uint64_t seed, bool hash_only)
{
	const struct outcome o = scenario_run(scenario, seed);

	if (!hash_only)
		printf("seed %llu, scenario %s: %.2f simulated hours of hosts, %llu sessions, %llu "
		       "datagrams, %llu packets, %llu delivered, trace ",
			(unsigned long long)seed, scenario->name, (double)o.simulated_ns / 3600e9,
			(unsigned long long)o.sessions, (unsigned long long)o.datagrams,
			(unsigned long long)o.packets, (unsigned long long)o.delivered);
	printf("%016llx\n", (unsigned long long)o.trace_hash);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seed", required_argument, NULL, SEED},
		{"scenario", required_argument, NULL, SCENARIO},
		{"trace", no_argument, NULL, TRACE}, {"hash", no_argument, NULL, HASH},
		{"seeds", required_argument, NULL, SEEDS},
		{"first", required_argument, NULL, FIRST},
		{"seconds", required_argument, NULL, SECONDS}, {"list", no_argument, NULL, LIST},
		{0}};
	struct campaign campaign = {.first_seed = 1, .program = argv[0]};
	bool hash_only = false, has_seed = false;
	uint64_t seed = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case SEED:
			seed = number(optarg);
			has_seed = true;
			break;
		case SCENARIO:
			campaign.only = scenario_find(optarg);
			if (!campaign.only)
				return usage();
			break;
		case TRACE:
			world.prints_trace = true;
			break;
		case HASH:
			hash_only = true;
			break;
		case SEEDS:
			campaign.num_seeds = number(optarg);
			break;
		case FIRST:
			campaign.first_seed = number(optarg);
			break;
		case SECONDS:
			campaign.seconds = number(optarg);
			break;
		case LIST:
			return list();
		default:
			return usage();
		}
	}
	if (optind != argc || has_seed == (campaign.num_seeds != 0) || crypto_init() < 0)
		return usage();
	if (campaign.num_seeds)
		return campaign_run(&campaign) ? 0 : 1;
	run_one(campaign_scenario(&campaign, seed), seed, hash_only);
	return 0;
}
