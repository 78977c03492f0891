/* SPDX-License-Identifier: MIT
 *
 * The keyring: what may be asked when, and that both ends of an exchange get the same.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/keyring.h"
#include "crypto/dh.h"

static const uint8_t zeros[KEY_LEN];

static int crypto_setup(void **state)
{
	(void)state;
	return crypto_init();
}

static void test_private_key_is_clamped(void **state)
{
	struct keyring *keyring = keyring_new();
	uint8_t given[KEY_LEN], got[KEY_LEN], public_key[KEY_LEN], expected[KEY_LEN];

	(void)state;
	keyring_get_private_key(keyring, got);
	assert_memory_equal(got, zeros, KEY_LEN);
	memset(given, 0xff, KEY_LEN);
	keyring_set_private_key(keyring, given, public_key);
	keyring_get_private_key(keyring, got);
	assert_int_equal(got[0], 0xf8);
	assert_int_equal(got[31], 0x7f);
	dh_public(expected, got);
	assert_memory_equal(public_key, expected, KEY_LEN);
	keyring_set_private_key(keyring, zeros, public_key); /* removes it */
	assert_memory_equal(public_key, zeros, KEY_LEN);
	keyring_get_private_key(keyring, got);
	assert_memory_equal(got, zeros, KEY_LEN);
	keyring_free(keyring);
	keyring_free(NULL);
}

/* A mix of a peer and a point into a chaining key of 0x55s. */
static struct noise_mix question(uint32_t peer_id, const uint8_t point[KEY_LEN])
{
	struct noise_mix mix = {.peer_id = peer_id};

	memcpy(mix.point, point, KEY_LEN);
	memset(mix.ck, 0x55, HASH_LEN);
	memset(mix.ephemeral, 0x33, KEY_LEN);
	return mix;
}

static struct noise_mix ask(struct keyring *keyring, enum noise_secret secret, uint32_t peer_id,
	const uint8_t point[KEY_LEN])
{
	struct noise_mix mix = question(peer_id, point);

	keyring_mix(keyring, secret, &mix, 1);
	return mix;
}

/* All of the answer is zero, but for the error. */
static void assert_error(struct keyring *keyring, enum noise_secret secret, uint32_t peer_id,
	const uint8_t point[KEY_LEN], int error)
{
	const struct noise_mix expected = {.peer_id = peer_id, .error = error};
	struct noise_mix mix = ask(keyring, secret, peer_id, point);

	assert_memory_equal(&mix, &expected, sizeof(mix));
}

static void test_errors(void **state)
{
	static const uint8_t private_key[KEY_LEN] = {8}, base[KEY_LEN] = {9};
	struct keyring *keyring = keyring_new();
	uint8_t key[KEY_LEN], public_key[KEY_LEN];

	(void)state;
	assert_error(keyring, NOISE_DH, 0, base, -ENOKEY);
	assert_error(keyring, NOISE_EE_SE_PSK, 0, base, -ENOKEY);
	assert_error(keyring, NOISE_STATIC, 3, base, -ENOKEY);
	assert_error(keyring, NOISE_PSK, 3, base, -ENOENT);
	assert_int_equal(keyring_set_psk(keyring, 3, base), -ENOENT);
	assert_int_equal(keyring_get_psk(keyring, 3, key), -ENOENT);
	assert_int_equal(keyring_add_peer(keyring, 3, base), 0);
	assert_error(keyring, NOISE_STATIC, 3, base, -ENOKEY);
	keyring_set_private_key(keyring, private_key, public_key);
	assert_int_equal(ask(keyring, NOISE_STATIC, 3, base).error, 0);
	assert_error(keyring, NOISE_STATIC, 4, base, -ENOENT);
	assert_error(keyring, NOISE_STATIC, MAX_PEERS, base, -ENOENT);
	assert_error(keyring, NOISE_EE_SE_PSK, 4, base, -ENOENT);
	assert_error(keyring, NOISE_DH, 3, zeros, -EKEYREJECTED);
	assert_error(keyring, NOISE_EE_SE_PSK, 3, zeros, -EKEYREJECTED);
	assert_error(keyring, (enum noise_secret)0, 3, base, -EPROTO);
	assert_int_equal(keyring_add_peer(keyring, 3, zeros), 0); /* replaced */
	assert_error(keyring, NOISE_STATIC, 3, base, -EKEYREJECTED);
	keyring_remove_peer(keyring, 3);
	keyring_remove_peer(keyring, 3);
	assert_error(keyring, NOISE_STATIC, 3, base, -ENOENT);
	keyring_free(keyring);
}

