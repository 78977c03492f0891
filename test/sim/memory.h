/* SPDX-License-Identifier: MIT
 *
 * The memory of simulated hosts. The linker has all allocations of src/ come here; each belongs to
 * the host that is at work. So it can be counted, and searched for keys that should be gone.
 */
#ifndef ADIT_SIM_MEMORY_H
#define ADIT_SIM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block;

/* What a host has allocated. All zero: nothing. */
struct memory {
	struct block *first;
	size_t num_blocks, num_bytes;
	/* Is shown what a block holds before it is freed. NULL: nobody is. */
	void (*before_free)(void *ctx, const uint8_t *bytes, size_t len);
	void *ctx;
};

/* Whose allocations these are from now on; NULL: the simulator's own. Returns whose they were. */
struct memory *memory_of(struct memory *memory);

/* Show all of it, but for pages never touched, in pieces. */
void memory_show(const struct memory *memory,
	void (*look)(void *ctx, const uint8_t *bytes, size_t len), void *ctx);

/* For the simulator itself, whoever is at work; they do not fail. Memory is zeroed. */
void *own_alloc(size_t size);
void *own_realloc(void *old, size_t size);
void own_free(void *p);

#endif
