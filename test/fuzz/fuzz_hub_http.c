/* SPDX-License-Identifier: MIT
 *
 * Bytes on a connection to the hub's HTTP servers. The first says whose it is: r, root's to the
 * admin API; m and p, a member's and a pending node's to the node API; anything else, one of an
 * address that no node has. The rest comes in pieces, each to its '|'. Whatever comes, what goes
 * back is HTTP, and the next one is served.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "hub_world.h"
#include "overlay/hub/http.h"
#include "overlay/hub/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROUNDS = 100, NOBODYS_HOST = 9999 };

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_un un; /* without a file */
};

static struct hub_world world;
static struct http *http;
static int epoll_fd = -1; /* of http */

/* Serve an API; *address becomes where. */
static void open_api(bool is_admin, union address *address, socklen_t *len)
{
	int fd =
		socket(is_admin ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	*address = (union address){
		.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
	*len = sizeof(address->in);
	if (is_admin) {
		*address = (union address){.un.sun_family = AF_UNIX};
		*len = sizeof(address->un.sun_family);
	}
	require(fd >= 0 && bind(fd, &address->any, *len) == 0 && listen(fd, 4) == 0);
	*len = sizeof(*address);
	require(getsockname(fd, &address->any, len) == 0);
	require(http_new(&world.hub, fd, is_admin, &http) == 0);
	epoll_fd = http_fd(http);
}

static int dial(char who, const union address *address, socklen_t len)
{
	const struct linger at_once = {.l_onoff = 1}; /* or ports would run out */
	struct sockaddr_in from = {.sin_family = AF_INET};
	uint32_t host = NOBODYS_HOST;
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (who == 'm')
		host = hub_world_member(&world, WORLD_MEMBER)->node.host;
	if (who == 'p')
		host = hub_world_member(&world, WORLD_PENDING)->node.host;
	from.sin_addr.s_addr = htonl(0x7f000000 + host);
	require(fd >= 0);
	if (address->any.sa_family == AF_INET) {
		require(bind(fd, (const void *)&from, sizeof(from)) == 0);
		require(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0);
	}
	(void)!connect(fd, &address->any, len);
	return fd;
}

static void turn(void)
{
	struct epoll_event event;

	http_run(http);
	while (epoll_wait(world.epoll_fd, &event, 1, 0) == 1)
		streams_dispatch(world.hub.streams, (uint32_t)event.data.u64, event.events,
			clock_boottime_ns());
}

/* Send something, and take turns with the hub until it has no more to say. Returns its status, 0
 * if there was none. */
static unsigned say(int fd, const void *data, size_t len)
{
	char answer[4096];
	unsigned status = 0;

	(void)!send(fd, data, len, MSG_NOSIGNAL);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct epoll_event event;
		ssize_t n;

		turn();
		n = recv(fd, answer, sizeof(answer) - 1, 0);
		if (n == 0 || (n < 0 && epoll_wait(epoll_fd, &event, 1, 0) == 0))
			break;
		if (n <= 0 || status != 0)
			continue;
		answer[n] = '\0';
		if (strncmp(answer, "HTTP/", 5) == 0)
			require(sscanf(answer, "HTTP/%*u.%*u %u", &status) == 1);
	}
	require(status == 0 || (status >= 100 && status < 600));
	return status;
}

static void talk(char who, const uint8_t *data, size_t size)
{
	union address address;
	socklen_t len;
	int fd;

	open_api(who == 'r', &address, &len);
	fd = dial(who, &address, len);
	turn();
	while (size > 0) {
		const uint8_t *end = memchr(data, '|', size);
		size_t piece = end ? (size_t)(end - data) : size;

		(void)say(fd, data, piece);
		data += end ? piece + 1 : piece;
		size -= end ? piece + 1 : piece;
	}
	close(fd);
	turn();
	fd = dial(who, &address, len);
	turn();
	require(say(fd, "GET /v1/nothing HTTP/1.1\r\nHost: h\r\n\r\n", 38) >= 400);
	close(fd);
	turn();
	http_free(http);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	hub_world_begin(&world);
	talk((char)data[0], data + 1, size - 1);
	return 0;
}
