/* SPDX-License-Identifier: MIT
 *
 * BLAKE2s over its compression function; HMAC and HKDF spelled out over it (RFC 2104, RFC 5869).
 */
#include "crypto/hash.h"

#include "crypto/internal.h"

static void begin(struct blake2s *s, size_t out_len, const void *key, size_t key_len)
{
	assert(key_len <= HASH_LEN);
	*s = (struct blake2s){0};
	memcpy(s->h, blake2s_iv, sizeof(s->h));
	s->h[0] ^= UINT32_C(0x01010000) ^ (uint32_t)key_len << 8 ^ (uint32_t)out_len;
	if (key_len) {
		memcpy(s->block, key, key_len);
		s->used = BLAKE2S_BLOCK_LEN;
	}
}

/* Take in a whole block; there must be more to come. */
static void absorb(struct blake2s *s)
{
	s->len += BLAKE2S_BLOCK_LEN;
	blake2s_compress(s, false);
	s->used = 0;
}

static void update(struct blake2s *s, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len > 0) {
		size_t n = BLAKE2S_BLOCK_LEN - s->used;

		if (n == 0) {
			absorb(s);
			continue;
		}
		n = n < len ? n : len;
		memcpy(s->block + s->used, p, n);
		s->used += (unsigned)n;
		p += n;
		len -= n;
	}
}

static void finish(struct blake2s *s, uint8_t *ret_hash, size_t out_len)
{
	uint8_t out[HASH_LEN];

	memset(s->block + s->used, 0, BLAKE2S_BLOCK_LEN - s->used);
	s->len += s->used;
	blake2s_compress(s, true);
	for (unsigned i = 0; i < ARRAY_SIZE(s->h); i++)
		store_le32(out + 4 * i, s->h[i]);
	memcpy(ret_hash, out, out_len);
	wipe(out, sizeof(out));
	wipe(s, sizeof(*s));
}

void hash(uint8_t ret_hash[HASH_LEN], const void *a, size_t a_len, const void *b, size_t b_len)
{
	struct blake2s s;

	begin(&s, HASH_LEN, NULL, 0);
	update(&s, a, a_len);
	update(&s, b, b_len);
	finish(&s, ret_hash, HASH_LEN);
}

void mac(uint8_t ret_mac[MAC_LEN], const void *key, size_t key_len, const void *a, size_t a_len,
	const void *b, size_t b_len)
{
	struct blake2s s;

	begin(&s, MAC_LEN, key, key_len);
	update(&s, a, a_len);
	update(&s, b, b_len);
	finish(&s, ret_mac, MAC_LEN);
}

/* The two hashes of an HMAC, each begun with its pad. */
struct hmac {
	struct blake2s inner, outer;
};

static void hmac_begin(struct hmac *h, const void *key, size_t key_len)
{
	uint8_t pad[BLAKE2S_BLOCK_LEN] = {0};

	if (key_len > sizeof(pad))
		hash(pad, key, key_len, NULL, 0);
	else if (key_len)
		memcpy(pad, key, key_len);
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36;
	begin(&h->inner, HASH_LEN, NULL, 0);
	update(&h->inner, pad, sizeof(pad));
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	begin(&h->outer, HASH_LEN, NULL, 0);
	update(&h->outer, pad, sizeof(pad));
	wipe(pad, sizeof(pad));
}

static void hmac_finish(struct hmac *h, uint8_t ret_hmac[HASH_LEN], const void *data, size_t len)
{
	uint8_t inner[HASH_LEN];

	update(&h->inner, data, len);
	finish(&h->inner, inner, sizeof(inner));
	update(&h->outer, inner, sizeof(inner));
	finish(&h->outer, ret_hmac, HASH_LEN);
	wipe(inner, sizeof(inner));
}

void hmac(uint8_t ret_hmac[HASH_LEN], const void *key, size_t key_len, const void *data, size_t len)
{
	struct hmac h;

	hmac_begin(&h, key, key_len);
	hmac_finish(&h, ret_hmac, data, len);
}

void kdf(uint8_t ret_1[HASH_LEN], uint8_t ret_2[HASH_LEN], uint8_t ret_3[HASH_LEN],
	const uint8_t chaining_key[HASH_LEN], const void *input, size_t input_len)
{
	uint8_t *const rets[] = {ret_1, ret_2, ret_3};
	uint8_t block[HASH_LEN + 1]; /* an output and a number */
	struct hmac extracted, h;

	hmac(block, chaining_key, HASH_LEN, input, input_len);
	hmac_begin(&extracted, block, HASH_LEN);
	absorb(&extracted.inner);
	absorb(&extracted.outer);
	for (uint8_t i = 0; i < ARRAY_SIZE(rets) && rets[i]; i++) {
		block[HASH_LEN] = (uint8_t)(i + 1);
		h = extracted;
		hmac_finish(
			&h, block, i == 0 ? block + HASH_LEN : block, i == 0 ? 1 : sizeof(block));
		memcpy(rets[i], block, HASH_LEN);
	}
	wipe(&extracted, sizeof(extracted));
	wipe(block, sizeof(block));
	crypto_wipe_stack();
}
