/* SPDX-License-Identifier: MIT
 *
 * Config files: what is accepted comes back as `wg showconf` writes it, what is refused is
 * refused with file, line, key and what was expected, and no message holds a secret.
 */
#include "config/file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define KEY_1 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define KEY_2 "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
#define PEER "[Peer]\nPublicKey = " KEY_1 "\n"

static char warning[CONFIG_MESSAGE_LEN];

static int resolve(void *data, const char *host, const char *port, struct endpoint *ret_endpoint,
	const char **ret_reason)
{
	(void)data;
	if (strcmp(host, "vpn.example") == 0 && strcmp(port, "domain") == 0)
		return endpoint_from_text(ret_endpoint, "192.0.2.9:53");
	*ret_reason = "no such host";
	return -ENOENT;
}

static void warn(void *data, const char *message)
{
	(void)data;
	snprintf(warning, sizeof(warning), "%s", message);
}

static const struct config_callbacks callbacks = {.resolve = resolve, .warn = warn};

static int parse(const char *text, struct config *ret_config, char *ret_message)
{
	return config_file_parse(text, strlen(text), "wg0.conf", CONFIG_FILE_APPEND, &callbacks,
		ret_config, ret_message);
}

static void good_files_come_back_as_showconf_writes_them(void **state)
{
	static const struct {
		const char *file, *written;
	} rows[] = {
		{"", "[Interface]\n\n"},
		{"# nothing\n\n \t\r\n[Interface]#x\n", "[Interface]\n\n"},
		{"[interface]\nlistenport=1\nFWMARK = 0xFf\nprivatekey = " KEY_1,
			"[Interface]\nListenPort = 1\nFwMark = 0xff\nPrivateKey = " KEY_1 "\n\n"},
		{"[Interface]\nFwMark = 4294967295\n", "[Interface]\nFwMark = 0xffffffff\n\n"},
		{"[Interface]\nFwMark = 5\nFwMark = OFF\n", "[Interface]\n\n"},
		{" [ P e e r ] \r\n Public Key\t=" KEY_1 "# c\r\n", "[Interface]\n\n" PEER},
		{PEER "PresharedKey=" KEY_2 "\nEndpoint = [2001:db8::1]:65535\n"
		      "AllowedIPs = 10.0.0.0/8 , fd00::/64\nAllowedIPs = 1.2.3.4, ::1\n"
		      "PersistentKeepalive = 65535\n",
			"[Interface]\n\n" PEER "PresharedKey = " KEY_2 "\n"
			"AllowedIPs = 10.0.0.0/8, fd00::/64, 1.2.3.4/32, ::1/128\n"
			"Endpoint = [2001:db8::1]:65535\nPersistentKeepalive = 65535\n"},
		{PEER "PersistentKeepalive = 9\nPersistentKeepalive = Off\nAllowedIPs =\n",
			"[Interface]\n\n" PEER},
		{PEER "Endpoint = vpn.example:domain\n",
			"[Interface]\n\n" PEER "Endpoint = 192.0.2.9:53\n"},
		{PEER PEER "[Interface]\nListenPort = 65535",
			"[Interface]\nListenPort = 65535\n\n" PEER "\n" PEER},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char message[CONFIG_MESSAGE_LEN] = "";
		struct config config;
		struct text text = {0};

		if (parse(rows[i].file, &config, message) != 0)
			fail_msg("%s", message);
		config_file_write(&text, &config);
		assert_string_equal(text.data, rows[i].written);
		config_deinit(&config);
		text_deinit(&text);
	}
}

