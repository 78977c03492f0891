/* SPDX-License-Identifier: MIT
 *
 * ChaCha20-Poly1305 (RFC 8439) and XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha). The nonce of the
 * former is 4 zero bytes and a little-endian 64-bit counter (WireGuard paper, section 5.4).
 * crypto_init must have succeeded before anything in this folder is called; then all of it may be
 * called from any thread, opens no file, and takes any input. Where libcrypto fails a call that has
 * no error to return, we are out of memory or wrong, and abort. The AEADs allocate nothing but for
 * a thread's first message.
 */
#ifndef ADIT_CRYPTO_AEAD_H
#define ADIT_CRYPTO_AEAD_H

#include "base/bytes.h"

enum { AEAD_TAG_LEN = 16, XAEAD_NONCE_LEN = 24 };

/* Fetch every algorithm from libcrypto, once per process (and before its sandbox closes).
 * Returns 0, -ENOMEM, or -ENOTSUP when libcrypto lacks one. */
MUST_CHECK int crypto_init(void);

/* Seal len bytes from src to dst, and write the tag behind them: dst takes len + AEAD_TAG_LEN
 * bytes. dst may be src (in place); they may not overlap otherwise. aad may be NULL when aad_len
 * is 0. */
void aead_seal(uint8_t *dst, const uint8_t *src, size_t len, const void *aad, size_t aad_len,
	uint64_t counter, const uint8_t key[KEY_LEN]);

/* Open len bytes (ciphertext and tag) from src to dst: len - AEAD_TAG_LEN bytes. dst may be src.
 * Returns true when authentic; otherwise dst holds nothing of the plaintext (wiped, or as it
 * was). len < AEAD_TAG_LEN is false. */
MUST_CHECK bool aead_open(uint8_t *dst, const uint8_t *src, size_t len, const void *aad,
	size_t aad_len, uint64_t counter, const uint8_t key[KEY_LEN]);

/* One packet of many, sealed or opened in place without aad: len bytes of text at data and behind
 * them AEAD_TAG_LEN of tag. key is borrowed; equal pointers mean equal keys. */
struct aead_job {
	uint8_t *data;
	uint32_t len;
	bool ok; /* set by aead_open_many: authentic; if not, data still holds the ciphertext or
		    nothing */
	uint64_t counter;
	const uint8_t *key;
};

/* aead_seal and aead_open for many packets at once, in whichever way is fastest on this processor.
 */
void aead_seal_many(struct aead_job *jobs, unsigned num);
void aead_open_many(struct aead_job *jobs, unsigned num);

/* The same with a random 24-byte nonce, for cookie replies. */
void xaead_seal(uint8_t *dst, const uint8_t *src, size_t len, const void *aad, size_t aad_len,
	const uint8_t nonce[XAEAD_NONCE_LEN], const uint8_t key[KEY_LEN]);
MUST_CHECK bool xaead_open(uint8_t *dst, const uint8_t *src, size_t len, const void *aad,
	size_t aad_len, const uint8_t nonce[XAEAD_NONCE_LEN], const uint8_t key[KEY_LEN]);

/* The AEADs leave the last key in this thread's context until the next call; wipe it. To be called
 * when a key is destroyed, by each thread that used it. It costs as much as two short messages. */
void aead_forget(void);

#endif
