/* SPDX-License-Identifier: MIT
 *
 * A world of one member: a clock, a hub's door that answers as it is told, a tunnel and a filter
 * that remember what they were told, and whatever the hub's API is asked.
 */
#ifndef ADIT_TEST_AGENT_WORLD_H
#define ADIT_TEST_AGENT_WORLD_H

#include "overlay/agent/member_internal.h"

enum { WORLD_PEERS = 16, WORLD_REQUESTS = 64 };

struct world_request {
	uint32_t id;
	char method[8], path[96], body[512];
};

struct world {
	struct member *member;
	uint64_t now_ns, deadline_ns;
	int64_t wall_s;
	uint32_t random;

	/* the door */
	bool door_is_silent;
	enum enrol_state answer_state;
	unsigned num_enrol, num_end_enrol; /* datagrams sent; ends */
	struct message_enrol last_enrol;
	struct enrol_request last_request;
	uint8_t door_key[KEY_LEN], hub_key[KEY_LEN];

	/* the tunnel: peers as it has them now */
	int open_error, set_error, filter_error, save_error;
	bool tunnel_is_open, filter_is_open;
	unsigned num_opened, num_set;
	unsigned num_knocks; /* keepalives turned on: a session is begun */
	char ifname[IFNAMSIZ];
	struct config_peer peers[WORLD_PEERS];
	unsigned num_peers;
	uint16_t listen_port, any_port; /* as it was told; what it chooses else */
	unsigned num_addresses;
	unsigned num_refused;
	struct prefix refused;
	int64_t filtered[WORLD_PEERS]; /* ids; 0: free */

	/* the API */
	struct world_request requests[WORLD_REQUESTS];
	unsigned num_requests;
	bool stream_is_open;
	unsigned num_streams;
	char stream_path[96];

	unsigned num_saved;
	bool has_left;
};

extern const struct member_ops world_ops;

/* A world with a member of the network "robots", not started. */
void world_init(struct world *world);
void world_deinit(struct world *world);
struct member_settings world_settings(const struct world *world);

/* Time passes: the member's deadlines are met one by one. */
void world_pass(struct world *world, uint64_t ns);
/* The door answers the last request, if it is not silent. */
void world_answer_enrol(struct world *world);
/* A line of the stream. */
void world_say(struct world *world, const char *line);
/* The answer to the last request to the API. */
void world_reply(struct world *world, int status, const char *body);
const struct world_request *world_last_request(const struct world *world);

/* The hub greets on the stream that the member has opened. */
void world_say_hello(struct world *world);

/* From nothing to a member with a stream. */
void world_join(struct world *world);

/* {"id": …} of a peer with this id, at 100.64.0.ID, and its key. */
const char *world_peer_json(int id, const char *endpoints);
void world_peer_key(uint8_t ret_key[KEY_LEN], int id);
struct config_peer *world_find_peer(struct world *world, int id);

#endif
