/* SPDX-License-Identifier: MIT
 *
 * The replay window of a receiving key: a bitmap in a ring of words (RFC 6479), no shifting.
 */
#ifndef ADIT_CORE_REPLAY_H
#define ADIT_CORE_REPLAY_H

#include "base/bytes.h"

enum {
	REPLAY_BITS = 8192,
	REPLAY_WINDOW = REPLAY_BITS - 64, /* 8128 usable: one word is being refilled */
};

/* A keypair neither sends nor accepts counters from here on. */
#define REJECT_AFTER_MESSAGES (UINT64_MAX - REPLAY_WINDOW - 1)

struct replay {
	uint64_t next; /* greatest counter accepted plus 1; 0: nothing yet */
	uint64_t bits[REPLAY_BITS / 64];
};

/* Take a counter whose packet is authentic. True once for every counter that is below
 * REJECT_AFTER_MESSAGES and at most REPLAY_WINDOW behind the greatest one taken; false, and no
 * change, for repeats, older ones, and the limit. An all-zero struct is a fresh window. */
MUST_CHECK bool replay_accept(struct replay *replay, uint64_t counter);

#endif
