/* SPDX-License-Identifier: MIT
 *
 * Fuzzes whatever comes in by socket and TUN device: the victim, a whole tunnel without its
 * processes, has a session with an honest and one with an evil peer. The input is a list of
 * actions: datagrams by a stranger (raw, made plausible, or replayed with changes), inner packets
 * of any content sealed by the evil peer, inner packets of local programs, handshakes that a peer
 * begins, be it under load, time.
 *
 * What a stranger sends is never answered (but by a cookie, under load, to where it came from, if
 * it has none), delivered or believed, and is counted exactly once. The evil peer moves no endpoint
 * but its own and delivers nothing but from its own addresses. In the end the honest peer still
 * gets through.
 */
#include <stdlib.h>

#include "base/siphash.h"
#include "core/cookie.h"
#include "core/device.h"
#include "core/device_internal.h"
#include "core/inner.h"
#include "core/keyring.h"
#include "core/transport.h"
#include "crypto/dh.h"
#include "snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { VICTIM, HONEST, EVIL, NUM_NODES };
enum { MTU = 1420, WIRE_MAX = 2048, QUEUE_MAX = 256, RECORDS_MAX = 32 };

struct datagram {
	struct endpoint endpoint; /* to, or in a record from */
	uint32_t len;
	uint8_t data[WIRE_MAX];
};

struct node {
	struct device *device;
	struct transport *transport;
	struct keyring *keyring;
	struct status_page *page;
	uint8_t public_key[KEY_LEN];
	struct event events[QUEUE_MAX];
	struct control controls[QUEUE_MAX];
	struct datagram sent[QUEUE_MAX];
	struct datagram delivered[QUEUE_MAX];
	unsigned num_events, num_controls, num_sent, num_delivered;
	struct control_keypair keypair; /* the last one installed */
};

struct input {
	const uint8_t *data;
	size_t len;
};

static struct node nodes[NUM_NODES];
static struct datagram records[RECORDS_MAX]; /* authentic, and used up by the victim */
static unsigned num_records;
static bool is_under_load; /* the victim, by genuine messages */
static uint64_t now_ns, num_random;
static uint8_t random_key[SIPHASH_KEY_LEN];

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* --- nodes ----------------------------------------------------------- */

static struct endpoint address_of(unsigned host)
{
	return (struct endpoint){
		.family = AF_INET, .port = 51820, .addr = {10, 0, 0, (uint8_t)(host + 1)}};
}

static void random_bytes(void *ctx, void *ret_bytes, size_t len)
{
	uint8_t *bytes = ret_bytes;

	(void)ctx;
	for (size_t i = 0; i < len; i++) {
		num_random++;
		bytes[i] = (uint8_t)siphash(random_key, &num_random, sizeof(num_random));
	}
}

static void on_event(void *ctx, const struct event *event)
{
	struct node *node = ctx;

	require(node->num_events < QUEUE_MAX);
	node->events[node->num_events++] = *event;
}

static void on_control(void *ctx, const struct control *control)
{
	struct node *node = ctx;

	require(node->num_controls < QUEUE_MAX);
	node->controls[node->num_controls++] = *control;
	if (control->type == CONTROL_INSTALL_KEYPAIR)
		node->keypair = control->keypair;
}

static void keep(struct datagram *list, unsigned *num, const struct packet *packet)
{
	require(*num < QUEUE_MAX && packet->len <= WIRE_MAX);
	list[*num].len = packet->len;
	list[*num].endpoint = packet->endpoint ? *packet->endpoint : (struct endpoint){0};
	memcpy(list[(*num)++].data, packet->data, packet->len);
}

static void on_send(void *ctx, struct batch *batch)
{
	struct node *node = ctx;

	for (unsigned i = 0; i < batch->num; i++)
		keep(node->sent, &node->num_sent, &batch->packets[i]);
}

static void on_deliver(void *ctx, struct batch *batch)
{
	struct node *node = ctx;

	for (unsigned i = 0; i < batch->num; i++)
		keep(node->delivered, &node->num_delivered, &batch->packets[i]);
}

