/* SPDX-License-Identifier: MIT
 *
 * The HTTP client on its loop, against a server that says what the test wants: answers, streams in
 * pieces, too long ones, none at all, and requests that are cancelled at every possible moment.
 */
#include "overlay/agent/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/text.h"

static struct loop *loop;
static struct http *http;
static int listen_fd, server_fd;
static char url[64];
static char asked[4096];
static const char *reply;   /* what the server answers each request with */
static bool stays_open;	    /* or hangs up after it */
static char got[64 * 1024]; /* body, or lines with '|' behind them */
static int got_status;
static unsigned num_ends, num_lines;
static struct http_request *under_way;
static bool cancels_at_line;

static void server_ready(void *ctx, uint32_t events)
{
	ssize_t len = recv(server_fd, asked, sizeof(asked) - 1, MSG_DONTWAIT);

	(void)ctx;
	(void)events;
	loop_unwatch(loop, server_fd);
	asked[len > 0 ? len : 0] = '\0';
	assert_int_equal(send(server_fd, reply, strlen(reply), MSG_NOSIGNAL), strlen(reply));
	if (stays_open)
		return;
	close(server_fd);
	server_fd = -1;
}

static void accept_one(void *ctx, uint32_t events)
{
	(void)ctx;
	(void)events;
	server_fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(server_fd >= 0);
	assert_int_equal(loop_watch(loop, server_fd, EPOLLIN, server_ready, NULL), 0);
}

static int start(void **state)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);

	(void)state;
	loop = loop_new(8);
	http = loop ? http_new(loop) : NULL;
	listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	server_fd = -1;
	num_ends = num_lines = 0;
	got_status = 0;
	got[0] = '\0';
	stays_open = cancels_at_line = false;
	if (!http || bind(listen_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		listen(listen_fd, 4) < 0 ||
		getsockname(listen_fd, (struct sockaddr *)&addr, &len) < 0)
		return -1;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/v1/x", ntohs(addr.sin_port));
	return loop_watch(loop, listen_fd, EPOLLIN, accept_one, NULL);
}

static int stop(void **state)
{
	(void)state;
	http_free(http);
	loop_free(loop);
	close(listen_fd);
	if (server_fd >= 0)
		close(server_fd);
	return 0;
}

static void run(unsigned ms)
{
	uint64_t until_ns = clock_boottime_ns() + ms * MSEC_NS;

	while (clock_boottime_ns() < until_ns && num_ends == 0)
		loop_run_once(loop, until_ns);
}

static void done(void *ctx, int status, const char *body, size_t len)
{
	assert_ptr_equal(ctx, &got_status);
	got_status = status;
	num_ends++;
	under_way = NULL;
	snprintf(got + strlen(got), sizeof(got) - strlen(got), "%.*s", (int)len, body);
}

static void line(void *ctx, const char *text, size_t len)
{
	assert_ptr_equal(ctx, &got_status);
	num_lines++;
	if (strlen(got) + len + 2 < sizeof(got))
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%.*s|", (int)len, text);
	if (cancels_at_line) {
		http_cancel(under_way);
		under_way = NULL;
	}
}

static void begin(const char *method, const char *body, bool is_stream)
{
	const struct http_call call = {
		.method = method, .url = url, .body = body, .interface = "host!127.0.0.1"};

	under_way = http_start(http, &call, is_stream ? line : NULL, done, &got_status);
	assert_non_null(under_way);
}

static void test_request(void **state)
{
	(void)state;
	reply = "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}";
	begin("PUT", "{\"a\": 1}", false);
	run(2000);
	assert_int_equal(num_ends, 1);
	assert_int_equal(got_status, 404);
	assert_string_equal(got, "{}");
	assert_ptr_equal(strstr(asked, "PUT /v1/x HTTP/1.1\r\n"), asked);
	assert_non_null(strstr(asked, "\r\nAdit-Api: 1\r\n"));
	assert_non_null(strstr(asked, "\r\n\r\n{\"a\": 1}"));
}

static void test_stream(void **state)
{
	static const char more[] = "hree\nfour\n\nunfinished";

	(void)state;
	reply = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none\ntwo\nt";
	stays_open = true;
	begin("GET", NULL, true);
	run(200);
	assert_string_equal(got, "one|two|");
	assert_int_equal(send(server_fd, more, sizeof(more) - 1, 0), sizeof(more) - 1);
	run(200);
	assert_string_equal(got, "one|two|three|four||");
	assert_int_equal(num_ends, 0);
	close(server_fd);
	server_fd = -1;
	run(2000);
	assert_int_equal(num_ends, 1);
	assert_int_equal(got_status, 200);
}

static void test_refused_stream(void **state)
{
	(void)state;
	reply = "HTTP/1.1 403 No\r\nContent-Length: 20\r\n\r\n{\"state\": \"revoked\"}";
	begin("GET", NULL, true);
	run(2000);
	assert_int_equal(got_status, 403);
	assert_int_equal(num_lines, 0);
	assert_string_equal(got, "{\"state\": \"revoked\"}");
}

/* More than fits, of lines that do: all come. */
static void test_many_lines(void **state)
{
	struct text text = {0};

	(void)state;
	text_printf(&text, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
	for (int i = 0; i < 10000; i++)
		text_printf(&text, "line number %d of a long answer\n", i);
	reply = text.data;
	begin("GET", NULL, true);
	run(5000);
	assert_int_equal(num_lines, 10000);
	assert_int_equal(got_status, 200);
	text_deinit(&text);
}

static void test_too_long(void **state)
{
	struct text text = {0};

	(void)state;
	text_printf(&text, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
	for (int i = 0; i < HTTP_BODY_MAX / 8 + 1; i++)
		text_printf(&text, "12345678");
	reply = text.data;
	for (int is_stream = 0; is_stream < 2; is_stream++) {
		num_ends = 0;
		begin("GET", NULL, is_stream);
		run(5000);
		assert_int_equal(num_ends, 1);
		assert_true(got_status < 0);
		assert_int_equal(num_lines, 0);
	}
	text_deinit(&text);
}

static void test_nobody_there(void **state)
{
	(void)state;
	loop_unwatch(loop, listen_fd);
	close(listen_fd);
	listen_fd = -1;
	begin("GET", NULL, true);
	assert_int_equal(num_ends, 0); /* never from within the call */
	run(2000);
	assert_int_equal(num_ends, 1);
	assert_true(got_status < 0);
	assert_true(*got != '\0');
}

static void test_cancel(void **state)
{
	(void)state;
	begin("GET", NULL, false);
	http_cancel(under_way); /* at once */
	reply = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none\ntwo\nthree\n";
	stays_open = true;
	cancels_at_line = true; /* from its own callback */
	begin("GET", NULL, true);
	run(300);
	assert_int_equal(num_lines, 1);
	assert_int_equal(num_ends, 0);
	begin("GET", NULL, true); /* and what is left is freed with the client */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_request, start, stop),
		cmocka_unit_test_setup_teardown(test_stream, start, stop),
		cmocka_unit_test_setup_teardown(test_refused_stream, start, stop),
		cmocka_unit_test_setup_teardown(test_many_lines, start, stop),
		cmocka_unit_test_setup_teardown(test_too_long, start, stop),
		cmocka_unit_test_setup_teardown(test_nobody_there, start, stop),
		cmocka_unit_test_setup_teardown(test_cancel, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