static void bad_lines_are_refused_with_file_line_key_and_expectation(void **state)
{
	static const struct {
		const char *file, *message;
	} rows[] = {
		{"ListenPort = 1\n", "1: expected [Interface] or [Peer] before the first key"},
		{"[Interfaces]\n", "1: unknown section; expected [Interface] or [Peer]"},
		{"\n\n[Interface]\nListenPort\n", "4: expected Key = Value"},
		{"[Interface]\nListenPort = 70000\n",
			"2: ListenPort: \"70000\" is not a port number from 0 to 65535"},
		{"[Interface]\nLISTENPORT =\n",
			"2: ListenPort: \"\" is not a port number from 0 to 65535"},
		{"[Interface]\nFwMark = 0x\n",
			"2: FwMark: \"0x\" is not a number from 0 to 0xffffffff, or off"},
		{"[Interface]\nFwMark = 0x100000000\n",
			"2: FwMark: \"0x100000000\" is not a number from 0 to 0xffffffff, or off"},
		{"[Interface]\nFwMark = \x1b[0m\n",
			"2: FwMark: \"?[0m\" is not a number from 0 to 0xffffffff, or off"},
		{"[Interface]\nPrivateKey = " KEY_1 KEY_1 "\n",
			"2: PrivateKey: expected a key of 44 base64 characters"},
		{"[Interface]\n" KEY_1 "\n",
			"2: unknown key in [Interface]; expected PrivateKey, ListenPort or FwMark"},
		{"[Interface]\nPublicKey = " KEY_1 "\n",
			"2: PublicKey: unknown key in [Interface]; expected PrivateKey, ListenPort "
			"or FwMark"},
		{"[Interface]\naddress = 10.0.0.1\n",
			"2: Address: a key of wg-quick; expected PrivateKey, ListenPort or FwMark "
			"(`wg-quick strip` leaves the others out)"},
		{"[Peer]\n\n[Interface]\n",
			"1: [Peer]: PublicKey is missing; expected in every [Peer] section"},
		{PEER "[Peer]\nAllowedIPs = ::/0",
			"3: [Peer]: PublicKey is missing; expected in every [Peer] section"},
		{PEER "ListenPort = 1\n",
			"3: ListenPort: unknown key in [Peer]; expected PublicKey, PresharedKey, "
			"Endpoint, AllowedIPs or PersistentKeepalive"},
		{PEER "PresharedKey = x\n",
			"3: PresharedKey: expected a key of 44 base64 characters"},
		{"[Peer]\nPublicKey = x\n",
			"2: PublicKey: \"x\" is not a key of 44 base64 characters"},
		{PEER "AllowedIPs = 10.0.0.0/8, 10.0.0.0/33\n",
			"3: AllowedIPs: \"10.0.0.0/33\" is not an address or ADDRESS/PREFIX"},
		{PEER "AllowedIPs = ::/0,\n",
			"3: AllowedIPs: \"\" is not an address or ADDRESS/PREFIX"},
		{PEER "PersistentKeepalive = 65536\n", "3: PersistentKeepalive: \"65536\" is not a "
						       "number of seconds from 0 to 65535, or off"},
		{PEER "Endpoint = 1.2.3.4\n",
			"3: Endpoint: \"1.2.3.4\" is not HOST:PORT or [IPV6]:PORT"},
		{PEER "Endpoint = [::1:5\n",
			"3: Endpoint: \"[::1:5\" is not HOST:PORT or [IPV6]:PORT"},
		{PEER "Endpoint = nowhere.example:5\n",
			"3: Endpoint: \"nowhere.example\": no such host"},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static const struct config empty;
		char message[CONFIG_MESSAGE_LEN] = "", expected[CONFIG_MESSAGE_LEN];
		struct config config;

		assert_int_equal(parse(rows[i].file, &config, message), -EINVAL);
		snprintf(expected, sizeof(expected), "wg0.conf:%s", rows[i].message);
		assert_string_equal(message, expected);
		assert_memory_equal(&config, &empty, sizeof(config));
	}
}

static void a_nul_is_refused(void **state)
{
	static const char file[] = "[Interface]\nListenPort = 1\0\n";
	char message[CONFIG_MESSAGE_LEN];
	struct config config;
	(void)state;

	assert_int_equal(config_file_parse(file, sizeof(file) - 1, "f", CONFIG_FILE_APPEND,
				 &callbacks, &config, message),
		-EINVAL);
	assert_string_equal(message, "f:2: a NUL byte; expected text");
}

static void replacing_clears_what_the_file_does_not_say(void **state)
{
	struct config config;
	char message[CONFIG_MESSAGE_LEN];
	(void)state;

	assert_int_equal(config_file_parse(PEER, sizeof(PEER) - 1, "f", CONFIG_FILE_REPLACE,
				 &callbacks, &config, message),
		0);
	assert_int_equal(config.flags, CONFIG_REPLACE_PEERS | CONFIG_HAS_PRIVATE_KEY |
					       CONFIG_HAS_FWMARK | CONFIG_HAS_LISTEN_PORT);
	assert_int_equal(config.peers[0].flags, CONFIG_PEER_REPLACE_ALLOWED_IPS);
	config_deinit(&config);
	assert_int_equal(parse(PEER, &config, message), 0);
	assert_int_equal(config.flags, 0);
	config_deinit(&config);
}

static void host_bits_draw_a_warning(void **state)
{
	struct config config;
	char message[CONFIG_MESSAGE_LEN];
	(void)state;

	warning[0] = '\0';
	assert_int_equal(parse(PEER "AllowedIPs = 10.0.0.0/8, ::/0, 1::1\n", &config, message), 0);
	assert_string_equal(warning, "");
	config_deinit(&config);
	assert_int_equal(parse(PEER "AllowedIPs = 10.0.0.1/31, ::/0\n", &config, message), 0);
	assert_string_equal(
		warning, "wg0.conf:3: allowed IP 10.0.0.1/31 has bits set behind its prefix");
	config_deinit(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_files_come_back_as_showconf_writes_them),
		cmocka_unit_test(bad_lines_are_refused_with_file_line_key_and_expectation),
		cmocka_unit_test(a_nul_is_refused),
		cmocka_unit_test(replacing_clears_what_the_file_does_not_say),
		cmocka_unit_test(host_bits_draw_a_warning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
