/* SPDX-License-Identifier: MIT
 *
 * The kernel's WireGuard by netlink: rtnetlink makes the interface, generic netlink configures it.
 * Messages hold keys: their buffers are wiped.
 */
#include "overlay/kernel/device.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>
#include <linux/time_types.h>
#include <linux/wireguard.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	MESSAGE_MAX = 32768,
	PEER_MAX = MESSAGE_MAX - 1024, /* what one peer may take of a message */
	ATTRIBUTES_MAX = 16,
};
static_assert(WGDEVICE_A_MAX < ATTRIBUTES_MAX && WGPEER_A_MAX < ATTRIBUTES_MAX,
	"newer headers have more attributes");

struct device {
	struct mnl_socket *generic;
	uint16_t family;
	uint32_t seq;
	char ifname[IFNAMSIZ];
};

/* Send a request and take in its answers until the kernel acknowledges it. The request is wiped. */
static int request(struct mnl_socket *socket, uint32_t seq, struct nlmsghdr *nlh, uint16_t flags,
	mnl_cb_t callback, void *data)
{
	alignas(struct nlmsghdr) char buf[MESSAGE_MAX];
	ssize_t n;
	int r;

	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	nlh->nlmsg_seq = seq;
	n = mnl_socket_sendto(socket, nlh, nlh->nlmsg_len);
	r = n < 0 ? -errno : MNL_CB_OK;
	wipe(nlh, nlh->nlmsg_len);
	while (r > MNL_CB_STOP) {
		n = mnl_socket_recvfrom(socket, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		r = n < 0 ? -1
			  : mnl_cb_run(buf, (size_t)n, seq, mnl_socket_get_portid(socket), callback,
				    data);
		if (r < 0)
			r = -errno;
	}
	wipe(buf, sizeof(buf));
	return r < 0 ? r : 0;
}

static struct mnl_socket *open_socket(int bus)
{
	struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC);

	if (socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		mnl_socket_close(socket);
		return NULL;
	}
	return socket;
}

/* --- the interface --------------------------------------------------- */

/* Make the interface (RTM_NEWLINK) or remove it (RTM_DELLINK). */
static int change_link(const char *ifname, uint16_t type)
{
	alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct mnl_socket *socket;
	struct nlattr *info;
	int r;

	nlh->nlmsg_type = type;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, ifname);
	if (type == RTM_NEWLINK) {
		info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
		mnl_attr_put_strz(nlh, IFLA_INFO_KIND, WG_GENL_NAME);
		mnl_attr_nest_end(nlh, info);
	}
	socket = open_socket(NETLINK_ROUTE);
	if (!socket)
		return -errno;
	r = request(socket, 1, nlh,
		(uint16_t)(NLM_F_ACK | (type == RTM_NEWLINK ? NLM_F_CREATE | NLM_F_EXCL : 0)), NULL,
		NULL);
	mnl_socket_close(socket);
	return r;
}

static int take_family_id(const struct nlattr *attr, void *data)
{
	if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
		*(uint16_t *)data = mnl_attr_get_u16(attr);
	return MNL_CB_OK;
}

static int take_family(const struct nlmsghdr *nlh, void *data)
{
	return mnl_attr_parse(nlh, sizeof(struct genlmsghdr), take_family_id, data);
}

static struct nlmsghdr *put_generic(void *buf, uint16_t family, uint8_t command, uint8_t version)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *generic = mnl_nlmsg_put_extra_header(nlh, sizeof(*generic));

	nlh->nlmsg_type = family;
	generic->cmd = command;
	generic->version = version;
	return nlh;
}

static int find_family(struct device *device)
{
	alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *nlh = put_generic(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);

	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
	return request(
		device->generic, ++device->seq, nlh, NLM_F_ACK, take_family, &device->family);
}

int device_new(const char ifname[IFNAMSIZ], struct device **ret_device)
{
	struct device *device = calloc(1, sizeof(*device));
	int r;

	if (!device)
		return -ENOMEM;
	snprintf(device->ifname, sizeof(device->ifname), "%s", ifname);
	r = change_link(ifname, RTM_NEWLINK);
	if (r < 0) {
		free(device);
		return r;
	}
	device->generic = open_socket(NETLINK_GENERIC);
	r = device->generic ? find_family(device) : -errno;
	if (r < 0) {
		device_free(device);
		return r;
	}
	*ret_device = device;
	return 0;
}

