/* SPDX-License-Identifier: MIT
 *
 * The door: the hub's process at the enrolment port, the only one that strangers can talk to. It
 * checks macs and cookies, bounds rates, opens requests with the help of a vault (tunnel/vault.c:
 * it has no private key), and asks the hub about those that are genuine. In the sandbox it has
 * three sockets and no files.
 */
#ifndef ADIT_OVERLAY_DOOR_DOOR_H
#define ADIT_OVERLAY_DOOR_DOOR_H

#include "overlay/wire/enrol.h"

/* door -> hub. Holds a join key: to be wiped. */
struct door_question {
	uint32_t number; /* to be repeated in the verdict */
	uint32_t pad;
	struct endpoint source; /* for the log at debug, and for nothing else */
	uint8_t node_key[KEY_LEN];
	struct enrol_request request;
};

/* hub -> door */
struct door_verdict {
	uint32_t number;
	uint32_t is_refused; /* then there is no answer to the node */
	struct enrol_answer answer;
};

#endif
