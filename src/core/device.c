/* SPDX-License-Identifier: MIT
 *
 * The device: who the peers are, and what is due when.
 */
#include "core/device_internal.h"

#include <errno.h>
#include <stdlib.h>

struct device *device_new(const struct device_ops *ops, struct status_page *page)
{
	struct device *d = calloc(1, sizeof(*d));
	uint8_t limiter_key[SIPHASH_KEY_LEN];

	if (!d)
		return NULL;
	d->ops = *ops;
	d->page = page;
	ops->random(ops->ctx, d->hash_key, sizeof(d->hash_key));
	ops->random(ops->ctx, limiter_key, sizeof(limiter_key));
	d->limiter = ratelimiter_new(limiter_key);
	d->deadlines = deadlines_new(MAX_PEERS);
	if (table_init(&d->peers, MAX_PEERS, sizeof(struct peer)) < 0 || !d->limiter ||
		!d->deadlines) {
		device_free(d);
		return NULL;
	}
	return d;
}

void device_free(struct device *d)
{
	if (!d)
		return;
	for (uint32_t id = 0; table_next(&d->peers, &id); id++)
		device_remove_peer(d, id);
	table_deinit(&d->peers);
	map_deinit(&d->by_key);
	map_deinit(&d->by_index);
	ratelimiter_free(d->limiter);
	deadlines_free(d->deadlines);
	wipe(d, sizeof(*d));
	free(d);
}

static void emit_simple(struct device *d, enum control_type type, uint32_t peer_id)
{
	struct control control = {.type = type, .peer_id = peer_id};

	d->ops.emit(d->ops.ctx, &control);
}

void device_set_public_key(struct device *d, const uint8_t public_key[KEY_LEN])
{
	struct peer *peer;

	memcpy(d->public_key, public_key, KEY_LEN);
	d->has_key = !bytes_are_zero(public_key, KEY_LEN);
	cookie_checker_set_public_key(&d->checker, public_key);
	for (uint32_t id = 0; (peer = table_next(&d->peers, &id)); id++) {
		device_forget_handshake(d, peer);
		work_ahead_for(d, peer);
		peer->last_sent_handshake_ns = 0;
		emit_simple(d, CONTROL_EXPIRE_SENDING, id);
	}
}

int device_add_peer(struct device *d, uint32_t peer_id, const uint8_t public_key[KEY_LEN])
{
	uint64_t hash = siphash(d->hash_key, public_key, KEY_LEN);
	struct peer *peer;
	uint32_t id;
	int r;

	if (map_get(&d->by_key, hash, &id))
		return -EEXIST;
	peer = table_add(&d->peers, peer_id);
	if (!peer)
		return -errno;
	r = map_put(&d->by_key, hash, peer_id);
	if (r < 0) {
		table_remove(&d->peers, peer_id);
		return r;
	}
	peer->id = peer_id;
	memcpy(peer->public_key, public_key, KEY_LEN);
	work_ahead_for(d, peer);
	return 0;
}

void device_remove_peer(struct device *d, uint32_t peer_id)
{
	struct peer *peer = table_get(&d->peers, peer_id);

	if (!peer)
		return;
	device_forget_handshake(d, peer);
	deadlines_set(d->deadlines, peer_id, 0);
	map_remove(&d->by_key, siphash(d->hash_key, peer->public_key, KEY_LEN));
	table_remove(&d->peers, peer_id);
}

int device_set_keepalive(struct device *d, uint32_t peer_id, uint16_t interval_s, uint64_t now_ns)
{
	struct peer *peer = table_get(&d->peers, peer_id);
	bool turned_on;

	if (!peer)
		return -ENOENT;
	turned_on = peer->timers.persistent_keepalive_s == 0 && interval_s != 0;
	peer->timers.persistent_keepalive_s = interval_s;
	if (d->up)
		timers_start(&peer->timers, now_ns);
	schedule(d, peer);
	if (turned_on && d->up)
		emit_simple(d, CONTROL_SEND_KEEPALIVE, peer_id);
	return 0;
}

static void forget_session(struct device *d, struct peer *peer)
{
	device_forget_handshake(d, peer);
	work_ahead_for(d, peer);
	peer->timers.zero_keys_ns = 0;
	emit_simple(d, CONTROL_CLEAR_KEYPAIRS, peer->id);
}

