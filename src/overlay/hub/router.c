/* SPDX-License-Identifier: MIT
 *
 * The router.
 */
#include "overlay/hub/router.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "overlay/hub/views.h"
#include "overlay/wire/json.h"

enum { NOBODY_UID = 65534 };

/* --- answers --------------------------------------------------------- */

void answer(struct response *response, unsigned status, json_t *body)
{
	if (body == NULL && status != 204)
		status = 500;
	json_decref(response->body);
	response->status = status;
	response->body = body;
}

/* What was asked for may be in an error, cut or no text at all; JSON is UTF-8. */
static void make_printable(char *text)
{
	json_t *json = json_string(text);

	for (char *c = text; json == NULL && *c != '\0'; c++) {
		if (*c & 0x80)
			*c = '?';
	}
	json_decref(json);
}

void answer_error(struct response *response, unsigned status, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	make_printable(text);
	answer(response, status, json_pack("{s:s}", "error", text));
}

void answer_store_error(const struct request *request, struct response *response, int error)
{
	static const struct {
		int error;
		unsigned status;
	} table[] = {
		{-ENOENT, 404},
		{-EEXIST, 409},
		{-EADDRINUSE, 409},
		{-EADDRNOTAVAIL, 409},
		{-ENOTEMPTY, 409},
		{-EINVAL, 400},
	};
	const char *text = store_error(request->hub->store);

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (table[i].error == error) {
			answer_error(response, table[i].status, "%s", text);
			return;
		}
	}
	log_error("store: %s", text);
	/* What nodes are told holds nothing of the hub's files. */
	answer_error(response, error == -ENOSPC ? 507 : 503, "the hub cannot save this: %s",
		request->caller.is_admin ? text : "its store fails");
}

/* --- what a request says --------------------------------------------- */

const char *request_argument(const struct request *request, const char *key)
{
	for (size_t i = 0; i < REQUEST_ARGUMENTS_MAX && request->arguments[i].key != NULL; i++) {
		if (strcmp(request->arguments[i].key, key) == 0)
			return request->arguments[i].value;
	}
	return NULL;
}

static bool read_number(const char *text, uint64_t *ret_value)
{
	uint64_t value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value > INT64_MAX)
		return false;
	*ret_value = value;
	return true;
}

bool request_number(const struct request *request, struct response *response, const char *key,
	uint64_t *ret_value)
{
	const char *text = request_argument(request, key);

	if (text == NULL || read_number(text, ret_value))
		return true;
	answer_error(response, 400, "%s is not a number", key);
	return false;
}

bool field_text(const struct request *request, struct response *response, const char *key,
	const char **ret_value)
{
	const json_t *value = json_object_get(request->json, key);

	if (value == NULL)
		return true;
	if (!json_is_string(value) ||
		strlen(json_string_value(value)) != json_string_length(value)) {
		answer_error(response, 400, "\"%s\" is not a text", key);
		return false;
	}
	*ret_value = json_string_value(value);
	return true;
}

bool field_number(const struct request *request, struct response *response, const char *key,
	int64_t *ret_value)
{
	const json_t *value = json_object_get(request->json, key);

	if (value == NULL)
		return true;
	if (!json_is_integer(value) || json_integer_value(value) < 0) {
		answer_error(response, 400, "\"%s\" is not a number from 0 on", key);
		return false;
	}
	*ret_value = json_integer_value(value);
	return true;
}

bool field_flag(
	const struct request *request, struct response *response, const char *key, bool *ret_value)
{
	const json_t *value = json_object_get(request->json, key);

	if (value == NULL)
		return true;
	if (!json_is_boolean(value)) {
		answer_error(response, 400, "\"%s\" is neither true nor false", key);
		return false;
	}
	*ret_value = json_is_true(value);
	return true;
}

