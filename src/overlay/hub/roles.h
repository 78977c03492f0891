/* SPDX-License-Identifier: MIT
 *
 * The processes of `adit-hub run`. The launcher (run.c) is root: it keeps the two private keys on
 * disk, starts the tunnel and the roles, and serves the hub as overlay/launch/launch.h says; when
 * the hub alone dies it is started again, the tunnel goes on. The others are the user "adit", or
 * "nobody".
 *
 *   vault   holds the enrolment key (tunnel/vault.c, as in a tunnel)
 *   door    the enrolment port (overlay/door/door.h)
 *   server  the hub proper: store, APIs, streams
 */
#ifndef ADIT_OVERLAY_HUB_ROLES_H
#define ADIT_OVERLAY_HUB_ROLES_H

#include <net/if.h>

#include "overlay/door/door.h"
#include "overlay/wire/link.h"
#include "privsep/role.h"

/* The hub's descriptors. Its subject (role.h) is the interface's name. */
enum {
	HUB_FD_LAUNCHER = ROLE_FIRST_FD, /* first a struct hub_setup comes, then it is launch.h's */
	HUB_FD_DOOR,			 /* struct door_question, struct door_verdict */
	HUB_FD_ADMIN,			 /* listening unix socket: the admin API */
	HUB_FD_API,  /* listening TCP socket, IPv6 and IPv4, bound to the interface: the node API */
	HUB_FD_UAPI, /* a connection to the tunnel's UAPI socket */
	HUB_NUM_FDS = HUB_FD_UAPI - ROLE_FIRST_FD + 1,
};

/* The exit status by which the server says that the door misbehaves: the door it cannot end. */
enum { HUB_EXIT_DOOR = 4 };

/* What a hub is told at start. Public keys only. */
struct hub_setup {
	char host[JOIN_HOST_MAX + 1]; /* for join links */
	uint16_t enrol_port, hub_port, api_port;
	uint8_t enrol_key[KEY_LEN]; /* public, the door's */
	uint8_t hub_key[KEY_LEN];   /* public, the tunnel's */
};

/* The database, seen from the hub's root directory: once in the sandbox, for there only it is the
 * root. */
#define HUB_DATABASE "/hub.db"

enum hub_role { HUB_ROLE_DOOR, HUB_ROLE_SERVER, HUB_ROLE_NUM };
extern const struct role hub_roles[HUB_ROLE_NUM];

/* What a hub does after exec. When it serves it says so by launch_ready(HUB_FD_LAUNCHER); when it
 * ends before it has ever said so, the program ends. */
noreturn void hub_main(const char *subject);

/* For the hub: enter the sandbox, in which its root directory, and all the files it may have, is
 * that of the database. */
void hub_enter_sandbox(void);

/* The command `adit-hub run`. Returns its exit status. */
int hub_run(int argc, char *argv[]);

#endif
