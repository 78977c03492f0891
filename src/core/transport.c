/* SPDX-License-Identifier: MIT
 *
 * The transport: a packet's way out is transport_encrypt, seal, send; its way in is
 * transport_decrypt, open_data, deliver.
 */
#include "core/transport.h"

#include <errno.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/table.h"
#include "core/cookie.h"
#include "core/inner.h"
#include "core/keypair.h"
#include "core/staged.h"

enum {
	STAGED_CHUNKS = 8192, /* 16 MiB for all peers together, touched as used */
	NUM_SCRATCH = 8,
	UNREACHABLES_PER_S = 1000,
	UNREACHABLES_BURST = 50,
};

/* A peer without keypair asks for a handshake with every packet, but the device only so often. */
#define WANT_INTERVAL_NS (250 * MSEC_NS)

struct transport_peer {
	uint32_t id;
	struct staged_queue staged;
	struct endpoint endpoint;
	struct keypairs keypairs;
	uint64_t want_after_ns;
};

struct transport {
	struct transport_ops ops;
	struct status_page *page; /* borrowed */
	bool up;
	bool has_key;
	uint32_t mtu;
	uint8_t mac1_key[KEY_LEN];
	struct table peers; /* struct transport_peer by id */
	struct allowedips *allowedips;
	struct staged_pool *staged;
	struct map by_local_index; /* receiver index of ours -> id */
	struct map
		by_remote_index; /* receiver index we send with -> id: to know our own datagrams */
	uint64_t unreachable_credit_ns, unreachable_last_ns;
	struct batch out, in;
	uint8_t (
		*scratch)[PACKET_BUF]; /* NUM_SCRATCH: staged packets and keepalives on their way */
	unsigned num_scratch;
};

struct transport *transport_new(const struct transport_ops *ops, struct status_page *page)
{
	struct transport *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->ops = *ops;
	t->page = page;
	t->allowedips = allowedips_new();
	t->staged = staged_pool_new(STAGED_CHUNKS);
	t->scratch = calloc(NUM_SCRATCH, PACKET_BUF);
	if (table_init(&t->peers, MAX_PEERS, sizeof(struct transport_peer)) < 0 || !t->allowedips ||
		!t->staged || !t->scratch) {
		transport_free(t);
		return NULL;
	}
	return t;
}

void transport_free(struct transport *t)
{
	if (!t)
		return;
	for (uint32_t id = 0; table_next(&t->peers, &id); id++)
		transport_remove_peer(t, id);
	table_deinit(&t->peers);
	allowedips_free(t->allowedips);
	staged_pool_free(t->staged);
	free(t->scratch);
	map_deinit(&t->by_local_index);
	map_deinit(&t->by_remote_index);
	free(t);
}

static struct peer_status *status_of(struct transport *t, const struct transport_peer *peer)
{
	return &t->page->peers[peer->id];
}

static void count_drop(struct transport *t, enum drop reason)
{
	status_drop(t->page, reason, 1);
}

static void emit_event(struct transport *t, enum event_type type, uint32_t peer_id, uint32_t index)
{
	struct event event = {.type = type, .peer_id = peer_id, .local_index = index};

	t->ops.emit(t->ops.ctx, &event);
}

static void want_handshake(struct transport *t, struct transport_peer *peer, uint64_t now_ns)
{
	if (now_ns < peer->want_after_ns)
		return;
	peer->want_after_ns = now_ns + WANT_INTERVAL_NS;
	emit_event(t, EVENT_WANT_HANDSHAKE, peer->id, 0);
}

static void add_bytes(_Atomic uint64_t *counter, uint64_t bytes)
{
	atomic_fetch_add_explicit(counter, bytes, memory_order_relaxed);
}

/* --- configuration --------------------------------------------------- */

void transport_set_public_key(struct transport *t, const uint8_t public_key[KEY_LEN])
{
	t->has_key = !bytes_are_zero(public_key, KEY_LEN);
	cookie_mac1_key(t->mac1_key, public_key);
}

void transport_set_link(struct transport *t, bool up, uint32_t mtu)
{
	t->up = up;
	t->mtu = mtu;
}

int transport_add_peer(struct transport *t, uint32_t peer_id)
{
	struct transport_peer *peer;
	int r = table_add(&t->peers, peer_id);

	if (r < 0)
		return r;
	peer = table_get(&t->peers, peer_id);
	peer->id = peer_id;
	memset(status_of(t, peer), 0, sizeof(struct peer_status));
	return 0;
}

