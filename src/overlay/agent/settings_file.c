/* SPDX-License-Identifier: MIT
 *
 * Settings of a membership as text.
 */
#include "overlay/agent/settings_file.h"

#include <errno.h>
#include <stdio.h>

#include "config/number.h"

enum { SETTING_MAX = JOIN_LINK_TEXT_LEN, LINE_LEN_MAX = SETTING_MAX + 64 };

/* The parts of a link, and where they stand. */
struct parts {
	char hub[SETTING_MAX], network[SETTING_MAX], join_key[SETTING_MAX], link[SETTING_MAX];
	unsigned hub_line, link_line;
};

static bool ifname_is_valid(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < IFNAMSIZ && *name != '-' && strcmp(name, "lo") != 0 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
		       len;
}

int settings_set(
	struct member_settings *s, const char *key, const char *value, const char **ret_error)
{
	uint64_t number;

	if (strcmp(key, "name") == 0) {
		*ret_error = "a name is a label of lower-case letters, digits and hyphens";
		if (!node_name_is_valid(value))
			return -EINVAL;
		snprintf(s->name, sizeof(s->name), "%s", value);
	} else if (strcmp(key, "interface") == 0) {
		*ret_error = "an interface's name has 1 to 15 letters, digits, _ and -";
		if (!ifname_is_valid(value))
			return -EINVAL;
		snprintf(s->ifname, sizeof(s->ifname), "%s", value);
	} else if (strcmp(key, "endpoint") == 0) {
		struct endpoint endpoint;

		*ret_error = "an endpoint is ADDRESS:PORT, as in 192.0.2.1:51820";
		if (endpoint_from_text(&endpoint, value) < 0 || endpoint.port == 0)
			return -EINVAL;
		s->endpoint = endpoint;
	} else if (strcmp(key, "keepalive") == 0) {
		*ret_error = "keepalive is a number of seconds, 0 to 65535";
		if (!number_from_text(value, strlen(value), UINT16_MAX, &number))
			return -EINVAL;
		s->keepalive_s = (uint16_t)number;
	} else {
		*ret_error = "there is no such setting";
		return -EINVAL;
	}
	return 0;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Split a line at its '=', and trim both. Returns false if there is none. */
static bool split(char *line, char **ret_key, char **ret_value)
{
	char *equals = strchr(line, '='), *end;

	if (!equals)
		return false;
	for (end = equals; end > line && is_space(end[-1]); end--)
		;
	*end = '\0';
	*ret_key = line;
	*ret_value = equals + 1 + strspn(equals + 1, " \t\r");
	for (end = *ret_value + strlen(*ret_value); end > *ret_value && is_space(end[-1]); end--)
		;
	*end = '\0';
	return true;
}

static int take_setting(struct parts *parts, struct member_settings *s, char *line, unsigned number,
	const char **ret_error)
{
	char *key, *value, *part = NULL;

	*ret_error = "this is not \"setting = value\"";
	if (!split(line, &key, &value))
		return -EINVAL;
	if (strcmp(key, "link") == 0) {
		part = parts->link;
		parts->link_line = number;
	} else if (strcmp(key, "hub") == 0) {
		part = parts->hub;
		parts->hub_line = number;
	} else if (strcmp(key, "network") == 0) {
		part = parts->network;
	} else if (strcmp(key, "join-key") == 0) {
		part = parts->join_key;
	}
	if (!part)
		return settings_set(s, key, value, ret_error);
	*ret_error = *part ? "this is said twice" : "this is too long or empty";
	if (*part || strlen(value) >= SETTING_MAX || *value == '\0')
		return -EINVAL;
	memcpy(part, value, strlen(value) + 1);
	return 0;
}

static int take_line(struct parts *parts, struct member_settings *s, const char *text, size_t len,
	unsigned number, const char **ret_error)
{
	char line[LINE_LEN_MAX];
	int r;

	while (len > 0 && is_space(*text)) {
		text++;
		len--;
	}
	if (len == 0 || *text == '#')
		return 0;
	*ret_error = "this line is too long, or not text";
	if (len >= sizeof(line) || memchr(text, '\0', len))
		return -EINVAL;
	memcpy(line, text, len);
	line[len] = '\0';
	r = take_setting(parts, s, line, number, ret_error);
	wipe(line, sizeof(line));
	return r;
}

static int make_link(struct join_link *ret_link, const struct parts *parts, unsigned *ret_line,
	const char **ret_error)
{
	char text[3 * SETTING_MAX + 8];
	int r;

	*ret_line = 0;
	if (*parts->link) {
		*ret_error = "say link, or hub, network and join-key, not both";
		if (*parts->hub || *parts->network || *parts->join_key)
			return -EINVAL;
		*ret_line = parts->link_line;
		return join_link_parse(ret_link, parts->link, ret_error);
	}
	*ret_error = "hub, network and join-key are needed, or link";
	if (!*parts->hub || !*parts->network || !*parts->join_key)
		return -EINVAL;
	*ret_line = parts->hub_line;
	snprintf(text, sizeof(text), "%s/%s#%s", parts->hub, parts->network, parts->join_key);
	r = join_link_parse(ret_link, text, ret_error);
	wipe(text, sizeof(text));
	return r;
}

int settings_file_parse(struct member_settings *ret_settings, const char *text, size_t len,
	unsigned *ret_line, const char **ret_error)
{
	struct member_settings s = {.is_configured = true};
	struct parts parts = {0};
	unsigned number = 0;
	int r = 0;

	while (r == 0 && len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t line_len = end ? (size_t)(end - text) : len;

		r = take_line(&parts, &s, text, line_len, ++number, ret_error);
		*ret_line = number;
		text += end ? line_len + 1 : line_len;
		len -= end ? line_len + 1 : line_len;
	}
	if (r == 0)
		r = make_link(&s.link, &parts, ret_line, ret_error);
	if (r == 0)
		*ret_settings = s;
	wipe(&parts, sizeof(parts));
	wipe(&s, sizeof(s));
	return r;
}
