/* SPDX-License-Identifier: MIT
 *
 * mac1, mac2 and cookies: the keys are secret, and the macs are until they are sent.
 */
#include "core/cookie.h"
#include "secret.h"

static const struct endpoint source = {.family = AF_INET, .port = 51820, .addr = {192, 0, 2, 1}};

/* mac1's key is of a public key; it is secret here because whoever does not know that public key
 * is not answered. */
static void mac1(void)
{
	struct message_response message = {.type = le32(MESSAGE_RESPONSE)};
	uint8_t public_key[KEY_LEN], key[KEY_LEN];
	struct cookie_maker maker = {.cookie_birth_ns = 0};

	secret_bytes(public_key, sizeof(public_key), 1);
	cookie_add_macs(&maker, public_key, &message, sizeof(message), 1);
	cookie_mac1_key(key, public_key);
	assert(cookie_mac1_is_valid(key, &message, sizeof(message)));
	message.macs.mac1[15] ^= 1;
	assert(!cookie_mac1_is_valid(key, &message, sizeof(message)));
}

static void cookies(void)
{
	struct message_initiation message = {.type = le32(MESSAGE_INITIATION)};
	const uint8_t nonce[XAEAD_NONCE_LEN] = {1};
	struct cookie_checker checker = {.secret_birth_ns = 0};
	struct cookie_maker maker = {.cookie_birth_ns = 0};
	struct message_cookie_reply reply;
	uint8_t public_key[KEY_LEN], random[KEY_LEN];

	secret_bytes(public_key, sizeof(public_key), 1);
	secret_bytes(random, sizeof(random), 2);
	cookie_checker_set_public_key(&checker, public_key);
	cookie_checker_set_secret(&checker, random, 1);
	cookie_add_macs(&maker, public_key, &message, sizeof(message), 1);
	assert(!cookie_mac2_is_valid(&checker, &source, &message, sizeof(message)));
	cookie_create_reply(&checker, &source, &message, sizeof(message), nonce, &reply);
	assert(cookie_consume_reply(&maker, public_key, &reply, 1));
	cookie_add_macs(&maker, public_key, &message, sizeof(message), 2);
	assert(cookie_mac2_is_valid(&checker, &source, &message, sizeof(message)));
	reply.encrypted_cookie[0] ^= 1;
	assert(!cookie_consume_reply(&maker, public_key, &reply, 2));
}

const struct ct_case cookie_cases[] = {
	{"mac1", mac1, false},
	{"mac2, cookies", cookies, false},
	{NULL, NULL, false},
};