static void assert_agree(const struct noise_mix *a, const struct noise_mix *b, bool agree)
{
	assert_int_equal(a->error, 0);
	assert_int_equal(b->error, 0);
	assert_int_equal(memcmp(a->ck, b->ck, HASH_LEN) == 0, agree);
	assert_int_equal(memcmp(a->tau, b->tau, HASH_LEN) == 0, agree);
	assert_int_equal(memcmp(a->key, b->key, KEY_LEN) == 0, agree);
}

/* Two keyrings mix the same; not so once either has another key: the cached result goes with the
 * private key it was made from. */
static void test_both_ends_agree(void **state)
{
	static const uint8_t private_keys[3][KEY_LEN] = {{8}, {16}, {24}};
	struct keyring *rings[2] = {keyring_new(), keyring_new()};
	uint8_t public_keys[2][KEY_LEN], psk[KEY_LEN];
	struct noise_mix mixes[2], together;
	struct dh_job job;

	(void)state;
	for (uint32_t i = 0; i < 2; i++)
		keyring_set_private_key(rings[i], private_keys[i], public_keys[i]);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(keyring_add_peer(rings[i], i, public_keys[1 - i]), 0);
	for (uint32_t i = 0; i < 2; i++) {
		mixes[i] = ask(rings[i], NOISE_STATIC, i, zeros);
		assert_int_equal(mixes[i].has_psk, 0);
	}
	assert_agree(&mixes[0], &mixes[1], true);
	/* DH with the peer's static key is the same thing, uncached. */
	mixes[1] = ask(rings[1], NOISE_DH, 1, public_keys[0]);
	assert_agree(&mixes[0], &mixes[1], true);

	keyring_set_private_key(rings[0], private_keys[2], public_keys[0]);
	mixes[0] = ask(rings[0], NOISE_STATIC, 0, zeros);
	assert_memory_not_equal(mixes[0].key, mixes[1].key, KEY_LEN);

	for (uint32_t i = 0; i < 2; i++) { /* no psk is a psk of zeros */
		assert_int_equal(keyring_get_psk(rings[i], i, psk), 0);
		assert_memory_equal(psk, zeros, KEY_LEN);
		assert_int_equal(keyring_set_psk(rings[i], i, private_keys[2 * i]), 0);
		assert_int_equal(ask(rings[i], NOISE_STATIC, i, zeros).has_psk, 1);
		mixes[i] = ask(rings[i], NOISE_PSK, i, zeros);
	}
	assert_agree(&mixes[0], &mixes[1], false);
	assert_int_equal(keyring_set_psk(rings[1], 1, private_keys[0]), 0);
	mixes[1] = ask(rings[1], NOISE_PSK, 1, zeros);
	assert_agree(&mixes[0], &mixes[1], true);
	/* several secrets at once are one after the other */
	together = ask(rings[0], NOISE_EE_SE_PSK, 0, public_keys[1]);
	mixes[0] = question(0, public_keys[1]);
	job.private_key = mixes[0].ephemeral;
	job.point = public_keys[1];
	dh_many(&job, 1);
	kdf(mixes[0].ck, NULL, NULL, mixes[0].ck, job.shared, KEY_LEN);
	keyring_mix(rings[0], NOISE_DH, &mixes[0], 1);
	keyring_mix(rings[0], NOISE_PSK, &mixes[0], 1);
	assert_agree(&together, &mixes[0], true);
	keyring_free(rings[0]);
	keyring_free(rings[1]);
}

/* Several together are the same as one by one, whether or not their static-static results are
 * there already; one that fails spoils no other. */
