/* SPDX-License-Identifier: MIT
 *
 * The life of a member.
 */
#include "overlay/agent/member_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "crypto/dh.h"

#define ENROL_FIRST_NS (250 * MSEC_NS)
#define ENROL_PENDING_FIRST_NS SECOND_NS
#define ENROL_MAX_NS (30 * SECOND_NS)
#define ENROL_ACTIVE_MAX_NS (300 * SECOND_NS) /* the stream does not come up */
#define ENROL_CUT_OFF_MAX_NS (600 * SECOND_NS)
#define COOKIE_DELAY_NS (10 * MSEC_NS)
#define UP_FIRST_NS SECOND_NS
#define UP_MAX_NS (30 * SECOND_NS)
#define SAVE_DELAY_NS SECOND_NS
#define SAVE_RETRY_NS (5 * SECOND_NS)
#define LEAVE_NS (2 * SECOND_NS)

uint64_t member_backoff(struct member *m, unsigned tries, uint64_t min_ns, uint64_t max_ns)
{
	uint64_t ns = tries < 20 ? min_ns << tries : max_ns;
	uint32_t random;

	if (ns > max_ns)
		ns = max_ns;
	m->ops->random(m->ctx, &random, sizeof(random));
	return ns * 3 / 4 + ns / 2 * (random >> 12) / (1 << 20);
}

void member_touch(struct member *m, uint64_t now_ns)
{
	if (m->save_ns == 0)
		m->save_ns = now_ns + SAVE_DELAY_NS;
}

/* --- enrolment -------------------------------------------------------- */

void member_enrol_at(struct member *m, uint64_t at_ns)
{
	m->enrol_ns = at_ns;
	m->enrol_tries = 0;
}

static void end_enrol(struct member *m)
{
	/* a cookie stays, for the next time */
	wipe(m->initiator.ephemeral_private, sizeof(m->initiator.ephemeral_private));
	wipe(m->initiator.node_private, sizeof(m->initiator.node_private));
	wipe(&m->initiator.symmetric, sizeof(m->initiator.symmetric));
	m->initiator.index = 0;
	m->enrol_ns = 0;
	m->enrol_tries = 0;
	m->ops->end_enrol(m->ctx);
}

static uint64_t enrol_delay(struct member *m)
{
	switch (m->state) {
	case MEMBER_PENDING:
	case MEMBER_EXPIRED:
		return member_backoff(m, m->enrol_tries, ENROL_PENDING_FIRST_NS, ENROL_MAX_NS);
	case MEMBER_ACTIVE:
		return member_backoff(
			m, m->enrol_tries, 2 * ENROL_PENDING_FIRST_NS, ENROL_ACTIVE_MAX_NS);
	case MEMBER_CUT_OFF:
		return member_backoff(m, m->enrol_tries, ENROL_MAX_NS, ENROL_CUT_OFF_MAX_NS);
	default:
		return member_backoff(m, m->enrol_tries, ENROL_FIRST_NS, ENROL_MAX_NS);
	}
}

static void send_enrol(struct member *m, uint64_t now_ns)
{
	const struct join_link *link = &m->settings.link;
	struct enrol_request request = {
		.version = ENROL_VERSION, .time_s = (uint64_t)m->ops->wall_s(m->ctx)};
	struct message_enrol message;
	uint8_t random[36];

	memcpy(request.join_key, link->join_key, KEY_LEN);
	memcpy(request.network, link->network, strlen(link->network));
	memcpy(request.hostname, m->settings.name, strlen(m->settings.name));
	snprintf(request.agent_version, sizeof(request.agent_version), "%s", ADIT_VERSION);
	m->ops->random(m->ctx, random, sizeof(random));
	if (enrol_create_request(&m->initiator, m->private_key, link->hub_key, &request, random,
		    now_ns, &message) == 0)
		m->ops->send_enrol(m->ctx, &message);
	wipe(&request, sizeof(request));
	wipe(random, sizeof(random));
	m->enrol_ns = now_ns + enrol_delay(m);
	m->enrol_tries++;
}

/* --- up and down ------------------------------------------------------ */

static int add_hub(const struct member *m, struct config *config)
{
	struct config_peer *peer = config_add_peer(config);
	int r = peer ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	peer->flags = CONFIG_PEER_REPLACE_ALLOWED_IPS | CONFIG_PEER_HAS_KEEPALIVE;
	memcpy(peer->public_key, m->node.hub_key, KEY_LEN);
	peer->endpoint = m->node.hub;
	peer->keepalive_s = m->settings.keepalive_s;
	for (int i = 0; i < 2 && r == 0; i++)
		r = config_peer_add_allowed_ip(peer, &m->node.hub_addresses[i], false);
	return r;
}

