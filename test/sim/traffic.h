/* SPDX-License-Identifier: MIT
 *
 * Inner packets: each has a number, from which its contents follow, and arrives at most once, as
 * it was sent, where it was sent to, through the session of who sent it.
 */
#ifndef ADIT_SIM_TRAFFIC_H
#define ADIT_SIM_TRAFFIC_H

#include "host.h"

enum { INNER_HEADER = 32 };

struct parcel {
	struct host *from, *to; /* to: the peer it goes to, whoever is behind */
	uint8_t source[4], destination[4];
	uint32_t len;
	uint64_t sent_ns;
	bool is_delivered;
};

void traffic_start(void);
void traffic_end(void);

/* Write an inner packet to a host, from its sender's own address or (an insider) another. Returns
 * its number. */
uint32_t traffic_write(struct host *from, struct host *to, const uint8_t source[4], uint8_t *data,
	uint32_t *ret_len);

/* Send some from one host to another, at once. Returns the number of the last. */
uint32_t traffic_send(struct host *from, struct host *to, unsigned num);

const struct parcel *traffic_parcel(uint32_t number);
uint32_t traffic_num(void);

/* A host delivers a packet. */
void traffic_delivered(struct host *host, const uint8_t *data, uint32_t len);

/* A host seals a packet for another: it must be meant for it. */
void traffic_sealed(const struct host *host, struct host *other, const uint8_t *data, uint32_t len);

#endif
