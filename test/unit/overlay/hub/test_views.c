/* SPDX-License-Identifier: MIT
 *
 * Without memory a view is not there: one that lacks a part may say more than it should, as a rule
 * without its ports does.
 */
#include "fixture.h"
#include "overlay/hub/views.h"
#include "whole.h"

static struct fixture *f;
static struct member *one, *two;

static json_t *peer(void)
{
	return view_peer(one, two);
}

static json_t *self(void)
{
	return view_self(two);
}

static json_t *node(void)
{
	return view_node(two);
}

static json_t *network(void)
{
	return view_network(one->realm);
}

static const char *path;

static json_t *answer_of_path(void)
{
	json_t *body = NULL;

	if (ask_as_root(f, "GET", path, NULL, &body) == 200)
		return body;
	json_decref(body);
	return NULL;
}

static void views_are_whole_or_not_there(void **state)
{
	static const char policy[] =
		"{\"text\": \"allow tag:b -> tag:a : tcp/22 udp/1000-2000 icmp\"}";
	static const char *const lists[] = {
		"/v1/networks", "/v1/nodes", "/v1/networks/robots/nodes"};

	f = *state;
	add_network(f, "robots");
	one = add_node(f, "robots", "one", 1, true, "a");
	two = add_node(f, "robots", "two", 2, true, "b");
	two->node.expires_s = INT64_MAX;
	two->node.seen_s = 1;
	memcpy(two->node.version, "1", 2);
	assert_int_equal(ask_as_node(f, two, "PUT", "/v1/endpoints",
				 "{\"endpoints\": [\"192.0.2.1:1\", \"192.0.2.2:2\"]}", NULL),
		204);
	assert_int_equal(ask_as_root(f, "PUT", "/v1/networks/robots/policy", policy, NULL), 200);
	expect_whole_or_nothing(peer);
	expect_whole_or_nothing(self);
	expect_whole_or_nothing(node);
	expect_whole_or_nothing(network);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		path = lists[i];
		expect_whole_or_nothing(answer_of_path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
		views_are_whole_or_not_there, fixture_setup, fixture_teardown)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
