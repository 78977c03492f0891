/* SPDX-License-Identifier: MIT
 *
 * Per-source token buckets for handshake messages under load: 20 a second, burst of 5, keyed by
 * IPv4 address or IPv6 /64 through SipHash. Fixed size: allocated once.
 */
#ifndef ADIT_CORE_RATELIMITER_H
#define ADIT_CORE_RATELIMITER_H

#include "base/address.h"

#define RATELIMITER_PACKET_COST_NS UINT64_C(50000000) /* 1 s / 20 */
#define RATELIMITER_CAP_NS (5 * RATELIMITER_PACKET_COST_NS)
#define RATELIMITER_IDLE_NS UINT64_C(1000000000) /* an entry idle longer than this is free */

enum {
	RATELIMITER_BUCKETS = 8192,
	RATELIMITER_BUCKET_ENTRIES = 8,
	RATELIMITER_MAX_ENTRIES = RATELIMITER_BUCKETS * RATELIMITER_BUCKET_ENTRIES,
};

struct ratelimiter;

/* key is the SipHash key: 16 random bytes. NULL: out of memory. */
struct ratelimiter *ratelimiter_new(const uint8_t key[16]);
void ratelimiter_free(struct ratelimiter *limiter); /* wipes */

/* Whether another handshake message from this source may pass now; takes its cost if so. A source
 * whose bucket of the table is full of others is refused. Entries idle for longer than
 * RATELIMITER_IDLE_NS are used again as they are met: bounded work per call, no timer. */
MUST_CHECK bool ratelimiter_allow(
	struct ratelimiter *limiter, const struct endpoint *source, uint64_t now_ns);

#endif
