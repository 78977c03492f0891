/* SPDX-License-Identifier: MIT
 *
 * The policy: what is refused and with which words, who may do what, and the tests in it.
 */
#include "overlay/policy/policy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

static const char some_tags[][NODE_TAGS_MAX][TAG_MAX + 1] = {
	{""}, {"laptop"}, {"robot"}, {"robot", "arm"}, {[15] = "robot"}};
static const struct policy_subject nobody = {"nobody", some_tags[0]};
static const struct policy_subject anna = {"anna", some_tags[1]};
static const struct policy_subject bert = {"bert", some_tags[1]};
static const struct policy_subject robot1 = {"robot1", some_tags[2]};
static const struct policy_subject robot2 = {"robot2", some_tags[3]};
static const struct policy_subject robot3 = {"robot3", some_tags[4]};

static struct policy *parsed(const char *text)
{
	struct policy *policy = NULL;
	char error[POLICY_ERROR_LEN] = "";
	unsigned line;
	int r = policy_parse(&policy, text, strlen(text), &line, error);

	if (r != 0)
		fail_msg("%s: line %u: %s", text, line, error);
	return policy;
}

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *error;
	} rows[] = {
		{"deny * -> *", 1,
			"'deny': a line begins with group, allow or test; no rule denies"},
		{"# fine\n\nallow ops -> *", 3, "'ops': no such group above this line"},
		{"allow ops -> *\ngroup ops = node:anna", 1,
			"'ops': no such group above this line"},
		{"group ops = ops", 1, "'ops': no such group above this line"},
		{"group ops = node:anna\ngroup ops = *", 2, "'ops': this group is defined above"},
		{"group ops", 1, "at the end: expected = and the members of the group"},
		{"group ops node:anna", 1, "'node:anna': expected = and the members of the group"},
		{"group ops =", 1, "at the end: expected tag:T, node:N, a group or *"},
		{"group", 1,
			"at the end: a group's name has lower-case letters, digits and inner "
			"hyphens, a letter first"},
		{"group Ops = *", 1,
			"'Ops': a group's name has lower-case letters, digits and "
			"inner hyphens, a letter first"},
		{"group o123456789012345678901234567890x = *", 1,
			"'o123456789012345678901234567890x': a group's name has lower-case "
			"letters, digits and inner hyphens, a letter first"},
		{"allow", 1, "at the end: expected tag:T, node:N, a group or *"},
		{"allow *", 1, "at the end: expected -> and whom it leads to"},
		{"allow * ->", 1, "at the end: expected tag:T, node:N, a group or *"},
		{"allow -> *", 1, "'->': expected tag:T, node:N, a group or *"},
		{"allow * -> * :", 1, "at the end: expected what is allowed, as in tcp/22 icmp"},
		{"allow * -> * : # tcp", 1,
			"at the end: expected what is allowed, as in tcp/22 icmp"},
		{"allow * -> tag:robot: tcp", 1,
			"'tag:robot:': a tag has lower-case letters, "
			"digits and inner hyphens, a letter first"},
		{"allow * -> host:robot", 1, "'host:robot': expected tag:T, node:N, a group or *"},
		{"allow tag: -> *", 1,
			"'tag:': a tag has lower-case letters, digits and inner "
			"hyphens, a letter first"},
		{"allow node:Anna -> *", 1,
			"'node:Anna': a node's name has lower-case letters, digits and inner "
			"hyphens"},
		{"test allow a_b -> *", 1,
			"'a_b': a node's name has lower-case letters, digits and inner hyphens"},
		{"allow "
		 "node:n123456789012345678901234567890123456789012345678901234567890123 -> *",
			1,
			"'node:n123456789012345678901234567890123456789012345678901234567': "
			"this name is too long"},
		{"allow * -> * : sctp", 1,
			"'sctp': expected tcp, udp or icmp, ports as in tcp/22,8000-8100"},
		{"allow * -> * : icmp/8", 1,
			"'icmp/8': expected tcp, udp or icmp, ports as in tcp/22,8000-8100"},
		{"allow * -> * : tcp:22", 1,
			"'tcp:22': expected tcp, udp or icmp, ports as in tcp/22,8000-8100"},
		{"allow * -> * : tcp/", 1, "'tcp/': a port is a number from 1 to 65535"},
		{"allow * -> * : tcp/ssh", 1, "'tcp/ssh': a port is a number from 1 to 65535"},
		{"allow * -> * : tcp/0", 1, "'tcp/0': a port is a number from 1 to 65535"},
		{"allow * -> * : tcp/65536", 1, "'tcp/65536': a port is a number from 1 to 65535"},
		{"allow * -> * : tcp/4294967297", 1,
			"'tcp/4294967297': a port is a number from 1 to 65535"},
		{"allow * -> * : tcp/5-", 1, "'tcp/5-': a port is a number from 1 to 65535"},
		{"allow * -> * : tcp/22, 23", 1, "'tcp/22,': a port is a number from 1 to 65535"},
		{"allow * -> * : tcp/9-8", 1, "'tcp/9-8': the first port of a range is its lowest"},
		{"allow * -> * : udp/7;8", 1, "'udp/7;8': ports are written 22,80,8000-8100"},
		{"test * -> *", 1, "'*': expected allow or deny"},
		{"test", 1, "at the end: expected allow or deny"},
		{"\x1b[31m\xff", 1,
			"'?[31m?': a line begins with group, allow or test; no rule denies"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy *policy = NULL;
		char error[POLICY_ERROR_LEN] = "";
		unsigned line = 0;

		assert_int_equal(
			policy_parse(&policy, rows[i].text, strlen(rows[i].text), &line, error),
			-EINVAL);
		assert_string_equal(error, rows[i].error);
		assert_int_equal(line, rows[i].line);
		assert_null(policy);
	}
}

