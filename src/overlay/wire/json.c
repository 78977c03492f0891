/* SPDX-License-Identifier: MIT
 *
 * jansson takes NULL everywhere, and says so.
 */
#include "overlay/wire/json.h"

#include <stdlib.h>

#include "base/text.h"

void json_put(json_t **object, const char *key, json_t *value)
{
	if (json_object_set_new(*object, key, value) == 0)
		return;
	json_decref(*object);
	*object = NULL;
}

void json_put_last(json_t **list, json_t *value)
{
	if (json_array_append_new(*list, value) == 0)
		return;
	json_decref(*list);
	*list = NULL;
}

static int append(const char *data, size_t len, void *ctx)
{
	struct text *text = ctx;

	text_append(text, data, len);
	return text->failed ? -1 : 0;
}

/* DEL is ASCII, and jansson leaves it as it is. */
static int append_shown(const char *data, size_t len, void *ctx)
{
	const char *del;
	int r = 0;

	while (r == 0 && (del = memchr(data, 0x7f, len)) != NULL) {
		r = append(data, (size_t)(del - data), ctx);
		text_printf(ctx, "\\u007F");
		len -= (size_t)(del + 1 - data);
		data = del + 1;
	}
	return r == 0 ? append(data, len, ctx) : r;
}

char *json_to_text(const json_t *json, size_t flags)
{
	struct text text = {0};
	json_dump_callback_t write = flags & JSON_ENSURE_ASCII ? append_shown : append;

	if (json_dump_callback(json, write, &text, flags) == 0 && !text.failed)
		return text.data;
	text_deinit(&text);
	return NULL;
}
