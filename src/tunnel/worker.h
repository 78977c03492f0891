/* SPDX-License-Identifier: MIT
 *
 * The workers of the datapath: they move packets between TUN device and sockets, a thread each. A
 * lane is one queue of the TUN device and one pair of sockets; the kernel gives a flow to one
 * queue, and what a peer sends to one socket. Every worker has a lane, but only the first works
 * from the start, and it serves all lanes whose worker is not engaged.
 *
 * Others are engaged when they help, and only then: on few cores one thread that runs to completion
 * beats several, which wake each other and wait for each other. The first worker looks back every
 * 100 ms. If three times in a row it had a core to itself, all of it, and used it up, then it is
 * the bottleneck, and there are idle cores, or others would have taken some of its time. Then the
 * most loaded lane but one, if there are two with a notable share of the packets one way, goes to
 * its worker. A single flow is always one lane's, each way. A worker gives its lane back when it
 * had nothing to do for a second, or used less than a quarter of a core, or was preempted: then
 * the cores are wanted by others, and for ten seconds nobody is engaged.
 *
 * Lanes change hands between two batches, so that packets of a flow stay in order. The TUN device
 * has one queue as far as the kernel knows until the first worker is saturated for the first time:
 * several cost a hash for each packet.
 */
#ifndef ADIT_TUNNEL_WORKER_H
#define ADIT_TUNNEL_WORKER_H

#include <stdnoreturn.h>

#include "core/transport.h"
#include "net/udp.h"
#include "tunnel/roles.h"

/* Make the workers: one for each TUN queue, of which tun_fds[0] has been made by tun_create or
 * adopted, and the others by tun_add_queue. All packets go through a transport with these ops, of
 * which emit is set. Ends the process when that fails. Returns the transport. */
struct transport *workers_new(
	const int *tun_fds, unsigned num, struct transport_ops *ops, struct status_page *page);

/* Start their threads, all parked; for a sandbox's start_threads. */
void workers_start(void);

/* Close the sockets of all lanes. */
void workers_close_sockets(void);

/* Give a lane its sockets. Returns 0, or -EPROTO: there is no such lane. */
MUST_CHECK int workers_set_sockets(unsigned lane, struct udp_pair sockets);

/* The first worker's loop; it calls these when the neighbours have something to say, and for its
 * timers, which say how long it may wait at most, in milliseconds (-1: forever), each time before
 * it does, so also after workers_wake, which any worker may call. */
noreturn void workers_run(
	void (*serve_monitor)(void), void (*serve_engine)(void), int (*run_timers)(void));
void workers_wake(void);

#endif
