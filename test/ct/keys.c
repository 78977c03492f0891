/* SPDX-License-Identifier: MIT
 *
 * Keys: comparing, clamping, X25519.
 */
#include "crypto/dh.h"
#include "crypto/internal.h"
#include "secret.h"

static void compare(void)
{
	uint8_t a[KEY_LEN], b[KEY_LEN];
	bool equal, zero;

	secret_bytes(a, sizeof(a), 1);
	secret_bytes(b, sizeof(b), 1);
	equal = bytes_equal(a, b, KEY_LEN);
	zero = bytes_are_zero(a, KEY_LEN);
	publish(&equal, sizeof(equal)); /* all that a comparison is to tell */
	publish(&zero, sizeof(zero));
	assert(equal && !zero);
}

/* The public key; also on points of low order, where the verdict is another. */
static void exchange(void)
{
	uint8_t a[KEY_LEN], b[KEY_LEN], a_public[KEY_LEN], b_public[KEY_LEN], shared[2][KEY_LEN];
	bool equal;

	secret_bytes(a, sizeof(a), 1);
	secret_bytes(b, sizeof(b), 2);
	dh_clamp(a);
	dh_public(a_public, a);
	dh_public(b_public, b);
	publish(a_public, sizeof(a_public)); /* public keys */
	publish(b_public, sizeof(b_public));
	assert(dh(shared[0], a, b_public) && dh(shared[1], b, a_public));
	equal = bytes_equal(shared[0], shared[1], KEY_LEN);
	publish(&equal, sizeof(equal)); /* the test's own */
	assert(equal && !dh(shared[0], a, crypto_zeros));
}

static void exchange_many(void)
{
	struct dh_job jobs[5] = {{.private_key = NULL}};
	uint8_t keys[ARRAY_SIZE(jobs)][KEY_LEN];

	for (unsigned i = 0; i < ARRAY_SIZE(jobs); i++) {
		secret_bytes(keys[i], KEY_LEN, (uint8_t)i);
		jobs[i].private_key = keys[i];
		jobs[i].point = i == 0 ? crypto_zeros : dh_base_point;
	}
	dh_many(jobs, ARRAY_SIZE(jobs));
	for (unsigned i = 0; i < ARRAY_SIZE(jobs); i++)
		assert(jobs[i].ok == (i != 0));
}

const struct ct_case key_cases[] = {
	{"comparing keys", compare, false},
	{"X25519", exchange, false},
	{"X25519, several", exchange_many, false},
	{NULL, NULL, false},
};
