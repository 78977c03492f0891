/* SPDX-License-Identifier: MIT
 *
 * Segmentation and coalescing against each other and against plain packets: what is joined and cut
 * again is, byte for byte, what was there, in every flow's order; what is cut is what a stack
 * without offloads would have sent.
 */
#include "net/coalesce.h"
#include "net/segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/checksum.h"

enum { SLOT = 2048, FLOWS = 6, TCP_HEADER = 20, UDP_HEADER = 8 };

static uint8_t storage[BATCH_MAX][PACKET_HEADROOM + SLOT];
static uint8_t original[BATCH_MAX][SLOT];
static uint64_t seed;

static uint32_t random_below(uint32_t limit)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % limit;
}

/* --- packets --------------------------------------------------------- */

struct flow {
	uint16_t family;
	uint8_t protocol;
	uint8_t number;
	uint16_t id;
	uint32_t seq;
	uint32_t segment_size;
	uint8_t options; /* bytes of TCP options */
	uint8_t tos;
};

static struct flow random_flow(uint8_t number)
{
	return (struct flow){.family = random_below(2) ? AF_INET : AF_INET6,
		.protocol = random_below(3) ? IPPROTO_TCP : IPPROTO_UDP,
		.number = number,
		.id = (uint16_t)random_below(65536),
		.seq = random_below(8) ? random_below(UINT32_MAX) : UINT32_MAX - 3000,
		.segment_size = 1 + random_below(1400),
		.options = (uint8_t)(random_below(2) * 12),
		.tos = (uint8_t)(random_below(4) ? 0 : random_below(256))};
}

static size_t ip_len_of(const struct flow *flow)
{
	return flow->family == AF_INET ? 20 : 40;
}

static size_t header_len_of(const struct flow *flow)
{
	return ip_len_of(flow) +
	       (flow->protocol == IPPROTO_TCP ? TCP_HEADER + flow->options : UDP_HEADER);
}

static void finish_checksum(uint8_t *p, const struct flow *flow, size_t len)
{
	size_t ip_len = ip_len_of(flow);
	uint8_t *check = p + ip_len + (flow->protocol == IPPROTO_TCP ? 16 : 6);
	uint64_t sum;

	if (flow->family == AF_INET)
		checksum_store_ipv4(p);
	store_be16(check, 0);
	sum = checksum_add_pseudo(0, p, flow->family, flow->protocol, len - ip_len);
	checksum_store(
		check, checksum_add(sum, p + ip_len, len - ip_len), flow->protocol == IPPROTO_UDP);
}

/* Write a whole packet of the flow; returns its length. */
static size_t build(uint8_t *p, struct flow *flow, size_t payload_len, uint8_t tcp_flags)
{
	size_t ip_len = ip_len_of(flow), len = header_len_of(flow) + payload_len;
	uint8_t *t = p + ip_len;

	memset(p, 0, header_len_of(flow));
	if (flow->family == AF_INET) {
		p[0] = 0x45;
		p[1] = flow->tos;
		store_be16(p + 2, (uint16_t)len);
		store_be16(p + 4, flow->id++);
		store_be16(p + 6, 0x4000);
		p[8] = 64;
		p[9] = flow->protocol;
		p[12] = p[16] = 10;
		p[15] = flow->number;
		p[19] = 1;
	} else {
		p[0] = (uint8_t)(0x60 | flow->tos >> 4);
		p[1] = (uint8_t)(flow->tos << 4);
		store_be16(p + 4, (uint16_t)(len - 40));
		p[6] = flow->protocol;
		p[7] = 64;
		p[8] = p[24] = 0xfd;
		p[23] = flow->number;
		p[39] = 1;
	}
	store_be16(t, 1000);
	store_be16(t + 2, 2000);
	if (flow->protocol == IPPROTO_TCP) {
		store_be32(t + 4, flow->seq);
		store_be32(t + 8, 7);
		t[12] = (uint8_t)((TCP_HEADER + flow->options) / 4 << 4);
		t[13] = tcp_flags;
		store_be16(t + 14, 500);
		memset(t + TCP_HEADER, 1, flow->options);
		flow->seq += (uint32_t)payload_len;
	} else {
		store_be16(t + 4, (uint16_t)(UDP_HEADER + payload_len));
	}
	for (size_t i = header_len_of(flow); i < len; i++)
		p[i] = (uint8_t)random_below(256);
	finish_checksum(p, flow, len);
	return len;
}

