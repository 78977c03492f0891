/* SPDX-License-Identifier: MIT
 *
 * The way of a packet in: transport_decrypt, prepare_data, accept_data, transport_flush_in.
 */
#include "core/transport_internal.h"

#include "core/cookie.h"

void transport_flush_in(struct transport *t)
{
	if (t->in.num)
		t->ops.deliver(t->ops.ctx, &t->in);
	t->in.num = 0;
}

void transport_push_in(struct transport *t, uint8_t *data, uint32_t len)
{
	t->in.packets[t->in.num++] = (struct packet){.data = data, .len = len};
	if (t->in.num == BATCH_MAX)
		transport_flush_in(t);
}

/* The peer has proved to hold this keypair. */
static void keypair_used(
	struct transport *t, struct transport_peer *peer, struct keypair *keypair, uint64_t now_ns)
{
	struct keypairs_dropped dropped;

	if (keypairs_confirm(&peer->keypairs, keypair, &dropped)) {
		transport_dispose(t, dropped);
		transport_emit(t, EVENT_KEYPAIR_CONFIRMED, peer->id, keypair->local_index);
		transport_send_staged(t, peer, now_ns);
	}
	if (peer->keypairs.current &&
		keypair_should_rekey_on_receive(peer->keypairs.current, now_ns))
		transport_want_handshake(t, peer, now_ns);
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
	transport_push_in(t, data, inner.len);
	return DROP_NONE;
}

/* The keypair of a data message and its peer, if it may be received with it. */
static enum drop find_keypair(struct transport *t, const struct packet *datagram, uint64_t now_ns,
	struct transport_peer **ret_peer, struct keypair **ret_keypair)
{
	struct message_data header;
	uint32_t id;

	memcpy(&header, datagram->data, sizeof(header));
	if (!map_get(&t->by_local_index, header.receiver_index, &id))
		return DROP_UNKNOWN_INDEX;
	*ret_peer = table_get(&t->peers, id);
	*ret_keypair = keypairs_find(&(*ret_peer)->keypairs, header.receiver_index);
	if (!keypair_can_receive(*ret_keypair, header.counter, now_ns))
		return DROP_KEYPAIR_EXPIRED;
	return DROP_NONE;
}

/* What is to be decrypted of a data message. */
static enum drop prepare_data(struct transport *t, const struct packet *datagram, uint64_t now_ns,
	struct aead_job *ret_job)
{
	struct transport_peer *peer;
	struct keypair *keypair;
	enum drop drop;

	if (datagram->len < MESSAGE_DATA_MIN)
		return DROP_WRONG_LENGTH;
	drop = find_keypair(t, datagram, now_ns, &peer, &keypair);
	if (drop == DROP_NONE)
		*ret_job = (struct aead_job){.data = datagram->data + sizeof(struct message_data),
			.len = datagram->len - MESSAGE_DATA_MIN,
			.counter = load_le64(datagram->data + 8),
			.key = keypair->receiving_key};
	return drop;
}

/* Take in a data message that is authentic. Its keypair is looked up again: the messages before it
 * may have changed what the peer has. */
static enum drop accept_data(struct transport *t, const struct packet *datagram,
	const struct aead_job *job, uint64_t now_ns)
{
	struct transport_peer *peer;
	struct keypair *keypair;
	struct peer_status *status;
	enum drop drop = find_keypair(t, datagram, now_ns, &peer, &keypair);

	if (drop != DROP_NONE)
		return drop;
	if (!replay_accept(&keypair->replay, job->counter))
		return DROP_REPLAYED;

	roam(peer, datagram->endpoint);
	status = status_of(t, peer);
	status_any_received(status, now_ns);
	add_bytes(&status->rx_bytes, datagram->len);
	keypair_used(t, peer, keypair, now_ns);
	if (job->len == 0)
		return DROP_NONE; /* a keepalive */
	if (status_data_received(status, now_ns))
		transport_emit(t, EVENT_WATCH, peer->id, 0);
	return accept_inner(t, peer, job->data, job->len, datagram->tos);
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

/* Pass a handshake message on, or say in ret_job what is to be decrypted of a data message (else
 * its data is NULL). */
static enum drop sort_datagram(struct transport *t, const struct packet *datagram, uint64_t now_ns,
	struct aead_job *ret_job)
{
	uint32_t type;

	ret_job->data = NULL;
	if (datagram->len < sizeof(type))
		return DROP_WRONG_LENGTH;
	type = load_le32(datagram->data);
	return type == MESSAGE_DATA ? prepare_data(t, datagram, now_ns, ret_job)
				    : pass_handshake(t, datagram, type);
}

void transport_decrypt(struct transport *t, struct batch *datagrams, uint64_t now_ns)
{
	const struct packet *of_job[BATCH_MAX];
	struct aead_job jobs[BATCH_MAX];
	unsigned num_jobs = 0;

	for (unsigned i = 0; i < datagrams->num && t->up; i++) {
		const struct packet *datagram = &datagrams->packets[i];
		enum drop drop = sort_datagram(t, datagram, now_ns, &jobs[num_jobs]);

		if (drop != DROP_NONE)
			count_drop(t, drop);
		else if (jobs[num_jobs].data)
			of_job[num_jobs++] = datagram;
	}
	aead_open_many(jobs, num_jobs);
	for (unsigned i = 0; i < num_jobs; i++) {
		enum drop drop =
			jobs[i].ok ? accept_data(t, of_job[i], &jobs[i], now_ns) : DROP_BAD_TAG;

		if (drop != DROP_NONE)
			count_drop(t, drop);
	}
	transport_flush_in(t);
	transport_flush_out(t);
}
