/* SPDX-License-Identifier: MIT
 *
 * Cookies: what a node under load answers, what proves an address and for how long, and how often
 * a proven one is served.
 */
#include "core/cookie.h"
#include "pair.h"
#include "transcript.h"

#define COOKIE_USE_NS (COOKIE_SECRET_MAX_AGE_NS - COOKIE_SECRET_LATENCY_NS)

/* Let a initiate now, whatever it did before, and give its initiation; b gets nothing yet. */
static struct datagram initiate(void)
{
	device_set_public_key(a->device, a->public_key);
	node_event(a, EVENT_WANT_HANDSHAKE);
	return pair_take();
}

static bool has_mac2(const struct datagram *datagram)
{
	return !bytes_are_zero(datagram->data + datagram->len - MAC_LEN, MAC_LEN);
}

/* b answers an initiation of a with a cookie reply, which is returned. */
static struct datagram get_reply(void)
{
	const struct datagram initiation_sent = initiate();

	pair_inject(&initiation_sent);
	assert_int_equal(datagram_type(&b->last), MESSAGE_COOKIE_REPLY);
	return pair_take();
}

static void give_cookie(void)
{
	const struct datagram reply = get_reply();

	pair_inject(&reply);
	assert_int_equal(node_all_drops(a), 0);
}

static void setup_under_load(void)
{
	pair->hold = true;
	b->under_load = true;
}

static void test_known_cookie(void **state)
{
	struct cookie_checker checker = {0};
	struct cookie_maker maker = {0};
	struct message_cookie_reply reply;
	struct message_initiation message;
	uint8_t mac1_key[KEY_LEN], expected[MAC_LEN];

	(void)state;
	cookie_checker_set_secret(&checker, cookie_secret, 1);
	keyring_set_private_key(b->keyring, responder_private, b->public_key);
	cookie_mac1_key(mac1_key, b->public_key);
	assert_true(cookie_mac1_is_valid(mac1_key, initiation, sizeof(initiation)));
	cookie_checker_set_public_key(&checker, b->public_key);
	cookie_create_reply(
		&checker, &a->address, initiation, sizeof(initiation), cookie_nonce, &reply);
	assert_memory_equal(&reply, cookie_reply, sizeof(reply));

	memcpy(maker.last_mac1, initiation + 116, MAC_LEN);
	maker.has_last_mac1 = true;
	assert_true(cookie_consume_reply(&maker, b->public_key, &reply, 1));
	assert_memory_equal(maker.cookie, cookie, COOKIE_LEN);
	memcpy(&message, initiation, sizeof(message));
	cookie_add_macs(&maker, b->public_key, &message, sizeof(message), 2);
	mac(expected, cookie, COOKIE_LEN, initiation, 132, NULL, 0); /* mac1 included */
	assert_memory_equal(message.macs.mac2, expected, MAC_LEN);
	assert_true(cookie_mac2_is_valid(&checker, &a->address, &message, sizeof(message)));
	assert_false(cookie_mac2_is_valid(&checker, &a->address, initiation, sizeof(initiation)));
}

/* Under load an initiation costs its sender a round trip, and its retry comes when it would have
 * come anyway. */
static void test_under_load_handshake(void **state)
{
	uint32_t index;

	(void)state;
	setup_under_load();
	node_send(a, 1);
	index = load_le32(a->last.data + 4);
	pair_step();
	assert_int_equal(b->sent[MESSAGE_COOKIE_REPLY], 1);
	assert_int_equal(b->last.len, sizeof(struct message_cookie_reply));
	assert_int_equal(b->last.tos, 0);
	assert_int_equal(load_le32(b->last.data + 4), index);
	assert_true(endpoint_same_remote(&b->last.destination, &a->address));
	assert_int_equal(node_drops(b, DROP_BAD_MAC2), 1);
	assert_int_equal(node_status(b)->rx_bytes, 0);
	pair->hold = false;
	pair_run();
	assert_int_equal(node_status(a)->last_rx_ns, 0);  /* a cookie moves no timer */
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1); /* and is no reason to send */
	pair_advance(REKEY_TIMEOUT_NS + REKEY_TIMEOUT_JITTER_MAX_NS);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 2);
	assert_int_equal(b->sent[MESSAGE_COOKIE_REPLY], 1);
	assert_delivered(b, 1);
	assert_session();
}

