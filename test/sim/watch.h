/* SPDX-License-Identifier: MIT
 *
 * What must hold of hosts and their datagrams, checked whenever one does something.
 */
#ifndef ADIT_SIM_WATCH_H
#define ADIT_SIM_WATCH_H

#include "host.h"
#include "network.h"

void watch_start(void);
void watch_end(void);

/* A host sends a datagram to an address: find out what it is, and whether it may. */
void watch_sent(struct host *host, struct datagram *datagram);

/* The engine of a host emits a control; the datapath an event. */
void watch_control(struct host *host, const struct control *control);
void watch_event(struct host *host, const struct event *event);

/* The engine of a host begins with the handshake messages at hand; and has ended. */
void watch_handles(const struct host *host);
void watch_handled(struct host *host);

/* A datagram is given to a host; and has been. */
void watch_receives(struct host *host, const struct datagram *datagram);
void watch_received(struct host *host, const struct datagram *datagram);

/* A host has forgotten its handshake with another, and when it was: the next may begin at once. */
void watch_forgets(struct host *host, struct host *other);

/* A host has done something: it still has no more of anything than it should. */
void watch_bounds(const struct host *host);

/* A stranger sends so much, from an address that is nobody's. */
void watch_stranger(const struct endpoint *address, uint32_t len);

struct watch_counts {
	uint64_t datagrams, sessions;
};
extern struct watch_counts watch_counts;

#endif
