/* SPDX-License-Identifier: MIT
 *
 * From cheap to costly: size and type, mac1 (a hash), cookie and source's rate under load, the rate
 * of all, and only then two Diffie-Hellman results of the vault.
 */
#include "overlay/door/guests.h"

#include <stdlib.h>

#include "base/rate.h"
#include "base/siphash.h"
#include "core/ratelimiter.h"

struct guest {
	uint32_t number; /* 0: free; its low bits are its place */
	uint64_t until_ns;
	struct endpoint source;
	struct enrol_responder responder;
};

struct guests {
	uint8_t hub_key[KEY_LEN], mac1_key[KEY_LEN];
	struct noise_keys keys;
	struct cookie_checker checker;
	struct ratelimiter *limiter;
	uint8_t group_key[SIPHASH_KEY_LEN];
	struct rate opened, cookies[GUEST_COOKIE_GROUPS];
	struct guest guests[GUESTS_MAX];
	unsigned num_guests;
	uint32_t round; /* the high bits of the next number */
};

struct guests *guests_new(
	const uint8_t hub_key[KEY_LEN], const struct noise_keys *keys, const uint8_t random[16])
{
	struct guests *guests = calloc(1, sizeof(*guests));

	if (!guests)
		return NULL;
	guests->limiter = ratelimiter_new(random);
	if (!guests->limiter) {
		free(guests);
		return NULL;
	}
	memcpy(guests->group_key, random, sizeof(guests->group_key));
	memcpy(guests->hub_key, hub_key, KEY_LEN);
	guests->keys = *keys;
	cookie_mac1_key(guests->mac1_key, hub_key);
	cookie_checker_set_public_key(&guests->checker, hub_key);
	return guests;
}

void guests_free(struct guests *guests)
{
	if (!guests)
		return;
	ratelimiter_free(guests->limiter);
	wipe(guests, sizeof(*guests));
	free(guests);
}

static void dismiss(struct guests *guests, struct guest *guest)
{
	wipe(guest, sizeof(*guest));
	guests->num_guests--;
}

static struct guest *find_guest(struct guests *guests, uint32_t number)
{
	struct guest *guest = &guests->guests[number % GUESTS_MAX];

	return number != 0 && guest->number == number ? guest : NULL;
}

static struct guest *add_guest(struct guests *guests)
{
	for (uint32_t i = 0; i < GUESTS_MAX; i++) {
		struct guest *guest = &guests->guests[i];

		if (guest->number != 0)
			continue;
		do {
			guest->number = ++guests->round * GUESTS_MAX + i;
		} while (guest->number == 0);
		guests->num_guests++;
		return guest;
	}
	return NULL;
}

static struct rate *cookie_rate(struct guests *guests, const struct endpoint *source)
{
	size_t len = source->family == AF_INET ? 24 / 8 : 48 / 8;

	return &guests->cookies[siphash(guests->group_key, source->addr, len) %
				GUEST_COOKIE_GROUPS];
}

/* A genuine request, as far as mac1 goes, while we are under load: whether it may go on. */
static bool admit(struct guests *guests, const struct message_enrol *message,
	const struct endpoint *source, const uint8_t random[64], uint64_t now_ns,
	struct guest_result *result)
{
	if (cookie_checker_is_stale(&guests->checker, now_ns))
		cookie_checker_set_secret(&guests->checker, random, now_ns);
	if (cookie_mac2_is_valid(&guests->checker, source, message, sizeof(*message)))
		return ratelimiter_allow(guests->limiter, source, now_ns);
	if (rate_allow(cookie_rate(guests, source), now_ns, GUEST_COOKIE_COST_NS,
		    GUEST_COOKIE_BURST)) {
		enrol_create_cookie(
			&guests->checker, source, message, random + KEY_LEN, &result->cookie);
		result->step = GUEST_COOKIE;
	}
	return false;
}

static bool is_under_load(const struct guests *guests, uint64_t now_ns)
{
	return guests->num_guests >= GUESTS_CROWD ||
	       !rate_has_room(&guests->opened, now_ns, GUEST_COST_NS, GUEST_BURST / 2);
}

static void open_request(struct guests *guests, const struct message_enrol *message,
	const struct endpoint *source, uint64_t now_ns, struct guest_result *result)
{
	struct door_question *question = &result->question;
	struct enrol_responder responder;
	struct guest *guest;

	if (enrol_open_request(
		    &responder, &question->request, message, &guests->keys, guests->hub_key) < 0)
		return;
	guest = add_guest(guests);
	guest->until_ns = now_ns + GUEST_PATIENCE_NS;
	guest->source = *source;
	guest->responder = responder;
	question->number = guest->number;
	question->source = *source;
	memcpy(question->node_key, responder.node_key, KEY_LEN);
	result->step = GUEST_ASK;
	wipe(&responder, sizeof(responder));
}

void guests_take(struct guests *guests, const void *datagram, size_t len,
	const struct endpoint *source, const uint8_t random[64], uint64_t now_ns,
	struct guest_result *ret_result)
{
	struct message_enrol message;

	memset(ret_result, 0, sizeof(*ret_result));
	if (len != sizeof(message) || load_le32(datagram) != ENROL_TYPE_REQUEST ||
		!cookie_mac1_is_valid(guests->mac1_key, datagram, len))
		return;
	memcpy(&message, datagram, len);
	if (is_under_load(guests, now_ns) &&
		!admit(guests, &message, source, random, now_ns, ret_result))
		return;
	if (guests->num_guests == GUESTS_MAX ||
		!rate_allow(&guests->opened, now_ns, GUEST_COST_NS, GUEST_BURST))
		return;
	open_request(guests, &message, source, now_ns, ret_result);
}

void guests_forget(struct guests *guests, uint32_t number)
{
	struct guest *guest = find_guest(guests, number);

	if (guest)
		dismiss(guests, guest);
}

bool guests_judge(struct guests *guests, const struct door_verdict *verdict,
	const uint8_t random[80], struct message_enrol *ret_message, struct endpoint *ret_to)
{
	struct guest *guest = find_guest(guests, verdict->number);
	bool has_answer;

	if (!guest)
		return false;
	has_answer = !verdict->is_refused && enrol_create_response(&guest->responder,
						     &verdict->answer, random, ret_message) == 0;
	if (has_answer)
		*ret_to = guest->source;
	dismiss(guests, guest);
	return has_answer;
}

bool guests_expire(struct guests *guests, uint64_t now_ns)
{
	for (size_t i = 0; i < GUESTS_MAX && guests->num_guests > 0; i++) {
		struct guest *guest = &guests->guests[i];

		if (guest->number != 0 && guest->until_ns <= now_ns)
			dismiss(guests, guest);
	}
	return guests->num_guests > 0;
}
