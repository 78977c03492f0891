/* SPDX-License-Identifier: MIT
 *
 * The hub's files: its state directory (root's, others may pass through), in it keys/ (root's
 * alone) and db/ (of the user the hub runs as).
 */
#ifndef ADIT_OVERLAY_HUB_STATE_H
#define ADIT_OVERLAY_HUB_STATE_H

#include <sys/types.h>

#include "base/bytes.h"

struct hub_state {
	int dir_fd;		     /* owned; locked: one hub at a time */
	bool is_new;		     /* keys were made just now */
	uint8_t enrol_key[KEY_LEN];  /* private; to be wiped */
	uint8_t tunnel_key[KEY_LEN]; /* private; to be wiped */
};

/* Open or make all of it. Returns 0, or a negative errno after a message on stderr. */
MUST_CHECK int hub_state_open(struct hub_state *ret_state, const char *path, uid_t uid, gid_t gid);

/* Make db/ the working directory. Returns 0 or a negative errno. */
MUST_CHECK int hub_state_enter(const struct hub_state *state);

#endif
