/* SPDX-License-Identifier: MIT
 *
 * The way of a packet out: transport_encrypt, queue_data, transport_seal_out, transport_send_out;
 * and of those that wait for a peer (core/wanted.h): hold_packet, send_held.
 */
#include "core/transport_internal.h"

#include <errno.h>

/* What is noted of packets that went out. */
static void note_sent(struct transport_worker *w, const struct out_run *run)
{
	struct transport *t = w->transport;
	struct peer_status *status = status_of(t, run->peer);

	add_bytes(&status->tx_bytes, run->bytes);
	if (run->num_data && status_data_sent(status, w->now_ns))
		transport_emit(t, EVENT_WATCH, run->peer->id, 0);
	status_any_sent(status, w->now_ns);
	if (keypair_should_rekey_on_send(run->keypair, w->now_ns))
		transport_want_handshake(t, run->peer, w->now_ns);
}

void transport_seal_out(struct transport_worker *w)
{
	for (unsigned i = w->num_sealed; i < w->num_runs; i++) {
		const struct out_run *run = &w->runs[i];
		uint64_t counter;

		if (!run->keypair)
			continue;
		counter = atomic_fetch_add_explicit(
			&run->keypair->sending_counter, run->num_jobs, memory_order_relaxed);
		for (unsigned k = 0; k < run->num_jobs; k++, counter++) {
			struct aead_job *job = &w->jobs[run->first_job + k];

			job->counter = counter;
			store_le64(job->data - sizeof(counter), counter);
		}
		note_sent(w, run);
	}
	aead_seal_many(w->jobs, w->num_jobs);
	w->num_jobs = 0;
	w->num_sealed = w->num_runs;
}

/* The socket would not take a datagram from this source. */
static void give_up_source(struct transport_worker *w, const struct out_run *run)
{
	const bool was_exclusive = w->is_exclusive;
	struct transport_peer *peer;

	if (!was_exclusive)
		transport_lock_exclusive(w);
	peer = table_get(&w->transport->peers, run->peer_id);
	if (peer && endpoint_same_remote(&peer->endpoint, &run->to))
		endpoint_clear_source(&peer->endpoint);
	if (!was_exclusive)
		transport_unlock_worker(w);
}

void transport_send_out(struct transport_worker *w)
{
	if (w->out.num)
		w->transport->ops.send(w->ctx, &w->out);
	for (unsigned i = 0; i < w->num_runs; i++) {
		if (w->runs[i].has_source && !endpoint_has_source(&w->runs[i].to))
			give_up_source(w, &w->runs[i]);
	}
	w->out.num = 0;
	w->num_runs = w->num_sealed = 0;
	w->num_scratch = 0;
}

/* Make room for a packet more. There always is when the packets of one batch are queued. */
static void make_room(struct transport_worker *w, unsigned scratch)
{
	if (w->out.num < BATCH_MAX && w->num_scratch + scratch <= NUM_SCRATCH)
		return;
	transport_seal_out(w);
	transport_send_out(w);
}

/* A buffer that stays valid until the batch is sent. */
static uint8_t *scratch_next(struct transport_worker *w)
{
	make_room(w, 1);
	return w->scratch[w->num_scratch++] + PACKET_HEADROOM;
}

/* The run that a packet belongs to: the last one, or a new one. */
static struct out_run *find_run(struct transport_worker *w, struct transport_peer *peer,
	struct keypair *keypair, const struct endpoint *to)
{
	struct out_run *run = &w->runs[w->num_runs];

	if (keypair && w->num_runs > w->num_sealed && run[-1].keypair == keypair)
		return &run[-1];
	w->num_runs++;
	*run = (struct out_run){.peer = peer,
		.keypair = keypair,
		.peer_id = peer ? peer->id : UINT32_MAX,
		.first_job = w->num_jobs,
		.has_source = endpoint_has_source(to),
		.to = *to};
	return run;
}

/* Zeros up to a multiple of 16 hide the exact length, but never beyond the MTU. */
static uint32_t padding_len(uint32_t len, uint32_t mtu)
{
	uint32_t last = mtu && len > mtu ? len % mtu : len;
	uint32_t padded = (last + PADDING_MULTIPLE - 1) & ~(uint32_t)(PADDING_MULTIPLE - 1);

	return (mtu && padded > mtu ? mtu : padded) - last;
}

/* Make a packet (empty: a keepalive) a data message in place and queue it, to be numbered and
 * encrypted with the others of the batch. The peer's current keypair can send. */
