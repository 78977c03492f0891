/* SPDX-License-Identifier: MIT
 *
 * The invariants of sessions and datagrams. What the core says of itself is believed of nothing
 * that the wire or the other side can tell.
 */
#include "watch.h"

#include "inside.h"
#include "traffic.h"

enum {
	STRANGERS_MAX = 64,
	SESSIONS_OF_PEER = 3,			/* previous, current, next */
	INDICES_OF_PEER = 1 + SESSIONS_OF_PEER, /* and that of the handshake under way */
	BLOCKS_OF_HOST = 48,
	BLOCKS_OF_PEER = 2 + SESSIONS_OF_PEER,
	BYTES_OF_PEER = 16 << 10,
	BYTES_OF_HOST = 128 << 20, /* tables for a million peers, hardly touched */
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

struct watch_counts watch_counts;

static struct stranger strangers[STRANGERS_MAX];
static unsigned num_strangers;
static struct before before[HOSTS_MAX];
static uint64_t num_genuine;

void watch_start(void)
{
	num_strangers = 0;
	num_genuine = 0;
}

void watch_end(void)
{
	for (unsigned i = 0; i < num_hosts; i++) {
		while (hosts[i].sessions) {
			struct session *session = hosts[i].sessions;

			hosts[i].sessions = session->next;
			map_deinit(&session->accepted);
			own_free(session);
		}
	}
}

/* --- sessions -------------------------------------------------------- */

struct session *session_by_sending_key(const uint8_t key[KEY_LEN])
{
	for (unsigned i = 0; i < num_hosts; i++) {
		for (struct session *s = hosts[i].sessions; s; s = s->next) {
			if (memcmp(s->sending_key, key, KEY_LEN) == 0)
				return s;
		}
	}
	return NULL;
}

static struct session *session_by_receiving_key(struct host *host, const uint8_t key[KEY_LEN])
{
	for (struct session *s = host->sessions; s; s = s->next) {
		if (memcmp(s->receiving_key, key, KEY_LEN) == 0)
			return s;
	}
	return NULL;
}

static struct session *session_new(
	struct host *host, struct host *other, const struct control_keypair *keypair)
{
	struct session *s = own_alloc(sizeof(*s));

	*s = (struct session){.next = host->sessions,
		.host = host,
		.other = other,
		.local_index = keypair->local_index,
		.remote_index = keypair->remote_index,
		.is_initiator = keypair->is_initiator != 0,
		.birth_ns = world.now_ns};
	memcpy(s->sending_key, keypair->sending_key, KEY_LEN);
	memcpy(s->receiving_key, keypair->receiving_key, KEY_LEN);
	memcpy(s->psk, host->others[other->number].psk, KEY_LEN);
	memcpy(s->other_public_key, host->others[other->number].public_key, KEY_LEN);
	memcpy(s->public_key, host->public_key, KEY_LEN);
	host->sessions = s;
	watch_counts.sessions++;
	return s;
}

/* The initiator's keypair is the mirror of one that the right responder made. */
static void check_mirror(const struct session *s)
{
	const struct session *mirror = session_by_sending_key(s->receiving_key);

	must_hold(mirror && mirror->host == s->other && mirror->other == s->host,
		"sessions are with who they seem to be with", "host %u with %u", s->host->number,
		s->other->number);
	must_hold(!mirror->is_initiator && mirror->local_index == s->remote_index &&
			  mirror->remote_index == s->local_index &&
			  memcmp(mirror->receiving_key, s->sending_key, KEY_LEN) == 0,
		"both sides of a session agree", "host %u with %u", s->host->number,
		s->other->number);
	must_hold(memcmp(mirror->psk, s->psk, KEY_LEN) == 0 &&
			  memcmp(mirror->other_public_key, s->public_key, KEY_LEN) == 0 &&
			  memcmp(mirror->public_key, s->other_public_key, KEY_LEN) == 0,
		"no session without the right keys", "host %u with %u", s->host->number,
		s->other->number);
}

/* The responder's keypair answers an initiation that the right initiator made and that was not
 * answered before. */
static void check_initiation(struct host *host, struct host *other, const struct session *s,
	const struct control_keypair *keypair)
{
	struct acquaintance *acquaintance = &host->others[other->number];

	for (unsigned i = 0; i < host->num_handling; i++) {
		const struct notice *notice = &host->handling[i];

		if (notice->event.type != EVENT_HANDSHAKE_MESSAGE || notice->from != other ||
			load_le32(notice->event.message + 4) != s->remote_index ||
			!endpoint_same_remote(&notice->event.endpoint, &keypair->endpoint))
			continue;
		must_hold(!notice->has_stolen_cookie || !host->is_under_load,
			"a cookie is good for its address alone", "host %u", host->number);
		if (other->is_hostile)
			return;
		if (notice->id <= acquaintance->last_consumed)
			continue;
		acquaintance->last_consumed = notice->id;
		return;
	}
	violated("no session from an initiation that is forged, altered or old", "host %u, peer %u",
		host->number, other->number);
}

static void check_response(const struct host *host, const struct host *other,
	const struct session *s, const struct control_keypair *keypair)
{
	for (unsigned i = 0; i < host->num_handling; i++) {
		const struct notice *notice = &host->handling[i];

		if (notice->from == other && notice->id != 0 &&
			load_le32(notice->event.message + 4) == s->remote_index &&
			endpoint_same_remote(&notice->event.endpoint, &keypair->endpoint))
			return;
	}
	violated("no session from a response that is forged or altered", "host %u, peer %u",
		host->number, other->number);
}

static void session_made(
	struct host *host, struct host *other, const struct control_keypair *keypair)
{
	struct session *s;

