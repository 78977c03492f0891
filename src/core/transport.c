/* SPDX-License-Identifier: MIT
 *
 * The transport: its peers, and what the device wants of it.
 */
#include "core/transport_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "core/cookie.h"

enum { STAGED_CHUNKS = 8192 }; /* 16 MiB for all peers together, touched as used */

/* A peer without keypair asks for a handshake with every packet, but the device only so often. */
#define WANT_INTERVAL_NS (250 * MSEC_NS)

struct transport_worker *transport_add_worker(struct transport *t, void *ctx)
{
	struct transport_worker *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->scratch = calloc(NUM_SCRATCH, PACKET_BUF);
	if (!w->scratch) {
		free(w);
		return NULL;
	}
	w->transport = t;
	w->ctx = ctx;
	w->next = t->workers;
	t->workers = w;
	t->is_shared = w->next != NULL;
	return w;
}

struct transport_worker *transport_first_worker(struct transport *t)
{
	return t->first;
}

struct transport *transport_new(const struct transport_ops *ops, struct status_page *page)
{
	struct transport *t = calloc(1, sizeof(*t));
	pthread_rwlockattr_t attributes;

	if (!t)
		return NULL;
	/* or a flood of packets could keep the controls out */
	pthread_rwlockattr_init(&attributes);
	pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&t->lock, &attributes);
	t->ops = *ops;
	t->page = page;
	t->allowedips = allowedips_new();
	t->staged = staged_pool_new(STAGED_CHUNKS);
	t->first = transport_add_worker(t, ops->ctx);
	if (table_init(&t->peers, MAX_PEERS, sizeof(struct transport_peer)) < 0 ||
		wanted_init(&t->wanted) < 0 || !t->allowedips || !t->staged || !t->first) {
		transport_free(t);
		return NULL;
	}
	return t;
}

void transport_free(struct transport *t)
{
	if (!t)
		return;
	for (uint32_t id = 0; t->first && table_next(&t->peers, &id); id++)
		transport_remove_peer(t, id);
	table_deinit(&t->peers);
	allowedips_free(t->allowedips);
	staged_pool_free(t->staged);
	wanted_deinit(&t->wanted);
	map_deinit(&t->by_local_index);
	map_deinit(&t->by_remote_index);
	pthread_rwlock_destroy(&t->lock);
	while (t->workers) {
		struct transport_worker *w = t->workers;

		t->workers = w->next;
		free(w->scratch);
		free(w);
	}
	free(t);
}

/* --- the lock -------------------------------------------------------- */

void transport_lock_shared(struct transport_worker *w)
{
	if (w->transport->is_shared)
		pthread_rwlock_rdlock(&w->transport->lock);
	w->is_exclusive = !w->transport->is_shared;
}

void transport_lock_exclusive(struct transport_worker *w)
{
	if (w->transport->is_shared)
		pthread_rwlock_wrlock(&w->transport->lock);
	w->is_exclusive = true;
}

void transport_unlock_worker(struct transport_worker *w)
{
	transport_seal_out(w);
	w->is_exclusive = false;
	if (w->transport->is_shared)
		pthread_rwlock_unlock(&w->transport->lock);
}

void transport_lock(struct transport *t)
{
	transport_lock_exclusive(t->first);
}

void transport_unlock(struct transport *t)
{
	transport_unlock_worker(t->first);
	transport_send_out(t->first);
}

/* --- what others are told -------------------------------------------- */

void transport_emit(struct transport *t, enum event_type type, uint32_t peer_id, uint32_t index)
{
	struct event event = {.type = type, .peer_id = peer_id, .local_index = index};

	t->ops.emit(t->ops.ctx, &event);
}

void transport_want_handshake(struct transport *t, struct transport_peer *peer, uint64_t now_ns)
{
	uint64_t after_ns = atomic_load_explicit(&peer->want_after_ns, memory_order_relaxed);

	/* of several workers one asks */
	if (now_ns >= after_ns && atomic_compare_exchange_strong(&peer->want_after_ns, &after_ns,
					  now_ns + WANT_INTERVAL_NS))
		transport_emit(t, EVENT_WANT_HANDSHAKE, peer->id, 0);
}

/* --- peers ----------------------------------------------------------- */

void transport_set_public_key(struct transport *t, const uint8_t public_key[KEY_LEN])
{
	t->has_key = !bytes_are_zero(public_key, KEY_LEN);
	cookie_mac1_key(t->mac1_key, public_key);
}

void transport_set_link(struct transport *t, bool up, uint32_t mtu)
{
	t->up = up;
	t->mtu = mtu;
	for (unsigned i = 0; i < WANTED_MAX && !up; i++)
		wanted_forget(&t->wanted, &t->wanted.destinations[i]);
}

