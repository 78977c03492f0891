/* SPDX-License-Identifier: MIT
 *
 * An interface's addresses, by rtnetlink. Each call opens and closes a socket of its own, in the
 * caller's network namespace.
 */
#ifndef ADIT_NET_LINK_ADDRESS_H
#define ADIT_NET_LINK_ADDRESS_H

#include "base/address.h"

/* Give an interface an address; its length is that of the network it is in, to which the kernel
 * makes a route if the interface is up. That it has it already is no error. Returns 0 or a negative
 * errno. */
MUST_CHECK int link_add_address(unsigned ifindex, const struct prefix *address);

/* Take it away. That it has it not is no error. Returns 0 or a negative errno. */
MUST_CHECK int link_remove_address(unsigned ifindex, const struct prefix *address);

/* Set an interface up. Returns 0 or a negative errno. */
MUST_CHECK int link_set_up(unsigned ifindex);

/* Our address towards the default route, the one others will most likely reach us at: IPv4, else
 * IPv6. Returns 0 or a negative errno: there is no such route. */
MUST_CHECK int link_default_source(struct prefix *ret_address);

#endif
