/* SPDX-License-Identifier: MIT
 *
 * Reading a policy, word by word. The text comes from a person: whatever is refused is refused with
 * the word that is wrong.
 */
#include "overlay/policy/rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct word {
	const char *start;
	size_t len; /* 0: the end of the line */
};

struct parser {
	struct policy *policy;
	unsigned line;
	const char *rest; /* of the line */
	char *error;
};

static int refuse(struct parser *parser, const struct word *word, const char *why)
{
	char quoted[NODE_NAME_MAX + 1];
	size_t len = 0;

	for (; len < word->len && len < NODE_NAME_MAX; len++) {
		char c = word->start[len];

		quoted[len] = (char)(c > ' ' && c < 0x7f ? c : '?');
	}
	quoted[len] = '\0';
	snprintf(parser->error, POLICY_ERROR_LEN, len > 0 ? "'%s': %s" : "at the end%s: %s", quoted,
		why);
	return -EINVAL;
}

static struct word next_word(struct parser *parser)
{
	struct word word;

	parser->rest += strspn(parser->rest, " \t\r");
	word.start = parser->rest;
	word.len = strcspn(parser->rest, " \t\r#");
	parser->rest += word.len;
	return word;
}

static bool word_is(const struct word *word, const char *text)
{
	return word->len == strlen(text) && memcmp(word->start, text, word->len) == 0;
}

/* If word begins with this prefix, take it off. */
static bool word_skip(struct word *word, const char *prefix)
{
	size_t len = strlen(prefix);

	if (word->len < len || memcmp(word->start, prefix, len) != 0)
		return false;
	word->start += len;
	word->len -= len;
	return true;
}

/* The array with room for one item more: it doubles whenever it is full. NULL: out of memory. */
static void *grown(void *array, unsigned num, size_t item_size)
{
	if (num & (num - 1))
		return array;
	return reallocarray(array, num > 0 ? num * 2 : 1, item_size);
}

static int add_number(struct policy *policy, struct span *span, unsigned number)
{
	void *grown_numbers =
		grown(policy->numbers, policy->num_numbers, sizeof(policy->numbers[0]));

	if (!grown_numbers)
		return -ENOMEM;
	policy->numbers = grown_numbers;
	policy->numbers[policy->num_numbers++] = (uint16_t)number;
	span->num++;
	return 0;
}

static struct span span_here(const struct policy *policy)
{
	return (struct span){.first = policy->num_numbers};
}

/* --- selectors -------------------------------------------------------- */

