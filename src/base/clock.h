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

#ifdef ADIT_DRILLS
#include "base/drill_clock.h"
#else
#define drill_clock_factor() UINT64_C(1)
#define drill_clock_ahead_ns(boottime_ns) UINT64_C(0)
#define drill_clock_real_ns(fast_ns) (fast_ns)
#endif

static inline uint64_t clock_boottime_ns(void)
{
	uint64_t now_ns = clock_ns(CLOCK_BOOTTIME);

	return now_ns + drill_clock_ahead_ns(now_ns);
}

static inline uint64_t clock_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME) + drill_clock_ahead_ns(clock_ns(CLOCK_BOOTTIME));
}

/* An instant of ours as CLOCK_BOOTTIME of the kernel: for its timers. */
static inline struct timespec clock_kernel_time(uint64_t instant_ns)
{
	uint64_t real_ns = drill_clock_real_ns(instant_ns);

	return (struct timespec){(time_t)(real_ns / SECOND_NS), (long)(real_ns % SECOND_NS)};
}

/* How many milliseconds poll has to wait for so much time to have passed. */
static inline int clock_poll_ms(uint64_t duration_ns)
{
	return (int)(duration_ns / drill_clock_factor() / MSEC_NS) + 1;
}

#endif
