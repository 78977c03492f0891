/* SPDX-License-Identifier: MIT
 *
 * What a member and its hub say to each other once they have a tunnel.
 */
#include "overlay/agent/member_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "overlay/wire/ranges.h"
#include "overlay/wire/json.h"

#define STREAM_FIRST_NS (200 * MSEC_NS)
#define STREAM_MAX_NS (30 * SECOND_NS)
#define STREAM_SILENCE_NS (330 * SECOND_NS) /* the hub says something every 300 s */
#define STREAM_OPENING_NS (15 * SECOND_NS)
#define ENROL_AFTER_NS (10 * SECOND_NS) /* without a stream: has the hub moved? */
#define ENDPOINTS_DELAY_NS SECOND_NS
#define REFUSAL_NS (3 * SECOND_NS)

enum { SMALL_JSON = JSON_COMPACT };

static struct endpoint api_of(const struct member *m)
{
	const struct prefix *hub = &m->node.hub_addresses[0];
	struct endpoint api = {.family = hub->family, .port = m->node.api_port};

	memcpy(api.addr, hub->addr, sizeof(api.addr));
	return api;
}

/* --- the stream ------------------------------------------------------- */

void member_hub_open(struct member *m, uint64_t now_ns)
{
	if (m->stream != STREAM_DOWN)
		return;
	m->stream_ns = now_ns;
	m->stream_tries = 0;
	m->since_ns = now_ns;
}

void member_hub_close(struct member *m)
{
	if (m->stream != STREAM_DOWN)
		m->ops->close_stream(m->ctx);
	m->stream = STREAM_DOWN;
	m->stream_ns = m->endpoints_ns = 0;
}

static void stream_failed(struct member *m, uint64_t now_ns, const char *why)
{
	if (m->stream == STREAM_UP)
		m->since_ns = now_ns;
	m->stream = STREAM_DOWN;
	snprintf(m->stream_error, sizeof(m->stream_error), "%s", why);
	m->stream_ns =
		now_ns + member_backoff(m, m->stream_tries++, STREAM_FIRST_NS, STREAM_MAX_NS);
	/* Perhaps the hub has another key or address now: its door tells. */
	if (m->enrol_ns == 0)
		member_enrol_at(
			m, m->since_ns + member_backoff(m, 0, ENROL_AFTER_NS, ENROL_AFTER_NS));
}

static void open_stream(struct member *m, uint64_t now_ns)
{
	const struct endpoint api = api_of(m);
	char path[64];

	snprintf(path, sizeof(path), "/v1/stream?since=%llu", (unsigned long long)m->seq);
	m->stream = STREAM_OPENING;
	m->stream_ns = now_ns + STREAM_OPENING_NS;
	if (m->ops->open_stream(m->ctx, &api, path) < 0)
		stream_failed(m, now_ns, "memory is out");
}

/* Ours, the configured one first; then those of the machine, if they are not of this network. */
static void report_endpoints(struct member *m)
{
	const struct member_request request = {.kind = REQUEST_ENDPOINTS};
	struct endpoint own[MEMBER_ENDPOINTS_MAX];
	unsigned num = m->ops->endpoints(m->ctx, own);
	json_t *list = json_array(), *body;
	char text[ENDPOINT_TEXT_LEN], *json;

	m->endpoints_ns = 0;
	if (m->settings.endpoint.family != 0) {
		endpoint_to_text(text, &m->settings.endpoint);
		json_put_last(&list, json_string(text));
	}
	for (unsigned i = 0; i < num && json_array_size(list) < MEMBER_ENDPOINTS_MAX; i++) {
		own[i].port = m->listen_port;
		endpoint_to_text(text, &own[i]);
		if (m->listen_port != 0)
			json_put_last(&list, json_string(text));
	}
	body = json_pack("{s:o}", "endpoints", list);
	json = json_to_text(body, SMALL_JSON);
	if (json)
		(void)member_request(m, &request, "PUT", "/v1/endpoints", json);
	free(json);
	json_decref(body);
}

void member_addresses_changed(struct member *m, uint64_t now_ns)
{
	if (m->stream == STREAM_UP && m->endpoints_ns == 0)
		m->endpoints_ns = now_ns + ENDPOINTS_DELAY_NS; /* they come in bursts */
	member_reschedule(m);
}

