/* SPDX-License-Identifier: MIT
 *
 * Enrolment, the hub's part: the door asks, the store decides.
 */
#ifndef ADIT_OVERLAY_HUB_ENROL_H
#define ADIT_OVERLAY_HUB_ENROL_H

#include "overlay/door/door.h"
#include "overlay/hub/hub.h"

enum { ENROL_BATCH = 64 };

/* Decide on questions, together: a node that is active is a peer of the tunnel when this returns.
 */
void enrol_decide(struct hub *hub, const struct door_question *questions, size_t num,
	struct door_verdict *ret_verdicts);

/* Answer the door's questions that have come, as far as it takes the answers. Ends this process
 * when the door is gone, or (with HUB_EXIT_DOOR) when it misbehaves. */
void enrol_serve(struct hub *hub, int door_fd);

#endif
