/* SPDX-License-Identifier: MIT
 *
 * The outer UDP sockets: one for IPv4, one for IPv6, on one port; batches in and out with the
 * address each datagram came to (sticky source), its TOS byte, and the kernel's UDP_GRO and
 * UDP_SEGMENT where they work. udp_receive and udp_send use no system call but recvmmsg, sendmmsg,
 * sendmsg and poll.
 */
#ifndef ADIT_NET_UDP_H
#define ADIT_NET_UDP_H

#include "base/packet.h"

struct udp_pair {
	int fd4, fd6;	 /* owned; -1: this family is not available */
	bool no_segment; /* UDP_SEGMENT does not work here: udp_send has found out */
};

/* Open both sockets on *port (0: the kernel chooses; the same for both, tried up to 100 times),
 * IPv6 with V6ONLY; go on without a family the kernel does not have. Non-blocking, CLOEXEC, DF
 * clear (IP_PMTUDISC_DONT), IP_PKTINFO, IPV6_RECVPKTINFO, IP_RECVTOS, IPV6_RECVTCLASS, buffers as
 * large as the caller's rights allow (SO_*BUFFORCE, else SO_*BUF), UDP_GRO if the kernel has it,
 * SO_MARK fwmark if not 0. Returns 0 and sets *ret_pair and *port, or a negative errno
 * (-EADDRINUSE, -EPERM…) with both untouched. */
MUST_CHECK int udp_open(struct udp_pair *ret_pair, uint16_t *port, uint32_t fwmark);

/* A further pair on the port of one that udp_open made: the kernel gives what one remote address
 * and port sends to one of all these sockets. first was bound alone, so that nobody else had the
 * port; from now on another process of the same user (root) can join in if it asks for it. */
MUST_CHECK int udp_open_more(
	struct udp_pair *ret_pair, const struct udp_pair *first, uint16_t port, uint32_t fwmark);

/* Close what is open; both become -1. */
void udp_close(struct udp_pair *pair);

/* Whether a descriptor that somebody handed over is a UDP socket of this family. */
MUST_CHECK bool udp_is_socket(int fd, uint16_t family);

/* Set SO_MARK on both (0 clears). Returns 0 or a negative errno. */
MUST_CHECK int udp_set_mark(const struct udp_pair *pair, uint32_t fwmark);

/* What udp_receive keeps between calls: buffers and message headers for a few receives of 64 KiB
 * each. Large (about 520 KiB, touched as used); allocate once per worker. */
struct udp_receiver;
struct udp_receiver *udp_receiver_new(void); /* NULL: out of memory */
void udp_receiver_free(struct udp_receiver *receiver);

/* Receive without blocking. Fills ret_batch with datagrams in order, each with its remote
 * endpoint, the local address and interface it came to, and its TOS byte; data and endpoints live
 * in the receiver until the next call on it, and datagrams that came in one receive share their
 * endpoint. What UDP_GRO had joined is split again. Datagrams that do not fit into the batch are
 * kept: the next call returns them, makes no system call, and ignores fd. Data has no usable
 * headroom or tailroom; it may be decrypted in place. Truncated datagrams and those from port 0,
 * which cannot be answered, are dropped. Returns 0, or a negative errno for a socket that is
 * unusable; ICMP errors reported on the socket (ECONNREFUSED and the like) are skipped. num is 0
 * when there was nothing, or nothing but what was dropped: then poll tells. */
MUST_CHECK int udp_receive(struct udp_receiver *receiver, int fd, struct batch *ret_batch);

/* Whether datagrams are kept from an earlier call. */
bool udp_receiver_has_more(const struct udp_receiver *receiver);

/* Whether the last system call took as much as it can, so that the socket may hold more. */
bool udp_receiver_was_full(const struct udp_receiver *receiver);

/* Send all datagrams of a batch, in order, each to its endpoint from the endpoint's local address
 * (if set) and with its TOS byte, runs of equal size to one endpoint joined by UDP_SEGMENT where it
 * works. The endpoint's local_ifindex is used only with a link-local source: elsewhere it would
 * override the routing table. A full socket is waited for (poll, up to 100 ms). When the kernel
 * refuses the local address (it disappeared) the endpoint's source is cleared and the datagram sent
 * without it. Anything that still fails is dropped and counted in *ret_failed (may be NULL).
 * UDP_SEGMENT that fails for size or device reasons falls back to single sends. */
void udp_send(struct udp_pair *pair, const struct batch *batch, unsigned *ret_failed);

#endif
