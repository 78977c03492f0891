/* SPDX-License-Identifier: MIT
 *
 * UAPI text: requests are found however they arrive, every good line is understood, every bad one
 * is refused with its number, and what is written is read back the same.
 */
#include "config/uapi.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HEX_1 "0101010101010101010101010101010101010101010101010101010101010101"
#define HEX_A "abababababababababababababababababababababababababababababababab"
#define HEX_0 "0000000000000000000000000000000000000000000000000000000000000000"
#define PEER "set=1\npublic_key=" HEX_1 "\n"

static void requests_are_found(void **state)
{
	static const struct {
		const char *data;
		ssize_t result;
		enum uapi_operation operation;
	} rows[] = {
		{"", 0, 0},
		{"g", 0, 0},
		{"get=1\n", 0, 0},
		{"get=1\n\n", 7, UAPI_GET},
		{"get=1\n\nget=1\n\n", 7, UAPI_GET},
		{"get=1\nx", -EPROTO, 0},
		{"get=2\n\n", -EPROTO, 0},
		{"get=1\npublic", 0, 0},
		{"get=1\npublic_key=\n", 0, 0},
		{"get=1\npublic_key=\n\n", 19, UAPI_GET_PEER},
		{"get=1\npublic_key=x\ny\n\nget", 22, UAPI_GET_PEER},
		{"get=1\npublic_keys", -EPROTO, 0},
		{"get=1\nprivate_key=\n\n", -EPROTO, 0},
		{"set", 0, 0},
		{"set=1\n", 0, 0},
		{"set=1\n\n", 7, UAPI_SET},
		{"set=1\nlisten_port=1\n", 0, 0},
		{"set=1\nlisten_port=1\n\nget", 21, UAPI_SET},
		{"set=1 \n\n", -EPROTO, 0},
		{"watch=1\n", 0, 0},
		{"watch=1\n\nrefuse=", 9, UAPI_WATCH},
		{"watch=2\n\n", -EPROTO, 0},
		{"watch=1\nx", -EPROTO, 0},
		{"refuse", 0, 0},
		{"refuse=\n", 0, 0},
		{"refuse=\n\n", 9, UAPI_REFUSE},
		{"refuse=10.0.0.1\n\nrefuse=", 17, UAPI_REFUSE},
		{"refuse\n\n", -EPROTO, 0},
		{"hide_keys=1\n", 0, 0},
		{"hide_keys=1\n\nget=1\n\n", 13, UAPI_HIDE_KEYS},
		{"hide_keys=0\n\n", -EPROTO, 0},
		{"hide_keys=1\nx", -EPROTO, 0},
		{"\n", -EPROTO, 0},
		{"GET=1\n\n", -EPROTO, 0},
		{"\xff\xff", -EPROTO, 0},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum uapi_operation operation = 0;
		size_t scan = 0;

		assert_int_equal(
			uapi_find_request(rows[i].data, strlen(rows[i].data), &scan, &operation),
			rows[i].result);
		assert_int_equal(operation, rows[i].operation);
	}
}

static void a_request_in_pieces_is_found_at_its_end(void **state)
{
	static const char request[] = PEER "remove=true\n\n";
	enum uapi_operation operation;
	size_t scan = 0, len;
	(void)state;

	for (len = 0; len < sizeof(request) - 1; len++)
		assert_int_equal(uapi_find_request(request, len, &scan, &operation), 0);
	assert_int_equal(uapi_find_request(request, len, &scan, &operation), (ssize_t)len);
	assert_int_equal(operation, UAPI_SET);
}

static void endless_requests_are_refused_and_cheap(void **state)
{
	char *data = malloc(UAPI_REQUEST_MAX + 1);
	enum uapi_operation operation;
	size_t scan = 0;
	(void)state;

	assert_non_null(data);
	memset(data, 'x', UAPI_REQUEST_MAX + 1);
	memcpy(data, "set=1\n", 6);
	/* A scan that began anew each time would take minutes. */
	for (size_t len = 0; len < UAPI_REQUEST_MAX; len += 4096)
		assert_int_equal(uapi_find_request(data, len, &scan, &operation), 0);
	assert_int_equal(uapi_find_request(data, UAPI_REQUEST_MAX, &scan, &operation), -EMSGSIZE);
	assert_int_equal(
		uapi_find_request(data, UAPI_REQUEST_MAX + 1, &scan, &operation), -EMSGSIZE);
	free(data);
}

