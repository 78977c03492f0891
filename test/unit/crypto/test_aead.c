/* SPDX-License-Identifier: MIT
 *
 * The AEADs against their RFC and draft, at every length, and with every part tampered with.
 */
/* Vectors with a nonce that the header cannot say, and HChaCha20 by itself, reach inside. */
#include "../../../src/crypto/aead.c"

#include <pthread.h>

#include "crypto/hash.h"
#include "sample.h"

enum { LEN_MAX = 200 };

static const char sunscreen[] = "Ladies and Gentlemen of the class of '99: If I could offer you "
				"only one tip for the future, sunscreen would be it.";
static const char key_hex[] = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f";
static const char aad_hex[] = "50515253c0c1c2c3c4c5c6c7";

/* One message under either AEAD, so that each test runs over both. */
struct message {
	bool extended;
	uint8_t key[KEY_LEN], nonce[XAEAD_NONCE_LEN], aad[LEN_MAX], plain[LEN_MAX];
	uint8_t sealed[LEN_MAX + AEAD_TAG_LEN];
	uint64_t counter;
	size_t len, aad_len;
};

static void message_init(struct message *m, bool extended, size_t len)
{
	*m = (struct message){.extended = extended, .len = len, .aad_len = len % 37};
	sample_hex(m->key, KEY_LEN, key_hex);
	m->counter = len * UINT64_C(0x0102030405060708);
	for (size_t i = 0; i < XAEAD_NONCE_LEN; i++)
		m->nonce[i] = (uint8_t)(len + i);
	for (size_t i = 0; i < LEN_MAX; i++)
		m->plain[i] = m->aad[i] = (uint8_t)(i * 5 + 1);
}

static void message_seal(const struct message *m, uint8_t *dst, const uint8_t *src)
{
	const void *a = m->aad_len ? m->aad : NULL;

	if (m->extended)
		xaead_seal(dst, src, m->len, a, m->aad_len, m->nonce, m->key);
	else
		aead_seal(dst, src, m->len, a, m->aad_len, m->counter, m->key);
}

static bool message_open(const struct message *m, uint8_t *dst, const uint8_t *src)
{
	const size_t len = m->len + AEAD_TAG_LEN;
	const void *a = m->aad_len ? m->aad : NULL;

	return m->extended ? xaead_open(dst, src, len, a, m->aad_len, m->nonce, m->key)
			   : aead_open(dst, src, len, a, m->aad_len, m->counter, m->key);
}

/* RFC 8439, section 2.8.2 */
static void test_rfc8439_2_8_2(void **state)
{
	static const char expect[] =
		"d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e"
		"8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c"
		"9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d265"
		"86cec64b61161ae10b594f09e26a7e902ecbd0600691";
	uint8_t key[KEY_LEN], aad[12], nonce[NONCE_LEN], buf[sizeof(sunscreen) - 1 + AEAD_TAG_LEN];

	(void)state;
	sample_hex(key, sizeof(key), key_hex);
	sample_hex(aad, sizeof(aad), aad_hex);
	sample_hex(nonce, sizeof(nonce), "070000004041424344454647");
	seal_message(buf, (const uint8_t *)sunscreen, sizeof(sunscreen) - 1, aad, sizeof(aad),
		nonce, key);
	sample_assert_hex(buf, sizeof(buf), expect);
	assert_true(open_message(buf, buf, sizeof(buf), aad, sizeof(aad), nonce, key));
	assert_memory_equal(buf, sunscreen, sizeof(sunscreen) - 1);
}

/* RFC 8439, appendix A.5; its nonce is a counter. */
static void test_rfc8439_a_5(void **state)
{
	static const char plain[] =
		"Internet-Drafts are draft documents valid for a maximum of six months and may be "
		"updated, replaced, or obsoleted by other documents at any time. It is "
		"inappropriate to use Internet-Drafts as reference material or to cite them other "
		"than as /\xe2\x80\x9cwork in progress./\xe2\x80\x9d";
	static const char sealed_hex[] =
		"64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18"
		"755d43eea09ee94e382d26b0bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce"
		"98c8a84abd0b948114ad176e008d33bd60f982b1ff37c8559797a06ef4f0ef61c186324e"
		"2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e9"
		"9040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04"
		"b3564eea1b422273f548271a0bb2316053fa76991955ebd63159434ecebb4e466dae5a10"
		"73a6727627097a1049e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d"
		"6c6f2c29a6ad5cb4022b02709beead9d67890cbb22392336fea1851f38";
	uint8_t key[KEY_LEN], aad[12], buf[265 + AEAD_TAG_LEN];
	const uint64_t counter = UINT64_C(0x0807060504030201);

	(void)state;
	sample_hex(key, sizeof(key),
		"1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0");
	sample_hex(aad, sizeof(aad), "f33388860000000000004e91");
	sample_hex(buf, sizeof(buf), sealed_hex);
	assert_true(aead_open(buf, buf, sizeof(buf), aad, sizeof(aad), counter, key));
	assert_memory_equal(buf, plain, 265);
	aead_seal(buf, buf, 265, aad, sizeof(aad), counter, key);
	sample_assert_hex(buf, sizeof(buf), sealed_hex);
}

