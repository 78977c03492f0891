/* SPDX-License-Identifier: MIT
 *
 * Applying and collecting settings.
 */
#include "tunnel/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/siphash.h"
#include "net/udp.h"
#include "tunnel/ipc.h"
#include "tunnel/roles.h"

enum {
	MAX_ALLOWED_IPS = 1 << 24, /* of one peer; no request could have set more */
};

struct known_peer {
	uint8_t public_key[KEY_LEN];
	uint16_t keepalive_s;
	bool exists;
	bool has_psk;
};

struct settings {
	struct neighbours *neighbours;	/* borrowed */
	const struct status_page *page; /* borrowed */
	struct link_monitor *link;	/* borrowed */
	struct link_state state;
	struct udp_pair sockets[MAX_WORKERS];
	unsigned num_lanes; /* each has a pair */
	uint16_t listen_port;
	uint32_t fwmark;
	bool is_watched;
	uint8_t public_key[KEY_LEN]; /* all zero: no private key */
	uint8_t table_key[SIPHASH_KEY_LEN];
	struct map by_key;	  /* SipHash of the public key -> number */
	struct known_peer *peers; /* MAX_PEERS, touched as used */
	uint32_t end_id;	  /* no peer has this number or a greater one */
	uint32_t *free_ids;	  /* a stack, MAX_PEERS */
	uint32_t num_free_ids;
};

struct settings *settings_new(struct neighbours *neighbours, const struct status_page *page,
	struct link_monitor *link, unsigned num_lanes)
{
	struct settings *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->neighbours = neighbours;
	s->page = page;
	s->link = link;
	s->num_lanes = num_lanes;
	for (unsigned i = 0; i < num_lanes; i++)
		s->sockets[i] = (struct udp_pair){.fd4 = -1, .fd6 = -1};
	s->peers = calloc(MAX_PEERS, sizeof(*s->peers));
	s->free_ids = calloc(MAX_PEERS, sizeof(*s->free_ids));
	if (!s->peers || !s->free_ids ||
		getrandom(s->table_key, sizeof(s->table_key), 0) != sizeof(s->table_key)) {
		settings_free(s);
		return NULL;
	}
	return s;
}

static void close_sockets(struct settings *s)
{
	for (unsigned i = 0; i < s->num_lanes; i++)
		udp_close(&s->sockets[i]);
}

void settings_free(struct settings *s)
{
	if (!s)
		return;
	close_sockets(s);
	map_deinit(&s->by_key);
	free(s->peers);
	free(s->free_ids);
	free(s);
}

/* --- the device ------------------------------------------------------ */

static void hand_over_sockets(struct settings *s)
{
	for (unsigned i = 0; i < s->num_lanes; i++) {
		const struct udp_pair *pair = &s->sockets[i];
		struct request request = {.type = REQUEST_SET_SOCKETS,
			.sockets = {
				.has_ipv4 = pair->fd4 >= 0, .has_ipv6 = pair->fd6 >= 0, .lane = i}};
		size_t num = 0;
		int fds[2];

		if (pair->fd4 >= 0)
			fds[num++] = pair->fd4;
		if (pair->fd6 >= 0)
			fds[num++] = pair->fd6;
		/* waits: whoever wants the port next must find it free */
		neighbours_hand_over(s->neighbours, &request, fds, num);
	}
}

static int open_sockets(struct settings *s, uint16_t port, uint32_t fwmark)
{
	struct udp_pair pairs[MAX_WORKERS];
	int r = udp_open(&pairs[0], &port, fwmark);

	for (unsigned i = 1; i < s->num_lanes && r == 0; i++) {
		r = udp_open_more(&pairs[i], &pairs[0], port, fwmark);
		for (unsigned k = 0; k < i && r < 0; k++)
			udp_close(&pairs[k]);
	}
	if (r < 0)
		return r;
	close_sockets(s);
	memcpy(s->sockets, pairs, s->num_lanes * sizeof(pairs[0]));
	s->listen_port = port;
	s->fwmark = fwmark;
	hand_over_sockets(s);
	return 0;
}

