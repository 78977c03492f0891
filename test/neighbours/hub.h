/* SPDX-License-Identifier: MIT
 *
 * A hub's survivors: its door and its server. In a build without the overlay there are none
 * (no_hub.c).
 */
#ifndef ADIT_TEST_HUB_H
#define ADIT_TEST_HUB_H

#include "session.h"

extern const struct pair hub_pairs[];
extern const size_t num_hub_pairs;

/* What they are started as, and with: its descriptors, in the order of door.h and roles.h. */
const struct role *hub_role(unsigned survivor);
MUST_CHECK bool hub_make_fds(struct subject *subject, int *fds, unsigned *num);

/* Tell it what its launcher tells it; a door is ready then. */
MUST_CHECK bool hub_set_up(struct session *session);

/* Whether it may say something of this size here. */
bool hub_may_say(const struct session *session, enum end end, size_t len);

/* Take in what it says: an answer, or a question that is answered. */
void hub_listen(struct session *session, enum end end, const void *message, size_t len);

/* Be a stranger who wants to enrol, at the door. */
void hub_knock(struct session *session);

/* Whether it does what it is for. */
bool hub_answers(struct session *session);

/* Make the working directory one for the server's database. */
MUST_CHECK bool hub_begin(void);

/* If this process was started as one of them: be it; does not return then. */
void hub_roles_main(int argc, char *argv[]);

#endif
