/* SPDX-License-Identifier: MIT
 *
 * Batches of packets through the TUN device: what the kernel left unsegmented is cut here, what it
 * will take as one is joined here.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/checksum.h"
#include "net/coalesce.h"
#include "net/segment.h"
#include "net/tun.h"

enum { VNET_HDR_LEN = sizeof(struct virtio_net_hdr) };
static_assert(
	VNET_HDR_LEN == 10 && VNET_HDR_LEN <= (int)PACKET_HEADROOM, "fits before each packet");

/* A batch of packets of the usual size; the longest packet fits as well. */
enum { ARENA_LEN = BATCH_MAX * 2048, ALIGNMENT = 64 };
static_assert(ARENA_LEN >= (int)PACKET_BUF, "room for one packet of any length");

struct tun_reader {
	uint8_t arena[ARENA_LEN] __attribute__((aligned(ALIGNMENT)));
	size_t arena_used;
	size_t packet_len; /* of the packet as read, 0: none waits */
	struct segmenter segmenter;
	bool is_cut; /* segmenter holds what is left of it */
	uint8_t packet[VNET_HDR_LEN + PACKET_MAX];
};

struct tun_reader *tun_reader_new(void)
{
	struct tun_reader *reader = aligned_alloc(ALIGNMENT, sizeof(*reader));

	if (reader) {
		reader->packet_len = 0;
		reader->is_cut = false;
	}
	return reader;
}

void tun_reader_free(struct tun_reader *reader)
{
	free(reader);
}

bool tun_reader_has_more(const struct tun_reader *reader)
{
	return reader->packet_len != 0;
}