static int set_mark(struct settings *s, uint32_t fwmark)
{
	int r = 0;

	for (unsigned i = 0; i < s->num_lanes && r == 0; i++)
		r = udp_set_mark(&s->sockets[i], fwmark);
	return r;
}

/* Port and mark: the part of a request that can fail for reasons outside. */
static int apply_sockets(struct settings *s, const struct config *config)
{
	uint16_t port =
		config->flags & CONFIG_HAS_LISTEN_PORT ? config->listen_port : s->listen_port;
	uint32_t fwmark = config->flags & CONFIG_HAS_FWMARK ? config->fwmark : s->fwmark;
	const struct request forget = {.type = REQUEST_FORGET_SOURCES};
	int r;

	if (s->state.up && port != s->listen_port)
		return open_sockets(s, port, fwmark);
	if (fwmark != s->fwmark) {
		r = s->state.up ? set_mark(s, fwmark) : 0;
		if (r < 0)
			return r;
		neighbours_tell(s->neighbours, s->neighbours->datapath, &forget);
	}
	s->listen_port = port;
	s->fwmark = fwmark;
	return 0;
}

static bool find_peer(const struct settings *s, const uint8_t public_key[KEY_LEN], uint32_t *ret_id)
{
	uint32_t id;

	if (!map_get(&s->by_key, siphash(s->table_key, public_key, KEY_LEN), &id) ||
		memcmp(s->peers[id].public_key, public_key, KEY_LEN) != 0)
		return false;
	*ret_id = id;
	return true;
}

static void forget_peer(struct settings *s, uint32_t id)
{
	map_remove(&s->by_key, siphash(s->table_key, s->peers[id].public_key, KEY_LEN));
	s->peers[id] = (struct known_peer){0};
	s->free_ids[s->num_free_ids++] = id;
}

/* Remove the peers first <= number < end. */
static void remove_peers(struct settings *s, uint32_t first, uint32_t end)
{
	struct request request = {.type = REQUEST_REMOVE_PEER};

	neighbours_settle(s->neighbours);
	for (uint32_t id = first; id < end; id++) {
		request.peer_id = id;
		if (s->peers[id].exists)
			neighbours_tell(s->neighbours, s->neighbours->engine, &request);
	}
	neighbours_sync(s->neighbours, s->neighbours->engine);
	for (uint32_t id = first; id < end; id++) {
		request.peer_id = id;
		if (!s->peers[id].exists)
			continue;
		neighbours_tell(s->neighbours, s->neighbours->datapath, &request);
		neighbours_tell_vault(s->neighbours, VAULT_REMOVE_PEER, id, NULL);
		forget_peer(s, id);
	}
}

static void apply_private_key(struct settings *s, const struct config *config)
{
	struct request request = {.type = REQUEST_SET_PUBLIC_KEY};
	uint32_t id;

	neighbours_ask_vault(
		s->neighbours, VAULT_SET_PRIVATE_KEY, 0, config->private_key, request.key);
	if (memcmp(request.key, s->public_key, KEY_LEN) == 0)
		return;
	memcpy(s->public_key, request.key, KEY_LEN);
	if (find_peer(s, s->public_key, &id))
		remove_peers(s, id, id + 1); /* nobody is their own peer */
	neighbours_tell(s->neighbours, s->neighbours->datapath, &request);
	neighbours_tell_engine_later(s->neighbours, &request);
}

/* --- peers ----------------------------------------------------------- */

static uint32_t add_peer(struct settings *s, const uint8_t public_key[KEY_LEN])
{
	struct request request = {.type = REQUEST_ADD_PEER};
	uint32_t id = s->num_free_ids ? s->free_ids[--s->num_free_ids] : s->end_id++;
	int r = map_put(&s->by_key, siphash(s->table_key, public_key, KEY_LEN), id);

	if (r < 0)
		s->neighbours->fail("peers", r);
	s->peers[id].exists = true;
	memcpy(s->peers[id].public_key, public_key, KEY_LEN);
	request.peer_id = id;
	memcpy(request.key, public_key, KEY_LEN);
	neighbours_tell(s->neighbours, s->neighbours->datapath, &request);
	neighbours_tell_vault(s->neighbours, VAULT_ADD_PEER, id, public_key);
	neighbours_tell_engine_later(s->neighbours, &request);
	return id;
}

