/* SPDX-License-Identifier: MIT
 *
 * The settings of agent and hub: lines "name = value" of a file, and the same names as words of a
 * command line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "overlay/agent/settings_file.h"
#include "overlay/hub/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS_MAX = 16 };

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void read_as_agent(const char *text, size_t size)
{
	struct member_settings settings;
	const char *error = NULL;
	unsigned line = 0;

	if (settings_file_parse(&settings, text, size, &line, &error) == 0) {
		require(network_name_is_valid(settings.link.network) && settings.link.port != 0);
		require(!*settings.name || node_name_is_valid(settings.name));
		require(!strchr(settings.ifname, '/') && endpoint_is_valid(&settings.endpoint));
	} else {
		require(error != NULL);
	}
}

static void check_options(const struct hub_options *options)
{
	require(options->port != 0 && options->enrol_port != 0);
	require(options->port != options->enrol_port);
	require(*options->interface && !strpbrk(options->interface, "/ \n"));
	require(options->state[0] == '/' && options->socket[0] == '/');
	require(!*options->tunnel_program || options->tunnel_program[0] == '/');
	require(!*options->host || join_host_is_valid(options->host));
}

static void read_as_hub_file(const char *text, size_t size)
{
	int fd = memfd_create("hub.conf", MFD_CLOEXEC);
	char path[32], *words[] = {(char[]){"--config"}, path, NULL};
	struct hub_options options;

	require(fd >= 0 && write(fd, text, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (hub_options_read(&options, words) == 0)
		check_options(&options);
	close(fd);
}

/* Each line is a word, but none that names a file of this machine. */
static void read_as_hub_words(char *text)
{
	char *words[WORDS_MAX + 2] = {(char[]){"--config=/dev/null"}};
	struct hub_options options;

	for (size_t num = 1; num <= WORDS_MAX && (words[num] = strsep(&text, "\n")) != NULL; num++)
		if (strncmp(words[num], "--config", 8) == 0)
			return;
	if (hub_options_read(&options, words) == 0)
		check_options(&options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact = malloc(size ? size : 1); /* no NUL behind it */
	char *text = malloc(size + 1);

	require(exact && text);
	log_set_level(LOG_LEVEL_SILENT);
	memcpy(exact, data, size);
	read_as_agent(exact, size);
	read_as_hub_file(exact, size);
	memcpy(text, data, size);
	text[size] = '\0';
	read_as_hub_words(text);
	free(text);
	free(exact);
	return 0;
}
