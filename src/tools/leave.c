/* SPDX-License-Identifier: MIT
 *
 * `adit leave NETWORK`: the hub is told, the interface goes, what was known is forgotten. The
 * node's key stays, so that it is the same node if it joins again.
 */
#include "tools/agent_client.h"
#include "tools/tools.h"

int leave_main(int argc, char *argv[])
{
	if (argc != 2 || argv[1][0] == '-')
		return USAGE;
	return agent_ask_and_print("leave %s", argv[1]);
}
