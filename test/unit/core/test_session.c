/* SPDX-License-Identifier: MIT
 *
 * A session's life: rekeying by time and by count, expiry, replays and reordering. Includes the
 * transport to set counters that no test could reach by sending.
 */
#include "pair.h"

#include "core/transport_internal.h"

static bool lose(struct datagram *datagram)
{
	(void)datagram;
	return false;
}

static struct keypair *current(const struct node *node)
{
	const struct transport_peer *peer = table_get(&node->transport->peers, node->peer_id);

	return peer->keypairs.current;
}

static struct datagram sent_packet(struct node *node, uint32_t number)
{
	node_send(node, number);
	return pair_take();
}

/* --- rekeying -------------------------------------------------------- */

/* At 120 s the initiator's next packet asks for a new session; it itself goes out on the old. */
static void test_rekey_by_time(void **state)
{
	const struct keypair *old;

	(void)state;
	pair_handshake();
	old = current(a);
	pair->now_ns += REKEY_AFTER_TIME_NS - 1;
	assert_session();
	assert_int_equal(a->sent[MESSAGE_INITIATION], 0);
	pair->now_ns += 1;
	pair->hold = true;
	node_send(a, 1);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1);
	assert_int_equal(datagram_type(&pair->queue[0]), MESSAGE_DATA);
	pair->hold = false;
	pair_run();
	assert_delivered(b, 1);
	assert_true(current(a) != old);
	assert_session();
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1);
	assert_no_drops();
}

static void test_responder_does_not_rekey_by_time(void **state)
{
	(void)state;
	pair_handshake();
	pair->now_ns += REJECT_AFTER_TIME_NS - 1;
	node_send(b, 1); /* that it arrives so late is a's reason, see below */
	assert_int_equal(b->sent[MESSAGE_INITIATION], 0);
	assert_delivered(a, 1);
}

static void rekey_by_count(struct node *node)
{
	pair_handshake();
	pair_advance(REKEY_TIMEOUT_NS);
	current(node)->sending_counter = REKEY_AFTER_MESSAGES - 1;
	node_send(node, 1);
	assert_int_equal(node->sent[MESSAGE_INITIATION], 0);
	node_send(node, 2);
	assert_int_equal(node->sent[MESSAGE_INITIATION], 1);
	assert_int_equal(current(node)->sending_counter, 1); /* the keepalive that confirmed it */
	assert_int_equal(node->other->num_delivered, 2);
	assert_session();
	assert_no_drops();
}

static void test_rekey_by_count_as_initiator(void **state)
{
	(void)state;
	rekey_by_count(a);
}

static void test_rekey_by_count_as_responder(void **state)
{
	(void)state;
	rekey_by_count(b);
}

/* An initiator that only receives rekeys in the last 15 s, once. */
static void test_rekey_on_receive_at_165_s(void **state)
{
	(void)state;
	pair_handshake();
	pair->now_ns += REJECT_AFTER_TIME_NS - KEEPALIVE_TIMEOUT_NS - REKEY_TIMEOUT_NS - 1;
	node_send(b, 1);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 0);
	pair->now_ns += 1;
	pair->hold = true;
	node_send(b, 2);
	pair_step();
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1);
	pair_take();
	pair->now_ns += 6 * SECOND_NS; /* no timer runs: packets alone do not ask again */
	node_send(b, 3);
	pair_step();
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1);
}

/* It is the age of the keypair we send with that counts, whichever a late packet came with. */
static void test_late_packet_of_previous_keypair_does_not_rekey(void **state)
{
	struct datagram late;

	(void)state;
	pair_handshake();
	pair->hold = true;
	late = sent_packet(b, 1);
	pair->hold = false;
	pair->now_ns += REKEY_AFTER_TIME_NS;
	node_send(a, 2); /* rekeys */
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1);
	pair->now_ns += 50 * SECOND_NS;
	pair_inject(&late);
	assert_delivered(a, 1);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1);
}

/* --- expiry ---------------------------------------------------------- */

static void test_expired_keypair_stages_and_initiates(void **state)
{
	(void)state;
	pair_handshake();
	pair->now_ns += REJECT_AFTER_TIME_NS;
	pair->hold = true;
	node_send(b, 1); /* the responder of that session, too */
	assert_int_equal(b->sent[MESSAGE_DATA], 0);
	assert_int_equal(b->sent[MESSAGE_INITIATION], 1);
	pair->hold = false;
	pair_run();
	assert_delivered(a, 1);
	assert_session();
	assert_no_drops();
}

