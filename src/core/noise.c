/* SPDX-License-Identifier: MIT
 *
 * The handshake. Comments carry the Noise tokens of the step they stand at.
 */
#include "core/noise.h"

#include <errno.h>

#include "crypto/aead_short.h"
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

static bool mix_shared(struct work *w, const struct dh_job *job)
{
	if (job->ok)
		kdf(w->symmetric.ck, w->key, NULL, w->symmetric.ck, job->shared, KEY_LEN);
	return job->ok;
}

/* What the long-term keys made of our chaining key. */
static int take_mixed(struct work *w, const struct noise_mix *mix, bool has_tau)
{
	if (mix->error != 0)
		return mix->error;
	memcpy(w->symmetric.ck, mix->ck, HASH_LEN);
	memcpy(w->key, mix->key, KEY_LEN);
	if (has_tau)
		mix_hash(w, mix->tau, HASH_LEN);
	return 0;
}

/* A secret of the long-term keys; mix has what it needs but the chaining key, and is wiped. */
static int mix_secret(struct work *w, const struct noise_keys *keys, enum noise_secret secret,
	struct noise_mix *mix)
{
	int r;

	memcpy(mix->ck, w->symmetric.ck, HASH_LEN);
	keys->mix(keys->ctx, secret, mix, 1);
	r = take_mixed(w, mix, secret != NOISE_STATIC);
	wipe(mix, sizeof(*mix));
	return r;
}

/* What the long-term keys are not needed for. */
static void mix_zero_psk(struct work *w)
{
	static const uint8_t no_psk[KEY_LEN];
	uint8_t tau[HASH_LEN];

	kdf(w->symmetric.ck, tau, w->key, w->symmetric.ck, no_psk, KEY_LEN);
	mix_hash(w, tau, HASH_LEN);
	wipe(tau, sizeof(tau));
}

static void seal_and_hash(struct work *w, uint8_t *dst, const void *src, size_t len)
{
	aead_short_seal(dst, src, len, w->symmetric.hash, HASH_LEN, w->key);
	mix_hash(w, dst, len + AEAD_TAG_LEN);
}

static bool open_and_hash(struct work *w, uint8_t *dst, const void *src, size_t len)
{
	if (!aead_short_open(dst, src, len, w->symmetric.hash, HASH_LEN, w->key))
		return false;
	mix_hash(w, src, len);
	return true;
}

int noise_prepare_initiation(struct noise_prepared *ret_prepared, const struct noise_keys *keys,
	uint32_t peer_id, const uint8_t local_static[KEY_LEN], const uint8_t remote_static[KEY_LEN],
	const uint8_t ephemeral_private[KEY_LEN])
{
	struct dh_job jobs[] = {{.private_key = ephemeral_private, .point = dh_base_point},
		{.private_key = ephemeral_private, .point = remote_static}};
	struct noise_mix mix = {.peer_id = peer_id};
	uint8_t encrypted_static[KEY_LEN + AEAD_TAG_LEN];
	struct work w;
	int r = -EKEYREJECTED;

	dh_many(jobs, ARRAY_SIZE(jobs));
	work_init(&w, remote_static);
	/* e */
	mix_ephemeral(&w, jobs[0].shared);
	/* es, s, ss */
	if (mix_shared(&w, &jobs[1])) {
		seal_and_hash(&w, encrypted_static, local_static, KEY_LEN);
		r = mix_secret(&w, keys, NOISE_STATIC, &mix);
	}
	if (r == 0) {
		ret_prepared->symmetric = w.symmetric;
		memcpy(ret_prepared->key, w.key, KEY_LEN);
		memcpy(ret_prepared->ephemeral_private, ephemeral_private, KEY_LEN);
		memcpy(ret_prepared->ephemeral, jobs[0].shared, KEY_LEN);
		memcpy(ret_prepared->encrypted_static, encrypted_static, sizeof(encrypted_static));
	}
	wipe(jobs, sizeof(jobs));
	wipe(&w, sizeof(w));
	return r;
}