static void node_new(struct node *node, uint8_t secret)
{
	const struct transport_ops transport_ops = {on_send, on_deliver, on_event, NULL, node};
	struct device_ops device_ops = {.emit = on_control,
		.random = random_bytes,
		.ctx = node,
		.keys = {keyring_mix, NULL}};
	const uint8_t private_key[KEY_LEN] = {0, secret};

	node->page = calloc(1, sizeof(struct status_page));
	node->keyring = keyring_new();
	device_ops.keys.ctx = node->keyring;
	node->device = device_new(&device_ops, node->page);
	node->transport = transport_new(&transport_ops, node->page);
	require(node->page && node->keyring && node->device && node->transport);
	keyring_set_private_key(node->keyring, private_key, node->public_key);
	transport_set_public_key(node->transport, node->public_key);
	device_set_public_key(node->device, node->public_key);
}

/* What it says at its end, nobody hears. */
static void node_free(struct node *node)
{
	node->num_events = node->num_controls = 0;
	transport_free(node->transport);
	node->num_events = 0;
	device_free(node->device);
	keyring_free(node->keyring);
	free(node->page);
}

/* Make `other` the peer of this number; its inner addresses are 10.1.OTHER.0/24. */
static void node_add(struct node *node, uint32_t id, unsigned other)
{
	const struct prefix prefix = {
		.family = AF_INET, .cidr = 24, .addr = {10, 1, (uint8_t)other, 0}};
	const struct endpoint endpoint = address_of(other);

	require(transport_add_peer(node->transport, id) == 0);
	require(keyring_add_peer(node->keyring, id, nodes[other].public_key) == 0);
	require(device_add_peer(node->device, id, nodes[other].public_key) == 0);
	transport_set_endpoint(node->transport, id, &endpoint);
	require(allowedips_insert(transport_allowedips(node->transport), &prefix, id) == 0);
}

static void node_up(struct node *node)
{
	transport_set_link(node->transport, true, MTU);
	device_set_up(node->device, true, (struct device_time){now_ns, now_ns});
}

/* Let device and transport of a node talk until they have no more to say. */
static void node_settle(struct node *node, bool under_load)
{
	const struct device_time time = {now_ns, now_ns};

	for (int rounds = 0; node->num_events || node->num_controls; rounds++) {
		unsigned events = node->num_events, controls;

		require(rounds < 16);
		for (unsigned i = 0; i < events; i++)
			device_handle_event(node->device, &node->events[i], under_load, time);
		memmove(node->events, node->events + events,
			(node->num_events - events) * sizeof(node->events[0]));
		node->num_events -= events;
		controls = node->num_controls;
		for (unsigned i = 0; i < controls; i++)
			transport_handle_control(node->transport, &node->controls[i], now_ns);
		require(node->num_controls == controls);
		node->num_controls = 0;
	}
}

static void node_receive(struct node *node, const struct datagram *datagram, bool under_load)
{
	uint8_t *buffer = malloc(PACKET_HEADROOM + WIRE_MAX);
	struct endpoint from = datagram->endpoint;
	struct batch batch = {.num = 1};

	/* at the end of the buffer, so that nothing behind it can be read */
	require(buffer != NULL);
	batch.packets[0] =
		(struct packet){.data = buffer + PACKET_HEADROOM + WIRE_MAX - datagram->len,
			.len = datagram->len,
			.endpoint = &from};
	memcpy(batch.packets[0].data, datagram->data, datagram->len);
	transport_decrypt(transport_first_worker(node->transport), &batch, now_ns);
	free(buffer);
	node_settle(node, under_load);
}

static void node_send(struct node *node, const uint8_t *packet, uint32_t len)
{
	uint8_t *buffer = calloc(1, PACKET_HEADROOM + WIRE_MAX + PACKET_TAILROOM);
	struct batch batch = {.num = 1};

	require(buffer != NULL);
	batch.packets[0] = (struct packet){.data = buffer + PACKET_HEADROOM, .len = len};
	memcpy(batch.packets[0].data, packet, len);
	transport_encrypt(transport_first_worker(node->transport), &batch, now_ns);
	free(buffer);
	node_settle(node, false);
}

/* Carry what was sent to whom it was sent, until all is silent. */
static void carry_all(void)
{
	static struct datagram datagram;

	for (unsigned from = 0, idle = 0; idle < NUM_NODES; from = (from + 1) % NUM_NODES) {
		struct node *node = &nodes[from];

		idle = node->num_sent ? 0 : idle + 1;
		for (unsigned i = 0; i < node->num_sent; i++) {
			unsigned to = node->sent[i].endpoint.addr[3] - 1U;

			datagram = node->sent[i];
			datagram.endpoint = address_of(from);
			if (to >= NUM_NODES)
				continue;
			if (to == VICTIM && !is_under_load && num_records < RECORDS_MAX)
				records[num_records++] = datagram;
			node_receive(&nodes[to], &datagram, to == VICTIM && is_under_load);
		}
		node->num_sent = 0;
	}
}

