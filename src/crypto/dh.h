/* SPDX-License-Identifier: MIT
 *
 * X25519 (RFC 7748), constant time.
 */
#ifndef ADIT_CRYPTO_DH_H
#define ADIT_CRYPTO_DH_H

#include "base/bytes.h"

/* Clamp a private key in place (RFC 7748 section 5). */
void dh_clamp(uint8_t private_key[KEY_LEN]);

/* The public key of private_key. */
void dh_public(uint8_t ret_public[KEY_LEN], const uint8_t private_key[KEY_LEN]);

/* DH(private_key, public_key). Returns false, with ret_shared untouched, when the result is all
 * zero (a low-order point): such a message must be aborted. */
MUST_CHECK bool dh(uint8_t ret_shared[KEY_LEN], const uint8_t private_key[KEY_LEN],
	const uint8_t public_key[KEY_LEN]);

/* One of several at once; key and point are borrowed. */
struct dh_job {
	const uint8_t *private_key; /* KEY_LEN bytes each */
	const uint8_t *point;
	uint8_t shared[KEY_LEN];
	bool ok; /* false: the result is all zero, and shared undefined */
};

/* The point whose DH with a private key is the public key. */
extern const uint8_t dh_base_point[KEY_LEN];

/* DH(private_key, point) of each job, four side by side where the processor can: up to four take
 * as long as one. */
void dh_many(struct dh_job *jobs, unsigned num);

#endif
