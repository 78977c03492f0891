/* SPDX-License-Identifier: MIT
 *
 * The hub's server among a launcher and a tunnel that lie: what it is given, and what it is
 * answered at its start.
 */
#ifndef ADIT_TEST_SERVER_H
#define ADIT_TEST_SERVER_H

#include "session.h"

/* Where it asks its tunnel. */
#define SERVER_END_UAPI END_SECOND

/* What it has besides launcher and door. */
MUST_CHECK bool server_make_fds(struct subject *subject, int *fds, unsigned *num);

/* Tell it what its launcher tells it. */
MUST_CHECK bool server_set_up(struct session *session);

/* Whether it may say so much here. */
bool server_may_say(enum end end, size_t len);

/* Answer what it asks. */
void server_listen(struct session *session, enum end end, const void *message);

/* Whether it gets as far as to say that it serves. */
bool server_is_ready(struct session *session);

/* Lies, as struct pair has them. */
enum { NUM_LAUNCHER_LIES = 10, NUM_TUNNEL_LIES = 19 };
enum expectation server_lie_as_launcher(struct session *session, const void *right);
enum expectation server_lie_as_tunnel(struct session *session, const void *right);

#endif
