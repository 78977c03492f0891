/* SPDX-License-Identifier: MIT
 *
 * The rules of a pair one by one: each is broken once, in a conversation that is right but for
 * that. They follow from the table of its messages (pairs.h), so none can be forgotten; a kind of
 * message that is not in the table is taken for one that must be refused.
 */
#ifndef ADIT_TEST_RULES_H
#define ADIT_TEST_RULES_H

#include "session.h"

/* What does not follow from the table. */
struct act {
	const char *name;
	enum expectation (*run)(struct session *session, const struct act *act);
	const void *data;
};
extern const struct act vault_acts[], engine_acts[], datapath_acts[];

enum { RULE_NAME_LEN = 96 };

/* Whether the pair has a rule of this number; from 0 on. */
MUST_CHECK bool rules_has(const struct pair *pair, unsigned number);

/* Break it, and note what must come of it. ret_name is what was done. */
void rules_break(struct session *session, unsigned number, char ret_name[RULE_NAME_LEN]);

#endif
