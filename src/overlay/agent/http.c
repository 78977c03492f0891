/* SPDX-License-Identifier: MIT
 *
 * libcurl's multi interface on our loop. What curl's callbacks bring is kept until curl has
 * returned: then our callers may do what they want, even cancel.
 */
#include "overlay/agent/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/text.h"

struct http {
	struct loop *loop;
	CURLM *multi;
	struct curl_slist *headers;
	int timer;
	struct http_request *requests; /* all */
	struct http_request *fresh;    /* those that got something */
};

struct http_request {
	struct http *http;
	struct http_request *next, **prev;
	struct http_request *next_fresh;
	CURL *easy;
	http_line *line;
	http_done *done;
	void *ctx;
	struct text in;	 /* the body, or a stream's lines that were not given on */
	size_t tail_len; /* of the unfinished line at its end */
	char error[CURL_ERROR_SIZE];
	bool is_fresh, is_ended, is_cancelled;
	CURLcode result; /* once ended */
};

static void request_free(struct http_request *request)
{
	(void)curl_multi_remove_handle(request->http->multi, request->easy);
	curl_easy_cleanup(request->easy);
	*request->prev = request->next;
	if (request->next)
		request->next->prev = request->prev;
	text_deinit(&request->in);
	free(request);
}

static void mark_fresh(struct http_request *request)
{
	if (request->is_fresh)
		return;
	request->is_fresh = true;
	request->next_fresh = request->http->fresh;
	request->http->fresh = request;
}

static int status_of(const struct http_request *request)
{
	long status = 0;

	curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

static bool is_streaming(const struct http_request *request)
{
	return request->line && status_of(request) == 200;
}

/* Give on what lines are complete. */
static void deliver_lines(struct http_request *request)
{
	size_t done = 0;
	const char *end;

	while (!request->is_cancelled && done < request->in.len &&
		(end = memchr(request->in.data + done, '\n', request->in.len - done))) {
		const char *line = request->in.data + done;

		request->line(request->ctx, line, (size_t)(end - line));
		done = (size_t)(end - request->in.data) + 1;
	}
	if (done == request->in.len) {
		text_deinit(&request->in);
		return;
	}
	memmove(request->in.data, request->in.data + done, request->in.len - done);
	request->in.len -= done;
}

static void deliver_end(struct http_request *request)
{
	int status = status_of(request);
	bool is_stream = request->line && status == 200;
	bool is_whole =
		request->result == CURLE_OK || (is_stream && request->result == CURLE_PARTIAL_FILE);
	const char *why;

	/* curl knows statuses of other lengths, too */
	if (is_whole && status >= 100 && status <= 999) {
		request->done(request->ctx, status, is_stream ? "" : request->in.data,
			is_stream ? 0 : request->in.len);
		return;
	}
	why = is_whole		? "not HTTP"
	      : *request->error ? request->error
				: curl_easy_strerror(request->result);
	request->done(request->ctx, -ECONNABORTED, why, strlen(why));
}

static void collect_ended(struct http *http)
{
	const CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left))) {
		struct http_request *request = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
		request->is_ended = true;
		request->result = message->data.result;
		mark_fresh(request);
	}
}

/* Tell callers what happened; curl is not running. */
static void deliver(struct http *http)
{
	struct http_request *request;

	collect_ended(http);
	while ((request = http->fresh)) {
		http->fresh = request->next_fresh;
		if (!request->is_cancelled && is_streaming(request))
			deliver_lines(request);
		if (!request->is_cancelled && request->is_ended)
			deliver_end(request);
		request->is_fresh = false;
		if (request->is_cancelled || request->is_ended)
			request_free(request);
	}
}

static void act(struct http *http, curl_socket_t fd, int events)
{
	int running;

	(void)curl_multi_socket_action(http->multi, fd, events, &running);
	deliver(http);
}

struct socket_watch {
	struct http *http;
	curl_socket_t fd;
};