void noise_create_initiation(struct handshake *handshake, struct noise_prepared *prepared,
	const uint8_t timestamp[TAI64N_LEN], uint32_t index, struct message_initiation *ret_message)
{
	struct message_initiation *m = ret_message;
	struct work w = {.symmetric = prepared->symmetric};

	*m = (struct message_initiation){
		.type = le32(MESSAGE_INITIATION), .sender_index = le32(index)};
	memcpy(m->ephemeral, prepared->ephemeral, KEY_LEN);
	memcpy(m->encrypted_static, prepared->encrypted_static, sizeof(m->encrypted_static));
	/* {t} */
	memcpy(w.key, prepared->key, KEY_LEN);
	seal_and_hash(&w, m->encrypted_timestamp, timestamp, TAI64N_LEN);
	handshake->symmetric = w.symmetric;
	memcpy(handshake->ephemeral_private, prepared->ephemeral_private, KEY_LEN);
	handshake->local_index = index;
	handshake->state = HANDSHAKE_CREATED_INITIATION;
	wipe(prepared, sizeof(*prepared));
	wipe(&w, sizeof(w));
}

/* s or {t}, with what the long-term keys said. */
static void open_part(
	struct noise_initiation *initiation, const struct noise_mix *mix, bool is_static)
{
	const struct message_initiation *m = initiation->message;
	struct work w = {.symmetric = initiation->symmetric};

	if (take_mixed(&w, mix, false) < 0 ||
		!(is_static ? open_and_hash(&w, initiation->remote_static, m->encrypted_static,
				      sizeof(m->encrypted_static))
			    : open_and_hash(&w, initiation->timestamp, m->encrypted_timestamp,
				      sizeof(m->encrypted_timestamp))))
		initiation->drop = DROP_BAD_HANDSHAKE;
	initiation->symmetric = w.symmetric;
	initiation->has_psk = mix->has_psk != 0;
	wipe(&w, sizeof(w));
}

/* es, s or ss, {t}, of those not dropped. */
static void mix_and_open(struct noise_initiation *initiations, unsigned num,
	const struct noise_keys *keys, enum noise_secret secret)
{
	struct noise_mix mixes[NOISE_MIXES_MAX] = {0};
	struct noise_initiation *asked[NOISE_MIXES_MAX];
	unsigned n = 0;

	assert(num <= NOISE_MIXES_MAX);
	for (unsigned i = 0; i < num; i++) {
		if (initiations[i].drop != DROP_NONE)
			continue;
		mixes[n].peer_id = initiations[i].peer_id;
		memcpy(mixes[n].point, initiations[i].message->ephemeral, KEY_LEN);
		memcpy(mixes[n].ck, initiations[i].symmetric.ck, HASH_LEN);
		asked[n++] = &initiations[i];
	}
	if (n > 0)
		keys->mix(keys->ctx, secret, mixes, n);
	for (unsigned i = 0; i < n; i++)
		open_part(asked[i], &mixes[i], secret == NOISE_DH);
	wipe(mixes, sizeof(mixes));
}

/* es, s; and what the rest needs, should the guess be right. */
static void open_guessed(struct noise_initiation *initiation, const struct noise_keys *keys)
{
	struct noise_mix *first = &initiation->answer[0];

	first->peer_id = initiation->guess;
	memcpy(first->point, initiation->message->ephemeral, KEY_LEN);
	memcpy(first->ephemeral, initiation->ephemeral_private, KEY_LEN);
	memcpy(first->ck, initiation->symmetric.ck, HASH_LEN);
	keys->mix(keys->ctx, NOISE_ANSWER, initiation->answer, NOISE_ANSWER_MIXES);
	open_part(initiation, &initiation->answer[ANSWER_DH], true);
}

void noise_open_initiations(struct noise_initiation *initiations, unsigned num,
	const struct noise_keys *keys, const uint8_t local_static[KEY_LEN])
{
	struct work w;

	for (unsigned i = 0; i < num; i++) {
		if (initiations[i].drop != DROP_NONE)
			continue;
		work_init(&w, local_static);
		/* e */
		mix_ephemeral(&w, initiations[i].message->ephemeral);
		initiations[i].symmetric = w.symmetric;
	}
	if (num == 1 && initiations->has_guess && initiations->drop == DROP_NONE)
		open_guessed(initiations, keys);
	else
		mix_and_open(initiations, num, keys, NOISE_DH);
}

void noise_prove_initiations(
	struct noise_initiation *initiations, unsigned num, const struct noise_keys *keys)
{
	if (num == 1 && initiations->has_guess && initiations->guess == initiations->peer_id) {
		if (initiations->drop == DROP_NONE)
			open_part(initiations, &initiations->answer[ANSWER_STATIC], false);
		return;
	}
	for (unsigned i = 0; i < num; i++)
		initiations[i].has_guess = false;
	mix_and_open(initiations, num, keys, NOISE_STATIC);
}

