/* SPDX-License-Identifier: MIT
 *
 * Changes: who hears of what. Each function here is called after the store has changed, brings
 * directory and tunnel up to date, and sends lines to those concerned: the node itself and the
 * nodes that are linked with it, nobody else.
 */
#ifndef ADIT_OVERLAY_HUB_CHANGES_H
#define ADIT_OVERLAY_HUB_CHANGES_H

#include "overlay/hub/hub.h"

/* A stream begins, on a connected socket, which it takes over; since is what the node knows. */
void changes_start_stream(struct hub *hub, struct member *member, int fd, uint64_t since);

/* A node is new, or its state, name or tags changed. Returns the member, or NULL: there is none. */
struct member *changes_node(struct hub *hub, int64_t id);

/* A node's endpoints changed, and its seq is this now. */
void changes_endpoints(struct hub *hub, struct member *member, uint64_t seq);

/* Remove a node: from the store, too (an actor's doing), or only here when the store did it itself
 * (actor NULL). Returns 0 or a negative errno of the store. */
MUST_CHECK int changes_remove_node(struct hub *hub, const char *actor, struct member *member);

/* A network was removed from the store, with its nodes. */
void changes_remove_network(struct hub *hub, struct realm *realm);

/* `member` has asked for `peer`, and the policy allows something: link them. Returns 0 or a
 * negative errno of the store. Then the peer is to be told: that `member` awaits it, if somebody
 * waits. */
MUST_CHECK int changes_connect(struct hub *hub, struct member *member, struct member *peer);
void changes_introduce(struct hub *hub, const struct member *member, struct member *peer);

/* `member` has forgotten `peer`. Returns 0 or a negative errno of the store. */
MUST_CHECK int changes_forget(struct hub *hub, struct member *member, struct member *peer);

/* A network has another policy (taken over; NULL: the same) or default now. */
void changes_policy(
	struct hub *hub, struct realm *realm, struct policy *policy, bool allows_by_default);

/* Whether anything at all may be sent between these two, in either direction. */
bool members_may_meet(const struct member *a, const struct member *b);

#endif