static void socket_ready(void *ctx, uint32_t events)
{
	const struct socket_watch watch = *(const struct socket_watch *)ctx;

	act(watch.http, watch.fd,
		(events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
			(events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			(events & EPOLLERR ? CURL_CSELECT_ERR : 0));
}

static void timer_due(void *ctx, uint64_t now_ns)
{
	(void)now_ns;
	act(ctx, CURL_SOCKET_TIMEOUT, 0);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
	struct http *http = ctx;
	struct socket_watch *watch = socket_ctx;
	uint32_t events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
			  (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		loop_unwatch(http->loop, fd);
		free(watch);
		return 0;
	}
	if (!watch) {
		watch = malloc(sizeof(*watch));
		if (!watch)
			return -1;
		*watch = (struct socket_watch){.http = http, .fd = fd};
		curl_multi_assign(http->multi, fd, watch);
	}
	return loop_watch(http->loop, fd, events, socket_ready, watch) < 0 ? -1 : 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
	const struct http *http = ctx;

	(void)multi;
	loop_set_timer(http->loop, http->timer,
		timeout_ms < 0 ? 0 : clock_boottime_ns() + (uint64_t)timeout_ms * MSEC_NS);
	return 0;
}

static size_t on_data(char *data, size_t size, size_t num, void *ctx)
{
	struct http_request *request = ctx;
	size_t len = size * num;
	const char *newline = is_streaming(request) ? memrchr(data, '\n', len) : NULL;

	if (request->tail_len + len > HTTP_BODY_MAX) {
		snprintf(request->error, sizeof(request->error), "too long an answer");
		return 0;
	}
	text_append(&request->in, data, len);
	/* whole lines are given on as soon as curl returns */
	request->tail_len = newline ? (size_t)(data + len - newline) - 1 : request->tail_len + len;
	if (newline)
		mark_fresh(request);
	return request->in.failed ? 0 : len;
}

struct http *http_new(struct loop *loop)
{
	struct http *http = calloc(1, sizeof(*http));

	if (!http)
		return NULL;
	*http = (struct http){.loop = loop, .multi = curl_multi_init()};
	http->timer = loop_add_timer(loop, timer_due, http);
	http->headers = curl_slist_append(NULL, "Adit-Api: 1");
	if (http->headers)
		curl_slist_append(http->headers, "Content-Type: application/json");
	if (!http->multi || !http->headers || http->timer < 0) {
		http_free(http);
		return NULL;
	}
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	return http;
}

void http_free(struct http *http)
{
	if (!http)
		return;
	for (struct http_request *request = http->requests, *next; request; request = next) {
		next = request->next;
		request_free(request);
	}
	if (http->multi)
		curl_multi_cleanup(http->multi);
	curl_slist_free_all(http->headers);
	loop_remove_timer(http->loop, http->timer);
	free(http);
}

static void set_options(struct http_request *request, const struct http_call *call)
{
	CURL *easy = request->easy;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
	curl_easy_setopt(easy, CURLOPT_URL, call->url);
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->http->headers);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 2048L); /* ten thousand streams in one process */
	/* A connection each: the search for one to use again costs more with thousands of them. */
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	if (!request->line)
		curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)HTTP_TIMEOUT_MS);
	if (call->interface)
		curl_easy_setopt(easy, CURLOPT_INTERFACE, call->interface);
	if (call->body)
		curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, call->body);
}

struct http_request *http_start(struct http *http, const struct http_call *call, http_line *line,
	http_done *done, void *ctx)
{
	struct http_request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	*request = (struct http_request){
		.http = http, .line = line, .done = done, .ctx = ctx, .easy = curl_easy_init()};
	if (!request->easy) {
		free(request);
		return NULL;
	}
	set_options(request, call);
	request->prev = &http->requests;
	request->next = http->requests;
	if (request->next)
		request->next->prev = &request->next;
	http->requests = request;
	if (curl_multi_add_handle(http->multi, request->easy) != CURLM_OK) {
		request_free(request);
		return NULL;
	}
	return request;
}

void http_cancel(struct http_request *request)
{
	if (!request)
		return;
	if (request->is_fresh) /* deliver() comes to it, or is with it */
		request->is_cancelled = true;
	else
		request_free(request);
}