enum drop noise_consume_initiation(
	struct handshake *handshake, const struct noise_initiation *initiation, uint64_t now_ns)
{
	if (memcmp(initiation->timestamp, handshake->latest_timestamp, TAI64N_LEN) <= 0)
		return DROP_OLD_TIMESTAMP;
	if (handshake->last_initiation_consumption_ns != 0 &&
		now_ns < handshake->last_initiation_consumption_ns + INITIATION_INTERVAL_MIN_NS)
		return DROP_INITIATION_FLOOD;
	handshake->symmetric = initiation->symmetric;
	memcpy(handshake->remote_ephemeral, initiation->message->ephemeral, KEY_LEN);
	memcpy(handshake->latest_timestamp, initiation->timestamp, TAI64N_LEN);
	handshake->last_initiation_consumption_ns = now_ns;
	handshake->remote_index = load_le32(&initiation->message->sender_index);
	handshake->has_psk = initiation->has_psk;
	handshake->state = HANDSHAKE_CONSUMED_INITIATION;
	return DROP_NONE;
}

/* e, ee, se, psk. The vault is asked for the last only, and only if there is one. */
static int mix_response(struct work *w, const struct noise_keys *keys,
	const struct handshake *handshake, const struct noise_initiation *initiation,
	uint8_t ret_ephemeral[KEY_LEN])
{
	const uint8_t *private_key = initiation->ephemeral_private;
	struct dh_job jobs[] = {{.private_key = private_key, .point = dh_base_point},
		{.private_key = private_key, .point = handshake->remote_ephemeral},
		{.private_key = private_key, .point = initiation->remote_static}};
	struct noise_mix mix = {.peer_id = initiation->peer_id};
	int r = -EKEYREJECTED;

	dh_many(jobs, ARRAY_SIZE(jobs));
	memcpy(ret_ephemeral, jobs[0].shared, KEY_LEN);
	mix_ephemeral(w, ret_ephemeral);
	if (mix_shared(w, &jobs[1]) && mix_shared(w, &jobs[2])) {
		r = handshake->has_psk ? mix_secret(w, keys, NOISE_PSK, &mix) : 0;
		if (!handshake->has_psk)
			mix_zero_psk(w);
	}
	wipe(jobs, sizeof(jobs));
	return r;
}

int noise_create_response(struct handshake *handshake, const struct noise_keys *keys,
	const struct noise_initiation *initiation, uint32_t index,
	struct message_response *ret_message)
{
	const struct noise_mix *ahead = &initiation->answer[ANSWER_RESPONSE];
	struct message_response m = {.type = le32(MESSAGE_RESPONSE),
		.sender_index = le32(index),
		.receiver_index = le32(handshake->remote_index)};
	struct work w = {.symmetric = handshake->symmetric};
	int r;

	assert(handshake->state == HANDSHAKE_CONSUMED_INITIATION);
	if (initiation->has_guess) {
		memcpy(m.ephemeral, ahead->ephemeral, KEY_LEN);
		mix_hash(&w, m.ephemeral, KEY_LEN);
		r = take_mixed(&w, ahead, true);
	} else {
		r = mix_response(&w, keys, handshake, initiation, m.ephemeral);
	}
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
	struct noise_mix mix = {.peer_id = peer_id};
	struct work w;
	uint8_t nothing[1];
	bool ok;

	if (handshake->state != HANDSHAKE_CREATED_INITIATION)
		return DROP_BAD_HANDSHAKE;
	w.symmetric = handshake->symmetric;
	/* e */
	mix_ephemeral(&w, message->ephemeral);
	/* ee, se, psk, {}; both DHs in one place, where they take as long as one */
	memcpy(mix.point, message->ephemeral, KEY_LEN);
	memcpy(mix.ephemeral, handshake->ephemeral_private, KEY_LEN);
	ok = mix_secret(&w, keys, NOISE_EE_SE_PSK, &mix) == 0 &&
	     open_and_hash(
		     &w, nothing, message->encrypted_nothing, sizeof(message->encrypted_nothing));
	if (ok) {
		handshake->symmetric = w.symmetric;
		handshake->remote_index = load_le32(&message->sender_index);
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
	handshake->has_psk = false;
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
