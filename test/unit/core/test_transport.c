/* SPDX-License-Identifier: MIT
 *
 * The way of inner packets through the transport: staged, checked, counted, refused.
 * Includes the implementation to seal what no honest peer would send.
 */
#include <errno.h>

#include "pair.h"

#include "core/transport_internal.h"

static struct keypair *current(const struct node *node)
{
	const struct transport_peer *peer = table_get(&node->transport->peers, node->peer_id);

	return peer->keypairs.current;
}

/* --- staged packets -------------------------------------------------- */

static void test_staged_128_oldest_dropped(void **state)
{
	(void)state;
	pair->hold = true;
	for (uint32_t i = 1; i <= STAGED_MAX + 2; i++)
		node_send(a, i);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 1);
	assert_int_equal(node_drops(a, DROP_STAGED), 2);
	pair->hold = false;
	pair_run();
	assert_int_equal(b->num_delivered, STAGED_MAX);
	for (uint32_t i = 0; i < STAGED_MAX; i++)
		assert_int_equal(b->delivered[i], i + 3);    /* in order */
	assert_int_equal(a->sent[MESSAGE_DATA], STAGED_MAX); /* no keepalive besides */
}

/* A whole batch at once, in order; the handshake is asked for once. */
static void test_batch_in_order(void **state)
{
	static uint8_t buffers[BATCH_MAX][PACKET_HEADROOM + 128 + PACKET_TAILROOM];
	struct batch batch = {.num = BATCH_MAX};

	(void)state;
	pair_handshake();
	for (uint32_t i = 0; i < BATCH_MAX; i++) {
		inner_packet(a, buffers[i] + PACKET_HEADROOM, 128, i);
		batch.packets[i] =
			(struct packet){.data = buffers[i] + PACKET_HEADROOM, .len = 128};
	}
	node_send_batch(a, &batch);
	pair_run();
	assert_int_equal(b->num_delivered, BATCH_MAX);
	for (uint32_t i = 0; i < BATCH_MAX; i++)
		assert_int_equal(b->delivered[i], i);
	assert_no_drops();
}

static void test_asks_for_handshake_every_250_ms(void **state)
{
	(void)state;
	pair->hold = true;
	for (uint32_t i = 0; i < 100; i++) {
		node_send(a, i);
		pair->now_ns += 10 * MSEC_NS;
	}
	assert_int_equal(a->events[EVENT_WANT_HANDSHAKE], 4);
}

/* --- what may come in ------------------------------------------------ */

/* Seal any bytes as a's next data message and hand it to b. */
static void inject_sealed(const void *inner, uint32_t len)
{
	const uint64_t counter = current(a)->sending_counter++;
	const struct message_data header = {
		le32(MESSAGE_DATA), le32(current(a)->remote_index), le64(counter)};
	struct datagram datagram = {.to = b, .source = a->address, .len = MESSAGE_DATA_MIN + len};

	memcpy(datagram.data, &header, sizeof(header));
	aead_seal(datagram.data + sizeof(header), inner, len, NULL, 0, counter,
		current(a)->sending_key);
	pair_inject(&datagram);
}

static void test_inner_packets_that_are_none(void **state)
{
	static const struct {
		uint8_t version, len_high, len_low;
		uint32_t len;
	} rows[] = {
		{0x45, 0, 32, 19}, /* shorter than a header */
		{0x45, 0, 33, 32}, /* longer than what is here */
		{0x45, 0, 19, 32}, /* total length below the header's */
		{0x45, 0xff, 0xff, 64},
		{0x55, 0, 32, 32}, /* no such version */
		{0x00, 0, 32, 32},
		{0x60, 0, 0, 39},
	};
	uint8_t inner[64];

	(void)state;
	pair_handshake();
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		inner_packet(a, inner, sizeof(inner), i);
		inner[0] = rows[i].version;
		inner[2] = rows[i].len_high;
		inner[3] = rows[i].len_low;
		inject_sealed(inner, rows[i].len);
		assert_int_equal(node_drops(b, DROP_BAD_INNER), i + 1);
	}
	inner_packet(a, inner, 32, 9);
	inner[0] = 0x60; /* IPv6: payload length + 40 does not wrap at 16 bits */
	inner[4] = 0xff;
	inner[5] = 0xf0;
	inject_sealed(inner, sizeof(inner));
	assert_int_equal(node_drops(b, DROP_BAD_INNER), ARRAY_SIZE(rows) + 1);
	assert_int_equal(b->num_delivered, 0);
	/* Authentic all the same: they count, and ask for an answer. */
	assert_true(node_status(b)->unacked_ns != 0);
	inner_packet(a, inner, sizeof(inner), 10);
	inject_sealed(inner, sizeof(inner));
	assert_delivered(b, 10);
}

