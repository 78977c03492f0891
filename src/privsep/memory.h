/* SPDX-License-Identifier: MIT
 *
 * Giving back memory that is not needed for now.
 */
#ifndef ADIT_PRIVSEP_MEMORY_H
#define ADIT_PRIVSEP_MEMORY_H

/* Nothing is to be done for now: unmap the code and constants of this program and its libraries.
 * What is needed of them comes back from the page cache by itself; what was ever written is left
 * alone. Does nothing before Linux 5.18, which cannot do it to locked memory. */
void memory_rest(void);

/* From now on what comes must be answered at once: memory_rest does nothing any more. */
void memory_keep(void);

#endif