void device_free(struct device *device)
{
	if (!device)
		return;
	(void)!change_link(device->ifname, RTM_DELLINK); /* somebody else may have removed it */
	if (device->generic)
		mnl_socket_close(device->generic);
	free(device);
}

/* --- set ------------------------------------------------------------- */

static void put_endpoint(struct nlmsghdr *nlh, const struct endpoint *endpoint)
{
	if (endpoint->family == AF_INET) {
		struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};

		memcpy(&v4.sin_addr, endpoint->addr, sizeof(v4.sin_addr));
		mnl_attr_put(nlh, WGPEER_A_ENDPOINT, sizeof(v4), &v4);
	} else if (endpoint->family == AF_INET6) {
		struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
			.sin6_port = htons(endpoint->port),
			.sin6_scope_id = endpoint->scope_id};

		memcpy(&v6.sin6_addr, endpoint->addr, sizeof(v6.sin6_addr));
		mnl_attr_put(nlh, WGPEER_A_ENDPOINT, sizeof(v6), &v6);
	}
}

static void put_allowed_ip(struct nlmsghdr *nlh, const struct prefix *prefix)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, 0);

	mnl_attr_put_u16(nlh, WGALLOWEDIP_A_FAMILY, prefix->family);
	mnl_attr_put(nlh, WGALLOWEDIP_A_IPADDR, address_bits(prefix->family) / 8, prefix->addr);
	mnl_attr_put_u8(nlh, WGALLOWEDIP_A_CIDR_MASK, prefix->cidr);
	mnl_attr_nest_end(nlh, nest);
}

/* Put a peer with its allowed IPs from *at on, as many as fit; *at is moved on. */
static void put_peer(struct nlmsghdr *nlh, const struct config_peer *peer, size_t *at)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, 0), *ips;
	uint32_t flags = 0;

	mnl_attr_put(nlh, WGPEER_A_PUBLIC_KEY, KEY_LEN, peer->public_key);
	if (peer->flags & CONFIG_PEER_REMOVE)
		flags |= WGPEER_F_REMOVE_ME;
	if (peer->flags & CONFIG_PEER_UPDATE_ONLY)
		flags |= WGPEER_F_UPDATE_ONLY;
	if (*at == 0) {
		if (peer->flags & CONFIG_PEER_REPLACE_ALLOWED_IPS)
			flags |= WGPEER_F_REPLACE_ALLOWEDIPS;
		if (peer->flags & CONFIG_PEER_HAS_PRESHARED_KEY)
			mnl_attr_put(nlh, WGPEER_A_PRESHARED_KEY, KEY_LEN, peer->preshared_key);
		if (peer->flags & CONFIG_PEER_HAS_KEEPALIVE)
			mnl_attr_put_u16(
				nlh, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, peer->keepalive_s);
		put_endpoint(nlh, &peer->endpoint);
	}
	mnl_attr_put_u32(nlh, WGPEER_A_FLAGS, flags);
	ips = mnl_attr_nest_start(nlh, WGPEER_A_ALLOWEDIPS);
	while (*at < peer->num_allowed_ips && nlh->nlmsg_len < PEER_MAX)
		put_allowed_ip(nlh, &peer->allowed_ips[(*at)++].prefix);
	mnl_attr_nest_end(nlh, ips);
	mnl_attr_nest_end(nlh, nest);
}

static struct nlmsghdr *put_set(struct device *device, void *buf)
{
	struct nlmsghdr *nlh = put_generic(buf, device->family, WG_CMD_SET_DEVICE, WG_GENL_VERSION);

	mnl_attr_put_strz(nlh, WGDEVICE_A_IFNAME, device->ifname);
	return nlh;
}

static int send_set(struct device *device, struct nlmsghdr *nlh)
{
	return request(device->generic, ++device->seq, nlh, NLM_F_ACK, NULL, NULL);
}

