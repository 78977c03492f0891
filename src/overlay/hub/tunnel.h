/* SPDX-License-Identifier: MIT
 *
 * The hub's own tunnel: every active node is a peer in it, with its addresses.
 */
#ifndef ADIT_OVERLAY_HUB_TUNNEL_H
#define ADIT_OVERLAY_HUB_TUNNEL_H

#include "config/config.h"
#include "overlay/hub/directory.h"

/* All zero but for uapi_fd. */
struct tunnel {
	int uapi_fd;	       /* -1: there is no tunnel, in tests */
	struct config changes; /* peers to be added and removed by the next tunnel_apply() */
	struct config leaving; /* peers to be removed later: what we told them is on its way */
	uint64_t leave_ns;     /* when; 0: none leaves */
	bool is_behind;	       /* something failed: its peers may be others than they should */
};

/* Make the tunnel's peers those that are active, sparing sessions of those it has already. Returns
 * 0 or a negative errno. */
MUST_CHECK int tunnel_sync(struct tunnel *tunnel, const struct directory *directory);

/* Plan a member as a peer, and carry out what is planned. Returns 0 or a negative errno. */
MUST_CHECK int tunnel_add(struct tunnel *tunnel, const struct member *member);
MUST_CHECK int tunnel_apply(struct tunnel *tunnel);

/* Remove a peer two seconds from now, so that it hears why. Returns 0 or -ENOMEM. */
MUST_CHECK int tunnel_remove_later(
	struct tunnel *tunnel, const uint8_t public_key[KEY_LEN], uint64_t now_ns);

/* Remove those whose time has come. Returns when to call again, 0: none leaves. */
uint64_t tunnel_expire(struct tunnel *tunnel, uint64_t now_ns);

/* Bring member->seen_at up to date by asking the tunnel; not if we did a moment ago. */
void tunnel_look_for(struct tunnel *tunnel, struct member *member, uint64_t now_ns);

/* Whether the connection to the tunnel is of no use any more: another is needed. */
bool tunnel_is_lost(const struct tunnel *tunnel);

void tunnel_deinit(struct tunnel *tunnel);

#endif
