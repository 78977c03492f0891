/* SPDX-License-Identifier: MIT
 *
 * ChaCha20-Poly1305 of many packets at once with AVX-512. ChaCha20 computes 16 blocks side by side,
 * of whichever packets they are; Poly1305 takes 8 packets side by side, each by Horner's rule in
 * radix 2^44 with the 52-bit multiplier (AVX-512 IFMA). Nothing depends on secrets but data.
 */
#include "crypto/internal.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define VECTOR __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512ifma")))

enum { LANES = 16, POLY_LANES = 8, TAGS_MAX = 2 * POLY_LANES, BLOCK = 64 };

bool aead_avx512_is_available(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512ifma");
}

/* --- ChaCha20 -------------------------------------------------------- */

/* One block of one packet: keystream to be xored into len (1-64) bytes at data. */
struct lane {
	const struct aead_job *job;
	uint8_t *data;
	uint32_t block;
	uint32_t len;
};

static inline VECTOR void quarter_round(__m512i *a, __m512i *b, __m512i *c, __m512i *d)
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
static inline VECTOR void transpose(__m512i v[16])
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

/* Words 4 to 11 of the state: the keys. */
static inline VECTOR void load_keys(__m512i v[16], const struct lane lanes[LANES], unsigned num)
{
	uint32_t words[8][LANES] __attribute__((aligned(64)));
	bool same = true;

	for (unsigned i = 1; i < num; i++)
		same &= lanes[i].job->key == lanes[0].job->key;
	for (int w = 0; w < 8; w++) {
		if (same) {
			v[4 + w] = _mm512_set1_epi32((int)load_le32(lanes[0].job->key + 4 * w));
			continue;
		}
		for (unsigned i = 0; i < LANES; i++)
			words[w][i] = load_le32(lanes[i < num ? i : 0].job->key + 4 * w);
		v[4 + w] = _mm512_load_si512(words[w]);
	}
	if (!same)
		wipe(words, sizeof(words));
}

static VECTOR void chacha_xor(const struct lane lanes[LANES], unsigned num)
{
	uint32_t words[3][LANES] __attribute__((aligned(64))) = {0};
	__m512i v[16], state[16];

	for (unsigned i = 0; i < num; i++) {
		words[0][i] = lanes[i].block;
		words[1][i] = (uint32_t)lanes[i].job->counter;
		words[2][i] = (uint32_t)(lanes[i].job->counter >> 32);
	}
	state[0] = _mm512_set1_epi32(0x61707865);
	state[1] = _mm512_set1_epi32(0x3320646e);
	state[2] = _mm512_set1_epi32(0x79622d32);
	state[3] = _mm512_set1_epi32(0x6b206574);
	load_keys(state, lanes, num);
	state[12] = _mm512_load_si512(words[0]);
	state[13] = _mm512_setzero_si512();
	state[14] = _mm512_load_si512(words[1]);
	state[15] = _mm512_load_si512(words[2]);
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
	for (unsigned i = 0; i < num; i++) {
		__mmask64 mask = UINT64_MAX >> (BLOCK - lanes[i].len);
		__m512i data = _mm512_maskz_loadu_epi8(mask, lanes[i].data);

		_mm512_mask_storeu_epi8(lanes[i].data, mask, _mm512_xor_si512(data, v[i]));
	}
}

/* The one-time Poly1305 keys: the first half of block 0 of each packet. */
static VECTOR void make_poly_keys(
	const struct aead_job *jobs, unsigned num, uint8_t ret_keys[][BLOCK])
{
	struct lane lanes[LANES];

	for (unsigned done = 0; done < num; done += LANES) {
		unsigned n = num - done < LANES ? num - done : LANES;

		for (unsigned i = 0; i < n; i++) {
			memset(ret_keys[done + i], 0, BLOCK);
			lanes[i] = (struct lane){&jobs[done + i], ret_keys[done + i], 0, BLOCK};
		}
		chacha_xor(lanes, n);
	}
}

/* The packets themselves, those that are not refused: blocks from 1 on. */
static VECTOR void crypt(const struct aead_job *jobs, unsigned num)
{
	struct lane lanes[LANES];
	unsigned n = 0;

	for (unsigned i = 0; i < num; i++) {
		for (uint32_t at = 0; jobs[i].ok && at < jobs[i].len; at += BLOCK) {
			uint32_t left = jobs[i].len - at;

			lanes[n++] = (struct lane){&jobs[i], jobs[i].data + at, at / BLOCK + 1,
				left < BLOCK ? left : BLOCK};
			if (n == LANES) {
				chacha_xor(lanes, n);
				n = 0;
			}
		}
	}
	if (n)
		chacha_xor(lanes, n);
}

