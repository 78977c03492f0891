/* SPDX-License-Identifier: MIT
 *
 * Follow one network interface by rtnetlink: up or down, MTU, gone; also when it was moved to
 * another network namespace. And ask for routes.
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
 * NETLINK_LISTEN_ALL_NSID while it may (CAP_NET_BROADCAST), so that the interface is still seen
 * after a move; it is told from others by its new index and namespace id in the
 * RTM_DELLINK of the move. The socket subscribes to links, and to addresses and routes for
 * link_monitor_dispatch's ret_routes_changed. Returns the monitor or NULL with errno set. */
struct link_monitor *link_monitor_new(unsigned ifindex);
void link_monitor_free(struct link_monitor *monitor);

/* The descriptor to poll for input. */
int link_monitor_fd(const struct link_monitor *monitor);

/* The state as last known (from the start: asked in link_monitor_new). */
struct link_state link_monitor_state(const struct link_monitor *monitor);

/* Take in all pending messages. *ret_routes_changed (may be NULL) tells whether a route or an
 * address changed in the starting namespace. An overrun (ENOBUFS) makes it ask anew. Returns 0 or a
 * negative errno. */
MUST_CHECK int link_monitor_dispatch(struct link_monitor *monitor, bool *ret_routes_changed);

/* The interface by which a datagram with this source, destination and mark would leave the starting
 * namespace. local may be NULL (any source). Returns its index (> 0) or a negative errno
 * (-EINVAL: the source is not ours any more; -ENETUNREACH…). */
MUST_CHECK int link_route_ifindex(struct link_monitor *monitor, const struct endpoint *endpoint,
	bool with_source, uint32_t fwmark);

/* Set the interface down (when its sockets cannot be opened). Returns 0 or a negative errno. */
MUST_CHECK int link_set_down(struct link_monitor *monitor);

#endif
