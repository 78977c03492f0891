/* SPDX-License-Identifier: MIT
 *
 * mac1, mac2 and cookies (WireGuard paper, sections 5.4.4 and 5.4.7): silence to strangers, and
 * proof of address from everybody when we are under load.
 */
#ifndef ADIT_CORE_COOKIE_H
#define ADIT_CORE_COOKIE_H

#include "base/address.h"
#include "core/messages.h"

/* The mac1 key of whoever owns public_key. */
void cookie_mac1_key(uint8_t ret_key[KEY_LEN], const uint8_t public_key[KEY_LEN]);

/* Whether an initiation or response (len bytes, its type's length) carries the mac1 of mac1_key. */
MUST_CHECK bool cookie_mac1_is_valid(
	const uint8_t mac1_key[KEY_LEN], const void *message, size_t len);

/* Our side: check what others send us, hand out cookies. All zero at first. */
struct cookie_checker {
	uint8_t reply_key[KEY_LEN]; /* HASH("cookie--" || our public key) */
	uint8_t secret[KEY_LEN];    /* random, replaced when COOKIE_SECRET_MAX_AGE old */
	uint64_t secret_birth_ns;   /* 0: none yet */
};

void cookie_checker_set_public_key(
	struct cookie_checker *checker, const uint8_t public_key[KEY_LEN]);

/* Whether the secret is missing or too old to be used, and its replacement: 32 random bytes. */
MUST_CHECK bool cookie_checker_is_stale(const struct cookie_checker *checker, uint64_t now_ns);
void cookie_checker_set_secret(
	struct cookie_checker *checker, const uint8_t secret[KEY_LEN], uint64_t now_ns);

/* Whether mac2 proves that source got our current cookie. */
MUST_CHECK bool cookie_mac2_is_valid(const struct cookie_checker *checker,
	const struct endpoint *source, const void *message, size_t len);

/* Answer an initiation or response with a cookie; nonce is 24 random bytes. */
void cookie_create_reply(const struct cookie_checker *checker, const struct endpoint *source,
	const void *message, size_t len, const uint8_t nonce[XAEAD_NONCE_LEN],
	struct message_cookie_reply *ret_reply);

/* A peer's side: the cookie it gave us. All zero at first. */
struct cookie_maker {
	uint8_t cookie[COOKIE_LEN];
	uint64_t cookie_birth_ns; /* 0: none */
	uint8_t last_mac1[MAC_LEN];
	bool has_last_mac1; /* sent, and its one reply not yet taken */
};

/* Fill in the macs of a complete initiation or response to the owner of remote_static. */
void cookie_add_macs(struct cookie_maker *maker, const uint8_t remote_static[KEY_LEN],
	void *message, size_t len, uint64_t now_ns);

/* Take in a cookie reply; returns whether it was the authentic reply to our last message. */
MUST_CHECK bool cookie_consume_reply(struct cookie_maker *maker,
	const uint8_t remote_static[KEY_LEN], const struct message_cookie_reply *reply,
	uint64_t now_ns);

#endif
