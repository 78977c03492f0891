/* SPDX-License-Identifier: MIT
 *
 * X25519 from libcrypto.
 */
#include "crypto/dh.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include "crypto/internal.h"

const uint8_t dh_base_point[KEY_LEN] = {9};

void dh_clamp(uint8_t private_key[KEY_LEN])
{
	private_key[0] &= 248;
	private_key[31] = (uint8_t)((private_key[31] & 127) | 64);
}

void dh_public(uint8_t ret_public[KEY_LEN], const uint8_t private_key[KEY_LEN])
{
	size_t len = KEY_LEN;
	EVP_PKEY *pkey;

	crypto_begin();
	pkey = EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, private_key, KEY_LEN);
	crypto_check(pkey != NULL);
	crypto_check(EVP_PKEY_get_raw_public_key(pkey, ret_public, &len));
	EVP_PKEY_free(pkey);
	crypto_wipe_stack();
}

/* A private key to derive with. It is given a public half (that is never used), because without
 * one libcrypto computes it: another scalar multiplication, at half the price of the whole. */
static EVP_PKEY *derivation_key(const uint8_t private_key[KEY_LEN])
{
	uint8_t private_copy[KEY_LEN], public_dummy[KEY_LEN] = {0};
	OSSL_PARAM params[] = {
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, private_copy, KEY_LEN),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, public_dummy, KEY_LEN),
		OSSL_PARAM_END};
	EVP_PKEY_CTX *context;
	EVP_PKEY *pkey = NULL;

	crypto_begin();
	context = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
	memcpy(private_copy, private_key, KEY_LEN);
	crypto_check(context != NULL);
	crypto_check(EVP_PKEY_fromdata_init(context));
	crypto_check(EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, params));
	EVP_PKEY_CTX_free(context);
	wipe(private_copy, sizeof(private_copy));
	return pkey;
}

bool dh(uint8_t ret_shared[KEY_LEN], const uint8_t private_key[KEY_LEN],
	const uint8_t public_key[KEY_LEN])
{
	uint8_t shared[KEY_LEN] = {0};
	size_t len = sizeof(shared);
	EVP_PKEY *private = derivation_key(private_key);
	EVP_PKEY *public =
		EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, public_key, KEY_LEN);
	EVP_PKEY_CTX *context;
	bool ok;

	crypto_check(public != NULL);
	context = EVP_PKEY_CTX_new_from_pkey(NULL, private, NULL);
	crypto_check(context != NULL);
	crypto_check(EVP_PKEY_derive_init(context));
	crypto_check(EVP_PKEY_derive_set_peer_ex(context, public, 0));
	/* libcrypto fails on an all-zero result; that is not left to it alone. */
	ok = EVP_PKEY_derive(context, shared, &len) == 1 && !bytes_are_zero(shared, sizeof(shared));
	if (ok)
		memcpy(ret_shared, shared, sizeof(shared));
	else
		ERR_clear_error();
	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(public);
	EVP_PKEY_free(private);
	wipe(shared, sizeof(shared));
	crypto_wipe_stack();
	return ok;
}

static bool use_vectors(void)
{
#if WITH_VECTORS
	return dh_ifma_is_available();
#else
	return false;
#endif
}

void dh_many(struct dh_job *jobs, unsigned num)
{
	if (!use_vectors()) {
		for (unsigned i = 0; i < num; i++)
			jobs[i].ok = dh(jobs[i].shared, jobs[i].private_key, jobs[i].point);
		return;
	}
	for (unsigned i = 0; i < num; i += DH_LANES)
		dh_ifma(jobs + i, num - i < DH_LANES ? num - i : DH_LANES);
	for (unsigned i = 0; i < num; i++)
		jobs[i].ok = !bytes_are_zero(jobs[i].shared, KEY_LEN);
	crypto_wipe_stack();
}
