/* SPDX-License-Identifier: MIT
 *
 * The AVX2 kernel of ChaCha20-Poly1305: 8 blocks of key stream side by side, and Poly1305 of twice
 * 4 strings side by side by Horner's rule in radix 2^26 with the 32-bit multiplier.
 */
#include "crypto/aead_vector.h"

#if WITH_VECTORS

#include <immintrin.h>

#define VECTOR __attribute__((target("avx2")))

enum { LANES = 8, POLY_LANES = 4, POLY_GROUPS = 2, CHUNK = 32 };

static bool is_available(void)
{
	return __builtin_cpu_supports("avx2");
}

/* --- ChaCha20 -------------------------------------------------------- */

static INLINE VECTOR __m256i rotate(__m256i v, int bits)
{
	return _mm256_or_si256(_mm256_slli_epi32(v, bits), _mm256_srli_epi32(v, 32 - bits));
}

/* Rotate by 16 or 8 bits: one shuffle of bytes. */
static INLINE VECTOR __m256i rotate16(__m256i v)
{
	return _mm256_shuffle_epi8(v, _mm256_set_epi64x(0x0d0c0f0e09080b0a, 0x0504070601000302,
					      0x0d0c0f0e09080b0a, 0x0504070601000302));
}

static INLINE VECTOR __m256i rotate8(__m256i v)
{
	return _mm256_shuffle_epi8(v, _mm256_set_epi64x(0x0e0d0c0f0a09080b, 0x0605040702010003,
					      0x0e0d0c0f0a09080b, 0x0605040702010003));
}

static INLINE VECTOR void quarter_round(__m256i *a, __m256i *b, __m256i *c, __m256i *d)
{
	*a = _mm256_add_epi32(*a, *b);
	*d = rotate16(_mm256_xor_si256(*d, *a));
	*c = _mm256_add_epi32(*c, *d);
	*b = rotate(_mm256_xor_si256(*b, *c), 12);
	*a = _mm256_add_epi32(*a, *b);
	*d = rotate8(_mm256_xor_si256(*d, *a));
	*c = _mm256_add_epi32(*c, *d);
	*b = rotate(_mm256_xor_si256(*b, *c), 7);
}