static void good_requests_come_back_in_the_order_of_wg(void **state)
{
	static const struct {
		const char *request, *written;
	} rows[] = {
		{"set=1\n\n", "set=1\n\n"},
		{"set=1\nreplace_peers=true\nfwmark=4294967295\nlisten_port=65535\n"
		 "private_key=" HEX_1 "\n\n",
			"set=1\nprivate_key=" HEX_1 "\nlisten_port=65535\nfwmark=4294967295\n"
			"replace_peers=true\n\n"},
		{"set=1\nprivate_key=" HEX_0 "\nlisten_port=0\nfwmark=0\n\n",
			"set=1\nprivate_key=" HEX_0 "\nlisten_port=0\nfwmark=0\n\n"},
		{"set=1\nfwmark=\n\n", "set=1\nfwmark=0\n\n"},
		{PEER "\n", PEER "\n"},
		{PEER "protocol_version=1\n\n", PEER "\n"},
		{PEER "remove=true\nallowed_ip=::/0\n\n", PEER "remove=true\n\n"},
		{PEER "update_only=true\n\n", PEER "update_only=true\n\n"},
		{PEER "allowed_ip=10.0.0.0/8\nallowed_ip=+fd00::/64\nallowed_ip=-1.2.3.4/32\n"
		      "persistent_keepalive_interval=65535\nendpoint=[fe80::1%2]:1\n"
		      "preshared_key=" HEX_A "\n\n",
			PEER "preshared_key=" HEX_A "\nendpoint=[fe80::1%2]:1\n"
			     "persistent_keepalive_interval=65535\nallowed_ip=10.0.0.0/8\n"
			     "allowed_ip=fd00::/64\nallowed_ip=-1.2.3.4/32\n\n"},
		{PEER "allowed_ip=10.0.0.0/8\nreplace_allowed_ips=true\nallowed_ip=0.0.0.0/0\n\n",
			PEER "replace_allowed_ips=true\nallowed_ip=0.0.0.0/0\n\n"},
		{PEER "public_key=" HEX_A "\nremove=true\npublic_key=" HEX_1 "\n\n",
			PEER "public_key=" HEX_A "\nremove=true\npublic_key=" HEX_1 "\n\n"},
		{PEER "endpoint=1.2.3.4:1\nendpoint=192.0.2.1:65535\n\n",
			PEER "endpoint=192.0.2.1:65535\n\n"},
		{PEER "preshared_key=ABABABABABABABABABABABABABABABAB"
		      "ABABABABABABABABABABABABABABABAB\n\n",
			PEER "preshared_key=" HEX_A "\n\n"},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct config config;
		struct text text = {0};
		unsigned line = 0;

		assert_int_equal(
			uapi_parse_set(rows[i].request, strlen(rows[i].request), &config, &line),
			0);
		uapi_write_set(&text, &config);
		assert_string_equal(text.data, rows[i].written);
		text_deinit(&text);
		config_deinit(&config);
	}
}

