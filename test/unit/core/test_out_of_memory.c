/* SPDX-License-Identifier: MIT
 *
 * Memory runs out, once, at each place of the core in turn: what cannot be made is said to be so,
 * leaves nothing behind (the sanitizer looks for leaks) and can be made later; what goes on without
 * works again by itself.
 */
#include "pair.h"

#include "refuse.h"

enum { FIRST_ID = 100, NUM_PEERS = 3 * 32, NUM_PREFIXES = 300, RECOVERY_S = 30 };

/* Refuse the first allocation of attempt, then the second… until it needs no more. Gives how many
 * there were. */
static unsigned refuse_each(void (*attempt)(void))
{
	unsigned num = 0;

	for (;; num++) {
		refuse_after(num);
		attempt();
		if (!refuse_end())
			return num;
	}
}

static void no_random(void *ctx, void *ret_bytes, size_t len)
{
	(void)ctx;
	memset(ret_bytes, 1, len);
}

static void make_device(void)
{
	const struct device_ops ops = {.random = no_random};
	struct device *device = device_new(&ops, a->page);

	assert_int_equal(device == NULL, refuse_has_happened());
	device_free(device);
}

static void make_transport(void)
{
	const struct transport_ops ops = {.ctx = NULL};
	struct transport *transport = transport_new(&ops, a->page);
	struct transport_worker *worker = transport ? transport_add_worker(transport, a) : NULL;

	assert_int_equal(worker == NULL, refuse_has_happened());
	transport_free(transport);
}

static void make_keyring(void)
{
	struct keyring *keyring = keyring_new();

	assert_int_equal(keyring == NULL, refuse_has_happened());
	keyring_free(keyring);
}

static void what_cannot_be_made_leaves_nothing(void **state)
{
	(void)state;
	assert_in_range(refuse_each(make_device), 5, 20);
	assert_in_range(refuse_each(make_transport), 5, 30);
	assert_in_range(refuse_each(make_keyring), 1, 10);
}

/* What fails for want of memory fails once. */
#define twice(call)                                         \
	do {                                                \
		int result_ = (call);                       \
                                                            \
		if (result_ < 0) {                          \
			assert_int_equal(result_, -ENOMEM); \
			assert_true(refuse_has_happened()); \
			assert_int_equal((call), 0);        \
		}                                           \
	} while (0)

static void add_and_remove_peers(void)
{
	for (uint32_t id = FIRST_ID; id < FIRST_ID + NUM_PEERS; id++) {
		uint8_t key[KEY_LEN] = {9, (uint8_t)id};

		twice(transport_add_peer(a->transport, id));
		twice(keyring_add_peer(a->keyring, id, key));
		twice(keyring_set_psk(a->keyring, id, key));
		twice(device_add_peer(a->device, id, key));
	}
	for (uint32_t id = FIRST_ID; id < FIRST_ID + NUM_PEERS; id++) {
		device_remove_peer(a->device, id);
		transport_remove_peer(a->transport, id);
		keyring_remove_peer(a->keyring, id);
	}
}

static void a_peer_is_added_when_there_is_memory(void **state)
{
	(void)state;
	assert_in_range(refuse_each(add_and_remove_peers), 3 * NUM_PEERS / 32, 100);
	assert_session();
}

static struct prefix prefix_of(uint32_t i)
{
	struct prefix prefix = {.family = i % 2 ? AF_INET6 : AF_INET, .cidr = i % 2 ? 64 : 24};

	prefix.addr[0] = 11;
	store_be16(prefix.addr + 1, (uint16_t)(i * 7919));
	return prefix;
}

static void fill_a_table(void)
{
	struct allowedips *table = allowedips_new();

	assert_int_equal(table == NULL, refuse_has_happened());
	for (uint32_t i = 0; i < NUM_PREFIXES && table; i++) {
		const struct prefix prefix = prefix_of(i);

		twice(allowedips_insert(table, &prefix, i));
	}
	for (uint32_t i = 0; i < NUM_PREFIXES && table; i++) {
		const struct prefix prefix = prefix_of(i);

		assert_int_equal(allowedips_lookup(table, prefix.family, prefix.addr), i);
	}
	allowedips_free(table);
}

static void a_prefix_is_added_when_there_is_memory(void **state)
{
	(void)state;
	assert_in_range(refuse_each(fill_a_table), 5, 50);
}

static void prepare(struct node *node)
{
	while (device_has_work_ahead(node->device))
		device_work_ahead(node->device);
}

/* A handshake, packets both ways, a packet held for a destination without a peer, the next two
 * handshakes, and the end of sessions that nobody uses. */
static void live(void)
{
	const struct prefix elsewhere = {.family = AF_INET, .addr = {10, 0, 0, 9}, .cidr = 32};
	uint8_t buffer[PACKET_BUF], *packet = buffer + PACKET_HEADROOM;

	prepare(a);
	prepare(b);
	for (uint32_t i = 0; i < 30; i++) {
		node_send(a, i);
		node_send(b, i);
		pair_advance(10 * SECOND_NS);
		prepare(a);
	}
	transport_watch(a->transport, true, pair->now_ns);
	inner_packet(a, packet, 100, 7);
	memcpy(packet + 16, elsewhere.addr, 4);
	node_send_packet(a, packet, 100);
	transport_refuse(a->transport, &elsewhere, pair->now_ns);
	transport_watch(a->transport, false, pair->now_ns);
	pair_advance(600 * SECOND_NS);
	node_send(b, 1);
}

/* As soon as the timers promise: whoever hears nothing begins anew after 15 s. */
static void recover(void)
{
	for (uint32_t i = 0; i < RECOVERY_S; i++) {
		pair_reset_counts();
		node_send(a, i);
		node_send(b, i);
		if (a->num_delivered && b->num_delivered)
			break;
		pair_advance(SECOND_NS);
	}
	assert_session();
}

static void a_session_comes_back(void **state)
{
	bool refused = true;

	(void)state;
	for (unsigned num = 0; refused; num++) {
		pair_new(2);
		refuse_after(num);
		live();
		refused = refuse_end();
		recover();
		pair_free();
		assert_true(num < 200 && (refused || num > 5));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pair_test(what_cannot_be_made_leaves_nothing),
		pair_test(a_peer_is_added_when_there_is_memory),
		pair_test(a_prefix_is_added_when_there_is_memory),
		cmocka_unit_test(a_session_comes_back),
	};

	return cmocka_run_group_tests_name("out of memory", tests, NULL, NULL);
}
