/* SPDX-License-Identifier: MIT
 *
 * A member's life against a hub that does what it is told.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/hash.h"
#include "whole.h"
#include "world.h"

#define MINUTE_NS (60 * SECOND_NS)

static struct world w;

static int start(void **state)
{
	(void)state;
	world_init(&w);
	return w.member ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	world_deinit(&w);
	return 0;
}

static struct prefix address(const char *text)
{
	struct prefix prefix = {0};

	assert_int_equal(prefix_from_text(&prefix, text), 0);
	return prefix;
}

static void want(const char *text)
{
	struct prefix prefix = address(text);

	member_wanted(w.member, w.now_ns, &prefix);
}

static void say_peer(unsigned seq, int id, const char *endpoints)
{
	char line[700];

	snprintf(line, sizeof(line), "{\"event\": \"peer\", \"seq\": %u, \"peer\": %s}", seq,
		world_peer_json(id, endpoints));
	world_say(&w, line);
}

static void connect_to(int id, const char *endpoints)
{
	char text[32], body[700];

	snprintf(text, sizeof(text), "100.64.0.%d", id);
	want(text);
	snprintf(body, sizeof(body), "{\"peer\": %s}", world_peer_json(id, endpoints));
	world_reply(&w, 200, body);
}

static bool describes(const char *words)
{
	struct text text = {0};
	bool found;

	member_describe(w.member, &text);
	found = text.data && strstr(text.data, words);
	text_deinit(&text);
	return found;
}

static void test_join(void **state)
{
	(void)state;
	world_join(&w);
	assert_int_equal(member_state(w.member), MEMBER_ACTIVE);
	assert_true(member_is_usable(w.member));
	assert_string_equal(w.last_request.hostname, "robot-1");
	assert_int_equal(w.last_request.join_key[0], 5);
	assert_int_equal(w.num_enrol, 1);
	assert_string_equal(w.ifname, "robots");
	assert_int_equal(w.num_addresses, 2);
	assert_true(w.filter_is_open);
	assert_int_equal(w.num_peers, 1);
	assert_memory_equal(w.peers[0].public_key, w.hub_key, KEY_LEN);
	assert_int_equal(w.peers[0].num_allowed_ips, 2);
	assert_int_equal(w.peers[0].endpoint.port, 51820); /* at the host that answered */
	assert_int_equal(w.peers[0].endpoint.addr[0], 192);
	assert_string_equal(w.stream_path, "/v1/stream?since=0");
	assert_string_equal(world_last_request(&w)->method, "PUT");
	assert_string_equal(
		world_last_request(&w)->body, "{\"endpoints\":[\"192.168.1.7:40000\"]}");
	/* the hub knows our key: the join key is not kept */
	assert_true(bytes_are_zero(member_settings(w.member)->link.join_key, KEY_LEN));
}

static void test_nobody_answers(void **state)
{
	(void)state;
	w.door_is_silent = true;
	member_start(w.member, w.now_ns);
	world_pass(&w, 5 * SECOND_NS);
	assert_in_range(w.num_enrol, 4, 7); /* 0, 0.25, 0.75, 1.75, 3.75 … */
	assert_true(describes("3. the link"));
	world_pass(&w, 600 * SECOND_NS);
	assert_in_range(w.num_enrol, 20, 40); /* every 30 s */
	w.door_is_silent = false;
	world_answer_enrol(&w);
	assert_false(member_is_usable(w.member)); /* nobody can ask for it before */
	world_say_hello(&w);
	assert_true(member_is_usable(w.member));
}

static void test_pending(void **state)
{
	unsigned before;

	(void)state;
	w.answer_state = ENROL_PENDING;
	member_start(w.member, w.now_ns);
	world_answer_enrol(&w);
	assert_int_equal(member_state(w.member), MEMBER_PENDING);
	assert_true(describes("fingerprint"));
	assert_false(w.tunnel_is_open);
	before = w.num_enrol;
	world_pass(&w, 10 * SECOND_NS); /* it asks on by itself */
	assert_in_range(w.num_enrol - before, 2, 10);
	w.answer_state = ENROL_ACTIVE;
	world_answer_enrol(&w);
	assert_false(member_is_usable(w.member)); /* nobody can ask for it before */
	world_say_hello(&w);
	assert_true(member_is_usable(w.member));
	before = w.num_enrol;
	world_pass(&w, 5 * SECOND_NS);
	assert_int_equal(w.num_enrol, before);
}

