/* SPDX-License-Identifier: MIT
 *
 * Destinations that packets want though no peer has them, while somebody watches who may add one.
 * The first packets are held until there is a peer, or the watcher refuses, or time is up; what
 * becomes of them then is the transport's to do.
 */
#ifndef ADIT_CORE_WANTED_H
#define ADIT_CORE_WANTED_H

#include "base/clock.h"
#include "base/rate.h"
#include "core/inner.h"
#include "core/staged.h"
#include "core/status.h"

enum {
	WANTED_MAX = 64,    /* destinations */
	WANTED_PACKETS = 8, /* of each; fewer when they are larger than a chunk of storage */
	WANTED_EVENTS_PER_S = 1000,
};
#define WANTED_TIME_NS (5 * SECOND_NS) /* to decide; and a refusal is good for as long */

struct wanted_destination {
	struct prefix address; /* of full length; family 0: a free place */
	bool is_refused;
	uint64_t until_ns; /* it must be decided, or the refusal is good */
	struct staged_queue held;
};

/* To be changed by the functions below; any thread may read the deadline. */
struct wanted {
	struct wanted_destination destinations[WANTED_MAX];
	struct staged_pool *pool; /* owned; of what is held */
	struct rate events;
	_Atomic uint64_t deadline_ns; /* no time is up before; 0: nothing is held */
};

/* Make an empty one. Returns 0 or -ENOMEM. An all-zero struct may be deinitialised. */
MUST_CHECK int wanted_init(struct wanted *wanted);
void wanted_deinit(struct wanted *wanted);

/* Hold a copy of a packet, which inner describes; those to one destination stay in order. Returns
 * DROP_NONE, and sets *ret_new, to be told to the watcher if it is the first to this destination,
 * else to NULL. Or the packet is not held: DROP_STAGED, there are too many before it; DROP_REFUSED;
 * or DROP_NO_PEER: time is up, or there is no room for a destination more. */
MUST_CHECK enum drop wanted_hold(struct wanted *wanted, const struct inner *inner,
	const struct packet *packet, uint64_t now_ns, const struct wanted_destination **ret_new);

/* The watcher refuses an address (4 or 16 bytes). Returns its destination, which still has its
 * packets; NULL when there is no room for it. */
struct wanted_destination *wanted_refuse(
	struct wanted *wanted, uint16_t family, const uint8_t *addr, uint64_t now_ns);

/* Whether packets have been held for too long. */
bool wanted_is_overdue(const struct wanted_destination *destination, uint64_t now_ns);

/* Forget a destination, with what is held. */
void wanted_forget(struct wanted *wanted, struct wanted_destination *destination);

/* Set the deadline anew. */
void wanted_set_deadline(struct wanted *wanted);

#endif
