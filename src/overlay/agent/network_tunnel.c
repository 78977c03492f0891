/* SPDX-License-Identifier: MIT
 *
 * A network's tunnel and filter, and where this machine can be reached.
 */
#include "overlay/agent/network_internal.h"

#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "overlay/launch/launch.h"

enum { UAPI_TIMEOUT_S = 5, WANTED_A_TURN = 64 };

/* --- the tunnel ------------------------------------------------------- */

void network_close_uapi(struct network *n)
{
	if (n->watch_fd >= 0) {
		loop_unwatch(n->agent->loop, n->watch_fd);
		close(n->watch_fd);
	}
	if (n->uapi_fd >= 0)
		close(n->uapi_fd);
	uapi_watch_deinit(&n->watch);
	n->watch_fd = n->uapi_fd = -1;
}

static void watch_ready(void *ctx, uint32_t events)
{
	struct network *n = network_of(ctx);
	struct prefix address;
	int r = 0;

	(void)events;
	for (int i = 0; i < WANTED_A_TURN && n->watch_fd >= 0; i++) {
		r = uapi_watch_next(&n->watch, &address);
		if (r <= 0)
			break;
		member_wanted(n->member, clock_boottime_ns(), &address);
	}
	if (r < 0 && n->watch_fd >= 0)
		member_tunnel_died(n->member, clock_boottime_ns());
}