/* --- Poly1305 -------------------------------------------------------- */

#define MASK44 ((UINT64_C(1) << 44) - 1)
#define MASK42 ((UINT64_C(1) << 42) - 1)

/* Accumulator h and multiplier r of 8 packets, in limbs of 44, 44 and 42 bits; s1 and s2 are r1 and
 * r2 times 20, for what wraps around 2^130. */
struct poly {
	__m512i h0, h1, h2;
	__m512i r0, r1, r2, s1, s2;
};

static inline VECTOR __m512i limb(__m512i word, uint64_t mask)
{
	return _mm512_and_si512(word, _mm512_set1_epi64((long long)mask));
}

static inline VECTOR __m512i middle(__m512i low, __m512i high)
{
	return limb(
		_mm512_or_si512(_mm512_srli_epi64(low, 44), _mm512_slli_epi64(high, 20)), MASK44);
}

static VECTOR void poly_init(struct poly *p, const uint8_t *const keys[POLY_LANES])
{
	uint64_t low[POLY_LANES] __attribute__((aligned(64)));
	uint64_t high[POLY_LANES] __attribute__((aligned(64)));
	__m512i t0, t1;

	for (int i = 0; i < POLY_LANES; i++) {
		low[i] = load_le64(keys[i]);
		high[i] = load_le64(keys[i] + 8);
	}
	t0 = limb(_mm512_load_si512(low), UINT64_C(0x0ffffffc0fffffff));
	t1 = limb(_mm512_load_si512(high), UINT64_C(0x0ffffffc0ffffffc));
	p->r0 = limb(t0, MASK44);
	p->r1 = middle(t0, t1);
	p->r2 = _mm512_srli_epi64(t1, 24);
	p->s1 = _mm512_mullo_epi64(p->r1, _mm512_set1_epi64(20));
	p->s2 = _mm512_mullo_epi64(p->r2, _mm512_set1_epi64(20));
	p->h0 = p->h1 = p->h2 = _mm512_setzero_si512();
	wipe(low, sizeof(low));
	wipe(high, sizeof(high));
}

/* h = (h + block) * r for 16 bytes (low and high half) of each packet in the mask. */
static inline VECTOR void poly_step(struct poly *p, __m512i low, __m512i high, __mmask8 mask)
{
	const __m512i zero = _mm512_setzero_si512();
	const __m512i bit128 = _mm512_set1_epi64(1LL << 40);
	__m512i a0 = _mm512_add_epi64(p->h0, limb(low, MASK44));
	__m512i a1 = _mm512_add_epi64(p->h1, middle(low, high));
	__m512i a2 = _mm512_add_epi64(p->h2, _mm512_or_si512(_mm512_srli_epi64(high, 24), bit128));
	__m512i lo0, lo1, lo2, hi0, hi1, hi2, carry;

	lo0 = _mm512_madd52lo_epu64(zero, a0, p->r0);
	hi0 = _mm512_madd52hi_epu64(zero, a0, p->r0);
	lo1 = _mm512_madd52lo_epu64(zero, a0, p->r1);
	hi1 = _mm512_madd52hi_epu64(zero, a0, p->r1);
	lo2 = _mm512_madd52lo_epu64(zero, a0, p->r2);
	hi2 = _mm512_madd52hi_epu64(zero, a0, p->r2);
	lo0 = _mm512_madd52lo_epu64(lo0, a1, p->s2);
	hi0 = _mm512_madd52hi_epu64(hi0, a1, p->s2);
	lo1 = _mm512_madd52lo_epu64(lo1, a1, p->r0);
	hi1 = _mm512_madd52hi_epu64(hi1, a1, p->r0);
	lo2 = _mm512_madd52lo_epu64(lo2, a1, p->r1);
	hi2 = _mm512_madd52hi_epu64(hi2, a1, p->r1);
	lo0 = _mm512_madd52lo_epu64(lo0, a2, p->s1);
	hi0 = _mm512_madd52hi_epu64(hi0, a2, p->s1);
	lo1 = _mm512_madd52lo_epu64(lo1, a2, p->s2);
	hi1 = _mm512_madd52hi_epu64(hi1, a2, p->s2);
	lo2 = _mm512_madd52lo_epu64(lo2, a2, p->r0);
	hi2 = _mm512_madd52hi_epu64(hi2, a2, p->r0);

	/* the high halves count 2^52: 2^8 above the next limb's 2^44, 2^10 above 2^42 */
	carry = _mm512_add_epi64(_mm512_srli_epi64(lo0, 44), _mm512_slli_epi64(hi0, 8));
	a0 = limb(lo0, MASK44);
	lo1 = _mm512_add_epi64(lo1, carry);
	carry = _mm512_add_epi64(_mm512_srli_epi64(lo1, 44), _mm512_slli_epi64(hi1, 8));
	a1 = limb(lo1, MASK44);
	lo2 = _mm512_add_epi64(lo2, carry);
	carry = _mm512_add_epi64(_mm512_srli_epi64(lo2, 42), _mm512_slli_epi64(hi2, 10));
	a2 = limb(lo2, MASK42);
	a0 = _mm512_add_epi64(a0, _mm512_add_epi64(carry, _mm512_slli_epi64(carry, 2)));
	carry = _mm512_srli_epi64(a0, 44);
	a0 = limb(a0, MASK44);
	a1 = _mm512_add_epi64(a1, carry);

	p->h0 = _mm512_mask_mov_epi64(p->h0, mask, a0);
	p->h1 = _mm512_mask_mov_epi64(p->h1, mask, a1);
	p->h2 = _mm512_mask_mov_epi64(p->h2, mask, a2);
}

