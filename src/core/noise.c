/* SPDX-License-Identifier: MIT
 *
 * The handshake. Comments carry the Noise tokens of the step they stand at.
 */
#include "core/noise.h"

#include <errno.h>

#include "crypto/dh.h"

/* HASH("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"), and HASH(that || "WireGuard v1 zx2c4
 * Jason@zx2c4.com") */
static const uint8_t initial_chaining_key[HASH_LEN] = {0x60, 0xe2, 0x6d, 0xae, 0xf3, 0x27, 0xef,
	0xc0, 0x2e, 0xc3, 0x35, 0xe2, 0xa0, 0x25, 0xd2, 0xd0, 0x16, 0xeb, 0x42, 0x06, 0xf8, 0x72,
	0x77, 0xf5, 0x2d, 0x38, 0xd1, 0x98, 0x8b, 0x78, 0xcd, 0x36};
static const uint8_t initial_hash[HASH_LEN] = {0x22, 0x11, 0xb3, 0x61, 0x08, 0x1a, 0xc5, 0x66, 0x69,
	0x12, 0x43, 0xdb, 0x45, 0x8a, 0xd5, 0x32, 0x2d, 0x9c, 0x6c, 0x66, 0x22, 0x93, 0xe8, 0xb7,
	0x0e, 0xe1, 0x9c, 0x65, 0xba, 0x07, 0x9e, 0xf3};

/* What a message is computed with. Each function below has one, and wipes it whatever comes of it;
 * what it wants to keep it copies to the handshake before. */
struct work {
	struct noise_symmetric symmetric;
	uint8_t key[KEY_LEN]; /* of the next payload */
};

static void work_init(struct work *w, const uint8_t responder_static[KEY_LEN])
{
	memcpy(w->symmetric.ck, initial_chaining_key, HASH_LEN);
	hash(w->symmetric.hash, initial_hash, HASH_LEN, responder_static, KEY_LEN);
}

static void mix_hash(struct work *w, const void *data, size_t len)
{
	hash(w->symmetric.hash, w->symmetric.hash, HASH_LEN, data, len);
}

static void mix_ephemeral(struct work *w, const uint8_t ephemeral[KEY_LEN])
{
	mix_hash(w, ephemeral, KEY_LEN);
	kdf(w->symmetric.ck, NULL, NULL, w->symmetric.ck, ephemeral, KEY_LEN);
}

static bool mix_dh(
	struct work *w, const uint8_t private_key[KEY_LEN], const uint8_t public_key[KEY_LEN])
{
	uint8_t shared[KEY_LEN];

	if (!dh(shared, private_key, public_key))
		return false;
	kdf(w->symmetric.ck, w->key, NULL, w->symmetric.ck, shared, KEY_LEN);
	wipe(shared, sizeof(shared));
	return true;
}

static int mix_psk(struct work *w, const struct noise_keys *keys, uint32_t peer_id)
{
	uint8_t tau[HASH_LEN];
	int r = keys->mix_psk(keys->ctx, peer_id, w->symmetric.ck, tau, w->key);

	if (r == 0)
		mix_hash(w, tau, HASH_LEN);
	wipe(tau, sizeof(tau));
	return r;
}

static void seal_and_hash(struct work *w, uint8_t *dst, const void *src, size_t len)
{
	aead_seal(dst, src, len, w->symmetric.hash, HASH_LEN, 0, w->key);
	mix_hash(w, dst, len + AEAD_TAG_LEN);
}

static bool open_and_hash(struct work *w, uint8_t *dst, const void *src, size_t len)
{
	if (!aead_open(dst, src, len, w->symmetric.hash, HASH_LEN, 0, w->key))
		return false;
	mix_hash(w, src, len);
	return true;
}