static int set_peer(struct device *device, const struct config_peer *peer)
{
	alignas(struct nlmsghdr) char buf[MESSAGE_MAX];
	size_t at = 0;
	int r;

	do {
		struct nlmsghdr *nlh = put_set(device, buf);
		struct nlattr *peers = mnl_attr_nest_start(nlh, WGDEVICE_A_PEERS);

		put_peer(nlh, peer, &at);
		mnl_attr_nest_end(nlh, peers);
		r = send_set(device, nlh);
	} while (r == 0 && at < peer->num_allowed_ips);
	return r;
}

int device_set(struct device *device, const struct config *config)
{
	alignas(struct nlmsghdr) char buf[512];
	struct nlmsghdr *nlh = put_set(device, buf);
	int r;

	if (config->flags & CONFIG_HAS_PRIVATE_KEY)
		mnl_attr_put(nlh, WGDEVICE_A_PRIVATE_KEY, KEY_LEN, config->private_key);
	if (config->flags & CONFIG_HAS_LISTEN_PORT)
		mnl_attr_put_u16(nlh, WGDEVICE_A_LISTEN_PORT, config->listen_port);
	if (config->flags & CONFIG_HAS_FWMARK)
		mnl_attr_put_u32(nlh, WGDEVICE_A_FWMARK, config->fwmark);
	if (config->flags & CONFIG_REPLACE_PEERS)
		mnl_attr_put_u32(nlh, WGDEVICE_A_FLAGS, WGDEVICE_F_REPLACE_PEERS);
	r = send_set(device, nlh);
	for (size_t i = 0; r == 0 && i < config->num_peers; i++)
		r = set_peer(device, &config->peers[i]);
	return r;
}

/* --- get ------------------------------------------------------------- */

struct attributes {
	const struct nlattr *of[ATTRIBUTES_MAX];
};

