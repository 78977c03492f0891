/* SPDX-License-Identifier: MIT
 *
 * What the files of this folder share: libcrypto's objects. Each thread has its own contexts,
 * made when it first needs them and kept until it ends, because making one costs more than using
 * it.
 */
#ifndef ADIT_CRYPTO_INTERNAL_H
#define ADIT_CRYPTO_INTERNAL_H

#include <openssl/evp.h>

#include "crypto/aead.h"
#include "crypto/dh.h"

/* The vector kernels are x86's. */
#if defined(__x86_64__) && !defined(ADIT_NO_VECTORS)
#define WITH_VECTORS 1
#else
#define WITH_VECTORS 0
#endif

struct crypto_contexts {
	EVP_CIPHER_CTX *seal, *open; /* ChaCha20-Poly1305, one a direction */
	EVP_CIPHER_CTX *chacha20;
};

extern const uint8_t crypto_zeros[KEY_LEN];

/* Before a call to libcrypto whose result is checked: a lack of memory that somebody else had
 * before is not its reason. */
void crypto_begin(void);

/* The contexts of this thread, to begin with. */
const struct crypto_contexts *crypto_contexts(void);

/* End this process unless a call to libcrypto returned success where only a lack of memory (then it
 * says so) or a mistake of ours (then it aborts) makes it fail: to go on would mean to send what
 * is not encrypted. */
void crypto_check(int result);

/* The vector kernel of dh_many, for up to DH_LANES jobs, whose ok it leaves alone. */
enum { DH_LANES = 4 };
bool dh_ifma_is_available(void);
void dh_ifma(struct dh_job *jobs, unsigned num);

/* A BLAKE2s under way. */
enum { BLAKE2S_BLOCK_LEN = 64 };
struct blake2s {
	uint32_t h[8];
	uint64_t len; /* of all that was compressed, with the block to be */
	uint8_t block[BLAKE2S_BLOCK_LEN];
	unsigned used; /* of the block */
};
extern const uint32_t blake2s_iv[8];
void blake2s_compress(struct blake2s *s, bool is_last);

/* Poly1305 of the parts, each filled up with zeros to whole blocks. */
struct bytes {
	const uint8_t *data;
	size_t len;
};
void poly1305_padded(uint8_t ret_tag[AEAD_TAG_LEN], const struct bytes *parts, unsigned num,
	const uint8_t one_time_key[KEY_LEN]);

/* Overwrite the stack below the caller's frame, where functions leave their locals. */
void crypto_wipe_stack(void);

#endif
