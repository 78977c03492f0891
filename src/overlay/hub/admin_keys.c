/* SPDX-License-Identifier: MIT
 *
 * The admin API: join keys. The link with the key is told once, to whoever creates it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "overlay/hub/router.h"
#include "overlay/hub/views.h"
#include "overlay/wire/link.h"
#include "overlay/wire/json.h"

enum { DEFAULT_USES = 1, DEFAULT_LIFE_S = 86400 };

static int add_view(void *ctx, const struct join_key_info *info)
{
	return json_array_append_new(ctx, view_join_key(info)) == 0 ? 0 : -ENOMEM;
}

void serve_keys(struct request *request, struct response *response)
{
	json_t *list = json_array();
	int r = store_join_keys(request->hub->store, request->realm->network.id, add_view, list);

	if (r == 0) {
		answer(response, 200, json_pack("{s:o}", "keys", list));
	} else {
		json_decref(list);
		answer_store_error(request, response, r);
	}
}

/* The new key as its owner is told it. */
static json_t *view_with_link(
	const struct request *request, const struct join_key_info *info, const uint8_t key[KEY_LEN])
{
	const struct hub_setup *setup = &request->hub->setup;
	struct join_link link = {.port = setup->enrol_port};
	char text[JOIN_LINK_TEXT_LEN];
	json_t *view = view_join_key(info);

	memcpy(link.hub_key, setup->enrol_key, KEY_LEN);
	memcpy(link.join_key, key, KEY_LEN);
	memcpy(link.host, setup->host, sizeof(link.host));
	memcpy(link.network, request->realm->network.name, sizeof(link.network));
	join_link_write(text, &link);
	json_put(&view, "link", json_string(text));
	wipe(&link, sizeof(link));
	wipe(text, sizeof(text));
	return view;
}

void serve_add_key(struct request *request, struct response *response)
{
	struct join_key_info info = {.network_id = request->realm->network.id,
		.max_uses = DEFAULT_USES,
		.approves = true};
	int64_t life_s = DEFAULT_LIFE_S;
	uint8_t key[KEY_LEN];
	int r;

	if (!field_number(request, response, "uses", &info.max_uses) ||
		!field_number(request, response, "expires_in", &life_s) ||
		!field_flag(request, response, "approved", &info.approves) ||
		!field_flag(request, response, "ephemeral", &info.ephemeral) ||
		!field_tags(request, response, info.tags))
		return;
	if (life_s > INT32_MAX) {
		answer_error(response, 400, "\"expires_in\" is too long");
		return;
	}
	info.expires_s = life_s != 0 ? hub_now_s() + life_s : 0;
	snprintf(info.created_by, sizeof(info.created_by), "%.63s", request->actor);
	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key)) {
		answer_error(response, 500, "no random numbers");
		return;
	}
	r = store_add_join_key(request->hub->store, request->actor, &info, key);
	if (r != 0)
		answer_store_error(request, response, r);
	else
		answer(response, 201, view_with_link(request, &info, key));
	wipe(key, sizeof(key));
}

void serve_revoke_key(struct request *request, struct response *response)
{
	char *end;
	long long id = strtoll(request->word, &end, 10);
	int r;

	if (*end != '\0') {
		answer_error(response, 404, "there is no such join key");
		return;
	}
	r = store_revoke_join_key(
		request->hub->store, request->actor, request->realm->network.id, id);
	if (r != 0)
		answer_store_error(request, response, r);
	else
		answer(response, 204, NULL);
}
