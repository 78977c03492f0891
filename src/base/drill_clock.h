/* SPDX-License-Identifier: MIT
 *
 * A drill: time runs faster. ADIT_DRILL_CLOCK=FACTOR:START has boottime and wall clock go FACTOR
 * times as fast since the instant START of CLOCK_BOOTTIME, the same in every process that is told
 * so. Only in programs built with -Ddrills=true.
 */
#ifndef ADIT_BASE_DRILL_CLOCK_H
#define ADIT_BASE_DRILL_CLOCK_H

#include <stdint.h>

/* How much faster; 1: no drill. */
uint64_t drill_clock_factor(void);

/* What has to be added to a reading of CLOCK_BOOTTIME, and so to one of the wall clock taken at the
 * same time. */
uint64_t drill_clock_ahead_ns(uint64_t boottime_ns);

/* The reading of CLOCK_BOOTTIME at an instant of the fast clock, rounded up. */
uint64_t drill_clock_real_ns(uint64_t fast_ns);

#endif
