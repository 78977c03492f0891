/* SPDX-License-Identifier: MIT
 *
 * The protocol side of the door, without processes and sockets: which datagrams are heard, at what
 * rate, and which wait for the hub's verdict. Time and randomness are arguments.
 */
#ifndef ADIT_OVERLAY_DOOR_GUESTS_H
#define ADIT_OVERLAY_DOOR_GUESTS_H

#include "overlay/door/door.h"

enum {
	GUESTS_MAX = 256,	       /* requests that wait for a verdict */
	GUESTS_CROWD = GUESTS_MAX / 2, /* from so many on we are under load */
};
#define GUEST_PATIENCE_NS (5 * SECOND_NS) /* how long a request waits */
#define GUEST_COST_NS (SECOND_NS / 1000)  /* requests opened, all sources together */
#define GUEST_BURST UINT64_C(256)

/* Cookies handed out: their rate is bounded for each of so many groups of sources, into which
 * prefixes (IPv4 /24, IPv6 /48) fall at random, so that a flood takes them from its neighbours
 * only. Who can send from everywhere has to send 50,000 requests a second, 160 Mbit/s, to fill them
 * all; a cookie costs the door some microseconds, and is smaller than what it answers. */
enum { GUEST_COOKIE_GROUPS = 256 };
#define GUEST_COOKIE_COST_NS (SECOND_NS / 200)
#define GUEST_COOKIE_BURST UINT64_C(32)

struct guests;

/* hub_key is the vault's public key; random 16 bytes. NULL: out of memory. */
struct guests *guests_new(
	const uint8_t hub_key[KEY_LEN], const struct noise_keys *keys, const uint8_t random[16]);
void guests_free(struct guests *guests);

enum guest_step {
	GUEST_IGNORE, /* silence */
	GUEST_COOKIE, /* send the cookie back */
	GUEST_ASK,    /* ask the hub the question */
};

/* What a datagram leads to. random is 64 fresh random bytes. */
struct guest_result {
	enum guest_step step;
	struct message_cookie_reply cookie;
	struct door_question question; /* to be wiped */
};
void guests_take(struct guests *guests, const void *datagram, size_t len,
	const struct endpoint *source, const uint8_t random[64], uint64_t now_ns,
	struct guest_result *ret_result);

/* The hub could not be asked: forget the question. */
void guests_forget(struct guests *guests, uint32_t number);

/* A verdict. Returns true when there is something to be sent: the response and where to. random is
 * 80 fresh random bytes. */
MUST_CHECK bool guests_judge(struct guests *guests, const struct door_verdict *verdict,
	const uint8_t random[80], struct message_enrol *ret_message, struct endpoint *ret_to);

/* Forget those that have waited too long. Returns whether any still waits. */
bool guests_expire(struct guests *guests, uint64_t now_ns);

#endif
