/* SPDX-License-Identifier: MIT
 *
 * JSON that is whole or not there: without memory jansson leaves out what it cannot keep, and a
 * rule without its ports, or a file without a node, means something else.
 */
#ifndef ADIT_OVERLAY_WIRE_JSON_H
#define ADIT_OVERLAY_WIRE_JSON_H

#include <jansson.h>

/* Put a value, which is given away, into an object or at the end of a list. Without memory *object
 * or *list is freed and NULL, and stays so; so it does when the value is NULL. */
void json_put(json_t **object, const char *key, json_t *value);
void json_put_last(json_t **list, json_t *value);

/* As json_dumps, which without memory may leave out a key: the text, for free(), or NULL. With
 * JSON_ENSURE_ASCII it is for a terminal, too: there is no control character in it but newline. */
char *json_to_text(const json_t *json, size_t flags);

#endif
