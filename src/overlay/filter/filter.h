/* SPDX-License-Identifier: MIT
 *
 * The policy at its destination: an nftables table of the agent's (inet, "adit-IFNAME"), with sets
 * of who may send what to us through an interface, updated element by element. Answers to what this
 * host sent pass, and ICMP errors about connections there are; everything else that comes by the
 * interface is rejected (administratively prohibited) unless the sets have it. Works on IPv4 and
 * IPv6. Uses libnftables; needs CAP_NET_ADMIN.
 *
 * The sets are asked about every packet of a connection that a peer opened, not only about the
 * first: what is no longer allowed, or whose peer is removed, is cut off at once. Connections that
 * this host opened to a removed peer end with the tunnel's peer.
 *
 * Ports are those the peer sent to, before this host's own port forwarding (containers), which then
 * works as the policy says. Anything else is not forwarded: a node is no router.
 *
 * What was said here is remembered. When a change is refused, most likely because the table is gone
 * (`nft flush ruleset`, a firewall that restarts), the whole table is made anew. Until something
 * notices, the host is without the filter: therefore filter_fd().
 */
#ifndef ADIT_OVERLAY_FILTER_FILTER_H
#define ADIT_OVERLAY_FILTER_FILTER_H

#include <net/if.h>

#include "base/address.h"
#include "overlay/policy/policy.h"

struct filter;

enum { FILTER_ADDRESSES_MAX = 64 }; /* of a peer */

/* Make the table for an interface (which need not exist yet), in place of one that was left over;
 * hub addresses (full-length prefixes) may send everything to us. Returns 0 or a negative errno
 * with *ret_error (owned by the caller, may be NULL) what nftables said: -EPERM, -EOPNOTSUPP,
 * -EIO; -EINVAL for a name with other characters than letters, digits, '-', '_' and '.'. */
MUST_CHECK int filter_new(struct filter **ret_filter, const char *ifname, const struct prefix *hubs,
	unsigned num_hubs, char **ret_error);

/* Remove the table, after the tunnel: without it everybody in the network may send everything.
 * Takes NULL. (A process that dies leaves the table, and who was allowed then still is.) */
void filter_free(struct filter *filter);

/* What this peer, with these addresses, may send to us; takes the place of what was said of it
 * before. Another peer that had one of these addresses is removed, as a tunnel takes allowed IPs
 * away from other peers. One nftables transaction with only what differs. Returns 0; -EINVAL or
 * -EEXIST (an address is the hub's): nothing was changed. After other errors, which filter_error()
 * says for people, it is remembered, and comes true with the next call that succeeds. */
MUST_CHECK int filter_set_peer(struct filter *filter, int64_t peer_id,
	const struct prefix *addresses, unsigned num_addresses,
	const struct policy_allowance *allowances, unsigned num_allowances);

/* Forget a peer; 0 also when there is none. Errors as above. */
MUST_CHECK int filter_remove_peer(struct filter *filter, int64_t peer_id);

/* A descriptor that is readable when somebody may have changed the table. */
int filter_fd(const struct filter *filter);

/* To be called when filter_fd() is readable: if the table was removed or its rules were, it is made
 * anew. *ret_mended: it was. Returns 0 or a negative errno as above. */
MUST_CHECK int filter_mend(struct filter *filter, bool *ret_mended);

/* What nftables said last, for people. */
const char *filter_error(const struct filter *filter);

#endif
