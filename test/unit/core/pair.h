/* SPDX-License-Identifier: MIT
 *
 * Two tunnels in one process, joined by a pipe, under a clock and a random source of the test's.
 * Each node is keyring, device, transport and status page, wired as the four processes are. Every
 * datagram passes through a queue, where a test may lose it, hold it, repeat it or change it.
 */
#ifndef ADIT_TEST_PAIR_H
#define ADIT_TEST_PAIR_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/device.h"
#include "core/keyring.h"
#include "core/transport.h"

enum {
	DATAGRAM_MAX = 2048,
	QUEUE_LEN = 512,
	DELIVERED_LEN = 1024,
	PAIR_MTU = 1420,
	INNER_HEADER = 32, /* of inner_packet: IPv4 header, then its number, then its sum */
};

struct node;

struct datagram {
	struct node *to;
	uint64_t due_ns;
	struct endpoint source;	     /* as the receiver sees it */
	struct endpoint destination; /* as the sender gave it, with its sticky source */
	uint8_t tos;
	uint32_t len;
	uint8_t data[DATAGRAM_MAX];
};

struct node {
	struct node *other;
	uint32_t peer_id; /* the number under which it knows the other */
	struct keyring *keyring;
	struct device *device;
	struct transport *transport;
	struct status_page *page;
	uint8_t private_key[KEY_LEN], public_key[KEY_LEN];
	struct endpoint address; /* its datagrams come from here, and those sent here reach it */
	uint8_t inner[4];	 /* its address inside the tunnel */
	int64_t wall_offset_ns;	 /* its wall clock is wrong by so much */
	bool under_load;
	const uint32_t *words; /* what its random source says next when asked for 4 bytes */
	size_t num_words;
	/* Events wait while the transport is at work, as they would between processes. */
	unsigned depth, num_waiting;
	struct event waiting[256];

	/* What it did. */
	unsigned sent[MESSAGE_DATA + 1]; /* datagrams, by message type */
	unsigned controls[CONTROL_PURGE_STAGED + 1], events[EVENT_KEYPAIR_GONE + 1];
	unsigned num_wanted;
	struct prefix last_wanted;
	struct control_handshake last_handshake; /* what CONTROL_SEND_HANDSHAKE said */
	struct datagram last;			 /* sent */
	unsigned num_delivered;
	uint32_t delivered[DELIVERED_LEN]; /* the numbers of inner packets, the last ones */
	uint8_t last_inner[DATAGRAM_MAX];
	uint32_t last_inner_len;
};

struct pair {
	uint64_t now_ns;
	uint64_t random;
	uint64_t latency_ns;
	bool hold; /* datagrams stay in the queue until they are taken */
	unsigned num_queued;
	struct datagram *queue; /* QUEUE_LEN, in order of sending */
	/* What becomes of a datagram that was just sent: false, it is lost; it may be changed,
	 * delayed (due_ns), and put in the queue more often. NULL: nothing. */
	bool (*network)(struct datagram *datagram);
	/* Sees every inner packet that is delivered. NULL: nobody. */
	void (*tap)(const struct node *node, const uint8_t *packet, uint32_t len);
	struct node nodes[2];
};

/* The pair under test, and its nodes. */
extern struct pair *pair;
extern struct node *a, *b;

/* Two nodes that know each other (keys, psk, endpoint, allowed IPs) and are up. */
void pair_new(uint64_t seed);
void pair_free(void);

/* The same for cmocka. */
int pair_setup(void **state);
int pair_teardown(void **state);
#define pair_test(f) cmocka_unit_test_setup_teardown(f, pair_setup, pair_teardown)

/* Both directions work: a packet each way. */
void assert_session(void);
void assert_no_drops(void);

/* Forget what was counted. */
void pair_reset_counts(void);

/* Pseudo-random numbers of the pair's seed. */
uint64_t pair_random(void);

/* Deliver what is due now, and what is sent in answer. */
void pair_run(void);

/* Let time pass; timers run at exactly their deadlines, datagrams arrive when they are due. */
void pair_advance(uint64_t ns);

/* Queue a datagram, once more or anew. */
void pair_queue(const struct datagram *datagram);

/* Take the oldest datagram out of the queue. */
struct datagram pair_take(void);

/* Take it and hand it to its receiver now. */
void pair_step(void);

/* Hand a datagram to its receiver now. */
void pair_inject(const struct datagram *datagram);

/* Bring up a session, node 0 being the initiator, confirmed by a keepalive. */
void pair_handshake(void);

/* Start a node from nothing, as it was set up at first: a reboot, when it ran before. */
void node_start(struct node *node);
void node_stop(struct node *node);

void node_set_private_key(struct node *node, const uint8_t private_key[KEY_LEN]);
void node_set_psk(struct node *node, const uint8_t psk[KEY_LEN]);
void node_set_up(struct node *node, bool up);
struct device_time node_time(const struct node *node);

/* Build an inner IPv4 packet of len (>= INNER_HEADER) bytes, from the node to the other, with a
 * number by which the receiver knows it. */
void inner_packet(const struct node *node, uint8_t *data, uint32_t len, uint32_t number);

/* Give the other a prefix, as the monitor does. */
void node_allow(struct node *node, const struct prefix *prefix);

/* Hand inner packets to the node, as from its TUN device. */
void node_send_batch(struct node *node, struct batch *batch);

/* Hand any inner packet to the node, as from its TUN device. */
void node_send_packet(struct node *node, const uint8_t *data, uint32_t len);

/* Hand an inner packet to the node and let the pipe run. */
void node_send(struct node *node, uint32_t number);

/* Have an event happen as if the transport had raised it. */
void node_event(struct node *node, enum event_type type);

/* Have a control happen as if the device had emitted it. */
void node_control(struct node *node, enum control_type type);

struct peer_status *node_status(struct node *node);
uint64_t node_drops(const struct node *node, enum drop reason);

/* The sum of all drops. */
uint64_t node_all_drops(const struct node *node);

/* The inner packet with this number was the last to be delivered to the node. */
void assert_delivered(const struct node *node, uint32_t number);

uint32_t datagram_type(const struct datagram *datagram);

#endif