static void test_wanted(void **state)
{
	unsigned before;

	(void)state;
	world_join(&w);
	want("100.64.0.9");
	assert_string_equal(world_last_request(&w)->path, "/v1/connect");
	assert_string_equal(world_last_request(&w)->body, "{\"address\": \"100.64.0.9\"}");
	before = w.num_requests;
	want("100.64.0.9"); /* asked already */
	assert_int_equal(w.num_requests, before);
	world_reply(&w, 404, "{\"error\": \"no\"}");
	assert_int_equal(w.num_refused, 1);
	assert_int_equal(w.refused.addr[3], 9);
	want("100.64.0.9"); /* refused without asking */
	assert_int_equal(w.num_requests, before);
	assert_int_equal(w.num_refused, 2);
	want("10.1.2.3"); /* not of this network */
	assert_int_equal(w.num_refused, 3);
	world_pass(&w, 4 * SECOND_NS);
	connect_to(9, "\"192.168.1.9:5000\"");
	assert_int_equal(w.num_peers, 2);
	assert_non_null(world_find_peer(&w, 9));
	assert_int_equal(world_find_peer(&w, 9)->num_allowed_ips, 2);
	assert_int_equal(world_find_peer(&w, 9)->endpoint.port, 5000);
	assert_int_equal(w.filtered[9], 9);
	assert_int_equal(w.num_knocks, 0);
}

static void test_unreachable_hub_refuses_nobody(void **state)
{
	(void)state;
	world_join(&w);
	want("100.64.0.9");
	world_reply(&w, -ECONNABORTED, "timeout");
	assert_int_equal(w.num_refused, 0);
	want("100.64.0.9"); /* and it can be asked again */
	assert_string_equal(world_last_request(&w)->path, "/v1/connect");
}

static void test_stream(void **state)
{
	(void)state;
	world_join(&w);
	say_peer(101, 9, "\"192.168.1.9:5000\"");
	assert_non_null(world_find_peer(&w, 9));
	assert_int_equal(w.num_knocks, 1); /* it will send at once: so do we */
	assert_int_equal(world_find_peer(&w, 9)->keepalive_s, 0);
	assert_int_equal(world_find_peer(&w, 9)->num_allowed_ips, 2);
	world_say(&w, "{\"event\": \"gone\", \"seq\": 102, \"id\": 9, \"reason\": \"revoked\"}");
	assert_null(world_find_peer(&w, 9));
	assert_int_equal(w.filtered[9], 0);
	world_say(&w, "{\"event\": \"party\", \"seq\": 103}");
	world_say(&w, "");
	world_say(&w, "nonsense");
	member_stream_ended(w.member, w.now_ns, 200, "", 0);
	world_pass(&w, SECOND_NS);
	assert_int_equal(w.num_streams, 2);
	assert_string_equal(w.stream_path, "/v1/stream?since=103");
}

static void test_peer_that_cannot_be(void **state)
{
	(void)state;
	world_join(&w);
	say_peer(101, 1, ""); /* the hub's address */
	say_peer(102, 7, ""); /* our own */
	world_say(&w, "{\"event\": \"peer\", \"seq\": 103, \"peer\": {\"id\": 8, \"name\": \"x\", "
		      "\"public_key\": \"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\", "
		      "\"addresses\": [\"8.8.8.8\"], \"accept\": []}}");
	assert_int_equal(w.num_peers, 1);
}

static void test_silent_hub(void **state)
{
	(void)state;
	world_join(&w);
	say_peer(101, 9, "\"192.168.1.9:5000\"");
	world_pass(&w, 6 * MINUTE_NS);
	assert_true(w.num_streams > 1);
	assert_non_null(world_find_peer(&w, 9)); /* whatever the hub does */
	assert_true(member_is_usable(w.member));
}

