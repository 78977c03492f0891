/* SPDX-License-Identifier: MIT
 *
 * JSON that is whole or not there, whichever allocation fails.
 */
#ifndef ADIT_TEST_WHOLE_H
#define ADIT_TEST_WHOLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

static long whole_countdown = -1; /* allocations until one that fails; negative: none does */

static void *whole_allocate(size_t size)
{
	if (whole_countdown-- == 0)
		return NULL;
	return malloc(size);
}

/* It has all of what it has with memory, or is NULL. */
static inline void expect_whole_or_nothing(json_t *(*view)(void))
{
	json_t *whole, *json = NULL;
	long num = 0;

	json_set_alloc_funcs(whole_allocate, free);
	whole = view();
	for (; json == NULL; num++) {
		whole_countdown = num;
		json = view();
		whole_countdown = -1;
	}
	assert_true(json_equal(json, whole));
	assert_in_range(num, 10, 1000);
	json_decref(json);
	json_decref(whole);
}

#endif
