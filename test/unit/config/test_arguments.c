/* SPDX-License-Identifier: MIT
 *
 * The words of `adit set`: good ones become the set request `wg` would send, bad ones are refused
 * with the word and what was expected.
 */
#include "config/arguments.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "config/uapi.h"

#define HEX_1 "0101010101010101010101010101010101010101010101010101010101010101"
#define KEY_1 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define PEER "set=1\npublic_key=" HEX_1 "\n"

enum { WORDS_MAX = 12 };

static int read_key_file(
	void *data, const char *path, uint8_t ret_key[KEY_LEN], const char **ret_reason)
{
	(void)data;
	if (strcmp(path, "/key file") != 0) {
		*ret_reason = "no such file";
		return -ENOENT;
	}
	memset(ret_key, 1, KEY_LEN);
	return 0;
}

static const struct config_callbacks callbacks = {.read_key_file = read_key_file};

static size_t count(char *const *words)
{
	size_t num = 0;

	while (words[num] != NULL)
		num++;
	return num;
}

static void good_words_become_a_request(void **state)
{
	static const struct {
		char *words[WORDS_MAX];
		const char *request;
	} rows[] = {
		{{NULL}, "set=1\n\n"},
		{{"fwmark", "0x10", "listen-port", "0", "private-key", "/key file"},
			"set=1\nprivate_key=" HEX_1 "\nlisten_port=0\nfwmark=16\n\n"},
		{{"fwmark", "off"}, "set=1\nfwmark=0\n\n"},
		{{"peer", KEY_1}, PEER "\n"},
		{{"peer", KEY_1, "remove"}, PEER "remove=true\n\n"},
		{{"peer", KEY_1, "preshared-key", "/key file", "persistent-keepalive", "off",
			 "endpoint", "[::1]:5"},
			PEER "preshared_key=" HEX_1 "\nendpoint=[::1]:5\n"
			     "persistent_keepalive_interval=0\n\n"},
		{{"peer", KEY_1, "allowed-ips", ""}, PEER "replace_allowed_ips=true\n\n"},
		{{"peer", KEY_1, "allowed-ips", "10.0.0.0/8, ::1"},
			PEER "replace_allowed_ips=true\nallowed_ip=10.0.0.0/8\n"
			     "allowed_ip=::1/128\n\n"},
		{{"peer", KEY_1, "allowed-ips", "+10.0.0.0/8,-::1/128"},
			PEER "allowed_ip=10.0.0.0/8\nallowed_ip=-::1/128\n\n"},
		{{"peer", KEY_1, "allowed-ips", "::1", "allowed-ips", "::2"},
			PEER "replace_allowed_ips=true\nallowed_ip=::1/128\n"
			     "allowed_ip=::2/128\n\n"},
		{{"peer", KEY_1, "peer", KEY_1, "remove"},
			PEER "public_key=" HEX_1 "\nremove=true\n\n"},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char message[CONFIG_MESSAGE_LEN] = "";
		struct config config;
		struct text text = {0};

		if (config_arguments_parse(
			    rows[i].words, count(rows[i].words), &callbacks, &config, message) != 0)
			fail_msg("%s", message);
		uapi_write_set(&text, &config);
		assert_string_equal(text.data, rows[i].request);
		text_deinit(&text);
		config_deinit(&config);
	}
}

static void bad_words_are_refused_by_name(void **state)
{
	static const struct {
		char *words[WORDS_MAX];
		const char *message;
	} rows[] = {
		{{"frob"},
			"unknown word \"frob\"; expected listen-port, fwmark, private-key or peer"},
		{{"listen-port"}, "listen-port: the value is missing; expected a port number from "
				  "0 to 65535"},
		{{"listen-port", "65536"},
			"listen-port: \"65536\" is not a port number from 0 to 65535"},
		{{"private-key", "/x"}, "private-key: \"/x\": no such file"},
		{{"endpoint", "1.2.3.4:5"}, "endpoint: expected after peer and its public key"},
		{{"remove"}, "remove: expected after peer and its public key"},
		{{"peer"}, "peer: the value is missing; expected a key of 44 base64 characters"},
		{{"peer", "x"}, "peer: \"x\" is not a key of 44 base64 characters"},
		{{"peer", KEY_1, "peer", "x"}, "peer: \"x\" is not a key of 44 base64 characters"},
		{{"peer", KEY_1, "fwmark", "1"}, "fwmark: expected before the first peer"},
		{{"peer", KEY_1, "frob"},
			"unknown word \"frob\"; expected remove, preshared-key, endpoint, "
			"persistent-keepalive, allowed-ips or peer"},
		{{"peer", KEY_1, "preshared-key"},
			"peer " KEY_1 ": preshared-key: the value is missing; expected a file with "
			"a key of 44 base64 characters"},
		{{"peer", KEY_1, "endpoint", "host"},
			"peer " KEY_1 ": endpoint: \"host\" is not HOST:PORT or [IPV6]:PORT"},
		{{"peer", KEY_1, "allowed-ips", "::/0,-"},
			"peer " KEY_1 ": allowed-ips: \"-\" is not an address or ADDRESS/PREFIX"},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static const struct config empty;
		char message[CONFIG_MESSAGE_LEN] = "";
		struct config config;

		assert_int_equal(config_arguments_parse(rows[i].words, count(rows[i].words),
					 &callbacks, &config, message),
			rows[i].words[0] && strcmp(rows[i].words[0], "private-key") == 0 ? -ENOENT
											 : -EINVAL);
		assert_string_equal(message, rows[i].message);
		assert_memory_equal(&config, &empty, sizeof(config));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_words_become_a_request),
		cmocka_unit_test(bad_words_are_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
