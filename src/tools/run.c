/* SPDX-License-Identifier: MIT
 *
 * `adit run IFNAME` for service managers, and `adit [-f] IFNAME` with wireguard-go's habits.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/tools.h"
#include "tunnel/run.h"

int run_main(int argc, char *argv[])
{
	if (argc != 2 || argv[1][0] == '-')
		return USAGE;
	return run_tunnel(argv[1], true);
}

int run_compatible_main(int argc, char *argv[])
{
	const char *variable = getenv("WG_PROCESS_FOREGROUND");
	bool foreground = variable && strcmp(variable, "1") == 0;

	if (argc > 1 && (strcmp(argv[1], "-f") == 0 || strcmp(argv[1], "--foreground") == 0)) {
		foreground = true;
		argc--;
		argv++;
	}
	if (argc != 2 || argv[1][0] == '-')
		return USAGE;
	return run_tunnel(argv[1], foreground);
}
