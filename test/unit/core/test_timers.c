/* SPDX-License-Identifier: MIT
 *
 * The timer machine: retries, giving up, unanswered data, forgetting keys; to the nanosecond.
 */
#include "core/timers.h"
#include "pair.h"

#define NEW_HANDSHAKE_NS (KEEPALIVE_TIMEOUT_NS + REKEY_TIMEOUT_NS)
#define JITTER_NS REKEY_TIMEOUT_JITTER_MAX_NS

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

/* --- retransmission -------------------------------------------------- */

/* Retries come 5 s and less than 333 ms apart; after 18 more were counted than the first, the
 * request is given up. */
static void test_retransmit_then_give_up(void **state)
{
	unsigned distinct = 0;
	uint64_t jitter_ns = 0;

	(void)state;
	pair->network = lose;
	node_send(a, 1);
	node_send(a, 2);
	for (unsigned i = 1; i <= MAX_TIMER_HANDSHAKES + 1; i++) {
		const uint64_t sent_ns = node_status(a)->last_tx_ns;
		const uint64_t due_ns = device_next_deadline(a->device);

		assert_in_range(
			due_ns - sent_ns, REKEY_TIMEOUT_NS, REKEY_TIMEOUT_NS + JITTER_NS - 1);
		distinct += due_ns - sent_ns != jitter_ns;
		jitter_ns = due_ns - sent_ns;
		pair_advance(due_ns - 1 - pair->now_ns);
		assert_int_equal(a->sent[MESSAGE_INITIATION], i);
		pair_advance(1);
		assert_int_equal(a->sent[MESSAGE_INITIATION], i + 1);
		assert_int_equal(a->last_handshake.forget_source, 1);
	}
	assert_int_equal(distinct, MAX_TIMER_HANDSHAKES + 1);
	assert_int_equal(node_drops(a, DROP_STAGED), 0);
	pair_advance(REKEY_TIMEOUT_NS + JITTER_NS);
	assert_int_equal(a->sent[MESSAGE_INITIATION], MAX_TIMER_HANDSHAKES + 2);
	assert_int_equal(node_drops(a, DROP_STAGED), 2);
	assert_int_equal(a->controls[CONTROL_PURGE_STAGED], 1);
	/* All that is left is to forget the keys there may be. */
	pair_advance(device_next_deadline(a->device) - pair->now_ns);
	assert_int_equal(a->controls[CONTROL_CLEAR_KEYPAIRS], 1);
	assert_int_equal(device_next_deadline(a->device), 0);
	assert_int_equal(a->sent[MESSAGE_INITIATION], MAX_TIMER_HANDSHAKES + 2);
}

static void test_jitter_bounds(void **state)
{
	static const struct {
		uint32_t random;
		uint64_t jitter_ns;
	} rows[] = {{0, 0}, {UINT32_MAX, JITTER_NS - 1}, {UINT32_C(1) << 31, JITTER_NS / 2}};

	(void)state;
	pair->network = lose;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const uint32_t words[] = {(uint32_t)i + 1, rows[i].random}; /* index, jitter */

		a->words = words;
		a->num_words = ARRAY_SIZE(words);
		device_set_public_key(a->device, a->public_key);
		node_event(a, EVENT_WANT_HANDSHAKE);
		assert_int_equal(a->num_words, 0);
		assert_int_equal(device_next_deadline(a->device) - pair->now_ns,
			REKEY_TIMEOUT_NS + rows[i].jitter_ns);
	}
}

/* New data after 60 s of retries: 90 s more of them. */
static void test_fresh_request_resets_attempts(void **state)
{
	unsigned before;

	(void)state;
	pair->network = lose;
	node_send(a, 1);
	pair_advance(60 * SECOND_NS);
	before = a->sent[MESSAGE_INITIATION];
	node_send(a, 2);
	pair_advance(REKEY_ATTEMPT_TIME_NS);
	assert_int_equal(a->controls[CONTROL_PURGE_STAGED], 0);
	pair_advance(60 * SECOND_NS);
	assert_int_equal(a->controls[CONTROL_PURGE_STAGED], 1);
	assert_int_equal(a->sent[MESSAGE_INITIATION], before + MAX_TIMER_HANDSHAKES + 1);
}

static void test_after_giving_up_new_data_starts_again(void **state)
{
	(void)state;
	pair->network = lose;
	node_send(a, 1);
	pair_advance(120 * SECOND_NS);
	pair->network = NULL;
	pair_reset_counts();
	node_send(a, 2);
	assert_sent(a, 1, 1);
	assert_delivered(b, 2);
	assert_int_equal(b->num_delivered, 1);
}

/* --- no answer ------------------------------------------------------- */

static void test_new_handshake_15_s_after_unanswered_data(void **state)
{
	static const uint32_t greatest_jitter = UINT32_MAX;

	(void)state;
	pair_handshake();
	pair->network = lose;
	a->words = &greatest_jitter;
	a->num_words = 1;
	node_send(a, 1);
	assert_int_equal(a->num_words, 0);
	pair_advance(SECOND_NS);
	node_send(a, 2); /* does not delay it */
	pair_advance(NEW_HANDSHAKE_NS - SECOND_NS + JITTER_NS - 2);
	assert_sent(a, 0, 2);
	pair_advance(1);
	assert_sent(a, 1, 2);
	assert_int_equal(a->last_handshake.forget_source, 1);
}