static void dispose(struct transport *t, struct keypairs_dropped dropped)
{
	for (size_t i = 0; i < ARRAY_SIZE(dropped.keypairs); i++) {
		struct keypair *keypair = dropped.keypairs[i];

		if (!keypair)
			continue;
		map_remove(&t->by_local_index, keypair->local_index);
		map_remove(&t->by_remote_index, keypair->remote_index);
		emit_event(t, EVENT_KEYPAIR_GONE, 0, keypair->local_index);
		keypair_free(keypair);
		aead_forget();
	}
}

static void purge_staged(struct transport *t, struct transport_peer *peer)
{
	status_drop(t->page, DROP_STAGED, staged_purge(t->staged, &peer->staged));
	peer->want_after_ns = 0;
}

void transport_remove_peer(struct transport *t, uint32_t peer_id)
{
	struct transport_peer *peer = table_get(&t->peers, peer_id);

	if (!peer)
		return;
	allowedips_remove_peer(t->allowedips, peer_id);
	dispose(t, keypairs_clear(&peer->keypairs));
	purge_staged(t, peer);
	table_remove(&t->peers, peer_id);
}

void transport_set_endpoint(struct transport *t, uint32_t peer_id, const struct endpoint *endpoint)
{
	struct transport_peer *peer = table_get(&t->peers, peer_id);

	if (!peer)
		return;
	peer->endpoint = *endpoint;
	endpoint_clear_source(&peer->endpoint);
}

struct endpoint *transport_endpoint(const struct transport *t, uint32_t peer_id)
{
	struct transport_peer *peer = table_get(&t->peers, peer_id);

	return peer ? &peer->endpoint : NULL;
}

void transport_forget_sources(struct transport *t)
{
	struct transport_peer *peer;

	for (uint32_t id = 0; (peer = table_next(&t->peers, &id)); id++)
		endpoint_clear_source(&peer->endpoint);
}

struct allowedips *transport_allowedips(struct transport *t)
{
	return t->allowedips;
}

/* --- out ------------------------------------------------------------- */

static void flush_out(struct transport *t)
{
	if (t->out.num)
		t->ops.send(t->ops.ctx, &t->out);
	t->out.num = 0;
	t->num_scratch = 0;
}

static void push_out(struct transport *t, struct packet packet)
{
	t->out.packets[t->out.num++] = packet;
	if (t->out.num == BATCH_MAX)
		flush_out(t);
}

/* A buffer that stays valid until the batch is flushed. */
static uint8_t *scratch_next(struct transport *t)
{
	if (t->num_scratch == NUM_SCRATCH)
		flush_out(t);
	return t->scratch[t->num_scratch++] + PACKET_HEADROOM;
}

/* Zeros up to a multiple of 16 hide the exact length, but never beyond the MTU. */
static uint32_t padding_len(uint32_t len, uint32_t mtu)
{
	uint32_t last = mtu && len > mtu ? len % mtu : len;
	uint32_t padded = (last + PADDING_MULTIPLE - 1) & ~(uint32_t)(PADDING_MULTIPLE - 1);

	return (mtu && padded > mtu ? mtu : padded) - last;
}

/* Make a packet (empty: a keepalive) a data message in place and queue it. The peer's current
 * keypair can send. */
static void seal(struct transport *t, struct transport_peer *peer, uint8_t *data, uint32_t len,
	uint8_t tos, uint64_t now_ns)
{
	struct keypair *keypair = peer->keypairs.current;
	struct peer_status *status = status_of(t, peer);
	uint32_t padded = len + padding_len(len, t->mtu);
	struct message_data header = {
		MESSAGE_DATA, keypair->remote_index, keypair->sending_counter++};
	struct packet packet = {.data = data - sizeof(header),
		.len = padded + MESSAGE_DATA_MIN,
		.tos = tos,
		.endpoint = &peer->endpoint};

	memset(data + len, 0, padded - len);
	aead_seal(data, data, padded, NULL, 0, header.counter, keypair->sending_key);
	memcpy(packet.data, &header, sizeof(header));
	push_out(t, packet);

	add_bytes(&status->tx_bytes, packet.len);
	if (len && status_data_sent(status, now_ns))
		emit_event(t, EVENT_WATCH, peer->id, 0);
	status_any_sent(status, now_ns);
	if (keypair_should_rekey_on_send(keypair, now_ns))
		want_handshake(t, peer, now_ns);
}

