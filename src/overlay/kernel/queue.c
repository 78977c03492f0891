/* SPDX-License-Identifier: MIT
 *
 * NFQUEUE by libmnl, the rules by libnftables.
 */
#include "overlay/kernel/queue.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <nftables/libnftables.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	HELD_MAX = 512,
	COPY_LEN = 64, /* of each packet: its IP header */
	MESSAGE_MAX = 8192,
	NUMBER_MASK = 0xffff,
};
#define HOLD_NS (5 * SECOND_NS)

struct held {
	uint32_t id; /* of the packet in the queue; in network order */
	struct prefix address;
	uint64_t until_ns;
};

struct queue {
	struct mnl_socket *socket;
	struct nft_ctx *nft;
	char ifname[IFNAMSIZ];
	uint16_t number;
	bool is_watched;
	unsigned num_held;
	struct held held[HELD_MAX]; /* in the order they came */
};

/* What a peer has passes; what was refused is answered; what has no peer is ours. */
#define RULES                                                                                      \
	"add table inet adit-kernel-%1$s\n"                                                        \
	"delete table inet adit-kernel-%1$s\n"                                                     \
	"table inet adit-kernel-%1$s {\n"                                                          \
	"  set peers4 { type ipv4_addr; flags interval; }\n"                                       \
	"  set peers6 { type ipv6_addr; flags interval; }\n"                                       \
	"  set refused4 { type ipv4_addr; flags timeout; timeout 5s; }\n"                          \
	"  set refused6 { type ipv6_addr; flags timeout; timeout 5s; }\n"                          \
	"  chain decide {\n"                                                                       \
	"    ip daddr @peers4 accept\n"                                                            \
	"    ip6 daddr @peers6 accept\n"                                                           \
	"    ip daddr { 224.0.0.0/4, 255.255.255.255 } accept\n"                                   \
	"    ip6 daddr { fe80::/10, ff00::/8 } accept\n"                                           \
	"    ip daddr @refused4 reject with icmpx type admin-prohibited\n"                         \
	"    ip6 daddr @refused6 reject with icmpx type admin-prohibited\n"                        \
	"    queue num %2$u\n"                                                                     \
	"  }\n"                                                                                    \
	"  chain output { type filter hook output priority 0; oifname \"%1$s\" jump decide; }\n"   \
	"  chain forward { type filter hook forward priority 0; oifname \"%1$s\" jump decide; }\n" \
	"}\n"

/* --- nftables -------------------------------------------------------- */

static int nft(struct queue *queue, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int nft(struct queue *queue, const char *format, ...)
{
	char *text;
	va_list args;
	int r;

	va_start(args, format);
	r = vasprintf(&text, format, args);
	va_end(args);
	if (r < 0)
		return -ENOMEM;
	errno = 0;
	r = nft_run_cmd_from_buffer(queue->nft, text) == 0 ? 0 : errno ? -errno : -EINVAL;
	if (r < 0)
		log_error("%s: nftables: %s", queue->ifname, nft_ctx_get_error_buffer(queue->nft));
	free(text);
	return r;
}

/* Add an element to a set, or delete it; the set's name ends with 4 or 6. */
static int change_set(
	struct queue *queue, const char *verb, const char *set, const struct prefix *prefix)
{
	char text[PREFIX_TEXT_LEN];

	prefix_to_text(text, prefix);
	if (prefix->cidr == address_bits(prefix->family))
		*strchr(text, '/') = '\0';
	return nft(queue, "%s element inet adit-kernel-%s %s%c { %s }\n", verb, queue->ifname, set,
		prefix->family == AF_INET ? '4' : '6', text);
}

/* --- NFQUEUE --------------------------------------------------------- */

static struct nlmsghdr *put_queue_message(const struct queue *queue, void *buf, uint16_t type)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *generic = mnl_nlmsg_put_extra_header(nlh, sizeof(*generic));

	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_QUEUE << 8 | type);
	nlh->nlmsg_flags = NLM_F_REQUEST;
	generic->version = NFNETLINK_V0;
	generic->res_id = htons(queue->number);
	return nlh;
}

