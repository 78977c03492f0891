/* SPDX-License-Identifier: MIT
 *
 * Many packets at once are the same as each alone with libcrypto, on every vector kernel that this
 * processor has and as aead_seal_many chooses: every length, mixed lengths and keys, any number,
 * and forged ones among them.
 *
 *   test_aead_many [PACKETS [SEED]]
 *
 * With PACKETS, that many random packets on each kernel instead of some thousands.
 */
#include "crypto/aead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include "crypto/aead_vector.h"

enum {
	NUM_MAX = 2 * VECTOR_LANES_MAX + 9,
	LEN_MAX = UINT16_MAX,
	PACKETS = 50000, /* random ones */
};

static uint8_t storage[NUM_MAX][LEN_MAX + AEAD_TAG_LEN + 1];
static uint8_t plain[NUM_MAX][LEN_MAX];
static uint8_t expected[NUM_MAX][LEN_MAX + AEAD_TAG_LEN];
static uint8_t keys[NUM_MAX][KEY_LEN];
static struct aead_job jobs[NUM_MAX];
static unsigned long num_packets = PACKETS;
static uint64_t seed = 1;

/* What is tested: a kernel, or NULL, the choice of aead_seal_many. */
static const struct aead_kernel *kernel;

static void run_many(unsigned num, bool seal)
{
	if (!kernel) {
		seal ? aead_seal_many(jobs, num) : aead_open_many(jobs, num);
		return;
	}
#if WITH_VECTORS
	seal ? aead_kernel_seal(kernel, jobs, num) : aead_kernel_open(kernel, jobs, num);
#endif
}

/* SplitMix64 */
static uint64_t random64(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint32_t random_below(uint32_t bound)
{
	return (uint32_t)(random64() % bound);
}

static void fill(void *data, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t word = random64();

		memcpy((uint8_t *)data + i, &word, len - i < 8 ? len - i : 8);
	}
}

/* What libcrypto alone makes of a packet. */
static void prepare(unsigned i, uint32_t len, uint64_t counter, const uint8_t *key)
{
	memcpy(storage[i], plain[i], len);
	storage[i][len + AEAD_TAG_LEN] = 0xa5;
	jobs[i] = (struct aead_job){.data = storage[i], .len = len, .counter = counter, .key = key};
	aead_seal(expected[i], plain[i], len, NULL, 0, counter, key);
}

/* Counters around 0, 2^32 and 2^64, and any. */
static uint64_t random_counter(void)
{
	static const uint64_t middles[] = {0, UINT64_C(1) << 32, UINT64_C(1) << 63};
	uint32_t which = random_below(6);

	return which < 3 ? middles[which] + random_below(64) - 32 : random64();
}

static void prepare_random(unsigned i, uint32_t len, const uint8_t *key)
{
	uint32_t kind = random_below(16);

	if (kind < 2)
		memset(plain[i], kind ? 0xff : 0, len);
	else
		fill(plain[i], len);
	prepare(i, len, random_counter(), key);
}

static void assert_sealed(unsigned num)
{
	for (unsigned i = 0; i < num; i++) {
		assert_memory_equal(storage[i], expected[i], jobs[i].len + AEAD_TAG_LEN);
		assert_int_equal(storage[i][jobs[i].len + AEAD_TAG_LEN], 0xa5);
	}
}

/* Every length, in a full batch and in small ones, whose packets are cut into pieces; beside it a
 * longer packet. */
static void test_every_length(void **state)
{
	static const unsigned nums[] = {1, 2, 3, 5, VECTOR_LANES_MAX};

	(void)state;
	fill(keys, sizeof(keys));
	for (uint32_t len = 0; len < 2100; len++) {
		unsigned num = nums[len % ARRAY_SIZE(nums)];

		for (unsigned n = 1; n <= num; n += num - 1 ?: 1) {
			for (unsigned i = 0; i < n; i++)
				prepare_random(i, i == 2 ? len + 1000 : len, keys[0]);
			run_many(n, true);
			assert_sealed(n);
			run_many(n, false);
			for (unsigned i = 0; i < n; i++) {
				assert_true(jobs[i].ok);
				assert_memory_equal(storage[i], plain[i], jobs[i].len);
			}
		}
	}
}

static uint32_t random_len(void)
{
	switch (random_below(256)) {
	case 0:
		return random_below(LEN_MAX + 1);
	case 1 ... 64:
		return random_below(2100);
	default:
		return random_below(260);
	}
}

/* Flip a bit of some packets: text, or tag. */
static void forge(unsigned num, bool ret_forged[])
{
	unsigned chance = random_below(8);

	for (unsigned i = 0; i < num; i++) {
		ret_forged[i] = random_below(8) < chance;
		if (ret_forged[i])
			storage[i][random_below(jobs[i].len + AEAD_TAG_LEN)] ^=
				(uint8_t)(1 << random_below(8));
	}
}

