/* SPDX-License-Identifier: MIT
 *
 * The AVX-512 kernel of ChaCha20-Poly1305: 16 blocks of key stream side by side, and Poly1305 of
 * twice 8 strings side by side by Horner's rule in radix 2^44 with the 52-bit multiplier (IFMA).
 */
#include "crypto/aead_vector.h"

#if WITH_VECTORS

#include <immintrin.h>

#define VECTOR \
	__attribute__((target("bmi2,avx512f,avx512bw,avx512vl,avx512dq,avx512ifma,avx512vbmi2")))

enum { LANES = 16, POLY_LANES = 8, POLY_GROUPS = 2, CHUNK = 64 };

static bool is_available(void)
{
	return __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("avx512f") &&
	       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512ifma") &&
	       __builtin_cpu_supports("avx512vbmi2");
}

/* --- ChaCha20 -------------------------------------------------------- */

static INLINE VECTOR void quarter_round(__m512i *a, __m512i *b, __m512i *c, __m512i *d)
{
	*a = _mm512_add_epi32(*a, *b);
	*d = _mm512_rol_epi32(_mm512_xor_si512(*d, *a), 16);
	*c = _mm512_add_epi32(*c, *d);
	*b = _mm512_rol_epi32(_mm512_xor_si512(*b, *c), 12);
	*a = _mm512_add_epi32(*a, *b);
	*d = _mm512_rol_epi32(_mm512_xor_si512(*d, *a), 8);
	*c = _mm512_add_epi32(*c, *d);
	*b = _mm512_rol_epi32(_mm512_xor_si512(*b, *c), 7);
}

/* From vectors of word i of all blocks to vectors of all words of block i. */
static INLINE VECTOR void transpose(__m512i v[16])
{
	__m512i t[16];

#pragma GCC unroll 8
	for (int i = 0; i < 16; i += 2) {
		t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
		t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 16; i += 4) {
		v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
		v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
		v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
		v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		t[i] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0x88);
		t[i + 4] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0xdd);
		t[i + 8] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0x88);
		t[i + 12] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0xdd);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		v[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
		v[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
		v[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
		v[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
	}
}

static INLINE VECTOR void set_from(__m512i *word, __mmask16 mask, uint32_t value)
{
	*word = _mm512_mask_set1_epi32(*word, mask, (int)value);
}

/* The words of the state, each for all lanes: what a run sets for the lanes behind it too, the next
 * sets anew. */
static INLINE VECTOR void load_state(__m512i state[16], const struct chacha_lanes *lanes)
{
	const __m512i lane_numbers =
		_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	const uint8_t *key = NULL;

	state[0] = _mm512_set1_epi32(0x61707865);
	state[1] = _mm512_set1_epi32(0x3320646e);
	state[2] = _mm512_set1_epi32(0x79622d32);
	state[3] = _mm512_set1_epi32(0x6b206574);
#pragma GCC unroll 12
	for (int w = 4; w < 16; w++)
		state[w] = _mm512_setzero_si512();
	for (unsigned i = 0; i < lanes->num_runs; i++) {
		const struct chacha_run *run = &lanes->runs[i];
		__mmask16 mask = (__mmask16)(0xffffu << run->lane);

		set_from(&state[12], mask, run->block - run->lane);
		set_from(&state[14], mask, (uint32_t)run->job->counter);
		set_from(&state[15], mask, (uint32_t)(run->job->counter >> 32));
		if (run->job->key == key)
			continue;
		key = run->job->key;
#pragma GCC unroll 8
		for (int w = 0; w < 8; w++)
			set_from(&state[4 + w], mask, load_le32(key + 4 * w));
	}
	state[12] = _mm512_add_epi32(state[12], lane_numbers);
}

/* Xor the blocks of key stream into the packets. */
static INLINE VECTOR void xor_blocks(const struct chacha_lanes *lanes, const __m512i v[16])
{
	for (unsigned i = 0; i < lanes->num_runs; i++) {
		const struct chacha_run *run = &lanes->runs[i];
		const __m512i *block = &v[run->lane];
		uint8_t *data = run->data;
		uint32_t left = run->len;

		for (; left >= CHACHA_BLOCK_LEN; left -= CHACHA_BLOCK_LEN, data += CHACHA_BLOCK_LEN)
			_mm512_storeu_si512(
				data, _mm512_xor_si512(_mm512_loadu_si512(data), *block++));
		if (left) {
			__mmask64 mask = _bzhi_u64(UINT64_MAX, left);

			_mm512_mask_storeu_epi8(data, mask,
				_mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, data), *block));
		}
	}
}

