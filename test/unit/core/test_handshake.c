/* SPDX-License-Identifier: MIT
 *
 * Handshakes between two devices: the first one, lost messages, both at once, replays, strangers.
 */
#include "core/cookie.h"
#include "pair.h"

/* Wire size, marking and address of a handshake message, which is the last the node sent. */
static void assert_last_handshake(const struct node *node, uint32_t type)
{
	assert_int_equal(datagram_type(&node->last), type);
	assert_int_equal(node->last.len, message_handshake_len(type));
	assert_int_equal(node->last.tos, HANDSHAKE_TOS);
	assert_true(endpoint_same_remote(&node->last.destination, &node->other->address));
}

static void test_first_handshake(void **state)
{
	(void)state;
	pair->hold = true;
	node_send(a, 11);
	assert_last_handshake(a, MESSAGE_INITIATION);
	pair_step();
	assert_last_handshake(b, MESSAGE_RESPONSE);
	assert_int_equal(node_status(b)->last_rx_ns, pair->now_ns);
	assert_int_equal(node_status(a)->last_rx_ns, 0);
	pair_step();
	assert_int_equal(node_status(a)->last_rx_ns, pair->now_ns);
	pair->hold = false;
	pair_run();
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1);
	assert_int_equal(b->sent[MESSAGE_RESPONSE], 1);
	assert_int_equal(a->sent[MESSAGE_DATA], 1);
	assert_delivered(b, 11);
	node_send(b, 12);
	assert_delivered(a, 12);
	assert_int_equal(a->num_delivered + b->num_delivered, 2);
	assert_no_drops();
	assert_int_equal(node_status(a)->handshake_wall_ns, node_time(a).wall_ns);
	assert_int_equal(node_status(b)->handshake_wall_ns, node_time(b).wall_ns);
	/* Handshake messages count as bytes: 148 + 92 and one data message each way. */
	assert_int_equal(node_status(a)->tx_bytes, 148 + b->last.len);
	assert_int_equal(node_status(a)->rx_bytes, 92 + b->last.len);
	assert_int_equal(node_status(b)->tx_bytes, 92 + b->last.len);
	assert_int_equal(node_status(b)->rx_bytes, 148 + b->last.len);
}

static void test_initiator_without_data_confirms_by_keepalive(void **state)
{
	(void)state;
	node_control(a, CONTROL_SEND_KEEPALIVE);
	assert_int_equal(a->sent[MESSAGE_DATA], 1);
	assert_int_equal(a->last.len, MESSAGE_DATA_MIN);
	assert_int_equal(b->num_delivered, 0);
	assert_int_equal(b->events[EVENT_KEYPAIR_CONFIRMED], 1);
	assert_no_drops();
}

static void test_responder_sends_only_after_first_data(void **state)
{
	(void)state;
	pair->hold = true;
	node_control(a, CONTROL_SEND_KEEPALIVE);
	pair_step();
	node_send(b, 5); /* its keypair is not confirmed: staged, and it may not initiate yet */
	assert_int_equal(b->sent[MESSAGE_DATA], 0);
	assert_int_equal(b->sent[MESSAGE_INITIATION], 0);
	assert_int_equal(node_status(b)->handshake_wall_ns, 0);
	pair->hold = false;
	pair_run();
	assert_int_equal(b->sent[MESSAGE_DATA], 1);
	assert_delivered(a, 5);
	assert_no_drops();
}

static void test_lost_initiation(void **state)
{
	(void)state;
	pair->hold = true;
	node_send(a, 1);
	pair_take();
	pair->hold = false;
	pair_advance(REKEY_TIMEOUT_NS - 1);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1);
	pair_advance(REKEY_TIMEOUT_JITTER_MAX_NS + 1);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 2);
	assert_delivered(b, 1);
	assert_session();
	assert_no_drops();
}

static void test_lost_response(void **state)
{
	(void)state;
	pair->hold = true;
	node_send(a, 1);
	pair_step();
	pair_take();
	pair->hold = false;
	pair_advance(REKEY_TIMEOUT_NS + REKEY_TIMEOUT_JITTER_MAX_NS);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 2);
	assert_int_equal(b->sent[MESSAGE_RESPONSE], 2);
	/* The first answer's keypair was never used, its receiver index is free. */
	assert_int_equal(b->events[EVENT_KEYPAIR_GONE], 1);
	assert_delivered(b, 1);
	assert_session();
	assert_no_drops();
}

