/* SPDX-License-Identifier: MIT
 *
 * The UAPI socket: where it is, and the answers to its requests.
 */
#ifndef ADIT_TUNNEL_UAPI_H
#define ADIT_TUNNEL_UAPI_H

#include "net/local_server.h"
#include "tunnel/settings.h"

/* Create the server of ifname's socket, or give it listen_fd (WG_UAPI_FD); see local_server_new. */
MUST_CHECK int uapi_server_new(const char *ifname, int listen_fd, struct local_server **ret_server);

/* What its requests are about; both are borrowed. */
struct uapi {
	struct settings *settings;
	struct local_server *server;
};

/* Answer one request; ctx is a struct uapi. See local_server_answer. */
local_server_answer uapi_answer;

/* Remove the socket file of ifname if its owner is gone and could not. */
void uapi_remove_socket(const char *ifname);

#endif