static void allow(struct node *node, uint32_t peer_id, const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_from_text(&prefix, text), 0);
	assert_int_equal(
		allowedips_insert(transport_allowedips(node->transport), &prefix, peer_id), 0);
}

/* The longest prefix of the whole table decides who may use a source, not the peer's own list. */
static void test_inner_source_by_whole_table(void **state)
{
	static const struct {
		uint8_t source[4];
		bool allowed;
	} rows[] = {
		{{10, 0, 0, 1}, true}, {{10, 0, 0, 99}, true},
		{{10, 0, 0, 50}, false}, /* another peer's more specific prefix */
		{{10, 0, 1, 1}, false},	 /* nobody's */
		{{10, 0, 0, 2}, false},	 /* b's own */
	};
	uint8_t inner[40 + 24] = {0x60};
	unsigned dropped = 0;

	(void)state;
	pair_handshake();
	assert_int_equal(transport_add_peer(b->transport, 50), 0);
	allow(b, b->peer_id, "10.0.0.0/24");
	allow(b, 50, "10.0.0.50/32");
	allow(b, 50, "10.0.0.2/32");
	allow(b, b->peer_id, "fd00::/64");
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t packet[64];

		inner_packet(a, packet, sizeof(packet), i);
		memcpy(packet + 12, rows[i].source, 4);
		inject_sealed(packet, sizeof(packet));
		dropped += !rows[i].allowed;
		assert_int_equal(node_drops(b, DROP_NOT_ALLOWED), dropped);
		assert_int_equal(b->num_delivered, i + 1 - dropped);
	}
	inner[5] = 24;
	inner[8] = 0xfd;
	inject_sealed(inner, sizeof(inner));
	assert_int_equal(node_drops(b, DROP_NOT_ALLOWED), dropped);
	inner[9] = 1;
	inject_sealed(inner, sizeof(inner));
	assert_int_equal(node_drops(b, DROP_NOT_ALLOWED), dropped + 1);
}

static void test_keepalive_is_counted_not_delivered(void **state)
{
	uint64_t before;

	(void)state;
	pair_handshake();
	before = node_status(b)->rx_bytes;
	node_control(a, CONTROL_SEND_KEEPALIVE);
	assert_int_equal(node_status(b)->rx_bytes - before, MESSAGE_DATA_MIN);
	assert_int_equal(b->num_delivered, 0);
	assert_int_equal(node_status(b)->unacked_ns, 0);
	assert_no_drops();
}

static void test_keepalive_without_endpoint_asks_for_nothing(void **state)
{
	static const struct endpoint none;

	(void)state;
	transport_set_endpoint(a->transport, a->peer_id, &none);
	node_control(a, CONTROL_SEND_KEEPALIVE);
	assert_int_equal(a->events[EVENT_WANT_HANDSHAKE], 0);
	assert_no_drops();
}

/* --- what cannot go out ---------------------------------------------- */

static void test_not_ip_is_dropped(void **state)
{
	uint8_t inner[64];

	(void)state;
	inner_packet(a, inner, sizeof(inner), 1);
	inner[0] = 0x55;
	node_send_packet(a, inner, sizeof(inner));
	assert_int_equal(node_drops(a, DROP_BAD_INNER), 1);
	assert_int_equal(a->num_delivered, 0); /* no answer either */
	assert_int_equal(a->sent[MESSAGE_INITIATION], 0);
}

/* The local sender hears that there is no peer, or no endpoint, for its packet. */
static void test_unreachable_is_answered(void **state)
{
	static const struct endpoint none;
	uint8_t inner[64];

	(void)state;
	inner_packet(a, inner, sizeof(inner), 1);
	inner[19] = 77;
	node_send_packet(a, inner, sizeof(inner));
	assert_int_equal(node_drops(a, DROP_NO_PEER), 1);
	assert_int_equal(a->num_delivered, 1);
	assert_int_equal(a->last_inner[9], IPPROTO_ICMP);
	assert_memory_equal(a->last_inner + 12, inner + 16, 4); /* from the unreachable address */
	assert_memory_equal(a->last_inner + 16, a->inner, 4);
	assert_int_equal(a->last_inner[20], 3);
	assert_int_equal(a->last_inner[21], 1);
	transport_set_endpoint(a->transport, a->peer_id, &none);
	node_send(a, 2);
	assert_int_equal(node_drops(a, DROP_NO_ENDPOINT), 1);
	assert_int_equal(a->num_delivered, 2);
	assert_int_equal(a->sent[MESSAGE_INITIATION], 0);
}

