/* SPDX-License-Identifier: MIT
 *
 * What the vector kernels of ChaCha20-Poly1305 share. A kernel knows how to compute blocks of key
 * stream side by side, and Poly1305 of byte strings side by side, one each a lane; aead_vector.c
 * deals the packets out to the lanes. There is no state beyond the calls, and nothing depends on
 * secrets but data.
 */
#ifndef ADIT_CRYPTO_AEAD_VECTOR_H
#define ADIT_CRYPTO_AEAD_VECTOR_H

#include "crypto/internal.h"

enum { VECTOR_LANES_MAX = 16, CHACHA_BLOCK_LEN = 64, POLY_BLOCK_LEN = 16 };

/* The compilers' limits would leave some of the innermost out of line. */
#define INLINE inline __attribute__((always_inline))

/* Poly1305's numbers are in limbs of 44, 44 and 42 bits. */
#define POLY_MASK44 ((UINT64_C(1) << 44) - 1)
#define POLY_MASK42 ((UINT64_C(1) << 42) - 1)

/* Blocks one after the other of one packet: from the given block on, to be xored into len bytes,
 * in lanes from the given one on. */
struct chacha_run {
	const struct aead_job *job;
	uint8_t *data;
	uint32_t len, block;
	unsigned lane;
};

/* Runs of any packets, the next in the lanes behind the one before. */
struct chacha_lanes {
	struct chacha_run runs[VECTOR_LANES_MAX];
	unsigned num_runs, num;
};

/* Byte strings, each a whole packet or a piece of one. num is the kernel's poly_lanes, or half of
 * them, which is all that its vectors hold: two of them take turns where there is enough to do,
 * because each alone would wait for its multiplications. */
struct poly_lanes {
	unsigned num;
	const uint8_t *data[VECTOR_LANES_MAX];
	uint32_t len[VECTOR_LANES_MAX];
	uint64_t r[2][VECTOR_LANES_MAX]; /* low and high half */
	uint64_t h[3][VECTOR_LANES_MAX]; /* out: the sum, in limbs of less than 51, 45, 43 bits */
};

/* Of the strings in the lanes. */
static inline void poly_lens(
	const struct poly_lanes *lanes, uint32_t *ret_shortest, uint32_t *ret_longest)
{
	*ret_shortest = UINT32_MAX;
	*ret_longest = 0;
	for (unsigned i = 0; i < lanes->num; i++) {
		*ret_shortest = lanes->len[i] < *ret_shortest ? lanes->len[i] : *ret_shortest;
		*ret_longest = lanes->len[i] > *ret_longest ? lanes->len[i] : *ret_longest;
	}
}

struct aead_kernel {
	const char *name;
	bool (*is_available)(void);
	unsigned chacha_lanes, poly_lanes;
	void (*chacha_xor)(const struct chacha_lanes *lanes);
	void (*poly_sum)(struct poly_lanes *lanes);
};

/* The kernels, the preferred first, and NULL behind the last; not all are for this processor. */
extern const struct aead_kernel *const aead_kernels[];

/* The kernel that aead_seal_many and aead_open_many use for so many packets of this length, or
 * NULL: libcrypto. */
const struct aead_kernel *aead_kernel_choose(uint32_t len, unsigned num);

/* aead_seal_many and aead_open_many on a given kernel, which this processor has. */
void aead_kernel_seal(const struct aead_kernel *kernel, struct aead_job *jobs, unsigned num);
void aead_kernel_open(const struct aead_kernel *kernel, struct aead_job *jobs, unsigned num);

extern const struct aead_kernel aead_avx512, aead_avx2;

#endif