int noise_create_initiation(struct handshake *handshake, const struct noise_keys *keys,
	uint32_t peer_id, const uint8_t local_static[KEY_LEN], const uint8_t remote_static[KEY_LEN],
	const uint8_t ephemeral_private[KEY_LEN], const uint8_t timestamp[TAI64N_LEN],
	uint32_t index, struct message_initiation *ret_message)
{
	struct message_initiation m = {.type = MESSAGE_INITIATION, .sender_index = index};
	struct work w;
	int r = -EKEYREJECTED;

	work_init(&w, remote_static);
	/* e */
	dh_public(m.ephemeral, ephemeral_private);
	mix_ephemeral(&w, m.ephemeral);
	/* es, s, ss */
	if (mix_dh(&w, ephemeral_private, remote_static)) {
		seal_and_hash(&w, m.encrypted_static, local_static, KEY_LEN);
		r = keys->mix_static(keys->ctx, peer_id, w.symmetric.ck, w.key);
	}
	if (r == 0) {
		/* {t} */
		seal_and_hash(&w, m.encrypted_timestamp, timestamp, TAI64N_LEN);
		handshake->symmetric = w.symmetric;
		memcpy(handshake->ephemeral_private, ephemeral_private, KEY_LEN);
		handshake->local_index = index;
		handshake->state = HANDSHAKE_CREATED_INITIATION;
		*ret_message = m;
	}
	wipe(&w, sizeof(w));
	return r;
}

enum drop noise_open_initiation(const struct message_initiation *message,
	const struct noise_keys *keys, const uint8_t local_static[KEY_LEN],
	struct noise_symmetric *ret_symmetric, uint8_t ret_remote_static[KEY_LEN])
{
	struct work w;
	bool ok;

	work_init(&w, local_static);
	/* e */
	mix_ephemeral(&w, message->ephemeral);
	/* es, s */
	ok = keys->mix_dh(keys->ctx, message->ephemeral, w.symmetric.ck, w.key) == 0 &&
	     open_and_hash(&w, ret_remote_static, message->encrypted_static,
		     sizeof(message->encrypted_static));
	if (ok)
		*ret_symmetric = w.symmetric;
	wipe(&w, sizeof(w));
	return ok ? DROP_NONE : DROP_BAD_HANDSHAKE;
}

enum drop noise_consume_initiation(struct handshake *handshake,
	const struct message_initiation *message, const struct noise_keys *keys, uint32_t peer_id,
	struct noise_symmetric *symmetric, uint64_t now_ns)
{
	struct work w = {.symmetric = *symmetric};
	uint8_t timestamp[TAI64N_LEN];
	enum drop drop = DROP_NONE;

	/* ss, {t} */
	if (keys->mix_static(keys->ctx, peer_id, w.symmetric.ck, w.key) < 0 ||
		!open_and_hash(&w, timestamp, message->encrypted_timestamp,
			sizeof(message->encrypted_timestamp)))
		drop = DROP_BAD_HANDSHAKE;
	else if (memcmp(timestamp, handshake->latest_timestamp, TAI64N_LEN) <= 0)
		drop = DROP_OLD_TIMESTAMP;
	else if (handshake->last_initiation_consumption_ns != 0 &&
		 now_ns < handshake->last_initiation_consumption_ns + INITIATION_INTERVAL_MIN_NS)
		drop = DROP_INITIATION_FLOOD;

	if (drop == DROP_NONE) {
		handshake->symmetric = w.symmetric;
		memcpy(handshake->remote_ephemeral, message->ephemeral, KEY_LEN);
		memcpy(handshake->latest_timestamp, timestamp, TAI64N_LEN);
		handshake->last_initiation_consumption_ns = now_ns;
		handshake->remote_index = message->sender_index;
		handshake->state = HANDSHAKE_CONSUMED_INITIATION;
	}
	wipe(&w, sizeof(w));
	wipe(symmetric, sizeof(*symmetric));
	return drop;
}

int noise_create_response(struct handshake *handshake, const struct noise_keys *keys,
	uint32_t peer_id, const uint8_t remote_static[KEY_LEN],
	const uint8_t ephemeral_private[KEY_LEN], uint32_t index,
	struct message_response *ret_message)
{
	struct message_response m = {.type = MESSAGE_RESPONSE,
		.sender_index = index,
		.receiver_index = handshake->remote_index};
	struct work w = {.symmetric = handshake->symmetric};
	int r = -EKEYREJECTED;

