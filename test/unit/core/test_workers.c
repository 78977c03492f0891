/* SPDX-License-Identifier: MIT
 *
 * Several workers at once, while the first one changes all there is to change: no nonce and no
 * counter is used twice, flows stay in order, and nothing is lost without a reason. Built with
 * -Db_sanitize=thread it also shows that nothing is touched without a lock (test/check does).
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/transport_internal.h"

enum {
	NUM_WORKERS = 3, /* the first one does not send */
	NUM_PEERS = 4,
	NUM_GENERATIONS =
		150, /* of keypairs, for each peer but the last, who never has a session */
	COUNTERS = 1 << 16,
	NUM_PACKETS = 1 << 20, /* of a flow, at most */
	PACKET_LEN = 120,
	SLOT_LEN = PACKET_HEADROOM + PACKET_LEN + 256,
	BATCH = 48,
	QUIET_BATCHES = 50,
};

/* A tunnel end, and a thread of it. `west` sends to `east`. */
struct side {
	struct transport *transport;
	struct status_page *page;
	struct transport_worker *workers[NUM_WORKERS];
};
static struct side west, east;

struct thread {
	unsigned number;
	uint64_t random;
	uint32_t sent[NUM_PEERS];     /* packets of its flow to each peer */
	uint32_t received[NUM_PEERS]; /* the number after the last one delivered of them */
	uint64_t num_delivered;
	uint8_t packets[BATCH][SLOT_LEN], datagrams[BATCH_MAX][SLOT_LEN];
};
static struct thread threads[NUM_WORKERS];

static _Atomic bool is_calm, is_over;
static _Atomic uint64_t num_wrong, num_wanted;
static _Atomic uint8_t counters_used[NUM_PEERS][NUM_GENERATIONS][COUNTERS / 8];
static _Atomic uint8_t packets_seen[NUM_PEERS][NUM_WORKERS][NUM_PACKETS / 8];

/* One datagram that a thread leaves for another to repeat. */
static pthread_mutex_t repeat_lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t repeat[SLOT_LEN];
static uint32_t repeat_len;

static void expect(bool condition)
{
	num_wrong += !condition;
}

static uint32_t random_below(struct thread *thread, uint32_t end)
{
	thread->random = thread->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(thread->random >> 33) % end;
}

/* Whether it is the first time. */
static bool mark(_Atomic uint8_t *bits, uint64_t number)
{
	const uint8_t bit = (uint8_t)(1 << number % 8);

	return !(atomic_fetch_or(&bits[number / 8], bit) & bit);
}

/* Ports are what roaming and a lost source are seen by. */
static struct endpoint endpoint_of(unsigned peer, uint16_t port)
{
	return (struct endpoint){.family = AF_INET,
		.port = port,
		.addr = {192, 0, 2, (uint8_t)(peer + 1)},
		.local = {198, 51, 100, 1},
		.local_ifindex = 1};
}

/* Indices say whose and which generation's they are. */
static uint32_t index_of(unsigned peer, unsigned generation)
{
	return (uint32_t)(generation * NUM_PEERS + peer + 1) << 1;
}

static void decrypt(struct thread *thread, const uint8_t *const *data, const uint32_t *len,
	unsigned num, struct endpoint *from)
{
	struct batch batch = {.num = num};

	for (unsigned i = 0; i < num; i++) {
		memcpy(thread->datagrams[i], data[i], len[i]);
		batch.packets[i] = (struct packet){
			.data = thread->datagrams[i], .len = len[i], .endpoint = from};
	}
	transport_decrypt(east.workers[thread->number], &batch, SECOND_NS);
}

static void leave_or_repeat(struct thread *thread, const struct packet *packet)
{
	struct endpoint from = endpoint_of(0, 9);
	const uint8_t *data = repeat;
	uint8_t copy[SLOT_LEN];
	uint32_t len;

	pthread_mutex_lock(&repeat_lock);
	len = repeat_len;
	memcpy(copy, data, len);
	memcpy(repeat, packet->data, packet->len);
	repeat_len = packet->len;
	pthread_mutex_unlock(&repeat_lock);
	data = copy;
	if (len)
		decrypt(thread, &data, &len, 1, &from);
}