bool field_tags(const struct request *request, struct response *response,
	char ret_tags[NODE_TAGS_MAX][TAG_MAX + 1])
{
	char tags[NODE_TAGS_MAX][TAG_MAX + 1] = {0};
	const json_t *list = json_object_get(request->json, "tags");

	if (list == NULL)
		return true;
	if (!json_is_array(list) || json_array_size(list) > NODE_TAGS_MAX) {
		answer_error(response, 400, "\"tags\" is not a list of at most %d", NODE_TAGS_MAX);
		return false;
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *tag = json_string_value(json_array_get(list, i));

		if (tag == NULL || !tag_is_valid(tag)) {
			answer_error(response, 400,
				"\"%.40s\" is no tag: 1 to %d of a-z, 0-9 and inner hyphens, a "
				"letter first",
				tag != NULL ? tag : "", TAG_MAX);
			return false;
		}
		memcpy(tags[i], tag, strlen(tag));
	}
	memcpy(ret_tags, tags, sizeof(tags));
	return true;
}

/* --- who may --------------------------------------------------------- */

struct role_search {
	uid_t uid;
	int64_t network_id;
	bool anywhere;
	enum role_of_admin role;
	char *name;
};

static int compare_admin(void *ctx, const struct admin *admin)
{
	struct role_search *search = ctx;
	const char *colon = strchr(admin->name, ':');

	if (colon == NULL || strtoul(colon + 1, NULL, 10) != search->uid)
		return 0;
	memcpy(search->name, admin->name, (size_t)(colon - admin->name));
	search->name[colon - admin->name] = '\0';
	if ((search->anywhere || admin->network_id == 0 ||
		    admin->network_id == search->network_id) &&
		admin->role > search->role)
		search->role = admin->role;
	return 0;
}

static enum role_of_admin find_role(
	struct hub *hub, uid_t uid, int64_t network_id, bool anywhere, char ret_name[33])
{
	struct role_search search = {uid, network_id, anywhere, 0, ret_name};

	snprintf(ret_name, 33, uid == 0 ? "root" : "uid-%u", uid);
	/* "nobody" may be the user of anything. */
	if (uid == 0 || (uid == geteuid() && uid != NOBODY_UID))
		return ADMIN_OWNER;
	if (store_admins(hub->store, compare_admin, &search) != 0)
		return 0;
	return search.role;
}

enum role_of_admin caller_role(struct hub *hub, uid_t uid, int64_t network_id, char ret_name[33])
{
	return find_role(hub, uid, network_id, false, ret_name);
}

/* Refuse whoever is not an active node. Returns whether it is one. */
static bool admit_node(struct request *request, struct response *response)
{
	const struct member *member = request->caller.member;

	if (member == NULL) {
		answer_error(response, 403, "only nodes of this hub may ask");
		return false;
	}
	if (member->node.state != NODE_ACTIVE) {
		const char *state = node_state_name(member->node.state);

		answer_error(response, 403, "this node is %s", state);
		json_put(&response->body, "state", json_string(state));
		return false;
	}
	request->realm = member->realm;
	/* Cut if need be: the trail takes 63 bytes, and says the network beside it. */
	snprintf(request->actor, sizeof(request->actor), "node:%.58s", member->node.name);
	return true;
}

/* Refuse whoever has not the role that a route wants. A network of which the caller may see nothing
 * does not exist for it. */
static bool admit_admin(
	struct request *request, const struct route *route, struct response *response)
{
	static const enum role_of_admin needed[] = {[ACCESS_ANY_ADMIN] = ADMIN_AUDITOR,
		[ACCESS_AUDITOR] = ADMIN_AUDITOR,
		[ACCESS_ADMIN] = ADMIN_ADMIN,
		[ACCESS_OWNER] = ADMIN_OWNER};
	bool is_about_network = strstr(route->pattern, "{network}") != NULL;
	int64_t network_id = request->realm != NULL ? request->realm->network.id : 0;
	char name[33];

	request->role = find_role(request->hub, request->caller.uid, network_id,
		route->access == ACCESS_ANY_ADMIN, name);
	snprintf(request->actor, sizeof(request->actor), "admin:%s", name);
	if (is_about_network && (request->role == 0 || request->realm == NULL)) {
		answer_error(response, 404, "there is no such network, or you may not see it");
		return false;
	}
	if (request->role < needed[route->access]) {
		answer_error(response, 403, "user %s needs the role %s for this%s", name,
			admin_role_name(needed[route->access]),
			is_about_network ? " in this network" : " in the whole hub");
		return false;
	}
	return true;
}

