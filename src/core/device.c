/* SPDX-License-Identifier: MIT
 *
 * The device: who the peers are, where each handshake stands, what is due when.
 */
#include "core/device.h"

#include <errno.h>
#include <stdlib.h>

#include "base/deadlines.h"
#include "base/map.h"
#include "base/siphash.h"
#include "base/table.h"
#include "core/cookie.h"
#include "core/ratelimiter.h"
#include "core/timers.h"
#include "crypto/dh.h"

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

static struct peer_status *status_of(struct device *d, const struct peer *peer)
{
	return &d->page->peers[peer->id];
}

static struct peer *peer_by_key(const struct device *d, const uint8_t public_key[KEY_LEN])
{
	struct peer *peer;
	uint32_t id;

	if (!map_get(&d->by_key, siphash(d->hash_key, public_key, KEY_LEN), &id))
		return NULL;
	peer = table_get(&d->peers, id);
	return bytes_equal(peer->public_key, public_key, KEY_LEN) ? peer : NULL;
}

static void schedule(struct device *d, const struct peer *peer)
{
	deadlines_set(d->deadlines, peer->id, timers_next(&peer->timers));
}

static uint64_t random_jitter(struct device *d)
{
	uint32_t r;

	d->ops.random(d->ops.ctx, &r, sizeof(r));
	return (uint64_t)r * REKEY_TIMEOUT_JITTER_MAX_NS >> 32;
}

/* --- receiver indices: random, unique, one a handshake, kept by its keypair  */

static void index_free(struct device *d, uint32_t index)
{
	if (index != 0)
		map_remove(&d->by_index, index);
}

/* In place of that of the handshake before; 0: out of memory. */
static uint32_t index_new(struct device *d, struct peer *peer)
{
	uint32_t index, value;

	do {
		d->ops.random(d->ops.ctx, &index, sizeof(index));
	} while (index == 0 || map_get(&d->by_index, index, &value));
	if (map_put(&d->by_index, index, peer->id) < 0)
		return 0;
	index_free(d, peer->handshake.local_index);
	peer->handshake.local_index = 0;
	return index;
}

static void ephemeral_new(struct device *d, uint8_t ret_private[KEY_LEN])
{
	d->ops.random(d->ops.ctx, ret_private, KEY_LEN);
	dh_clamp(ret_private);
}

static void forget_handshake(struct device *d, struct peer *peer)
{
	index_free(d, peer->handshake.local_index);
	noise_clear(&peer->handshake);
}

/* --- configuration --------------------------------------------------- */

