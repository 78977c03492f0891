/* SPDX-License-Identifier: MIT
 *
 * Faults of network, machines and those who configure them.
 */
#include "faults.h"

#include "network.h"
#include "watch.h"

#define DAY_NS (86400 * SECOND_NS)

static struct host *some_host(void)
{
	return &hosts[random_below(num_hosts)];
}

static bool is_working(const struct host *host)
{
	return host->is_running && !host->is_asleep && host->is_up;
}

static void later(uint64_t max_ns, void (*act)(void *ctx, uint64_t arg), void *ctx)
{
	world_at(world.now_ns + random_below(max_ns), act, ctx, 0);
}

/* --- the network ----------------------------------------------------- */

static void weather_changes(void)
{
	static const unsigned losses[] = {0, 0, 10, 100, 300, 600, 1000};

	trace("weather", 0, 0, 0);
	network.weather = (struct weather){
		.loss = losses[random_below(ARRAY_SIZE(losses))],
		.duplicate = (unsigned)(random_below(2) * random_below(100)),
		.corrupt = (unsigned)(random_below(2) * random_below(50)),
		.truncate = (unsigned)(random_below(2) * random_below(20)),
		.spike = (unsigned)(random_below(2) * random_below(30)),
		.delay_ns = random_below(500) * MSEC_NS,
		.spread_ns = random_below(2) * random_below(1500) * MSEC_NS,
	};
}

static void partition_ends(void *ctx, uint64_t arg)
{
	(void)ctx;
	(void)arg;
	trace("partition ends", 0, 0, 0);
	memset(network.cut, 0, sizeof(network.cut));
}

/* Two parts that do not hear each other, or of which only one does. */
static void partition(void)
{
	const uint64_t part = random_next(&world.chance);
	const bool is_one_way = random_chance(300);

	trace("partition", part, is_one_way, 0);
	for (unsigned i = 0; i < num_hosts; i++) {
		if (part >> i & 1)
			network.cut[i] |= ~part;
		else if (!is_one_way)
			network.cut[i] |= part;
	}
	later(200 * SECOND_NS, partition_ends, NULL);
}

static void nat_forgets(void)
{
	const struct host *host = some_host();

	if (host->nat)
		nat_rebind(host->nat);
}

/* Only of two who know each other one, for else neither would find the other. */
static void roam(void)
{
	struct host *host = some_host();

	if (host->is_anchor)
		return;
	trace("roams", host->number, 0, 0);
	host->address = network_new_address();
	if (host->nat && random_chance(200))
		host->nat = NULL;
}

/* --- machines -------------------------------------------------------- */

/* Back beyond what other hosts have seen of it only if it knows what they have seen: else they
 * rightly refuse it. */
static bool may_turn_back(const struct host *host)
{
	for (unsigned i = 0; i < num_hosts; i++) {
		if (host->others[i].is_peer && !host->others[i].has_initiated)
			return false;
	}
	return true;
}

static void clock_jumps(void)
{
	struct host *host = some_host();
	const int64_t by_ns = (int64_t)random_below(2 * DAY_NS) - (int64_t)DAY_NS;

	if (by_ns < 0 && !(host->is_running && may_turn_back(host)))
		return;
	trace("clock jumps", host->number, (uint64_t)by_ns, 0);
	host->wall_ahead_ns += by_ns;
	if (host->wall_ahead_ns > host->wall_ahead_max_ns)
		host->wall_ahead_max_ns = host->wall_ahead_ns;
}

static void wakes(void *ctx, uint64_t arg)
{
	struct host *host = ctx;

	(void)arg;
	if (host->is_running && host->is_asleep)
		host_wake(host);
}

static void falls_asleep(void)
{
	struct host *host = some_host();

	if (!is_working(host))
		return;
	host_sleep(host);
	later(random_chance(300) ? SECOND_NS : 600 * SECOND_NS, wakes, host);
}

static void starts_again(void *ctx, uint64_t arg)
{
	struct host *host = ctx;

	(void)arg;
	if (!host->is_running)
		host_start(host);
}

static void restart(struct host *host)
{
	host_stop(host);
	if (random_chance(500))
		later(120 * SECOND_NS, starts_again, host);
	else
		host_start(host);
}

static void reboots(void)
{
	struct host *host = some_host();

	if (host->is_running)
		restart(host);
}

static void crash(void *ctx, uint64_t arg)
{
	struct host *host = ctx;

	(void)arg;
	if (host->is_running)
		restart(host);
}

/* The moment it has sent its next handshake message, or the one after it. */
static void will_crash(void)
{
	struct host *host = some_host();

	host->crash = crash;
	host->crash_at_message = 1 + random_below(2);
}

static void comes_up(void *ctx, uint64_t arg)
{
	struct host *host = ctx;

	(void)arg;
	if (host->is_running && !host->is_asleep && !host->is_up)
		host_set_up(host, true);
}

static void goes_down(void)
{
	struct host *host = some_host();

	if (!is_working(host))
		return;
	host_set_up(host, false);
	later(60 * SECOND_NS, comes_up, host);
}

static void is_loaded(void)
{
	struct host *host = some_host();

	trace("loaded", host->number, 0, 0);
	host->under_load_until_ns = world.now_ns + random_below(200 * SECOND_NS);
}

static void queues_shrink(void)
{
	struct host *host = some_host();

	trace("queues shrink", host->number, 0, 0);
	host->max_handshakes = 1 + (unsigned)random_below(4);
	host->under_load_at = 1 + (unsigned)random_below(4);
}

static void slows_down(void)
{
	some_host()->ipc_delay_ns = random_below(3) * random_below(40) * MSEC_NS;
}

/* --- settings -------------------------------------------------------- */

