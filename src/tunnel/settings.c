/* SPDX-License-Identifier: MIT
 *
 * Applying and collecting settings.
 *
 * The datapath must know of a peer before the engine does, and the engine must have forgotten it
 * before the datapath does; else a control could be lost, or reach another peer of the same
 * number. So what the engine is to learn is kept until the datapath has confirmed all before it.
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

enum { LATER_MAX = 1024 };

struct known_peer {
	uint8_t public_key[KEY_LEN];
	uint16_t keepalive_s;
	bool exists;
};

struct settings {
	struct settings_links links;
	char ifname[IFNAMSIZ];
	const struct status_page *page; /* borrowed */
	struct link_monitor *link;	/* borrowed */
	struct link_state state;
	struct udp_pair sockets;
	uint16_t listen_port;
	uint32_t fwmark;
	uint8_t public_key[KEY_LEN]; /* all zero: no private key */
	uint8_t table_key[SIPHASH_KEY_LEN];
	struct map by_key;	  /* SipHash of the public key -> number */
	struct known_peer *peers; /* MAX_PEERS, touched as used */
	uint32_t end_id;	  /* no peer has this number or a greater one */
	uint32_t *free_ids;	  /* a stack, MAX_PEERS */
	uint32_t num_free_ids;
	struct request later[LATER_MAX]; /* for the engine */
	size_t num_later;
};

struct settings *settings_new(const struct settings_links *links, const char *ifname,
	const struct status_page *page, struct link_monitor *link)
{
	struct settings *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->links = *links;
	strncpy(s->ifname, ifname, sizeof(s->ifname) - 1);
	s->page = page;
	s->link = link;
	s->sockets = (struct udp_pair){.fd4 = -1, .fd6 = -1};
	s->peers = calloc(MAX_PEERS, sizeof(*s->peers));
	s->free_ids = calloc(MAX_PEERS, sizeof(*s->free_ids));
	if (!s->peers || !s->free_ids ||
		getrandom(s->table_key, sizeof(s->table_key), 0) != sizeof(s->table_key)) {
		settings_free(s);
		return NULL;
	}
	return s;
}

void settings_free(struct settings *s)
{
	if (!s)
		return;
	udp_close(&s->sockets);
	map_deinit(&s->by_key);
	free(s->peers);
	free(s->free_ids);
	free(s);
}

/* --- talking to the others ------------------------------------------- */

static int tell(int fd, const struct request *request)
{
	return ipc_send(fd, request, sizeof(*request));
}

static int sync_with(int fd)
{
	const struct request request = {.type = REQUEST_SYNC};
	struct ack ack;
	int r = ipc_call(fd, &request, sizeof(request), &ack, sizeof(ack));

	return r == 0 && ack.type != REQUEST_SYNC ? -EPROTO : r;
}

/* Give the engine what was kept for it. */
static int settle(struct settings *s)
{
	int r = sync_with(s->links.datapath);

	for (size_t i = 0; i < s->num_later && r == 0; i++)
		r = tell(s->links.engine, &s->later[i]);
	s->num_later = 0;
	return r == 0 ? sync_with(s->links.engine) : r;
}

static int tell_engine_later(struct settings *s, const struct request *request)
{
	s->later[s->num_later++] = *request;
	return s->num_later == LATER_MAX ? settle(s) : 0;
}

/* One call of the vault; secret, if any, becomes request field a, and ret_a is reply field a. */
static int ask_vault(struct settings *s, enum vault_request_type type, uint32_t peer_id,
	const uint8_t *a, uint8_t *ret_a)
{
	struct vault_request request = {.type = type, .peer_id = peer_id};
	struct vault_reply reply;
	int r;

	if (a)
		memcpy(request.a, a, KEY_LEN);
	r = ipc_call(s->links.vault, &request, sizeof(request), &reply, sizeof(reply));
	if (r == 0)
		r = reply.error;
	if (r == 0 && ret_a)
		memcpy(ret_a, reply.a, KEY_LEN);
	wipe(&request, sizeof(request));
	wipe(&reply, sizeof(reply));
	return r;
}

/* --- the device ------------------------------------------------------ */

