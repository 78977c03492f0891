/* SPDX-License-Identifier: MIT
 *
 * What is due next: a binary heap of one deadline for each of a fixed number of ids.
 */
#ifndef ADIT_BASE_DEADLINES_H
#define ADIT_BASE_DEADLINES_H

#include "base/bytes.h"

struct deadlines;

/* For ids below capacity. NULL: out of memory, which is touched only as it is used. */
struct deadlines *deadlines_new(uint32_t capacity);
void deadlines_free(struct deadlines *deadlines);

/* Set the deadline of an id, or remove it (0). */
void deadlines_set(struct deadlines *deadlines, uint32_t id, uint64_t deadline_ns);

/* The earliest deadline and its id; 0 when there is none. */
uint64_t deadlines_next(const struct deadlines *deadlines, uint32_t *ret_id);

#endif
