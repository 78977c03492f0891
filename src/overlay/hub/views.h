/* SPDX-License-Identifier: MIT
 *
 * Views: how doc/api.md says nodes, networks, keys are written in JSON. All return a new reference,
 * or NULL when memory is out.
 */
#ifndef ADIT_OVERLAY_HUB_VIEWS_H
#define ADIT_OVERLAY_HUB_VIEWS_H

#include <jansson.h>

#include "overlay/hub/hub.h"

json_t *view_self(const struct member *member);

/* What `member` is told of `peer`. */
json_t *view_peer(const struct member *member, const struct member *peer);

/* An answer to /v1/names. */
json_t *view_name(const struct network *network, int64_t id, const char *name, uint32_t host);

/* For admins. */
json_t *view_node(const struct member *member);
json_t *view_network(const struct realm *realm);
json_t *view_join_key(const struct join_key_info *info);
json_t *view_admin(const struct admin *admin);

json_t *view_tags(const char tags[NODE_TAGS_MAX][TAG_MAX + 1]);
json_t *view_allowances(const struct policy_allowance *allowances, unsigned num);

const char *node_state_name(enum node_state state);
const char *admin_role_name(enum role_of_admin role);

/* An address without its prefix length, if it has the full one. */
json_t *view_prefix(const struct prefix *prefix);

#endif
