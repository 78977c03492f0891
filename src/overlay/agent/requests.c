/* SPDX-License-Identifier: MIT
 *
 * What the `adit` verbs ask (control.h), and what they are to say and to exit with:
 *
 *   join LINK [SETTING=VALUE]...   begin to join
 *   joined [NETWORK]               0 joined; 3 waits for a person; 4 not yet; 1 cut off
 *
 *   leave NETWORK
 *
 *   status [json]
 *
 *   resolve NAME[.NETWORK]         its addresses, one a line
 *
 *   node NAME[.NETWORK]            0 there is a session with it; 4 not yet, and its addresses
 *
 * Exit codes beside these: 1 it cannot be done, 2 it was asked wrongly.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "overlay/agent/agent.h"
#include "overlay/agent/settings_file.h"
#include "overlay/wire/json.h"

enum { CODE_DONE = 0, CODE_FAILED = 1, CODE_WRONG = 2, CODE_PENDING = 3, CODE_NOT_YET = 4 };

/* --- joining ---------------------------------------------------------- */

static int code_of(const struct member *member)
{
	switch (member_state(member)) {
	case MEMBER_ACTIVE:
		return member_is_usable(member)		? CODE_DONE
		       : member_lacks_interface(member) ? CODE_FAILED
							: CODE_NOT_YET;
	case MEMBER_PENDING:
	case MEMBER_EXPIRED:
		return CODE_PENDING;
	case MEMBER_ENROLLING:
		return CODE_NOT_YET;
	default:
		return CODE_FAILED;
	}
}

static int parse_join(
	struct member_settings *settings, char *const *words, unsigned num, const char **ret_error)
{
	int r = join_link_parse(&settings->link, words[1], ret_error);

	for (unsigned i = 2; i < num && r == 0; i++) {
		char *value = strchr(words[i], '=');

		*ret_error = "a setting is NAME=VALUE";
		if (!value)
			return -EINVAL;
		*value = '\0';
		r = settings_set(settings, words[i], value + 1, ret_error);
	}
	return r;
}

/* Whether a network is on its way out: then who asked for that is to be answered first. */
static bool is_leaving(struct agent *agent, uint64_t id, const struct network *network)
{
	if (member_state(network_member(network)) != MEMBER_LEAVING)
		return false;
	control_reply_words(
		agent->control, id, CODE_FAILED, "%s: is being left\n", network_name(network));
	return true;
}

/* Whether there is such a network; it is joined anew only if it does not work. */
static bool is_settled(struct agent *agent, uint64_t id, const struct member_settings *settings)
{
	struct network *network = agent_find(agent, settings->link.network);
	const struct member_settings *present;

	if (!network)
		return false;
	if (is_leaving(agent, id, network))
		return true;
	present = member_settings(network_member(network));
	if (present->is_configured) {
		control_reply_words(agent->control, id, CODE_FAILED,
			"%s is joined by a file in the agent's folder of settings\n",
			settings->link.network);
		return true;
	}
	if (member_state(network_member(network)) != MEMBER_ACTIVE) {
		agent_remove(agent, network); /* with a better link, perhaps */
		return false;
	}
	if (memcmp(present->link.hub_key, settings->link.hub_key, KEY_LEN) != 0)
		control_reply_words(agent->control, id, CODE_FAILED,
			"there is a network %s of another hub: leave it first\n",
			settings->link.network);
	else
		control_reply_words(agent->control, id, CODE_DONE, "%s\n", settings->link.network);
	return true;
}

/* Another network of ours that has the interface which this one is to have; else NULL. */
static const char *find_owner(const struct agent *agent, const struct member_settings *settings)
{
	const char *ifname = *settings->ifname ? settings->ifname : settings->link.network;

	for (unsigned i = 0; i < agent->num_networks; i++) {
		const char *name = network_name(agent->networks[i]);

		if (strcmp(name, settings->link.network) != 0 &&
			strcmp(member_settings(network_member(agent->networks[i]))->ifname,
				ifname) == 0)
			return name;
	}
	return NULL;
}

