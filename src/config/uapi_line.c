/* SPDX-License-Identifier: MIT
 *
 * Lines of UAPI text and the values in them.
 */
#include "config/uapi_line.h"

#include <errno.h>

#include "base/encoding.h"
#include "config/number.h"
#include "config/uapi.h"

int uapi_line_next(const char **data, size_t *len, struct uapi_line *ret_line)
{
	const char *line = *data, *equals, *end = memchr(line, '\n', *len);
	size_t line_len;

	if (end == NULL)
		return -EPROTO;
	line_len = (size_t)(end - line);
	*data = end + 1;
	*len -= line_len + 1;
	if (line_len == 0)
		return 0;
	equals = memchr(line, '=', line_len);
	if (equals == NULL || memchr(line, '\0', line_len) != NULL)
		return -EPROTO;
	*ret_line = (struct uapi_line){
		.key = line,
		.key_len = (size_t)(equals - line),
		.value = equals + 1,
		.value_len = (size_t)(end - equals - 1),
	};
	return 1;
}

bool uapi_line_is(const struct uapi_line *line, const char *key)
{
	return strlen(key) == line->key_len && memcmp(line->key, key, line->key_len) == 0;
}

int uapi_line_key(const struct uapi_line *line, uint8_t ret_key[KEY_LEN])
{
	return key_from_hex(ret_key, line->value, line->value_len);
}

int uapi_line_number(const struct uapi_line *line, uint64_t max, uint64_t *ret_number)
{
	return number_from_text(line->value, line->value_len, max, ret_number) ? 0 : -EINVAL;
}

/* Copy text of len bytes into a buffer of cap and end it with a NUL. */
static bool terminate(char *ret_buf, size_t cap, const char *text, size_t len)
{
	if (len >= cap)
		return false;
	memcpy(ret_buf, text, len);
	ret_buf[len] = '\0';
	return true;
}

int uapi_line_endpoint(const struct uapi_line *line, struct endpoint *ret_endpoint)
{
	char text[ENDPOINT_TEXT_LEN];

	if (!terminate(text, sizeof(text), line->value, line->value_len))
		return -EINVAL;
	return endpoint_from_text(ret_endpoint, text);
}

int uapi_line_allowed_ip(const struct uapi_line *line, struct prefix *ret_prefix, bool *ret_remove)
{
	bool has_sign = line->value_len > 0 && (line->value[0] == '-' || line->value[0] == '+');
	char text[PREFIX_TEXT_LEN];

	if (!terminate(text, sizeof(text), line->value + has_sign, line->value_len - has_sign) ||
		strchr(text, '/') == NULL || prefix_from_text(ret_prefix, text) != 0)
		return -EINVAL;
	*ret_remove = has_sign && line->value[0] == '-';
	return 0;
}

int uapi_parse_address(const char *data, size_t len, const char *key, struct prefix *ret_address)
{
	char text[PREFIX_TEXT_LEN];
	struct uapi_line line, end;

	if (uapi_line_next(&data, &len, &line) != 1 || !uapi_line_is(&line, key) ||
		uapi_line_next(&data, &len, &end) != 0 || len != 0 ||
		!terminate(text, sizeof(text), line.value, line.value_len) || strchr(text, '/'))
		return -EINVAL;
	return prefix_from_text(ret_address, text);
}

void uapi_write_address(struct text *text, const char *key, const struct prefix *address)
{
	char prefix[PREFIX_TEXT_LEN];

	prefix_to_text(prefix, address);
	text_printf(text, "%s=%.*s\n\n", key, (int)strcspn(prefix, "/"), prefix);
}

void uapi_write_key(struct text *text, const char *name, const uint8_t key[KEY_LEN])
{
	char hex[KEY_HEX_LEN + 1];

	key_to_hex(hex, key);
	text_printf(text, "%s=", name);
	text_append(text, hex, KEY_HEX_LEN); /* printf would look at each digit */
	text_append(text, "\n", 1);
	wipe(hex, sizeof(hex));
}
