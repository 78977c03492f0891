/* SPDX-License-Identifier: MIT
 *
 * What the scripted neighbour does.
 */
#ifndef ADIT_TEST_LIES_H
#define ADIT_TEST_LIES_H

#include "session.h"

/* Answer the engine's question wrongly; this is the right answer. */
enum expectation lie_to_engine(struct session *session, const struct vault_mixing *right);

/* Do something drawn by lot, good or bad, and say what must come of it. */
void lies_act(struct session *session);

#endif
