/* SPDX-License-Identifier: MIT
 *
 * The hub's JSON: what is read of it, and what is refused.
 */
#include "overlay/agent/news.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define KEY "SUlJSUlJSUlJSUlJSUlJSUlJSUlJSUlJSUlJSUlJSUk="
#define PEER(id, name, key, addresses, accept)                                                    \
	"{\"id\": " id ", \"name\": " name ", \"public_key\": " key ", \"addresses\": " addresses \
	", \"endpoints\": [\"192.168.1.9:5000\", \"nonsense\", 7, \"[2001:db8::9]:1\"], "         \
	"\"new\": {}, \"accept\": " accept "}"
#define GOOD                                                                                 \
	PEER("9", "\"anna\"", "\"" KEY "\"", "[\"100.64.0.9\", \"fd00::9\"]",                \
		"[{\"proto\": \"tcp\", \"ports\": \"22\"}, {\"proto\": \"udp\", \"ports\": " \
		"\"7400-7500\"}, {\"proto\": \"icmp\"}]")

static void test_peer(void **state)
{
	json_t *json = json_loads(GOOD, 0, NULL), *back;
	struct news_peer peer, again;

	(void)state;
	assert_int_equal(news_peer_from_json(&peer, json), 0);
	assert_int_equal(peer.id, 9);
	assert_string_equal(peer.name, "anna");
	assert_int_equal(peer.public_key[31], 0x49);
	assert_int_equal(peer.num_addresses, 2);
	assert_int_equal(peer.addresses[0].cidr, 32);
	assert_int_equal(peer.num_endpoints, 2);
	assert_int_equal(peer.endpoints[0].port, 5000);
	assert_int_equal(peer.num_accept, 3);
	assert_int_equal(peer.accept[0].protocol, POLICY_TCP);
	assert_int_equal(peer.accept[0].first, 22);
	assert_int_equal(peer.accept[0].last, 22);
	assert_int_equal(peer.accept[1].last, 7500);
	assert_int_equal(peer.accept[2].last, 65535);
	back = news_peer_to_json(&peer);
	assert_int_equal(news_peer_from_json(&again, back), 0);
	assert_memory_equal(peer.addresses, again.addresses, sizeof(peer.addresses));
	assert_memory_equal(peer.accept, again.accept, 3 * sizeof(*peer.accept));
	assert_int_equal(again.num_endpoints, 2);
	json_decref(json);
	json_decref(back);
	news_peer_deinit(&peer);
	news_peer_deinit(&again);
}

static void test_bad_peers(void **state)
{
	static const char *const texts[] = {
		"{}",
		"[]",
		PEER("0", "\"anna\"", "\"" KEY "\"", "[\"100.64.0.9\"]", "[]"),
		PEER("\"9\"", "\"anna\"", "\"" KEY "\"", "[\"100.64.0.9\"]", "[]"),
		PEER("9", "\"An na\"", "\"" KEY "\"", "[\"100.64.0.9\"]", "[]"),
		PEER("9", "null", "\"" KEY "\"", "[\"100.64.0.9\"]", "[]"),
		PEER("9", "\"anna\"", "\"short\"", "[\"100.64.0.9\"]", "[]"),
		PEER("9", "\"anna\"", "\"" KEY "\"", "[]", "[]"),
		PEER("9", "\"anna\"", "\"" KEY "\"", "[\"100.64.0.0/16\"]", "[]"),
		PEER("9", "\"anna\"", "\"" KEY "\"", "[\"here\"]", "[]"),
		PEER("9", "\"anna\"", "\"" KEY "\"",
			"[\"1.1.1.1\", \"1.1.1.2\", \"1.1.1.3\", \"1.1.1.4\", \"1.1.1.5\"]", "[]"),
		PEER("9", "\"anna\"", "\"" KEY "\"", "[\"100.64.0.9\"]", "null"),
		PEER("9", "\"anna\"", "\"" KEY "\"", "[\"100.64.0.9\"]", "[{\"proto\": \"sctp\"}]"),
		PEER("9", "\"anna\"", "\"" KEY "\"", "[\"100.64.0.9\"]",
			"[{\"proto\": \"tcp\", \"ports\": \"80-22\"}]"),
		PEER("9", "\"anna\"", "\"" KEY "\"", "[\"100.64.0.9\"]",
			"[{\"proto\": \"tcp\", \"ports\": \"65536\"}]"),
		PEER("9", "\"anna\"", "\"" KEY "\"", "[\"100.64.0.9\"]",
			"[{\"proto\": \"tcp\", \"ports\": 22}]"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		json_t *json = json_loads(texts[i], 0, NULL);
		struct news_peer peer = {.id = 77};

		assert_non_null(json);
		assert_int_equal(news_peer_from_json(&peer, json), -EBADMSG);
		assert_int_equal(peer.id, 77);
		json_decref(json);
	}
}

static void test_lines(void **state)
{
	static const struct {
		const char *text;
		int result;
		enum news_event event;
		uint64_t seq;
	} cases[] = {
		{"{\"event\": \"peer\", \"seq\": 5, \"peer\": " GOOD "}", 0, NEWS_PEER, 5},
		{"{\"event\": \"gone\", \"seq\": 6, \"id\": 9, \"reason\": \"idle\"}", 0, NEWS_GONE,
			6},
		{"{\"event\": \"party\"}", 0, NEWS_OTHER, 0},
		{"{\"event\": \"party\", \"seq\": 7}", 0, NEWS_OTHER, 7},
		{"{\"event\": \"gone\", \"seq\": -1, \"id\": 9}", -EBADMSG, 0, 0},
		{"{\"event\": \"gone\", \"id\": 9}", -EBADMSG, 0, 0},
		{"{\"event\": \"gone\", \"seq\": 6}", -EBADMSG, 0, 0},
		{"{\"event\": \"peer\", \"seq\": 6}", -EBADMSG, 0, 0},
		{"{\"event\": \"self\", \"seq\": 6, \"self\": {}}", -EBADMSG, 0, 0},
		{"{\"seq\": 6}", -EBADMSG, 0, 0},
		{"", -EBADMSG, 0, 0},
		{"{\"event\"", -EBADMSG, 0, 0},
		{"7", -EBADMSG, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct news_line line = {0};

		assert_int_equal(news_line_parse(&line, cases[i].text, strlen(cases[i].text)),
			cases[i].result);
		assert_int_equal(line.event, cases[i].event);
		assert_int_equal(line.seq, cases[i].seq);
		news_line_deinit(&line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_peer),
		cmocka_unit_test(test_bad_peers),
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
