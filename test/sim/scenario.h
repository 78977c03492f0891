/* SPDX-License-Identifier: MIT
 *
 * Scenarios: what kind of network there is, and what may happen in it.
 */
#ifndef ADIT_SIM_SCENARIO_H
#define ADIT_SIM_SCENARIO_H

#include "host.h"

enum shape { SHAPE_MESH, SHAPE_STAR, SHAPE_PAIRS };

enum fault {
	FAULT_WEATHER = 1 << 0, /* loss, duplication, reordering, corruption, truncation, delay */
	FAULT_PARTITION = 1 << 1,
	FAULT_NAT = 1 << 2, /* hosts behind NATs, which time out and forget */
	FAULT_ROAM = 1 << 3,
	FAULT_CLOCK = 1 << 4, /* wall clocks jump, both ways */
	FAULT_SUSPEND = 1 << 5,
	FAULT_REBOOT = 1 << 6,
	FAULT_CRASH = 1 << 7,	  /* the moment a handshake message was sent */
	FAULT_LINK = 1 << 8,	  /* interfaces go down and up */
	FAULT_LOAD = 1 << 9,	  /* hosts are under load, and ask for cookies */
	FAULT_OVERFLOW = 1 << 10, /* queues are short and overflow */
	FAULT_KEYS = 1 << 11,	  /* new private keys and psks */
	FAULT_PEERS = 1 << 12,	  /* peers are removed and come back */
	FAULT_KEEPALIVE = 1 << 13,
	FAULT_SLOW = 1 << 14,	  /* the processes of a host wait for each other */
	FAULT_INDICES = 1 << 15,  /* receiver indices are drawn out of few */
	FAULT_ATTACKER = 1 << 16, /* on the path: replays and alters all it ever saw */
	FAULT_STRANGER = 1 << 17, /* floods without a key */
	FAULT_INSIDER = 1 << 18,  /* host 0 is hostile */
	FAULTS_THAT_STRIKE = FAULT_INDICES - 1, /* those of faults_strike */
	FAULTS_ALL = (1 << 18) - 1,		/* but an insider */
};

struct scenario {
	const char *name;
	const char *what;
	enum shape shape;
	unsigned min_hosts, max_hosts;
	unsigned faults;
	unsigned rounds, deeds_per_round;
	/* What happens instead; NULL: deeds, then healing, in rounds. */
	void (*run)(void);
};

extern const struct scenario scenarios[];
extern const unsigned num_scenarios;

/* By name; NULL: there is none. */
const struct scenario *scenario_find(const char *name);

struct outcome {
	uint64_t trace_hash;
	uint64_t simulated_ns; /* of all hosts together */
	uint64_t packets, delivered, sessions, datagrams;
};

/* Run one seed; a violated invariant ends the process. */
struct outcome scenario_run(const struct scenario *scenario, uint64_t seed);

#endif
