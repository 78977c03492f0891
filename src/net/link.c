/* SPDX-License-Identifier: MIT
 *
 * Follow one network interface by rtnetlink, wherever it is moved, and ask for routes.
 */
#include "net/link.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdalign.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	MESSAGE_MAX = 32768,
	REQUEST_MAX = 512,
	RECEIVE_BUFFER = 1 << 20,
	DISPATCH_MAX = 1024, /* messages in one dispatch: a busy routing daemon may not hold us */
	/* Ids of namespaces are >= 0 or these. */
	NSID_HOME = -1,
	NSID_TRANSIT = -2,
};

struct link_monitor {
	struct mnl_socket *events, *requests;
	uint32_t seq;
	unsigned ifindex; /* where it is now */
	int nsid;	  /* likewise: NSID_HOME, an id known at home, or NSID_TRANSIT */
	int home_nsid;	  /* the id home has for itself; NSID_HOME if none, which is usual */
	uint16_t type;	  /* ARPHRD_*, the one property that no move or rename changes */
	struct link_state state;
};

/* What one RTM_NEWLINK or RTM_DELLINK says. */
struct link_message {
	unsigned ifindex;
	uint16_t type;
	bool up;
	uint32_t mtu; /* 0: not told */
	bool moved;   /* to the namespace new_nsid (an id of the namespace that tells) */
	uint32_t new_nsid;
	unsigned new_ifindex; /* 0: not told */
};

/* Find an attribute of 4 bytes behind the fixed header of a message. */
static bool find_u32(
	const struct nlmsghdr *nlh, size_t header_len, uint16_t type, uint32_t *ret_value)
{
	const char *end = mnl_nlmsg_get_payload_tail(nlh);

	for (const struct nlattr *attr = mnl_nlmsg_get_payload_offset(nlh, header_len);
		mnl_attr_ok(attr, (int)(end - (const char *)attr)); attr = mnl_attr_next(attr)) {
		if (mnl_attr_get_type(attr) == type &&
			mnl_attr_get_payload_len(attr) == sizeof(*ret_value)) {
			*ret_value = mnl_attr_get_u32(attr);
			return true;
		}
	}
	return false;
}

static struct link_message read_link(const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	struct link_message link = {.ifindex = (unsigned)info->ifi_index,
		.type = info->ifi_type,
		.up = info->ifi_flags & IFF_UP};

	(void)find_u32(nlh, sizeof(*info), IFLA_MTU, &link.mtu);
	(void)find_u32(nlh, sizeof(*info), IFLA_NEW_IFINDEX, &link.new_ifindex);
	link.moved = find_u32(nlh, sizeof(*info), IFLA_NEW_NETNSID, &link.new_nsid);
	return link;
}

/* Send a request and take in its answers until the kernel acknowledges it. */
static int request(
	struct link_monitor *monitor, struct nlmsghdr *nlh, mnl_cb_t callback, void *data)
{
	alignas(struct nlmsghdr) char buf[MESSAGE_MAX];
	const unsigned portid = mnl_socket_get_portid(monitor->requests);
	int r;

	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = ++monitor->seq;
	if (mnl_socket_sendto(monitor->requests, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t n = mnl_socket_recvfrom(monitor->requests, buf, sizeof(buf));

		if (n < 0 && errno != EINTR)
			return -errno;
		r = n < 0 ? MNL_CB_OK
			  : mnl_cb_run(buf, (size_t)n, nlh->nlmsg_seq, portid, callback, data);
	} while (r > MNL_CB_STOP);
	return r < 0 ? -errno : 0;
}

static struct nlmsghdr *put_link_request(
	const struct link_monitor *monitor, void *buf, uint16_t type, struct ifinfomsg info)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	info.ifi_index = (int)monitor->ifindex;
	memcpy(mnl_nlmsg_put_extra_header(nlh, sizeof(info)), &info, sizeof(info));
	return nlh;
}

