/* SPDX-License-Identifier: MIT
 *
 * Who speaks to whom, and what may be said: what ipc.h, exchange.h and door.h state, written down a
 * second time. (Whoever speaks to the monitor is in doubles.h.)
 */
#ifndef ADIT_TEST_PAIRS_H
#define ADIT_TEST_PAIRS_H

#include <stddef.h>

#include "draw.h"
#include "subject.h"

struct act;
struct session;

/* What must become of the survivor. */
enum expectation {
	GOES_ON,    /* and answers rightly */
	MAY_END,    /* either this or the next */
	MUST_END,   /* with status 1, and says because of whom */
	MUST_LEAVE, /* with status 0, its neighbour being gone; or with 1 */
};

struct pair {
	const char *name;
	unsigned survivor;   /* as in subject.h */
	enum end end;	     /* of the survivor's sockets, where the speaker is */
	const char *speaker; /* as the survivor calls it */
	bool answers;	     /* it speaks only when it is asked: */
	/* Answer wrongly, in the way session->lie says, less than num_lies; right is the answer
	 * that would not be wrong. */
	enum expectation (*lie)(struct session *session, const void *right);
	uint32_t num_lies;
	bool is_setup;	 /* it speaks once, before the survivor is ready */
	bool is_untyped; /* its messages do not begin with a type */
	size_t len;
	const struct kind *kinds;
	uint32_t num_kinds;
	const struct act *acts; /* rules.h; NULL: none. The last one has no name. */
};

/* Of a field: its name, place and size. */
#define AT(type, member) #member, offsetof(type, member), sizeof(((type *)0)->member)
#define BELOW(type, member, end)                        \
	{                                               \
		RULE_BELOW, AT(type, member), 0, end, 0 \
	}
#define KINDS(table) .kinds = table, .num_kinds = ARRAY_SIZE(table)

extern const struct pair tunnel_pairs[];
extern const size_t num_tunnel_pairs;

/* Peers below this are there from the start, and stay. */
enum { FUZZ_PEERS = 24 };

#endif