static int send_message(const struct queue *queue, const struct nlmsghdr *nlh)
{
	return mnl_socket_sendto(queue->socket, nlh, nlh->nlmsg_len) < 0 ? -errno : 0;
}

static int bind_queue(struct queue *queue)
{
	alignas(struct nlmsghdr) char buf[256];
	const struct nfqnl_msg_config_cmd command = {.command = NFQNL_CFG_CMD_BIND};
	const struct nfqnl_msg_config_params params = {
		.copy_range = htonl(COPY_LEN), .copy_mode = NFQNL_COPY_PACKET};
	struct nlmsghdr *nlh = put_queue_message(queue, buf, NFQNL_MSG_CONFIG);

	nlh->nlmsg_flags |= NLM_F_ACK;
	mnl_attr_put(nlh, NFQA_CFG_CMD, sizeof(command), &command);
	mnl_attr_put(nlh, NFQA_CFG_PARAMS, sizeof(params), &params);
	mnl_attr_put_u32(nlh, NFQA_CFG_QUEUE_MAXLEN, htonl(HELD_MAX));
	if (send_message(queue, nlh) < 0)
		return -errno;
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(queue->socket, buf, sizeof(buf));

		if (n >= 0)
			return mnl_cb_run(buf, (size_t)n, 0, 0, NULL, NULL) < 0 ? -errno : 0;
		if (errno != EINTR)
			return -errno;
	}
}

static void decide(struct queue *queue, uint32_t id, uint32_t verdict)
{
	alignas(struct nlmsghdr) char buf[128];
	const struct nfqnl_msg_verdict_hdr header = {.verdict = htonl(verdict), .id = id};
	struct nlmsghdr *nlh = put_queue_message(queue, buf, NFQNL_MSG_VERDICT);

	mnl_attr_put(nlh, NFQA_VERDICT_HDR, sizeof(header), &header);
	(void)!send_message(queue, nlh); /* else it waits until the queue goes */
}

bool queue_prefix_has(const struct prefix *prefix, const struct prefix *address)
{
	unsigned bytes = prefix->cidr / 8, rest = prefix->cidr % 8;

	return prefix->family == address->family &&
	       memcmp(prefix->addr, address->addr, bytes) == 0 &&
	       (rest == 0 || ((prefix->addr[bytes] ^ address->addr[bytes]) >> (8 - rest)) == 0);
}

/* Decide all that is held for a prefix; those that are over when the prefix is NULL. */
static void decide_held(
	struct queue *queue, const struct prefix *prefix, uint32_t verdict, uint64_t now_ns)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < queue->num_held; i++) {
		const struct held *held = &queue->held[i];

		if (prefix ? queue_prefix_has(prefix, &held->address) : held->until_ns <= now_ns)
			decide(queue, held->id, verdict);
		else
			queue->held[kept++] = *held;
	}
	queue->num_held = kept;
}

/* Where a packet wants to go. Returns whether it is an IP packet. */
static bool read_destination(const uint8_t *data, size_t len, struct prefix *ret_address)
{
	struct prefix address = {0};

	if (len >= 20 && data[0] >> 4 == 4) {
		address.family = AF_INET;
		memcpy(address.addr, data + 16, 4);
	} else if (len >= 40 && data[0] >> 4 == 6) {
		address.family = AF_INET6;
		memcpy(address.addr, data + 24, 16);
	} else {
		return false;
	}
	address.cidr = (uint8_t)address_bits(address.family);
	*ret_address = address;
	return true;
}

struct queued {
	const struct nfqnl_msg_packet_hdr *header;
	const uint8_t *data;
	size_t len;
};

static int take_attribute(const struct nlattr *attr, void *data)
{
	struct queued *queued = data;

	if (mnl_attr_get_type(attr) == NFQA_PACKET_HDR &&
		mnl_attr_get_payload_len(attr) >= sizeof(*queued->header))
		queued->header = mnl_attr_get_payload(attr);
	if (mnl_attr_get_type(attr) == NFQA_PAYLOAD) {
		queued->data = mnl_attr_get_payload(attr);
		queued->len = mnl_attr_get_payload_len(attr);
	}
	return MNL_CB_OK;
}

