/* SPDX-License-Identifier: MIT
 *
 * What `adit-hub run` is told, by a file and by its command line. Both know the same names:
 *
 *   state = /var/lib/adit-hub    keys and database
 *   interface = adit-hub         of the tunnel
 *   port = 51820                 UDP, of the tunnel
 *   enrol-port = 51821           UDP
 *   host = hub.example.org       for join links; else our address towards the default route
 *   socket = /run/adit/hub.sock  of the admin API
 *   tunnel-program = /usr/bin/adit  which runs the tunnel (PROGRAM run INTERFACE); else the adit
 *                                beside us
 */
#ifndef ADIT_OVERLAY_HUB_OPTIONS_H
#define ADIT_OVERLAY_HUB_OPTIONS_H

#include <net/if.h>

#include "overlay/wire/link.h"

#define HUB_CONFIG "/etc/adit/hub.conf"
#define HUB_STATE "/var/lib/adit-hub"
#define HUB_INTERFACE "adit-hub"
#define HUB_SOCKET "/run/adit/hub.sock"

enum { HUB_PATH_MAX = 107 }; /* a unix socket's */

struct hub_options {
	char state[HUB_PATH_MAX + 1];
	char interface[IFNAMSIZ];
	uint16_t port, enrol_port;
	char host[JOIN_HOST_MAX + 1]; /* empty: to be found out */
	char socket[HUB_PATH_MAX + 1];
	char tunnel_program[4096]; /* empty: to be found */
};

/* Read the words of the command line (behind the verb; NULL ends them) and the file they name;
 * without a name HUB_CONFIG, which need not be there. What is not said gets its default. Returns 0,
 * or -EINVAL after a message on stderr. */
MUST_CHECK int hub_options_read(struct hub_options *ret_options, char *const *words);

#endif