static void test_too_much(void **state)
{
	static char text[2 * POLICY_TEXT_MAX];
	static const struct {
		unsigned num;
		const char *line; /* with a number in it */
		const char *error;
	} rows[] = {
		{POLICY_RULES_MAX, "allow * -> node:n%u\n", "'allow': too many rules"},
		{POLICY_RULES_MAX, "test deny n%u -> *\n", "'deny': too many tests"},
		{POLICY_ALLOWANCES_MAX, "allow * -> * : tcp/%u\n",
			"'tcp/257': too many different ports in one policy"},
	};
	struct policy *policy = NULL;
	char error[POLICY_ERROR_LEN] = "";
	unsigned line;
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		len = 0;
		for (unsigned j = 1; j <= rows[i].num + 1; j++) {
			text[len] = '\0';
			if (j == rows[i].num + 1) { /* so many are still fine */
				assert_int_equal(policy_parse(&policy, text, len, &line, error), 0);
				policy_free(policy);
			}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			len += (size_t)snprintf(text + len, sizeof(text) - len, rows[i].line, j);
#pragma GCC diagnostic pop
		}
		assert_int_equal(policy_parse(&policy, text, len, &line, error), -EINVAL);
		assert_int_equal(line, rows[i].num + 1);
		assert_string_equal(error, rows[i].error);
	}

	memset(text, '\n', sizeof(text));
	assert_int_equal(policy_parse(&policy, text, POLICY_TEXT_MAX, &line, error), 0);
	policy_free(policy);
	assert_int_equal(policy_parse(&policy, text, POLICY_TEXT_MAX + 1, &line, error), -EINVAL);
	assert_int_equal(line, 0);
	assert_int_equal(policy_parse(&policy, "allow\0", 6, &line, error), -EINVAL);
	assert_string_equal(error, "there is a NUL byte in it: no text");
}

static void test_selectors_are_bounded(void **state)
{
	static char text[POLICY_TEXT_MAX + 16];
	struct policy *policy = NULL;
	char error[POLICY_ERROR_LEN] = "";
	unsigned line;
	size_t len = 0;

	(void)state;
	len += (size_t)sprintf(text, "group g =");
	for (unsigned i = 0; i < 4095; i++)
		len += (size_t)sprintf(text + len, " node:n%x", i);
	assert_int_equal(policy_parse(&policy, text, len, &line, error), 0);
	policy_free(policy);
	len += (size_t)sprintf(text + len, " node:x");
	assert_int_equal(policy_parse(&policy, text, len, &line, error), -EINVAL);
	assert_string_equal(error, "'g': too many different nodes, tags and groups");
}

/* Lines are counted whatever ends them, and given back as they were. */
static void test_lines(void **state)
{
	struct policy *policy =
		parsed("# hello\r\n\n\tallow  *  ->  * : icmp # ping\r\nallow *\t-> node:anna");
	unsigned line;

	(void)state;
	assert_true(policy_decide(policy, false, &bert, &anna, POLICY_ICMP, 0, &line));
	assert_int_equal(line, 3);
	assert_string_equal(policy_line(policy, 1), "# hello");
	assert_string_equal(policy_line(policy, 2), "");
	assert_string_equal(policy_line(policy, 3), "\tallow  *  ->  * : icmp # ping");
	assert_string_equal(policy_line(policy, 4), "allow *\t-> node:anna");
	assert_string_equal(policy_line(policy, 0), "");
	assert_string_equal(policy_line(policy, 5), "");
	policy_free(policy);
}

