/* SPDX-License-Identifier: MIT
 *
 * Requests on the UAPI socket.
 */
#include "tunnel/uapi.h"

#include <net/if.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "config/uapi.h"

int uapi_server_new(const char *ifname, int listen_fd, struct local_server **ret_server)
{
	char name[IFNAMSIZ + 8];

	snprintf(name, sizeof(name), "%s.sock", ifname);
	return local_server_new(UAPI_DIR, name, listen_fd, ret_server);
}

void uapi_remove_socket(const char *ifname)
{
	char path[sizeof(UAPI_DIR) + IFNAMSIZ + 8];

	snprintf(path, sizeof(path), UAPI_DIR "/%s.sock", ifname);
	unlink(path);
}

/* public_key: of the only peer to tell of; NULL: all. */
static void answer_get(const struct uapi *uapi, const uint8_t *public_key, struct text *reply)
{
	struct config config = {0};
	int r = settings_collect(uapi->settings, public_key, &config);

	if (r < 0)
		uapi_write_errno(reply, r);
	else
		uapi_write_get_reply(reply, &config, local_server_is_restricted(uapi->server));
	config_deinit(&config);
}

static void answer_get_peer(
	const struct uapi *uapi, const char *data, size_t len, struct text *reply)
{
	uint8_t public_key[KEY_LEN];
	int r = uapi_parse_get_peer(data, len, public_key);

	if (r < 0)
		uapi_write_errno(reply, r);
	else
		answer_get(uapi, public_key, reply);
}

static void answer_set(struct settings *settings, const char *data, size_t len, struct text *reply)
{
	struct config config = {0};
	unsigned line;
	int r = uapi_parse_set(data, len, &config, &line);

	if (r < 0)
		log_error("UAPI: line %u of a set request: %s", line, strerror(-r));
	else
		r = settings_apply(settings, &config);
	uapi_write_errno(reply, r);
	config_deinit(&config);
}

/* Whoever has the answer hears of the next packet. */
static void answer_watch(const struct uapi *uapi, struct text *reply)
{
	int r = local_server_subscribe(uapi->server);

	if (r == 0)
		settings_watch(uapi->settings, true);
	uapi_write_errno(reply, r);
}

static void answer_refuse(
	struct settings *settings, const char *data, size_t len, struct text *reply)
{
	struct prefix address;
	int r = uapi_parse_address(data, len, "refuse", &address);

	if (r == 0)
		settings_refuse(settings, &address);
	uapi_write_errno(reply, r);
}

ssize_t uapi_answer(void *ctx, const char *data, size_t len, size_t *scan, struct text *reply)
{
	const struct uapi *uapi = ctx;
	enum uapi_operation operation;
	ssize_t request_len = uapi_find_request(data, len, scan, &operation);

	if (request_len <= 0)
		return request_len;
	switch (operation) {
	case UAPI_GET:
		answer_get(uapi, NULL, reply);
		break;
	case UAPI_SET:
		answer_set(uapi->settings, data, (size_t)request_len, reply);
		break;
	case UAPI_WATCH:
		answer_watch(uapi, reply);
		break;
	case UAPI_REFUSE:
		answer_refuse(uapi->settings, data, (size_t)request_len, reply);
		break;
	case UAPI_HIDE_KEYS:
		local_server_restrict(uapi->server);
		uapi_write_errno(reply, 0);
		break;
	case UAPI_GET_PEER:
		answer_get_peer(uapi, data, (size_t)request_len, reply);
		break;
	}
	return request_len;
}
