/* SPDX-License-Identifier: MIT
 *
 * Whatever allocation fails: what is built is whole, or nothing, and nothing is lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "overlay/wire/json.h"

static long countdown; /* allocations until one that fails; negative: none does */
static long num_held;

static void *allocate(size_t size)
{
	if (countdown-- == 0)
		return NULL;
	num_held++;
	return malloc(size);
}

static void release(void *memory)
{
	num_held -= memory != NULL;
	free(memory);
}

static json_t *build(void)
{
	json_t *object = json_object(), *list = json_array();

	json_put(&object, "proto", json_string("tcp"));
	json_put(&object, "ports", json_string("22"));
	for (unsigned i = 0; i < 20; i++)
		json_put_last(&list, json_integer(i));
	json_put(&object, "list", list);
	return object;
}

static void it_is_whole_or_not_there(void **state)
{
	json_t *whole, *json = NULL;
	long num = 0;

	(void)state;
	json_set_alloc_funcs(allocate, release);
	countdown = -1;
	whole = build();
	assert_int_equal(json_object_size(whole), 3);
	assert_int_equal(json_array_size(json_object_get(whole, "list")), 20);
	json_decref(whole);
	assert_int_equal(num_held, 0);
	for (; json == NULL; num++) {
		countdown = num;
		json = build();
		assert_true(json != NULL || num_held == 0);
	}
	assert_int_equal(json_object_size(json), 3);
	assert_int_equal(json_array_size(json_object_get(json, "list")), 20);
	assert_in_range(num, 20, 200);
	json_decref(json);
	assert_int_equal(num_held, 0);
}

/* malloc itself is refused here: the text is not jansson's. */
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static long mallocs = -1; /* until one that fails; negative: none does */

void *__wrap_malloc(size_t size)
{
	return mallocs-- == 0 ? NULL : __real_malloc(size);
}

static void text_is_whole_or_not_there(void **state)
{
	json_t *json;
	char key[32], *whole, *text = NULL;
	long num = 0;

	(void)state;
	json_set_alloc_funcs(malloc, free);
	json = json_object();
	for (unsigned i = 0; i < 1000;
		i++) { /* so that the text has to grow in each kind of part */
		snprintf(key, sizeof(key), "a key that is %u", i);
		json_put(&json, key, json_integer(i));
	}
	whole = json_to_text(json, JSON_COMPACT | JSON_SORT_KEYS);
	assert_non_null(whole);
	for (; text == NULL; num++) {
		mallocs = num;
		text = json_to_text(json, JSON_COMPACT | JSON_SORT_KEYS);
		mallocs = -1;
	}
	assert_string_equal(text, whole);
	assert_in_range(num, 5, 50);
	free(whole);
	free(text);
	json_decref(json);
}

static void what_a_terminal_obeys_is_escaped(void **state)
{
	json_t *json = json_pack(
		"{s:s, s:s}", "a", "\177\33\302\233\342\200\256\177", "b\177", "\303\244");
	char *text = json_to_text(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);

	(void)state;
	assert_string_equal(text, "{\"a\":\"\\u007F\\u001B\\u009B\\u202E\\u007F\","
				  "\"b\\u007F\":\"\\u00E4\"}");
	free(text);
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(it_is_whole_or_not_there),
		cmocka_unit_test(text_is_whole_or_not_there),
		cmocka_unit_test(what_a_terminal_obeys_is_escaped)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
