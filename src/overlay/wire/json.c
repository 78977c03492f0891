/* SPDX-License-Identifier: MIT
 *
 * jansson takes NULL everywhere, and says so.
 */
#include "overlay/wire/json.h"

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
