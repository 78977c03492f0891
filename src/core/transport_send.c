/* SPDX-License-Identifier: MIT
 *
 * The way of a packet out: transport_encrypt, seal, transport_flush_out.
 */
#include "core/transport_internal.h"

void transport_flush_out(struct transport *t)
{
	aead_seal_many(t->jobs, t->num_jobs);
	if (t->out.num)
		t->ops.send(t->ops.ctx, &t->out);
	t->num_jobs = 0;
	t->out.num = 0;
	t->num_scratch = 0;
}

static void push_out(struct transport *t, struct packet packet)
{
	t->out.packets[t->out.num++] = packet;
	if (t->out.num == BATCH_MAX)
		transport_flush_out(t);
}

/* A buffer that stays valid until the batch is flushed. */
static uint8_t *scratch_next(struct transport *t)
{
	if (t->num_scratch == NUM_SCRATCH)
		transport_flush_out(t);
	return t->scratch[t->num_scratch++] + PACKET_HEADROOM;
}

/* Zeros up to a multiple of 16 hide the exact length, but never beyond the MTU. */
static uint32_t padding_len(uint32_t len, uint32_t mtu)
{
	uint32_t last = mtu && len > mtu ? len % mtu : len;
	uint32_t padded = (last + PADDING_MULTIPLE - 1) & ~(uint32_t)(PADDING_MULTIPLE - 1);

	return (mtu && padded > mtu ? mtu : padded) - last;
}

/* Make a packet (empty: a keepalive) a data message in place and queue it, to be encrypted with the
 * others of the batch. The peer's current keypair can send. */
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
	memcpy(packet.data, &header, sizeof(header));
	t->jobs[t->num_jobs++] = (struct aead_job){.data = data,
		.len = padded,
		.counter = header.counter,
		.key = keypair->sending_key};
	push_out(t, packet);

	add_bytes(&status->tx_bytes, packet.len);
	if (len && status_data_sent(status, now_ns))
		transport_emit(t, EVENT_WATCH, peer->id, 0);
	status_any_sent(status, now_ns);
	if (keypair_should_rekey_on_send(keypair, now_ns))
		transport_want_handshake(t, peer, now_ns);
}

void transport_send_staged(struct transport *t, struct transport_peer *peer, uint64_t now_ns)
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
		transport_want_handshake(t, peer, now_ns);
}

void transport_send_keepalive(struct transport *t, struct transport_peer *peer, uint64_t now_ns)
{
	if (!t->up || !peer->endpoint.family)
		return;
	if (peer->staged.num)
		transport_send_staged(t, peer, now_ns);
	else if (keypair_can_send(peer->keypairs.current, now_ns))
		seal(t, peer, scratch_next(t), 0, 0, now_ns);
	else
		transport_want_handshake(t, peer, now_ns);
}

void transport_send_message(struct transport *t, const struct control_handshake *handshake,
	struct endpoint *to, uint8_t tos)
{
	uint8_t *data = scratch_next(t);

	memcpy(data, handshake->message, handshake->len);
	push_out(t,
		(struct packet){.data = data, .len = handshake->len, .tos = tos, .endpoint = to});
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
	transport_push_in(t, buffer + PACKET_HEADROOM, (uint32_t)len);
	transport_flush_in(t);
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
		transport_want_handshake(t, peer, now_ns);
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
	transport_flush_out(t);
}