/* The stream does not come up: the door is asked, and its answer changes a tunnel that is up. */
static void test_hub_with_another_key(void **state)
{
	unsigned before = 0;

	(void)state;
	world_join(&w);
	say_peer(101, 9, "\"192.168.1.9:5000\"");
	member_stream_ended(w.member, w.now_ns, -ECONNABORTED, "gone", 4);
	before = w.num_enrol;
	for (int i = 0; i < 60; i++) {
		world_pass(&w, SECOND_NS);
		if (w.stream_is_open) {
			w.stream_is_open = false;
			member_stream_ended(w.member, w.now_ns, -ECONNABORTED, "gone", 4);
		}
	}
	assert_in_range(w.num_enrol - before, 2, 10);
	memset(w.hub_key, 0x77, KEY_LEN);
	world_answer_enrol(&w);
	assert_int_equal(w.num_opened, 1);
	assert_int_equal(w.num_peers, 2);
	assert_true(memcmp(w.peers[0].public_key, w.hub_key, KEY_LEN) == 0 ||
		    memcmp(w.peers[1].public_key, w.hub_key, KEY_LEN) == 0);
	assert_non_null(world_find_peer(&w, 9));
}

static void test_cut_off(void **state)
{
	unsigned before;

	(void)state;
	world_join(&w);
	say_peer(101, 9, "\"192.168.1.9:5000\"");
	world_say(&w, "{\"event\": \"self\", \"seq\": 102, \"self\": {\"id\": 7, \"name\": "
		      "\"robot-1\", \"addresses\": [\"100.64.0.7\"], \"state\": \"revoked\", "
		      "\"network\": {\"prefixes\": []}}}");
	assert_int_equal(member_state(w.member), MEMBER_CUT_OFF);
	assert_int_equal(w.num_peers, 0);
	assert_false(w.tunnel_is_open);
	assert_false(w.filter_is_open);
	assert_true(describes("revoked"));
	before = w.num_enrol;
	world_pass(&w, 60 * MINUTE_NS);
	assert_int_equal(w.num_enrol, before); /* there is no join key to try */
}

static void test_expired_and_renewed(void **state)
{
	(void)state;
	world_join(&w);
	member_stream_ended(w.member, w.now_ns, 403, "{\"state\": \"expired\"}", 20);
	assert_int_equal(member_state(w.member), MEMBER_EXPIRED);
	assert_false(w.tunnel_is_open);
	w.answer_state = ENROL_EXPIRED;
	world_pass(&w, 5 * SECOND_NS);
	world_answer_enrol(&w);
	assert_int_equal(member_state(w.member), MEMBER_EXPIRED);
	world_pass(&w, 60 * SECOND_NS);
	w.answer_state = ENROL_ACTIVE;
	world_answer_enrol(&w);
	assert_false(member_is_usable(w.member)); /* nobody can ask for it before */
	world_say_hello(&w);
	assert_true(member_is_usable(w.member));
}

static void test_idle(void **state)
{
	(void)state;
	world_join(&w);
	connect_to(9, "\"192.168.1.9:5000\"");
	connect_to(10, "\"192.168.1.10:5000\"");
	for (int i = 0; i < 14; i++) {
		world_pass(&w, MINUTE_NS);
		world_find_peer(&w, 10)->tx_bytes += 100;
		world_find_peer(&w, 10)->rx_bytes += 100;
		world_say(&w, "");
	}
	assert_non_null(world_find_peer(&w, 9));
	world_pass(&w, 2 * MINUTE_NS);
	assert_null(world_find_peer(&w, 9));
	assert_non_null(world_find_peer(&w, 10));
	assert_string_equal(world_last_request(&w)->path, "/v1/forget");
	assert_string_equal(world_last_request(&w)->body, "{\"id\": 9}");
}

/* Without peers the only thing to wait for is the hub's sign of life. */
static void test_nothing_wakes_up_without_peers(void **state)
{
	(void)state;
	world_join(&w);
	world_reply(&w, 204, "");
	world_pass(&w, 10 * SECOND_NS);
	assert_in_range(w.deadline_ns, w.now_ns + 300 * SECOND_NS, w.now_ns + 400 * SECOND_NS);
}