/* Everything about a peer that stays but its allowed IPs. */
static void apply_peer(struct settings *s, const struct config_peer *peer)
{
	struct request request = {0};

	if (!find_peer(s, peer->public_key, &request.peer_id)) {
		if ((peer->flags & CONFIG_PEER_UPDATE_ONLY) ||
			memcmp(peer->public_key, s->public_key, KEY_LEN) == 0)
			return; /* nobody is their own peer */
		request.peer_id = add_peer(s, peer->public_key);
	}
	if (peer->flags & CONFIG_PEER_HAS_PRESHARED_KEY) {
		s->peers[request.peer_id].has_psk = !bytes_are_zero(peer->preshared_key, KEY_LEN);
		neighbours_tell_vault(
			s->neighbours, VAULT_SET_PSK, request.peer_id, peer->preshared_key);
	}
	if (peer->endpoint.family) {
		request.type = REQUEST_SET_ENDPOINT;
		request.endpoint = peer->endpoint;
		neighbours_tell(s->neighbours, s->neighbours->datapath, &request);
	}
	if (peer->flags & CONFIG_PEER_HAS_KEEPALIVE) {
		s->peers[request.peer_id].keepalive_s = peer->keepalive_s;
		request.type = REQUEST_SET_KEEPALIVE;
		request.keepalive_s = peer->keepalive_s;
		neighbours_tell_engine_later(s->neighbours, &request);
	}
}

static void apply_allowed_ips(struct settings *s, const struct config_peer *peer)
{
	struct request request = {.type = REQUEST_CLEAR_ALLOWED_IPS};

	if (!find_peer(s, peer->public_key, &request.peer_id))
		return;
	if (peer->flags & CONFIG_PEER_REPLACE_ALLOWED_IPS)
		neighbours_tell(s->neighbours, s->neighbours->datapath, &request);
	for (size_t i = 0; i < peer->num_allowed_ips; i++) {
		request.type = peer->allowed_ips[i].remove ? REQUEST_REMOVE_ALLOWED_IP
							   : REQUEST_ADD_ALLOWED_IP;
		request.prefix = peer->allowed_ips[i].prefix;
		neighbours_tell(s->neighbours, s->neighbours->datapath, &request);
	}
}

/* Peers that are added or changed, none removed, from one to before another. Allowed IPs come last:
 * they let packets flow, and by then everybody knows the peer. */
static void apply_peers(struct settings *s, const struct config *config, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		apply_peer(s, &config->peers[i]);
	neighbours_settle(s->neighbours);
	for (size_t i = first; i < end; i++)
		apply_allowed_ips(s, &config->peers[i]);
}

static bool has_room(const struct settings *s, const struct config *config)
{
	size_t num = config->flags & CONFIG_REPLACE_PEERS ? 0 : s->end_id - s->num_free_ids;

	for (size_t i = 0; i < config->num_peers; i++) {
		const struct config_peer *peer = &config->peers[i];
		uint32_t id;

		if ((peer->flags & (CONFIG_PEER_REMOVE | CONFIG_PEER_UPDATE_ONLY)) == 0 &&
			((config->flags & CONFIG_REPLACE_PEERS) ||
				!find_peer(s, peer->public_key, &id)))
			num++;
	}
	return num <= MAX_PEERS;
}

int settings_apply(struct settings *s, const struct config *config)
{
	size_t first = 0;
	int r;

	if (!has_room(s, config))
		return -ENOSPC;
	r = apply_sockets(s, config);
	if (r < 0)
		return r;
	if (config->flags & CONFIG_REPLACE_PEERS)
		remove_peers(s, 0, s->end_id);
	if (config->flags & CONFIG_HAS_PRIVATE_KEY)
		apply_private_key(s, config);
	for (size_t i = 0; i < config->num_peers; i++) {
		uint32_t id;

		if (!(config->peers[i].flags & CONFIG_PEER_REMOVE))
			continue;
		apply_peers(s, config, first, i);
		if (find_peer(s, config->peers[i].public_key, &id))
			remove_peers(s, id, id + 1);
		first = i + 1;
	}
	apply_peers(s, config, first, config->num_peers);
	neighbours_sync(s->neighbours, s->neighbours->datapath);
	return 0;
}

