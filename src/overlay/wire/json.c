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

char *json_to_text(const json_t *json, size_t flags)
{
	struct text text = {0};

	if (json_dump_callback(json, append, &text, flags) == 0 && !text.failed)
		return text.data;
	text_deinit(&text);
	return NULL;
}
