/* SPDX-License-Identifier: MIT
 *
 * Packets from TUN device to TUN device.
 */
#include "traffic.h"

#include "core/inner.h"
#include "network.h"

enum { TRAFFIC_MAX = 1 << 20, PROTOCOL = 253 /* for experiments (RFC 3692) */, ICMP = 1 };

static struct parcel *parcels;
static uint32_t num_parcels, max_parcels;

void traffic_start(void)
{
	num_parcels = 0;
}

void traffic_end(void)
{
	own_free(parcels);
	parcels = NULL;
	max_parcels = 0;
}

uint32_t traffic_num(void)
{
	return num_parcels;
}

const struct parcel *traffic_parcel(uint32_t number)
{
	return &parcels[number];
}

static void write_packet(const struct parcel *parcel, uint32_t number, uint8_t *data)
{
	memset(data, 0, INNER_HEADER);
	data[0] = 0x45;
	store_be16(data + 2, (uint16_t)parcel->len);
	data[8] = 64;
	data[9] = PROTOCOL;
	memcpy(data + 12, parcel->source, 4);
	memcpy(data + 16, parcel->destination, 4);
	store_be32(data + 20, number);
	for (uint32_t i = INNER_HEADER; i < parcel->len; i++)
		data[i] = (uint8_t)(number * 7 + i);
}

static uint32_t length_of(uint32_t number)
{
	return INNER_HEADER + number * 7919 % (number % 8 ? 200 : SIM_MTU - INNER_HEADER + 1);
}

uint32_t traffic_write(struct host *from, struct host *to, const uint8_t source[4], uint8_t *data,
	uint32_t *ret_len)
{
	struct parcel *parcel;

	if (num_parcels == max_parcels) {
		max_parcels = max_parcels ? 2 * max_parcels : 4096;
		parcels = own_realloc(parcels, max_parcels * sizeof(*parcels));
	}
	must_hold(num_parcels < TRAFFIC_MAX, "a run is bounded", "too many packets");
	parcel = &parcels[num_parcels];
	*parcel = (struct parcel){
		.from = from, .to = to, .len = length_of(num_parcels), .sent_ns = world.now_ns};
	memcpy(parcel->source, source, 4);
	memcpy(parcel->destination, to->inner, 4);
	write_packet(parcel, num_parcels, data);
	*ret_len = parcel->len;
	return num_parcels++;
}

uint32_t traffic_send(struct host *from, struct host *to, unsigned num)
{
	static uint8_t buffers[8][PACKET_BUF];
	struct batch batch = {0};
	uint32_t number = 0;

	for (; batch.num < num && batch.num < ARRAY_SIZE(buffers); batch.num++) {
		struct packet *packet = &batch.packets[batch.num];

		packet->data = buffers[batch.num] + PACKET_HEADROOM;
		number = traffic_write(from, to, from->inner, packet->data, &packet->len);
	}
	trace("packets", from->number, to->number, number);
	host_send(from, &batch);
	return number;
}

/* The number of a packet that was written here, whole and unchanged; UINT32_MAX: it was not. */
static uint32_t recognize(const uint8_t *data, uint32_t len)
{
	static uint8_t expected[SIM_MTU];
	uint32_t number;

	if (len < INNER_HEADER)
		return UINT32_MAX;
	number = load_be32(data + 20);
	if (number >= num_parcels || parcels[number].len != len)
		return UINT32_MAX;
	write_packet(&parcels[number], number, expected);
	return memcmp(data, expected, len) == 0 ? number : UINT32_MAX;
}

/* Whose packets with this source a host takes: the longest prefix decides. Everybody has an
 * address, and host 0 all the net they are in. */
static const struct host *owner_of(const struct host *at, const uint8_t source[4])
{
	for (unsigned i = 0; i < num_hosts; i++) {
		if (at->others[i].is_peer && memcmp(hosts[i].inner, source, 4) == 0)
			return &hosts[i];
	}
	return at->others[0].is_peer && source[0] == hosts[0].inner[0] ? &hosts[0] : NULL;
}

/* A host tells its own programs that there is no way. */
static bool is_own_answer(const struct host *host, const uint8_t *data, uint32_t len)
{
	return !host->receiving && len > 28 && data[9] == ICMP;
}

/* Of a hostile peer only one thing is certain: its packets come from its own addresses. */
static void hostile_delivered(
	const struct host *host, const struct host *from, const uint8_t *data, uint32_t len)
{
	struct inner inner;

	must_hold(inner_parse(data, len, &inner) && inner.family == AF_INET &&
			  owner_of(host, inner.src) == from,
		"no packet from outside the allowed IPs", "of host %u at host %u", from->number,
		host->number);
}

void traffic_delivered(struct host *host, const uint8_t *data, uint32_t len)
{
	uint32_t number;
	struct parcel *parcel;

	if (is_own_answer(host, data, len))
		return;
	must_hold(host->receiving, "what is delivered was received", "at host %u", host->number);
	trace_bytes("delivers", host->number, data, len);
	host->num_delivered++;
	if (host->receiving->from && host->receiving->from->is_hostile) {
		hostile_delivered(host, host->receiving->from, data, len);
		return;
	}
	number = recognize(data, len);
	must_hold(number != UINT32_MAX, "nothing is delivered that was not sent so",
		"%u bytes at host %u", len, host->number);
	parcel = &parcels[number];
	must_hold(parcel->to == host, "no plaintext to a wrong peer", "packet %u to host %u",
		number, host->number);
	must_hold(!parcel->is_delivered, "nothing is delivered twice", "packet %u", number);
	must_hold(host->receiving->from == parcel->from, "no plaintext from a wrong peer",
		"packet %u", number);
	must_hold(owner_of(host, parcel->source) == parcel->from,
		"no packet from outside the allowed IPs", "packet %u of host %u at host %u", number,
		parcel->from->number, host->number);
	parcel->is_delivered = true;
}

void traffic_sealed(const struct host *host, struct host *other, const uint8_t *data, uint32_t len)
{
	struct inner inner;
	uint32_t number;

	if (len == 0)
		return;
	must_hold(inner_parse(data, len, &inner), "only IP packets are sent", "host %u",
		host->number);
	number = recognize(data, inner.len);
	must_hold(number != UINT32_MAX && parcels[number].from == host,
		"nothing is sent that was not to be", "host %u", host->number);
	if (other->number == 0) /* the way of all who are no peers */
		parcels[number].to = other;
	must_hold(parcels[number].to == other, "no plaintext to a wrong peer",
		"packet %u of host %u for host %u", number, host->number, other->number);
}
