/* SPDX-License-Identifier: MIT
 *
 * HTTP: requests by libmicrohttpd to the router, its answers back. A request for a stream leaves
 * libmicrohttpd: its connection is handed to stream.c.
 */
#ifndef ADIT_OVERLAY_HUB_HTTP_H
#define ADIT_OVERLAY_HUB_HTTP_H

#include "overlay/hub/hub.h"

struct http;

/* Serve the API on a listening socket, which is taken over. admin: callers are unix users, not
 * nodes. Returns 0 or -ENOMEM. */
MUST_CHECK int http_new(struct hub *hub, int listen_fd, bool admin, struct http **ret_http);
void http_free(struct http *http); /* takes NULL */

/* What to poll for input. */
int http_fd(const struct http *http);

/* Serve what there is. */
void http_run(struct http *http);

/* When http_run() wants to be called though nothing came: milliseconds from now, -1: never. */
int http_timeout_ms(const struct http *http);

#endif
