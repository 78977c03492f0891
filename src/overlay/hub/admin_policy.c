/* SPDX-License-Identifier: MIT
 *
 * The admin API: policies, and why somebody may reach somebody or not.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/text.h"
#include "overlay/hub/changes.h"
#include "overlay/hub/router.h"
#include "overlay/hub/views.h"
#include "overlay/wire/json.h"

void serve_policy(struct request *request, struct response *response)
{
	const struct network *network = &request->realm->network;
	char *text;
	int r = store_policy(request->hub->store, network->id, &text);

	if (r != 0) {
		answer_store_error(request, response, r);
		return;
	}
	answer(response, 200,
		json_pack("{s:s, s:s}", "text", text != NULL ? text : "", "default",
			network->allows_by_default ? "allow" : "deny"));
	free(text);
}

static void answer_line_error(struct response *response, unsigned line, const char *error)
{
	if (line == 0) { /* the text as a whole */
		answer_error(response, 400, "%s", error);
		return;
	}
	answer_error(response, 400, "line %u: %s", line, error);
	if (response->body != NULL)
		json_put(&response->body, "line", json_integer(line));
}

bool policy_passes(const struct request *request, struct response *response,
	const struct policy *policy, bool allows_by_default)
{
	const struct realm *realm = request->realm;
	struct policy_subject *subjects = calloc(realm->num_nodes + 1, sizeof(*subjects));
	const struct member *member;
	char error[POLICY_ERROR_LEN] = "out of memory";
	unsigned line = 0;
	size_t num = 0;
	int r = -ENOMEM;

	for (uint32_t slot = 0; subjects != NULL &&
				(member = directory_next(&request->hub->directory, &slot)) != NULL;
		slot++) {
		if (member->realm == realm && member->node.state != NODE_REVOKED)
			subjects[num++] = member_subject(member);
	}
	if (subjects != NULL)
		r = policy_test(policy, allows_by_default, subjects, num, &line, error);
	free(subjects);
	if (r != 0)
		answer_line_error(response, line, error);
	return r == 0;
}

/* The first line that a terminal would not show as what it says; 0: none. A policy that is there
 * already and has one is still obeyed: only new ones are refused. */
static unsigned unshown_line(const char *text)
{
	size_t len;

	for (unsigned line = 1; *text != '\0'; line++) {
		len = strcspn(text, "\n");
		len += text[len] == '\n';
		if (!text_is_plain(text, len))
			return line;
		text += len;
	}
	return 0;
}

/* Read the policy in the body and run its tests. NULL: the answer says what is wrong with it. */
static struct policy *read_policy(
	const struct request *request, struct response *response, const char **ret_text)
{
	char error[POLICY_ERROR_LEN] = "out of memory";
	struct policy *policy;
	const char *text = NULL;
	unsigned line = 0;

	if (!field_text(request, response, "text", &text))
		return NULL;
	if (text == NULL) {
		answer_error(response, 400, "\"text\" is missing");
		return NULL;
	}
	line = unshown_line(text);
	if (line != 0) {
		answer_line_error(response, line,
			"it has a control character, or one that is invisible or turns the "
			"direction of writing");
		return NULL;
	}
	if (policy_parse(&policy, text, strlen(text), &line, error) != 0) {
		answer_line_error(response, line, error);
		return NULL;
	}
	if (!policy_passes(request, response, policy, request->realm->network.allows_by_default)) {
		policy_free(policy);
		return NULL;
	}
	*ret_text = text;
	return policy;
}

void serve_check_policy(struct request *request, struct response *response)
{
	const char *text;
	struct policy *policy = read_policy(request, response, &text);

	if (policy == NULL)
		return;
	policy_free(policy);
	answer(response, 200, json_pack("{s:b}", "ok", true));
}

void serve_set_policy(struct request *request, struct response *response)
{
	struct realm *realm = request->realm;
	const char *text;
	struct policy *policy = read_policy(request, response, &text);
	int r;

	if (policy == NULL)
		return;
	r = store_set_policy(request->hub->store, request->actor, realm->network.id, text);
	if (r != 0) {
		policy_free(policy);
		answer_store_error(request, response, r);
		return;
	}
	changes_policy(request->hub, realm, policy, realm->network.allows_by_default);
	answer(response, 200, json_pack("{s:b}", "ok", true));
}

/* --- why ------------------------------------------------------------- */

/* Read what is asked about: nothing, a protocol, or one with a port. */
static bool read_traffic(const struct request *request, struct response *response,
	enum policy_protocol *ret_protocol, uint64_t *ret_port)
{
	static const struct {
		const char *name;
		enum policy_protocol protocol;
	} table[] = {{"any", POLICY_ANY}, {"icmp", POLICY_ICMP}, {"tcp", POLICY_TCP},
		{"udp", POLICY_UDP}};
	const char *proto = request_argument(request, "proto");
	size_t i = 0;

	while (proto != NULL && i < ARRAY_SIZE(table) && strcmp(table[i].name, proto) != 0)
		i++;
	if (i == ARRAY_SIZE(table)) {
		answer_error(response, 400, "proto is none of any, icmp, tcp, udp");
		return false;
	}
	*ret_protocol = table[i].protocol;
	if (!request_number(request, response, "port", ret_port))
		return false;
	if (*ret_port > UINT16_MAX ||
		(*ret_port != 0 && *ret_protocol != POLICY_TCP && *ret_protocol != POLICY_UDP)) {
		answer_error(response, 400, "port is 1 to 65535, of tcp or udp");
		return false;
	}
	return true;
}

/* The node an argument names; NULL with the answer. */
static const struct member *read_node(
	const struct request *request, struct response *response, const char *key)
{
	const char *word = request_argument(request, key);
	const struct member *member = word != NULL ? request_find_node(request, word) : NULL;

	if (word == NULL)
		answer_error(response, 400, "%s is missing", key);
	else if (member == NULL)
		answer_error(response, 404, "there is no node \"%.63s\" in network %s", word,
			request->realm->network.name);
	return member;
}

void serve_why(struct request *request, struct response *response)
{
	const struct realm *realm = request->realm;
	struct policy_allowance allowances[POLICY_ALLOWANCES_MAX];
	const struct member *from = read_node(request, response, "from"), *to;
	struct policy_subject sfrom, sto;
	enum policy_protocol protocol;
	uint64_t port = 0;
	unsigned line = 0, num;
	bool allows;
	json_t *view;

	to = from != NULL ? read_node(request, response, "to") : NULL;
	if (to == NULL || !read_traffic(request, response, &protocol, &port))
		return;
	sfrom = member_subject(from);
	sto = member_subject(to);
	allows = policy_decide(realm->policy, realm->network.allows_by_default, &sfrom, &sto,
		protocol, (uint16_t)port, &line);
	num = policy_allowances(
		realm->policy, realm->network.allows_by_default, &sfrom, &sto, allowances);
	view = json_pack("{s:b, s:s, s:s, s:o}", "allowed",
		allows && from->node.state == NODE_ACTIVE && to->node.state == NODE_ACTIVE,
		"from_state", node_state_name(from->node.state), "to_state",
		node_state_name(to->node.state), "accept", view_allowances(allowances, num));
	if (line != 0) {
		json_put(&view, "line", json_integer(line));
		json_put(&view, "rule", json_string(policy_line(realm->policy, line)));
	} else {
		json_put(&view, "default",
			json_string(realm->network.allows_by_default ? "allow" : "deny"));
	}
	answer(response, 200, view);
}
