/* SPDX-License-Identifier: MIT
 *
 * The promises of the timers.
 */
#include "promises.h"

#include "life.h"
#include "network.h"
#include "traffic.h"

#define SLACK_NS (SECOND_NS / 2) /* for the way there and back */
/* Sessions that carry traffic are no older: some time until the next packet, and one more handshake
 * message that was sent just before. */
#define FRESH_NS (REKEY_AFTER_TIME_NS + JITTERED_NS + 4 * SECOND_NS)
#define ATTEMPTS_NS ((MAX_TIMER_HANDSHAKES + 2) * JITTERED_NS)

enum { PROMISES = 12 };

static struct host *const a = &hosts[0], *const b = &hosts[1];

static bool has_arrived(uint32_t number)
{
	return traffic_parcel(number)->is_delivered;
}

static void must_have_arrived(uint32_t number, const char *promise)
{
	must_hold(has_arrived(number), promise, "packet %u was sent at %llu s", number,
		(unsigned long long)(traffic_parcel(number)->sent_ns / SECOND_NS));
}

static uint64_t num_sent(void)
{
	return a->num_sent + b->num_sent;
}

/* Hosts know where they are, and whether there is a session is left to chance. */
static void meet(void)
{
	network_heal();
	traffic_send(b, a, 1);
	pass(SECOND_NS + random_below(2) * random_below(400 * SECOND_NS));
	if (random_chance(300)) {
		host_stop(a);
		host_start(a);
	}
}

static void settle(void)
{
	/* all that was tried has been given up, and sessions are too old to be used */
	pass(REJECT_AFTER_TIME_NS + ATTEMPTS_NS + random_below(60 * SECOND_NS));
}

void promise_patience(void)
{
	for (int i = 0; i < PROMISES; i++) {
		uint32_t number;

		meet();
		settle();
		network.weather.loss = 1000;
		number = traffic_send(b, a, 1);
		pass(random_below(REKEY_ATTEMPT_TIME_NS - JITTERED_NS));
		network_heal();
		pass(JITTERED_NS + SLACK_NS);
		must_have_arrived(number, "a packet waits for REKEY_ATTEMPT_TIME");
	}
}

void promise_giving_up(void)
{
	for (int i = 0; i < PROMISES; i++) {
		uint64_t before;
		uint32_t number;

		meet();
		settle();
		network.weather.loss = 1000;
		before = num_sent();
		number = traffic_send(b, a, 1);
		pass(ATTEMPTS_NS);
		must_hold(num_sent() - before <= MAX_TIMER_HANDSHAKES + 2, "tries are counted",
			"%llu of them", (unsigned long long)(num_sent() - before));
		network_heal();
		before = num_sent();
		pass(600 * SECOND_NS);
		must_hold(num_sent() == before && !has_arrived(number),
			"whoever has given up is silent", "%llu datagrams",
			(unsigned long long)(num_sent() - before));
	}
}

void promise_silence(void)
{
	for (int i = 0; i < PROMISES; i++) {
		uint64_t end_ns;
		uint32_t first;

		meet();
		traffic_send(b, a, 1);
		pass(random_below(100 * SECOND_NS));
		host_stop(a);
		host_start(a);
		/* he may have sent a handshake message just now, and wait before the next */
		end_ns = world.now_ns + NOTICE_NS + JITTERED_NS + SLACK_NS;
		while (world.now_ns < end_ns) {
			traffic_send(b, a, 1);
			pass(random_below(3 * SECOND_NS));
		}
		first = traffic_send(b, a, 1);
		pass(SLACK_NS);
		must_have_arrived(first, "silence is noticed");
	}
}

void promise_oblivion(void)
{
	for (int i = 0; i < PROMISES; i++) {
		/* some sessions, and perhaps a handshake that is under way */
		for (uint64_t k = 1 + random_below(4); k > 0; k--) {
			traffic_send(b, a, 1);
			pass(random_below(200 * SECOND_NS));
		}
		network.weather.loss = random_chance(500) ? 1000 : 0;
		traffic_send(b, a, 1);
		traffic_send(a, b, 1);
		pass(ATTEMPTS_NS + 3 * REJECT_AFTER_TIME_NS + SLACK_NS);
		for (unsigned k = 0; k < num_hosts; k++) {
			for (const struct session *s = hosts[k].sessions; s; s = s->next)
				must_hold(s->is_gone, "old sessions are forgotten",
					"host %u has one of %llu s", k,
					(unsigned long long)((world.now_ns - s->birth_ns) /
							     SECOND_NS));
			secrets_check(&hosts[k]);
		}
		network_heal();
	}
}

void promise_rekeying(void)
{
	for (int i = 0; i < PROMISES; i++) {
		uint64_t end_ns;

		settle();
		network_heal();
		traffic_send(b, a, 1);
		pass(JITTERED_NS);
		end_ns = world.now_ns + 2 * REJECT_AFTER_TIME_NS;
		while (world.now_ns < end_ns) {
			traffic_send(a, b, 1);
			traffic_send(b, a, 1);
			pass(random_below(3 * SECOND_NS) + SLACK_NS);
			must_hold(world.now_ns - b->sessions->birth_ns < FRESH_NS,
				"sessions in use are renewed after REKEY_AFTER_TIME", "%llu s old",
				(unsigned long long)((world.now_ns - b->sessions->birth_ns) /
						     SECOND_NS));
		}
	}
}

void promise_answer(void)
{
	for (int i = 0; i < PROMISES; i++) {
		uint64_t before;
		uint32_t number;

		meet();
		traffic_send(a, b, 1);
		pass(NOTICE_NS + JITTERED_NS + random_below(100 * SECOND_NS));
		before = a->num_sent;
		number = traffic_send(b, a, 1);
		pass(SLACK_NS);
		if (!has_arrived(number))
			continue; /* there was no session, and another promise */
		pass(KEEPALIVE_TIMEOUT_NS + SLACK_NS);
		must_hold(a->num_sent > before, "data is answered after KEEPALIVE_TIMEOUT",
			"packet %u", number);
	}
}

void promise_keepalive(void)
{
	b->nat = nat_new();
	host_set_keepalive(b, a, 15); /* the shortest timeout of a NAT is 20 s */
	pass(SECOND_NS);
	for (int i = 0; i < PROMISES; i++) {
		uint32_t number;

		pass(random_below(600 * SECOND_NS));
		number = traffic_send(a, b, 1);
		pass(JITTERED_NS + SLACK_NS);
		must_have_arrived(number, "the way through a NAT stays open");
	}
}
