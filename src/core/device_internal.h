/* SPDX-License-Identifier: MIT
 *
 * What the two files of the device share: device.c (peers, events, timers) and device_handshake.c
 * (handshake messages).
 */
#ifndef ADIT_CORE_DEVICE_INTERNAL_H
#define ADIT_CORE_DEVICE_INTERNAL_H

#include "base/deadlines.h"
#include "base/map.h"
#include "base/siphash.h"
#include "base/table.h"
#include "core/cookie.h"
#include "core/device.h"
#include "core/ratelimiter.h"
#include "core/timers.h"

struct peer {
	uint32_t id;
	uint8_t public_key[KEY_LEN];
	struct handshake handshake;
	struct cookie_maker cookie;
	struct timers timers;
	uint64_t last_sent_handshake_ns; /* initiation or response; 0: another may go at once */
	uint64_t last_timestamp_ns;	 /* of our last initiation */
	bool wants_handshake;		 /* asked for while we were down */
};

struct device {
	struct device_ops ops;
	struct status_page *page; /* borrowed */
	bool up;
	bool has_key;
	uint8_t public_key[KEY_LEN];
	struct cookie_checker checker;
	struct ratelimiter *limiter;
	struct deadlines *deadlines;
	struct table peers; /* struct peer by id */
	uint8_t hash_key[SIPHASH_KEY_LEN];
	struct map by_key;   /* SipHash of the public key -> id */
	struct map by_index; /* receiver index -> id, and INDEX_IS_KEYPAIR */
};

#define INDEX_IS_KEYPAIR (UINT32_C(1) << 31)

static inline struct peer_status *status_of(struct device *d, const struct peer *peer)
{
	return &d->page->peers[peer->id];
}

static inline void schedule(struct device *d, const struct peer *peer)
{
	deadlines_set(d->deadlines, peer->id, timers_next(&peer->timers));
}

static inline uint64_t random_jitter(struct device *d)
{
	uint32_t r;

	d->ops.random(d->ops.ctx, &r, sizeof(r));
	return (uint64_t)r * REKEY_TIMEOUT_JITTER_MAX_NS >> 32;
}

static inline void handshake_complete(struct device *d, struct peer *peer, struct device_time time)
{
	timers_handshake_complete(&peer->timers);
	atomic_store(&status_of(d, peer)->handshake_wall_ns, time.wall_ns);
}

/* Forget a receiver index (0: none). */
void device_free_index(struct device *d, uint32_t index);

/* Forget the handshake in progress, and its index. */
void device_forget_handshake(struct device *d, struct peer *peer);

/* Send an initiation, unless the last handshake message to the peer is too young. */
void device_send_initiation(
	struct device *d, struct peer *peer, bool forget_source, struct device_time time);

#endif
