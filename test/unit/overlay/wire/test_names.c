/* SPDX-License-Identifier: MIT
 *
 * What may be a name, the names that hostnames give, fingerprints.
 */
#include "overlay/wire/names.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define A15 "aaaaaaaaaaaaaaa"
#define A31 A15 A15 "a"
#define A63 A31 A31 "a"
#define D58 "1234567890123456789012345678901234567890123456789012345678"

static void test_validity(void **state)
{
	static const struct {
		const char *name;
		bool network, tag, node;
	} cases[] = {
		{"robots", true, true, true},
		{"r", true, true, true},
		{"r2-d2", true, true, true},
		{"2d", false, false, true},
		{"2", false, false, false},
		{"1234567890", false, false, false},
		{"2-2", false, false, true},
		{"", false, false, false},
		{"-a", false, false, false},
		{"a-", false, false, false},
		{"Robots", false, false, false},
		{"a.b", false, false, false},
		{"a_b", false, false, false},
		{"a b", false, false, false},
		{"\xc3\xa4", false, false, false},
		{"lo", false, false, true},
		{"all", false, false, true},
		{"default", false, false, true},
		{"hub", true, true, false},
		{"localhost", true, true, false},
		{A15, true, true, true},
		{A15 "a", false, true, true},
		{A31, false, true, true},
		{A31 "a", false, false, true},
		{A63, false, false, true},
		{A63 "a", false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (network_name_is_valid(cases[i].name) != cases[i].network ||
			tag_is_valid(cases[i].name) != cases[i].tag ||
			node_name_is_valid(cases[i].name) != cases[i].node)
			fail_msg("\"%s\"", cases[i].name);
	}
}

static void test_hostnames(void **state)
{
	static const struct {
		const char *hostname, *name;
	} cases[] = {
		{"robot-1", "robot-1"},
		{"Robot_1.local", "robot-1"},
		{"ANNA", "anna"},
		{"--a--", "a"},
		{"", "node"},
		{".", "node"},
		{"___", "node"},
		{"\xc3\xa4rger", "rger"},
		{"hub", "hub-node"},
		{"HUB.example.org", "hub-node"},
		{"localhost.localdomain", "localhost-node"},
		{"7", "7-node"},
		{D58 "67890", D58 "-node"},
		{A63 "bcd", A63},
		{A31 A31 "-bcd", A31 A31},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char name[NODE_NAME_MAX + 1];

		memset(name, 'x', sizeof(name));
		node_name_from_hostname(name, cases[i].hostname);
		assert_string_equal(name, cases[i].name);
		assert_true(node_name_is_valid(name));
		assert_true(bytes_are_zero(name + strlen(name), sizeof(name) - strlen(name)));
	}
}

static void test_fingerprint(void **state)
{
	/* BLAKE2s of 32 zeros begins with 320b5ea99e */
	const uint8_t key[KEY_LEN] = {0};
	char text[FINGERPRINT_TEXT_LEN];

	(void)state;
	fingerprint(text, key);
	assert_string_equal(text, "685N-XACY");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_validity),
		cmocka_unit_test(test_hostnames),
		cmocka_unit_test(test_fingerprint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
