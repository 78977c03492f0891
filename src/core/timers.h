/* SPDX-License-Identifier: MIT
 *
 * A peer's five timers (WireGuard paper, section 6.5, with the kernel's semantics):
 *
 *   retransmit           an initiation was not answered for REKEY_TIMEOUT
 *   send_keepalive       we received data and sent nothing for KEEPALIVE_TIMEOUT
 *   new_handshake        we sent data and received nothing for KEEPALIVE_TIMEOUT + REKEY_TIMEOUT
 *   zero_keys            the last session is 3 * REJECT_AFTER_TIME old
 *   persistent_keepalive nothing was sent or received for the configured interval
 *
 * Callers report what happened, by name; what packets cause is read from the peer's status (see
 * status.h). No caller touches a deadline. 0 is: not pending.
 */
#ifndef ADIT_CORE_TIMERS_H
#define ADIT_CORE_TIMERS_H

#include "core/status.h"

enum timer {
	TIMER_RETRANSMIT = 1 << 0,
	TIMER_SEND_KEEPALIVE = 1 << 1,
	TIMER_NEW_HANDSHAKE = 1 << 2,
	TIMER_ZERO_KEYS = 1 << 3,
	TIMER_PERSISTENT_KEEPALIVE = 1 << 4,
};

struct timers {
	uint64_t retransmit_ns;
	uint64_t zero_keys_ns;
	uint64_t look_ns; /* when the facts of a watched peer are looked at next */
	uint64_t persistent_keepalive_ns;
	uint64_t new_handshake_jitter_ns;
	uint32_t attempts;		 /* retransmissions since the last fresh request */
	uint16_t persistent_keepalive_s; /* the configured interval; 0: off */
};

/* The datapath raised EVENT_WATCH. jitter_ns is below REKEY_TIMEOUT_JITTER_MAX. */
void timers_watch(
	struct timers *timers, struct peer_status *status, uint64_t jitter_ns, uint64_t now_ns);

/* An initiation was sent. */
void timers_initiation_sent(struct timers *timers, uint64_t jitter_ns, uint64_t now_ns);

/* Our initiation was answered, or a responder's keypair was used by its initiator. */
void timers_handshake_complete(struct timers *timers);

/* Session keys exist, in either role. */
void timers_session_derived(struct timers *timers, uint64_t now_ns);

/* Retransmission was given up; the keys may stay for those who come back soon. */
void timers_handshake_given_up(struct timers *timers, struct peer_status *status, uint64_t now_ns);

/* Stop all timers; the configured interval stays. */
void timers_stop(struct timers *timers, struct peer_status *status);

/* The interface is up, or the configuration changed while it is: (re)start what that asks for. */
void timers_start(struct timers *timers, uint64_t now_ns);

/* Which timers have expired, as a set of enum timer; they are no longer pending. */
MUST_CHECK unsigned timers_expire(
	struct timers *timers, struct peer_status *status, uint64_t now_ns);

/* The earliest deadline, 0: none. */
uint64_t timers_next(const struct timers *timers);

#endif
