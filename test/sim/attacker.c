/* SPDX-License-Identifier: MIT
 *
 * Replays and alterations. Whoever forwards a datagram that is new from an address of his own is,
 * by the protocol, where the peer is now. If he did it to both of two, they would not find each
 * other again when he is gone; so he does it only to the one with the smaller number, who stays
 * where he is.
 */
#include "attacker.h"

#include "network.h"
#include "watch.h"

enum { SEEN_MAX = 256, SPARED_IN_1000 = 850 };

static struct datagram *seen[SEEN_MAX];
static uint64_t num_seen;

/* Keep it, mostly in place of something newer than the oldest. */
static void see(const struct datagram *datagram)
{
	const uint64_t at = num_seen < SEEN_MAX ? num_seen : random_below(SEEN_MAX);

	if (num_seen >= SEEN_MAX && datagram_type(datagram) == MESSAGE_DATA &&
		random_chance(SPARED_IN_1000))
		return;
	if (!seen[at])
		seen[at] = own_alloc(sizeof(*seen[at]));
	memcpy(seen[at], datagram, offsetof(struct datagram, data) + datagram->len);
	num_seen++;
}

void attacker_start(void)
{
	num_seen = 0;
	network.tap = see;
}

void attacker_end(void)
{
	for (unsigned i = 0; i < SEEN_MAX; i++) {
		own_free(seen[i]);
		seen[i] = NULL;
	}
}

static const struct datagram *some_seen(void)
{
	return seen[random_below(num_seen < SEEN_MAX ? num_seen : SEEN_MAX)];
}

static void flip_bits(struct datagram *d)
{
	for (uint64_t i = 1 + random_below(3); i > 0; i--)
		d->data[random_below(d->len)] ^= (uint8_t)(1 << random_below(8));
}

/* Another length, counter, receiver or type, or the rest of another datagram. */
static void forge(struct datagram *d)
{
	const struct datagram *other = some_seen();
	const uint32_t cut = (uint32_t)random_below(d->len + 1);

	switch (random_below(6)) {
	case 0:
		d->len = cut;
		break;
	case 1:
		if (d->len >= 16)
			store_le64(d->data + 8, load_le64(d->data + 8) + 1 + random_below(9000));
		break;
	case 2:
		if (d->len >= 8)
			memcpy(d->data + 4, other->data + 4, 4);
		break;
	case 3:
		store_le32(d->data, (uint32_t)random_below(6));
		break;
	case 4:
		if (cut > sizeof(struct message_data) && cut < other->len) {
			memcpy(d->data + cut, other->data + cut, other->len - cut);
			d->len = other->len;
		}
		break;
	default:
		flip_bits(d);
	}
}

/* What is still as it was is still genuine. */
static void find_alteration(struct datagram *d, const struct datagram *original)
{
	if (d->len != original->len) {
		datagram_altered(d, 0);
		return;
	}
	for (uint32_t i = 0; i < d->len; i++) {
		if (d->data[i] != original->data[i]) {
			datagram_altered(d, i);
			return;
		}
	}
}

static void send_again(const struct datagram *original)
{
	static struct datagram d;
	const struct host *to;

	memcpy(&d, original, offsetof(struct datagram, data) + original->len);
	if (d.len >= 4 && random_chance(500))
		forge(&d);
	if (random_chance(100))
		d.destination = hosts[random_below(num_hosts)].address;
	find_alteration(&d, original);
	to = network_host_at(&d.destination, &d.source);
	if (to && original->from && to->number < original->from->number && random_chance(300))
		d.source = network_new_address();
	trace_bytes("attacks", d.id, d.data, d.len);
	network_inject(&d, random_below(3) * random_below(2000) * MSEC_NS);
}

void attacker_strikes(void)
{
	const unsigned num = (unsigned)(random_below(2) * random_below(24));

	for (unsigned i = 0; i < num && num_seen; i++) {
		const struct datagram *datagram = some_seen();

		for (uint64_t k = 1 + random_chance(300); k > 0; k--)
			send_again(datagram);
	}
}
