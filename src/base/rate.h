/* SPDX-License-Identifier: MIT
 *
 * A bound on how often something happens: the generic cell rate algorithm.
 */
#ifndef ADIT_BASE_RATE_H
#define ADIT_BASE_RATE_H

#include "base/bytes.h"

/* All zero is unused. */
struct rate {
	uint64_t busy_until_ns; /* when all that was allowed is paid for */
};

/* Whether it may happen once more: every cost_ns on average, burst times at once after a pause. */
MUST_CHECK static inline bool rate_has_room(
	const struct rate *rate, uint64_t now_ns, uint64_t cost_ns, uint64_t burst)
{
	return rate->busy_until_ns <= now_ns ||
	       rate->busy_until_ns - now_ns <= (burst - 1) * cost_ns;
}

/* It has happened. */
static inline void rate_spend(struct rate *rate, uint64_t now_ns, uint64_t cost_ns)
{
	if (rate->busy_until_ns < now_ns)
		rate->busy_until_ns = now_ns;
	rate->busy_until_ns += cost_ns;
}

/* Both: it happens if it may. */
MUST_CHECK static inline bool rate_allow(
	struct rate *rate, uint64_t now_ns, uint64_t cost_ns, uint64_t burst)
{
	bool allowed = rate_has_room(rate, now_ns, cost_ns, burst);

	if (allowed)
		rate_spend(rate, now_ns, cost_ns);
	return allowed;
}

#endif
