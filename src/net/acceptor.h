/* SPDX-License-Identifier: MIT
 *
 * A listening socket whose owner goes on when it cannot accept: a client that waits for ever would
 * wake it up for ever.
 */
#ifndef ADIT_NET_ACCEPTOR_H
#define ADIT_NET_ACCEPTOR_H

#include "base/bytes.h"

struct acceptor {
	int listen_fd; /* owned; to be polled for input, level-triggered */
	int spare_fd;  /* owned; given up for a client that is to be turned away; -1: none */
	bool is_short; /* of descriptors or memory for clients; it was said */
};

/* Take over a socket that listens and does not block. */
void acceptor_init(struct acceptor *acceptor, int listen_fd);
void acceptor_deinit(struct acceptor *acceptor);

/* Accept a client. Returns its descriptor, which does not block, or a negative errno: then make
 * room, which helps with -EMFILE alone, or call acceptor_turn_away(). */
MUST_CHECK int acceptor_next(struct acceptor *acceptor);

/* After that error, turn the client away if it still waits: what was lacking is logged, once. When
 * not even that can be done this waits for 20 ms. */
void acceptor_turn_away(struct acceptor *acceptor, int error);

#endif