static void test_lost_first_data(void **state)
{
	(void)state;
	pair->hold = true;
	node_send(a, 1);
	pair_step();
	pair_step();
	assert_int_equal(a->sent[MESSAGE_DATA], 1);
	pair_take();
	pair->hold = false;
	node_send(b, 2);
	assert_int_equal(b->sent[MESSAGE_DATA], 0);
	node_send(a, 3); /* the next one confirms as well */
	assert_delivered(b, 3);
	assert_delivered(a, 2);
	assert_session();
	assert_no_drops();
}

/* The lost packet was all there was: the initiator hears nothing and begins anew. */
static void test_lost_first_data_alone(void **state)
{
	(void)state;
	pair->hold = true;
	node_send(a, 1);
	pair_step();
	pair_step();
	pair_take();
	pair->hold = false;
	pair_advance(KEEPALIVE_TIMEOUT_NS + REKEY_TIMEOUT_NS - 1);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1);
	pair_advance(REKEY_TIMEOUT_JITTER_MAX_NS + 1);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 2);
	assert_session();
	assert_no_drops();
}

/* Two initiations cross: each answers the other's and so forgets its own. Jitter tells who retries
 * first; nothing that was staged is lost. */
static void simultaneous(uint64_t latency_ns)
{
	pair->latency_ns = latency_ns;
	node_send(a, 1);
	node_send(b, 2);
	assert_int_equal(a->sent[MESSAGE_INITIATION] + b->sent[MESSAGE_INITIATION], 2);
	pair_advance(REKEY_TIMEOUT_NS - 1);
	assert_int_equal(a->sent[MESSAGE_RESPONSE] + b->sent[MESSAGE_RESPONSE], 2);
	assert_int_equal(node_drops(a, DROP_UNKNOWN_INDEX), 1);
	assert_int_equal(node_drops(b, DROP_UNKNOWN_INDEX), 1);
	assert_int_equal(a->num_delivered + b->num_delivered, 0);
	pair_advance(REKEY_TIMEOUT_NS + 1);
	assert_delivered(b, 1);
	assert_delivered(a, 2);
	pair->latency_ns = 0;
	assert_session();
}

static void test_simultaneous_initiation(void **state)
{
	(void)state;
	simultaneous(MSEC_NS);
}

/* When the retry is due, 5 s have not passed since our response: it is late, not lost. */
static void test_simultaneous_initiation_over_long_way(void **state)
{
	static const uint32_t words[] = {0xadd1, 0}; /* receiver index, jitter */

	(void)state;
	a->words = b->words = words;
	a->num_words = b->num_words = ARRAY_SIZE(words);
	simultaneous(100 * MSEC_NS);
}

static void test_one_initiation_in_5_s(void **state)
{
	(void)state;
	pair->hold = true;
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(a->sent[MESSAGE_INITIATION], i > 0);
		node_send(a, i);
		pair->now_ns += 99 * MSEC_NS;
	}
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1);
	pair->now_ns += 300 * MSEC_NS;
	node_send(a, 100);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 2);
}

static void test_no_initiation_within_5_s_of_response(void **state)
{
	(void)state;
	pair->hold = true;
	node_send(a, 1);
	pair_step();
	pair->now_ns += REKEY_TIMEOUT_NS - 1;
	node_send(b, 2);
	assert_int_equal(b->sent[MESSAGE_INITIATION], 0);
	pair->now_ns += 250 * MSEC_NS; /* the transport does not ask with every packet */
	node_send(b, 3);
	assert_int_equal(b->sent[MESSAGE_INITIATION], 1);
}

static void test_replayed_initiation(void **state)
{
	struct datagram initiation;

	(void)state;
	pair->hold = true;
	node_send(a, 1);
	initiation = pair_take();
	pair_queue(&initiation);
	pair->hold = false;
	pair_run();
	pair->now_ns += SECOND_NS;
	pair_inject(&initiation);
	assert_int_equal(b->sent[MESSAGE_RESPONSE], 1);
	assert_int_equal(node_drops(b, DROP_OLD_TIMESTAMP), 1);
	assert_session();
}

/* An initiation that is delayed behind a later one is a replay, too. */
static void test_overtaken_initiation(void **state)
{
	struct datagram first;

	(void)state;
	pair->hold = true;
	node_send(a, 1);
	first = pair_take();
	pair->hold = false;
	pair_advance(6 * SECOND_NS);
	assert_int_equal(b->sent[MESSAGE_RESPONSE], 1);
	pair_inject(&first);
	assert_int_equal(b->sent[MESSAGE_RESPONSE], 1);
	assert_int_equal(node_drops(b, DROP_OLD_TIMESTAMP), 1);
	assert_session();
}

