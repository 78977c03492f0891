/* SPDX-License-Identifier: MIT
 *
 * The join link: all that a node must be told to join a network, in one line.
 *
 *   adit://HUBKEY@host:port/network#joinkey
 *
 * HUBKEY is the hub's enrolment key and joinkey the join key, both 32 bytes in base64url without
 * padding (RFC 4648 section 5); host a name, an IPv4 address or an IPv6 address in brackets; port
 * may be left out (51821).
 */
#ifndef ADIT_OVERLAY_WIRE_LINK_H
#define ADIT_OVERLAY_WIRE_LINK_H

#include "overlay/wire/names.h"

enum {
	JOIN_HOST_MAX = 253,
	JOIN_LINK_TEXT_LEN = 512,
	ENROL_PORT = 51821, /* UDP, of the hub's door */
	HUB_PORT = 51820,   /* UDP, of the hub's tunnel */
	API_PORT = 51820,   /* TCP, inside the tunnel */
};

/* The key in it is a secret: to be wiped. */
struct join_link {
	uint8_t hub_key[KEY_LEN]; /* the public key of its door */
	char host[JOIN_HOST_MAX + 1];
	uint16_t port;
	char network[NETWORK_NAME_MAX + 1];
	uint8_t join_key[KEY_LEN];
};

/* Read a link. Returns 0, or -EINVAL with ret_link untouched and *ret_error (static) a sentence
 * about what is wrong with it. */
MUST_CHECK int join_link_parse(
	struct join_link *ret_link, const char *text, const char **ret_error);

/* Write a link and a NUL; the port only if it is another than ENROL_PORT. */
void join_link_write(char ret_text[JOIN_LINK_TEXT_LEN], const struct join_link *link);

/* Whether this may be the host of a link: a DNS name, an IPv4 address or an IPv6 address (without
 * its brackets). */
MUST_CHECK bool join_host_is_valid(const char *host);

/* Keys as base64url without padding: 43 characters and a NUL. In constant time. */
enum { KEY_BASE64URL_LEN = 43 };
void key_to_base64url(char ret_text[KEY_BASE64URL_LEN + 1], const uint8_t key[KEY_LEN]);
MUST_CHECK int key_from_base64url(uint8_t ret_key[KEY_LEN], const char *text, size_t text_len);

#endif
