/* SPDX-License-Identifier: MIT
 *
 * The command line of `adit-hub` but for `run`: it speaks the admin API of a running hub.
 */
#ifndef ADIT_OVERLAY_HUB_CLI_H
#define ADIT_OVERLAY_HUB_CLI_H

#define HUB_ADMIN_SOCKET "/run/adit/hub.sock" /* unless --socket says another */

/* `adit-hub NOUN VERB …`: argv[1] is the noun. Returns the exit status: 0, 1 (it failed), 2
 * (usage).
 */
int cli_main(int argc, char *argv[]);

/* What cli_main() offers, a line each, for the usage of the whole program. */
void cli_write_usage(void);

#endif
