/* SPDX-License-Identifier: MIT
 *
 * ChaCha20-Poly1305 (RFC 8439), a block at a time.
 */
#include "crypto/aead_short.h"

#include "crypto/internal.h"

enum { CHACHA_WORDS = 16, CHACHA_BLOCK_LEN = 4 * CHACHA_WORDS, POLY_BLOCK_LEN = 16, LIMBS = 5 };
#define LIMB_BITS 26
#define LIMB_MASK ((UINT32_C(1) << LIMB_BITS) - 1)

static inline uint32_t rotate_left(uint32_t x, unsigned bits)
{
	return x << bits | x >> (32 - bits);
}

static inline __attribute__((always_inline)) void quarter_round(
	uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
	*a += *b;
	*d = rotate_left(*d ^ *a, 16);
	*c += *d;
	*b = rotate_left(*b ^ *c, 12);
	*a += *b;
	*d = rotate_left(*d ^ *a, 8);
	*c += *d;
	*b = rotate_left(*b ^ *c, 7);
}

static void chacha_block(
	uint8_t ret_stream[CHACHA_BLOCK_LEN], const uint8_t key[KEY_LEN], uint32_t block)
{
	static const char constants[] = "expand 32-byte k";
	uint32_t initial[CHACHA_WORDS] = {0}, x[CHACHA_WORDS];

	for (unsigned i = 0; i < 4; i++)
		initial[i] = load_le32(constants + 4 * i);
	for (unsigned i = 0; i < 8; i++)
		initial[4 + i] = load_le32(key + 4 * i);
	initial[12] = block; /* and a nonce of zeros */
	memcpy(x, initial, sizeof(x));
	for (unsigned round = 0; round < 20; round += 2) {
		for (unsigned i = 0; i < 4; i++)
			quarter_round(&x[i], &x[4 + i], &x[8 + i], &x[12 + i]);
		for (unsigned i = 0; i < 4; i++)
			quarter_round(&x[i], &x[4 + (i + 1) % 4], &x[8 + (i + 2) % 4],
				&x[12 + (i + 3) % 4]);
	}
	for (unsigned i = 0; i < CHACHA_WORDS; i++)
		store_le32(ret_stream + 4 * i, x[i] + initial[i]);
	wipe(initial, sizeof(initial));
	wipe(x, sizeof(x));
}

/* Encrypt or decrypt, with the key stream from block 1 on. */
static void chacha_xor(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t key[KEY_LEN])
{
	uint8_t stream[CHACHA_BLOCK_LEN];

	for (size_t i = 0; i < len; i++) {
		if (i % CHACHA_BLOCK_LEN == 0)
			chacha_block(stream, key, (uint32_t)(1 + i / CHACHA_BLOCK_LEN));
		dst[i] = src[i] ^ stream[i % CHACHA_BLOCK_LEN];
	}
	wipe(stream, sizeof(stream));
}

/* Poly1305 under way: numbers mod 2^130 - 5 in limbs of 26 bits. */
struct poly {
	uint32_t h[LIMBS], r[LIMBS];
};

static void split(uint32_t ret_limbs[LIMBS], uint64_t low, uint64_t high, uint32_t top)
{
	ret_limbs[0] = (uint32_t)low & LIMB_MASK;
	ret_limbs[1] = (uint32_t)(low >> 26) & LIMB_MASK;
	ret_limbs[2] = (uint32_t)(low >> 52 | high << 12) & LIMB_MASK;
	ret_limbs[3] = (uint32_t)(high >> 14) & LIMB_MASK;
	ret_limbs[4] = (uint32_t)(high >> 40) | top << 24;
}

/* h = (h + block + 2^128) * r. Products are below 2^28 * 2^26 * 5, and five of them are added. */
static void absorb_block(struct poly *p, const uint8_t block[POLY_BLOCK_LEN])
{
	uint32_t m[LIMBS];
	uint64_t d[LIMBS] = {0}, carry = 0;

	split(m, load_le64(block), load_le64(block + 8), 1);
	for (unsigned i = 0; i < LIMBS; i++)
		p->h[i] += m[i];
	for (unsigned i = 0; i < LIMBS; i++)
		for (unsigned j = 0; j < LIMBS; j++)
			d[(i + j) % LIMBS] +=
				(uint64_t)p->h[i] * (i + j < LIMBS ? p->r[j] : 5 * p->r[j]);
	for (unsigned i = 0; i < LIMBS; i++) {
		d[i] += carry;
		p->h[i] = (uint32_t)d[i] & LIMB_MASK;
		carry = d[i] >> LIMB_BITS;
	}
	carry = p->h[0] + carry * 5;
	p->h[0] = (uint32_t)carry & LIMB_MASK;
	p->h[1] += (uint32_t)(carry >> LIMB_BITS);
}

