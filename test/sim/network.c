/* SPDX-License-Identifier: MIT
 *
 * The network: loss, duplication, reordering, corruption, truncation, spikes of delay, partitions,
 * and NATs whose mappings time out.
 */
#include "network.h"

enum { NATS_MAX = 16, BUFFERS_MAX = 512 };

#define SPIKE_NS (3 * SECOND_NS)
#define HEALTHY_DELAY_NS (2 * MSEC_NS)

struct mapping {
	struct host *host; /* NULL: free */
	uint16_t port;
	uint64_t used_ns;
};

struct nat {
	struct endpoint address;
	uint64_t timeout_ns;
	bool is_strict; /* lets in only those its hosts have spoken to */
	uint16_t next_port;
	struct mapping mappings[HOSTS_MAX];		 /* by the host's number */
	struct endpoint spoken_to[HOSTS_MAX][HOSTS_MAX]; /* by each mapping's host */
	unsigned num_spoken_to[HOSTS_MAX];
};

struct network network;

static struct nat nats[NATS_MAX];
static unsigned num_nats;
static uint32_t num_addresses;
/* Datagrams on their way. */
static struct datagram *buffers[BUFFERS_MAX];
static unsigned unused[BUFFERS_MAX], num_unused, num_buffers;

void network_start(void)
{
	network = (struct network){.weather.delay_ns = MSEC_NS};
	num_nats = 0;
	num_addresses = 0;
	num_unused = 0;
	for (unsigned i = 0; i < num_buffers; i++)
		unused[num_unused++] = i;
}

void network_end(void)
{
	for (unsigned i = 0; i < num_buffers; i++)
		own_free(buffers[i]);
	num_buffers = num_unused = 0;
}

void network_heal(void)
{
	network.weather = (struct weather){.delay_ns = random_below(HEALTHY_DELAY_NS)};
	memset(network.cut, 0, sizeof(network.cut));
}

struct endpoint network_new_address(void)
{
	struct endpoint address = {.port = (uint16_t)(1024 + random_below(60000))};

	num_addresses++;
	if (random_chance(300)) {
		address.family = AF_INET6;
		store_be32(address.addr, 0x20010db8);
		store_be32(address.addr + 12, num_addresses);
	} else {
		address.family = AF_INET;
		store_be32(address.addr, 0xc6120000 + num_addresses); /* 198.18.0.0/15 */
	}
	return address;
}

uint32_t datagram_type(const struct datagram *datagram)
{
	return datagram->len >= 4 ? load_le32(datagram->data) : 0;
}

void datagram_altered(struct datagram *datagram, size_t at)
{
	const uint32_t type = datagram_type(datagram);
	const bool has_mac2 = type == MESSAGE_INITIATION || type == MESSAGE_RESPONSE;

	if (has_mac2 && at >= datagram->len - MAC_LEN)
		return;
	datagram->id = 0;
	datagram->session = NULL;
}

/* --- NATs ------------------------------------------------------------ */

struct nat *nat_new(void)
{
	struct nat *nat = &nats[num_nats++ % NATS_MAX];

	*nat = (struct nat){.address = network_new_address(),
		.timeout_ns = (20 + random_below(160)) * SECOND_NS,
		.is_strict = random_chance(500),
		.next_port = (uint16_t)(1024 + random_below(50000))};
	return nat;
}

void nat_rebind(struct nat *nat)
{
	trace("nat rebinds", (uint64_t)(nat - nats), 0, 0);
	memset(nat->mappings, 0, sizeof(nat->mappings));
	memset(nat->num_spoken_to, 0, sizeof(nat->num_spoken_to));
}

static bool mapping_is_alive(const struct nat *nat, const struct mapping *mapping)
{
	return mapping->host && world.now_ns < mapping->used_ns + nat->timeout_ns;
}

static bool has_spoken_to(const struct nat *nat, unsigned number, const struct endpoint *from)
{
	for (unsigned i = 0; i < nat->num_spoken_to[number]; i++) {
		if (endpoint_same_remote(&nat->spoken_to[number][i], from))
			return true;
	}
	return false;
}

static struct endpoint nat_out(
	struct nat *nat, struct host *host, const struct endpoint *destination)
{
	struct endpoint source = nat->address;
	struct mapping *mapping = &nat->mappings[host->number];

