/* SPDX-License-Identifier: MIT
 *
 * A server of requests on a unix socket, for a few clients at a time. What a request is and what it
 * is answered is the caller's to know. Requests and replies may hold keys: all that is buffered is
 * wiped.
 */
#ifndef ADIT_NET_LOCAL_SERVER_H
#define ADIT_NET_LOCAL_SERVER_H

#include <poll.h>
#include <sys/types.h>

#include "base/text.h"

enum { LOCAL_SERVER_MAX_CLIENTS = 16, LOCAL_SERVER_MAX_POLLFDS = LOCAL_SERVER_MAX_CLIENTS + 2 };

struct local_server;

/* Answer the request at the start of what a client has sent, if it is complete: append to reply and
 * return the request's length in bytes. Return 0 if more bytes are needed, or a negative number if
 * this cannot become a request: the client is sent away. *scan is for remembering how far data was
 * looked at; it is 0 when data begins anew. */
typedef ssize_t local_server_answer(
	void *ctx, const char *data, size_t len, size_t *scan, struct text *reply);

/* Listen on dir/name, for root alone; makes dir if it is missing, and replaces a socket nobody
 * listens on. Or take over listen_fd, if it is not -1, which is bound to that name. Returns 0 or a
 * negative errno: -EADDRINUSE when another process serves this name, -ENOTSOCK when listen_fd does
 * not listen, -ENAMETOOLONG. */
MUST_CHECK int local_server_new(
	const char *dir, const char *name, int listen_fd, struct local_server **ret_server);

/* Close everything and remove the socket file. Takes NULL. */
void local_server_free(struct local_server *server);

/* Fill in what to poll for; returns how many entries, at most LOCAL_SERVER_MAX_POLLFDS. */
unsigned local_server_pollfds(const struct local_server *server, struct pollfd *ret_fds);

/* Whether a client has said part of a request, or has not read all that it was answered. */
bool local_server_is_busy(const struct local_server *server);

/* Restrict the client that is just being answered until it is gone, and whether it is. What this
 * means is the caller's to know. */
void local_server_restrict(struct local_server *server);
bool local_server_is_restricted(const struct local_server *server);

/* Have the client that is just being answered hear what is pushed from now on, after that answer.
 * Returns 0, or -EBUSY: another one does. It is not sent away to make room. */
MUST_CHECK int local_server_subscribe(struct local_server *server);
bool local_server_has_subscriber(struct local_server *server);

/* Send something to the subscriber, between its answers; if there is none, or it reads too slowly,
 * this is lost. */
void local_server_push(struct local_server *server, const char *data, size_t len);

/* Serve what poll found, with the same entries: one request a client and turn. Returns false when
 * somebody removed the socket file, which is a way to end a server. */
MUST_CHECK bool local_server_dispatch(struct local_server *server, local_server_answer *answer,
	void *ctx, const struct pollfd *fds, unsigned num_fds);

#endif
