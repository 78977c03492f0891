/* SPDX-License-Identifier: MIT
 *
 * Staged packets: order, the two limits, and many queues in one storage beside a plain model.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/staged.h"

static uint8_t room[PACKET_MAX];

/* A packet whose bytes all follow from its number. */
static struct packet make(uint32_t number, uint32_t len)
{
	static uint8_t data[PACKET_MAX];

	for (uint32_t i = 0; i < len; i++)
		data[i] = (uint8_t)(number + i + i / 256);
	return (struct packet){.data = data, .len = len};
}

static unsigned push(
	struct staged_pool *pool, struct staged_queue *queue, uint32_t number, uint32_t len)
{
	const struct packet packet = make(number, len);

	return staged_push(pool, queue, &packet);
}

static void expect(
	struct staged_pool *pool, struct staged_queue *queue, uint32_t number, uint32_t len)
{
	const struct packet expected = make(number, len);
	uint32_t ret_len = UINT32_MAX;

	memset(room, 0xee, sizeof(room));
	assert_true(staged_pop(pool, queue, room, &ret_len));
	assert_int_equal(ret_len, len);
	assert_memory_equal(room, expected.data, len);
	if (len < sizeof(room))
		assert_int_equal(room[len], 0xee);
}

static void expect_empty(struct staged_pool *pool, struct staged_queue *queue)
{
	uint32_t ret_len = 77;

	assert_false(staged_pop(pool, queue, NULL, &ret_len));
	assert_int_equal(ret_len, 77);
	assert_true(queue->num == 0 && queue->head == 0 && queue->tail == 0);
}

static void test_order_and_lengths(void **state)
{
	static const uint32_t lens[] = {
		0, 1, 1420, 2039, 2040, 2041, 4079, 4080, 4081, 9000, PACKET_MAX, 60};
	struct staged_pool *pool = staged_pool_new(64);
	struct staged_queue queue = {0};

	(void)state;
	expect_empty(pool, &queue);
	for (unsigned turn = 0; turn < 3; turn++) {
		for (uint32_t i = 0; i < ARRAY_SIZE(lens); i++)
			assert_int_equal(push(pool, &queue, i, lens[i]), 0);
		assert_int_equal(queue.num, ARRAY_SIZE(lens));
		for (uint32_t i = 0; i < ARRAY_SIZE(lens); i++)
			expect(pool, &queue, i, lens[i]);
		expect_empty(pool, &queue);
	}
	staged_pool_free(pool);
	staged_pool_free(NULL);
}

static void test_full_queue_drops_oldest(void **state)
{
	struct staged_pool *pool = staged_pool_new(2 * STAGED_MAX);
	struct staged_queue queue = {0};

	(void)state;
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(push(pool, &queue, i, 100), i >= STAGED_MAX);
	assert_int_equal(queue.num, STAGED_MAX);
	for (uint32_t i = 300 - STAGED_MAX; i < 300; i++)
		expect(pool, &queue, i, 100);
	expect_empty(pool, &queue);
	staged_pool_free(pool);
}

static void test_full_storage(void **state)
{
	struct staged_pool *pool = staged_pool_new(6);
	struct staged_queue one = {0}, two = {0};

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(push(pool, &one, i, 1000), 0);
	assert_int_equal(push(pool, &two, 10, 1000), 0);
	assert_int_equal(push(pool, &two, 11, 1000), 0);
	/* Room is made from the packet's own queue only. */
	assert_int_equal(push(pool, &two, 12, 1000), 1);
	assert_int_equal(two.num, 2);
	assert_int_equal(push(pool, &two, 13, 4000), 2);
	assert_int_equal(two.num, 1);
	/* Not even an empty queue has room: all of it and the new one. */
	assert_int_equal(push(pool, &two, 14, 6000), 2);
	expect_empty(pool, &two);
	assert_int_equal(push(pool, &two, 15, 6000), 1);
	expect_empty(pool, &two);
	for (uint32_t i = 0; i < 4; i++)
		expect(pool, &one, i, 1000);
	assert_int_equal(push(pool, &two, 16, 6 * 2040), 0);
	expect(pool, &two, 16, 6 * 2040);
	assert_int_equal(push(pool, &two, 17, 6 * 2040 + 1), 1);
	staged_pool_free(pool);

	pool = staged_pool_new(0);
	assert_int_equal(push(pool, &one, 1, 1), 1);
	expect_empty(pool, &one);
	staged_pool_free(pool);
}

static void test_purge(void **state)
{
	struct staged_pool *pool = staged_pool_new(8);
	struct staged_queue queue = {0};

	(void)state;
	assert_int_equal(staged_purge(pool, &queue), 0);
	for (unsigned turn = 0; turn < 3; turn++) {
		assert_int_equal(push(pool, &queue, 1, 5000), 0);
		assert_int_equal(push(pool, &queue, 2, 5000), 0);
		assert_int_equal(push(pool, &queue, 3, 50), 0);
		assert_int_equal(staged_purge(pool, &queue), 3);
		expect_empty(pool, &queue);
	}
	staged_pool_free(pool);
}

/* Pushes and pops at random on several queues; every packet comes out of its own, in order. */
static void test_random_queues(void **state)
{
	enum { NUM_QUEUES = 5, NUM_CHUNKS = 300 };
	struct staged_pool *pool = staged_pool_new(NUM_CHUNKS);
	struct staged_queue queues[NUM_QUEUES] = {0};
	struct {
		uint32_t first, num; /* numbers of the packets inside are consecutive */
	} model[NUM_QUEUES] = {0};
	uint64_t seed = 99;

	(void)state;
	for (unsigned round = 0; round < 60000; round++) {
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;

		const unsigned q = (unsigned)(seed >> 33) % NUM_QUEUES;
		const uint32_t next = model[q].first + model[q].num;

		if ((seed >> 40) % 100 < (round / 3000 % 2 ? 70 : 30)) {
			const unsigned dropped = push(pool, &queues[q], next, next * 37 % 4500);

			/* The new packet was the last that could go. */
			model[q].num = model[q].num + 1 - dropped;
			model[q].first += dropped;
		} else if (model[q].num) {
			expect(pool, &queues[q], model[q].first, model[q].first * 37 % 4500);
			model[q].first++;
			model[q].num--;
		} else {
			expect_empty(pool, &queues[q]);
		}
		assert_int_equal(queues[q].num, model[q].num);
	}
	for (unsigned q = 0; q < NUM_QUEUES; q++)
		assert_int_equal(staged_purge(pool, &queues[q]), model[q].num);
	/* Nothing has been lost: the storage still holds as much as it should. */
	for (uint32_t i = 0; i < NUM_CHUNKS; i++)
		assert_int_equal(push(pool, &queues[i / 100], i, 10), 0);
	assert_int_equal(push(pool, &queues[4], 0, 10), 1);
	staged_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_lengths),
		cmocka_unit_test(test_full_queue_drops_oldest),
		cmocka_unit_test(test_full_storage),
		cmocka_unit_test(test_purge),
		cmocka_unit_test(test_random_queues),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
