/* SPDX-License-Identifier: MIT
 *
 * The rate limiter: the token bucket in time, what counts as one source, a full table.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "core/ratelimiter.h"

static const uint8_t key[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static struct endpoint source(const char *text)
{
	struct endpoint endpoint;

	assert_int_equal(endpoint_from_text(&endpoint, text), 0);
	return endpoint;
}

struct step {
	uint64_t after_ms; /* since the step before */
	const char *source;
	bool allowed;
};

static void check_steps(const struct step *steps, size_t num_steps)
{
	struct ratelimiter *limiter = ratelimiter_new(key);
	uint64_t now_ns = 0;

	assert_non_null(limiter);
	for (size_t i = 0; i < num_steps; i++) {
		const struct endpoint from = source(steps[i].source);

		now_ns += steps[i].after_ms * MSEC_NS;
		if (ratelimiter_allow(limiter, &from, now_ns) != steps[i].allowed)
			fail_msg("step %zu: expected %d", i, steps[i].allowed);
	}
	ratelimiter_free(limiter);
}

static void test_bucket(void **state)
{
	static const char a[] = "192.0.2.1:1";
	static const struct step steps[] = {
		/* A burst of 5. */
		{0, a, true},
		{0, a, true},
		{0, a, true},
		{0, a, true},
		{0, a, true},
		{0, a, false},
		{0, a, false},
		/* 50 ms buy one more; a refusal costs nothing. */
		{49, a, false},
		{1, a, true},
		{0, a, false},
		{20, a, false},
		{20, a, false},
		{10, a, true},
		{100, a, true},
		{0, a, true},
		{0, a, false},
		/* Credit is capped, before the entry is idle and after. */
		{999, a, true},
		{0, a, true},
		{0, a, true},
		{0, a, true},
		{0, a, true},
		{0, a, false},
		{3600000, a, true},
		{0, a, true},
		{0, a, true},
		{0, a, true},
		{0, a, true},
		{0, a, false},
		/* 20 a second, kept up. */
		{50, a, true},
		{50, a, true},
		{49, a, false},
		{1, a, true},
		{1, a, false},
	};

	(void)state;
	check_steps(steps, ARRAY_SIZE(steps));
}

static void test_what_is_one_source(void **state)
{
	static const struct {
		const char *one, *other;
		bool same;
	} rows[] = {
		{"192.0.2.1:1", "192.0.2.1:2", true}, {"192.0.2.1:1", "192.0.2.2:1", false},
		{"192.0.2.1:1", "193.0.2.1:1", false},
		{"[2001:db8::1]:1", "[2001:db8::ffff:0:0:2]:1", true},
		{"[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false},
		{"[2001:db8::1]:1", "[2001:db9::1]:1", false},
		{"192.0.2.1:1", "[c000:201::]:1", false}, /* the same first bytes */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct step steps[] = {
			{0, rows[i].one, true},
			{0, rows[i].one, true},
			{0, rows[i].one, true},
			{0, rows[i].one, true},
			{0, rows[i].one, true},
			{0, rows[i].one, false},
			{0, rows[i].other, !rows[i].same},
		};

		check_steps(steps, ARRAY_SIZE(steps));
	}
}

static void test_clock_that_stands_or_steps_back(void **state)
{
	struct ratelimiter *limiter = ratelimiter_new(key);
	const struct endpoint from = source("192.0.2.1:1");

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_true(ratelimiter_allow(limiter, &from, 10 * SECOND_NS - i));
	for (uint64_t back = 0; back < 10; back++)
		assert_false(ratelimiter_allow(limiter, &from, (9 - back) * SECOND_NS));
	assert_false(ratelimiter_allow(limiter, &from, 10 * SECOND_NS + 49 * MSEC_NS));
	assert_true(ratelimiter_allow(limiter, &from, 10 * SECOND_NS + 50 * MSEC_NS));
	ratelimiter_free(limiter);
}

/* Twice as many sources as entries: most entries fill, the others' sources are refused, nobody's
 * credit is lost, and after a second of silence every place is free again. */
static void test_full_table(void **state)
{
	enum { NUM = 2 * RATELIMITER_MAX_ENTRIES };
	static bool known[NUM];
	struct ratelimiter *limiter = ratelimiter_new(key);
	struct endpoint from = {.family = AF_INET, .port = 1};
	const uint64_t start_ns = 5 * SECOND_NS, idle_ns = start_ns + RATELIMITER_IDLE_NS;
	unsigned num_known = 0, num_late = 0;

	(void)state;
	for (uint32_t i = 0; i < NUM; i++) {
		store_be32(from.addr, 0x0a000000 + i);
		known[i] = ratelimiter_allow(limiter, &from, start_ns);
		num_known += known[i];
	}
	assert_in_range(num_known, RATELIMITER_MAX_ENTRIES * 95 / 100, RATELIMITER_MAX_ENTRIES);
	/* A clock that stepped back frees none. */
	for (uint32_t i = 0; i < NUM; i++) {
		store_be32(from.addr, 0x0a000000 + i);
		if (!known[i])
			assert_false(ratelimiter_allow(limiter, &from, start_ns - 4 * SECOND_NS));
	}
	/* At exactly the idle time none is free yet; those that are known have 5 again. */
	for (uint32_t i = 0; i < NUM; i++) {
		store_be32(from.addr, 0x0a000000 + i);
		for (unsigned n = 0; n < 4; n++)
			assert_true(ratelimiter_allow(limiter, &from, start_ns) == known[i]);
		assert_false(ratelimiter_allow(limiter, &from, start_ns));
	}
	for (uint32_t i = 0; i < NUM; i++) {
		store_be32(from.addr, 0x0b000000 + i);
		num_late += ratelimiter_allow(limiter, &from, idle_ns);
	}
	assert_true(num_known + num_late <= RATELIMITER_MAX_ENTRIES);
	for (uint32_t i = 0; i < 1000; i++) {
		store_be32(from.addr, 0x0c000000 + i);
		assert_true(ratelimiter_allow(limiter, &from, idle_ns + SECOND_NS + 1));
	}
	ratelimiter_free(limiter);
	ratelimiter_free(NULL);
}

/* Another key puts sources elsewhere: who is refused by a full table cannot be computed. */
static void test_key_matters(void **state)
{
	enum { NUM = 2 * RATELIMITER_MAX_ENTRIES };
	const uint8_t other_key[16] = {2};
	struct ratelimiter *one = ratelimiter_new(key), *other = ratelimiter_new(other_key);
	struct endpoint from = {.family = AF_INET, .port = 1};
	unsigned num_different = 0;

	(void)state;
	for (uint32_t i = 0; i < NUM; i++) {
		store_be32(from.addr, 0x0a000000 + i);
		num_different +=
			ratelimiter_allow(one, &from, 1) != ratelimiter_allow(other, &from, 1);
	}
	assert_true(num_different > NUM / 100);
	ratelimiter_free(one);
	ratelimiter_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bucket),
		cmocka_unit_test(test_what_is_one_source),
		cmocka_unit_test(test_clock_that_stands_or_steps_back),
		cmocka_unit_test(test_full_table),
		cmocka_unit_test(test_key_matters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
