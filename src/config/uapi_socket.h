/* SPDX-License-Identifier: MIT
 *
 * A client of the daemons that serve UAPI sockets, ours and others. A connection may have been
 * opened by somebody else, and takes one request after the other. Where a function fails because of
 * the connection, not because the daemon said so, nothing more can be said on it, and it is shut
 * down.
 */
#ifndef ADIT_CONFIG_UAPI_SOCKET_H
#define ADIT_CONFIG_UAPI_SOCKET_H

#include "base/text.h"
#include "config/config.h"

#define UAPI_SOCKET_DIR "/var/run/wireguard"
#define UAPI_SOCKET_SUFFIX ".sock"

/* The path of an interface's socket, cut to size bytes: that of a sun_path has room for any name.
 */
void uapi_socket_path(char *ret_path, size_t size, const char *ifname);

/* Whether an interface can have this name, and a socket. */
bool uapi_socket_name_is_valid(const char *ifname);

/* Connect to the daemon of an interface; the file of one that is gone is removed. Returns the
 * socket, which waits and is CLOEXEC, or a negative errno: -EINVAL, no such name is possible;
 * -ENOENT or -ECONNREFUSED, there is no daemon; -ENOTSOCK. */
MUST_CHECK int uapi_socket_connect(const char *ifname);

/* Whether nothing more can be said on a connection: the daemon is gone, or an answer was not taken
 * as a whole, for want of memory, say, and the rest of it would be taken for the next. */
bool uapi_socket_is_lost(int fd);

/* Get the configuration and state of a device, without its name and public key; or change it. They
 * wait for the reply. Return 0 or a negative errno, with ret_config empty: what the daemon says, or
 * -EPROTO for a reply that is none. */
MUST_CHECK int uapi_socket_get(int fd, struct config *ret_config);
MUST_CHECK int uapi_socket_set(int fd, const struct config *config);

/* Get the same of a tunnel of ours with no peer but this one, which is in ret_config->peers[0]. As
 * above; -ENOENT, there is no such peer. */
MUST_CHECK int uapi_socket_get_peer(
	int fd, const uint8_t public_key[KEY_LEN], struct config *ret_config);

/* Have a tunnel of ours hide secret keys from whoever has this connection, from now on (uapi.h).
 * Returns 0 or a negative errno: -EPROTO, the daemon knows nothing of this, or is gone. */
MUST_CHECK int uapi_socket_hide_keys(int fd);

/* A connection on which a tunnel of ours tells which addresses packets want (uapi.h). */
struct uapi_watch {
	int fd;		/* borrowed; to be polled for reading */
	struct text in; /* what is read and not yet understood */
};

/* Begin to watch on a connection, waiting for the reply. Returns 0 or a negative errno: -EBUSY,
 * there is another watcher; -EPIPE, the daemon knows nothing of this, or is gone. */
MUST_CHECK int uapi_watch_begin(struct uapi_watch *watch, int fd);

/* The next address that is wanted, as a prefix of full length, without waiting. Returns 1; 0, there
 * is none; or a negative errno, -EPIPE when the tunnel is gone. */
MUST_CHECK int uapi_watch_next(struct uapi_watch *watch, struct prefix *ret_address);

/* Refuse an address, without waiting. Returns 0 or a negative errno: -EAGAIN, the tunnel is slow.
 */
MUST_CHECK int uapi_watch_refuse(struct uapi_watch *watch, const struct prefix *address);

/* Release what is buffered. Closing the connection ends the watch. */
void uapi_watch_deinit(struct uapi_watch *watch);

#endif
