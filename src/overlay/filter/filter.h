/* SPDX-License-Identifier: MIT
 *
 * The policy at its destination: an nftables table of the agent's (inet, "adit-IFNAME"), with a set
 * of who may send what to us through an interface, updated element by element. What is established
 * may answer; ICMP errors pass; everything else that comes by the interface is rejected
 * (administratively prohibited). Works on IPv4 and IPv6. Uses libnftables; needs CAP_NET_ADMIN.
 */
#ifndef ADIT_OVERLAY_FILTER_FILTER_H
#define ADIT_OVERLAY_FILTER_FILTER_H

#include <net/if.h>

#include "base/address.h"
#include "overlay/policy/policy.h"

struct filter;

/* Make the table for an interface (which need not exist yet), in place of one that was left over;
 * hub addresses (full-length prefixes) may send everything to us. Returns 0 or a negative errno
 * with *ret_error (owned by the caller) what nftables said. */
MUST_CHECK int filter_new(struct filter **ret_filter, const char ifname[IFNAMSIZ],
	const struct prefix *hubs, unsigned num_hubs, char **ret_error);

/* Remove the table. Takes NULL. */
void filter_free(struct filter *filter);

/* What this peer, with these addresses, may send to us; takes the place of what was said of it
 * before. One nftables transaction with only what differs. */
MUST_CHECK int filter_set_peer(struct filter *filter, int64_t peer_id,
	const struct prefix *addresses, unsigned num_addresses,
	const struct policy_allowance *allowances, unsigned num_allowances);
MUST_CHECK int filter_remove_peer(struct filter *filter, int64_t peer_id);

#endif
