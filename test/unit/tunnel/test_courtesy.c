/* SPDX-License-Identifier: MIT
 *
 * When a worker offers the core to others: after a burst of small UDP datagrams, not to those who
 * keep it.
 */
#include "tunnel/courtesy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { MS = 1000000 };

static void test_what_is_a_burst(void **state)
{
	static uint8_t udp4[40] = {[0] = 0x45, [6] = IPPROTO_TCP, [9] = IPPROTO_UDP};
	static uint8_t udp6[40] = {[0] = 0x60, [6] = IPPROTO_UDP, [9] = IPPROTO_TCP};
	static uint8_t tcp4[40] = {[0] = 0x45, [6] = IPPROTO_UDP, [9] = IPPROTO_TCP};
	static uint8_t tcp6[40] = {[0] = 0x60, [6] = IPPROTO_TCP, [9] = IPPROTO_UDP};
	static const struct {
		uint8_t *some, *others;
		unsigned num_some, num_others;
		uint32_t len;
		bool is_burst;
	} cases[] = {
		{udp4, tcp4, 0, 0, 40, false},
		{udp4, tcp4, COURTESY_BURST, 0, 40, true},
		{udp6, tcp6, COURTESY_BURST, 0, 40, true},
		{udp4, udp6, COURTESY_BURST / 2, COURTESY_BURST / 2, 40, true},
		{udp4, tcp4, COURTESY_BURST - 1, 0, 40, false},
		{udp4, tcp4, COURTESY_BURST - 1, 10, 40, false},
		{udp6, tcp6, COURTESY_BURST, BATCH_MAX - COURTESY_BURST, 40, true},
		{udp4, tcp4, COURTESY_BURST, 0, COURTESY_SMALL, true},
		{udp4, tcp4, BATCH_MAX, 0, COURTESY_SMALL + 1, false},
		{tcp4, tcp6, BATCH_MAX / 2, BATCH_MAX / 2, 40, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct batch batch = {.num = cases[i].num_some + cases[i].num_others};

		for (unsigned k = 0; k < batch.num; k++)
			batch.packets[k] = (struct packet){.len = cases[i].len,
				.data = k < cases[i].num_some ? cases[i].some : cases[i].others};
		if (courtesy_is_burst(&batch) != cases[i].is_burst)
			fail_msg("case %zu", i);
	}
}

/* How often the core is offered in a second, each 100 us, when it comes back after so long each
 * time but for one in so many. */
static unsigned count_offers(uint64_t away_ns, unsigned but_one_in)
{
	struct courtesy c = {0};
	unsigned num = 0;

	for (uint64_t now_ns = 1; now_ns < UINT64_C(1000) * MS; now_ns += MS / 10) {
		uint64_t back_ns = ++num % but_one_in ? now_ns + away_ns : now_ns;

		if (!courtesy_is_due(&c, now_ns)) {
			num--;
			continue;
		}
		courtesy_judge(&c, now_ns, back_ns);
		now_ns = back_ns;
	}
	return num;
}

static void test_who_keeps_the_core(void **state)
{
	(void)state;
	assert_in_range(count_offers(0, 1000), 9990, 10000);
	assert_in_range(count_offers(MS, 1000), 900, 1000);
	/* a slice each time: for a twentieth of the time at most */
	assert_in_range(count_offers(3 * MS, 1000), 10, 50 / 3 + COURTESY_LONG_MAX);
	/* now and then */
	assert_in_range(count_offers(3 * MS, 2), 600, 650);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_a_burst),
		cmocka_unit_test(test_who_keeps_the_core),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
