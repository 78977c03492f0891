/* SPDX-License-Identifier: MIT
 *
 * The TUN device: create it, probe what offloads the kernel grants, move batches of packets.
 * tun_read and tun_write use no system call but read and write.
 */
#ifndef ADIT_NET_TUN_H
#define ADIT_NET_TUN_H

#include <net/if.h>

#include "base/packet.h"

/* What TUNSETOFFLOAD granted when it was tried. All offloads are then left off as long as the
 * data path does not segment. */
struct tun_features {
	bool tso; /* TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 */
	bool uso; /* these and TUN_F_USO4 | TUN_F_USO6 (Linux 6.2) */
};

/* Create the interface `name` (IFF_TUN, IFF_NO_PI, IFF_VNET_HDR, IFF_MULTI_QUEUE if the kernel has
 * it; it goes when its last descriptor is closed) and probe it. Non-blocking, CLOEXEC. Needs
 * CAP_NET_ADMIN. Returns the descriptor (owned by the caller) or a negative errno: -EBUSY when an
 * interface of this name exists, -EINVAL for a bad name. */
MUST_CHECK int tun_create(const char *name, struct tun_features *ret_features);

/* Take over an open TUN descriptor somebody else made (WG_TUN_FD): learn its name, make it
 * non-blocking and CLOEXEC, set the header length that tun_read expects, probe its offloads. A
 * device without IFF_VNET_HDR stays so: *ret_vnet_hdr tells. It must have been made with IFF_NO_PI;
 * that cannot be asked (TUNGETIFF reports IFF_NOFILTER by the same bit). Returns 0 or a negative
 * errno: -EINVAL for a TAP device, -ENOTTY and the like for something else. */
MUST_CHECK int tun_adopt(
	int fd, char ret_name[IFNAMSIZ], bool *ret_vnet_hdr, struct tun_features *ret_features);

/* An open queue, as the datapath uses it. */
struct tun {
	int fd;	       /* borrowed */
	bool vnet_hdr; /* each packet is preceded by a struct virtio_net_hdr */
};

/* Read up to max (<= BATCH_MAX) packets without blocking, each into its own buffer of the array
 * `buffers`, PACKET_HEADROOM bytes from its start. Fills ret_batch (tos 0, endpoint NULL).
 * Checksums the kernel left open are completed. Returns 0, or a negative errno, -EBADFD when the
 * device is gone. num < max does not mean that the queue is empty: packets that cannot be used
 * are dropped on the way. */
MUST_CHECK int tun_read(const struct tun *tun, uint8_t (*buffers)[PACKET_BUF], unsigned max,
	struct batch *ret_batch);

/* Write all packets of a batch, in order; overwrites up to 10 bytes before each packet. A packet
 * the kernel refuses (interface down, malformed) is skipped. Returns 0, or -EBADFD when the device
 * is gone; *ret_failed (may be NULL) is the number skipped. */
MUST_CHECK int tun_write(const struct tun *tun, const struct batch *batch, unsigned *ret_failed);

#endif
