/* SPDX-License-Identifier: MIT
 *
 * The world of one member.
 */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/encoding.h"
#include "core/keyring.h"
#include "crypto/dh.h"

static struct keyring *keyring; /* the door's */

static struct world *world_of(void *ctx)
{
	return ctx;
}

static void op_random(void *ctx, void *bytes, size_t len)
{
	struct world *w = world_of(ctx);

	for (size_t i = 0; i < len; i++) {
		w->random = w->random * 1664525 + 1013904223;
		((uint8_t *)bytes)[i] = (uint8_t)(w->random >> 24);
	}
}

static int64_t op_wall_s(void *ctx)
{
	return world_of(ctx)->wall_s + (int64_t)(world_of(ctx)->now_ns / SECOND_NS);
}

static void op_schedule(void *ctx, uint64_t deadline_ns)
{
	world_of(ctx)->deadline_ns = deadline_ns;
}

static void op_send_enrol(void *ctx, const struct message_enrol *message)
{
	world_of(ctx)->last_enrol = *message;
	world_of(ctx)->num_enrol++;
}

static void op_end_enrol(void *ctx)
{
	world_of(ctx)->num_end_enrol++;
}

static int op_open_tunnel(void *ctx, const char *ifname)
{
	struct world *w = world_of(ctx);

	if (w->open_error < 0)
		return w->open_error;
	w->tunnel_is_open = true;
	w->num_opened++;
	snprintf(w->ifname, sizeof(w->ifname), "%s", ifname);
	return 0;
}

static void clear_peers(struct world *w)
{
	for (unsigned i = 0; i < w->num_peers; i++)
		free(w->peers[i].allowed_ips);
	w->num_peers = 0;
}

static void op_close_tunnel(void *ctx)
{
	struct world *w = world_of(ctx);

	w->tunnel_is_open = false;
	w->num_addresses = 0;
	clear_peers(w);
}

static struct config_peer *find_key(struct world *w, const uint8_t key[KEY_LEN])
{
	for (unsigned i = 0; i < w->num_peers; i++) {
		if (memcmp(w->peers[i].public_key, key, KEY_LEN) == 0)
			return &w->peers[i];
	}
	return NULL;
}

static void apply_peer(struct world *w, const struct config_peer *from)
{
	struct config_peer *peer = find_key(w, from->public_key);

	if (from->flags & CONFIG_PEER_REMOVE) {
		if (peer) {
			free(peer->allowed_ips);
			*peer = w->peers[--w->num_peers];
		}
		return;
	}
	if (!peer) {
		if (w->num_peers == WORLD_PEERS) /* a fuzzer's */
			return;
		peer = &w->peers[w->num_peers++];
		*peer = (struct config_peer){0};
		memcpy(peer->public_key, from->public_key, KEY_LEN);
	}
	if (from->endpoint.family != 0)
		peer->endpoint = from->endpoint;
	if (from->flags & CONFIG_PEER_HAS_KEEPALIVE) {
		w->num_knocks += peer->keepalive_s == 0 && from->keepalive_s != 0;
		peer->keepalive_s = from->keepalive_s;
	}
	if (!(from->flags & CONFIG_PEER_REPLACE_ALLOWED_IPS))
		return;
	free(peer->allowed_ips);
	peer->allowed_ips = calloc(from->num_allowed_ips, sizeof(*peer->allowed_ips));
	memcpy(peer->allowed_ips, from->allowed_ips,
		from->num_allowed_ips * sizeof(*peer->allowed_ips));
	peer->num_allowed_ips = peer->cap_allowed_ips = from->num_allowed_ips;
}

static int op_set_tunnel(void *ctx, const struct config *config)
{
	struct world *w = world_of(ctx);

	if (w->set_error < 0)
		return w->set_error;
	w->num_set++;
	if (config->flags & CONFIG_REPLACE_PEERS)
		clear_peers(w);
	if (config->flags & CONFIG_HAS_LISTEN_PORT)
		w->listen_port = config->listen_port;
	for (size_t i = 0; i < config->num_peers; i++)
		apply_peer(w, &config->peers[i]);
	return 0;
}

static int op_get_tunnel(void *ctx, struct config *ret_config)
{
	struct world *w = world_of(ctx);

	ret_config->listen_port = w->listen_port ? w->listen_port : w->any_port;
	for (unsigned i = 0; i < w->num_peers; i++) {
		struct config_peer *peer = config_add_peer(ret_config);

		*peer = w->peers[i];
		peer->allowed_ips = NULL;
		peer->num_allowed_ips = peer->cap_allowed_ips = 0;
	}
	return 0;
}

