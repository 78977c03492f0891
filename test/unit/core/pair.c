/* SPDX-License-Identifier: MIT
 *
 * Two tunnels and a pipe.
 */
#include "pair.h"

#include <stdlib.h>

struct pair *pair;
struct node *a, *b;

#define START_NS (1000 * SECOND_NS)
#define WALL_START_NS (UINT64_C(1700000000) * SECOND_NS)

/* --- what a node asks of the world ----------------------------------- */

uint64_t pair_random(void)
{
	pair->random ^= pair->random << 13;
	pair->random ^= pair->random >> 7;
	pair->random ^= pair->random << 17;
	return pair->random * UINT64_C(0x9e3779b97f4a7c15) >> 16;
}

static void random_bytes(void *ctx, void *ret_bytes, size_t len)
{
	struct node *node = ctx;
	uint8_t *bytes = ret_bytes;

	if (len == 4 && node->num_words) {
		store_le32(bytes, *node->words++);
		node->num_words--;
		return;
	}
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(pair_random() >> 8);
}

static void handle_event(struct node *node, const struct event *event)
{
	if (node->device) /* not while it is torn down */
		device_handle_event(node->device, event, node->under_load, node_time(node));
}

/* The transport does not like to be called back: what it emits waits until it is done. */
static void transport_leave(struct node *node)
{
	if (--node->depth)
		return;
	while (node->num_waiting) {
		struct event event = node->waiting[0];

		memmove(node->waiting, node->waiting + 1,
			--node->num_waiting * sizeof(node->waiting[0]));
		handle_event(node, &event);
	}
}

static void emit_control(void *ctx, const struct control *control)
{
	struct node *node = ctx;

	node->controls[control->type]++;
	if (control->type == CONTROL_SEND_HANDSHAKE)
		node->last_handshake = control->handshake;
	node->depth++;
	transport_handle_control(node->transport, control, pair->now_ns);
	transport_leave(node);
}

static void emit_event(void *ctx, const struct event *event)
{
	struct node *node = ctx;

	node->events[event->type]++;
	if (node->depth == 0) {
		handle_event(node, event);
		return;
	}
	assert_true(node->num_waiting < ARRAY_SIZE(node->waiting));
	node->waiting[node->num_waiting++] = *event;
}

static void want(void *ctx, const struct prefix *address)
{
	struct node *node = ctx;

	node->num_wanted++;
	node->last_wanted = *address;
}

static void deliver(void *ctx, struct batch *packets)
{
	struct node *node = ctx;

	for (unsigned i = 0; i < packets->num; i++) {
		const struct packet *packet = &packets->packets[i];

		assert_true(packet->len <= sizeof(node->last_inner));
		memcpy(node->last_inner, packet->data, packet->len);
		node->last_inner_len = packet->len;
		if (packet->len >= INNER_HEADER)
			node->delivered[node->num_delivered % DELIVERED_LEN] =
				load_be32(packet->data + 20);
		node->num_delivered++;
		if (pair->tap)
			pair->tap(node, packet->data, packet->len);
	}
}

static void send_datagrams(void *ctx, struct batch *datagrams)
{
	struct node *node = ctx;

	for (unsigned i = 0; i < datagrams->num; i++) {
		const struct packet *packet = &datagrams->packets[i];
		struct datagram *d = &node->last;

		assert_true(packet->len <= DATAGRAM_MAX && packet->len >= 4);
		*d = (struct datagram){.to = node->other,
			.due_ns = pair->now_ns + pair->latency_ns,
			.source = node->address,
			.destination = *packet->endpoint,
			.tos = packet->tos,
			.len = packet->len};
		memcpy(d->data, packet->data, packet->len);
		assert_in_range(datagram_type(d), MESSAGE_INITIATION, MESSAGE_DATA);
		node->sent[datagram_type(d)]++;
		if (!pair->network || pair->network(d))
			pair_queue(d);
	}
}

