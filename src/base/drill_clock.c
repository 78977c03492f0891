/* SPDX-License-Identifier: MIT
 *
 * The fast clock.
 */
#include "base/drill_clock.h"

#include <stdlib.h>

static uint64_t factor = 1, start_ns;

static __attribute__((constructor)) void set(void)
{
	const char *text = getenv("ADIT_DRILL_CLOCK");
	char *end;

	if (!text)
		return;
	factor = strtoull(text, &end, 10);
	start_ns = *end == ':' ? strtoull(end + 1, NULL, 10) : 0;
	if (factor == 0 || start_ns == 0)
		abort();
}

uint64_t drill_clock_factor(void)
{
	return factor;
}

uint64_t drill_clock_ahead_ns(uint64_t boottime_ns)
{
	return boottime_ns > start_ns ? (boottime_ns - start_ns) * (factor - 1) : 0;
}

uint64_t drill_clock_real_ns(uint64_t fast_ns)
{
	return fast_ns > start_ns ? start_ns + (fast_ns - start_ns + factor - 1) / factor : fast_ns;
}