/* One node after the other: were all to act at the same instant, initiations would cross for ever,
 * which jitter prevents where time is not so coarse. */
static void run_timers(void)
{
	for (unsigned i = 0; i < NUM_NODES; i++) {
		device_run_timers(nodes[i].device, (struct device_time){now_ns, now_ns});
		node_settle(&nodes[i], false);
		carry_all();
	}
}

/* An IPv4 packet from one node's inner address to another's. */
static uint32_t inner_packet(uint8_t *packet, unsigned from, unsigned to)
{
	const uint8_t header[20] = {0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 1, (uint8_t)from,
		1, 10, 1, (uint8_t)to, 1};

	memset(packet, 0, 28);
	memcpy(packet, header, sizeof(header));
	return 28;
}

/* Whether a packet gets from one node to the other, be it with a new handshake. */
static bool gets_through(unsigned from, unsigned to)
{
	uint8_t packet[28];
	uint32_t len = inner_packet(packet, from, to);

	for (int tries = 0; tries < 3; tries++) {
		nodes[to].num_delivered = 0;
		node_send(&nodes[from], packet, len);
		carry_all();
		if (nodes[to].num_delivered >= 1)
			return true;
		now_ns += 6 * SECOND_NS;
		run_timers();
		if (nodes[to].num_delivered >= 1) /* it was staged */
			return true;
	}
	return false;
}

/* --- input ----------------------------------------------------------- */

static uint8_t take(struct input *input)
{
	if (input->len == 0)
		return 0;
	input->len--;
	return *input->data++;
}

static uint32_t take_bytes(struct input *input, uint8_t *ret_bytes, uint32_t max)
{
	uint32_t len = take(input);

	if (len >= 0xf0) /* longer ones, by repetition */
		len = (len - 0xef) * 96;
	if (len > max)
		len = max;
	for (uint32_t i = 0, num = (uint32_t)input->len; i < len; i++)
		ret_bytes[i] = num ? input->data[i % num] : 0;
	input->data += len < input->len ? len : input->len;
	input->len -= len < input->len ? len : input->len;
	return len;
}

/* A peer's endpoint, another port of it, strangers. */
static struct endpoint take_endpoint(struct input *input)
{
	uint8_t b = take(input);
	struct endpoint endpoint = address_of(HONEST + (b & 1U));

	if (b & 2)
		endpoint.port = (uint16_t)(1000 + b);
	if (b & 4)
		endpoint = (struct endpoint){
			.family = AF_INET6, .port = b, .addr = {0xfd, b}, .local = {0xfd, 1}};
	return endpoint;
}

/* --- actions --------------------------------------------------------- */

static uint64_t num_drops(const struct node *node)
{
	uint64_t num = 0;

	for (int i = 0; i < DROP_NUM; i++)
		num += node->page->drops[i];
	return num;
}

static bool has_valid_mac1(const struct datagram *datagram)
{
	uint8_t key[KEY_LEN];
	size_t len = datagram->len < 4 ? 0 : message_handshake_len(load_le32(datagram->data));

	cookie_mac1_key(key, nodes[VICTIM].public_key);
	return len && len == datagram->len && len != sizeof(struct message_cookie_reply) &&
	       cookie_mac1_is_valid(key, datagram->data, len);
}

/* A peer's initiation that came with a cookie, said again from where it came. */
static bool has_valid_mac2(const struct datagram *datagram)
{
	const struct cookie_checker *checker = &nodes[VICTIM].device->checker;

	return !cookie_checker_is_stale(checker, now_ns) &&
	       cookie_mac2_is_valid(checker, &datagram->endpoint, datagram->data, datagram->len);
}