static int hand_over_sockets(struct settings *s)
{
	struct request request = {.type = REQUEST_SET_SOCKETS};
	int fds[2];
	size_t num = 0;

	if (s->sockets.fd4 >= 0)
		fds[num++] = s->sockets.fd4;
	if (s->sockets.fd6 >= 0)
		fds[num++] = s->sockets.fd6;
	request.sockets.has_ipv4 = s->sockets.fd4 >= 0;
	request.sockets.has_ipv6 = s->sockets.fd6 >= 0;
	return ipc_send_fds(s->links.datapath, &request, sizeof(request), fds, num);
}

static int open_sockets(struct settings *s, uint16_t port, uint32_t fwmark)
{
	struct udp_pair sockets;
	int r = udp_open(&sockets, &port, fwmark);

	if (r < 0)
		return r;
	udp_close(&s->sockets);
	s->sockets = sockets;
	s->listen_port = port;
	s->fwmark = fwmark;
	return hand_over_sockets(s);
}

/* Port and mark: the part of a request that can fail for reasons outside. */
static int apply_sockets(struct settings *s, const struct config *config)
{
	uint16_t port =
		config->flags & CONFIG_HAS_LISTEN_PORT ? config->listen_port : s->listen_port;
	uint32_t fwmark = config->flags & CONFIG_HAS_FWMARK ? config->fwmark : s->fwmark;
	const struct request forget = {.type = REQUEST_FORGET_SOURCES};
	int r = 0;

	if (s->state.up && port != s->listen_port)
		return open_sockets(s, port, fwmark);
	if (fwmark != s->fwmark) {
		if (s->state.up)
			r = udp_set_mark(&s->sockets, fwmark);
		if (r == 0)
			r = tell(s->links.datapath, &forget);
	}
	if (r == 0) {
		s->listen_port = port;
		s->fwmark = fwmark;
	}
	return r;
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
static int remove_peers(struct settings *s, uint32_t first, uint32_t end)
{
	struct request request = {.type = REQUEST_REMOVE_PEER};
	int r = settle(s);

	for (uint32_t id = first; id < end && r == 0; id++) {
		request.peer_id = id;
		if (s->peers[id].exists)
			r = tell(s->links.engine, &request);
	}
	if (r == 0)
		r = sync_with(s->links.engine);
	for (uint32_t id = first; id < end && r == 0; id++) {
		request.peer_id = id;
		if (!s->peers[id].exists)
			continue;
		r = tell(s->links.datapath, &request);
		if (r == 0)
			r = ask_vault(s, VAULT_REMOVE_PEER, id, NULL, NULL);
		forget_peer(s, id);
	}
	return r;
}

static int apply_private_key(struct settings *s, const struct config *config)
{
	struct request request = {.type = REQUEST_SET_PUBLIC_KEY};
	uint32_t id;
	int r;

	r = ask_vault(s, VAULT_SET_PRIVATE_KEY, 0, config->private_key, request.key);
	if (r < 0 || memcmp(request.key, s->public_key, KEY_LEN) == 0)
		return r;
	memcpy(s->public_key, request.key, KEY_LEN);
	if (find_peer(s, s->public_key, &id))
		r = remove_peers(s, id, id + 1); /* nobody is their own peer */
	if (r == 0)
		r = tell(s->links.datapath, &request);
	return r == 0 ? tell_engine_later(s, &request) : r;
}

/* --- peers ----------------------------------------------------------- */

static int add_peer(struct settings *s, const uint8_t public_key[KEY_LEN], uint32_t *ret_id)
{
	struct request request = {.type = REQUEST_ADD_PEER};
	uint32_t id = s->num_free_ids ? s->free_ids[s->num_free_ids - 1] : s->end_id;
	int r;

	if (id == MAX_PEERS)
		return -ENOSPC;
	r = map_put(&s->by_key, siphash(s->table_key, public_key, KEY_LEN), id);
	if (r < 0)
		return r;
	if (id == s->end_id)
		s->end_id++;
	else
		s->num_free_ids--;
	s->peers[id].exists = true;
	memcpy(s->peers[id].public_key, public_key, KEY_LEN);

	request.peer_id = id;
	memcpy(request.key, public_key, KEY_LEN);
	r = tell(s->links.datapath, &request);
	if (r == 0)
		r = ask_vault(s, VAULT_ADD_PEER, id, public_key, NULL);
	if (r == 0)
		r = tell_engine_later(s, &request);
	*ret_id = id;
	return r;
}

static int apply_allowed_ips(struct settings *s, uint32_t id, const struct config_peer *peer)
{
	struct request request = {.type = REQUEST_CLEAR_ALLOWED_IPS, .peer_id = id};
	int r = 0;

	if (peer->flags & CONFIG_PEER_REPLACE_ALLOWED_IPS)
		r = tell(s->links.datapath, &request);
	for (size_t i = 0; i < peer->num_allowed_ips && r == 0; i++) {
		request.type = peer->allowed_ips[i].remove ? REQUEST_REMOVE_ALLOWED_IP
							   : REQUEST_ADD_ALLOWED_IP;
		request.prefix = peer->allowed_ips[i].prefix;
		r = tell(s->links.datapath, &request);
	}
	return r;
}

static int apply_peer(struct settings *s, const struct config_peer *peer)
{
	struct request request = {0};
	bool exists = find_peer(s, peer->public_key, &request.peer_id);
	int r = 0;

	if (peer->flags & CONFIG_PEER_REMOVE)
		return exists ? remove_peers(s, request.peer_id, request.peer_id + 1) : 0;
	if (!exists && (peer->flags & CONFIG_PEER_UPDATE_ONLY))
		return 0;
	if (memcmp(peer->public_key, s->public_key, KEY_LEN) == 0)
		return 0; /* nobody is their own peer */
	if (!exists)
		r = add_peer(s, peer->public_key, &request.peer_id);
	if (r == 0 && (peer->flags & CONFIG_PEER_HAS_PRESHARED_KEY))
		r = ask_vault(s, VAULT_SET_PSK, request.peer_id, peer->preshared_key, NULL);
	if (r == 0 && peer->endpoint.family) {
		request.type = REQUEST_SET_ENDPOINT;
		request.endpoint = peer->endpoint;
		r = tell(s->links.datapath, &request);
	}
	if (r == 0)
		r = apply_allowed_ips(s, request.peer_id, peer);
	if (r == 0 && (peer->flags & CONFIG_PEER_HAS_KEEPALIVE)) {
		s->peers[request.peer_id].keepalive_s = peer->keepalive_s;
		request.type = REQUEST_SET_KEEPALIVE;
		request.keepalive_s = peer->keepalive_s;
		r = tell_engine_later(s, &request);
	}
	return r;
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
	int r;

	if (!has_room(s, config))
		return -ENOSPC;
	r = apply_sockets(s, config);
	if (r == 0 && (config->flags & CONFIG_REPLACE_PEERS))
		r = remove_peers(s, 0, s->end_id);
	if (r == 0 && (config->flags & CONFIG_HAS_PRIVATE_KEY))
		r = apply_private_key(s, config);
	for (size_t i = 0; i < config->num_peers && r == 0; i++)
		r = apply_peer(s, &config->peers[i]);
	return r == 0 ? settle(s) : r;
}

/* --- collecting ------------------------------------------------------ */

static int collect_routing(struct settings *s, uint32_t id, struct config_peer *peer)
{
	struct request request = {.type = REQUEST_GET_PEERS, .peer_id = id};
	struct report report;
	int r = 0;

	do {
		r = ipc_call(s->links.datapath, &request, sizeof(request), &report, sizeof(report));
		if (r < 0)
			return r;
		if (!report.exists || report.num_prefixes > REPORT_PREFIXES ||
			!endpoint_is_valid(&report.endpoint))
			return -EPROTO;
		peer->endpoint = report.endpoint;
		for (uint32_t i = 0; i < report.num_prefixes && r == 0; i++) {
			if (!prefix_is_valid(&report.prefixes[i]))
				return -EPROTO;
			r = config_peer_add_allowed_ip(peer, &report.prefixes[i], false);
		}
		request.cursor = report.next_cursor;
	} while (r == 0 && report.next_peer_id == id);
	return r;
}

static int collect_peer(struct settings *s, uint32_t id, struct config *config)
{
	const struct peer_status *status = &s->page->peers[id];
	struct config_peer *peer = config_add_peer(config);
	uint64_t handshake_ns;
	int r;

	if (!peer)
		return -ENOMEM;
	memcpy(peer->public_key, s->peers[id].public_key, KEY_LEN);
	peer->flags = CONFIG_PEER_HAS_PRESHARED_KEY | CONFIG_PEER_HAS_KEEPALIVE;
	peer->keepalive_s = s->peers[id].keepalive_s;
	handshake_ns = atomic_load(&status->handshake_wall_ns);
	peer->last_handshake_s = handshake_ns / SECOND_NS;
	peer->last_handshake_ns = (uint32_t)(handshake_ns % SECOND_NS);
	peer->rx_bytes = atomic_load(&status->rx_bytes);
	peer->tx_bytes = atomic_load(&status->tx_bytes);
	r = ask_vault(s, VAULT_GET_PSK, id, NULL, peer->preshared_key);
	return r == 0 ? collect_routing(s, id, peer) : r;
}

int settings_collect(struct settings *s, struct config *ret_config)
{
	struct config config = {.flags = CONFIG_HAS_LISTEN_PORT,
		.listen_port = s->listen_port,
		.fwmark = s->fwmark};
	int r = 0;

	memcpy(config.name, s->ifname, sizeof(config.name));
	memcpy(config.public_key, s->public_key, KEY_LEN);
	if (s->fwmark)
		config.flags |= CONFIG_HAS_FWMARK;
	if (!bytes_are_zero(s->public_key, KEY_LEN)) {
		config.flags |= CONFIG_HAS_PRIVATE_KEY;
		r = ask_vault(s, VAULT_GET_PRIVATE_KEY, 0, NULL, config.private_key);
	}
	for (uint32_t id = 0; id < s->end_id && r == 0; id++) {
		if (s->peers[id].exists)
			r = collect_peer(s, id, &config);
	}
	for (int reason = DROP_NONE + 1; reason < DROP_NUM && r == 0; reason++)
		r = config_add_counter(&config, drop_name((enum drop)reason),
			atomic_load(&s->page->drops[reason]));
	if (r < 0)
		config_deinit(&config);
	else
		*ret_config = config;
	return r;
}

/* --- the interface --------------------------------------------------- */

static int announce_link(struct settings *s)
{
	const struct request request = {
		.type = REQUEST_SET_LINK, .link = {.up = s->state.up, .mtu = s->state.mtu}};
	int r;

	/* packets may flow only while the engine watches */
	if (!s->state.up) {
		r = tell(s->links.engine, &request);
		if (r == 0)
			r = sync_with(s->links.engine);
		return r == 0 ? tell(s->links.datapath, &request) : r;
	}
	r = tell(s->links.datapath, &request);
	if (r == 0)
		r = sync_with(s->links.datapath);
	return r == 0 ? tell(s->links.engine, &request) : r;
}

int settings_set_link(struct settings *s, struct link_state state)
{
	struct link_state before = s->state;
	int r;

	if (state.up == before.up && state.mtu == before.mtu)
		return 0;
	if (state.up && !before.up) {
		r = open_sockets(s, s->listen_port, s->fwmark);
		if (r < 0 && r != -EPIPE) {
			log_error("cannot open UDP port %u: %s; the interface is set down",
				s->listen_port, strerror(-r));
			return link_set_down(s->link);
		}
		if (r < 0)
			return r;
	}
	s->state = state;
	r = announce_link(s);
	if (r == 0 && before.up && !state.up) {
		udp_close(&s->sockets);
		r = hand_over_sockets(s);
	}
	return r;
}

/* Only peers heard of lately have a source worth asking the kernel about. */
static bool is_active(const struct settings *s, uint32_t id, uint64_t now_ns)
{
	uint64_t last_ns = atomic_load(&s->page->peers[id].last_rx_ns);

	return s->peers[id].exists && last_ns && last_ns + REJECT_AFTER_TIME_NS > now_ns;
}

int settings_check_sources(struct settings *s)
{
	uint64_t now_ns = clock_boottime_ns();
	int r = 0;

	for (uint32_t id = 0; id < s->end_id && r == 0; id++) {
		struct request request = {.type = REQUEST_GET_PEERS, .peer_id = id};
		struct report report;
		int ifindex;

		if (!is_active(s, id, now_ns))
			continue;
		r = ipc_call(s->links.datapath, &request, sizeof(request), &report, sizeof(report));
		if (r == 0 && !endpoint_is_valid(&report.endpoint))
			r = -EPROTO;
		if (r < 0 || !report.exists || report.endpoint.family == 0 ||
			bytes_are_zero(report.endpoint.local, sizeof(report.endpoint.local)))
			continue;
		ifindex = link_route_ifindex(s->link, &report.endpoint, true, s->fwmark);
		if (ifindex > 0 && (report.endpoint.family == AF_INET6 ||
					   (uint32_t)ifindex == report.endpoint.local_ifindex))
			continue;
		request.type = REQUEST_FORGET_SOURCE;
		request.endpoint = report.endpoint;
		r = tell(s->links.datapath, &request);
	}
	return r;
}
