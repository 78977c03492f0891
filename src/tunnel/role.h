/* SPDX-License-Identifier: MIT
 *
 * The processes of a tunnel, each a fresh exec of this binary under its role's name.
 */
#ifndef ADIT_TUNNEL_ROLE_H
#define ADIT_TUNNEL_ROLE_H

#include <stdbool.h>
#include <stdnoreturn.h>
#include <sys/types.h>

enum role { ROLE_MONITOR, ROLE_VAULT, ROLE_ENGINE, ROLE_DATAPATH, ROLE_NUM };

/* How the datapath says that the TUN device was deleted. */
enum { ROLE_INTERFACE_GONE = 3 };

/* "monitor", "vault", "engine", "datapath". */
const char *role_name(enum role role);

/* If this process was started as a role (its argv[0] says so): run it and exit. Otherwise return.
 */
void role_main(int argc, char *argv[]);

/* Start a role of the tunnel ifname. fds[0..num_fds) become its descriptors 3, 4, …; it has no
 * others but stderr. It is killed when the caller dies. Returns its pid or a negative errno. */
pid_t role_start(enum role role, const char *ifname, const int *fds, unsigned num_fds);

/* Whom the roles become (see sandbox_find_user): the starter finds out and passes it on. */
void role_set_user(void);
struct sandbox_user role_user(void);

/* What each role does after exec; none returns. */
noreturn void monitor_main(const char *ifname);
noreturn void vault_main(void);
noreturn void engine_main(void);
noreturn void datapath_main(void);

/* Ready the cryptography, or end this process. */
void role_init_crypto(void);

/* Say why and end this process with status 1: the tunnel fails closed. error is a negative errno.
 */
noreturn void role_fail(const char *what, int error);

#endif
