/* SPDX-License-Identifier: MIT
 *
 * A bound on how often something happens, that threads may share: the generic cell rate algorithm.
 */
#ifndef ADIT_BASE_RATE_H
#define ADIT_BASE_RATE_H

#include <stdatomic.h>

#include "base/bytes.h"

/* All zero is unused. */
struct rate {
	_Atomic uint64_t busy_until_ns; /* when all that was allowed is paid for */
};

/* Whether it may happen once more: every cost_ns on average, burst times at once after a pause. Two
 * threads that ask at the same moment may both be told yes for one cost. */
MUST_CHECK static inline bool rate_allow(
	struct rate *rate, uint64_t now_ns, uint64_t cost_ns, uint64_t burst)
{
	uint64_t busy_ns = atomic_load_explicit(&rate->busy_until_ns, memory_order_relaxed);

	if (busy_ns < now_ns)
		busy_ns = now_ns;
	if (busy_ns - now_ns > (burst - 1) * cost_ns)
		return false;
	atomic_store_explicit(&rate->busy_until_ns, busy_ns + cost_ns, memory_order_relaxed);
	return true;
}

#endif
