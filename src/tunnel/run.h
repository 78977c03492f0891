/* SPDX-License-Identifier: MIT
 *
 * Starting a tunnel: `adit run IFNAME` and `adit IFNAME`.
 */
#ifndef ADIT_TUNNEL_RUN_H
#define ADIT_TUNNEL_RUN_H

#include <stdbool.h>

/* Run the tunnel ifname. In the foreground: returns when it has ended, with the exit status for
 * the process. Otherwise: detaches, and returns 0 when the interface and its UAPI socket are
 * usable, or non-zero after an error message. */
int run_tunnel(const char *ifname, bool foreground);

#endif
