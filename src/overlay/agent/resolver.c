/* SPDX-License-Identifier: MIT
 *
 * getaddrinfo in a thread, which says by a pipe that it is done.
 */
#include "overlay/agent/resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "privsep/role.h"

enum { STACK_SIZE = 256 * 1024 };

struct resolver {
	struct loop *loop;
	char host[256];
	uint16_t port;
	int pipe[2];	     /* the thread writes a byte when the result is there */
	resolver_done *done; /* NULL: cancelled */
	void *ctx;
	/* the thread's, until it has written */
	struct endpoint endpoints[RESOLVER_ADDRESSES_MAX];
	unsigned num;
	int error;
	bool lacked_memory;
};

static bool endpoint_from_info(
	struct endpoint *ret_endpoint, const struct addrinfo *info, uint16_t port)
{
	*ret_endpoint = (struct endpoint){.family = (uint16_t)info->ai_family, .port = port};
	if (info->ai_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)info->ai_addr;

		memcpy(ret_endpoint->addr, &in->sin_addr, sizeof(in->sin_addr));
		return true;
	}
	if (info->ai_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)info->ai_addr;

		memcpy(ret_endpoint->addr, &in6->sin6_addr, sizeof(in6->sin6_addr));
		ret_endpoint->scope_id = in6->sin6_scope_id;
		return true;
	}
	return false;
}

static void *resolve(void *ctx)
{
	struct resolver *resolver = ctx;
	const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
	struct addrinfo *infos = NULL;

	errno = 0;
	resolver->error = getaddrinfo(resolver->host, NULL, &hints, &infos);
	resolver->lacked_memory = resolver->error != 0 && errno == ENOMEM;
	for (const struct addrinfo *info = resolver->error == 0 ? infos : NULL;
		info && resolver->num < RESOLVER_ADDRESSES_MAX; info = info->ai_next) {
		if (endpoint_from_info(&resolver->endpoints[resolver->num], info, resolver->port))
			resolver->num++;
	}
	if (infos)
		freeaddrinfo(infos);
	(void)!write(resolver->pipe[1], "", 1);
	return NULL;
}

static void resolver_free(struct resolver *resolver)
{
	loop_unwatch(resolver->loop, resolver->pipe[0]);
	close(resolver->pipe[0]);
	close(resolver->pipe[1]);
	free(resolver);
}

static void is_done(void *ctx, uint32_t events)
{
	struct resolver *resolver = ctx;
	char byte;

	(void)events;
	if (read(resolver->pipe[0], &byte, 1) != 1)
		return;
	/* what the C library could not load once it never loads: in another process it may */
	if (resolver->lacked_memory)
		role_fail("name service", -ENOMEM);
	if (resolver->done)
		resolver->done(resolver->ctx, resolver->endpoints, resolver->num,
			resolver->error == 0 ? NULL : gai_strerror(resolver->error));
	resolver_free(resolver);
}

struct resolver *resolver_start(
	struct loop *loop, const char *host, uint16_t port, resolver_done *done, void *ctx)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	pthread_attr_t attributes;
	pthread_t thread;
	int r = -1;

	if (!resolver)
		return NULL;
	*resolver = (struct resolver){.loop = loop, .port = port, .done = done, .ctx = ctx};
	snprintf(resolver->host, sizeof(resolver->host), "%s", host);
	if (pipe2(resolver->pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
		free(resolver);
		return NULL;
	}
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	if (loop_watch(loop, resolver->pipe[0], EPOLLIN, is_done, resolver) == 0)
		r = pthread_create(&thread, &attributes, resolve, resolver);
	pthread_attr_destroy(&attributes);
	if (r == 0)
		return resolver;
	resolver_free(resolver);
	return NULL;
}

void resolver_cancel(struct resolver *resolver)
{
	if (resolver)
		resolver->done = NULL;
}
