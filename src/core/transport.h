/* SPDX-License-Identifier: MIT
 *
 * The transport, as the datapath process holds it: sessions, endpoints, allowed IPs, staged
 * packets. Inner packets become transport data messages and back, in batches. Of handshakes it
 * knows only their size and mac1; everything else about them is the device's.
 *
 * Several workers, a thread each, may encrypt and decrypt at the same time; packets that one worker
 * is given stay in order. Everything else is one thread's, the first worker's, and, unless it says
 * that it locks by itself, is called between transport_lock and transport_unlock once there are
 * several workers.
 */
#ifndef ADIT_CORE_TRANSPORT_H
#define ADIT_CORE_TRANSPORT_H

#include "base/packet.h"
#include "core/allowedips.h"
#include "core/exchange.h"
#include "core/status.h"

struct transport;
struct transport_worker;

/* What comes out. Batches are borrowed for the call; the callee may change them, and clear an
 * endpoint's source: then its peer's is cleared. Any worker calls send and deliver, with its own
 * ctx; emit may be called from several at once, with the first one's. None may call back. */
struct transport_ops {
	void (*send)(void *ctx, struct batch *datagrams);   /* to the UDP sockets */
	void (*deliver)(void *ctx, struct batch *packets);  /* to the TUN device */
	void (*emit)(void *ctx, const struct event *event); /* to the device */
	/* A packet wants to reach this address, which is no peer's, while that is watched: any
	 * worker calls it, with the first one's ctx. May be NULL if nobody ever watches. */
	void (*want)(void *ctx, const struct prefix *address);
	void *ctx;
};

/* A transport without peers, down. The page is borrowed. NULL: out of memory. */
struct transport *transport_new(const struct transport_ops *ops, struct status_page *page);
void transport_free(struct transport *transport);

/* The worker there is from the start, and a further one, to be made before any of them works; it
 * is freed with the transport. NULL: out of memory. */
struct transport_worker *transport_first_worker(struct transport *transport);
struct transport_worker *transport_add_worker(struct transport *transport, void *ctx);

/* Keep the other workers out, to see and to change what is theirs too; and let them in again, and
 * send what the changes have given a way. */
void transport_lock(struct transport *transport);
void transport_unlock(struct transport *transport);

/* Our public key, all zero for none: whose mac1 lets handshake messages pass. */
void transport_set_public_key(struct transport *transport, const uint8_t public_key[KEY_LEN]);

/* The state and MTU of the interface; down: everything is dropped. */
void transport_set_link(struct transport *transport, bool up, uint32_t mtu);

/* Add a peer under a free number, with a cleared status. Returns 0, -EEXIST or -ENOMEM. */
MUST_CHECK int transport_add_peer(struct transport *transport, uint32_t peer_id);
void transport_remove_peer(struct transport *transport, uint32_t peer_id);

/* A peer's endpoint, as configured (the sticky source is forgotten) or as it is now: NULL if there
 * is no such peer, else borrowed until it is removed. */
void transport_set_endpoint(
	struct transport *transport, uint32_t peer_id, const struct endpoint *endpoint);
struct endpoint *transport_endpoint(const struct transport *transport, uint32_t peer_id);

/* Forget every sticky source: the sockets, the mark or the routes have changed. */
void transport_forget_sources(struct transport *transport);

/* The allowed-IPs table; whoever changes it uses only numbers of peers that exist. */
struct allowedips *transport_allowedips(struct transport *transport);

/* Give a prefix to a peer; packets that were held for such a destination go their way. Returns 0,
 * -ENOENT (no such peer), -EINVAL or -ENOMEM. */
MUST_CHECK int transport_add_allowed_ip(struct transport *transport, uint32_t peer_id,
	const struct prefix *prefix, uint64_t now_ns);

/* Somebody begins to watch for destinations without a peer, or watches no more. Packets to them are
 * held (core/wanted.h) or, when nobody watches, refused. */
void transport_watch(struct transport *transport, bool on, uint64_t now_ns);

/* The watcher refuses an address (of full length). */
void transport_refuse(struct transport *transport, const struct prefix *address, uint64_t now_ns);

/* Refuse what has been held for too long. Returns when to call this again: 0, not before ops.want
 * is called. Locks by itself. */
uint64_t transport_run_timers(struct transport *transport, uint64_t now_ns);

/* Take in a control of the device. Locks by itself. */
void transport_handle_control(
	struct transport *transport, const struct control *control, uint64_t now_ns);

/* Inner packets from the TUN device, each with PACKET_HEADROOM and PACKET_TAILROOM, to be sealed
 * in place and sent; those without a session are staged. Locks by itself. */
void transport_encrypt(struct transport_worker *worker, struct batch *packets, uint64_t now_ns);

/* Datagrams from the sockets, to be opened in place and delivered, or passed to the device. Locks
 * by itself. */
void transport_decrypt(struct transport_worker *worker, struct batch *datagrams, uint64_t now_ns);

#endif
