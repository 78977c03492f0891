/* SPDX-License-Identifier: MIT
 *
 * One table of names, whether they come from a file or from the command line.
 */
#include "overlay/hub/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "config/number.h"

/* Each takes a value, or returns what is wrong with it. */
typedef const char *take_value(struct hub_options *options, const char *value);

static const char *take_path(char *ret_path, size_t size, const char *value)
{
	if (*value != '/')
		return "is not an absolute path";
	if (strlen(value) >= size)
		return "is too long a path";
	strcpy(ret_path, value);
	return NULL;
}

static const char *take_port(uint16_t *ret_port, const char *value)
{
	uint64_t port;

	if (!number_from_text(value, strlen(value), UINT16_MAX, &port) || port == 0)
		return "is not a port from 1 to 65535";
	*ret_port = (uint16_t)port;
	return NULL;
}

static const char *take_state(struct hub_options *options, const char *value)
{
	return take_path(options->state, sizeof(options->state), value);
}

static const char *take_socket(struct hub_options *options, const char *value)
{
	return take_path(options->socket, sizeof(options->socket), value);
}

static const char *take_program(struct hub_options *options, const char *value)
{
	return take_path(options->tunnel_program, sizeof(options->tunnel_program), value);
}

static const char *take_hub_port(struct hub_options *options, const char *value)
{
	return take_port(&options->port, value);
}

static const char *take_enrol_port(struct hub_options *options, const char *value)
{
	return take_port(&options->enrol_port, value);
}

static const char *take_host(struct hub_options *options, const char *value)
{
	if (!join_host_is_valid(value))
		return "is neither a name nor an IPv4 or IPv6 address";
	strcpy(options->host, value);
	return NULL;
}

static const char *take_interface(struct hub_options *options, const char *value)
{
	size_t len = strlen(value);

	if (len == 0 || len >= IFNAMSIZ || *value == '-' ||
		strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			      "0123456789_-") != len)
		return "cannot be an interface's name: 1 to 15 letters, digits or _-";
	memcpy(options->interface, value, len + 1);
	return NULL;
}

static const struct {
	const char *name;
	take_value *take;
} names[] = {{"state", take_state}, {"interface", take_interface}, {"port", take_hub_port},
	{"enrol-port", take_enrol_port}, {"host", take_host}, {"socket", take_socket},
	{"tunnel-program", take_program}};

/* where is said before a complaint: the command line, or file and line. */
static int set(struct hub_options *options, const char *name, const char *value, const char *where)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *error;

		if (strcmp(names[i].name, name) != 0)
			continue;
		error = names[i].take(options, value);
		if (error)
			log_error("%s: %s \"%s\" %s", where, name, value, error);
		return error ? -EINVAL : 0;
	}
	log_error("%s: there is no option \"%s\"", where, name);
	return -EINVAL;
}

/* Cut spaces off both ends, in place. */
static char *trim(char *text)
{
	static const char spaces[] = " \t\r\n";
	size_t len;

	text += strspn(text, spaces);
	len = strlen(text);
	while (len > 0 && strchr(spaces, text[len - 1]))
		text[--len] = '\0';
	return text;
}

static int read_line(struct hub_options *options, char *line, const char *where)
{
	char *name = trim(line), *equals;

	if (*name == '\0' || *name == '#')
		return 0;
	equals = strchr(name, '=');
	if (!equals) {
		log_error("%s: \"%s\" is not of the form name = value", where, name);
		return -EINVAL;
	}
	*equals = '\0';
	return set(options, trim(name), trim(equals + 1), where);
}

static int read_file(struct hub_options *options, const char *path, bool must_exist)
{
	FILE *file = fopen(path, "re");
	char *line = NULL, where[256];
	size_t size = 0;
	unsigned number = 0;
	int r = 0;

	if (!file && errno == ENOENT && !must_exist)
		return 0;
	if (!file) {
		log_error("%s: %m", path);
		return -EINVAL;
	}
	while (r == 0 && getline(&line, &size, file) >= 0) {
		snprintf(where, sizeof(where), "%s: line %u", path, ++number);
		r = read_line(options, line, where);
	}
	if (r == 0 && ferror(file)) {
		log_error("%s: %m", path);
		r = -EINVAL;
	}
	free(line);
	fclose(file);
	return r;
}

/* "--name VALUE" or "--name=VALUE" at *word, which is moved to the last word of it. Returns whether
 * it is one; name is cut out of it. */
static bool split_word(char *const **word, char ret_name[32], const char **ret_value)
{
	const char *first = **word, *equals = strchr(first, '=');
	size_t len = equals ? (size_t)(equals - first) : strlen(first);

	if (strncmp(first, "--", 2) != 0 || len - 2 >= 32)
		return false;
	memcpy(ret_name, first + 2, len - 2);
	ret_name[len - 2] = '\0';
	*ret_value = equals ? equals + 1 : (*word)[1];
	*word += !equals && *ret_value;
	return *ret_value != NULL;
}

/* The words of the command line: the one about the file in the first round, the others in the
 * second (without ret_file), for they count for more than what is in it. */
static int read_words(struct hub_options *options, char *const *words, const char **ret_file)
{
	for (char *const *word = words; *word; word++) {
		const char *first = *word, *value;
		char name[32];

		if (!split_word(&word, name, &value)) {
			log_error(
				"%s: not an option with its value; see adit-hub run --help", first);
			return -EINVAL;
		}
		if (strcmp(name, "config") == 0) {
			if (ret_file)
				*ret_file = value;
		} else if (!ret_file && set(options, name, value, "command line") < 0) {
			return -EINVAL;
		}
	}
	return 0;
}

int hub_options_read(struct hub_options *ret_options, char *const *words)
{
	struct hub_options options = {.state = HUB_STATE,
		.interface = HUB_INTERFACE,
		.port = HUB_PORT,
		.enrol_port = ENROL_PORT,
		.socket = HUB_SOCKET};
	const char *file = NULL;
	int r = read_words(&options, words, &file);

	if (r == 0)
		r = read_file(&options, file ? file : HUB_CONFIG, file != NULL);
	if (r == 0)
		r = read_words(&options, words, NULL);
	if (r == 0 && options.port == options.enrol_port) {
		log_error("port and enrol-port must be two different ones");
		r = -EINVAL;
	}
	if (r == 0)
		*ret_options = options;
	return r;
}
