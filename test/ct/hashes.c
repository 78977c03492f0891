/* SPDX-License-Identifier: MIT
 *
 * Hash, MAC, HKDF: key and input are secret, their lengths are not.
 */
#include "crypto/hash.h"
#include "secret.h"

static const size_t lens[] = {0, 1, 31, 32, 63, 64, 65, 128, 200};

static void hash_all(void)
{
	uint8_t in[256], out[HASH_LEN];

	secret_bytes(in, sizeof(in), 1);
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
		hash(out, in, lens[i], in, lens[ARRAY_SIZE(lens) - 1 - i]);
}

static void mac_all(void)
{
	uint8_t in[256], out[MAC_LEN];

	secret_bytes(in, sizeof(in), 1);
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
		mac(out, in, 1 + i % KEY_LEN, in, lens[i], in, 2);
}

static void hmac_all(void)
{
	uint8_t in[256], out[HASH_LEN];

	secret_bytes(in, sizeof(in), 1);
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
		hmac(out, in, lens[i], in, lens[i]);
}

static void kdf_all(void)
{
	uint8_t ck[HASH_LEN], in[KEY_LEN], out[3][HASH_LEN];

	secret_bytes(ck, sizeof(ck), 1);
	secret_bytes(in, sizeof(in), 2);
	kdf(out[0], NULL, NULL, ck, NULL, 0);
	kdf(ck, out[1], NULL, ck, in, sizeof(in));
	kdf(out[0], out[1], out[2], ck, in, sizeof(in));
}

const struct ct_case hash_cases[] = {
	{"HASH", hash_all, false},
	{"MAC", mac_all, false},
	{"HMAC", hmac_all, false},
	{"KDF", kdf_all, false},
	{NULL, NULL, false},
};
