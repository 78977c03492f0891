/* SPDX-License-Identifier: MIT
 *
 * Hours of two tunnels' life in milliseconds: random traffic over a network that loses, delays,
 * reorders, repeats and damages datagrams, while one side roams, clocks jump, machines sleep and
 * restart, interfaces go down and up. What must hold:
 *
 *   - nothing is delivered that was not sent, nothing twice, nothing altered;
 *   - once the network heals, both directions work again by themselves, and every packet sent
 *     HEAL_NS later arrives.
 *
 *   simulate [FIRST_SEED [NUM_SEEDS]]
 *
 * A run is a function of its seed alone. The last line printed names the seed that failed.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "pair.h"

enum {
	DEFAULT_SEEDS = 200,
	ROUNDS = 3,
	EVENTS_PER_ROUND = 60,
	NUMBERS_MAX = 100000, /* inner packets of one run */
	DELAY_MAX_MS = 1500,
};

#define HEAL_NS (30 * SECOND_NS)
#define HEALED_NS (10 * SECOND_NS) /* after HEAL_NS: every packet must arrive */

struct simulation {
	/* The network, in chances out of 1000 and times. */
	uint64_t loss, repeat, damage;
	uint64_t delay_ns, spread_ns;
	uint32_t next_number;
	bool from_b[NUMBERS_MAX], delivered[NUMBERS_MAX]; /* by number */
	int64_t wall_ahead_ns;				  /* no wall clock was ever ahead by more */
	unsigned num_delivered, num_restarts, num_handshakes;
};

static struct simulation sim;

static uint64_t below(uint64_t limit)
{
	return pair_random() % limit;
}

static bool chance(uint64_t in_1000)
{
	return below(1000) < in_1000;
}

static struct node *either(void)
{
	return &pair->nodes[below(2)];
}

/* --- the network ----------------------------------------------------- */

static bool network(struct datagram *datagram)
{
	const uint64_t sent_ns = pair->now_ns;

	sim.num_handshakes += datagram_type(datagram) == MESSAGE_RESPONSE;
	if (chance(sim.repeat)) {
		datagram->due_ns = sent_ns + sim.delay_ns + below(5 * SECOND_NS);
		pair_queue(datagram);
	}
	if (chance(sim.loss))
		return false;
	datagram->due_ns = sent_ns + sim.delay_ns + below(sim.spread_ns + 1);
	if (chance(sim.damage))
		datagram->data[below(datagram->len)] ^= (uint8_t)(1 << below(8));
	return true;
}

static void network_change(void)
{
	static const uint64_t losses[] = {0, 0, 10, 100, 300, 600, 1000};

	sim.loss = losses[below(ARRAY_SIZE(losses))];
	sim.repeat = below(2) * below(100);
	sim.damage = below(2) * below(50);
	sim.delay_ns = below(DELAY_MAX_MS / 3) * MSEC_NS;
	sim.spread_ns = below(2) * below(DELAY_MAX_MS) * MSEC_NS;
}

/* Two who keep initiating at the same moment cross each other's initiations again with a chance of
 * about delay / jitter, and this is not what is to be found here. */
static void network_heal(void)
{
	sim.loss = sim.repeat = sim.damage = sim.spread_ns = 0;
	sim.delay_ns = below(20) * MSEC_NS;
}

/* --- traffic --------------------------------------------------------- */

/* Length and contents of an inner packet follow from who sent it and its number. */
static uint32_t make_packet(const struct node *sender, uint8_t data[PAIR_MTU], uint32_t number)
{
	const uint32_t len = INNER_HEADER + number * 7919 % (PAIR_MTU - INNER_HEADER + 1);

	inner_packet(sender, data, len, number);
	return len;
}

static uint32_t send_packet(struct node *node)
{
	uint8_t data[PAIR_MTU];
	const uint32_t number = sim.next_number++;

	assert_true(number < NUMBERS_MAX);
	sim.from_b[number] = node == b;
	node_send_packet(node, data, make_packet(node, data, number));
	return number;
}

static void check_delivered(const struct node *node, const uint8_t *packet, uint32_t len)
{
	uint8_t expected[PAIR_MTU];
	uint32_t number;

	number = len >= INNER_HEADER ? load_be32(packet + 20) : UINT32_MAX;
	if (number >= sim.next_number || sim.from_b[number] != (node == a) ||
		len != make_packet(node->other, expected, number) ||
		memcmp(packet, expected, len) != 0)
		fail_msg("packet %u was not sent like this", number);
	if (sim.delivered[number])
		fail_msg("packet %u was delivered twice", number);
	sim.delivered[number] = true;
	sim.num_delivered++;
}

