/* SPDX-License-Identifier: MIT
 *
 * A client of the hub's API: requests, and streams read line by line, many at a time, on a loop.
 * Uses libcurl. Callbacks come from the loop only, never from within a call.
 */
#ifndef ADIT_OVERLAY_AGENT_HTTP_H
#define ADIT_OVERLAY_AGENT_HTTP_H

#include "overlay/agent/loop.h"

enum {
	HTTP_BODY_MAX = 64 * 1024, /* bytes of an answer, and of a stream's line */
	HTTP_TIMEOUT_MS = 10000,   /* of a request; of a stream until it is connected */
};

struct http;
struct http_request;

struct http *http_new(struct loop *loop); /* NULL: out of memory */
void http_free(struct http *http);	  /* takes NULL; cancels what is under way */

/* What is asked; all is copied. */
struct http_call {
	const char *method, *url;
	const char *body;      /* JSON; NULL: none */
	const char *interface; /* where from, as CURLOPT_INTERFACE has it; NULL: anywhere */
};

/* The end. status is HTTP's, or negative: there was no answer, and body says why in words. body
 * (borrowed) is empty for a stream that was answered with 200. The request is freed then. */
typedef void http_done(void *ctx, int status, const char *body, size_t len);
/* A line of a stream, without its end. */
typedef void http_line(void *ctx, const char *line, size_t len);

/* Start a request; line is for a stream, else NULL. Returns it, to be cancelled, or NULL: out of
 * memory (done is not called). */
struct http_request *http_start(struct http *http, const struct http_call *call, http_line *line,
	http_done *done, void *ctx);

/* End it without a callback. Takes NULL. */
void http_cancel(struct http_request *request);

#endif
