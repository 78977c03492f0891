/* SPDX-License-Identifier: MIT
 *
 * What a policy says about two nodes.
 */
#include "overlay/policy/rules.h"

#include <stdlib.h>

static bool is_marked(const struct marks *marks, unsigned number)
{
	return marks->bits[number / 64] >> number % 64 & 1;
}

static bool has_tag(const struct policy_subject *subject, const char *tag)
{
	for (size_t i = 0; i < NODE_TAGS_MAX; i++) {
		if (strcmp(subject->tags[i], tag) == 0)
			return true;
	}
	return false;
}

static bool selector_matches(const struct selector *selector, const struct policy *policy,
	const struct policy_subject *subject, const struct marks *marks)
{
	switch (selector->kind) {
	case SELECTOR_ALL:
		return true;
	case SELECTOR_TAG:
		return has_tag(subject, selector->name);
	case SELECTOR_NODE:
		return strcmp(subject->name, selector->name) == 0;
	case SELECTOR_GROUP:
		return marks_match(marks, policy, selector->members);
	}
	return false;
}

void marks_set(
	struct marks *ret_marks, const struct policy *policy, const struct policy_subject *subject)
{
	memset(ret_marks, 0, sizeof(*ret_marks));
	for (unsigned i = 0; i < policy->num_selectors; i++) {
		if (selector_matches(&policy->selectors[i], policy, subject, ret_marks))
			ret_marks->bits[i / 64] |= (uint64_t)1 << i % 64;
	}
}

bool marks_match(const struct marks *marks, const struct policy *policy, struct span span)
{
	for (uint32_t i = 0; i < span.num; i++) {
		if (is_marked(marks, policy->numbers[span.first + i]))
			return true;
	}
	return false;
}

bool rule_matches(const struct policy *policy, const struct statement *rule,
	const struct marks *from, const struct marks *to)
{
	return marks_match(from, policy, rule->from) && marks_match(to, policy, rule->to);
}

static bool rule_covers(const struct policy *policy, const struct statement *rule,
	enum policy_protocol protocol, uint16_t port)
{
	if (rule->ranges.num == 0 || protocol == POLICY_ANY)
		return true;
	for (uint32_t i = 0; i < rule->ranges.num; i++) {
		const struct policy_allowance *range =
			&policy->ranges[policy->numbers[rule->ranges.first + i]];

		if (range->protocol == protocol &&
			(port == 0 || (range->first <= port && port <= range->last)))
			return true;
	}
	return false;
}

bool policy_decide(const struct policy *policy, bool allows_by_default,
	const struct policy_subject *from, const struct policy_subject *to,
	enum policy_protocol protocol, uint16_t port, unsigned *ret_line)
{
	struct marks from_marks, to_marks;

	marks_set(&from_marks, policy, from);
	marks_set(&to_marks, policy, to);
	for (unsigned i = 0; i < policy->num_rules; i++) {
		const struct statement *rule = &policy->rules[i];

		if (rule_matches(policy, rule, &from_marks, &to_marks) &&
			rule_covers(policy, rule, protocol, port)) {
			*ret_line = rule->line;
			return true;
		}
	}
	*ret_line = 0;
	return allows_by_default;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct policy_allowance *x = a, *y = b;

	return x->protocol != y->protocol ? x->protocol - y->protocol : x->first - y->first;
}

/* Sort, and join what overlaps or touches. Returns how many are left. */
static unsigned merge(struct policy_allowance *ranges, unsigned num)
{
	unsigned end = 0;

	if (num == 0)
		return 0;
	qsort(ranges, num, sizeof(*ranges), compare_ranges);
	for (unsigned i = 1; i < num; i++) {
		struct policy_allowance *last = &ranges[end];

		if (ranges[i].protocol != last->protocol || ranges[i].first > last->last + 1)
			ranges[++end] = ranges[i];
		else if (ranges[i].last > last->last)
			last->last = ranges[i].last;
	}
	return end + 1;
}

unsigned marks_allowances(const struct policy *policy, bool allows_by_default,
	const struct marks *from, const struct marks *to,
	struct policy_allowance ret_allowances[POLICY_ALLOWANCES_MAX])
{
	static const struct policy_allowance any = {POLICY_ANY, 0, UINT16_MAX};
	bool has[POLICY_ALLOWANCES_MAX] = {false};
	bool is_any = allows_by_default;
	unsigned num = 0;

	for (unsigned i = 0; i < policy->num_rules && !is_any; i++) {
		const struct statement *rule = &policy->rules[i];

		if (!rule_matches(policy, rule, from, to))
			continue;
		is_any = rule->ranges.num == 0;
		for (uint32_t j = 0; j < rule->ranges.num; j++)
			has[policy->numbers[rule->ranges.first + j]] = true;
	}
	if (is_any) {
		ret_allowances[0] = any;
		return 1;
	}
	for (unsigned i = 0; i < policy->num_ranges; i++) {
		if (has[i])
			ret_allowances[num++] = policy->ranges[i];
	}
	return merge(ret_allowances, num);
}

unsigned policy_allowances(const struct policy *policy, bool allows_by_default,
	const struct policy_subject *from, const struct policy_subject *to,
	struct policy_allowance ret_allowances[POLICY_ALLOWANCES_MAX])
{
	struct marks from_marks, to_marks;

	marks_set(&from_marks, policy, from);
	marks_set(&to_marks, policy, to);
	return marks_allowances(policy, allows_by_default, &from_marks, &to_marks, ret_allowances);
}

bool policy_names_node(const struct policy *policy, const char *name)
{
	for (unsigned i = 0; i < policy->num_selectors; i++) {
		if (policy->selectors[i].kind == SELECTOR_NODE &&
			strcmp(policy->selectors[i].name, name) == 0)
			return true;
	}
	return false;
}

const char *policy_line(const struct policy *policy, unsigned line)
{
	return line >= 1 && line <= policy->num_lines ? policy->lines[line - 1] : "";
}