int transport_add_peer(struct transport *t, uint32_t peer_id)
{
	struct transport_peer *peer = table_add(&t->peers, peer_id);

	if (!peer)
		return -errno;
	peer->id = peer_id;
	memset(status_of(t, peer), 0, sizeof(struct peer_status));
	return 0;
}

void transport_forget_disposed(struct transport_worker *w)
{
	uint64_t num = atomic_load_explicit(&w->transport->num_disposed, memory_order_relaxed);

	if (num == w->num_forgot)
		return;
	w->num_forgot = num;
	aead_forget();
}

void transport_dispose(struct transport_worker *w, struct keypairs_dropped dropped)
{
	struct transport *t = w->transport;

	transport_seal_out(w); /* what waits for it borrows its key */
	for (size_t i = 0; i < ARRAY_SIZE(dropped.keypairs); i++) {
		struct keypair *keypair = dropped.keypairs[i];

		if (!keypair)
			continue;
		map_remove(&t->by_local_index, keypair->local_index);
		map_remove(&t->by_remote_index, keypair->remote_index);
		transport_emit(t, EVENT_KEYPAIR_GONE, 0, keypair->local_index);
		keypair_free(keypair);
		atomic_fetch_add(&t->num_disposed, 1);
	}
	transport_forget_disposed(w);
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
	transport_dispose(t->first, keypairs_clear(&peer->keypairs));
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

/* --- what the device wants ------------------------------------------- */

static void send_handshake(struct transport_worker *w, struct transport_peer *peer,
	const struct control_handshake *handshake)
{
	struct peer_status *status = status_of(w->transport, peer);

	if (handshake->forget_source)
		endpoint_clear_source(&peer->endpoint);
	if (!peer->endpoint.family) {
		count_drop(w->transport, DROP_NO_ENDPOINT);
		return;
	}
	transport_send_message(w, peer, handshake, HANDSHAKE_TOS);
	add_bytes(&status->tx_bytes, handshake->len);
	status_any_sent(status, w->now_ns);
}

static void install_keypair(struct transport_worker *w, struct transport_peer *peer,
	const struct control_keypair *description)
{
	struct transport *t = w->transport;
	struct peer_status *status = status_of(t, peer);
	struct keypair *keypair = keypair_new(description);
	bool known;
	uint32_t id;

	known = map_get(&t->by_local_index, description->local_index, &id);
	if (!keypair || known || map_put(&t->by_local_index, keypair->local_index, peer->id) < 0) {
		keypair_free(keypair);
		if (!known)
			transport_emit(t, EVENT_KEYPAIR_GONE, 0, description->local_index);
		return;
	}
	if (keypair->birth_ns > w->now_ns)
		keypair->birth_ns =
			w->now_ns; /* the engine's word, but no key lives longer for it */
	/* without it only the loop guard is missing */
	(void)!map_put(&t->by_remote_index, keypair->remote_index, peer->id);
	transport_dispose(w, keypairs_install(&peer->keypairs, keypair));
	peer->endpoint = description->endpoint;
	add_bytes(&status->rx_bytes, description->is_initiator ? sizeof(struct message_response)
							       : sizeof(struct message_initiation));
	status_any_received(status, w->now_ns);
	peer->want_after_ns = 0;
	if (description->is_initiator) /* the responder may not send before us */
		transport_send_keepalive(w, peer);
}

static void handle_peer_control(
	struct transport_worker *w, struct transport_peer *peer, const struct control *control)
{
	switch ((enum control_type)control->type) {
	case CONTROL_SEND_HANDSHAKE:
		send_handshake(w, peer, &control->handshake);
		break;
	case CONTROL_INSTALL_KEYPAIR:
		install_keypair(w, peer, &control->keypair);
		break;
	case CONTROL_CLEAR_KEYPAIRS:
		transport_dispose(w, keypairs_clear(&peer->keypairs));
		break;
	case CONTROL_EXPIRE_SENDING:
		if (peer->keypairs.current)
			peer->keypairs.current->sending_expired = true;
		if (peer->keypairs.next)
			peer->keypairs.next->sending_expired = true;
		break;
	case CONTROL_SEND_KEEPALIVE:
		transport_send_keepalive(w, peer);
		break;
	case CONTROL_PURGE_STAGED:
		purge_staged(w->transport, peer);
		break;
	case CONTROL_SEND_COOKIE_REPLY:
		break;
	}
}

void transport_handle_control(struct transport *t, const struct control *control, uint64_t now_ns)
{
	struct transport_worker *w = t->first;
	struct transport_peer *peer;

	transport_lock_exclusive(w);
	w->now_ns = now_ns;
	peer = table_get(&t->peers, control->peer_id);
	if (control->type == CONTROL_SEND_COOKIE_REPLY)
		transport_send_message(w, NULL, &control->handshake, 0);
	else if (peer) /* it may just have been removed */
		handle_peer_control(w, peer, control);
	transport_unlock_worker(w);
	transport_send_out(w);
}
