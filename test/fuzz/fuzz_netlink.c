/* SPDX-License-Identifier: MIT
 *
 * What netlink says: of interfaces and routes to the tunnel, of the kernel's WireGuard and the
 * packets it queues to adit-kernel, of nftables to the filter. The first byte says to whom; then
 * come datagrams, each behind two bytes of length. This is the kernel's side of libmnl's sockets,
 * and no libnftables.
 *
 * Whatever it says, nothing is read that is not there, and what comes out is in range.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <nftables/libnftables.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/link.h"
#include "overlay/filter/nft.h"
#include "overlay/kernel/device.h"
#include "overlay/kernel/queue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENTS_MAX = 32, DATAGRAM_MAX = 65536 };

static const uint8_t *rest; /* of the input */
static size_t rest_len;
static int sockets[2]; /* ours, and the kernel's */

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* The next datagram of the input. */
static size_t next_datagram(const uint8_t **ret_data)
{
	size_t len;

	if (rest_len < 2)
		return 0;
	len = load_be16(rest);
	rest += 2;
	rest_len -= 2;
	if (len > rest_len)
		len = rest_len;
	*ret_data = rest;
	rest += len;
	rest_len -= len;
	return len;
}

/* What the kernel never says and libmnl could not stand: messages of more than 2 GiB, whose length
 * it would take for negative, and turn round for ever; an error number it cannot negate. */
static void keep_possible(uint8_t *data, size_t len)
{
	struct nlmsghdr header;

	for (size_t at = 0; at + sizeof(header) <= len; at += (header.nlmsg_len + 3U) & ~3U) {
		size_t error_at = at + sizeof(header);
		int32_t error;

		memcpy(&header, data + at, sizeof(header));
		header.nlmsg_len &= INT32_MAX;
		memcpy(data + at, &header, sizeof(header));
		if (header.nlmsg_len < sizeof(header))
			return;
		if (header.nlmsg_type != NLMSG_ERROR || error_at + sizeof(error) > len)
			continue;
		memcpy(&error, data + error_at, sizeof(error));
		if (error == INT32_MIN)
			memset(data + error_at, 0, sizeof(error));
	}
}

/* --- libmnl's sockets ------------------------------------------------ */

struct mnl_socket *mnl_socket_open2(int bus, int flags)
{
	(void)bus, (void)flags;
	return (struct mnl_socket *)sockets;
}

int mnl_socket_bind(struct mnl_socket *nl, unsigned int groups, pid_t pid)
{
	(void)nl, (void)groups, (void)pid;
	return 0;
}

int mnl_socket_close(struct mnl_socket *nl)
{
	(void)nl;
	return 0;
}

int mnl_socket_get_fd(const struct mnl_socket *nl)
{
	(void)nl;
	return sockets[0];
}

unsigned int mnl_socket_get_portid(const struct mnl_socket *nl)
{
	(void)nl;
	return 0;
}

int mnl_socket_setsockopt(const struct mnl_socket *nl, int type, void *buf, socklen_t len)
{
	(void)nl, (void)type, (void)buf, (void)len;
	return 0;
}

ssize_t mnl_socket_sendto(const struct mnl_socket *nl, const void *req, size_t size)
{
	const struct nlmsghdr *nlh = req;

	(void)nl;
	require(nlh->nlmsg_len == size);
	return (ssize_t)size;
}

ssize_t mnl_socket_recvfrom(const struct mnl_socket *nl, void *buf, size_t size)
{
	const uint8_t *data;
	size_t len = next_datagram(&data);

	(void)nl;
	if (len == 0 || len > size) {
		errno = len ? ENOSPC : EIO;
		return -1;
	}
	memcpy(buf, data, len);
	keep_possible(buf, len);
	return (ssize_t)len;
}

