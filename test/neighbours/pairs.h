/* SPDX-License-Identifier: MIT
 *
 * Who speaks to whom, and what may be said: what ipc.h, exchange.h and door.h state, written down a
 * second time. (Whoever speaks to the monitor is in doubles.h.)
 */
#ifndef ADIT_TEST_PAIRS_H
#define ADIT_TEST_PAIRS_H

#include "draw.h"
#include "subject.h"

struct pair {
	const char *name;
	unsigned survivor;   /* as in subject.h */
	enum end end;	     /* of the survivor's sockets, where the speaker is */
	const char *speaker; /* as the survivor calls it */
	bool answers;	     /* it speaks only when it is asked */
	bool is_untyped;     /* its messages do not begin with a type */
	size_t len;
	const struct kind *kinds;
	uint32_t num_kinds;
};

extern const struct pair pairs[];
extern const size_t num_pairs;

enum { FUZZ_DOOR_PORT = 51821 };

/* Peers below this are there from the start, and stay. */
enum { FUZZ_PEERS = 24 };

#endif
