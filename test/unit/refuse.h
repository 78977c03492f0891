/* SPDX-License-Identifier: MIT
 *
 * Memory runs out: in a program linked with refuse_link_args (meson.build), the allocation that
 * refuse_after says is refused, once.
 */
#ifndef ADIT_TEST_REFUSE_H
#define ADIT_TEST_REFUSE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static int64_t refuse_countdown = -1; /* allocations until then; -1: none is refused */

void *__real_malloc(size_t size);
void *__real_calloc(size_t num, size_t size);
void *__real_reallocarray(void *memory, size_t num, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t num, size_t size);
void *__wrap_reallocarray(void *memory, size_t num, size_t size);

static inline void refuse_after(unsigned num)
{
	refuse_countdown = num;
}

static inline bool refuse_has_happened(void)
{
	return refuse_countdown < 0;
}

/* Whether one was refused; from now on none is. */
static inline bool refuse_end(void)
{
	bool has_happened = refuse_has_happened();

	refuse_countdown = -1;
	return has_happened;
}

static inline bool refuse_this(void)
{
	bool refuses = refuse_countdown == 0;

	if (refuse_countdown >= 0)
		refuse_countdown--;
	if (refuses)
		errno = ENOMEM;
	return refuses;
}

void *__wrap_malloc(size_t size)
{
	return refuse_this() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t num, size_t size)
{
	return refuse_this() ? NULL : __real_calloc(num, size);
}

void *__wrap_reallocarray(void *memory, size_t num, size_t size)
{
	return refuse_this() ? NULL : __real_reallocarray(memory, num, size);
}

#endif