static int take_link(const struct nlmsghdr *nlh, void *data)
{
	struct link_monitor *monitor = data;
	const struct link_message link = read_link(nlh);

	if (monitor->state.gone) /* another has its number */
		return MNL_CB_OK;
	monitor->type = link.type;
	monitor->state.up = link.up;
	if (link.mtu != 0)
		monitor->state.mtu = link.mtu;
	return MNL_CB_OK;
}

/* Ask for the state of the interface where it is now. */
static int refresh(struct link_monitor *monitor)
{
	alignas(struct nlmsghdr) char buf[REQUEST_MAX];
	struct nlmsghdr *nlh;

	if (monitor->nsid == NSID_TRANSIT)
		return 0;
	nlh = put_link_request(monitor, buf, RTM_GETLINK, (struct ifinfomsg){0});
	if (monitor->nsid >= 0)
		mnl_attr_put_u32(nlh, IFLA_TARGET_NETNSID, (uint32_t)monitor->nsid);
	return request(monitor, nlh, take_link, monitor);
}

/* The id an RTM_*NSID message is about, or NSID_HOME. */
static int read_nsid(const struct nlmsghdr *nlh)
{
	uint32_t nsid = (uint32_t)NSID_HOME;

	(void)find_u32(nlh, sizeof(struct rtgenmsg), NETNSA_NSID, &nsid);
	return (int)nsid;
}

static int take_home_nsid(const struct nlmsghdr *nlh, void *data)
{
	struct link_monitor *monitor = data;

	monitor->home_nsid = read_nsid(nlh);
	return MNL_CB_OK;
}

/* Under older Linux messages from home carry an id too if home has one for itself. */
static int ask_home_nsid(struct link_monitor *monitor)
{
	alignas(struct nlmsghdr) char buf[REQUEST_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = RTM_GETNSID;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct rtgenmsg));
	mnl_attr_put_u32(nlh, NETNSA_PID, (uint32_t)getpid());
	return request(monitor, nlh, take_home_nsid, monitor);
}

static struct mnl_socket *open_socket(void)
{
	struct mnl_socket *sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

	if (sock != NULL && mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		int error = errno;

		mnl_socket_close(sock);
		errno = error;
		return NULL;
	}
	return sock;
}

static int subscribe(struct mnl_socket *sock)
{
	static const int groups[] = {RTNLGRP_LINK, RTNLGRP_NSID, RTNLGRP_IPV4_IFADDR,
		RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE};
	const int fd = mnl_socket_get_fd(sock);
	int on = 1, size = RECEIVE_BUFFER;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	(void)mnl_socket_setsockopt(sock, NETLINK_LISTEN_ALL_NSID, &on, sizeof(on));
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(sock, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			return -errno;
	}
	return 0;
}

static int start(struct link_monitor *monitor)
{
	int r;

	monitor->requests = open_socket();
	monitor->events = monitor->requests == NULL ? NULL : open_socket();
	if (monitor->events == NULL)
		return -errno;
	r = subscribe(monitor->events);
	if (r == 0)
		r = ask_home_nsid(monitor);
	return r == 0 ? refresh(monitor) : r;
}

struct link_monitor *link_monitor_new(unsigned ifindex)
{
	struct link_monitor *monitor = calloc(1, sizeof(*monitor));
	int r;

	if (monitor == NULL)
		return NULL;
	monitor->ifindex = ifindex;
	monitor->nsid = monitor->home_nsid = NSID_HOME;
	r = ifindex == 0 ? -ENODEV : start(monitor);
	if (r < 0) {
		link_monitor_free(monitor);
		errno = -r;
		return NULL;
	}
	return monitor;
}

void link_monitor_free(struct link_monitor *monitor)
{
	if (monitor == NULL)
		return;
	if (monitor->events != NULL)
		mnl_socket_close(monitor->events);
	if (monitor->requests != NULL)
		mnl_socket_close(monitor->requests);
	free(monitor);
}

