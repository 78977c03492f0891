/* SPDX-License-Identifier: MIT
 *
 * The world of a simulation: its clock, what is due when, chance, the trace, and how it ends when
 * something that must hold does not. A run is a function of seed and scenario alone.
 */
#ifndef ADIT_SIM_WORLD_H
#define ADIT_SIM_WORLD_H

#include "base/bytes.h"
#include "base/clock.h"

struct world {
	uint64_t now_ns; /* the only true clock; that of a host may be off */
	uint64_t chance; /* state of the random source of all that befalls the hosts */
	uint64_t trace_hash;
	bool prints_trace;
	uint64_t seed;
	const char *scenario;
};

extern struct world world;

/* Begin anew. */
void world_start(const char *scenario, uint64_t seed);
void world_end(void);

/* Have something done at a time; what is due at the same time is done in the order of asking. */
void world_at(uint64_t ns, void (*act)(void *ctx, uint64_t arg), void *ctx, uint64_t arg);

/* Do what is due until this time, which then is now. */
void world_run_until(uint64_t ns);

/* Pseudo-random numbers: of any source by its state, of the world's own; below a limit (> 0); true
 * that often in 1000. */
uint64_t random_next(uint64_t *state);
uint64_t random_below(uint64_t limit);
bool random_chance(unsigned in_1000);

/* Something happened. All that a run does is traced, so that two runs of one seed are compared by
 * their hashes. */
void trace(const char *what, uint64_t a, uint64_t b, uint64_t c);
void trace_bytes(const char *what, uint64_t a, const void *bytes, size_t len);

/* An invariant does not hold: say so, and the command that shows it again; the process ends. */
_Noreturn void violated(const char *invariant, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
#define must_hold(condition, invariant, ...)              \
	do {                                              \
		if (!(condition))                         \
			violated(invariant, __VA_ARGS__); \
	} while (0)

#endif