/* --- both ways ------------------------------------------------------- */

static uint32_t flow_number(const uint8_t *p)
{
	return p[0] >> 4 == 4 ? p[15] : p[23];
}

static void random_batch(struct batch *batch, struct flow flows[FLOWS])
{
	static const uint8_t flags[] = {0x10, 0x10, 0x10, 0x18, 0x11, 0x14, 0x02, 0x30, 0x50, 0x90};

	batch->num = 1 + random_below(BATCH_MAX);
	for (unsigned i = 0, f = 0; i < batch->num; i++) {
		uint8_t *data = storage[i] + PACKET_HEADROOM;
		uint8_t tcp_flags = random_below(10) ? 0x10 : flags[random_below(sizeof(flags))];
		struct flow *flow;
		size_t payload_len, len;

		if (random_below(10) == 0)
			f = random_below(FLOWS);
		flow = &flows[f];
		payload_len = random_below(12) ? flow->segment_size
					       : random_below(flow->segment_size + 100);
		if (random_below(40) == 0)
			flow->seq += 5; /* a segment is missing */
		if (random_below(40) == 0)
			flow->id += 5;
		len = build(data, flow, payload_len, tcp_flags);
		if (random_below(40) == 0) { /* something else the headers may differ in */
			uint8_t *odd =
				data + (flow->family == AF_INET
						       ? (uint8_t[]){1, 6, 8}[random_below(3)]
						       : (uint8_t[]){1, 3, 7}[random_below(3)]);

			*odd = (uint8_t)(*odd + 0x20);
			finish_checksum(data, flow, len);
		}
		memcpy(original[i], data, len);
		batch->packets[i] = (struct packet){.data = data, .len = (uint32_t)len};
	}
}

/* Lay a run out as the kernel gets it. Returns its length. */
static size_t gather(uint8_t *whole, const struct coalescer *c, const struct coalesced *run,
	const struct batch *batch)
{
	size_t len = batch->packets[run->first].len;

	memcpy(whole, batch->packets[run->first].data, len);
	for (uint16_t i = run->first; i != run->last;) {
		const struct packet *packet = &batch->packets[i = c->next[i]];

		memcpy(whole + len, packet->data + run->header_len, packet->len - run->header_len);
		len += packet->len - run->header_len;
	}
	return len;
}

static void assert_run_is_its_packets(
	const struct coalescer *c, const struct coalesced *run, const struct batch *batch)
{
	static uint8_t whole[PACKET_MAX + 1], cut[PACKET_MAX + 1];
	struct virtio_net_hdr header;
	struct segmenter segmenter;
	uint16_t i = run->first;
	size_t len, cut_len;

	if (run->num == 1) {
		assert_memory_equal(batch->packets[i].data, original[i], batch->packets[i].len);
		return;
	}
	coalesce_finish(run, batch, &header);
	len = gather(whole, c, run, batch);
	assert_int_equal(len, run->header_len + run->payload_len);
	assert_int_equal(segmenter_init(&segmenter, &header, whole, len), 0);
	for (unsigned n = 0; n < run->num; n++, i = c->next[i]) {
		cut_len = segmenter_next_len(&segmenter);
		assert_int_equal(cut_len, batch->packets[i].len);
		segmenter_next(&segmenter, cut);
		assert_memory_equal(cut, original[i], cut_len);
	}
	assert_int_equal(segmenter_next_len(&segmenter), 0);
}