/* Events are read from a descriptor. */
static bool next_event(void)
{
	uint8_t event[DATAGRAM_MAX];
	const uint8_t *data;
	size_t len = next_datagram(&data);

	if (len == 0 || len > sizeof(event))
		return false;
	memcpy(event, data, len);
	keep_possible(event, len);
	return send(sockets[1], event, len, MSG_DONTWAIT) == (ssize_t)len;
}

/* --- no libnftables -------------------------------------------------- */

struct nft_ctx *nft_ctx_new(uint32_t flags)
{
	(void)flags;
	return (struct nft_ctx *)sockets;
}

void nft_ctx_free(struct nft_ctx *ctx)
{
	(void)ctx;
}

int nft_ctx_buffer_output(struct nft_ctx *ctx)
{
	(void)ctx;
	return 0;
}

int nft_ctx_buffer_error(struct nft_ctx *ctx)
{
	(void)ctx;
	return 0;
}

const char *nft_ctx_get_output_buffer(struct nft_ctx *ctx)
{
	(void)ctx;
	return "";
}

const char *nft_ctx_get_error_buffer(struct nft_ctx *ctx)
{
	(void)ctx;
	return "";
}

int nft_run_cmd_from_buffer(struct nft_ctx *nft, const char *buf)
{
	(void)nft;
	require(*buf);
	return 0;
}

/* --- who is told ----------------------------------------------------- */

static void tell_link_monitor(void)
{
	const struct endpoint somewhere = {.family = AF_INET, .addr = {192, 0, 2, 1}};
	struct link_monitor *monitor = link_monitor_new(7);

	if (!monitor)
		return;
	for (int i = 0; i < EVENTS_MAX && next_event(); i++) {
		bool routes_changed;

		require(link_monitor_dispatch(monitor, &routes_changed) <= 0);
		require(!link_monitor_state(monitor).gone || !link_monitor_state(monitor).up);
	}
	require(link_route_ifindex(monitor, &somewhere, false, 0) != 0);
	link_monitor_free(monitor);
}

static const char ifname[IFNAMSIZ] = "wg0";

static void check_peer(const struct config_peer *peer)
{
	require(endpoint_is_valid(&peer->endpoint));
	for (size_t i = 0; i < peer->num_allowed_ips; i++)
		require(prefix_is_valid(&peer->allowed_ips[i].prefix));
}

static void tell_device(void)
{
	struct device *device;
	struct config config;

	if (device_new(ifname, &device) != 0)
		return;
	if (device_get(device, &config) == 0) {
		for (size_t i = 0; i < config.num_peers; i++)
			check_peer(&config.peers[i]);
		(void)!device_set(device, &config);
		config_deinit(&config);
	}
	device_free(device);
}

static void tell_queue(void)
{
	struct prefix wanted, some = {.family = AF_INET, .cidr = 8, .addr = {10}};
	struct queue *queue;

	if (queue_new(ifname, &queue) != 0)
		return;
	queue_watch(queue, true);
	for (int i = 0; i < EVENTS_MAX && next_event(); i++) {
		int r = queue_next(queue, &wanted);

		require(r <= 1);
		if (r == 1) {
			require(prefix_is_address(&wanted));
			require((i & 1 ? queue_refuse(queue, &wanted)
				       : queue_add_peer(queue, &some)) == 0);
		}
	}
	(void)queue_expire(queue);
	queue_free(queue);
}

static void tell_filter(void)
{
	for (int i = 0; i < EVENTS_MAX && next_event(); i++)
		;
	(void)nft_is_changed(sockets[0], "adit-wg0");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const listeners[])(void) = {
		tell_link_monitor, tell_device, tell_queue, tell_filter};

	if (size == 0)
		return 0;
	log_set_level(LOG_LEVEL_SILENT);
	rest = data + 1;
	rest_len = size - 1;
	require(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets) == 0);
	listeners[data[0] % ARRAY_SIZE(listeners)]();
	close(sockets[0]);
	close(sockets[1]);
	return 0;
}