static void check_random_batch(unsigned num)
{
	bool same_key = random_below(2), same_len = random_below(2), forged[NUM_MAX];
	uint32_t len = random_len();

	for (unsigned i = 0; i < num; i++)
		prepare_random(
			i, same_len ? len : random_len(), keys[same_key ? 0 : random_below(num)]);
	run_many(num, true);
	assert_sealed(num);
	forge(num, forged);
	run_many(num, false);
	for (unsigned i = 0; i < num; i++) {
		assert_int_equal(jobs[i].ok, !forged[i]);
		assert_int_equal(storage[i][jobs[i].len + AEAD_TAG_LEN], 0xa5);
		if (jobs[i].ok)
			assert_memory_equal(storage[i], plain[i], jobs[i].len);
	}
}

static void test_random_batches(void **state)
{
	(void)state;
	for (unsigned long done = 0; done < num_packets;) {
		unsigned num = 1 + random_below(random_below(4) ? VECTOR_LANES_MAX : NUM_MAX);

		fill(keys, sizeof(keys));
		check_random_batch(num);
		done += num;
	}
}

/* Nothing of a forged packet's plaintext comes out, whatever bit is wrong. */
static void test_forged_is_not_decrypted(void **state)
{
	static const uint32_t wrong[] = {0, 500, 999, 1000, 1015};

	(void)state;
	fill(keys, sizeof(keys));
	for (size_t k = 0; k < ARRAY_SIZE(wrong); k++) {
		for (unsigned i = 0; i < 8; i++)
			prepare_random(i, 1000, keys[i]);
		fill(plain[3], 1000);
		prepare(3, 1000, 7, keys[3]);
		run_many(8, true);
		storage[3][wrong[k]] ^= 0x80;
		run_many(8, false);
		for (unsigned i = 0; i < 8; i++)
			assert_int_equal(jobs[i].ok, i != 3);
		for (unsigned at = 0; at + 16 <= 1000; at += 16)
			assert_memory_not_equal(storage[3] + at, plain[3] + at, 16);
	}
}

/* Carries at their longest: all bits of message, key and counter set. */
static void test_extremes(void **state)
{
	(void)state;
	memset(keys, 0xff, sizeof(keys));
	for (unsigned i = 0; i < 16; i++) {
		memset(plain[i], i % 2 ? 0xff : 0, 512 + i);
		prepare(i, 512 + i, UINT64_MAX - i, keys[i]);
	}
	run_many(16, true);
	assert_sealed(16);
}

#if WITH_VECTORS

/* libcrypto's Poly1305 with a pad of zero: the sum mod 2^130 - 5 mod 2^128. */
static void poly1305(uint8_t ret_tag[16], const uint8_t key[KEY_LEN], const void *data, size_t len)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "POLY1305", NULL);
	EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
	size_t n;

	assert_int_equal(EVP_MAC_init(context, key, KEY_LEN, NULL), 1);
	assert_int_equal(EVP_MAC_update(context, data, len), 1);
	assert_int_equal(EVP_MAC_final(context, ret_tag, &n, 16), 1);
	EVP_MAC_CTX_free(context);
	EVP_MAC_free(mac);
}

static void carry(uint64_t h[3])
{
	h[1] += h[0] >> 44;
	h[2] += h[1] >> 44;
	h[0] = (h[0] & POLY_MASK44) + (h[2] >> 42) * 5;
	h[1] &= POLY_MASK44;
	h[2] &= POLY_MASK42;
}

/* The same of a kernel's sum: carried until nothing is left to be, plus 5 and less 2^130 where that
 * can be taken. */
static void reduce(uint8_t ret_tag[16], uint64_t h[3])
{
	uint64_t g[3];

	for (int i = 0; i < 4; i++)
		carry(h);
	memcpy(g, h, sizeof(g));
	g[0] += 5;
	carry(g); /* adds 5 more if it was p or above: compare */
	if (g[0] != ((h[0] + 5) & POLY_MASK44))
		memcpy(h, (uint64_t[3]){g[0] - 5, g[1], g[2]}, sizeof(g));
	store_le64(ret_tag, h[0] | h[1] << 44);
	store_le64(ret_tag + 8, h[1] >> 20 | h[2] << 24);
}

/* Limbs at their largest, which no cipher text makes: any r, all of its bits set, few; data all
 * ones, zeros, or any. */