static int take_attribute(const struct nlattr *attr, void *data)
{
	struct attributes *attributes = data;

	if (mnl_attr_get_type(attr) < ATTRIBUTES_MAX)
		attributes->of[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

/* The payload of an attribute, if it has at least so many bytes. */
static const void *payload(const struct attributes *attributes, unsigned type, size_t len)
{
	const struct nlattr *attr = attributes->of[type];

	return attr && mnl_attr_get_payload_len(attr) >= len ? mnl_attr_get_payload(attr) : NULL;
}

/* Copy an attribute of just this size, if it is there. */
static bool copy(const struct attributes *attributes, unsigned type, void *ret_value, size_t len)
{
	const void *data = payload(attributes, type, len);

	if (data)
		memcpy(ret_value, data, len);
	return data;
}

static void read_endpoint(const struct attributes *attributes, struct endpoint *endpoint)
{
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	if (copy(attributes, WGPEER_A_ENDPOINT, &v6, sizeof(v6)) && v6.sin6_family == AF_INET6) {
		*endpoint = (struct endpoint){.family = AF_INET6,
			.port = ntohs(v6.sin6_port),
			.scope_id = v6.sin6_scope_id};
		memcpy(endpoint->addr, &v6.sin6_addr, sizeof(v6.sin6_addr));
	} else if (copy(attributes, WGPEER_A_ENDPOINT, &v4, sizeof(v4)) &&
		   v4.sin_family == AF_INET) {
		*endpoint = (struct endpoint){.family = AF_INET, .port = ntohs(v4.sin_port)};
		memcpy(endpoint->addr, &v4.sin_addr, sizeof(v4.sin_addr));
	}
}

static int take_allowed_ip(const struct nlattr *attr, void *data)
{
	struct attributes attributes = {0};
	struct prefix prefix = {0};

	mnl_attr_parse_nested(attr, take_attribute, &attributes);
	if (!copy(&attributes, WGALLOWEDIP_A_FAMILY, &prefix.family, sizeof(prefix.family)) ||
		!copy(&attributes, WGALLOWEDIP_A_CIDR_MASK, &prefix.cidr, 1) ||
		!prefix_is_valid(&prefix) ||
		!copy(&attributes, WGALLOWEDIP_A_IPADDR, prefix.addr,
			address_bits(prefix.family) / 8))
		return MNL_CB_OK;
	if (config_peer_add_allowed_ip(data, &prefix, false) < 0) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	return MNL_CB_OK;
}

static void read_peer(const struct attributes *attributes, struct config_peer *peer)
{
	struct __kernel_timespec handshake = {0};

	read_endpoint(attributes, &peer->endpoint);
	if (copy(attributes, WGPEER_A_PRESHARED_KEY, peer->preshared_key, KEY_LEN) &&
		!bytes_are_zero(peer->preshared_key, KEY_LEN))
		peer->flags |= CONFIG_PEER_HAS_PRESHARED_KEY;
	if (copy(attributes, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, &peer->keepalive_s,
		    sizeof(peer->keepalive_s)) &&
		peer->keepalive_s != 0)
		peer->flags |= CONFIG_PEER_HAS_KEEPALIVE;
	(void)copy(attributes, WGPEER_A_LAST_HANDSHAKE_TIME, &handshake, sizeof(handshake));
	peer->last_handshake_s = (uint64_t)handshake.tv_sec;
	peer->last_handshake_ns = (uint32_t)handshake.tv_nsec;
	(void)copy(attributes, WGPEER_A_RX_BYTES, &peer->rx_bytes, sizeof(peer->rx_bytes));
	(void)copy(attributes, WGPEER_A_TX_BYTES, &peer->tx_bytes, sizeof(peer->tx_bytes));
}

/* A peer with many allowed IPs comes in pieces, one after the other. */
static int take_peer(const struct nlattr *attr, void *data)
{
	struct config *config = data;
	struct attributes attributes = {0};
	struct config_peer *peer = config->num_peers ? &config->peers[config->num_peers - 1] : NULL;
	const uint8_t *key;
	int r = MNL_CB_OK;

	mnl_attr_parse_nested(attr, take_attribute, &attributes);
	key = payload(&attributes, WGPEER_A_PUBLIC_KEY, KEY_LEN);
	if (!key)
		return MNL_CB_OK;
	if (!peer || memcmp(peer->public_key, key, KEY_LEN) != 0) {
		peer = config_add_peer(config);
		if (!peer) {
			errno = ENOMEM;
			return MNL_CB_ERROR;
		}
		memcpy(peer->public_key, key, KEY_LEN);
		read_peer(&attributes, peer);
	}
	if (attributes.of[WGPEER_A_ALLOWEDIPS])
		r = mnl_attr_parse_nested(
			attributes.of[WGPEER_A_ALLOWEDIPS], take_allowed_ip, peer);
	return r;
}

static int take_device(const struct nlmsghdr *nlh, void *data)
{
	struct config *config = data;
	struct attributes attributes = {0};

	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), take_attribute, &attributes);
	if (copy(&attributes, WGDEVICE_A_PRIVATE_KEY, config->private_key, KEY_LEN))
		config->flags |= CONFIG_HAS_PRIVATE_KEY;
	(void)copy(&attributes, WGDEVICE_A_PUBLIC_KEY, config->public_key, KEY_LEN);
	if (copy(&attributes, WGDEVICE_A_LISTEN_PORT, &config->listen_port,
		    sizeof(config->listen_port)))
		config->flags |= CONFIG_HAS_LISTEN_PORT;
	if (copy(&attributes, WGDEVICE_A_FWMARK, &config->fwmark, sizeof(config->fwmark)) &&
		config->fwmark != 0)
		config->flags |= CONFIG_HAS_FWMARK;
	if (!attributes.of[WGDEVICE_A_PEERS])
		return MNL_CB_OK;
	return mnl_attr_parse_nested(attributes.of[WGDEVICE_A_PEERS], take_peer, config);
}

int device_get(struct device *device, struct config *ret_config)
{
	alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *nlh = put_generic(buf, device->family, WG_CMD_GET_DEVICE, WG_GENL_VERSION);
	struct config config = {0};
	int r;

	mnl_attr_put_strz(nlh, WGDEVICE_A_IFNAME, device->ifname);
	snprintf(config.name, sizeof(config.name), "%s", device->ifname);
	r = request(device->generic, ++device->seq, nlh, NLM_F_DUMP, take_device, &config);
	if (r < 0) {
		config_deinit(&config);
		return r;
	}
	*ret_config = config;
	return 0;
}
