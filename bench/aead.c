/* SPDX-License-Identifier: MIT
 *
 * How fast packets are sealed: one by one (aead_seal), by the vector kernel alone, and by
 * aead_seal_many, which decides between the two. vector_min in crypto/aead_many.c is the smallest
 * batch from which on the kernel wins at every size that packets have.
 *
 *   aead [NUM_KEYS]
 *
 * The packets of a batch take turns with NUM_KEYS keys (1: all are for one peer).
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "crypto/internal.h"

enum {
	ROUNDS = 9,		/* the median of so many, each way in turns */
	WARM_UP = 2,		/* rounds before */
	PACKETS_PER_LOOK = 256, /* at the clock, which takes as long as a packet */
	SPACING = 192,		/* bytes between packets, for their headers and tags */
	LEN_MAX = 16384,
	KEYS_MAX = AEAD_MANY_MAX,
};

#define ROUND_NS (2 * MSEC_NS)

static const uint32_t lens[] = {0, 64, 128, 512, 1420, LEN_MAX};
static const unsigned batches[] = {1, 2, 3, 4, 6, 8, 16, 32, AEAD_MANY_MAX};

static uint8_t text[AEAD_MANY_MAX * (LEN_MAX + SPACING)];
static uint8_t keys[KEYS_MAX][KEY_LEN];

static void seal_one_by_one(struct aead_job *jobs, unsigned num)
{
	for (unsigned i = 0; i < num; i++)
		aead_seal(jobs[i].data, jobs[i].data, jobs[i].len, NULL, 0, jobs[i].counter,
			jobs[i].key);
}

#if defined(__x86_64__)
static bool has_kernel(void)
{
	return aead_avx512_is_available();
}

static void seal_by_kernel(struct aead_job *jobs, unsigned num)
{
	aead_avx512_seal(jobs, num);
}
#else
static bool has_kernel(void)
{
	return false;
}

static void seal_by_kernel(struct aead_job *jobs, unsigned num)
{
	seal_one_by_one(jobs, num);
}
#endif

enum way { WAY_ONE_BY_ONE, WAY_KERNEL, WAY_MANY, NUM_WAYS };

static void (*const ways[NUM_WAYS])(struct aead_job *jobs, unsigned num) = {
	[WAY_ONE_BY_ONE] = seal_one_by_one,
	[WAY_KERNEL] = seal_by_kernel,
	[WAY_MANY] = aead_seal_many,
};

/* Nanoseconds of this thread a packet, over one round. */
static double measure(enum way way, struct aead_job *jobs, unsigned num)
{
	uint64_t begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID), end_ns;
	uint64_t packets = 0;

	do {
		for (unsigned i = 0; i < PACKETS_PER_LOOK; i += num) {
			ways[way](jobs, num);
			packets += num;
		}
		end_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	} while (end_ns - begin_ns < ROUND_NS);
	return (double)(end_ns - begin_ns) / (double)packets;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void print_row(uint32_t len, unsigned num, unsigned num_keys)
{
	struct aead_job jobs[AEAD_MANY_MAX];
	double ns[NUM_WAYS][ROUNDS];

	for (unsigned i = 0; i < num; i++)
		jobs[i] = (struct aead_job){
			.data = text + (size_t)i * (len + SPACING),
			.len = len,
			.counter = i,
			.key = keys[i % num_keys],
		};
	for (int round = -WARM_UP; round < ROUNDS; round++) {
		for (enum way way = 0; way < NUM_WAYS; way++) {
			double took = measure(way, jobs, num);

			if (round >= 0)
				ns[way][round] = took;
		}
	}
	printf("%6u %6u", len, num);
	for (enum way way = 0; way < NUM_WAYS; way++) {
		qsort(ns[way], ROUNDS, sizeof(ns[way][0]), compare);
		if (way == WAY_KERNEL && !has_kernel())
			printf(" %10s %6s", "-", "-");
		else
			printf(" %10.0f %6.2f", ns[way][ROUNDS / 2], len / ns[way][ROUNDS / 2]);
	}
	printf(" %8.2f\n", ns[WAY_ONE_BY_ONE][ROUNDS / 2] / ns[WAY_MANY][ROUNDS / 2]);
}

int main(int argc, char **argv)
{
	unsigned num_keys = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;

	if (argc > 2 || num_keys < 1 || num_keys > KEYS_MAX) {
		fprintf(stderr, "usage: aead [NUM_KEYS], 1 to %d\n", KEYS_MAX);
		return 2;
	}
	if (crypto_init() != 0) {
		fprintf(stderr, "aead: libcrypto lacks an algorithm\n");
		return 1;
	}
	for (unsigned i = 0; i < KEYS_MAX; i++)
		memset(keys[i], (int)i + 1, KEY_LEN);

	printf("Sealing; ns a packet and GB/s, with %u key%s; gain: one by one / "
	       "aead_seal_many.\n\n",
		num_keys, num_keys == 1 ? "" : "s");
	printf("%6s %6s %17s %17s %17s %8s\n", "", "", "one by one", "vector kernel",
		"aead_seal_many", "");
	printf("%6s %6s %10s %6s %10s %6s %10s %6s %8s\n", "bytes", "batch", "ns", "GB/s", "ns",
		"GB/s", "ns", "GB/s", "gain");
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
		for (size_t j = 0; j < ARRAY_SIZE(batches); j++)
			print_row(lens[i], batches[j], num_keys);
	return 0;
}
