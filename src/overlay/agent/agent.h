/* SPDX-License-Identifier: MIT
 *
 * The agent: the unprivileged process that holds the memberships, and acts for them. What its files
 * share.
 *
 *   main.c           `adit-agent`: the launcher, root
 *   agent.c          the process: confined, its loop, its networks
 *   network.c        a network: what its member does to the world
 *   requests.c       what the `adit` verbs ask
 */
#ifndef ADIT_OVERLAY_AGENT_AGENT_H
#define ADIT_OVERLAY_AGENT_AGENT_H

#include "config/uapi_socket.h"
#include "overlay/agent/control.h"
#include "overlay/agent/http.h"
#include "overlay/agent/member.h"
#include "overlay/agent/resolver.h"
#include "overlay/filter/filter.h"
#include "privsep/role.h"

/* The agent's descriptors. Its subject (role.h) is "agent". */
enum {
	AGENT_FD_LAUNCHER = ROLE_FIRST_FD, /* launch.h */
	AGENT_FD_CONTROL,		   /* listening unix socket */
	AGENT_FD_STATE,			   /* folder, which only the agent's user may open */
	AGENT_NUM_FDS = AGENT_FD_STATE - ROLE_FIRST_FD + 1,
};

/* By this it is told where settings are. */
#define AGENT_ENV_CONFIG "ADIT_AGENT_CONFIG"

enum { AGENT_NETWORKS_MAX = 64 };

struct network;

struct agent {
	struct loop *loop;
	struct http *http;
	struct control *control;
	int netlink_fd; /* tells of addresses */
	char hostname[NODE_NAME_MAX + 1];
	struct network *networks[AGENT_NETWORKS_MAX];
	unsigned num_networks;
	bool ends, rests;
};

noreturn void agent_main(const char *subject);

/* network.c: one network. Its name and member are there to be read; the rest is its own. */
MUST_CHECK int network_new(
	struct agent *agent, const struct member_settings *settings, struct network **ret_network);
/* Read back what is kept of it, and begin. */
void network_start(struct network *network, uint64_t now_ns);
/* End it; what is outside (tunnel, filter) goes on. Takes NULL. */
void network_free(struct network *network);
/* Save, and remove the filter: the whole agent ends. */
void network_end(struct network *network);
struct member *network_member(const struct network *network);
const char *network_name(const struct network *network);
/* Leave it; who asked (control.h) is told when it is done. */
void network_leave(struct network *network, uint64_t now_ns, uint64_t control_id);
/* If it was left: the client that asked (0: none). */
bool network_has_left(const struct network *network, uint64_t *ret_control_id);

/* agent.c */
struct network *agent_find(const struct agent *agent, const char *name);
/* Add a network and start it. Returns 0 or a negative errno. */
MUST_CHECK int agent_add(struct agent *agent, const struct member_settings *settings);
void agent_remove(struct agent *agent, struct network *network); /* frees it */

/* requests.c */
control_request agent_request;

/* confine.c: become an unprivileged user with CAP_NET_ADMIN, that can write in the state folder and
 * read what names are resolved with, and nothing else. Ends the process when it fails. */
void agent_confine(void);

#endif
