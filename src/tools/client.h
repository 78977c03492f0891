/* SPDX-License-Identifier: MIT
 *
 * The daemons that serve UAPI sockets, by the names of their interfaces.
 */
#ifndef ADIT_TOOLS_CLIENT_H
#define ADIT_TOOLS_CLIENT_H

#include "config/config.h"

struct client_names {
	char (*names)[IFNAMSIZ]; /* owned */
	size_t num, cap;
};

/* List the interfaces that have a daemon, in the directory's order, as `wg` does; sockets whose
 * daemon is gone are removed. Returns 0 or a negative errno. The caller frees ret_list->names. */
MUST_CHECK int client_list(struct client_names *ret_list);

/* Get the configuration and state of an interface; name and public key are filled in. Returns 0,
 * or a negative errno with ret_config empty: -ENOENT when there is no such interface, -EPROTO for
 * a reply that is none, or what the daemon says. */
MUST_CHECK int client_get(const char *name, struct config *ret_config);

/* Apply config to an interface. Returns 0 or a negative errno as client_get does. */
MUST_CHECK int client_set(const char *name, const struct config *config);

/* Say on stderr that something failed on an interface, and why. */
void client_complain(const char *name, int error);

#endif