static void test_rotation(void **state)
{
	unsigned seen = 0;

	(void)state;
	world_join(&w);
	connect_to(9, "\"192.168.1.9:1\", \"192.168.1.9:2\", \"192.168.1.9:3\"");
	for (int i = 0; i < 3; i++) {
		seen |= 1U << world_find_peer(&w, 9)->endpoint.port;
		world_pass(&w, 5 * SECOND_NS);
	}
	assert_int_equal(seen, 1 << 1 | 1 << 2 | 1 << 3);
	world_find_peer(&w, 9)->last_handshake_s = 1780000000;
	world_find_peer(&w, 9)->endpoint.port = 2;
	world_pass(&w, MINUTE_NS); /* it stays with what works */
	assert_int_equal(world_find_peer(&w, 9)->endpoint.port, 2);
	say_peer(103, 9, "\"192.168.1.9:1\", \"192.168.1.9:2\"");
	assert_int_equal(world_find_peer(&w, 9)->endpoint.port, 2);
	say_peer(104, 9, "\"192.168.1.20:5\""); /* it has moved */
	assert_int_equal(world_find_peer(&w, 9)->endpoint.port, 5);
}

/* Packets go out and none come back: the hub is asked again, and may say that it is over. */
static void test_unanswered(void **state)
{
	unsigned before;

	(void)state;
	world_join(&w);
	connect_to(9, "\"192.168.1.9:5000\"");
	world_find_peer(&w, 9)->last_handshake_s = 1780000000;
	world_find_peer(&w, 9)->rx_bytes = world_find_peer(&w, 9)->tx_bytes = 100;
	world_pass(&w, 2 * MINUTE_NS);
	world_say(&w, "");
	before = w.num_requests;
	world_find_peer(&w, 9)->rx_bytes += 100;
	world_find_peer(&w, 9)->tx_bytes += 100;
	world_pass(&w, 2 * MINUTE_NS);
	assert_int_equal(w.num_requests, before);
	world_find_peer(&w, 9)->tx_bytes += 100;
	world_pass(&w, 2 * MINUTE_NS);
	assert_int_equal(w.num_requests, before + 1);
	assert_string_equal(world_last_request(&w)->body, "{\"address\": \"100.64.0.9\"}");
	world_reply(&w, 404, "{}");
	assert_null(world_find_peer(&w, 9));
}

/* new_link NULL: the agent restarts; else somebody joins again. */
static void restart(const struct join_link *new_link)
{
	json_t *json = member_save(w.member, w.now_ns);
	json_t *said = member_settings_save(member_settings(w.member));
	struct member_settings settings;
	uint8_t private_key[KEY_LEN];

	assert_non_null(json);
	memset(private_key, 2, KEY_LEN);
	member_free(w.member);
	world_ops.close_tunnel(&w);
	world_ops.close_filter(&w);
	w.stream_is_open = false;
	w.num_enrol = 0;
	w.deadline_ns = 0;
	w.now_ns = 5 * SECOND_NS; /* a reboot: boottime begins anew */
	assert_int_equal(member_settings_load(&settings, said), 0);
	if (new_link)
		settings.link = *new_link;
	w.member = member_new(&settings, private_key, &world_ops, &w);
	assert_int_equal(member_load(w.member, json, w.now_ns), 0);
	json_decref(json);
	json_decref(said);
}

/* A node that was removed stays so after a reboot, until somebody has a new link. */
static void test_join_after_removal(void **state)
{
	struct join_link link;

	(void)state;
	world_join(&w);
	link = member_settings(w.member)->link;
	member_stream_ended(w.member, w.now_ns, 403, "{}", 2);
	restart(NULL);
	member_start(w.member, w.now_ns);
	assert_int_equal(member_state(w.member), MEMBER_CUT_OFF);
	assert_int_equal(w.num_enrol, 0);
	memset(link.join_key, 5, KEY_LEN);
	restart(&link);
	member_start(w.member, w.now_ns);
	assert_int_equal(w.num_enrol, 1);
	world_answer_enrol(&w);
	assert_false(member_is_usable(w.member)); /* nobody can ask for it before */
	world_say_hello(&w);
	assert_true(member_is_usable(w.member));
}

