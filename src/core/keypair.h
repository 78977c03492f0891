/* SPDX-License-Identifier: MIT
 *
 * Keypairs, the session keys of one handshake, and the three slots a peer has for them: current
 * sends and receives, previous receives what is still under way, next is a responder's until its
 * initiator has used it (paper section 6.1; the kernel's rules).
 */
#ifndef ADIT_CORE_KEYPAIR_H
#define ADIT_CORE_KEYPAIR_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/exchange.h"
#include "core/replay.h"

struct keypair {
	uint32_t local_index;  /* the receiver index others send to us with */
	uint32_t remote_index; /* the one we send with */
	bool is_initiator;
	bool sending_expired;	      /* our private key was changed: receive only */
	_Atomic bool sent_lastminute; /* a rekey was asked for on receipt */
	uint64_t birth_ns;
	/* The next one to use. Workers take as many as they need at once, and may pass
	 * REJECT_AFTER_MESSAGES by what each has in a batch: to no avail, and far from wrapping. */
	_Atomic uint64_t sending_counter;
	uint8_t sending_key[KEY_LEN];
	uint8_t receiving_key[KEY_LEN];
	pthread_mutex_t replay_lock;
	struct replay replay;
};

struct keypairs {
	struct keypair *current, *previous, *next; /* owned; may be NULL */
};

/* What a change of slots leaves over: the caller disposes of it. NULL-padded. */
struct keypairs_dropped {
	struct keypair *keypairs[3];
};

/* A keypair as the device described it. NULL: out of memory. */
struct keypair *keypair_new(const struct control_keypair *description);
struct keypair *keypair_free(struct keypair *keypair); /* wipes; takes NULL; returns NULL */

/* Put a new keypair, which the slots then own, where it belongs. */
struct keypairs_dropped keypairs_install(struct keypairs *slots, struct keypair *keypair);

/* If keypair is next, its initiator has used it: make it current. Returns whether it was next. */
bool keypairs_confirm(struct keypairs *slots, const struct keypair *keypair,
	struct keypairs_dropped *ret_dropped);

/* Empty all slots. */
struct keypairs_dropped keypairs_clear(struct keypairs *slots);

/* The keypair whose receiver index this is, or NULL. */
struct keypair *keypairs_find(const struct keypairs *slots, uint32_t local_index);

/* Whether a packet may be sent with it (NULL: no), and whether one with this counter may be
 * received. */
bool keypair_can_send(const struct keypair *keypair, uint64_t now_ns);
bool keypair_can_receive(const struct keypair *keypair, uint64_t counter, uint64_t now_ns);

/* Whether it is time for a new handshake: asked after each packet sent, and after each received. */
bool keypair_should_rekey_on_send(const struct keypair *keypair, uint64_t now_ns);
bool keypair_should_rekey_on_receive(struct keypair *keypair, uint64_t now_ns);

#endif
