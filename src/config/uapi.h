/* SPDX-License-Identifier: MIT
 *
 * The UAPI text protocol of userspace WireGuard daemons, as wireguard-go and `wg` speak it.
 * Both ends are here: the daemon parses requests and writes replies, `adit show|set…` the other
 * way round. Nothing here does I/O.
 */
#ifndef ADIT_CONFIG_UAPI_H
#define ADIT_CONFIG_UAPI_H

#include "config/config.h"

enum { UAPI_REQUEST_MAX = 256 << 20 }; /* bytes; a million allowed IPs need a tenth of it */

/* A text buffer that grows and is wiped before any of its memory is given back. An all-zero
 * struct text is valid and empty. */
struct text {
	char *data; /* owned, NUL-terminated whenever not NULL */
	size_t len, cap;
	bool failed; /* memory ran out; appends since then were ignored */
};

void text_append(struct text *text, const void *data, size_t len);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_deinit(struct text *text);

enum uapi_operation { UAPI_GET, UAPI_SET };

/* Look for one complete request ("get=1\n\n", or "set=1\n" … "\n\n") at the start of data.
 * Returns its length in bytes including the empty line and sets *ret_operation; 0 if more bytes
 * are needed; -EPROTO if no request can begin like this; -EMSGSIZE beyond UAPI_REQUEST_MAX.
 * *scan (0 at first) remembers how far earlier calls on the same growing data have looked. */
MUST_CHECK ssize_t uapi_find_request(
	const char *data, size_t len, size_t *scan, enum uapi_operation *ret_operation);

/* Parse a complete set request of len bytes, as uapi_find_request measured it.
 * Returns 0; -EPROTO for a line that is not key=value; -EINVAL for an unknown key, a bad value or
 * a key in the wrong place; -EPROTONOSUPPORT… see uapi.c for the table; -ENOMEM. On failure
 * ret_config is an empty config and *ret_line is the number of the bad line (1 is "set=1"). */
MUST_CHECK int uapi_parse_set(
	const char *data, size_t len, struct config *ret_config, unsigned *ret_line);

/* Write the reply to a get: everything the config holds, then "errno=0\n\n". */
void uapi_write_get_reply(struct text *text, const struct config *config);

/* Write the reply to a set or a failed get: "errno=N\n\n" with the (negative) error. */
void uapi_write_errno(struct text *text, int error);

/* Write config as a set request, in `wg`'s order of keys. */
void uapi_write_set(struct text *text, const struct config *config);

/* Parse the reply to a get (complete: it ends with an empty line). Unknown keys are ignored, keys
 * "drop_<name>" become counters. Returns 0, the daemon's error as a negative errno, or -EPROTO
 * for what is not a reply; on failure ret_config is an empty config. */
MUST_CHECK int uapi_parse_get_reply(const char *data, size_t len, struct config *ret_config);

/* Parse the reply to a set. Returns 0, the daemon's error as a negative errno, or -EPROTO. */
MUST_CHECK int uapi_parse_errno(const char *data, size_t len);

#endif