static void test_reboot_without_hub(void **state)
{
	json_t *status;
	const json_t *hub;

	(void)state;
	world_join(&w);
	connect_to(9, "\"192.168.1.9:5000\"");
	world_pass(&w, 100 * SECOND_NS);
	world_say(&w, "");
	w.any_port = 41000;
	w.wall_s -= 366 * 86400; /* and the clock is wrong by a year */
	restart(NULL);
	w.door_is_silent = true;
	member_start(w.member, w.now_ns);
	assert_true(member_is_usable(w.member));
	assert_int_equal(w.num_enrol, 0);
	assert_int_equal(w.num_peers, 2);
	assert_int_equal(world_find_peer(&w, 9)->endpoint.port, 5000);
	assert_int_equal(w.filtered[9], 9);
	assert_int_equal(w.listen_port, 40000); /* others know us there */
	world_pass(&w, MINUTE_NS);
	assert_non_null(world_find_peer(&w, 9));
	status = member_status(w.member, w.now_ns);
	hub = json_object_get(status, "hub");
	assert_string_equal(json_string_value(json_object_get(hub, "stream")), "unreachable");
	assert_in_range(json_integer_value(json_object_get(hub, "age")), 55, 65);
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(json_object_get(status, "peers"), 0), "age")),
		160);
	json_decref(status);
}

static void test_disk_full(void **state)
{
	(void)state;
	w.save_error = -ENOSPC;
	world_join(&w);
	world_pass(&w, 2 * SECOND_NS);
	assert_int_equal(w.num_saved, 1);
	assert_true(member_is_usable(w.member));
	w.save_error = 0;
	world_pass(&w, 40 * SECOND_NS);
	assert_int_equal(w.num_saved, 2);
	world_pass(&w, 40 * SECOND_NS);
	assert_int_equal(w.num_saved, 2);
}

static void test_interface_taken(void **state)
{
	(void)state;
	w.open_error = -EBUSY;
	world_join(&w);
	assert_false(member_is_usable(w.member));
	assert_true(member_lacks_interface(w.member));
	assert_true(describes("--interface"));
	w.open_error = 0;
	world_pass(&w, 5 * SECOND_NS);
	world_say_hello(&w);
	assert_true(member_is_usable(w.member));
}

static void test_tunnel_dies(void **state)
{
	(void)state;
	world_join(&w);
	connect_to(9, "\"192.168.1.9:5000\"");
	member_tunnel_died(w.member, w.now_ns);
	assert_false(member_is_usable(w.member));
	world_pass(&w, 2 * SECOND_NS);
	assert_true(member_is_usable(w.member));
	assert_non_null(world_find_peer(&w, 9));
	assert_int_equal(w.num_opened, 2);
}

/* What may come in cannot be enforced: nobody is let in. */
static void test_no_filter_no_peer(void **state)
{
	(void)state;
	world_join(&w);
	w.filter_error = -EPERM;
	connect_to(9, "\"192.168.1.9:5000\"");
	assert_null(world_find_peer(&w, 9));
}

static void test_leave(void **state)
{
	(void)state;
	world_join(&w);
	member_leave(w.member, w.now_ns);
	assert_string_equal(world_last_request(&w)->path, "/v1/leave");
	assert_false(w.has_left);
	world_reply(&w, 204, "");
	world_pass(&w, 0);
	assert_true(w.has_left);
	assert_false(w.tunnel_is_open);
	assert_false(w.filter_is_open);
	assert_int_equal(w.deadline_ns, 0);
}

static void test_leave_without_hub(void **state)
{
	(void)state;
	world_join(&w);
	member_leave(w.member, w.now_ns);
	world_pass(&w, 3 * SECOND_NS);
	assert_true(w.has_left);
}

static char found_text[64];

static void found(void *ctx, const struct prefix *addresses, unsigned num, const char *error)
{
	(void)ctx;
	snprintf(found_text, sizeof(found_text), "%s", error ? error : "");
	if (num > 0)
		news_address_to_text(found_text, &addresses[0]);
}

