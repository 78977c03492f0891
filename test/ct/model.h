/* SPDX-License-Identifier: MIT
 *
 * AVX-512 for processors without it, and for valgrind, which knows AVX2: each instruction that the
 * kernels use as what its manual says. So the very source of the kernels can be run where secrets
 * are watched. What the compiler makes of it for the real processor is test/ct/machine_code's.
 */
#ifndef ADIT_TEST_CT_MODEL_H
#define ADIT_TEST_CT_MODEL_H

#include <immintrin.h>

#include "base/bytes.h"

/* What the kernels' functions are compiled for, whatever they say. */
#define target(features) target("avx2,bmi2")

/* The compilers have macros for these. */
#undef _mm512_cmpgt_epu64_mask
#undef _mm512_rol_epi32
#undef _mm512_setr_epi32
#undef _mm512_shrdi_epi64
#undef _mm512_shuffle_i32x4
#undef _mm512_shuffle_i64x2

#define MODEL static inline __attribute__((always_inline, target(both)))

typedef uint32_t model_u32 __attribute__((vector_size(64)));
typedef uint64_t model_u64 __attribute__((vector_size(64)));

/* --- IFMA -------------------------------------------------------------- */

MODEL uint64_t model_madd52(uint64_t sum, uint64_t a, uint64_t b, bool high)
{
	const uint64_t mask = (UINT64_C(1) << 52) - 1;
	__uint128_t product = (__uint128_t)(a & mask) * (b & mask);

	return sum + ((uint64_t)(high ? product >> 52 : product) & mask);
}

MODEL __m512i model_madd52_512(__m512i sum, __m512i a, __m512i b, bool high)
{
	model_u64 s = (model_u64)sum, x = (model_u64)a, y = (model_u64)b;

	for (int i = 0; i < 8; i++)
		s[i] = model_madd52(s[i], x[i], y[i], high);
	return (__m512i)s;
}

MODEL __m256i model_madd52_256(__m256i sum, __m256i a, __m256i b, bool high)
{
	uint64_t s[4], x[4], y[4];
	__m256i r;

	memcpy(s, &sum, sizeof(s));
	memcpy(x, &a, sizeof(x));
	memcpy(y, &b, sizeof(y));
	for (int i = 0; i < 4; i++)
		s[i] = model_madd52(s[i], x[i], y[i], high);
	memcpy(&r, s, sizeof(r));
	return r;
}

#define _mm256_madd52lo_epu64(sum, a, b) model_madd52_256(sum, a, b, false)
#define _mm256_madd52hi_epu64(sum, a, b) model_madd52_256(sum, a, b, true)
#define _mm512_madd52lo_epu64(sum, a, b) model_madd52_512(sum, a, b, false)
#define _mm512_madd52hi_epu64(sum, a, b) model_madd52_512(sum, a, b, true)

/* --- arithmetic of lanes ----------------------------------------------- */

#define _mm512_add_epi32(a, b) ((__m512i)((model_u32)(a) + (model_u32)(b)))
#define _mm512_add_epi64(a, b) ((__m512i)((model_u64)(a) + (model_u64)(b)))
#define _mm512_mullo_epi64(a, b) ((__m512i)((model_u64)(a) * (model_u64)(b)))
#define _mm512_and_si512(a, b) ((__m512i)((model_u64)(a) & (model_u64)(b)))
#define _mm512_or_si512(a, b) ((__m512i)((model_u64)(a) | (model_u64)(b)))
#define _mm512_xor_si512(a, b) ((__m512i)((model_u64)(a) ^ (model_u64)(b)))
#define _mm512_srli_epi64(a, n) ((__m512i)((model_u64)(a) >> (n)))
#define _mm512_slli_epi64(a, n) ((__m512i)((model_u64)(a) << (n)))
#define _mm512_rol_epi32(a, n) ((__m512i)((model_u32)(a) << (n) | (model_u32)(a) >> (32 - (n))))
#define _mm512_shrdi_epi64(low, high, n) \
	((__m512i)((model_u64)(low) >> (n) | (model_u64)(high) << (64 - (n))))

/* --- constants, memory ------------------------------------------------- */

MODEL __m512i model_set1_32(uint32_t value)
{
	return (__m512i)((model_u32){0} + value);
}

MODEL __m512i model_set1_64(uint64_t value)
{
	return (__m512i)((model_u64){0} + value);
}

MODEL __m512i model_load(const void *p)
{
	__m512i v;

	memcpy(&v, p, sizeof(v));
	return v;
}

MODEL void model_store(void *p, __m512i v)
{
	memcpy(p, &v, sizeof(v));
}