static void draw_bytes(uint8_t ret_bytes[KEY_LEN])
{
	for (unsigned i = 0; i < KEY_LEN; i += 8)
		store_le64(ret_bytes + i, random_next(&world.chance));
}

/* A peer whose timestamps were seen elsewhere: the clock must not be behind them. */
static void add_peer(struct host *host, struct host *other, const uint8_t psk[KEY_LEN])
{
	host->wall_ahead_max_ns += (int64_t)(60 * SECOND_NS);
	host->wall_ahead_ns = host->wall_ahead_max_ns;
	host_add_peer(host, other);
	host_set_psk(host, other, psk);
}

/* One side learns what the other side's public key is now, and which psk was agreed on. */
static void learn(struct host *host, struct host *other, const uint8_t psk[KEY_LEN])
{
	const struct acquaintance *a = &host->others[other->number];

	if (a->is_peer && memcmp(a->public_key, other->public_key, KEY_LEN) == 0) {
		if (memcmp(a->psk, psk, KEY_LEN) != 0)
			host_set_psk(host, other, psk);
		return;
	}
	if (a->is_peer)
		host_remove_peer(host, other);
	add_peer(host, other, psk);
}

static void a_learns(void *ctx, uint64_t arg)
{
	const struct link *link = ctx;

	(void)arg;
	if (link->a->is_running)
		learn(link->a, link->b, link->psk);
}

static void b_learns(void *ctx, uint64_t arg)
{
	const struct link *link = ctx;

	(void)arg;
	if (link->b->is_running)
		learn(link->b, link->a, link->psk);
}

static void both_learn(struct link *link)
{
	later(60 * SECOND_NS, a_learns, link);
	later(60 * SECOND_NS, b_learns, link);
}

static void psk_changes(void)
{
	struct link *link = life_some_link();

	if (random_chance(800))
		draw_bytes(link->psk);
	else
		memset(link->psk, 0, KEY_LEN);
	both_learn(link);
}

static void private_key_changes(void)
{
	struct host *host = some_host();
	uint8_t key[KEY_LEN];

	if (!is_working(host))
		return;
	if (random_chance(200)) {
		host_set_private_key(host, host->private_key); /* again */
		return;
	}
	draw_bytes(key);
	host_set_private_key(host, key);
	for (unsigned i = 0; i < life_num_links(); i++) {
		struct link *link = life_link_number(i);

		if (link->a == host)
			later(60 * SECOND_NS, b_learns, link);
		else if (link->b == host)
			later(60 * SECOND_NS, a_learns, link);
	}
}

static void peer_goes(void)
{
	struct link *link = life_some_link();
	const bool is_a = random_chance(500);
	struct host *host = is_a ? link->a : link->b, *other = is_a ? link->b : link->a;

	if (!host->is_running || !host->others[other->number].is_peer)
		return;
	host_remove_peer(host, other);
	both_learn(link);
}

static void keepalive_changes(void)
{
	static const uint16_t intervals[] = {0, 1, 25, 65535};
	const struct link *link = life_some_link();

	if (link->a->is_running && link->a->others[link->b->number].is_peer)
		host_set_keepalive(link->a, link->b, intervals[random_below(4)]);
	if (link->b->is_running && link->b->others[link->a->number].is_peer)
		host_set_keepalive(link->b, link->a, intervals[random_below(4)]);
}

/* --- which ----------------------------------------------------------- */

static const struct {
	unsigned fault, in_1000;
	void (*strike)(void);
} all[] = {
	{FAULT_WEATHER, 1000, weather_changes},
	{FAULT_PARTITION, 400, partition},
	{FAULT_NAT, 500, nat_forgets},
	{FAULT_ROAM, 700, roam},
	{FAULT_CLOCK, 700, clock_jumps},
	{FAULT_SUSPEND, 400, falls_asleep},
	{FAULT_REBOOT, 300, reboots},
	{FAULT_CRASH, 300, will_crash},
	{FAULT_LINK, 300, goes_down},
	{FAULT_LOAD, 500, is_loaded},
	{FAULT_OVERFLOW, 500, queues_shrink},
	{FAULT_SLOW, 500, slows_down},
	{FAULT_KEYS, 300, psk_changes},
	{FAULT_KEYS, 200, private_key_changes},
	{FAULT_PEERS, 300, peer_goes},
	{FAULT_KEEPALIVE, 500, keepalive_changes},
};

void faults_strike(unsigned faults)
{
	unsigned i;

	if (!(faults & FAULTS_THAT_STRIKE))
		return;
	do {
		i = (unsigned)random_below(ARRAY_SIZE(all));
	} while (!(all[i].fault & faults));
	if (random_chance(all[i].in_1000))
		all[i].strike();
}

void faults_make_host(struct host *host, unsigned faults)
{
	static struct nat *shared;

	host->has_few_indices = (faults & FAULT_INDICES) && random_chance(700);
	host->has_two_workers = random_chance(300);
	if (host->number == 0)
		shared = NULL;
	if (!(faults & FAULT_NAT) || host->is_anchor || random_chance(300))
		return;
	if (!shared || random_chance(500))
		shared = nat_new();
	host->nat = shared;
}

void faults_mend(void)
{
	network_heal();
	for (unsigned i = 0; i < num_hosts; i++) {
		struct host *host = &hosts[i];

		host->crash_at_message = 0;
		host->ipc_delay_ns = 0;
		host->max_handshakes = 64;
		host->under_load_at = 48;
		if (!host->is_running)
			host_start(host);
		if (host->is_asleep)
			host_wake(host);
		if (!host->is_up)
			host_set_up(host, true);
	}
	for (unsigned i = 0; i < life_num_links(); i++) {
		struct link *link = life_link_number(i);

		a_learns(link, 0);
		b_learns(link, 0);
	}
}
