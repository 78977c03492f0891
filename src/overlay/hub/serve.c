/* SPDX-License-Identifier: MIT
 *
 * The hub as a process: one loop over the APIs, the streams, the door and time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "overlay/hub/enrol.h"
#include "overlay/hub/http.h"
#include "overlay/hub/hub.h"
#include "overlay/launch/launch.h"
#include "privsep/ipc.h"

enum { BACKLOG = 4096, EVENTS = 256, DESCRIPTORS = 65536 };

/* What an event is about: the upper half of its data. */
enum tag { TAG_STREAM, TAG_API, TAG_ADMIN, TAG_DOOR, TAG_LAUNCHER };

struct server {
	struct hub hub;
	struct http *api, *admin;
	int epoll_fd;
};

static struct server server; /* one a process */

/* For what the hub cannot start without: passes on a result that is no error. */
static int must(int result, const char *what)
{
	if (result < 0)
		role_fail(what, result);
	return result;
}

static int must_errno(int result, const char *what)
{
	return must(result < 0 ? -errno : result, what);
}

static void watch(int fd, enum tag tag)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)tag << 32};

	must_errno(epoll_ctl(server.epoll_fd, EPOLL_CTL_ADD, fd, &event), "epoll");
}

/* As many descriptors as we may have: a stream takes one. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	if (limit.rlim_max < DESCRIPTORS && geteuid() == 0)
		limit.rlim_max = DESCRIPTORS;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void start(const char *subject)
{
	struct hub *hub = &server.hub;

	raise_limit();
	snprintf(hub->ifname, sizeof(hub->ifname), "%s", subject);
	hub->launcher_fd = HUB_FD_LAUNCHER;
	hub->tunnel.uapi_fd = HUB_FD_UAPI;
	must(ipc_receive(HUB_FD_LAUNCHER, &hub->setup, sizeof(hub->setup)), "launcher");
	if (strnlen(hub->setup.host, sizeof(hub->setup.host)) == sizeof(hub->setup.host) ||
		!join_host_is_valid(hub->setup.host))
		ipc_fail("launcher", -EPROTO);
	/* All nodes may come back at once. */
	must_errno(listen(HUB_FD_API, BACKLOG), "listen");
	hub_enter_sandbox();
	server.epoll_fd = must_errno(epoll_create1(EPOLL_CLOEXEC), "epoll");
	must(streams_new(server.epoll_fd, TAG_STREAM, &hub->streams), "streams");
	must(hub_open(hub, HUB_DATABASE), "cannot begin");
	must(http_new(hub, HUB_FD_API, false, &server.api), "node API");
	must(http_new(hub, HUB_FD_ADMIN, true, &server.admin), "admin API");
	watch(http_fd(server.api), TAG_API);
	watch(http_fd(server.admin), TAG_ADMIN);
	watch(HUB_FD_DOOR, TAG_DOOR);
	watch(HUB_FD_LAUNCHER, TAG_LAUNCHER);
	must(launch_ready(HUB_FD_LAUNCHER), "launcher");
}

static noreturn void stop(void)
{
	http_free(server.api);
	http_free(server.admin);
	streams_free(server.hub.streams);
	hub_close(&server.hub);
	exit(0);
}

static void dispatch(const struct epoll_event *event, uint64_t now_ns)
{
	switch ((enum tag)(event->data.u64 >> 32)) {
	case TAG_STREAM:
		streams_dispatch(
			server.hub.streams, (uint32_t)event->data.u64, event->events, now_ns);
		break;
	case TAG_API:
		http_run(server.api);
		break;
	case TAG_ADMIN:
		http_run(server.admin);
		break;
	case TAG_DOOR:
		enrol_serve(&server.hub, HUB_FD_DOOR);
		break;
	case TAG_LAUNCHER: /* it answers when it is asked; else it says only that we are to end */
		stop();
	}
}

/* How long to sleep; libmicrohttpd may want to go on at once. */
static int timeout_ms(uint64_t next_ns, uint64_t now_ns)
{
	int ms = next_ns > now_ns ? (int)((next_ns - now_ns) / MSEC_NS) + 1 : 0;
	int api_ms = http_timeout_ms(server.api), admin_ms = http_timeout_ms(server.admin);

	ms = api_ms >= 0 && api_ms < ms ? api_ms : ms;
	return admin_ms >= 0 && admin_ms < ms ? admin_ms : ms;
}

void hub_main(const char *subject)
{
	static struct epoll_event events[EVENTS];
	uint64_t next_ns = 0;

	start(subject);
	for (;;) {
		uint64_t now_ns = clock_boottime_ns(), resume_ns;
		int num;

		if (now_ns >= next_ns)
			next_ns = hub_expire(&server.hub, now_ns);
		resume_ns = rendezvous_expire(&server.hub.rendezvous, now_ns);
		if (resume_ns == 0 || resume_ns > next_ns)
			resume_ns = next_ns;
		num = epoll_wait(server.epoll_fd, events, EVENTS, timeout_ms(resume_ns, now_ns));
		now_ns = clock_boottime_ns();
		for (int i = 0; i < num; i++)
			dispatch(&events[i], now_ns);
		/* What libmicrohttpd has pending shows at no descriptor. */
		if (http_timeout_ms(server.api) == 0)
			http_run(server.api);
		if (http_timeout_ms(server.admin) == 0)
			http_run(server.admin);
	}
}
