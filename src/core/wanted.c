/* SPDX-License-Identifier: MIT
 *
 * Destinations that packets want though no peer has them. They are few: all are looked at.
 */
#include "core/wanted.h"

#include <errno.h>

int wanted_init(struct wanted *wanted)
{
	*wanted = (struct wanted){.pool = staged_pool_new(WANTED_MAX * WANTED_PACKETS)};
	return wanted->pool ? 0 : -ENOMEM;
}

void wanted_deinit(struct wanted *wanted)
{
	staged_pool_free(wanted->pool);
	*wanted = (struct wanted){0};
}

static struct prefix address_of(uint16_t family, const uint8_t *addr)
{
	const unsigned bits = address_bits(family);
	struct prefix address = {.family = family, .cidr = (uint8_t)bits};

	memcpy(address.addr, addr, bits / 8);
	return address;
}

/* The destination's place, or one for it: one that is free, or else, lest refusals keep out what
 * may be, that of the oldest of them. NULL: packets are held in all. */
static struct wanted_destination *find_place(struct wanted *wanted, const struct prefix *address)
{
	struct wanted_destination *place = NULL;

	for (unsigned i = 0; i < WANTED_MAX; i++) {
		struct wanted_destination *d = &wanted->destinations[i];

		if (memcmp(&d->address, address, sizeof(*address)) == 0)
			return d;
		if (!d->held.num && (!place || d->until_ns < place->until_ns))
			place = d;
	}
	return place;
}

enum drop wanted_hold(struct wanted *wanted, const struct inner *inner, const struct packet *packet,
	uint64_t now_ns, const struct wanted_destination **ret_new)
{
	const struct prefix address = address_of(inner->family, inner->dst);
	struct wanted_destination *d = find_place(wanted, &address);

	*ret_new = NULL;
	if (!d)
		return DROP_NO_PEER;
	if (d->held.num) {
		if (d->until_ns <= now_ns)
			return DROP_NO_PEER;
		if (d->held.num >= WANTED_PACKETS)
			return DROP_STAGED;
		return staged_push(wanted->pool, &d->held, packet) ? DROP_STAGED : DROP_NONE;
	}
	if (d->is_refused && d->until_ns > now_ns &&
		memcmp(&d->address, &address, sizeof(address)) == 0)
		return DROP_REFUSED;
	if (!rate_has_room(&wanted->events, now_ns, SECOND_NS / WANTED_EVENTS_PER_S, WANTED_MAX))
		return DROP_NO_PEER;
	*d = (struct wanted_destination){.address = address, .until_ns = now_ns + WANTED_TIME_NS};
	if (staged_push(wanted->pool, &d->held, packet)) {
		wanted_forget(wanted, d);
		return DROP_NO_PEER;
	}
	rate_spend(&wanted->events, now_ns, SECOND_NS / WANTED_EVENTS_PER_S);
	if (!atomic_load(&wanted->deadline_ns))
		atomic_store(&wanted->deadline_ns, d->until_ns);
	*ret_new = d;
	return DROP_NONE;
}

struct wanted_destination *wanted_refuse(
	struct wanted *wanted, uint16_t family, const uint8_t *addr, uint64_t now_ns)
{
	const struct prefix address = address_of(family, addr);
	struct wanted_destination *d = find_place(wanted, &address);

	if (d) {
		d->address = address;
		d->is_refused = true;
		d->until_ns = now_ns + WANTED_TIME_NS;
	}
	return d;
}

bool wanted_is_overdue(const struct wanted_destination *destination, uint64_t now_ns)
{
	return destination->held.num && destination->until_ns <= now_ns;
}

void wanted_forget(struct wanted *wanted, struct wanted_destination *destination)
{
	(void)staged_purge(wanted->pool, &destination->held);
	*destination = (struct wanted_destination){0};
}

void wanted_set_deadline(struct wanted *wanted)
{
	uint64_t deadline_ns = 0;

	for (unsigned i = 0; i < WANTED_MAX; i++) {
		const struct wanted_destination *d = &wanted->destinations[i];

		if (d->held.num && (!deadline_ns || d->until_ns < deadline_ns))
			deadline_ns = d->until_ns;
	}
	atomic_store(&wanted->deadline_ns, deadline_ns);
}