static void bad_lines_are_refused_by_number(void **state)
{
	static const struct {
		const char *request;
		int error;
		unsigned line;
	} rows[] = {
		{"set=1\nlisten_port\n\n", -EPROTO, 2},
		{"set=1\nlisten_port=65536\n\n", -EINVAL, 2},
		{"set=1\nlisten_port=\n\n", -EINVAL, 2},
		{"set=1\nlisten_port=-1\n\n", -EINVAL, 2},
		{"set=1\nlisten_port=+1\n\n", -EINVAL, 2},
		{"set=1\nlisten_port= 1\n\n", -EINVAL, 2},
		{"set=1\nlisten_port=18446744073709551617\n\n", -EINVAL, 2},
		{"set=1\nfwmark=0x1\n\n", -EINVAL, 2},
		{"set=1\nfwmark=4294967296\n\n", -EINVAL, 2},
		{"set=1\nprivate_key=" HEX_1 "0\n\n", -EINVAL, 2},
		{"set=1\nprivate_key=\n\n", -EINVAL, 2},
		{"set=1\nreplace_peers=false\n\n", -EINVAL, 2},
		{"set=1\nreplace_peers=TRUE\n\n", -EINVAL, 2},
		{"set=1\nListen_port=1\n\n", -EINVAL, 2},
		{"set=1\nendpoint=1.2.3.4:5\n\n", -EINVAL, 2},
		{"set=1\nallowed_ip=::/0\n\n", -EINVAL, 2},
		{"set=1\n=\n\n", -EINVAL, 2},
		{"set=1\nset=1\n\n", -EINVAL, 2},
		{"set=1\nlisten_port=1\r\n\n", -EINVAL, 2},
		{"set=1\npublic_key=" HEX_1 "g\n\n", -EINVAL, 2},
		{PEER "listen_port=1\n\n", -EINVAL, 3},
		{PEER "private_key=" HEX_1 "\n\n", -EINVAL, 3},
		{PEER "replace_peers=true\n\n", -EINVAL, 3},
		{PEER "remove=1\n\n", -EINVAL, 3},
		{PEER "update_only=\n\n", -EINVAL, 3},
		{PEER "replace_allowed_ips=truee\n\n", -EINVAL, 3},
		{PEER "protocol_version=2\n\n", -EINVAL, 3},
		{PEER "protocol_version=0\n\n", -EINVAL, 3},
		{PEER "preshared_key=" HEX_1 "\npreshared_key=xx\n\n", -EINVAL, 4},
		{PEER "endpoint=1.2.3.4\n\n", -EINVAL, 3},
		{PEER "endpoint=example.com:1\n\n", -EINVAL, 3},
		{PEER "endpoint=1.2.3.4:65536\n\n", -EINVAL, 3},
		{PEER "endpoint=\n\n", -EINVAL, 3},
		{PEER "persistent_keepalive_interval=65536\n\n", -EINVAL, 3},
		{PEER "persistent_keepalive_interval=off\n\n", -EINVAL, 3},
		{PEER "allowed_ip=1.2.3.4/33\n\n", -EINVAL, 3},
		{PEER "allowed_ip=1.2.3.4\n\n", -EINVAL, 3},
		{PEER "allowed_ip=::/129\n\n", -EINVAL, 3},
		{PEER "allowed_ip=--::/0\n\n", -EINVAL, 3},
		{PEER "allowed_ip=-\n\n", -EINVAL, 3},
		{PEER "allowed_ip=\n\n", -EINVAL, 3},
		{PEER "tx_bytes=1\n\n", -EINVAL, 3},
		{PEER "allowed_ip=::/0\nallowed_ip=::/0\nx\n\n", -EPROTO, 5},
		{PEER, -EPROTO, 3},
		{PEER "remove=true", -EPROTO, 3},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static const struct config empty;
		struct config config;
		unsigned line = 0;

		assert_int_equal(
			uapi_parse_set(rows[i].request, strlen(rows[i].request), &config, &line),
			rows[i].error);
		assert_int_equal(line, rows[i].line);
		assert_memory_equal(&config, &empty, sizeof(config));
	}
}

static void a_nul_is_no_end_of_a_value(void **state)
{
	static const char request[] = "set=1\nlisten_port=1\0\n\n";
	struct config config;
	unsigned line;
	(void)state;

	assert_int_equal(uapi_parse_set(request, sizeof(request) - 1, &config, &line), -EPROTO);
}

static void every_truncation_is_refused(void **state)
{
	static const char request[] = PEER "preshared_key=" HEX_A "\nallowed_ip=::/0\n\n";
	struct config config;
	unsigned line;
	(void)state;

	for (size_t len = 0; len < sizeof(request) - 1; len++) {
		char *copy = malloc(len ? len : 1); /* the sanitizer sees a step too far */

		assert_non_null(copy);
		memcpy(copy, request, len);
		assert_int_not_equal(uapi_parse_set(copy, len, &config, &line), 0);
		free(copy);
	}
}

#define REPLY_PEER                                                                        \
	"public_key=" HEX_1 "\npreshared_key=" HEX_0 "\nprotocol_version=1\n"             \
	"last_handshake_time_sec=0\nlast_handshake_time_nsec=0\ntx_bytes=0\nrx_bytes=0\n" \
	"persistent_keepalive_interval=0\n"

static void replies_to_get_come_back(void **state)
{
	static const struct {
		const char *reply, *written;
	} rows[] = {
		{"errno=0\n\n", "errno=0\n\n"},
		{"private_key=" HEX_1 "\nlisten_port=1\nfwmark=2\ndrop_replayed=3\nerrno=0\n\n",
			"private_key=" HEX_1 "\nlisten_port=1\nfwmark=2\ndrop_replayed=3\n"
			"errno=0\n\n"},
		{"private_key=" HEX_0 "\nlisten_port=0\nfwmark=0\nnew_key=x\nerrno=0\n\n",
			"errno=0\n\n"},
		{"public_key=" HEX_1 "\nnew_key=\nerrno=0\n\n", REPLY_PEER "errno=0\n\n"},
		{"public_key=" HEX_1 "\npreshared_key=" HEX_A "\nendpoint=[2001:db8::1]:53\n"
		 "last_handshake_time_sec=9223372036854775807\n"
		 "last_handshake_time_nsec=999999999\n"
		 "tx_bytes=18446744073709551615\nrx_bytes=1\npersistent_keepalive_interval=25\n"
		 "allowed_ip=0.0.0.0/0\nallowed_ip=::/0\nerrno=0\n\n",
			"public_key=" HEX_1 "\npreshared_key=" HEX_A "\nprotocol_version=1\n"
			"endpoint=[2001:db8::1]:53\n"
			"last_handshake_time_sec=9223372036854775807\n"
			"last_handshake_time_nsec=999999999\n"
			"tx_bytes=18446744073709551615\nrx_bytes=1\n"
			"persistent_keepalive_interval=25\n"
			"allowed_ip=0.0.0.0/0\nallowed_ip=::/0\nerrno=0\n\n"},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct config config;
		struct text text = {0};

		assert_int_equal(
			uapi_parse_get_reply(rows[i].reply, strlen(rows[i].reply), &config), 0);
		uapi_write_get_reply(&text, &config, false);
		assert_string_equal(text.data, rows[i].written);
		text_deinit(&text);
		config_deinit(&config);
	}
}

