/* SPDX-License-Identifier: MIT
 *
 * The APIs on real sockets: who calls is known by the connection, bodies are bounded, and a stream
 * outlives the HTTP server's interest in its connection.
 */
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "overlay/hub/http.h"

enum { ROUNDS = 200, ANSWER_MAX = 1 << 18 };

struct site {
	struct fixture f;
	struct http *api, *admin;
	struct sockaddr_in api_address;
	struct sockaddr_un admin_address;
};

/* Nodes have 127.0.0.0/8: the loopback device lets anybody come from any of it. */
static int setup(void **state)
{
	struct site *site = calloc(1, sizeof(*site));
	struct network network = {.name = "lab", .allows_by_default = true};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(site->api_address);

	fixture_open(&site->f);
	assert_int_equal(store_add_network(site->f.hub.store, "test", &network), 0);
	assert_int_equal(prefix_from_text(&network.prefix4, "127.0.0.0/8"), 0);
	assert_non_null(directory_add_realm(&site->f.hub.directory, &network, NULL));
	site->api_address.sin_family = AF_INET;
	site->api_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (void *)&site->api_address, sizeof(site->api_address)), 0);
	assert_int_equal(getsockname(fd, (void *)&site->api_address, &len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(http_new(&site->f.hub, fd, false, &site->api), 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	site->admin_address.sun_family = AF_UNIX;
	snprintf(site->admin_address.sun_path, sizeof(site->admin_address.sun_path), "%s/sock",
		site->f.folder);
	assert_int_equal(bind(fd, (void *)&site->admin_address, sizeof(site->admin_address)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(http_new(&site->f.hub, fd, true, &site->admin), 0);
	*state = site;
	return 0;
}

static int teardown(void **state)
{
	struct site *site = *state;

	http_free(site->api);
	http_free(site->admin);
	(void)unlink(site->admin_address.sun_path);
	fixture_close(&site->f);
	free(site);
	return 0;
}

/* --- a client -------------------------------------------------------- */

/* A connection to the node API from the address of a host number, or (0) to the admin API. */
static int dial(const struct site *site, uint32_t host)
{
	int fd = socket(host != 0 ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in from = {.sin_family = AF_INET};
	int r;

	if (host == 0) {
		r = connect(fd, (const void *)&site->admin_address, sizeof(site->admin_address));
	} else {
		from.sin_addr.s_addr = htonl(0x7f000000 + host);
		assert_int_equal(bind(fd, (void *)&from, sizeof(from)), 0);
		r = connect(fd, (const void *)&site->api_address, sizeof(site->api_address));
	}
	assert_true(r == 0 || errno == EINPROGRESS);
	return fd;
}

static void turn(struct site *site)
{
	struct epoll_event event;

	http_run(site->api);
	http_run(site->admin);
	while (epoll_wait(site->f.epoll_fd, &event, 1, 0) == 1)
		streams_dispatch(site->f.hub.streams, (uint32_t)event.data.u64, event.events,
			clock_boottime_ns());
}

/* Send what fits, take turns with the hub, and collect what it says until `until` is in it, or it
 * hangs up. */
static const char *exchange(
	struct site *site, int fd, const char *data, size_t len, const char *until)
{
	static char answer[ANSWER_MAX];
	size_t have = 0;

	answer[0] = '\0';
	for (unsigned i = 0; i < ROUNDS && strstr(answer, until) == NULL; i++) {
		ssize_t n = len > 0 ? send(fd, data, len, MSG_NOSIGNAL) : 0;

		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
		turn(site);
		n = recv(fd, answer + have, sizeof(answer) - 1 - have, 0);
		if (n == 0)
			break;
		if (n > 0)
			have += (size_t)n;
		else
			usleep(500);
		answer[have] = '\0';
	}
	return answer;
}

static const char *request(struct site *site, uint32_t host, const char *text, const char *until)
{
	static char copy[ANSWER_MAX];
	int fd = dial(site, host);

	snprintf(copy, sizeof(copy), "%s", exchange(site, fd, text, strlen(text), until));
	close(fd);
	return copy;
}

/* --- tests ----------------------------------------------------------- */

static void test_caller_is_known_by_its_address(void **state)
{
	struct site *site = *state;
	const struct member *anna = add_node(&site->f, "lab", "anna", 1, true, "");
	const struct member *bob = add_node(&site->f, "lab", "bob", 2, true, "");
	static const char text[] = "GET /v1/self HTTP/1.1\r\nHost: h\r\n\r\n";

	assert_non_null(strstr(request(site, anna->node.host, text, "}}"), "\"name\":\"anna\""));
	assert_non_null(strstr(request(site, bob->node.host, text, "}}"), "\"name\":\"bob\""));
	assert_non_null(strstr(request(site, 77, text, "}"), "HTTP/1.1 403"));
	assert_non_null(strstr(request(site, 0, text, "}"), "HTTP/1.1 404"));
	assert_non_null(strstr(request(site, 0, "GET /v1/status HTTP/1.1\r\nHost: h\r\n\r\n", "}}"),
		"HTTP/1.1 200"));
}

static void test_bodies_are_bounded(void **state)
{
	static const struct {
		size_t len;
		const char *status;
	} table[] = {{12, "HTTP/1.1 404"}, {65536, "HTTP/1.1 404"}, {65537, "HTTP/1.1 413"},
		{200000, "HTTP/1.1 413"}};
	struct site *site = *state;
	const struct member *anna = add_node(&site->f, "lab", "anna", 1, true, "");

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char *text = calloc(1, table[i].len + 256);
		int fd = dial(site, anna->node.host), head;

		head = snprintf(text, 256,
			"POST /v1/connect HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n",
			table[i].len);
		memcpy(text + head, "{\"name\":\"", 9);
		memset(text + head + 9, 'x', table[i].len - 11);
		memcpy(text + head + table[i].len - 2, "\"}", 2);
		assert_non_null(strstr(exchange(site, fd, text, (size_t)head + table[i].len, "}"),
			table[i].status));
		close(fd);
		free(text);
	}
}

/* Another head than any request of ours has costs nothing but its connection. */
static void test_large_heads_are_refused(void **state)
{
	struct site *site = *state;
	const struct member *anna = add_node(&site->f, "lab", "anna", 1, true, "");
	char *text = malloc(20000);
	const char *answer;
	int head = snprintf(text, 20000, "GET /v1/self HTTP/1.1\r\nX: ");

	memset(text + head, 'x', 19000 - (size_t)head);
	memcpy(text + 18996, "\r\n\r\n", 5);
	answer = request(site, anna->node.host, text, "\r\n\r\n");
	assert_true(*answer == '\0' || strstr(answer, "HTTP/1.1 431") != NULL ||
		    strstr(answer, "HTTP/1.1 413") != NULL);
	free(text);
}

static void test_stream_goes_on(void **state)
{
	static const char text[] = "GET /v1/stream?since=0 HTTP/1.1\r\nHost: h\r\n\r\n";
	struct site *site = *state;
	struct member *anna = add_node(&site->f, "lab", "anna", 1, true, "");
	struct member *bob = add_node(&site->f, "lab", "bob", 2, true, "");
	int fd = dial(site, anna->node.host);
	const char *answer = exchange(site, fd, text, strlen(text), "}}\n");

	assert_non_null(strstr(answer, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(answer, "{\"event\":\"hello\""));
	for (unsigned i = 0; i < 20; i++)
		turn(site); /* whatever the server still wants to do to the connection */
	assert_non_null(anna->stream);
	assert_int_equal(
		ask_as_node(&site->f, bob, "POST", "/v1/connect", "{\"name\": \"anna\"}", NULL),
		200);
	assert_non_null(strstr(exchange(site, fd, "", 0, "}}\n"), "{\"event\":\"peer\""));
	/* The other end's going is seen at once. */
	close(fd);
	for (unsigned i = 0; i < ROUNDS && anna->stream != NULL; i++) {
		turn(site);
		usleep(500);
	}
	assert_null(anna->stream);
}

/* Who asks for a peer that listens is answered when that says that it is ready, or has taken too
 * long. */
static void test_answer_waits_for_the_peer(void **state)
{
	static const char listen_text[] = "GET /v1/stream HTTP/1.1\r\nHost: h\r\n\r\n";
	static const char connect_text[] = "POST /v1/connect HTTP/1.1\r\nHost: h\r\n"
					   "Content-Length: 15\r\n\r\n{\"name\": \"bob\"}";
	struct site *site = *state;
	const struct member *anna = add_node(&site->f, "lab", "anna", 1, true, "");
	struct member *bob = add_node(&site->f, "lab", "bob", 2, true, "");
	int to_bob = dial(site, bob->node.host), to_anna = dial(site, anna->node.host);
	char body[32];

	assert_non_null(strstr(
		exchange(site, to_bob, listen_text, strlen(listen_text), "}}\n"), "\"hello\""));
	for (unsigned times = 0; times < 2; times++) {
		assert_string_equal(
			exchange(site, to_anna, connect_text, strlen(connect_text), "}}"), "");
		assert_non_null(strstr(exchange(site, to_bob, "", 0, "}}\n"), "\"awaited\":true"));
		snprintf(body, sizeof(body), "{\"id\": %lld}", (long long)anna->node.id);
		if (times == 0)
			assert_int_equal(
				ask_as_node(&site->f, bob, "POST", "/v1/ready", body, NULL), 204);
		else
			assert_int_equal(rendezvous_expire(&site->f.hub.rendezvous,
						 clock_boottime_ns() + RENDEZVOUS_NS),
				0);
		assert_non_null(strstr(exchange(site, to_anna, "", 0, "}}"), "\"name\":\"bob\""));
	}
	/* One that hangs up meanwhile is forgotten. */
	assert_string_equal(exchange(site, to_anna, connect_text, strlen(connect_text), "}}"), "");
	close(to_anna);
	(void)rendezvous_expire(&site->f.hub.rendezvous, clock_boottime_ns() + RENDEZVOUS_NS);
	for (unsigned i = 0; i < 20; i++)
		turn(site);
	assert_null(site->f.hub.rendezvous.first);
	close(to_bob);
}

static void test_many_requests_on_one_connection(void **state)
{
	static const char text[] = "GET /v1/self HTTP/1.1\r\nHost: h\r\nAdit-Api: 1\r\n\r\n";
	static const char newer[] = "GET /v1/self HTTP/1.1\r\nHost: h\r\nAdit-Api: 9\r\n\r\n";
	struct site *site = *state;
	const struct member *anna = add_node(&site->f, "lab", "anna", 1, true, "");
	int fd = dial(site, anna->node.host);

	for (unsigned i = 0; i < 5; i++)
		assert_non_null(
			strstr(exchange(site, fd, text, strlen(text), "}}"), "HTTP/1.1 200"));
	assert_non_null(strstr(exchange(site, fd, newer, strlen(newer), "}"), "HTTP/1.1 426"));
	close(fd);
}

/* One node cannot take all connections. */
static void test_a_node_has_few_connections(void **state)
{
	enum { CONNECTIONS = 40 };
	static const char text[] = "GET /v1/self HTTP/1.1\r\nHost: h\r\n\r\n";
	struct site *site = *state;
	const struct member *anna = add_node(&site->f, "lab", "anna", 1, true, "");
	const struct member *bob = add_node(&site->f, "lab", "bob", 2, true, "");
	unsigned num_served = 0;
	int fds[CONNECTIONS];

	for (unsigned i = 0; i < CONNECTIONS; i++) {
		fds[i] = dial(site, anna->node.host);
		if (strstr(exchange(site, fds[i], text, strlen(text), "}}"), "200") != NULL)
			num_served++;
	}
	assert_in_range(num_served, 4, CONNECTIONS / 2);
	assert_non_null(strstr(request(site, bob->node.host, text, "}}"), "HTTP/1.1 200"));
	for (unsigned i = 0; i < CONNECTIONS; i++)
		close(fds[i]);
}

/* Whoever may use this machine may connect to the admin socket; root gets through nevertheless. */
static void test_users_do_not_keep_root_out(void **state)
{
	static const char text[] = "GET /v1/status HTTP/1.1\r\nHost: h\r\n\r\n";
	struct site *site = *state;
	int fds[300];

	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(site->f.folder, 0711), 0);
	assert_int_equal(chmod(site->admin_address.sun_path, 0666), 0);
	assert_int_equal(setresuid(65534, 65534, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial(site, 0);
		if (i % 8 == 0) /* more would wait to be accepted than may */
			turn(site);
	}
	assert_int_equal(setresuid(0, 0, 0), 0);
	assert_non_null(strstr(request(site, 0, text, "}}"), "HTTP/1.1 200"));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	for (int i = 0; i < 20; i++)
		turn(site);
	/* and when they are gone, others are heard again */
	assert_int_equal(setresuid(65534, 65534, 0), 0);
	fds[0] = dial(site, 0);
	assert_int_equal(setresuid(0, 0, 0), 0);
	assert_non_null(strstr(exchange(site, fds[0], text, strlen(text), "}"), "HTTP/1.1 403"));
	close(fds[0]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_caller_is_known_by_its_address),
		TEST(test_bodies_are_bounded),
		TEST(test_large_heads_are_refused),
		TEST(test_stream_goes_on),
		TEST(test_answer_waits_for_the_peer),
		TEST(test_many_requests_on_one_connection),
		TEST(test_a_node_has_few_connections),
		TEST(test_users_do_not_keep_root_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
