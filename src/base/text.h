/* SPDX-License-Identifier: MIT
 *
 * A text buffer that grows. It may hold keys, so its memory is wiped before any of it is given
 * back.
 */
#ifndef ADIT_BASE_TEXT_H
#define ADIT_BASE_TEXT_H

#include "base/bytes.h"

/* An all-zero struct text is valid and empty. */
struct text {
	char *data; /* owned, NUL-terminated whenever not NULL */
	size_t len, cap;
	bool failed; /* memory ran out; appends since then were ignored */
};

/* Append len bytes. */
void text_append(struct text *text, const void *data, size_t len);

/* Append what printf would print. */
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether these bytes are UTF-8 that a terminal shows as what it is, and that make it do nothing
 * else: no control characters but newline (after a carriage return, too) and tab, and none that are
 * invisible or turn the direction of writing. */
bool text_is_plain(const char *data, size_t len);

/* Whether they are so and one line, without newline or tab: what stands in a row. */
bool text_is_line(const char *data, size_t len);

/* Wipe and free everything; the struct is an empty text afterwards. */
void text_deinit(struct text *text);

#endif