static int op_set_address(void *ctx, const struct prefix *address, bool is_there)
{
	(void)address;
	world_of(ctx)->num_addresses += is_there ? 1U : -1U;
	return 0;
}

static void op_refuse(void *ctx, const struct prefix *address)
{
	world_of(ctx)->num_refused++;
	world_of(ctx)->refused = *address;
}

static int op_open_filter(
	void *ctx, const char *ifname, const struct prefix *hubs, unsigned num_hubs)
{
	(void)ifname;
	(void)hubs;
	(void)num_hubs;
	world_of(ctx)->filter_is_open = world_of(ctx)->filter_error == 0;
	return world_of(ctx)->filter_error;
}

static void op_close_filter(void *ctx)
{
	world_of(ctx)->filter_is_open = false;
	memset(world_of(ctx)->filtered, 0, sizeof(world_of(ctx)->filtered));
}

static int op_set_filter(void *ctx, int64_t peer_id, const struct prefix *addresses,
	unsigned num_addresses, const struct policy_allowance *allowances, unsigned num_allowances)
{
	struct world *w = world_of(ctx);

	(void)addresses;
	(void)num_addresses;
	(void)allowances;
	(void)num_allowances;
	if (w->filter_error == 0)
		w->filtered[peer_id % WORLD_PEERS] = peer_id;
	return w->filter_error;
}

static void op_remove_filter(void *ctx, int64_t peer_id)
{
	world_of(ctx)->filtered[peer_id % WORLD_PEERS] = 0;
}

static unsigned op_endpoints(void *ctx, struct endpoint ret_endpoints[MEMBER_ENDPOINTS_MAX])
{
	(void)ctx;
	return endpoint_from_text(&ret_endpoints[0], "192.168.1.7:1") == 0;
}

static int op_request(void *ctx, uint32_t id, const char *method, const struct endpoint *api,
	const char *path, const char *body)
{
	struct world *w = world_of(ctx);
	struct world_request *request = &w->requests[w->num_requests++ % WORLD_REQUESTS];

	assert(api->port == 51820 && api->addr[3] == 1);
	*request = (struct world_request){.id = id};
	snprintf(request->method, sizeof(request->method), "%s", method);
	snprintf(request->path, sizeof(request->path), "%s", path);
	snprintf(request->body, sizeof(request->body), "%s", body ? body : "");
	return 0;
}

static int op_open_stream(void *ctx, const struct endpoint *api, const char *path)
{
	struct world *w = world_of(ctx);

	(void)api;
	w->stream_is_open = true;
	w->num_streams++;
	snprintf(w->stream_path, sizeof(w->stream_path), "%s", path);
	return 0;
}

static void op_close_stream(void *ctx)
{
	world_of(ctx)->stream_is_open = false;
}

static int op_save(void *ctx)
{
	world_of(ctx)->num_saved++;
	return world_of(ctx)->save_error;
}

static void op_left(void *ctx)
{
	world_of(ctx)->has_left = true;
}

const struct member_ops world_ops = {op_random, op_wall_s, op_schedule, op_send_enrol, op_end_enrol,
	op_open_tunnel, op_close_tunnel, op_set_tunnel, op_get_tunnel, op_set_address, op_refuse,
	op_open_filter, op_close_filter, op_set_filter, op_remove_filter, op_endpoints, op_request,
	op_open_stream, op_close_stream, op_save, op_left};

struct member_settings world_settings(const struct world *w)
{
	struct member_settings settings = {.name = "robot-1", .ifname = "robots"};

	memcpy(settings.link.hub_key, w->door_key, KEY_LEN);
	snprintf(settings.link.host, sizeof(settings.link.host), "hub.example");
	settings.link.port = ENROL_PORT;
	snprintf(settings.link.network, sizeof(settings.link.network), "robots");
	memset(settings.link.join_key, 5, KEY_LEN);
	return settings;
}

void world_init(struct world *w)
{
	uint8_t private_key[KEY_LEN];
	struct member_settings settings;

	*w = (struct world){.now_ns = 1000 * SECOND_NS,
		.wall_s = 1780000000,
		.answer_state = ENROL_ACTIVE,
		.any_port = 40000};
	if (!keyring)
		keyring = keyring_new();
	memset(private_key, 1, KEY_LEN);
	keyring_set_private_key(keyring, private_key, w->door_key);
	memset(private_key, 3, KEY_LEN);
	dh_public(w->hub_key, private_key);
	memset(private_key, 2, KEY_LEN);
	settings = world_settings(w);
	w->member = member_new(&settings, private_key, &world_ops, w);
}

