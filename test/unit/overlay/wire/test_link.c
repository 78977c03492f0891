/* SPDX-License-Identifier: MIT
 *
 * Join links: good ones, each way one can be wrong, and keys as base64url.
 */
#include "overlay/wire/link.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HUB "-_-_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define KEY "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"

static const uint8_t hub[KEY_LEN] = {0xfb, 0xff, 0xbf};

static void test_good(void **state)
{
	static const struct {
		const char *text;
		const char *host;
		uint16_t port;
	} cases[] = {
		{"adit://" HUB "@hub.example.org/robots#" KEY, "hub.example.org", ENROL_PORT},
		{"adit://" HUB "@hub:1/robots#" KEY, "hub", 1},
		{"adit://" HUB "@192.0.2.1:65535/robots#" KEY, "192.0.2.1", 65535},
		{"adit://" HUB "@[2001:db8::1]/robots#" KEY, "2001:db8::1", ENROL_PORT},
		{"adit://" HUB "@[::1]:9/robots#" KEY, "::1", 9},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[JOIN_LINK_TEXT_LEN];
		struct join_link link;
		const char *error = NULL;
		uint8_t key[KEY_LEN];

		memset(key, 1, sizeof(key));
		assert_int_equal(join_link_parse(&link, cases[i].text, &error), 0);
		assert_null(error);
		assert_string_equal(link.host, cases[i].host);
		assert_int_equal(link.port, cases[i].port);
		assert_string_equal(link.network, "robots");
		assert_memory_equal(link.hub_key, hub, KEY_LEN);
		assert_memory_equal(link.join_key, key, KEY_LEN);
		join_link_write(text, &link);
		assert_string_equal(text, cases[i].text);
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *text;
		const char *word; /* of the complaint */
	} cases[] = {
		{"", "begin"},
		{"http://" HUB "@hub/robots#" KEY, "begin"},
		{"adit://" HUB "hub/robots#" KEY, "key of the hub"},
		{"adit://A" HUB "@hub/robots#" KEY, "key of the hub"},
		{"adit://@hub/robots#" KEY, "key of the hub"},
		{"adit://" HUB "@hub", "network's name is missing"},
		{"adit://" HUB "@/robots#" KEY, "host"},
		{"adit://" HUB "@hub./robots#" KEY, "host"},
		{"adit://" HUB "@hub..a/robots#" KEY, "host"},
		{"adit://" HUB "@-hub/robots#" KEY, "host"},
		{"adit://" HUB "@hub-/robots#" KEY, "host"},
		{"adit://" HUB "@a-.b/robots#" KEY, "host"},
		{"adit://" HUB "@hu b/robots#" KEY, "host"},
		{"adit://" HUB "@1.2.3/robots#" KEY, "host"},
		{"adit://" HUB "@1.2.3.256/robots#" KEY, "host"},
		{"adit://" HUB "@[1.2.3.4]/robots#" KEY, "host"},
		{"adit://" HUB "@[::1/robots#" KEY, "bracket"},
		{"adit://" HUB "@[::1::]/robots#" KEY, "host"},
		{"adit://" HUB "@[::1]x/robots#" KEY, "port"},
		{"adit://" HUB "@::1/robots#" KEY, "host"},
		{"adit://" HUB "@hub:/robots#" KEY, "port"},
		{"adit://" HUB "@hub:0/robots#" KEY, "port"},
		{"adit://" HUB "@hub:65536/robots#" KEY, "port"},
		{"adit://" HUB "@hub:1x/robots#" KEY, "port"},
		{"adit://" HUB "@hub/robots", "join key is missing"},
		{"adit://" HUB "@hub/#" KEY, "characters"},
		{"adit://" HUB "@hub/Robots#" KEY, "characters"},
		{"adit://" HUB "@hub/a/b#" KEY, "characters"},
		{"adit://" HUB "@hub/robotsrobotsrobo#" KEY, "too long"},
		{"adit://" HUB "@hub/robots#", "not a join key"},
		{"adit://" HUB "@hub/robots#" KEY " ", "not a join key"},
		{"adit://" HUB "@hub/robots#AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQF",
			"not a join key"},
		{"adit://" HUB "@hub/robots#+QEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
			"not a join key"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct join_link link = {.port = 77};
		const char *error = NULL;

		if (join_link_parse(&link, cases[i].text, &error) != -EINVAL)
			fail_msg("accepted: %s", cases[i].text);
		assert_int_equal(link.port, 77);
		if (!error || !strstr(error, cases[i].word))
			fail_msg("%s: %s", cases[i].text, error);
	}
}

static void test_host_lengths(void **state)
{
	char host[JOIN_HOST_MAX + 2] = {0};

	(void)state;
	memset(host, 'a', sizeof(host) - 1);
	for (size_t i = 63; i < sizeof(host); i += 64)
		host[i] = '.';
	assert_false(join_host_is_valid(host));
	host[JOIN_HOST_MAX] = '\0';
	assert_true(join_host_is_valid(host));
	memset(host, 'a', 64);
	assert_false(join_host_is_valid(host));
}

/* Every digit of the alphabet in every place, and every character that is none. */
static void test_base64url(void **state)
{
	uint8_t key[KEY_LEN], back[KEY_LEN];
	char text[KEY_BASE64URL_LEN + 1];

	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		bool is_digit;

		for (unsigned k = 0; k < KEY_LEN; k++)
			key[k] = (uint8_t)(i * 7 + k * 37);
		key_to_base64url(text, key);
		assert_int_equal(strlen(text), KEY_BASE64URL_LEN);
		assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					      "0123456789-_"),
			KEY_BASE64URL_LEN);
		assert_int_equal(key_from_base64url(back, text, KEY_BASE64URL_LEN), 0);
		assert_memory_equal(back, key, KEY_LEN);
		text[5] = (char)i;
		is_digit = (i >= 'A' && i <= 'Z') || (i >= 'a' && i <= 'z') ||
			   (i >= '0' && i <= '9') || i == '-' || i == '_';
		assert_int_equal(
			key_from_base64url(back, text, KEY_BASE64URL_LEN), is_digit ? 0 : -EINVAL);
	}
	assert_int_equal(key_from_base64url(back, text, KEY_BASE64URL_LEN - 1), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_host_lengths),
		cmocka_unit_test(test_base64url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