/* 64 bytes of each packet from offset on, none of them at its end. */
static inline VECTOR void poly_chunk(
	struct poly *p, const uint8_t *const data[POLY_LANES], size_t offset)
{
	__m512i v[8], t[8];

#pragma GCC unroll 8
	for (int i = 0; i < 8; i++)
		v[i] = _mm512_loadu_si512(data[i] + offset);
		/* 8 x 8 words of 64 bits, transposed */
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
#pragma GCC unroll 4
	for (int i = 0; i < 8; i += 2)
		poly_step(p, t[i], t[i + 1], 0xff);
}

/* Bytes left of one packet's input from offset on (ciphertext, zeros up to 16, both lengths), as
 * its next 16-byte block. Returns false when there is none. */
static bool tail_block(const struct aead_job *job, size_t offset, uint8_t ret_block[16])
{
	size_t padded = (job->len + 15) & ~(size_t)15;

	memset(ret_block, 0, 16);
	if (offset < job->len)
		memcpy(ret_block, job->data + offset,
			job->len - offset < 16 ? job->len - offset : 16);
	else if (offset == padded)
		store_le64(ret_block + 8, job->len);
	return offset <= padded;
}

/* h mod 2^130 - 5, plus the second half of the one-time key, mod 2^128. */
static void finish_tag(uint64_t h[3], const uint8_t *pad, uint8_t ret_tag[AEAD_TAG_LEN])
{
	uint64_t h0 = h[0], h1 = h[1], h2 = h[2], g0, g1, g2, carry, select;
	__uint128_t low, high;

	h2 += h1 >> 44;
	h1 &= MASK44;
	h0 += (h2 >> 42) * 5;
	h2 &= MASK42;
	h1 += h0 >> 44;
	h0 &= MASK44;
	h2 += h1 >> 44;
	h1 &= MASK44;
	h0 += (h2 >> 42) * 5;
	h2 &= MASK42;
	h1 += h0 >> 44;
	h0 &= MASK44;
	/* g = h - p, taken if it is not negative */
	g0 = h0 + 5;
	carry = g0 >> 44;
	g0 &= MASK44;
	g1 = h1 + carry;
	carry = g1 >> 44;
	g1 &= MASK44;
	g2 = h2 + carry - (UINT64_C(1) << 42);
	select = (g2 >> 63) - 1;
	h0 = (h0 & ~select) | (g0 & select);
	h1 = (h1 & ~select) | (g1 & select);
	h2 = (h2 & ~select) | (g2 & select);
	low = (__uint128_t)(h0 | h1 << 44) + load_le64(pad);
	high = (__uint128_t)(h1 >> 20 | h2 << 24) + load_le64(pad + 8) + (uint64_t)(low >> 64);
	store_le64(ret_tag, (uint64_t)low);
	store_le64(ret_tag + 8, (uint64_t)high);
	wipe(h, 3 * sizeof(h[0]));
}

/* One more 16-byte block for those of 8 packets (or fewer) that have one at offset; whether any
 * had. */
static VECTOR bool poly_tail(
	struct poly *p, const struct aead_job *jobs, unsigned num, size_t offset)
{
	uint64_t low[POLY_LANES] __attribute__((aligned(64))) = {0};
	uint64_t high[POLY_LANES] __attribute__((aligned(64))) = {0};
	uint8_t block[16];
	__mmask8 mask = 0;

