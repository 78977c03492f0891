/* SPDX-License-Identifier: MIT
 *
 * Every bit of every message, flipped, and every wrong length: refused for the right reason, in
 * silence, and without a trace: the message as it was sent is still good afterwards.
 */
#include "core/cookie.h"
#include "pair.h"

/* From byte `from` on, to the next row's, a flipped bit is refused for this reason. */
struct field {
	uint32_t from;
	enum drop drop;
};

static unsigned num_sent(const struct node *node)
{
	return node->sent[1] + node->sent[2] + node->sent[3] + node->sent[4];
}

/* Hand a changed datagram, which appears to come from elsewhere, to its receiver. */
static void check_refused(
	const struct datagram *changed, enum drop drop, const char *what, uint32_t at)
{
	struct node *node = changed->to;
	const uint64_t drops = node_drops(node, drop), all_drops = node_all_drops(node);
	const unsigned sent = num_sent(node), delivered = node->num_delivered;
	const struct endpoint endpoint = *transport_endpoint(node->transport, node->peer_id);
	const struct peer_status status = *node_status(node);
	struct datagram datagram = *changed;

	datagram.source.port++;
	pair_inject(&datagram);
	if (node_drops(node, drop) != drops + 1 || node_all_drops(node) != all_drops + 1)
		fail_msg("%s %u: not dropped as %s", what, at, drop_name(drop));
	assert_int_equal(num_sent(node), sent);
	assert_int_equal(node->num_delivered, delivered);
	assert_memory_equal(
		&endpoint, transport_endpoint(node->transport, node->peer_id), sizeof(endpoint));
	assert_memory_equal(&status, node_status(node), sizeof(status));
}

static void check_bits(
	const struct datagram *good, uint32_t len, const struct field *fields, size_t num_fields)
{
	for (size_t f = 0; f < num_fields; f++) {
		const uint32_t end = f + 1 < num_fields ? fields[f + 1].from : len;

		for (uint32_t bit = 8 * fields[f].from; bit < 8 * end; bit++) {
			struct datagram changed = *good;

			changed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			check_refused(&changed, fields[f].drop, "bit", bit);
		}
	}
}

/* Types are told apart by their whole first word; what is then no type's length is wrong. */
static void check_types(const struct datagram *good)
{
	for (uint32_t bit = 0; bit < 32; bit++) {
		struct datagram changed = *good;
		const uint32_t type = datagram_type(good) ^ UINT32_C(1) << bit;

		if (type == MESSAGE_DATA)
			continue;
		store_le32(changed.data, type);
		check_refused(&changed,
			message_handshake_len(type) ? DROP_WRONG_LENGTH : DROP_UNKNOWN_TYPE, "type",
			type);
	}
}

static void check_lengths(const struct datagram *good, uint32_t min, enum drop beyond)
{
	struct datagram changed = *good;

	for (changed.len = 0; changed.len <= good->len + 40; changed.len++) {
		if (changed.len != good->len)
			check_refused(&changed, changed.len < min ? DROP_WRONG_LENGTH : beyond,
				"length", changed.len);
	}
}

static void repair_mac1(struct datagram *datagram)
{
	struct cookie_maker no_cookie = {0};

	cookie_add_macs(&no_cookie, datagram->to->public_key, datagram->data, datagram->len, 0);
}

/* mac1 keeps strangers out; whoever knows our public key can make it, and meets the AEAD. */
static void check_behind_mac1(const struct datagram *good, uint32_t from, uint32_t end)
{
	for (uint32_t byte = from; byte < end; byte++) {
		struct datagram changed = *good;

		changed.data[byte] ^= (uint8_t)(1 << byte % 8);
		repair_mac1(&changed);
		check_refused(&changed, DROP_BAD_HANDSHAKE, "byte", byte);
	}
}

static void test_initiation(void **state)
{
	static const struct field fields[] = {{4, DROP_BAD_MAC1}};
	struct datagram good;

	(void)state;
	pair->hold = true;
	node_send(a, 1);
	good = pair_take();
	check_types(&good);
	check_bits(&good, good.len - MAC_LEN, fields, ARRAY_SIZE(fields)); /* mac2: under load */
	check_lengths(&good, UINT32_MAX, DROP_NONE);
	check_behind_mac1(&good, offsetof(struct message_initiation, ephemeral),
		offsetof(struct message_initiation, macs));
	pair_inject(&good);
	assert_int_equal(b->sent[MESSAGE_RESPONSE], 1);
}

static void test_response(void **state)
{
	static const struct field fields[] = {{4, DROP_BAD_MAC1}};
	struct datagram good, changed;

	(void)state;
	pair->hold = true;
	node_send(a, 1);
	pair_step();
	good = pair_take();
	check_types(&good);
	check_bits(&good, good.len - MAC_LEN, fields, ARRAY_SIZE(fields));
	check_lengths(&good, UINT32_MAX, DROP_NONE);
	check_behind_mac1(&good, offsetof(struct message_response, ephemeral),
		offsetof(struct message_response, macs));
	changed = good;
	changed.data[offsetof(struct message_response, receiver_index)] ^= 1;
	repair_mac1(&changed);
	check_refused(&changed, DROP_UNKNOWN_INDEX, "receiver index", 0);
	pair_inject(&good);
	assert_int_equal(a->sent[MESSAGE_DATA], 1);
}

static void test_cookie_reply(void **state)
{
	static const struct field fields[] = {{4, DROP_UNKNOWN_INDEX}, {8, DROP_BAD_COOKIE_REPLY}};
	struct datagram good;

	(void)state;
	pair->hold = true;
	b->under_load = true;
	node_send(a, 1);
	pair_step();
	good = pair_take();
	assert_int_equal(datagram_type(&good), MESSAGE_COOKIE_REPLY);
	check_types(&good);
	check_bits(&good, good.len, fields, ARRAY_SIZE(fields));
	check_lengths(&good, UINT32_MAX, DROP_NONE);
	pair_inject(&good);
	assert_int_equal(node_drops(a, DROP_UNKNOWN_INDEX), 32);
	pair->hold = false;
	pair_advance(REKEY_TIMEOUT_NS + REKEY_TIMEOUT_JITTER_MAX_NS);
	assert_delivered(b, 1);
}

static void test_data(void **state)
{
	static const struct field fields[] = {{4, DROP_UNKNOWN_INDEX}, {8, DROP_BAD_TAG}};
	struct datagram good;

	(void)state;
	pair_handshake();
	pair->hold = true;
	node_send(a, 1);
	good = pair_take();
	check_types(&good);
	check_bits(&good, good.len, fields, ARRAY_SIZE(fields));
	check_lengths(&good, MESSAGE_DATA_MIN, DROP_BAD_TAG);
	pair_inject(&good);
	assert_delivered(b, 1);
	assert_int_equal(b->num_delivered, 1);
}

static void test_keepalive(void **state)
{
	static const struct field fields[] = {{4, DROP_UNKNOWN_INDEX}, {8, DROP_BAD_TAG}};
	struct datagram good;

	(void)state;
	pair_handshake();
	pair->hold = true;
	node_control(a, CONTROL_SEND_KEEPALIVE);
	good = pair_take();
	check_types(&good);
	check_bits(&good, good.len, fields, ARRAY_SIZE(fields));
	check_lengths(&good, MESSAGE_DATA_MIN, DROP_BAD_TAG);
	pair_reset_counts();
	pair_inject(&good);
	assert_no_drops();
	assert_int_equal(b->num_delivered, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pair_test(test_initiation),
		pair_test(test_response),
		pair_test(test_cookie_reply),
		pair_test(test_data),
		pair_test(test_keepalive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