/* Add a packet of len bytes, to be filled in, to the batch. NULL: no room. */
static uint8_t *batch_add(struct tun_reader *reader, struct batch *batch, size_t len)
{
	size_t room = PACKET_HEADROOM + len + PACKET_TAILROOM;
	uint8_t *data = reader->arena + reader->arena_used + PACKET_HEADROOM;

	if (batch->num == BATCH_MAX || ARENA_LEN - reader->arena_used < room)
		return NULL;
	reader->arena_used += (room + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	if (reader->arena_used > ARENA_LEN)
		reader->arena_used = ARENA_LEN;
	batch->packets[batch->num++] = (struct packet){.data = data, .len = (uint32_t)len};
	return data;
}

/* Finish the checksum that begins at csum_start; its field holds the sum of the pseudo header.
 * Returns whether the offsets lie in the packet. */
static bool complete_checksum(uint8_t *data, size_t len, const struct virtio_net_hdr *header)
{
	size_t start = header->csum_start, field = start + header->csum_offset;

	if (start >= len || field + 2 > len)
		return false;
	/* Zero says "no checksum" in UDP; both zeros are the same number elsewhere. */
	checksum_store(data + field, checksum_add(0, data + start, len - start), true);
	return true;
}

/* Move what waits in the reader to the batch. Returns false when the batch is full. */
static bool take_packet(struct tun_reader *reader, struct batch *batch, size_t header_len)
{
	struct virtio_net_hdr header = {0};
	const uint8_t *packet = reader->packet + header_len;
	size_t len = reader->packet_len - header_len;
	uint8_t *data;

	memcpy(&header, reader->packet, header_len);
	if (header.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		data = batch_add(reader, batch, len);
		if (!data)
			return false;
		memcpy(data, packet, len);
		if ((header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) &&
			!complete_checksum(data, len, &header))
			batch->num--;
		reader->packet_len = 0;
		return true;
	}
	if (!reader->is_cut)
		reader->is_cut = segmenter_init(&reader->segmenter, &header, packet, len) == 0;
	while (reader->is_cut && (len = segmenter_next_len(&reader->segmenter)) != 0) {
		data = batch_add(reader, batch, len);
		if (!data)
			return false;
		segmenter_next(&reader->segmenter, data);
	}
	reader->is_cut = false;
	reader->packet_len = 0;
	return true;
}

int tun_read(const struct tun *tun, struct tun_reader *reader, struct batch *ret_batch)
{
	const size_t header_len = tun->vnet_hdr ? VNET_HDR_LEN : 0;

	ret_batch->num = 0;
	reader->arena_used = 0;
	for (;;) {
		ssize_t n;

		if (reader->packet_len && !take_packet(reader, ret_batch, header_len))
			return 0;
		n = read(tun->fd, reader->packet, header_len + PACKET_MAX);
		if (n < 0 && (errno == EINTR || errno == EINVAL))
			continue; /* EINVAL: that packet had no virtio_net_hdr, and is lost */
		if (n < 0 && (errno == EAGAIN || ret_batch->num > 0))
			return 0; /* the next call meets the error again */
		if (n < 0)
			return -errno;
		reader->packet_len = (size_t)n > header_len ? (size_t)n : 0;
	}
}

/* Returns 0 or a negative errno. */
static int write_one(const struct tun *tun, const struct packet *packet)
{
	const size_t header_len = tun->vnet_hdr ? VNET_HDR_LEN : 0;
	uint8_t *start = packet->data - header_len;

	memset(start, 0, header_len);
	return write(tun->fd, start, header_len + packet->len) < 0 ? -errno : 0;
}

static int write_run(const struct tun *tun, const struct batch *batch, const uint16_t *next,
	const struct coalesced *run)
{
	struct iovec iov[BATCH_MAX];
	const struct packet *packet = &batch->packets[run->first];
	uint8_t *start = packet->data - VNET_HDR_LEN;
	struct virtio_net_hdr header;
	int num = 1;

	coalesce_finish(run, batch, &header);
	memcpy(start, &header, VNET_HDR_LEN);
	iov[0] = (struct iovec){start, VNET_HDR_LEN + packet->len};
	for (uint16_t i = run->first; i != run->last;) {
		i = next[i];
		packet = &batch->packets[i];
		iov[num++] = (struct iovec){
			packet->data + run->header_len, packet->len - run->header_len};
	}
	return writev(tun->fd, iov, num) < 0 ? -errno : 0;
}

/* A run the kernel would not take as one. */
static unsigned write_apart(const struct tun *tun, const struct batch *batch, const uint16_t *next,
	const struct coalesced *run, const uint8_t *first_header)
{
	unsigned failed = 0;

	memcpy(batch->packets[run->first].data, first_header, run->header_len);
	for (uint16_t i = run->first, n = 0; n < run->num; i = next[i], n++)
		failed += write_one(tun, &batch->packets[i]) < 0;
	return failed;
}

/* The same number for all packets of a flow, both ways. Of fragments the first alone has ports, but
 * may not go elsewhere than the others. */
static uint32_t flow_hash(const uint8_t *packet, size_t len)
{
	const bool v4 = packet[0] >> 4 == 4;
	const size_t header_len = v4 ? (packet[0] & 15) * 4u : 40, half = v4 ? 4 : 16;
	const uint8_t *address = packet + (v4 ? 12 : 8), protocol = packet[v4 ? 9 : 6];
	uint32_t hash = 0;

	for (size_t i = 0; i < half; i += 4)
		hash ^= load_be32(address + i) ^ load_be32(address + half + i);
	if ((protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) && len >= header_len + 4 &&
		!(v4 && (load_be16(packet + 6) & 0x3fff)))
		hash ^= load_be16(packet + header_len) ^ load_be16(packet + header_len + 2);
	return hash * UINT32_C(0x9e3779b1) >> 16;
}

int tun_write(struct tun *tun, const struct batch *batch, unsigned *ret_failed)
{
	struct coalescer c;
	unsigned failed = 0;
	int r;

	coalesce(&c, batch, tun->features.tso, tun->features.uso);
	for (unsigned i = 0; i < c.num; i++) {
		const struct coalesced *run = &c.runs[i];
		uint8_t first_header[COALESCE_HEADER_MAX];

		if (tun->num_queues > 1)
			tun->fd = tun->queues[flow_hash(batch->packets[run->first].data,
						      batch->packets[run->first].len) %
					      tun->num_queues];
		if (run->num == 1) {
			r = write_one(tun, &batch->packets[run->first]);
			failed += r < 0;
		} else {
			memcpy(first_header, batch->packets[run->first].data, run->header_len);
			r = write_run(tun, batch, c.next, run);
			if (r < 0 && r != -EBADFD) {
				unsigned lost = write_apart(tun, batch, c.next, run, first_header);

				/* apart they go: it is the offload the kernel does not want */
				if (r == -EINVAL && lost == 0 && run->protocol == IPPROTO_UDP)
					tun->features.uso = false;
				failed += lost;
			}
		}
		if (r == -EBADFD)
			return r;
	}
	if (ret_failed != NULL)
		*ret_failed = failed;
	return 0;
}