static void stranger_sends(const struct datagram *datagram, bool under_load)
{
	struct node *victim = &nodes[VICTIM];
	const struct endpoint honest = *transport_endpoint(victim->transport, 0);
	const struct endpoint evil = *transport_endpoint(victim->transport, 1);
	const uint64_t drops = num_drops(victim), rx_bytes = victim->page->peers[0].rx_bytes;
	unsigned answers = under_load && has_valid_mac1(datagram) && !has_valid_mac2(datagram);

	node_receive(victim, datagram, under_load);
	require(num_drops(victim) == drops + 1);
	require(victim->num_delivered == 0 && victim->num_sent == answers);
	if (answers) {
		require(load_le32(victim->sent[0].data) == MESSAGE_COOKIE_REPLY);
		require(victim->sent[0].len == sizeof(struct message_cookie_reply));
		require(memcmp(&victim->sent[0].endpoint, &datagram->endpoint, sizeof(evil)) == 0);
	}
	require(memcmp(&honest, transport_endpoint(victim->transport, 0), sizeof(honest)) == 0);
	require(memcmp(&evil, transport_endpoint(victim->transport, 1), sizeof(evil)) == 0);
	require(victim->page->peers[0].rx_bytes == rx_bytes);
	victim->num_sent = 0;
}

static void set_mac1(struct datagram *datagram)
{
	struct cookie_maker maker = {0};
	uint32_t type = datagram->len < 4 ? 0 : load_le32(datagram->data);

	if ((type == MESSAGE_INITIATION || type == MESSAGE_RESPONSE) &&
		datagram->len == message_handshake_len(type))
		cookie_add_macs(
			&maker, nodes[VICTIM].public_key, datagram->data, datagram->len, now_ns);
}

static void act_raw(struct input *input, bool under_load)
{
	static struct datagram datagram;

	datagram.endpoint = take_endpoint(input);
	datagram.len = take_bytes(input, datagram.data, WIRE_MAX);
	stranger_sends(&datagram, under_load);
}

/* Right in type, length, mac1 and, if the input says so, receiver index. */
static void act_plausible(struct input *input, bool under_load)
{
	static struct datagram datagram;
	uint8_t how = take(input);
	uint32_t type = 1 + (how & 3U), index_at = type == MESSAGE_RESPONSE ? 8 : 4;
	uint32_t index = nodes[how & 4 ? EVIL : HONEST].keypair.remote_index;

	datagram.endpoint = take_endpoint(input);
	memset(datagram.data, 0, HANDSHAKE_MESSAGE_MAX);
	datagram.len = take_bytes(input, datagram.data + 4, WIRE_MAX - 4) + 4;
	if (type != MESSAGE_DATA)
		datagram.len = (uint32_t)message_handshake_len(type);
	memcpy(datagram.data, &type, sizeof(type));
	if ((how & 8) && type != MESSAGE_INITIATION)
		memcpy(datagram.data + index_at, &index, sizeof(index));
	set_mac1(&datagram);
	stranger_sends(&datagram, under_load);
}

/* What a peer once sent, whole, flipped or cut. */
static void act_replay(struct input *input, bool under_load)
{
	static struct datagram datagram;
	uint8_t how = take(input);

	datagram = records[take(input) % num_records];
	datagram.endpoint = take_endpoint(input);
	for (unsigned flips = how & 3; flips > 0; flips--) {
		uint32_t at = take(input) % datagram.len;

		datagram.data[at] ^= take(input);
	}
	if (how & 4)
		datagram.len = take(input) % (datagram.len + 1);
	if (how & 8)
		set_mac1(&datagram);
	stranger_sends(&datagram, under_load);
}

/* Anything at all, sealed by the evil peer, from wherever it likes. */
static void act_evil(struct input *input, uint64_t *counter)
{
	static struct datagram datagram;
	static uint8_t plain[WIRE_MAX];
	struct node *victim = &nodes[VICTIM];
	const struct endpoint honest = *transport_endpoint(victim->transport, 0);
	struct message_data header = {
		le32(MESSAGE_DATA), le32(nodes[EVIL].keypair.remote_index), le64(0)};
	uint32_t len;

	*counter += take(input);
	header.counter = le64(*counter);
	datagram.endpoint = take_endpoint(input);
	len = take_bytes(input, plain, 1500);
	memcpy(datagram.data, &header, sizeof(header));
	aead_seal(datagram.data + sizeof(header), plain, len, NULL, 0, *counter,
		nodes[EVIL].keypair.sending_key);
	datagram.len = len + MESSAGE_DATA_MIN;
	node_receive(victim, &datagram, false);
	require(memcmp(&honest, transport_endpoint(victim->transport, 0), sizeof(honest)) == 0);
	require(victim->num_delivered <= 1);
	if (victim->num_delivered) {
		const uint8_t source[3] = {10, 1, EVIL};
		struct inner inner;

		require(inner_parse(victim->delivered[0].data, victim->delivered[0].len, &inner));
		require(inner.len == victim->delivered[0].len && inner.len <= len);
		require(memcmp(inner.src, source, sizeof(source)) == 0);
	}
	victim->num_delivered = 0;
	carry_all(); /* should the victim want to rekey */
}

