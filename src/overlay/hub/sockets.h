/* SPDX-License-Identifier: MIT
 *
 * The hub's listening sockets, which only root can make.
 */
#ifndef ADIT_OVERLAY_HUB_SOCKETS_H
#define ADIT_OVERLAY_HUB_SOCKETS_H

#include "base/bytes.h"

/* A unix socket at path that every user may connect to (peer credentials decide what he may do), in
 * place of one that nobody serves. Returns its descriptor or a negative errno: -EADDRINUSE when
 * somebody does. */
MUST_CHECK int socket_listen_local(const char *path);

/* A TCP socket for both families at a port of one interface. Returns its descriptor or a negative
 * errno. */
MUST_CHECK int socket_listen_interface(const char *ifname, uint16_t port);

#endif