/* The initiator may be the one under load: its cookie answers a response. */
static void test_under_load_response(void **state)
{
	(void)state;
	a->under_load = true;
	node_send(a, 1);
	assert_int_equal(a->sent[MESSAGE_COOKIE_REPLY], 1);
	assert_int_equal(node_drops(a, DROP_BAD_MAC2), 1);
	assert_int_equal(node_all_drops(b), 0); /* found by the index its keypair has by now */
	pair_advance(REKEY_TIMEOUT_NS + REKEY_TIMEOUT_JITTER_MAX_NS);
	assert_delivered(b, 1);
	assert_session();
}

static void test_not_under_load_ignores_mac2(void **state)
{
	struct datagram sent;

	(void)state;
	pair->hold = true;
	sent = initiate();
	assert_false(has_mac2(&sent));
	memset(sent.data + sent.len - MAC_LEN, 0x55, MAC_LEN);
	pair_inject(&sent);
	assert_int_equal(b->sent[MESSAGE_RESPONSE], 1);
	assert_int_equal(b->sent[MESSAGE_COOKIE_REPLY], 0);
}

/* A bad mac1 is not worth a cookie. */
static void test_under_load_bad_mac1_is_not_answered(void **state)
{
	struct datagram sent;

	(void)state;
	setup_under_load();
	sent = initiate();
	sent.data[sent.len - 2 * MAC_LEN] ^= 1;
	pair_inject(&sent);
	assert_int_equal(node_drops(b, DROP_BAD_MAC1), 1);
	assert_int_equal(b->sent[MESSAGE_COOKIE_REPLY], 0);
}

static void test_cookie_is_used_for_115_s(void **state)
{
	struct datagram sent;

	(void)state;
	setup_under_load();
	give_cookie();
	pair->now_ns += COOKIE_USE_NS - 1;
	sent = initiate();
	assert_true(has_mac2(&sent));
	pair->now_ns += 1;
	sent = initiate();
	assert_false(has_mac2(&sent));
}

static void test_secret_is_replaced_after_120_s(void **state)
{
	static const struct {
		uint64_t age_ns;
		bool stale;
	} rows[] = {{0, false}, {COOKIE_SECRET_MAX_AGE_NS - 1, false},
		{COOKIE_SECRET_MAX_AGE_NS, true}};
	struct cookie_checker checker = {0};
	struct datagram sent;

	(void)state;
	assert_true(cookie_checker_is_stale(&checker, 0)); /* none yet */
	cookie_checker_set_secret(&checker, cookie_secret, 5);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(
			cookie_checker_is_stale(&checker, 5 + rows[i].age_ns), rows[i].stale);

	setup_under_load();
	get_reply(); /* makes the secret */
	pair->now_ns += 110 * SECOND_NS;
	give_cookie();
	pair->now_ns += 10 * SECOND_NS - 1;
	sent = initiate();
	pair_inject(&sent);
	assert_int_equal(b->sent[MESSAGE_RESPONSE], 1);
	pair_take();
	pair->now_ns += 1; /* a may still use its cookie, but b knows it no more */
	sent = initiate();
	assert_true(has_mac2(&sent));
	pair_inject(&sent);
	assert_int_equal(b->sent[MESSAGE_RESPONSE], 1);
	assert_int_equal(datagram_type(&b->last), MESSAGE_COOKIE_REPLY);
}

/* One reply is taken for each mac1 that was sent, and only the reply to the last one. */
static void test_one_cookie_per_mac1(void **state)
{
	struct datagram first, second;

	(void)state;
	setup_under_load();
	first = get_reply();
	second = initiate(); /* its index is new, its mac1 is another */
	memcpy(first.data + 4, second.data + 4, 4);
	pair_inject(&first);
	assert_int_equal(node_drops(a, DROP_BAD_COOKIE_REPLY), 1);
	pair_inject(&second);
	second = pair_take();
	pair_inject(&second);
	assert_int_equal(node_drops(a, DROP_BAD_COOKIE_REPLY), 1);
	pair_inject(&second);
	assert_int_equal(node_drops(a, DROP_BAD_COOKIE_REPLY), 2);
}

static void test_unasked_cookie(void **state)
{
	struct datagram reply;

	(void)state;
	setup_under_load();
	reply = get_reply();
	device_set_public_key(a->device, a->public_key); /* forgets the handshake and its index */
	pair_inject(&reply);
	assert_int_equal(node_drops(a, DROP_UNKNOWN_INDEX), 1);
}

