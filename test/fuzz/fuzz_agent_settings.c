/* SPDX-License-Identifier: MIT
 *
 * The agent's settings files.
 */
#include <stdlib.h>

#include "overlay/agent/settings_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct member_settings settings;
	const char *error = NULL;
	unsigned line = 0;
	char *text = malloc(size ? size : 1); /* no NUL behind it */

	memcpy(text, data, size);
	if (settings_file_parse(&settings, text, size, &line, &error) == 0) {
		if (!network_name_is_valid(settings.link.network) || settings.link.port == 0 ||
			(*settings.name && !node_name_is_valid(settings.name)) ||
			strchr(settings.ifname, '/') || !endpoint_is_valid(&settings.endpoint))
			abort();
	} else if (!error) {
		abort();
	}
	free(text);
	return 0;
}
