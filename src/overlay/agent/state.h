/* SPDX-License-Identifier: MIT
 *
 * What the agent keeps on disk, in one folder: for each network NETWORK.join, what a person said
 * when it was joined; NETWORK.json, what is known; and NETWORK.key, the node's private key, which
 * outlives leaving. Written so that a crash or a full disk leaves the old or the new file whole.
 * What cannot be read is put aside as NETWORK.….bad.
 */
#ifndef ADIT_OVERLAY_AGENT_STATE_H
#define ADIT_OVERLAY_AGENT_STATE_H

#include <jansson.h>

#include "overlay/wire/names.h"

/* dir_fd is the folder, opened for reading. All return 0 or a negative errno. */

enum state_file { STATE_JOIN, STATE_KNOWN };

/* -ENOENT; -EBADMSG: it was damaged, which was logged, and put aside. */
MUST_CHECK int state_read(int dir_fd, const char *network, enum state_file file, json_t **ret_json);
MUST_CHECK int state_write(
	int dir_fd, const char *network, enum state_file file, const json_t *json);
MUST_CHECK int state_remove(int dir_fd, const char *network); /* both; the key stays */
/* What was read makes no sense after all: log why, and put it aside. */
void state_put_aside(int dir_fd, const char *network, enum state_file file, const char *why);

/* As above. */
MUST_CHECK int state_read_key(int dir_fd, const char *network, uint8_t ret_key[KEY_LEN]);
MUST_CHECK int state_write_key(int dir_fd, const char *network, const uint8_t key[KEY_LEN]);

/* The networks there is a NETWORK.join of. Returns their number, at most max, or a negative errno.
 */
MUST_CHECK int state_list(int dir_fd, char (*ret_names)[NETWORK_NAME_MAX + 1], unsigned max);

#endif
