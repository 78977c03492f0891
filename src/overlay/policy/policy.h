/* SPDX-License-Identifier: MIT
 *
 * The policy of a network: who may reach whom. A text, one statement a line:
 *
 *   # comment
 *   group operators = tag:laptop node:anna
 *   allow operators -> tag:robot : tcp/22,80,8000-8100 udp/7400-7500 icmp
 *   allow tag:robot -> tag:robot
 *   test allow anna -> robot1 : tcp/22
 *   test deny robot1 -> anna : tcp/22
 *
 * A selector is `tag:T`, `node:N`, `group` by its name, or `*`. Without ": …" any protocol and port
 * is allowed. The first rule that matches is the deciding one; without one the network's default
 * decides. Tests name nodes as `node:N` (or just N) or any node with a tag (`tag:T`), and must pass
 * before a policy is accepted.
 */
#ifndef ADIT_OVERLAY_POLICY_POLICY_H
#define ADIT_OVERLAY_POLICY_POLICY_H

#include "overlay/wire/names.h"

struct policy;

enum policy_protocol {
	POLICY_ANY = 0,
	POLICY_ICMP = 1, /* ICMP and ICMPv6 */
	POLICY_TCP = 6,
	POLICY_UDP = 17,
};

/* Whom a policy is asked about. tags is as in struct node; borrowed. */
struct policy_subject {
	const char *name;
	const char (*tags)[TAG_MAX + 1]; /* NODE_TAGS_MAX of them, unused ones empty */
};

/* What may be sent: a protocol, and its ports from first to last (0 to 65535 for all, and where
 * there are none). POLICY_ANY: everything. */
struct policy_allowance {
	uint8_t protocol; /* enum policy_protocol */
	uint16_t first, last;
};
enum { POLICY_ALLOWANCES_MAX = 64 };

/* Read a policy. Returns 0; -EINVAL with *ret_line the number of the bad line (from 1) and
 * *ret_error a sentence (static); -ENOMEM. text need not end with a NUL. */
MUST_CHECK int policy_parse(struct policy **ret_policy, const char *text, size_t len,
	unsigned *ret_line, const char **ret_error);
void policy_free(struct policy *policy); /* takes NULL */

/* Whether `from` may send this to `to`; *ret_line is the number of the deciding rule's line, 0: the
 * default decided. POLICY_ANY asks whether anything at all may be sent, POLICY_TCP and POLICY_UDP
 * with port 0 whether any port. */
MUST_CHECK bool policy_decide(const struct policy *policy, bool allows_by_default,
	const struct policy_subject *from, const struct policy_subject *to,
	enum policy_protocol protocol, uint16_t port, unsigned *ret_line);

/* All that `from` may send to `to`. Returns their number; a single POLICY_ANY for everything. */
unsigned policy_allowances(const struct policy *policy, bool allows_by_default,
	const struct policy_subject *from, const struct policy_subject *to,
	struct policy_allowance ret_allowances[POLICY_ALLOWANCES_MAX]);

/* The text of a line of the policy, for `why` (borrowed, without its end of line). */
const char *policy_line(const struct policy *policy, unsigned line);

/* Run the tests in it against these nodes. Returns 0; -EPERM with *ret_line the test that fails;
 * -ENOENT: *ret_line names a node or a tag that nobody has: such a test would pass by accident. */
MUST_CHECK int policy_test(const struct policy *policy, bool allows_by_default,
	const struct policy_subject *nodes, size_t num_nodes, unsigned *ret_line);

#endif
