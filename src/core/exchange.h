/* SPDX-License-Identifier: MIT
 *
 * What the two halves of the protocol say to each other: the device (handshakes and timers, in
 * the engine process) and the transport (sessions and packets, in the datapath). Fixed structs;
 * in a tunnel they cross a socketpair, in a unit test they are plain calls. Peers are known by
 * their number, which the monitor gives out.
 */
#ifndef ADIT_CORE_EXCHANGE_H
#define ADIT_CORE_EXCHANGE_H

#include "base/address.h"
#include "core/messages.h"

/* device -> transport */
enum control_type {
	CONTROL_SEND_HANDSHAKE = 1, /* to the peer, wherever it is */
	CONTROL_SEND_COOKIE_REPLY,  /* to the endpoint; no peer is involved */
	CONTROL_INSTALL_KEYPAIR,    /* the endpoint is where the handshake message came from */
	CONTROL_CLEAR_KEYPAIRS,	    /* forget all session keys of the peer */
	CONTROL_EXPIRE_SENDING,	    /* keypairs there are send no more (our private key changed) */
	CONTROL_SEND_KEEPALIVE,	    /* or what is staged */
	CONTROL_PURGE_STAGED,
};

struct control_handshake {
	struct endpoint endpoint;
	uint8_t forget_source; /* retries choose the source address anew */
	uint8_t pad;
	uint16_t len;
	uint8_t message[HANDSHAKE_MESSAGE_MAX];
};

struct control_keypair {
	struct endpoint endpoint;
	uint32_t local_index;
	uint32_t remote_index;
	uint32_t is_initiator;
	uint64_t birth_ns;
	uint8_t sending_key[KEY_LEN];
	uint8_t receiving_key[KEY_LEN];
};

struct control {
	uint32_t type;
	uint32_t peer_id;
	union {
		struct control_handshake handshake;
		struct control_keypair keypair;
	};
};
static_assert(sizeof(struct control) == 208, "crosses processes");

/* transport -> device */
enum event_type {
	EVENT_HANDSHAKE_MESSAGE = 1, /* a type 1 to 3 message of the right size and mac1 */
	EVENT_WANT_HANDSHAKE,	     /* no keypair to send with, or one about to expire */
	EVENT_WATCH,		     /* see status.h */
	EVENT_KEYPAIR_CONFIRMED, /* first data on a responder's keypair: its handshake is complete
				  */
	EVENT_KEYPAIR_GONE,	 /* the receiver index is free again */
};

struct event {
	uint32_t type;
	uint32_t peer_id;
	uint32_t local_index;
	uint16_t pad;
	uint16_t len;
	struct endpoint endpoint;
	uint8_t message[HANDSHAKE_MESSAGE_MAX];
};
static_assert(sizeof(struct event) == 208, "crosses processes");

#endif
