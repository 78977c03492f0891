/* SPDX-License-Identifier: MIT
 *
 * The AEADs, on one pair of ChaCha20-Poly1305 contexts that is keyed anew for each message.
 */
#include "crypto/aead.h"

#include <openssl/err.h>

#include <limits.h>

#include "crypto/internal.h"

enum { NONCE_LEN = 12 };

static void seal_message(uint8_t *dst, const uint8_t *src, size_t len, const void *aad,
	size_t aad_len, const uint8_t nonce[NONCE_LEN], const uint8_t key[KEY_LEN])
{
	EVP_CIPHER_CTX *context = crypto_contexts()->seal;
	int n;

	assert(len <= INT_MAX && aad_len <= INT_MAX);
	crypto_check(EVP_EncryptInit_ex2(context, NULL, key, nonce, NULL));
	if (aad_len)
		crypto_check(EVP_EncryptUpdate(context, NULL, &n, aad, (int)aad_len));
	if (len)
		crypto_check(EVP_EncryptUpdate(context, dst, &n, src, (int)len));
	crypto_check(EVP_EncryptFinal_ex(context, dst + len, &n));
	crypto_check(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_LEN, dst + len));
}

static bool open_message(uint8_t *dst, const uint8_t *src, size_t len, const void *aad,
	size_t aad_len, const uint8_t nonce[NONCE_LEN], const uint8_t key[KEY_LEN])
{
	EVP_CIPHER_CTX *context = crypto_contexts()->open;
	uint8_t tag[AEAD_TAG_LEN];
	bool ok;
	int n;

	if (len < AEAD_TAG_LEN)
		return false;
	len -= AEAD_TAG_LEN;
	assert(len <= INT_MAX && aad_len <= INT_MAX);
	memcpy(tag, src + len, sizeof(tag));
	crypto_check(EVP_DecryptInit_ex2(context, NULL, key, nonce, NULL));
	crypto_check(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag));
	if (aad_len)
		crypto_check(EVP_DecryptUpdate(context, NULL, &n, aad, (int)aad_len));
	if (len)
		crypto_check(EVP_DecryptUpdate(context, dst, &n, src, (int)len));
	ok = EVP_DecryptFinal_ex(context, tag, &n) == 1;
	if (!ok) {
		if (len)
			wipe(dst, len);
		ERR_clear_error();
	}
	return ok;
}

static void counter_nonce(uint8_t ret_nonce[NONCE_LEN], uint64_t counter)
{
	memset(ret_nonce, 0, 4);
	store_le64(ret_nonce + 4, counter);
}

/* Derive what XChaCha20-Poly1305 is ChaCha20-Poly1305 with: the key HChaCha20(key, nonce[0..16])
 * and the nonce 0000 || nonce[16..24] (draft-irtf-cfrg-xchacha-03, sections 2.2 and 2.3).
 * HChaCha20 is a ChaCha20 block without the final addition of the initial state, so it is that
 * block with the addition undone: words 0-3 began as the constants, 12-15 as the nonce. */
static void xchacha_derive(uint8_t ret_key[KEY_LEN], uint8_t ret_nonce[NONCE_LEN],
	const uint8_t nonce[XAEAD_NONCE_LEN], const uint8_t key[KEY_LEN])
{
	static const char constants[16] = "expand 32-byte k";
	EVP_CIPHER_CTX *context = crypto_contexts()->chacha20;
	uint8_t block[64] = {0};
	int n;

	crypto_check(EVP_EncryptInit_ex2(context, NULL, key, nonce, NULL));
	crypto_check(EVP_EncryptUpdate(context, block, &n, block, sizeof(block)));
	for (size_t i = 0; i < 16; i += 4) {
		store_le32(ret_key + i, load_le32(block + i) - load_le32(constants + i));
		store_le32(ret_key + 16 + i, load_le32(block + 48 + i) - load_le32(nonce + i));
	}
	wipe(block, sizeof(block));
	memset(ret_nonce, 0, 4);
	memcpy(ret_nonce + 4, nonce + 16, 8);
}

void aead_seal(uint8_t *dst, const uint8_t *src, size_t len, const void *aad, size_t aad_len,
	uint64_t counter, const uint8_t key[KEY_LEN])
{
	uint8_t nonce[NONCE_LEN];

	counter_nonce(nonce, counter);
	seal_message(dst, src, len, aad, aad_len, nonce, key);
}

bool aead_open(uint8_t *dst, const uint8_t *src, size_t len, const void *aad, size_t aad_len,
	uint64_t counter, const uint8_t key[KEY_LEN])
{
	uint8_t nonce[NONCE_LEN];

	counter_nonce(nonce, counter);
	return open_message(dst, src, len, aad, aad_len, nonce, key);
}

void xaead_seal(uint8_t *dst, const uint8_t *src, size_t len, const void *aad, size_t aad_len,
	const uint8_t nonce[XAEAD_NONCE_LEN], const uint8_t key[KEY_LEN])
{
	uint8_t derived_key[KEY_LEN], derived_nonce[NONCE_LEN];

	xchacha_derive(derived_key, derived_nonce, nonce, key);
	seal_message(dst, src, len, aad, aad_len, derived_nonce, derived_key);
	wipe(derived_key, sizeof(derived_key));
}

bool xaead_open(uint8_t *dst, const uint8_t *src, size_t len, const void *aad, size_t aad_len,
	const uint8_t nonce[XAEAD_NONCE_LEN], const uint8_t key[KEY_LEN])
{
	uint8_t derived_key[KEY_LEN], derived_nonce[NONCE_LEN];
	bool ok;

	xchacha_derive(derived_key, derived_nonce, nonce, key);
	ok = open_message(dst, src, len, aad, aad_len, derived_nonce, derived_key);
	wipe(derived_key, sizeof(derived_key));
	return ok;
}

/* As crypto_wipe_stack, but deeper than any way from a caller's loop to a cipher: that of a batch
 * of packets is the longest. */
static __attribute__((noinline)) void wipe_deep_stack(void)
{
	uint8_t below[32768];

	wipe(below, sizeof(below));
}

void aead_forget(void)
{
	uint8_t nothing[1 + AEAD_TAG_LEN] = {0};

	/* A whole message each, because beside the key a context keeps the last block of the
	 * key stream and the one-time key. */
	seal_message(nothing, nothing, 1, NULL, 0, crypto_zeros, crypto_zeros);
	(void)open_message(nothing, nothing, sizeof(nothing), NULL, 0, crypto_zeros, crypto_zeros);
	crypto_check(EVP_EncryptInit_ex2(
		crypto_contexts()->chacha20, NULL, crypto_zeros, crypto_zeros, NULL));
	wipe_deep_stack();
}