static void a_reply_may_hide_keys(void **state)
{
	static const char reply[] =
		"private_key=" HEX_A "\nlisten_port=1\npublic_key=" HEX_1 "\npreshared_key=" HEX_A
		"\nallowed_ip=::/0\npublic_key=" HEX_0 "\nerrno=0\n\n";
	static const char peer[] = "protocol_version=1\nlast_handshake_time_sec=0\n"
				   "last_handshake_time_nsec=0\ntx_bytes=0\nrx_bytes=0\n"
				   "persistent_keepalive_interval=0\n";
	struct config config;
	struct text text = {0};
	char expected[1024];

	(void)state;
	assert_int_equal(uapi_parse_get_reply(reply, sizeof(reply) - 1, &config), 0);
	uapi_write_get_reply(&text, &config, true);
	snprintf(expected, sizeof(expected),
		"listen_port=1\npublic_key=" HEX_1 "\n%sallowed_ip=::/0\npublic_key=" HEX_0
		"\n%serrno=0\n\n",
		peer, peer);
	assert_string_equal(text.data, expected);
	text_deinit(&text);
	config_deinit(&config);
}

static void a_get_may_be_of_one_peer(void **state)
{
	static const char *const bad[] = {
		"get=1\npublic_key=" HEX_A "\n",
		"get=1\npublic_key=" HEX_A,
		"get=1\npublic_key=" HEX_A "0\n\n",
		"get=1\npublic_key=" HEX_A "\n\n\n",
		"get=1\npublic_key=\n\n",
		"get=1\npublic_key=" HEX_A "\npublic_key=" HEX_A "\n\n",
		"get=1\npublic_key=" HEX_A "\nx=1\n\n",
		"get=1\nprivate_key=" HEX_A "\n\n",
		"set=1\npublic_key=" HEX_A "\n\n",
		"get=1\n\n",
		"",
	};
	uint8_t key[KEY_LEN] = {0}, expected[KEY_LEN];
	struct text text = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(uapi_parse_get_peer(bad[i], strlen(bad[i]), key), -EINVAL);
		assert_true(bytes_are_zero(key, KEY_LEN));
	}
	memset(expected, 0xab, KEY_LEN);
	uapi_write_get_peer(&text, expected);
	assert_string_equal(text.data, "get=1\npublic_key=" HEX_A "\n\n");
	assert_int_equal(uapi_parse_get_peer(text.data, text.len, key), 0);
	assert_memory_equal(key, expected, KEY_LEN);
	text_deinit(&text);
}

static void flags_of_a_reply_say_what_is_there(void **state)
{
	static const char reply[] =
		"listen_port=0\nfwmark=1\npublic_key=" HEX_1 "\npreshared_key=" HEX_0
		"\npersistent_keepalive_interval=5\nerrno=0\n\n";
	struct config config;
	(void)state;

	assert_int_equal(uapi_parse_get_reply(reply, sizeof(reply) - 1, &config), 0);
	assert_int_equal(config.flags, CONFIG_HAS_FWMARK);
	assert_int_equal(config.num_peers, 1);
	assert_int_equal(config.peers[0].flags, CONFIG_PEER_HAS_KEEPALIVE);
	config_deinit(&config);
}