static int find_selector(const struct policy *policy, enum selector_kind kind, const char *name)
{
	for (unsigned i = 0; i < policy->num_selectors; i++) {
		if (policy->selectors[i].kind == kind &&
			strcmp(policy->selectors[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

static int add_selector(
	struct parser *parser, const struct word *word, const struct selector *selector)
{
	struct policy *policy = parser->policy;
	void *selectors;

	if (policy->num_selectors == SELECTORS_MAX)
		return refuse(parser, word, "too many different nodes, tags and groups");
	selectors = grown(policy->selectors, policy->num_selectors, sizeof(*selector));
	if (!selectors)
		return -ENOMEM;
	policy->selectors = selectors;
	policy->selectors[policy->num_selectors++] = *selector;
	return 0;
}

/* What a word selects by its form: kind and name. */
static int read_selector(
	struct parser *parser, struct word word, bool in_test, struct selector *ret_selector)
{
	const struct word whole = word;

	*ret_selector = (struct selector){.kind = SELECTOR_GROUP};
	if (word_is(&word, "*"))
		ret_selector->kind = SELECTOR_ALL;
	else if (word_skip(&word, "tag:"))
		ret_selector->kind = SELECTOR_TAG;
	else if (word_skip(&word, "node:"))
		ret_selector->kind = SELECTOR_NODE;
	else if (memchr(word.start, ':', word.len))
		return refuse(parser, &whole, "expected tag:T, node:N, a group or *");
	if (word.len > NODE_NAME_MAX)
		return refuse(parser, &whole, "this name is too long");
	memcpy(ret_selector->name, word.start, word.len);

	if (ret_selector->kind == SELECTOR_GROUP &&
		find_selector(parser->policy, SELECTOR_GROUP, ret_selector->name) < 0) {
		if (!in_test)
			return refuse(parser, &whole, "no such group above this line");
		ret_selector->kind = SELECTOR_NODE;
	}
	if (ret_selector->kind == SELECTOR_TAG && !tag_is_valid(ret_selector->name))
		return refuse(parser, &whole,
			"a tag has lower-case letters, digits and inner "
			"hyphens, a letter first");
	if (ret_selector->kind == SELECTOR_NODE && !node_name_is_valid(ret_selector->name))
		return refuse(parser, &whole,
			"a node's name has lower-case letters, digits and inner hyphens");
	return 0;
}

/* One side of an arrow, or the members of a group: one or more selectors before `end`, or before
 * the end of the line. ret_end: the word that ended it. */
static int parse_selectors(struct parser *parser, const char *end, bool in_test,
	struct span *ret_span, struct word *ret_end)
{
	struct span span = span_here(parser->policy);
	struct selector selector;
	struct word word;
	int r;

	for (word = next_word(parser); word.len > 0 && !word_is(&word, end);
		word = next_word(parser)) {
		int number;

		r = read_selector(parser, word, in_test, &selector);
		if (r < 0)
			return r;
		number = find_selector(parser->policy, selector.kind, selector.name);
		if (number < 0) {
			number = (int)parser->policy->num_selectors;
			r = add_selector(parser, &word, &selector);
			if (r < 0)
				return r;
		}
		r = add_number(parser->policy, &span, (unsigned)number);
		if (r < 0)
			return r;
	}
	if (span.num == 0)
		return refuse(parser, &word, "expected tag:T, node:N, a group or *");
	*ret_span = span;
	*ret_end = word;
	return 0;
}

/* --- protocols and ports ---------------------------------------------- */

/* A port at the begin of word, which is taken off. 0: there is none. */
static uint16_t take_port(struct word *word)
{
	uint32_t port = 0;

	while (word->len > 0 && *word->start >= '0' && *word->start <= '9' && port <= UINT16_MAX) {
		port = port * 10 + (uint32_t)(*word->start - '0');
		word->start++;
		word->len--;
	}
	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

static int add_range(struct parser *parser, const struct word *word, struct span *span,
	const struct policy_allowance *range)
{
	struct policy *policy = parser->policy;
	unsigned i = 0;
	void *ranges;

	while (i < policy->num_ranges && (policy->ranges[i].protocol != range->protocol ||
						 policy->ranges[i].first != range->first ||
						 policy->ranges[i].last != range->last))
		i++;
	if (i == POLICY_ALLOWANCES_MAX)
		return refuse(parser, word, "too many different ports in one policy");
	if (i == policy->num_ranges) {
		ranges = grown(policy->ranges, policy->num_ranges, sizeof(*range));
		if (!ranges)
			return -ENOMEM;
		policy->ranges = ranges;
		policy->ranges[policy->num_ranges++] = *range;
	}
	return add_number(policy, span, i);
}

/* "22,80,8000-8100" */
static int parse_ports(struct parser *parser, const struct word *whole, struct word ports,
	struct span *span, uint8_t protocol)
{
	int r;

	do {
		struct policy_allowance range = {.protocol = protocol};

		range.first = take_port(&ports);
		range.last = word_skip(&ports, "-") ? take_port(&ports) : range.first;
		if (range.first == 0 || range.last == 0)
			return refuse(parser, whole, "a port is a number from 1 to 65535");
		if (range.first > range.last)
			return refuse(parser, whole, "the first port of a range is its lowest");
		if (range.first == 1 && range.last == UINT16_MAX)
			range.first = 0;
		r = add_range(parser, whole, span, &range);
		if (r < 0)
			return r;
	} while (word_skip(&ports, ","));
	return ports.len == 0 ? 0 : refuse(parser, whole, "ports are written 22,80,8000-8100");
}

static int parse_protocol(struct parser *parser, struct word word, struct span *span)
{
	const struct word whole = word;
	struct policy_allowance all = {.last = UINT16_MAX};

	if (word_is(&word, "icmp")) {
		all.protocol = POLICY_ICMP;
		return add_range(parser, &whole, span, &all);
	}
	if (word_skip(&word, "tcp"))
		all.protocol = POLICY_TCP;
	else if (word_skip(&word, "udp"))
		all.protocol = POLICY_UDP;
	if (all.protocol != 0 && word.len == 0)
		return add_range(parser, &whole, span, &all);
	if (all.protocol != 0 && word_skip(&word, "/"))
		return parse_ports(parser, &whole, word, span, all.protocol);
	return refuse(parser, &whole, "expected tcp, udp or icmp, ports as in tcp/22,8000-8100");
}

static int parse_protocols(struct parser *parser, struct span *ret_span)
{
	struct span span = span_here(parser->policy);
	struct word word = next_word(parser);
	int r;

	if (word.len == 0)
		return refuse(parser, &word, "expected what is allowed, as in tcp/22 icmp");
	for (; word.len > 0; word = next_word(parser)) {
		r = parse_protocol(parser, word, &span);
		if (r < 0)
			return r;
	}
	*ret_span = span;
	return 0;
}

/* --- statements ------------------------------------------------------- */

static int parse_group(struct parser *parser)
{
	struct selector group = {.kind = SELECTOR_GROUP};
	struct word name = next_word(parser), word;
	int r;

	if (name.len <= TAG_MAX)
		memcpy(group.name, name.start, name.len);
	if (!tag_is_valid(group.name))
		return refuse(parser, &name,
			"a group's name has lower-case letters, digits and "
			"inner hyphens, a letter first");
	if (find_selector(parser->policy, SELECTOR_GROUP, group.name) >= 0)
		return refuse(parser, &name, "this group is defined above");
	word = next_word(parser);
	if (!word_is(&word, "="))
		return refuse(parser, &word, "expected = and the members of the group");
	r = parse_selectors(parser, "", false, &group.members, &word);
	return r < 0 ? r : add_selector(parser, &name, &group);
}

/* "FROM -> TO [: PROTOCOLS]" */
static int parse_statement(struct parser *parser, bool in_test, struct statement *ret_statement)
{
	struct word end = {0};
	int r;

	ret_statement->line = parser->line;
	r = parse_selectors(parser, "->", in_test, &ret_statement->from, &end);
	if (r < 0)
		return r;
	if (end.len == 0)
		return refuse(parser, &end, "expected -> and whom it leads to");
	r = parse_selectors(parser, ":", in_test, &ret_statement->to, &end);
	return r < 0 || end.len == 0 ? r : parse_protocols(parser, &ret_statement->ranges);
}

static int parse_rule(struct parser *parser, const struct word *word)
{
	struct policy *policy = parser->policy;
	struct statement rule = {0};
	void *rules;
	int r;

	if (policy->num_rules == POLICY_RULES_MAX)
		return refuse(parser, word, "too many rules");
	r = parse_statement(parser, false, &rule);
	if (r < 0)
		return r;
	rules = grown(policy->rules, policy->num_rules, sizeof(rule));
	if (!rules)
		return -ENOMEM;
	policy->rules = rules;
	policy->rules[policy->num_rules++] = rule;
	return 0;
}

static int parse_test(struct parser *parser)
{
	struct policy *policy = parser->policy;
	struct word verdict = next_word(parser);
	struct statement test = {.denies = word_is(&verdict, "deny")};
	void *tests;
	int r;

	if (!test.denies && !word_is(&verdict, "allow"))
		return refuse(parser, &verdict, "expected allow or deny");
	if (policy->num_tests == POLICY_RULES_MAX)
		return refuse(parser, &verdict, "too many tests");
	r = parse_statement(parser, true, &test);
	if (r < 0)
		return r;
	tests = grown(policy->tests, policy->num_tests, sizeof(test));
	if (!tests)
		return -ENOMEM;
	policy->tests = tests;
	policy->tests[policy->num_tests++] = test;
	return 0;
}

static int parse_line(struct parser *parser)
{
	struct word word = next_word(parser);

	if (word.len == 0)
		return 0;
	if (word_is(&word, "group"))
		return parse_group(parser);
	if (word_is(&word, "allow"))
		return parse_rule(parser, &word);
	if (word_is(&word, "test"))
		return parse_test(parser);
	return refuse(parser, &word, "a line begins with group, allow or test; no rule denies");
}

/* Copy the text and find its lines. */
static int split_lines(struct policy *policy, const char *text, size_t len)
{
	char *line, *end;
	void *lines;

	policy->text = malloc(len + 1);
	if (!policy->text)
		return -ENOMEM;
	if (len > 0)
		memcpy(policy->text, text, len);
	policy->text[len] = '\0';
	for (line = policy->text; line < policy->text + len; line = end + 1) {
		lines = grown(policy->lines, policy->num_lines, sizeof(*policy->lines));
		if (!lines)
			return -ENOMEM;
		policy->lines = lines;
		policy->lines[policy->num_lines++] = line;
		end = line + strcspn(line, "\n");
		*end = '\0';
		if (end > line && end[-1] == '\r')
			end[-1] = '\0';
	}
	return 0;
}

int policy_parse(struct policy **ret_policy, const char *text, size_t len, unsigned *ret_line,
	char ret_error[POLICY_ERROR_LEN])
{
	struct policy *policy;
	struct parser parser = {.error = ret_error};
	int r = -ENOMEM;

	*ret_line = 0;
	if (len > POLICY_TEXT_MAX || (len > 0 && memchr(text, '\0', len))) {
		strcpy(ret_error, len > POLICY_TEXT_MAX ? "a policy has at most 64 KiB"
							: "there is a NUL byte in it: no text");
		return -EINVAL;
	}
	policy = calloc(1, sizeof(*policy));
	if (policy)
		r = split_lines(policy, text, len);
	parser.policy = policy;
	while (r == 0 && parser.line < policy->num_lines) {
		parser.rest = policy->lines[parser.line++];
		r = parse_line(&parser);
	}
	if (r < 0) {
		*ret_line = parser.line;
		policy_free(policy);
		return r;
	}
	*ret_policy = policy;
	return 0;
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	free(policy->text);
	free(policy->lines);
	free(policy->selectors);
	free(policy->ranges);
	free(policy->numbers);
	free(policy->rules);
	free(policy->tests);
	free(policy);
}
