/* SPDX-License-Identifier: MIT
 *
 * The TUN device: create it, probe what offloads the kernel grants, move batches of packets.
 */
#ifndef ADIT_NET_TUN_H
#define ADIT_NET_TUN_H

#include <net/if.h>

#include "base/packet.h"

/* What TUNSETOFFLOAD granted when it was tried (TUN_F_* bits this kernel takes); found out, and
 * then left off as long as the data path does not segment. */
struct tun_features {
	bool tso; /* TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 */
	bool uso; /* and TUN_F_USO4 | TUN_F_USO6 (Linux 6.2) */
};

/* Create the interface `name` (IFF_TUN, IFF_NO_PI, IFF_VNET_HDR, IFF_MULTI_QUEUE if the kernel
 * has it; not persistent) and probe it. Non-blocking, CLOEXEC. Needs CAP_NET_ADMIN.
 * Returns the descriptor (owned by the caller) or a negative errno: -EBUSY when the interface
 * exists and is in use, -EINVAL for a bad name. */
MUST_CHECK int tun_create(const char *name, struct tun_features *ret_features);

/* Take over an open TUN descriptor somebody else made (WG_TUN_FD): learn its name, set it
 * non-blocking and CLOEXEC, and switch it to the header length that tun_read expects. A descriptor
 * without IFF_VNET_HDR cannot be changed: *ret_vnet_hdr tells. Returns 0 or a negative errno. */
MUST_CHECK int tun_adopt(
	int fd, char ret_name[IFNAMSIZ], bool *ret_vnet_hdr, struct tun_features *ret_features);

/* An open queue, as the datapath uses it. */
struct tun {
	int fd;	       /* borrowed */
	bool vnet_hdr; /* each packet is preceded by a struct virtio_net_hdr */
};

/* Read up to max (<= BATCH_MAX) packets without blocking, one into each of the PACKET_BUF-sized
 * buffers of the array `buffers`, leaving PACKET_HEADROOM before them. Fills ret_batch (tos 0,
 * endpoint NULL). Returns 0 (ret_batch->num may be 0: nothing there), or a negative errno when the
 * device is gone (-EBADFD). Packets whose checksum the kernel left open are completed. */
MUST_CHECK int tun_read(const struct tun *tun, uint8_t (*buffers)[PACKET_BUF], unsigned max,
	struct batch *ret_batch);

/* Write all packets of a batch, in order; uses up to 10 bytes of each packet's headroom. A packet
 * the kernel refuses (interface down, malformed) is skipped. Returns 0, or -EBADFD when the device
 * is gone; *ret_failed (may be NULL) is the number skipped. */
MUST_CHECK int tun_write(const struct tun *tun, struct batch *batch, unsigned *ret_failed);

#endif