static void test_joined_and_cut_again(void **state)
{
	static struct batch batch;
	static struct coalescer c;
	unsigned num_joined = 0;

	(void)state;
	for (seed = 1; seed < 4000; seed++) {
		uint64_t this_seed = seed;
		struct flow flows[FLOWS];
		uint16_t last_of_flow[FLOWS + 1] = {0};
		bool seen[FLOWS + 1] = {false};
		unsigned num = 0;

		for (uint8_t f = 0; f < FLOWS; f++)
			flows[f] = random_flow((uint8_t)(f + 1));
		random_batch(&batch, flows);
		coalesce(&c, &batch, true, true);
		for (unsigned r = 0; r < c.num; r++) {
			uint32_t f = flow_number(original[c.runs[r].first]);

			if (seen[f]) /* a flow's packets stay in order */
				assert_true(c.runs[r].first > last_of_flow[f]);
			seen[f] = true;
			last_of_flow[f] = c.runs[r].last;
			num += c.runs[r].num;
			num_joined += c.runs[r].num > 1;
			assert_run_is_its_packets(&c, &c.runs[r], &batch);
		}
		assert_int_equal(num, batch.num);
		seed = this_seed;
	}
	assert_true(num_joined > 4000); /* else this test tests nothing */
}

/* Each way in which a packet may not follow another, alone. */
static void test_what_must_stay_apart(void **state)
{
	enum {
		SAME,
		ACK,
		WINDOW,
		OPTION,
		SEQ,
		ID,
		TTL,
		TOS,
		DF,
		PORT,
		ADDRESS,
		LONGER,
		EMPTY,
		SYN,
		URG,
		FIRST_PSH,
		FIRST_SHORT,
		FRAGMENT,
		WITH_OPTIONS,
		URGENT_POINTER,
		BAD_IP_CHECKSUM,
		NUM_CASES
	};
	static struct coalescer c;

	(void)state;
	for (int i = 0; i < NUM_CASES; i++) {
		struct flow flow = {.family = AF_INET,
			.protocol = IPPROTO_TCP,
			.number = 1,
			.segment_size = 100,
			.options = 12};
		struct batch batch = {.num = 2};
		uint8_t *p = storage[0] + PACKET_HEADROOM, *q = storage[1] + PACKET_HEADROOM;

		batch.packets[0] = (struct packet){.data = p,
			.len = (uint32_t)build(p, &flow, 100, i == FIRST_PSH ? 0x18 : 0x10)};
		if (i == FIRST_SHORT) {
			flow.seq -= 50;
			flow.id--;
			batch.packets[0].len = (uint32_t)build(p, &flow, 50, 0x10);
			flow.seq = load_be32(p + 24) + 50;
		}
		flow.seq += (i == SEQ);
		flow.id = (uint16_t)(flow.id + (i == ID));
		batch.packets[1] = (struct packet){.data = q,
			.len = (uint32_t)build(q, &flow,
				i == LONGER  ? 101
				: i == EMPTY ? 0
					     : 100,
				i == SYN   ? 0x12
				: i == URG ? 0x30
					   : 0x10)};
		q[20 + 11] ^= i == ACK;
		q[20 + 15] ^= i == WINDOW;
		q[20 + 25] ^= i == OPTION;
		q[8] ^= i == TTL;
		q[1] ^= i == TOS;
		q[6] ^= i == DF ? 0x40 : i == FRAGMENT ? 0x20 : 0;
		q[21] ^= i == PORT;
		q[15] ^= i == ADDRESS;
		q[0] ^= i == WITH_OPTIONS ? 3 : 0;
		q[20 + 19] ^= i == URGENT_POINTER;
		finish_checksum(q, &flow, batch.packets[1].len);
		q[11] ^= i == BAD_IP_CHECKSUM;
		coalesce(&c, &batch, true, true);
		if (c.num != (i == SAME ? 1 : 2))
			fail_msg("case %d: %u runs", i, c.num);
		coalesce(&c, &batch, false, false);
		assert_int_equal(c.num, 2);
	}
}

/* An authenticated peer may send any header: a data offset below 5 words or beyond the packet, a
 * UDP length that is not the packet's. Two such packets in a row are left as they are. */
static void test_lying_headers_stay_apart(void **state)
{
	static struct coalescer c;

	(void)state;
	for (unsigned lie = 0; lie < 20; lie++) {
		struct flow flow = {.family = lie % 2 ? AF_INET6 : AF_INET,
			.protocol = lie < 16 ? IPPROTO_TCP : IPPROTO_UDP,
			.number = 1};
		size_t ip_len = ip_len_of(&flow);
		struct batch batch = {.num = 2};

		for (unsigned i = 0; i < 2; i++) {
			/* on the heap, exactly, so that a sanitizer sees every byte too far */
			uint8_t *p = malloc(100);
			size_t len = build(p, &flow, lie < 16 ? 20 : 40, 0x10);

			if (lie < 16)
				p[ip_len + 12] = (uint8_t)((lie < 10 ? lie / 2 : 15) << 4);
			else
				store_be16(p + ip_len + 4, (uint16_t)(20 + lie));
			finish_checksum(p, &flow, len);
			batch.packets[i].data = malloc(len);
			memcpy(batch.packets[i].data, p, len);
			batch.packets[i].len = (uint32_t)len;
			free(p);
		}
		coalesce(&c, &batch, true, true);
		assert_int_equal(c.num, 2);
		free(batch.packets[0].data);
		free(batch.packets[1].data);
	}
}

