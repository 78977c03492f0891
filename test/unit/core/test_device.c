/* SPDX-License-Identifier: MIT
 *
 * What configuration does to sessions, and to a handshake under way: peers removed, keys changed,
 * the interface down and up, the machine asleep.
 */
#include <errno.h>

#include "low_order.h"
#include "pair.h"

static void test_peer_removed_during_handshake(void **state)
{
	(void)state;
	pair->hold = true;
	node_send(a, 1);
	pair_step();
	transport_remove_peer(a->transport, a->peer_id);
	device_remove_peer(a->device, a->peer_id);
	pair_step();
	assert_int_equal(node_drops(a, DROP_UNKNOWN_INDEX), 1);
	assert_int_equal(node_drops(a, DROP_STAGED), 1);
	assert_int_equal(a->sent[MESSAGE_DATA], 0);
	assert_int_equal(device_next_deadline(a->device), 0);
	pair_advance(200 * SECOND_NS);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1);
}

static void test_responder_removed_during_handshake(void **state)
{
	(void)state;
	pair->hold = true;
	node_send(a, 1);
	pair_step();
	transport_remove_peer(b->transport, b->peer_id);
	device_remove_peer(b->device, b->peer_id);
	pair_step();
	pair_step(); /* the first data */
	assert_int_equal(node_drops(b, DROP_UNKNOWN_INDEX), 1);
	assert_int_equal(b->num_delivered, 0);
	assert_int_equal(device_next_deadline(b->device), 0);
}

/* A new private key: the current keypair sends no more but still receives, and a handshake may
 * begin at once, even within 5 s of the last one. */
static void test_private_key_change(void **state)
{
	static const uint8_t new_key[KEY_LEN] = {16};

	(void)state;
	pair_handshake();
	node_set_private_key(a, new_key);
	node_send(b, 1);
	assert_delivered(a, 1);
	node_send(a, 2);
	assert_int_equal(b->num_delivered, 0);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1);
	assert_int_equal(node_drops(b, DROP_UNKNOWN_PEER), 1);
	assert_int_equal(
		device_add_peer(b->device, 100, a->public_key), 0); /* b learns of the new key */
	assert_int_equal(transport_add_peer(b->transport, 100), 0);
	assert_int_equal(keyring_add_peer(b->keyring, 100, a->public_key), 0);
	node_set_psk(a, (const uint8_t[KEY_LEN]){0});
	pair_advance(REKEY_TIMEOUT_NS + REKEY_TIMEOUT_JITTER_MAX_NS);
	assert_int_equal(b->sent[MESSAGE_RESPONSE], 1);
	assert_int_equal(a->sent[MESSAGE_DATA], 1); /* what was staged went out */
}

/* The same for a keypair that is not confirmed yet: it may not send once it is. */
static void test_private_key_change_before_confirmation(void **state)
{
	static const uint8_t new_key[KEY_LEN] = {16};

	(void)state;
	pair->hold = true;
	node_send(a, 1);
	pair_step();
	node_set_private_key(b, new_key);
	pair->hold = false;
	pair_run();
	assert_delivered(b, 1);
	node_send(b, 2);
	assert_int_equal(b->sent[MESSAGE_DATA], 0);
	assert_int_equal(b->sent[MESSAGE_INITIATION], 1);
}

/* A private key that changes while a handshake is under way ends it. */
static void test_private_key_change_during_handshake(void **state)
{
	static const uint8_t new_key[KEY_LEN] = {16};

	(void)state;
	pair->hold = true;
	node_send(a, 1);
	pair_step();
	device_set_public_key(a->device, a->public_key);
	pair_step();
	assert_int_equal(node_drops(a, DROP_UNKNOWN_INDEX), 1);
	node_set_private_key(a, new_key);
	node_event(a, EVENT_WANT_HANDSHAKE);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 2);
}

static void test_interface_down_and_up(void **state)
{
	(void)state;
	pair_handshake();
	assert_int_equal(device_set_keepalive(a->device, a->peer_id, 25, pair->now_ns), 0);
	pair_reset_counts();
	node_set_up(a, false);
	assert_int_equal(a->controls[CONTROL_CLEAR_KEYPAIRS], 1);
	assert_int_equal(a->controls[CONTROL_PURGE_STAGED], 1);
	assert_int_equal(device_next_deadline(a->device), 0);
	node_send(a, 1);
	node_send(b, 2);
	pair_advance(60 * SECOND_NS);
	assert_int_equal(a->num_delivered, 0);
	assert_int_equal(
		a->sent[MESSAGE_DATA] + a->sent[MESSAGE_INITIATION] + a->sent[MESSAGE_RESPONSE], 0);
	pair_reset_counts();
	node_set_up(a, true);
	pair_run();
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1); /* for the keepalive, at once */
	pair_advance(6 * SECOND_NS);
	assert_session();
}

