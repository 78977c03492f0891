/* SPDX-License-Identifier: MIT
 *
 * The replay window: known sequences, its edges, and a comparison with a plain set of counters.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/replay.h"

#define LAST (REJECT_AFTER_MESSAGES - 1) /* the greatest counter there is */

struct step {
	uint64_t counter;
	bool accept;
};

static void check_steps(const struct step *steps, size_t num_steps)
{
	struct replay replay = {0};

	for (size_t i = 0; i < num_steps; i++) {
		if (replay_accept(&replay, steps[i].counter) != steps[i].accept)
			fail_msg("step %zu, counter %llu: expected %d", i,
				(unsigned long long)steps[i].counter, steps[i].accept);
	}
}

static void test_known_steps(void **state)
{
	static const struct step steps[] = {
		/* The first counters, in order and not, each once. */
		{0, true},
		{0, false},
		{1, true},
		{1, false},
		{0, false},
		{5, true},
		{3, true},
		{4, true},
		{2, true},
		{3, false},
		{5, false},
		{63, true},
		{64, true},
		{62, true},
		{64, false},
		{63, false},
		{65, true},
		/* The window's far edge: exactly REPLAY_WINDOW behind the greatest. */
		{REPLAY_WINDOW + 6, true},
		{6, true},
		{6, false},
		{5, false},
		{7, true},
		{REPLAY_WINDOW + 8, true},
		{7, false},
		{8, true},
		{6, false},
		{REPLAY_WINDOW + 7, true},
		{REPLAY_WINDOW + 7, false},
		/* A jump by a window, by the ring, and by much more. */
		{2 * REPLAY_WINDOW + 8, true},
		{REPLAY_WINDOW + 8, false},
		{REPLAY_WINDOW + 9, true},
		{REPLAY_WINDOW + 7, false},
		{2 * REPLAY_WINDOW + 8 + REPLAY_BITS, true},
		{2 * REPLAY_WINDOW + 8, false},
		{2 * REPLAY_WINDOW + 9 + REPLAY_BITS - REPLAY_WINDOW, true},
		{UINT64_C(1) << 40, true},
		{UINT64_C(1) << 40, false},
		{(UINT64_C(1) << 40) - REPLAY_WINDOW, true},
		{(UINT64_C(1) << 40) - REPLAY_WINDOW - 1, false},
		{(UINT64_C(1) << 40) - 1, true},
		{0, false},
		{5, false},
	};

	(void)state;
	check_steps(steps, ARRAY_SIZE(steps));
}

static void test_limit(void **state)
{
	static const struct step steps[] = {
		{UINT64_MAX, false},
		{UINT64_MAX - 1, false},
		{REJECT_AFTER_MESSAGES, false},
		{REJECT_AFTER_MESSAGES + 1, false},
		/* None of these has moved the window. */
		{0, true},
		{0, false},
		{LAST - 1, true},
		{LAST, true},
		{LAST, false},
		{LAST - 1, false},
		{LAST - 2, true},
		{LAST - REPLAY_WINDOW, true},
		{LAST - REPLAY_WINDOW, false},
		{LAST - REPLAY_WINDOW - 1, false},
		{REJECT_AFTER_MESSAGES, false},
		{UINT64_MAX, false},
		{0, false},
		{LAST - 3, true},
	};

	(void)state;
	assert_true(REJECT_AFTER_MESSAGES == UINT64_MAX - (UINT64_C(1) << 13) + 63);
	check_steps(steps, ARRAY_SIZE(steps));
}

/* Every counter of a span longer than the ring, forwards, then backwards from each alignment. */
static void test_spans(void **state)
{
	(void)state;
	for (uint64_t start = 0; start < 130; start += 13) {
		const uint64_t end = start + REPLAY_WINDOW;
		struct replay up = {0}, down = {0};

		for (uint64_t c = start; c <= end + 3000; c++) {
			assert_true(replay_accept(&up, c));
			assert_false(replay_accept(&up, c));
		}
		assert_true(replay_accept(&down, end));
		for (uint64_t c = end; c-- > start;)
			assert_true(replay_accept(&down, c));
		for (uint64_t c = start; c <= end; c++)
			assert_false(replay_accept(&down, c));
	}
}

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* The rule in its plainest form: remember everything. */
static void test_against_set(void **state)
{
	enum { SPAN = 200000 };
	static bool seen[SPAN];
	struct replay replay = {0};
	uint64_t seed = 0x1234567, greatest = 0;
	bool any = false;

	(void)state;
	for (unsigned i = 0; i < 400000; i++) {
		const uint64_t r = next_random(&seed), spread = r % 7 ? 300 : 3 * REPLAY_BITS;
		uint64_t counter = greatest + (r >> 8) % spread;

		counter = counter > spread - spread / 8 ? counter - (spread - spread / 8) : 0;
		if (counter >= SPAN)
			break;
		const bool expected =
			!seen[counter] && (!any || counter + REPLAY_WINDOW >= greatest);

		if (replay_accept(&replay, counter) != expected)
			fail_msg("round %u: counter %llu, greatest %llu", i,
				(unsigned long long)counter, (unsigned long long)greatest);
		seen[counter] = true;
		any = true;
		greatest = counter > greatest ? counter : greatest;
	}
	assert_true(greatest > 4 * REPLAY_BITS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_steps),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_against_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
