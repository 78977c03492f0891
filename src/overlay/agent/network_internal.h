/* SPDX-License-Identifier: MIT
 *
 * What the files of a network share: its struct, and the ops of its member (member.h) by the file
 * that has them.
 *
 *   network.c         its life, and what is on disk
 *   network_hub.c     the hub: enrolment datagrams, requests and the stream
 *   network_tunnel.c  the tunnel, the filter, our own addresses
 */
#ifndef ADIT_OVERLAY_AGENT_NETWORK_INTERNAL_H
#define ADIT_OVERLAY_AGENT_NETWORK_INTERNAL_H

#include "overlay/agent/agent.h"

/* A request to the hub under way. */
struct asked {
	struct network *network;
	uint32_t id;
	struct http_request *request;
	struct asked *next;
};

struct network {
	struct agent *agent;
	struct member *member;
	char name[NETWORK_NAME_MAX + 1], ifname[IFNAMSIZ], host[JOIN_HOST_MAX + 1];
	uint16_t port;
	uint8_t private_key[KEY_LEN];
	bool key_is_saved;
	struct member_settings saved; /* as they are on disk */
	int timer;

	/* the hub's door */
	struct resolver *resolver;
	struct endpoint doors[RESOLVER_ADDRESSES_MAX];
	unsigned num_doors;
	uint64_t resolved_ns;
	struct message_enrol message; /* to be sent when the doors are known */
	bool has_message;
	int door_fds[2]; /* IPv4, IPv6; -1: none */

	/* the tunnel */
	int uapi_fd, watch_fd; /* -1: none */
	struct uapi_watch watch;
	struct filter *filter;

	/* the hub's API */
	struct http_request *stream;
	struct asked *asked;

	bool has_left;
	uint64_t control_id; /* who asked to leave */
};

static inline struct network *network_of(void *ctx)
{
	return ctx;
}

/* network_hub.c */
bool network_from_sockaddr(struct endpoint *ret_endpoint, const struct sockaddr *addr);
void network_end_enrol(void *ctx);
void network_send_enrol(void *ctx, const struct message_enrol *message);
void network_forget_asked(struct network *n, struct asked *asked);
int network_request(void *ctx, uint32_t id, const char *method, const struct endpoint *api,
	const char *path, const char *body);
int network_open_stream(void *ctx, const struct endpoint *api, const char *path);
void network_close_stream(void *ctx);

/* network_tunnel.c */
void network_close_uapi(struct network *n);
int network_open_tunnel(void *ctx, const char *ifname);
void network_close_tunnel(void *ctx);
int network_set_tunnel(void *ctx, const struct config *config);
int network_get_tunnel(void *ctx, struct config *ret_config);
int network_set_address(void *ctx, const struct prefix *address, bool is_there);
void network_refuse(void *ctx, const struct prefix *address);
void network_close_filter(void *ctx);
int network_open_filter(
	void *ctx, const char *ifname, const struct prefix *hubs, unsigned num_hubs);
int network_set_filter(void *ctx, int64_t peer_id, const struct prefix *addresses,
	unsigned num_addresses, const struct policy_allowance *allowances, unsigned num_allowances);
void network_remove_filter(void *ctx, int64_t peer_id);
unsigned network_endpoints(void *ctx, struct endpoint ret_endpoints[MEMBER_ENDPOINTS_MAX]);

#endif