/* What west sends, east gets from the same thread; on the way it is looked at. */
static void west_send(void *ctx, struct batch *batch)
{
	struct thread *thread = ctx;
	const uint8_t *data[BATCH_MAX];
	uint32_t len[BATCH_MAX];
	struct endpoint from;

	for (unsigned i = 0; i < batch->num; i++) {
		const struct packet *packet = &batch->packets[i];
		struct message_data header;
		uint32_t number, peer;
		uint64_t counter;

		memcpy(&header, packet->data, sizeof(header));
		counter = load_le64(&header.counter);
		number = load_le32(&header.receiver_index) / 2 - 1;
		peer = number % NUM_PEERS;
		expect(load_le32(&header.type) == MESSAGE_DATA && counter < COUNTERS &&
			number / NUM_PEERS < NUM_GENERATIONS);
		expect(packet->endpoint->addr[3] == peer + 1);
		expect(mark(counters_used[peer][number / NUM_PEERS], counter));
		data[i] = packet->data;
		len[i] = packet->len;
	}
	if (!is_calm && random_below(thread, 4) == 0)
		endpoint_clear_source(batch->packets[0].endpoint);
	if (!is_calm && random_below(thread, 4) == 0)
		leave_or_repeat(thread, &batch->packets[0]);
	from = endpoint_of(7, is_calm ? 1 : (uint16_t)(1 + random_below(thread, 3)));
	decrypt(thread, data, len, batch->num, &from);
}

static void east_deliver(void *ctx, struct batch *batch)
{
	struct thread *thread = ctx;

	for (unsigned i = 0; i < batch->num; i++) {
		const uint8_t *data = batch->packets[i].data;
		const unsigned peer = data[14], sender = data[15];
		const uint32_t number = load_be32(data + 20);

		expect(batch->packets[i].len == PACKET_LEN && peer < NUM_PEERS);
		expect(mark(packets_seen[peer][sender], number));
		if (sender ==
			thread->number) { /* or it was left to be repeated, and is the first */
			expect(number >= thread->received[peer]);
			thread->received[peer] = number + 1;
		}
		thread->num_delivered++;
	}
}

static void east_send(void *ctx, struct batch *batch)
{
	(void)ctx;
	for (unsigned i = 0; i < batch->num; i++)
		expect(batch->packets[i].len == MESSAGE_DATA_MIN);
}

static void west_deliver(void *ctx, struct batch *batch)
{
	(void)ctx;
	for (unsigned i = 0; i < batch->num; i++) /* nobody has the address */
		expect(batch->packets[i].data[9] == 1);
}

static void emit(void *ctx, const struct event *event)
{
	(void)ctx;
	expect(event->type != EVENT_HANDSHAKE_MESSAGE);
}

static void want(void *ctx, const struct prefix *address)
{
	expect(ctx == &threads[0] && address->addr[1] == 3);
	num_wanted++;
}

/* --- threads --------------------------------------------------------- */

static void send_batch(struct thread *thread)
{
	struct batch batch = {.num = BATCH};

	for (unsigned i = 0; i < BATCH; i++) {
		const unsigned peer = random_below(thread, is_calm ? NUM_PEERS - 1 : NUM_PEERS);
		uint8_t *data = thread->packets[i] + PACKET_HEADROOM;

		memset(data, 0, PACKET_LEN);
		data[0] = 0x45;
		store_be16(data + 2, PACKET_LEN);
		data[9] = 17;
		memcpy(data + 12, (uint8_t[]){10, 1, (uint8_t)peer, (uint8_t)thread->number}, 4);
		memcpy(data + 16, (uint8_t[]){10, 2, (uint8_t)peer, 1}, 4);
		if (!is_calm && random_below(thread, 64) == 0)
			data[17] = 3; /* to nobody */
		else
			store_be32(data + 20, thread->sent[peer]++ % NUM_PACKETS);
		batch.packets[i] = (struct packet){.data = data, .len = PACKET_LEN};
	}
	transport_encrypt(west.workers[thread->number], &batch, SECOND_NS);
}

static void *storm(void *ctx)
{
	while (!is_over)
		send_batch(ctx);
	return NULL;
}