static void send_staged(struct transport *t, struct transport_peer *peer, uint64_t now_ns)
{
	while (peer->staged.num && keypair_can_send(peer->keypairs.current, now_ns)) {
		uint8_t *data = scratch_next(t);
		struct inner inner;
		uint32_t len;

		if (staged_pop(t->staged, &peer->staged, data, &len) &&
			inner_parse(data, len, &inner))
			seal(t, peer, data, len, inner_ecn_encapsulate(inner.tos), now_ns);
	}
	if (peer->staged.num)
		want_handshake(t, peer, now_ns);
}

static void send_keepalive(struct transport *t, struct transport_peer *peer, uint64_t now_ns)
{
	if (!t->up || !peer->endpoint.family)
		return;
	if (peer->staged.num)
		send_staged(t, peer, now_ns);
	else if (keypair_can_send(peer->keypairs.current, now_ns))
		seal(t, peer, scratch_next(t), 0, 0, now_ns);
	else
		want_handshake(t, peer, now_ns);
}

static void flush_in(struct transport *t)
{
	if (t->in.num)
		t->ops.deliver(t->ops.ctx, &t->in);
	t->in.num = 0;
}

static void push_in(struct transport *t, uint8_t *data, uint32_t len)
{
	t->in.packets[t->in.num++] = (struct packet){.data = data, .len = len};
	if (t->in.num == BATCH_MAX)
		flush_in(t);
}

/* Tell the local sender of a packet that it cannot be delivered, at a bounded rate. */
static void answer_unreachable(struct transport *t, const struct packet *packet, uint64_t now_ns)
{
	const uint64_t cost_ns = SECOND_NS / UNREACHABLES_PER_S;
	uint8_t buffer[PACKET_HEADROOM + 1280];
	uint64_t credit_ns = t->unreachable_credit_ns + (now_ns - t->unreachable_last_ns);
	size_t len;

	if (credit_ns > UNREACHABLES_BURST * cost_ns)
		credit_ns = UNREACHABLES_BURST * cost_ns;
	t->unreachable_last_ns = now_ns;
	t->unreachable_credit_ns = credit_ns;
	if (credit_ns < cost_ns)
		return;
	len = inner_unreachable(buffer + PACKET_HEADROOM, packet->data, packet->len);
	if (len == 0)
		return;
	t->unreachable_credit_ns -= cost_ns;
	push_in(t, buffer + PACKET_HEADROOM, (uint32_t)len);
	flush_in(t);
}

/* Whether an inner packet is one of our own data messages: an endpoint is routed into the tunnel,
 * and each round would wrap it once more. */
static bool is_own_datagram(
	const struct transport *t, const struct packet *packet, const struct inner *inner)
{
	const struct transport_peer *peer;
	struct message_data header;
	const uint8_t *payload;
	uint16_t port;
	uint32_t id;

	if (!inner_udp(packet->data, inner, sizeof(header), &port, &payload))
		return false;
	memcpy(&header, payload, sizeof(header));
	if (header.type != MESSAGE_DATA ||
		!map_get(&t->by_remote_index, header.receiver_index, &id))
		return false;
	peer = table_get(&t->peers, id);
	return peer && peer->endpoint.family == inner->family && peer->endpoint.port == port &&
	       memcmp(peer->endpoint.addr, inner->dst, address_bits(inner->family) / 8) == 0;
}

static enum drop encrypt_packet(struct transport *t, const struct packet *packet, uint64_t now_ns)
{
	struct transport_peer *peer;
	struct inner inner;

	if (!inner_parse(packet->data, packet->len, &inner))
		return DROP_BAD_INNER;
	peer = table_get(&t->peers, allowedips_lookup(t->allowedips, inner.family, inner.dst));
	if (!peer)
		return DROP_NO_PEER;
	if (!peer->endpoint.family)
		return DROP_NO_ENDPOINT;
	if (is_own_datagram(t, packet, &inner))
		return DROP_LOOP;
	if (keypair_can_send(peer->keypairs.current, now_ns)) {
		seal(t, peer, packet->data, packet->len, inner_ecn_encapsulate(inner.tos), now_ns);
	} else {
		status_drop(t->page, DROP_STAGED, staged_push(t->staged, &peer->staged, packet));
		want_handshake(t, peer, now_ns);
	}
	return DROP_NONE;
}

