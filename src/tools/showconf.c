/* SPDX-License-Identifier: MIT
 *
 * `adit showconf`: the configuration of a tunnel as a file.
 */
#include "tools/tools.h"

#include <stdio.h>

#include "config/file.h"
#include "tools/client.h"

int showconf_main(int argc, char *argv[])
{
	struct text text = {0};
	struct config config;
	int r;

	if (argc != 2)
		return USAGE;
	r = client_get(argv[1], &config);
	if (r != 0) {
		client_complain(argv[1], r);
		return 1;
	}
	config_file_write(&text, &config);
	config_deinit(&config);
	if (text.failed) {
		complain("out of memory");
		r = 1;
	} else {
		fwrite(text.data, 1, text.len, stdout);
		r = finish_output();
	}
	text_deinit(&text);
	return r;
}
