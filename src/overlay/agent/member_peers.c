/* SPDX-License-Identifier: MIT
 *
 * The peers of a member: those it talks to now, or did in the last quarter of an hour.
 */
#include "overlay/agent/member_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#define ROTATE_NS (5 * SECOND_NS) /* REKEY_TIMEOUT: the tunnel sends no initiation before */
#define ROTATE_FOR_NS (60 * SECOND_NS)
#define LOOK_NS (60 * SECOND_NS)
#define IDLE_NS (900 * SECOND_NS)

struct member_peer *member_find_peer(struct member *m, int64_t id)
{
	for (unsigned i = 0; i < m->num_peers; i++) {
		if (m->peers[i].news.id == id)
			return &m->peers[i];
	}
	return NULL;
}

static struct member_peer *find_by_key(struct member *m, const uint8_t key[KEY_LEN])
{
	for (unsigned i = 0; i < m->num_peers; i++) {
		if (memcmp(m->peers[i].news.public_key, key, KEY_LEN) == 0)
			return &m->peers[i];
	}
	return NULL;
}

struct member_peer *member_append_peer(struct member *m)
{
	if (m->num_peers == m->cap_peers) {
		unsigned cap = m->cap_peers ? m->cap_peers * 2 : 2;
		struct member_peer *peers = reallocarray(m->peers, cap, sizeof(*peers));

		if (!peers)
			return NULL;
		m->peers = peers;
		m->cap_peers = cap;
	}
	m->peers[m->num_peers] = (struct member_peer){0};
	return &m->peers[m->num_peers++];
}

static void forget(struct member *m, struct member_peer *peer)
{
	news_peer_deinit(&peer->news);
	*peer = m->peers[--m->num_peers];
	if (m->num_peers == 0)
		m->look_ns = 0;
}

void member_forget_peers(struct member *m)
{
	while (m->num_peers > 0)
		forget(m, &m->peers[0]);
}

/* --- what the tunnel is told ------------------------------------------ */

/* endpoint NULL: as the tunnel has it. Addresses are replaced only if it may have others: between
 * taking them away and giving them back, what the peer sends is dropped. */
static int describe(struct config *config, const struct news_peer *news,
	const struct endpoint *endpoint, bool replaces)
{
	struct config_peer *peer = config_add_peer(config);
	int r = peer ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	peer->flags = replaces ? CONFIG_PEER_REPLACE_ALLOWED_IPS : 0;
	memcpy(peer->public_key, news->public_key, KEY_LEN);
	if (endpoint)
		peer->endpoint = *endpoint;
	for (unsigned i = 0; i < news->num_addresses && r == 0; i++)
		r = config_peer_add_allowed_ip(peer, &news->addresses[i], false);
	return r;
}

/* Where to send first: where it was last reached, or what the hub thinks likeliest. */
static const struct endpoint *best_endpoint(const struct member_peer *peer)
{
	if (peer->endpoint.family != 0)
		return &peer->endpoint;
	return peer->news.num_endpoints > 0 ? &peer->news.endpoints[peer->candidate] : NULL;
}

int member_describe_peers(struct member *m, struct config *config)
{
	int r = 0;

	for (unsigned i = 0; i < m->num_peers && r == 0; i++) {
		r = member_set_filter(m, &m->peers[i]);
		if (r == 0)
			r = describe(config, &m->peers[i].news, best_endpoint(&m->peers[i]), true);
	}
	return r;
}

/* A persistent keepalive that is turned on is sent at once, and so begins a session. */
static int add_knock(struct config *config, const struct news_peer *news)
{
	static const uint16_t keepalives_s[] = {1, 0};

	for (size_t i = 0; i < ARRAY_SIZE(keepalives_s); i++) {
		struct config_peer *peer = config_add_peer(config);

		if (!peer)
			return -ENOMEM;
		peer->flags = CONFIG_PEER_HAS_KEEPALIVE;
		peer->keepalive_s = keepalives_s[i];
		memcpy(peer->public_key, news->public_key, KEY_LEN);
	}
	return 0;
}

static void tell_tunnel(struct member *m, uint64_t now_ns, const struct news_peer *news,
	const struct endpoint *endpoint, bool replaces, bool knocks)
{
	struct config config = {0};
	int r = describe(&config, news, endpoint, replaces);

	if (r == 0 && knocks && endpoint)
		r = add_knock(&config, news);
	if (r == 0)
		r = m->ops->set_tunnel(m->ctx, &config);
	config_deinit(&config);
	if (r < 0)
		member_tunnel_failed(m, now_ns, r);
}

int member_set_filter(struct member *m, const struct member_peer *peer)
{
	const struct news_peer *news = &peer->news;
	int r = m->ops->set_filter(m->ctx, news->id, news->addresses, news->num_addresses,
		news->accept, news->num_accept);

	if (r < 0 && r != m->filter_error)
		log_error("%s: the packet filter: %s", m->settings.link.network, strerror(-r));
	m->filter_error = r;
	return r;
}

/* --- peers come and go ------------------------------------------------ */

