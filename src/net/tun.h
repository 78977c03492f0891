/* SPDX-License-Identifier: MIT
 *
 * The TUN device: create it, probe what offloads the kernel grants, move batches of packets.
 * tun_read and tun_write use no system call but read and write.
 */
#ifndef ADIT_NET_TUN_H
#define ADIT_NET_TUN_H

#include <net/if.h>

#include "base/packet.h"

/* What TUNSETOFFLOAD granted when it was tried (TUN_F_* bits this kernel takes): packets the kernel
 * leaves to us to segment, and takes from us coalesced. */
struct tun_features {
	bool tso; /* TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 */
	bool uso; /* these and TUN_F_USO4 | TUN_F_USO6 (Linux 6.2) */
};

/* Create the interface `name` (IFF_TUN, IFF_NO_PI, IFF_VNET_HDR, IFF_MULTI_QUEUE if the kernel has
 * it; it goes when its last descriptor is closed) and probe it. Non-blocking, CLOEXEC. Needs
 * CAP_NET_ADMIN. Returns the descriptor (owned by the caller) or a negative errno: -EBUSY when an
 * interface of this name exists, -EINVAL for a bad name. */
MUST_CHECK int tun_create(const char *name, struct tun_features *ret_features);

/* A further queue of an interface that tun_create made with IFF_MULTI_QUEUE, with the rights and
 * the result of that. It gets no packets until tun_attach_queue, which needs no right and is one
 * ioctl, TUNSETQUEUE; then the kernel spreads flows over all queues that are attached. */
MUST_CHECK int tun_add_queue(const char *name);
MUST_CHECK int tun_attach_queue(int fd);

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
	struct tun_features features;
	/* All queues, if there are more than one: tun_write writes what belongs to a flow to the
	 * same one, whatever fd is, because there the kernel will put the flow's packets the other
	 * way. */
	const int *queues;
	unsigned num_queues;
};

/* What tun_read keeps between calls: room for one packet as the kernel hands it over, and for the
 * packets of a batch. Touched as used; one a worker. */
struct tun_reader;
struct tun_reader *tun_reader_new(void); /* NULL: out of memory */
void tun_reader_free(struct tun_reader *reader);

/* Read without blocking until the batch is full, or nothing is left. Packets the kernel left to be
 * segmented are, and checksums it left open are completed. Fills ret_batch (tos 0, endpoint NULL);
 * the packets live in the reader until the next call, each with PACKET_HEADROOM and
 * PACKET_TAILROOM. Returns 0, or a negative errno, -EBADFD when the device is gone. */
MUST_CHECK int tun_read(const struct tun *tun, struct tun_reader *reader, struct batch *ret_batch);

/* Whether segments of a packet already read wait for the next call. */
bool tun_reader_has_more(const struct tun_reader *reader);

/* Write all packets of a batch, coalescing runs of a flow where the kernel takes them; overwrites
 * headers and up to 10 bytes before each packet. A packet the kernel refuses (interface down,
 * malformed) is skipped. Returns 0, or -EBADFD when the device is gone; *ret_failed (may be NULL)
 * is the number skipped. */
MUST_CHECK int tun_write(struct tun *tun, const struct batch *batch, unsigned *ret_failed);

#endif
