/* SPDX-License-Identifier: MIT
 *
 * What the scripted neighbour does.
 */
#ifndef ADIT_TEST_LIES_H
#define ADIT_TEST_LIES_H

#include "session.h"

/* Answer the question of engine or door wrongly (struct pair). */
enum { NUM_VAULT_LIES = 34 };
enum expectation lie_to_engine(struct session *session, const void *right);

/* Who only answers: have it asked, until it has lied if it is to. */
enum expectation answer_questions(struct session *session, bool lies);

/* Say nothing more. */
enum expectation leave(struct session *session);

/* Do something drawn by lot, good or bad, and say what must come of it. */
void lies_act(struct session *session);

#endif