/* --- the pipe -------------------------------------------------------- */

uint32_t datagram_type(const struct datagram *datagram)
{
	return load_le32(datagram->data);
}

void pair_queue(const struct datagram *datagram)
{
	assert_true(pair->num_queued < QUEUE_LEN);
	pair->queue[pair->num_queued++] = *datagram;
}

static struct datagram take_at(unsigned i)
{
	struct datagram datagram = pair->queue[i];

	pair->num_queued--;
	memmove(&pair->queue[i], &pair->queue[i + 1],
		(pair->num_queued - i) * sizeof(pair->queue[0]));
	return datagram;
}

struct datagram pair_take(void)
{
	assert_true(pair->num_queued > 0);
	return take_at(0);
}

void pair_inject(const struct datagram *datagram)
{
	static uint8_t buffer[PACKET_BUF];
	struct endpoint source = datagram->source;
	struct batch batch = {.num = 1};

	if (!datagram->to->transport)
		return;
	memcpy(buffer + PACKET_HEADROOM, datagram->data, datagram->len);
	batch.packets[0] = (struct packet){.data = buffer + PACKET_HEADROOM,
		.len = datagram->len,
		.tos = datagram->tos,
		.endpoint = &source};
	datagram->to->depth++;
	transport_decrypt(transport_first_worker(datagram->to->transport), &batch, pair->now_ns);
	transport_leave(datagram->to);
}

void pair_step(void)
{
	const struct datagram datagram = pair_take();

	pair_inject(&datagram);
}

/* The place in the queue of what arrives next; num_queued if there is nothing. */
static unsigned next_in_queue(void)
{
	unsigned next = pair->num_queued;

	for (unsigned i = 0; i < pair->num_queued && !pair->hold; i++) {
		if (next == pair->num_queued || pair->queue[i].due_ns < pair->queue[next].due_ns)
			next = i;
	}
	return next;
}

void pair_run(void)
{
	unsigned next, num = 0;

	while ((next = next_in_queue()) < pair->num_queued &&
		pair->queue[next].due_ns <= pair->now_ns) {
		struct datagram datagram = take_at(next);

		assert_true(num++ < 10000); /* else they never stop answering each other */
		if (endpoint_same_remote(&datagram.destination, &datagram.to->address))
			pair_inject(&datagram);
	}
}

void pair_advance(uint64_t ns)
{
	const uint64_t end_ns = pair->now_ns + ns;

	for (;;) {
		uint64_t next_ns = end_ns;
		unsigned next;

		pair_run();
		next = next_in_queue();
		if (next < pair->num_queued && pair->queue[next].due_ns < next_ns)
			next_ns = pair->queue[next].due_ns;
		for (int i = 0; i < 2; i++) {
			const struct node *node = &pair->nodes[i];
			uint64_t deadline_ns =
				node->device ? device_next_deadline(node->device) : 0;

			if (deadline_ns && deadline_ns < next_ns)
				next_ns = deadline_ns;
		}
		if (next_ns > pair->now_ns)
			pair->now_ns = next_ns;
		for (int i = 0; i < 2; i++) {
			if (pair->nodes[i].device)
				device_run_timers(
					pair->nodes[i].device, node_time(&pair->nodes[i]));
		}
		if (next_ns >= end_ns)
			break;
	}
	pair_run();
}

/* --- nodes ----------------------------------------------------------- */

struct device_time node_time(const struct node *node)
{
	const uint64_t now_ns = pair->now_ns;

	return (struct device_time){
		now_ns, WALL_START_NS + now_ns + (uint64_t)node->wall_offset_ns};
}

void node_set_private_key(struct node *node, const uint8_t private_key[KEY_LEN])
{
	memcpy(node->private_key, private_key, KEY_LEN);
	keyring_set_private_key(node->keyring, private_key, node->public_key);
	device_set_public_key(node->device, node->public_key);
	transport_set_public_key(node->transport, node->public_key);
}