/* --- destinations without a peer ------------------------------------- */

void settings_watch(struct settings *s, bool on)
{
	const struct request request = {.type = REQUEST_WATCH, .watch = on};

	if (!on && !s->is_watched)
		return;
	s->is_watched = on;
	neighbours_tell(s->neighbours, s->neighbours->datapath, &request);
	neighbours_sync(s->neighbours, s->neighbours->datapath);
}

void settings_refuse(struct settings *s, const struct prefix *address)
{
	const struct request request = {.type = REQUEST_REFUSE, .prefix = *address};

	neighbours_tell(s->neighbours, s->neighbours->datapath, &request);
}

/* --- collecting ------------------------------------------------------ */

static int collect_allowed_ips(
	struct settings *s, struct config_peer *peer, const struct report *report)
{
	int r = 0;

	for (uint32_t i = 0; i < report->num_prefixes && r == 0; i++)
		r = config_peer_add_allowed_ip(peer, &report->prefixes[i], false);
	if (peer->num_allowed_ips > MAX_ALLOWED_IPS)
		s->neighbours->fail("the datapath", -EPROTO);
	return r;
}

/* A peer with what the monitor itself knows of it, and its first report. */
static int collect_peer(
	struct settings *s, uint32_t id, struct config *config, const struct report *report)
{
	const struct peer_status *status = &s->page->peers[id];
	struct config_peer *peer = config_add_peer(config);
	uint64_t handshake_ns;

	if (!peer)
		return -ENOMEM;
	memcpy(peer->public_key, s->peers[id].public_key, KEY_LEN);
	peer->keepalive_s = s->peers[id].keepalive_s;
	handshake_ns = atomic_load(&status->handshake_wall_ns);
	peer->last_handshake_s = handshake_ns / SECOND_NS;
	peer->last_handshake_ns = (uint32_t)(handshake_ns % SECOND_NS);
	peer->rx_bytes = atomic_load(&status->rx_bytes);
	peer->tx_bytes = atomic_load(&status->tx_bytes);
	if (s->peers[id].has_psk)
		neighbours_ask_vault(s->neighbours, VAULT_GET_PSK, id, NULL, peer->preshared_key);
	peer->endpoint = report->endpoint;
	return collect_allowed_ips(s, peer, report);
}

/* The allowed IPs that its first report had no room for. */
static int collect_rest(struct settings *s, uint32_t id, struct config_peer *peer, uint32_t cursor)
{
	struct report report = {.num_prefixes = REPORT_PREFIXES, .cursor = cursor};
	int r = 0;

	while (report.num_prefixes == REPORT_PREFIXES && r == 0) {
		neighbours_ask_report(s->neighbours, id, report.cursor);
		report = neighbours_read_report(s->neighbours);
		r = collect_allowed_ips(s, peer, &report);
	}
	return r;
}

/* The next REPORT_WINDOW peers from number *next on, before end. */
static int collect_peers(struct settings *s, uint32_t *next, uint32_t end, struct config *config)
{
	uint32_t ids[REPORT_WINDOW], cursors[REPORT_WINDOW];
	const size_t first = config->num_peers;
	size_t num = 0;
	int r = 0;

	for (; *next < end && num < REPORT_WINDOW; ++*next) {
		if (!s->peers[*next].exists)
			continue;
		ids[num++] = *next;
		neighbours_ask_report(s->neighbours, *next, 0);
	}
	for (size_t i = 0; i < num; i++) {
		const struct report report = neighbours_read_report(s->neighbours);

		cursors[i] = report.num_prefixes == REPORT_PREFIXES ? report.cursor : 0;
		if (r == 0)
			r = collect_peer(s, ids[i], config, &report);
	}
	for (size_t i = 0; i < num && r == 0; i++) {
		if (cursors[i])
			r = collect_rest(s, ids[i], &config->peers[first + i], cursors[i]);
	}
	return r;
}

