/* SPDX-License-Identifier: MIT
 *
 * The door: the hub's process at the enrolment port, the only one that strangers can talk to. It
 * checks macs and cookies, bounds rates, opens requests with the help of a vault (tunnel/vault.c:
 * it has no private key), and asks the hub about those that are genuine. In the sandbox it has
 * sockets and no files.
 */
#ifndef ADIT_OVERLAY_DOOR_DOOR_H
#define ADIT_OVERLAY_DOOR_DOOR_H

#include "overlay/wire/enrol.h"
#include "privsep/role.h"

/* The door's descriptors. */
enum {
	DOOR_FD_HUB = ROLE_FIRST_FD, /* a struct door_setup comes, a struct ack goes, and then
				      * questions and verdicts */
	DOOR_FD_VAULT,		     /* as an engine's */
	DOOR_FD_UDP,		     /* of one family or two, as udp_open makes them */
};

/* What a door is told at start. */
struct door_setup {
	uint8_t hub_key[KEY_LEN];    /* public, the vault's */
	uint32_t has_ipv4, has_ipv6; /* 0 or 1 */
};

/* door -> hub. Holds a join key: to be wiped. */
struct door_question {
	uint32_t number; /* to be repeated in the verdict */
	uint32_t pad;
	struct endpoint source; /* for the log at debug, and for nothing else */
	uint8_t node_key[KEY_LEN];
	struct enrol_request request;
};

/* hub -> door. Late ones, and second ones, are ignored. */
struct door_verdict {
	uint32_t number;
	uint32_t is_refused;	    /* 0 or 1; then there is no answer to the node */
	struct enrol_answer answer; /* the node's to check: to the door it is bytes */
};

/* What a door does after exec, in this sandbox once it has what it needs. */
noreturn void door_main(const struct sandbox *sandbox);

#endif