void world_deinit(struct world *w)
{
	member_free(w->member);
	clear_peers(w);
	keyring_free(keyring);
	keyring = NULL;
}

void world_pass(struct world *w, uint64_t ns)
{
	uint64_t until_ns = w->now_ns + ns;

	while (w->deadline_ns != 0 && w->deadline_ns <= until_ns) {
		if (w->deadline_ns > w->now_ns)
			w->now_ns = w->deadline_ns;
		w->deadline_ns = 0;
		member_tick(w->member, w->now_ns);
	}
	w->now_ns = until_ns;
}

static struct enrol_answer answer(const struct world *w)
{
	struct enrol_answer a = {.version = ENROL_VERSION,
		.state = w->answer_state,
		.node_id = 7,
		.hub_port = 51820,
		.api_port = 51820,
		.name = "robot-1",
		.address4 = {.family = AF_INET, .cidr = 16, .addr = {100, 64, 0, 7}},
		.address6 = {.family = AF_INET6, .cidr = 64, .addr = {0xfd, [15] = 7}},
		.hub_address4 = {.family = AF_INET, .cidr = 32, .addr = {100, 64, 0, 1}},
		.hub_address6 = {.family = AF_INET6, .cidr = 128, .addr = {0xfd, [15] = 1}}};

	memcpy(a.hub_key, w->hub_key, KEY_LEN);
	return a;
}

void world_answer_enrol(struct world *w)
{
	struct noise_keys keys = {keyring_mix, keyring};
	struct enrol_answer a = answer(w);
	struct enrol_responder responder;
	struct message_enrol response;
	struct endpoint from;
	uint8_t random[80];

	if (w->door_is_silent)
		return;
	assert(enrol_open_request(
		       &responder, &w->last_request, &w->last_enrol, &keys, w->door_key) == 0);
	op_random(w, random, sizeof(random));
	assert(enrol_create_response(&responder, &a, random, &response) == 0);
	assert(endpoint_from_text(&from, "192.0.2.1:51821") == 0);
	member_enrol_datagram(w->member, w->now_ns, &from, &response, sizeof(response));
}

void world_say(struct world *w, const char *line)
{
	member_stream_line(w->member, w->now_ns, line, strlen(line));
}

const struct world_request *world_last_request(const struct world *w)
{
	assert(w->num_requests > 0);
	return &w->requests[(w->num_requests - 1) % WORLD_REQUESTS];
}

void world_reply(struct world *w, int status, const char *body)
{
	member_answered(
		w->member, w->now_ns, world_last_request(w)->id, status, body, strlen(body));
}

void world_say_hello(struct world *w)
{
	world_pass(w, 10 * MSEC_NS);
	world_say(w,
		"{\"event\": \"hello\", \"api\": 1, \"seq\": 100, \"self\": {\"id\": 7, "
		"\"name\": \"robot-1\", \"addresses\": [\"100.64.0.7\", \"fd00::7\"], \"tags\": "
		"[], \"state\": \"active\", \"network\": {\"name\": \"robots\", \"prefixes\": "
		"[\"100.64.0.0/16\", \"fd00::/64\"]}}}");
	world_pass(w, 10 * MSEC_NS);
}

void world_join(struct world *w)
{
	member_start(w->member, w->now_ns);
	world_answer_enrol(w);
	world_say_hello(w);
}

void world_peer_key(uint8_t ret_key[KEY_LEN], int id)
{
	memset(ret_key, 0x40 + id, KEY_LEN);
}

const char *world_peer_json(int id, const char *endpoints)
{
	static char json[512];
	uint8_t key[KEY_LEN];
	char text[KEY_BASE64_LEN + 1];

	world_peer_key(key, id);
	key_to_base64(text, key);
	snprintf(json, sizeof(json),
		"{\"id\": %d, \"name\": \"node-%d\", \"public_key\": \"%s\", \"addresses\": "
		"[\"100.64.0.%d\", \"fd00::%x\"], \"tags\": [\"x\"], \"endpoints\": [%s], "
		"\"accept\": "
		"[{\"proto\": \"tcp\", \"ports\": \"22\"}, {\"proto\": \"icmp\"}]}",
		id, id, text, id, (unsigned)id, endpoints);
	return json;
}

struct config_peer *world_find_peer(struct world *w, int id)
{
	uint8_t key[KEY_LEN];

	world_peer_key(key, id);
	return find_key(w, key);
}
