/* SPDX-License-Identifier: MIT
 *
 * Memory of a process that holds keys: kept out of dumps and children, given back when it is not
 * needed for now.
 */
#ifndef ADIT_PRIVSEP_MEMORY_H
#define ADIT_PRIVSEP_MEMORY_H

#include <stdio.h>

/* Keep whatever can be written and is not shared, stacks too, out of core dumps and of children.
 * maps is an open /proc/self/maps. */
void memory_hide(FILE *maps);

/* All memory cannot be locked, for the limit is too low: from now on let what is hidden be locked,
 * and say so if not even that is possible. */
void memory_lock_what_is_hidden(void);

/* As memory_hide for what the heap has grown by since: to be called where keys come into it. */
void memory_hide_heap(void);

/* Nothing is to be done for now: unmap the code and constants of this program and its libraries.
 * What is needed of them comes back from the page cache by itself; what was ever written is left
 * alone. Does nothing before Linux 5.18, which cannot do it to locked memory. */
void memory_rest(void);

/* From now on what comes must be answered at once: memory_rest does nothing any more. */
void memory_keep(void);

#endif
