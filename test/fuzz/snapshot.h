/* SPDX-License-Identifier: MIT
 *
 * What a fuzz target sets up is set up once, and put back before each input: all memory that was
 * allocated meanwhile has the same contents at the same place again. Linked with
 * --wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=free.
 *
 *   if (!snapshot_restore()) {
 *           snapshot_begin();
 *           ...
 *           snapshot_end();
 *   }
 */
#ifndef ADIT_TEST_SNAPSHOT_H
#define ADIT_TEST_SNAPSHOT_H

#include <stdbool.h>

/* All that is allocated from now on, until snapshot_end, is part of it. */
void snapshot_begin(void);
void snapshot_end(void);

/* Put it back. All of it must have been freed since, or this ends the process: it was leaked. What
 * was allocated besides is the sanitizer's to watch. Returns false if there is none yet. */
bool snapshot_restore(void);

#endif
