/* SPDX-License-Identifier: MIT
 *
 * Which addresses a network may have. Whoever has the hub, or the agent's process, in his hands
 * shall not be able to draw other traffic of a machine into a tunnel: a network is a part of the
 * ranges for private use.
 */
#ifndef ADIT_OVERLAY_WIRE_RANGES_H
#define ADIT_OVERLAY_WIRE_RANGES_H

#include "base/address.h"

#define RANGES_TEXT "10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16 or fc00::/7"

/* Whether all of inner is in outer; bits behind the prefix length do not matter. Both are valid. */
bool prefix_contains(const struct prefix *outer, const struct prefix *inner);

/* Whether a valid prefix is a part of one of the ranges. */
bool prefix_is_private(const struct prefix *prefix);

/* Whether this may be where another host is reached: a unicast address, and a port. */
bool endpoint_is_reachable(const struct endpoint *endpoint);

#endif
