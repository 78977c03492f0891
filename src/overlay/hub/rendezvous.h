/* SPDX-License-Identifier: MIT
 *
 * Rendezvous: who asked for a peer is answered when the peer is ready for him, for his first
 * initiation would be lost on one that does not know him yet, and the next is 5 s away.
 */
#ifndef ADIT_OVERLAY_HUB_RENDEZVOUS_H
#define ADIT_OVERLAY_HUB_RENDEZVOUS_H

#include "base/bytes.h"

/* How long a peer may take to say that it is ready; its stream may be about to open. */
#define RENDEZVOUS_NS UINT64_C(400000000)

/* An answer that waits; its memory is its owner's. All zero: it does not. */
struct rendezvous {
	struct rendezvous_list *list; /* NULL: it does not wait */
	struct rendezvous *next, *prev;
	int64_t caller, peer; /* ids of nodes */
	uint64_t until_ns;
	void (*resume)(void *ctx); /* it does not wait any more */
	void *ctx;
};

/* Those that wait, the longest first; all zero: nobody does. */
struct rendezvous_list {
	struct rendezvous *first, *last;
};

/* Wait, with caller, peer, resume and ctx filled in. */
void rendezvous_wait(struct rendezvous_list *list, struct rendezvous *rendezvous, uint64_t now_ns);

/* Wait no longer, without a word. Does nothing for one that does not wait. */
void rendezvous_cancel(struct rendezvous *rendezvous);

/* Whether a caller waits for this peer. */
bool rendezvous_is_awaited(const struct rendezvous_list *list, int64_t caller, int64_t peer);

/* A peer says that it is ready for a caller. */
void rendezvous_ready(struct rendezvous_list *list, int64_t caller, int64_t peer);

/* Resume those whose time is up; UINT64_MAX: all. Returns when to call again, 0: nobody waits.
 * Costs nothing but for those it resumes. */
uint64_t rendezvous_expire(struct rendezvous_list *list, uint64_t now_ns);

#endif
