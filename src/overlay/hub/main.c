/* SPDX-License-Identifier: MIT
 *
 * The command adit-hub, and its roles.
 */
#include <string.h>

#include "overlay/hub/cli.h"
#include "overlay/hub/roles.h"
#include "tunnel/roles.h"

int main(int argc, char *argv[])
{
	role_main(&tunnel_roles[ROLE_VAULT], 1, argc, argv);
	role_main(hub_roles, HUB_ROLE_NUM, argc, argv);
	if (argc > 1 && strcmp(argv[1], "run") == 0)
		return hub_run(argc - 1, argv + 1);
	return cli_main(argc, argv);
}
