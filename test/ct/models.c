/* SPDX-License-Identifier: MIT
 *
 * The kernels that valgrind cannot run, on a model of their instructions (model.h). That they come
 * to the right results says that the model is one.
 */
#include "crypto/aead_vector.h"
#include "secret.h"

void dh_ifma_model(struct dh_job *jobs, unsigned num);
extern const struct aead_kernel aead_avx512_model;

static void exchange(void)
{
	uint8_t keys[DH_LANES][KEY_LEN], point[KEY_LEN], expected[KEY_LEN];
	struct dh_job jobs[DH_LANES];

	dh_public(point, (const uint8_t[KEY_LEN]){5});
	for (unsigned i = 0; i < DH_LANES; i++) {
		secret_bytes(keys[i], KEY_LEN, (uint8_t)i);
		jobs[i] = (struct dh_job){.private_key = keys[i], .point = point};
	}
	dh_ifma_model(jobs, DH_LANES);
	for (unsigned i = 0; i < DH_LANES; i++) {
		assert(dh(expected, keys[i], point));
		publish(expected, sizeof(expected)); /* for the test, as below */
		publish(jobs[i].shared, KEY_LEN);
		assert(memcmp(expected, jobs[i].shared, KEY_LEN) == 0);
	}
}

enum { TEXT_MAX = 1100, NUM_MAX = 17 };

static void seal_and_open(unsigned num, uint32_t len)
{
	static uint8_t data[NUM_MAX][TEXT_MAX + AEAD_TAG_LEN], keys[NUM_MAX][KEY_LEN];
	struct aead_job jobs[NUM_MAX];

	for (unsigned i = 0; i < num; i++) {
		secret_bytes(data[i], sizeof(data[i]), (uint8_t)i);
		secret_bytes(keys[i], KEY_LEN, (uint8_t)~i);
		jobs[i] = (struct aead_job){.data = data[i], .len = len - i % 2, .key = keys[i]};
	}
	aead_kernel_seal(&aead_avx512_model, jobs, num);
	for (unsigned i = 0; i < num; i += 2)
		assert(aead_open(
			data[i], data[i], jobs[i].len + AEAD_TAG_LEN, NULL, 0, 0, keys[i]));
	for (unsigned i = 0; i < num; i += 2)
		aead_seal(data[i], data[i], jobs[i].len, NULL, 0, 0, keys[i]);
	*jobs[num - 1].data ^= 1;
	aead_kernel_open(&aead_avx512_model, jobs, num);
	for (unsigned i = 0; i < num; i++)
		assert(jobs[i].ok == (i != num - 1));
}

static void many(void)
{
	static const uint32_t lens[] = {1, 16, 63, 65, 256, TEXT_MAX};
	static const unsigned nums[] = {1, 3, 8, NUM_MAX};

	for (size_t n = 0; n < ARRAY_SIZE(nums); n++)
		for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
			seal_and_open(nums[n], lens[i]);
}

const struct ct_case model_cases[] = {
	{"X25519, several, source of the IFMA kernel", exchange, false},
	{"ChaCha20-Poly1305, many, source of the AVX-512 kernel", many, false},
	{NULL, NULL, false},
};