/* What WireGuard seals most often; values from an independent script. */
static void test_short_messages(void **state)
{
	uint8_t key[KEY_LEN], aad[12], buf[4 + AEAD_TAG_LEN];

	(void)state;
	sample_hex(key, sizeof(key), key_hex);
	sample_hex(aad, sizeof(aad), aad_hex);
	aead_seal(buf, NULL, 0, NULL, 0, 0, key);
	sample_assert_hex(buf, AEAD_TAG_LEN, "3ae5d3f2a376d317eaea5aef0215ba54");
	assert_true(aead_open(buf, buf, AEAD_TAG_LEN, NULL, 0, 0, key));
	aead_seal(buf, NULL, 0, aad, sizeof(aad), 0, key);
	sample_assert_hex(buf, AEAD_TAG_LEN, "633c7dbf5d6cdc06460205249c2ef752");
	assert_true(aead_open(NULL, buf, AEAD_TAG_LEN, aad, sizeof(aad), 0, key));
	aead_seal(buf, (const uint8_t *)"adit", 4, NULL, 0, UINT64_MAX, key);
	sample_assert_hex(buf, sizeof(buf), "5780097cdd9c489cfff735eb1726962f241f484f");
}

/* draft-irtf-cfrg-xchacha-03, section 2.2.1 */
static void test_hchacha20(void **state)
{
	uint8_t key[KEY_LEN], nonce[XAEAD_NONCE_LEN], derived[KEY_LEN], derived_nonce[NONCE_LEN];

	(void)state;
	for (uint8_t i = 0; i < KEY_LEN; i++)
		key[i] = i;
	sample_hex(nonce, sizeof(nonce), "000000090000004a0000000031415927a1a2a3a4a5a6a7a8");
	xchacha_derive(derived, derived_nonce, nonce, key);
	sample_assert_hex(derived, sizeof(derived),
		"82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc");
	sample_assert_hex(derived_nonce, sizeof(derived_nonce), "00000000a1a2a3a4a5a6a7a8");
}

/* draft-irtf-cfrg-xchacha-03, appendix A.3.1 */
static void test_xchacha_a_3_1(void **state)
{
	static const char expect[] =
		"bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b"
		"0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945"
		"b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f6"
		"15c68b13b52ec0875924c1c7987947deafd8780acf49";
	uint8_t key[KEY_LEN], aad[12], nonce[XAEAD_NONCE_LEN];
	uint8_t buf[sizeof(sunscreen) - 1 + AEAD_TAG_LEN];

	(void)state;
	sample_hex(key, sizeof(key), key_hex);
	sample_hex(aad, sizeof(aad), aad_hex);
	sample_hex(nonce, sizeof(nonce), "404142434445464748494a4b4c4d4e4f5051525354555657");
	xaead_seal(buf, (const uint8_t *)sunscreen, sizeof(sunscreen) - 1, aad, sizeof(aad), nonce,
		key);
	sample_assert_hex(buf, sizeof(buf), expect);
	assert_true(xaead_open(buf, buf, sizeof(buf), aad, sizeof(aad), nonce, key));
	assert_memory_equal(buf, sunscreen, sizeof(sunscreen) - 1);
}

/* Every length, in place and not, comes back; the hash of all is from an independent script. */
static void test_lengths(void **state)
{
	static const char *const expect[] = {
		"13bc41ea7977661f3bace975f30742b4a54b54d4c3f2546c26f4a6197117a3a9",
		"1c637aba31ca243509b5cefa627926bd24354e979d2f609f8096dfcc243e5212"};
	static uint8_t all[(LEN_MAX + 1) * (LEN_MAX / 2 + AEAD_TAG_LEN)];

	(void)state;
	for (int extended = 0; extended < 2; extended++) {
		uint8_t digest[HASH_LEN];
		size_t all_len = 0;

		for (size_t len = 0; len <= LEN_MAX; len++) {
			uint8_t buf[LEN_MAX + AEAD_TAG_LEN + 1];
			struct message m;

			message_init(&m, extended, len);
			message_seal(&m, m.sealed, m.plain);
			memcpy(buf, m.plain, len);
			buf[len + AEAD_TAG_LEN] = 0x77;
			message_seal(&m, buf, buf);
			assert_memory_equal(buf, m.sealed, len + AEAD_TAG_LEN);
			assert_true(message_open(&m, buf, buf));
			assert_memory_equal(buf, m.plain, len);
			memset(buf, 0x77, sizeof(buf));
			assert_true(message_open(&m, buf, m.sealed));
			assert_memory_equal(buf, m.plain, len);
			assert_int_equal(buf[len], 0x77); /* nothing behind is written */
			memcpy(all + all_len, m.sealed, len + AEAD_TAG_LEN);
			all_len += len + AEAD_TAG_LEN;
		}
		assert_int_equal(all_len, sizeof(all));
		hash(digest, all, all_len, NULL, 0);
		sample_assert_hex(digest, sizeof(digest), expect[extended]);
	}
}