static void queue_data(struct transport_worker *w, struct transport_peer *peer, uint8_t *data,
	uint32_t len, uint8_t tos)
{
	struct keypair *keypair = peer->keypairs.current;
	struct out_run *run = find_run(w, peer, keypair, &peer->endpoint);
	uint32_t padded = len + padding_len(len, w->transport->mtu);
	struct message_data header = {le32(MESSAGE_DATA), le32(keypair->remote_index), le64(0)};
	struct packet packet = {.data = data - sizeof(header),
		.len = padded + MESSAGE_DATA_MIN,
		.tos = tos,
		.endpoint = &run->to};

	memset(data + len, 0, padded - len);
	memcpy(packet.data, &header, sizeof(header));
	w->jobs[w->num_jobs++] =
		(struct aead_job){.data = data, .len = padded, .key = keypair->sending_key};
	run->num_jobs++;
	run->num_data += len != 0;
	run->bytes += packet.len;
	w->out.packets[w->out.num++] = packet;
}

void transport_send_staged(struct transport_worker *w, struct transport_peer *peer)
{
	struct transport *t = w->transport;

	while (peer->staged.num && keypair_can_send(peer->keypairs.current, w->now_ns)) {
		uint8_t *data = scratch_next(w);
		struct inner inner;
		uint32_t len;

		if (staged_pop(t->staged, &peer->staged, data, &len) &&
			inner_parse(data, len, &inner))
			queue_data(w, peer, data, len, inner_ecn_encapsulate(inner.tos));
	}
	if (peer->staged.num)
		transport_want_handshake(t, peer, w->now_ns);
}

void transport_send_keepalive(struct transport_worker *w, struct transport_peer *peer)
{
	if (!w->transport->up || !peer->endpoint.family)
		return;
	if (peer->staged.num)
		transport_send_staged(w, peer);
	else if (keypair_can_send(peer->keypairs.current, w->now_ns))
		queue_data(w, peer, scratch_next(w), 0, 0);
	else
		transport_want_handshake(w->transport, peer, w->now_ns);
}

void transport_send_message(struct transport_worker *w, struct transport_peer *peer,
	const struct control_handshake *handshake, uint8_t tos)
{
	uint8_t *data = scratch_next(w);
	struct out_run *run =
		find_run(w, peer, NULL, peer ? &peer->endpoint : &handshake->endpoint);

	memcpy(data, handshake->message, handshake->len);
	w->out.packets[w->out.num++] = (struct packet){
		.data = data, .len = handshake->len, .tos = tos, .endpoint = &run->to};
}

/* Tell the local sender of a packet that it cannot be delivered, at a bounded rate. */
static void answer_unreachable(
	struct transport_worker *w, const struct packet *packet, bool prohibited)
{
	const uint64_t cost_ns = SECOND_NS / UNREACHABLES_PER_S;
	uint8_t buffer[PACKET_HEADROOM + 1280];
	size_t len;

	if (!rate_has_room(&w->unreachables, w->now_ns, cost_ns, UNREACHABLES_BURST))
		return;
	len = inner_unreachable(buffer + PACKET_HEADROOM, packet->data, packet->len, prohibited);
	if (len == 0)
		return;
	rate_spend(&w->unreachables, w->now_ns, cost_ns);
	transport_push_in(w, buffer + PACKET_HEADROOM, (uint32_t)len);
	transport_flush_in(w);
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
	if (load_le32(&header.type) != MESSAGE_DATA ||
		!map_get(&t->by_remote_index, load_le32(&header.receiver_index), &id))
		return false;
	peer = table_get(&t->peers, id);
	return peer && peer->endpoint.family == inner->family && peer->endpoint.port == port &&
	       memcmp(peer->endpoint.addr, inner->dst, address_bits(inner->family) / 8) == 0;
}

/* Returns false, with nothing done, when the packet needs the exclusive lock. */
static bool encrypt_packet(
	struct transport_worker *w, const struct packet *packet, enum drop *ret_drop)
{
	struct transport *t = w->transport;
	struct transport_peer *peer;
	struct inner inner;

	*ret_drop = DROP_NONE;
	if (!inner_parse(packet->data, packet->len, &inner)) {
		*ret_drop = DROP_BAD_INNER;
		return true;
	}
	peer = table_get(&t->peers, allowedips_lookup(t->allowedips, inner.family, inner.dst));
	if (!peer)
		*ret_drop = DROP_NO_PEER;
	else if (!peer->endpoint.family)
		*ret_drop = DROP_NO_ENDPOINT;
	else if (is_own_datagram(t, packet, &inner))
		*ret_drop = DROP_LOOP;
	else if (keypair_can_send(peer->keypairs.current, w->now_ns))
		queue_data(w, peer, packet->data, packet->len, inner_ecn_encapsulate(inner.tos));
	else if (!w->is_exclusive)
		return false;
	else {
		status_drop(t->page, DROP_STAGED, staged_push(t->staged, &peer->staged, packet));
		transport_want_handshake(t, peer, w->now_ns);
	}
	return true;
}

/* A packet to a destination without a peer waits for one, if somebody watches: then it is not
 * dropped, or for another reason. Returns false, with nothing done, when that needs the exclusive
 * lock. */
static bool hold_packet(
	struct transport_worker *w, const struct packet *packet, enum drop *ret_drop)
{
	struct transport *t = w->transport;
	const struct wanted_destination *new;
	struct inner inner;

