/* SPDX-License-Identifier: MIT
 *
 * Inner packets: header lengths, ECN across the tunnel, the ICMP answers, UDP inside.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/inner.h"

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* The plain internet checksum of bytes that hold a correct one is 0. */
static uint16_t checksum(const uint8_t *data, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* A packet of 10.1.2.3 to 192.0.2.9, or 2001:db8::1 to 2001:db8:1::2, payload counting up. */
static void build(uint8_t *packet, uint16_t family, size_t len, uint8_t protocol, uint8_t tos)
{
	for (size_t i = 0; i < len; i++)
		packet[i] = (uint8_t)(i * 7);
	if (family == AF_INET) {
		static const uint8_t addrs[8] = {10, 1, 2, 3, 192, 0, 2, 9};

		memset(packet, 0, 20);
		packet[0] = 0x45;
		packet[1] = tos;
		store_be16(packet + 2, (uint16_t)len);
		packet[8] = 63;
		packet[9] = protocol;
		memcpy(packet + 12, addrs, sizeof(addrs));
		store_be16(packet + 10, checksum(packet, 20, 0));
	} else {
		memset(packet, 0, 40);
		packet[0] = (uint8_t)(0x60 | tos >> 4);
		packet[1] = (uint8_t)(tos << 4);
		store_be16(packet + 4, (uint16_t)(len - 40));
		packet[6] = protocol;
		packet[7] = 63;
		memcpy(packet + 8, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
		memcpy(packet + 24, "\x20\x01\x0d\xb8\0\1\0\0\0\0\0\0\0\0\0\2", 16);
	}
}

static void test_parse(void **state)
{
	static const struct {
		const char *what;
		uint8_t head[8];
		size_t len;
		uint32_t expected_len; /* 0: refused */
		uint16_t family;
	} rows[] = {
		{"nothing", {0}, 0, 0, 0},
		{"v4 header alone", {0x45, 0, 0, 20}, 20, 20, AF_INET},
		{"v4 padded", {0x45, 0, 0, 21}, 32, 21, AF_INET},
		{"v4 exact", {0x45, 0, 5, 0xdc}, 1500, 1500, AF_INET},
		{"v4 a byte missing", {0x45, 0, 5, 0xdc}, 1499, 0, 0},
		{"v4 total below its header", {0x45, 0, 0, 19}, 64, 0, 0},
		{"v4 total 0", {0x45, 0, 0, 0}, 64, 0, 0},
		{"v4 short", {0x45, 0, 0, 19}, 19, 0, 0},
		{"v4 one byte", {0x45}, 1, 0, 0},
		{"v6 header alone", {0x60}, 40, 40, AF_INET6},
		{"v6 padded", {0x60, 0, 0, 0, 0, 1}, 48, 41, AF_INET6},
		{"v6 exact", {0x60, 0, 0, 0, 5, 0xb4}, 1500, 1500, AF_INET6},
		{"v6 a byte missing", {0x60, 0, 0, 0, 5, 0xb4}, 1499, 0, 0},
		{"v6 short", {0x60}, 39, 0, 0},
		{"v6 + 40 wraps 16 bits", {0x60, 0, 0, 0, 0xff, 0xff}, 1500, 0, 0},
		{"v6 + 40 wraps to 0", {0x60, 0, 0, 0, 0xff, 0xd8}, 64, 0, 0},
		{"v6 longest", {0x60, 0, 0, 0, 0xff, 0xff}, 65575, 65575, AF_INET6},
		{"version 0", {0x05, 0, 0, 20}, 64, 0, 0},
		{"version 5", {0x55, 0, 0, 20}, 64, 0, 0},
		{"version 7", {0x75, 0, 0, 20}, 64, 0, 0},
		{"version 15", {0xf5, 0, 0, 20}, 64, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		/* Of exactly this size, so that a sanitizer sees a read behind it. */
		uint8_t *data = malloc(rows[i].len ? rows[i].len : 1);
		struct inner inner = {.len = 12345};

		assert_non_null(data);
		memset(data, 0, rows[i].len);
		memcpy(data, rows[i].head, rows[i].len < 8 ? rows[i].len : 8);
		if (inner_parse(data, rows[i].len, &inner) != (rows[i].expected_len != 0))
			fail_msg("%s", rows[i].what);
		assert_int_equal(inner.len, rows[i].expected_len ? rows[i].expected_len : 12345);
		assert_int_equal(inner.family, rows[i].family);
		free(data);
	}
}

static void test_parse_fields(void **state)
{
	uint8_t packet[60];
	struct inner inner;

	(void)state;
	build(packet, AF_INET, 60, 17, 0xa7);
	assert_true(inner_parse(packet, 60, &inner));
	assert_int_equal(inner.tos, 0xa7);
	assert_ptr_equal(inner.src, packet + 12);
	assert_ptr_equal(inner.dst, packet + 16);
	build(packet, AF_INET6, 60, 17, 0xa7);
	packet[1] |= 0x0f; /* flow label */
	assert_true(inner_parse(packet, 60, &inner));
	assert_int_equal(inner.tos, 0xa7);
	assert_ptr_equal(inner.src, packet + 8);
	assert_ptr_equal(inner.dst, packet + 24);
}

static void test_ecn_encapsulate(void **state)
{
	(void)state;
	for (unsigned tos = 0; tos < 256; tos++)
		assert_int_equal(inner_ecn_encapsulate((uint8_t)tos), tos % 4);
}

static void test_ecn_decapsulate(void **state)
{
	/* RFC 6040 figure 4, without its drop: [inner][outer]; 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE.
	 */
	static const uint8_t merged[4][4] = {
		{0, 0, 0, 0},
		{1, 1, 1, 3},
		{2, 1, 2, 3},
		{3, 3, 3, 3},
	};
	uint64_t seed = 42;

	(void)state;
	for (unsigned round = 0; round < 100000; round++) {
		const uint16_t family = round % 2 ? AF_INET : AF_INET6;
		const uint8_t tos = (uint8_t)next_random(&seed);
		const uint8_t outer = (uint8_t)next_random(&seed);
		uint8_t packet[64], expected[64];
		struct inner inner;

		build(packet, family, 64, 6, tos);
		for (size_t i = 0; i < 8; i++)
			packet[12 + i] = (uint8_t)(next_random(&seed) >> 9);
		if (family == AF_INET) {
			store_be16(packet + 10, 0);
			store_be16(packet + 10, checksum(packet, 20, 0));
		} else {
			packet[1] |= 0x05;
		}

		const uint8_t tos_after = (uint8_t)((tos & 0xfc) | merged[tos & 3][outer & 3]);

		memcpy(expected, packet, sizeof(packet));
		if (family == AF_INET) {
			expected[1] = tos_after;
			store_be16(expected + 10, 0);
			store_be16(expected + 10, checksum(expected, 20, 0));
		} else {
			expected[1] = (uint8_t)(tos_after << 4 | 0x05);
		}
		assert_true(inner_parse(packet, sizeof(packet), &inner));
		inner_ecn_decapsulate(packet, &inner, outer);
		assert_memory_equal(packet, expected, sizeof(packet));
	}
}

static void test_unreachable4(void **state)
{
	static const size_t lens[] = {20, 21, 28, 547, 548, 549, 1500};
	uint8_t packet[1600], buf[INNER_UNREACHABLE_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		const size_t quoted = lens[i] < 548 ? lens[i] : 548;
		const bool prohibited = i % 2;

		build(packet, AF_INET, lens[i], 17, 0);
		memset(buf, 0xee, sizeof(buf));
		/* 16 bytes of padding behind the packet are not quoted. */
		assert_int_equal(
			inner_unreachable(buf, packet, lens[i] + 16, prohibited), 28 + quoted);
		assert_int_equal(buf[28 + quoted], 0xee);
		assert_int_equal(buf[0], 0x45);
		assert_int_equal(load_be16(buf + 2), 28 + quoted);
		assert_int_equal(load_be16(buf + 6), 0);
		assert_int_equal(buf[8], 64);
		assert_int_equal(buf[9], 1);
		assert_int_equal(checksum(buf, 20, 0), 0);
		assert_memory_equal(buf + 12, packet + 16, 4);
		assert_memory_equal(buf + 16, packet + 12, 4);
		assert_int_equal(buf[20], 3);
		assert_int_equal(buf[21], prohibited ? 13 : 1);
		assert_int_equal(load_be32(buf + 24), 0);
		assert_int_equal(checksum(buf + 20, 8 + quoted, 0), 0);
		assert_memory_equal(buf + 28, packet, quoted);
	}
}

static void test_unreachable6(void **state)
{
	static const size_t lens[] = {40, 41, 48, 1231, 1232, 1233, 1500};
	uint8_t packet[1600], buf[INNER_UNREACHABLE_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		const size_t quoted = lens[i] < 1232 ? lens[i] : 1232;
		const bool prohibited = i % 2;

		build(packet, AF_INET6, lens[i], 17, 0);
		memset(buf, 0xee, sizeof(buf));
		assert_int_equal(
			inner_unreachable(buf, packet, lens[i] + 16, prohibited), 48 + quoted);
		assert_int_equal(buf[48 + quoted], 0xee);
		assert_int_equal(load_be32(buf), 0x60000000);
		assert_int_equal(load_be16(buf + 4), 8 + quoted);
		assert_int_equal(buf[6], 58);
		assert_int_equal(buf[7], 64);
		assert_memory_equal(buf + 8, packet + 24, 16);
		assert_memory_equal(buf + 24, packet + 8, 16);
		assert_int_equal(buf[40], 1);
		assert_int_equal(buf[41], prohibited ? 1 : 3);
		assert_int_equal(load_be32(buf + 44), 0);

		/* RFC 8200 8.1: the pseudo-header written out. */
		uint8_t pseudo[40 + 1240] = {0};

		memcpy(pseudo, buf + 8, 32);
		store_be32(pseudo + 32, (uint32_t)(8 + quoted));
		pseudo[39] = 58;
		memcpy(pseudo + 40, buf + 40, 8 + quoted);
		assert_int_equal(checksum(pseudo, 48 + quoted, 0), 0);
		assert_memory_equal(buf + 48, packet, quoted);
	}
}

/* One change to a good packet of 120 bytes, and whether it may still be answered. */
struct answer_row {
	const char *what;
	uint16_t family;
	uint8_t protocol;
	bool answered;
	size_t at, len;
	uint8_t bytes[32];
};

static void check_answers(const struct answer_row *rows, size_t num_rows)
{
	for (size_t i = 0; i < num_rows; i++) {
		uint8_t packet[120], buf[INNER_UNREACHABLE_MAX];

		build(packet, rows[i].family, sizeof(packet), rows[i].protocol, 0);
		memcpy(packet + rows[i].at, rows[i].bytes, rows[i].len);
		if ((inner_unreachable(buf, packet, sizeof(packet), false) != 0) !=
			rows[i].answered)
			fail_msg("%s: expected %d", rows[i].what, rows[i].answered);
	}
}

static void test_unreachable4_rules(void **state)
{
	static const struct answer_row rows[] = {
		{"tcp", AF_INET, 6, true, 0, 0, {0}},
		{"echo request", AF_INET, 1, true, 20, 1, {8}},
		{"echo reply", AF_INET, 1, true, 20, 1, {0}},
		{"timestamp", AF_INET, 1, true, 20, 1, {13}},
		{"unreachable", AF_INET, 1, false, 20, 1, {3}},
		{"source quench", AF_INET, 1, false, 20, 1, {4}},
		{"redirect", AF_INET, 1, false, 20, 1, {5}},
		{"time exceeded", AF_INET, 1, false, 20, 1, {11}},
		{"parameter problem", AF_INET, 1, false, 20, 1, {12}},
		{"icmp number, but udp", AF_INET, 17, true, 20, 1, {3}},
		{"icmp error behind options", AF_INET, 1, false, 0, 25,
			{0x46, 0, 0, 120, [9] = 1, [12] = 10, 1, 2, 3, 192, 0, 2, 9, [24] = 3}},
		{"echo behind options", AF_INET, 1, true, 0, 25,
			{0x46, 0, 0, 120, [9] = 1, [12] = 10, 1, 2, 3, 192, 0, 2, 9, [24] = 8}},
		{"icmp without a type", AF_INET, 1, false, 0, 4, {0x45, 0, 0, 20}},
		{"first fragment", AF_INET, 17, true, 6, 2, {0x20, 0}},
		{"don't fragment", AF_INET, 17, true, 6, 2, {0x40, 0}},
		{"later fragment", AF_INET, 17, false, 6, 2, {0, 1}},
		{"later fragment, far", AF_INET, 17, false, 6, 2, {0x30, 0}},
		{"header length 16", AF_INET, 17, false, 0, 1, {0x44}},
		{"header longer than packet", AF_INET, 17, false, 0, 4, {0x4f, 0, 0, 59}},
		{"header as long as packet", AF_INET, 17, true, 0, 4, {0x4f, 0, 0, 60}},
		{"not IP", AF_INET, 17, false, 0, 1, {0x35}},
		{"from 0.0.0.0", AF_INET, 17, false, 12, 4, {0}},
		{"from loopback", AF_INET, 17, false, 12, 4, {127, 0, 0, 1}},
		{"from multicast", AF_INET, 17, false, 12, 4, {224, 0, 0, 1}},
		{"from class E", AF_INET, 17, false, 12, 4, {240, 0, 0, 1}},
		{"from broadcast", AF_INET, 17, false, 12, 4, {255, 255, 255, 255}},
		{"from 223", AF_INET, 17, true, 12, 4, {223, 0, 0, 1}},
		{"to multicast", AF_INET, 17, false, 16, 4, {239, 1, 1, 1}},
		{"to broadcast", AF_INET, 17, false, 16, 4, {255, 255, 255, 255}},
		{"to 0.0.0.0", AF_INET, 17, false, 16, 4, {0}},
	};

	(void)state;
	check_answers(rows, ARRAY_SIZE(rows));
}

static void test_unreachable6_rules(void **state)
{
	static const struct answer_row rows[] = {
		{"tcp", AF_INET6, 6, true, 0, 0, {0}},
		{"no next header", AF_INET6, 59, true, 0, 0, {0}},
		{"echo request", AF_INET6, 58, true, 40, 1, {128}},
		{"neighbour solicitation", AF_INET6, 58, true, 40, 1, {135}},
		{"redirect", AF_INET6, 58, false, 40, 1, {137}},
		{"unreachable", AF_INET6, 58, false, 40, 1, {1}},
		{"too big", AF_INET6, 58, false, 40, 1, {2}},
		{"error 127", AF_INET6, 58, false, 40, 1, {127}},
		{"icmp without a type", AF_INET6, 58, false, 4, 2, {0, 0}},
		{"from ::", AF_INET6, 17, false, 8, 16, {0}},
		{"from ::1", AF_INET6, 17, false, 8, 16, {[15] = 1}},
		{"from ::2", AF_INET6, 17, true, 8, 16, {[15] = 2}},
		{"from multicast", AF_INET6, 17, false, 8, 2, {0xff, 0x02}},
		{"to multicast", AF_INET6, 17, false, 24, 2, {0xff, 0x02}},
		{"to ::", AF_INET6, 17, false, 24, 16, {0}},
		{"from link-local", AF_INET6, 17, true, 8, 2, {0xfe, 0x80}},
		/* Extension headers: next header, length; here of 8 bytes, and what follows. */
		{"hop-by-hop, error", AF_INET6, 0, false, 40, 9, {58, 0, [8] = 1}},
		{"hop-by-hop, echo", AF_INET6, 0, false, 40, 9, {58, 0, [8] = 128}},
		{"options, error", AF_INET6, 60, false, 40, 9, {58, 0, [8] = 4}},
		{"routing, error", AF_INET6, 43, false, 40, 9, {58, 0, [8] = 4}},
		{"authentication, error", AF_INET6, 51, false, 40, 13, {58, 1, [12] = 4}},
		{"authentication, echo", AF_INET6, 51, false, 40, 13, {58, 1, [12] = 128}},
		{"first fragment, error", AF_INET6, 44, false, 40, 9, {58, 9, 0, 1, [8] = 1}},
		{"first fragment, echo", AF_INET6, 44, true, 40, 9, {58, 9, 0, 1, [8] = 128}},
		{"later fragment", AF_INET6, 44, false, 40, 9, {58, 9, 0, 8, [8] = 128}},
		{"later fragment, far", AF_INET6, 44, false, 40, 9, {17, 9, 0x80, 1}},
		{"fragment header cut off", AF_INET6, 44, false, 4, 2, {0, 7}},
		{"first fragment, options", AF_INET6, 44, false, 40, 9, {60, 9, 0, 1, [8] = 58}},
		{"two headers, error", AF_INET6, 0, false, 40, 17, {60, 0, [8] = 58, 0, [16] = 1}},
		{"two headers, echo", AF_INET6, 0, false, 40, 17, {60, 0, [8] = 58, 0, [16] = 128}},
		{"header ends the packet", AF_INET6, 0, false, 40, 2, {6, 9}},
		{"header too long", AF_INET6, 0, false, 40, 2, {6, 10}},
		{"chain ends too early", AF_INET6, 0, false, 40, 2, {60, 9}},
	};

	(void)state;
	check_answers(rows, ARRAY_SIZE(rows));
}

static void test_udp(void **state)
{
	static const struct {
		const char *what;
		uint16_t family;
		uint8_t protocol;
		size_t len, payload_min, at, head_len;
		uint8_t head[12];
		size_t expected; /* offset of the payload; 0: refused */
	} rows[] = {
		{"v4", AF_INET, 17, 60, 32, 20, 2, {0xca, 0x6c}, 28},
		{"v4, a byte short", AF_INET, 17, 60, 33, 20, 2, {0xca, 0x6c}, 0},
		{"v4, no payload", AF_INET, 17, 28, 0, 20, 2, {0xca, 0x6c}, 28},
		{"v4, half a header", AF_INET, 17, 27, 0, 20, 2, {0xca, 0x6c}, 0},
		{"v4, huge minimum", AF_INET, 17, 60, SIZE_MAX, 20, 2, {0xca, 0x6c}, 0},
		{"v4, tcp", AF_INET, 6, 60, 0, 20, 2, {0xca, 0x6c}, 0},
		{"v4, first fragment", AF_INET, 17, 60, 0, 6, 2, {0x20, 0}, 28},
		{"v4, later fragment", AF_INET, 17, 60, 0, 6, 2, {0x20, 1}, 0},
		{"v4, options", AF_INET, 17, 60, 28, 0, 1, {0x46}, 32},
		{"v4, options, short", AF_INET, 17, 60, 29, 0, 1, {0x46}, 0},
		{"v4, bad header length", AF_INET, 17, 60, 0, 0, 1, {0x41}, 0},
		{"v6", AF_INET6, 17, 80, 32, 40, 2, {0xca, 0x6c}, 48},
		{"v6, a byte short", AF_INET6, 17, 80, 33, 40, 2, {0xca, 0x6c}, 0},
		{"v6, tcp", AF_INET6, 6, 80, 0, 40, 2, {0xca, 0x6c}, 0},
		{"v6, options", AF_INET6, 60, 80, 24, 40, 10, {17, 0, [8] = 0xca, 0x6c}, 0},
		{"v6, first fragment", AF_INET6, 44, 80, 24, 40, 4, {17, 0, 0, 1}, 56},
		{"v6, later fragment", AF_INET6, 44, 80, 0, 40, 4, {17, 0, 1, 0}, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t packet[96];
		const uint8_t *payload = NULL;
		struct inner inner;
		uint16_t port = 1;

		build(packet, rows[i].family, rows[i].len, rows[i].protocol, 0);
		memcpy(packet + rows[i].at, rows[i].head, rows[i].head_len);
		assert_true(inner_parse(packet, rows[i].len, &inner));
		if (inner_udp(packet, &inner, rows[i].payload_min, &port, &payload) !=
			(rows[i].expected != 0))
			fail_msg("%s", rows[i].what);
		if (rows[i].expected) {
			assert_ptr_equal(payload, packet + rows[i].expected);
			assert_int_equal(port, load_be16(payload - 6));
		} else {
			assert_null(payload);
			assert_int_equal(port, 1);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_fields),
		cmocka_unit_test(test_ecn_encapsulate),
		cmocka_unit_test(test_ecn_decapsulate),
		cmocka_unit_test(test_unreachable4),
		cmocka_unit_test(test_unreachable6),
		cmocka_unit_test(test_unreachable4_rules),
		cmocka_unit_test(test_unreachable6_rules),
		cmocka_unit_test(test_udp),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
