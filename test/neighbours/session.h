/* SPDX-License-Identifier: MIT
 *
 * A conversation with a role: one of its neighbours is scripted by a seed, the others do what
 * neighbours do.
 */
#ifndef ADIT_TEST_SESSION_H
#define ADIT_TEST_SESSION_H

#include <stdalign.h>

#include "core/keyring.h"
#include "pairs.h"

enum { PATIENCE_MS = 20000, MESSAGE_MAX = 1 << 17 };

struct session {
	const struct pair *pair;
	struct subject subject;
	struct dice dice;
	struct keyring *keyring;     /* what the vault knows, when we are the vault */
	uint8_t public_key[KEY_LEN]; /* of its private key */
	enum end asked;		     /* where the question was asked, of which this is: */
	alignas(8) uint8_t answer[MESSAGE_MAX]; /* the last one */
	unsigned owed[NUM_ENDS];		/* answers */
	bool lies;				/* the next answer of ours is to be a wrong one, */
	uint32_t lie;				/* which */
	bool is_ready;				/* a server that said so */
	bool is_honest;				/* it says nothing wrong in all this session */
	bool is_verbose;
	enum expectation expectation;
	const char *failure; /* NULL: none so far */
};

/* Start the survivor and bring it to where it has something to do. Returns false when that fails.
 */
MUST_CHECK bool session_begin(
	struct session *session, const struct pair *pair, uint64_t seed, bool is_verbose);
void session_end(struct session *session);

/* Note a failure, the first one. */
void session_fail(struct session *session, const char *why);

/* Say something; in time the survivor takes it, or it is gone. */
void session_send_fds(struct session *session, enum end end, const void *message, size_t len,
	const int *fds, size_t num_fds);
static inline void session_send(
	struct session *session, enum end end, const void *message, size_t len)
{
	session_send_fds(session, end, message, len, NULL, 0);
}

/* The same, but without listening meanwhile. Returns false when it takes no more. */
MUST_CHECK bool session_try_send(
	struct session *session, enum end end, const void *message, size_t len);

/* Listen for what the survivor says, so long at most, and answer what it asks. */
void session_listen(struct session *session, int timeout_ms);

/* Ask something, and get the answer, which is in session->answer. Returns false when none came. */
MUST_CHECK bool session_ask(struct session *session, enum end end, const void *message, size_t len);

/* Give the answer to a question, or a lie if that is due; a right one is sent by the caller, when
 * this returns false. */
MUST_CHECK bool session_lies(struct session *session, enum end end, const void *right);

/* Have engine or door ask the vault something. */
void session_prompt(struct session *session);

#endif
