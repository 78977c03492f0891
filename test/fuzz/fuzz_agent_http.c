/* SPDX-License-Identifier: MIT
 *
 * A hub's HTTP, as the agent hears it: what a server says to a request (the first byte even) or for
 * a stream, in pieces, each to its '|'. Every request ends, once, with what HTTP allows; lines of a
 * stream are lines; and what is too long is refused.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "overlay/agent/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATIENCE_NS (2 * SECOND_NS)

static struct loop *loop;
static struct http *http;
static int listen_fd;
static char url[64];
static unsigned num_ends;
static size_t num_heard; /* bytes of lines */

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void start(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	loop = loop_new(8);
	http = loop ? http_new(loop) : NULL;
	require(http != NULL);
	listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	require(bind(listen_fd, (struct sockaddr *)&address, len) == 0);
	require(listen(listen_fd, 1) == 0);
	require(getsockname(listen_fd, (struct sockaddr *)&address, &len) == 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/v1/self", ntohs(address.sin_port));
}

static void on_line(void *ctx, const char *line, size_t len)
{
	require(ctx == &num_ends && num_ends == 0 && len <= HTTP_BODY_MAX);
	require(len == 0 || !memchr(line, '\n', len));
	num_heard += len;
}

static void on_end(void *ctx, int status, const char *body, size_t len)
{
	require(ctx == &num_ends && num_ends == 0);
	require(status == -ECONNABORTED || (status >= 100 && status <= 999));
	require(len <= HTTP_BODY_MAX && (len == 0 || body));
	num_ends++;
}

/* All that can be done at once. */
static void run(void)
{
	while (num_ends == 0 && loop_run_once(loop, 1))
		;
}

static int accept_request(void)
{
	char request[1024];
	int fd;

	run(); /* it connects */
	fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	require(fd >= 0);
	run(); /* and asks */
	require(recv(fd, request, sizeof(request), MSG_DONTWAIT) > 0);
	return fd;
}

static void say(int fd, const uint8_t *data, size_t size)
{
	while (size > 0) {
		const uint8_t *end = memchr(data, '|', size);
		size_t len = end ? (size_t)(end - data) : size;

		(void)!send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		run();
		data += end ? len + 1 : len;
		size -= end ? len + 1 : len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct http_call call = {.method = "GET", .url = url};
	uint64_t until_ns = clock_boottime_ns() + PATIENCE_NS;
	int fd;

	if (size == 0)
		return 0;
	if (!loop)
		start();
	num_ends = 0;
	num_heard = 0;
	require(http_start(http, &call, data[0] & 1 ? on_line : NULL, on_end, &num_ends) != NULL);
	fd = accept_request();
	say(fd, data + 1, size - 1);
	close(fd);
	while (num_ends == 0 && clock_boottime_ns() < until_ns)
		loop_run_once(loop, until_ns);
	require(num_ends == 1 && num_heard <= size);
	return 0;
}