static VECTOR void chacha_xor(const struct chacha_lanes *lanes)
{
	__m512i v[16], state[16];

	load_state(state, lanes);
#pragma GCC unroll 16
	for (int i = 0; i < 16; i++)
		v[i] = state[i];
	for (int round = 0; round < 10; round++) {
#pragma GCC unroll 4
		for (int i = 0; i < 4; i++)
			quarter_round(&v[i], &v[4 + i], &v[8 + i], &v[12 + i]);
#pragma GCC unroll 4
		for (int i = 0; i < 4; i++)
			quarter_round(&v[i], &v[4 + (i + 1) % 4], &v[8 + (i + 2) % 4],
				&v[12 + (i + 3) % 4]);
	}
#pragma GCC unroll 16
	for (int i = 0; i < 16; i++)
		v[i] = _mm512_add_epi32(v[i], state[i]);
	transpose(v);
	xor_blocks(lanes, v);
}

/* --- Poly1305 -------------------------------------------------------- */

/* Accumulator h and multiplier r of 8 strings; s1 and s2 are r1 and r2 times 20, for what wraps
 * around 2^130. */
struct poly {
	__m512i h[3];
	__m512i r[3], s1, s2;
};

static INLINE VECTOR __m512i limb(__m512i word, uint64_t mask)
{
	return _mm512_and_si512(word, _mm512_set1_epi64((long long)mask));
}

/* 16 bytes (low and high half) of each string as limbs. */
static INLINE VECTOR void split(__m512i low, __m512i high, __m512i ret[3])
{
	ret[0] = limb(low, POLY_MASK44);
	ret[1] = limb(_mm512_shrdi_epi64(low, high, 44), POLY_MASK44);
	ret[2] = _mm512_srli_epi64(high, 24);
}

static INLINE VECTOR void poly_init(struct poly *p, const uint64_t *low, const uint64_t *high)
{
	split(_mm512_loadu_si512(low), _mm512_loadu_si512(high), p->r);
	p->s1 = _mm512_mullo_epi64(p->r[1], _mm512_set1_epi64(20));
	p->s2 = _mm512_mullo_epi64(p->r[2], _mm512_set1_epi64(20));
	p->h[0] = p->h[1] = p->h[2] = _mm512_setzero_si512();
}

/* h = (h + block) * r for 16 bytes (low and high half) of each string in the mask. h0 is left
 * uncarried: as r2 is of 36 bits, it stays below 2^50. */
static INLINE VECTOR void poly_step(struct poly *p, __m512i low, __m512i high, __mmask8 mask)
{
	const __m512i zero = _mm512_setzero_si512();
	const __m512i bit128 = _mm512_set1_epi64(1LL << 40);
	__m512i block[3], a0, a1, a2, lo0, lo1, lo2, hi0, hi1, hi2, carry;

	split(low, high, block);
	a0 = _mm512_add_epi64(p->h[0], block[0]);
	a1 = _mm512_add_epi64(p->h[1], block[1]);
	a2 = _mm512_add_epi64(p->h[2], _mm512_or_si512(block[2], bit128));
	lo0 = _mm512_madd52lo_epu64(zero, a1, p->s2);
	hi0 = _mm512_madd52hi_epu64(zero, a1, p->s2);
	lo1 = _mm512_madd52lo_epu64(zero, a1, p->r[0]);
	hi1 = _mm512_madd52hi_epu64(zero, a1, p->r[0]);
	lo2 = _mm512_madd52lo_epu64(zero, a1, p->r[1]);
	hi2 = _mm512_madd52hi_epu64(zero, a1, p->r[1]);
	lo0 = _mm512_madd52lo_epu64(lo0, a2, p->s1);
	hi0 = _mm512_madd52hi_epu64(hi0, a2, p->s1);
	lo1 = _mm512_madd52lo_epu64(lo1, a2, p->s2);
	hi1 = _mm512_madd52hi_epu64(hi1, a2, p->s2);
	lo2 = _mm512_madd52lo_epu64(lo2, a2, p->r[0]);
	hi2 = _mm512_madd52hi_epu64(hi2, a2, p->r[0]);
	lo0 = _mm512_madd52lo_epu64(lo0, a0, p->r[0]);
	hi0 = _mm512_madd52hi_epu64(hi0, a0, p->r[0]);
	lo1 = _mm512_madd52lo_epu64(lo1, a0, p->r[1]);
	hi1 = _mm512_madd52hi_epu64(hi1, a0, p->r[1]);
	lo2 = _mm512_madd52lo_epu64(lo2, a0, p->r[2]);
	hi2 = _mm512_madd52hi_epu64(hi2, a0, p->r[2]);

	/* the high halves count 2^52: 2^8 above the next limb's 2^44, 2^10 above 2^42 */
	carry = _mm512_add_epi64(_mm512_srli_epi64(lo0, 44), _mm512_slli_epi64(hi0, 8));
	lo1 = _mm512_add_epi64(lo1, carry);
	carry = _mm512_add_epi64(_mm512_srli_epi64(lo1, 44), _mm512_slli_epi64(hi1, 8));
	lo2 = _mm512_add_epi64(lo2, carry);
	carry = _mm512_add_epi64(_mm512_srli_epi64(lo2, 42), _mm512_slli_epi64(hi2, 10));
	a0 = _mm512_madd52lo_epu64(limb(lo0, POLY_MASK44), carry, _mm512_set1_epi64(5));
	a1 = limb(lo1, POLY_MASK44);
	a2 = limb(lo2, POLY_MASK42);

	p->h[0] = _mm512_mask_mov_epi64(p->h[0], mask, a0);
	p->h[1] = _mm512_mask_mov_epi64(p->h[1], mask, a1);
	p->h[2] = _mm512_mask_mov_epi64(p->h[2], mask, a2);
}