/* --- what else happens ----------------------------------------------- */

/* A clock that steps back before the first initiation since a restart is one in the past. */
static void jump_wall_clock(struct node *node)
{
	if (node->sent[MESSAGE_INITIATION] == 0)
		return;
	node->wall_offset_ns +=
		(int64_t)below(2 * 86400 * SECOND_NS) - (int64_t)(86400 * SECOND_NS);
	if (node->wall_offset_ns > sim.wall_ahead_ns)
		sim.wall_ahead_ns = node->wall_offset_ns;
}

/* A machine may restart with any clock but one in the past: it would rightly be refused. */
static void restart(struct node *node)
{
	sim.num_restarts++;
	node_stop(node);
	if (chance(500))
		pair_advance(below(120) * SECOND_NS);
	sim.wall_ahead_ns += (int64_t)(60 * SECOND_NS);
	node->wall_offset_ns = sim.wall_ahead_ns;
	node->sent[MESSAGE_INITIATION] = 0;
	node_start(node);
}

static void interface_down_and_up(struct node *node)
{
	node_set_up(node, false);
	pair_advance(below(30) * SECOND_NS);
	node_set_up(node, true);
}

static void roam(void)
{
	/* Only one side: if both move unseen, neither can find the other. */
	a->address.port = (uint16_t)(1024 + below(60000));
	a->address.addr[3] = (uint8_t)below(256);
}

static void set_keepalive(struct node *node)
{
	static const uint16_t intervals[] = {0, 1, 25, 65535};

	assert_int_equal(device_set_keepalive(node->device, node->peer_id,
				 intervals[below(ARRAY_SIZE(intervals))], pair->now_ns),
		0);
}

static void happen(void)
{
	struct node *node = either();
	uint64_t i;

	switch (below(16)) {
	case 0:
		network_change();
		break;
	case 1:
		roam();
		break;
	case 2:
		jump_wall_clock(node);
		break;
	case 3:
		if (chance(300))
			restart(node);
		break;
	case 4:
		if (chance(300))
			interface_down_and_up(node);
		break;
	case 5:
		if (chance(300))
			device_forget_sessions(node->device);
		break;
	case 6:
		node->under_load = chance(300);
		break;
	case 7:
		set_keepalive(node);
		break;
	case 8:
		if (chance(300))
			node_set_private_key(node, node->private_key);
		break;
	case 9:
		pair_advance(below(400 * SECOND_NS)); /* nothing, for long */
		break;
	default:
		for (i = 1 + below(20); i > 0; i--) {
			send_packet(chance(300) ? node->other : node);
			pair_advance(below(20) * below(100) * MSEC_NS);
		}
	}
	pair_advance(below(10 * SECOND_NS));
}

/* --- the run --------------------------------------------------------- */

static void check_healing(void)
{
	const uint64_t start_ns = pair->now_ns;
	uint32_t first = 0;

	network_heal();
	a->under_load = b->under_load = false;
	while (pair->now_ns < start_ns + HEAL_NS + HEALED_NS) {
		if (first == 0 && pair->now_ns >= start_ns + HEAL_NS)
			first = sim.next_number;
		send_packet(either());
		pair_advance(below(SECOND_NS));
	}
	for (uint32_t number = first; number < sim.next_number; number++) {
		if (!sim.delivered[number])
			fail_msg("packet %u of %u was lost after %llu s", number, sim.next_number,
				(unsigned long long)(start_ns / SECOND_NS));
	}
}

static void run(uint64_t seed)
{
	sim = (struct simulation){0};
	pair_new(seed);
	pair->network = network;
	pair->tap = check_delivered;
	for (unsigned i = 0; i < ROUNDS; i++) {
		for (unsigned j = 0; j < EVENTS_PER_ROUND; j++)
			happen();
		check_healing();
	}
	printf(": %llu s, %u packets, %u delivered, %u responses, %u restarts\n",
		(unsigned long long)(pair->now_ns / SECOND_NS), sim.next_number, sim.num_delivered,
		sim.num_handshakes, sim.num_restarts);
	pair_free();
}

int main(int argc, char **argv)
{
	const uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	const uint64_t num = argc > 2 ? strtoull(argv[2], NULL, 0) : argc > 1 ? 1 : DEFAULT_SEEDS;

	/* Large tables that are hardly touched: let each be mapped anew, not cleared. */
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	for (uint64_t seed = first; seed < first + num; seed++) {
		printf("seed %llu", (unsigned long long)seed);
		fflush(stdout);
		run(seed);
	}
	return 0;
}
