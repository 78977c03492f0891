/* SPDX-License-Identifier: MIT
 *
 * The hub: what its routes, streams and timers work on.
 */
#ifndef ADIT_OVERLAY_HUB_HUB_H
#define ADIT_OVERLAY_HUB_HUB_H

#include <stdnoreturn.h>

#include "overlay/hub/directory.h"
#include "overlay/hub/rendezvous.h"
#include "overlay/hub/roles.h"
#include "overlay/hub/stream.h"
#include "overlay/hub/tunnel.h"

/* How much was done; `status` shows it. One change costs in proportion to the nodes it concerns. */
struct hub_work {
	uint64_t enrolments, refusals;
	uint64_t requests;
	uint64_t changes;  /* of nodes, networks and policies */
	uint64_t links;	   /* pairs looked at because of them */
	uint64_t connects; /* pairs that were asked for */
};

struct hub {
	struct store *store;
	struct directory directory;
	struct streams *streams;
	struct tunnel tunnel;
	struct rendezvous_list rendezvous; /* of the node API */
	struct hub_setup setup;
	char ifname[IFNAMSIZ];
	int launcher_fd; /* -1: there is none, in tests */
	int64_t started_s;
	int64_t expire_s;     /* when the store is to be asked what is due */
	uint32_t seen_slot;   /* where looking for those who are connected goes on */
	bool lacks_address;   /* of the tunnel, which failed */
	uint64_t catch_up_ns; /* when what failed of the tunnel is tried again; 0: at once */
	uint64_t pause_ns;    /* before that: twice as long after each try that fails */
	struct hub_work work;
};

/* Open the store and load what is in it. hub's setup, ifname, descriptors (tunnel.uapi_fd too) and
 * streams are the caller's to fill in before. Returns 0, or a negative errno after a message in the
 * log. */
MUST_CHECK int hub_open(struct hub *hub, const char *database);
void hub_close(struct hub *hub);

/* Give the tunnel the hub's addresses in a network. One that cannot be set is tried again later.
 * Returns 0 or a negative errno, after a message in the log. */
int hub_add_addresses(struct hub *hub, const struct network *network);

/* Take them away. Returns 0 or a negative errno. */
MUST_CHECK int hub_remove_addresses(const struct hub *hub, const struct network *network);

/* Do what is due by time. Returns when to call again, at most some seconds ahead. */
uint64_t hub_expire(struct hub *hub, uint64_t now_ns);

/* Memory does not say any more what the database says, because of `what`, and that of `why`: the
 * process ends, and its launcher starts it again with what is there. */
noreturn void hub_start_anew(const char *what, const char *why);

int64_t hub_now_s(void);

#endif
