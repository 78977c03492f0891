/* SPDX-License-Identifier: MIT
 *
 * Settings files, good and bad, with the line that is named.
 */
#include "overlay/agent/settings_file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define KEY_A "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"
#define KEY_B "BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
#define HUB "hub = adit://" KEY_A "@hub.example:5000\n"
#define LINK "adit://" KEY_A "@hub.example:5000/robots#" KEY_B

static void test_good(void **state)
{
	static const char *const texts[] = {
		HUB "network = robots\njoin-key = " KEY_B "\n",
		"# a robot\r\n\r\n  hub=adit://" KEY_A "@hub.example:5000 \r\nnetwork\t= robots\r\n"
		"join-key=" KEY_B,
		"link = " LINK,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct member_settings s;
		const char *error;
		unsigned line;

		assert_int_equal(
			settings_file_parse(&s, texts[i], strlen(texts[i]), &line, &error), 0);
		assert_string_equal(s.link.host, "hub.example");
		assert_int_equal(s.link.port, 5000);
		assert_string_equal(s.link.network, "robots");
		assert_int_equal(s.link.hub_key[0], 1);
		assert_int_equal(s.link.join_key[31], 5);
		assert_true(s.is_configured);
		assert_string_equal(s.name, "");
		assert_string_equal(s.ifname, "");
		assert_int_equal(s.endpoint.family, 0);
	}
}

static void test_all_settings(void **state)
{
	static const char text[] = "link = " LINK "\nname = robot-1\ninterface = vpn0\n"
				   "endpoint = [2001:db8::1]:1234\nkeepalive = 25\n";
	struct member_settings s;
	const char *error;
	unsigned line;

	(void)state;
	assert_int_equal(settings_file_parse(&s, text, sizeof(text) - 1, &line, &error), 0);
	assert_string_equal(s.name, "robot-1");
	assert_string_equal(s.ifname, "vpn0");
	assert_int_equal(s.endpoint.port, 1234);
	assert_int_equal(s.keepalive_s, 25);
}

static void test_bad(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
	} cases[] = {
		{"", 0},
		{HUB "network = robots\n", 0},
		{HUB "network = robots\nlink = " LINK "\n", 0},
		{"\n\nnonsense\n", 3},
		{"link = " LINK "\ncolour = red\n", 2},
		{"link = " LINK "\nlink = " LINK "\n", 2},
		{"link =\n", 1},
		{"link = adit://x\n", 1},
		{"name = x\nhub = adit://x\nnetwork = robots\njoin-key = " KEY_B "\n", 2},
		{"name = Robot_1\n", 1},
		{"interface = lo\n", 1},
		{"interface = ../../etc\n", 1},
		{"interface = sixteen-letters-\n", 1},
		{"endpoint = 192.0.2.1\n", 1},
		{"endpoint = 192.0.2.1:0\n", 1},
		{"keepalive = 65536\n", 1},
		{"keepalive = -1\n", 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct member_settings s = {.keepalive_s = 99};
		const char *error = NULL;
		unsigned line = 77;

		assert_int_equal(settings_file_parse(
					 &s, cases[i].text, strlen(cases[i].text), &line, &error),
			-EINVAL);
		assert_int_equal(line, cases[i].line);
		assert_non_null(error);
		assert_int_equal(s.keepalive_s, 99);
	}
}

static void test_long_line(void **state)
{
	struct member_settings s;
	char text[5000];
	const char *error;
	unsigned line;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "link = ", 7);
	for (size_t len = 500; len < sizeof(text); len += 100)
		assert_int_equal(settings_file_parse(&s, text, len, &line, &error), -EINVAL);
	text[20] = '\0';
	assert_int_equal(settings_file_parse(&s, text, 100, &line, &error), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_all_settings),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_long_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