/* A local program sends: to a peer, or it is told why not. */
static void act_local(struct input *input)
{
	static uint8_t packet[WIRE_MAX];
	struct node *victim = &nodes[VICTIM];
	uint32_t len = inner_packet(packet, VICTIM, 1 + take(input) % 4U);
	uint32_t from = take(input) % 28U;
	uint32_t own = take_bytes(input, packet + from, MTU - 28);

	len = from + own > len ? from + own : len;
	node_send(victim, packet, len);
	require(victim->num_delivered <= 1);
	for (unsigned i = 0; i < victim->num_delivered; i++) {
		struct inner inner;

		require(inner_parse(victim->delivered[i].data, victim->delivered[i].len, &inner));
	}
	victim->num_delivered = 0;
	carry_all();
	for (unsigned i = 0; i < NUM_NODES; i++)
		nodes[i].num_delivered = 0;
}

/* A peer wants a new session, and may have to come with a cookie. */
static void act_handshake(struct input *input, bool under_load)
{
	struct node *peer = &nodes[HONEST + (take(input) & 1U)];

	on_event(peer, &(struct event){.type = EVENT_WANT_HANDSHAKE});
	node_settle(peer, false);
	is_under_load = under_load;
	carry_all();
	is_under_load = false;
}

static void act_time(struct input *input)
{
	now_ns += take(input) * (uint64_t)64 * MSEC_NS;
	run_timers();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	require(crypto_init() == 0);
	return 0;
}

static void set_up(void)
{
	now_ns = 1000 * SECOND_NS;
	for (unsigned i = 0; i < NUM_NODES; i++)
		node_new(&nodes[i], (uint8_t)(0x40 + i));
	node_add(&nodes[VICTIM], 0, HONEST);
	node_add(&nodes[VICTIM], 1, EVIL);
	node_add(&nodes[HONEST], 0, VICTIM);
	node_add(&nodes[EVIL], 0, VICTIM);
	for (unsigned i = 0; i < NUM_NODES; i++)
		node_up(&nodes[i]);
	/* one session begun by each side, so that both kinds of handshake message were received */
	require(gets_through(HONEST, VICTIM) && gets_through(VICTIM, EVIL));
	require(gets_through(VICTIM, HONEST) && gets_through(EVIL, VICTIM));
}

/* As if from nothing, with the same clock and the same random numbers: what an input finds is its
 * own doing, and no other's before it. */
static void start(void)
{
	static struct {
		uint64_t now_ns, num_random;
		unsigned num_records;
		struct control_keypair keypairs[NUM_NODES];
	} first;

	if (!snapshot_restore()) {
		snapshot_begin();
		set_up();
		snapshot_end();
		first.now_ns = now_ns;
		first.num_random = num_random;
		first.num_records = num_records;
		for (unsigned i = 0; i < NUM_NODES; i++)
			first.keypairs[i] = nodes[i].keypair;
	}
	now_ns = first.now_ns;
	num_random = first.num_random;
	num_records = first.num_records;
	is_under_load = false;
	for (unsigned i = 0; i < NUM_NODES; i++) {
		struct node *node = &nodes[i];

		node->num_events = node->num_controls = node->num_sent = node->num_delivered = 0;
		node->keypair = first.keypairs[i];
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	uint64_t evil_counter = 1000;

	start();
	while (input.len) {
		uint8_t action = take(&input);
		bool under_load = action & 0x80;

		switch (action & 7) {
		case 0:
			act_raw(&input, under_load);
			break;
		case 1:
			act_handshake(&input, under_load);
			break;
		case 2:
			act_plausible(&input, under_load);
			break;
		case 3:
			act_replay(&input, under_load);
			break;
		case 4:
		case 5:
			act_evil(&input, &evil_counter);
			break;
		case 6:
			act_local(&input);
			break;
		case 7:
			act_time(&input);
			break;
		}
	}
	require(gets_through(HONEST, VICTIM));
	require(gets_through(VICTIM, HONEST));
	for (unsigned i = 0; i < NUM_NODES; i++)
		node_free(&nodes[i]);
	return 0;
}
