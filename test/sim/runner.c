/* SPDX-License-Identifier: MIT
 *
 * Workers, a process for each core, take seed after seed. A violated invariant ends a worker, and a
 * crash does too; which seed it was at stands in memory shared with it.
 */
#include "runner.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS_MAX = 64, REPEATED = 25 /* a seed in so many is run again */ };

struct worker {
	pid_t pid;
	_Atomic uint64_t seed;
	uint64_t num_seeds, num_repeated;
	struct outcome sum;
};

struct shared {
	_Atomic uint64_t next_seed;
	_Atomic bool is_over;
	struct worker workers[WORKERS_MAX];
};

static struct shared *shared;

const struct scenario *campaign_scenario(const struct campaign *campaign, uint64_t seed)
{
	return campaign->only ? campaign->only : &scenarios[seed % num_scenarios];
}

/* Another process has other addresses and another history, and comes to the same. */
static void repeat(const struct campaign *campaign, const struct scenario *scenario, uint64_t seed,
	uint64_t trace_hash)
{
	char command[256], hash[64] = "";
	FILE *output;

	snprintf(command, sizeof(command), "%s --seed %llu --scenario %s --hash", campaign->program,
		(unsigned long long)seed, scenario->name);
	output = popen(command, "r");
	if (!output || !fgets(hash, sizeof(hash), output))
		hash[0] = '\0';
	if (output)
		pclose(output);
	if (strtoull(hash, NULL, 16) == trace_hash)
		return;
	fprintf(stderr, "VIOLATED the same seed gives the same trace: %016llx, then %s\n",
		(unsigned long long)trace_hash, hash);
	fprintf(stderr, "replay: build/adit-sim --seed %llu --scenario %s --trace\n",
		(unsigned long long)seed, scenario->name);
	_Exit(1);
}

static void work(const struct campaign *campaign, struct worker *worker, uint64_t end_ns)
{
	while (!shared->is_over && (!campaign->seconds || clock_ns(CLOCK_MONOTONIC) < end_ns)) {
		const uint64_t seed = shared->next_seed++;
		const struct scenario *scenario = campaign_scenario(campaign, seed);
		struct outcome outcome;

		if (seed - campaign->first_seed >= campaign->num_seeds)
			return;
		worker->seed = seed;
		outcome = scenario_run(scenario, seed);
		worker->num_seeds++;
		worker->sum.simulated_ns += outcome.simulated_ns;
		worker->sum.packets += outcome.packets;
		worker->sum.delivered += outcome.delivered;
		worker->sum.sessions += outcome.sessions;
		worker->sum.datagrams += outcome.datagrams;
		if (seed / num_scenarios % REPEATED == 0) {
			repeat(campaign, scenario, seed, outcome.trace_hash);
			worker->num_repeated++;
		}
	}
}

/* The next worker to end; whether it has ended well. */
static bool wait_for_one(const struct campaign *campaign)
{
	const struct worker *worker = shared->workers;
	int status = 0;
	pid_t pid;

	while ((pid = wait(&status)) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	shared->is_over = true;
	if (WIFEXITED(status))
		return false;
	/* it could not say so itself */
	while (worker->pid != pid)
		worker++;
	fprintf(stderr, "CRASHED by signal %d\n", WTERMSIG(status));
	fprintf(stderr, "replay: build/adit-sim --seed %llu --scenario %s\n",
		(unsigned long long)worker->seed, campaign_scenario(campaign, worker->seed)->name);
	return false;
}

static void sum_up(const struct campaign *campaign, unsigned num_workers, double seconds)
{
	struct outcome sum = {0};
	uint64_t num_seeds = 0, num_repeated = 0;

	for (unsigned i = 0; i < num_workers; i++) {
		const struct worker *worker = &shared->workers[i];

		num_seeds += worker->num_seeds;
		num_repeated += worker->num_repeated;
		sum.simulated_ns += worker->sum.simulated_ns;
		sum.packets += worker->sum.packets;
		sum.delivered += worker->sum.delivered;
		sum.sessions += worker->sum.sessions;
		sum.datagrams += worker->sum.datagrams;
	}
	printf("%llu seeds from %llu on, %llu of them twice, in %u scenarios: %.0f simulated hours "
	       "of "
	       "hosts in %.0f s; %llu sessions, %llu datagrams, %llu packets, %llu delivered\n",
		(unsigned long long)num_seeds, (unsigned long long)campaign->first_seed,
		(unsigned long long)num_repeated, campaign->only ? 1 : num_scenarios,
		(double)sum.simulated_ns / 3600e9, seconds, (unsigned long long)sum.sessions,
		(unsigned long long)sum.datagrams, (unsigned long long)sum.packets,
		(unsigned long long)sum.delivered);
}

bool campaign_run(const struct campaign *campaign)
{
	const uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
	const long num_cores = sysconf(_SC_NPROCESSORS_ONLN);
	const unsigned num = num_cores < 1	       ? 1
			     : num_cores > WORKERS_MAX ? WORKERS_MAX
						       : (unsigned)num_cores;
	bool all_held = true;

	shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return false;
	shared->next_seed = campaign->first_seed;
	fflush(NULL);
	for (unsigned i = 0; i < num; i++) {
		struct worker *worker = &shared->workers[i];

		worker->pid = fork();
		if (worker->pid == 0) {
			work(campaign, worker, start_ns + campaign->seconds * SECOND_NS);
			_Exit(0);
		}
		if (worker->pid < 0)
			return false;
	}
	for (unsigned i = 0; i < num; i++)
		all_held &= wait_for_one(campaign);
	sum_up(campaign, num, (double)(clock_ns(CLOCK_MONOTONIC) - start_ns) / 1e9);
	return all_held;
}
