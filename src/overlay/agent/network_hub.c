/* SPDX-License-Identifier: MIT
 *
 * How a network's member reaches its hub: datagrams to the door before there is a tunnel, then the
 * API inside it.
 */
#include "overlay/agent/network_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define RESOLVED_NS (30 * SECOND_NS) /* a name's addresses are asked for again after */
enum { DATAGRAMS_A_TURN = 16 };

/* --- the door --------------------------------------------------------- */

static void to_sockaddr(
	struct sockaddr_storage *ret_addr, socklen_t *ret_len, const struct endpoint *endpoint)
{
	*ret_addr = (struct sockaddr_storage){.ss_family = endpoint->family};
	if (endpoint->family == AF_INET) {
		struct sockaddr_in *in = (void *)ret_addr;

		in->sin_port = htons(endpoint->port);
		memcpy(&in->sin_addr, endpoint->addr, sizeof(in->sin_addr));
		*ret_len = sizeof(*in);
	} else {
		struct sockaddr_in6 *in6 = (void *)ret_addr;

		in6->sin6_port = htons(endpoint->port);
		in6->sin6_scope_id = endpoint->scope_id;
		memcpy(&in6->sin6_addr, endpoint->addr, sizeof(in6->sin6_addr));
		*ret_len = sizeof(*in6);
	}
}

bool network_from_sockaddr(struct endpoint *ret_endpoint, const struct sockaddr *addr)
{
	*ret_endpoint = (struct endpoint){.family = addr->sa_family};
	if (addr->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)addr;

		ret_endpoint->port = ntohs(in->sin_port);
		memcpy(ret_endpoint->addr, &in->sin_addr, sizeof(in->sin_addr));
		return true;
	}
	if (addr->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)addr;

		ret_endpoint->port = ntohs(in6->sin6_port);
		memcpy(ret_endpoint->addr, &in6->sin6_addr, sizeof(in6->sin6_addr));
		if (IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
			ret_endpoint->scope_id = in6->sin6_scope_id;
		return true;
	}
	return false;
}

static void door_ready(struct network *n, int fd)
{
	for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
		uint8_t datagram[2048];
		struct sockaddr_storage addr;
		socklen_t len = sizeof(addr);
		struct endpoint from;
		ssize_t size =
			recvfrom(fd, datagram, sizeof(datagram), MSG_DONTWAIT, (void *)&addr, &len);

		if (size < 0)
			return;
		if (!network_from_sockaddr(&from, (const void *)&addr))
			continue;
		member_enrol_datagram(
			n->member, clock_boottime_ns(), &from, datagram, (size_t)size);
		if (n->door_fds[0] != fd && n->door_fds[1] != fd) /* it was what we waited for */
			return;
	}
}

static void door4_ready(void *ctx, uint32_t events)
{
	(void)events;
	door_ready(ctx, network_of(ctx)->door_fds[0]);
}

static void door6_ready(void *ctx, uint32_t events)
{
	(void)events;
	door_ready(ctx, network_of(ctx)->door_fds[1]);
}

static int open_door(struct network *n, int i)
{
	if (n->door_fds[i] >= 0)
		return n->door_fds[i];
	n->door_fds[i] =
		socket(i == 0 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->door_fds[i] >= 0 && loop_watch(n->agent->loop, n->door_fds[i], EPOLLIN,
					   i == 0 ? door4_ready : door6_ready, n) < 0) {
		close(n->door_fds[i]);
		n->door_fds[i] = -1;
	}
	return n->door_fds[i];
}

void network_end_enrol(void *ctx)
{
	struct network *n = network_of(ctx);

	n->has_message = false;
	for (int i = 0; i < 2; i++) {
		if (n->door_fds[i] < 0)
			continue;
		loop_unwatch(n->agent->loop, n->door_fds[i]);
		close(n->door_fds[i]);
		n->door_fds[i] = -1;
	}
}

