/* SPDX-License-Identifier: MIT
 *
 * Endpoints: what moves them, and the source address that sticks to them. (What does not move
 * them: test_tampering, replays in test_session, cookies in test_cookie.)
 */
#include "pair.h"

static struct endpoint endpoint(const char *text)
{
	struct endpoint endpoint;

	assert_int_equal(endpoint_from_text(&endpoint, text), 0);
	endpoint.local[0] = 198; /* where its packet arrived */
	endpoint.local[3] = 51;
	endpoint.local_ifindex = 4;
	return endpoint;
}

/* Hand on the next datagram as if it came from elsewhere. */
static void step_from(const struct endpoint *source)
{
	struct datagram datagram = pair_take();

	datagram.source = *source;
	pair_inject(&datagram);
}

static void assert_endpoint(const struct node *node, const struct endpoint *expected)
{
	assert_memory_equal(
		transport_endpoint(node->transport, node->peer_id), expected, sizeof(*expected));
}

static void test_data_roams(void **state)
{
	static const char *const sources[] = {"203.0.113.5:99", "203.0.113.5:100",
		"[2001:db8::5]:100", "[fe80::5%2]:100", "[fe80::5%3]:100", "192.0.2.1:1001"};

	(void)state;
	pair_handshake();
	for (uint32_t i = 0; i < ARRAY_SIZE(sources); i++) {
		const struct endpoint source = endpoint(sources[i]);

		pair->hold = true;
		if (i % 2)
			node_control(a, CONTROL_SEND_KEEPALIVE);
		else
			node_send(a, i);
		step_from(&source);
		assert_endpoint(b, &source);
		a->address = source;
		pair->hold = false;
		node_send(b, 50 + i); /* goes there, from the address that was addressed */
		assert_delivered(a, 50 + i);
		assert_memory_equal(&b->last.destination, &source, sizeof(source));
	}
	assert_no_drops();
}

static void test_initiation_roams(void **state)
{
	const struct endpoint source = endpoint("203.0.113.5:99");

	(void)state;
	pair->hold = true;
	node_send(a, 1);
	step_from(&source);
	assert_endpoint(b, &source);
	assert_int_equal(datagram_type(&b->last), MESSAGE_RESPONSE);
	assert_memory_equal(&b->last.destination, &source, sizeof(source));
}

static void test_response_roams(void **state)
{
	const struct endpoint source = endpoint("203.0.113.5:99");

	(void)state;
	pair->hold = true;
	node_send(a, 1);
	pair_step();
	step_from(&source);
	assert_endpoint(a, &source);
	assert_int_equal(datagram_type(&a->last), MESSAGE_DATA);
	assert_memory_equal(&a->last.destination, &source, sizeof(source));
}

/* A responder needs no endpoint beforehand. */
static void test_endpoint_is_learnt(void **state)
{
	static const struct endpoint none;

	(void)state;
	transport_set_endpoint(b->transport, b->peer_id, &none);
	assert_session();
	assert_no_drops();
}

/* An initiation that is refused teaches nothing. */
static void test_refused_initiation_does_not_roam(void **state)
{
	const struct endpoint source = endpoint("203.0.113.5:99");
	struct datagram replay;

	(void)state;
	pair->hold = true;
	node_send(a, 1);
	replay = pair_take();
	pair_inject(&replay);
	pair->now_ns += SECOND_NS;
	replay.source = source;
	pair_inject(&replay);
	assert_int_equal(node_drops(b, DROP_OLD_TIMESTAMP), 1);
	assert_endpoint(b, &a->address);
}

/* Both move at once: whoever is reached first tells. */
static void test_moving_during_a_transfer(void **state)
{
	(void)state;
	pair_handshake();
	for (uint32_t i = 0; i < 200; i++) {
		if (i % 10 == 0)
			a->address.port++;
		node_send(a, i);
		assert_delivered(b, i);
		node_send(b, i);
		assert_delivered(a, i);
	}
	assert_int_equal(a->sent[MESSAGE_INITIATION] + b->sent[MESSAGE_INITIATION], 0);
	assert_no_drops();
}

static struct endpoint without_source(struct endpoint endpoint)
{
	endpoint_clear_source(&endpoint);
	return endpoint;
}

/* The sticky source is forgotten when the endpoint is configured, when sockets or routes change,
 * and when a handshake is not answered. */
static void test_sticky_source_is_forgotten(void **state)
{
	const struct endpoint source = endpoint("203.0.113.5:99");
	const struct endpoint forgotten = without_source(source);

	(void)state;
	pair_handshake();
	for (unsigned i = 0; i < 3; i++) {
		pair->hold = true;
		node_send(a, i);
		step_from(&source);
		assert_endpoint(b, &source);
		if (i == 0) {
			transport_set_endpoint(b->transport, b->peer_id, &source);
		} else if (i == 1) {
			transport_forget_sources(b->transport);
		} else {
			node_send(b, i); /* b to a is lost from here on */
			pair_advance(KEEPALIVE_TIMEOUT_NS + REKEY_TIMEOUT_NS +
				     REKEY_TIMEOUT_JITTER_MAX_NS);
			assert_int_equal(b->sent[MESSAGE_INITIATION], 1);
			assert_memory_equal(&b->last.destination, &forgotten, sizeof(forgotten));
		}
		assert_endpoint(b, &forgotten);
	}
}

/* Inner packets that are refused came from an authentic datagram all the same. */
static void test_refused_inner_packet_roams(void **state)
{
	const struct endpoint source = endpoint("203.0.113.5:99");
	uint8_t inner[64];

	(void)state;
	pair_handshake();
	pair->hold = true;
	inner_packet(a, inner, sizeof(inner), 1);
	inner[15] = 200;
	node_send_packet(a, inner, sizeof(inner));
	step_from(&source);
	assert_int_equal(node_drops(b, DROP_NOT_ALLOWED), 1);
	assert_endpoint(b, &source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pair_test(test_data_roams),
		pair_test(test_initiation_roams),
		pair_test(test_response_roams),
		pair_test(test_endpoint_is_learnt),
		pair_test(test_refused_initiation_does_not_roam),
		pair_test(test_moving_during_a_transfer),
		pair_test(test_sticky_source_is_forgotten),
		pair_test(test_refused_inner_packet_roams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
