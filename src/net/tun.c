/* SPDX-License-Identifier: MIT
 *
 * The TUN device: create it, probe what offloads the kernel grants, move batches of packets.
 */
#include "net/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum { VNET_HDR_LEN = sizeof(struct virtio_net_hdr) };
static_assert(
	VNET_HDR_LEN == 10 && VNET_HDR_LEN <= (int)PACKET_HEADROOM, "fits before each packet");

/* Try the offloads, and leave them off. */
static int probe_offloads(int fd, struct tun_features *ret_features)
{
	const unsigned long tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	struct tun_features features = {0};

	features.tso = ioctl(fd, TUNSETOFFLOAD, tso) == 0;
	features.uso = features.tso && ioctl(fd, TUNSETOFFLOAD, tso | TUN_F_USO4 | TUN_F_USO6) == 0;
	if (ioctl(fd, TUNSETOFFLOAD, 0UL) < 0)
		return -errno;
	*ret_features = features;
	return 0;
}

/* With IFF_MULTI_QUEUE alone TUNSETIFF would attach a further queue to another process's device;
 * IFF_TUN_EXCL refuses every name that exists. */
static int set_interface(int fd, const char *name)
{
	static const short flags[] = {
		(short)(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL | IFF_MULTI_QUEUE),
		(short)(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL),
	};
	int r = -EINVAL;

	for (size_t i = 0; i < ARRAY_SIZE(flags) && r == -EINVAL; i++) {
		struct ifreq request = {.ifr_flags = flags[i]};

		memcpy(request.ifr_name, name, strlen(name) + 1);
		r = ioctl(fd, TUNSETIFF, &request) < 0 ? -errno : 0;
	}
	return r;
}

int tun_create(const char *name, struct tun_features *ret_features)
{
	int fd, r;

	/* The kernel would make a number of "%d". */
	if (name[0] == '\0' || strlen(name) >= IFNAMSIZ || strchr(name, '%') != NULL)
		return -EINVAL;
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = set_interface(fd, name);
	if (r == 0)
		r = probe_offloads(fd, ret_features);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

int tun_adopt(
	int fd, char ret_name[IFNAMSIZ], bool *ret_vnet_hdr, struct tun_features *ret_features)
{
	struct ifreq request = {0};
	struct tun_features features = {0};
	int status, header_len = VNET_HDR_LEN, r;
	bool vnet_hdr;

	if (ioctl(fd, TUNGETIFF, &request) < 0)
		return -errno;
	if (!(request.ifr_flags & IFF_TUN))
		return -EINVAL;
	status = fcntl(fd, F_GETFL);
	if (status < 0 || fcntl(fd, F_SETFL, status | O_NONBLOCK) < 0 ||
		fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	vnet_hdr = request.ifr_flags & IFF_VNET_HDR;
	if (vnet_hdr) {
		if (ioctl(fd, TUNSETVNETHDRSZ, &header_len) < 0)
			return -errno;
		r = probe_offloads(fd, &features);
		if (r < 0)
			return r;
	}
	memcpy(ret_name, request.ifr_name, IFNAMSIZ);
	*ret_vnet_hdr = vnet_hdr;
	*ret_features = features;
	return 0;
}

/* Finish the Internet checksum that begins at csum_start; its field holds the sum of the pseudo
 * header. Returns whether the offsets lie in the packet. */
static bool complete_checksum(uint8_t *data, size_t len, const struct virtio_net_hdr *header)
{
	size_t start = header->csum_start, field = start + header->csum_offset;
	uint64_t sum = 0;
	size_t i;

	if (start >= len || field + 2 > len)
		return false;
	for (i = start; i + 1 < len; i += 2)
		sum += load_be16(data + i);
	if (i < len)
		sum += (uint64_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	/* Zero says "no checksum" in UDP; both zeros are the same number elsewhere. */
	store_be16(data + field, sum == 0xffff ? 0xffff : (uint16_t)~sum);
	return true;
}

/* Whether the packet can go on as one whole packet. A device that was adopted may still queue
 * packets from a time when it had offloads. */
static bool finish_packet(const struct virtio_net_hdr *header, uint8_t *data, size_t len)
{
	if (header->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return false;
	return !(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) ||
	       complete_checksum(data, len, header);
}

int tun_read(const struct tun *tun, uint8_t (*buffers)[PACKET_BUF], unsigned max,
	struct batch *ret_batch)
{
	const size_t header_len = tun->vnet_hdr ? VNET_HDR_LEN : 0;

	assert(max <= BATCH_MAX);
	ret_batch->num = 0;
	for (unsigned i = 0; i < max; i++) {
		uint8_t *data = buffers[ret_batch->num] + PACKET_HEADROOM;
		struct virtio_net_hdr header = {0};
		ssize_t n = read(tun->fd, data - header_len, header_len + PACKET_MAX);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && (errno == EINTR || errno == EINVAL))
			continue; /* EINVAL: that packet had no virtio_net_hdr, and is lost */
		if (n < 0) {
			if (ret_batch->num > 0)
				break; /* the next call meets the error again */
			return -errno;
		}
		if ((size_t)n <= header_len)
			continue;
		memcpy(&header, data - header_len, header_len);
		if (!finish_packet(&header, data, (size_t)n - header_len))
			continue;
		ret_batch->packets[ret_batch->num++] =
			(struct packet){.data = data, .len = (uint32_t)((size_t)n - header_len)};
	}
	return 0;
}

int tun_write(const struct tun *tun, const struct batch *batch, unsigned *ret_failed)
{
	const size_t header_len = tun->vnet_hdr ? VNET_HDR_LEN : 0;
	unsigned failed = 0;

	for (unsigned i = 0; i < batch->num; i++) {
		const struct packet *packet = &batch->packets[i];
		uint8_t *start = packet->data - header_len;

		memset(start, 0, header_len);
		if (write(tun->fd, start, header_len + packet->len) >= 0)
			continue;
		if (errno == EBADFD)
			return -EBADFD;
		failed++;
	}
	if (ret_failed != NULL)
		*ret_failed = failed;
	return 0;
}