/* The datapath may still pass on what came before it went down. */
static void test_handshake_message_while_down(void **state)
{
	(void)state;
	device_set_up(b->device, false, node_time(b));
	node_send(a, 1);
	assert_int_equal(b->sent[MESSAGE_RESPONSE], 0);
	assert_int_equal(node_drops(b, DROP_BAD_HANDSHAKE), 1);
	assert_int_equal(device_next_deadline(b->device), 0);
}

/* The datapath is up before us: its request is not lost. */
static void test_handshake_wanted_while_down(void **state)
{
	(void)state;
	device_set_up(a->device, false, node_time(a));
	node_send(a, 1);
	assert_int_equal(a->events[EVENT_WANT_HANDSHAKE], 1);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 0);
	device_set_up(a->device, true, node_time(a));
	pair_run();
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1);
	assert_delivered(b, 1);
}

/* What is staged when the interface goes down is not sent when it is up again. */
static void test_interface_down_purges_staged(void **state)
{
	(void)state;
	pair->hold = true;
	node_send(a, 1);
	node_set_up(a, false);
	assert_int_equal(node_drops(a, DROP_STAGED), 1);
	node_set_up(a, true);
	node_send(a, 2); /* and the 5 s do not count from before */
	assert_int_equal(a->sent[MESSAGE_INITIATION], 2);
	pair_take();
	pair->hold = false;
	pair_run();
	assert_int_equal(b->num_delivered, 1);
	assert_delivered(b, 2);
}

/* A watch that was asked for while the interface went down does not stay asked for. */
static void test_interface_up_watches_anew(void **state)
{
	(void)state;
	pair_handshake();
	device_set_up(a->device, false, node_time(a));
	atomic_store(&node_status(a)->watched, 1);
	device_set_up(a->device, true, node_time(a));
	pair_reset_counts();
	pair_advance(REKEY_TIMEOUT_NS);
	node_send(a, 1);
	pair_reset_counts();
	node_set_up(b, false);
	node_send(a, 2);
	pair_advance(KEEPALIVE_TIMEOUT_NS + REKEY_TIMEOUT_NS + REKEY_TIMEOUT_JITTER_MAX_NS);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1);
}

static void test_suspend_forgets_sessions(void **state)
{
	(void)state;
	pair_handshake();
	device_forget_sessions(a->device);
	assert_int_equal(a->events[EVENT_KEYPAIR_GONE], 1);
	assert_int_equal(device_next_deadline(a->device), 0);
	node_send(b, 1);
	assert_int_equal(node_drops(a, DROP_UNKNOWN_INDEX), 1);
	pair_advance(REKEY_TIMEOUT_NS);
	node_send(a, 2);
	assert_delivered(b, 2);
}

/* Seven keys for which every shared secret is zero may be configured; nothing is ever sent. */
static void test_low_order_peers_stay_silent(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < NUM_LOW_ORDER; i++) {
		const uint32_t id = 100 + i;
		const struct event want = {.type = EVENT_WANT_HANDSHAKE, .peer_id = id};

		assert_int_equal(transport_add_peer(a->transport, id), 0);
		assert_int_equal(keyring_add_peer(a->keyring, id, low_order[i]), 0);
		assert_int_equal(device_add_peer(a->device, id, low_order[i]), 0);
		transport_set_endpoint(a->transport, id, &b->address);
		device_handle_event(a->device, &want, false, node_time(a));
		assert_int_equal(device_set_keepalive(a->device, id, 1, pair->now_ns), 0);
	}
	pair_advance(60 * SECOND_NS);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 0);
	assert_session();
}

static void test_peers_of_device(void **state)
{
	static const uint8_t other[KEY_LEN] = {8};

	(void)state;
	assert_int_equal(device_add_peer(a->device, a->peer_id, other), -EEXIST);
	assert_int_equal(device_add_peer(a->device, 50, b->public_key), -EEXIST);
	assert_int_equal(device_add_peer(a->device, MAX_PEERS, other), -EEXIST);
	assert_int_equal(device_add_peer(a->device, MAX_PEERS - 1, other), 0);
	device_remove_peer(a->device, MAX_PEERS - 1);
	device_remove_peer(a->device, MAX_PEERS - 1);
	assert_int_equal(device_add_peer(a->device, 50, other), 0); /* the key is free again */
	assert_session();
}

/* What took arithmetic and led to nothing is counted: too much of it means load. */
static unsigned num_futile(struct node *node, const struct datagram *datagram)
{
	struct event event = {.type = EVENT_HANDSHAKE_MESSAGE,
		.len = (uint16_t)datagram->len,
		.endpoint = datagram->source};
	const struct event *events[] = {&event};

	memcpy(event.message, datagram->data, datagram->len);
	return device_handle_handshakes(node->device, events, 1, false, node_time(node));
}

