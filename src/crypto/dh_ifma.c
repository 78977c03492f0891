/* SPDX-License-Identifier: MIT
 *
 * X25519 for four private keys and points, side by side in vectors of 64-bit words: AVX-512's
 * 52-bit multiply-add. The Montgomery ladder of RFC 7748, section 5, without a branch or an address
 * that depends on a secret.
 *
 * A field element is five limbs of 51 bits. What goes into a product must be below 2^52, which is
 * what carry() leaves: every function here returns carried limbs, below 2^51 + 2^15.
 */
#include "crypto/dh.h"
#include "crypto/internal.h"

#if WITH_VECTORS

#include <immintrin.h>

/* Sanitizers make the arithmetic 20 times slower, and have no address to look at. */
#define TARGET          \
	__attribute__(( \
		target("avx2,avx512f,avx512vl,avx512ifma"), no_sanitize("address", "undefined")))

enum { LIMBS = 5, LIMB_BITS = 51, POINT_BITS = 255 };
#define LIMB_MASK ((INT64_C(1) << LIMB_BITS) - 1)

typedef __m256i vector; /* a limb of each lane */

struct field {
	vector limb[LIMBS];
};

TARGET static inline vector constant(int64_t value)
{
	return _mm256_set1_epi64x(value);
}

/* From limbs below 2^64; what leaves the topmost comes in below, because 2^255 is 19. */
TARGET static inline struct field carry(const vector t[LIMBS])
{
	const vector mask = constant(LIMB_MASK);
	struct field r;

	r.limb[0] = _mm256_madd52lo_epu64(_mm256_and_si256(t[0], mask),
		_mm256_srli_epi64(t[LIMBS - 1], LIMB_BITS), constant(19));
	for (unsigned i = 1; i < LIMBS; i++)
		r.limb[i] = _mm256_add_epi64(
			_mm256_and_si256(t[i], mask), _mm256_srli_epi64(t[i - 1], LIMB_BITS));
	return r;
}

TARGET static inline struct field add(struct field a, struct field b)
{
	vector t[LIMBS];

	for (unsigned i = 0; i < LIMBS; i++)
		t[i] = _mm256_add_epi64(a.limb[i], b.limb[i]);
	return carry(t);
}

/* a + 2p - b, so that no limb is negative. */
TARGET static inline struct field subtract(struct field a, struct field b)
{
	vector t[LIMBS];

	for (unsigned i = 0; i < LIMBS; i++)
		t[i] = _mm256_sub_epi64(
			_mm256_add_epi64(a.limb[i], constant(2 * (LIMB_MASK - (i ? 0 : 18)))),
			b.limb[i]);
	return carry(t);
}

/* low[k] weighs 2^51k, high[k] 2^(51k + 52), that is twice 2^51(k + 1). Each is a sum of at most
 * five numbers below 2^52: no column comes near 2^61, with 19 times the one five above. */
TARGET static inline struct field reduce(const vector low[2 * LIMBS], const vector high[2 * LIMBS])
{
	vector t[2 * LIMBS];

	t[0] = low[0];
	for (unsigned k = 1; k < 2 * LIMBS; k++)
		t[k] = _mm256_add_epi64(low[k], _mm256_add_epi64(high[k - 1], high[k - 1]));
	for (unsigned k = 0; k < LIMBS; k++) {
		vector top = t[k + LIMBS];

		t[k] = _mm256_add_epi64(_mm256_add_epi64(t[k], top),
			_mm256_add_epi64(_mm256_slli_epi64(top, 1), _mm256_slli_epi64(top, 4)));
	}
	return carry(t);
}

TARGET static inline struct field multiply(struct field a, struct field b)
{
	vector low[2 * LIMBS], high[2 * LIMBS];

	for (unsigned k = 0; k < 2 * LIMBS; k++)
		low[k] = high[k] = _mm256_setzero_si256();
	for (unsigned i = 0; i < LIMBS; i++)
		for (unsigned j = 0; j < LIMBS; j++) {
			low[i + j] = _mm256_madd52lo_epu64(low[i + j], a.limb[i], b.limb[j]);
			high[i + j] = _mm256_madd52hi_epu64(high[i + j], a.limb[i], b.limb[j]);
		}
	return reduce(low, high);
}

