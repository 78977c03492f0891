/* SPDX-License-Identifier: MIT
 *
 * Which packets may become one: the conditions of the kernel's tcp_gro_receive and udp_gro_receive.
 */
#include "net/coalesce.h"

#include "base/checksum.h"
#include "net/segment.h"

enum {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
	TCP_ECE = 0x40,
	TCP_CWR = 0x80
};
enum { TCP_FLAGS = 13, TCP_CHECK = 16, UDP_HEADER = 8, UDP_CHECK = 6 };
enum { IPV4_DF = 0x4000, IPV4_MAYBE_DF_ONLY = 0xbfff };

enum {
	OPEN_RUNS_MAX = 16, /* how far back a flow is looked for */
	UDP_SEGMENTS_MAX = 64,
	COALESCED_MAX = 65535, /* bytes, with the IP header */
};

/* The IP header's length and protocol of a packet that may be joined at all: whole, without options
 * or extension headers, its header checksum right. 0: it may not. */
static uint16_t inspect_ip(const struct packet *packet, uint8_t *ret_protocol)
{
	const uint8_t *p = packet->data;

	if (packet->len >= 20 && p[0] == 0x45 && (load_be16(p + 6) & IPV4_MAYBE_DF_ONLY) == 0 &&
		checksum_fold(checksum_add(0, p, 20)) == UINT16_MAX) {
		*ret_protocol = p[9];
		return 20;
	}
	if (packet->len >= 40 && p[0] >> 4 == 6) {
		*ret_protocol = p[6];
		return 40;
	}
	return 0;
}

/* A packet as a run of its own to begin with; closed when nothing may follow it, and with protocol
 * 0 when it is no sound TCP or UDP packet. TCP and UDP checksums are not looked at: as in the
 * kernel's WireGuard, what arrived is what was sent, by the AEAD. */
static struct coalesced inspect(const struct packet *packet, bool with_tcp, bool with_udp)
{
	const struct coalesced alone = {.num = 1, .is_closed = true};
	struct coalesced run = alone;
	const uint8_t *transport;
	uint8_t protocol;

	run.ip_len = inspect_ip(packet, &protocol);
	if (run.ip_len == 0)
		return alone;
	transport = packet->data + run.ip_len;
	if (protocol == IPPROTO_TCP && packet->len >= run.ip_len + 20u) {
		run.header_len = (uint16_t)(run.ip_len + (transport[12] >> 4) * 4);
		if (run.header_len < run.ip_len + 20)
			return alone;
		run.is_closed =
			!with_tcp || (transport[TCP_FLAGS] & ~(TCP_CWR | TCP_ECE)) != TCP_ACK;
	} else if (protocol == IPPROTO_UDP && packet->len >= run.ip_len + 8u) {
		run.header_len = (uint16_t)(run.ip_len + UDP_HEADER);
		if (load_be16(transport + 4) != packet->len - run.ip_len ||
			load_be16(transport + UDP_CHECK) == 0)
			return alone;
		run.is_closed = !with_udp;
	} else {
		return alone;
	}
	if (run.header_len > packet->len)
		return alone;
	run.protocol = protocol;
	run.payload_len = packet->len - run.header_len;
	run.segment_size = run.payload_len;
	run.is_closed |= run.payload_len == 0;
	return run;
}

static bool same_flow(
	const struct coalesced *a, const uint8_t *p, const struct coalesced *b, const uint8_t *q)
{
	return a->protocol == b->protocol && a->ip_len == b->ip_len &&
	       memcmp(p + a->ip_len, q + b->ip_len, 4) == 0 &&
	       (a->ip_len == 20 ? memcmp(p + 12, q + 12, 8) == 0 : memcmp(p + 8, q + 8, 32) == 0);
}

/* Whether the IP headers differ only in what cutting restores. p is the first of num packets. */
static bool ip_continues(const uint8_t *p, const uint8_t *q, uint16_t ip_len, uint16_t num)
{
	uint16_t id, expected;

	if (ip_len == 40)
		return memcmp(p, q, 4) == 0 && p[7] == q[7]; /* class, flow label; hop limit */
	id = load_be16(q + 4);
	expected = (uint16_t)(load_be16(p + 4) + num);
	return p[1] == q[1] && p[8] == q[8] && memcmp(p + 6, q + 6, 2) == 0 && id == expected;
}