static void test_expired_keypair_does_not_receive(void **state)
{
	struct datagram last_moment, too_late;

	(void)state;
	pair_handshake();
	pair->hold = true;
	last_moment = sent_packet(b, 1);
	too_late = sent_packet(b, 2);
	pair->now_ns += REJECT_AFTER_TIME_NS - 1;
	pair_inject(&last_moment);
	assert_delivered(a, 1);
	pair->now_ns += 1;
	pair_inject(&too_late);
	assert_int_equal(a->num_delivered, 1);
	assert_int_equal(node_drops(a, DROP_KEYPAIR_EXPIRED), 1);
}

/* The last counter that may be used is used; the next packet waits for a new session. */
static void test_counter_limit_of_sending(void **state)
{
	(void)state;
	pair_handshake();
	pair_advance(REKEY_TIMEOUT_NS);
	current(a)->sending_counter = REJECT_AFTER_MESSAGES - 1;
	pair->hold = true;
	node_send(a, 1);
	assert_int_equal(a->sent[MESSAGE_DATA], 1);
	assert_int_equal(load_le64(pair->queue[0].data + 8), REJECT_AFTER_MESSAGES - 1);
	node_send(a, 2);
	assert_int_equal(a->sent[MESSAGE_DATA], 1);
	assert_int_equal(current(a)->sending_counter, REJECT_AFTER_MESSAGES);
	pair->hold = false;
	pair_run();
	assert_int_equal(b->num_delivered, 2);
	assert_delivered(b, 2);
	assert_no_drops();
}

static void test_counter_limit_of_receiving(void **state)
{
	static const struct {
		uint64_t counter;
		enum drop drop;
	} rows[] = {
		{REJECT_AFTER_MESSAGES, DROP_KEYPAIR_EXPIRED},
		{UINT64_MAX - 1, DROP_KEYPAIR_EXPIRED},
		{UINT64_MAX, DROP_KEYPAIR_EXPIRED},
		{REJECT_AFTER_MESSAGES - 1, DROP_NONE},
		{REJECT_AFTER_MESSAGES - 1, DROP_REPLAYED},
		{0, DROP_REPLAYED},
	};

	(void)state;
	pair_handshake();
	pair->hold = true;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct message_data header = {
			le32(MESSAGE_DATA), le32(current(b)->local_index), le64(rows[i].counter)};
		struct datagram datagram = {.to = b, .source = a->address, .len = MESSAGE_DATA_MIN};

		memcpy(datagram.data, &header, sizeof(header));
		aead_seal(datagram.data + sizeof(header), (const uint8_t *)"", 0, NULL, 0,
			rows[i].counter, current(a)->sending_key);
		pair_reset_counts();
		pair_inject(&datagram);
		if (rows[i].drop != DROP_NONE)
			assert_int_equal(node_drops(b, rows[i].drop), 1);
		assert_int_equal(node_all_drops(b), rows[i].drop != DROP_NONE);
	}
}

/* --- replays and order ----------------------------------------------- */

static void test_replayed_data(void **state)
{
	struct datagram datagram;

	(void)state;
	pair_handshake();
	pair->hold = true;
	datagram = sent_packet(a, 1);
	pair_inject(&datagram);
	pair_inject(&datagram);
	datagram.source.port = 7; /* no way to roam */
	pair_inject(&datagram);
	assert_int_equal(b->num_delivered, 1);
	assert_int_equal(node_drops(b, DROP_REPLAYED), 2);
	assert_int_equal(transport_endpoint(b->transport, b->peer_id)->port, a->address.port);
}

/* Packets that are up to 8,128 behind the newest are taken, each once; older ones are not. */
static void test_reordered_data(void **state)
{
	static const struct {
		uint64_t behind;
		enum drop drop;
	} rows[] = {
		{0, DROP_NONE},
		{1, DROP_NONE},
		{8127, DROP_NONE},
		{8128, DROP_NONE},
		{8129, DROP_REPLAYED},
		{9000, DROP_REPLAYED},
	};
	struct datagram held[ARRAY_SIZE(rows)];
	const uint64_t newest = 10000;

	(void)state;
	pair_handshake();
	pair->hold = true;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		current(a)->sending_counter = newest - rows[i].behind;
		held[i] = sent_packet(a, 100 + (uint32_t)i);
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		pair_reset_counts();
		pair_inject(&held[i]);
		assert_int_equal(b->num_delivered, rows[i].drop == DROP_NONE);
		assert_int_equal(node_drops(b, DROP_REPLAYED), rows[i].drop != DROP_NONE);
		pair_inject(&held[i]);
		assert_int_equal(b->num_delivered, rows[i].drop == DROP_NONE);
	}
}

