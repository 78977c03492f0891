/* SPDX-License-Identifier: MIT
 *
 * What the three files of the transport share: transport.c (peers, and what the device wants),
 * transport_send.c (packets out) and transport_receive.c (packets in).
 */
#ifndef ADIT_CORE_TRANSPORT_INTERNAL_H
#define ADIT_CORE_TRANSPORT_INTERNAL_H

#include <pthread.h>

#include "base/map.h"
#include "base/rate.h"
#include "base/table.h"
#include "core/inner.h"
#include "core/keypair.h"
#include "core/staged.h"
#include "core/transport.h"
#include "core/wanted.h"

enum {
	NUM_SCRATCH = 8,
	UNREACHABLES_PER_S = 1000,
	UNREACHABLES_BURST = WANTED_MAX * WANTED_PACKETS, /* which may all be refused at once */
};

struct transport_peer {
	uint32_t id;
	struct staged_queue staged;
	struct endpoint endpoint;
	struct keypairs keypairs;
	_Atomic uint64_t want_after_ns;
};

/* Packets in a row of a batch that go out with one keypair (NULL: messages of the device). What
 * they share is noted once for all of them: what other workers write as well costs as much as a
 * packet. Where they go is a copy, good for after the lock. */
struct out_run {
	struct transport_peer *peer; /* until they are sealed; NULL: none */
	struct keypair *keypair;     /* likewise */
	uint32_t peer_id;
	unsigned first_job, num_jobs, num_data;
	uint64_t bytes;
	bool has_source;
	struct endpoint to;
};

struct transport_worker {
	struct transport *transport;
	void *ctx;	     /* of transport_ops */
	bool is_exclusive;   /* it may change what other workers read */
	uint64_t now_ns;     /* of the call being served */
	uint64_t num_forgot; /* keypairs disposed of whose traces this thread has wiped */
	struct rate unreachables;
	struct batch out, in;
	struct out_run runs[BATCH_MAX];	 /* of out */
	unsigned num_runs, num_sealed;	 /* runs in all, and those with nothing left to seal */
	struct aead_job jobs[BATCH_MAX]; /* what of out is not sealed yet */
	unsigned num_jobs;
	/* NUM_SCRATCH: staged packets and keepalives on their way. */
	uint8_t (*scratch)[PACKET_BUF];
	unsigned num_scratch;
	struct transport_worker *next;
};

struct transport {
	struct transport_ops ops;
	struct status_page *page; /* borrowed */
	bool is_shared;		  /* there are several workers: the lock is needed */
	pthread_rwlock_t lock;	  /* of all below */
	bool up;
	bool has_key;
	uint32_t mtu;
	uint8_t mac1_key[KEY_LEN];
	struct table peers; /* struct transport_peer by id */
	struct allowedips *allowedips;
	struct staged_pool *staged;
	bool is_watched; /* packets to destinations without a peer are held: */
	struct wanted wanted;
	struct map by_local_index;  /* receiver index of ours -> id */
	struct map by_remote_index; /* one we send with -> id: to know our own datagrams */
	_Atomic uint64_t num_disposed;
	struct transport_worker *workers; /* a chain, owned */
	struct transport_worker *first;
};

/* Packets are handled under the shared lock; what they find there does not change. Everything else
 * is done under the exclusive one, also what a packet makes necessary: no session, a new endpoint,
 * a new keypair. Unlocking seals what is queued, because that borrows keys; it is sent later. */
void transport_lock_shared(struct transport_worker *w);
void transport_lock_exclusive(struct transport_worker *w);
void transport_unlock_worker(struct transport_worker *w);

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

/* Tell the device something: of a peer, of an index, or of both. */
void transport_emit(
	struct transport *t, enum event_type type, uint32_t peer_id, uint32_t local_index);

/* Ask the device for a handshake, at a bounded rate. */
void transport_want_handshake(struct transport *t, struct transport_peer *peer, uint64_t now_ns);

/* Free keypairs that are in no slot any more. Exclusive, as all that follows up to push_in. */
void transport_dispose(struct transport_worker *w, struct keypairs_dropped dropped);

/* Queue what is staged, as far as a keypair can send it. */
void transport_send_staged(struct transport_worker *w, struct transport_peer *peer);

/* Queue what is staged, or an empty packet, if there is an endpoint. */
void transport_send_keepalive(struct transport_worker *w, struct transport_peer *peer);

/* Queue a handshake message, to the peer or (NULL) to where it says. */
void transport_send_message(struct transport_worker *w, struct transport_peer *peer,
	const struct control_handshake *handshake, uint8_t tos);

/* Queue a packet for the TUN device. */
void transport_push_in(struct transport_worker *w, uint8_t *data, uint32_t len);

/* Encrypt what is queued; send it, if it is encrypted (not under the shared lock); deliver. */
void transport_seal_out(struct transport_worker *w);
void transport_send_out(struct transport_worker *w);
void transport_flush_in(struct transport_worker *w);

/* If another worker disposed of a keypair, wipe what this thread still has of it. */
void transport_forget_disposed(struct transport_worker *w);

#endif