static void send_message(struct network *n)
{
	n->has_message = false;
	for (unsigned i = 0; i < n->num_doors; i++) {
		int fd = open_door(n, n->doors[i].family == AF_INET ? 0 : 1);
		struct sockaddr_storage addr;
		socklen_t len;

		if (fd < 0)
			continue;
		to_sockaddr(&addr, &len, &n->doors[i]);
		if (sendto(fd, &n->message, sizeof(n->message), 0, (const void *)&addr, len) < 0)
			log_debug("%s: enrolment: %m", n->name);
	}
}

static void resolved(void *ctx, const struct endpoint *endpoints, unsigned num, const char *error)
{
	struct network *n = network_of(ctx);

	n->resolver = NULL;
	if (num > 0) {
		memcpy(n->doors, endpoints, num * sizeof(*endpoints));
		n->num_doors = num;
		n->resolved_ns = clock_boottime_ns();
	} else {
		log_error("%s: %s: %s", n->name, n->host, error ? error : "it has no address");
	}
	if (n->has_message)
		send_message(n);
}

void network_send_enrol(void *ctx, const struct message_enrol *message)
{
	struct network *n = network_of(ctx);

	n->message = *message;
	n->has_message = true;
	if (n->num_doors > 0 && clock_boottime_ns() - n->resolved_ns < RESOLVED_NS) {
		send_message(n);
	} else if (!n->resolver) {
		n->resolver = resolver_start(n->agent->loop, n->host, n->port, resolved, n);
		if (!n->resolver)
			log_error("%s: %s cannot be resolved: no resources", n->name, n->host);
	}
}

/* --- the hub's API ---------------------------------------------------- */

static struct http_request *start(struct network *n, const char *method, const struct endpoint *api,
	const char *path, const char *body, http_line *line, http_done *done, void *ctx)
{
	char host[ENDPOINT_TEXT_LEN], url[256], interface[IFNAMSIZ + 8];
	const struct http_call call = {
		.method = method, .url = url, .body = body, .interface = interface};

	endpoint_to_text(host, api);
	snprintf(url, sizeof(url), "http://%s%s", host, path);
	snprintf(interface, sizeof(interface), "if!%s", n->ifname);
	return http_start(n->agent->http, &call, line, done, ctx);
}

void network_forget_asked(struct network *n, struct asked *asked)
{
	struct asked **at = &n->asked;

	while (*at != asked)
		at = &(*at)->next;
	*at = asked->next;
	free(asked);
}

static void answered(void *ctx, int status, const char *body, size_t len)
{
	struct asked *asked = ctx;
	struct network *n = asked->network;
	uint32_t id = asked->id;

	network_forget_asked(n, asked);
	member_answered(n->member, clock_boottime_ns(), id, status, body, len);
}

int network_request(void *ctx, uint32_t id, const char *method, const struct endpoint *api,
	const char *path, const char *body)
{
	struct network *n = network_of(ctx);
	struct asked *asked = calloc(1, sizeof(*asked));

	if (!asked)
		return -ENOMEM;
	*asked = (struct asked){.network = n, .id = id, .next = n->asked};
	asked->request = start(n, method, api, path, body, NULL, answered, asked);
	if (!asked->request) {
		free(asked);
		return -ENOMEM;
	}
	n->asked = asked;
	return 0;
}

static void stream_line(void *ctx, const char *line, size_t len)
{
	member_stream_line(network_of(ctx)->member, clock_boottime_ns(), line, len);
}

static void stream_ended(void *ctx, int status, const char *body, size_t len)
{
	struct network *n = network_of(ctx);

	n->stream = NULL;
	member_stream_ended(n->member, clock_boottime_ns(), status, body, len);
}

int network_open_stream(void *ctx, const struct endpoint *api, const char *path)
{
	struct network *n = network_of(ctx);

	n->stream = start(n, "GET", api, path, NULL, stream_line, stream_ended, n);
	return n->stream ? 0 : -ENOMEM;
}

void network_close_stream(void *ctx)
{
	struct network *n = network_of(ctx);

	http_cancel(n->stream);
	n->stream = NULL;
}
