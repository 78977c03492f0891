/* SPDX-License-Identifier: MIT
 *
 * The way of a packet in: transport_decrypt, prepare_data, accept_run, transport_flush_in.
 */
#include "core/transport_internal.h"

#include "core/cookie.h"

void transport_flush_in(struct transport_worker *w)
{
	if (w->in.num)
		w->transport->ops.deliver(w->ctx, &w->in);
	w->in.num = 0;
}

void transport_push_in(struct transport_worker *w, uint8_t *data, uint32_t len)
{
	if (w->in.num == BATCH_MAX)
		transport_flush_in(w);
	w->in.packets[w->in.num++] = (struct packet){.data = data, .len = len};
}

/* The peer has proved to hold this keypair. */
static void keypair_used(
	struct transport_worker *w, struct transport_peer *peer, struct keypair *keypair)
{
	struct transport *t = w->transport;
	struct keypairs_dropped dropped;

	if (keypair == peer->keypairs.next &&
		keypairs_confirm(&peer->keypairs, keypair, &dropped)) {
		transport_dispose(w, dropped);
		transport_emit(t, EVENT_KEYPAIR_CONFIRMED, peer->id, keypair->local_index);
		transport_send_staged(w, peer);
	}
	if (peer->keypairs.current &&
		keypair_should_rekey_on_receive(peer->keypairs.current, w->now_ns))
		transport_want_handshake(t, peer, w->now_ns);
}

/* The inner packet of an authentic message: is it one, and may this peer send it? */
static enum drop accept_inner(struct transport_worker *w, const struct transport_peer *peer,
	uint8_t *data, uint32_t len, uint8_t outer_tos)
{
	struct inner inner;

	if (!inner_parse(data, len, &inner))
		return DROP_BAD_INNER;
	inner_ecn_decapsulate(data, &inner, outer_tos);
	if (allowedips_lookup(w->transport->allowedips, inner.family, inner.src) != peer->id)
		return DROP_NOT_ALLOWED;
	transport_push_in(w, data, inner.len);
	return DROP_NONE;
}

/* The keypair of a data message and its peer; NULL: none has this index. */
static struct keypair *find_keypair(
	struct transport *t, const struct packet *datagram, struct transport_peer **ret_peer)
{
	struct message_data header;
	uint32_t index, id;

	memcpy(&header, datagram->data, sizeof(header));
	index = load_le32(&header.receiver_index);
	if (!map_get(&t->by_local_index, index, &id))
		return NULL;
	*ret_peer = table_get(&t->peers, id);
	return keypairs_find(&(*ret_peer)->keypairs, index);
}

/* What is to be decrypted of a data message. */
static enum drop prepare_data(
	struct transport_worker *w, const struct packet *datagram, struct aead_job *ret_job)
{
	struct transport_peer *peer;
	struct keypair *keypair;
	uint64_t counter;

	if (datagram->len < MESSAGE_DATA_MIN)
		return DROP_WRONG_LENGTH;
	keypair = find_keypair(w->transport, datagram, &peer);
	if (!keypair)
		return DROP_UNKNOWN_INDEX;
	counter = load_le64(datagram->data + 8);
	if (!keypair_can_receive(keypair, counter, w->now_ns))
		return DROP_KEYPAIR_EXPIRED;
	*ret_job = (struct aead_job){.data = datagram->data + sizeof(struct message_data),
		.len = datagram->len - MESSAGE_DATA_MIN,
		.counter = counter,
		.key = keypair->receiving_key};
	return DROP_NONE;
}

/* Data messages in a row with one keypair, and their jobs, done. */
struct in_run {
	const struct packet *const *datagrams;
	struct aead_job *jobs;
	unsigned num;
	/* of those accepted: */
	const struct packet *last; /* NULL: there is none */
	unsigned num_accepted, num_data;
	uint64_t bytes;
};

/* Pick out what is authentic and new. */
static void sort_out(struct transport *t, struct in_run *run, struct keypair *keypair)
{
	if (t->is_shared)
		pthread_mutex_lock(&keypair->replay_lock);
	for (unsigned i = 0; i < run->num; i++) {
		struct aead_job *job = &run->jobs[i];

		if (!job->ok) {
			count_drop(t, DROP_BAD_TAG);
			continue;
		}
		job->ok = replay_accept(&keypair->replay, job->counter);
		if (!job->ok) {
			count_drop(t, DROP_REPLAYED);
			continue;
		}
		run->last = run->datagrams[i];
		run->num_accepted++;
		run->num_data += job->len != 0; /* else it is a keepalive */
		run->bytes += run->last->len;
	}
	if (t->is_shared)
		pthread_mutex_unlock(&keypair->replay_lock);
}