static const char example[] = "group crew = tag:laptop node:nobody\n"	       /* 1 */
			      "group all-of-us = crew tag:robot\n"	       /* 2 */
			      "allow node:anna -> tag:robot : tcp/22,80-90\n"  /* 3 */
			      "allow crew -> tag:arm : udp/7400-7500 icmp\n"   /* 4 */
			      "allow tag:robot -> tag:robot\n"		       /* 5 */
			      "allow all-of-us -> node:bert : tcp\n"	       /* 6 */
			      "allow node:anna -> tag:robot : tcp/91-95,50\n"; /* 7 */

static void test_decide(void **state)
{
	static const struct {
		const struct policy_subject *from, *to;
		enum policy_protocol protocol;
		uint16_t port;
		unsigned line; /* 0: denied */
	} rows[] = {
		{&anna, &robot1, POLICY_TCP, 22, 3},
		{&anna, &robot3, POLICY_TCP, 22, 3}, /* a tag counts wherever it stands */
		{&anna, &robot1, POLICY_TCP, 79, 0},
		{&anna, &robot1, POLICY_TCP, 80, 3},
		{&anna, &robot1, POLICY_TCP, 90, 3},
		{&anna, &robot1, POLICY_TCP, 91, 7},
		{&anna, &robot1, POLICY_TCP, 96, 0},
		{&anna, &robot1, POLICY_UDP, 22, 0},
		{&anna, &robot1, POLICY_ICMP, 0, 0},
		{&anna, &robot1, POLICY_ANY, 0, 3},
		{&anna, &robot1, POLICY_TCP, 0, 3},
		{&anna, &robot1, POLICY_UDP, 0, 0},
		{&bert, &robot1, POLICY_ANY, 0, 0},
		{&robot1, &anna, POLICY_ANY, 0, 0}, /* the other direction is not implied */
		{&anna, &robot2, POLICY_ICMP, 0, 4},
		{&bert, &robot2, POLICY_UDP, 7450, 4}, /* by a tag in a group */
		{&nobody, &robot2, POLICY_UDP, 7400, 4},
		{&nobody, &robot2, POLICY_TCP, 7400, 0},
		{&robot1, &robot2, POLICY_UDP, 1, 5},
		{&robot1, &robot2, POLICY_ICMP, 0, 5},
		{&robot1, &bert, POLICY_TCP, 1, 6}, /* by a group in a group */
		{&nobody, &bert, POLICY_TCP, 65535, 6},
		{&nobody, &bert, POLICY_UDP, 65535, 0},
		{&nobody, &anna, POLICY_ANY, 0, 0},
	};
	struct policy *policy = parsed(example);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned line = 99;

		assert_int_equal(policy_decide(policy, false, rows[i].from, rows[i].to,
					 rows[i].protocol, rows[i].port, &line),
			rows[i].line > 0);
		assert_int_equal(line, rows[i].line);
		assert_true(policy_decide(policy, true, rows[i].from, rows[i].to, rows[i].protocol,
			rows[i].port, &line));
		assert_int_equal(line, rows[i].line);
	}
	policy_free(policy);
}

static void test_names_node(void **state)
{
	struct policy *policy = parsed("group anna = node:bert tag:carl\nallow anna -> node:dora");

	(void)state;
	assert_true(policy_names_node(policy, "bert"));
	assert_true(policy_names_node(policy, "dora"));
	assert_false(policy_names_node(policy, "anna"));
	assert_false(policy_names_node(policy, "carl"));
	policy_free(policy);
}

static void test_allowances(void **state)
{
	static const struct {
		const struct policy_subject *from, *to;
		unsigned num;
		struct policy_allowance allowances[4];
	} rows[] = {
		{&anna, &robot1, 3, {{6, 22, 22}, {6, 50, 50}, {6, 80, 95}}},
		{&bert, &robot2, 2, {{1, 0, 65535}, {17, 7400, 7500}}},
		{&robot1, &robot2, 1, {{0, 0, 65535}}},
		{&robot1, &bert, 1, {{6, 0, 65535}}},
		{&robot1, &anna, 0, {{0}}},
	};
	struct policy *policy = parsed(example);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy_allowance allowances[POLICY_ALLOWANCES_MAX];

		memset(allowances, 0, sizeof(allowances));
		assert_int_equal(
			policy_allowances(policy, false, rows[i].from, rows[i].to, allowances),
			rows[i].num);
		for (unsigned j = 0; j < rows[i].num; j++) {
			assert_int_equal(allowances[j].protocol, rows[i].allowances[j].protocol);
			assert_int_equal(allowances[j].first, rows[i].allowances[j].first);
			assert_int_equal(allowances[j].last, rows[i].allowances[j].last);
		}
		assert_int_equal(
			policy_allowances(policy, true, rows[i].from, rows[i].to, allowances), 1);
		assert_int_equal(allowances[0].protocol, POLICY_ANY);
	}
	policy_free(policy);
}

