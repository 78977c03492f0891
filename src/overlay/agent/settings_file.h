/* SPDX-License-Identifier: MIT
 *
 * /etc/adit/agent.d/NAME.conf: a network that a machine joins unattended. One setting a line, "#"
 * begins a comment line:
 *
 *   hub = adit://HUBKEY@host:port
 *   network = robots
 *   join-key = …
 *
 * or, in place of these three, `link = adit://…`. And, if wanted:
 *
 *   name = robot-1                 # else the hostname
 *   interface = vpn0               # else the network's name
 *   endpoint = 192.0.2.1:51820     # where it can be reached besides what it and the hub find
 *   keepalive = 25                 # to the hub, seconds: for a NAT or firewall in between
 */
#ifndef ADIT_OVERLAY_AGENT_SETTINGS_FILE_H
#define ADIT_OVERLAY_AGENT_SETTINGS_FILE_H

#include "overlay/agent/member.h"

/* Read such a file. name and ifname are empty if it does not give them. Returns 0; or -EINVAL with
 * ret_settings untouched, *ret_line the bad line (0: the whole), *ret_error (static) a sentence. */
MUST_CHECK int settings_file_parse(struct member_settings *ret_settings, const char *text,
	size_t len, unsigned *ret_line, const char **ret_error);

/* Set what "name=…", "interface=…", "endpoint=…" or "keepalive=…" says: a line of a file, and an
 * argument of `adit join`. Returns 0, or -EINVAL with *ret_error. */
MUST_CHECK int settings_set(struct member_settings *settings, const char *key, const char *value,
	const char **ret_error);

#endif