/* A handshake message shows as well that the other side is there. */
static void test_initiation_cancels_new_handshake(void **state)
{
	(void)state;
	pair_handshake();
	pair->network = lose;
	node_send(a, 1);
	pair_advance(NEW_HANDSHAKE_NS - SECOND_NS);
	pair->network = NULL;
	node_event(b, EVENT_WANT_HANDSHAKE);
	pair_run();
	assert_int_equal(b->sent[MESSAGE_INITIATION], 1);
	pair_advance(2 * NEW_HANDSHAKE_NS);
	assert_sent(a, 0, 1);
}

/* Our initiation was lost, but the other side's handshake was completed: no retry. */
static void test_confirmation_cancels_retransmit(void **state)
{
	(void)state;
	pair->network = lose;
	node_event(a, EVENT_WANT_HANDSHAKE);
	pair->network = NULL;
	pair_advance(SECOND_NS);
	node_event(b, EVENT_WANT_HANDSHAKE);
	pair_run();
	assert_int_equal(a->events[EVENT_KEYPAIR_CONFIRMED], 1);
	pair_advance(60 * SECOND_NS);
	assert_sent(a, 1, 0);
	assert_sent(b, 1, 1);
}

static void test_answer_cancels_new_handshake(void **state)
{
	(void)state;
	pair_handshake();
	node_send(a, 1);
	pair_advance(NEW_HANDSHAKE_NS - SECOND_NS); /* b's keepalive came after 10 s */
	pair_advance(10 * SECOND_NS);
	assert_sent(a, 0, 1);
	assert_sent(b, 0, 1);
}

static void test_keepalive_needs_no_answer(void **state)
{
	(void)state;
	pair_handshake();
	pair->network = lose;
	node_control(a, CONTROL_SEND_KEEPALIVE);
	pair_advance(60 * SECOND_NS);
	assert_sent(a, 0, 1);
}

/* --- zeroing --------------------------------------------------------- */

static void test_zero_keys_at_540_s(void **state)
{
	(void)state;
	pair_handshake();
	pair_advance(3 * REJECT_AFTER_TIME_NS - 1);
	assert_int_equal(a->controls[CONTROL_CLEAR_KEYPAIRS], 0);
	assert_int_equal(b->controls[CONTROL_CLEAR_KEYPAIRS], 0);
	pair_advance(1);
	assert_int_equal(a->controls[CONTROL_CLEAR_KEYPAIRS], 1);
	assert_int_equal(b->controls[CONTROL_CLEAR_KEYPAIRS], 1);
	assert_int_equal(a->events[EVENT_KEYPAIR_GONE], 1);
	assert_int_equal(b->events[EVENT_KEYPAIR_GONE], 1);
	assert_int_equal(device_next_deadline(a->device), 0);
	assert_session();
}

static void test_giving_up_cancels_keepalive(void **state)
{
	struct peer_status status = {.unacked_ns = pair->now_ns};
	struct timers timers = {0};

	(void)state;
	timers_handshake_given_up(&timers, &status, pair->now_ns);
	assert_int_equal(status.unacked_ns, 0);
	assert_int_equal(timers_next(&timers), pair->now_ns + 3 * REJECT_AFTER_TIME_NS);
}

/* Giving up does not prolong the life of keys there are. */
static void test_giving_up_does_not_delay_zero_keys(void **state)
{
	(void)state;
	pair_handshake();
	pair->network = lose;
	pair_advance(REJECT_AFTER_TIME_NS);
	node_send(a, 1);
	pair_advance(3 * REJECT_AFTER_TIME_NS - REJECT_AFTER_TIME_NS - 1);
	assert_int_equal(a->controls[CONTROL_PURGE_STAGED], 1);
	assert_int_equal(a->controls[CONTROL_CLEAR_KEYPAIRS], 0);
	pair_advance(1);
	assert_int_equal(a->controls[CONTROL_CLEAR_KEYPAIRS], 1);
}

/* A new session, in either role, delays it. */
static void test_new_session_delays_zero_keys(void **state)
{
	(void)state;
	pair_handshake();
	pair_advance(400 * SECOND_NS);
	assert_session();
	pair_advance(3 * REJECT_AFTER_TIME_NS - 1);
	assert_int_equal(a->controls[CONTROL_CLEAR_KEYPAIRS], 0);
	assert_int_equal(b->controls[CONTROL_CLEAR_KEYPAIRS], 0);
	pair_advance(1);
	assert_int_equal(a->controls[CONTROL_CLEAR_KEYPAIRS], 1);
	assert_int_equal(b->controls[CONTROL_CLEAR_KEYPAIRS], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pair_test(test_retransmit_then_give_up),
		pair_test(test_jitter_bounds),
		pair_test(test_fresh_request_resets_attempts),
		pair_test(test_after_giving_up_new_data_starts_again),
		pair_test(test_new_handshake_15_s_after_unanswered_data),
		pair_test(test_initiation_cancels_new_handshake),
		pair_test(test_confirmation_cancels_retransmit),
		pair_test(test_answer_cancels_new_handshake),
		pair_test(test_keepalive_needs_no_answer),
		pair_test(test_zero_keys_at_540_s),
		pair_test(test_giving_up_cancels_keepalive),
		pair_test(test_giving_up_does_not_delay_zero_keys),
		pair_test(test_new_session_delays_zero_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