	if (!mapping_is_alive(nat, mapping)) {
		*mapping = (struct mapping){.host = host, .port = ++nat->next_port};
		nat->num_spoken_to[host->number] = 0;
	}
	mapping->used_ns = world.now_ns;
	if (!has_spoken_to(nat, host->number, destination) &&
		nat->num_spoken_to[host->number] < HOSTS_MAX)
		nat->spoken_to[host->number][nat->num_spoken_to[host->number]++] = *destination;
	source.port = mapping->port;
	return source;
}

static struct host *nat_in(const struct nat *nat, uint16_t port, const struct endpoint *from)
{
	for (unsigned i = 0; i < num_hosts; i++) {
		const struct mapping *mapping = &nat->mappings[i];

		if (mapping_is_alive(nat, mapping) && mapping->port == port)
			return !nat->is_strict || has_spoken_to(nat, i, from) ? mapping->host
									      : NULL;
	}
	return NULL;
}

static bool same_address(const struct endpoint *a, const struct endpoint *b)
{
	return a->family == b->family && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

struct host *network_host_at(const struct endpoint *address, const struct endpoint *from)
{
	for (unsigned i = 0; i < num_hosts; i++) {
		if (!hosts[i].nat && endpoint_same_remote(&hosts[i].address, address))
			return &hosts[i];
	}
	for (unsigned i = 0; i < num_nats && i < NATS_MAX; i++) {
		if (same_address(&nats[i].address, address))
			return nat_in(&nats[i], address->port, from);
	}
	return NULL;
}

/* --- on the way ------------------------------------------------------ */

static unsigned buffer_take(const struct datagram *datagram)
{
	unsigned i;

	if (!num_unused) {
		if (num_buffers == BUFFERS_MAX)
			return BUFFERS_MAX; /* the network is full */
		buffers[num_buffers] = own_alloc(sizeof(**buffers));
		unused[num_unused++] = num_buffers++;
	}
	i = unused[--num_unused];
	memcpy(buffers[i], datagram, offsetof(struct datagram, data) + datagram->len);
	return i;
}

static bool is_cut(const struct datagram *datagram, const struct host *to)
{
	return datagram->from && network.cut[datagram->from->number] >> to->number & 1;
}

static void arrive(void *ctx, uint64_t i)
{
	const struct datagram *datagram = buffers[i];
	struct host *host = network_host_at(&datagram->destination, &datagram->source);

	(void)ctx;
	if (host && host->is_running && !host->is_asleep && !is_cut(datagram, host))
		host_receive(host, datagram);
	unused[num_unused++] = (unsigned)i;
}

void network_inject(const struct datagram *datagram, uint64_t delay_ns)
{
	const unsigned i = buffer_take(datagram);

	if (i < BUFFERS_MAX)
		world_at(world.now_ns + delay_ns, arrive, NULL, i);
}

static void damage(struct datagram *datagram)
{
	const struct weather *w = &network.weather;

	if (random_chance(w->corrupt)) {
		const size_t at = (size_t)random_below(datagram->len);

		datagram->data[at] ^= (uint8_t)(1 << random_below(8));
		datagram_altered(datagram, at);
	}
	if (datagram->len && random_chance(w->truncate)) {
		datagram->len = (uint32_t)random_below(datagram->len);
		datagram_altered(datagram, 0);
	}
}

static uint64_t delay_ns(void)
{
	const struct weather *w = &network.weather;
	uint64_t delay = w->delay_ns + (w->spread_ns ? random_below(w->spread_ns) : 0);

	return random_chance(w->spike) ? delay + random_below(SPIKE_NS) : delay;
}

void network_send(struct host *host, const struct datagram *datagram)
{
	static struct datagram copy;
	unsigned num = 1;

	copy = *datagram;
	copy.source = host->nat ? nat_out(host->nat, host, &datagram->destination) : host->address;
	if (network.tap)
		network.tap(&copy);
	if (random_chance(network.weather.loss))
		num = 0;
	else if (random_chance(network.weather.duplicate))
		num = 2 + (unsigned)random_below(2);
	for (unsigned i = 0; i < num; i++) {
		copy.id = datagram->id;
		copy.session = datagram->session;
		copy.len = datagram->len;
		memcpy(copy.data, datagram->data, datagram->len);
		damage(&copy);
		network_inject(&copy, delay_ns());
	}
}
