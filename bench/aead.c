/* SPDX-License-Identifier: MIT
 *
 * How fast packets are sealed: one by one with libcrypto, on each vector kernel that the processor
 * has, and by aead_seal_many, which chooses; its table in crypto/aead_many.c is from these figures.
 *
 *   aead [NUM_KEYS [both]]
 *
 * The packets of a batch take turns with NUM_KEYS keys (1: all are for one peer). With "both", they
 * are sealed and opened, and figures are the mean of the two.
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

static void run_one_by_one(struct aead_job *jobs, unsigned num, bool seal)
{
	for (unsigned i = 0; i < num; i++) {
		struct aead_job *job = &jobs[i];

		if (seal)
			aead_seal(job->data, job->data, job->len, NULL, 0, job->counter, job->key);
		else
			job->ok = aead_open(job->data, job->data, job->len + AEAD_TAG_LEN, NULL, 0,
				job->counter, job->key);
	}
}

enum way_kind { WAY_ONE_BY_ONE, WAY_KERNEL, WAY_MANY };

struct way {
	enum way_kind kind;
	const char *name;
	const struct aead_kernel *kernel;
};

static struct way ways[WAYS_MAX];
static unsigned num_ways;

static void find_ways(void)
{
	ways[num_ways++] = (struct way){WAY_ONE_BY_ONE, "libcrypto", NULL};
	for (size_t i = 0; aead_kernels[i]; i++) {
		if (aead_kernels[i]->is_available())
			ways[num_ways++] =
				(struct way){WAY_KERNEL, aead_kernels[i]->name, aead_kernels[i]};
	}
	ways[num_ways++] = (struct way){WAY_MANY, "aead_*_many", NULL};
}

static void run(const struct way *way, struct aead_job *jobs, unsigned num, bool seal)
{
	switch (way->kind) {
	case WAY_ONE_BY_ONE:
		run_one_by_one(jobs, num, seal);
		break;
	case WAY_KERNEL:
#if WITH_VECTORS
		seal ? aead_kernel_seal(way->kernel, jobs, num)
		     : aead_kernel_open(way->kernel, jobs, num);
#endif
		break;
	case WAY_MANY:
		seal ? aead_seal_many(jobs, num) : aead_open_many(jobs, num);
		break;
	}
}

/* Nanoseconds of this thread a packet, over one round. */
static double measure(const struct way *way, struct aead_job *jobs, unsigned num, bool both)
{
	uint64_t begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID), end_ns;
	uint64_t packets = 0;

	do {
		for (unsigned i = 0; i < PACKETS_PER_LOOK; i += num) {
			run(way, jobs, num, true);
			if (both)
				run(way, jobs, num, false);
			packets += both ? 2 * num : num;
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

static void print_row(uint32_t len, unsigned num, unsigned num_keys, bool both)
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
			double took = measure(&ways[way], jobs, num, both);

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
	bool both = argc > 2 && strcmp(argv[2], "both") == 0;

	if (argc > (both ? 3 : 2) || num_keys < 1 || num_keys > KEYS_MAX) {
		fprintf(stderr, "usage: aead [NUM_KEYS [both]], 1 to %d keys\n", KEYS_MAX);
		return 2;
	}
	if (crypto_init() != 0) {
		fprintf(stderr, "aead: libcrypto lacks an algorithm\n");
		return 1;
	}
	for (unsigned i = 0; i < KEYS_MAX; i++)
		memset(keys[i], (int)i + 1, KEY_LEN);

	find_ways();
	printf("Sealing%s; ns a packet and GB/s, with %u key%s; what is chosen, and how many times "
	       "faster\nthan libcrypto that is.\n\n%13s",
		both ? " and opening" : "", num_keys, num_keys == 1 ? "" : "s", "");
	for (unsigned way = 0; way < num_ways; way++)
		printf(" %17s", ways[way].name);
	printf("\n%6s %6s", "bytes", "batch");
	for (unsigned way = 0; way < num_ways; way++)
		printf(" %10s %6s", "ns", "GB/s");
	printf("  %-9s %6s\n", "chosen", "gain");
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
		for (size_t j = 0; j < ARRAY_SIZE(batches); j++)
			print_row(lens[i], batches[j], num_keys, both);
	return 0;
}
