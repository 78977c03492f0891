/* SPDX-License-Identifier: MIT
 *
 * One thread's loop: descriptors by epoll, and timers. Without either it sleeps.
 */
#ifndef ADIT_OVERLAY_AGENT_LOOP_H
#define ADIT_OVERLAY_AGENT_LOOP_H

#include "base/bytes.h"

struct loop;

/* With room for so many timers. NULL: out of memory or descriptors. */
struct loop *loop_new(uint32_t max_timers);
void loop_free(struct loop *loop); /* takes NULL */

/* Call ready with the epoll events of fd (borrowed) when one of events comes; or change the events,
 * callback and ctx of a descriptor that is watched. Returns 0 or a negative errno. */
typedef void loop_ready(void *ctx, uint32_t events);
MUST_CHECK int loop_watch(struct loop *loop, int fd, uint32_t events, loop_ready *ready, void *ctx);

/* Watch it no longer; before it is closed. Does nothing for one that is not watched. */
void loop_unwatch(struct loop *loop, int fd);

/* A timer, not set. Returns its id, or a negative errno (-ENOSPC). */
typedef void loop_due(void *ctx, uint64_t now_ns);
MUST_CHECK int loop_add_timer(struct loop *loop, loop_due *due, void *ctx);
void loop_remove_timer(struct loop *loop, int id);

/* Call due once at deadline_ns (CLOCK_BOOTTIME) or soon after; 0: not. */
void loop_set_timer(struct loop *loop, int id, uint64_t deadline_ns);

/* When the next timer is due; 0: none is set. */
uint64_t loop_next_timer(const struct loop *loop);

/* Wait for something to do, at most until_ns (0: for ever), and do it. Returns whether there was
 * something. */
bool loop_run_once(struct loop *loop, uint64_t until_ns);

#endif
