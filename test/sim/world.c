/* SPDX-License-Identifier: MIT
 *
 * The clock, chance and trace of a simulation.
 */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/siphash.h"
#include "memory.h"

#define START_NS (1000000 * SECOND_NS)

struct deed {
	uint64_t ns;
	uint64_t number; /* of asking */
	void (*act)(void *ctx, uint64_t arg);
	void *ctx;
	uint64_t arg;
};

struct world world;

static struct deed *heap; /* 1-based */
static size_t num_deeds, max_deeds;
static uint64_t num_asked;

static bool is_before(const struct deed *a, const struct deed *b)
{
	return a->ns != b->ns ? a->ns < b->ns : a->number < b->number;
}

void world_at(uint64_t ns, void (*act)(void *ctx, uint64_t arg), void *ctx, uint64_t arg)
{
	const struct deed deed = {ns, num_asked++, act, ctx, arg};
	size_t at = ++num_deeds;

	if (num_deeds >= max_deeds) {
		max_deeds = max_deeds ? 2 * max_deeds : 1024;
		heap = own_realloc(heap, max_deeds * sizeof(*heap));
	}
	for (; at > 1 && is_before(&deed, &heap[at / 2]); at /= 2)
		heap[at] = heap[at / 2];
	heap[at] = deed;
}

static struct deed take_first(void)
{
	const struct deed first = heap[1], last = heap[num_deeds--];
	size_t at = 1;

	for (;;) {
		size_t child = 2 * at;

		if (child < num_deeds && is_before(&heap[child + 1], &heap[child]))
			child++;
		if (child > num_deeds || is_before(&last, &heap[child]))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = last;
	return first;
}

void world_run_until(uint64_t ns)
{
	while (num_deeds && heap[1].ns <= ns) {
		const struct deed deed = take_first();

		if (deed.ns > world.now_ns)
			world.now_ns = deed.ns;
		deed.act(deed.ctx, deed.arg);
	}
	if (ns > world.now_ns)
		world.now_ns = ns;
}

void world_start(const char *scenario, uint64_t seed)
{
	world = (struct world){.now_ns = START_NS,
		.chance = seed ^ UINT64_C(0x6a09e667f3bcc908),
		.prints_trace = world.prints_trace,
		.seed = seed,
		.scenario = scenario};
	num_deeds = 0;
	num_asked = 0;
}

void world_end(void)
{
	num_deeds = 0;
}

/* --- chance ---------------------------------------------------------- */

uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t random_below(uint64_t limit)
{
	return random_next(&world.chance) % limit;
}

bool random_chance(unsigned in_1000)
{
	return random_below(1000) < in_1000;
}

/* --- the trace ------------------------------------------------------- */

static void mix(uint64_t value)
{
	uint64_t state = world.trace_hash ^ value;

	world.trace_hash = random_next(&state);
}

void trace(const char *what, uint64_t a, uint64_t b, uint64_t c)
{
	mix(world.now_ns);
	for (const char *p = what; *p; p++)
		mix((uint8_t)*p);
	mix(a);
	mix(b);
	mix(c);
	if (world.prints_trace)
		printf("%llu.%09llu %s %llu %llu %llu\n",
			(unsigned long long)(world.now_ns / SECOND_NS),
			(unsigned long long)(world.now_ns % SECOND_NS), what, (unsigned long long)a,
			(unsigned long long)b, (unsigned long long)c);
}

void trace_bytes(const char *what, uint64_t a, const void *bytes, size_t len)
{
	static const uint8_t key[SIPHASH_KEY_LEN];

	trace(what, a, len, siphash(key, bytes, len));
}

void violated(const char *invariant, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "VIOLATED %s: ", invariant);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, " (at %.3f s)\nreplay: build/adit-sim --seed %llu --scenario %s\n",
		(double)(world.now_ns - START_NS) / 1e9, (unsigned long long)world.seed,
		world.scenario);
	_Exit(1);
}