static void test_find(void **state)
{
	(void)state;
	member_find(w.member, w.now_ns, "anna", found, NULL);
	assert_string_equal(found_text, "not joined yet");
	world_join(&w);
	member_find(w.member, w.now_ns, "a&b", found, NULL);
	assert_string_equal(found_text, "that is no name of a node");
	member_find(w.member, w.now_ns, "anna", found, NULL);
	assert_string_equal(world_last_request(&w)->path, "/v1/names?name=anna");
	world_reply(&w, 200, "{\"id\": 9, \"name\": \"anna\", \"addresses\": [\"100.64.0.9\"]}");
	assert_string_equal(found_text, "100.64.0.9");
	member_find(w.member, w.now_ns, "anna", found, NULL);
	world_reply(&w, 404, "{}");
	assert_non_null(strstr(found_text, "no such node"));
	connect_to(9, "");
	member_find(w.member, w.now_ns, "node-9", found, NULL); /* known */
	assert_string_equal(found_text, "100.64.0.9");
}

static void test_hub_was_set_back(void **state)
{
	(void)state;
	world_join(&w);
	say_peer(200, 9, "");
	member_stream_ended(w.member, w.now_ns, 200, "", 0);
	world_pass(&w, SECOND_NS);
	assert_string_equal(w.stream_path, "/v1/stream?since=200");
	world_say(&w, "{\"event\": \"hello\", \"api\": 1, \"seq\": 50, \"self\": {\"id\": 7, "
		      "\"name\": \"robot-1\", \"addresses\": [\"100.64.0.7\"], \"state\": "
		      "\"active\", \"network\": {\"prefixes\": []}}}");
	world_pass(&w, SECOND_NS);
	assert_string_equal(w.stream_path, "/v1/stream?since=0");
}

static json_t *status(void)
{
	return member_status(w.member, w.now_ns);
}

static void test_status_is_whole_or_not_there(void **state)
{
	(void)state;
	world_join(&w);
	say_peer(201, 9, "");
	w.member->filter_error = -EIO;
	w.member->save_error = -ENOSPC;
	expect_whole_or_nothing(status);
}

/* A few KiB each: there are ten thousand in the swarm benchmark. */
static void test_size(void **state)
{
	(void)state;
	assert_true(sizeof(struct member) < 3072);
	assert_true(sizeof(struct member_peer) < 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_join, start, stop),
		cmocka_unit_test_setup_teardown(test_nobody_answers, start, stop),
		cmocka_unit_test_setup_teardown(test_pending, start, stop),
		cmocka_unit_test_setup_teardown(test_wanted, start, stop),
		cmocka_unit_test_setup_teardown(test_unreachable_hub_refuses_nobody, start, stop),
		cmocka_unit_test_setup_teardown(test_stream, start, stop),
		cmocka_unit_test_setup_teardown(test_peer_that_cannot_be, start, stop),
		cmocka_unit_test_setup_teardown(test_silent_hub, start, stop),
		cmocka_unit_test_setup_teardown(test_hub_with_another_key, start, stop),
		cmocka_unit_test_setup_teardown(test_cut_off, start, stop),
		cmocka_unit_test_setup_teardown(test_join_after_removal, start, stop),
		cmocka_unit_test_setup_teardown(test_expired_and_renewed, start, stop),
		cmocka_unit_test_setup_teardown(test_idle, start, stop),
		cmocka_unit_test_setup_teardown(test_nothing_wakes_up_without_peers, start, stop),
		cmocka_unit_test_setup_teardown(test_rotation, start, stop),
		cmocka_unit_test_setup_teardown(test_unanswered, start, stop),
		cmocka_unit_test_setup_teardown(test_reboot_without_hub, start, stop),
		cmocka_unit_test_setup_teardown(test_disk_full, start, stop),
		cmocka_unit_test_setup_teardown(test_interface_taken, start, stop),
		cmocka_unit_test_setup_teardown(test_tunnel_dies, start, stop),
		cmocka_unit_test_setup_teardown(test_no_filter_no_peer, start, stop),
		cmocka_unit_test_setup_teardown(test_leave, start, stop),
		cmocka_unit_test_setup_teardown(test_leave_without_hub, start, stop),
		cmocka_unit_test_setup_teardown(test_find, start, stop),
		cmocka_unit_test_setup_teardown(test_hub_was_set_back, start, stop),
		cmocka_unit_test_setup_teardown(test_status_is_whole_or_not_there, start, stop),
		cmocka_unit_test(test_size),
	};

	if (crypto_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