static void join(struct agent *agent, uint64_t id, char *const *words, unsigned num)
{
	struct member_settings settings = {0};
	const char *error = "a join link is needed";
	int r = num < 2 ? -EINVAL : parse_join(&settings, words, num, &error);
	const char *owner = r < 0 ? NULL : find_owner(agent, &settings);

	if (r < 0) {
		control_reply_words(agent->control, id, CODE_WRONG, "%s\n", error);
	} else if (owner) {
		control_reply_words(agent->control, id, CODE_FAILED,
			"network %s has this interface: choose another with --interface\n", owner);
	} else if (!is_settled(agent, id, &settings)) {
		r = agent_add(agent, &settings);
		if (r < 0)
			control_reply_words(agent->control, id, CODE_FAILED, "%s: %s\n",
				settings.link.network, strerror(-r));
		else
			control_reply_words(
				agent->control, id, CODE_DONE, "%s\n", settings.link.network);
	}
	wipe(&settings, sizeof(settings));
}

/* Of all networks, or of one: the worst. */
static void joined(struct agent *agent, uint64_t id, const char *name)
{
	struct text text = {0};
	int code = agent->num_networks > 0 ? CODE_DONE : CODE_NOT_YET;

	if (name && !agent_find(agent, name)) {
		control_reply_words(
			agent->control, id, CODE_FAILED, "%s: no such network here\n", name);
		return;
	}
	for (unsigned i = 0; i < agent->num_networks; i++) {
		const struct member *member = network_member(agent->networks[i]);

		if (name && strcmp(network_name(agent->networks[i]), name) != 0)
			continue;
		member_describe(member, &text);
		if (code == CODE_DONE)
			code = code_of(member);
	}
	if (agent->num_networks == 0)
		text_printf(&text, "no network is joined\n");
	control_reply(agent->control, id, code, &text);
	text_deinit(&text);
}

static void leave(struct agent *agent, uint64_t id, const char *name)
{
	struct network *network = name ? agent_find(agent, name) : NULL;

	if (!network)
		control_reply_words(agent->control, id, CODE_FAILED,
			name ? "%s: no such network here\n" : "which network? %s\n",
			name ? name : "adit leave NETWORK");
	else if (!is_leaving(agent, id, network))
		network_leave(network, clock_boottime_ns(), id);
}

/* --- status ----------------------------------------------------------- */

