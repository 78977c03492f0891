/* SPDX-License-Identifier: MIT
 *
 * Cutting one offloaded packet into segments, as the kernel's tcp_gso_segment and
 * __udp_gso_segment would.
 */
#include "net/segment.h"

#include <errno.h>

#include "base/checksum.h"

enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80 };
enum { TCP_HEADER_MIN = 20, TCP_FLAGS = 13, TCP_CHECK = 16, UDP_HEADER = 8, UDP_CHECK = 6 };

int segmenter_init(struct segmenter *segmenter, const struct virtio_net_hdr *header,
	const uint8_t *packet, size_t len)
{
	struct segmenter s = {.packet = packet,
		.len = len,
		.ip_len = header->csum_start,
		.segment_size = header->gso_size};
	unsigned version = len ? packet[0] >> 4 : 0;
	size_t transport_min;

	switch (header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
	case VIRTIO_NET_HDR_GSO_TCPV6:
		s.protocol = IPPROTO_TCP;
		break;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		s.protocol = IPPROTO_UDP;
		break;
	default:
		return -EINVAL;
	}
	s.family = version == 4 ? AF_INET : AF_INET6;
	transport_min = s.protocol == IPPROTO_TCP ? TCP_HEADER_MIN : UDP_HEADER;
	if (s.segment_size == 0 || (version != 4 && version != 6) ||
		s.ip_len < (version == 4 ? 20 : 40) ||
		(version == 4 && ((packet[0] & 15) < 5 || s.ip_len < (packet[0] & 15) * 4u)) ||
		s.ip_len + transport_min > len)
		return -EINVAL;
	s.header_len = s.ip_len +
		       (s.protocol == IPPROTO_UDP ? UDP_HEADER : (packet[s.ip_len + 12] >> 4) * 4u);
	if (s.header_len < s.ip_len + transport_min || s.header_len >= len)
		return -EINVAL;
	*segmenter = s;
	return 0;
}

size_t segmenter_next_len(const struct segmenter *s)
{
	size_t left = s->len - s->header_len - s->done;

	if (left == 0)
		return 0;
	return s->header_len + (left < s->segment_size ? left : s->segment_size);
}

static void finish_ip(const struct segmenter *s, uint8_t *dst, size_t len)
{
	if (s->family == AF_INET) {
		store_be16(dst + 2, (uint16_t)len);
		store_be16(dst + 4, (uint16_t)(load_be16(dst + 4) + s->index));
		checksum_store_ipv4(dst);
	} else {
		store_be16(dst + 4, (uint16_t)(len - 40));
	}
}

/* Everything in the transport header but its checksum. */
static void finish_transport(const struct segmenter *s, uint8_t *transport, size_t len)
{
	size_t payload_len = len - s->header_len;
	bool is_last = s->header_len + s->done + payload_len == s->len;

	if (s->protocol == IPPROTO_UDP) {
		store_be16(transport + 4, (uint16_t)(UDP_HEADER + payload_len));
		return;
	}
	store_be32(transport + 4, load_be32(transport + 4) + (uint32_t)s->done);
	if (!is_last)
		transport[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (s->index > 0)
		transport[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
}

void segmenter_next(struct segmenter *s, uint8_t *dst)
{
	size_t len = segmenter_next_len(s), payload_len = len - s->header_len;
	uint8_t *transport = dst + s->ip_len;
	bool is_udp = s->protocol == IPPROTO_UDP;
	uint8_t *check = transport + (is_udp ? UDP_CHECK : TCP_CHECK);
	uint64_t sum;

	memcpy(dst, s->packet, s->header_len);
	finish_ip(s, dst, len);
	finish_transport(s, transport, len);
	store_be16(check, 0);
	sum = checksum_add_pseudo(0, dst, s->family, s->protocol, len - s->ip_len);
	sum = checksum_add(sum, transport, s->header_len - s->ip_len);
	sum = checksum_add_copy(
		sum, dst + s->header_len, s->packet + s->header_len + s->done, payload_len);
	checksum_store(check, sum, is_udp);
	s->done += payload_len;
	s->index++;
}