	must_hold(!session_by_sending_key(keypair->sending_key) &&
			  !session_by_receiving_key(host, keypair->receiving_key),
		"no key is used for two sessions", "host %u", host->number);
	for (s = host->sessions; s; s = s->next)
		must_hold(s->is_gone || s->local_index != keypair->local_index,
			"receiver indices are unique", "host %u, index %u", host->number,
			keypair->local_index);
	s = session_new(host, other, keypair);
	trace_bytes("session", host->number, keypair->sending_key, KEY_LEN);
	if (s->is_initiator) {
		check_mirror(s);
		check_response(host, other, s, keypair);
	} else {
		check_initiation(host, other, s, keypair);
	}
	host->others[other->number].last_derived_ns = world.now_ns;
	secrets_session(host, host_peer_id(host, other), keypair->local_index, keypair->sending_key,
		keypair->receiving_key);
}

/* --- what engine and datapath say ------------------------------------ */

/* Initiations wait for REKEY_TIMEOUT after any handshake message to the peer; responses follow
 * initiations, which a peer may send only so often. */
static void handshake_sent(
	struct host *host, struct host *other, const struct control_handshake *handshake)
{
	struct acquaintance *a = &host->others[other->number];
	const uint32_t type = load_le32(handshake->message);
	const uint64_t last_ns = a->last_initiation_ns > a->last_response_ns ? a->last_initiation_ns
									     : a->last_response_ns;

	trace("handshake", host->number, other->number, type);
	if (type == MESSAGE_INITIATION) {
		must_hold(!last_ns || world.now_ns >= last_ns + REKEY_TIMEOUT_NS,
			"an initiation every REKEY_TIMEOUT at most", "host %u to %u", host->number,
			other->number);
		a->last_initiation_ns = world.now_ns;
		a->has_initiated = true;
		secrets_initiated(host, host_peer_id(host, other), handshake->message + 8);
	} else {
		must_hold(!a->last_response_ns ||
				  world.now_ns >= a->last_response_ns + INITIATION_INTERVAL_MIN_NS,
			"responses are bounded", "host %u to %u", host->number, other->number);
		a->last_response_ns = world.now_ns;
	}
}

void watch_forgets(struct host *host, struct host *other)
{
	struct acquaintance *a = &host->others[other->number];

	a->last_initiation_ns = a->last_response_ns = 0;
	secrets_forget_handshake(host, host_peer_id(host, other));
}

static void cookie_sent(const struct host *host)
{
	must_hold(inside_cookie_birth_ns(host->device) + COOKIE_SECRET_MAX_AGE_NS >
			  host_time(host).now_ns,
		"cookie secrets are renewed", "host %u", host->number);
}

void watch_control(struct host *host, const struct control *control)
{
	struct host *other = host_by_peer_id(host, control->peer_id);

	if (control->type == CONTROL_SEND_COOKIE_REPLY) {
		cookie_sent(host);
		return;
	}
	must_hold(other && host->others[other->number].is_peer, "controls are about peers",
		"host %u, peer %u", host->number, control->peer_id);
	if (control->type == CONTROL_SEND_HANDSHAKE)
		handshake_sent(host, other, &control->handshake);
	else if (control->type == CONTROL_INSTALL_KEYPAIR)
		session_made(host, other, &control->keypair);
	else if (control->type == CONTROL_CLEAR_KEYPAIRS)
		secrets_forget_handshake(host, control->peer_id);
}

void watch_event(struct host *host, const struct event *event)
{
	if (event->type != EVENT_KEYPAIR_GONE)
		return;
	for (struct session *s = host->sessions; s; s = s->next) {
		if (!s->is_gone && s->local_index == event->local_index) {
			s->is_gone = true;
			s->gone_ns = world.now_ns;
		}
	}
	secrets_session_gone(host, event->local_index);
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