/* Note that a peer has sent this, and from where. Returns false, with nothing done, when that needs
 * the exclusive lock. */
static bool note_received(struct transport_worker *w, struct transport_peer *peer,
	struct keypair *keypair, const struct in_run *run)
{
	struct peer_status *status = status_of(w->transport, peer);
	const struct endpoint *from = run->last->endpoint;

	if (w->is_exclusive)
		peer->endpoint = *from;
	else if (keypair == peer->keypairs.next ||
		 memcmp(&peer->endpoint, from, sizeof(*from)) != 0)
		return false;
	status_any_received(status, w->now_ns);
	add_bytes(&status->rx_bytes, run->bytes);
	keypair_used(w, peer, keypair);
	/* twice, because the second one counts */
	for (unsigned i = 0; i < run->num_data && i < 2; i++) {
		if (status_data_received(status, w->now_ns))
			transport_emit(w->transport, EVENT_WATCH, peer->id, 0);
	}
	return true;
}

/* The keypair of a run is looked up again, because the runs before it may have changed what the
 * peer has, and so may others when the lock is changed. It stays exclusive for the rest of the
 * batch: there is nothing left to decrypt. */
static void accept_run(struct transport_worker *w, struct in_run *run)
{
	struct transport *t = w->transport;
	struct transport_peer *peer;
	struct keypair *keypair = find_keypair(t, run->datagrams[0], &peer);

	if (!keypair || keypair->receiving_key != run->jobs[0].key) {
		status_drop(t->page, DROP_UNKNOWN_INDEX, run->num);
		return;
	}
	sort_out(t, run, keypair);
	if (!run->last)
		return;
	if (!note_received(w, peer, keypair, run)) {
		transport_unlock_worker(w);
		transport_lock_exclusive(w);
		if (find_keypair(t, run->last, &peer) != keypair) {
			status_drop(t->page, DROP_UNKNOWN_INDEX, run->num_accepted);
			return;
		}
		(void)note_received(w, peer, keypair, run);
	}
	for (unsigned i = 0; i < run->num; i++) {
		const struct aead_job *job = &run->jobs[i];
		enum drop drop = DROP_NONE;

		if (job->ok && job->len != 0)
			drop = accept_inner(w, peer, job->data, job->len, run->datagrams[i]->tos);
		if (drop != DROP_NONE)
			count_drop(t, drop);
	}
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
static enum drop sort_datagram(
	struct transport_worker *w, const struct packet *datagram, struct aead_job *ret_job)
{
	uint32_t type;

	ret_job->data = NULL;
	if (datagram->len < sizeof(type))
		return DROP_WRONG_LENGTH;
	type = load_le32(datagram->data);
	return type == MESSAGE_DATA ? prepare_data(w, datagram, ret_job)
				    : pass_handshake(w->transport, datagram, type);
}

void transport_decrypt(struct transport_worker *w, struct batch *datagrams, uint64_t now_ns)
{
	const struct packet *of_job[BATCH_MAX];
	struct aead_job jobs[BATCH_MAX];
	unsigned num_jobs = 0;

	w->now_ns = now_ns;
	transport_lock_shared(w);
	for (unsigned i = 0; i < datagrams->num && w->transport->up; i++) {
		const struct packet *datagram = &datagrams->packets[i];
		enum drop drop = sort_datagram(w, datagram, &jobs[num_jobs]);

		if (drop != DROP_NONE)
			count_drop(w->transport, drop);
		else if (jobs[num_jobs].data)
			of_job[num_jobs++] = datagram;
	}
	aead_open_many(jobs, num_jobs);
	for (unsigned i = 0; i < num_jobs;) {
		struct in_run run = {.datagrams = &of_job[i], .jobs = &jobs[i]};

		while (i < num_jobs && jobs[i].key == run.jobs[0].key) {
			run.num++;
			i++;
		}
		accept_run(w, &run);
	}
	transport_unlock_worker(w);
	transport_flush_in(w);
	transport_send_out(w);
	transport_forget_disposed(w);
}
