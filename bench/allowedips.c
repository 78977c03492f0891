/* SPDX-License-Identifier: MIT
 *
 * What finding a packet's peer costs, by how many allowed IPs there are: nanoseconds of this thread
 * a lookup, the median of some rounds. "anywhere" looks up addresses that lie in random entries, so
 * with many entries nothing of what it reads is in a near cache; "one flow" looks up the same one,
 * as a transfer does.
 *
 *   allowedips
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "core/allowedips.h"
#include "core/messages.h"

enum { ROUNDS = 7, ADDRESSES = 1 << 20, CIDR_MIN_IPV4 = 16, CIDR_MIN_IPV6 = 48 };

static const uint32_t counts[] = {1, 1000, 100000, 1000000};

static uint8_t addresses[ADDRESSES][16];
static uint32_t sum; /* what is found is used, else the compiler leaves it out */

/* xorshift64*: the same numbers every time. */
static uint64_t next_random(void)
{
	static uint64_t state = 1;

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * UINT64_C(2685821657736338717);
}

/* Most are long, as the addresses of peers are. */
static struct prefix random_prefix(uint16_t family)
{
	const unsigned bits = address_bits(family);
	const unsigned min = family == AF_INET ? CIDR_MIN_IPV4 : CIDR_MIN_IPV6;
	struct prefix prefix = {.family = family,
		.cidr = (uint8_t)(next_random() % 4 ? bits : min + next_random() % (bits - min))};

	for (unsigned i = 0; i < bits / 8; i++)
		prefix.addr[i] = (uint8_t)(next_random() >> 56);
	return prefix;
}

static struct allowedips *fill(uint16_t family, uint32_t count, double *ret_insert_ns)
{
	struct allowedips *table = allowedips_new();
	struct prefix *prefixes = calloc(count, sizeof(*prefixes));
	uint64_t begin_ns;

	if (!table || !prefixes)
		exit(1);
	for (uint32_t i = 0; i < count; i++)
		prefixes[i] = random_prefix(family);
	for (uint32_t i = 0; i < ADDRESSES; i++)
		memcpy(addresses[i], prefixes[next_random() % count].addr, 16);
	begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	for (uint32_t i = 0; i < count; i++) {
		if (allowedips_insert(table, &prefixes[i], i % MAX_PEERS) < 0)
			exit(1);
	}
	*ret_insert_ns = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns) / count;
	free(prefixes);
	return table;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* mask: which of the addresses, by turns, are looked up. */
static double lookup_ns(const struct allowedips *table, uint16_t family, uint32_t mask)
{
	double rounds[ROUNDS];

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);

		for (uint32_t i = 0; i < ADDRESSES; i++)
			sum += allowedips_lookup(table, family, addresses[i & mask]);
		rounds[round] = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns) / ADDRESSES;
	}
	qsort(rounds, ROUNDS, sizeof(*rounds), compare);
	return rounds[ROUNDS / 2];
}

int main(void)
{
	static const struct {
		uint16_t family;
		const char *name;
	} families[] = {{AF_INET, "IPv4"}, {AF_INET6, "IPv6"}};

	printf("allowed IPs, ns    entries  anywhere  one flow  insertion\n");
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
			const uint16_t family = families[f].family;
			double insert_ns;
			struct allowedips *table = fill(family, counts[i], &insert_ns);

			printf("%-15s %10u %9.1f %9.1f %10.0f\n", families[f].name, counts[i],
				lookup_ns(table, family, UINT32_MAX & (ADDRESSES - 1)),
				lookup_ns(table, family, 0), insert_ns);
			allowedips_free(table);
		}
	}
	return sum == 1; /* hardly */
}
