/* SPDX-License-Identifier: MIT
 *
 * The bound on how often something happens.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rate.h"

enum { COST = 100, BURST = 5 };

static unsigned allowed(struct rate *rate, uint64_t now_ns, unsigned tries)
{
	unsigned num = 0;

	for (unsigned i = 0; i < tries; i++)
		num += rate_allow(rate, now_ns, COST, BURST);
	return num;
}

static void test_burst_and_rate(void **state)
{
	static const struct {
		uint64_t now_ns;
		unsigned allowed;
	} cases[] = {
		{1000, BURST}, /* full at first */
		{1000, 0},
		{1000 + COST - 1, 0},
		{1000 + COST, 1},
		{1000 + 3 * COST, 2},
		{1000 + 3 * COST - 50, 0},  /* a clock of another thread that is behind */
		{1000 + 100 * COST, BURST}, /* a pause gives no more than a burst */
		{1000 + 101 * COST, 1},
	};
	struct rate rate = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(allowed(&rate, cases[i].now_ns, 2 * BURST), cases[i].allowed);
}

static void test_in_the_long_run(void **state)
{
	struct rate rate = {0};
	unsigned num = 0;

	(void)state;
	for (uint64_t now_ns = 0; now_ns < 1000 * COST; now_ns += 7)
		num += allowed(&rate, now_ns, 3);
	assert_in_range(num, 1000, 1000 + BURST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_and_rate),
		cmocka_unit_test(test_in_the_long_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