/* A fragment may be of any flow: what comes after it does not go before it. */
static void test_fragment_is_not_overtaken(void **state)
{
	static struct coalescer c;
	struct flow flow = {.family = AF_INET, .protocol = IPPROTO_TCP, .number = 1};
	struct batch batch = {.num = 3};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		uint8_t *p = storage[i] + PACKET_HEADROOM;

		batch.packets[i].data = p;
		batch.packets[i].len = (uint32_t)build(p, &flow, 100, 0x10);
	}
	batch.packets[1].data[6] = 0x20;
	flow.seq -= 200;
	flow.id = 1;
	build(batch.packets[2].data, &flow, 100, 0x10);
	coalesce(&c, &batch, true, true);
	assert_int_equal(c.num, 3);
}

static void test_nonsense_is_refused(void **state)
{
	struct flow flow = {.family = AF_INET, .protocol = IPPROTO_TCP, .number = 1};
	const struct virtio_net_hdr good = {.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = 100,
		.csum_start = 20,
		.csum_offset = 16};
	struct virtio_net_hdr bad;
	struct segmenter s;
	uint8_t p[SLOT];
	size_t len = build(p, &flow, 1000, 0x10);

	(void)state;
	assert_int_equal(segmenter_init(&s, &good, p, len), 0);
	for (size_t cut = 0; cut <= 40; cut++)
		assert_int_not_equal(segmenter_init(&s, &good, p, cut), 0);
	bad = good;
	bad.gso_size = 0;
	assert_int_not_equal(segmenter_init(&s, &bad, p, len), 0);
	bad = good;
	bad.csum_start = 19;
	assert_int_not_equal(segmenter_init(&s, &bad, p, len), 0);
	bad.csum_start = (uint16_t)(len - 10);
	assert_int_not_equal(segmenter_init(&s, &bad, p, len), 0);
	bad = good;
	bad.gso_type = VIRTIO_NET_HDR_GSO_UDP;
	assert_int_not_equal(segmenter_init(&s, &bad, p, len), 0);
	p[32] = 0x40; /* a TCP header of 16 bytes */
	assert_int_not_equal(segmenter_init(&s, &good, p, len), 0);
	p[0] = 0x55;
	assert_int_not_equal(segmenter_init(&s, &good, p, len), 0);
}

/* FIN and PSH show on the last segment only, CWR on the first only. */
static void test_flags_of_segments(void **state)
{
	struct flow flow = {.family = AF_INET6, .protocol = IPPROTO_TCP, .number = 1};
	const struct virtio_net_hdr header = {
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN,
		.gso_size = 100,
		.csum_start = 40,
		.csum_offset = 16};
	static const uint8_t expected[] = {0xd0, 0x50, 0x59};
	struct segmenter s;
	uint8_t p[SLOT], cut[SLOT];
	size_t len = build(p, &flow, 201, 0xd9);

	(void)state;
	assert_int_equal(segmenter_init(&s, &header, p, len), 0);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_int_equal(segmenter_next_len(&s), 60 + (i < 2 ? 100 : 1));
		segmenter_next(&s, cut);
		assert_int_equal(cut[53], expected[i]);
		assert_int_equal(load_be32(cut + 44), i * 100);
	}
	assert_int_equal(segmenter_next_len(&s), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_joined_and_cut_again),
		cmocka_unit_test(test_what_must_stay_apart),
		cmocka_unit_test(test_flags_of_segments),
		cmocka_unit_test(test_lying_headers_stay_apart),
		cmocka_unit_test(test_fragment_is_not_overtaken),
		cmocka_unit_test(test_nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
