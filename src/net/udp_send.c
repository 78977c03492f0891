/* SPDX-License-Identifier: MIT
 *
 * Sending a batch of datagrams: first as few messages as UDP_SEGMENT and sendmmsg allow, then what
 * the kernel refused once more, one by one.
 */
#include "net/udp.h"

#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdalign.h>

enum {
	SEGMENT_MAX = 64,    /* the kernel's UDP_MAX_SEGMENTS */
	PAYLOAD_MAX = 65507, /* of one IPv4 datagram, joined ones too */
	WAIT_MS = 100,
};

union socket_address {
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* One message to the kernel: a run of packets of a batch. */
struct message {
	unsigned num; /* packets */
	union socket_address name;
	alignas(struct cmsghdr)
		uint8_t control[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int)) +
				CMSG_SPACE(sizeof(uint16_t))];
};

struct outbox {
	unsigned num;
	struct mmsghdr headers[BATCH_MAX];
	struct message messages[BATCH_MAX];
	struct iovec iovecs[BATCH_MAX]; /* one for each packet */
};

/* How many packets from the first on can be one UDP_SEGMENT message. */
static unsigned run_length(const struct packet *packets, unsigned max)
{
	size_t total = packets[0].len;
	unsigned num = 1;

	while (num < max && num < SEGMENT_MAX && packets[num].endpoint == packets[0].endpoint &&
		packets[num].tos == packets[0].tos && packets[num].len != 0 &&
		packets[num].len <= packets[0].len && packets[num - 1].len == packets[0].len &&
		total + packets[num].len <= PAYLOAD_MAX)
		total += packets[num++].len;
	return num;
}

static void write_name(
	const struct endpoint *endpoint, union socket_address *name, struct msghdr *header)
{
	header->msg_name = name;
	if (endpoint->family == AF_INET) {
		name->v4 = (struct sockaddr_in){
			.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
		memcpy(&name->v4.sin_addr, endpoint->addr, 4);
		header->msg_namelen = sizeof(name->v4);
	} else {
		name->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
			.sin6_port = htons(endpoint->port),
			.sin6_scope_id = endpoint->scope_id};
		memcpy(&name->v6.sin6_addr, endpoint->addr, 16);
		header->msg_namelen = sizeof(name->v6);
	}
}

static void add_control(struct msghdr *header, int level, int type, const void *data, size_t len)
{
	/* Not CMSG_NXTHDR: it would read a length that is not written yet. */
	struct cmsghdr *cmsg = (void *)((uint8_t *)header->msg_control + header->msg_controllen);

	*cmsg = (struct cmsghdr){.cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type};
	memcpy(CMSG_DATA(cmsg), data, len);
	header->msg_controllen += CMSG_SPACE(len);
}