void node_set_psk(struct node *node, const uint8_t psk[KEY_LEN])
{
	assert_int_equal(keyring_set_psk(node->keyring, node->peer_id, psk), 0);
}

void node_set_up(struct node *node, bool up)
{
	transport_set_link(node->transport, up, PAIR_MTU);
	device_set_up(node->device, up, node_time(node));
}

static void add_other(struct node *node)
{
	struct prefix prefix = {.family = AF_INET, .cidr = 32};

	memcpy(prefix.addr, node->other->inner, 4);
	assert_int_equal(
		keyring_add_peer(node->keyring, node->peer_id, node->other->public_key), 0);
	assert_int_equal(transport_add_peer(node->transport, node->peer_id), 0);
	assert_int_equal(device_add_peer(node->device, node->peer_id, node->other->public_key), 0);
	transport_set_endpoint(node->transport, node->peer_id, &node->other->address);
	assert_int_equal(
		allowedips_insert(transport_allowedips(node->transport), &prefix, node->peer_id),
		0);
}

void node_stop(struct node *node)
{
	struct device *device = node->device;

	node->device = NULL;
	transport_free(node->transport);
	node->transport = NULL;
	device_free(device);
	keyring_free(node->keyring);
	node->keyring = NULL;
	free(node->page);
	node->page = NULL;
}

void node_start(struct node *node)
{
	static const uint8_t psk[KEY_LEN] = {'p', 's', 'k'};
	const struct device_ops device_ops = {.emit = emit_control,
		.random = random_bytes,
		.ctx = node,
		.keys = {keyring_mix, node->keyring = keyring_new()}};
	const struct transport_ops transport_ops = {.send = send_datagrams,
		.deliver = deliver,
		.emit = emit_event,
		.want = want,
		.ctx = node};

	node->page = calloc(1, sizeof(*node->page));
	assert_true(node->keyring && node->page);
	node->device = device_new(&device_ops, node->page);
	node->transport = transport_new(&transport_ops, node->page);
	assert_true(node->device && node->transport);
	node_set_private_key(node, node->private_key);
	add_other(node);
	node_set_psk(node, psk);
	node_set_up(node, true);
}

void pair_new(uint64_t seed)
{
	static const char *const addresses[] = {"192.0.2.1:1001", "[2001:db8::2]:1002"};

	assert_int_equal(crypto_init(), 0);
	pair = calloc(1, sizeof(*pair));
	assert_non_null(pair);
	a = &pair->nodes[0];
	b = &pair->nodes[1];
	pair->queue = calloc(QUEUE_LEN, sizeof(pair->queue[0]));
	assert_non_null(pair->queue);
	pair->now_ns = START_NS;
	pair->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	for (unsigned i = 0; i < 2; i++) {
		struct node *node = &pair->nodes[i];
		struct keyring *keyring = keyring_new();

		node->other = &pair->nodes[1 - i];
		node->peer_id = 3 + 4 * i;
		node->inner[0] = 10;
		node->inner[3] = (uint8_t)(i + 1);
		assert_int_equal(endpoint_from_text(&node->address, addresses[i]), 0);
		random_bytes(node, node->private_key, KEY_LEN);
		keyring_set_private_key(keyring, node->private_key, node->public_key);
		keyring_free(keyring);
	}
	node_start(&pair->nodes[0]);
	node_start(&pair->nodes[1]);
	pair_reset_counts();
}

void pair_free(void)
{
	node_stop(&pair->nodes[0]);
	node_stop(&pair->nodes[1]);
	free(pair->queue);
	free(pair);
}

int pair_setup(void **state)
{
	(void)state;
	pair_new(1);
	return 0;
}

int pair_teardown(void **state)
{
	(void)state;
	pair_free();
	return 0;
}