int link_monitor_fd(const struct link_monitor *monitor)
{
	return mnl_socket_get_fd(monitor->events);
}

struct link_state link_monitor_state(const struct link_monitor *monitor)
{
	return monitor->state;
}

static void on_link(struct link_monitor *monitor, const struct nlmsghdr *nlh, int nsid)
{
	const struct link_message link = read_link(nlh);

	if (link.ifindex != monitor->ifindex)
		return;
	if (monitor->nsid == NSID_TRANSIT && nlh->nlmsg_type == RTM_NEWLINK &&
		link.type == monitor->type)
		monitor->nsid = nsid;
	if (nsid != monitor->nsid)
		return;
	if (nlh->nlmsg_type == RTM_NEWLINK) {
		(void)take_link(nlh, monitor);
	} else if (link.moved) {
		/* The new id is one of the namespace it leaves. Only home's ids mean something to
		 * us; for others the RTM_NEWLINK that the kernel sends next, from where it came to,
		 * tells us our own id of that place. */
		monitor->nsid = nsid == NSID_HOME ? (int)link.new_nsid : NSID_TRANSIT;
		if (link.new_ifindex != 0)
			monitor->ifindex = link.new_ifindex;
		monitor->state.up = false;
	} else {
		monitor->state.up = false;
		monitor->state.gone = true;
	}
}

static void on_message(
	struct link_monitor *monitor, const struct nlmsghdr *nlh, int nsid, bool *routes_changed)
{
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		/* Other families tell of bridge ports and the like. */
		if (((const struct ifinfomsg *)mnl_nlmsg_get_payload(nlh))->ifi_family == AF_UNSPEC)
			on_link(monitor, nlh, nsid);
		break;
	case RTM_NEWNSID:
		(void)ask_home_nsid(monitor);
		break;
	case RTM_DELNSID:
		/* A namespace that dies takes the interface along without an RTM_DELLINK. */
		if (nsid == NSID_HOME && monitor->nsid >= 0 && read_nsid(nlh) == monitor->nsid) {
			monitor->state.up = false;
			monitor->state.gone = true;
		}
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		*routes_changed |= nsid == NSID_HOME;
		break;
	}
}

/* The namespace a datagram of events came from. */
static int message_nsid(const struct link_monitor *monitor, struct msghdr *header)
{
	int nsid = NSID_HOME;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level == SOL_NETLINK && c->cmsg_type == NETLINK_LISTEN_ALL_NSID)
			memcpy(&nsid, CMSG_DATA(c), sizeof(nsid));
	}
	return nsid == monitor->home_nsid ? NSID_HOME : nsid;
}

static int on_overrun(struct link_monitor *monitor, bool *routes_changed)
{
	int r = ask_home_nsid(monitor);

	*routes_changed = true;
	if (r == 0)
		r = refresh(monitor);
	if (r == -ENODEV) {
		monitor->state.up = false;
		monitor->state.gone = true;
	}
	/* Elsewhere we may not be allowed to ask. */
	return r == -ENODEV || monitor->nsid != NSID_HOME ? 0 : r;
}

/* Take in one datagram of events. Returns 1, or 0 when there is none, or a negative errno. */
static int dispatch_one(struct link_monitor *monitor, bool *routes_changed)
{
	alignas(struct nlmsghdr) char buf[MESSAGE_MAX];
	alignas(struct cmsghdr) char control[128];
	struct sockaddr_nl sender = {0};
	struct iovec iovec = {buf, sizeof(buf)};
	struct msghdr header = {.msg_name = &sender,
		.msg_namelen = sizeof(sender),
		.msg_iov = &iovec,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(link_monitor_fd(monitor), &header, MSG_DONTWAIT);
	int nsid, left = (int)n, r = 0;

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0 && errno != ENOBUFS && errno != EINTR)
		return -errno;
	if ((n < 0 && errno == ENOBUFS) || header.msg_flags & MSG_TRUNC)
		r = on_overrun(monitor, routes_changed);
	if (n < 0 || header.msg_flags & MSG_TRUNC || sender.nl_pid != 0)
		return r < 0 ? r : 1;
	nsid = message_nsid(monitor, &header);
	for (struct nlmsghdr *nlh = (void *)buf; mnl_nlmsg_ok(nlh, left);
		nlh = mnl_nlmsg_next(nlh, &left))
		on_message(monitor, nlh, nsid, routes_changed);
	return 1;
}

