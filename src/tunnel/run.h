/* SPDX-License-Identifier: MIT
 *
 * Starting a tunnel: `adit run IFNAME` and `adit IFNAME`.
 */
#ifndef ADIT_TUNNEL_RUN_H
#define ADIT_TUNNEL_RUN_H

#include <stdbool.h>

/* Descriptors handed down by a service manager, under the names wireguard-go knows. */
#define RUN_ENV_TUN_FD "WG_TUN_FD"
#define RUN_ENV_UAPI_FD "WG_UAPI_FD"

enum { RUN_FD_READY = 3 }; /* where the monitor writes a byte once the tunnel is usable */

/* Run the tunnel ifname. In the foreground: returns when it has ended, with the exit status for
 * the process. Otherwise: detaches, and returns 0 when the interface and its UAPI socket are
 * usable, or non-zero after an error message. */
int run_tunnel(const char *ifname, bool foreground);

#endif
