/* SPDX-License-Identifier: MIT
 *
 * Endpoints and prefixes as text, both ways, and what is no address.
 */
#include "base/address.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_endpoint(void **state)
{
	static const struct {
		const char *text, *canonical; /* NULL: text is canonical */
		uint16_t family, port;
		uint32_t scope_id;
		uint8_t addr[16];
	} rows[] = {
		{"192.0.2.1:51820", NULL, AF_INET, 51820, 0, {192, 0, 2, 1}},
		{"0.0.0.0:0", NULL, AF_INET, 0, 0, {0}},
		{"255.255.255.255:65535", NULL, AF_INET, 65535, 0, {255, 255, 255, 255}},
		{"[2001:db8::1]:1", NULL, AF_INET6, 1, 0, {0x20, 1, 0xd, 0xb8, [15] = 1}},
		{"[2001:DB8:0:0::1]:1", "[2001:db8::1]:1", AF_INET6, 1, 0,
			{0x20, 1, 0xd, 0xb8, [15] = 1}},
		{"[::]:9", NULL, AF_INET6, 9, 0, {0}},
		{"[fe80::1%2]:51820", NULL, AF_INET6, 51820, 2, {0xfe, 0x80, [15] = 1}},
		{"[fe80::1%4294967295]:1", NULL, AF_INET6, 1, UINT32_MAX, {0xfe, 0x80, [15] = 1}},
		{"[fe80::1%lo]:1", "[fe80::1%1]:1", AF_INET6, 1, 1, {0xfe, 0x80, [15] = 1}},
		{"[ffff:eeee:dddd:cccc:bbbb:aaaa:9999:8888%4294967295]:65535", NULL, AF_INET6,
			65535, UINT32_MAX,
			{0xff, 0xff, 0xee, 0xee, 0xdd, 0xdd, 0xcc, 0xcc, 0xbb, 0xbb, 0xaa, 0xaa,
				0x99, 0x99, 0x88, 0x88}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct endpoint endpoint;
		char text[ENDPOINT_TEXT_LEN];

		memset(&endpoint, 0xee, sizeof(endpoint));
		assert_int_equal(endpoint_from_text(&endpoint, rows[i].text), 0);
		assert_int_equal(endpoint.family, rows[i].family);
		assert_int_equal(endpoint.port, rows[i].port);
		assert_int_equal(endpoint.scope_id, rows[i].scope_id);
		assert_memory_equal(endpoint.addr, rows[i].addr, sizeof(endpoint.addr));
		assert_true(bytes_are_zero(endpoint.local, sizeof(endpoint.local)));
		assert_int_equal(endpoint.local_ifindex, 0);
		endpoint_to_text(text, &endpoint);
		assert_string_equal(text, rows[i].canonical ? rows[i].canonical : rows[i].text);
	}
}

static void test_endpoint_none(void **state)
{
	struct endpoint endpoint = {0};
	char text[ENDPOINT_TEXT_LEN];

	(void)state;
	endpoint_to_text(text, &endpoint);
	assert_string_equal(text, "(none)");
}

static void test_endpoint_bad(void **state)
{
	static const char *const rows[] = {"", ":", "::", "(none)", "192.0.2.1",
		"192.0.2.1:", ":51820", "192.0.2.1:65536", "192.0.2.1:4294967297",
		"192.0.2.1:18446744073709551617", "192.0.2.1:-1", "192.0.2.1:+1", "192.0.2.1: 1",
		" 192.0.2.1:1", "192.0.2.1:1 ", "192.0.2.1:0x1", "192.0.2:1", "192.0.2.256:1",
		"192.0.02.1:1", "192.0.2.1%1:1", "[192.0.2.1]:1", "2001:db8::1:51820",
		"2001:db8::1", "[2001:db8::1]", "[2001:db8::1]51820", "[2001:db8::1:51820",
		"2001:db8::1]:51820", "[[2001:db8::1]]:51820", "[]:1", "[%1]:1", "[fe80::1%]:1",
		"[fe80::1%-1]:1", "[fe80::1%1%1]:1", "[fe80::1%4294967296]:1",
		"[fe80::1%no such one]:1", "[2001:db8:::1]:1", "[1:2:3:4:5:6:7:8:9]:1",
		"example.com:51820", "localhost:1", "[", "]", "[:", "]:1", "[]", "[:1",
		"[ffff:eeee:dddd:cccc:bbbb:aaaa:9999:8888%00000000000000000000000000000001]:65535"};
	struct endpoint untouched, endpoint;

	(void)state;
	memset(&untouched, 0xee, sizeof(untouched));
	endpoint = untouched;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (endpoint_from_text(&endpoint, rows[i]) != -EINVAL)
			fail_msg("accepted %s", rows[i]);
		assert_memory_equal(&endpoint, &untouched, sizeof(endpoint));
	}
}

static void test_prefix(void **state)
{
	static const struct {
		const char *text, *canonical;
		uint16_t family;
		uint8_t cidr, addr[16];
	} rows[] = {
		{"10.0.0.0/8", NULL, AF_INET, 8, {10}},
		{"0.0.0.0/0", NULL, AF_INET, 0, {0}},
		{"10.1.2.3", "10.1.2.3/32", AF_INET, 32, {10, 1, 2, 3}},
		{"10.1.2.3/32", NULL, AF_INET, 32, {10, 1, 2, 3}},
		{"10.1.2.3/8", NULL, AF_INET, 8, {10, 1, 2, 3}}, /* host bits are kept */
		{"fd00::/8", NULL, AF_INET6, 8, {0xfd}},
		{"::/0", NULL, AF_INET6, 0, {0}},
		{"fd00::1", "fd00::1/128", AF_INET6, 128, {0xfd, [15] = 1}},
		{"FD00:0::1/127", "fd00::1/127", AF_INET6, 127, {0xfd, [15] = 1}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct prefix prefix;
		char text[PREFIX_TEXT_LEN];

		memset(&prefix, 0xee, sizeof(prefix));
		assert_int_equal(prefix_from_text(&prefix, rows[i].text), 0);
		assert_int_equal(prefix.family, rows[i].family);
		assert_int_equal(prefix.cidr, rows[i].cidr);
		assert_int_equal(prefix.pad, 0);
		assert_memory_equal(prefix.addr, rows[i].addr, sizeof(prefix.addr));
		prefix_to_text(text, &prefix);
		assert_string_equal(text, rows[i].canonical ? rows[i].canonical : rows[i].text);
	}
}

static void test_prefix_bad(void **state)
{
	static const char *const rows[] = {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
		"10.0.0.0/+8", "10.0.0.0/ 8", "10.0.0.0/8/8", "10.0.0.0/4294967304",
		"10.0.0.0/255.0.0.0", "10.0.0/8", "10.0.0.0.0/8", "010.0.0.0/8", " 10.0.0.0/8",
		"10.0.0.0/8 ", "-10.0.0.0/8", "fd00::/129", "fd00::/", "fd00:/8", "fd00::%1/8",
		"[fd00::]/8", "fd00::g/8", "10.0.0.0:1", "example.com/8", "10",
		"fd00::/0000000000000000000000000000000000000000000000000000000008"};
	struct prefix untouched, prefix;

	(void)state;
	memset(&untouched, 0xee, sizeof(untouched));
	prefix = untouched;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (prefix_from_text(&prefix, rows[i]) != -EINVAL)
			fail_msg("accepted %s", rows[i]);
		assert_memory_equal(&prefix, &untouched, sizeof(prefix));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_endpoint),
		cmocka_unit_test(test_endpoint_none),
		cmocka_unit_test(test_endpoint_bad),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_prefix_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
