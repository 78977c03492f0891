/* SPDX-License-Identifier: MIT
 *
 * The status page is shared with a process that may be compromised: whatever is in it, and however
 * it changes between two looks, timers stay in their bounds and do not spin. The names of drop
 * reasons become keys of UAPI and JSON: each has one, of its own, of letters.
 */
#include "core/status.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "core/timers.h"

enum { ROUNDS = 200000, MAX_KEEPALIVE_S = UINT16_MAX };

static uint64_t random_state = 1;

static uint64_t roll(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Times at which something is just due, or not yet; and what no honest clock says. */
static uint64_t draw_time(uint64_t now_ns)
{
	const uint64_t timeouts_ns[] = {
		KEEPALIVE_TIMEOUT_NS, KEEPALIVE_TIMEOUT_NS + REKEY_TIMEOUT_NS, SECOND_NS, 0};
	const uint64_t since_ns = now_ns - timeouts_ns[roll() % 4];
	const uint64_t times_ns[] = {0, 1, since_ns - 1, since_ns, since_ns + 1, now_ns + SECOND_NS,
		UINT64_MAX, UINT64_MAX - KEEPALIVE_TIMEOUT_NS, INT64_MAX, roll()};

	return times_ns[roll() % (sizeof(times_ns) / sizeof(times_ns[0]))];
}

static void scribble(struct peer_status *status, uint64_t now_ns)
{
	atomic_store(&status->last_rx_ns, draw_time(now_ns));
	atomic_store(&status->last_tx_ns, draw_time(now_ns));
	atomic_store(&status->unanswered_ns, draw_time(now_ns));
	atomic_store(&status->unacked_ns, draw_time(now_ns));
	atomic_store(&status->need_another, (uint32_t)roll());
	atomic_store(&status->watched, (uint32_t)roll() % 3);
}

static void assert_in_bounds(const struct timers *t, uint64_t now_ns)
{
	const uint64_t next_ns = timers_next(t);

	if (next_ns)
		assert_in_range(next_ns, now_ns + 1, now_ns + MAX_KEEPALIVE_S * SECOND_NS);
}

static void timers_of_a_liar(void **state)
{
	static struct peer_status status;
	struct timers timers = {.persistent_keepalive_s = 25};
	uint64_t now_ns = 1000 * SECOND_NS;

	(void)state;
	timers_start(&timers, now_ns);
	for (int i = 0; i < ROUNDS; i++) {
		if (roll() % 8 == 0) {
			timers.persistent_keepalive_s = (uint16_t)roll();
			timers_start(&timers, now_ns);
		}
		scribble(&status, now_ns);
		/* it has been told to look: at the earliest at once */
		if (roll() % 2)
			timers_watch(
				&timers, &status, roll() % REKEY_TIMEOUT_JITTER_MAX_NS, now_ns);
		/* once is enough, though the page is another one meanwhile */
		scribble(&status, now_ns);
		(void)!timers_expire(&timers, &status, now_ns);
		assert_in_bounds(&timers, now_ns);
		now_ns = roll() % 2 && timers_next(&timers) ? timers_next(&timers)
							    : now_ns + roll() % (20 * SECOND_NS);
	}
}

static void each_reason_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i < DROP_NUM; i++) {
		const char *name = drop_name((enum drop)i);

		assert_non_null(name);
		assert_in_range(strlen(name), 1, 26); /* "drop_" before it: fits a counter's name */
		assert_int_equal(
			strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(name, drop_name((enum drop)j));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_of_a_liar), cmocka_unit_test(each_reason_has_a_name)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
