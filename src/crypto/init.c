/* SPDX-License-Identifier: MIT
 *
 * Fetches algorithms from libcrypto and makes contexts of them.
 */
#include "crypto/internal.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/aead.h"
#include "crypto/dh.h"
#include "crypto/hash.h"

const uint8_t crypto_zeros[KEY_LEN];

static struct {
	EVP_CIPHER *chacha20_poly1305, *chacha20;
	EVP_KEYMGMT *x25519_keys; /* held so that libcrypto's lookups by name stay answered */
	EVP_KEYEXCH *x25519;
} algorithms;

static _Thread_local struct crypto_contexts contexts;
static pthread_key_t contexts_key; /* is there for its destructor */

/* libcrypto itself may not say so: what is out of memory has no room for its errors either. */
static bool is_out_of_memory(void)
{
	return errno == ENOMEM || ERR_GET_REASON(ERR_peek_error()) == ERR_R_MALLOC_FAILURE;
}

void crypto_begin(void)
{
	errno = 0;
}

void crypto_check(int result)
{
	if (result == 1)
		return;
	if (!is_out_of_memory())
		abort();
	log_error("libcrypto: %s", strerror(ENOMEM));
	_Exit(1);
}

static EVP_CIPHER_CTX *cipher_context(const EVP_CIPHER *cipher, int is_seal)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

	crypto_check(context != NULL);
	crypto_check(EVP_CipherInit_ex2(context, cipher, NULL, NULL, is_seal, NULL));
	return context;
}

/* At a thread's end; libcrypto wipes what it frees. */
static void contexts_free(void *unused)
{
	(void)unused;
	EVP_CIPHER_CTX_free(contexts.seal);
	EVP_CIPHER_CTX_free(contexts.open);
	EVP_CIPHER_CTX_free(contexts.chacha20);
}

const struct crypto_contexts *crypto_contexts(void)
{
	crypto_begin();
	if (contexts.chacha20)
		return &contexts;
	crypto_check(pthread_setspecific(contexts_key, &contexts) == 0);
	contexts.seal = cipher_context(algorithms.chacha20_poly1305, 1);
	contexts.open = cipher_context(algorithms.chacha20_poly1305, 0);
	contexts.chacha20 = cipher_context(algorithms.chacha20, 1);
	return &contexts;
}

/* Use every algorithm, also to its failure, so that all that libcrypto does at first use is done
 * now. Returns whether the results are consistent. */
static bool exercise(void)
{
	uint8_t key[KEY_LEN] = {1}, sealed[HASH_LEN + AEAD_TAG_LEN], tag[MAC_LEN];
	uint8_t nonce[XAEAD_NONCE_LEN] = {0};
	bool ok;

	dh_public(key, key);
	ok = dh(key, key, key) && !dh(key, key, crypto_zeros);
	kdf(key, NULL, NULL, key, key, sizeof(key));
	mac(tag, key, sizeof(key), key, sizeof(key), NULL, 0);
	aead_seal(sealed, key, sizeof(key), tag, sizeof(tag), 1, key);
	ok = ok && !aead_open(sealed, sealed, sizeof(sealed), tag, sizeof(tag), 2, key);
	xaead_seal(sealed, key, sizeof(key), tag, sizeof(tag), nonce, key);
	return ok && xaead_open(sealed, sealed, sizeof(sealed), tag, sizeof(tag), nonce, key) &&
	       bytes_equal(sealed, key, sizeof(key));
}

__attribute__((noinline)) void crypto_wipe_stack(void)
{
	uint8_t below[4096];

	wipe(below, sizeof(below));
}

static int init(void)
{
	/* No configuration: what another program's openssl.cnf says is nothing to us, and no
	 * file can be read once the sandbox is closed. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return -ENOTSUP;
	/* without memory for it a fetch would crash */
	if (!OSSL_LIB_CTX_get0_global_default())
		return -ENOTSUP;
	if (algorithms.x25519)
		return 0;
	if (pthread_key_create(&contexts_key, contexts_free) != 0)
		return -ENOTSUP;
	algorithms.chacha20_poly1305 = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
	algorithms.chacha20 = EVP_CIPHER_fetch(NULL, "ChaCha20", NULL);
	algorithms.x25519_keys = EVP_KEYMGMT_fetch(NULL, "X25519", NULL);
	algorithms.x25519 = EVP_KEYEXCH_fetch(NULL, "X25519", NULL);
	if (!algorithms.chacha20_poly1305 || !algorithms.chacha20 || !algorithms.x25519_keys ||
		!algorithms.x25519)
		return -ENOTSUP;
	return exercise() ? 0 : -ENOTSUP;
}

int crypto_init(void)
{
	int r;

	crypto_begin();
	r = init();
	return r < 0 && is_out_of_memory() ? -ENOMEM : r;
}