static void take_self(struct member *m, uint64_t now_ns, const struct news_self *self)
{
	if (strcmp(m->node.name, self->name) != 0 || m->expires_s != self->expires_s)
		member_touch(m, now_ns);
	memcpy(m->node.name, self->name, sizeof(m->node.name));
	m->expires_s = self->expires_s;
	if (self->state != NEWS_ACTIVE)
		member_lose(m, now_ns, self->state);
}

static void take_hello(struct member *m, uint64_t now_ns, const struct news_line *line)
{
	m->stream = STREAM_UP;
	m->is_known = true;
	m->stream_tries = 0;
	m->stream_error[0] = '\0';
	m->enrol_ns = 0;
	m->endpoints_ns = now_ns;
	m->ops->end_enrol(m->ctx);
	if (line->seq < m->seq) {
		/* The hub knows less than it once told us: it was set back. Begin anew. */
		m->seq = 0;
		m->ops->close_stream(m->ctx);
		stream_failed(m, now_ns, "the hub was set back");
		return;
	}
	take_self(m, now_ns, &line->self);
}

static void put_peer(struct member *m, uint64_t now_ns, struct news_line *line)
{
	const struct member_request request = {.kind = REQUEST_READY};
	int64_t id = line->peer.id;
	char body[48];

	/* Who waits for us begins the session; who did not, or not any more, may have tried to
	 * before we knew it. */
	member_put_peer(m, now_ns, &line->peer, !line->is_awaited);
	if (!line->is_awaited)
		return;
	snprintf(body, sizeof(body), "{\"id\": %lld}", (long long)id);
	(void)member_request(m, &request, "POST", "/v1/ready", body);
}

static void take_line(struct member *m, uint64_t now_ns, struct news_line *line)
{
	if (line->event == NEWS_HELLO) {
		take_hello(m, now_ns, line);
		return;
	}
	if (line->event == NEWS_PEER)
		put_peer(m, now_ns, line);
	else if (line->event == NEWS_GONE)
		member_remove_peer(m, now_ns, line->id);
	else if (line->event == NEWS_SELF)
		take_self(m, now_ns, &line->self);
	/* Not hello's: what it announces is still to come. And not after we were cut off. */
	if (line->seq > m->seq && m->stream == STREAM_UP) {
		m->seq = line->seq;
		member_touch(m, now_ns);
	}
}

void member_stream_line(struct member *m, uint64_t now_ns, const char *text, size_t len)
{
	struct news_line line;
	int r;

	if (m->stream == STREAM_DOWN)
		return;
	m->heard_ns = (int64_t)now_ns;
	m->stream_ns = now_ns + STREAM_SILENCE_NS;
	if (len > 0) {
		r = news_line_parse(&line, text, len);
		if (r == 0) {
			if (line.event == NEWS_HELLO || m->stream == STREAM_UP)
				take_line(m, now_ns, &line);
			news_line_deinit(&line);
		} else {
			log_error(
				"%s: a line from the hub makes no sense", m->settings.link.network);
		}
	}
	member_reschedule(m);
}

