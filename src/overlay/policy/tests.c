/* SPDX-License-Identifier: MIT
 *
 * The tests in a policy. Nodes that match the same selectors are the same to it, so they are tested
 * once: a network of ten thousand has as many kinds of nodes as it has combinations of tags.
 */
#include "overlay/policy/rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEPS_MAX = 50 * 1000 * 1000 }; /* rules looked at; about half a second */

struct kind {
	struct marks marks;
	const char *name, *other_name; /* of two of its nodes; NULL: there is only one */
};

struct run {
	const struct policy *policy;
	bool allows_by_default;
	struct kind *kinds;
	size_t num_kinds;
	uint64_t steps;
	char *error;
};

static int compare_kinds(const void *a, const void *b)
{
	const struct kind *x = a, *y = b;

	return memcmp(&x->marks, &y->marks, sizeof(x->marks));
}

static int find_kinds(struct run *run, const struct policy_subject *nodes, size_t num_nodes)
{
	run->kinds = calloc(num_nodes + 1, sizeof(*run->kinds));
	if (!run->kinds)
		return -ENOMEM;
	for (size_t i = 0; i < num_nodes; i++) {
		run->kinds[i].name = nodes[i].name;
		marks_set(&run->kinds[i].marks, run->policy, &nodes[i]);
	}
	qsort(run->kinds, num_nodes, sizeof(*run->kinds), compare_kinds);
	for (size_t i = 0; i < num_nodes; i++) {
		if (run->num_kinds == 0 ||
			compare_kinds(&run->kinds[run->num_kinds - 1], &run->kinds[i]) != 0)
			run->kinds[run->num_kinds++] = run->kinds[i];
		else
			run->kinds[run->num_kinds - 1].other_name = run->kinds[i].name;
	}
	return 0;
}

static bool overlaps(const struct policy_allowance *a, const struct policy_allowance *b)
{
	return a->protocol == POLICY_ANY || b->protocol == POLICY_ANY ||
	       (a->protocol == b->protocol && a->first <= b->last && b->first <= a->last);
}

static bool contains(const struct policy_allowance *outer, const struct policy_allowance *inner)
{
	return outer->protocol == POLICY_ANY ||
	       (outer->protocol == inner->protocol && outer->first <= inner->first &&
		       inner->last <= outer->last);
}

/* The first rule that lets through some of a range. 0: none does. */
static unsigned allowing_line(const struct policy *policy, const struct marks *from,
	const struct marks *to, const struct policy_allowance *range)
{
	for (unsigned i = 0; i < policy->num_rules; i++) {
		const struct statement *rule = &policy->rules[i];

		if (!rule_matches(policy, rule, from, to))
			continue;
		if (rule->ranges.num == 0)
			return rule->line;
		for (uint32_t j = 0; j < rule->ranges.num; j++) {
			if (overlaps(&policy->ranges[policy->numbers[rule->ranges.first + j]],
				    range))
				return rule->line;
		}
	}
	return 0;
}

static void range_to_text(char ret_text[32], const struct policy_allowance *range)
{
	static const char *const names[] = {[POLICY_ANY] = "all",
		[POLICY_ICMP] = "icmp",
		[POLICY_TCP] = "tcp",
		[POLICY_UDP] = "udp"};
	const char *name = names[range->protocol];

	if (range->first == 0)
		snprintf(ret_text, 32, "%s", name);
	else if (range->first == range->last)
		snprintf(ret_text, 32, "%s/%u", name, (unsigned)range->first);
	else
		snprintf(ret_text, 32, "%s/%u-%u", name, (unsigned)range->first,
			(unsigned)range->last);
}