static void test_several(void **state)
{
	static const uint8_t private_key[KEY_LEN] = {8};
	const uint8_t points[NOISE_MIXES_MAX][KEY_LEN] = {{9}, {0}, {2}, {3}, {9}, {4}, {5}, {6}};
	struct keyring *rings[2] = {keyring_new(), keyring_new()};
	uint8_t public_key[KEY_LEN];

	(void)state;
	for (unsigned ring = 0; ring < 2; ring++) {
		keyring_set_private_key(rings[ring], private_key, public_key);
		for (uint32_t id = 0; id < NOISE_MIXES_MAX - 1; id++) {
			assert_int_equal(keyring_add_peer(rings[ring], id, points[id]), 0);
			assert_int_equal(keyring_set_psk(rings[ring], id, points[id]), 0);
		}
	}
	(void)ask(rings[0], NOISE_STATIC, 2, zeros);
	for (enum noise_secret secret = NOISE_DH; secret <= NOISE_EE_SE_PSK; secret++) {
		struct noise_mix mixes[NOISE_MIXES_MAX];

		for (uint32_t i = 0; i < NOISE_MIXES_MAX; i++)
			mixes[i] = question(i, points[i]); /* the last peer is not there */
		keyring_mix(rings[0], secret, mixes, NOISE_MIXES_MAX);
		for (uint32_t i = 0; i < NOISE_MIXES_MAX; i++) {
			struct noise_mix alone = ask(rings[1], secret, i, points[i]);

			assert_memory_equal(&mixes[i], &alone, sizeof(alone));
		}
	}
	keyring_free(rings[0]);
	keyring_free(rings[1]);
}

/* All that an answer needs is what its parts are, one after the other, up to the first that fails.
 */
static void test_answer(void **state)
{
	static const uint8_t private_key[KEY_LEN] = {8}, points[3][KEY_LEN] = {{9}, {2}, {0}};
	struct keyring *keyring = keyring_new();
	uint8_t public_key[KEY_LEN], ephemeral_public[KEY_LEN];

	(void)state;
	for (unsigned i = 0; i < 2 * 4 * 3; i++) {
		const bool has_key = i / 12;
		const uint32_t peer_id = i / 3 % 4; /* the fourth is not there */
		struct noise_mix mixes[NOISE_ANSWER_MIXES] = {question(peer_id, points[i % 3])};
		struct noise_mix expected = mixes[0];
		struct dh_job jobs[] = {{.private_key = expected.ephemeral, .point = points[i % 3]},
			{.private_key = expected.ephemeral, .point = points[peer_id % 3]}};

		keyring_set_private_key(keyring, has_key ? private_key : zeros, public_key);
		for (uint32_t id = 0; id < 3; id++) {
			assert_int_equal(keyring_add_peer(keyring, id, points[id]), 0);
			assert_int_equal(keyring_set_psk(keyring, id, points[id]), 0);
		}
		dh_public(ephemeral_public, expected.ephemeral);
		dh_many(jobs, 2);
		keyring_mix(keyring, NOISE_ANSWER, mixes, NOISE_ANSWER_MIXES);
		keyring_mix(keyring, NOISE_DH, &expected, 1);
		assert_int_equal(expected.error, !has_key     ? -ENOKEY
						 : i % 3 == 2 ? -EKEYREJECTED
							      : 0);
		assert_memory_equal(&mixes[ANSWER_DH], &expected, sizeof(expected));
		if (expected.error == 0)
			keyring_mix(keyring, NOISE_STATIC, &expected, 1);
		assert_memory_equal(&mixes[ANSWER_STATIC], &expected, sizeof(expected));
		if (expected.error == 0) {
			memcpy(expected.ephemeral, ephemeral_public, KEY_LEN);
			kdf(expected.ck, NULL, NULL, expected.ck, ephemeral_public, KEY_LEN);
			for (unsigned n = 0; n < 2; n++)
				kdf(expected.ck, NULL, NULL, expected.ck, jobs[n].shared, KEY_LEN);
			keyring_mix(keyring, NOISE_PSK, &expected, 1);
		}
		assert_memory_equal(&mixes[ANSWER_RESPONSE], &expected, sizeof(expected));
	}
	keyring_free(keyring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_private_key_is_clamped),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_both_ends_agree),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_answer),
	};

	return cmocka_run_group_tests(tests, crypto_setup, NULL);
}
