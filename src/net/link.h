/* SPDX-License-Identifier: MIT
 *
 * Follow one network interface by rtnetlink: up or down, MTU, gone; also when it was moved to
 * another network namespace. Set its MTU, set it down, ask for routes.
 *
 * "Home" is the network namespace in which the monitor was made; its sockets stay there.
 */
#ifndef ADIT_NET_LINK_H
#define ADIT_NET_LINK_H

#include "base/address.h"

struct link_state {
	bool up;
	bool gone;
	uint32_t mtu;
};

struct link_monitor; /* owns its netlink sockets */

/* Start to follow the interface ifindex of the caller's network namespace. Sets
 * NETLINK_LISTEN_ALL_NSID (which works with CAP_NET_BROADCAST now; it is not needed later), so that
 * the interface is still seen after a move. Subscribes to links and namespace ids, and to addresses
 * and routes for link_monitor_dispatch's ret_routes_changed. Returns the monitor, or NULL with
 * errno set (ENODEV: no such interface). */
struct link_monitor *link_monitor_new(unsigned ifindex);
void link_monitor_free(struct link_monitor *monitor);

/* The descriptor to poll for input. */
int link_monitor_fd(const struct link_monitor *monitor);

/* The state as last known; link_monitor_new asked for the first. */
struct link_state link_monitor_state(const struct link_monitor *monitor);

/* Take in pending messages. *ret_routes_changed (may be NULL) tells whether a route or an address
 * changed at home. After an overrun (ENOBUFS) it asks anew; an interface that is then not where it
 * was counts as gone. Sight of it is lost, and the state stays as it was, when it moves on to a
 * namespace that has no id at home, where the kernel tells us nothing. Returns 0 or a negative
 * errno. */
MUST_CHECK int link_monitor_dispatch(struct link_monitor *monitor, bool *ret_routes_changed);

/* The interface by which a datagram to the endpoint with this mark would leave home, from the
 * endpoint's local address if with_source and it has one. Returns its index (> 0) or a negative
 * errno (-EINVAL or -ENETUNREACH, by Linux version: no route, or the source is not ours any
 * more). */
MUST_CHECK int link_route_ifindex(struct link_monitor *monitor, const struct endpoint *endpoint,
	bool with_source, uint32_t fwmark);

/* Set the interface down (when its sockets cannot be opened), or its MTU. Returns 0 or a negative
 * errno: -EOPNOTSUPP when it is not at home, where rtnetlink cannot reach it. */
MUST_CHECK int link_set_down(struct link_monitor *monitor);
MUST_CHECK int link_set_mtu(struct link_monitor *monitor, uint32_t mtu);

/* Have no link-local IPv6 address made for the interface, as the kernel's WireGuard has none: it
 * would solicit routers through the tunnel. Returns 0 or a negative errno (a kernel without IPv6).
 */
MUST_CHECK int link_refuse_link_local(struct link_monitor *monitor);

#endif