void transport_encrypt(struct transport *t, struct batch *packets, uint64_t now_ns)
{
	for (unsigned i = 0; i < packets->num && t->up; i++) {
		const struct packet *packet = &packets->packets[i];
		enum drop drop = encrypt_packet(t, packet, now_ns);

		if (drop != DROP_NONE)
			count_drop(t, drop);
		if (drop == DROP_NO_PEER || drop == DROP_NO_ENDPOINT)
			answer_unreachable(t, packet, now_ns);
	}
	flush_out(t);
}

/* --- in -------------------------------------------------------------- */

static void roam(struct transport_peer *peer, const struct endpoint *endpoint)
{
	if (memcmp(&peer->endpoint, endpoint, sizeof(*endpoint)) != 0)
		peer->endpoint = *endpoint;
}

/* The peer has proved to hold this keypair. */
static void keypair_used(
	struct transport *t, struct transport_peer *peer, struct keypair *keypair, uint64_t now_ns)
{
	struct keypairs_dropped dropped;

	if (keypairs_confirm(&peer->keypairs, keypair, &dropped)) {
		dispose(t, dropped);
		emit_event(t, EVENT_KEYPAIR_CONFIRMED, peer->id, keypair->local_index);
		send_staged(t, peer, now_ns);
	}
	if (peer->keypairs.current &&
		keypair_should_rekey_on_receive(peer->keypairs.current, now_ns))
		want_handshake(t, peer, now_ns);
}

/* The inner packet of an authentic message: is it one, and may this peer send it? */
static enum drop accept_inner(struct transport *t, const struct transport_peer *peer, uint8_t *data,
	uint32_t len, uint8_t outer_tos)
{
	struct inner inner;

	if (!inner_parse(data, len, &inner))
		return DROP_BAD_INNER;
	inner_ecn_decapsulate(data, &inner, outer_tos);
	if (allowedips_lookup(t->allowedips, inner.family, inner.src) != peer->id)
		return DROP_NOT_ALLOWED;
	push_in(t, data, inner.len);
	return DROP_NONE;
}

static enum drop open_data(struct transport *t, const struct packet *datagram, uint64_t now_ns)
{
	struct message_data header;
	struct transport_peer *peer;
	struct keypair *keypair;
	struct peer_status *status;
	uint8_t *data = datagram->data + sizeof(header);
	uint32_t id, len;

	if (datagram->len < MESSAGE_DATA_MIN)
		return DROP_WRONG_LENGTH;
	memcpy(&header, datagram->data, sizeof(header));
	if (!map_get(&t->by_local_index, header.receiver_index, &id))
		return DROP_UNKNOWN_INDEX;
	peer = table_get(&t->peers, id);
	keypair = keypairs_find(&peer->keypairs, header.receiver_index);
	if (!keypair_can_receive(keypair, header.counter, now_ns))
		return DROP_KEYPAIR_EXPIRED;
	if (!aead_open(data, data, datagram->len - sizeof(header), NULL, 0, header.counter,
		    keypair->receiving_key))
		return DROP_BAD_TAG;
	if (!replay_accept(&keypair->replay, header.counter))
		return DROP_REPLAYED;

	roam(peer, datagram->endpoint);
	status = status_of(t, peer);
	status_any_received(status, now_ns);
	add_bytes(&status->rx_bytes, datagram->len);
	keypair_used(t, peer, keypair, now_ns);
	len = datagram->len - MESSAGE_DATA_MIN;
	if (len == 0)
		return DROP_NONE; /* a keepalive */
	if (status_data_received(status, now_ns))
		emit_event(t, EVENT_WATCH, peer->id, 0);
	return accept_inner(t, peer, data, len, datagram->tos);
}

static enum drop pass_handshake(struct transport *t, const struct packet *datagram, uint32_t type)
{
	struct event event = {.type = EVENT_HANDSHAKE_MESSAGE, .len = (uint16_t)datagram->len};
	size_t len = message_handshake_len(type);

	if (len == 0)
		return DROP_UNKNOWN_TYPE;
	if (datagram->len != len)
		return DROP_WRONG_LENGTH;
	if (type != MESSAGE_COOKIE_REPLY &&
		(!t->has_key || !cookie_mac1_is_valid(t->mac1_key, datagram->data, len)))
		return DROP_BAD_MAC1;
	event.endpoint = *datagram->endpoint;
	memcpy(event.message, datagram->data, len);
	t->ops.emit(t->ops.ctx, &event);
	return DROP_NONE;
}

static enum drop decrypt_datagram(
	struct transport *t, const struct packet *datagram, uint64_t now_ns)
{
	uint32_t type;