/* From vectors of word i of all blocks to vectors of 8 words of block i. */
static INLINE VECTOR void transpose(__m256i v[8])
{
	__m256i t[8];

#pragma GCC unroll 4
	for (int i = 0; i < 8; i += 2) {
		t[i] = _mm256_unpacklo_epi32(v[i], v[i + 1]);
		t[i + 1] = _mm256_unpackhi_epi32(v[i], v[i + 1]);
	}
#pragma GCC unroll 2
	for (int i = 0; i < 8; i += 4) {
		v[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
		v[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
		v[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
		v[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		t[i] = _mm256_permute2x128_si256(v[i], v[i + 4], 0x20);
		t[i + 4] = _mm256_permute2x128_si256(v[i], v[i + 4], 0x31);
	}
#pragma GCC unroll 8
	for (int i = 0; i < 8; i++)
		v[i] = t[i];
}

static INLINE VECTOR void set_from(__m256i *word, __m256i mask, uint32_t value)
{
	*word = _mm256_blendv_epi8(*word, _mm256_set1_epi32((int)value), mask);
}

/* The words of the state, each for all lanes: what a run sets for the lanes behind it too, the next
 * sets anew. */
static INLINE VECTOR void load_state(__m256i state[16], const struct chacha_lanes *lanes)
{
	const __m256i lane_numbers = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
	const uint8_t *key = NULL;

	state[0] = _mm256_set1_epi32(0x61707865);
	state[1] = _mm256_set1_epi32(0x3320646e);
	state[2] = _mm256_set1_epi32(0x79622d32);
	state[3] = _mm256_set1_epi32(0x6b206574);
#pragma GCC unroll 12
	for (int w = 4; w < 16; w++)
		state[w] = _mm256_setzero_si256();
	for (unsigned i = 0; i < lanes->num_runs; i++) {
		const struct chacha_run *run = &lanes->runs[i];
		__m256i mask =
			_mm256_cmpgt_epi32(lane_numbers, _mm256_set1_epi32((int)run->lane - 1));

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
	state[12] = _mm256_add_epi32(state[12], lane_numbers);
}

static INLINE VECTOR void xor_half(uint8_t *data, __m256i stream)
{
	__m256i text = _mm256_loadu_si256((const void *)data);

	_mm256_storeu_si256((void *)data, _mm256_xor_si256(text, stream));
}

/* Xor the blocks of key stream, each in two halves, into the packets. */
static INLINE VECTOR void xor_blocks(
	const struct chacha_lanes *lanes, const __m256i low[8], const __m256i high[8])
{
	uint8_t text[CHACHA_BLOCK_LEN];

	for (unsigned i = 0; i < lanes->num_runs; i++) {
		const struct chacha_run *run = &lanes->runs[i];
		uint8_t *data = run->data;
		uint32_t left = run->len;
		unsigned lane = run->lane;

		for (; left >= CHACHA_BLOCK_LEN; left -= CHACHA_BLOCK_LEN, lane++) {
			xor_half(data, low[lane]);
			xor_half(data + CHACHA_BLOCK_LEN / 2, high[lane]);
			data += CHACHA_BLOCK_LEN;
		}
		if (left) {
			memcpy(text, data, left);
			xor_half(text, low[lane]);
			xor_half(text + CHACHA_BLOCK_LEN / 2, high[lane]);
			memcpy(data, text, left);
			wipe(text, sizeof(text));
		}
	}
}

static VECTOR void chacha_xor(const struct chacha_lanes *lanes)
{
	__m256i v[16], state[16];

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
		v[i] = _mm256_add_epi32(v[i], state[i]);
	transpose(v);
	transpose(v + 8);
	xor_blocks(lanes, v, v + 8);
}

/* --- Poly1305 -------------------------------------------------------- */

/* Accumulator h and multiplier r of 4 strings; s is r times 5, for what wraps around 2^130. */
struct poly {
	__m256i h[5], r[5], s[5];
};

static INLINE VECTOR __m256i limb(__m256i word)
{
	return _mm256_and_si256(word, _mm256_set1_epi64x((1 << 26) - 1));
}

/* 16 bytes (low and high half) of each string as limbs of 26 bits. */
static INLINE VECTOR void split(__m256i low, __m256i high, __m256i ret[5])
{
	ret[0] = limb(low);
	ret[1] = limb(_mm256_srli_epi64(low, 26));
	ret[2] = limb(_mm256_or_si256(_mm256_srli_epi64(low, 52), _mm256_slli_epi64(high, 12)));
	ret[3] = limb(_mm256_srli_epi64(high, 14));
	ret[4] = _mm256_srli_epi64(high, 40);
}

static INLINE VECTOR void poly_init(struct poly *p, const uint64_t *low, const uint64_t *high)
{
	split(_mm256_loadu_si256((const void *)low), _mm256_loadu_si256((const void *)high), p->r);
	for (int i = 0; i < 5; i++) {
		p->s[i] = _mm256_add_epi64(p->r[i], _mm256_slli_epi64(p->r[i], 2));
		p->h[i] = _mm256_setzero_si256();
	}
}

/* Carry from one limb to the next. */
static INLINE VECTOR void carry(__m256i *from, __m256i *to)
{
	*to = _mm256_add_epi64(*to, _mm256_srli_epi64(*from, 26));
	*from = limb(*from);
}

/* h = (h + block) * r for 16 bytes (low and high half) of each string. */
static INLINE VECTOR void poly_step(struct poly *p, __m256i low, __m256i high)
{
	__m256i a[5], d[5], wrapped;

	split(low, high, a);
	a[4] = _mm256_or_si256(a[4], _mm256_set1_epi64x(1 << 24));
#pragma GCC unroll 5
	for (int i = 0; i < 5; i++)
		a[i] = _mm256_add_epi64(a[i], p->h[i]);
#pragma GCC unroll 5
	for (int i = 0; i < 5; i++) {
		d[i] = _mm256_mul_epu32(a[0], p->r[i]);
#pragma GCC unroll 4
		for (int j = 1; j < 5; j++)
			d[i] = _mm256_add_epi64(d[i],
				_mm256_mul_epu32(a[j], j <= i ? p->r[i - j] : p->s[5 + i - j]));
	}
	carry(&d[0], &d[1]);
	carry(&d[3], &d[4]);
	carry(&d[1], &d[2]);
	wrapped = _mm256_srli_epi64(d[4], 26);
	d[4] = limb(d[4]);
	d[0] = _mm256_add_epi64(d[0], _mm256_add_epi64(wrapped, _mm256_slli_epi64(wrapped, 2)));
	carry(&d[2], &d[3]);
	carry(&d[0], &d[1]);
	carry(&d[3], &d[4]);
#pragma GCC unroll 5
	for (int i = 0; i < 5; i++)
		p->h[i] = d[i];
}

/* From 2 blocks of each string to vectors of the first ones' low and high halves, and the second
 * ones'. */
static INLINE VECTOR void load_chunk(__m256i ret[4], const uint8_t *const data[POLY_LANES])
{
	__m256i v[4], t[4];

#pragma GCC unroll 4
	for (int i = 0; i < POLY_LANES; i++)
		v[i] = _mm256_loadu_si256((const void *)data[i]);
	t[0] = _mm256_unpacklo_epi64(v[0], v[1]);
	t[1] = _mm256_unpackhi_epi64(v[0], v[1]);
	t[2] = _mm256_unpacklo_epi64(v[2], v[3]);
	t[3] = _mm256_unpackhi_epi64(v[2], v[3]);
	ret[0] = _mm256_permute2x128_si256(t[0], t[2], 0x20);
	ret[1] = _mm256_permute2x128_si256(t[1], t[3], 0x20);
	ret[2] = _mm256_permute2x128_si256(t[0], t[2], 0x31);
	ret[3] = _mm256_permute2x128_si256(t[1], t[3], 0x31);
}

/* 32 bytes of each string from offset on, where none of them ends before. */
static INLINE VECTOR void poly_chunk(
	struct poly *p, const uint8_t *const data[POLY_LANES], uint32_t offset)
{
	const uint8_t *chunks[POLY_LANES];
	__m256i v[4];

#pragma GCC unroll 4
	for (int i = 0; i < POLY_LANES; i++)
		chunks[i] = data[i] + offset;
	load_chunk(v, chunks);
	poly_step(p, v[0], v[1]);
	poly_step(p, v[2], v[3]);
}

/* The same where some do; a string's last block is filled up with zeros. */
static VECTOR void poly_last_chunk(struct poly *p, const uint8_t *const data[POLY_LANES],
	const uint32_t len[POLY_LANES], uint32_t offset)
{
	__m256i lens = _mm256_cvtepu32_epi64(_mm_loadu_si128((const void *)len)), v[4];
	uint8_t filled[POLY_LANES][CHUNK] = {0};
	const uint8_t *chunks[POLY_LANES];

	for (int i = 0; i < POLY_LANES; i++) {
		uint32_t left = len[i] > offset ? len[i] - offset : 0;

		chunks[i] = left < CHUNK ? filled[i] : data[i] + offset;
		if (left && left < CHUNK)
			memcpy(filled[i], data[i] + offset, left);
	}
	load_chunk(v, chunks);
	for (uint32_t i = 0; i < 2; i++, offset += POLY_BLOCK_LEN) {
		__m256i mask = _mm256_cmpgt_epi64(lens, _mm256_set1_epi64x(offset));
		__m256i before[5];

		memcpy(before, p->h, sizeof(before));
		poly_step(p, v[2 * i], v[2 * i + 1]);
		for (int k = 0; k < 5; k++)
			p->h[k] = _mm256_blendv_epi8(before[k], p->h[k], mask);
	}
}

/* The sums in the limbs that aead_vector.c computes with. */
static INLINE VECTOR void store_sums(struct poly_lanes *lanes, unsigned lane, const __m256i h[5])
{
	uint64_t limbs[5][POLY_LANES];

	for (int i = 0; i < 5; i++)
		_mm256_storeu_si256((void *)limbs[i], h[i]);
	for (unsigned i = 0; i < POLY_LANES; i++) {
		uint64_t low = limbs[0][i] + (limbs[1][i] << 26);
		uint64_t high = (low >> 44) + (limbs[2][i] << 8) + (limbs[3][i] << 34);

		lanes->h[0][lane + i] = low & POLY_MASK44;
		lanes->h[1][lane + i] = high & POLY_MASK44;
		lanes->h[2][lane + i] = (high >> 44) + (limbs[4][i] << 16);
	}
	wipe(limbs, sizeof(limbs));
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
	for (unsigned g = 0; g < groups; g++)
		store_sums(lanes, g * POLY_LANES, p[g].h);
	wipe(p, sizeof(p));
}

const struct aead_kernel aead_avx2 = {
	.name = "AVX2",
	.is_available = is_available,
	.chacha_lanes = LANES,
	.poly_lanes = POLY_GROUPS * POLY_LANES,
	.chacha_xor = chacha_xor,
	.poly_sum = poly_sum,
};

#endif
