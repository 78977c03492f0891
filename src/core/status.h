/* SPDX-License-Identifier: MIT
 *
 * The status page: what the datapath notes about peers and drops in memory it shares with engine
 * and monitor, so that no packet costs a message between processes. Readers treat every value as
 * a number a compromised neighbour may have chosen.
 *
 * The timers of section 6.5 of the paper live in the engine, the packets that drive them in the
 * datapath. So the datapath notes facts (first unanswered data, first unacknowledged data, last
 * packet either way), and only when a peer with none of its timers watched becomes active does it
 * raise an event; the engine looks at the facts when a deadline they implied has come.
 */
#ifndef ADIT_CORE_STATUS_H
#define ADIT_CORE_STATUS_H

#include <stdatomic.h>

#include "core/messages.h"

enum drop {
	DROP_NONE,	   /* accepted */
	DROP_WRONG_LENGTH, /* shorter than any message, or not of its type's length */
	DROP_UNKNOWN_TYPE,
	DROP_BAD_MAC1,
	DROP_BAD_MAC2,	    /* under load: answered with a cookie reply */
	DROP_RATE_LIMITED,  /* under load: cookie right, too many */
	DROP_QUEUE_FULL,    /* handshake messages faster than the engine */
	DROP_UNKNOWN_INDEX, /* no keypair or handshake has this receiver index */
	DROP_UNKNOWN_PEER,  /* an initiation from a key that is no peer's */
	DROP_BAD_HANDSHAKE, /* does not decrypt, wrong psk, zero DH, wrong state */
	DROP_OLD_TIMESTAMP, /* replayed initiation */
	DROP_INITIATION_FLOOD,
	DROP_BAD_COOKIE_REPLY,
	DROP_KEYPAIR_EXPIRED,
	DROP_BAD_TAG,
	DROP_REPLAYED,
	DROP_BAD_INNER,	  /* an inner packet that is no IP packet */
	DROP_NOT_ALLOWED, /* inner source is not among the sending peer's allowed IPs */
	DROP_NO_PEER,	  /* no peer's allowed IPs hold the destination */
	DROP_NO_ENDPOINT,
	DROP_REFUSED, /* a watcher of wanted destinations said no to this one */
	DROP_STAGED,  /* waited in vain for a keypair, or for a peer behind too many others */
	DROP_LOOP,    /* our own datagram, routed into its own tunnel */
	DROP_SEND_FAILED,
	DROP_DELIVER_FAILED, /* the TUN device would not take it */
	DROP_NUM,
};

/* The name of a drop reason, as counters in `adit show --json` have it. */
const char *drop_name(enum drop reason);

struct peer_status {
	_Atomic uint64_t rx_bytes, tx_bytes; /* of messages: data with overhead, and handshakes */
	_Atomic uint64_t last_rx_ns;	     /* any authenticated packet received, keepalives too */
	_Atomic uint64_t last_tx_ns;	     /* any authenticated packet sent */
	_Atomic uint64_t unanswered_ns; /* first data sent since anything was received; 0: none */
	_Atomic uint64_t unacked_ns;	/* first data received since anything was sent; 0: none */
	_Atomic uint32_t need_another;	/* more data was received after that */
	_Atomic uint32_t watched;	/* the engine has a deadline for the facts above */
	_Atomic uint64_t handshake_wall_ns; /* last completed handshake, CLOCK_REALTIME; engine's */
};
static_assert(sizeof(struct peer_status) == 64, "one cache line");

struct status_page {
	_Atomic uint64_t drops[64]; /* by enum drop */
	struct peer_status peers[MAX_PEERS];
};
static_assert(DROP_NUM <= 64, "room in the page");

static inline void status_drop(struct status_page *page, enum drop reason, uint64_t num)
{
	atomic_fetch_add_explicit(&page->drops[reason], num, memory_order_relaxed);
}

/* The facts. Each is noted after the packet is authentic, or was handed to the socket. Those that
 * concern data return true when the engine must be told to watch this peer. */

static inline bool status_start_watch(struct peer_status *status)
{
	return !atomic_load(&status->watched) && !atomic_exchange(&status->watched, 1);
}

static inline void status_any_sent(struct peer_status *status, uint64_t now_ns)
{
	atomic_store_explicit(&status->last_tx_ns, now_ns, memory_order_relaxed);
	if (atomic_load_explicit(&status->unacked_ns, memory_order_relaxed))
		atomic_store(&status->unacked_ns, 0);
}

static inline void status_any_received(struct peer_status *status, uint64_t now_ns)
{
	atomic_store_explicit(&status->last_rx_ns, now_ns, memory_order_relaxed);
	if (atomic_load_explicit(&status->unanswered_ns, memory_order_relaxed))
		atomic_store(&status->unanswered_ns, 0);
}

MUST_CHECK static inline bool status_data_sent(struct peer_status *status, uint64_t now_ns)
{
	if (!atomic_load_explicit(&status->unanswered_ns, memory_order_relaxed))
		atomic_store(&status->unanswered_ns, now_ns);
	return status_start_watch(status);
}

MUST_CHECK static inline bool status_data_received(struct peer_status *status, uint64_t now_ns)
{
	if (!atomic_load_explicit(&status->unacked_ns, memory_order_relaxed))
		atomic_store(&status->unacked_ns, now_ns);
	else
		atomic_store_explicit(&status->need_another, 1, memory_order_relaxed);
	return status_start_watch(status);
}

#endif
