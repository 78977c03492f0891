/* SPDX-License-Identifier: MIT
 *
 * When to offer the core to others. A program that is handed datagrams faster than it gets the core
 * loses what its socket's queue does not hold: a few hundred, two batches. So after a burst of them
 * it is the programs' turn (TCP's queue does not overflow). But somebody who computes would take
 * the core for a whole slice each time, tens of batches long: that is noticed, and the core not
 * offered for a while.
 */
#ifndef ADIT_TUNNEL_COURTESY_H
#define ADIT_TUNNEL_COURTESY_H

#include <netinet/in.h>

#include "base/packet.h"

enum {
	COURTESY_BURST = 32,	    /* datagrams of a batch */
	COURTESY_LONG_NS = 2000000, /* nobody needs so long to empty a queue */
	COURTESY_REST_NS = 20000000,
};

/* All zero to begin with. */
struct courtesy {
	uint64_t rests_until_ns;
};

/* Whether the batch of inner packets, delivered just now, is a burst of UDP. */
static inline bool courtesy_is_burst(const struct batch *packets)
{
	unsigned num = 0;

	for (unsigned i = 0; i < packets->num && packets->num >= COURTESY_BURST; i++) {
		const uint8_t *data = packets->packets[i].data;

		num += (data[0] >> 4 == 4 ? data[9] : data[6]) == IPPROTO_UDP;
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
	if (now_ns - offered_ns > COURTESY_LONG_NS)
		c->rests_until_ns = now_ns + COURTESY_REST_NS;
}

#endif
