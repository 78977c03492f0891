/* SPDX-License-Identifier: MIT
 *
 * The world is opened once and then used by many runs: to open a database costs more than a run.
 */
#include "hub_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "overlay/hub/changes.h"
#include "overlay/hub/enrol.h"

enum { RUNS_OF_A_WORLD = 500, JOINS = 100 /* with each join key */ };

void require(bool condition)
{
	if (!condition)
		abort();
}

struct member *hub_world_member(struct hub_world *world, uint8_t number)
{
	uint8_t key[KEY_LEN];

	memset(key, number, sizeof(key));
	return directory_member_by_key(&world->hub.directory, key);
}

static void add_node(struct hub_world *world, const char *name, uint8_t number, bool approved)
{
	struct realm *realm = directory_realm(&world->hub.directory, "lab");
	struct join_key_info info = {
		.network_id = realm->network.id, .max_uses = JOINS, .approves = approved};
	struct door_question question = {.number = number};
	struct door_verdict verdict;

	memset(question.request.join_key, number, KEY_LEN);
	memset(question.node_key, number, KEY_LEN);
	question.request.version = ENROL_VERSION;
	snprintf(question.request.network, sizeof(question.request.network), "lab");
	snprintf(question.request.hostname, sizeof(question.request.hostname), "%s", name);
	require(store_add_join_key(world->hub.store, "fuzz", &info, question.request.join_key) ==
		0);
	enrol_decide(&world->hub, &question, 1, &verdict);
	require(!verdict.is_refused);
}

static void close_world(struct hub_world *world)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	char path[96];

	streams_free(world->hub.streams);
	hub_close(&world->hub);
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		snprintf(path, sizeof(path), "%s/hub.db%s", world->folder, suffixes[i]);
		(void)unlink(path);
	}
	(void)rmdir(world->folder);
}

static struct hub_world *opened;

static void close_at_exit(void)
{
	close_world(opened);
}

/* The network has the loopback device's addresses: anybody may come from any of them. */
static void open_world(struct hub_world *world)
{
	struct network network = {.name = "lab", .allows_by_default = true};
	struct admin admin = {.name = "anna:1234", .role = ADMIN_ADMIN};
	struct hub *hub = &world->hub;
	char path[96];

	if (!opened) {
		opened = world;
		world->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
		atexit(close_at_exit); /* the folder */
	}
	snprintf(world->folder, sizeof(world->folder), "%s/adit-fuzz-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	require(mkdtemp(world->folder) != NULL);
	snprintf(path, sizeof(path), "%s/hub.db", world->folder);
	*hub = (struct hub){.launcher_fd = -1, .tunnel.uapi_fd = -1};
	require(streams_new(world->epoll_fd, 0, &hub->streams) == 0);
	require(hub_open(hub, path) == 0);
	require(store_add_network(hub->store, "fuzz", &network) == 0);
	require(prefix_from_text(&network.prefix4, "127.0.0.0/8") == 0);
	require(directory_add_realm(&hub->directory, &network, NULL) != NULL);
	add_node(world, "member", WORLD_MEMBER, true);
	add_node(world, "peer", WORLD_PEER, true);
	add_node(world, "pending", WORLD_PENDING, false);
	admin.network_id = network.id;
	require(store_set_admin(hub->store, "fuzz", &admin) == 0);
}

static bool is_whole(struct hub_world *world)
{
	const struct member *member = hub_world_member(world, WORLD_MEMBER),
			    *pending = hub_world_member(world, WORLD_PENDING);

	return member && member->node.state == NODE_ACTIVE && pending &&
	       pending->node.state == NODE_PENDING && hub_world_member(world, WORLD_PEER);
}

void hub_world_begin(struct hub_world *world)
{
	if (world->hub.store && ++world->runs % RUNS_OF_A_WORLD != 0 && is_whole(world))
		return;
	if (world->hub.store)
		close_world(world);
	open_world(world);
}
