/* SPDX-License-Identifier: MIT
 *
 * Receive coalescing, our half of it: consecutive segments of a TCP or UDP flow in a batch become
 * one offloaded packet, gathered from where they lie, so that the kernel's stack runs once for all
 * of them. What is coalesced is what the kernel's own GRO would: cutting it again gives the same
 * packets. Packets of one flow stay in order.
 */
#ifndef ADIT_NET_COALESCE_H
#define ADIT_NET_COALESCE_H

#include <linux/virtio_net.h>

#include "base/packet.h"

enum { COALESCE_HEADER_MAX = 60 + 60 }; /* IPv4 or IPv6 without extensions, and TCP */

/* Packets that go out as one. */
struct coalesced {
	uint16_t first, last; /* their numbers in the batch; next[] leads from one to the other */
	uint16_t num;
	bool is_closed;	  /* takes no more */
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP, or 0: neither, or a fragment */
	uint16_t ip_len;
	uint16_t header_len; /* of the first packet; equal in all */
	uint32_t segment_size;
	uint32_t payload_len; /* in all */
};

struct coalescer {
	unsigned num;
	struct coalesced runs[BATCH_MAX]; /* in the order to be written */
	uint16_t next[BATCH_MAX];
};

/* Sort the packets of a batch into runs. with_tcp, with_udp: the kernel takes them coalesced. */
void coalesce(struct coalescer *coalescer, const struct batch *batch, bool with_tcp, bool with_udp);

/* Make the headers of a run's first packet those of the whole (num > 1), and describe it. The bytes
 * that change are the first header_len of the first packet. */
void coalesce_finish(
	const struct coalesced *run, const struct batch *batch, struct virtio_net_hdr *ret_header);

#endif