	assert(handshake->state == HANDSHAKE_CONSUMED_INITIATION);
	/* e */
	dh_public(m.ephemeral, ephemeral_private);
	mix_ephemeral(&w, m.ephemeral);
	/* ee, se, psk */
	if (mix_dh(&w, ephemeral_private, handshake->remote_ephemeral) &&
		mix_dh(&w, ephemeral_private, remote_static))
		r = mix_psk(&w, keys, peer_id);
	if (r == 0) {
		/* {} */
		seal_and_hash(&w, m.encrypted_nothing, (const uint8_t *)"", 0);
		handshake->symmetric = w.symmetric;
		handshake->local_index = index;
		handshake->state = HANDSHAKE_CREATED_RESPONSE;
		*ret_message = m;
	}
	wipe(&w, sizeof(w));
	return r;
}

enum drop noise_consume_response(struct handshake *handshake,
	const struct message_response *message, const struct noise_keys *keys, uint32_t peer_id)
{
	struct work w;
	uint8_t nothing[1];
	bool ok;

	if (handshake->state != HANDSHAKE_CREATED_INITIATION)
		return DROP_BAD_HANDSHAKE;
	w.symmetric = handshake->symmetric;
	/* e */
	mix_ephemeral(&w, message->ephemeral);
	/* ee, se, psk, {} */
	ok = mix_dh(&w, handshake->ephemeral_private, message->ephemeral) &&
	     keys->mix_dh(keys->ctx, message->ephemeral, w.symmetric.ck, w.key) == 0 &&
	     mix_psk(&w, keys, peer_id) == 0 &&
	     open_and_hash(
		     &w, nothing, message->encrypted_nothing, sizeof(message->encrypted_nothing));
	if (ok) {
		handshake->symmetric = w.symmetric;
		handshake->remote_index = message->sender_index;
		handshake->state = HANDSHAKE_CONSUMED_RESPONSE;
	}
	wipe(&w, sizeof(w));
	return ok ? DROP_NONE : DROP_BAD_HANDSHAKE;
}

bool noise_begin_session(
	struct handshake *handshake, uint8_t ret_sending[KEY_LEN], uint8_t ret_receiving[KEY_LEN])
{
	bool is_initiator = handshake->state == HANDSHAKE_CONSUMED_RESPONSE;

	assert(is_initiator || handshake->state == HANDSHAKE_CREATED_RESPONSE);
	if (is_initiator)
		kdf(ret_sending, ret_receiving, NULL, handshake->symmetric.ck, NULL, 0);
	else
		kdf(ret_receiving, ret_sending, NULL, handshake->symmetric.ck, NULL, 0);
	noise_clear(handshake);
	return is_initiator;
}

void noise_clear(struct handshake *handshake)
{
	wipe(handshake->symmetric.ck, HASH_LEN);
	wipe(handshake->symmetric.hash, HASH_LEN);
	wipe(handshake->ephemeral_private, KEY_LEN);
	wipe(handshake->remote_ephemeral, KEY_LEN);
	handshake->local_index = 0;
	handshake->remote_index = 0;
	handshake->state = HANDSHAKE_NONE;
}

void noise_timestamp(uint8_t ret_timestamp[TAI64N_LEN], uint64_t wall_ns, uint64_t *last_ns)
{
	const uint64_t step_ns = UINT64_C(1) << 24;
	uint64_t seconds = wall_ns / SECOND_NS;
	uint64_t ns = seconds * SECOND_NS + (wall_ns % SECOND_NS & ~(step_ns - 1));

	if (ns <= *last_ns)
		ns = *last_ns + step_ns;
	*last_ns = ns;
	store_be64(ret_timestamp, UINT64_C(0x400000000000000a) + ns / SECOND_NS);
	store_be32(ret_timestamp + 8, (uint32_t)(ns % SECOND_NS) & ~(uint32_t)(step_ns - 1));
}