static void test_allowances_join(void **state)
{
	static const struct {
		const char *ports;
		unsigned num;
		struct policy_allowance allowances[3];
	} rows[] = {
		{"tcp/10-20,15-30", 1, {{6, 10, 30}}},
		{"tcp/10-30,15-20", 1, {{6, 10, 30}}},
		{"tcp/5,4,3", 1, {{6, 3, 5}}},
		{"tcp/65535,65534", 1, {{6, 65534, 65535}}},
		{"tcp/22 tcp", 1, {{6, 0, 65535}}},
		{"tcp/1-65535", 1, {{6, 0, 65535}}},
		{"tcp/9 udp/10", 2, {{6, 9, 9}, {17, 10, 10}}},
		{"udp tcp icmp", 3, {{1, 0, 65535}, {6, 0, 65535}, {17, 0, 65535}}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy_allowance allowances[POLICY_ALLOWANCES_MAX];
		struct policy *policy;
		char text[64];

		snprintf(text, sizeof(text), "allow * -> * : %s", rows[i].ports);
		policy = parsed(text);
		assert_int_equal(
			policy_allowances(policy, false, &anna, &bert, allowances), rows[i].num);
		for (unsigned j = 0; j < rows[i].num; j++) {
			assert_int_equal(allowances[j].protocol, rows[i].allowances[j].protocol);
			assert_int_equal(allowances[j].first, rows[i].allowances[j].first);
			assert_int_equal(allowances[j].last, rows[i].allowances[j].last);
		}
		policy_free(policy);
	}
}

/* Rules common to the rows, then a test. */
static void test_tests(void **state)
{
	static const char rules[] = "group crew = tag:laptop\n"
				    "allow node:anna -> tag:robot : tcp/22,80-90\n" /* 2 */
				    "allow crew -> tag:arm\n"			    /* 3 */
				    "allow tag:robot -> tag:robot : icmp udp\n";    /* 4 */
	static const struct {
		const char *test;
		bool allows_by_default;
		int r;
		const char *error;
	} rows[] = {
		{"allow anna -> robot1 : tcp/22", false, 0, ""},
		{"allow node:anna -> node:robot1 : tcp/22,80,81-90", false, 0, ""},
		{"allow anna -> robot1 : tcp/22 udp/9", false, -EPERM,
			"anna -> robot1 : udp/9 is not allowed"},
		{"allow anna -> robot1 : tcp/80-91", false, -EPERM,
			"anna -> robot1 : tcp/80-91 is not allowed"},
		{"allow anna -> robot1", false, -EPERM, "anna -> robot1 : all is not allowed"},
		{"allow anna -> robot2", false, 0, ""},
		{"allow anna -> robot1", true, 0, ""},
		{"deny anna -> robot1 : tcp/23-79 udp icmp", false, 0, ""},
		{"deny anna -> robot1 : tcp/23-80", false, -EPERM,
			"anna -> robot1 : some of tcp/23-80 is allowed by line 2"},
		{"deny anna -> robot1 : tcp/22", false, -EPERM,
			"anna -> robot1 : tcp/22 is allowed by line 2"},
		{"deny anna -> robot1", false, -EPERM,
			"anna -> robot1 : some of all is allowed by line 2"},
		{"deny anna -> robot2 : icmp", false, -EPERM,
			"anna -> robot2 : some of icmp is allowed by line 3"},
		{"deny anna -> robot1 : udp/1", true, -EPERM,
			"anna -> robot1 : udp/1 is allowed by default"},
		{"deny robot1 -> anna", false, 0, ""},
		{"deny tag:robot -> *: tcp", false, -EINVAL, ""},
		{"deny tag:robot -> * : tcp", false, 0, ""},
		{"allow tag:robot -> tag:robot : icmp udp/5", false, 0, ""},
		{"deny crew -> robot1 : udp", false, 0, ""},
		{"deny crew -> tag:robot : udp", false, -EPERM,
			"bert -> robot2 : some of udp is allowed by line 3"},
		{"deny * -> * : tcp/22", false, -EPERM, "*"},
		{"allow crew -> tag:arm", false, 0, ""},
		{"allow crew -> tag:robot : tcp/22", false, -EPERM,
			"bert -> robot3 : tcp/22 is not allowed"},
		/* what would pass by accident */
		{"deny ana -> robot1", false, -ENOENT, "'node:ana' is nobody"},
		{"deny anna ana -> robot1", false, -ENOENT, "'node:ana' is nobody"},
		{"deny anna -> tag:robots", false, -ENOENT, "'tag:robots' is nobody"},
		{"deny anna -> anna", false, -ENOENT, "no two different nodes match this test"},
		{"deny tag:arm -> robot2", false, -ENOENT,
			"no two different nodes match this test"},
	};
	const struct policy_subject nodes[] = {nobody, anna, bert, robot1, robot2, robot3};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy *policy;
		char text[512], error[POLICY_ERROR_LEN] = "";
		unsigned line = 0;
		int r;

		snprintf(text, sizeof(text), "%stest allow anna -> robot1 : tcp/80\ntest %s", rules,
			rows[i].test);
		r = policy_parse(&policy, text, strlen(text), &line, error);
		if (rows[i].r == -EINVAL) {
			assert_int_equal(r, -EINVAL);
			continue;
		}
		assert_int_equal(r, 0);
		r = policy_test(
			policy, rows[i].allows_by_default, nodes, ARRAY_SIZE(nodes), &line, error);
		if (r != rows[i].r ||
			(strcmp(rows[i].error, "*") != 0 && strcmp(error, rows[i].error) != 0))
			fail_msg("%s: %d %s", rows[i].test, r, error);
		assert_int_equal(line, r == 0 ? 0 : 6);
		policy_free(policy);
	}
}

