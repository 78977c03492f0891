/* SPDX-License-Identifier: MIT
 *
 * The scenarios, and how one is run.
 */
#include "scenario.h"

#include <string.h>

#include "life.h"
#include "network.h"
#include "traffic.h"
#include "watch.h"

const struct scenario scenarios[] = {
	{.name = "calm",
		.what = "two hosts and nothing special",
		.shape = SHAPE_PAIRS,
		.min_hosts = 2,
		.max_hosts = 2,
		.rounds = 2,
		.deeds_per_round = 40},
};
const unsigned num_scenarios = ARRAY_SIZE(scenarios);

const struct scenario *scenario_find(const char *name)
{
	for (unsigned i = 0; i < num_scenarios; i++) {
		if (strcmp(scenarios[i].name, name) == 0)
			return &scenarios[i];
	}
	return NULL;
}

static bool are_linked(enum shape shape, unsigned a, unsigned b)
{
	switch (shape) {
	case SHAPE_MESH:
		return true;
	case SHAPE_STAR:
		return a == 0;
	case SHAPE_PAIRS:
		break;
	}
	return a % 2 == 0 && b == a + 1;
}

static void build(const struct scenario *scenario)
{
	const unsigned num = scenario->min_hosts +
			     (unsigned)random_below(scenario->max_hosts - scenario->min_hosts + 1);

	for (unsigned i = 0; i < num; i++)
		host_new();
	for (unsigned i = 0; i < num; i++) {
		/* of two one must be where the other can find him */
		hosts[i].is_anchor = scenario->shape == SHAPE_STAR ? i == 0 : i % 2 == 0;
	}
	for (unsigned i = 0; i < num; i++)
		host_start(&hosts[i]);
	for (unsigned i = 0; i < num; i++) {
		for (unsigned k = i + 1; k < num; k++) {
			if (are_linked(scenario->shape, i, k))
				life_link(&hosts[i], &hosts[k]);
		}
	}
}

static void live(const struct scenario *scenario)
{
	for (unsigned i = 0; i < scenario->rounds; i++) {
		for (unsigned k = 0; k < scenario->deeds_per_round; k++)
			life_goes_on();
		life_heals();
	}
}

struct outcome scenario_run(const struct scenario *scenario, uint64_t seed)
{
	struct outcome outcome = {0};
	uint64_t start_ns;

	world_start(scenario->name, seed);
	start_ns = world.now_ns;
	num_hosts = 0;
	watch_counts = (struct watch_counts){0};
	network_start();
	traffic_start();
	watch_start();
	life_start(scenario->faults);
	build(scenario);
	live(scenario);
	outcome.simulated_ns = (world.now_ns - start_ns) * num_hosts;
	for (unsigned i = 0; i < num_hosts; i++) {
		outcome.delivered += hosts[i].num_delivered;
		host_stop(&hosts[i]);
	}
	outcome.trace_hash = world.trace_hash;
	outcome.packets = traffic_num();
	outcome.sessions = watch_counts.sessions;
	outcome.datagrams = watch_counts.datagrams;
	watch_end();
	traffic_end();
	network_end();
	world_end();
	return outcome;
}