/* "error" in the body of an answer, or a few words about the status. */
static void describe_answer(
	char *ret_text, size_t size, int status, const json_t *json, const char *body, size_t len)
{
	const char *error = json_string_value(json_object_get(json, "error"));

	if (status < 0)
		snprintf(ret_text, size, "%.*s", (int)len, body);
	else if (error)
		snprintf(ret_text, size, "%s", error);
	else
		snprintf(ret_text, size, "the hub answered %d", status);
	/* for terminals and JSON, and cut anywhere */
	for (char *c = ret_text; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
}

/* Whether this answer says that we are no active member; then we act on it. */
static bool is_lost(struct member *m, uint64_t now_ns, int status, const json_t *json)
{
	enum news_state state =
		news_state_from_text(json_string_value(json_object_get(json, "state")));

	if (status != 403 || state == NEWS_ACTIVE)
		return false;
	member_lose(m, now_ns, state == NEWS_UNKNOWN ? NEWS_REMOVED : state);
	return true;
}

void member_stream_ended(
	struct member *m, uint64_t now_ns, int status, const char *body, size_t len)
{
	json_t *json = status > 0 && len > 0 ? json_loadb(body, len, 0, NULL) : NULL;
	char why[sizeof(m->stream_error)];

	if (m->stream != STREAM_DOWN) {
		if (status == 200)
			snprintf(why, sizeof(why), "the hub ended the stream");
		else
			describe_answer(why, sizeof(why), status, json, body, len);
		stream_failed(m, now_ns, why);
		(void)is_lost(m, now_ns, status, json);
	}
	json_decref(json);
	member_reschedule(m);
}

void member_hub_tick(struct member *m, uint64_t now_ns)
{
	if (m->endpoints_ns != 0 && m->endpoints_ns <= now_ns)
		report_endpoints(m);
	if (m->stream_ns == 0 || m->stream_ns > now_ns)
		return;
	if (m->stream == STREAM_DOWN) {
		open_stream(m, now_ns);
	} else {
		m->ops->close_stream(m->ctx);
		stream_failed(m, now_ns, "the hub is silent");
	}
}

/* --- requests --------------------------------------------------------- */

static struct member_request *free_request(struct member *m)
{
	struct member_request *requests;

	for (unsigned i = 0; i < m->num_requests; i++) {
		if (m->requests[i].id == 0)
			return &m->requests[i];
	}
	if (m->num_requests == MEMBER_REQUESTS_MAX)
		return NULL;
	requests = reallocarray(m->requests, m->num_requests + 1, sizeof(*requests));
	if (!requests)
		return NULL;
	m->requests = requests;
	return &m->requests[m->num_requests++];
}

int member_request(struct member *m, const struct member_request *request, const char *method,
	const char *path, const char *body)
{
	const struct endpoint api = api_of(m);
	struct member_request *place = free_request(m);
	int r;

	if (!place)
		return -ENOBUFS;
	*place = *request;
	if (++m->last_request == 0)
		++m->last_request;
	place->id = m->last_request;
	r = m->ops->request(m->ctx, place->id, method, &api, path, body);
	if (r < 0)
		place->id = 0;
	return r;
}

void member_drop_requests(struct member *m)
{
	for (unsigned i = 0; i < m->num_requests; i++) {
		struct member_request request = m->requests[i];

		m->requests[i].id = 0;
		if (request.id != 0 && request.found)
			request.found(request.found_ctx, NULL, 0, "the network was left");
	}
	free(m->requests);
	m->requests = NULL;
	m->num_requests = 0;
}

/* --- peers on demand -------------------------------------------------- */

static bool is_same_address(const struct prefix *a, const struct prefix *b)
{
	return a->family == b->family && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

bool member_owns_address(const struct member *m, const struct prefix *address)
{
	for (int i = 0; i < 2; i++) {
		if (prefix_contains(&m->node.addresses[i], address) &&
			!is_same_address(&m->node.addresses[i], address) &&
			!is_same_address(&m->node.hub_addresses[i], address))
			return true;
	}
	return false;
}

static bool was_refused(const struct member *m, uint64_t now_ns, const struct prefix *address)
{
	for (unsigned i = 0; i < MEMBER_REFUSALS; i++) {
		if (m->refusals[i].until_ns > now_ns &&
			is_same_address(&m->refusals[i].address, address))
			return true;
	}
	return false;
}

static void refuse(struct member *m, uint64_t now_ns, const struct prefix *address)
{
	m->refusals[m->next_refusal] = (struct member_refusal){*address, now_ns + REFUSAL_NS};
	m->next_refusal = (m->next_refusal + 1) % MEMBER_REFUSALS;
	m->ops->refuse(m->ctx, address);
}

static bool is_asked(const struct member *m, const struct prefix *address)
{
	for (unsigned i = 0; i < m->num_requests; i++) {
		if (m->requests[i].id != 0 && m->requests[i].kind == REQUEST_CONNECT &&
			is_same_address(&m->requests[i].address, address))
			return true;
	}
	return false;
}

void member_ask_for(struct member *m, const struct prefix *address)
{
	struct member_request request = {.kind = REQUEST_CONNECT, .address = *address};
	char text[PREFIX_TEXT_LEN], body[sizeof(text) + 32];

	news_address_to_text(text, address);
	snprintf(body, sizeof(body), "{\"address\": \"%s\"}", text);
	/* If it cannot be asked now, the tunnel gives up by itself, and the next packet asks. */
	(void)member_request(m, &request, "POST", "/v1/connect", body);
}

void member_wanted(struct member *m, uint64_t now_ns, const struct prefix *address)
{
	if (m->state != MEMBER_ACTIVE || !m->is_up || is_asked(m, address))
		return;
	if (!member_owns_address(m, address) || was_refused(m, now_ns, address)) {
		m->ops->refuse(m->ctx, address);
		return;
	}
	member_ask_for(m, address);
	member_reschedule(m);
}

static void remove_peer_at(struct member *m, uint64_t now_ns, const struct prefix *address)
{
	for (unsigned i = 0; i < m->num_peers; i++) {
		if (is_same_address(&m->peers[i].news.addresses[0], address)) {
			member_remove_peer(m, now_ns, m->peers[i].news.id);
			return;
		}
	}
}

static void take_connect(struct member *m, uint64_t now_ns, const struct member_request *request,
	int status, const json_t *json)
{
	struct news_peer peer;

	if (status == 404 || status == 409) {
		remove_peer_at(m, now_ns, &request->address);
		refuse(m, now_ns, &request->address);
		return;
	}
	if (status == 200 && news_peer_from_json(&peer, json_object_get(json, "peer")) == 0) {
		member_put_peer(m, now_ns, &peer, false);
		news_peer_deinit(&peer);
		return;
	}
	log_debug("%s: connect: %d", m->settings.link.network, status);
}

/* --- by name ---------------------------------------------------------- */

void member_find(
	struct member *m, uint64_t now_ns, const char *name, member_found *found, void *ctx)
{
	const struct member_request request = {
		.kind = REQUEST_NAME, .found = found, .found_ctx = ctx};
	char path[NODE_NAME_MAX + 32];
	int r = -EINVAL;

	(void)now_ns;
	if (m->state != MEMBER_ACTIVE || !m->is_up) {
		found(ctx, NULL, 0, "not joined yet");
		return;
	}
	for (unsigned i = 0; i < m->num_peers; i++) {
		const struct news_peer *peer = &m->peers[i].news;

		if (strcmp(peer->name, name) == 0) {
			found(ctx, peer->addresses, peer->num_addresses, NULL);
			return;
		}
	}
	if (node_name_is_valid(name)) {
		snprintf(path, sizeof(path), "/v1/names?name=%s", name);
		r = member_request(m, &request, "GET", path, NULL);
	}
	if (r < 0)
		found(ctx, NULL, 0, r == -EINVAL ? "that is no name of a node" : strerror(-r));
}

static void take_name(const struct member_request *request, int status, const json_t *json,
	const char *body, size_t len)
{
	struct prefix addresses[NEWS_ADDRESSES_MAX];
	char why[160];
	int num = -EBADMSG;

	if (status == 200)
		num = news_addresses_from_json(
			addresses, NEWS_ADDRESSES_MAX, json_object_get(json, "addresses"), false);
	describe_answer(why, sizeof(why), status, json, body, len);
	if (num > 0)
		request->found(request->found_ctx, addresses, (unsigned)num, NULL);
	else
		request->found(request->found_ctx, NULL, 0,
			status == 404	? "the hub knows no such node, or the policy hides it"
			: status == 200 ? "the hub's answer makes no sense"
					: why);
}

/* --- answers ---------------------------------------------------------- */

static void take_answer(struct member *m, uint64_t now_ns, const struct member_request *request,
	int status, const char *body, size_t len)
{
	json_t *json = status > 0 && len > 0 ? json_loadb(body, len, 0, NULL) : NULL;

	if (request->kind == REQUEST_NAME) /* who waits is told in any case */
		take_name(request, status, json, body, len);
	if (request->kind == REQUEST_LEAVE && m->state == MEMBER_LEAVING)
		m->leave_ns = now_ns;
	else if (!is_lost(m, now_ns, status, json) && request->kind == REQUEST_CONNECT)
		take_connect(m, now_ns, request, status, json);
	else if (request->kind == REQUEST_ENDPOINTS && status != 204 && m->stream == STREAM_UP)
		m->endpoints_ns = now_ns + member_backoff(m, 0, STREAM_MAX_NS, STREAM_MAX_NS);
	json_decref(json);
}

void member_answered(
	struct member *m, uint64_t now_ns, uint32_t id, int status, const char *body, size_t len)
{
	for (unsigned i = 0; i < m->num_requests; i++) {
		struct member_request request = m->requests[i];

		if (request.id != id || id == 0)
			continue;
		m->requests[i].id = 0;
		if (status > 0)
			m->heard_ns = (int64_t)now_ns;
		take_answer(m, now_ns, &request, status, body, len);
		break;
	}
	member_reschedule(m);
}
