/* SPDX-License-Identifier: MIT
 *
 * Nonsense from strangers.
 */
#include "stranger.h"

#include "core/cookie.h"
#include "network.h"
#include "watch.h"

static void draw(uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)random_next(&world.chance);
}

/* A message of a type's length, which knows to whom it is. */
static void write_handshake(struct datagram *d, const struct host *to, uint32_t type)
{
	struct cookie_maker maker = {0};

	d->len = (uint32_t)message_handshake_len(type);
	draw(d->data, d->len);
	store_le32(d->data, type);
	if (type != MESSAGE_COOKIE_REPLY && random_chance(800))
		cookie_add_macs(&maker, to->public_key, d->data, d->len, 0);
}

static void write_any(struct datagram *d)
{
	d->len = (uint32_t)random_below(random_chance(500) ? 160 : SIM_MTU);
	draw(d->data, d->len);
	if (d->len >= 4 && random_chance(700))
		store_le32(d->data, (uint32_t)random_below(6));
}

static void send_nonsense(const struct host *to, const struct endpoint *source)
{
	static struct datagram d;

	d = (struct datagram){.source = *source};
	d.destination = to->address;
	if (random_chance(700))
		write_handshake(&d, to, 1 + (uint32_t)random_below(3));
	else
		write_any(&d);
	/* an index that is in use, or would be if there were few */
	if (d.len >= 12 && random_chance(500))
		store_le32(d.data + (datagram_type(&d) == MESSAGE_RESPONSE ? 8 : 4),
			(uint32_t)random_below(256) << 24);
	watch_stranger(source, d.len);
	network_inject(&d, random_below(1000) * MSEC_NS);
}

void stranger_strikes(void)
{
	const struct host *to = &hosts[random_below(num_hosts)];
	struct endpoint source = network_new_address();

	trace("stranger", to->number, 0, 0);
	for (uint64_t i = random_below(random_chance(100) ? 200 : 20); i > 0; i--) {
		if (random_chance(200))
			source = network_new_address();
		send_nonsense(to, &source);
	}
}
