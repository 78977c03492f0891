/* SPDX-License-Identifier: MIT
 *
 * The outer UDP sockets: opening them, and receiving batches. (Sending is in udp_send.c.)
 */
#include "net/udp.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdalign.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	BUFFER_SIZE = 7 << 20, /* what the kernel is asked to queue, each way */
	OPEN_TRIES = 100,
	RECEIVE_MAX = 8, /* receives of up to 64 KiB in one system call */
};

union socket_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int set_mark(int fd, uint32_t fwmark)
{
	return setsockopt(fd, SOL_SOCKET, SO_MARK, &fwmark, sizeof(fwmark)) < 0 ? -errno : 0;
}

static int set_options(int fd, sa_family_t family, uint32_t fwmark)
{
	static const struct {
		sa_family_t family;
		int level, name, value;
	} options[] = {
		{AF_INET, IPPROTO_IP, IP_PKTINFO, 1},
		{AF_INET, IPPROTO_IP, IP_RECVTOS, 1},
		{AF_INET, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT},
		{AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY, 1},
		{AF_INET6, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1},
		{AF_INET6, IPPROTO_IPV6, IPV6_RECVTCLASS, 1},
		{AF_INET6, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		int r = 0;

		if (options[i].family == family)
			r = set_int(fd, options[i].level, options[i].name, options[i].value);
		if (r < 0)
			return r;
	}
	if (set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_SIZE) < 0)
		(void)set_int(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_SIZE);
	if (set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_SIZE) < 0)
		(void)set_int(fd, SOL_SOCKET, SO_SNDBUF, BUFFER_SIZE);
	(void)set_int(fd, IPPROTO_UDP, UDP_GRO, 1);
	return fwmark == 0 ? 0 : set_mark(fd, fwmark);
}

static int bind_port(int fd, sa_family_t family, uint16_t *port)
{
	union socket_address address = {0};
	socklen_t len = family == AF_INET ? sizeof(address.v4) : sizeof(address.v6);

	if (family == AF_INET)
		address.v4 = (struct sockaddr_in){.sin_family = family, .sin_port = htons(*port)};
	else
		address.v6 =
			(struct sockaddr_in6){.sin6_family = family, .sin6_port = htons(*port)};
	if (bind(fd, &address.any, len) < 0 || getsockname(fd, &address.any, &len) < 0)
		return -errno;
	*port = ntohs(family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
	return 0;
}

/* Returns the descriptor, or a negative errno; -EAFNOSUPPORT: not in this kernel. */
static int open_family(sa_family_t family, uint16_t *port, uint32_t fwmark, bool shares)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP), r;

	if (fd < 0)
		return -errno;
	r = set_options(fd, family, fwmark);
	if (r == 0 && shares)
		r = set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (r == 0)
		r = bind_port(fd, family, port);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

static int open_pair(struct udp_pair *pair, uint16_t *port, uint32_t fwmark)
{
	pair->fd4 = open_family(AF_INET, port, fwmark, false);
	if (pair->fd4 < 0 && pair->fd4 != -EAFNOSUPPORT)
		return pair->fd4;
	pair->fd6 = open_family(AF_INET6, port, fwmark, false);
	if (pair->fd6 >= 0 || (pair->fd6 == -EAFNOSUPPORT && pair->fd4 >= 0))
		return 0;
	if (pair->fd4 >= 0)
		close(pair->fd4);
	return pair->fd6;
}

int udp_open(struct udp_pair *ret_pair, uint16_t *port, uint32_t fwmark)
{
	struct udp_pair pair = {.fd4 = -1, .fd6 = -1};
	uint16_t chosen = *port;
	int r = open_pair(&pair, &chosen, fwmark);

	/* The port the kernel chose for IPv4 may be taken for IPv6. */
	for (int i = 1; i < OPEN_TRIES && r == -EADDRINUSE && *port == 0; i++) {
		chosen = 0;
		r = open_pair(&pair, &chosen, fwmark);
	}
	if (r < 0)
		return r;
	pair.fd4 = pair.fd4 < 0 ? -1 : pair.fd4;
	pair.fd6 = pair.fd6 < 0 ? -1 : pair.fd6;
	*ret_pair = pair;
	*port = chosen;
	return 0;
}

/* SO_REUSEPORT on the first only once it is bound: bound with it, it would share the port with
 * another program's socket that has it too. */
