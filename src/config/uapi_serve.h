/* SPDX-License-Identifier: MIT
 *
 * The requests of a UAPI socket, answered: what is asked is read here and nowhere else, whatever
 * the device behind it is. Nothing here does I/O.
 */
#ifndef ADIT_CONFIG_UAPI_SERVE_H
#define ADIT_CONFIG_UAPI_SERVE_H

#include "config/uapi.h"

/* What a device does for its clients. Those that return int: 0 or a negative errno, which the
 * client is told. */
struct uapi_ops {
	/* Its configuration and state, with all peers, or with the only one that has public_key
	 * (-ENOENT: none has) if that is not NULL. The caller deinitialises ret_config. */
	int (*get)(void *ctx, const uint8_t *public_key, struct config *ret_config);
	int (*set)(void *ctx, const struct config *config);
	/* The client that is being answered hears what is wanted from now on (-EBUSY: another
	 * does). */
	int (*watch)(void *ctx);
	int (*refuse)(void *ctx, const struct prefix *address);
	/* The client that is being answered sees no keys from now on; whether it is such a one. */
	void (*hide_keys)(void *ctx);
	bool (*hides_keys)(void *ctx);
};

/* Answer the request at the start of data, if it is complete, as net/local_server.h has it: returns
 * its length, 0 or a negative errno. It is parsed whole, then applied. */
MUST_CHECK ssize_t uapi_serve(const struct uapi_ops *ops, void *ctx, const char *data, size_t len,
	size_t *scan, struct text *reply);

#endif
