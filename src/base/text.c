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

/* One character of UTF-8. Returns its length, 0 if it is none: one that is longer than need be or
 * half of a UTF-16 pair, which somebody else may read as what it is not, or is beyond Unicode. */
static size_t decode(const uint8_t *data, size_t len, uint32_t *ret_code)
{
	static const uint32_t first[] = {0, 0, 0x80, 0x800, 0x10000}; /* by length */
	size_t num = *data < 0x80	    ? 1
		     : (*data >> 5) == 0x6  ? 2
		     : (*data >> 4) == 0xe  ? 3
		     : (*data >> 3) == 0x1e ? 4
					    : 0;
	uint32_t code = num == 1 ? *data : *data & (0x7fU >> num);

	if (num > len)
		return 0;
	for (size_t i = 1; i < num; i++) {
		if ((data[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (data[i] & 0x3fU);
	}
	*ret_code = code;
	return code >= first[num] && code <= 0x10ffff && (code & ~0x7ffU) != 0xd800 ? num : 0;
}

/* Whether it is a character of a line that looks like what it is. */
static bool is_shown(uint32_t code)
{
	static const uint32_t unshown[][2] = {{0, 0x1f}, {0x7f, 0x9f}, /* controls */
		{0x61c, 0x61c}, {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},
		{0xfeff, 0xfeff}}; /* invisible, ends of lines, the direction of writing */

	for (size_t i = 0; i < ARRAY_SIZE(unshown); i++) {
		if (code >= unshown[i][0] && code <= unshown[i][1])
			return false;
	}
	return true;
}

bool text_is_line(const char *data, size_t len)
{
	const uint8_t *bytes = (const void *)data;
	uint32_t code;

	for (size_t i = 0, num; i < len; i += num) {
		num = decode(bytes + i, len - i, &code);
		if (num == 0 || !is_shown(code))
			return false;
	}
	return true;
}

/* How many bytes break a line or a column here; a carriage return does with a newline, in files of
 * other systems. */
static size_t break_len(const char *data, size_t len)
{
	if (len > 1 && data[0] == '\r' && data[1] == '\n')
		return 2;
	return len > 0 && (data[0] == '\n' || data[0] == '\t');
}

bool text_is_plain(const char *data, size_t len)
{
	size_t start = 0, end = 0, num;

	while (end < len) {
		num = break_len(data + end, len - end);
		if (num > 0 && !text_is_line(data + start, end - start))
			return false;
		end += num > 0 ? num : 1;
		start = num > 0 ? end : start;
	}
	return text_is_line(data + start, end - start);
}
