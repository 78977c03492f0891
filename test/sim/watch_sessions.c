/* SPDX-License-Identifier: MIT
 *
 * The invariants of handshakes, sessions and receiver indices: what an engine may say.
 */
#include "inside.h"
#include "watch.h"

struct watch_counts watch_counts;

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

struct session *session_by_receiving_key(struct host *host, const uint8_t key[KEY_LEN])
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
	trace(s->is_initiator ? "session initiated" : "session answered", host->number,
		other->number, keypair->local_index);
	trace_bytes("session key", host->number, keypair->sending_key, KEY_LEN);
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
