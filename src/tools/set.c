/* SPDX-License-Identifier: MIT
 *
 * `adit set`: change a tunnel by words.
 */
#include "tools/tools.h"

#include "config/arguments.h"
#include "tools/client.h"
#include "tools/input.h"

int set_main(int argc, char *argv[])
{
	char message[CONFIG_MESSAGE_LEN];
	struct config config;
	int r;

	if (argc < 3)
		return USAGE;
	r = config_arguments_parse(argv + 2, (size_t)argc - 2, &input_callbacks, &config, message);
	if (r != 0) {
		complain("%s", message);
		return 1;
	}
	r = client_set(argv[1], &config);
	if (r != 0)
		client_complain(argv[1], r);
	config_deinit(&config);
	return r != 0;
}
