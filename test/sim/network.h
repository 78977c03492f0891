/* SPDX-License-Identifier: MIT
 *
 * The network between hosts: datagrams on their way, what befalls them, and NATs.
 */
#ifndef ADIT_SIM_NETWORK_H
#define ADIT_SIM_NETWORK_H

#include "host.h"

struct datagram {
	uint64_t id;	   /* genuine ones are numbered in order of sending; 0: not genuine */
	struct host *from; /* who sealed it; NULL: a stranger */
	/* Of data: with which keypair of the sender, and its counter. */
	struct session *session;
	uint64_t counter;
	bool has_stolen_cookie; /* mac2 was made with another address's cookie */
	struct endpoint source; /* as the receiver sees it */
	struct endpoint destination;
	uint8_t tos;
	uint32_t len;
	uint8_t data[DATAGRAM_MAX];
};

/* What befalls datagrams, in chances out of 1000, and times. */
struct weather {
	unsigned loss, duplicate, corrupt, truncate, spike;
	uint64_t delay_ns, spread_ns;
};

struct network {
	struct weather weather;
	uint64_t cut[HOSTS_MAX]; /* a set of those it cannot reach, by number */
	void (*tap)(const struct datagram *datagram); /* somebody listens; NULL: nobody */
};

extern struct network network;

void network_start(void);
void network_end(void);

/* A NAT with a public address; several hosts may be behind it. */
struct nat *nat_new(void);

/* It forgets all mappings: what was established will come from another port. */
void nat_rebind(struct nat *nat);

/* A datagram leaves a host; it goes through its NAT, and befall it what may. */
void network_send(struct host *host, const struct datagram *datagram);

/* A datagram comes out of nowhere, with any source. */
void network_inject(const struct datagram *datagram, uint64_t delay_ns);

/* Who receives what is sent there; NULL: nobody. Looks through NATs. */
struct host *network_host_at(const struct endpoint *address, const struct endpoint *from);

/* Addresses, each given out once. */
struct endpoint network_new_address(void);

/* Clear weather; all can reach each other. */
void network_heal(void);

/* It was altered there, and no longer is what its sender made, unless it is mac2, which only those
 * under load look at. */
void datagram_altered(struct datagram *datagram, size_t at);

uint32_t datagram_type(const struct datagram *datagram);

#endif