/* Whether one pair of nodes may, or may not, send this range; all of it or none. */
static int check_range(struct run *run, const struct statement *test,
	const struct policy_allowance *range, const struct kind *from, const struct kind *to,
	const char *to_name)
{
	struct policy_allowance allowances[POLICY_ALLOWANCES_MAX];
	unsigned num, hits = 0, line;
	char text[32], by[32];

	num = marks_allowances(
		run->policy, run->allows_by_default, &from->marks, &to->marks, allowances);
	for (unsigned i = 0; i < num; i++)
		hits += test->denies ? overlaps(&allowances[i], range)
				     : contains(&allowances[i], range);
	if (test->denies == (hits == 0))
		return 0;
	range_to_text(text, range);
	if (!test->denies) {
		snprintf(run->error, POLICY_ERROR_LEN, "%s -> %s : %s is not allowed", from->name,
			to_name, text);
		return -EPERM;
	}
	line = allowing_line(run->policy, &from->marks, &to->marks, range);
	snprintf(by, sizeof(by), line > 0 ? "line %u" : "default", line);
	snprintf(run->error, POLICY_ERROR_LEN, "%s -> %s : %s%s is allowed by %s", from->name,
		to_name, range->first < range->last ? "some of " : "", text, by);
	return -EPERM;
}

static int check_pair(struct run *run, const struct statement *test, const struct kind *from,
	const struct kind *to, const char *to_name)
{
	static const struct policy_allowance any = {POLICY_ANY, 0, UINT16_MAX};
	const struct policy *policy = run->policy;
	int r = 0;

	if (test->ranges.num == 0)
		return check_range(run, test, &any, from, to, to_name);
	for (uint32_t i = 0; i < test->ranges.num && r == 0; i++)
		r = check_range(run, test, &policy->ranges[policy->numbers[test->ranges.first + i]],
			from, to, to_name);
	return r;
}

/* Each selector must be somebody's: a test with a name that is mistyped would pass. */
static int check_names(struct run *run, struct span span)
{
	static const char *const prefixes[] = {[SELECTOR_ALL] = "",
		[SELECTOR_TAG] = "tag:",
		[SELECTOR_NODE] = "node:",
		[SELECTOR_GROUP] = ""};

	for (uint32_t i = 0; i < span.num; i++) {
		const struct span one = {.first = span.first + i, .num = 1};
		const struct selector *selector =
			&run->policy->selectors[run->policy->numbers[one.first]];
		size_t j = 0;

		while (j < run->num_kinds && !marks_match(&run->kinds[j].marks, run->policy, one))
			j++;
		if (j == run->num_kinds) {
			snprintf(run->error, POLICY_ERROR_LEN, "'%s%s' is nobody",
				prefixes[selector->kind], selector->name);
			return -ENOENT;
		}
	}
	return 0;
}

static int run_test(struct run *run, const struct statement *test)
{
	const struct policy *policy = run->policy;
	bool is_about_any = false;
	int r;

	r = check_names(run, test->from);
	if (r == 0)
		r = check_names(run, test->to);
	if (r < 0)
		return r;
	for (size_t i = 0; i < run->num_kinds; i++) {
		const struct kind *from = &run->kinds[i];

		if (!marks_match(&from->marks, policy, test->from))
			continue;
		for (size_t j = 0; j < run->num_kinds; j++) {
			const struct kind *to = &run->kinds[j];
			const char *to_name = i == j ? to->other_name : to->name;

			if (!to_name || !marks_match(&to->marks, policy, test->to))
				continue;
			run->steps += (policy->num_rules + 1) * (test->ranges.num + 1);
			if (run->steps > STEPS_MAX) {
				strcpy(run->error, "this test would take too long");
				return -E2BIG;
			}
			r = check_pair(run, test, from, to, to_name);
			if (r < 0)
				return r;
			is_about_any = true;
		}
	}
	if (!is_about_any)
		strcpy(run->error, "no two different nodes match this test");
	return is_about_any ? 0 : -ENOENT;
}

int policy_test(const struct policy *policy, bool allows_by_default,
	const struct policy_subject *nodes, size_t num_nodes, unsigned *ret_line,
	char ret_error[POLICY_ERROR_LEN])
{
	struct run run = {
		.policy = policy, .allows_by_default = allows_by_default, .error = ret_error};
	int r;

	if (policy->num_tests == 0)
		return 0;
	r = find_kinds(&run, nodes, num_nodes);
	for (unsigned i = 0; i < policy->num_tests && r == 0; i++) {
		r = run_test(&run, &policy->tests[i]);
		if (r < 0)
			*ret_line = policy->tests[i].line;
	}
	free(run.kinds);
	return r;
}