/* Data, and zeros up to a whole block. */
static void absorb(struct poly *p, const uint8_t *data, size_t len)
{
	uint8_t block[POLY_BLOCK_LEN];

	for (size_t i = 0; i < len; i += sizeof(block)) {
		size_t n = len - i < sizeof(block) ? len - i : sizeof(block);

		memset(block, 0, sizeof(block));
		memcpy(block, data + i, n);
		absorb_block(p, block);
	}
}

/* The sum mod 2^130 - 5, plus the second half of the one-time key, mod 2^128. */
static void poly_finish(
	struct poly *p, const uint8_t pad[POLY_BLOCK_LEN], uint8_t ret_tag[AEAD_TAG_LEN])
{
	uint32_t g[LIMBS], carry = 0, select;
	uint64_t words[4], sum = 0;

	for (unsigned i = 1; i <= 2 * LIMBS;
		i++) { /* twice around: what is left is at most p too much */
		uint32_t *limb = &p->h[i % LIMBS];

		*limb += i % LIMBS == 0 ? 5 * carry : carry;
		carry = *limb >> LIMB_BITS;
		*limb &= LIMB_MASK;
	}
	p->h[1] += carry;
	carry = 5;
	for (unsigned i = 0; i < LIMBS; i++) { /* g = h - p = h + 5 - 2^130 */
		g[i] = p->h[i] + carry;
		carry = g[i] >> LIMB_BITS;
		g[i] &= LIMB_MASK;
	}
	select = 0 - carry; /* all ones if that is not negative */
	for (unsigned i = 0; i < LIMBS; i++)
		p->h[i] = (p->h[i] & ~select) | (g[i] & select);
	words[0] = p->h[0] | p->h[1] << 26;
	words[1] = p->h[1] >> 6 | p->h[2] << 20;
	words[2] = p->h[2] >> 12 | p->h[3] << 14;
	words[3] = p->h[3] >> 18 | p->h[4] << 8;
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		sum = (sum >> 32) + (uint32_t)words[i] + load_le32(pad + 4 * i);
		store_le32(ret_tag + 4 * i, (uint32_t)sum);
	}
}

void poly1305_padded(uint8_t ret_tag[AEAD_TAG_LEN], const struct bytes *parts, unsigned num,
	const uint8_t one_time_key[KEY_LEN])
{
	struct poly p = {.h = {0}};

	split(p.r, load_le64(one_time_key) & UINT64_C(0x0ffffffc0fffffff),
		load_le64(one_time_key + 8) & UINT64_C(0x0ffffffc0ffffffc), 0);
	for (unsigned i = 0; i < num; i++)
		absorb(&p, parts[i].data, parts[i].len);
	poly_finish(&p, one_time_key + POLY_BLOCK_LEN, ret_tag);
	wipe(&p, sizeof(p));
}

static void make_tag(uint8_t ret_tag[AEAD_TAG_LEN], const uint8_t *text, size_t len,
	const void *aad, size_t aad_len, const uint8_t key[KEY_LEN])
{
	uint8_t stream[CHACHA_BLOCK_LEN], lens[POLY_BLOCK_LEN];
	const struct bytes parts[] = {{aad, aad_len}, {text, len}, {lens, sizeof(lens)}};

	store_le64(lens, aad_len);
	store_le64(lens + 8, len);
	chacha_block(stream, key, 0);
	poly1305_padded(ret_tag, parts, ARRAY_SIZE(parts), stream);
	wipe(stream, sizeof(stream));
}

void aead_short_seal(uint8_t *dst, const uint8_t *src, size_t len, const void *aad, size_t aad_len,
	const uint8_t key[KEY_LEN])
{
	chacha_xor(dst, src, len, key);
	make_tag(dst + len, dst, len, aad, aad_len, key);
	crypto_wipe_stack();
}

bool aead_short_open(uint8_t *dst, const uint8_t *src, size_t len, const void *aad, size_t aad_len,
	const uint8_t key[KEY_LEN])
{
	uint8_t tag[AEAD_TAG_LEN];
	bool ok;

	if (len < AEAD_TAG_LEN)
		return false;
	len -= AEAD_TAG_LEN;
	make_tag(tag, src, len, aad, aad_len, key);
	ok = bytes_equal(tag, src + len, AEAD_TAG_LEN);
	if (ok)
		chacha_xor(dst, src, len, key);
	wipe(tag, sizeof(tag));
	crypto_wipe_stack();
	return ok;
}
