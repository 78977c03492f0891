/* SPDX-License-Identifier: MIT
 *
 * The status page (core/status.h) as memory that monitor, engine and datapath share.
 */
#ifndef ADIT_TUNNEL_STATUS_MAP_H
#define ADIT_TUNNEL_STATUS_MAP_H

#include "core/status.h"

/* Create the page: an anonymous file of fixed size (sealed), sparse until used. Returns its
 * descriptor, owned by the caller, or a negative errno. */
int status_create(void);

/* Map the page and close fd. Returns NULL with errno set when that fails. */
struct status_page *status_map(int fd);

#endif
