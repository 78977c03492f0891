/* SPDX-License-Identifier: MIT
 *
 * A role of a tunnel, or a hub's door: a real process in its sandbox, all of whose neighbours are
 * this program.
 */
#ifndef ADIT_TEST_SUBJECT_H
#define ADIT_TEST_SUBJECT_H

#include "tunnel/ipc.h"
#include "tunnel/roles.h"
#include "tunnel/status_map.h"

/* Besides those of enum tunnel_role: a hub's. */
enum { SURVIVOR_DOOR = ROLE_NUM, SURVIVOR_SERVER };

/* Our ends of its sockets, in the order of roles.h and door.h. */
enum end {
	END_MONITOR, /* the door's hub, the server's launcher */
	END_FIRST,   /* the vault's engine, the vault of engine and door, the datapath's engine */
	END_SECOND,  /* the engine's datapath */
	END_WANTED,  /* the datapath's */
	NUM_ENDS,
};

struct subject {
	unsigned role;
	pid_t pid;
	int ends[NUM_ENDS];	  /* -1: it has none, or none any more */
	int log_fd;		  /* what it says on stderr */
	struct status_page *page; /* NULL: it has none */
	bool is_reaped;
	int status; /* then: as waitpid has it */
};

/* What it is given besides sockets to its neighbours, set up once. */
struct devices {
	int tun;	/* the datapath's TUN device */
	int udp4, udp6; /* the door's sockets */
};
extern struct devices devices;

/* Start it. Returns false, with a message, when that fails. */
MUST_CHECK bool subject_start(struct subject *subject, unsigned role);

/* Wait until it says that it is ready. Returns false when it does not. */
MUST_CHECK bool subject_await_ready(const struct subject *subject);

/* Give it one more socket, of which we keep the other end. */
MUST_CHECK bool subject_add_pair(struct subject *subject, enum end end, int *fds, unsigned *num);

/* Whether it has ended. */
bool subject_has_ended(struct subject *subject);

/* What it said, with a NUL; good until the next call. */
const char *subject_log(const struct subject *subject);

/* How many descriptors it has open. */
unsigned subject_count_fds(const struct subject *subject);

/* Close an end. */
void subject_close(struct subject *subject, enum end end);

/* Kill it if it lives, and let go of all that was for it. */
void subject_stop(struct subject *subject);

/* What processes started now say on stderr goes to a file in memory, until log_end. log_begin
 * returns its descriptor, or -1. */
int log_begin(int *ret_saved);
void log_end(int saved);
const char *log_read(int log_fd);

#endif