void pair_reset_counts(void)
{
	for (int i = 0; i < 2; i++) {
		struct node *node = &pair->nodes[i];

		memset(node->sent, 0, sizeof(node->sent));
		memset(node->controls, 0, sizeof(node->controls));
		memset(node->events, 0, sizeof(node->events));
		memset(node->page->drops, 0, sizeof(node->page->drops));
		node->num_delivered = 0;
	}
}

void node_allow(struct node *node, const struct prefix *prefix)
{
	node->depth++;
	transport_lock(node->transport);
	assert_int_equal(
		transport_add_allowed_ip(node->transport, node->peer_id, prefix, pair->now_ns), 0);
	transport_unlock(node->transport);
	transport_leave(node);
}

/* --- inner packets --------------------------------------------------- */

void inner_packet(const struct node *node, uint8_t *data, uint32_t len, uint32_t number)
{
	memset(data, 0, INNER_HEADER);
	data[0] = 0x45;
	store_be16(data + 2, (uint16_t)len);
	data[8] = 64;
	data[9] = 253; /* for experiments (RFC 3692) */
	memcpy(data + 12, node->inner, 4);
	memcpy(data + 16, node->other->inner, 4);
	store_be32(data + 20, number);
	for (uint32_t i = INNER_HEADER; i < len; i++)
		data[i] = (uint8_t)(number + i);
}

void node_send_batch(struct node *node, struct batch *batch)
{
	node->depth++;
	transport_encrypt(transport_first_worker(node->transport), batch, pair->now_ns);
	transport_leave(node);
}

void node_send_packet(struct node *node, const uint8_t *data, uint32_t len)
{
	static uint8_t buffer[PACKET_BUF];
	struct batch batch = {.num = 1};

	memcpy(buffer + PACKET_HEADROOM, data, len);
	batch.packets[0] = (struct packet){.data = buffer + PACKET_HEADROOM, .len = len};
	node_send_batch(node, &batch);
}

void node_send(struct node *node, uint32_t number)
{
	uint8_t data[INNER_HEADER + 68];

	inner_packet(node, data, sizeof(data), number);
	node_send_packet(node, data, sizeof(data));
	pair_run();
}

void node_control(struct node *node, enum control_type type)
{
	const struct control control = {.type = type, .peer_id = node->peer_id};

	emit_control(node, &control);
	pair_run();
}

void pair_handshake(void)
{
	node_control(&pair->nodes[0], CONTROL_SEND_KEEPALIVE);
	assert_int_equal(pair->nodes[0].sent[MESSAGE_INITIATION], 1);
	assert_int_equal(pair->nodes[1].sent[MESSAGE_RESPONSE], 1);
	assert_int_equal(pair->nodes[0].sent[MESSAGE_DATA], 1);
	assert_int_equal(node_all_drops(&pair->nodes[0]) + node_all_drops(&pair->nodes[1]), 0);
	pair_reset_counts();
}

void node_event(struct node *node, enum event_type type)
{
	const struct event event = {.type = type, .peer_id = node->peer_id};

	emit_event(node, &event);
}

/* --- what was counted ------------------------------------------------ */

struct peer_status *node_status(struct node *node)
{
	return &node->page->peers[node->peer_id];
}

uint64_t node_drops(const struct node *node, enum drop reason)
{
	return node->page->drops[reason];
}

uint64_t node_all_drops(const struct node *node)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < DROP_NUM; i++)
		sum += node->page->drops[i];
	return sum;
}

void assert_delivered(const struct node *node, uint32_t number)
{
	assert_true(node->num_delivered > 0);
	assert_int_equal(node->delivered[(node->num_delivered - 1) % DELIVERED_LEN], number);
}

void assert_session(void)
{
	node_send(a, 1001);
	assert_delivered(b, 1001);
	node_send(b, 1002);
	assert_delivered(a, 1002);
}

void assert_no_drops(void)
{
	assert_int_equal(node_all_drops(a), 0);
	assert_int_equal(node_all_drops(b), 0);
}
