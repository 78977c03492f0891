/* SPDX-License-Identifier: MIT
 *
 * What the launcher and its child say to each other. The reply to LAUNCH_TUNNEL brings two
 * descriptors when there is no error.
 */
#ifndef ADIT_OVERLAY_LAUNCH_MESSAGES_H
#define ADIT_OVERLAY_LAUNCH_MESSAGES_H

#include <net/if.h>

#include "base/address.h"

enum launch_type {
	LAUNCH_TUNNEL = 1,
	LAUNCH_END_TUNNEL,
	LAUNCH_ADD_ADDRESS,
	LAUNCH_REMOVE_ADDRESS,
	LAUNCH_READY, /* without a name */
};

struct launch_request {
	uint32_t type;
	char ifname[IFNAMSIZ];
	struct prefix address; /* of the two about addresses */
};
static_assert(sizeof(struct launch_request) == 40, "crosses processes");

struct launch_reply {
	int32_t error; /* 0 or a negative errno */
};

#endif