static void *calm(void *ctx)
{
	for (unsigned i = 0; i < QUIET_BATCHES; i++)
		send_batch(ctx);
	return NULL;
}

static void add_peer(struct side *side, unsigned peer)
{
	const uint8_t net = side == &west ? 2 : 1;
	const struct endpoint endpoint = endpoint_of(peer, 5);
	const struct prefix prefix = {
		.family = AF_INET, .cidr = 24, .addr = {10, net, (uint8_t)peer}};

	assert_int_equal(transport_add_peer(side->transport, peer), 0);
	transport_set_endpoint(side->transport, peer, &endpoint);
	assert_int_equal(
		allowedips_insert(transport_allowedips(side->transport), &prefix, peer), 0);
}

static void install(struct side *side, unsigned peer, unsigned generation)
{
	const bool is_west = side == &west;
	struct control control = {.type = CONTROL_INSTALL_KEYPAIR, .peer_id = peer};
	struct control_keypair *keypair = &control.keypair;

	keypair->endpoint = endpoint_of(peer, 6);
	keypair->local_index = index_of(peer, generation) + is_west;
	keypair->remote_index = index_of(peer, generation) + !is_west;
	keypair->is_initiator = is_west;
	keypair->birth_ns = SECOND_NS;
	memset(is_west ? keypair->sending_key : keypair->receiving_key, (int)generation, KEY_LEN);
	memset(is_west ? keypair->receiving_key : keypair->sending_key, (int)peer + 200, KEY_LEN);
	keypair->sending_key[0] = keypair->receiving_key[0] = (uint8_t)peer;
	transport_handle_control(side->transport, &control, SECOND_NS);
}

/* What is sent to nobody is wanted, refused, had by somebody without a session, or given up. */
static void change_wanted(struct side *side, unsigned peer, unsigned what)
{
	const struct prefix all = {.family = AF_INET, .cidr = 16, .addr = {10, 3}};
	const struct prefix one = {
		.family = AF_INET, .cidr = 32, .addr = {10, 3, (uint8_t)peer, 1}};

	if (what == 13)
		(void)transport_run_timers(side->transport, SECOND_NS + WANTED_TIME_NS);
	transport_lock(side->transport);
	if (what == 10) {
		transport_watch(side->transport, peer != 0, SECOND_NS);
	} else if (what == 11) {
		transport_refuse(side->transport, &one, SECOND_NS);
	} else if (what == 12) {
		assert_int_equal(
			transport_add_allowed_ip(side->transport, NUM_PEERS - 1, &all, SECOND_NS),
			0);
		allowedips_remove(transport_allowedips(side->transport), &all, NUM_PEERS - 1);
	}
	transport_unlock(side->transport);
}

/* One of the things that happen now and then. */
static void change(struct side *side, unsigned peer, unsigned what)
{
	const struct prefix other = {.family = AF_INET, .cidr = 16, .addr = {10, 77}};
	const struct endpoint endpoint = endpoint_of(peer, 7);
	struct control control = {.peer_id = peer};

	transport_lock(side->transport);
	if (what == 0) {
		transport_remove_peer(side->transport, peer);
		add_peer(side, peer);
	} else if (what == 1) {
		transport_set_endpoint(side->transport, peer, &endpoint);
	} else if (what == 2) {
		transport_forget_sources(side->transport);
	} else if (what == 3) {
		assert_int_equal(
			allowedips_insert(transport_allowedips(side->transport), &other, peer), 0);
	} else if (what == 4) {
		allowedips_remove(transport_allowedips(side->transport), &other, peer);
	} else if (what == 5) {
		transport_set_link(side->transport, true, 1400 + peer);
	}
	transport_unlock(side->transport);
	control.type = what == 6   ? CONTROL_EXPIRE_SENDING
		       : what == 7 ? CONTROL_CLEAR_KEYPAIRS
		       : what == 8 ? CONTROL_PURGE_STAGED
				   : CONTROL_SEND_KEEPALIVE;
	if (what >= 10)
		change_wanted(side, peer, what);
	else if (what >= 6)
		transport_handle_control(side->transport, &control, SECOND_NS);
}

