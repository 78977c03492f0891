/* SPDX-License-Identifier: MIT
 *
 * The scenarios, and how one is run.
 */
#include "scenario.h"

#include <string.h>

#include "attacker.h"
#include "faults.h"
#include "insider.h"
#include "life.h"
#include "network.h"
#include "promises.h"
#include "traffic.h"
#include "watch.h"

#define PAIR .shape = SHAPE_PAIRS, .min_hosts = 2, .max_hosts = 2
#define SMALL_MESH .shape = SHAPE_MESH, .min_hosts = 3, .max_hosts = 5
#define SMALL_STAR .shape = SHAPE_STAR, .min_hosts = 3, .max_hosts = 6
#define HOURLY .rounds = 3, .deeds_per_round = 50

const struct scenario scenarios[] = {
	{"calm", "nothing special", PAIR, HOURLY},
	{"weather", "a bad network", PAIR, HOURLY,
		.faults = FAULT_WEATHER | FAULT_PARTITION | FAULT_KEEPALIVE},
	{"roaming", "NATs and hosts on the move", SMALL_STAR, HOURLY,
		.faults = FAULT_NAT | FAULT_ROAM | FAULT_WEATHER | FAULT_KEEPALIVE},
	{"clocks", "clocks jump, machines sleep", PAIR, HOURLY,
		.faults = FAULT_CLOCK | FAULT_SUSPEND | FAULT_WEATHER},
	{"reboots", "machines crash and interfaces go down", SMALL_MESH, HOURLY,
		.faults = FAULT_REBOOT | FAULT_CRASH | FAULT_LINK | FAULT_WEATHER},
	{"floods", "too many handshakes", SMALL_STAR, HOURLY,
		.faults =
			FAULT_LOAD | FAULT_OVERFLOW | FAULT_STRANGER | FAULT_ROAM | FAULT_WEATHER},
	{"settings", "keys and peers change", SMALL_MESH, HOURLY,
		.faults = FAULT_KEYS | FAULT_PEERS | FAULT_KEEPALIVE | FAULT_WEATHER},
	{"slow", "processes wait for each other, indices collide", PAIR, HOURLY,
		.faults = FAULT_SLOW | FAULT_INDICES | FAULT_WEATHER | FAULT_LINK | FAULT_PEERS},
	{"attacker", "somebody on the path", PAIR, HOURLY,
		.faults = FAULT_ATTACKER | FAULT_WEATHER | FAULT_REBOOT | FAULT_KEYS | FAULT_ROAM |
			  FAULT_INDICES},
	{"insider", "a hostile peer", SMALL_STAR, HOURLY,
		.faults = FAULT_INSIDER | FAULT_LOAD | FAULT_WEATHER},
	{"insider-mesh", "a hostile peer among friends", SMALL_MESH, HOURLY,
		.faults = FAULT_INSIDER | FAULT_LOAD | FAULT_ROAM},
	{"everything", "all of it at once", SMALL_MESH, HOURLY, .faults = FAULTS_ALL},
	{"pair", "all of it, to two hosts", PAIR, HOURLY, .faults = FAULTS_ALL},
	{"town", "many hosts around one", .shape = SHAPE_STAR, .min_hosts = 20, .max_hosts = 50,
		.rounds = 1, .deeds_per_round = 40, .faults = FAULTS_ALL},
	{"patience", "a packet waits for its way", PAIR, .run = promise_patience},
	{"giving-up", "there is no way", PAIR, .run = promise_giving_up},
	{"silence", "the other side has forgotten", PAIR, .run = promise_silence},
	{"oblivion", "nothing happens for long", PAIR, .run = promise_oblivion},
	{"rekeying", "traffic never ends", PAIR, .run = promise_rekeying},
	{"answer", "one side only listens", PAIR, .run = promise_answer},
	{"keepalive", "behind a NAT", PAIR, .run = promise_keepalive},
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
		hosts[i].is_anchor = scenario->shape == SHAPE_STAR    ? i == 0
				     : scenario->shape == SHAPE_PAIRS ? i % 2 == 0
								      : i + 1 < num;
		hosts[i].is_hostile = i == 0 && (scenario->faults & FAULT_INSIDER);
		faults_make_host(&hosts[i], scenario->faults);
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
			life_goes_on(scenario->faults);
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
	life_start();
	insider_start();
	if (scenario->faults & FAULT_ATTACKER)
		attacker_start();
	network_heal();
	build(scenario);
	if (scenario->run)
		scenario->run();
	else
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
	attacker_end();
	watch_end();
	traffic_end();
	network_end();
	world_end();
	return outcome;
}
