/* SPDX-License-Identifier: MIT
 *
 * ChaCha20-Poly1305 of short messages: those of a handshake, each under a key of its own, so that
 * the nonce is zero. For them the way into libcrypto is ten times as long as the cipher, and its
 * pages stay in memory.
 */
#ifndef ADIT_CRYPTO_AEAD_SHORT_H
#define ADIT_CRYPTO_AEAD_SHORT_H

#include "crypto/aead.h"

/* aead_seal and aead_open with a counter of 0, in constant time; nothing of the key stays behind.
 * dst and src may be the same, and may not overlap otherwise. */
void aead_short_seal(uint8_t *dst, const uint8_t *src, size_t len, const void *aad, size_t aad_len,
	const uint8_t key[KEY_LEN]);
MUST_CHECK bool aead_short_open(uint8_t *dst, const uint8_t *src, size_t len, const void *aad,
	size_t aad_len, const uint8_t key[KEY_LEN]);

#endif
