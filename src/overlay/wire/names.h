/* SPDX-License-Identifier: MIT
 *
 * The words people and machines say: names of networks, nodes and tags, and the fingerprint by
 * which people compare a node's key on both sides.
 */
#ifndef ADIT_OVERLAY_WIRE_NAMES_H
#define ADIT_OVERLAY_WIRE_NAMES_H

#include "base/bytes.h"

enum {
	NETWORK_NAME_MAX = 15, /* it names the node's interface, too */
	NODE_NAME_MAX = 63,    /* a DNS label */
	TAG_MAX = 31,
	NODE_TAGS_MAX = 16,
	FINGERPRINT_TEXT_LEN = 10, /* "XXXX-XXXX" and a NUL */
};

/* A network's name or a tag: lower-case letters, digits and inner hyphens, a letter first; "lo",
 * "all" and "default" are taken. */
MUST_CHECK bool network_name_is_valid(const char *name);
MUST_CHECK bool tag_is_valid(const char *tag);

/* A node's name: a DNS label in lower case (RFC 1123), not of digits alone; "hub" and "localhost"
 * are taken. */
MUST_CHECK bool node_name_is_valid(const char *name);

/* The node name nearest to a hostname: its first label in lower case, what is not allowed replaced
 * by hyphens; "node" if nothing is left; with "-node" behind it if that name is taken. */
void node_name_from_hostname(char ret_name[NODE_NAME_MAX + 1], const char *hostname);

/* What both sides show of a node's public key while it waits for approval: 40 bits of its BLAKE2s
 * in Crockford's base32. */
void fingerprint(char ret_text[FINGERPRINT_TEXT_LEN], const uint8_t public_key[KEY_LEN]);

#endif
