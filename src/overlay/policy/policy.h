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
 * Words are separated by blanks, "->", "=" and ":" too. A selector is `tag:T`, `node:N`, a group by
 * its name, or `*` (every node); each side has one or more. A group is defined above its use, and
 * may name groups. Without ": …" any protocol and port is meant; `tcp` alone is all its ports,
 * `icmp` is ICMPv6, too. Connections are meant, in the direction of the arrow: their answers, and
 * ICMP errors about them, need no rule. There are only rules that allow, so their order is free;
 * the first that matches is named as the deciding one, and without one the network's default
 * decides.
 *
 * A test must hold for every pair of two different nodes it names, with all of what it lists (`test
 * deny tag:robot -> * : tcp udp`: no robot has any port anywhere). A bare word in it is a group or,
 * without a group of that name, a node. Tests must pass before a policy is accepted.
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

enum {
	POLICY_TEXT_MAX = 64 * 1024,
	POLICY_RULES_MAX = 1000,
	POLICY_ALLOWANCES_MAX = 256, /* so many different port ranges has a policy at most */
	POLICY_ERROR_LEN = 256,
};

/* Read a policy. Returns 0; -EINVAL with *ret_line the number of the bad line (from 1; 0: the text
 * as a whole) and ret_error why ("'ops': no such group above this line"), printable whatever the
 * text was; -ENOMEM. text need not end with a NUL. */
MUST_CHECK int policy_parse(struct policy **ret_policy, const char *text, size_t len,
	unsigned *ret_line, char ret_error[POLICY_ERROR_LEN]);
void policy_free(struct policy *policy); /* takes NULL */

/* Whether `from` may send this to `to`; *ret_line is the number of the deciding rule's line, 0: the
 * default decided. POLICY_ANY asks whether anything at all may be sent, POLICY_TCP and POLICY_UDP
 * with port 0 whether any port. */
MUST_CHECK bool policy_decide(const struct policy *policy, bool allows_by_default,
	const struct policy_subject *from, const struct policy_subject *to,
	enum policy_protocol protocol, uint16_t port, unsigned *ret_line);

/* All that `from` may send to `to`, in order and without overlaps. Returns their number; a single
 * POLICY_ANY for everything. */
unsigned policy_allowances(const struct policy *policy, bool allows_by_default,
	const struct policy_subject *from, const struct policy_subject *to,
	struct policy_allowance ret_allowances[POLICY_ALLOWANCES_MAX]);

/* Whether the policy names this node. Nodes name themselves when they enrol: whoever may join could
 * take a free name, and with it what the policy says of it. A new node of such a name is to be
 * approved by a person, whatever its join key says. */
bool policy_names_node(const struct policy *policy, const char *name);

/* The text of a line of the policy, for `why` (borrowed, without its end of line); "" when there is
 * no such line. */
const char *policy_line(const struct policy *policy, unsigned line);

/* Run the tests in it against these nodes. Returns 0; or with *ret_line the test's line and
 * ret_error why: -EPERM, it fails; -ENOENT, a selector in it is nobody's, or no two nodes are
 * meant: it would pass by accident; -E2BIG, it would take too long (millions of different pairs);
 * or -ENOMEM. */
MUST_CHECK int policy_test(const struct policy *policy, bool allows_by_default,
	const struct policy_subject *nodes, size_t num_nodes, unsigned *ret_line,
	char ret_error[POLICY_ERROR_LEN]);

#endif