static bool is_wanted(const struct member *m, const uint8_t key[KEY_LEN])
{
	for (unsigned i = 0; i < m->num_peers; i++) {
		if (memcmp(m->peers[i].news.public_key, key, KEY_LEN) == 0)
			return true;
	}
	return memcmp(m->node.hub_key, key, KEY_LEN) == 0;
}

/* Peers that the tunnel has from before, and we do not know. */
static int remove_others(
	const struct member *m, const struct config *present, struct config *config)
{
	for (size_t i = 0; i < present->num_peers; i++) {
		const uint8_t *key = present->peers[i].public_key;
		struct config_peer *peer;

		if (is_wanted(m, key))
			continue;
		peer = config_add_peer(config);
		if (!peer)
			return -ENOMEM;
		peer->flags = CONFIG_PEER_REMOVE;
		memcpy(peer->public_key, key, KEY_LEN);
	}
	return 0;
}

/* The tunnel may be there from before, with sessions that are to live on. */
static int configure_tunnel(struct member *m, uint16_t listen_port)
{
	struct config present = {0}, config = {0};
	int r = m->ops->get_tunnel(m->ctx, &present);

	if (r < 0)
		return r;
	if (listen_port != 0 && present.listen_port != listen_port) {
		config.flags |= CONFIG_HAS_LISTEN_PORT;
		config.listen_port = listen_port;
	}
	if (!bytes_equal(present.private_key, m->private_key, KEY_LEN)) {
		config.flags |= CONFIG_HAS_PRIVATE_KEY;
		memcpy(config.private_key, m->private_key, KEY_LEN);
	}
	r = remove_others(m, &present, &config);
	if (r == 0)
		r = add_hub(m, &config);
	if (r == 0)
		r = member_describe_peers(m, &config);
	if (r == 0)
		r = m->ops->set_tunnel(m->ctx, &config);
	config_deinit(&config);
	config_deinit(&present);
	return r;
}

static void learn_listen_port(struct member *m)
{
	struct config config = {0};

	if (m->ops->get_tunnel(m->ctx, &config) == 0 && config.listen_port != 0)
		m->listen_port = config.listen_port;
	config_deinit(&config);
}

static int open_filter(struct member *m)
{
	if (m->has_filter)
		return 0;
	m->filter_error = m->ops->open_filter(m->ctx, m->settings.ifname, m->node.hub_addresses, 2);
	m->has_filter = m->filter_error == 0;
	return m->filter_error;
}

/* The filter is there before anything can come in, and the addresses come last, so that who waits
 * for them finds everything in place. */
static int bring_up(struct member *m, uint64_t now_ns)
{
	int r = open_filter(m);

	if (r == 0)
		r = m->ops->open_tunnel(m->ctx, m->settings.ifname);
	if (r == 0) {
		/* if it was there before it knows best where peers are */
		member_take_status(m, now_ns);
		r = configure_tunnel(m, m->listen_port);
	}
	if (r == -EADDRINUSE && m->listen_port != 0) /* somebody took the port we had before */
		r = configure_tunnel(m, 0);
	for (int i = 0; i < 2 && r == 0; i++)
		r = m->ops->set_address(m->ctx, &m->node.addresses[i], true);
	return r;
}

static void up(struct member *m, uint64_t now_ns)
{
	int r = bring_up(m, now_ns);

	m->up_ns = 0;
	m->up_error = r;
	if (r < 0) {
		if (m->up_tries++ == 0)
			log_error("%s: cannot bring %s up: %s", m->settings.link.network,
				m->settings.ifname, strerror(-r));
		m->up_ns = now_ns + member_backoff(m, m->up_tries, UP_FIRST_NS, UP_MAX_NS);
		return;
	}
	m->is_up = true;
	m->up_tries = 0;
	learn_listen_port(m);
	member_watch_peers(m, now_ns);
	member_hub_open(m, now_ns);
}

static void down(struct member *m)
{
	const struct config none = {.flags = CONFIG_REPLACE_PEERS};

	member_hub_close(m);
	if (m->is_up) {
		(void)m->ops->set_tunnel(m->ctx, &none); /* at once; the rest takes a moment */
		m->ops->close_tunnel(m->ctx);
	}
	if (m->has_filter)
		m->ops->close_filter(m->ctx);
	m->is_up = m->has_filter = false;
	m->up_ns = m->look_ns = 0;
}

void member_tunnel_failed(struct member *m, uint64_t now_ns, int error)
{
	log_error("%s: %s: %s; it is made anew", m->settings.link.network, m->settings.ifname,
		strerror(-error));
	member_hub_close(m);
	m->ops->close_tunnel(m->ctx);
	m->is_up = false;
	m->up_error = error;
	m->look_ns = 0;
	m->up_ns = now_ns + member_backoff(m, m->up_tries++, UP_FIRST_NS / 4, UP_MAX_NS);
}

