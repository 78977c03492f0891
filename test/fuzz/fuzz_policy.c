/* SPDX-License-Identifier: MIT
 *
 * Policies from outside. What is refused says why, in printable words; what is accepted decides and
 * lists the same, port by port, and the filter makes elements of it that do not overlap.
 */
#include <errno.h>
#include <stdlib.h>

#include "overlay/filter/elements.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Words of the seeds. */
static const char tags[][NODE_TAGS_MAX][TAG_MAX + 1] = {
	{""}, {"laptop"}, {"robot"}, {"robot", "arm"}, {[NODE_TAGS_MAX - 1] = "arm"}};
static const struct policy_subject nodes[] = {{"anna", tags[1]}, {"bert", tags[0]},
	{"robot1", tags[2]}, {"robot2", tags[3]}, {"a", tags[4]}};

static void check(bool holds)
{
	if (!holds)
		abort();
}

static bool is_printable(const char *text)
{
	for (; *text; text++) {
		if (*text < ' ' || *text > '~')
			return false;
	}
	return true;
}

static bool lists(const struct policy_allowance *allowances, unsigned num,
	enum policy_protocol protocol, uint16_t port)
{
	for (unsigned i = 0; i < num; i++) {
		if (allowances[i].protocol == POLICY_ANY ||
			(allowances[i].protocol == protocol && allowances[i].first <= port &&
				port <= allowances[i].last))
			return true;
	}
	return false;
}

/* Every port that could be a boundary, and its neighbours. */
static void check_ports(const struct policy *policy, bool allows_by_default,
	const struct policy_subject *from, const struct policy_subject *to,
	const struct policy_allowance *allowances, unsigned num, enum policy_protocol protocol)
{
	unsigned line;

	for (unsigned i = 0; i < num; i++) {
		for (int j = -1; j <= 1; j++) {
			uint16_t ports[] = {(uint16_t)(allowances[i].first + j),
				(uint16_t)(allowances[i].last + j)};

			for (size_t k = 0; k < ARRAY_SIZE(ports); k++) {
				if (ports[k] == 0)
					continue;
				check(policy_decide(policy, allows_by_default, from, to, protocol,
					      ports[k],
					      &line) == lists(allowances, num, protocol, ports[k]));
			}
		}
	}
	for (uint32_t port = 1; port <= UINT16_MAX; port += 4093)
		check(policy_decide(policy, allows_by_default, from, to, protocol, (uint16_t)port,
			      &line) == lists(allowances, num, protocol, (uint16_t)port));
}

static bool follows(const struct element *one, const struct element *before)
{
	return one->set != before->set || one->first_protocol != before->first_protocol ||
	       memcmp(&one->address, &before->address, sizeof(one->address)) != 0 ||
	       one->first > before->last + 1;
}

static void check_elements(const struct policy_allowance *allowances, unsigned num)
{
	static const struct prefix addresses[] = {
		{AF_INET, 32, 0, {10, 1}}, {AF_INET6, 128, 0, {0xfd, 1}}};
	struct element *elements;
	size_t num_elements;

	check(elements_new(&elements, &num_elements, addresses, ARRAY_SIZE(addresses), allowances,
		      num) == 0);
	for (size_t i = 0; i < num_elements; i++) {
		check(elements[i].first <= elements[i].last && elements[i].set < NUM_SETS);
		check(elements[i].first_protocol <= elements[i].last_protocol);
		check(i == 0 || follows(&elements[i], &elements[i - 1]));
		check(elements_have(elements, num_elements, &elements[i]));
	}
	free(elements);
}

static void check_pair(const struct policy *policy, bool allows_by_default,
	const struct policy_subject *from, const struct policy_subject *to)
{
	struct policy_allowance allowances[POLICY_ALLOWANCES_MAX];
	unsigned num = policy_allowances(policy, allows_by_default, from, to, allowances), line;

	check(num <= POLICY_ALLOWANCES_MAX);
	check_elements(allowances, num);
	check(policy_decide(policy, allows_by_default, from, to, POLICY_ANY, 0, &line) ==
		(num > 0));
	check(policy_decide(policy, allows_by_default, from, to, POLICY_ICMP, 0, &line) ==
		lists(allowances, num, POLICY_ICMP, 0));
	check_ports(policy, allows_by_default, from, to, allowances, num, POLICY_TCP);
	check_ports(policy, allows_by_default, from, to, allowances, num, POLICY_UDP);
	for (unsigned i = 0; i < num; i++) {
		check(allowances[i].first <= allowances[i].last);
		check(i == 0 || allowances[i].protocol > allowances[i - 1].protocol ||
			(allowances[i].protocol == allowances[i - 1].protocol &&
				allowances[i].first > allowances[i - 1].last + 1));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy *policy = NULL;
	char error[POLICY_ERROR_LEN] = "";
	unsigned line = 0;
	int r = policy_parse(&policy, (const char *)data, size, &line, error);

	if (r < 0) {
		check(r == -EINVAL && !policy && error[0] && is_printable(error));
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(nodes); j++) {
			check_pair(policy, false, &nodes[i], &nodes[j]);
			check_pair(policy, true, &nodes[i], &nodes[j]);
		}
	}
	r = policy_test(policy, false, nodes, ARRAY_SIZE(nodes), &line, error);
	check(r == 0 || r == -EPERM || r == -ENOENT);
	check(r == 0 || (line > 0 && policy_line(policy, line)[0] && is_printable(error)));
	policy_free(policy);
	return 0;
}