static int open_sharing(sa_family_t family, int first, uint16_t port, uint32_t fwmark)
{
	int r;

	if (first < 0)
		return -1;
	r = set_int(first, SOL_SOCKET, SO_REUSEPORT, 1);
	return r < 0 ? r : open_family(family, &port, fwmark, true);
}

int udp_open_more(
	struct udp_pair *ret_pair, const struct udp_pair *first, uint16_t port, uint32_t fwmark)
{
	struct udp_pair pair = {.fd4 = open_sharing(AF_INET, first->fd4, port, fwmark),
		.fd6 = open_sharing(AF_INET6, first->fd6, port, fwmark)};
	int r = first->fd4 >= 0 && pair.fd4 < 0	  ? pair.fd4
		: first->fd6 >= 0 && pair.fd6 < 0 ? pair.fd6
						  : 0;

	if (r < 0)
		udp_close(&pair);
	else
		*ret_pair = pair;
	return r;
}

void udp_close(struct udp_pair *pair)
{
	if (pair->fd4 >= 0)
		close(pair->fd4);
	if (pair->fd6 >= 0)
		close(pair->fd6);
	pair->fd4 = pair->fd6 = -1;
}

static bool is_option(int fd, int name, int value)
{
	int got = -1;
	socklen_t len = sizeof(got);

	return getsockopt(fd, SOL_SOCKET, name, &got, &len) == 0 && got == value;
}

bool udp_is_socket(int fd, uint16_t family)
{
	return is_option(fd, SO_DOMAIN, family) && is_option(fd, SO_TYPE, SOCK_DGRAM) &&
	       is_option(fd, SO_PROTOCOL, IPPROTO_UDP);
}

int udp_set_mark(const struct udp_pair *pair, uint32_t fwmark)
{
	int r = 0;

	if (pair->fd4 >= 0)
		r = set_mark(pair->fd4, fwmark);
	if (r == 0 && pair->fd6 >= 0)
		r = set_mark(pair->fd6, fwmark);
	return r;
}

/* What one receive brought: one datagram, or several of one flow that UDP_GRO joined. */
struct received {
	struct endpoint endpoint;
	uint8_t tos;
	bool usable;
	uint32_t len, segment; /* all segments but the last have this length */
	uint32_t taken;	       /* bytes already handed out */
};

struct udp_receiver {
	unsigned num, current; /* receives of the last system call; the one handed out next */
	struct received received[RECEIVE_MAX];
	struct mmsghdr messages[RECEIVE_MAX];
	struct iovec iovecs[RECEIVE_MAX];
	union socket_address names[RECEIVE_MAX];
	alignas(struct cmsghdr) uint8_t control[RECEIVE_MAX][256];
	uint8_t data[RECEIVE_MAX][PACKET_MAX + 1];
};

struct udp_receiver *udp_receiver_new(void)
{
	return calloc(1, sizeof(struct udp_receiver));
}

void udp_receiver_free(struct udp_receiver *receiver)
{
	free(receiver);
}

/* The sender; with port 0 when it is none. A scope belongs to link-local addresses only. */
static void read_name(const union socket_address *name, struct endpoint *endpoint)
{
	endpoint->family = name->any.sa_family;
	if (endpoint->family == AF_INET) {
		endpoint->port = ntohs(name->v4.sin_port);
		memcpy(endpoint->addr, &name->v4.sin_addr, 4);
	} else if (endpoint->family == AF_INET6) {
		endpoint->port = ntohs(name->v6.sin6_port);
		memcpy(endpoint->addr, &name->v6.sin6_addr, 16);
		if (IN6_IS_ADDR_LINKLOCAL(&name->v6.sin6_addr))
			endpoint->scope_id = name->v6.sin6_scope_id;
	}
}