static void bad_replies_are_refused(void **state)
{
	static const struct {
		const char *reply;
		int error;
	} rows[] = {
		{"", -EPROTO},
		{"\n", -EPROTO},
		{"errno=0\n", -EPROTO},
		{"listen_port=1\n\n", -EPROTO},
		{"errno\n\n", -EPROTO},
		{"errno=\n\n", -EPROTO},
		{"errno=-\n\n", -EPROTO},
		{"errno=x\n\n", -EPROTO},
		{"errno=4096\n\n", -EPROTO},
		{"errno=4294967296\n\n", -EPROTO},
		{"errno=-22\nerrno=0\n\n", -EPROTO},
		{"errno=0\nlisten_port=1\n\n", -EPROTO},
		{"errno=0\n\nerrno=-22\n\n", -EPROTO},
		{"errno=-22\n\n", -EINVAL},
		{"errno=22\n\n", -EINVAL},
		{"listen_port=x\nerrno=0\n\n", -EPROTO},
		{"private_key=00\nerrno=0\n\n", -EPROTO},
		{"drop_X=1\nerrno=0\n\n", -EPROTO},
		{"drop_x=-1\nerrno=0\n\n", -EPROTO},
		{"drop_a1234567890123456789012345678901=1\nerrno=0\n\n", -EPROTO},
		{"public_key=" HEX_1 "\nallowed_ip=-::/0\nerrno=0\n\n", -EPROTO},
		{"public_key=" HEX_1 "\nendpoint=x:1\nerrno=0\n\n", -EPROTO},
		{"public_key=" HEX_1 "\nrx_bytes=18446744073709551616\nerrno=0\n\n", -EPROTO},
		{"public_key=" HEX_1 "\nlast_handshake_time_nsec=1000000000\nerrno=0\n\n", -EPROTO},
		{"public_key=1\nerrno=0\n\n", -EPROTO},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static const struct config empty;
		struct config config;
		size_t len = strlen(rows[i].reply);

		assert_int_equal(uapi_parse_get_reply(rows[i].reply, len, &config), rows[i].error);
		assert_memory_equal(&config, &empty, sizeof(config));
		assert_int_equal(uapi_parse_errno(rows[i].reply, len), rows[i].error);
	}
}

static void addresses_are_read_and_written(void **state)
{
	static const struct {
		const char *block, *written; /* NULL: is refused */
	} rows[] = {
		{"refuse=10.8.0.7\n\n", "refuse=10.8.0.7\n\n"},
		{"refuse=FD08::0:7\n\n", "refuse=fd08::7\n\n"},
		{"refuse=::ffff:10.8.0.7\n\n", "refuse=::ffff:10.8.0.7\n\n"},
		{"refuse=10.8.0.7/32\n\n", NULL},
		{"refuse=10.8.0\n\n", NULL},
		{"refuse=10.8.0.7 \n\n", NULL},
		{"refuse=fe80::1%1\n\n", NULL},
		{"refuse=\n\n", NULL},
		{"refuse=10.8.0.7\n", NULL},
		{"refuse=10.8.0.7\n\n\n", NULL},
		{"refuse=10.8.0.7\nrefuse=10.8.0.8\n\n", NULL},
		{"wanted=10.8.0.7\n\n", NULL},
		{"refuse=1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111\n\n",
			NULL},
		{"\n", NULL},
		{"", NULL},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const size_t len = strlen(rows[i].block);
		struct prefix address = {.family = 77};
		struct text text = {0};
		int r = uapi_parse_address(rows[i].block, len, "refuse", &address);

		assert_int_equal(r, rows[i].written ? 0 : -EINVAL);
		assert_int_equal(prefix_is_address(&address), r == 0);
		if (r != 0)
			continue;
		uapi_write_address(&text, "refuse", &address);
		assert_string_equal(text.data, rows[i].written);
		text_deinit(&text);
	}
}

static void errors_go_out_negative(void **state)
{
	struct text text = {0};
	(void)state;

	uapi_write_errno(&text, -EINVAL);
	assert_string_equal(text.data, "errno=-22\n\n");
	assert_int_equal(uapi_parse_errno(text.data, text.len), -EINVAL);
	text_deinit(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_found),
		cmocka_unit_test(a_request_in_pieces_is_found_at_its_end),
		cmocka_unit_test(endless_requests_are_refused_and_cheap),
		cmocka_unit_test(good_requests_come_back_in_the_order_of_wg),
		cmocka_unit_test(bad_lines_are_refused_by_number),
		cmocka_unit_test(a_nul_is_no_end_of_a_value),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(replies_to_get_come_back),
		cmocka_unit_test(a_reply_may_hide_keys),
		cmocka_unit_test(a_get_may_be_of_one_peer),
		cmocka_unit_test(flags_of_a_reply_say_what_is_there),
		cmocka_unit_test(bad_replies_are_refused),
		cmocka_unit_test(addresses_are_read_and_written),
		cmocka_unit_test(errors_go_out_negative),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