int link_monitor_dispatch(struct link_monitor *monitor, bool *ret_routes_changed)
{
	bool routes_changed = false;
	int r = 1;

	for (int i = 0; i < DISPATCH_MAX && r > 0; i++)
		r = dispatch_one(monitor, &routes_changed);
	if (r < 0)
		return r;
	if (ret_routes_changed != NULL)
		*ret_routes_changed = routes_changed;
	return 0;
}

static int take_route(const struct nlmsghdr *nlh, void *data)
{
	(void)find_u32(nlh, sizeof(struct rtmsg), RTA_OIF, data);
	return MNL_CB_OK;
}

int link_route_ifindex(struct link_monitor *monitor, const struct endpoint *endpoint,
	bool with_source, uint32_t fwmark)
{
	static const uint8_t none[16];
	alignas(struct nlmsghdr) char buf[REQUEST_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	const uint8_t bits = (uint8_t)address_bits(endpoint->family);
	struct rtmsg route = {.rtm_family = (uint8_t)endpoint->family, .rtm_dst_len = bits};
	uint32_t ifindex = 0;
	int r;

	if (memcmp(endpoint->local, none, sizeof(none)) == 0)
		with_source = false;
	route.rtm_src_len = with_source ? bits : 0;
	nlh->nlmsg_type = RTM_GETROUTE;
	memcpy(mnl_nlmsg_put_extra_header(nlh, sizeof(route)), &route, sizeof(route));
	mnl_attr_put(nlh, RTA_DST, bits / 8, endpoint->addr);
	if (with_source)
		mnl_attr_put(nlh, RTA_SRC, bits / 8, endpoint->local);
	if (fwmark != 0)
		mnl_attr_put_u32(nlh, RTA_MARK, fwmark);
	if (endpoint->scope_id != 0)
		mnl_attr_put_u32(nlh, RTA_OIF, endpoint->scope_id);
	r = request(monitor, nlh, take_route, &ifindex);
	if (r < 0)
		return r;
	return ifindex > 0 ? (int)ifindex : -ENETUNREACH;
}

int link_set_down(struct link_monitor *monitor)
{
	alignas(struct nlmsghdr) char buf[REQUEST_MAX];

	if (monitor->nsid != NSID_HOME)
		return -EOPNOTSUPP;
	return request(monitor,
		put_link_request(
			monitor, buf, RTM_NEWLINK, (struct ifinfomsg){.ifi_change = IFF_UP}),
		NULL, NULL);
}

int link_set_mtu(struct link_monitor *monitor, uint32_t mtu)
{
	alignas(struct nlmsghdr) char buf[REQUEST_MAX];
	struct nlmsghdr *nlh;

	if (monitor->nsid != NSID_HOME)
		return -EOPNOTSUPP;
	nlh = put_link_request(monitor, buf, RTM_NEWLINK, (struct ifinfomsg){0});
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	return request(monitor, nlh, NULL, NULL);
}

int link_refuse_link_local(struct link_monitor *monitor)
{
	alignas(struct nlmsghdr) char buf[REQUEST_MAX];
	struct nlmsghdr *nlh = put_link_request(monitor, buf, RTM_NEWLINK, (struct ifinfomsg){0});
	struct nlattr *families = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *ipv6 = mnl_attr_nest_start(nlh, AF_INET6);

	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, ipv6);
	mnl_attr_nest_end(nlh, families);
	return request(monitor, nlh, NULL, NULL);
}