void device_set_public_key(struct device *d, const uint8_t public_key[KEY_LEN])
{
	struct peer *peer;

	memcpy(d->public_key, public_key, KEY_LEN);
	d->has_key = !bytes_are_zero(public_key, KEY_LEN);
	cookie_checker_set_public_key(&d->checker, public_key);
	for (uint32_t id = 0; (peer = table_next(&d->peers, &id)); id++) {
		forget_handshake(d, peer);
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

	r = map_get(&d->by_key, hash, &id) ? -EEXIST : table_add(&d->peers, peer_id);
	if (r < 0)
		return r;
	r = map_put(&d->by_key, hash, peer_id);
	if (r < 0) {
		table_remove(&d->peers, peer_id);
		return r;
	}
	peer = table_get(&d->peers, peer_id);
	peer->id = peer_id;
	memcpy(peer->public_key, public_key, KEY_LEN);
	return 0;
}

void device_remove_peer(struct device *d, uint32_t peer_id)
{
	struct peer *peer = table_get(&d->peers, peer_id);

	if (!peer)
		return;
	forget_handshake(d, peer);
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
	if (d->up)
		timers_set_persistent_keepalive(&peer->timers, interval_s, now_ns);
	else
		peer->timers.persistent_keepalive_s = interval_s;
	schedule(d, peer);
	if (turned_on && d->up)
		emit_simple(d, CONTROL_SEND_KEEPALIVE, peer_id);
	return 0;
}

static void forget_session(struct device *d, struct peer *peer)
{
	forget_handshake(d, peer);
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

/* --- sending handshake messages -------------------------------------- */

static void emit_handshake(struct device *d, struct peer *peer, void *message, size_t len,
	bool forget_source, uint64_t now_ns)
{
	struct control control = {.type = CONTROL_SEND_HANDSHAKE, .peer_id = peer->id};

	cookie_add_macs(&peer->cookie, peer->public_key, message, len, now_ns);
	control.handshake.forget_source = forget_source;
	control.handshake.len = (uint16_t)len;
	memcpy(control.handshake.message, message, len);
	d->ops.emit(d->ops.ctx, &control);
}

static bool may_send_handshake(const struct device *d, const struct peer *peer, uint64_t now_ns)
{
	return d->up && d->has_key &&
	       (peer->last_sent_handshake_ns == 0 ||
		       now_ns >= peer->last_sent_handshake_ns + REKEY_TIMEOUT_NS);
}

static void send_initiation(
	struct device *d, struct peer *peer, bool forget_source, struct device_time time)
{
	struct message_initiation message;
	uint8_t ephemeral[KEY_LEN], timestamp[TAI64N_LEN];
	uint32_t index;

	if (!may_send_handshake(d, peer, time.now_ns))
		return;
	index = index_new(d, peer);
	if (index == 0)
		return;
	peer->last_sent_handshake_ns = time.now_ns;
	ephemeral_new(d, ephemeral);
	noise_timestamp(timestamp, time.wall_ns, &peer->last_timestamp_ns);
	if (noise_create_initiation(&peer->handshake, &d->ops.keys, peer->id, d->public_key,
		    peer->public_key, ephemeral, timestamp, index, &message) != 0) {
		index_free(d, index);
	} else {
		emit_handshake(d, peer, &message, sizeof(message), forget_source, time.now_ns);
		timers_initiation_sent(&peer->timers, random_jitter(d), time.now_ns);
	}
	aead_forget();
	wipe(ephemeral, sizeof(ephemeral));
}

static void handshake_complete(struct device *d, struct peer *peer, struct device_time time)
{
	timers_handshake_complete(&peer->timers);
	atomic_store(&status_of(d, peer)->handshake_wall_ns, time.wall_ns);
}

/* The session of a complete handshake, for the transport to install. */
static void install_keypair(
	struct device *d, struct peer *peer, const struct endpoint *from, struct device_time time)
{
	struct control control = {.type = CONTROL_INSTALL_KEYPAIR, .peer_id = peer->id};
	struct control_keypair *keypair = &control.keypair;
	uint32_t index = peer->handshake.local_index;

	keypair->endpoint = *from;
	keypair->local_index = index;
	keypair->remote_index = peer->handshake.remote_index;
	keypair->birth_ns = time.now_ns;
	keypair->is_initiator =
		noise_begin_session(&peer->handshake, keypair->sending_key, keypair->receiving_key);
	/* the number is in the map already, so this cannot run out of memory */
	(void)!map_put(&d->by_index, index, peer->id | INDEX_IS_KEYPAIR);
	timers_session_derived(&peer->timers, time.now_ns);
	d->ops.emit(d->ops.ctx, &control);
	wipe(&control, sizeof(control));
}

static void send_response(
	struct device *d, struct peer *peer, const struct endpoint *from, struct device_time time)
{
	struct message_response message;
	uint8_t ephemeral[KEY_LEN];
	uint32_t index = index_new(d, peer);

	if (index == 0)
		return;
	ephemeral_new(d, ephemeral);
	if (noise_create_response(&peer->handshake, &d->ops.keys, peer->id, peer->public_key,
		    ephemeral, index, &message) != 0) {
		index_free(d, index);
	} else {
		/* the keypair first: its initiator may use it the moment it has the response */
		install_keypair(d, peer, from, time);
		peer->last_sent_handshake_ns = time.now_ns;
		emit_handshake(d, peer, &message, sizeof(message), false, time.now_ns);
	}
	wipe(ephemeral, sizeof(ephemeral));
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
				send_initiation(d, peer, false, time);
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

/* --- receiving handshake messages ------------------------------------ */

static enum drop consume_initiation(
	struct device *d, const struct event *event, struct device_time time)
{
	struct message_initiation message;
	struct noise_symmetric symmetric;
	uint8_t remote_static[KEY_LEN];
	struct peer *peer;
	enum drop drop;

	memcpy(&message, event->message, sizeof(message));
	drop = noise_open_initiation(
		&message, &d->ops.keys, d->public_key, &symmetric, remote_static);
	if (drop != DROP_NONE)
		return drop;
	peer = peer_by_key(d, remote_static);
	if (!peer) {
		wipe(&symmetric, sizeof(symmetric));
		return DROP_UNKNOWN_PEER;
	}
	drop = noise_consume_initiation(
		&peer->handshake, &message, &d->ops.keys, peer->id, &symmetric, time.now_ns);
	if (drop != DROP_NONE)
		return drop;
	send_response(d, peer, &event->endpoint, time);
	schedule(d, peer);
	return DROP_NONE;
}

static enum drop consume_response(
	struct device *d, const struct event *event, struct device_time time)
{
	struct message_response message;
	struct peer *peer;
	enum drop drop;
	uint32_t value;

	memcpy(&message, event->message, sizeof(message));
	if (!map_get(&d->by_index, message.receiver_index, &value) || (value & INDEX_IS_KEYPAIR))
		return DROP_UNKNOWN_INDEX;
	peer = table_get(&d->peers, value);
	drop = noise_consume_response(&peer->handshake, &message, &d->ops.keys, peer->id);
	if (drop != DROP_NONE)
		return drop;
	handshake_complete(d, peer, time);
	install_keypair(d, peer, &event->endpoint, time);
	schedule(d, peer);
	return DROP_NONE;
}

/* The peer whose message a cookie reply claims to answer, or NULL. */
static struct peer *cookie_asker(const struct device *d, const struct event *event)
{
	struct message_cookie_reply reply;
	uint32_t value;

	memcpy(&reply, event->message, sizeof(reply));
	return map_get(&d->by_index, reply.receiver_index, &value)
		       ? table_get(&d->peers, value & ~INDEX_IS_KEYPAIR)
		       : NULL;
}

bool device_expects(const struct device *d, const struct event *event)
{
	const struct peer *peer;

	if (load_le32(event->message) != MESSAGE_COOKIE_REPLY)
		return true;
	peer = cookie_asker(d, event);
	return peer && peer->cookie.has_last_mac1;
}

static enum drop consume_cookie_reply(struct device *d, const struct event *event, uint64_t now_ns)
{
	struct message_cookie_reply reply;
	struct peer *peer = cookie_asker(d, event);

	if (!peer)
		return DROP_UNKNOWN_INDEX;
	memcpy(&reply, event->message, sizeof(reply));
	if (!cookie_consume_reply(&peer->cookie, peer->public_key, &reply, now_ns))
		return DROP_BAD_COOKIE_REPLY;
	return DROP_NONE;
}

/* Under load only a proven address gets our arithmetic, and only so often. */
static enum drop defend(struct device *d, const struct event *event, uint64_t now_ns)
{
	struct control control = {.type = CONTROL_SEND_COOKIE_REPLY};
	uint8_t nonce[XAEAD_NONCE_LEN], secret[KEY_LEN];

	if (cookie_checker_is_stale(&d->checker, now_ns)) {
		d->ops.random(d->ops.ctx, secret, sizeof(secret));
		cookie_checker_set_secret(&d->checker, secret, now_ns);
		wipe(secret, sizeof(secret));
	}
	if (cookie_mac2_is_valid(&d->checker, &event->endpoint, event->message, event->len))
		return ratelimiter_allow(d->limiter, &event->endpoint, now_ns) ? DROP_NONE
									       : DROP_RATE_LIMITED;
	d->ops.random(d->ops.ctx, nonce, sizeof(nonce));
	cookie_create_reply(&d->checker, &event->endpoint, event->message, event->len, nonce,
		(struct message_cookie_reply *)control.handshake.message);
	control.handshake.endpoint = event->endpoint;
	control.handshake.len = sizeof(struct message_cookie_reply);
	d->ops.emit(d->ops.ctx, &control);
	return DROP_BAD_MAC2;
}

static enum drop consume_handshake(
	struct device *d, const struct event *event, bool under_load, struct device_time time)
{
	uint32_t type = load_le32(event->message);
	enum drop drop = DROP_NONE;

	if (event->len == 0 || event->len != message_handshake_len(type))
		return DROP_WRONG_LENGTH;
	if (!d->up || !d->has_key)
		return DROP_BAD_HANDSHAKE;
	if (type == MESSAGE_COOKIE_REPLY)
		return consume_cookie_reply(d, event, time.now_ns);
	if (under_load)
		drop = defend(d, event, time.now_ns);
	if (drop != DROP_NONE)
		return drop;
	return type == MESSAGE_INITIATION ? consume_initiation(d, event, time)
					  : consume_response(d, event, time);
}

void device_handle_event(
	struct device *d, const struct event *event, bool under_load, struct device_time time)
{
	struct peer *peer = table_get(&d->peers, event->peer_id);
	enum drop drop;
	uint32_t value;

	if (event->type == EVENT_HANDSHAKE_MESSAGE) {
		drop = consume_handshake(d, event, under_load, time);
		aead_forget();
		if (drop != DROP_NONE)
			status_drop(d->page, drop, 1);
	} else if (event->type == EVENT_KEYPAIR_GONE) {
		if (map_get(&d->by_index, event->local_index, &value) && (value & INDEX_IS_KEYPAIR))
			index_free(d, event->local_index);
	} else if (peer && !d->up) {
		peer->wants_handshake |= event->type == EVENT_WANT_HANDSHAKE;
	} else if (peer) {
		if (event->type == EVENT_WANT_HANDSHAKE) {
			peer->timers.attempts = 0;
			send_initiation(d, peer, false, time);
		} else if (event->type == EVENT_WATCH) {
			timers_watch(
				&peer->timers, status_of(d, peer), random_jitter(d), time.now_ns);
		} else if (event->type == EVENT_KEYPAIR_CONFIRMED) {
			handshake_complete(d, peer, time);
		}
		schedule(d, peer);
	}
}

/* --- timers ---------------------------------------------------------- */

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
	send_initiation(d, peer, true, time);
}

static void run_peer_timers(struct device *d, struct peer *peer, struct device_time time)
{
	unsigned expired = timers_expire(&peer->timers, status_of(d, peer), time.now_ns);

	if (expired & TIMER_RETRANSMIT)
		retransmit(d, peer, time);
	if (expired & TIMER_NEW_HANDSHAKE) {
		peer->timers.attempts = 0;
		send_initiation(d, peer, true, time);
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
		run_peer_timers(d, table_get(&d->peers, id), time);
}

uint64_t device_next_deadline(const struct device *d)
{
	uint32_t id;

	return deadlines_next(d->deadlines, &id);
}
