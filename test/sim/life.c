/* SPDX-License-Identifier: MIT
 *
 * Traffic, faults and healing.
 */
#include "life.h"

#include "network.h"
#include "traffic.h"
#include "watch.h"

/* How long it takes at most until all works again once the network does, while there is traffic
 * both ways. The slowest way: somebody sends into a session that the other side has forgotten, and
 * the silence tells him after KEEPALIVE_TIMEOUT + REKEY_TIMEOUT. Then he may have to wait, because
 * the last handshake message to that peer is younger than REKEY_TIMEOUT, and his initiation may be
 * answered with a cookie, so that it takes another one. */
#define JITTERED_NS (REKEY_TIMEOUT_NS + REKEY_TIMEOUT_JITTER_MAX_NS)
#define NOTICE_NS (KEEPALIVE_TIMEOUT_NS + JITTERED_NS)
/* When both sides initiate at the same moment neither initiation is answered usefully; they try
 * again after REKEY_TIMEOUT and a jitter each, which will be the same again, to within the delay of
 * the healthy network, once in 30 times. So often in a row it will not be: */
enum { CROSSINGS_MAX = 4 };
#define HEAL_NS (NOTICE_NS + (2 + CROSSINGS_MAX) * JITTERED_NS)
#define HEALED_NS (10 * SECOND_NS) /* after HEAL_NS: every packet must arrive */

enum { LINKS_MAX = 512 };

static struct link links[LINKS_MAX];
static unsigned num_links;
static unsigned faults;

void life_start(unsigned which)
{
	faults = which;
	num_links = 0;
}

void life_link(struct host *a, struct host *b)
{
	uint8_t psk[KEY_LEN] = {0};

	must_hold(num_links < LINKS_MAX, "a run is bounded", "too many links");
	links[num_links++] = (struct link){a, b};
	if (random_chance(500))
		store_be64(psk, random_next(&world.chance));
	host_add_peer(a, b);
	host_add_peer(b, a);
	host_set_psk(a, b, psk);
	host_set_psk(b, a, psk);
}

void pass(uint64_t ns)
{
	world_run_until(world.now_ns + ns);
}

static const struct link *some_link(void)
{
	return &links[random_below(num_links)];
}

/* --- traffic --------------------------------------------------------- */

static void talk(void)
{
	const struct link *link = some_link();

	for (uint64_t i = 1 + random_below(12); i > 0; i--) {
		const bool is_answer = random_chance(300);

		traffic_send(is_answer ? link->b : link->a, is_answer ? link->a : link->b,
			1 + (unsigned)(random_chance(200) * random_below(8)));
		pass(random_below(20) * random_below(100) * MSEC_NS);
	}
}

void life_goes_on(void)
{
	talk();
	pass(random_below(10 * SECOND_NS));
}

/* --- healing --------------------------------------------------------- */

static void mend(void)
{
	network_heal();
	for (unsigned i = 0; i < num_hosts; i++) {
		struct host *host = &hosts[i];

		if (!host->is_running)
			host_start(host);
		if (host->is_asleep)
			host_wake(host);
		if (!host->is_up)
			host_set_up(host, true);
		host->ipc_delay_ns = 0;
		host->max_handshakes = 64;
		host->under_load_at = 48;
	}
}

void life_heals(void)
{
	uint64_t end_ns;
	uint32_t first;

	trace("heals", 0, 0, 0);
	mend();
	end_ns = world.now_ns + HEAL_NS;
	while (world.now_ns < end_ns) {
		for (unsigned i = 0; i < num_links; i++) {
			traffic_send(links[i].a, links[i].b, 1);
			pass(random_below(SECOND_NS) / num_links);
			traffic_send(links[i].b, links[i].a, 1);
		}
		pass(random_below(SECOND_NS));
	}
	first = traffic_num();
	end_ns = world.now_ns + HEALED_NS;
	while (world.now_ns < end_ns) {
		for (unsigned i = 0; i < num_links; i++) {
			traffic_send(links[i].a, links[i].b, 1);
			traffic_send(links[i].b, links[i].a, 1);
		}
		pass(SECOND_NS);
	}
	for (uint32_t number = first; number < traffic_num(); number++) {
		const struct parcel *parcel = traffic_parcel(number);

		must_hold(
			parcel->is_delivered || parcel->from->is_hostile || parcel->to->is_hostile,
			"all works again in time", "packet %u from host %u to host %u was lost",
			number, parcel->from->number, parcel->to->number);
	}
	for (unsigned i = 0; i < num_hosts; i++)
		secrets_check(&hosts[i]);
}