/* Before it takes a place in a queue: only the reply to a message of ours, and only one. */
static void test_expected_cookie(void **state)
{
	struct event event = {.type = EVENT_HANDSHAKE_MESSAGE};
	struct datagram reply, sent;

	(void)state;
	setup_under_load();
	sent = initiate();
	memcpy(event.message, sent.data, sent.len);
	assert_true(device_expects(a->device, &event)); /* not a reply: it is looked at */
	pair_inject(&sent);
	reply = pair_take();
	memcpy(event.message, reply.data, reply.len);
	assert_true(device_expects(a->device, &event));
	assert_false(device_expects(b->device, &event)); /* it has asked nobody */
	event.message[4] ^= 1;
	assert_false(device_expects(a->device, &event));
	event.message[4] ^= 1;
	pair_inject(&reply);
	assert_false(device_expects(a->device, &event));
}

/* A cookie proves address and port. */
static void test_cookie_is_for_one_source(void **state)
{
	static const struct {
		const char *source;
		bool same;
	} rows[] = {
		{"192.0.2.1:1002", false},
		{"192.0.2.2:1001", false},
		{"[2001:db8::1]:1001", false},
		{"192.0.2.1:1001", true},
	};
	struct datagram sent;

	(void)state;
	setup_under_load();
	give_cookie();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		sent = initiate();
		assert_true(has_mac2(&sent));
		assert_int_equal(endpoint_from_text(&sent.source, rows[i].source), 0);
		pair->now_ns += SECOND_NS;
		pair_inject(&sent);
		assert_int_equal(datagram_type(&b->last),
			rows[i].same ? MESSAGE_RESPONSE : MESSAGE_COOKIE_REPLY);
		assert_true(endpoint_same_remote(&b->last.destination, &sent.source));
		pair_take();
	}
}

/* A cookie never moves an endpoint, neither the asker's nor the answerer's. */
static void test_cookie_does_not_roam(void **state)
{
	struct datagram datagram;

	(void)state;
	setup_under_load();
	datagram = initiate();
	datagram.source.port = 7777;
	pair_inject(&datagram);
	assert_int_equal(transport_endpoint(b->transport, b->peer_id)->port, a->address.port);
	datagram = pair_take();
	datagram.source.port = 8888;
	pair_inject(&datagram);
	assert_int_equal(node_all_drops(a), 0);
	assert_int_equal(transport_endpoint(a->transport, a->peer_id)->port, b->address.port);
}

/* Under load a proven source is served 5 times at once, then 20 times a second. */
static void test_rate_limit_under_load(void **state)
{
	(void)state;
	setup_under_load();
	give_cookie();
	for (unsigned i = 0; i < 40; i++) {
		const struct datagram sent = initiate();

		pair_inject(&sent);
		pair->now_ns += 25 * MSEC_NS; /* half of it may pass, 20 ms guard each peer */
		while (pair->num_queued)
			pair_take();
	}
	/* 5 and one each 50 ms of 975. */
	assert_int_equal(b->sent[MESSAGE_RESPONSE], 5 + 19);
	assert_int_equal(node_drops(b, DROP_RATE_LIMITED), 40 - 5 - 19);
	assert_int_equal(node_drops(b, DROP_INITIATION_FLOOD), 0);
	assert_int_equal(b->sent[MESSAGE_COOKIE_REPLY], 1); /* over the limit: silence */
}

/* Whoever is not the peer cannot make a cookie for us. */
static void test_forged_cookie(void **state)
{
	static const uint8_t other_key[KEY_LEN] = {8};
	struct cookie_checker forger = {0};
	struct message_cookie_reply forged;
	struct datagram sent, reply;

	(void)state;
	setup_under_load();
	sent = initiate();
	pair_inject(&sent);
	reply = pair_take();
	cookie_checker_set_public_key(&forger, other_key);
	cookie_create_reply(&forger, &a->address, sent.data, sent.len, cookie_nonce, &forged);
	memcpy(reply.data, &forged, sizeof(forged));
	pair_inject(&reply);
	assert_int_equal(node_drops(a, DROP_BAD_COOKIE_REPLY), 1);
	sent = initiate();
	assert_false(has_mac2(&sent));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pair_test(test_known_cookie),
		pair_test(test_under_load_handshake),
		pair_test(test_under_load_response),
		pair_test(test_not_under_load_ignores_mac2),
		pair_test(test_under_load_bad_mac1_is_not_answered),
		pair_test(test_cookie_is_used_for_115_s),
		pair_test(test_secret_is_replaced_after_120_s),
		pair_test(test_one_cookie_per_mac1),
		pair_test(test_unasked_cookie),
		pair_test(test_expected_cookie),
		pair_test(test_cookie_is_for_one_source),
		pair_test(test_cookie_does_not_roam),
		pair_test(test_rate_limit_under_load),
		pair_test(test_forged_cookie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