/* --- states ----------------------------------------------------------- */

static void enter(struct member *m, uint64_t now_ns, enum member_state state)
{
	if (m->state == state)
		return;
	m->state = state;
	m->since_ns = now_ns;
	member_touch(m, now_ns);
}

void member_lose(struct member *m, uint64_t now_ns, enum news_state state)
{
	static const uint8_t no_key[KEY_LEN];
	bool may_return = state == NEWS_PENDING || state == NEWS_EXPIRED;

	if (m->state == MEMBER_LEAVING)
		return;
	enter(m, now_ns,
		state == NEWS_PENDING	? MEMBER_PENDING
		: state == NEWS_EXPIRED ? MEMBER_EXPIRED
					: MEMBER_CUT_OFF);
	m->cut_off_by = state;
	down(m);
	member_forget_peers(m);
	m->seq = 0;
	m->is_known = false;
	member_touch(m, now_ns);
	/* Who is revoked or removed comes back only by a join key that is meant to stay. */
	if (m->enrol_ns == 0 &&
		(may_return || (m->settings.is_configured &&
				       !bytes_equal(m->settings.link.join_key, no_key, KEY_LEN))))
		member_enrol_at(m, now_ns + enrol_delay(m));
}

/* What the hub said about us takes effect: also on a tunnel that is up. */
static void take_answer(struct member *m, uint64_t now_ns, const struct endpoint *from,
	const struct enrol_answer *a)
{
	const struct node_info before = m->node;
	bool moves;

	m->node = (struct node_info){
		.id = a->node_id,
		.hub = *from,
		.api_port = a->api_port,
		.addresses = {a->address4, a->address6},
		.hub_addresses = {a->hub_address4, a->hub_address6},
	};
	m->node.hub.port = a->hub_port;
	endpoint_clear_source(&m->node.hub);
	memcpy(m->node.name, a->name, sizeof(m->node.name));
	memcpy(m->node.hub_key, a->hub_key, KEY_LEN);
	member_touch(m, now_ns);
	moves = memcmp(before.addresses, m->node.addresses, sizeof(before.addresses)) != 0 ||
		memcmp(before.hub_addresses, m->node.hub_addresses, sizeof(before.hub_addresses)) !=
			0;
	if (m->is_up && moves) /* rare: the network was made anew */
		down(m);
	if (before.id != 0 && before.id != m->node.id) {
		member_forget_peers(m);
		m->seq = 0;
	}
	if (m->is_up) {
		int r = configure_tunnel(m, m->listen_port);

		if (r < 0)
			member_tunnel_failed(m, now_ns, r);
		else
			member_hub_open(m, now_ns);
	}
}

static void become_active(struct member *m, uint64_t now_ns, const struct endpoint *from,
	const struct enrol_answer *a)
{
	end_enrol(m);
	if (m->state != MEMBER_ACTIVE)
		log_error("%s: joined as %s", m->settings.link.network, a->name);
	enter(m, now_ns, MEMBER_ACTIVE);
	m->cut_off_by = NEWS_UNKNOWN;
	take_answer(m, now_ns, from, a);
	if (!m->is_up)
		up(m, now_ns);
}

static void take_enrolment(struct member *m, uint64_t now_ns, const struct endpoint *from,
	const struct enrol_answer *a)
{
	m->heard_ns = (int64_t)now_ns;
	if (!m->settings.is_configured) /* from now on the hub knows us by our own key */
		wipe(m->settings.link.join_key, KEY_LEN);
	if (a->state == ENROL_ACTIVE) {
		become_active(m, now_ns, from, a);
		return;
	}
	if (m->state == MEMBER_ENROLLING || m->state == MEMBER_CUT_OFF)
		m->enrol_tries = 0; /* it waits now, with another rhythm */
	member_lose(m, now_ns, a->state == ENROL_EXPIRED ? NEWS_EXPIRED : NEWS_PENDING);
	m->enrol_ns = now_ns + enrol_delay(m);
}

void member_enrol_datagram(struct member *m, uint64_t now_ns, const struct endpoint *from,
	const void *data, size_t len)
{
	struct enrol_answer answer;
	int r;

	if (m->initiator.index == 0 || m->state == MEMBER_LEAVING)
		return;
	r = enrol_consume_response(&m->initiator, data, len, now_ns, &answer);
	if (r == -EAGAIN)
		m->enrol_ns = now_ns + COOKIE_DELAY_NS;
	else if (r == 0)
		take_enrolment(m, now_ns, from, &answer);
	member_reschedule(m);
}

/* --- leaving ---------------------------------------------------------- */

static void finish_leaving(struct member *m)
{
	down(m);
	member_forget_peers(m);
	end_enrol(m);
	member_drop_requests(m);
	m->save_ns = m->leave_ns = 0;
	m->ops->left(m->ctx);
}