/* --- which route ----------------------------------------------------- */

struct member *request_find_node(const struct request *request, const char *word)
{
	struct member *member =
		directory_member_by_name(&request->hub->directory, request->realm, word);
	uint64_t id;

	if (member == NULL && read_number(word, &id)) {
		member = directory_member(&request->hub->directory, (int64_t)id);
		if (member != NULL && member->realm != request->realm)
			member = NULL;
	}
	return member;
}

/* Take in what stands for a part of the pattern. */
static bool take_part(struct request *request, const char *part, size_t part_len, const char *name)
{
	char word[NODE_NAME_MAX + 1] = {0};

	if (part_len == 0 || part_len > NODE_NAME_MAX)
		return false;
	memcpy(word, part, part_len);
	if (strncmp(name, "{network}", 9) == 0)
		request->realm = directory_realm(&request->hub->directory, word);
	else
		memcpy(request->word, word, sizeof(word));
	return true;
}

/* Whether a path is one of the pattern. */
static bool matches(struct request *request, const char *pattern)
{
	const char *path = request->path;

	while (*pattern != '\0') {
		if (*pattern == '{') {
			size_t len = strcspn(path, "/");

			if (!take_part(request, path, len, pattern))
				return false;
			path += len;
			pattern = strchr(pattern, '}') + 1;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return *path == '\0';
}

static const struct route *find_route(struct request *request, struct response *response)
{
	const struct route *routes = request->caller.is_admin ? admin_routes : node_routes;
	size_t num = request->caller.is_admin ? num_admin_routes : num_node_routes;
	bool is_path = false;

	for (size_t i = 0; i < num; i++) {
		if (!matches(request, routes[i].pattern))
			continue;
		if (strcmp(routes[i].method, request->method) == 0)
			return &routes[i];
		is_path = true;
	}
	answer_error(response, is_path ? 405 : 404, "%s",
		is_path ? "this cannot be done here" : "there is nothing at this path");
	return NULL;
}

/* --- serving --------------------------------------------------------- */

static bool check_version(const struct request *request, struct response *response)
{
	uint64_t version = API_LOWEST;

	if (request->api == NULL || (read_number(request->api, &version) && version >= API_LOWEST &&
					    version <= API_HIGHEST))
		return true;
	answer(response, 426,
		json_pack("{s:s, s:[i, i]}", "error", "this hub does not speak that version", "api",
			API_LOWEST, API_HIGHEST));
	return false;
}

static bool read_body(struct request *request, struct response *response)
{
	json_error_t error;

	if (request->body_len == 0) {
		request->json = json_object();
	} else {
		request->json = json_loadb(
			request->body, request->body_len, JSON_REJECT_DUPLICATES, &error);
		if (request->json == NULL) {
			answer_error(response, 400, "the body is no JSON: line %d: %s", error.line,
				error.text);
			return false;
		}
	}
	if (json_is_object(request->json))
		return true;
	answer_error(response, 400, "the body is not a JSON object");
	return false;
}

static void serve_checked(struct request *request, struct response *response)
{
	const struct route *route;

	if (!check_version(request, response))
		return;
	if (!request->caller.is_admin && !admit_node(request, response))
		return;
	route = find_route(request, response);
	if (route == NULL)
		return;
	if (request->caller.is_admin && !admit_admin(request, route, response))
		return;
	if (strstr(route->pattern, "{node}") != NULL) {
		request->node = request_find_node(request, request->word);
		if (request->node == NULL) {
			answer_error(response, 404, "there is no node \"%s\" in network %s",
				request->word, request->realm->network.name);
			return;
		}
	}
	if (read_body(request, response))
		route->serve(request, response);
}

void router_serve(struct request *request, struct response *ret_response)
{
	*ret_response = (struct response){0};
	request->hub->work.requests++;
	serve_checked(request, ret_response);
	json_decref(request->json);
	request->json = NULL;
}