static void test_unreachable_answers_are_limited(void **state)
{
	uint8_t inner[64];

	(void)state;
	inner_packet(a, inner, sizeof(inner), 1);
	inner[19] = 77;
	for (unsigned i = 0; i < 3 * UNREACHABLES_BURST; i++)
		node_send_packet(a, inner, sizeof(inner));
	assert_int_equal(a->num_delivered, UNREACHABLES_BURST);
	assert_int_equal(node_drops(a, DROP_NO_PEER), 3 * UNREACHABLES_BURST);
	pair->now_ns += SECOND_NS / UNREACHABLES_PER_S;
	node_send_packet(a, inner, sizeof(inner));
	node_send_packet(a, inner, sizeof(inner));
	assert_int_equal(a->num_delivered, UNREACHABLES_BURST + 1);
}

/* --- destinations without a peer ------------------------------------- */

/* What may come back for packets to other addresses: type, code, and the number of the packet. */
static void assert_icmp(uint8_t code, uint32_t number)
{
	assert_int_equal(a->last_inner[9], IPPROTO_ICMP);
	assert_int_equal(a->last_inner[20], 3);
	assert_int_equal(a->last_inner[21], code);
	assert_int_equal(load_be32(a->last_inner + 28 + 20), number);
}

static void send_to(uint8_t last, uint32_t number)
{
	uint8_t inner[64];

	inner_packet(a, inner, sizeof(inner), number);
	inner[19] = last;
	node_send_packet(a, inner, sizeof(inner));
}

/* As the datapath does what the monitor asks. */
static void watch(bool on)
{
	transport_lock(a->transport);
	transport_watch(a->transport, on, pair->now_ns);
	transport_unlock(a->transport);
}

static void give(uint8_t last)
{
	const struct prefix prefix = {.family = AF_INET, .cidr = 32, .addr = {10, 0, 0, last}};

	node_allow(a, &prefix);
}

static void refuse(uint8_t last)
{
	const struct prefix address = {.family = AF_INET, .cidr = 32, .addr = {10, 0, 0, last}};

	transport_lock(a->transport);
	transport_refuse(a->transport, &address, pair->now_ns);
	transport_unlock(a->transport);
}

