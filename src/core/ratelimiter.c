/* SPDX-License-Identifier: MIT
 *
 * Per-source token buckets, in a set-associative table: a source may be in one of the eight
 * entries of the bucket that SipHash names. Credit is time: it grows as time passes, and a
 * message costs 50 ms of it.
 */
#include "core/ratelimiter.h"

#include <stdlib.h>

#include "base/siphash.h"

struct entry {
	uint64_t addr;	 /* IPv4 address or IPv6 /64, as its bytes lie in memory */
	uint32_t family; /* 0: never used */
	uint32_t credit_ns;
	uint64_t last_ns;
};
static_assert(RATELIMITER_CAP_NS <= UINT32_MAX, "credit_ns holds it");

struct ratelimiter {
	uint8_t key[SIPHASH_KEY_LEN];
	struct entry buckets[RATELIMITER_BUCKETS][RATELIMITER_BUCKET_ENTRIES];
};

struct ratelimiter *ratelimiter_new(const uint8_t key[SIPHASH_KEY_LEN])
{
	struct ratelimiter *limiter = calloc(1, sizeof(*limiter)); /* touched only as it is used */

	if (limiter)
		memcpy(limiter->key, key, sizeof(limiter->key));
	return limiter;
}

void ratelimiter_free(struct ratelimiter *limiter)
{
	if (limiter)
		wipe(limiter->key, sizeof(limiter->key));
	free(limiter);
}

static bool is_unused(const struct entry *entry, uint64_t now_ns)
{
	return entry->family == 0 ||
	       (now_ns > entry->last_ns && now_ns - entry->last_ns > RATELIMITER_IDLE_NS);
}

/* The entry of a source: its own, or one that is free and now its own, with full credit; NULL if
 * the bucket is full. */
static struct entry *entry_find(
	struct ratelimiter *limiter, const struct endpoint *source, uint64_t now_ns)
{
	uint64_t addr = 0;
	struct entry *bucket, *unused = NULL;

	memcpy(&addr, source->addr, source->family == AF_INET ? 4 : 8);
	bucket = limiter->buckets[siphash(limiter->key, &addr, sizeof(addr)) % RATELIMITER_BUCKETS];
	for (unsigned i = 0; i < RATELIMITER_BUCKET_ENTRIES; i++) {
		struct entry *entry = &bucket[i];

		if (entry->family == source->family && entry->addr == addr)
			return entry;
		if (!unused && is_unused(entry, now_ns))
			unused = entry;
	}
	if (unused)
		*unused = (struct entry){.addr = addr,
			.family = source->family,
			.credit_ns = RATELIMITER_CAP_NS,
			.last_ns = now_ns};
	return unused;
}

bool ratelimiter_allow(struct ratelimiter *limiter, const struct endpoint *source, uint64_t now_ns)
{
	struct entry *entry = entry_find(limiter, source, now_ns);
	uint64_t credit_ns;

	if (!entry)
		return false;
	credit_ns = entry->credit_ns;
	if (now_ns > entry->last_ns) {
		credit_ns += now_ns - entry->last_ns;
		entry->last_ns = now_ns;
	}
	if (credit_ns > RATELIMITER_CAP_NS)
		credit_ns = RATELIMITER_CAP_NS;

	const bool allowed = credit_ns >= RATELIMITER_PACKET_COST_NS;

	entry->credit_ns = (uint32_t)(allowed ? credit_ns - RATELIMITER_PACKET_COST_NS : credit_ns);
	return allowed;
}
