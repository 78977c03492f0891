/* SPDX-License-Identifier: MIT
 *
 * The secrets of a host, and when they must be gone from its memory:
 *
 *   - ephemeral private key and chaining key of a handshake: when another one with the peer begins,
 *     when a session comes of it, or 3 * REJECT_AFTER_TIME after the last try;
 *   - a cookie secret: when another is drawn;
 *   - session keys: when their keypair is disposed of;
 *   - all else that was drawn or derived (guesses, results of the vault): when the call is over.
 *
 * What was prepared for a handshake yet to come may stay until then. No secret at all may be left
 * in memory that is freed.
 */
#ifndef ADIT_SIM_SECRETS_H
#define ADIT_SIM_SECRETS_H

#include "base/bytes.h"

struct host;

enum secret_kind { SECRET_EPHEMERAL, SECRET_CHAINING, SECRET_KEY, SECRET_SESSION, SECRET_COOKIE };

struct secret {
	uint8_t bytes[KEY_LEN];
	uint8_t public_key[KEY_LEN]; /* of an ephemeral key, once it was asked for */
	bool has_public_key;
	enum secret_kind kind;
	uint32_t group;	   /* of those of one handshake */
	uint32_t peer;	   /* its number; UINT32_MAX: not known */
	uint32_t index;	   /* of a session */
	bool is_used;	   /* a message was made with it */
	bool is_dead;	   /* it must not be found any more */
	uint64_t until_ns; /* nor after this; 0: no limit */
};

enum { SECRETS_MAX = 1024, SECRETS_FILTER = 1 << 16 };

/* The last ones that a host had. */
struct secrets {
	struct secret list[SECRETS_MAX];
	unsigned num, first; /* the first of the present call */
	uint32_t group;
	uint8_t filter[SECRETS_FILTER / 8]; /* hashes of their beginnings, to find them */
};

/* A call of the device begins; and ends. prepares: it computed ahead; what it made stays. */
void secrets_enter(struct host *host);
void secrets_leave(struct host *host, bool prepares);

/* The device drew 32 random bytes; the vault answered about a peer. */
void secrets_drawn(struct host *host, const uint8_t bytes[KEY_LEN]);
void secrets_mixed(
	struct host *host, uint32_t peer, const uint8_t ck[KEY_LEN], const uint8_t key[KEY_LEN]);

/* An initiation with this ephemeral key was made for a peer. */
void secrets_initiated(struct host *host, uint32_t peer, const uint8_t ephemeral[KEY_LEN]);

/* A session was made of a handshake; its keypair is gone. */
void secrets_session(struct host *host, uint32_t peer, uint32_t index,
	const uint8_t sending_key[KEY_LEN], const uint8_t receiving_key[KEY_LEN]);
void secrets_session_gone(struct host *host, uint32_t index);

/* Whatever handshake there is with a peer has been forgotten. */
void secrets_forget_handshake(struct host *host, uint32_t peer);

/* Search all of a host's memory for what must be gone. */
void secrets_check(struct host *host);

/* Search what is about to be freed. */
void secrets_check_freed(void *host, const uint8_t *bytes, size_t len);

#endif
