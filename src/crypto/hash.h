/* SPDX-License-Identifier: MIT
 *
 * BLAKE2s (RFC 7693), plain and keyed, and HKDF (RFC 5869) over HMAC-BLAKE2s with the word counts
 * Noise uses. The names HASH, MAC, KDFn are the WireGuard paper's (section 5.4).
 */
#ifndef ADIT_CRYPTO_HASH_H
#define ADIT_CRYPTO_HASH_H

#include "base/bytes.h"

enum { HASH_LEN = 32, MAC_LEN = 16 };

/* HASH(a || b), 32 bytes. b may be NULL when b_len is 0. ret_hash may be a or b. */
void hash(uint8_t ret_hash[HASH_LEN], const void *a, size_t a_len, const void *b, size_t b_len);

/* MAC(key, a || b): BLAKE2s keyed with key_len (1-32) bytes, 16-byte output parameter. */
void mac(uint8_t ret_mac[MAC_LEN], const void *key, size_t key_len, const void *a, size_t a_len,
	const void *b, size_t b_len);

/* HMAC-BLAKE2s, 64-byte block, 32-byte output. */
void hmac(
	uint8_t ret_hmac[HASH_LEN], const void *key, size_t key_len, const void *data, size_t len);

/* KDF1..KDF3(chaining_key, input): the first one to three outputs of HKDF. ret_2 and ret_3 may be
 * NULL (ret_3 must be if ret_2 is). Any ret may be chaining_key itself. */
void kdf(uint8_t ret_1[HASH_LEN], uint8_t ret_2[HASH_LEN], uint8_t ret_3[HASH_LEN],
	const uint8_t chaining_key[HASH_LEN], const void *input, size_t input_len);

#endif
