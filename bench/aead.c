/* SPDX-License-Identifier: MIT
 *
 * How fast packets are sealed: one by one with libcrypto, on each vector kernel that the processor
 * has, and by aead_seal_many, which chooses; its table in crypto/aead_many.c is from these figures.
 *
 *   aead [NUM_KEYS]
 *
 * The packets of a batch take turns with NUM_KEYS keys (1: all are for one peer).
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "crypto/aead_vector.h"

enum {
	ROUNDS = 9,		/* the median of so many, each way in turns */
	WARM_UP = 2,		/* rounds before */
	PACKETS_PER_LOOK = 256, /* at the clock, which takes as long as a packet */
	SPACING = 192,		/* bytes between packets, for their headers and tags */
	LEN_MAX = 16384,
	BATCH_LEN_MAX = 64, /* packets */
	KEYS_MAX = BATCH_LEN_MAX,
	KERNELS_MAX = 2,
	WAYS_MAX = KERNELS_MAX + 2,
};

#define ROUND_NS (2 * MSEC_NS)

static const uint32_t lens[] = {0, 64, 128, 512, 1420, 4096, LEN_MAX};
static const unsigned batches[] = {1, 2, 3, 4, 6, 8, 16, 32, 45, BATCH_LEN_MAX};

static uint8_t text[BATCH_LEN_MAX * (LEN_MAX + SPACING)];
static uint8_t keys[KEYS_MAX][KEY_LEN];

static void seal_one_by_one(struct aead_job *jobs, unsigned num)
{
	for (unsigned i = 0; i < num; i++)
		aead_seal(jobs[i].data, jobs[i].data, jobs[i].len, NULL, 0, jobs[i].counter,
			jobs[i].key);
}

static void seal_by_kernel(const struct aead_kernel *kernel, struct aead_job *jobs, unsigned num)
{
#if defined(__x86_64__)
	aead_kernel_seal(kernel, jobs, num);
#else
	(void)kernel, (void)jobs, (void)num;
#endif
}

struct way {
	const char *name;
	const struct aead_kernel *kernel; /* or that function */
	void (*seal)(struct aead_job *jobs, unsigned num);
};

static struct way ways[WAYS_MAX] = {{.name = "libcrypto", .seal = seal_one_by_one}};
static unsigned num_ways = 1;

static void find_ways(void)
{
	for (size_t i = 0; aead_kernels[i]; i++) {
		if (aead_kernels[i]->is_available())
			ways[num_ways++] =
				(struct way){aead_kernels[i]->name, aead_kernels[i], NULL};
	}
	ways[num_ways++] = (struct way){.name = "aead_seal_many", .seal = aead_seal_many};
}

/* Nanoseconds of this thread a packet, over one round. */
static double measure(const struct way *way, struct aead_job *jobs, unsigned num)
{
	uint64_t begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID), end_ns;
	uint64_t packets = 0;

	do {
		for (unsigned i = 0; i < PACKETS_PER_LOOK; i += num) {
			if (way->kernel)
				seal_by_kernel(way->kernel, jobs, num);
			else
				way->seal(jobs, num);
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
	const struct aead_kernel *chosen = aead_kernel_choose(len, num);
	struct aead_job jobs[BATCH_LEN_MAX];
	double ns[WAYS_MAX][ROUNDS];

	for (unsigned i = 0; i < num; i++)
		jobs[i] = (struct aead_job){
			.data = text + (size_t)i * (len + SPACING),
			.len = len,
			.counter = i,
			.key = keys[i % num_keys],
		};
	for (int round = -WARM_UP; round < ROUNDS; round++) {
		for (unsigned way = 0; way < num_ways; way++) {
			double took = measure(&ways[way], jobs, num);

			if (round >= 0)
				ns[way][round] = took;
		}
	}
	printf("%6u %6u", len, num);
	for (unsigned way = 0; way < num_ways; way++) {
		qsort(ns[way], ROUNDS, sizeof(ns[way][0]), compare);
		printf(" %10.0f %6.2f", ns[way][ROUNDS / 2], len / ns[way][ROUNDS / 2]);
	}
	printf("  %-9s %6.2f\n", chosen ? chosen->name : "libcrypto",
		ns[0][ROUNDS / 2] / ns[num_ways - 1][ROUNDS / 2]);
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

	find_ways();
	printf("Sealing; ns a packet and GB/s, with %u key%s; what aead_seal_many chooses (for the "
	       "first of a batch),\nand how many times faster than libcrypto it is.\n\n%13s",
		num_keys, num_keys == 1 ? "" : "s", "");
	for (unsigned way = 0; way < num_ways; way++)
		printf(" %17s", ways[way].name);
	printf("\n%6s %6s", "bytes", "batch");
	for (unsigned way = 0; way < num_ways; way++)
		printf(" %10s %6s", "ns", "GB/s");
	printf("  %-9s %6s\n", "chosen", "gain");
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
		for (size_t j = 0; j < ARRAY_SIZE(batches); j++)
			print_row(lens[i], batches[j], num_keys);
	return 0;
}