TARGET static inline struct field square(struct field a)
{
	vector low[2 * LIMBS], high[2 * LIMBS];

	for (unsigned k = 0; k < 2 * LIMBS; k++)
		low[k] = high[k] = _mm256_setzero_si256();
	for (unsigned i = 0; i < LIMBS; i++)
		for (unsigned j = i + 1; j < LIMBS; j++) {
			low[i + j] = _mm256_madd52lo_epu64(low[i + j], a.limb[i], a.limb[j]);
			high[i + j] = _mm256_madd52hi_epu64(high[i + j], a.limb[i], a.limb[j]);
		}
	for (unsigned k = 1; k < 2 * LIMBS - 1; k++) {
		low[k] = _mm256_add_epi64(low[k], low[k]);
		high[k] = _mm256_add_epi64(high[k], high[k]);
	}
	for (unsigned i = 0; i < LIMBS; i++) {
		low[2 * i] = _mm256_madd52lo_epu64(low[2 * i], a.limb[i], a.limb[i]);
		high[2 * i] = _mm256_madd52hi_epu64(high[2 * i], a.limb[i], a.limb[i]);
	}
	return reduce(low, high);
}

TARGET static inline struct field scale(struct field a, int64_t factor)
{
	vector low[2 * LIMBS], high[2 * LIMBS];

	for (unsigned k = 0; k < 2 * LIMBS; k++)
		low[k] = high[k] = _mm256_setzero_si256();
	for (unsigned i = 0; i < LIMBS; i++) {
		low[i] = _mm256_madd52lo_epu64(low[i], a.limb[i], constant(factor));
		high[i] = _mm256_madd52hi_epu64(high[i], a.limb[i], constant(factor));
	}
	return reduce(low, high);
}

TARGET static struct field square_times(struct field a, unsigned times)
{
	while (times--)
		a = square(a);
	return a;
}

/* a^(p - 2), the inverse: p - 2 = 2^255 - 21 is 250 ones, then 01011. */
TARGET static struct field invert(struct field a)
{
	struct field a2 = square(a), a9 = multiply(square_times(a2, 2), a);
	struct field a11 = multiply(a9, a2);
	struct field ones5 = multiply(square(a11), a9); /* a^(2^5 - 1), and so on */
	struct field ones10 = multiply(square_times(ones5, 5), ones5);
	struct field ones20 = multiply(square_times(ones10, 10), ones10);
	struct field ones40 = multiply(square_times(ones20, 20), ones20);
	struct field ones50 = multiply(square_times(ones40, 10), ones10);
	struct field ones100 = multiply(square_times(ones50, 50), ones50);
	struct field ones200 = multiply(square_times(ones100, 100), ones100);
	struct field ones250 = multiply(square_times(ones200, 50), ones50);

	return multiply(square_times(ones250, 5), a11);
}

TARGET static inline void swap(struct field *a, struct field *b, vector mask)
{
	for (unsigned i = 0; i < LIMBS; i++) {
		vector both = _mm256_and_si256(mask, _mm256_xor_si256(a->limb[i], b->limb[i]));

		a->limb[i] = _mm256_xor_si256(a->limb[i], both);
		b->limb[i] = _mm256_xor_si256(b->limb[i], both);
	}
}

/* The bits of every lane's scalar, as masks. */
TARGET static inline vector mask_of_bits(const uint64_t scalars[KEY_LEN / 8][DH_LANES], unsigned t)
{
	vector words = _mm256_loadu_si256((const __m256i *)scalars[t / 64]);

	return _mm256_sub_epi64(constant(0),
		_mm256_and_si256(_mm256_srli_epi64(words, (int)(t % 64)), constant(1)));
}

