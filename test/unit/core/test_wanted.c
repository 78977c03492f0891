/* SPDX-License-Identifier: MIT
 *
 * Destinations without a peer: what is held of them, for how long, and what there is no room for.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/wanted.h"

enum { LEN = 40 };

static struct wanted wanted;
static const struct wanted_destination *new;
static uint64_t now_ns;

static int setup(void **state)
{
	(void)state;
	now_ns = 100 * SECOND_NS;
	return wanted_init(&wanted);
}

static int teardown(void **state)
{
	(void)state;
	wanted_deinit(&wanted);
	return 0;
}

static void address_of(uint32_t destination, uint8_t addr[16])
{
	memset(addr, 0, 16);
	store_be32(addr, 0x0a000000 + destination);
}

/* A packet of len bytes that all are its number. */
static enum drop hold(uint16_t family, uint32_t destination, uint8_t number, uint32_t len)
{
	static uint8_t data[PACKET_MAX];
	uint8_t addr[16];
	const struct inner inner = {.family = family, .dst = addr};
	const struct packet packet = {.data = data, .len = len};

	memset(data, number, len);
	address_of(destination, addr);
	return wanted_hold(&wanted, &inner, &packet, now_ns, &new);
}

static struct wanted_destination *refuse(uint32_t destination)
{
	uint8_t addr[16];

	address_of(destination, addr);
	return wanted_refuse(&wanted, AF_INET, addr, now_ns);
}

static void assert_held(uint32_t destination, uint8_t number)
{
	assert_int_equal(hold(AF_INET, destination, number, LEN), DROP_NONE);
}

static void assert_new(uint32_t destination)
{
	assert_held(destination, 0);
	assert_non_null(new);
	assert_true(prefix_is_address(&new->address));
	assert_int_equal(new->address.family, AF_INET);
	assert_int_equal(load_be32(new->address.addr), 0x0a000000 + destination);
}

static void test_the_first_ones_are_held_in_order(void **state)
{
	struct wanted_destination *d;
	uint8_t data[PACKET_MAX];
	uint32_t len;

	(void)state;
	assert_new(7);
	for (uint8_t i = 1; i < WANTED_PACKETS; i++) {
		assert_held(7, i);
		assert_null(new);
	}
	assert_int_equal(hold(AF_INET, 7, 99, LEN), DROP_STAGED);
	assert_new(8); /* another's own */
	assert_int_equal(hold(AF_INET6, 7, 0, LEN), DROP_NONE);
	assert_non_null(new); /* the same bytes, but not the same address */
	d = refuse(7);
	assert_non_null(d);
	for (uint8_t i = 0; i < WANTED_PACKETS; i++) {
		assert_true(staged_pop(wanted.pool, &d->held, data, &len));
		assert_int_equal(len, LEN);
		assert_int_equal(data[LEN - 1], i);
	}
	assert_false(staged_pop(wanted.pool, &d->held, data, &len));
}

static void test_time_is_up(void **state)
{
	const uint64_t begin_ns = now_ns;

	(void)state;
	assert_int_equal(wanted.deadline_ns, 0);
	assert_new(1);
	struct wanted_destination *first = &wanted.destinations[new - wanted.destinations];

	now_ns += SECOND_NS;
	assert_new(2);
	assert_held(1, 1); /* which does not change the deadline */
	assert_int_equal(wanted.deadline_ns, begin_ns + WANTED_TIME_NS);
	wanted_set_deadline(&wanted);
	assert_int_equal(wanted.deadline_ns, begin_ns + WANTED_TIME_NS);
	now_ns = begin_ns + WANTED_TIME_NS - 1;
	assert_false(wanted_is_overdue(first, now_ns));
	assert_held(1, 2);
	now_ns++;
	assert_true(wanted_is_overdue(first, now_ns));
	assert_false(wanted_is_overdue(&wanted.destinations[WANTED_MAX - 1], now_ns)); /* none */
	assert_int_equal(hold(AF_INET, 1, 3, LEN), DROP_NO_PEER);
	assert_null(new);
	wanted_forget(&wanted, first);
	wanted_set_deadline(&wanted);
	assert_int_equal(wanted.deadline_ns, begin_ns + SECOND_NS + WANTED_TIME_NS);
	assert_new(1);
	assert_int_equal(wanted.deadline_ns, begin_ns + SECOND_NS + WANTED_TIME_NS);
	for (unsigned i = 0; i < WANTED_MAX; i++)
		wanted_forget(&wanted, &wanted.destinations[i]);
	wanted_set_deadline(&wanted);
	assert_int_equal(wanted.deadline_ns, 0);
}

