/* SPDX-License-Identifier: MIT
 *
 * Handshake messages: sent when the device wants a session, consumed as they come.
 */
#include "core/device_internal.h"

#include <stdlib.h>

#include "crypto/dh.h"

/* --- receiver indices: random, unique, one a handshake, kept by its keypair  */

void device_free_index(struct device *d, uint32_t index)
{
	if (index != 0)
		map_remove(&d->by_index, index);
}

/* In place of that of the handshake before; 0: out of memory. */
static uint32_t index_new(struct device *d, struct peer *peer)
{
	uint32_t index, value;

	do {
		index = random32(d);
	} while (index == 0 || map_get(&d->by_index, index, &value));
	if (map_put(&d->by_index, index, peer->id) < 0)
		return 0;
	device_free_index(d, peer->handshake.local_index);
	peer->handshake.local_index = 0;
	return index;
}

static void ephemeral_new(struct device *d, uint8_t ret_private[KEY_LEN])
{
	d->ops.random(d->ops.ctx, ret_private, KEY_LEN);
	dh_clamp(ret_private);
}

static void forget_prepared(struct device *d, struct peer *peer)
{
	if (!peer->prepared)
		return;
	wipe(peer->prepared, sizeof(*peer->prepared));
	free(peer->prepared);
	peer->prepared = NULL;
	d->num_prepared--;
}

void device_forget_handshake(struct device *d, struct peer *peer)
{
	device_free_index(d, peer->handshake.local_index);
	noise_clear(&peer->handshake);
	forget_prepared(d, peer);
}

static int prepare_initiation(struct device *d, struct peer *peer, struct noise_prepared *ret)
{
	uint8_t ephemeral[KEY_LEN];
	int r;

	ephemeral_new(d, ephemeral);
	r = noise_prepare_initiation(
		ret, &d->ops.keys, peer->id, d->public_key, peer->public_key, ephemeral);
	wipe(ephemeral, sizeof(ephemeral));
	return r;
}

bool device_has_work_ahead(const struct device *d)
{
	return d->num_ahead > 0 && d->up && d->has_key;
}

void device_work_ahead(struct device *d)
{
	struct peer *peer = table_get(&d->peers, d->ahead[--d->num_ahead]);

	if (!peer || peer->prepared || d->num_prepared == AHEAD_MAX ||
		peer->handshake.state != HANDSHAKE_NONE)
		return;
	peer->prepared = calloc(1, sizeof(*peer->prepared));
	if (!peer->prepared)
		return;
	d->num_prepared++;
	if (prepare_initiation(d, peer, peer->prepared) < 0)
		forget_prepared(d, peer);
}

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

void device_send_initiation(
	struct device *d, struct peer *peer, bool forget_source, struct device_time time)
{
	struct message_initiation message;
	struct noise_prepared now, *prepared = peer->prepared;
	uint8_t timestamp[TAI64N_LEN];
	uint32_t index;

	if (!may_send_handshake(d, peer, time.now_ns))
		return;
	index = index_new(d, peer);
	if (index == 0)
		return;
	peer->last_sent_handshake_ns = time.now_ns;
	if (!prepared && prepare_initiation(d, peer, &now) == 0)
		prepared = &now;
	if (!prepared) {
		device_free_index(d, index);
	} else {
		noise_timestamp(timestamp, time.wall_ns, &peer->last_timestamp_ns);
		noise_create_initiation(&peer->handshake, prepared, timestamp, index, &message);
		forget_prepared(d, peer);
		emit_handshake(d, peer, &message, sizeof(message), forget_source, time.now_ns);
		timers_initiation_sent(&peer->timers, random_jitter(d), time.now_ns);
	}
}

/* Who is likely to be at this address: the last one who was. A wrong guess costs a little time. */
static uint32_t *guess_of(struct device *d, const struct endpoint *endpoint)
{
	uint8_t remote[sizeof(endpoint->addr) + sizeof(endpoint->port)];

	memcpy(remote, endpoint->addr, sizeof(endpoint->addr));
	store_be16(remote + sizeof(endpoint->addr), endpoint->port);
	return &d->guesses[siphash(d->hash_key, remote, sizeof(remote)) % NUM_GUESSES];
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
	forget_prepared(d, peer);
	*guess_of(d, from) = peer->id;
	d->ops.emit(d->ops.ctx, &control);
	wipe(&control, sizeof(control));
}

static void send_response(struct device *d, struct peer *peer, struct noise_initiation *initiation,
	const struct endpoint *from, struct device_time time)
{
	struct message_response message;
	uint32_t index = index_new(d, peer);

	if (index == 0)
		return;
	if (!initiation->has_guess)
		ephemeral_new(d, initiation->ephemeral_private);
	if (noise_create_response(&peer->handshake, &d->ops.keys, initiation, index, &message) !=
		0) {
		device_free_index(d, index);
	} else {
		/* the keypair first: its initiator may use it the moment it has the response */
		install_keypair(d, peer, from, time);
		peer->last_sent_handshake_ns = time.now_ns;
		emit_handshake(d, peer, &message, sizeof(message), false, time.now_ns);
	}
}

