/* SPDX-License-Identifier: MIT
 *
 * Who speaks to whom among vault, engine and datapath, and what may be said: what ipc.h and
 * exchange.h state, written down a second time.
 */
#ifndef ADIT_TEST_PAIRS_H
#define ADIT_TEST_PAIRS_H

#include "draw.h"
#include "subject.h"

struct pair {
	const char *name;
	enum tunnel_role survivor;
	enum end end;	     /* of the survivor's sockets, where the speaker is */
	const char *speaker; /* as the survivor calls it */
	bool answers;	     /* it speaks only when it is asked */
	size_t len;
	const struct kind *kinds;
	uint32_t num_kinds;
};

extern const struct pair pairs[];
extern const size_t num_pairs;

/* Peers below this are there from the start, and stay. */
enum { FUZZ_PEERS = 24 };

#endif
