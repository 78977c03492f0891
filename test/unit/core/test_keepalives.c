/* SPDX-License-Identifier: MIT
 *
 * Keepalives: those that answer data with silence behind it, and the persistent ones.
 */
#include <errno.h>

#include "core/timers.h"
#include "pair.h"

static bool lose(struct datagram *datagram)
{
	(void)datagram;
	return false;
}

static void assert_sent(const struct node *node, unsigned initiations, unsigned data)
{
	assert_int_equal(node->sent[MESSAGE_INITIATION], initiations);
	assert_int_equal(node->sent[MESSAGE_DATA], data);
}

/* --- keepalives ------------------------------------------------------ */

static void test_keepalive_10_s_after_unanswered_data(void **state)
{
	(void)state;
	pair_handshake();
	node_send(a, 1);
	pair_advance(KEEPALIVE_TIMEOUT_NS - 1);
	assert_sent(b, 0, 0);
	pair_advance(1);
	assert_sent(b, 0, 1);
	assert_int_equal(b->last.len, MESSAGE_DATA_MIN);
	assert_int_equal(a->num_delivered, 0);
	assert_no_drops();
	/* A keepalive asks for nothing: silence from here on. */
	pair_advance(60 * SECOND_NS);
	assert_sent(a, 0, 1);
	assert_sent(b, 0, 1);
}

static void test_data_cancels_keepalive(void **state)
{
	(void)state;
	pair_handshake();
	node_send(a, 1);
	pair_advance(KEEPALIVE_TIMEOUT_NS - 1);
	node_send(b, 2);
	pair_advance(1 + KEEPALIVE_TIMEOUT_NS - 2);
	assert_sent(b, 0, 1); /* the data alone */
	assert_sent(a, 0, 1);
	pair_advance(1);
	assert_sent(a, 0, 2); /* now a has been silent for 10 s after b's data */
	assert_sent(b, 0, 1);
}

/* The 10 s run from the first data that is unanswered, not from the last. */
static void test_more_data_does_not_delay_keepalive(void **state)
{
	(void)state;
	pair_handshake();
	for (uint32_t i = 0; i < 9; i++) {
		node_send(a, i);
		pair_advance(SECOND_NS);
	}
	assert_sent(b, 0, 0);
	pair_advance(SECOND_NS);
	assert_sent(b, 0, 1);
}

/* Nothing could be sent when the keepalive was due, and there had been more data: once more. */
static void test_need_another_keepalive(void **state)
{
	struct peer_status status = {0};
	struct timers timers = {0};
	const uint64_t start_ns = pair->now_ns;

	(void)state;
	assert_true(status_data_received(&status, start_ns));
	timers_watch(&timers, &status, 0, start_ns);
	assert_false(status_data_received(&status, start_ns + SECOND_NS));
	assert_int_equal(timers_next(&timers), start_ns + KEEPALIVE_TIMEOUT_NS);
	assert_int_equal(timers_expire(&timers, &status, start_ns + KEEPALIVE_TIMEOUT_NS),
		TIMER_SEND_KEEPALIVE);
	assert_int_equal(timers_next(&timers), start_ns + 2 * KEEPALIVE_TIMEOUT_NS);
	assert_int_equal(timers_expire(&timers, &status, start_ns + 2 * KEEPALIVE_TIMEOUT_NS),
		TIMER_SEND_KEEPALIVE);
	assert_int_equal(timers_expire(&timers, &status, start_ns + 3 * KEEPALIVE_TIMEOUT_NS), 0);
	assert_int_equal(timers_next(&timers), 0);
	assert_int_equal(status.watched, 0);
}

/* Dates are the datapath's word: one in the future counts as now. */
static void test_dates_in_the_future(void **state)
{
	struct peer_status status = {.last_tx_ns = UINT64_MAX, .unacked_ns = UINT64_MAX};
	struct timers timers = {0};
	const uint64_t start_ns = pair->now_ns;

	(void)state;
	timers_watch(&timers, &status, 0, start_ns);
	assert_int_equal(timers_next(&timers), start_ns + KEEPALIVE_TIMEOUT_NS);
	timers.persistent_keepalive_s = 5;
	timers_start(&timers, start_ns);
	assert_int_equal(timers_next(&timers), start_ns + 5 * SECOND_NS);
	assert_int_equal(timers_expire(&timers, &status, start_ns + 5 * SECOND_NS), 0);
	assert_int_equal(timers_next(&timers), start_ns + 10 * SECOND_NS);
}

static void test_idle_session_is_silent(void **state)
{
	(void)state;
	pair_handshake();
	pair_advance(500 * SECOND_NS);
	assert_sent(a, 0, 0);
	assert_sent(b, 0, 0);
}

/* --- persistent keepalives ------------------------------------------- */

static void test_persistent_keepalive(void **state)
{
	(void)state;
	pair_handshake();
	assert_int_equal(device_set_keepalive(a->device, 99, 25, pair->now_ns), -ENOENT);
	assert_int_equal(device_set_keepalive(a->device, a->peer_id, 25, pair->now_ns), 0);
	assert_sent(a, 0, 1); /* turned on: one at once */
	pair_advance(25 * SECOND_NS - 1);
	assert_sent(a, 0, 1);
	pair_advance(1);
	assert_sent(a, 0, 2);
	pair_advance(25 * SECOND_NS);
	assert_sent(a, 0, 3);
	assert_int_equal(device_set_keepalive(a->device, a->peer_id, 10, pair->now_ns), 0);
	assert_sent(a, 0, 3); /* changed: none at once */
	pair_advance(10 * SECOND_NS);
	assert_sent(a, 0, 4);
	assert_int_equal(device_set_keepalive(a->device, a->peer_id, 0, pair->now_ns), 0);
	pair_advance(60 * SECOND_NS);
	assert_sent(a, 0, 4);
	assert_int_equal(b->num_delivered, 0);
	assert_sent(b, 0, 0); /* keepalives are not answered with keepalives */
	assert_no_drops();
}

/* Any authentic packet, sent or received, starts the interval anew. */
static void test_traffic_delays_persistent_keepalive(void **state)
{
	(void)state;
	pair_handshake();
	assert_int_equal(device_set_keepalive(a->device, a->peer_id, 8, pair->now_ns), 0);
	pair_reset_counts();
	pair_advance(5 * SECOND_NS);
	node_send(a, 1);
	pair_advance(5 * SECOND_NS);
	node_control(b, CONTROL_SEND_KEEPALIVE);
	pair_advance(8 * SECOND_NS - 1);
	assert_sent(a, 0, 1);
	pair_advance(1);
	assert_sent(a, 0, 2);
}

/* Without a session a keepalive asks for one, and goes on asking after the attempts are over. */
static void test_persistent_keepalive_brings_up_a_session(void **state)
{
	(void)state;
	assert_int_equal(device_set_keepalive(a->device, a->peer_id, 25, pair->now_ns), 0);
	pair_run();
	assert_sent(a, 1, 1);
	assert_session();
	pair->network = lose;
	pair_advance(1000 * SECOND_NS);
	pair->network = NULL;
	pair_reset_counts();
	pair_advance(30 * SECOND_NS);
	assert_session();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pair_test(test_keepalive_10_s_after_unanswered_data),
		pair_test(test_data_cancels_keepalive),
		pair_test(test_more_data_does_not_delay_keepalive),
		pair_test(test_need_another_keepalive),
		pair_test(test_dates_in_the_future),
		pair_test(test_idle_session_is_silent),
		pair_test(test_persistent_keepalive),
		pair_test(test_traffic_delays_persistent_keepalive),
		pair_test(test_persistent_keepalive_brings_up_a_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