TARGET static struct field ladder(struct field x1, const uint64_t scalars[KEY_LEN / 8][DH_LANES])
{
	struct field x2 = {{constant(1)}}, z2 = {{constant(0)}}, x3 = x1, z3 = x2;
	vector swapped = constant(0);

	for (unsigned i = 1; i < LIMBS; i++)
		x2.limb[i] = z2.limb[i] = z3.limb[i] = constant(0);
	for (unsigned t = POINT_BITS; t-- > 0;) {
		vector bits = mask_of_bits(scalars, t);
		struct field a, aa, b, bb, e, da, cb;

		swap(&x2, &x3, _mm256_xor_si256(swapped, bits));
		swap(&z2, &z3, _mm256_xor_si256(swapped, bits));
		swapped = bits;
		a = add(x2, z2);
		b = subtract(x2, z2);
		da = multiply(subtract(x3, z3), a);
		cb = multiply(add(x3, z3), b);
		aa = square(a);
		bb = square(b);
		e = subtract(aa, bb);
		x3 = square(add(da, cb));
		z3 = multiply(x1, square(subtract(da, cb)));
		x2 = multiply(aa, bb);
		z2 = multiply(e, add(aa, scale(e, 121665)));
	}
	swap(&x2, &x3, swapped);
	swap(&z2, &z3, swapped);
	return multiply(x2, invert(z2));
}

/* --- limbs of one lane from and to bytes ------------------------------ */

static void limbs_from_bytes(uint64_t ret_limbs[LIMBS], const uint8_t bytes[KEY_LEN])
{
	static const uint8_t from[LIMBS] = {0, 6, 12, 19, 24}, shift[LIMBS] = {0, 3, 6, 1, 12};

	for (unsigned i = 0; i < LIMBS; i++)
		ret_limbs[i] = load_le64(bytes + from[i]) >> shift[i] & LIMB_MASK;
}

static void carry_limbs(uint64_t limbs[LIMBS])
{
	for (unsigned i = 0; i < LIMBS; i++) {
		uint64_t over = limbs[i] >> LIMB_BITS;

		limbs[i] &= LIMB_MASK;
		limbs[(i + 1) % LIMBS] += i == LIMBS - 1 ? 19 * over : over;
	}
}

/* The least residue. */
static void bytes_from_limbs(uint8_t ret_bytes[KEY_LEN], uint64_t limbs[LIMBS])
{
	uint64_t over = 19;

	carry_limbs(limbs);
	carry_limbs(limbs); /* below 2^255 now, that is, at most p too much */
	for (unsigned i = 0; i < LIMBS; i++)
		over = (limbs[i] + over) >> LIMB_BITS; /* in the end 1 if it is p or more */
	over *= 19;
	for (unsigned i = 0; i < LIMBS; i++) {
		limbs[i] += over;
		over = limbs[i] >> LIMB_BITS;
		limbs[i] &= LIMB_MASK;
	}
	store_le64(ret_bytes, limbs[0] | limbs[1] << 51);
	store_le64(ret_bytes + 8, limbs[1] >> 13 | limbs[2] << 38);
	store_le64(ret_bytes + 16, limbs[2] >> 26 | limbs[3] << 25);
	store_le64(ret_bytes + 24, limbs[3] >> 39 | limbs[4] << 12);
}

bool dh_ifma_is_available(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512ifma");
}

TARGET void dh_ifma(struct dh_job *jobs, unsigned num)
{
	uint64_t lanes[LIMBS][DH_LANES] = {0}, scalars[KEY_LEN / 8][DH_LANES] = {0}, limbs[LIMBS];
	uint8_t scalar[KEY_LEN];
	struct field x;

	for (unsigned lane = 0; lane < num; lane++) {
		limbs_from_bytes(limbs, jobs[lane].point);
		for (unsigned i = 0; i < LIMBS; i++)
			lanes[i][lane] = limbs[i];
		memcpy(scalar, jobs[lane].private_key, KEY_LEN);
		dh_clamp(scalar);
		for (unsigned i = 0; i < KEY_LEN / 8; i++)
			scalars[i][lane] = load_le64(scalar + 8 * i);
	}
	for (unsigned i = 0; i < LIMBS; i++)
		x.limb[i] = _mm256_loadu_si256((const __m256i *)lanes[i]);
	x = ladder(x, scalars);
	for (unsigned i = 0; i < LIMBS; i++)
		_mm256_storeu_si256((__m256i *)lanes[i], x.limb[i]);
	for (unsigned lane = 0; lane < num; lane++) {
		for (unsigned i = 0; i < LIMBS; i++)
			limbs[i] = lanes[i][lane];
		bytes_from_limbs(jobs[lane].shared, limbs);
	}
	wipe(&x, sizeof(x));
	wipe(lanes, sizeof(lanes));
	wipe(limbs, sizeof(limbs));
	wipe(scalars, sizeof(scalars));
	wipe(scalar, sizeof(scalar));
}

#endif