void member_leave(struct member *m, uint64_t now_ns)
{
	const struct member_request request = {.kind = REQUEST_LEAVE};
	bool can_tell = m->stream == STREAM_UP;

	if (m->state == MEMBER_LEAVING)
		return;
	m->state = MEMBER_LEAVING;
	m->enrol_ns = m->up_ns = m->look_ns = m->endpoints_ns = m->stream_ns = 0;
	m->leave_ns = now_ns + (can_tell ? LEAVE_NS : 0);
	if (can_tell && member_request(m, &request, "POST", "/v1/leave", NULL) < 0)
		m->leave_ns = now_ns;
	member_reschedule(m);
}

/* --- the clock -------------------------------------------------------- */

void member_reschedule(struct member *m)
{
	const uint64_t deadlines[] = {m->enrol_ns, m->up_ns, m->stream_ns, m->endpoints_ns,
		m->look_ns, m->save_ns, m->leave_ns};
	uint64_t next_ns = 0;

	for (size_t i = 0; i < ARRAY_SIZE(deadlines); i++) {
		if (deadlines[i] != 0 && (next_ns == 0 || deadlines[i] < next_ns))
			next_ns = deadlines[i];
	}
	if (next_ns == m->scheduled_ns)
		return;
	m->scheduled_ns = next_ns;
	m->ops->schedule(m->ctx, next_ns);
}

static bool is_due(uint64_t deadline_ns, uint64_t now_ns)
{
	return deadline_ns != 0 && deadline_ns <= now_ns;
}

static void save(struct member *m, uint64_t now_ns)
{
	int r = m->ops->save(m->ctx);

	if (r < 0 && r != m->save_error)
		log_error("%s: what is known cannot be saved: %s; it works on from memory",
			m->settings.link.network, strerror(-r));
	if (r == 0 && m->save_error < 0)
		log_error("%s: saved again", m->settings.link.network);
	m->save_error = r;
	m->save_ns = r < 0 ? now_ns + SAVE_RETRY_NS : 0;
}

void member_tick(struct member *m, uint64_t now_ns)
{
	m->scheduled_ns = 0;
	if (is_due(m->save_ns, now_ns))
		save(m, now_ns);
	if (is_due(m->enrol_ns, now_ns))
		send_enrol(m, now_ns);
	if (is_due(m->up_ns, now_ns))
		up(m, now_ns);
	if (m->is_up) {
		member_hub_tick(m, now_ns);
		member_peers_tick(m, now_ns);
	}
	if (is_due(m->leave_ns, now_ns)) {
		finish_leaving(m);
		return;
	}
	member_reschedule(m);
}

/* A person has joined again: a join key is kept only until it has been used. */
static bool has_new_link(const struct member *m)
{
	return !m->settings.is_configured && !bytes_are_zero(m->settings.link.join_key, KEY_LEN);
}

void member_start(struct member *m, uint64_t now_ns)
{
	m->since_ns = now_ns;
	member_touch(m, now_ns);
	if (m->state == MEMBER_CUT_OFF && has_new_link(m))
		m->state = MEMBER_ENROLLING;
	if (m->state == MEMBER_ACTIVE)
		up(m, now_ns);
	else if (m->state != MEMBER_CUT_OFF || m->settings.is_configured)
		member_enrol_at(m, now_ns);
	if (m->enrol_ns != 0)
		send_enrol(m, now_ns);
	member_reschedule(m);
}

/* --- what comes from outside: each may move the next deadline --------- */

void member_tunnel_died(struct member *m, uint64_t now_ns)
{
	if (m->is_up)
		member_tunnel_failed(m, now_ns, -EPIPE);
	member_reschedule(m);
}

struct member *member_new(const struct member_settings *settings,
	const uint8_t private_key[KEY_LEN], const struct member_ops *ops, void *ctx)
{
	struct member *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->settings = *settings;
	m->ops = ops;
	m->ctx = ctx;
	m->heard_ns = INT64_MIN;
	memcpy(m->private_key, private_key, KEY_LEN);
	dh_public(m->public_key, private_key);
	m->listen_port = settings->endpoint.port; /* until the state file says otherwise */
	return m;
}

void member_free(struct member *m)
{
	if (!m)
		return;
	member_drop_requests(m);
	member_forget_peers(m);
	free(m->peers);
	wipe(m, sizeof(*m));
	free(m);
}

enum member_state member_state(const struct member *m)
{
	return m->state;
}

bool member_is_usable(const struct member *m)
{
	return m->state == MEMBER_ACTIVE && m->is_up && m->is_known;
}

bool member_lacks_interface(const struct member *m)
{
	return m->state == MEMBER_ACTIVE && !m->is_up && m->up_error == -EBUSY;
}

const struct member_settings *member_settings(const struct member *m)
{
	return &m->settings;
}