static void test_replayed_response(void **state)
{
	struct datagram response;

	(void)state;
	pair->hold = true;
	node_send(a, 1);
	pair_step();
	response = pair_take();
	pair_inject(&response);
	pair_inject(&response);
	assert_int_equal(node_drops(a, DROP_UNKNOWN_INDEX), 1);
	assert_int_equal(a->sent[MESSAGE_DATA], 1);
	pair->hold = false;
	assert_session();
}

/* Initiations of one peer are consumed at most every 20 ms. */
static void test_initiation_flood(void **state)
{
	static const struct {
		uint64_t after_ns;
		enum drop drop;
	} rows[] = {
		{0, DROP_NONE},
		{INITIATION_INTERVAL_MIN_NS - 1, DROP_INITIATION_FLOOD},
		{1, DROP_NONE},
		{1, DROP_INITIATION_FLOOD},
		{INITIATION_INTERVAL_MIN_NS, DROP_NONE},
	};
	unsigned answered = 0, dropped = 0;

	(void)state;
	pair->hold = true;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		pair->now_ns += rows[i].after_ns;
		device_set_public_key(a->device, a->public_key); /* may initiate at once */
		node_event(a, EVENT_WANT_HANDSHAKE);
		pair_step();
		answered += rows[i].drop == DROP_NONE;
		dropped += rows[i].drop != DROP_NONE;
		assert_int_equal(b->sent[MESSAGE_RESPONSE], answered);
		assert_int_equal(node_drops(b, DROP_INITIATION_FLOOD), dropped);
		while (pair->num_queued)
			pair_take();
	}
}

static void test_wrong_psk(void **state)
{
	static const uint8_t other_psk[KEY_LEN] = {1};

	(void)state;
	node_set_psk(b, other_psk);
	node_send(a, 1);
	assert_int_equal(b->sent[MESSAGE_RESPONSE], 1); /* the psk comes in with the response */
	assert_int_equal(a->sent[MESSAGE_DATA], 0);
	assert_int_equal(node_drops(a, DROP_BAD_HANDSHAKE), 1);
	node_set_psk(a, other_psk); /* may change while handshakes run */
	pair_advance(REKEY_TIMEOUT_NS + REKEY_TIMEOUT_JITTER_MAX_NS);
	assert_delivered(b, 1);
}

/* The responder has another key than the one the initiator knows. */
static void test_wrong_responder_key(void **state)
{
	static const uint8_t other_key[KEY_LEN] = {8};

	(void)state;
	node_set_private_key(b, other_key);
	node_send(a, 1);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1);
	assert_int_equal(b->sent[MESSAGE_RESPONSE], 0);
	assert_int_equal(node_drops(b, DROP_BAD_MAC1), 1);
}

/* Without a private key nothing is sent or answered, not even what is addressed to no key. */
static void test_no_key(void **state)
{
	static const uint8_t none[KEY_LEN];
	struct cookie_maker no_cookie = {0};
	struct datagram initiation;

	(void)state;
	node_set_private_key(b, none);
	pair->hold = true;
	node_send(a, 1);
	node_send(b, 2);
	initiation = pair_take();
	pair_inject(&initiation);
	cookie_add_macs(&no_cookie, none, initiation.data, initiation.len, 0);
	pair_inject(&initiation);
	assert_int_equal(node_drops(b, DROP_BAD_MAC1), 2);
	assert_int_equal(b->sent[MESSAGE_INITIATION] + b->sent[MESSAGE_RESPONSE], 0);
}

/* An initiation from a key that is no peer's: proven to be its owner's, but not answered. */
static void test_unknown_peer(void **state)
{
	static const uint8_t other_key[KEY_LEN] = {8};

	(void)state;
	node_set_private_key(a, other_key);
	node_send(a, 1);
	assert_int_equal(b->sent[MESSAGE_RESPONSE], 0);
	assert_int_equal(node_drops(b, DROP_UNKNOWN_PEER), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pair_test(test_first_handshake),
		pair_test(test_initiator_without_data_confirms_by_keepalive),
		pair_test(test_responder_sends_only_after_first_data),
		pair_test(test_lost_initiation),
		pair_test(test_lost_response),
		pair_test(test_lost_first_data),
		pair_test(test_lost_first_data_alone),
		pair_test(test_simultaneous_initiation),
		pair_test(test_simultaneous_initiation_over_long_way),
		pair_test(test_one_initiation_in_5_s),
		pair_test(test_no_initiation_within_5_s_of_response),
		pair_test(test_replayed_initiation),
		pair_test(test_overtaken_initiation),
		pair_test(test_replayed_response),
		pair_test(test_initiation_flood),
		pair_test(test_wrong_psk),
		pair_test(test_wrong_responder_key),
		pair_test(test_no_key),
		pair_test(test_unknown_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
