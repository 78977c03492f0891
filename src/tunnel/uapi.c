/* SPDX-License-Identifier: MIT
 *
 * Requests on the UAPI socket.
 */
#include "tunnel/uapi.h"

#include <net/if.h>
#include <stdio.h>
#include <unistd.h>

#include "config/uapi_serve.h"
#include "config/uapi_socket.h"

int uapi_server_new(const char *ifname, int listen_fd, struct local_server **ret_server)
{
	char name[IFNAMSIZ + 8];

	snprintf(name, sizeof(name), "%s" UAPI_SOCKET_SUFFIX, ifname);
	return local_server_new(UAPI_SOCKET_DIR, name, listen_fd, ret_server);
}

void uapi_remove_socket(const char *ifname)
{
	int fd = uapi_socket_connect(ifname);

	if (fd >= 0)
		close(fd);
}

static int get(void *ctx, const uint8_t *public_key, struct config *ret_config)
{
	const struct uapi *uapi = ctx;

	return settings_collect(uapi->settings, public_key, ret_config);
}

static int set(void *ctx, const struct config *config)
{
	const struct uapi *uapi = ctx;

	return settings_apply(uapi->settings, config);
}

/* Whoever has the answer hears of the next packet. */
static int watch(void *ctx)
{
	const struct uapi *uapi = ctx;
	int r = local_server_subscribe(uapi->server);

	if (r == 0)
		settings_watch(uapi->settings, true);
	return r;
}

static int refuse(void *ctx, const struct prefix *address)
{
	const struct uapi *uapi = ctx;

	settings_refuse(uapi->settings, address);
	return 0;
}

static void hide_keys(void *ctx)
{
	const struct uapi *uapi = ctx;

	local_server_restrict(uapi->server);
}

static bool hides_keys(void *ctx)
{
	const struct uapi *uapi = ctx;

	return local_server_is_restricted(uapi->server);
}

ssize_t uapi_answer(void *ctx, const char *data, size_t len, size_t *scan, struct text *reply)
{
	static const struct uapi_ops ops = {get, set, watch, refuse, hide_keys, hides_keys};

	return uapi_serve(&ops, ctx, data, len, scan, reply);
}