static struct peer *peer_by_key(const struct device *d, const uint8_t public_key[KEY_LEN])
{
	struct peer *peer;
	uint32_t id;

	if (!map_get(&d->by_key, siphash(d->hash_key, public_key, KEY_LEN), &id))
		return NULL;
	peer = table_get(&d->peers, id);
	return peer && bytes_equal(peer->public_key, public_key, KEY_LEN) ? peer : NULL;
}

/* The third step of consuming an initiation, and the response. */
static enum drop answer_initiation(struct device *d, struct noise_initiation *initiation,
	const struct endpoint *from, struct device_time time)
{
	struct peer *peer = known_peer(d, initiation->peer_id);
	enum drop drop = noise_consume_initiation(&peer->handshake, initiation, time.now_ns);

	if (drop == DROP_NONE) {
		send_response(d, peer, initiation, from, time);
		schedule(d, peer);
	}
	return drop;
}

/* Several together, because the vault is asked about them together. Returns how many were dropped.
 */
static unsigned consume_initiations(
	struct device *d, const struct event *const *events, unsigned num, struct device_time time)
{
	struct message_initiation messages[NOISE_MIXES_MAX];
	struct noise_initiation initiations[NOISE_MIXES_MAX] = {0};
	unsigned num_dropped = 0;

	for (unsigned i = 0; i < num; i++) {
		memcpy(&messages[i], events[i]->message, sizeof(messages[i]));
		initiations[i].message = &messages[i];
	}
	if (num == 1) {
		initiations[0].guess = *guess_of(d, &events[0]->endpoint);
		initiations[0].has_guess = table_get(&d->peers, initiations[0].guess) != NULL;
		if (initiations[0].has_guess)
			ephemeral_new(d, initiations[0].ephemeral_private);
	}
	noise_open_initiations(initiations, num, &d->ops.keys, d->public_key);
	for (unsigned i = 0; i < num; i++) {
		const struct peer *peer = peer_by_key(d, initiations[i].remote_static);

		if (peer)
			initiations[i].peer_id = peer->id;
		else if (initiations[i].drop == DROP_NONE)
			initiations[i].drop = DROP_UNKNOWN_PEER;
	}
	noise_prove_initiations(initiations, num, &d->ops.keys);
	for (unsigned i = 0; i < num; i++) {
		enum drop drop = initiations[i].drop;

		if (drop == DROP_NONE)
			drop = answer_initiation(d, &initiations[i], &events[i]->endpoint, time);
		if (drop != DROP_NONE) {
			status_drop(d->page, drop, 1);
			num_dropped++;
		}
	}
	wipe(initiations, sizeof(initiations));
	return num_dropped;
}

static enum drop consume_response(
	struct device *d, const struct event *event, struct device_time time)
{
	struct message_response message;
	struct peer *peer;
	enum drop drop;
	uint32_t value;

	memcpy(&message, event->message, sizeof(message));
	if (!map_get(&d->by_index, load_le32(&message.receiver_index), &value) ||
		(value & INDEX_IS_KEYPAIR))
		return DROP_UNKNOWN_INDEX;
	peer = known_peer(d, value);
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
	return map_get(&d->by_index, load_le32(&reply.receiver_index), &value)
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

/* All that comes before arithmetic. */
static enum drop admit(
	struct device *d, const struct event *event, bool under_load, struct device_time time)
{
	if (event->len == 0 || event->len != message_handshake_len(load_le32(event->message)))
		return DROP_WRONG_LENGTH;
	if (!d->up || !d->has_key)
		return DROP_BAD_HANDSHAKE;
	if (under_load && load_le32(event->message) != MESSAGE_COOKIE_REPLY)
		return defend(d, event, time.now_ns);
	return DROP_NONE;
}

unsigned device_handle_handshakes(struct device *d, const struct event *const *events, unsigned num,
	bool under_load, struct device_time time)
{
	const struct event *initiations[NOISE_MIXES_MAX];
	unsigned num_initiations = 0, num_futile = 0;

	assert(num <= NOISE_MIXES_MAX);
	for (unsigned i = 0; i < num; i++) {
		uint32_t type = load_le32(events[i]->message);
		enum drop drop = admit(d, events[i], under_load, time);

		if (drop == DROP_NONE && type == MESSAGE_INITIATION)
			initiations[num_initiations++] = events[i];
		else if (drop == DROP_NONE && type == MESSAGE_RESPONSE) {
			drop = consume_response(d, events[i], time);
			num_futile += drop == DROP_BAD_HANDSHAKE;
		} else if (drop == DROP_NONE)
			drop = consume_cookie_reply(d, events[i], time.now_ns);
		if (drop != DROP_NONE)
			status_drop(d->page, drop, 1);
	}
	num_futile += consume_initiations(d, initiations, num_initiations, time);
	return num_futile;
}
