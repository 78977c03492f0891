/* SPDX-License-Identifier: MIT
 *
 * BLAKE2s from libcrypto; HMAC and HKDF spelled out over it (RFC 2104, RFC 5869).
 */
#include "crypto/hash.h"

#include "crypto/internal.h"

enum { HASH_BLOCK_LEN = 64 };

void hash(uint8_t ret_hash[HASH_LEN], const void *a, size_t a_len, const void *b, size_t b_len)
{
	EVP_MD_CTX *context = crypto_contexts()->blake2s;

	crypto_check(EVP_DigestInit_ex2(context, NULL, NULL));
	crypto_check(EVP_DigestUpdate(context, a, a_len));
	crypto_check(EVP_DigestUpdate(context, b, b_len));
	crypto_check(EVP_DigestFinal_ex(context, ret_hash, NULL)); /* wipes its state */
}

void mac(uint8_t ret_mac[MAC_LEN], const void *key, size_t key_len, const void *a, size_t a_len,
	const void *b, size_t b_len)
{
	EVP_MAC_CTX *context = crypto_contexts()->blake2s_mac;

	crypto_check(EVP_MAC_init(context, key, key_len, NULL));
	crypto_check(EVP_MAC_update(context, a, a_len));
	crypto_check(EVP_MAC_update(context, b, b_len));
	crypto_check(EVP_MAC_final(context, ret_mac, NULL, MAC_LEN));
	crypto_check(EVP_MAC_init(context, crypto_zeros, sizeof(crypto_zeros), NULL));
}

void hmac(uint8_t ret_hmac[HASH_LEN], const void *key, size_t key_len, const void *data, size_t len)
{
	uint8_t inner_pad[HASH_BLOCK_LEN] = {0}, outer_pad[HASH_BLOCK_LEN], inner[HASH_LEN];

	if (key_len > HASH_BLOCK_LEN)
		hash(inner_pad, key, key_len, NULL, 0);
	else if (key_len)
		memcpy(inner_pad, key, key_len);
	for (size_t i = 0; i < HASH_BLOCK_LEN; i++) {
		outer_pad[i] = inner_pad[i] ^ 0x5c;
		inner_pad[i] ^= 0x36;
	}
	hash(inner, inner_pad, sizeof(inner_pad), data, len);
	hash(ret_hmac, outer_pad, sizeof(outer_pad), inner, sizeof(inner));
	wipe(inner_pad, sizeof(inner_pad));
	wipe(outer_pad, sizeof(outer_pad));
	wipe(inner, sizeof(inner));
}

void kdf(uint8_t ret_1[HASH_LEN], uint8_t ret_2[HASH_LEN], uint8_t ret_3[HASH_LEN],
	const uint8_t chaining_key[HASH_LEN], const void *input, size_t input_len)
{
	uint8_t *const rets[] = {ret_1, ret_2, ret_3};
	uint8_t extracted[HASH_LEN], block[HASH_LEN + 1]; /* block: an output and a number */

	hmac(extracted, chaining_key, HASH_LEN, input, input_len);
	block[HASH_LEN] = 1;
	hmac(block, extracted, sizeof(extracted), block + HASH_LEN, 1);
	memcpy(ret_1, block, HASH_LEN);
	for (uint8_t i = 1; i < ARRAY_SIZE(rets) && rets[i]; i++) {
		block[HASH_LEN] = (uint8_t)(i + 1);
		hmac(block, extracted, sizeof(extracted), block, sizeof(block));
		memcpy(rets[i], block, HASH_LEN);
	}
	wipe(extracted, sizeof(extracted));
	wipe(block, sizeof(block));
	crypto_wipe_stack();
}
