/* SPDX-License-Identifier: MIT
 *
 * Receiver indices: random, unique within the device, carried over from handshake to keypair, free
 * again when both are gone. Includes the device to count them.
 */
#include "pair.h"

#include "core/device_internal.h"

static uint32_t num_indices(const struct node *node)
{
	return node->device->by_index.num;
}

static uint32_t word_at(const struct datagram *datagram, size_t offset)
{
	return load_le32(datagram->data + offset);
}

static void test_unique(void **state)
{
	static const uint8_t other_key[KEY_LEN] = {9};
	static const uint32_t first[] = {0xabcd, 0}, second[] = {0xabcd, 0, 0xef01, 0};
	const struct event want = {.type = EVENT_WANT_HANDSHAKE, .peer_id = 50};

	(void)state;
	pair->hold = true;
	assert_int_equal(keyring_add_peer(a->keyring, 50, other_key), 0);
	assert_int_equal(transport_add_peer(a->transport, 50), 0);
	assert_int_equal(device_add_peer(a->device, 50, other_key), 0);
	transport_set_endpoint(a->transport, 50, &b->address);
	a->words = first;
	a->num_words = ARRAY_SIZE(first);
	node_send(a, 1);
	assert_int_equal(word_at(&a->last, 4), 0xabcd);
	a->words = second; /* taken, zero, free; then jitter */
	a->num_words = ARRAY_SIZE(second);
	device_handle_event(a->device, &want, false, node_time(a));
	assert_int_equal(word_at(&a->last, 4), 0xef01);
	assert_int_equal(num_indices(a), 2);
}

/* The same number names the handshake and then its keypair. */
static void test_carried_over(void **state)
{
	uint32_t of_a, of_b;

	(void)state;
	pair->hold = true;
	node_send(a, 1);
	of_a = word_at(&a->last, 4);
	pair_step();
	of_b = word_at(&b->last, 4);
	assert_int_equal(word_at(&b->last, 8), of_a);
	pair->hold = false;
	pair_run();
	assert_int_equal(word_at(&a->last, 4), of_b);
	node_send(b, 2);
	assert_int_equal(word_at(&b->last, 4), of_a);
	assert_int_equal(num_indices(a), 1);
	assert_int_equal(num_indices(b), 1);
}

static void test_every_attempt_has_its_own(void **state)
{
	uint32_t seen[10];

	(void)state;
	pair->hold = true;
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
		device_set_public_key(a->device, a->public_key);
		node_event(a, EVENT_WANT_HANDSHAKE);
		seen[i] = word_at(&a->last, 4);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(seen[i], seen[j]);
		assert_int_equal(num_indices(a), 1); /* and gives back the one before */
	}
}

static bool lose(struct datagram *datagram)
{
	(void)datagram;
	return false;
}

/* A retry, and an answer that makes our own initiation void, give back its index. */
static void test_void_initiation_gives_back_its_index(void **state)
{
	(void)state;
	pair->network = lose;
	node_send(a, 1);
	pair_advance(30 * SECOND_NS);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 6);
	assert_int_equal(num_indices(a), 1);
	pair->network = NULL;
	node_send(b, 2);
	assert_int_equal(a->sent[MESSAGE_RESPONSE], 1);
	assert_int_equal(num_indices(a), 1);
	assert_int_equal(num_indices(b), 1);
}

/* However many sessions there were, each slot has one. */
static void test_freed_with_their_keypairs(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 40; i++) {
		struct node *first = i % 3 ? a : b;

		node_send(first, i);
		assert_delivered(first->other, i);
		assert_in_range(num_indices(a), 1, 3);
		assert_in_range(num_indices(b), 1, 3);
		pair_advance(REJECT_AFTER_TIME_NS);
	}
	pair_advance(3 * REJECT_AFTER_TIME_NS);
	assert_int_equal(num_indices(a), 0);
	assert_int_equal(num_indices(b), 0);
	assert_no_drops();
}

static void test_freed_with_their_peer(void **state)
{
	(void)state;
	pair_handshake();
	pair->now_ns += REJECT_AFTER_TIME_NS;
	pair->hold = true;
	node_send(a, 1); /* a keypair and a handshake under way */
	assert_int_equal(num_indices(a), 2);
	transport_remove_peer(a->transport, a->peer_id);
	device_remove_peer(a->device, a->peer_id);
	assert_int_equal(num_indices(a), 0);
	device_remove_peer(b->device, b->peer_id); /* in the other order */
	transport_remove_peer(b->transport, b->peer_id);
	assert_int_equal(num_indices(b), 0);
}

/* A response or data to an index that is not ours, or is a keypair's by now. */
static void test_wrong_use(void **state)
{
	struct datagram response, data;

	(void)state;
	pair->hold = true;
	node_send(a, 1);
	pair_step();
	response = pair_take();
	pair_inject(&response);
	data = pair_take();
	pair_inject(&response); /* its index names a keypair now */
	assert_int_equal(node_drops(a, DROP_UNKNOWN_INDEX), 1);
	data.data[4] ^= 1;
	pair_inject(&data);
	assert_int_equal(node_drops(b, DROP_UNKNOWN_INDEX), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pair_test(test_unique),
		pair_test(test_carried_over),
		pair_test(test_every_attempt_has_its_own),
		pair_test(test_void_initiation_gives_back_its_index),
		pair_test(test_freed_with_their_keypairs),
		pair_test(test_freed_with_their_peer),
		pair_test(test_wrong_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
