/* SPDX-License-Identifier: MIT
 *
 * The admin API: the hub's state, the audit trail, people.
 */
#include <errno.h>
#include <stdio.h>

#include "overlay/hub/router.h"
#include "overlay/hub/views.h"
#include "base/encoding.h"
#include "overlay/wire/json.h"

void serve_status(struct request *request, struct response *response)
{
	const struct hub *hub = request->hub;
	const struct hub_work *work = &hub->work;
	const struct streams_counts *streams = streams_counts(hub->streams);
	char key[KEY_BASE64_LEN + 1];
	json_t *of_work, *of_streams;

	key_to_base64(key, hub->setup.enrol_key);
	of_work = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "requests",
		(json_int_t)work->requests, "enrolments", (json_int_t)work->enrolments, "refusals",
		(json_int_t)work->refusals, "changes", (json_int_t)work->changes, "links",
		(json_int_t)work->links, "connects", (json_int_t)work->connects);
	of_streams = json_pack("{s:I, s:I, s:I, s:I, s:I}", "open", (json_int_t)streams->num,
		"started", (json_int_t)streams->started, "too_slow", (json_int_t)streams->too_slow,
		"lines", (json_int_t)streams->lines, "bytes", (json_int_t)streams->bytes);
	answer(response, 200,
		json_pack("{s:s, s:[i, i], s:I, s:I, s:s, s:i, s:s, s:i, s:I, s:I, s:o, s:o}",
			"version", ADIT_VERSION, "api", API_LOWEST, API_HIGHEST, "started",
			(json_int_t)hub->started_s, "time", (json_int_t)hub_now_s(), "host",
			hub->setup.host, "enrol_port", hub->setup.enrol_port, "enrol_key", key,
			"hub_port", hub->setup.hub_port, "networks",
			(json_int_t)hub->directory.num_realms, "nodes",
			(json_int_t)hub->directory.num_members, "work", of_work, "streams",
			of_streams));
}

/* --- audit ----------------------------------------------------------- */

enum { EVENTS_MAX = 1000, EVENTS_DEFAULT = 100 };

static json_t *view_json(const char *text)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);

	return json != NULL ? json : json_string(text);
}

static int add_event(void *ctx, const struct audit_event *event)
{
	char hash[KEY_HEX_LEN + 1];
	json_t *view;

	key_to_hex(hash, event->hash);
	view = json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:s}", "id", (json_int_t)event->id, "time",
		(json_int_t)event->time_s, "actor", event->actor, "action", event->action,
		"network", event->network, "subject", event->subject, "hash", hash);
	if (view != NULL && *event->before != '\0')
		json_put(&view, "before", view_json(event->before));
	if (view != NULL && *event->after != '\0')
		json_put(&view, "after", view_json(event->after));
	return json_array_append_new(ctx, view) == 0 ? 0 : -ENOMEM;
}

static int count_event(void *ctx, const struct audit_event *event)
{
	(void)event;
	++*(int64_t *)ctx;
	return 0;
}

/* How many events there are from an id on, of a network (NULL: of all), at most limit. */
static int count_from(
	struct store *store, const char *network, int64_t from, int64_t limit, int64_t *ret_num)
{
	*ret_num = 0;
	return store_audit(store, network, from, limit, count_event, ret_num);
}

/* The id from which on there are just so many events, or 1 if there are fewer: by doubling until
 * there are fewer, then by halving. */
static int find_newest(struct store *store, const char *network, int64_t num, int64_t *ret_from)
{
	int64_t low = 1, high = 2, have;
	int r = count_from(store, network, high, num, &have);

	while (r == 0 && have == num) {
		low = high;
		high *= 2;
		r = count_from(store, network, high, num, &have);
	}
	while (r == 0 && high - low > 1) {
		int64_t middle = low + (high - low) / 2;

		r = count_from(store, network, middle, num, &have);
		if (have == num)
			low = middle;
		else
			high = middle;
	}
	*ret_from = low;
	return r;
}

void serve_audit(struct request *request, struct response *response)
{
	const char *network = request->realm != NULL ? request->realm->network.name : NULL;
	uint64_t from = 0, limit = EVENTS_DEFAULT;
	json_t *list = json_array();
	int64_t first;
	int r = 0;

	if (!request_number(request, response, "from", &from) ||
		!request_number(request, response, "limit", &limit)) {
		json_decref(list);
		return;
	}
	if (limit == 0 || limit > EVENTS_MAX)
		limit = EVENTS_MAX;
	first = (int64_t)from;
	if (request_argument(request, "from") == NULL)
		r = find_newest(request->hub->store, network, (int64_t)limit, &first);
	if (r == 0)
		r = store_audit(
			request->hub->store, network, first, (int64_t)limit, add_event, list);
	if (r == 0) {
		answer(response, 200, json_pack("{s:o}", "events", list));
	} else {
		json_decref(list);
		answer_store_error(request, response, r);
	}
}

