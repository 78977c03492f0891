/* SPDX-License-Identifier: MIT
 *
 * Packets and batches, the unit of work everywhere on the data path. A packet describes bytes in
 * storage that somebody else owns; it owns nothing.
 */
#ifndef ADIT_BASE_PACKET_H
#define ADIT_BASE_PACKET_H

#include "base/address.h"

enum {
	PACKET_HEADROOM = 64, /* writable bytes before data: transport header, vnet header */
	PACKET_TAILROOM = 64, /* writable bytes behind data + len: padding and tag */
	PACKET_MAX = 65535,   /* the longest IP packet */
	PACKET_BUF = PACKET_HEADROOM + PACKET_MAX + 1 + PACKET_TAILROOM,
	BATCH_MAX = 128, /* packets in one batch */
};

/* An inner packet (endpoint is NULL) or an outer datagram's payload. */
struct packet {
	uint8_t *data;
	uint32_t len;
	uint8_t tos; /* outer TOS / traffic class byte: as received, or to be sent with */
	struct endpoint *endpoint; /* of a datagram: where from, or where to; borrowed */
};

/* Packets in order. The callee may change and shrink them in place. */
struct batch {
	unsigned num;
	struct packet packets[BATCH_MAX];
};

#endif
