/* SPDX-License-Identifier: MIT
 *
 * Traffic and healing.
 */
#include "life.h"

#include "attacker.h"
#include "faults.h"
#include "insider.h"
#include "network.h"
#include "stranger.h"
#include "traffic.h"
#include "watch.h"

/* How long it takes at most until all works again once the network does, while there is traffic
 * both ways. The slowest way: somebody sends into a session that the other side has forgotten, and
 * the silence tells him after NOTICE. Then he may have to wait, because the last handshake message
 * to that peer is younger than REKEY_TIMEOUT, and his initiation may be answered with a cookie, so
 * that it takes another one. When both sides initiate at the same moment, neither initiation is
 * answered to any use; they try again after REKEY_TIMEOUT and a jitter each, which will be the same
 * again, to within the delay of the healthy network, once in a hundred times. So often in a row it
 * will not be: */
enum { CROSSINGS_MAX = 3 };
#define HEAL_NS (NOTICE_NS + (2 + CROSSINGS_MAX) * JITTERED_NS)
#define HEALED_NS (10 * SECOND_NS) /* after HEAL_NS: every packet must arrive */
#define HEALTHY_RTT_NS (10 * MSEC_NS)

enum { LINKS_MAX = 512, HEALED_LINKS_MAX = 40 };

static struct link links[LINKS_MAX];
static unsigned num_links;

void life_start(void)
{
	num_links = 0;
}

unsigned life_num_links(void)
{
	return num_links;
}

struct link *life_link_number(unsigned i)
{
	return &links[i];
}

struct link *life_some_link(void)
{
	return &links[random_below(num_links)];
}

void life_link(struct host *a, struct host *b)
{
	struct link *link = &links[num_links++];

	must_hold(num_links <= LINKS_MAX, "a run is bounded", "too many links");
	*link = (struct link){.a = a, .b = b};
	if (random_chance(500))
		store_le64(link->psk, random_next(&world.chance));
	host_add_peer(a, b);
	host_add_peer(b, a);
	host_set_psk(a, b, link->psk);
	host_set_psk(b, a, link->psk);
}

void pass(uint64_t ns)
{
	world_run_until(world.now_ns + ns);
}

static void talk(void)
{
	const struct link *link = life_some_link();
	const uint64_t num = 1 + random_below(12), pause_ns = random_below(100) * MSEC_NS;

	for (uint64_t i = 0; i < num; i++) {
		const bool is_answer = random_chance(300);

		traffic_send(is_answer ? link->b : link->a, is_answer ? link->a : link->b,
			1 + (unsigned)(random_chance(200) * random_below(8)));
		pass(random_below(20) * pause_ns);
	}
}

void life_goes_on(unsigned faults)
{
	if (random_chance(400))
		faults_strike(faults);
	if (faults & FAULT_ATTACKER)
		attacker_strikes();
	if ((faults & FAULT_STRANGER) && random_chance(300))
		stranger_strikes();
	if ((faults & FAULT_INSIDER) && random_chance(500))
		insider_strikes(&hosts[0]);
	if (random_chance(30))
		pass(random_below(600 * SECOND_NS)); /* nothing, for long */
	else if (random_chance(700))
		talk();
	pass(random_below(10 * SECOND_NS));
}

/* --- healing --------------------------------------------------------- */

static void exchange(const struct link *link)
{
	traffic_send(link->a, link->b, 1);
	pass(random_below(20 * MSEC_NS));
	traffic_send(link->b, link->a, 1);
}

/* All links, or of many some. */
static void exchange_all(unsigned first)
{
	for (unsigned i = 0; i < num_links && i < HEALED_LINKS_MAX; i++)
		exchange(&links[(first + i) % num_links]);
}

/* The kernel's rule, and ours: an initiator's new session takes the place of that in use while
 * there is one that it answered and nobody confirmed; what is on its way in the old one is lost. */
static bool is_replaced_on_its_way(const struct parcel *parcel)
{
	bool is_new = false, has_unconfirmed = false;

	for (const struct session *s = parcel->to->sessions; s; s = s->next) {
		if (s->other != parcel->from)
			continue;
		is_new |= s->is_initiator && s->birth_ns < parcel->sent_ns + HEALTHY_RTT_NS &&
			  parcel->sent_ns < s->birth_ns + HEALTHY_RTT_NS;
		has_unconfirmed |= !s->is_initiator && !s->was_used;
	}
	return is_new && has_unconfirmed;
}

static void check_arrived(uint32_t first)
{
	for (uint32_t number = first; number < traffic_num(); number++) {
		const struct parcel *parcel = traffic_parcel(number);

		must_hold(parcel->is_delivered || parcel->from->is_hostile ||
				  parcel->to->is_hostile || is_replaced_on_its_way(parcel),
			"all works again in time", "packet %u from host %u to host %u was lost",
			number, parcel->from->number, parcel->to->number);
	}
}

void life_heals(void)
{
	const unsigned first_link = (unsigned)random_below(num_links);
	const uint64_t heal_ns = world.now_ns + HEAL_NS;
	uint32_t first;

	trace("heals", 0, 0, 0);
	faults_mend();
	while (world.now_ns < heal_ns) {
		exchange_all(first_link);
		pass(random_below(2 * SECOND_NS));
	}
	first = traffic_num();
	while (world.now_ns < heal_ns + HEALED_NS) {
		exchange_all(first_link);
		pass(random_below(2 * SECOND_NS));
	}
	pass(HEALTHY_RTT_NS);
	check_arrived(first);
	for (unsigned i = 0; i < num_hosts; i++)
		secrets_check(&hosts[i]);
}