static void test_poly_extremes(void **state)
{
	static const uint8_t bytes[] = {0, 1, 0x80, 0xff};
	struct poly_lanes lanes = {.num = kernel->poly_lanes};
	uint8_t sum[16], tag[16];

	(void)state;
	for (unsigned n = 0; n < 200; n++) {
		for (unsigned i = 0; i < lanes.num; i++) {
			lanes.len[i] = random_below(200) * 16;
			lanes.data[i] = plain[i];
			fill(plain[i], lanes.len[i]);
			if (random_below(4))
				memset(plain[i], bytes[random_below(4)], lanes.len[i]);
			memset(keys[i], 0, KEY_LEN);
			fill(keys[i], 16);
			if (random_below(4))
				memset(keys[i], bytes[random_below(4)], 16);
			lanes.r[0][i] = load_le64(keys[i]) & 0x0ffffffc0fffffff;
			lanes.r[1][i] = load_le64(keys[i] + 8) & 0x0ffffffc0ffffffc;
		}
		kernel->poly_sum(&lanes);
		for (unsigned i = 0; i < lanes.num; i++) {
			assert_true(lanes.h[0][i] >> 51 == 0 && lanes.h[1][i] >> 45 == 0 &&
				    lanes.h[2][i] >> 43 == 0);
			reduce(sum, (uint64_t[3]){lanes.h[0][i], lanes.h[1][i], lanes.h[2][i]});
			poly1305(tag, keys[i], plain[i], lanes.len[i]);
			assert_memory_equal(sum, tag, 16);
		}
	}
}

/* A kernel that makes what no other is likely to: a sum, to which the last block adds 2^128, with r
 * of 1 and every byte of the pad the same. */
struct finish {
	uint64_t h[3], pad;
	uint64_t low, high; /* the tag */
};

static const struct finish *finish;

static void make_r_of_1(const struct chacha_lanes *lanes)
{
	store_le64(lanes->runs[0].data, 1);
	memset(lanes->runs[0].data + 16, (int)finish->pad, 16);
}

static void make_sum(struct poly_lanes *lanes)
{
	for (int limb = 0; limb < 3; limb++)
		lanes->h[limb][0] = finish->h[limb];
}

#define L2(value) ((value) - (UINT64_C(1) << 40))

/* A sum is reduced mod p = 2^130 - 5 however close to it, and however far above. */
static void test_finish(void **state)
{
	static const struct aead_kernel fake = {
		.chacha_lanes = 16,
		.poly_lanes = 16,
		.chacha_xor = make_r_of_1,
		.poly_sum = make_sum,
	};
	static const struct finish rows[] = {
		/* p - 1, p, 2^130 - 1, 2^130, 2^131 - 1 */
		{{POLY_MASK44 - 5, POLY_MASK44, L2(POLY_MASK42)}, 0, -(uint64_t)6, UINT64_MAX},
		{{POLY_MASK44 - 4, POLY_MASK44, L2(POLY_MASK42)}, 0, 0, 0},
		{{POLY_MASK44, POLY_MASK44, L2(POLY_MASK42)}, 0, 4, 0},
		{{0, 0, L2(POLY_MASK42 + 1)}, 0, 5, 0},
		{{POLY_MASK44, POLY_MASK44, L2(2 * POLY_MASK42 + 1)}, 0, 9, 0},
		/* 2^128 + 1 and 2^128, plus a pad of 2^128 - 1 */
		{{1, 0, 0}, 0xff, 0, 0},
		{{0, 0, 0}, 0xff, UINT64_MAX, UINT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		finish = &rows[i];
		jobs[0] = (struct aead_job){.data = storage[0], .key = keys[0]};
		aead_kernel_seal(&fake, jobs, 1);
		assert_int_equal(load_le64(storage[0]), rows[i].low);
		assert_int_equal(load_le64(storage[0] + 8), rows[i].high);
	}
}

#endif

static int run(const struct aead_kernel *which)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_random_batches),
		cmocka_unit_test(test_forged_is_not_decrypted),
		cmocka_unit_test(test_extremes),
	};
	int failed = 0;

	kernel = which;
#if WITH_VECTORS
	if (which) {
		const struct CMUnitTest kernel_tests[] = {
			cmocka_unit_test(test_poly_extremes),
			cmocka_unit_test(test_finish),
		};

		failed = cmocka_run_group_tests_name(which->name, kernel_tests, NULL, NULL);
	}
#endif
	return failed +
	       cmocka_run_group_tests_name(which ? which->name : "aead_*_many", tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	int failed;

	if (argc > 1)
		num_packets = strtoul(argv[1], NULL, 10);
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 10);
	if (crypto_init() < 0)
		return 1;
	failed = run(NULL);
	for (size_t i = 0; aead_kernels[i]; i++) {
		if (aead_kernels[i]->is_available())
			failed += run(aead_kernels[i]);
		else
			print_message(
				"SKIPPED %s: this processor has none\n", aead_kernels[i]->name);
	}
	return failed;
}