static void test_held_packets_go_to_their_peer(void **state)
{
	const struct prefix nobodys = {.family = AF_INET, .cidr = 32, .addr = {10, 0, 0, 78}};

	(void)state;
	watch(true);
	for (uint32_t i = 0; i < 3; i++)
		send_to(77, i);
	send_to(78, 9);
	assert_int_equal(a->num_wanted, 2);
	assert_memory_equal(&a->last_wanted, &nobodys, sizeof(nobodys));
	assert_no_drops();
	assert_int_equal(a->num_delivered, 0);
	give(77);
	assert_int_equal(a->events[EVENT_WANT_HANDSHAKE], 1);
	send_to(77, 3); /* behind them */
	pair_run();
	assert_int_equal(b->num_delivered, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(b->delivered[i], i);
	/* and where there is a session at once */
	give(78);
	pair_run();
	assert_delivered(b, 9);
	assert_int_equal(
		transport_add_allowed_ip(a->transport, 50, &nobodys, pair->now_ns), -ENOENT);
	assert_int_equal(a->num_wanted, 2);
}

static void test_refused_packets_are_answered(void **state)
{
	(void)state;
	watch(true);
	for (uint32_t i = 0; i <= WANTED_PACKETS; i++)
		send_to(77, i);
	assert_int_equal(node_drops(a, DROP_STAGED), 1);
	assert_int_equal(a->num_delivered, 0);
	refuse(77);
	assert_int_equal(a->num_delivered, WANTED_PACKETS);
	assert_icmp(13, WANTED_PACKETS - 1);
	send_to(77, 50);
	assert_int_equal(a->num_delivered, WANTED_PACKETS + 1);
	assert_icmp(13, 50);
	assert_int_equal(node_drops(a, DROP_REFUSED), WANTED_PACKETS + 1);
	assert_int_equal(a->num_wanted, 1);
	pair->now_ns += WANTED_TIME_NS;
	send_to(77, 51);
	assert_int_equal(a->num_wanted, 2);
	give(77); /* what counts more than a refusal */
	pair_run();
	assert_delivered(b, 51);
	refuse(78);
	give(78); /* which ends it */
	assert_true(allowedips_remove(transport_allowedips(a->transport),
		&(struct prefix){.family = AF_INET, .cidr = 32, .addr = {10, 0, 0, 78}},
		a->peer_id));
	send_to(78, 52);
	assert_int_equal(a->num_wanted, 3);
}

static void test_held_packets_are_given_up(void **state)
{
	const uint64_t until_ns = pair->now_ns + WANTED_TIME_NS;

	(void)state;
	assert_int_equal(transport_run_timers(a->transport, pair->now_ns), 0);
	watch(true);
	assert_int_equal(transport_run_timers(a->transport, pair->now_ns), 0);
	send_to(77, 1);
	pair->now_ns += SECOND_NS;
	send_to(78, 2);
	assert_int_equal(transport_run_timers(a->transport, pair->now_ns), until_ns);
	pair->now_ns = until_ns - 1;
	assert_int_equal(transport_run_timers(a->transport, pair->now_ns), until_ns);
	assert_int_equal(a->num_delivered, 0);
	pair->now_ns = until_ns;
	assert_int_equal(transport_run_timers(a->transport, until_ns), until_ns + SECOND_NS);
	assert_int_equal(a->num_delivered, 1);
	assert_icmp(1, 1);
	assert_int_equal(node_drops(a, DROP_NO_PEER), 1);
	/* and all at once when nobody watches any more */
	watch(false);
	assert_int_equal(a->num_delivered, 2);
	assert_icmp(1, 2);
	send_to(77, 3);
	assert_icmp(1, 3);
	refuse(77); /* too late */
	send_to(77, 4);
	assert_icmp(1, 4);
	pair->now_ns += 9 * SECOND_NS;
	assert_int_equal(transport_run_timers(a->transport, pair->now_ns), 0);
	/* a new watcher hears of it anew; when the link goes down it is forgotten */
	watch(true);
	send_to(77, 5);
	watch(true);
	assert_icmp(1, 5);
	send_to(77, 6);
	assert_int_equal(a->num_wanted, 4);
	transport_set_link(a->transport, false, PAIR_MTU);
	watch(false);
	assert_icmp(1, 5);
}

/* Only what could be another host's raises an event. */
static void test_what_nobody_can_have_is_not_wanted(void **state)
{
	static const struct {
		uint8_t version;
		uint8_t dst[16];
		bool wanted;
	} rows[] = {
		{4, {10, 0, 0, 77}, true},
		{4, {224, 0, 0, 251}, false},
		{4, {255, 255, 255, 255}, false},
		{4, {169, 254, 1, 1}, false},
		{4, {169, 253, 1, 1}, true},
		{4, {127, 0, 0, 1}, false},
		{4, {0}, false},
		{6, {0xfd, 1}, true},
		{6, {0xff, 2, [15] = 1}, false},
		{6, {0xfe, 0x80, [15] = 1}, false},
		{6, {0xfe, 0xbf, [15] = 1}, false},
		{6, {0xfe, 0xc0, [15] = 1}, true},
		{6, {[15] = 1}, false},
		{6, {0}, false},
	};

	(void)state;
	watch(true);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t inner[64] = {0x60, [7] = 64};
		const bool is_ipv6 = rows[i].version == 6;

		if (!is_ipv6)
			inner_packet(a, inner, sizeof(inner), 1);
		memcpy(inner + (is_ipv6 ? 24 : 16), rows[i].dst, is_ipv6 ? 16 : 4);
		a->num_wanted = 0;
		node_send_packet(a, inner, sizeof(inner));
		if (a->num_wanted != rows[i].wanted)
			fail_msg("row %zu", i);
	}
}

