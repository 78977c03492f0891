/* SPDX-License-Identifier: MIT
 *
 * The UAPI text protocol of userspace WireGuard daemons, as wireguard-go and `wg` speak it.
 * Both ends are here: the daemon parses requests and writes replies (uapi_daemon.c), `adit
 * show|set…` the other way round (uapi_client.c). Nothing here does I/O.
 *
 * Requests and replies may hold keys: whoever owns their bytes wipes them.
 *
 * An extension of ours is for managers that add peers on demand. After "watch=1" and its reply the
 * tunnel sends on this connection, besides replies and never within one, an event for each address
 * that a packet from the interface wants to reach though no peer has it:
 *
 *   wanted=10.8.0.7
 *   <empty line>
 *
 * Then the manager has 5 seconds to give a peer that address, by a set request on another
 * connection: the packets that came meanwhile, the first 8, go to that peer in order. Or it answers
 * on this one, and is told "errno=0":
 *
 *   refuse=10.8.0.7
 *   <empty line>
 *
 * Then they, and all that come in the next 5 seconds, are answered by ICMP's "administratively
 * prohibited" (EHOSTUNREACH for IPv4, EACCES for IPv6). If it does neither they are answered "host
 * unreachable", and the next packet is another event. So are packets at once when 64 addresses wait
 * for a decision, or there are more than 1,000 events a second. Multicast, broadcast and link-local
 * addresses are no events. There is one watcher at a time (-EBUSY) until its connection ends, and
 * what it is too slow to read is lost.
 *
 * Another is for who hands a connection to somebody who is not to know keys: after "hide_keys=1"
 * and its reply, replies to get on this connection leave out private_key and preshared_key, until
 * it ends. (Set requests may set them.)
 *
 * And a get may ask for a single peer, which costs the same however many there are: "get=1" and
 * "public_key=HEX". The reply has what concerns the device, and this peer; "errno=-2" (ENOENT) when
 * there is none.
 */
#ifndef ADIT_CONFIG_UAPI_H
#define ADIT_CONFIG_UAPI_H

#include <sys/types.h>

#include "base/text.h"
#include "config/config.h"

enum { UAPI_REQUEST_MAX = 64 << 20 }; /* bytes; a million allowed IPs take 26 million */

enum uapi_operation { UAPI_GET, UAPI_SET, UAPI_WATCH, UAPI_REFUSE, UAPI_HIDE_KEYS, UAPI_GET_PEER };

/* Look for one complete request ("get=1\n\n", "get=1\npublic_key=" … "\n\n", "set=1\n" … "\n\n",
 * "watch=1\n\n", "refuse=" … "\n\n", or "hide_keys=1\n\n") at the start of data.
 * Returns its length in bytes including the empty line and sets *ret_operation; 0 if more bytes
 * are needed; -EPROTO if no request can begin like this; -EMSGSIZE if none has ended within
 * UAPI_REQUEST_MAX bytes. *scan (0 at first) remembers how far earlier calls on the same growing
 * data have looked, so that a request that comes byte by byte costs no more than one at once. */
MUST_CHECK ssize_t uapi_find_request(
	const char *data, size_t len, size_t *scan, enum uapi_operation *ret_operation);

/* Parse a complete set request of len bytes, as uapi_find_request measured it. Nothing is applied
 * before everything is understood. Returns 0, or with ret_config empty and *ret_line set to the
 * number of the bad line (1 is "set=1"):
 *   -EPROTO  the line is not key=value
 *   -EINVAL  an unknown key, a key in the wrong place (device keys come before the first
 *            public_key, peer keys after one), a value out of its range, or a
 *            protocol_version other than 1
 *   -ENOMEM  memory is out
 * A public_key that comes again is a further peer in ret_config, to be applied in order. */
MUST_CHECK int uapi_parse_set(
	const char *data, size_t len, struct config *ret_config, unsigned *ret_line);

/* Read or write a complete get request for one peer. Returns 0, or -EINVAL with ret_key untouched.
 */
MUST_CHECK int uapi_parse_get_peer(const char *data, size_t len, uint8_t ret_key[KEY_LEN]);
void uapi_write_get_peer(struct text *text, const uint8_t public_key[KEY_LEN]);

/* Read or write "key=<address>", without a prefix length, and an empty line: the request "refuse",
 * or the event "wanted". Returns 0, or -EINVAL with ret_address untouched. */
MUST_CHECK int uapi_parse_address(
	const char *data, size_t len, const char *key, struct prefix *ret_address);
void uapi_write_address(struct text *text, const char *key, const struct prefix *address);

/* Write the reply to a get: everything the config holds, but for secret keys if they are to be
 * hidden, then "errno=0\n\n". */
void uapi_write_get_reply(struct text *text, const struct config *config, bool hide_keys);

/* Write the reply to a set or a failed get: "errno=N\n\n" with the (negative) error. */
void uapi_write_errno(struct text *text, int error);

/* Write config as a set request, in `wg`'s order of keys. */
void uapi_write_set(struct text *text, const struct config *config);

/* Parse the reply to a get (complete: it ends with an empty line). Unknown keys are ignored, keys
 * "drop_<name>" become counters. CONFIG_HAS_… and CONFIG_PEER_HAS_… flags say that a value is
 * there and is not zero. Returns 0, the daemon's error as a negative errno, -EPROTO for what is
 * not a reply, or -ENOMEM; on failure ret_config is an empty config. */
MUST_CHECK int uapi_parse_get_reply(const char *data, size_t len, struct config *ret_config);

/* Parse the reply to a set. Returns 0, the daemon's error as a negative errno, or -EPROTO. */
MUST_CHECK int uapi_parse_errno(const char *data, size_t len);

#endif
