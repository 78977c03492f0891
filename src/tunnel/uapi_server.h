/* SPDX-License-Identifier: MIT
 *
 * The UAPI socket: listens under /var/run/wireguard, serves a few clients at a time.
 */
#ifndef ADIT_TUNNEL_UAPI_SERVER_H
#define ADIT_TUNNEL_UAPI_SERVER_H

#include <poll.h>

#include "tunnel/settings.h"

#define UAPI_DIR "/var/run/wireguard"

enum { UAPI_MAX_CLIENTS = 16, UAPI_MAX_POLLFDS = UAPI_MAX_CLIENTS + 2 };

struct uapi_server;

/* Create the socket of ifname, for root alone, replacing one nobody listens on; or take over
 * listen_fd (WG_UAPI_FD) if it is not -1. Returns 0 or a negative errno: -EADDRINUSE when another
 * process serves this name, -ENOTSOCK when listen_fd does not listen. */
MUST_CHECK int uapi_server_new(const char *ifname, int listen_fd, struct uapi_server **ret_server);

/* Close everything and remove the socket file. Takes NULL. */
void uapi_server_free(struct uapi_server *server);

/* Fill in what to poll for; returns how many entries, at most UAPI_MAX_POLLFDS. */
unsigned uapi_server_pollfds(const struct uapi_server *server, struct pollfd *ret_fds);

/* Serve what poll found, with the same entries. Returns false when somebody removed the socket
 * file, which is a way to end a tunnel. */
MUST_CHECK bool uapi_server_dispatch(struct uapi_server *server, struct settings *settings,
	const struct pollfd *fds, unsigned num_fds);

/* Remove the socket file of ifname, when its owner could not. */
void uapi_server_remove(const char *ifname);

#endif