	for (unsigned i = 0; i < num; i++) {
		if (tail_block(&jobs[i], offset, block))
			mask |= (__mmask8)(1 << i);
		low[i] = load_le64(block);
		high[i] = load_le64(block + 8);
	}
	poly_step(p, _mm512_load_si512(low), _mm512_load_si512(high), mask);
	return mask != 0;
}

/* The tags of up to TAGS_MAX packets, 8 a group; keys are their one-time keys. The groups take
 * turns because each alone would wait for its multiplications. */
static VECTOR void poly_tags(const struct aead_job *jobs, unsigned num,
	const uint8_t (*keys)[BLOCK], uint8_t ret_tags[][AEAD_TAG_LEN])
{
	const uint8_t *key_of[TAGS_MAX], *data[TAGS_MAX];
	uint64_t h[3][POLY_LANES] __attribute__((aligned(64)));
	unsigned groups = (num + POLY_LANES - 1) / POLY_LANES;
	struct poly p[TAGS_MAX / POLY_LANES];
	size_t common = SIZE_MAX, offset;
	bool any = true;

	for (unsigned i = 0; i < groups * POLY_LANES; i++) {
		unsigned j = i < num ? i : 0; /* idle lanes do what lane 0 does */

		key_of[i] = keys[j];
		data[i] = jobs[j].data;
		if (jobs[j].len / BLOCK * BLOCK < common)
			common = jobs[j].len / BLOCK * BLOCK;
	}
	for (unsigned g = 0; g < groups; g++)
		poly_init(&p[g], key_of + g * POLY_LANES);
	for (offset = 0; offset < common; offset += BLOCK) {
		for (unsigned g = 0; g < groups; g++)
			poly_chunk(&p[g], data + g * POLY_LANES, offset);
	}
	for (; any; offset += 16) {
		any = false;
		for (unsigned i = 0; i < num; i += POLY_LANES)
			any |= poly_tail(&p[i / POLY_LANES], jobs + i,
				num - i < POLY_LANES ? num - i : POLY_LANES, offset);
	}
	for (unsigned i = 0; i < num; i++) {
		unsigned lane = i % POLY_LANES;

		if (lane == 0) {
			_mm512_store_si512(h[0], p[i / POLY_LANES].h0);
			_mm512_store_si512(h[1], p[i / POLY_LANES].h1);
			_mm512_store_si512(h[2], p[i / POLY_LANES].h2);
		}
		finish_tag((uint64_t[]){h[0][lane], h[1][lane], h[2][lane]}, keys[i] + 16,
			ret_tags[i]);
	}
	wipe(p, sizeof(p));
	wipe(h, sizeof(h));
}

/* --- both ------------------------------------------------------------ */

void aead_avx512_seal(struct aead_job *jobs, unsigned num)
{
	uint8_t keys[AEAD_MANY_MAX][BLOCK], tags[TAGS_MAX][AEAD_TAG_LEN];

	make_poly_keys(jobs, num, keys);
	for (unsigned i = 0; i < num; i++)
		jobs[i].ok = true;
	crypt(jobs, num);
	for (unsigned i = 0; i < num; i += TAGS_MAX) {
		unsigned n = num - i < TAGS_MAX ? num - i : TAGS_MAX;

		poly_tags(jobs + i, n, keys + i, tags);
		for (unsigned k = 0; k < n; k++)
			memcpy(jobs[i + k].data + jobs[i + k].len, tags[k], AEAD_TAG_LEN);
	}
	wipe(keys, num * sizeof(keys[0]));
}

void aead_avx512_open(struct aead_job *jobs, unsigned num)
{
	uint8_t keys[AEAD_MANY_MAX][BLOCK], tags[TAGS_MAX][AEAD_TAG_LEN];

	make_poly_keys(jobs, num, keys);
	for (unsigned i = 0; i < num; i += TAGS_MAX) {
		unsigned n = num - i < TAGS_MAX ? num - i : TAGS_MAX;

		poly_tags(jobs + i, n, keys + i, tags);
		for (unsigned k = 0; k < n; k++)
			jobs[i + k].ok = bytes_equal(
				tags[k], jobs[i + k].data + jobs[i + k].len, AEAD_TAG_LEN);
	}
	crypt(jobs, num);
	wipe(keys, num * sizeof(keys[0]));
	wipe(tags, sizeof(tags));
}

#endif
