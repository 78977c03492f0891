/* SPDX-License-Identifier: MIT
 *
 * When a worker lets packets gather: for a stream of single ones, not for a ping, not for bulk.
 */
#include "tunnel/moderation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { US = 1000, TURNS = 10000 };

/* How many of the turns end in a pause, when each moves so many packets, works and sleeps for so
 * long; after a pause what gathered. */
static unsigned count_pauses(
	unsigned packets, unsigned work_us, unsigned sleep_us, unsigned gathered)
{
	struct moderation m = {0};
	uint64_t now_ns = 1;
	unsigned pauses = 0, num = packets;

	for (unsigned i = 0; i < TURNS; i++) {
		uint64_t woken_ns = now_ns;

		now_ns += work_us * US;
		if (moderation_wants_pause(&m, num, woken_ns, now_ns)) {
			now_ns += MODERATION_PAUSE_NS;
			pauses++;
			num = gathered;
		} else {
			now_ns += sleep_us * US;
			num = packets;
		}
	}
	return pauses;
}

static void test_who_is_made_to_wait(void **state)
{
	static const struct {
		const char *what;
		unsigned packets, work_us, sleep_us;
		unsigned gathered, min, max;
	} cases[] = {
		{"a stream of single packets", 1, 6, 3, 6, TURNS - 100, TURNS},
		{"a ping", 1, 5, 13, 1, 0, 0},
		{"a ping among busy processes", 1, 5, 4, 1, 1, 10},
		{"a few requests at a time", 1, 4, 2, 4, 1, 10 * MODERATION_TRIAL},
		{"bulk", 47, 60, 10, 282, 0, 0},
		{"a slow stream", 1, 6, 40, 6, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned pauses = count_pauses(
			cases[i].packets, cases[i].work_us, cases[i].sleep_us, cases[i].gathered);

		if (pauses < cases[i].min || pauses > cases[i].max)
			fail_msg("%s: %u pauses", cases[i].what, pauses);
	}
}

static void test_a_stream_that_ends(void **state)
{
	struct moderation m = {0};
	uint64_t now_ns = 1;

	(void)state;
	while (!moderation_wants_pause(&m, 1, now_ns, now_ns + 6 * US))
		now_ns += 9 * US;
	assert_true(moderation_wants_pause(&m, 10, now_ns, now_ns + 9 * US));
	assert_false(moderation_wants_pause(&m, MODERATION_MANY, now_ns, now_ns + 60 * US));
	assert_true(moderation_wants_pause(&m, 10, now_ns, now_ns + 9 * US));
	assert_false(moderation_wants_pause(&m, MODERATION_FEW, now_ns, now_ns + 6 * US));
	assert_false(moderation_wants_pause(&m, 10, now_ns, now_ns + 9 * US));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_made_to_wait),
		cmocka_unit_test(test_a_stream_that_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
