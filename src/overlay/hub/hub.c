/* SPDX-License-Identifier: MIT
 *
 * The hub: opening it, and what is due by time.
 */
#include "overlay/hub/hub.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "overlay/hub/changes.h"
#include "overlay/launch/launch.h"

enum {
	EXPIRE_RETRY_S = 10,
	EXPIRE_EVERY_S = 600, /* at least: or the store takes us for asleep */
	SEEN_EVERY_S = 600,   /* how often the store is told that a node is still connected */
	SEEN_LOOK = 512,      /* nodes looked at for that, every second at most */
};

/* Between two tries to make good what failed of the tunnel. */
#define PAUSE_NS SECOND_NS
#define PAUSE_MAX_NS (64 * SECOND_NS)

int64_t hub_now_s(void)
{
	return (int64_t)(clock_wall_ns() / SECOND_NS);
}

/* --- addresses ------------------------------------------------------- */

int hub_add_addresses(struct hub *hub, const struct network *network)
{
	static const uint16_t families[] = {AF_INET, AF_INET6};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families) && r == 0; i++) {
		struct prefix address = network_address(network, families[i], HUB_HOST);

		if (address.family != 0 && hub->launcher_fd >= 0)
			r = launch_add_address(hub->launcher_fd, hub->ifname, &address);
	}
	if (r != 0) {
		log_error("network %s: cannot set the hub's addresses: %s", network->name,
			strerror(-r));
		hub->lacks_address = true;
	}
	return r;
}

int hub_remove_addresses(const struct hub *hub, const struct network *network)
{
	static const uint16_t families[] = {AF_INET, AF_INET6};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct prefix address = network_address(network, families[i], HUB_HOST);
		int failed = 0;

		if (address.family != 0 && hub->launcher_fd >= 0)
			failed = launch_remove_address(hub->launcher_fd, hub->ifname, &address);
		r = failed != 0 ? failed : r;
	}
	return r;
}

/* --- opening --------------------------------------------------------- */

/* A shortage of addresses is not the end: the hub can do without for a while. A launcher that is
 * gone, or makes no sense, is. */
static int set_up_tunnel(struct hub *hub)
{
	int r = 0;

	for (size_t i = 0; r != -EPIPE && r != -EPROTO && i < hub->directory.num_realms; i++)
		r = hub_add_addresses(hub, &hub->directory.realms[i]->network);
	if (r != -EPIPE && r != -EPROTO)
		r = tunnel_sync(&hub->tunnel, &hub->directory);
	if (r != 0)
		log_error("the tunnel cannot be set up: %s", strerror(-r));
	return r;
}

/* Whoever may join names himself: he shall not get what the policy gives to a name. */
static bool name_is_reserved(void *ctx, int64_t network_id, const char *name)
{
	const struct hub *hub = ctx;
	const struct realm *realm = directory_realm_by_id(&hub->directory, network_id);

	return realm == NULL || policy_names_node(realm->policy, name);
}

int hub_open(struct hub *hub, const char *database)
{
	uint8_t hash_key[SIPHASH_KEY_LEN];
	int r;

	hub->started_s = hub_now_s();
	hub->expire_s = hub->started_s;
	if (getrandom(hash_key, sizeof(hash_key), 0) != (ssize_t)sizeof(hash_key))
		return -EIO;
	r = store_open(database, &hub->store);
	if (r == 0) {
		store_reserve_names(hub->store, name_is_reserved, hub);
		r = directory_load(&hub->directory, hub->store, hash_key);
	}
	if (r != 0)
		log_error("%s", r == -ENOMEM ? "out of memory" : store_error(hub->store));
	else
		r = set_up_tunnel(hub);
	if (r != 0)
		hub_close(hub);
	return r;
}

void hub_close(struct hub *hub)
{
	directory_deinit(&hub->directory);
	tunnel_deinit(&hub->tunnel);
	store_close(hub->store);
	hub->store = NULL;
}

noreturn void hub_start_anew(const char *what, const char *why)
{
	log_error("%s: %s; the server begins anew", what, why);
	_exit(1);
}

/* --- by time --------------------------------------------------------- */

struct expired_node {
	int64_t id;
	bool is_removed;
};

/* Nodes that the store has expired or removed; told of when it is done with it. */
struct expired {
	struct expired_node *nodes; /* owned */
	size_t num, cap;
};

