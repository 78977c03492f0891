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

static void test_errors(void **state)
{
	static const uint8_t private_key[KEY_LEN] = {8}, base[KEY_LEN] = {9};
	struct keyring *keyring = keyring_new();
	uint8_t ck[HASH_LEN] = {0}, tau[HASH_LEN], key[KEY_LEN], public_key[KEY_LEN];

	(void)state;
	assert_int_equal(keyring_mix_dh(keyring, base, ck, key), -ENOKEY);
	assert_int_equal(keyring_mix_static(keyring, 3, ck, key), -ENOENT);
	assert_int_equal(keyring_mix_static(keyring, MAX_PEERS, ck, key), -ENOENT);
	assert_int_equal(keyring_mix_psk(keyring, 3, ck, tau, key), -ENOENT);
	assert_int_equal(keyring_set_psk(keyring, 3, base), -ENOENT);
	assert_int_equal(keyring_get_psk(keyring, 3, key), -ENOENT);
	assert_int_equal(keyring_add_peer(keyring, 3, base), 0);
	assert_int_equal(keyring_mix_static(keyring, 3, ck, key), -ENOKEY);
	keyring_set_private_key(keyring, private_key, public_key);
	assert_int_equal(keyring_mix_static(keyring, 3, ck, key), 0);
	assert_int_equal(keyring_mix_dh(keyring, zeros, ck, key), -EKEYREJECTED);
	assert_int_equal(keyring_add_peer(keyring, 3, zeros), 0); /* replaced */
	assert_int_equal(keyring_mix_static(keyring, 3, ck, key), -EKEYREJECTED);
	keyring_remove_peer(keyring, 3);
	keyring_remove_peer(keyring, 3);
	assert_int_equal(keyring_mix_static(keyring, 3, ck, key), -ENOENT);
	keyring_free(keyring);
}

/* Two keyrings mix the same; not so once either has another key: the cached result goes with the
 * private key it was made from. */
static void test_both_ends_agree(void **state)
{
	static const uint8_t private_keys[3][KEY_LEN] = {{8}, {16}, {24}};
	struct keyring *rings[2] = {keyring_new(), keyring_new()};
	uint8_t public_keys[2][KEY_LEN], cks[2][HASH_LEN], keys[2][KEY_LEN], taus[2][HASH_LEN];

	(void)state;
	for (uint32_t i = 0; i < 2; i++)
		keyring_set_private_key(rings[i], private_keys[i], public_keys[i]);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(keyring_add_peer(rings[i], i, public_keys[1 - i]), 0);
	for (uint32_t i = 0; i < 2; i++) {
		memset(cks[i], 0x55, HASH_LEN);
		assert_int_equal(keyring_mix_static(rings[i], i, cks[i], keys[i]), 0);
	}
	assert_memory_equal(cks[0], cks[1], HASH_LEN);
	assert_memory_equal(keys[0], keys[1], KEY_LEN);
	/* mix_dh with the peer's static key is the same thing, uncached. */
	memset(cks[1], 0x55, HASH_LEN);
	assert_int_equal(keyring_mix_dh(rings[1], public_keys[0], cks[1], keys[1]), 0);
	assert_memory_equal(keys[0], keys[1], KEY_LEN);

	keyring_set_private_key(rings[0], private_keys[2], public_keys[0]);
	memset(cks[0], 0x55, HASH_LEN);
	assert_int_equal(keyring_mix_static(rings[0], 0, cks[0], keys[0]), 0);
	assert_memory_not_equal(keys[0], keys[1], KEY_LEN);

	for (uint32_t i = 0; i < 2; i++) { /* no psk is a psk of zeros */
		memset(cks[i], 0x55, HASH_LEN);
		assert_int_equal(keyring_get_psk(rings[i], i, keys[i]), 0);
		assert_memory_equal(keys[i], zeros, KEY_LEN);
		assert_int_equal(keyring_set_psk(rings[i], i, private_keys[2 * i]), 0);
		assert_int_equal(keyring_mix_psk(rings[i], i, cks[i], taus[i], keys[i]), 0);
	}
	assert_memory_not_equal(taus[0], taus[1], HASH_LEN);
	assert_int_equal(keyring_set_psk(rings[1], 1, private_keys[0]), 0);
	memset(cks[1], 0x55, HASH_LEN);
	assert_int_equal(keyring_mix_psk(rings[1], 1, cks[1], taus[1], keys[1]), 0);
	assert_memory_equal(taus[0], taus[1], HASH_LEN);
	assert_memory_equal(keys[0], keys[1], KEY_LEN);
	assert_memory_equal(cks[0], cks[1], HASH_LEN);
	keyring_free(rings[0]);
	keyring_free(rings[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_private_key_is_clamped),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_both_ends_agree),
	};

	return cmocka_run_group_tests(tests, crypto_setup, NULL);
}
