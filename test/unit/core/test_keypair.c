/* SPDX-License-Identifier: MIT
 *
 * The slots a peer has for keypairs: every move the protocol knows, and the limits of a keypair's
 * life in time and in messages.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/keypair.h"

#define BIRTH_NS (1000 * SECOND_NS)

static struct keypair *keypair_made(uint32_t number, bool is_initiator)
{
	const struct control_keypair description = {.local_index = number,
		.remote_index = number + 100,
		.is_initiator = is_initiator,
		.birth_ns = BIRTH_NS};

	return keypair_new(&description);
}

static uint32_t number_of(const struct keypair *keypair)
{
	return keypair ? keypair->local_index : 0;
}

/* A step: I and R install a new keypair as initiator or responder, its number being that of the
 * step; C confirms the one in next. What the slots hold then, and which was dropped. */
struct step {
	char verb;
	uint32_t current, previous, next;
	uint32_t dropped; /* never more than one */
};

static void check_steps(const struct step *steps, uint32_t num_steps)
{
	struct keypairs slots = {0};
	struct keypairs_dropped dropped;

	for (uint32_t i = 1; i <= num_steps; i++) {
		const struct step *step = &steps[i - 1];
		uint32_t sum = 0;

		if (step->verb == 'C')
			assert_true(keypairs_confirm(&slots, slots.next, &dropped));
		else
			dropped = keypairs_install(&slots, keypair_made(i, step->verb == 'I'));
		if (number_of(slots.current) != step->current ||
			number_of(slots.previous) != step->previous ||
			number_of(slots.next) != step->next)
			fail_msg("step %u: %u %u %u", i, number_of(slots.current),
				number_of(slots.previous), number_of(slots.next));
		for (size_t j = 0; j < 3; j++) {
			sum += number_of(dropped.keypairs[j]);
			keypair_free(dropped.keypairs[j]);
		}
		assert_int_equal(sum, step->dropped);
	}
	dropped = keypairs_clear(&slots);
	assert_true(!slots.current && !slots.previous && !slots.next);
	for (size_t j = 0; j < 3; j++)
		keypair_free(dropped.keypairs[j]);
}

static void test_slot_rotation(void **state)
{
	static const struct step as_initiator[] = {
		{'I', 1, 0, 0, 0},
		{'I', 2, 1, 0, 0},
		{'I', 3, 2, 0, 1},
	};
	static const struct step as_responder[] = {
		{'R', 0, 0, 1, 0},
		{'C', 1, 0, 0, 0},
		{'R', 1, 0, 3, 0},
		{'C', 3, 1, 0, 0},
		{'R', 3, 0, 5, 1}, /* previous goes when a new one is offered */
		{'R', 3, 0, 6, 5}, /* and so does one never used */
		{'C', 6, 3, 0, 0},
	};
	static const struct step mixed[] = {
		{'R', 0, 0, 1, 0},
		{'I', 2, 1, 0, 0}, /* what was never confirmed may still receive */
		{'R', 2, 0, 3, 1},
		{'I', 4, 3, 0, 2}, /* next becomes previous, current goes */
		{'R', 4, 0, 5, 3},
		{'C', 5, 4, 0, 0},
		{'I', 7, 5, 0, 4},
	};

	(void)state;
	check_steps(as_initiator, ARRAY_SIZE(as_initiator));
	check_steps(as_responder, ARRAY_SIZE(as_responder));
	check_steps(mixed, ARRAY_SIZE(mixed));
}

static void test_only_next_is_confirmed(void **state)
{
	struct keypairs slots = {keypair_made(1, true), keypair_made(2, true), NULL};
	struct keypairs_dropped dropped;

	(void)state;
	assert_false(keypairs_confirm(&slots, slots.current, &dropped));
	assert_false(keypairs_confirm(&slots, slots.previous, &dropped));
	assert_int_equal(number_of(keypairs_find(&slots, 1)), 1);
	assert_int_equal(number_of(keypairs_find(&slots, 2)), 2);
	assert_null(keypairs_find(&slots, 101)); /* the index of the other side */
	dropped = keypairs_clear(&slots);
	assert_null(keypairs_find(&slots, 1));
	for (size_t i = 0; i < 3; i++)
		keypair_free(dropped.keypairs[i]);
}

