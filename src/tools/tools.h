/* SPDX-License-Identifier: MIT
 *
 * The verbs of the `adit` command. Each takes its own name as argv[0] and
 * returns the exit code, or USAGE for arguments it makes nothing of: main.c then says what the
 * verb expects.
 */
#ifndef ADIT_TOOLS_TOOLS_H
#define ADIT_TOOLS_TOOLS_H

enum { USAGE = -1 };

int genkey_main(int argc, char *argv[]);
int genpsk_main(int argc, char *argv[]);
int pubkey_main(int argc, char *argv[]);
int show_main(int argc, char *argv[]);
int showconf_main(int argc, char *argv[]);
int set_main(int argc, char *argv[]);
int setconf_main(int argc, char *argv[]); /* setconf, addconf and syncconf */

/* What the agent is asked. */
int join_main(int argc, char *argv[]);
int leave_main(int argc, char *argv[]);
int status_main(int argc, char *argv[]);
int wait_main(int argc, char *argv[]);
int ping_main(int argc, char *argv[]);

/* Run a tunnel: in the foreground, or with wireguard-go's words (argv[0] is then the program). */
int run_main(int argc, char *argv[]);
int run_compatible_main(int argc, char *argv[]);

/* Write a message on stderr, "adit: …", and a newline. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Flush stdout. Returns the exit code: 1, with a message, if something of it could not be
 * written. */
int finish_output(void);

#endif
