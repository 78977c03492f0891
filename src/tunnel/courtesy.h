/* SPDX-License-Identifier: MIT
 *
 * When to offer the core to others. A program that is handed datagrams faster than it gets the core
 * loses what its socket's queue does not hold: of small ones a few hundred, two batches. So after a
 * burst of them it is the program's turn. (Of large ones the queue does not hold a batch, and TCP's
 * does not overflow.) But somebody who computes would take the core for a whole slice each time,
 * tens of batches long: when it goes on, the core is not offered for a while.
 */
#ifndef ADIT_TUNNEL_COURTESY_H
#define ADIT_TUNNEL_COURTESY_H

#include <netinet/in.h>

#include "base/packet.h"

enum {
	COURTESY_BURST = 32,	    /* small datagrams of a batch */
	COURTESY_SMALL = 640,	    /* bytes, with headers */
	COURTESY_LONG_NS = 2000000, /* nobody needs so long to empty a queue */
	COURTESY_LONG_MAX = 8,	    /* times in a row */
	COURTESY_REST_NS = 64000000,
};

/* All zero to begin with. */
struct courtesy {
	unsigned num_long; /* in a row */
	uint64_t rests_until_ns;
};

/* Whether the batch of inner packets, delivered just now, is a burst of small UDP datagrams. */
static inline bool courtesy_is_burst(const struct batch *packets)
{
	unsigned num = 0;

	for (unsigned i = 0; i < packets->num && packets->num >= COURTESY_BURST; i++) {
		const struct packet *packet = &packets->packets[i];
		const uint8_t *data = packet->data;

		num += packet->len <= COURTESY_SMALL &&
		       (data[0] >> 4 == 4 ? data[9] : data[6]) == IPPROTO_UDP;
	}
	return num >= COURTESY_BURST;
}

static inline bool courtesy_is_due(const struct courtesy *c, uint64_t now_ns)
{
	return now_ns >= c->rests_until_ns;
}

/* The core was offered, and came back. */
static inline void courtesy_judge(struct courtesy *c, uint64_t offered_ns, uint64_t now_ns)
{
	if (now_ns - offered_ns <= COURTESY_LONG_NS)
		c->num_long = 0;
	else if (++c->num_long >= COURTESY_LONG_MAX)
		c->rests_until_ns = now_ns + COURTESY_REST_NS;
}

#endif
