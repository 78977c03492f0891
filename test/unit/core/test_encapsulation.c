/* SPDX-License-Identifier: MIT
 *
 * What the outer datagram shows of the inner packet: its padded length and its ECN field. Includes
 * the transport to look into datagrams.
 */
#include "pair.h"

#include "core/transport_internal.h"

static struct keypair *current(const struct node *node)
{
	const struct transport_peer *peer = table_get(&node->transport->peers, node->peer_id);

	return peer->keypairs.current;
}

/* --- padding --------------------------------------------------------- */

/* Zeros up to a multiple of 16, but not beyond the MTU; the receiver takes them off again. */
static void test_padding(void **state)
{
	static const struct {
		uint32_t mtu, len, padded;
	} rows[] = {
		{1420, 32, 32},
		{1420, 33, 48},
		{1420, 47, 48},
		{1420, 48, 48},
		{1420, 1405, 1408},
		{1420, 1408, 1408},
		{1420, 1409, 1420}, /* clipped */
		{1420, 1419, 1420},
		{1420, 1420, 1420},
		{1420, 1421, 1436}, /* longer than the MTU: what is beyond it is padded */
		{1299, 1296, 1296}, /* an odd MTU */
		{1299, 1297, 1299},
		{1299, 1299, 1299},
		{0, 1409, 1424}, /* no MTU known */
		{0, 1424, 1424},
		{40, 33, 40},
	};
	uint8_t inner[1500], opened[1600];

	(void)state;
	pair_handshake();
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const uint32_t len = rows[i].len;
		struct datagram datagram;
		struct message_data header;

		transport_set_link(a->transport, true, rows[i].mtu);
		inner_packet(a, inner, len, i);
		pair->hold = true;
		node_send_packet(a, inner, len);
		pair->hold = false;
		datagram = pair_take();
		if (datagram.len != MESSAGE_DATA_MIN + rows[i].padded)
			fail_msg("row %u: %u bytes", i, datagram.len);
		memcpy(&header, datagram.data, sizeof(header));
		assert_true(aead_open(opened, datagram.data + sizeof(header),
			datagram.len - sizeof(header), NULL, 0, load_le64(&header.counter),
			current(a)->sending_key));
		assert_memory_equal(opened, inner, len);
		assert_true(bytes_are_zero(opened + len, rows[i].padded - len));
		pair_inject(&datagram);
		assert_int_equal(b->last_inner_len, len);
		assert_memory_equal(b->last_inner, inner, len);
	}
	assert_no_drops();
}

/* --- ECN ------------------------------------------------------------- */

/* The outer header shows the inner ECN field and no DSCP; staged packets' too. */
static void test_ecn_out(void **state)
{
	static const uint8_t inner_tos[] = {0x00, 0xb8, 0x01, 0x02, 0x03, 0xff};
	uint8_t inner[64];

	(void)state;
	for (unsigned staged = 0; staged < 2; staged++) {
		for (unsigned i = 0; i < ARRAY_SIZE(inner_tos); i++) {
			if (staged)
				node_control(a, CONTROL_CLEAR_KEYPAIRS);
			inner_packet(a, inner, sizeof(inner), i);
			inner[1] = inner_tos[i];
			pair->now_ns += REKEY_TIMEOUT_NS;
			node_send_packet(a, inner, sizeof(inner));
			pair_run();
			assert_int_equal(a->last.tos, inner_tos[i] & 3);
			assert_int_equal(datagram_type(&a->last), MESSAGE_DATA);
			assert_delivered(b, i);
			assert_int_equal(b->last_inner[1], inner_tos[i]);
		}
	}
	node_control(a, CONTROL_SEND_KEEPALIVE);
	assert_int_equal(a->last.tos, 0);
}

/* Congestion met on the way is seen inside, by who can understand it. */
static void test_ecn_in(void **state)
{
	static const struct {
		uint8_t inner, outer, expected;
	} rows[] = {{2, 3, 3}, {1, 3, 3}, {3, 0, 3}, {0, 3, 0}, {2, 0, 2}, {2, 1, 1},
		{0xb8 | 2, 3, 0xb8 | 3}};
	uint8_t inner[64];

	(void)state;
	pair_handshake();
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct datagram datagram;

		inner_packet(a, inner, sizeof(inner), i);
		inner[1] = rows[i].inner;
		pair->hold = true;
		node_send_packet(a, inner, sizeof(inner));
		datagram = pair_take();
		datagram.tos = rows[i].outer;
		pair_inject(&datagram);
		if (b->num_delivered != i + 1 || b->last_inner[1] != rows[i].expected)
			fail_msg("row %u: %x", i, b->last_inner[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pair_test(test_padding),
		pair_test(test_ecn_out),
		pair_test(test_ecn_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
