/* SPDX-License-Identifier: MIT
 *
 * All verbs of adit-hub but `run`: they speak the admin API.
 */
#ifndef ADIT_OVERLAY_HUB_CLI_H
#define ADIT_OVERLAY_HUB_CLI_H

/* argv is the whole command line. Returns the exit status. */
int cli_main(int argc, char *argv[]);

#endif
