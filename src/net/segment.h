/* SPDX-License-Identifier: MIT
 *
 * TCP and UDP segmentation offload, our half of it: the kernel hands over up to 64 KiB of a flow
 * as one packet, and we cut it into the packets that would have been sent.
 */
#ifndef ADIT_NET_SEGMENT_H
#define ADIT_NET_SEGMENT_H

#include <linux/virtio_net.h>

#include "base/address.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5 /* Linux 6.2 */
#endif

struct segmenter {
	const uint8_t *packet; /* borrowed */
	size_t len;
	size_t ip_len;	   /* of the IP header with what follows it, up to TCP or UDP */
	size_t header_len; /* of all headers */
	size_t segment_size;
	size_t done; /* payload bytes given out */
	uint16_t family;
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t index;	  /* of the next segment */
};

/* Begin to cut a packet of len bytes that came with a virtio_net_hdr saying so. Returns 0, or
 * -EINVAL when its headers do not fit what the virtio_net_hdr says. */
MUST_CHECK int segmenter_init(struct segmenter *segmenter, const struct virtio_net_hdr *header,
	const uint8_t *packet, size_t len);

/* The length of the next segment, 0 when there is none left. */
size_t segmenter_next_len(const struct segmenter *segmenter);

/* Write the next segment, complete with lengths, IPv4 identification and checksums. */
void segmenter_next(struct segmenter *segmenter, uint8_t *dst);

#endif
