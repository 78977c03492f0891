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

/* Switch on what offloads the kernel grants. */
static int set_offloads(int fd, struct tun_features *ret_features)
{
	const unsigned long tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	struct tun_features features = {0};

	if (ioctl(fd, TUNSETOFFLOAD, tso | TUN_F_USO4 | TUN_F_USO6) == 0)
		features.tso = features.uso = true;
	else if (ioctl(fd, TUNSETOFFLOAD, tso) == 0)
		features.tso = true;
	else if (ioctl(fd, TUNSETOFFLOAD, 0UL) < 0)
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

static int set_queue(int fd, short flag)
{
	struct ifreq request = {.ifr_flags = flag};

	return ioctl(fd, TUNSETQUEUE, &request) < 0 ? -errno : 0;
}

int tun_attach_queue(int fd)
{
	return set_queue(fd, IFF_ATTACH_QUEUE);
}

int tun_add_queue(const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	memcpy(request.ifr_name, name, strlen(name) + 1);
	r = ioctl(fd, TUNSETIFF, &request) < 0 ? -errno : set_queue(fd, IFF_DETACH_QUEUE);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
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
		r = set_offloads(fd, ret_features);
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
		r = set_offloads(fd, &features);
		if (r < 0)
			return r;
	}
	memcpy(ret_name, request.ifr_name, IFNAMSIZ);
	*ret_vnet_hdr = vnet_hdr;
	*ret_features = features;
	return 0;
}