static void write_control(struct msghdr *header, const struct packet *packet, unsigned num)
{
	const struct endpoint *endpoint = packet->endpoint;
	const bool v4 = endpoint->family == AF_INET;
	const uint16_t segment = (uint16_t)packet->len;
	const int tos = packet->tos;

	if (endpoint_has_source(endpoint) && v4) {
		struct in_pktinfo info = {0};

		memcpy(&info.ipi_spec_dst, endpoint->local, 4);
		add_control(header, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else if (endpoint_has_source(endpoint)) {
		struct in6_pktinfo info = {0};

		memcpy(&info.ipi6_addr, endpoint->local, 16);
		if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
			info.ipi6_ifindex = endpoint->local_ifindex;
		add_control(header, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
	if (tos != 0)
		add_control(header, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &tos,
			sizeof(tos));
	if (num > 1)
		add_control(header, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
}

/* Describe num packets as one message. */
static void write_message(struct msghdr *header, struct message *message, struct iovec *iovecs,
	const struct packet *packets, unsigned num)
{
	message->num = num;
	*header = (struct msghdr){
		.msg_iov = iovecs, .msg_iovlen = num, .msg_control = message->control};
	for (unsigned i = 0; i < num; i++)
		iovecs[i] = (struct iovec){packets[i].data, packets[i].len};
	write_name(packets[0].endpoint, &message->name, header);
	write_control(header, &packets[0], num);
	if (header->msg_controllen == 0)
		header->msg_control = NULL;
}

static bool wait_writable(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLOUT};

	return poll(&pollfd, 1, WAIT_MS) == 1;
}

/* Whether the kernel may have refused a datagram because of the source it was to have. */
static bool blames_source(int error)
{
	return error == EINVAL || error == EADDRNOTAVAIL || error == ENETUNREACH ||
	       error == EHOSTUNREACH || error == ENODEV || error == ENXIO;
}

/* Send one packet with every second chance it has: a full socket once waited for, an ICMP error of
 * an earlier datagram once taken note of, the source given up. Returns whether it went. */
static bool send_single(int fd, const struct packet *packet)
{
	bool waited = false, reported = false;

	for (;;) {
		struct msghdr header;
		struct message message;
		struct iovec iovec;

		write_message(&header, &message, &iovec, packet, 1);
		if (sendmsg(fd, &header, MSG_DONTWAIT) >= 0)
			return true;
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN && !waited) {
			waited = true;
			if (!wait_writable(fd))
				return false;
		} else if (errno == ECONNREFUSED && !reported) {
			reported = true;
		} else if (blames_source(errno) && endpoint_has_source(packet->endpoint)) {
			endpoint_clear_source(packet->endpoint);
		} else {
			return false;
		}
	}
}

static int family_fd(const struct udp_pair *pair, const struct endpoint *endpoint)
{
	if (endpoint != NULL && endpoint->family == AF_INET)
		return pair->fd4;
	return endpoint != NULL && endpoint->family == AF_INET6 ? pair->fd6 : -1;
}

/* Send packets that use one socket. Returns how many were dropped. */
static unsigned send_packets(
	struct udp_pair *pair, int fd, const struct packet *packets, unsigned num_packets)
{
	struct outbox outbox;
	unsigned failed = 0, at = 0, packet = 0;
	bool waited = false;

	outbox.num = 0;
	for (unsigned i = 0; i < num_packets; outbox.num++) {
		unsigned num = pair->no_segment ? 1 : run_length(&packets[i], num_packets - i);

		write_message(&outbox.headers[outbox.num].msg_hdr, &outbox.messages[outbox.num],
			&outbox.iovecs[i], &packets[i], num);
		i += num;
	}
	while (at < outbox.num) {
		int sent = sendmmsg(fd, &outbox.headers[at], outbox.num - at, MSG_DONTWAIT);
		unsigned num = outbox.messages[at].num;

		if (sent > 0) {
			for (int i = 0; i < sent; i++)
				packet += outbox.messages[at++].num;
			waited = false;
			continue;
		}
		if (errno == EAGAIN) {
			if (waited || !wait_writable(fd))
				return failed + num_packets - packet;
			waited = true;
			continue;
		}
		if (num > 1 && (errno == EIO || errno == ENOPROTOOPT))
			pair->no_segment = true;
		/* The first message is stuck: give each of its packets its chances. */
		for (unsigned i = 0; i < num; i++)
			failed += !send_single(fd, &packets[packet + i]);
		packet += num;
		at++;
	}
	return failed;
}

void udp_send(struct udp_pair *pair, const struct batch *batch, unsigned *ret_failed)
{
	unsigned failed = 0;

	for (unsigned i = 0, end; i < batch->num; i = end) {
		int fd = family_fd(pair, batch->packets[i].endpoint);

		for (end = i + 1;
			end < batch->num && family_fd(pair, batch->packets[end].endpoint) == fd;
			end++)
			;
		if (fd < 0)
			failed += end - i;
		else
			failed += send_packets(pair, fd, &batch->packets[i], end - i);
	}
	if (ret_failed != NULL)
		*ret_failed = failed;
}
