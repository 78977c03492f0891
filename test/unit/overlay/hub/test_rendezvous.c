/* SPDX-License-Identifier: MIT
 *
 * Who waits for a peer is resumed once: by the peer, by time, or not at all.
 */
#include "overlay/hub/rendezvous.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ANNA = 1, BOB = 2, CARL = 3 };

static void count(void *ctx)
{
	++*(int *)ctx;
}

static void test_rendezvous(void **state)
{
	int resumed[3] = {0};
	struct rendezvous_list list = {0};
	struct rendezvous r[] = {{.caller = ANNA, .peer = BOB, .resume = count, .ctx = &resumed[0]},
		{.caller = ANNA, .peer = CARL, .resume = count, .ctx = &resumed[1]},
		{.caller = CARL, .peer = BOB, .resume = count, .ctx = &resumed[2]}};

	(void)state;
	assert_int_equal(rendezvous_expire(&list, 1), 0);
	for (int i = 0; i < 3; i++)
		rendezvous_wait(&list, &r[i], 100 + (uint64_t)i);
	assert_true(rendezvous_is_awaited(&list, ANNA, BOB));
	assert_false(rendezvous_is_awaited(&list, BOB, ANNA));
	rendezvous_ready(&list, BOB, ANNA); /* nobody waits like that */
	rendezvous_ready(&list, ANNA, BOB);
	rendezvous_ready(&list, ANNA, BOB);
	assert_int_equal(resumed[0], 1);
	assert_false(rendezvous_is_awaited(&list, ANNA, BOB));

	assert_int_equal(rendezvous_expire(&list, 100 + RENDEZVOUS_NS), 101 + RENDEZVOUS_NS);
	assert_int_equal(rendezvous_expire(&list, 101 + RENDEZVOUS_NS), 102 + RENDEZVOUS_NS);
	assert_int_equal(resumed[1], 1);

	rendezvous_cancel(&r[2]);
	rendezvous_cancel(&r[2]);
	assert_int_equal(rendezvous_expire(&list, UINT64_MAX), 0);
	assert_int_equal(resumed[2], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rendezvous)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
