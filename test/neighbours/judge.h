/* SPDX-License-Identifier: MIT
 *
 * What became of a survivor, and whether it is what had to.
 */
#ifndef ADIT_TEST_JUDGE_H
#define ADIT_TEST_JUDGE_H

#include "session.h"

/* Ask the survivor something if it is to go on, and let its neighbours leave then; wait for its
 * end. It had so many descriptors. What is wrong is noted in the session. Returns whether it ended
 * before its neighbours left. */
bool judge(struct session *session, unsigned num_fds);

#endif
