/* SPDX-License-Identifier: MIT
 *
 * What each of the timers promises by itself, tried with two hosts and as little traffic as there
 * can be, so that nothing else comes to help.
 */
#ifndef ADIT_SIM_PROMISES_H
#define ADIT_SIM_PROMISES_H

/* A packet that found no way waits, and leaves as soon as there is one, if that is before
 * REKEY_ATTEMPT_TIME. */
void promise_patience(void);

/* After that nobody tries any more, and the packet is gone. */
void promise_giving_up(void);

/* Who sends to one who has lost the session, and never hears from him, begins another. */
void promise_silence(void);

/* Old sessions are forgotten, and all their keys, though nothing happens. */
void promise_oblivion(void);

/* A session that carries traffic is renewed before it is too old. */
void promise_rekeying(void);

/* Who got data and has nothing to say says that. */
void promise_answer(void);

/* A way through a NAT stays open. */
void promise_keepalive(void);

#endif