/* Our own data message, routed into its own tunnel, is not wrapped again; others' are. */
static void test_own_datagram_is_not_wrapped(void **state)
{
	static const struct {
		uint32_t index_off, port_off;
		bool own;
	} rows[] = {{1, 0, false}, {0, 1, false}, {0, 0, true}};
	const struct prefix any = {.family = AF_INET};
	uint8_t inner[20 + 8 + 32];
	struct endpoint endpoint;
	unsigned sent;

	(void)state;
	pair_handshake();
	sent = a->sent[MESSAGE_DATA];
	assert_int_equal(endpoint_from_text(&endpoint, "198.51.100.7:1002"), 0);
	transport_set_endpoint(a->transport, a->peer_id, &endpoint);
	assert_int_equal(
		allowedips_insert(transport_allowedips(a->transport), &any, a->peer_id), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct message_data header = {le32(MESSAGE_DATA),
			le32(current(a)->remote_index + rows[i].index_off), le64(0)};

		memset(inner, 0, sizeof(inner));
		inner_packet(a, inner, INNER_HEADER, 1);
		store_be16(inner + 2, sizeof(inner));
		inner[9] = IPPROTO_UDP;
		memcpy(inner + 16, endpoint.addr, 4);
		store_be16(inner + 22, (uint16_t)(endpoint.port + rows[i].port_off));
		memcpy(inner + 28, &header, sizeof(header));
		node_send_packet(a, inner, sizeof(inner));
		assert_int_equal(node_drops(a, DROP_LOOP), rows[i].own);
		sent += !rows[i].own;
		assert_int_equal(a->sent[MESSAGE_DATA], sent);
	}
}

/* --- link and peers -------------------------------------------------- */

static void test_link_down_drops_everything(void **state)
{
	struct datagram datagram;

	(void)state;
	pair_handshake();
	pair->hold = true;
	node_send(a, 1);
	datagram = pair_take();
	transport_set_link(a->transport, false, PAIR_MTU);
	transport_set_link(b->transport, false, PAIR_MTU);
	node_send(a, 2);
	pair_inject(&datagram);
	node_control(a, CONTROL_SEND_KEEPALIVE);
	assert_int_equal(a->sent[MESSAGE_DATA], 1);
	assert_int_equal(b->num_delivered, 0);
}

static void test_peers_of_transport(void **state)
{
	static const struct control stale = {
		.type = CONTROL_SEND_KEEPALIVE, .peer_id = MAX_PEERS - 1};

	(void)state;
	assert_int_equal(transport_add_peer(a->transport, a->peer_id), -EEXIST);
	assert_int_equal(transport_add_peer(a->transport, MAX_PEERS), -EEXIST);
	transport_handle_control(a->transport, &stale, pair->now_ns); /* of a peer just removed */
	assert_int_equal(transport_add_peer(a->transport, MAX_PEERS - 1), 0);
	assert_non_null(transport_endpoint(a->transport, MAX_PEERS - 1));
	transport_remove_peer(a->transport, MAX_PEERS - 1);
	assert_null(transport_endpoint(a->transport, MAX_PEERS - 1));
	transport_remove_peer(a->transport, MAX_PEERS - 1);
}

/* A peer under a number that was in use before begins with a clean status. */
static void test_added_peer_has_clean_status(void **state)
{
	static const struct peer_status clean;

	(void)state;
	pair_handshake();
	transport_remove_peer(a->transport, a->peer_id);
	assert_int_equal(transport_add_peer(a->transport, a->peer_id), 0);
	assert_memory_equal(node_status(a), &clean, sizeof(clean));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pair_test(test_staged_128_oldest_dropped),
		pair_test(test_batch_in_order),
		pair_test(test_asks_for_handshake_every_250_ms),
		pair_test(test_inner_packets_that_are_none),
		pair_test(test_inner_source_by_whole_table),
		pair_test(test_keepalive_is_counted_not_delivered),
		pair_test(test_keepalive_without_endpoint_asks_for_nothing),
		pair_test(test_not_ip_is_dropped),
		pair_test(test_unreachable_is_answered),
		pair_test(test_unreachable_answers_are_limited),
		pair_test(test_held_packets_go_to_their_peer),
		pair_test(test_refused_packets_are_answered),
		pair_test(test_held_packets_are_given_up),
		pair_test(test_what_nobody_can_have_is_not_wanted),
		pair_test(test_own_datagram_is_not_wrapped),
		pair_test(test_link_down_drops_everything),
		pair_test(test_peers_of_transport),
		pair_test(test_added_peer_has_clean_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
