/* SPDX-License-Identifier: MIT
 *
 * What the tunnel is configured to be, as the monitor knows it: applies a set request to vault,
 * engine and datapath, and collects from them the answer to a get. Secrets go to the vault and
 * from it, and stay nowhere between.
 */
#ifndef ADIT_TUNNEL_SETTINGS_H
#define ADIT_TUNNEL_SETTINGS_H

#include "config/config.h"
#include "core/status.h"
#include "net/link.h"
#include "tunnel/neighbours.h"

struct settings;

/* Settings without keys and peers, interface down, for a datapath of so many lanes (worker.h).
 * neighbours, page and link are borrowed. NULL: out of memory. */
struct settings *settings_new(struct neighbours *neighbours, const struct status_page *page,
	struct link_monitor *link, unsigned num_lanes);
void settings_free(struct settings *settings);

/* Apply a complete set request. What can fail comes first: returns 0, or a negative errno with
 * nothing changed (-EADDRINUSE, -EPERM…: the sockets; -ENOSPC: too many peers). */
MUST_CHECK int settings_apply(struct settings *settings, const struct config *config);

/* Collect what uapi_write_get_reply writes into ret_config, to be released with config_deinit: with
 * all peers, or the one with public_key if that is not NULL. Returns 0, -ENOMEM or -ENOENT, with
 * ret_config empty. */
MUST_CHECK int settings_collect(
	struct settings *settings, const uint8_t *public_key, struct config *ret_config);

/* The interface changed its state: open or close the sockets, tell the others. When the sockets
 * cannot be opened the interface is set down again. */
void settings_set_link(struct settings *settings, struct link_state state);

/* Somebody begins to watch which destinations without a peer are wanted, or watches no more (no
 * effect if nobody did). When this returns it is so. */
void settings_watch(struct settings *settings, bool on);

/* The watcher refuses an address. */
void settings_refuse(struct settings *settings, const struct prefix *address);

/* Routes or addresses changed: forget the sticky sources that would not be chosen any more. */
void settings_check_sources(struct settings *settings);

#endif