void device_forget_sessions(struct device *d)
{
	struct peer *peer;

	for (uint32_t id = 0; (peer = table_next(&d->peers, &id)); id++) {
		forget_session(d, peer);
		schedule(d, peer);
	}
}

void device_set_up(struct device *d, bool up, struct device_time time)
{
	struct peer *peer;

	if (up == d->up)
		return;
	d->up = up;
	for (uint32_t id = 0; (peer = table_next(&d->peers, &id)); id++) {
		if (up) {
			/* The datapath may have noted something after we went down. */
			timers_stop(&peer->timers, status_of(d, peer));
			timers_start(&peer->timers, time.now_ns);
			if (peer->timers.persistent_keepalive_s)
				emit_simple(d, CONTROL_SEND_KEEPALIVE, id);
			if (peer->wants_handshake)
				device_send_initiation(d, peer, false, time);
		} else {
			emit_simple(d, CONTROL_PURGE_STAGED, id);
			forget_session(d, peer);
			timers_stop(&peer->timers, status_of(d, peer));
			peer->last_sent_handshake_ns = 0;
		}
		peer->wants_handshake = false;
		schedule(d, peer);
	}
}

void device_handle_event(
	struct device *d, const struct event *event, bool under_load, struct device_time time)
{
	struct peer *peer = table_get(&d->peers, event->peer_id);
	uint32_t value;

	if (event->type == EVENT_HANDSHAKE_MESSAGE) {
		(void)device_handle_handshakes(d, &event, 1, under_load, time);
	} else if (event->type == EVENT_KEYPAIR_GONE) {
		if (map_get(&d->by_index, event->local_index, &value) && (value & INDEX_IS_KEYPAIR))
			device_free_index(d, event->local_index);
	} else if (peer && !d->up) {
		peer->wants_handshake |= event->type == EVENT_WANT_HANDSHAKE;
	} else if (peer) {
		if (event->type == EVENT_WANT_HANDSHAKE) {
			peer->timers.attempts = 0;
			device_send_initiation(d, peer, false, time);
		} else if (event->type == EVENT_WATCH) {
			timers_watch(
				&peer->timers, status_of(d, peer), random_jitter(d), time.now_ns);
		} else if (event->type == EVENT_KEYPAIR_CONFIRMED) {
			handshake_complete(d, peer, time);
		}
		schedule(d, peer);
	}
}

static void retransmit(struct device *d, struct peer *peer, struct device_time time)
{
	if (time.now_ns < peer->last_sent_handshake_ns + REKEY_TIMEOUT_NS) {
		/* Initiations crossed, and we answered the peer's: the wait counts from there. */
		timers_initiation_sent(
			&peer->timers, random_jitter(d), peer->last_sent_handshake_ns);
		return;
	}
	if (peer->timers.attempts > MAX_TIMER_HANDSHAKES) {
		timers_handshake_given_up(&peer->timers, status_of(d, peer), time.now_ns);
		emit_simple(d, CONTROL_PURGE_STAGED, peer->id);
		return;
	}
	peer->timers.attempts++;
	device_send_initiation(d, peer, true, time);
}

static void run_peer_timers(struct device *d, struct peer *peer, struct device_time time)
{
	unsigned expired = timers_expire(&peer->timers, status_of(d, peer), time.now_ns);

	if (expired & TIMER_RETRANSMIT)
		retransmit(d, peer, time);
	if (expired & TIMER_NEW_HANDSHAKE) {
		peer->timers.attempts = 0;
		device_send_initiation(d, peer, true, time);
	}
	if (expired & TIMER_ZERO_KEYS)
		forget_session(d, peer);
	if (expired & (TIMER_SEND_KEEPALIVE | TIMER_PERSISTENT_KEEPALIVE))
		emit_simple(d, CONTROL_SEND_KEEPALIVE, peer->id);
	schedule(d, peer);
}

void device_run_timers(struct device *d, struct device_time time)
{
	uint64_t deadline_ns;
	uint32_t id;

	while ((deadline_ns = deadlines_next(d->deadlines, &id)) != 0 && deadline_ns <= time.now_ns)
		run_peer_timers(d, known_peer(d, id), time);
}

uint64_t device_next_deadline(const struct device *d)
{
	uint32_t id;

	return deadlines_next(d->deadlines, &id);
}