int network_open_tunnel(void *ctx, const char *ifname)
{
	const struct timeval timeout = {.tv_sec = UAPI_TIMEOUT_S};
	struct network *n = network_of(ctx);
	char name[IFNAMSIZ] = "";
	int fds[2], r;

	snprintf(name, sizeof(name), "%s", ifname);
	network_close_uapi(n);
	r = launch_tunnel(AGENT_FD_LAUNCHER, name, fds);
	if (r < 0)
		return r;
	n->uapi_fd = fds[0];
	n->watch_fd = fds[1];
	setsockopt(n->uapi_fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(n->watch_fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	r = uapi_watch_begin(&n->watch, n->watch_fd);
	if (r == 0)
		r = loop_watch(n->agent->loop, n->watch_fd, EPOLLIN, watch_ready, n);
	if (r < 0)
		network_close_uapi(n);
	return r;
}

void network_close_tunnel(void *ctx)
{
	struct network *n = network_of(ctx);
	int r;

	network_close_uapi(n);
	r = launch_end_tunnel(AGENT_FD_LAUNCHER, n->ifname);
	if (r < 0 && r != -ENOENT && r != -EPIPE) /* a launcher that ends does it by itself */
		log_error("%s: cannot end %s: %s", n->name, n->ifname, strerror(-r));
}

/* Without a connection to ask on, the tunnel is to be made anew: its watcher hears of that. */
static int asked(const struct network *n, int result)
{
	if (uapi_socket_is_lost(n->uapi_fd) && n->watch_fd >= 0)
		(void)shutdown(n->watch_fd, SHUT_RDWR);
	return result;
}

int network_set_tunnel(void *ctx, const struct config *config)
{
	const struct network *n = network_of(ctx);

	return n->uapi_fd < 0 ? -EPIPE : asked(n, uapi_socket_set(n->uapi_fd, config));
}

int network_get_tunnel(void *ctx, struct config *ret_config)
{
	const struct network *n = network_of(ctx);

	return n->uapi_fd < 0 ? -EPIPE : asked(n, uapi_socket_get(n->uapi_fd, ret_config));
}

int network_set_address(void *ctx, const struct prefix *address, bool is_there)
{
	const struct network *n = network_of(ctx);

	return is_there ? launch_add_address(AGENT_FD_LAUNCHER, n->ifname, address)
			: launch_remove_address(AGENT_FD_LAUNCHER, n->ifname, address);
}

void network_refuse(void *ctx, const struct prefix *address)
{
	struct network *n = network_of(ctx);
	int r = n->watch_fd >= 0 ? uapi_watch_refuse(&n->watch, address) : 0;

	if (r < 0) /* the packet is answered a little later then */
		log_debug("%s: refuse: %s", n->name, strerror(-r));
}

/* --- the filter ------------------------------------------------------- */

/* Somebody has changed nftables: the host may be without our rules. */
static void filter_changed(void *ctx, uint32_t events)
{
	struct network *n = network_of(ctx);
	bool mended = false;
	int r = filter_mend(n->filter, &mended);

	(void)events;
	if (r < 0)
		log_error("%s: the packet filter was removed and cannot be made anew: %s", n->name,
			filter_error(n->filter));
	else if (mended)
		log_error("%s: somebody removed the packet filter; it is back", n->name);
}

void network_close_filter(void *ctx)
{
	struct network *n = network_of(ctx);

	if (n->filter)
		loop_unwatch(n->agent->loop, filter_fd(n->filter));
	filter_free(n->filter);
	n->filter = NULL;
}

int network_open_filter(void *ctx, const char *ifname, const struct prefix *hubs, unsigned num_hubs)
{
	struct network *n = network_of(ctx);
	char name[IFNAMSIZ] = "", *error = NULL;
	int r;

	snprintf(name, sizeof(name), "%s", ifname);
	r = filter_new(&n->filter, name, hubs, num_hubs, &error);
	if (r < 0)
		log_error("%s: nftables: %s", n->name, error && *error ? error : strerror(-r));
	free(error);
	if (r == 0) {
		r = loop_watch(n->agent->loop, filter_fd(n->filter), EPOLLIN, filter_changed, n);
		if (r < 0)
			network_close_filter(n);
	}
	return r;
}

int network_set_filter(void *ctx, int64_t peer_id, const struct prefix *addresses,
	unsigned num_addresses, const struct policy_allowance *allowances, unsigned num_allowances)
{
	const struct network *n = network_of(ctx);

	return n->filter ? filter_set_peer(n->filter, peer_id, addresses, num_addresses, allowances,
				   num_allowances)
			 : -ENOTCONN;
}

void network_remove_filter(void *ctx, int64_t peer_id)
{
	const struct network *n = network_of(ctx);
	int r = n->filter ? filter_remove_peer(n->filter, peer_id) : 0;

	if (r < 0)
		log_error("%s: nftables: %s", n->name, strerror(-r));
}

/* --- own addresses ---------------------------------------------------- */

static bool is_tunnel(const struct agent *agent, const char *ifname)
{
	for (unsigned i = 0; i < agent->num_networks; i++) {
		if (strcmp(agent->networks[i]->ifname, ifname) == 0)
			return true;
	}
	return false;
}

/* An address by which somebody else may reach this machine. */
static bool is_useful(const struct agent *agent, const struct ifaddrs *a, uint16_t family)
{
	const struct sockaddr_in6 *in6 = (const void *)a->ifa_addr;

	if (!a->ifa_addr || a->ifa_addr->sa_family != family || !(a->ifa_flags & IFF_UP) ||
		(a->ifa_flags & IFF_LOOPBACK) || is_tunnel(agent, a->ifa_name))
		return false;
	return family == AF_INET || !IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr);
}

unsigned network_endpoints(void *ctx, struct endpoint ret_endpoints[MEMBER_ENDPOINTS_MAX])
{
	static const uint16_t families[] = {AF_INET, AF_INET6};
	const struct network *n = network_of(ctx);
	struct ifaddrs *addresses;
	unsigned num = 0;

	if (getifaddrs(&addresses) < 0)
		return 0;
	for (int i = 0; i < 2; i++) {
		for (const struct ifaddrs *a = addresses; a && num < MEMBER_ENDPOINTS_MAX;
			a = a->ifa_next) {
			if (is_useful(n->agent, a, families[i]) &&
				network_from_sockaddr(&ret_endpoints[num], a->ifa_addr))
				num++;
		}
	}
	freeifaddrs(addresses);
	return num;
}