	if (datagram->len < sizeof(type))
		return DROP_WRONG_LENGTH;
	type = load_le32(datagram->data);
	return type == MESSAGE_DATA ? open_data(t, datagram, now_ns)
				    : pass_handshake(t, datagram, type);
}

void transport_decrypt(struct transport *t, struct batch *datagrams, uint64_t now_ns)
{
	for (unsigned i = 0; i < datagrams->num && t->up; i++) {
		enum drop drop = decrypt_datagram(t, &datagrams->packets[i], now_ns);

		if (drop != DROP_NONE)
			count_drop(t, drop);
	}
	flush_in(t);
	flush_out(t);
}

/* --- what the device wants ------------------------------------------- */

static void send_message(struct transport *t, const struct control_handshake *handshake,
	struct endpoint *to, uint8_t tos)
{
	uint8_t *data = scratch_next(t);

	memcpy(data, handshake->message, handshake->len);
	push_out(t,
		(struct packet){.data = data, .len = handshake->len, .tos = tos, .endpoint = to});
}

static void send_handshake(struct transport *t, struct transport_peer *peer,
	const struct control_handshake *handshake, uint64_t now_ns)
{
	struct peer_status *status = status_of(t, peer);

	if (handshake->forget_source)
		endpoint_clear_source(&peer->endpoint);
	if (!peer->endpoint.family) {
		count_drop(t, DROP_NO_ENDPOINT);
		return;
	}
	send_message(t, handshake, &peer->endpoint, HANDSHAKE_TOS);
	add_bytes(&status->tx_bytes, handshake->len);
	status_any_sent(status, now_ns);
}

static void install_keypair(struct transport *t, struct transport_peer *peer,
	const struct control_keypair *description, uint64_t now_ns)
{
	struct peer_status *status = status_of(t, peer);
	struct keypair *keypair = keypair_new(description);
	bool known;
	uint32_t id;

	known = map_get(&t->by_local_index, description->local_index, &id);
	if (!keypair || known || map_put(&t->by_local_index, keypair->local_index, peer->id) < 0) {
		keypair_free(keypair);
		if (!known)
			emit_event(t, EVENT_KEYPAIR_GONE, 0, description->local_index);
		return;
	}
	if (keypair->birth_ns > now_ns)
		keypair->birth_ns = now_ns; /* the engine's word, but no key lives longer for it */
	/* without it only the loop guard is missing */
	(void)!map_put(&t->by_remote_index, keypair->remote_index, peer->id);
	dispose(t, keypairs_install(&peer->keypairs, keypair));
	roam(peer, &description->endpoint);
	add_bytes(&status->rx_bytes, description->is_initiator ? sizeof(struct message_response)
							       : sizeof(struct message_initiation));
	status_any_received(status, now_ns);
	peer->want_after_ns = 0;
	if (description->is_initiator)
		send_keepalive(t, peer, now_ns); /* the responder may not send before us */
}

static void handle_peer_control(struct transport *t, struct transport_peer *peer,
	const struct control *control, uint64_t now_ns)
{
	switch ((enum control_type)control->type) {
	case CONTROL_SEND_HANDSHAKE:
		send_handshake(t, peer, &control->handshake, now_ns);
		break;
	case CONTROL_INSTALL_KEYPAIR:
		install_keypair(t, peer, &control->keypair, now_ns);
		break;
	case CONTROL_CLEAR_KEYPAIRS:
		dispose(t, keypairs_clear(&peer->keypairs));
		break;
	case CONTROL_EXPIRE_SENDING:
		if (peer->keypairs.current)
			peer->keypairs.current->sending_expired = true;
		if (peer->keypairs.next)
			peer->keypairs.next->sending_expired = true;
		break;
	case CONTROL_SEND_KEEPALIVE:
		send_keepalive(t, peer, now_ns);
		break;
	case CONTROL_PURGE_STAGED:
		purge_staged(t, peer);
		break;
	case CONTROL_SEND_COOKIE_REPLY:
		break;
	}
}

void transport_handle_control(struct transport *t, const struct control *control, uint64_t now_ns)
{
	struct transport_peer *peer = table_get(&t->peers, control->peer_id);
	struct endpoint to = control->handshake.endpoint; /* until the flush below */

	if (control->type == CONTROL_SEND_COOKIE_REPLY)
		send_message(t, &control->handshake, &to, 0);
	else if (peer) /* it may just have been removed */
		handle_peer_control(t, peer, control, now_ns);
	flush_out(t);
}
