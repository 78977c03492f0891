/* SPDX-License-Identifier: MIT
 *
 * Which peer's timers are due next: a binary heap of one deadline a peer.
 */
#ifndef ADIT_CORE_DEADLINES_H
#define ADIT_CORE_DEADLINES_H

#include "core/messages.h"

struct deadlines;

struct deadlines *deadlines_new(void); /* NULL: out of memory */
void deadlines_free(struct deadlines *deadlines);

/* Set a peer's deadline, or remove it (0). */
void deadlines_set(struct deadlines *deadlines, uint32_t peer_id, uint64_t deadline_ns);

/* The earliest deadline and its peer; 0 when there is none. */
uint64_t deadlines_next(const struct deadlines *deadlines, uint32_t *ret_peer_id);

#endif
