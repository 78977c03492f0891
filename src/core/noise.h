/* SPDX-License-Identifier: MIT
 *
 * The handshake Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (WireGuard paper, section 5.4): create and
 * consume its two messages, begin the session. The static private key and the preshared keys are
 * not here: what needs them is asked of a struct noise_keys, behind which the vault stands.
 *
 * consume_* works on copies and commits to the handshake only after the last check.
 */
#ifndef ADIT_CORE_NOISE_H
#define ADIT_CORE_NOISE_H

#include "core/messages.h"
#include "core/status.h"

/* One secret to be mixed into one chaining key, and what comes of it; crosses processes. */
struct noise_mix {
	uint32_t peer_id;
	int32_t error;	  /* 0 or a negative errno (-EKEYREJECTED: the shared secret is all
			   * zero); then all that follows is zero */
	uint32_t has_psk; /* result of NOISE_STATIC: whether the peer's psk is another than zero */
	uint8_t point[KEY_LEN];	    /* NOISE_DH, NOISE_EE_SE_PSK, NOISE_ANSWER */
	uint8_t ephemeral[KEY_LEN]; /* a private key, for the last two; it is not the vault's */
	uint8_t ck[HASH_LEN];	    /* mixed in place */
	uint8_t tau[HASH_LEN];	    /* result of those with a psk */
	uint8_t key[KEY_LEN];	    /* result */
};
enum { NOISE_MIXES_MAX = 8 };

enum noise_secret {
	NOISE_DH = 1,	 /* (ck, key) = KDF2(ck, DH(static private, point)) */
	NOISE_STATIC,	 /* (ck, key) = KDF2(ck, DH(static private, static public of the peer)) */
	NOISE_PSK,	 /* (ck, tau, key) = KDF3(ck, psk of the peer) */
	NOISE_EE_SE_PSK, /* DH(ephemeral, point), NOISE_DH and NOISE_PSK, one after the other */
	NOISE_ANSWER,	 /* all that an initiation and the response to it need; see below */
};

/* The results of NOISE_ANSWER, whose question stands in the first mix: each goes on with the
 * chaining key of the one before. The first, NOISE_DH, is of use whoever the initiation is from,
 * the others only if it is from the peer of peer_id. Nothing in them could not be asked one by one.
 */
enum {
	ANSWER_DH,
	ANSWER_STATIC,
	ANSWER_RESPONSE, /* e, ee, se, psk; ephemeral is the public key now */
};
enum { NOISE_ANSWER_MIXES = ANSWER_RESPONSE + 1 };

/* What a handshake asks of the long-term keys: to mix such a secret into each of up to
 * NOISE_MIXES_MAX chaining keys. No Diffie-Hellman result and no psk ever comes out. */
struct noise_keys {
	void (*mix)(void *ctx, enum noise_secret secret, struct noise_mix *mixes, unsigned num);
	void *ctx;
};

enum handshake_state {
	HANDSHAKE_NONE,
	HANDSHAKE_CREATED_INITIATION,
	HANDSHAKE_CONSUMED_INITIATION,
	HANDSHAKE_CREATED_RESPONSE,
	HANDSHAKE_CONSUMED_RESPONSE,
};

/* The symmetric state of Noise: chaining key C and hash H. */
struct noise_symmetric {
	uint8_t ck[HASH_LEN];
	uint8_t hash[HASH_LEN];
};

/* A peer's handshake slot. */
struct handshake {
	enum handshake_state state;
	uint32_t local_index;
	uint32_t remote_index;
	struct noise_symmetric symmetric;
	uint8_t ephemeral_private[KEY_LEN];
	uint8_t remote_ephemeral[KEY_LEN];
	uint8_t latest_timestamp[TAI64N_LEN]; /* greatest consumed from this peer */
	uint64_t last_initiation_consumption_ns;
	bool has_psk; /* from a consumed initiation on */
};

/* An initiation on its way through the three steps of consuming it. Whoever sets drop ends its
 * way. Several go together, because the long-term keys are asked about them together. */
