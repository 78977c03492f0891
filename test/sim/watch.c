/* SPDX-License-Identifier: MIT
 *
 * The invariants of datagrams, out and in, and the bounds of a host. What the core says of itself
 * is believed of nothing that the wire can tell.
 */
#include "watch.h"

#include "inside.h"
#include "traffic.h"

enum {
	STRANGERS_MAX = 64,
	SESSIONS_OF_PEER = 3,			/* previous, current, next */
	INDICES_OF_PEER = 1 + SESSIONS_OF_PEER, /* and that of the handshake under way */
	BLOCKS_OF_HOST = 28,
	BLOCKS_OF_PEER = 2 + SESSIONS_OF_PEER,
	BYTES_OF_PEER = 16 << 10,
	BYTES_OF_HOST = 181 << 18, /* tables for a million peers, hardly touched */
};

struct stranger {
	struct endpoint address;
	uint64_t bytes_in, bytes_out;
};

/* What a datagram may change only if it was accepted. */
struct before {
	uint64_t rx_bytes;
	struct endpoint endpoint;
};

static struct stranger strangers[STRANGERS_MAX];
static unsigned num_strangers;
static struct before before[HOSTS_MAX];
static uint64_t num_genuine;

void watch_start(void)
{
	num_strangers = 0;
	num_genuine = 0;
}

/* --- datagrams out --------------------------------------------------- */

/* The keypair that a data message was sealed with. */
static struct session *who_sealed(
	struct host *host, const struct datagram *datagram, uint8_t *ret_plain)
{
	const uint32_t index = load_le32(datagram->data + 4);

	for (struct session *s = host->sessions; s; s = s->next) {
		if (s->remote_index == index && (!s->is_gone || s->gone_ns == world.now_ns) &&
			aead_open(ret_plain, datagram->data + sizeof(struct message_data),
				datagram->len - sizeof(struct message_data), NULL, 0,
				load_le64(datagram->data + 8), s->sending_key))
			return s;
	}
	violated("data is sealed with a session's key", "host %u, index %u", host->number, index);
}

static void data_sent(struct host *host, struct datagram *datagram)
{
	uint8_t plain[DATAGRAM_MAX];
	struct session *s = who_sealed(host, datagram, plain);

	datagram->session = s;
	datagram->counter = load_le64(datagram->data + 8);
	must_hold(datagram->counter >= s->next_counter, "no nonce is used twice",
		"host %u, counter %llu", host->number, (unsigned long long)datagram->counter);
	s->next_counter = datagram->counter + 1;
	must_hold(world.now_ns < s->birth_ns + REJECT_AFTER_TIME_NS,
		"nothing is sent after REJECT_AFTER_TIME", "host %u", host->number);
	must_hold(s->is_initiator || s->was_used, "a responder sends only after its initiator",
		"host %u", host->number);
	must_hold(memcmp(s->public_key, host->public_key, KEY_LEN) == 0,
		"no session outlives the private key it was made with", "host %u", host->number);
	traffic_sealed(host, s->other, plain, datagram->len - MESSAGE_DATA_MIN);
}

/* Nobody is answered more than he said. */
static void stranger_answered(const struct datagram *datagram)
{
	for (unsigned i = 0; i < num_strangers; i++) {
		struct stranger *stranger = &strangers[i];

		if (!endpoint_same_remote(&stranger->address, &datagram->destination))
			continue;
		stranger->bytes_out += datagram->len;
		must_hold(stranger->bytes_out <= stranger->bytes_in,
			"strangers get no more than they send", "%llu bytes for %llu",
			(unsigned long long)stranger->bytes_out,
			(unsigned long long)stranger->bytes_in);
	}
}

void watch_stranger(const struct endpoint *address, uint32_t len)
{
	for (unsigned i = 0; i < num_strangers; i++) {
		if (endpoint_same_remote(&strangers[i].address, address)) {
			strangers[i].bytes_in += len;
			return;
		}
	}
	if (num_strangers < STRANGERS_MAX)
		strangers[num_strangers++] = (struct stranger){*address, len, 0};
}