/* Bytes that the mask has not are not touched. */
MODEL __m512i model_load_bytes(uint64_t mask, const uint8_t *p)
{
	uint8_t bytes[64] = {0};

	for (unsigned i = 0; i < sizeof(bytes); i++)
		if (mask >> i & 1)
			bytes[i] = p[i];
	return model_load(bytes);
}

MODEL void model_store_bytes(uint8_t *p, uint64_t mask, __m512i v)
{
	uint8_t bytes[64];

	model_store(bytes, v);
	for (unsigned i = 0; i < sizeof(bytes); i++)
		if (mask >> i & 1)
			p[i] = bytes[i];
}

MODEL __m512i model_widen(__m256i a)
{
	uint32_t from[8];
	model_u64 v;

	memcpy(from, &a, sizeof(from));
	for (int i = 0; i < 8; i++)
		v[i] = from[i];
	return (__m512i)v;
}

#define _mm512_setzero_si512() model_set1_64(0)
#define _mm512_set1_epi32(value) model_set1_32((uint32_t)(value))
#define _mm512_set1_epi64(value) model_set1_64((uint64_t)(value))
#define _mm512_setr_epi32(...) ((__m512i)(model_u32){__VA_ARGS__})
#define _mm512_loadu_si512(p) model_load(p)
#define _mm512_storeu_si512(p, v) model_store(p, v)
#define _mm512_maskz_loadu_epi8(mask, p) model_load_bytes(mask, p)
#define _mm512_mask_storeu_epi8(p, mask, v) model_store_bytes(p, mask, v)
#define _mm512_cvtepu32_epi64(a) model_widen(a)

/* --- masks ------------------------------------------------------------- */

MODEL __m512i model_mask_set1_32(__m512i a, uint32_t mask, uint32_t value)
{
	model_u32 v = (model_u32)a;

	for (int i = 0; i < 16; i++)
		if (mask >> i & 1)
			v[i] = value;
	return (__m512i)v;
}

MODEL __m512i model_mask_mov_64(__m512i a, uint32_t mask, __m512i b)
{
	model_u64 v = (model_u64)a, w = (model_u64)b;

	for (int i = 0; i < 8; i++)
		if (mask >> i & 1)
			v[i] = w[i];
	return (__m512i)v;
}

MODEL __mmask8 model_greater_64(__m512i a, __m512i b)
{
	model_u64 v = (model_u64)a, w = (model_u64)b;
	unsigned mask = 0;

	for (int i = 0; i < 8; i++)
		mask |= (unsigned)(v[i] > w[i]) << i;
	return (__mmask8)mask;
}

#define _mm512_mask_set1_epi32(a, mask, value) model_mask_set1_32(a, mask, (uint32_t)(value))
#define _mm512_mask_mov_epi64(a, mask, b) model_mask_mov_64(a, mask, b)
#define _mm512_cmpgt_epu64_mask(a, b) model_greater_64(a, b)

/* --- shuffles ---------------------------------------------------------- */

/* In each 128 bits: the words of both, one by one, from `first` on. */
MODEL __m512i model_unpack_32(__m512i a, __m512i b, int first)
{
	model_u32 x = (model_u32)a, y = (model_u32)b, r;

	for (int i = 0; i < 16; i++)
		r[i] = (i % 2 ? y : x)[i / 4 * 4 + first + i % 4 / 2];
	return (__m512i)r;
}

MODEL __m512i model_unpack_64(__m512i a, __m512i b, int first)
{
	model_u64 x = (model_u64)a, y = (model_u64)b, r;

	for (int i = 0; i < 8; i++)
		r[i] = (i % 2 ? y : x)[i / 2 * 2 + first];
	return (__m512i)r;
}

/* 128 bits at a time: two of a, two of b, by two bits of the selection each. */
MODEL __m512i model_shuffle_128(__m512i a, __m512i b, int selection)
{
	model_u64 x = (model_u64)a, y = (model_u64)b, r;

	for (int i = 0; i < 8; i++)
		r[i] = (i < 4 ? x : y)[(selection >> i / 2 * 2 & 3) * 2 + i % 2];
	return (__m512i)r;
}

#define _mm512_unpacklo_epi32(a, b) model_unpack_32(a, b, 0)
#define _mm512_unpackhi_epi32(a, b) model_unpack_32(a, b, 2)
#define _mm512_unpacklo_epi64(a, b) model_unpack_64(a, b, 0)
#define _mm512_unpackhi_epi64(a, b) model_unpack_64(a, b, 1)
#define _mm512_shuffle_i32x4(a, b, selection) model_shuffle_128(a, b, selection)
#define _mm512_shuffle_i64x2(a, b, selection) model_shuffle_128(a, b, selection)

#endif
