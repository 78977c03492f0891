/* SPDX-License-Identifier: MIT
 *
 * Config files from outside. What is accepted means the same after it was written and read again;
 * what is refused leaves nothing and says why.
 */
#include <stdlib.h>

#include "config/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static int parse(const char *data, size_t len, struct config *ret_config)
{
	static const struct config_callbacks callbacks;
	static const struct config empty;
	char message[CONFIG_MESSAGE_LEN] = "";
	int r = config_file_parse(
		data, len, "fuzz.conf", CONFIG_FILE_APPEND, &callbacks, ret_config, message);

	check((r != 0) == (memcmp(message, "fuzz.conf:", 10) == 0));
	check(r == 0 || memcmp(ret_config, &empty, sizeof(empty)) == 0);
	return r;
}

/* A file can take allowed IPs away, too; showconf writes only what is. */
static bool takes_away(const struct config *config)
{
	for (size_t i = 0; i < config->num_peers; i++) {
		for (size_t j = 0; j < config->peers[i].num_allowed_ips; j++) {
			if (config->peers[i].allowed_ips[j].remove)
				return true;
		}
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text first = {0}, second = {0};
	struct config config;

	if (parse((const char *)data, size, &config) != 0)
		return 0;
	if (!takes_away(&config)) {
		config_file_write(&first, &config);
		config_deinit(&config);
		check(parse(first.data, first.len, &config) == 0);
		config_file_write(&second, &config);
		check(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	}
	config_deinit(&config);
	text_deinit(&first);
	text_deinit(&second);
	return 0;
}