/* A packet sent on the old keypair and overtaken by the rekeying still arrives. */
static void test_data_on_previous_keypair(void **state)
{
	struct datagram from_a, from_b;

	(void)state;
	pair_handshake();
	pair->hold = true;
	from_a = sent_packet(a, 1);
	from_b = sent_packet(b, 2);
	pair->hold = false;
	pair->now_ns += REKEY_AFTER_TIME_NS;
	node_send(a, 3);
	assert_session();
	pair_inject(&from_a);
	assert_delivered(b, 1);
	pair_inject(&from_b);
	assert_delivered(a, 2);
	/* Not after two more sessions. */
	pair->now_ns += REKEY_AFTER_TIME_NS;
	node_send(a, 4);
	assert_session();
	pair_inject(&from_a);
	assert_int_equal(node_drops(b, DROP_UNKNOWN_INDEX), 1);
}

/* A keypair that was offered is not used for sending, and a forged packet does not confirm it. */
static void test_next_is_confirmed_by_authentic_data_only(void **state)
{
	struct datagram first, forged;

	(void)state;
	pair->hold = true;
	node_send(a, 1);
	pair_step();
	pair_step();
	first = pair_take();
	forged = first;
	forged.data[first.len - 1] ^= 1;
	pair_inject(&forged);
	assert_int_equal(b->events[EVENT_KEYPAIR_CONFIRMED], 0);
	assert_null(current(b));
	pair_inject(&first);
	assert_int_equal(b->events[EVENT_KEYPAIR_CONFIRMED], 1);
	assert_non_null(current(b));
	pair_inject(&first);
	assert_int_equal(b->events[EVENT_KEYPAIR_CONFIRMED], 1);
}

/* --- clocks ---------------------------------------------------------- */

/* The wall clock steps back by an hour, then by a year: handshakes go on. */
static void test_wall_clock_stepping_back(void **state)
{
	(void)state;
	pair_handshake();
	for (unsigned i = 0; i < 5; i++) {
		a->wall_offset_ns -= (i == 0 ? 1 : 24 * 365) * (int64_t)(3600 * SECOND_NS);
		pair_advance(200 * SECOND_NS);
		node_send(a, i);
		assert_delivered(b, i);
		assert_int_equal(a->sent[MESSAGE_INITIATION], i + 1);
		assert_int_equal(node_status(a)->handshake_wall_ns, node_time(a).wall_ns);
	}
	assert_no_drops();
}

/* A machine that restarts with its clock in the past is refused until the time is set. */
static void test_reboot_with_clock_in_the_past(void **state)
{
	(void)state;
	pair_handshake();
	node_stop(a);
	node_start(a);
	a->wall_offset_ns = -(int64_t)(3600 * SECOND_NS);
	pair_reset_counts();
	pair->now_ns += SECOND_NS;
	node_send(a, 1);
	assert_int_equal(node_drops(b, DROP_OLD_TIMESTAMP), 1);
	assert_int_equal(b->num_delivered, 0);
	a->wall_offset_ns = 0;
	pair_advance(REKEY_TIMEOUT_NS + REKEY_TIMEOUT_JITTER_MAX_NS);
	assert_delivered(b, 1);
	assert_session();
}

/* One side forgets everything; the other, whose packets are not understood, finds out. */
static void test_reboot_of_one_side(void **state)
{
	(void)state;
	pair_handshake();
	node_stop(b);
	node_start(b);
	pair_reset_counts();
	node_send(a, 1);
	assert_int_equal(node_drops(b, DROP_UNKNOWN_INDEX), 1);
	pair_advance(KEEPALIVE_TIMEOUT_NS + REKEY_TIMEOUT_NS + REKEY_TIMEOUT_JITTER_MAX_NS);
	assert_session();
	pair->network = lose;
	node_stop(a);
	node_start(a);
	pair->network = NULL;
	pair->now_ns += SECOND_NS;
	assert_session();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pair_test(test_rekey_by_time),
		pair_test(test_responder_does_not_rekey_by_time),
		pair_test(test_rekey_by_count_as_initiator),
		pair_test(test_rekey_by_count_as_responder),
		pair_test(test_rekey_on_receive_at_165_s),
		pair_test(test_late_packet_of_previous_keypair_does_not_rekey),
		pair_test(test_expired_keypair_stages_and_initiates),
		pair_test(test_expired_keypair_does_not_receive),
		pair_test(test_counter_limit_of_sending),
		pair_test(test_counter_limit_of_receiving),
		pair_test(test_replayed_data),
		pair_test(test_reordered_data),
		pair_test(test_data_on_previous_keypair),
		pair_test(test_next_is_confirmed_by_authentic_data_only),
		pair_test(test_wall_clock_stepping_back),
		pair_test(test_reboot_with_clock_in_the_past),
		pair_test(test_reboot_of_one_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