static void test_a_refusal_is_good_for_a_while(void **state)
{
	(void)state;
	assert_non_null(refuse(1)); /* asked or not */
	assert_int_equal(hold(AF_INET, 1, 0, LEN), DROP_REFUSED);
	now_ns += WANTED_TIME_NS - 1;
	assert_int_equal(hold(AF_INET, 1, 0, LEN), DROP_REFUSED);
	assert_null(new);
	assert_non_null(refuse(1)); /* said again */
	now_ns += WANTED_TIME_NS - 1;
	assert_int_equal(hold(AF_INET, 1, 0, LEN), DROP_REFUSED);
	now_ns++;
	assert_new(1);
	assert_held(1, 1);
}

static void test_a_full_table(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < WANTED_MAX; i++)
		assert_new(i);
	assert_int_equal(hold(AF_INET, WANTED_MAX, 0, LEN), DROP_NO_PEER);
	assert_null(new);
	assert_null(refuse(WANTED_MAX));
	assert_held(3, 1); /* the others are not touched */

	/* the oldest refusals make room, once their packets are gone */
	now_ns += SECOND_NS;
	struct wanted_destination *second = refuse(20);

	assert_int_equal(hold(AF_INET, WANTED_MAX, 0, LEN), DROP_NO_PEER);
	(void)staged_purge(wanted.pool, &second->held);
	now_ns += SECOND_NS;
	(void)staged_purge(wanted.pool, &refuse(10)->held);
	assert_int_equal(hold(AF_INET, 10, 0, LEN), DROP_REFUSED);
	assert_new(WANTED_MAX);
	assert_ptr_equal(new, second);
	assert_int_equal(hold(AF_INET, 10, 0, LEN), DROP_REFUSED);
	assert_new(WANTED_MAX + 1);
	assert_int_equal(hold(AF_INET, 20, 0, LEN), DROP_NO_PEER);
	assert_int_equal(hold(AF_INET, 10, 0, LEN), DROP_NO_PEER);
}

/* However large packets are, they take no more than was set aside. */
static void test_storage_is_bounded(void **state)
{
	unsigned num = 0;

	(void)state;
	for (uint32_t i = 0; i < WANTED_MAX; i++) {
		for (unsigned k = 0; k < WANTED_PACKETS; k++)
			num += hold(AF_INET, i, 0, PACKET_MAX) == DROP_NONE;
	}
	assert_in_range(num, 8, 15); /* MiB divided by 64 KiB */
	assert_int_equal(hold(AF_INET, 1000, 0, PACKET_MAX), DROP_NO_PEER);
	assert_null(new);
	for (unsigned i = 0; i < WANTED_MAX; i++)
		wanted_forget(&wanted, &wanted.destinations[i]);
	for (uint32_t i = 0; i < WANTED_MAX; i++) {
		now_ns += SECOND_NS;
		assert_new(i);
		for (uint8_t k = 1; k < WANTED_PACKETS; k++)
			assert_held(i, k);
	}
}

static void test_events_are_limited(void **state)
{
	uint32_t num = 0, step = 0;

	(void)state;
	for (; step < 10000; step++) { /* of 0.1 ms */
		now_ns += MSEC_NS / 10;
		if (hold(AF_INET, step, 0, LEN) != DROP_NONE)
			continue;
		assert_non_null(new);
		num++;
		wanted_forget(&wanted, &wanted.destinations[new - wanted.destinations]);
	}
	assert_in_range(num, WANTED_EVENTS_PER_S, WANTED_EVENTS_PER_S + WANTED_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_the_first_ones_are_held_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_time_is_up, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_refusal_is_good_for_a_while, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_full_table, setup, teardown),
		cmocka_unit_test_setup_teardown(test_storage_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_events_are_limited, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