static void side_new(struct side *side, const struct transport_ops *ops)
{
	side->page = calloc(1, sizeof(*side->page));
	assert_non_null(side->page);
	side->transport = transport_new(ops, side->page);
	assert_non_null(side->transport);
	side->workers[0] = transport_first_worker(side->transport);
	for (unsigned i = 1; i < NUM_WORKERS; i++) {
		side->workers[i] = transport_add_worker(side->transport, &threads[i]);
		assert_non_null(side->workers[i]);
	}
	transport_set_link(side->transport, true, 1420);
	for (unsigned peer = 0; peer < NUM_PEERS; peer++)
		add_peer(side, peer);
}

static void side_free(struct side *side)
{
	transport_free(side->transport);
	free(side->page);
}

static void run_threads(void *(*function)(void *), void (*meanwhile)(void))
{
	pthread_t ids[NUM_WORKERS];

	for (unsigned i = 1; i < NUM_WORKERS; i++)
		assert_int_equal(pthread_create(&ids[i], NULL, function, &threads[i]), 0);
	if (meanwhile)
		meanwhile();
	for (unsigned i = 1; i < NUM_WORKERS; i++)
		pthread_join(ids[i], NULL);
}

/* Sessions come and go, and everything else changes as well. */
static void make_trouble(void)
{
	const struct timespec pause = {.tv_nsec = 300000};

	for (unsigned generation = 0; generation + 1 < NUM_GENERATIONS; generation++) {
		for (unsigned peer = 0; peer < NUM_PEERS - 1; peer++) {
			install(&east, peer, generation);
			install(&west, peer, generation);
			nanosleep(&pause, NULL);
			change(random_below(&threads[0], 2) ? &west : &east, peer,
				random_below(&threads[0], 14));
		}
	}
	is_over = true;
}

static void test_workers(void **state)
{
	const struct transport_ops west_ops = {west_send, west_deliver, emit, want, &threads[0]};
	const struct transport_ops east_ops = {east_send, east_deliver, emit, want, &threads[0]};
	uint64_t before, sent = 0;

	(void)state;
	assert_int_equal(crypto_init(), 0);
	for (unsigned i = 0; i < NUM_WORKERS; i++) {
		threads[i].number = i;
		threads[i].random = i;
	}
	side_new(&west, &west_ops);
	side_new(&east, &east_ops);

	run_threads(storm, make_trouble);
	assert_int_equal(num_wrong, 0);
	for (unsigned i = 1; i < NUM_WORKERS; i++)
		assert_true(threads[i].num_delivered > 1000);
	assert_true(east.page->drops[DROP_REPLAYED] > 0);
	assert_true(west.page->drops[DROP_NO_PEER] > 0);
	assert_true(west.page->drops[DROP_REFUSED] > 0);
	assert_true(west.page->drops[DROP_STAGED] > 0);
	assert_true(num_wanted > 0);
	assert_int_equal(east.page->drops[DROP_BAD_TAG], 0);

	/* and when nothing happens nothing is lost */
	for (unsigned peer = 0; peer < NUM_PEERS - 1; peer++) {
		change(&west, peer, 0);
		change(&east, peer, 0);
		install(&east, peer, NUM_GENERATIONS - 1);
		install(&west, peer, NUM_GENERATIONS - 1);
	}
	is_calm = true;
	before = threads[1].num_delivered + threads[2].num_delivered;
	run_threads(calm, NULL);
	assert_int_equal(num_wrong, 0);
	assert_int_equal(threads[1].num_delivered + threads[2].num_delivered - before,
		(NUM_WORKERS - 1) * QUIET_BATCHES * BATCH);
	for (unsigned peer = 0; peer < NUM_PEERS - 1; peer++)
		sent += west.page->peers[peer].tx_bytes;
	/* padded to 128 bytes each, and a keepalive a peer */
	assert_int_equal(
		sent, (NUM_WORKERS - 1) * QUIET_BATCHES * BATCH * (128 + MESSAGE_DATA_MIN) +
			      (NUM_PEERS - 1) * MESSAGE_DATA_MIN);
	side_free(&west);
	side_free(&east);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_workers)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
