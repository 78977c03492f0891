/* SPDX-License-Identifier: MIT
 *
 * A hub without its processes: a network "lab" of two nodes and one that waits for approval, and an
 * admin of that network.
 */
#ifndef ADIT_FUZZ_HUB_WORLD_H
#define ADIT_FUZZ_HUB_WORLD_H

#include "overlay/hub/hub.h"

enum { WORLD_ADMIN_UID = 1234, WORLD_STRANGER_UID = 1235 };
enum { WORLD_MEMBER = 1, WORLD_PEER, WORLD_PENDING }; /* what their keys are filled with */

struct hub_world {
	struct hub hub;
	int epoll_fd; /* of its streams */
	unsigned runs;
	char folder[64];
};

/* Abort unless it is so. */
void require(bool condition);

/* Before each run: the world as it was in the beginning, or near enough; it is made anew from time
 * to time, and if one of its nodes is not what it was. */
void hub_world_begin(struct hub_world *world);

/* A node of it. */
struct member *hub_world_member(struct hub_world *world, uint8_t number);

#endif
