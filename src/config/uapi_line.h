/* SPDX-License-Identifier: MIT
 *
 * What both directions of UAPI text share: its lines and the values in them.
 */
#ifndef ADIT_CONFIG_UAPI_LINE_H
#define ADIT_CONFIG_UAPI_LINE_H

#include "base/text.h"
#include "config/config.h"

/* One "key=value" line; key and value point into the text and have no NUL behind them. */
struct uapi_line {
	const char *key, *value;
	size_t key_len, value_len;
};

/* Take the next line, with its newline, from *data of *len bytes. Returns 1 with *ret_line set; 0
 * for an empty line; -EPROTO for one without '=', with a NUL, or not ended by a newline. */
MUST_CHECK int uapi_line_next(const char **data, size_t *len, struct uapi_line *ret_line);

/* Whether the line's key is this one. */
bool uapi_line_is(const struct uapi_line *line, const char *key);

/* Read the line's value. They return 0, or -EINVAL with the output untouched. */
MUST_CHECK int uapi_line_key(const struct uapi_line *line, uint8_t ret_key[KEY_LEN]);
MUST_CHECK int uapi_line_number(const struct uapi_line *line, uint64_t max, uint64_t *ret_number);
MUST_CHECK int uapi_line_endpoint(const struct uapi_line *line, struct endpoint *ret_endpoint);

/* Read "[-|+]address/cidr"; *ret_remove says whether '-' was there. */
MUST_CHECK int uapi_line_allowed_ip(
	const struct uapi_line *line, struct prefix *ret_prefix, bool *ret_remove);

/* Write "name=<hex>\n". */
void uapi_write_key(struct text *text, const char *name, const uint8_t key[KEY_LEN]);

#endif
