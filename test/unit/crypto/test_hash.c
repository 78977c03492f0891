/* SPDX-License-Identifier: MIT
 *
 * BLAKE2s, HMAC and the KDFs. Values not printed in RFC 7693 or the WireGuard paper's
 * implementations were computed with Python's hashlib and hmac.
 */
#include "crypto/hash.h"

#include "crypto/aead.h"
#include "sample.h"

static void test_hash(void **state)
{
	static const struct {
		const char *text, *expect;
	} rows[] = {
		{"", "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9"},
		{"abc", "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"},
		{"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s",
			"60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const size_t len = strlen(rows[i].text);
		uint8_t digest[HASH_LEN];

		for (size_t split = 0; split <= len; split++) {
			hash(digest, rows[i].text, split, split < len ? rows[i].text + split : NULL,
				len - split);
			sample_assert_hex(digest, HASH_LEN, rows[i].expect);
		}
	}
}

/* The protocol's two constants, the second computed over the first in place. */
static void test_noise_constants(void **state)
{
	static const char construction[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
	static const char identifier[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";
	uint8_t digest[HASH_LEN];

	(void)state;
	hash(digest, construction, 37, NULL, 0);
	hash(digest, digest, sizeof(digest), identifier, 34);
	sample_assert_hex(digest, sizeof(digest),
		"2211b361081ac566691243db458ad5322d9c6c662293e8b70ee19c65ba079ef3");
}

static void test_mac(void **state)
{
	static const size_t key_lens[] = {1, 15, 16, 31, 32};
	static const size_t lens[] = {0, 1, 3, 63, 64, 65, 116, 255, 1024};
	uint8_t key[KEY_LEN], data[1024], tag[MAC_LEN], split_tag[MAC_LEN], digest[HASH_LEN];
	uint8_t all[ARRAY_SIZE(key_lens) * ARRAY_SIZE(lens) * MAC_LEN], *next = all;

	(void)state;
	for (uint8_t i = 0; i < KEY_LEN; i++)
		key[i] = i;
	mac(tag, key, 32, NULL, 0, NULL, 0);
	sample_assert_hex(tag, sizeof(tag), "9536f9b267655743dee97b8a670f9f53");
	mac(tag, key, 16, "a", 1, "bc", 2);
	sample_assert_hex(tag, sizeof(tag), "75296c2d2c0f51210b383f386bc8b1ff");

	for (size_t i = 0; i < ARRAY_SIZE(key_lens); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(lens); j++, next += MAC_LEN) {
			sample_sequence(key, key_lens[i], (uint32_t)key_lens[i]);
			sample_sequence(data, lens[j], (uint32_t)lens[j]);
			mac(next, key, key_lens[i], data, lens[j], NULL, 0);
			mac(split_tag, key, key_lens[i], data, lens[j] / 3, data + lens[j] / 3,
				lens[j] - lens[j] / 3);
			assert_memory_equal(split_tag, next, MAC_LEN);
		}
	}
	hash(digest, all, sizeof(all), NULL, 0);
	sample_assert_hex(digest, sizeof(digest),
		"e70796893a7f0edd56b013626e633caa1c0e0fb1aa4553d89d45657b4fcde082");
}

static void test_hmac(void **state)
{
	static const size_t key_lens[] = {0, 1, 32, 63, 64, 65, 200};
	static const size_t lens[] = {0, 1, 32, 64, 65, 255};
	uint8_t key[200], data[255], digest[HASH_LEN];
	uint8_t all[ARRAY_SIZE(key_lens) * ARRAY_SIZE(lens) * HASH_LEN], *next = all;

	(void)state;
	for (uint8_t i = 0; i < KEY_LEN; i++)
		key[i] = i;
	hmac(digest, key, KEY_LEN, "abc", 3);
	sample_assert_hex(digest, sizeof(digest),
		"82623be5bc0a391b24dce53e67d028eff92d586de0485ac37822e597d049c74f");
	for (size_t i = 0; i < ARRAY_SIZE(key_lens); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(lens); j++, next += HASH_LEN) {
			sample_sequence(key, key_lens[i], (uint32_t)key_lens[i]);
			sample_sequence(data, lens[j], (uint32_t)lens[j]);
			hmac(next, key, key_lens[i], data, lens[j]);
		}
	}
	hash(digest, all, sizeof(all), NULL, 0);
	sample_assert_hex(digest, sizeof(digest),
		"a07dad9ac3556f7addeff0d6c73cda58b57a0451b8965537d485accf6f748378");
}

static void test_kdf(void **state)
{
	static const struct {
		size_t input_len;
		const char *expect[3];
	} rows[] = {
		{0, {"7a38c34bf2b8738d7374ca77c44ecb309a11d2b2528304fa86052c365e722624",
			    "1a17621f346abdc520746a9fb64d8eb03231d674fc15687537b0780fd9c060fd",
			    "4eaf02809ac4b930ef63479de62275f1c55656e61f78a3cc653c18a2223d6c5f"}},
		{32, {"6a96444e20e8d4c1cee974416acae1c10b3c92886010e54ed94dafb2c3b80ea0",
			     "57af120b0de7acbe7907ec149c5ae870a2dbb74232b65777ba4123f1f7f888f5",
			     "0926c7caabb6e8d73beda759e6f4f0d324ce5b5000bcf8cd784b26db3049faa9"}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (unsigned num = 1; num <= 3; num++) {
			/* The output that overwrites the chaining key: each in turn, or none. */
			for (unsigned in_place = 0; in_place <= num; in_place++) {
				uint8_t chaining_key[HASH_LEN], input[32], outs[3][HASH_LEN];
				uint8_t *rets[3] = {0};

				for (uint8_t j = 0; j < HASH_LEN; j++) {
					chaining_key[j] = j;
					input[j] = (uint8_t)(j + 0x20);
				}
				for (unsigned j = 0; j < num; j++)
					rets[j] = j + 1 == in_place ? chaining_key : outs[j];
				kdf(rets[0], rets[1], rets[2], chaining_key, input,
					rows[i].input_len);
				for (unsigned j = 0; j < num; j++)
					sample_assert_hex(rets[j], HASH_LEN, rows[i].expect[j]);
			}
		}
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
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_noise_constants),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_kdf),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