/* Whether packet q (seen as the run b) continues the run a, whose first packet is p. */
static bool continues(
	const struct coalesced *a, const uint8_t *p, const struct coalesced *b, const uint8_t *q)
{
	const uint8_t *t = p + a->ip_len, *u = q + b->ip_len;
	uint8_t flags = u[TCP_FLAGS];

	if (a->is_closed || a->header_len != b->header_len || b->payload_len == 0 ||
		b->payload_len > a->segment_size ||
		a->header_len + a->payload_len + b->payload_len > COALESCED_MAX ||
		!ip_continues(p, q, a->ip_len, a->num))
		return false;
	if (a->protocol == IPPROTO_UDP)
		return a->num < UDP_SEGMENTS_MAX;
	return (flags & (TCP_SYN | TCP_RST | TCP_URG | TCP_CWR)) == 0 &&
	       (flags | TCP_FIN | TCP_PSH | TCP_CWR) ==
		       (t[TCP_FLAGS] | TCP_FIN | TCP_PSH | TCP_CWR) &&
	       load_be32(u + 4) == load_be32(t + 4) + a->payload_len &&
	       memcmp(t + 8, u + 8, 5) == 0 &&	 /* acknowledgment, data offset */
	       memcmp(t + 14, u + 14, 2) == 0 && /* window */
	       memcmp(t + 18, u + 18, a->header_len - a->ip_len - 18u) == 0; /* and options */
}

/* Returns whether packet number i was added to a run. */
static bool append(
	struct coalescer *c, const struct batch *batch, uint16_t i, const struct coalesced *as_run)
{
	const uint8_t *q = batch->packets[i].data;
	unsigned end = c->num > OPEN_RUNS_MAX ? c->num - OPEN_RUNS_MAX : 0;

	for (unsigned r = c->num; r-- > end;) {
		struct coalesced *run = &c->runs[r];
		const uint8_t *p = batch->packets[run->first].data;

		if (!same_flow(run, p, as_run, q))
			continue;
		if (!continues(run, p, as_run, q))
			return false;
		c->next[run->last] = i;
		run->last = i;
		run->num++;
		run->payload_len += as_run->payload_len;
		/* a short segment, PSH and FIN are only restored at the end */
		run->is_closed = as_run->payload_len < run->segment_size ||
				 (run->protocol == IPPROTO_TCP &&
					 (q[run->ip_len + TCP_FLAGS] & (TCP_FIN | TCP_PSH)));
		return true;
	}
	return false;
}

static void close_all(struct coalescer *c)
{
	for (unsigned r = 0; r < c->num; r++)
		c->runs[r].is_closed = true;
}

void coalesce(struct coalescer *c, const struct batch *batch, bool with_tcp, bool with_udp)
{
	c->num = 0;
	for (uint16_t i = 0; i < batch->num; i++) {
		struct coalesced run = inspect(&batch->packets[i], with_tcp, with_udp);

		if (run.protocol && append(c, batch, i, &run))
			continue;
		if (!run.protocol)
			close_all(c); /* it may belong to any flow: nothing overtakes it */
		run.first = run.last = i;
		c->runs[c->num++] = run;
	}
}

void coalesce_finish(
	const struct coalesced *run, const struct batch *batch, struct virtio_net_hdr *ret_header)
{
	uint8_t *p = batch->packets[run->first].data, *transport = p + run->ip_len;
	const uint8_t *last = batch->packets[run->last].data + run->ip_len;
	size_t len = run->header_len + run->payload_len;
	bool is_udp = run->protocol == IPPROTO_UDP;
	uint16_t family = run->ip_len == 20 ? AF_INET : AF_INET6, sum;

	if (family == AF_INET) {
		store_be16(p + 2, (uint16_t)len);
		checksum_store_ipv4(p);
	} else {
		store_be16(p + 4, (uint16_t)(len - 40));
	}
	if (is_udp)
		store_be16(transport + 4, (uint16_t)(len - run->ip_len));
	else
		transport[TCP_FLAGS] |= last[TCP_FLAGS] & (TCP_FIN | TCP_PSH);
	/* the kernel finishes the checksum, if anybody asks: it begins with the pseudo header's */
	sum = checksum_fold(checksum_add_pseudo(0, p, family, run->protocol, len - run->ip_len));
	memcpy(transport + (is_udp ? UDP_CHECK : TCP_CHECK), &sum, sizeof(sum));
	*ret_header = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = is_udp		? VIRTIO_NET_HDR_GSO_UDP_L4
			    : family == AF_INET ? VIRTIO_NET_HDR_GSO_TCPV4
						: VIRTIO_NET_HDR_GSO_TCPV6,
		.hdr_len = run->header_len,
		.gso_size = (uint16_t)run->segment_size,
		.csum_start = run->ip_len,
		.csum_offset = is_udp ? UDP_CHECK : TCP_CHECK};
	if (!is_udp && (transport[TCP_FLAGS] & TCP_CWR))
		ret_header->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
}