/* 8 x 8 words of 64 bits, transposed. */
static INLINE VECTOR void transpose64(__m512i v[8])
{
	__m512i t[8];

#pragma GCC unroll 4
	for (int i = 0; i < 8; i += 2) {
		t[i] = _mm512_unpacklo_epi64(v[i], v[i + 1]);
		t[i + 1] = _mm512_unpackhi_epi64(v[i], v[i + 1]);
	}
#pragma GCC unroll 2
	for (int i = 0; i < 2; i++) {
		v[i] = _mm512_shuffle_i64x2(t[i], t[i + 2], 0x88);
		v[i + 2] = _mm512_shuffle_i64x2(t[i], t[i + 2], 0xdd);
		v[i + 4] = _mm512_shuffle_i64x2(t[i + 4], t[i + 6], 0x88);
		v[i + 6] = _mm512_shuffle_i64x2(t[i + 4], t[i + 6], 0xdd);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		t[i] = _mm512_shuffle_i64x2(v[i], v[i + 4], 0x88);
		t[i + 4] = _mm512_shuffle_i64x2(v[i], v[i + 4], 0xdd);
	}
#pragma GCC unroll 8
	for (int i = 0; i < 8; i++)
		v[i] = t[i];
}

/* 64 bytes of each string from offset on, where none of them ends before. */
static INLINE VECTOR void poly_chunk(
	struct poly *p, const uint8_t *const data[POLY_LANES], uint32_t offset)
{
	__m512i v[8];

#pragma GCC unroll 8
	for (int i = 0; i < POLY_LANES; i++)
		v[i] = _mm512_loadu_si512(data[i] + offset);
	transpose64(v);
#pragma GCC unroll 4
	for (int i = 0; i < 8; i += 2)
		poly_step(p, v[i], v[i + 1], 0xff);
}

/* The same where some do; a string's last block is filled up with zeros. */
static VECTOR void poly_last_chunk(struct poly *p, const uint8_t *const data[POLY_LANES],
	const uint32_t len[POLY_LANES], uint32_t offset)
{
	__m512i lens = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const void *)len));
	__m512i v[8];

#pragma GCC unroll 8
	for (int i = 0; i < POLY_LANES; i++) {
		uint32_t left = len[i] > offset ? len[i] - offset : 0;
		__mmask64 mask = _bzhi_u64(UINT64_MAX, left < CHUNK ? left : CHUNK);

		v[i] = _mm512_maskz_loadu_epi8(mask, data[i] + (left ? offset : 0));
	}
	transpose64(v);
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		__mmask8 mask = _mm512_cmpgt_epu64_mask(
			lens, _mm512_set1_epi64(offset + (uint32_t)i * POLY_BLOCK_LEN));

		if (mask)
			poly_step(p, v[2 * i], v[2 * i + 1], mask);
	}
}

static VECTOR void poly_sum(struct poly_lanes *lanes)
{
	struct poly p[POLY_GROUPS];
	unsigned groups = lanes->num / POLY_LANES;
	uint32_t shortest, longest, offset = 0;

	poly_lens(lanes, &shortest, &longest);
	for (unsigned g = 0; g < groups; g++)
		poly_init(&p[g], lanes->r[0] + g * POLY_LANES, lanes->r[1] + g * POLY_LANES);
	for (; offset + CHUNK <= shortest; offset += CHUNK) {
		for (unsigned g = 0; g < groups; g++)
			poly_chunk(&p[g], lanes->data + g * POLY_LANES, offset);
	}
	for (; offset < longest; offset += CHUNK) {
		for (unsigned g = 0; g < groups; g++)
			poly_last_chunk(&p[g], lanes->data + g * POLY_LANES,
				lanes->len + g * POLY_LANES, offset);
	}
	for (unsigned g = 0; g < groups; g++) {
		for (int i = 0; i < 3; i++)
			_mm512_storeu_si512(lanes->h[i] + g * POLY_LANES, p[g].h[i]);
	}
	wipe(p, sizeof(p));
}

const struct aead_kernel aead_avx512 = {
	.name = "AVX-512",
	.is_available = is_available,
	.chacha_lanes = LANES,
	.poly_lanes = POLY_GROUPS * POLY_LANES,
	.chacha_xor = chacha_xor,
	.poly_sum = poly_sum,
};

#endif
