/* SPDX-License-Identifier: MIT
 *
 * A text buffer that grows. It never uses realloc, which may leave a copy of a key behind.
 */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_CAP_MIN = 1024 };

/* Make room for len more bytes and a NUL. */
static bool reserve(struct text *text, size_t len)
{
	size_t cap = text->cap ? text->cap : TEXT_CAP_MIN;
	char *data;

	if (text->failed)
		return false;
	if (text->cap - text->len > len)
		return true;
	while (cap - text->len <= len && cap <= SIZE_MAX / 2)
		cap *= 2;
	data = cap - text->len > len ? malloc(cap) : NULL;
	if (data == NULL) {
		text->failed = true;
		return false;
	}
	if (text->data != NULL) {
		memcpy(data, text->data, text->len + 1);
		wipe(text->data, text->len);
		free(text->data);
	}
	text->data = data;
	text->cap = cap;
	return true;
}

void text_append(struct text *text, const void *data, size_t len)
{
	if (!reserve(text, len))
		return;
	if (len > 0)
		memcpy(text->data + text->len, data, len);
	text->len += len;
	text->data[text->len] = '\0';
}

void text_printf(struct text *text, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	assert(len >= 0);
	if (!reserve(text, (size_t)len))
		return;
	va_start(args, format);
	vsnprintf(text->data + text->len, (size_t)len + 1, format, args);
	va_end(args);
	text->len += (size_t)len;
}

void text_deinit(struct text *text)
{
	if (text->data != NULL)
		wipe(text->data, text->cap);
	free(text->data);
	*text = (struct text){0};
}
