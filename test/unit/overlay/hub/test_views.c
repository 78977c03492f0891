/* SPDX-License-Identifier: MIT
 *
 * Without memory a view is not there: one that lacks a part may say more than it should, as a rule
 * without its ports does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"
#include "overlay/hub/views.h"

static long countdown = -1; /* allocations until one that fails; negative: none does */

static void *allocate(size_t size)
{
	if (countdown-- == 0)
		return NULL;
	return malloc(size);
}

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

/* That is: it has all of what it has with memory, or is NULL. */
static void expect_whole_or_nothing(json_t *(*view)(void))
{
	json_t *whole = view(), *json = NULL;
	long num = 0;

	for (; json == NULL; num++) {
		countdown = num;
		json = view();
		countdown = -1;
	}
	assert_true(json_equal(json, whole));
	assert_in_range(num, 10, 500);
	json_decref(json);
	json_decref(whole);
}

static void views_are_whole_or_not_there(void **state)
{
	static const char policy[] =
		"{\"text\": \"allow tag:b -> tag:a : tcp/22 udp/1000-2000 icmp\"}";
	struct fixture *f = *state;

	json_set_alloc_funcs(allocate, free);
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
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
		views_are_whole_or_not_there, fixture_setup, fixture_teardown)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