static void read_control(const struct cmsghdr *cmsg, struct received *received)
{
	const void *data = CMSG_DATA(cmsg);
	struct in_pktinfo info4;
	struct in6_pktinfo info6;
	int value;

	if (cmsg->cmsg_level == IPPROTO_IP && cmsg->cmsg_type == IP_PKTINFO) {
		memcpy(&info4, data, sizeof(info4));
		/* The address to answer from. ipi_addr is the same, except for a datagram to a
		 * broadcast address, which is no source. */
		memcpy(received->endpoint.local, &info4.ipi_spec_dst, 4);
		received->endpoint.local_ifindex = (uint32_t)info4.ipi_ifindex;
	} else if (cmsg->cmsg_level == IPPROTO_IPV6 && cmsg->cmsg_type == IPV6_PKTINFO) {
		memcpy(&info6, data, sizeof(info6));
		if (!IN6_IS_ADDR_MULTICAST(&info6.ipi6_addr))
			memcpy(received->endpoint.local, &info6.ipi6_addr, 16);
		received->endpoint.local_ifindex = info6.ipi6_ifindex;
	} else if (cmsg->cmsg_level == IPPROTO_IP && cmsg->cmsg_type == IP_TOS) {
		memcpy(&received->tos, data, 1);
	} else if (cmsg->cmsg_level == IPPROTO_IPV6 && cmsg->cmsg_type == IPV6_TCLASS) {
		memcpy(&value, data, sizeof(value));
		received->tos = (uint8_t)value;
	} else if (cmsg->cmsg_level == IPPROTO_UDP && cmsg->cmsg_type == UDP_GRO) {
		memcpy(&value, data, sizeof(value));
		if (value > 0)
			received->segment = (uint32_t)value;
	}
}

static void read_message(struct mmsghdr *message, struct received *ret_received)
{
	struct msghdr *header = &message->msg_hdr;
	struct received received = {.len = message->msg_len, .segment = message->msg_len};

	read_name(header->msg_name, &received.endpoint);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c))
		read_control(c, &received);
	received.usable =
		received.endpoint.port != 0 && !(header->msg_flags & (MSG_TRUNC | MSG_CTRUNC));
	*ret_received = received;
}

/* Returns whether an error says that the socket will never work, rather than what became of some
 * datagram sent before. */
static bool is_fatal(int error)
{
	return error == EBADF || error == ENOTSOCK || error == EINVAL || error == EFAULT;
}

static int fill_receiver(struct udp_receiver *receiver, int fd)
{
	int n;

	receiver->num = receiver->current = 0;
	for (unsigned i = 0; i < RECEIVE_MAX; i++) {
		receiver->iovecs[i] = (struct iovec){receiver->data[i], sizeof(receiver->data[i])};
		receiver->messages[i].msg_hdr = (struct msghdr){
			.msg_name = &receiver->names[i],
			.msg_namelen = sizeof(receiver->names[i]),
			.msg_iov = &receiver->iovecs[i],
			.msg_iovlen = 1,
			.msg_control = receiver->control[i],
			.msg_controllen = sizeof(receiver->control[i]),
		};
	}
	n = recvmmsg(fd, receiver->messages, RECEIVE_MAX, MSG_DONTWAIT, NULL);
	if (n < 0)
		return is_fatal(errno) ? -errno : 0;
	for (unsigned i = 0; i < (unsigned)n; i++)
		read_message(&receiver->messages[i], &receiver->received[i]);
	receiver->num = (unsigned)n;
	return 0;
}

/* Move on to the first receive that has something to hand out. */
static void skip_unusable(struct udp_receiver *receiver)
{
	while (receiver->current < receiver->num && !receiver->received[receiver->current].usable)
		receiver->current++;
}

static struct packet take_datagram(struct udp_receiver *receiver)
{
	struct received *received = &receiver->received[receiver->current];
	uint32_t left = received->len - received->taken;
	struct packet packet = {
		.data = receiver->data[receiver->current] + received->taken,
		.len = left < received->segment ? left : received->segment,
		.tos = received->tos,
		.endpoint = &received->endpoint,
	};

	received->taken += packet.len;
	if (received->taken == received->len)
		received->usable = false;
	skip_unusable(receiver);
	return packet;
}

int udp_receive(struct udp_receiver *receiver, int fd, struct batch *ret_batch)
{
	ret_batch->num = 0;
	if (!udp_receiver_has_more(receiver)) {
		int r = fill_receiver(receiver, fd);

		if (r < 0)
			return r;
		skip_unusable(receiver);
	}
	while (ret_batch->num < BATCH_MAX && udp_receiver_has_more(receiver))
		ret_batch->packets[ret_batch->num++] = take_datagram(receiver);
	return 0;
}

bool udp_receiver_has_more(const struct udp_receiver *receiver)
{
	return receiver->current < receiver->num;
}

bool udp_receiver_was_full(const struct udp_receiver *receiver)
{
	return receiver->num == RECEIVE_MAX;
}
