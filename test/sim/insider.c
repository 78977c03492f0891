/* SPDX-License-Identifier: MIT
 *
 * What a hostile peer sends: packets from addresses that are not its own, or no packets at all,
 * well sealed; counters from anywhere; initiations with any timestamp, in another's name, at any
 * rate, with points of low order, and with cookies from an address that is not the one they were
 * for.
 */
#include "insider.h"

#include "core/cookie.h"
#include "core/noise.h"
#include "crypto/dh.h"
#include "traffic.h"
#include "watch.h"

static struct cookie_maker makers[HOSTS_MAX]; /* what victims gave it */

void insider_start(void)
{
	memset(makers, 0, sizeof(makers));
}

static void draw(uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)random_next(&world.chance);
}

static struct host *some_victim(const struct host *insider)
{
	struct host *victim = &hosts[random_below(num_hosts)];

	return victim != insider && insider->others[victim->number].is_peer ? victim : NULL;
}

/* --- data ------------------------------------------------------------ */

static struct session *some_session(struct host *insider, const struct host *victim)
{
	struct session *found = NULL;

	for (struct session *s = insider->sessions; s; s = s->next) {
		if (s->other == victim && !s->is_gone && (!found || random_chance(300)))
			found = s;
	}
	return found;
}

static uint64_t any_counter(const struct session *s)
{
	switch (random_below(6)) {
	case 0:
		return s->next_counter ? random_below(s->next_counter) : 0;
	case 1:
		return UINT64_MAX - random_below(REPLAY_WINDOW + 10);
	case 2:
		return s->next_counter + random_below(10000);
	default:
		return s->next_counter + 1 + random_below(100);
	}
}

/* An inner packet that is somebody else's, or none. Returns its length. */
static uint32_t write_inner(struct host *insider, struct host *victim, uint8_t *data)
{
	const struct host *pretended = &hosts[random_below(num_hosts)];
	uint8_t source[4];
	uint32_t len;

	memcpy(source, pretended->inner, 4);
	if (random_chance(200))
		source[1] = 1; /* nobody's; but host 0 has all of 10/8 */
	if (random_chance(100))
		source[0] = 11;
	traffic_write(insider, victim, source, data, &len);
	if (random_chance(200))
		data[random_below(20)] ^= (uint8_t)(1 << random_below(8));
	return random_chance(50) ? (uint32_t)random_below(len) : len;
}

static void send_data(struct host *insider, struct host *victim, const struct endpoint *to)
{
	static struct datagram d;
	struct session *s = some_session(insider, victim);
	struct message_data header = {.type = le32(MESSAGE_DATA)};
	uint32_t len;

	if (!s)
		return;
	d = (struct datagram){.from = insider,
		.session = s,
		.counter = any_counter(s),
		.source = insider->address,
		.destination = *to};
	len = write_inner(insider, victim, d.data + sizeof(header));
	header.receiver_index = le32(s->remote_index);
	header.counter = le64(d.counter);
	memcpy(d.data, &header, sizeof(header));
	aead_seal(d.data + sizeof(header), d.data + sizeof(header), len, NULL, 0, d.counter,
		s->sending_key);
	d.len = len + MESSAGE_DATA_MIN;
	network_inject(&d, random_below(50) * MSEC_NS);
}

/* --- handshakes ------------------------------------------------------ */

static void mix(void *ctx, enum noise_secret secret, struct noise_mix *mixes, unsigned num)
{
	struct host *insider = ctx;

	keyring_mix(insider->keyring, secret, mixes, num);
}

static uint64_t any_time_ns(const struct host *insider)
{
	const uint64_t wall_ns = host_time(insider).wall_ns;

	switch (random_below(4)) {
	case 0:
		return wall_ns - random_below(100 * SECOND_NS);
	case 1:
		return UINT64_MAX - random_below(SECOND_NS);
	default:
		return wall_ns + random_below(3600 * SECOND_NS);
	}
}

/* In its own name or, in vain, in another's. */
static bool write_initiation(struct host *insider, const struct host *victim, struct datagram *d)
{
	const struct noise_keys keys = {.mix = mix, .ctx = insider};
	const struct host *pretended =
		random_chance(300) ? &hosts[random_below(num_hosts)] : insider;
	uint8_t ephemeral[KEY_LEN], timestamp[TAI64N_LEN];
	struct message_initiation message;
	struct noise_prepared prepared;
	struct handshake handshake = {0};
	uint64_t last_ns = 0;

	draw(ephemeral, sizeof(ephemeral));
	dh_clamp(ephemeral);
	if (noise_prepare_initiation(&prepared, &keys, host_peer_id(insider, victim),
		    pretended->public_key, victim->public_key, ephemeral) < 0)
		return false;
	noise_timestamp(timestamp, any_time_ns(insider), &last_ns);
	noise_create_initiation(
		&handshake, &prepared, timestamp, (uint32_t)random_next(&world.chance), &message);
	if (random_chance(100))
		memset(message.ephemeral, 0, KEY_LEN); /* a point of low order */
	d->len = sizeof(message);
	memcpy(d->data, &message, sizeof(message));
	return true;
}

static void send_initiation(struct host *insider, struct host *victim, const struct endpoint *to)
{
	static struct datagram d;
	struct cookie_maker *maker = &makers[victim->number];

	d = (struct datagram){.from = insider, .source = insider->address, .destination = *to};
	if (!write_initiation(insider, victim, &d))
		return;
	cookie_add_macs(maker, victim->public_key, d.data, d.len, world.now_ns);
	if (random_chance(400)) {
		/* a cookie is for an address, and this is another one, or another port */
		if (random_chance(500))
			d.source.port ^= 1;
		else
			d.source = network_new_address();
		d.has_stolen_cookie = true;
	}
	network_inject(&d, 0);
}

void insider_receives(struct host *insider, const struct datagram *datagram)
{
	struct message_cookie_reply reply;

	if (datagram_type(datagram) != MESSAGE_COOKIE_REPLY || !datagram->from)
		return;
	memcpy(&reply, datagram->data, sizeof(reply));
	if (cookie_consume_reply(&makers[datagram->from->number],
		    insider->others[datagram->from->number].public_key, &reply, world.now_ns))
		trace("insider has a cookie", datagram->from->number, 0, 0);
}

void insider_strikes(struct host *insider)
{
	struct host *victim = some_victim(insider);
	struct endpoint to;

	if (!victim || !insider->is_running || insider->is_asleep)
		return;
	to = *transport_endpoint(insider->transport, host_peer_id(insider, victim));
	trace("insider", insider->number, victim->number, 0);
	for (uint64_t i = 1 + random_below(20); to.family && i > 0; i--) {
		if (random_chance(700))
			send_data(insider, victim, &to);
		else
			send_initiation(insider, victim, &to);
		world_run_until(world.now_ns + random_below(100) * MSEC_NS);
	}
}
