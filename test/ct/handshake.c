/* SPDX-License-Identifier: MIT
 *
 * The whole handshake, both sides and both ways a responder has: static private keys, ephemeral
 * private keys and psk are secret, and so all chaining keys and the session's keys.
 */
#include "core/keyring.h"
#include "core/noise.h"
#include "crypto/dh.h"
#include "secret.h"

enum { PEER = 1, INDEX_I = 1, INDEX_R };

struct side {
	struct keyring *keyring;
	struct noise_keys keys;
	uint8_t public_key[KEY_LEN], remote[KEY_LEN];
	struct handshake handshake;
	uint8_t sending[KEY_LEN], receiving[KEY_LEN];
};

static void side_init(struct side *side, uint8_t own_seed, uint8_t remote_seed, bool has_psk)
{
	uint8_t own[KEY_LEN], remote[KEY_LEN], psk[KEY_LEN] = {0};

	*side = (struct side){.keyring = keyring_new()};
	assert(side->keyring);
	side->keys = (struct noise_keys){keyring_mix, side->keyring};
	secret_bytes(own, sizeof(own), own_seed);
	secret_bytes(remote, sizeof(remote), remote_seed);
	if (has_psk)
		secret_bytes(psk, sizeof(psk), 3);
	keyring_set_private_key(side->keyring, own, side->public_key);
	dh_public(side->remote, remote);
	publish(side->public_key, KEY_LEN); /* public keys */
	publish(side->remote, KEY_LEN);
	assert(keyring_add_peer(side->keyring, PEER, side->remote) == 0);
	assert(keyring_set_psk(side->keyring, PEER, psk) == 0);
}

static void create_initiation(struct side *i, struct message_initiation *ret_message)
{
	const uint8_t timestamp[TAI64N_LEN] = {0x40, [11] = 1};
	struct noise_prepared prepared;
	uint8_t ephemeral[KEY_LEN];

	secret_bytes(ephemeral, sizeof(ephemeral), 4);
	assert(noise_prepare_initiation(
		       &prepared, &i->keys, PEER, i->public_key, i->remote, ephemeral) == 0);
	noise_create_initiation(&i->handshake, &prepared, timestamp, INDEX_I, ret_message);
	publish(ret_message, sizeof(*ret_message)); /* it is sent */
}

static void consume_initiation(struct side *r, const struct message_initiation *message,
	bool has_guess, struct message_response *ret_message)
{
	struct noise_initiation seen = {
		.message = message, .peer_id = PEER, .has_guess = has_guess, .guess = PEER};

	secret_bytes(seen.ephemeral_private, KEY_LEN, 5);
	noise_open_initiations(&seen, 1, &r->keys, r->public_key);
	/* a table is asked whose key this is; who may know whom we talk to */
	publish(seen.remote_static, KEY_LEN);
	assert(seen.drop == DROP_NONE && memcmp(seen.remote_static, r->remote, KEY_LEN) == 0);
	noise_prove_initiations(&seen, 1, &r->keys);
	assert(seen.drop == DROP_NONE);
	publish(seen.timestamp,
		TAI64N_LEN); /* what is old is dropped; the peer's clock is no key */
	assert(noise_consume_initiation(&r->handshake, &seen, 1) == DROP_NONE);
	assert(noise_create_response(&r->handshake, &r->keys, &seen, INDEX_R, ret_message) == 0);
	publish(ret_message, sizeof(*ret_message)); /* it is sent */
}

static void shake_hands(bool has_psk, bool has_guess)
{
	struct side i, r;
	struct message_initiation initiation;
	struct message_response response, bad;

	side_init(&i, 1, 2, has_psk);
	side_init(&r, 2, 1, has_psk);
	create_initiation(&i, &initiation);
	consume_initiation(&r, &initiation, has_guess, &response);
	bad = response;
	bad.encrypted_nothing[15] ^= 1;
	assert(noise_consume_response(&i.handshake, &bad, &i.keys, PEER) == DROP_BAD_HANDSHAKE);
	assert(noise_consume_response(&i.handshake, &response, &i.keys, PEER) == DROP_NONE);
	assert(noise_begin_session(&i.handshake, i.sending, i.receiving));
	assert(!noise_begin_session(&r.handshake, r.sending, r.receiving));
	publish(&i, sizeof(i)); /* for the test, which wants to see the same keys on both sides */
	publish(&r, sizeof(r));
	assert(memcmp(i.sending, r.receiving, KEY_LEN) == 0);
	assert(memcmp(i.receiving, r.sending, KEY_LEN) == 0);
	keyring_free(i.keyring);
	keyring_free(r.keyring);
}

static void guessed(void)
{
	shake_hands(true, true);
}

static void not_guessed(void)
{
	shake_hands(true, false);
}

static void without_psk(void)
{
	shake_hands(false, true);
	shake_hands(false, false);
}

/* Someone else's initiation, and garbage: the vault says no. */
static void refused(void)
{
	struct noise_mix mixes[NOISE_ANSWER_MIXES] = {{.peer_id = PEER}};
	struct message_initiation initiation;
	struct noise_initiation seen = {.message = &initiation, .peer_id = PEER};
	struct side i, r;

	side_init(&i, 1, 2, true);
	side_init(&r, 2, 3, true);
	create_initiation(&i, &initiation);
	noise_open_initiations(&seen, 1, &r.keys, r.public_key);
	noise_prove_initiations(&seen, 1, &r.keys);
	assert(seen.drop == DROP_BAD_HANDSHAKE);
	secret_bytes(mixes[0].ck, HASH_LEN, 6);
	secret_bytes(mixes[0].ephemeral, KEY_LEN, 7);
	keyring_mix(r.keyring, NOISE_ANSWER, mixes, NOISE_ANSWER_MIXES); /* a point of low order */
	assert(mixes[ANSWER_DH].error != 0 && mixes[ANSWER_RESPONSE].error != 0);
	keyring_free(i.keyring);
	keyring_free(r.keyring);
}

const struct ct_case handshake_cases[] = {
	{"handshake", not_guessed, false},
	{"handshake, guessed", guessed, false},
	{"handshake, no psk", without_psk, false},
	{"handshake, refused", refused, false},
	{NULL, NULL, false},
};