static void look_soon(struct member *m, uint64_t at_ns)
{
	if (m->look_ns == 0 || at_ns < m->look_ns)
		m->look_ns = at_ns;
}

static void rotate(struct member *m, struct member_peer *peer, uint64_t now_ns)
{
	if (peer->news.num_endpoints == 0)
		return;
	peer->rotate_until_ns = now_ns + ROTATE_FOR_NS;
	look_soon(m, now_ns + ROTATE_NS);
}

void member_watch_peers(struct member *m, uint64_t now_ns)
{
	for (unsigned i = 0; i < m->num_peers; i++) {
		m->peers[i].active_ns = now_ns;
		rotate(m, &m->peers[i], now_ns);
		look_soon(m, now_ns + LOOK_NS);
	}
}

static bool has_candidate(const struct news_peer *news, const struct endpoint *endpoint)
{
	for (unsigned i = 0; i < news->num_endpoints; i++) {
		if (endpoint_same_remote(&news->endpoints[i], endpoint))
			return true;
	}
	return false;
}

static bool has_same_addresses(const struct news_peer *a, const struct news_peer *b)
{
	return a->num_addresses == b->num_addresses &&
	       memcmp(a->addresses, b->addresses, a->num_addresses * sizeof(*a->addresses)) == 0;
}

/* Only what is in our network can be reached through a peer of it. */
static bool is_acceptable(const struct member *m, const struct news_peer *news)
{
	for (unsigned i = 0; i < news->num_addresses; i++) {
		if (!member_owns_address(m, &news->addresses[i]))
			return false;
	}
	return memcmp(news->public_key, m->public_key, KEY_LEN) != 0 &&
	       memcmp(news->public_key, m->node.hub_key, KEY_LEN) != 0;
}

static void replace_news(struct member_peer *peer, struct news_peer *news)
{
	news_peer_deinit(&peer->news);
	peer->news = *news;
	*news = (struct news_peer){0}; /* what it owned is the peer's now */
}

/* begins_session: the other side may have sent an initiation before we knew it, which was lost, and
 * sends no other for 5 s. Ours finds it ready. */
static void add_peer(struct member *m, uint64_t now_ns, struct news_peer *news, bool begins_session)
{
	struct member_peer *peer = member_append_peer(m);

	if (!peer)
		return;
	replace_news(peer, news);
	peer->heard_ns = (int64_t)now_ns;
	peer->active_ns = now_ns;
	if (member_set_filter(m, peer) < 0) { /* what may come in is not enforced: no peer */
		forget(m, peer);
		return;
	}
	rotate(m, peer, now_ns);
	look_soon(m, now_ns + LOOK_NS);
	tell_tunnel(m, now_ns, &peer->news, best_endpoint(peer), true, begins_session);
}

static void change_peer(
	struct member *m, struct member_peer *peer, uint64_t now_ns, struct news_peer *news)
{
	const struct endpoint *endpoint = NULL;
	bool has_moved = !has_same_addresses(&peer->news, news);

	replace_news(peer, news);
	peer->heard_ns = (int64_t)now_ns;
	/* It is not where we reach it any more, as far as it knows itself. */
	if (peer->news.num_endpoints > 0 && !has_candidate(&peer->news, &peer->endpoint)) {
		peer->candidate = 0;
		peer->endpoint = peer->news.endpoints[0];
		endpoint = &peer->endpoint;
		rotate(m, peer, now_ns);
	}
	if (member_set_filter(m, peer) < 0)
		member_remove_peer(m, now_ns, peer->news.id);
	else
		tell_tunnel(m, now_ns, &peer->news, endpoint, has_moved, true);
}

void member_put_peer(struct member *m, uint64_t now_ns, struct news_peer *news, bool begins_session)
{
	struct member_peer *peer = member_find_peer(m, news->id);

	if (m->state != MEMBER_ACTIVE || !m->is_up)
		return;
	if (!is_acceptable(m, news)) {
		log_error("%s: the hub tells of a peer that cannot be one: %s",
			m->settings.link.network, news->name);
		return;
	}
	/* a key is one node's, and a node has one key */
	if (peer && memcmp(peer->news.public_key, news->public_key, KEY_LEN) != 0) {
		member_remove_peer(m, now_ns, news->id);
		peer = NULL;
	}
	if (!peer && find_by_key(m, news->public_key))
		member_remove_peer(m, now_ns, find_by_key(m, news->public_key)->news.id);
	if (!m->is_up) /* it did not take that */
		return;
	if (peer)
		change_peer(m, peer, now_ns, news);
	else
		add_peer(m, now_ns, news, begins_session);
	member_touch(m, now_ns);
}