struct noise_initiation {
	const struct message_initiation *message;
	enum drop drop;
	uint32_t peer_id; /* the caller's to find, after the first step */
	uint8_t remote_static[KEY_LEN];
	uint8_t timestamp[TAI64N_LEN];
	bool has_psk;
	struct noise_symmetric symmetric; /* to be wiped in the end, with all that follows */
	/* The caller may guess whom the only initiation is from: then the long-term keys are asked
	 * but once, if that is true. */
	bool has_guess;
	uint32_t guess;
	uint8_t ephemeral_private[KEY_LEN]; /* of the response, if there is a guess */
	struct noise_mix answer[NOISE_ANSWER_MIXES];
};

/* An initiation but for its timestamp: all the arithmetic, which can be done ahead. */
struct noise_prepared {
	struct noise_symmetric symmetric;
	uint8_t key[KEY_LEN]; /* of the timestamp */
	uint8_t ephemeral_private[KEY_LEN];
	uint8_t ephemeral[KEY_LEN];
	uint8_t encrypted_static[KEY_LEN + AEAD_TAG_LEN];
};

/* Prepare an initiation to the peer whose static public key is remote_static. ephemeral_private is
 * 32 fresh random bytes. Returns 0; -EKEYREJECTED for zero DH, or the error of keys; then
 * ret_prepared is unchanged. */
MUST_CHECK int noise_prepare_initiation(struct noise_prepared *ret_prepared,
	const struct noise_keys *keys, uint32_t peer_id, const uint8_t local_static[KEY_LEN],
	const uint8_t remote_static[KEY_LEN], const uint8_t ephemeral_private[KEY_LEN]);

/* Create the initiation, and wipe what was prepared. index is our free receiver index. The macs are
 * left to cookie.h. */
void noise_create_initiation(struct handshake *handshake, struct noise_prepared *prepared,
	const uint8_t timestamp[TAI64N_LEN], uint32_t index,
	struct message_initiation *ret_message);

/* Consume up to NOISE_MIXES_MAX initiations, first step: learn who each claims to be from. */
void noise_open_initiations(struct noise_initiation *initiations, unsigned num,
	const struct noise_keys *keys, const uint8_t local_static[KEY_LEN]);

/* Second step, for the peers found by those keys: prove it. */
void noise_prove_initiations(
	struct noise_initiation *initiations, unsigned num, const struct noise_keys *keys);

/* Third step, of one: refuse replays (timestamp) and floods, and commit. */
MUST_CHECK enum drop noise_consume_initiation(
	struct handshake *handshake, const struct noise_initiation *initiation, uint64_t now_ns);

/* Create the response to the initiation last consumed. Arguments and errors as above; without a
 * guess ephemeral_private is filled in now. */
MUST_CHECK int noise_create_response(struct handshake *handshake, const struct noise_keys *keys,
	const struct noise_initiation *initiation, uint32_t index,
	struct message_response *ret_message);

/* Consume the response to the initiation last created. */
MUST_CHECK enum drop noise_consume_response(struct handshake *handshake,
	const struct message_response *message, const struct noise_keys *keys, uint32_t peer_id);

/* Derive the session keys and wipe the handshake, whose state must be CREATED_RESPONSE or
 * CONSUMED_RESPONSE. Returns whether we were the initiator. */
bool noise_begin_session(
	struct handshake *handshake, uint8_t ret_sending[KEY_LEN], uint8_t ret_receiving[KEY_LEN]);

/* Forget the handshake in progress; keeps what guards against replays. */
void noise_clear(struct handshake *handshake);

/* The TAI64N of a wall clock reading, rounded down to 2^24 ns so that it does not tell how exact
 * our clock is, and greater than *last_ns, which is moved on (0 at first): a clock that steps
 * back does not lock us out. */
void noise_timestamp(uint8_t ret_timestamp[TAI64N_LEN], uint64_t wall_ns, uint64_t *last_ns);

#endif