void serve_verify_audit(struct request *request, struct response *response)
{
	uint8_t last[HASH_LEN];
	char hash[KEY_HEX_LEN + 1];
	int64_t num = 0;
	int r = store_audit_verify(request->hub->store, &num, last);

	if (r == 0) {
		key_to_hex(hash, last);
		answer(response, 200,
			json_pack("{s:b, s:I, s:s}", "ok", true, "events", (json_int_t)num, "last",
				hash));
	} else if (r == -EBADMSG) {
		answer(response, 200,
			json_pack("{s:b, s:I}", "ok", false, "event", (json_int_t)num));
	} else {
		answer_store_error(request, response, r);
	}
}

/* --- people ---------------------------------------------------------- */

/* Admins are kept as "name:uid": the hub can look up neither in its root directory. */
struct admin_search {
	const char *name; /* NULL: all */
	int64_t network_id;
	bool all_networks;
	const struct hub *hub;
	json_t *list;	    /* NULL: none is wanted */
	struct admin found; /* id 0: none */
};

static int add_admin(void *ctx, const struct admin *admin)
{
	struct admin_search *search = ctx;
	size_t len = strcspn(admin->name, ":");
	const struct realm *realm =
		directory_realm_by_id(&search->hub->directory, admin->network_id);
	json_t *view;

	if (!search->all_networks && admin->network_id != search->network_id)
		return 0;
	if (search->name != NULL &&
		(strlen(search->name) != len || memcmp(search->name, admin->name, len) != 0))
		return 0;
	search->found = *admin;
	if (search->list == NULL)
		return 0;
	view = view_admin(admin);
	if (view != NULL && realm != NULL)
		json_put(&view, "network", json_string(realm->network.name));
	return json_array_append_new(search->list, view) == 0 ? 0 : -ENOMEM;
}

static struct admin_search search_in(const struct request *request)
{
	return (struct admin_search){
		.network_id = request->realm != NULL ? request->realm->network.id : 0,
		.hub = request->hub,
	};
}

void serve_admins(struct request *request, struct response *response)
{
	struct admin_search search = search_in(request);
	int r;

	search.all_networks = request->realm == NULL;
	search.list = json_array();
	r = store_admins(request->hub->store, add_admin, &search);
	if (r == 0) {
		answer(response, 200, json_pack("{s:o}", "admins", search.list));
	} else {
		json_decref(search.list);
		answer_store_error(request, response, r);
	}
}

static enum role_of_admin read_role(const char *text)
{
	for (enum role_of_admin role = ADMIN_AUDITOR; role <= ADMIN_OWNER; role++) {
		if (strcmp(admin_role_name(role), text) == 0)
			return role;
	}
	return 0;
}

/* Whether a unix user may have this name; what the store keeps can be taken apart again. */
static bool is_user_name(const char *name)
{
	static const char characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "0123456789._-$";

	return *name != '\0' && *name != '-' && name[strspn(name, characters)] == '\0';
}

void serve_set_admin(struct request *request, struct response *response)
{
	struct admin_search search = search_in(request);
	struct admin admin = {.network_id = search.network_id};
	const char *role = "";
	int64_t uid = -1;
	json_t *view;
	int len, r;

	if (!field_text(request, response, "role", &role) ||
		!field_number(request, response, "uid", &uid))
		return;
	admin.role = read_role(role);
	len = snprintf(admin.name, sizeof(admin.name), "%s:%lld", request->word, (long long)uid);
	if (admin.role == 0 || uid < 0 || uid >= UINT32_MAX || !is_user_name(request->word) ||
		len >= (int)sizeof(admin.name)) {
		answer_error(response, 400,
			"say a user's name, its \"uid\", and as \"role\" auditor, admin or owner");
		return;
	}
	search.name = request->word;
	r = store_admins(request->hub->store, add_admin, &search);
	if (r == 0 && search.found.id != 0 && strcmp(search.found.name, admin.name) != 0) {
		answer_error(
			response, 409, "%s was another user id: remove that first", request->word);
		return;
	}
	if (r == 0)
		r = store_set_admin(request->hub->store, request->actor, &admin);
	if (r != 0) {
		answer_store_error(request, response, r);
		return;
	}
	view = view_admin(&admin);
	if (request->realm != NULL)
		json_put(&view, "network", json_string(request->realm->network.name));
	answer(response, 200, view);
}

void serve_remove_admin(struct request *request, struct response *response)
{
	struct admin_search search = search_in(request);
	int r;

	search.name = request->word;
	r = store_admins(request->hub->store, add_admin, &search);
	if (r == 0 && search.found.id == 0) {
		answer_error(response, 404, "%s has no role there", request->word);
		return;
	}
	if (r == 0)
		r = store_remove_admin(
			request->hub->store, request->actor, search.found.name, search.network_id);
	if (r != 0)
		answer_store_error(request, response, r);
	else
		answer(response, 204, NULL);
}
