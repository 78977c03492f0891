/* SPDX-License-Identifier: MIT
 *
 * The AEADs in each way there is to compute them: keys, text and tags are secret, lengths and
 * counters are not.
 */
#include "crypto/aead.h"
#include "crypto/aead_short.h"
#include "crypto/aead_vector.h"
#include "secret.h"

enum { TEXT_MAX = 1500, NUM_MAX = 17 };
static const uint32_t lens[] = {0, 1, 15, 16, 63, 64, 65, 255, 256, 257, 1000, TEXT_MAX};

static uint8_t key[KEY_LEN], text[TEXT_MAX + AEAD_TAG_LEN];

static void new_secrets(void)
{
	secret_bytes(key, sizeof(key), 1);
	secret_bytes(text, sizeof(text), 2);
}

/* What was sealed opens, and what was not does not. Ciphertext and tag are public once they are
 * sent; here they stay secret, as those do that are lent to the vault. */
static void one(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		new_secrets();
		aead_seal(text, text, lens[i], key, sizeof(key), i, key);
		assert(aead_open(text, text, lens[i] + AEAD_TAG_LEN, key, sizeof(key), i, key));
		text[lens[i]] ^= 1;
		assert(!aead_open(text, text, lens[i] + AEAD_TAG_LEN, key, sizeof(key), i, key));
	}
	aead_forget();
}

static void one_short(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		new_secrets();
		aead_short_seal(text, text, lens[i], key, sizeof(key), key);
		assert(aead_short_open(text, text, lens[i] + AEAD_TAG_LEN, key, sizeof(key), key));
		text[lens[i]] ^= 1;
		assert(!aead_short_open(text, text, lens[i] + AEAD_TAG_LEN, key, sizeof(key), key));
	}
}

static void one_extended(void)
{
	const uint8_t nonce[XAEAD_NONCE_LEN] = {1};

	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		new_secrets();
		xaead_seal(text, text, lens[i], key, 16, nonce, key);
		assert(xaead_open(text, text, lens[i] + AEAD_TAG_LEN, key, 16, nonce, key));
		text[lens[i]] ^= 1;
		assert(!xaead_open(text, text, lens[i] + AEAD_TAG_LEN, key, 16, nonce, key));
	}
}

static void kernel_round(const struct aead_kernel *kernel, unsigned num, uint32_t len)
{
	static uint8_t data[NUM_MAX][TEXT_MAX + AEAD_TAG_LEN], keys[NUM_MAX][KEY_LEN];
	struct aead_job jobs[NUM_MAX];

	for (unsigned i = 0; i < num; i++) {
		secret_bytes(data[i], sizeof(data[i]), (uint8_t)i);
		secret_bytes(keys[i], KEY_LEN, (uint8_t)~i);
		jobs[i] = (struct aead_job){
			.data = data[i], .len = len - (len ? i % 3 : 0) % len, .key = keys[i / 2]};
	}
	kernel ? aead_kernel_seal(kernel, jobs, num) : aead_seal_many(jobs, num);
	jobs[num - 1].data[jobs[num - 1].len] ^= 1;
	kernel ? aead_kernel_open(kernel, jobs, num) : aead_open_many(jobs, num);
	for (unsigned i = 0; i < num; i++)
		assert(jobs[i].ok == (i != num - 1));
}

static void rounds(const struct aead_kernel *kernel)
{
	static const unsigned nums[] = {1, 2, 5, 8, NUM_MAX};

	for (size_t n = 0; n < ARRAY_SIZE(nums); n++)
		for (size_t i = 1; i < ARRAY_SIZE(lens); i++)
			kernel_round(kernel, nums[n], lens[i]);
}

static void many(void)
{
	rounds(NULL);
}

#if defined(__x86_64__)
static void many_avx2(void)
{
	if (aead_avx2.is_available())
		rounds(&aead_avx2);
}
#endif

const struct ct_case cipher_cases[] = {
	{"ChaCha20-Poly1305", one, false},
	{"ChaCha20-Poly1305, short", one_short, false},
	{"XChaCha20-Poly1305", one_extended, false},
	{"ChaCha20-Poly1305, many", many, false},
#if defined(__x86_64__)
	{"ChaCha20-Poly1305, many, AVX2", many_avx2, false},
#endif
	{NULL, NULL, false},
};
