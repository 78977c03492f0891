/* SPDX-License-Identifier: MIT
 *
 * X25519 against RFC 7748, the results that must be refused, and several at once.
 */
#include "crypto/dh.h"

#include "crypto/aead.h"
#include "sample.h"

/* RFC 7748, section 5.2: single multiplications */
static void test_rfc7748_5_2(void **state)
{
	static const struct {
		const char *scalar, *u, *expect;
	} rows[] = {
		{"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
			"e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
			"c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
		{"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
			"e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
			"95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t scalar[KEY_LEN], u[KEY_LEN], shared[KEY_LEN];

		sample_hex(scalar, KEY_LEN, rows[i].scalar);
		sample_hex(u, KEY_LEN, rows[i].u);
		assert_true(dh(shared, scalar, u));
		sample_assert_hex(shared, KEY_LEN, rows[i].expect);
		dh_clamp(scalar); /* what the multiplication does anyway */
		assert_true(dh(u, scalar, u));
		sample_assert_hex(u, KEY_LEN, rows[i].expect);
	}
}

/* RFC 7748, section 5.2: iterated; its million iterations would take a minute. */
static void test_rfc7748_5_2_iterated(void **state)
{
	uint8_t k[KEY_LEN] = {9}, u[KEY_LEN] = {9}, result[KEY_LEN];

	(void)state;
	for (unsigned i = 1; i <= 1000; i++) {
		assert_true(dh(result, k, u));
		memcpy(u, k, KEY_LEN);
		memcpy(k, result, KEY_LEN);
		if (i == 1)
			sample_assert_hex(k, KEY_LEN,
				"422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
	}
	sample_assert_hex(
		k, KEY_LEN, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

/* RFC 7748, section 6.1 */
static void test_rfc7748_6_1(void **state)
{
	static const char expect[] =
		"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
	uint8_t a[KEY_LEN], b[KEY_LEN], a_public[KEY_LEN], b_public[KEY_LEN], shared[KEY_LEN];

	(void)state;
	sample_hex(a, KEY_LEN, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
	sample_hex(b, KEY_LEN, "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
	dh_public(a_public, a);
	sample_assert_hex(a_public, KEY_LEN,
		"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
	dh_public(b_public, b);
	sample_assert_hex(b_public, KEY_LEN,
		"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
	assert_true(dh(shared, a, b_public));
	sample_assert_hex(shared, KEY_LEN, expect);
	assert_true(dh(shared, b, a_public));
	sample_assert_hex(shared, KEY_LEN, expect);
}

/* The seven points of low order, with the ignored top bit clear and set, under several keys. */
static void test_low_order(void **state)
{
	static const char *const rows[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	uint8_t untouched[KEY_LEN];

	(void)state;
	memset(untouched, 0xee, sizeof(untouched));
	for (size_t i = 0; i < 4 * ARRAY_SIZE(rows); i++) {
		uint8_t point[KEY_LEN], private_key[KEY_LEN], shared[KEY_LEN];

		sample_hex(point, KEY_LEN, rows[i / 4]);
		point[31] = (uint8_t)(point[31] | (i & 1) << 7);
		sample_sequence(private_key, KEY_LEN, (uint32_t)i + 1);
		if (i & 2)
			memset(private_key, 0, sizeof(private_key)); /* no key, still a number */
		memcpy(shared, untouched, sizeof(shared));
		assert_false(dh(shared, private_key, point));
		assert_memory_equal(shared, untouched, sizeof(shared));
		point[1] ^= 0x40; /* the neighbour is a good point */
		assert_true(dh(shared, private_key, point));
	}
}

enum { MANY = 6 }; /* more than are computed side by side */

/* What dh_many and the kernel under it make of the points is what libcrypto makes of each alone;
 * every third has a key of its own. */
static void assert_same_as_alone(const uint8_t points[][KEY_LEN], const uint8_t *private_key)
{
	uint8_t alone[KEY_LEN];

	for (unsigned num = 0; num <= MANY; num++) {
		struct dh_job jobs[MANY];

		for (unsigned i = 0; i < num; i++) {
			jobs[i].private_key = i % 3 == 1 ? points[num - 1] : private_key;
			jobs[i].point = points[i];
		}
		dh_many(jobs, num);
		for (unsigned i = 0; i < num; i++) {
			assert_int_equal(dh(alone, jobs[i].private_key, points[i]), jobs[i].ok);
			if (jobs[i].ok)
				assert_memory_equal(jobs[i].shared, alone, KEY_LEN);
		}
	}
}

static void test_many(void **state)
{
	uint8_t points[MANY][KEY_LEN], private_key[KEY_LEN];

	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		sample_sequence(private_key, KEY_LEN, i);
		for (uint32_t n = 0; n < MANY; n++)
			sample_sequence(points[n], KEY_LEN, i * MANY + n + 1000);
		assert_same_as_alone(points, private_key);
	}
}

/* Points around 0, p and 2^255, and with one limb full or one bit set; keys of many ones and of
 * many zeros. */
static void test_many_at_the_edges(void **state)
{
	uint8_t points[MANY][KEY_LEN], private_key[KEY_LEN];

	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		memset(private_key, i % 2 ? 0xff : 0, KEY_LEN);
		memset(points, 0, sizeof(points));
		points[0][0] = (uint8_t)i; /* 0 to 255, the low-order 0 and 1 among them */
		memset(points[1], 0xff, KEY_LEN);
		points[1][0] = (uint8_t)i; /* 2^256 - 256 to 2^256 - 1: beyond p, top bit set */
		memset(points[2], 0xff, KEY_LEN);
		points[2][i / 8] ^= (uint8_t)(1 << i % 8);
		points[3][i / 8] = (uint8_t)(1 << i % 8);
		points[4][0] = 9;
		memset(points[5], 0xaa, KEY_LEN);
		assert_same_as_alone(points, private_key);
	}
}

static void test_base_point(void **state)
{
	uint8_t private_key[KEY_LEN], public_key[KEY_LEN];
	struct dh_job jobs[2] = {{.private_key = private_key, .point = dh_base_point},
		{.private_key = private_key, .point = dh_base_point}};

	(void)state;
	sample_sequence(private_key, KEY_LEN, 5);
	dh_public(public_key, private_key);
	dh_many(jobs, 2);
	assert_memory_equal(jobs[0].shared, public_key, KEY_LEN);
	assert_memory_equal(jobs[1].shared, public_key, KEY_LEN);
}

static void test_clamp(void **state)
{
	uint8_t key[KEY_LEN], again[KEY_LEN], public_key[KEY_LEN], clamped_public[KEY_LEN];

	(void)state;
	memset(key, 0xff, sizeof(key));
	dh_public(public_key, key);
	dh_clamp(key);
	sample_assert_hex(
		key, KEY_LEN, "f8ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
	dh_public(clamped_public, key);
	assert_memory_equal(public_key, clamped_public, KEY_LEN);
	memcpy(again, key, sizeof(key));
	dh_clamp(again);
	assert_memory_equal(again, key, sizeof(key));
	memset(key, 0, sizeof(key));
	dh_clamp(key);
	sample_assert_hex(
		key, KEY_LEN, "0000000000000000000000000000000000000000000000000000000000000040");
}

static int setup(void **state)
{
	(void)state;
	return crypto_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc7748_5_2),
		cmocka_unit_test(test_rfc7748_5_2_iterated),
		cmocka_unit_test(test_rfc7748_6_1),
		cmocka_unit_test(test_low_order),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_many_at_the_edges),
		cmocka_unit_test(test_base_point),
		cmocka_unit_test(test_clamp),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