int settings_collect(struct settings *s, const uint8_t *public_key, struct config *ret_config)
{
	uint32_t next = 0, end = s->end_id;
	int r = 0;

	*ret_config = (struct config){0};
	if (public_key) {
		if (!find_peer(s, public_key, &next))
			return -ENOENT;
		end = next + 1;
	}
	*ret_config = (struct config){.listen_port = s->listen_port, .fwmark = s->fwmark};
	if (!bytes_are_zero(s->public_key, KEY_LEN)) {
		ret_config->flags |= CONFIG_HAS_PRIVATE_KEY;
		neighbours_ask_vault(
			s->neighbours, VAULT_GET_PRIVATE_KEY, 0, NULL, ret_config->private_key);
	}
	while (next < end && r == 0)
		r = collect_peers(s, &next, end, ret_config);
	for (int reason = DROP_NONE + 1; reason < DROP_NUM && r == 0; reason++)
		r = config_add_counter(ret_config, drop_name((enum drop)reason),
			atomic_load(&s->page->drops[reason]));
	if (r < 0)
		config_deinit(ret_config);
	return r;
}

/* --- the interface --------------------------------------------------- */

static void announce_link(struct settings *s)
{
	const struct request request = {
		.type = REQUEST_SET_LINK, .link = {.up = s->state.up, .mtu = s->state.mtu}};
	/* packets may flow only while the engine watches */
	int first = s->state.up ? s->neighbours->datapath : s->neighbours->engine;
	int second = s->state.up ? s->neighbours->engine : s->neighbours->datapath;

	neighbours_tell(s->neighbours, first, &request);
	neighbours_sync(s->neighbours, first);
	neighbours_tell(s->neighbours, second, &request);
}

void settings_set_link(struct settings *s, struct link_state state)
{
	struct link_state before = s->state;
	int r;

	if (state.up == before.up && state.mtu == before.mtu)
		return;
	if (state.up && !before.up) {
		r = open_sockets(s, s->listen_port, s->fwmark);
		if (r < 0) {
			log_error("cannot open UDP port %u: %s; the interface is set down",
				s->listen_port, strerror(-r));
			r = link_set_down(s->link);
			if (r < 0)
				s->neighbours->fail("cannot set the interface down", r);
			return;
		}
	}
	s->state = state;
	announce_link(s);
	if (before.up && !state.up) {
		close_sockets(s);
		hand_over_sockets(s);
	}
}

/* Only peers heard of lately have a source worth asking the kernel about. */
static bool is_active(const struct settings *s, uint32_t id, uint64_t now_ns)
{
	uint64_t last_ns = atomic_load(&s->page->peers[id].last_rx_ns);

	return s->peers[id].exists && last_ns && last_ns + REJECT_AFTER_TIME_NS > now_ns;
}

void settings_check_sources(struct settings *s)
{
	uint64_t now_ns = clock_boottime_ns();

	for (uint32_t id = 0; id < s->end_id; id++) {
		struct request forget = {.type = REQUEST_FORGET_SOURCE, .peer_id = id};
		int ifindex;

		if (!is_active(s, id, now_ns))
			continue;
		neighbours_ask_report(s->neighbours, id, 0);
		forget.endpoint = neighbours_read_report(s->neighbours).endpoint;
		if (forget.endpoint.family == 0 ||
			bytes_are_zero(forget.endpoint.local, sizeof(forget.endpoint.local)))
			continue;
		ifindex = link_route_ifindex(s->link, &forget.endpoint, true, s->fwmark);
		if (ifindex < 0 || (forget.endpoint.family == AF_INET &&
					   (uint32_t)ifindex != forget.endpoint.local_ifindex))
			neighbours_tell(s->neighbours, s->neighbours->datapath, &forget);
	}
}
