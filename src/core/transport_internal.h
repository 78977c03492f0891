/* SPDX-License-Identifier: MIT
 *
 * What the three files of the transport share: transport.c (peers, and what the device wants),
 * transport_send.c (packets out) and transport_receive.c (packets in).
 */
#ifndef ADIT_CORE_TRANSPORT_INTERNAL_H
#define ADIT_CORE_TRANSPORT_INTERNAL_H

#include "base/map.h"
#include "base/table.h"
#include "core/inner.h"
#include "core/keypair.h"
#include "core/staged.h"
#include "core/transport.h"

enum { NUM_SCRATCH = 8, UNREACHABLES_PER_S = 1000, UNREACHABLES_BURST = 50 };

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
	struct map by_local_index;  /* receiver index of ours -> id */
	struct map by_remote_index; /* one we send with -> id: to know our own datagrams */
	uint64_t unreachable_credit_ns, unreachable_last_ns;
	struct batch out, in;
	struct aead_job jobs[BATCH_MAX]; /* what of out is not sealed yet */
	unsigned num_jobs;
	/* NUM_SCRATCH: staged packets and keepalives on their way. */
	uint8_t (*scratch)[PACKET_BUF];
	unsigned num_scratch;
};

static inline struct peer_status *status_of(struct transport *t, const struct transport_peer *peer)
{
	return &t->page->peers[peer->id];
}

static inline void count_drop(struct transport *t, enum drop reason)
{
	status_drop(t->page, reason, 1);
}

static inline void add_bytes(_Atomic uint64_t *counter, uint64_t bytes)
{
	atomic_fetch_add_explicit(counter, bytes, memory_order_relaxed);
}

static inline void roam(struct transport_peer *peer, const struct endpoint *endpoint)
{
	if (memcmp(&peer->endpoint, endpoint, sizeof(*endpoint)) != 0)
		peer->endpoint = *endpoint;
}

/* Tell the device something: of a peer, of an index, or of both. */
void transport_emit(
	struct transport *t, enum event_type type, uint32_t peer_id, uint32_t local_index);

/* Ask the device for a handshake, at a bounded rate. */
void transport_want_handshake(struct transport *t, struct transport_peer *peer, uint64_t now_ns);

/* Free keypairs that are in no slot any more. */
void transport_dispose(struct transport *t, struct keypairs_dropped dropped);

/* Queue what is staged, as far as a keypair can send it. */
void transport_send_staged(struct transport *t, struct transport_peer *peer, uint64_t now_ns);

/* Queue what is staged, or an empty packet, if there is an endpoint. */
void transport_send_keepalive(struct transport *t, struct transport_peer *peer, uint64_t now_ns);

/* Queue a handshake message; `to` must live until the flush. */
void transport_send_message(struct transport *t, const struct control_handshake *handshake,
	struct endpoint *to, uint8_t tos);

/* Queue a packet for the TUN device. */
void transport_push_in(struct transport *t, uint8_t *data, uint32_t len);

/* Send, deliver what is queued. */
void transport_flush_out(struct transport *t);
void transport_flush_in(struct transport *t);

#endif
