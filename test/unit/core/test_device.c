/* SPDX-License-Identifier: MIT
 *
 * Handshakes between two devices: the first one, lost messages, both at once, replays, strangers.
 */
#include "pair.h"

/* Wire size and marking of a handshake message, which is the last the node sent. */
static void assert_last_handshake(const struct node *node, uint32_t type)
{
	assert_int_equal(datagram_type(&node->last), type);
	assert_int_equal(node->last.len, message_handshake_len(type));
	assert_int_equal(node->last.tos, HANDSHAKE_TOS);
	assert_true(endpoint_same_remote(&node->last.destination, &node->other->address));
}

/* One packet brings up a session; it arrives, and the way back is open. */
static void test_first_handshake(void **state)
{
	struct pair *pair = pair_new(1);
	struct node *a = &pair->nodes[0], *b = &pair->nodes[1];

	(void)state;
	pair->hold = true;
	node_send(a, 11);
	assert_last_handshake(a, MESSAGE_INITIATION);
	pair->hold = false;
	pair_run(pair);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1);
	assert_int_equal(b->sent[MESSAGE_RESPONSE], 1);
	assert_last_handshake(b, MESSAGE_RESPONSE);
	assert_int_equal(a->sent[MESSAGE_DATA], 1);
	assert_delivered(b, 11);
	node_send(b, 12);
	assert_delivered(a, 12);
	assert_int_equal(a->num_delivered + b->num_delivered, 2);
	assert_int_equal(node_all_drops(a) + node_all_drops(b), 0);
	assert_int_equal(node_status(a)->handshake_wall_ns, node_time(a).wall_ns);
	assert_int_equal(node_status(b)->handshake_wall_ns, node_time(b).wall_ns);
	pair_free(pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_handshake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
