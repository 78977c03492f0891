/* SPDX-License-Identifier: MIT
 *
 * A policy as it is kept, for the files of this folder alone. Selectors and port ranges are stored
 * once and numbered; a statement is lists of such numbers. To decide, one first marks the selectors
 * that a node matches, so that a rule costs a few bit tests.
 */
#ifndef ADIT_OVERLAY_POLICY_RULES_H
#define ADIT_OVERLAY_POLICY_RULES_H

#include "overlay/policy/policy.h"

enum { SELECTORS_MAX = 4096 };

/* Numbers in policy->numbers. */
struct span {
	uint32_t first, num;
};

enum selector_kind { SELECTOR_ALL, SELECTOR_TAG, SELECTOR_NODE, SELECTOR_GROUP };

struct selector {
	enum selector_kind kind;
	char name[NODE_NAME_MAX + 1];
	struct span members; /* a group's: all of them have smaller numbers than itself */
};
static_assert((int)TAG_MAX <= (int)NODE_NAME_MAX, "a tag fits");

/* A rule or a test. */
struct statement {
	unsigned line;
	bool denies; /* a test only */
	struct span from, to;
	struct span ranges; /* none: any protocol and port */
};

struct policy {
	char *text;   /* a copy, every line ended by a NUL */
	char **lines; /* where each begins */
	unsigned num_lines;
	struct selector *selectors;
	unsigned num_selectors;
	struct policy_allowance *ranges;
	unsigned num_ranges;
	uint16_t *numbers;
	unsigned num_numbers;
	struct statement *rules;
	unsigned num_rules;
	struct statement *tests;
	unsigned num_tests;
};

/* The selectors that a node matches, a bit each. */
struct marks {
	uint64_t bits[SELECTORS_MAX / 64];
};

void marks_set(
	struct marks *ret_marks, const struct policy *policy, const struct policy_subject *subject);

/* Whether one of the selectors in span is marked. */
bool marks_match(const struct marks *marks, const struct policy *policy, struct span span);

/* Whether a rule is about these two. */
bool rule_matches(const struct policy *policy, const struct statement *rule,
	const struct marks *from, const struct marks *to);

/* As policy_allowances(). */
unsigned marks_allowances(const struct policy *policy, bool allows_by_default,
	const struct marks *from, const struct marks *to,
	struct policy_allowance ret_allowances[POLICY_ALLOWANCES_MAX]);

#endif
