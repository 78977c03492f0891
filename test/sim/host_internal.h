/* SPDX-License-Identifier: MIT
 *
 * What the two files of a host share: host.c (its processes at work) and host_settings.c (what
 * befalls it from outside).
 */
#ifndef ADIT_SIM_HOST_INTERNAL_H
#define ADIT_SIM_HOST_INTERNAL_H

#include "host.h"

/* Numbers of peers are spread, as after many changes. */
enum { PEER_ID_STEP = 3, FIRST_PEER_ID = 5 };
enum { PEER_IDS_MAX = FIRST_PEER_ID + (HOSTS_MAX + 1) * PEER_ID_STEP };

/* What the core asks of its surroundings. */
extern const struct device_ops host_device_ops;
extern const struct transport_ops host_transport_ops;

/* Between these the engine is called; and the datapath. */
void host_enter_engine(struct host *host);
void host_leave_engine(struct host *host);
void host_enter_datapath(struct host *host);
void host_leave_datapath(struct host *host);

/* The engine takes in what is no handshake message; the datapath does all that the engine said. */
void host_handle_notices(struct host *host);
void host_serve_engine(struct host *host);

/* Engine and datapath have something to do. */
void host_engine_is_wanted(struct host *host);
void host_datapath_is_wanted(struct host *host);

#endif
