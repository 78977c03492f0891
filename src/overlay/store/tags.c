/* SPDX-License-Identifier: MIT
 *
 * The tags of nodes and join keys: as they are kept, and as JSON.
 */
#include "overlay/store/internal.h"

int tags_check(struct store *store, const char tags[NODE_TAGS_MAX][TAG_MAX + 1])
{
	for (size_t i = 0; i < NODE_TAGS_MAX; i++) {
		if (tags[i][0] != '\0' && !tag_is_valid(tags[i]))
			return store_fail(store, -EINVAL, "%.*s cannot be a tag", TAG_MAX, tags[i]);
	}
	return 0;
}

void tags_to_text(char ret_text[TAGS_TEXT_LEN], const char tags[NODE_TAGS_MAX][TAG_MAX + 1])
{
	size_t len = 0;

	ret_text[0] = '\0';
	for (size_t i = 0; i < NODE_TAGS_MAX; i++) {
		if (tags[i][0] != '\0')
			len += (size_t)snprintf(ret_text + len, TAGS_TEXT_LEN - len, "%s%s",
				len > 0 ? " " : "", tags[i]);
	}
}

int tags_from_row(
	struct store *store, sqlite3_stmt *q, int column, char ret_tags[NODE_TAGS_MAX][TAG_MAX + 1])
{
	char text[TAGS_TEXT_LEN], *rest = text;
	int r = column_text(store, q, column, text, sizeof(text));

	if (r < 0)
		return r;
	memset(ret_tags, 0, NODE_TAGS_MAX * (TAG_MAX + 1));
	for (size_t i = 0; *rest != '\0'; i++) {
		const char *tag = strsep(&rest, " ");
		size_t len = strlen(tag);

		if (i == NODE_TAGS_MAX || len > TAG_MAX)
			return store_damaged(store, "tags");
		memcpy(ret_tags[i], tag, len);
		if (!rest)
			break;
	}
	return 0;
}

json_t *store_tags_to_json(const char tags[NODE_TAGS_MAX][TAG_MAX + 1])
{
	json_t *array = json_array();

	for (size_t i = 0; i < NODE_TAGS_MAX && array; i++) {
		if (tags[i][0] != '\0' && json_array_append_new(array, json_string(tags[i])) < 0) {
			json_decref(array);
			array = NULL;
		}
	}
	return array;
}