static void test_sending_limits(void **state)
{
	static const struct {
		uint64_t age_ns, counter;
		bool is_initiator, can_send, should_rekey;
	} rows[] = {
		{0, 0, true, true, false},
		{120 * SECOND_NS - 1, 1, true, true, false},
		{120 * SECOND_NS, 1, true, true, true},
		{120 * SECOND_NS, 1, false, true, false}, /* rekey by time: initiator only */
		{180 * SECOND_NS - 1, 1, false, true, false},
		{180 * SECOND_NS - 1, 1, true, true, true},
		{180 * SECOND_NS, 1, true, false, true},
		{180 * SECOND_NS, 1, false, false, false},
		{0, UINT64_C(1) << 60, true, true, false},
		{0, UINT64_C(1) << 60, false, true, false},
		{0, (UINT64_C(1) << 60) + 1, true, true, true}, /* by count: both */
		{0, (UINT64_C(1) << 60) + 1, false, true, true},
		{0, UINT64_MAX - 8128 - 2, false, true, true},
		{0, UINT64_MAX - 8128 - 1, false, false, true},
		{0, UINT64_MAX, false, false, true},
	};

	(void)state;
	assert_false(keypair_can_send(NULL, 0));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const uint64_t now_ns = BIRTH_NS + rows[i].age_ns;
		struct keypair *keypair = keypair_made(1, rows[i].is_initiator);

		keypair->sending_counter = rows[i].counter;
		if (keypair_can_send(keypair, now_ns) != rows[i].can_send ||
			keypair_should_rekey_on_send(keypair, now_ns) != rows[i].should_rekey)
			fail_msg("row %zu", i);
		keypair->sending_expired = true;
		assert_false(keypair_can_send(keypair, now_ns));
		keypair_free(keypair);
	}
}

static void test_receiving_limits(void **state)
{
	static const struct {
		uint64_t age_ns, counter;
		bool can_receive;
	} rows[] = {
		{0, 0, true},
		{180 * SECOND_NS - 1, 0, true},
		{180 * SECOND_NS, 0, false},
		{0, UINT64_MAX - 8128 - 2, true},
		{0, UINT64_MAX - 8128 - 1, false},
		{0, UINT64_MAX, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct keypair *keypair = keypair_made(1, false);

		keypair->sending_expired = true; /* has nothing to do with it */
		if (keypair_can_receive(keypair, rows[i].counter, BIRTH_NS + rows[i].age_ns) !=
			rows[i].can_receive)
			fail_msg("row %zu", i);
		keypair_free(keypair);
	}
}

static void test_rekey_on_receive_at_165_s_once(void **state)
{
	struct keypair *initiator = keypair_made(1, true), *responder = keypair_made(2, false);

	(void)state;
	assert_false(keypair_should_rekey_on_receive(initiator, BIRTH_NS + 165 * SECOND_NS - 1));
	assert_true(keypair_should_rekey_on_receive(initiator, BIRTH_NS + 165 * SECOND_NS));
	assert_false(keypair_should_rekey_on_receive(initiator, BIRTH_NS + 165 * SECOND_NS));
	assert_false(keypair_should_rekey_on_receive(initiator, BIRTH_NS + 179 * SECOND_NS));
	assert_false(keypair_should_rekey_on_receive(responder, BIRTH_NS + 170 * SECOND_NS));
	keypair_free(initiator);
	keypair_free(responder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slot_rotation),
		cmocka_unit_test(test_only_next_is_confirmed),
		cmocka_unit_test(test_sending_limits),
		cmocka_unit_test(test_receiving_limits),
		cmocka_unit_test(test_rekey_on_receive_at_165_s_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