	if (!t->is_watched || !inner_parse(packet->data, packet->len, &inner) ||
		!inner_is_routable(inner.family, inner.dst))
		return true;
	if (!w->is_exclusive)
		return false;
	*ret_drop = wanted_hold(&t->wanted, &inner, packet, w->now_ns, &new);
	if (new)
		t->ops.want(t->ops.ctx, &new->address);
	return true;
}

/* A packet was sent, or staged or held, or is dropped. */
static void note_drop(struct transport_worker *w, const struct packet *packet, enum drop drop)
{
	if (drop == DROP_NONE)
		return;
	count_drop(w->transport, drop);
	if (drop == DROP_NO_PEER || drop == DROP_NO_ENDPOINT || drop == DROP_REFUSED)
		answer_unreachable(w, packet, drop == DROP_REFUSED);
}

/* Encrypt all packets but those that need the exclusive lock, which become the batch. No peer has
 * packets of both kinds in one batch, so that order is kept. */
static void encrypt_packets(struct transport_worker *w, struct batch *packets)
{
	unsigned num_aside = 0;

	for (unsigned i = 0; i < packets->num && w->transport->up; i++) {
		const struct packet *packet = &packets->packets[i];
		enum drop drop;

		if (!encrypt_packet(w, packet, &drop) ||
			(drop == DROP_NO_PEER && !hold_packet(w, packet, &drop)))
			packets->packets[num_aside++] = *packet;
		else
			note_drop(w, packet, drop);
	}
	packets->num = num_aside;
}

void transport_encrypt(struct transport_worker *w, struct batch *packets, uint64_t now_ns)
{
	w->now_ns = now_ns;
	transport_lock_shared(w);
	encrypt_packets(w, packets);
	transport_unlock_worker(w);
	if (packets->num) {
		transport_lock_exclusive(w);
		encrypt_packets(w, packets);
		transport_unlock_worker(w);
	}
	transport_send_out(w);
	transport_forget_disposed(w);
}

/* --- destinations without a peer ------------------------------------- */

/* What was held for a destination goes its way, or is dropped for lack of one. */
static void send_held(struct transport_worker *w, struct wanted_destination *destination)
{
	struct packet packet = {0};

	while (destination->held.num) {
		enum drop drop;

		packet.data = scratch_next(w);
		if (!staged_pop(w->transport->wanted.pool, &destination->held, packet.data,
			    &packet.len))
			break;
		(void)encrypt_packet(w, &packet, &drop); /* the lock is exclusive */
		if (drop == DROP_NO_PEER && destination->is_refused)
			drop = DROP_REFUSED;
		note_drop(w, &packet, drop);
	}
}

int transport_add_allowed_ip(
	struct transport *t, uint32_t peer_id, const struct prefix *prefix, uint64_t now_ns)
{
	int r = table_get(&t->peers, peer_id) ? allowedips_insert(t->allowedips, prefix, peer_id)
					      : -ENOENT;

	t->first->now_ns = now_ns;
	for (unsigned i = 0; i < WANTED_MAX && t->is_watched && r == 0; i++) {
		struct wanted_destination *d = &t->wanted.destinations[i];

		if (!d->address.family || allowedips_lookup(t->allowedips, d->address.family,
						  d->address.addr) == ALLOWEDIPS_NONE)
			continue;
		send_held(t->first, d);
		wanted_forget(&t->wanted, d);
	}
	return r;
}

void transport_watch(struct transport *t, bool on, uint64_t now_ns)
{
	t->first->now_ns = now_ns;
	for (unsigned i = 0; i < WANTED_MAX; i++) {
		send_held(t->first, &t->wanted.destinations[i]);
		wanted_forget(&t->wanted, &t->wanted.destinations[i]);
	}
	t->is_watched = on;
}

void transport_refuse(struct transport *t, const struct prefix *address, uint64_t now_ns)
{
	struct wanted_destination *d;

	if (!t->is_watched)
		return;
	t->first->now_ns = now_ns;
	d = wanted_refuse(&t->wanted, address->family, address->addr, now_ns);
	if (d)
		send_held(t->first, d);
}

uint64_t transport_run_timers(struct transport *t, uint64_t now_ns)
{
	const uint64_t deadline_ns = atomic_load(&t->wanted.deadline_ns);

	if (!deadline_ns || now_ns < deadline_ns)
		return deadline_ns;
	transport_lock(t);
	t->first->now_ns = now_ns;
	for (unsigned i = 0; i < WANTED_MAX; i++) {
		struct wanted_destination *d = &t->wanted.destinations[i];

		if (!wanted_is_overdue(d, now_ns))
			continue;
		send_held(t->first, d);
		wanted_forget(&t->wanted, d);
	}
	wanted_set_deadline(&t->wanted);
	transport_unlock(t);
	return atomic_load(&t->wanted.deadline_ns);
}