/* A node that is the only one of its kind is not tested against itself; two are, against each
 * other. */
static void test_twins(void **state)
{
	struct policy *policy = parsed("test deny tag:laptop -> tag:laptop");
	const struct policy_subject nodes[] = {anna, bert};
	char error[POLICY_ERROR_LEN];
	unsigned line;

	(void)state;
	assert_int_equal(policy_test(policy, false, nodes, 1, &line, error), -ENOENT);
	assert_int_equal(policy_test(policy, false, nodes, 2, &line, error), 0);
	assert_int_equal(policy_test(policy, true, nodes, 2, &line, error), -EPERM);
	policy_free(policy);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Ten thousand nodes, hundreds of rules: the tests and ten thousand decisions in moments, and what
 * would take minutes is refused instead. */
static void test_large(void **state)
{
	enum { NODES = 10000 };
	static char tags[NODES][NODE_TAGS_MAX][TAG_MAX + 1], names[NODES][16],
		text[POLICY_TEXT_MAX];
	static struct policy_subject nodes[NODES];
	struct policy_allowance allowances[POLICY_ALLOWANCES_MAX];
	char error[POLICY_ERROR_LEN] = "";
	struct policy *policy;
	double start = seconds();
	unsigned line, num = 0;
	size_t len = 0;

	(void)state;
	for (unsigned i = 0; i < NODES; i++) {
		sprintf(names[i], "node-%u", i);
		sprintf(tags[i][0], "site-%u", i % 40);
		sprintf(tags[i][1], "role-%u", i / 40 % 5);
		nodes[i] = (struct policy_subject){names[i], tags[i]};
	}
	for (unsigned i = 0; i < 500; i++)
		len += (size_t)sprintf(text + len,
			"allow tag:site-%u node:node-%u -> tag:role-%u : tcp/%u\n", i % 40, i,
			i / 40 % 5, 1 + i % 200);
	len += (size_t)sprintf(text + len, "test deny tag:site-1 -> tag:role-1 : udp icmp\n");
	policy = parsed(text);
	for (unsigned i = 0; i < NODES; i++)
		num += policy_allowances(
			policy, false, &nodes[i], &nodes[NODES - 1 - i], allowances);
	assert_true(num > NODES / 10);
	assert_int_equal(policy_test(policy, false, nodes, NODES, &line, error), 0);
	policy_free(policy);
	print_message("10,000 allowances and a test: %.2f s\n", seconds() - start);

	sprintf(text + len, "test deny * -> * : udp\n");
	start = seconds();
	policy = parsed(text);
	assert_int_equal(policy_test(policy, false, nodes, NODES, &line, error), -E2BIG);
	assert_int_equal(line, 502);
	assert_string_equal(error, "this test would take too long");
	policy_free(policy);
	print_message("a test that is too much: %.2f s\n", seconds() - start);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_selectors_are_bounded),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_decide),
		cmocka_unit_test(test_names_node),
		cmocka_unit_test(test_allowances),
		cmocka_unit_test(test_allowances_join),
		cmocka_unit_test(test_tests),
		cmocka_unit_test(test_twins),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