void member_remove_peer(struct member *m, uint64_t now_ns, int64_t id)
{
	struct member_peer *peer = member_find_peer(m, id);
	struct config config = {0};
	struct config_peer *removed;
	int r = -ENOMEM;

	if (!peer)
		return;
	removed = config_add_peer(&config);
	if (removed) {
		removed->flags = CONFIG_PEER_REMOVE;
		memcpy(removed->public_key, peer->news.public_key, KEY_LEN);
		r = m->ops->set_tunnel(m->ctx, &config);
	}
	config_deinit(&config);
	m->ops->remove_filter(m->ctx, id);
	forget(m, peer);
	member_touch(m, now_ns);
	if (r < 0) /* a key that must be forgotten is: the tunnel begins anew without it */
		member_tunnel_failed(m, now_ns, r);
}

/* --- how they are ----------------------------------------------------- */

static void take_status(struct member_peer *peer, const struct config_peer *status, uint64_t now_ns)
{
	bool grew = status->rx_bytes + status->tx_bytes != peer->rx_bytes + peer->tx_bytes;

	if (grew)
		peer->active_ns = now_ns;
	/* It answers from where we send to: the search is over. */
	if (status->last_handshake_s != 0 && (int64_t)status->last_handshake_s != peer->handshake_s)
		peer->rotate_until_ns = 0;
	if (status->endpoint.family != 0)
		peer->endpoint = status->endpoint;
	endpoint_clear_source(&peer->endpoint);
	peer->handshake_s = (int64_t)status->last_handshake_s;
	peer->rx_bytes = status->rx_bytes;
	peer->tx_bytes = status->tx_bytes;
}

void member_take_status(struct member *m, uint64_t now_ns)
{
	struct config config = {0};

	if (m->ops->get_tunnel(m->ctx, &config) < 0)
		return;
	for (size_t i = 0; i < config.num_peers; i++) {
		struct member_peer *peer = find_by_key(m, config.peers[i].public_key);

		if (peer)
			take_status(peer, &config.peers[i], now_ns);
	}
	config_deinit(&config);
}

void member_look(struct member *m, uint64_t now_ns)
{
	if (m->is_up)
		member_take_status(m, now_ns);
}

static void try_next_endpoint(struct member *m, struct member_peer *peer, uint64_t now_ns)
{
	peer->candidate = (uint8_t)((peer->candidate + 1) % peer->news.num_endpoints);
	peer->endpoint = peer->news.endpoints[peer->candidate];
	tell_tunnel(m, now_ns, &peer->news, &peer->endpoint, false, false);
}

static void forget_idle(struct member *m, uint64_t now_ns, int64_t id)
{
	const struct member_request request = {.kind = REQUEST_FORGET};
	char body[48];

	member_remove_peer(m, now_ns, id);
	snprintf(body, sizeof(body), "{\"id\": %lld}", (long long)id);
	(void)member_request(m, &request, "POST", "/v1/forget", body);
}

/* The other side may have forgotten us, or be where we do not look: the hub knows. */
static void ask_again(struct member *m, uint64_t now_ns, struct member_peer *peer)
{
	rotate(m, peer, now_ns);
	member_ask_for(m, &peer->news.addresses[0]);
}

struct traffic {
	int64_t id;
	uint64_t rx_bytes, tx_bytes;
};

/* Packets went out since the last look and none came back, which a live peer never lets happen for
 * ten seconds. */
static bool is_unanswered(const struct member_peer *peer, const struct traffic *before)
{
	return peer->news.id == before->id && peer->tx_bytes != before->tx_bytes &&
	       peer->rx_bytes == before->rx_bytes;
}

static void look_at_all(struct member *m, uint64_t now_ns)
{
	struct traffic *before = calloc(m->num_peers, sizeof(*before));
	unsigned num = m->num_peers;

	for (unsigned i = 0; i < num && before; i++)
		before[i] = (struct traffic){
			m->peers[i].news.id, m->peers[i].rx_bytes, m->peers[i].tx_bytes};
	member_look(m, now_ns);
	for (unsigned i = 0; i < num && before; i++) {
		struct member_peer *peer = &m->peers[i];

		if (peer->rotate_until_ns <= now_ns && is_unanswered(peer, &before[i]))
			ask_again(m, now_ns, peer);
	}
	free(before);
}

void member_peers_tick(struct member *m, uint64_t now_ns)
{
	bool rotating = false;

	if (m->look_ns == 0 || m->look_ns > now_ns)
		return;
	look_at_all(m, now_ns);
	for (unsigned i = m->num_peers; i-- > 0 && m->is_up;) {
		struct member_peer *peer = &m->peers[i];

		if (peer->rotate_until_ns > now_ns) {
			try_next_endpoint(m, peer, now_ns);
			rotating = true;
		} else if (now_ns - peer->active_ns >= IDLE_NS) {
			forget_idle(m, now_ns, peer->news.id);
		}
	}
	if (m->is_up)
		m->look_ns = m->num_peers == 0 ? 0 : now_ns + (rotating ? ROTATE_NS : LOOK_NS);
}

bool member_has_session(struct member *m, uint64_t now_ns, const char *name)
{
	member_look(m, now_ns);
	for (unsigned i = 0; i < m->num_peers; i++) {
		const struct member_peer *peer = &m->peers[i];

		if (strcmp(peer->news.name, name) == 0 && peer->handshake_s != 0)
			return true;
	}
	return false;
}
