/* SPDX-License-Identifier: MIT
 *
 * mac1, mac2 and cookies.
 */
#include "core/cookie.h"

static void labelled_key(
	uint8_t ret_key[KEY_LEN], const char label[static 8], const uint8_t public_key[KEY_LEN])
{
	hash(ret_key, label, 8, public_key, KEY_LEN);
}

/* mac1 covers all before it; mac2 covers mac1 too. */
static size_t mac1_offset(size_t len)
{
	return len - sizeof(struct message_macs);
}

static size_t mac2_offset(size_t len)
{
	return len - MAC_LEN;
}

void cookie_mac1_key(uint8_t ret_key[KEY_LEN], const uint8_t public_key[KEY_LEN])
{
	labelled_key(ret_key, "mac1----", public_key);
}

bool cookie_mac1_is_valid(const uint8_t mac1_key[KEY_LEN], const void *message, size_t len)
{
	uint8_t expected[MAC_LEN];

	mac(expected, mac1_key, KEY_LEN, message, mac1_offset(len), NULL, 0);
	return bytes_equal(expected, (const uint8_t *)message + mac1_offset(len), MAC_LEN);
}

void cookie_checker_set_public_key(
	struct cookie_checker *checker, const uint8_t public_key[KEY_LEN])
{
	labelled_key(checker->reply_key, "cookie--", public_key);
}

bool cookie_checker_is_stale(const struct cookie_checker *checker, uint64_t now_ns)
{
	return checker->secret_birth_ns == 0 ||
	       now_ns >= checker->secret_birth_ns + COOKIE_SECRET_MAX_AGE_NS;
}

void cookie_checker_set_secret(
	struct cookie_checker *checker, const uint8_t secret[KEY_LEN], uint64_t now_ns)
{
	memcpy(checker->secret, secret, KEY_LEN);
	checker->secret_birth_ns = now_ns;
}

static void make_cookie(const struct cookie_checker *checker, const struct endpoint *source,
	uint8_t ret_cookie[COOKIE_LEN])
{
	uint8_t port[2];

	store_be16(port, source->port);
	mac(ret_cookie, checker->secret, KEY_LEN, source->addr, address_bits(source->family) / 8,
		port, sizeof(port));
}

bool cookie_mac2_is_valid(const struct cookie_checker *checker, const struct endpoint *source,
	const void *message, size_t len)
{
	uint8_t cookie[COOKIE_LEN], expected[MAC_LEN];
	bool valid;

	make_cookie(checker, source, cookie);
	mac(expected, cookie, COOKIE_LEN, message, mac2_offset(len), NULL, 0);
	valid = bytes_equal(expected, (const uint8_t *)message + mac2_offset(len), MAC_LEN);
	wipe(cookie, sizeof(cookie));
	return valid;
}

void cookie_create_reply(const struct cookie_checker *checker, const struct endpoint *source,
	const void *message, size_t len, const uint8_t nonce[XAEAD_NONCE_LEN],
	struct message_cookie_reply *ret_reply)
{
	uint8_t cookie[COOKIE_LEN];

	make_cookie(checker, source, cookie);
	ret_reply->type = le32(MESSAGE_COOKIE_REPLY);
	/* the sender index of both message types is their second word */
	memcpy(&ret_reply->receiver_index, (const uint8_t *)message + 4, 4);
	memcpy(ret_reply->nonce, nonce, XAEAD_NONCE_LEN);
	xaead_seal(ret_reply->encrypted_cookie, cookie, COOKIE_LEN,
		(const uint8_t *)message + mac1_offset(len), MAC_LEN, nonce, checker->reply_key);
	wipe(cookie, sizeof(cookie));
}

void cookie_add_macs(struct cookie_maker *maker, const uint8_t remote_static[KEY_LEN],
	void *message, size_t len, uint64_t now_ns)
{
	uint8_t *mac1 = (uint8_t *)message + mac1_offset(len);
	uint8_t *mac2 = (uint8_t *)message + mac2_offset(len);
	uint8_t key[KEY_LEN];

	cookie_mac1_key(key, remote_static);
	mac(mac1, key, KEY_LEN, message, mac1_offset(len), NULL, 0);
	memcpy(maker->last_mac1, mac1, MAC_LEN);
	maker->has_last_mac1 = true;

	if (maker->cookie_birth_ns != 0 && now_ns < maker->cookie_birth_ns +
							    COOKIE_SECRET_MAX_AGE_NS -
							    COOKIE_SECRET_LATENCY_NS)
		mac(mac2, maker->cookie, COOKIE_LEN, message, mac2_offset(len), NULL, 0);
	else
		memset(mac2, 0, MAC_LEN);
}

bool cookie_consume_reply(struct cookie_maker *maker, const uint8_t remote_static[KEY_LEN],
	const struct message_cookie_reply *reply, uint64_t now_ns)
{
	uint8_t key[KEY_LEN], cookie[COOKIE_LEN];

	if (!maker->has_last_mac1)
		return false;
	labelled_key(key, "cookie--", remote_static);
	if (!xaead_open(cookie, reply->encrypted_cookie, sizeof(reply->encrypted_cookie),
		    maker->last_mac1, MAC_LEN, reply->nonce, key))
		return false;
	memcpy(maker->cookie, cookie, COOKIE_LEN);
	maker->cookie_birth_ns = now_ns;
	maker->has_last_mac1 = false;
	wipe(cookie, sizeof(cookie));
	return true;
}
