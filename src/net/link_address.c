/* SPDX-License-Identifier: MIT
 *
 * One request, one acknowledgement.
 */
#include "net/link_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdalign.h>
#include <unistd.h>

enum { REQUEST_MAX = 256 };

/* Send a request and wait until the kernel has obeyed. */
static int request(struct nlmsghdr *nlh, uint16_t flags)
{
	alignas(struct nlmsghdr) char buf[8192];
	struct mnl_socket *sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	ssize_t n;
	int r;

	if (!sock)
		return -errno;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	nlh->nlmsg_seq = 1;
	n = mnl_socket_sendto(sock, nlh, nlh->nlmsg_len);
	if (n >= 0)
		n = mnl_socket_recvfrom(sock, buf, sizeof(buf));
	r = n < 0 || mnl_cb_run(buf, (size_t)n, 1, 0, NULL, NULL) < 0 ? -errno : 0;
	mnl_socket_close(sock);
	return r;
}

static int change_address(
	unsigned ifindex, const struct prefix *address, uint16_t type, uint16_t flags)
{
	alignas(struct nlmsghdr) char buf[REQUEST_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	const struct ifaddrmsg header = {.ifa_family = (uint8_t)address->family,
		.ifa_prefixlen = address->cidr,
		.ifa_flags = address->family == AF_INET6 ? IFA_F_NODAD : 0,
		.ifa_index = ifindex};
	size_t len = address_bits(address->family) / 8;

	nlh->nlmsg_type = type;
	memcpy(mnl_nlmsg_put_extra_header(nlh, sizeof(header)), &header, sizeof(header));
	mnl_attr_put(nlh, IFA_LOCAL, len, address->addr);
	mnl_attr_put(nlh, IFA_ADDRESS, len, address->addr);
	return request(nlh, flags);
}

int link_add_address(unsigned ifindex, const struct prefix *address)
{
	int r = change_address(ifindex, address, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);

	return r == -EEXIST ? 0 : r;
}

int link_remove_address(unsigned ifindex, const struct prefix *address)
{
	int r = change_address(ifindex, address, RTM_DELADDR, 0);

	return r == -EADDRNOTAVAIL ? 0 : r;
}

int link_set_up(unsigned ifindex)
{
	alignas(struct nlmsghdr) char buf[REQUEST_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	const struct ifinfomsg header = {
		.ifi_index = (int)ifindex, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};

	nlh->nlmsg_type = RTM_NEWLINK;
	memcpy(mnl_nlmsg_put_extra_header(nlh, sizeof(header)), &header, sizeof(header));
	return request(nlh, 0);
}

/* Where the kernel would send from: connecting a UDP socket asks it, and sends nothing. */
static int source_towards(
	uint16_t family, const struct sockaddr *address, socklen_t len, struct prefix *ret_address)
{
	struct prefix found = {.family = family, .cidr = (uint8_t)address_bits(family)};
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} source;
	socklen_t source_len = sizeof(source);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, address, len) < 0 || getsockname(fd, &source.any, &source_len) < 0)
		r = -errno;
	close(fd);
	if (r < 0)
		return r;
	if (family == AF_INET)
		memcpy(found.addr, &source.v4.sin_addr, 4);
	else
		memcpy(found.addr, &source.v6.sin6_addr, 16);
	*ret_address = found;
	return 0;
}

int link_default_source(struct prefix *ret_address)
{
	/* addresses for documentation: there is no route to them but the default one */
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};

	inet_pton(AF_INET, "192.0.2.1", &v4.sin_addr);
	inet_pton(AF_INET6, "2001:db8::1", &v6.sin6_addr);
	if (source_towards(AF_INET, (struct sockaddr *)&v4, sizeof(v4), ret_address) == 0)
		return 0;
	return source_towards(AF_INET6, (struct sockaddr *)&v6, sizeof(v6), ret_address);
}
