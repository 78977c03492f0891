/* SPDX-License-Identifier: MIT
 *
 * Requests on a UAPI socket.
 */
#include "config/uapi_serve.h"

#include "base/log.h"

/* public_key: of the only peer to tell of; NULL: all. */
static void answer_get(
	const struct uapi_ops *ops, void *ctx, const uint8_t *public_key, struct text *reply)
{
	struct config config = {0};
	int r = ops->get(ctx, public_key, &config);

	if (r < 0)
		uapi_write_errno(reply, r);
	else
		uapi_write_get_reply(reply, &config, ops->hides_keys(ctx));
	config_deinit(&config);
}

static void answer_get_peer(
	const struct uapi_ops *ops, void *ctx, const char *data, size_t len, struct text *reply)
{
	uint8_t public_key[KEY_LEN];
	int r = uapi_parse_get_peer(data, len, public_key);

	if (r < 0)
		uapi_write_errno(reply, r);
	else
		answer_get(ops, ctx, public_key, reply);
}

static int serve_set(const struct uapi_ops *ops, void *ctx, const char *data, size_t len)
{
	struct config config = {0};
	unsigned line;
	int r = uapi_parse_set(data, len, &config, &line);

	if (r < 0)
		log_error("UAPI: line %u of a set request: %s", line, strerror(-r));
	else
		r = ops->set(ctx, &config);
	config_deinit(&config);
	return r;
}

static int serve_refuse(const struct uapi_ops *ops, void *ctx, const char *data, size_t len)
{
	struct prefix address;
	int r = uapi_parse_address(data, len, "refuse", &address);

	return r < 0 ? r : ops->refuse(ctx, &address);
}

ssize_t uapi_serve(const struct uapi_ops *ops, void *ctx, const char *data, size_t len,
	size_t *scan, struct text *reply)
{
	enum uapi_operation operation;
	ssize_t request_len = uapi_find_request(data, len, scan, &operation);

	if (request_len <= 0)
		return request_len;
	switch (operation) {
	case UAPI_GET:
		answer_get(ops, ctx, NULL, reply);
		break;
	case UAPI_GET_PEER:
		answer_get_peer(ops, ctx, data, (size_t)request_len, reply);
		break;
	case UAPI_SET:
		uapi_write_errno(reply, serve_set(ops, ctx, data, (size_t)request_len));
		break;
	case UAPI_WATCH:
		uapi_write_errno(reply, ops->watch(ctx));
		break;
	case UAPI_REFUSE:
		uapi_write_errno(reply, serve_refuse(ops, ctx, data, (size_t)request_len));
		break;
	case UAPI_HIDE_KEYS:
		ops->hide_keys(ctx);
		uapi_write_errno(reply, 0);
		break;
	}
	return request_len;
}
