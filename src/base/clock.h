/* SPDX-License-Identifier: MIT
 *
 * Time. Every duration and instant in this program is a uint64_t of nanoseconds whose name ends
 * in _ns. Instants are CLOCK_BOOTTIME (it counts suspend) unless the name says wall.
 * Only processes read clocks; src/core gets its time as an argument.
 */
#ifndef ADIT_BASE_CLOCK_H
#define ADIT_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define MSEC_NS UINT64_C(1000000)
#define SECOND_NS UINT64_C(1000000000)

/* The reading of a clock in nanoseconds. clock_gettime cannot fail for the clocks we name. */
static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts = {0};

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * SECOND_NS + (uint64_t)ts.tv_nsec;
}

static inline uint64_t clock_boottime_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

static inline uint64_t clock_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

#endif