static void test_futile_messages_are_counted(void **state)
{
	struct datagram good, bad;

	(void)state;
	pair->hold = true;
	node_send(a, 1);
	for (int i = 0; i < 2; i++) { /* an initiation, and the response to it */
		bad = good = pair_take();
		bad.data[offsetof(struct message_response, encrypted_nothing)] ^= 1;
		assert_int_equal(num_futile(bad.to, &bad), 1);
		assert_int_equal(num_futile(good.to, &good), 0);
		assert_int_equal(num_futile(good.to, &good), i == 0);
	}
}

static const uint8_t psk[KEY_LEN] = {'p', 's', 'k'}; /* the pair's */

static void work_ahead(struct node *node)
{
	while (device_has_work_ahead(node->device))
		device_work_ahead(node->device);
}

/* What is done ahead is not asked of the long-term keys again, and serves once. */
static void test_initiation_prepared(void **state)
{
	(void)state;
	work_ahead(a);
	work_ahead(b);
	keyring_remove_peer(a->keyring, a->peer_id);
	pair->hold = true;
	node_send(a, 1);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1);
	(void)pair_take();
	pair_advance(6 * SECOND_NS); /* the long-term keys are needed, and are not there */
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1);
	assert_int_equal(keyring_add_peer(a->keyring, a->peer_id, b->public_key), 0);
	assert_int_equal(keyring_set_psk(a->keyring, a->peer_id, psk), 0);
	pair->hold = false;
	pair_advance(6 * SECOND_NS);
	node_send(a, 2);
	assert_delivered(b, 2);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 2);
	assert_session();
}

/* What was prepared goes with the session, the keys and the peer it was for. */
static void test_prepared_is_forgotten(void **state)
{
	static const uint8_t new_key[KEY_LEN] = {16};

	(void)state;
	work_ahead(a);
	work_ahead(b);
	pair_handshake(); /* b's is of no use now */
	node_send(b, 1);
	assert_session();
	device_remove_peer(b->device, b->peer_id);
	device_forget_sessions(a->device);
	work_ahead(a); /* with the old key */
	node_set_private_key(a, new_key);
	work_ahead(a);
	work_ahead(b);
	keyring_remove_peer(b->keyring, b->peer_id);
	assert_int_equal(keyring_add_peer(b->keyring, b->peer_id, a->public_key), 0);
	assert_int_equal(keyring_set_psk(b->keyring, b->peer_id, psk), 0);
	assert_int_equal(device_add_peer(b->device, b->peer_id, a->public_key), 0);
	assert_false(device_has_work_ahead(a->device));
	for (uint32_t id = 100; id < 150; id++) { /* more than it works for */
		const uint8_t other[KEY_LEN] = {(uint8_t)id};

		assert_int_equal(device_add_peer(a->device, id, other), 0);
	}
	work_ahead(a);
	assert_true(device_has_work_ahead(b->device));
	node_set_up(b, false);
	assert_false(device_has_work_ahead(b->device));
	node_set_up(b, true);
	node_send(a, 2);
	assert_delivered(b, 2);
	device_forget_sessions(a->device);
	work_ahead(b);
	pair_advance(REKEY_TIMEOUT_NS);
	node_event(b, EVENT_WANT_HANDSHAKE);
	pair_run();
	assert_session();
}

/* One initiation alone is answered with a guess at its sender: right, wrong, or of nobody. */
static void test_guessed_sender(void **state)
{
	static const uint8_t other[KEY_LEN] = {8};

	(void)state;
	assert_int_equal(device_add_peer(b->device, 0, other), 0); /* the first guess */
	assert_int_equal(keyring_add_peer(b->keyring, 0, other), 0);
	pair_handshake();
	for (uint32_t i = 0; i < 6; i++) {
		if (i == 2) /* known to the device, and not to the long-term keys */
			keyring_remove_peer(b->keyring, 0);
		if (i == 3)
			device_remove_peer(b->device, 0);
		if (i == 4)
			node_set_psk(a, other);
		if (i == 4)
			node_set_psk(b, other);
		pair_advance(REKEY_TIMEOUT_NS);
		device_forget_sessions(a->device);
		a->address.port++; /* another guess, now and then */
		node_send(a, i);
		assert_delivered(b, i);
	}
	assert_int_equal(b->sent[MESSAGE_RESPONSE], 6);
	assert_no_drops();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pair_test(test_peer_removed_during_handshake),
		pair_test(test_responder_removed_during_handshake),
		pair_test(test_private_key_change),
		pair_test(test_private_key_change_before_confirmation),
		pair_test(test_private_key_change_during_handshake),
		pair_test(test_interface_down_and_up),
		pair_test(test_handshake_message_while_down),
		pair_test(test_handshake_wanted_while_down),
		pair_test(test_interface_down_purges_staged),
		pair_test(test_interface_up_watches_anew),
		pair_test(test_suspend_forgets_sessions),
		pair_test(test_low_order_peers_stay_silent),
		pair_test(test_peers_of_device),
		pair_test(test_futile_messages_are_counted),
		pair_test(test_initiation_prepared),
		pair_test(test_prepared_is_forgotten),
		pair_test(test_guessed_sender),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
