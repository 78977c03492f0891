/* SPDX-License-Identifier: MIT
 *
 * `adit status`: the networks this machine is in, and how that goes.
 */
#include <string.h>

#include "tools/agent_client.h"
#include "tools/tools.h"

int status_main(int argc, char *argv[])
{
	if (argc == 1)
		return agent_ask_and_print("status");
	if (argc == 2 && strcmp(argv[1], "--json") == 0)
		return agent_ask_and_print("status json");
	return USAGE;
}
