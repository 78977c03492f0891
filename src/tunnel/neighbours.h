/* SPDX-License-Identifier: MIT
 *
 * The monitor's calls of the other processes. None has an error to return: when another process is
 * gone
 * (-EPIPE), does not answer in time (-EAGAIN) or talks nonsense, nothing can be relied on, and the
 * tunnel ends.
 *
 * The datapath must know of a peer before the engine does, and the engine must have forgotten it
 * before the datapath does; else a control could be lost, or reach another peer of the same
 * number. So what the engine is to learn is kept until the datapath has confirmed all before it.
 */
#ifndef ADIT_TUNNEL_NEIGHBOURS_H
#define ADIT_TUNNEL_NEIGHBOURS_H

#include "tunnel/ipc.h"

enum { LATER_MAX = 1024 };

struct neighbours {
	int vault, engine, datapath, wanted;	   /* the monitor's ends of the sockets; borrowed */
	void (*fail)(const char *what, int error); /* ends the tunnel and does not return */
	struct request later[LATER_MAX];	   /* for the engine */
	size_t num_later;
	unsigned vault_window; /* requests to the vault whose answers are not read yet */
};

/* Send a request to the engine or the datapath (one of the sockets above). */
void neighbours_tell(struct neighbours *neighbours, int fd, const struct request *request);

/* Wait until it has done all it was told. */
void neighbours_sync(struct neighbours *neighbours, int fd);

/* Tell the engine once the datapath has done all it was told; at the latest in neighbours_settle,
 * which also waits for the engine. */
void neighbours_tell_engine_later(struct neighbours *neighbours, const struct request *request);
void neighbours_settle(struct neighbours *neighbours);

/* Hand descriptors to the datapath with a request, and wait for it. */
void neighbours_hand_over(struct neighbours *neighbours, const struct request *request,
	const int *fds, size_t num_fds);

/* One call of the vault: a, if not NULL, is the request's field a; ret_a, if not NULL, takes the
 * reply's. */
void neighbours_ask_vault(struct neighbours *neighbours, enum vault_request_type type,
	uint32_t peer_id, const uint8_t *a, uint8_t *ret_a);

/* The same where nothing but success is expected: up to VAULT_WINDOW such calls are under way at
 * once, at most until the next neighbours_ask_vault or neighbours_settle. */
void neighbours_tell_vault(struct neighbours *neighbours, enum vault_request_type type,
	uint32_t peer_id, const uint8_t *a);

/* None of the three speaks unless asked: what they say when nothing is under way would be taken for
 * the answer to the next question. Ends the tunnel if one did, or is gone. */
void neighbours_refuse_unasked(struct neighbours *neighbours);

/* The next address that packets want, as the datapath says on a socket of its own, without waiting.
 * Returns false when there is none. */
MUST_CHECK bool neighbours_next_wanted(struct neighbours *neighbours, struct prefix *ret_address);

/* Ask the datapath for a report of a peer that exists, its allowed IPs from cursor on; and read the
 * next report that was asked for. Up to REPORT_WINDOW may be under way. */
enum { REPORT_WINDOW = 64 };
void neighbours_ask_report(struct neighbours *neighbours, uint32_t peer_id, uint32_t cursor);
struct report neighbours_read_report(struct neighbours *neighbours);

#endif