/* The store will not say so again. */
static int note_expired(void *ctx, const struct node *node)
{
	struct expired *expired = ctx;

	if (expired->num == expired->cap) {
		expired->cap = expired->cap * 2 + 8;
		expired->nodes =
			reallocarray(expired->nodes, expired->cap, sizeof(*expired->nodes));
		if (expired->nodes == NULL)
			hub_start_anew("which nodes expired cannot be kept", "out of memory");
	}
	expired->nodes[expired->num++] =
		(struct expired_node){.id = node->id, .is_removed = node->state == 0};
	return 0;
}

static void tell_of_expired(struct hub *hub, const struct expired *expired)
{
	int64_t expire_s = hub->expire_s;

	for (size_t i = 0; i < expired->num; i++) {
		int64_t id = expired->nodes[i].id;
		struct member *member = directory_member(&hub->directory, id);

		if (!expired->nodes[i].is_removed)
			(void)changes_node(hub, id);
		else if (member != NULL && changes_remove_node(hub, NULL, member) != 0)
			log_error("node %lld: cannot be removed", (long long)id);
	}
	hub->expire_s = expire_s; /* it is not to be looked again because of these */
}

static void expire_nodes(struct hub *hub, int64_t now_s)
{
	struct expired expired = {0};
	int64_t held_until_s = store_held_until(hub->store);
	int r = store_expire_due(hub->store, now_s, note_expired, &expired, &hub->expire_s);

	if (store_held_until(hub->store) > held_until_s)
		log_error("the clock was set, or the hub was off for long: no node expires for an "
			  "hour, in case the clock is wrong");

	if (r != 0) {
		log_error("store: cannot expire nodes: %s", store_error(hub->store));
		hub->expire_s = now_s + EXPIRE_RETRY_S;
	}
	tell_of_expired(hub, &expired);
	if (hub->expire_s == 0 || hub->expire_s > now_s + EXPIRE_EVERY_S)
		hub->expire_s = now_s + EXPIRE_EVERY_S;
	free(expired.nodes);
}

/* Who is connected is seen. Some at a time, because nobody waits for it. */
static void note_seen_nodes(struct hub *hub, int64_t now_s)
{
	int r = 0;

	for (unsigned i = 0; i < SEEN_LOOK && r == 0; i++) {
		struct member *member = directory_next(&hub->directory, &hub->seen_slot);

		if (member == NULL) {
			hub->seen_slot = 0;
			break;
		}
		hub->seen_slot++;
		if (member->stream == NULL || llabs(now_s - member->node.seen_s) < SEEN_EVERY_S)
			continue;
		r = store_seen(hub->store, member->node.id, now_s);
		member->node.seen_s = now_s;
	}
	if (r != 0)
		log_error("store: cannot note who was seen: %s", store_error(hub->store));
}

/* Make good what has failed of the tunnel: all of it is looked at, so ever more seldom. */
static void catch_up(struct hub *hub, uint64_t now_ns)
{
	if (!(hub->lacks_address || hub->tunnel.is_behind) || hub->catch_up_ns > now_ns)
		return;
	hub->lacks_address = hub->tunnel.is_behind = false;
	if (set_up_tunnel(hub) != 0)
		hub->tunnel.is_behind = true;
	if (!hub->lacks_address && !hub->tunnel.is_behind) {
		log_error("the tunnel is as it should be again");
		hub->pause_ns = hub->catch_up_ns = 0;
		return;
	}
	hub->pause_ns = hub->pause_ns == 0 ? PAUSE_NS : hub->pause_ns * 2;
	if (hub->pause_ns > PAUSE_MAX_NS)
		hub->pause_ns = PAUSE_MAX_NS;
	hub->catch_up_ns = now_ns + hub->pause_ns;
}

uint64_t hub_expire(struct hub *hub, uint64_t now_ns)
{
	int64_t now_s = hub_now_s();
	uint64_t leave_ns, next_ns = now_ns + SECOND_NS;

	/* or it was put back */
	if (hub->expire_s <= now_s || hub->expire_s > now_s + EXPIRE_EVERY_S)
		expire_nodes(hub, now_s);
	note_seen_nodes(hub, now_s);
	if (tunnel_is_lost(&hub->tunnel)) /* the next one gets another connection */
		hub_start_anew("the tunnel cannot be asked", "its connection is lost");
	catch_up(hub, now_ns);
	(void)streams_expire(hub->streams, now_ns);
	leave_ns = tunnel_expire(&hub->tunnel, now_ns);
	return leave_ns != 0 && leave_ns < next_ns ? leave_ns : next_ns;
}