static bool is_held(const struct queue *queue, const struct prefix *address)
{
	for (unsigned i = 0; i < queue->num_held; i++) {
		if (queue_prefix_has(&queue->held[i].address, address))
			return true;
	}
	return false;
}

int queue_next(struct queue *queue, struct prefix *ret_address)
{
	alignas(struct nlmsghdr) char buf[MESSAGE_MAX];
	ssize_t n = recv(mnl_socket_get_fd(queue->socket), buf, sizeof(buf), MSG_DONTWAIT);
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
	struct queued queued = {0};
	struct held held = {0};
	bool is_new;

	if (n < 0)
		return errno == ENOBUFS || errno == EINTR ? 0 : -errno;
	if (!mnl_nlmsg_ok(nlh, (int)n) ||
		nlh->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET))
		return 0;
	mnl_attr_parse(nlh, sizeof(struct nfgenmsg), take_attribute, &queued);
	if (!queued.header)
		return 0;
	held.id = queued.header->packet_id;
	held.until_ns = clock_ns(CLOCK_BOOTTIME) + HOLD_NS;
	if (!queue->is_watched || !read_destination(queued.data, queued.len, &held.address) ||
		queue->num_held == HELD_MAX) {
		decide(queue, held.id, NF_ACCEPT);
		return 0;
	}
	is_new = !is_held(queue, &held.address);
	queue->held[queue->num_held++] = held;
	if (is_new)
		*ret_address = held.address;
	return is_new;
}

/* --- from outside ---------------------------------------------------- */

int queue_new(const char ifname[IFNAMSIZ], struct queue **ret_queue)
{
	struct queue *queue = calloc(1, sizeof(*queue));
	int r = -ENOMEM;

	if (!queue)
		return r;
	snprintf(queue->ifname, sizeof(queue->ifname), "%s", ifname);
	queue->number = if_nametoindex(ifname) & NUMBER_MASK;
	queue->nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (queue->nft) {
		nft_ctx_buffer_output(queue->nft);
		nft_ctx_buffer_error(queue->nft);
		queue->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
		r = queue->socket && mnl_socket_bind(queue->socket, 0, MNL_SOCKET_AUTOPID) == 0
			    ? bind_queue(queue)
			    : -errno;
	}
	if (r == 0)
		r = nft(queue, RULES, ifname, (unsigned)queue->number);
	if (r < 0) {
		queue_free(queue);
		return r;
	}
	*ret_queue = queue;
	return 0;
}

void queue_free(struct queue *queue)
{
	if (!queue)
		return;
	if (queue->nft) {
		(void)!nft(queue, "delete table inet adit-kernel-%s\n", queue->ifname);
		nft_ctx_free(queue->nft);
	}
	if (queue->socket)
		mnl_socket_close(queue->socket);
	free(queue);
}

int queue_fd(const struct queue *queue)
{
	return mnl_socket_get_fd(queue->socket);
}

void queue_watch(struct queue *queue, bool on)
{
	queue->is_watched = on;
	if (!on)
		decide_held(queue, NULL, NF_ACCEPT, UINT64_MAX);
}

int queue_add_peer(struct queue *queue, const struct prefix *prefix)
{
	int r = change_set(queue, "add", "peers", prefix);

	if (r == 0)
		queue_pass(queue, prefix);
	return r;
}

void queue_pass(struct queue *queue, const struct prefix *prefix)
{
	decide_held(queue, prefix, NF_ACCEPT, 0);
}

int queue_remove_peer(struct queue *queue, const struct prefix *prefix)
{
	return change_set(queue, "delete", "peers", prefix);
}

int queue_refuse(struct queue *queue, const struct prefix *address)
{
	int r = change_set(queue, "add", "refused", address);

	decide_held(queue, address, r == 0 ? NF_REPEAT : NF_DROP, 0);
	return r;
}

int queue_expire(struct queue *queue)
{
	uint64_t now_ns = clock_ns(CLOCK_BOOTTIME);

	decide_held(queue, NULL, NF_DROP, now_ns);
	if (queue->num_held == 0)
		return -1;
	return (int)((queue->held[0].until_ns - now_ns) / MSEC_NS) + 1;
}
