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
	struct noise_prepared *prepared; /* for the next initiation, owned; NULL: not yet */
};

enum { AHEAD_MAX = 16, NUM_GUESSES = 256 };

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
	struct map by_key;	   /* SipHash of the public key -> id */
	struct map by_index;	   /* receiver index -> id, and INDEX_IS_KEYPAIR */
	uint32_t ahead[AHEAD_MAX]; /* ids of peers for whom an initiation is to be prepared */
	unsigned num_ahead, num_prepared;
	uint32_t guesses[NUM_GUESSES]; /* by a hash of an address: who had a handshake from there */
};

#define INDEX_IS_KEYPAIR (UINT32_C(1) << 31)

/* The peer that a receiver index, a deadline or a proven initiation stands for: none of them
 * outlives it. */
static inline struct peer *known_peer(struct device *d, uint32_t id)
{
	struct peer *peer = table_get(&d->peers, id);

	assert(peer);
	return peer;
}

static inline struct peer_status *status_of(struct device *d, const struct peer *peer)
{
	return &d->page->peers[peer->id];
}

static inline void schedule(struct device *d, const struct peer *peer)
{
	deadlines_set(d->deadlines, peer->id, timers_next(&peer->timers));
}

/* The same number on any machine whose random source gives the same bytes. */
static inline uint32_t random32(struct device *d)
{
	uint8_t bytes[4];

	d->ops.random(d->ops.ctx, bytes, sizeof(bytes));
	return load_le32(bytes);
}

static inline uint64_t random_jitter(struct device *d)
{
	return (uint64_t)random32(d) * REKEY_TIMEOUT_JITTER_MAX_NS >> 32;
}

static inline void handshake_complete(struct device *d, struct peer *peer, struct device_time time)
{
	timers_handshake_complete(&peer->timers);
	atomic_store(&status_of(d, peer)->handshake_wall_ns, time.wall_ns);
}

/* Forget a receiver index (0: none). */
void device_free_index(struct device *d, uint32_t index);

/* Prepare an initiation to this peer when there is time. There are AHEAD_MAX of them at most:
 * loading a hundred thousand peers must not cost as many scalar multiplications. */
static inline void work_ahead_for(struct device *d, const struct peer *peer)
{
	if (d->num_ahead < AHEAD_MAX)
		d->ahead[d->num_ahead++] = peer->id;
}

/* Forget the handshake in progress, its index, and what was prepared. */
void device_forget_handshake(struct device *d, struct peer *peer);

/* Send an initiation, unless the last handshake message to the peer is too young. */
void device_send_initiation(
	struct device *d, struct peer *peer, bool forget_source, struct device_time time);

#endif