/* The message must be refused, without a byte of plaintext, in place and not. */
static void check_refused(const struct message *m)
{
	uint8_t buf[LEN_MAX + AEAD_TAG_LEN];

	memset(buf, 0, sizeof(buf));
	assert_false(message_open(m, buf, m->sealed));
	assert_true(bytes_are_zero(buf, sizeof(buf)));
	memcpy(buf, m->sealed, m->len + AEAD_TAG_LEN);
	assert_false(message_open(m, buf, buf));
	assert_true(bytes_are_zero(buf, m->len));
}

/* One flipped bit anywhere is refused, and without it the message is good again. */
static void test_tampered(void **state)
{
	(void)state;
	for (int extended = 0; extended < 2; extended++) {
		struct message m;
		const struct {
			uint8_t *bytes;
			size_t len;
		} parts[] = {{m.sealed, 50 + AEAD_TAG_LEN}, {m.aad, 50 % 37}, {m.key, KEY_LEN},
			{extended ? m.nonce : (uint8_t *)&m.counter,
				extended ? sizeof(m.nonce) : 8}};
		uint8_t buf[LEN_MAX];

		message_init(&m, extended, 50);
		message_seal(&m, m.sealed, m.plain);
		for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
			for (size_t bit = 0; bit < 8 * parts[i].len; bit++) {
				parts[i].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
				check_refused(&m);
				parts[i].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			}
			assert_true(message_open(&m, buf, m.sealed));
			assert_memory_equal(buf, m.plain, m.len);
		}
		m.aad_len++;
		check_refused(&m);
		m.aad_len -= 2;
		check_refused(&m);
	}
}

static void test_truncated(void **state)
{
	(void)state;
	for (int extended = 0; extended < 2; extended++) {
		uint8_t buf[50];
		struct message m;

		message_init(&m, extended, 50);
		message_seal(&m, m.sealed, m.plain);
		memset(buf, 0, sizeof(buf));
		for (size_t len = 0; len < 50 + AEAD_TAG_LEN; len++) {
			assert_false(extended ? xaead_open(buf, m.sealed, len, m.aad, m.aad_len,
							m.nonce, m.key)
					      : aead_open(buf, m.sealed, len, m.aad, m.aad_len,
							m.counter, m.key));
			assert_true(bytes_are_zero(buf, sizeof(buf)));
		}
	}
}

/* Nothing of a key stays in a context that was told to forget: the same bytes come out of calls
 * that are not given a key. */
static void test_forget(void **state)
{
	uint8_t before[64] = {0}, after[64] = {0};
	struct message m;
	int n;

	(void)state;
	message_init(&m, true, 50);
	message_seal(&m, m.sealed, m.plain);
	assert_true(message_open(&m, m.sealed, m.sealed));
	aead_forget();
	assert_int_equal(
		EVP_EncryptInit_ex2(crypto_contexts()->seal, NULL, NULL, crypto_zeros, NULL), 1);
	assert_int_equal(EVP_EncryptUpdate(crypto_contexts()->seal, after, &n, after, 48), 1);
	seal_message(before, before, 48, NULL, 0, crypto_zeros, crypto_zeros);
	assert_memory_equal(before, after, 48);
	memset(after, 0, sizeof(after));
	assert_int_equal(
		EVP_DecryptInit_ex2(crypto_contexts()->open, NULL, NULL, crypto_zeros, NULL), 1);
	assert_int_equal(EVP_DecryptUpdate(crypto_contexts()->open, after, &n, after, 48), 1);
	assert_memory_equal(before, after, 48);
}

static void *thread_main(void *arg)
{
	const bool extended = arg != NULL;
	uint8_t buf[LEN_MAX];

	for (unsigned i = 0; i < 2000; i++) {
		struct message m;

		message_init(&m, extended, i % LEN_MAX);
		message_seal(&m, m.sealed, m.plain);
		if (!message_open(&m, buf, m.sealed) || memcmp(buf, m.plain, m.len) != 0)
			return arg;
	}
	return &thread_main;
}

static void test_threads(void **state)
{
	pthread_t threads[4];
	void *result;

	(void)state;
	for (uintptr_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, thread_main, i % 2 ? &threads[i] : NULL),
			0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_ptr_equal(result, &thread_main);
	}
}

static int setup(void **state)
{
	(void)state;
	return crypto_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc8439_2_8_2),
		cmocka_unit_test(test_rfc8439_a_5),
		cmocka_unit_test(test_short_messages),
		cmocka_unit_test(test_hchacha20),
		cmocka_unit_test(test_xchacha_a_3_1),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_tampered),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