static void write_json(struct agent *agent, struct text *text)
{
	json_t *networks = json_array(), *json;
	char *data;

	for (unsigned i = 0; i < agent->num_networks; i++)
		json_put_last(&networks,
			member_status(network_member(agent->networks[i]), clock_boottime_ns()));
	json = json_pack("{s:s, s:o}", "version", ADIT_VERSION, "networks", networks);
	data = json_to_text(json, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	if (data)
		text_printf(text, "%s\n", data);
	else
		text->failed = true;
	free(data);
	json_decref(json);
}

static void status(struct agent *agent, uint64_t id, const char *form)
{
	struct text text = {0};

	if (form && strcmp(form, "json") == 0) {
		write_json(agent, &text);
	} else {
		for (unsigned i = 0; i < agent->num_networks; i++)
			member_write_status(
				network_member(agent->networks[i]), clock_boottime_ns(), &text);
		if (agent->num_networks == 0)
			text_printf(&text, "no network is joined\n");
	}
	control_reply(agent->control, id, CODE_DONE, &text);
	text_deinit(&text);
}

/* --- nodes by name ---------------------------------------------------- */

/* One network after the other is asked for a name, until one has it. */
struct lookup {
	struct agent *agent;
	uint64_t id;
	char name[NODE_NAME_MAX + 1];
	char network[NETWORK_NAME_MAX + 1]; /* the only one that counts; empty: any */
	char asked[NETWORK_NAME_MAX + 1];
	int code; /* of the answer, if it is found */
	unsigned next;
	struct text errors; /* a line from each network that has not got it */
};

static void look_up_next(struct lookup *lookup);

static void lookup_free(struct lookup *lookup)
{
	text_deinit(&lookup->errors);
	free(lookup);
}

static void found(void *ctx, const struct prefix *addresses, unsigned num, const char *error)
{
	struct lookup *lookup = ctx;
	struct text text = {0};

	if (num == 0) {
		text_printf(&lookup->errors, "%s.%s: %s\n", lookup->name, lookup->asked, error);
		look_up_next(lookup);
		return;
	}
	for (unsigned i = 0; i < num; i++) {
		char address[PREFIX_TEXT_LEN];

		prefix_to_text(address, &addresses[i]);
		*strchrnul(address, '/') = '\0';
		text_printf(&text, "%s\n", address);
	}
	control_reply(lookup->agent->control, lookup->id, lookup->code, &text);
	text_deinit(&text);
	lookup_free(lookup);
}

static bool is_meant(const struct lookup *lookup, const struct network *network)
{
	return *lookup->network == '\0' || strcmp(lookup->network, network_name(network)) == 0;
}

static void look_up_next(struct lookup *lookup)
{
	struct agent *agent = lookup->agent;

	while (lookup->next < agent->num_networks) {
		struct network *network = agent->networks[lookup->next++];

		if (!is_meant(lookup, network))
			continue;
		snprintf(lookup->asked, sizeof(lookup->asked), "%s", network_name(network));
		member_find(
			network_member(network), clock_boottime_ns(), lookup->name, found, lookup);
		return;
	}
	if (lookup->errors.len == 0)
		text_printf(&lookup->errors, "there is no such network here\n");
	control_reply(agent->control, lookup->id, CODE_FAILED, &lookup->errors);
	lookup_free(lookup);
}

static bool has_session(const struct lookup *lookup)
{
	const struct agent *agent = lookup->agent;

	for (unsigned i = 0; i < agent->num_networks; i++) {
		if (is_meant(lookup, agent->networks[i]) &&
			member_has_session(network_member(agent->networks[i]), clock_boottime_ns(),
				lookup->name))
			return true;
	}
	return false;
}

/* NAME or NAME.NETWORK. NULL: it is neither, or memory is out. */
static struct lookup *lookup_new(struct agent *agent, uint64_t id, const char *words)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));
	const char *dot = words ? strchrnul(words, '.') : NULL;

	if (!lookup || !dot || (size_t)(dot - words) > NODE_NAME_MAX ||
		strlen(dot) > NETWORK_NAME_MAX + 1) {
		free(lookup);
		return NULL;
	}
	*lookup = (struct lookup){.agent = agent, .id = id};
	memcpy(lookup->name, words, (size_t)(dot - words));
	if (*dot)
		snprintf(lookup->network, sizeof(lookup->network), "%s", dot + 1);
	if (node_name_is_valid(lookup->name))
		return lookup;
	free(lookup);
	return NULL;
}

static void look_up(struct agent *agent, uint64_t id, const char *words, bool with_session)
{
	struct lookup *lookup = lookup_new(agent, id, words);

	if (!lookup) {
		control_reply_words(
			agent->control, id, CODE_WRONG, "a node is NAME or NAME.NETWORK\n");
		return;
	}
	if (with_session && has_session(lookup)) {
		control_reply_words(agent->control, id, CODE_DONE, "%s\n", words);
		free(lookup);
		return;
	}
	lookup->code = with_session ? CODE_NOT_YET : CODE_DONE;
	look_up_next(lookup);
}

/* --- all of them ------------------------------------------------------ */

void agent_request(void *ctx, uint64_t id, bool may_change, char *const *words, unsigned num)
{
	struct agent *agent = ctx;
	const char *verb = words[0], *argument = num > 1 ? words[1] : NULL;
	bool changes = strcmp(verb, "join") == 0 || strcmp(verb, "leave") == 0;

	if (changes && !may_change)
		control_reply_words(agent->control, id, CODE_FAILED,
			"only root and members of the group adit may %s\n", verb);
	else if (strcmp(verb, "join") == 0)
		join(agent, id, words, num);
	else if (strcmp(verb, "leave") == 0)
		leave(agent, id, argument);
	else if (strcmp(verb, "joined") == 0)
		joined(agent, id, argument);
	else if (strcmp(verb, "status") == 0)
		status(agent, id, argument);
	else if (strcmp(verb, "resolve") == 0)
		look_up(agent, id, argument, false);
	else if (strcmp(verb, "node") == 0)
		look_up(agent, id, argument, true);
	else
		control_reply_words(agent->control, id, CODE_WRONG, "%s: no such request\n", verb);
}