void watch_sent(struct host *host, struct datagram *datagram)
{
	const uint32_t type = datagram_type(datagram);

	watch_counts.datagrams++;
	datagram->from = host;
	datagram->id = ++num_genuine;
	if (type == MESSAGE_DATA)
		data_sent(host, datagram);
	else
		must_hold(message_handshake_len(type) == datagram->len, "only messages are sent",
			"host %u, type %u", host->number, type);
	stranger_answered(datagram);
	trace_bytes("sends", host->number, datagram->data, datagram->len);
}

/* --- datagrams in ---------------------------------------------------- */

/* The receiver's keypair, if the datagram is authentic and may be accepted; else NULL. */
static struct session *acceptable(struct host *host, const struct datagram *datagram)
{
	struct session *s = datagram->session
				    ? session_by_receiving_key(host, datagram->session->sending_key)
				    : NULL;
	uint32_t unused;

	if (!s || s->is_gone || world.now_ns >= s->birth_ns + REJECT_AFTER_TIME_NS ||
		datagram->counter >= REJECT_AFTER_MESSAGES)
		return NULL;
	return map_get(&s->accepted, datagram->counter, &unused) ? NULL : s;
}

void watch_receives(struct host *host, const struct datagram *datagram)
{
	struct session *s;

	if (datagram_type(datagram) != MESSAGE_DATA)
		return;
	for (unsigned i = 0; i < num_hosts; i++) {
		const uint32_t id = host_peer_id(host, &hosts[i]);
		const struct endpoint *endpoint = transport_endpoint(host->transport, id);

		if (!endpoint)
			continue;
		before[i].rx_bytes = host->page->peers[id].rx_bytes;
		before[i].endpoint = *endpoint;
	}
	s = acceptable(host, datagram);
	if (s)
		s->was_used = true;
}

static void accepted(struct host *host, struct host *other, const struct datagram *datagram)
{
	struct session *s = acceptable(host, datagram);

	trace("accepts", host->number, other->number, datagram->counter);
	must_hold(s, "nothing is accepted that is forged, altered, repeated or too late",
		"host %u of peer %u, counter %llu", host->number, other->number,
		(unsigned long long)datagram->counter);
	must_hold(s->other == other && datagram->session->host == other,
		"nothing is accepted as another's", "host %u", host->number);
	if (map_put(&s->accepted, datagram->counter, 1) < 0)
		violated("memory", "out of it");
}

void watch_received(struct host *host, const struct datagram *datagram)
{
	if (datagram_type(datagram) != MESSAGE_DATA)
		return;
	for (unsigned i = 0; i < num_hosts; i++) {
		const uint32_t id = host_peer_id(host, &hosts[i]);
		const struct endpoint *endpoint = transport_endpoint(host->transport, id);

		if (!endpoint)
			continue;
		if (host->page->peers[id].rx_bytes != before[i].rx_bytes)
			accepted(host, &hosts[i], datagram);
		else
			must_hold(endpoint_same_remote(endpoint, &before[i].endpoint),
				"only who is authentic roams", "peer %u of host %u", i,
				host->number);
	}
	watch_bounds(host);
}

/* --- bounds ---------------------------------------------------------- */

void watch_bounds(const struct host *host)
{
	const unsigned num_indices = inside_device_indices(host->device);
	const unsigned num_sessions = inside_transport_sessions(host->transport);
	const unsigned num_remote = inside_transport_remote_indices(host->transport);
	unsigned num_peers = 0;

	for (unsigned i = 0; i < num_hosts; i++)
		num_peers += host->others[i].is_peer;
	must_hold(num_indices <= num_peers * INDICES_OF_PEER + host->num_unsaid &&
			  num_sessions <= num_peers * SESSIONS_OF_PEER &&
			  num_remote <= num_peers * SESSIONS_OF_PEER,
		"receiver indices are given back", "host %u has %u, %u and %u for %u peers",
		host->number, num_indices, num_sessions, num_remote, num_peers);
	must_hold(host->memory.num_blocks <= BLOCKS_OF_HOST + num_peers * BLOCKS_OF_PEER &&
			  host->memory.num_bytes <= BYTES_OF_HOST + num_peers * BYTES_OF_PEER,
		"memory is bounded", "host %u has %zu blocks, %zu bytes", host->number,
		host->memory.num_blocks, host->memory.num_bytes);
}
