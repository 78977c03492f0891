/* SPDX-License-Identifier: MIT
 *
 * A drill: memory runs out. ADIT_DRILL_ALLOC=ROLE:N has the process of that role (the one that
 * starts the others is the "starter") refuse the first allocation from the N-th place it comes
 * from, once. A place is a call stack, seen a few frames deep, so libraries are tried as well and
 * a loop counts once. Only in programs built with -Ddrills=true.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unwind.h>

#include "base/bytes.h"

enum { DEPTH = 6, SKIPPED = 2, MAX_PLACES = 1 << 14 };

/* glibc's own, under the names that it keeps for those who replace them. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t num, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t places[MAX_PLACES]; /* hashes; 0: free */
static unsigned long num_places, refused;
static const char *role;
static __thread bool is_looking;

struct trace {
	uintptr_t caller;
	uint64_t hash;
	int depth;
};

static _Unwind_Reason_Code look_at_frame(struct _Unwind_Context *context, void *ctx)
{
	struct trace *trace = ctx;

	if (trace->depth == SKIPPED)
		trace->caller = _Unwind_GetIP(context);
	if (trace->depth++ >= SKIPPED)
		trace->hash = (trace->hash ^ _Unwind_GetIP(context)) * UINT64_C(0x100000001b3);
	return trace->depth == SKIPPED + DEPTH ? _URC_END_OF_STACK : _URC_NO_REASON;
}

/* Whether this place is a new one; with the lock held. */
static bool is_new_place(uint64_t hash)
{
	size_t i = hash % MAX_PLACES;

	while (places[i] && places[i] != hash)
		i = (i + 1) % MAX_PLACES;
	if (places[i] || num_places == MAX_PLACES - 1)
		return false;
	places[i] = hash;
	num_places++;
	return true;
}

static void say(uintptr_t caller)
{
	char line[256];
	Dl_info object;
	int len;

	if (!dladdr((void *)caller, &object))
		object.dli_fname = "?";
	len = snprintf(line, sizeof(line), "drill: %s: allocation %lu is refused, for %s\n", role,
		refused, basename(object.dli_fname));
	(void)!write(STDERR_FILENO, line, (size_t)len);
}

static __attribute__((noinline)) bool is_refused(void)
{
	struct trace trace = {.hash = UINT64_C(0xcbf29ce484222325)};
	bool refuses;

	if (!role || is_looking)
		return false;
	is_looking = true;
	(void)_Unwind_Backtrace(look_at_frame, &trace);
	pthread_mutex_lock(&lock);
	refuses = is_new_place(trace.hash | 1) && num_places - 1 == refused;
	pthread_mutex_unlock(&lock);
	if (refuses) {
		say(trace.caller);
		errno = ENOMEM;
	}
	is_looking = false;
	return refuses;
}

void *malloc(size_t size)
{
	return is_refused() ? NULL : __libc_malloc(size);
}

void *calloc(size_t num, size_t size)
{
	return is_refused() ? NULL : __libc_calloc(num, size);
}

void *realloc(void *memory, size_t size)
{
	return is_refused() ? NULL : __libc_realloc(memory, size);
}

static __attribute__((constructor)) void arm(void)
{
	static const char prefix[] = "adit-";
	const char *name = program_invocation_short_name, *wanted = getenv("ADIT_DRILL_ALLOC");
	size_t len;

	name = strncmp(name, prefix, strlen(prefix)) == 0 ? name + strlen(prefix) : "starter";
	len = strlen(name);
	if (!wanted || strncmp(wanted, name, len) != 0 || wanted[len] != ':')
		return;
	refused = strtoul(wanted + len + 1, NULL, 10);
	role = name;
}
