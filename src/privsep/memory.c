/* SPDX-License-Identifier: MIT
 *
 * Hiding memory: keys lie on the heap, but traces of them may be wherever the process writes.
 * Giving back memory: every page of code that was ever touched stays mapped, with the 15 beside it,
 * and counts in each of our processes, though most of it is for the start and for configuration.
 */
#include "privsep/memory.h"

#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/log.h"

enum { MAX_SEGMENTS = 32 };

static uintptr_t heap, hidden_end; /* where the heap begins, and how far it is hidden */
static bool locks, complained;

void memory_lock_what_is_hidden(void)
{
	locks = true;
}

/* Only what is touched counts for the machine, but all of it for the limit. */
static void lock(uintptr_t start, uintptr_t end)
{
	if (!locks || mlock2((void *)start, end - start, MLOCK_ONFAULT) == 0)
		return;
	if (!complained)
		log_error("keys may come to be in swap: memory cannot be locked (RLIMIT_MEMLOCK): "
			  "%m");
	complained = true;
}

static void hide(uintptr_t start, uintptr_t end)
{
	lock(start, end);
	(void)madvise((void *)start, end - start, MADV_DONTDUMP);
	(void)madvise((void *)start, end - start, MADV_DONTFORK);
}

void memory_hide(FILE *maps)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, maps) > 0) {
		char *text = line;
		const uintptr_t start = strtoul(text, &text, 16);
		const uintptr_t end = *text == '-' ? strtoul(text + 1, &text, 16) : 0;

		/* START-END rwxp ...: what is private and can be written */
		if (strncmp(text, " rw", 3) != 0 || text[4] != 'p')
			continue;
		if (strstr(line, "[heap]"))
			heap = hidden_end = start;
		hide(start, end);
	}
	free(line);
	memory_hide_heap();
}

void memory_hide_heap(void)
{
	const uintptr_t end = (uintptr_t)sbrk(0);

	if (!heap)
		return;
	/* only what is new, for each piece of the heap that was walked over would cost */
	if (end > hidden_end)
		hide(hidden_end, end);
	hidden_end = end;
}

/* Only segments that never were writable, not even for relocations: a page that was written would
 * come back as it is in the file. */
static int release_object(struct dl_phdr_info *object, size_t size, void *unused)
{
	const uintptr_t page_len = (uintptr_t)sysconf(_SC_PAGESIZE);
	size_t num = object->dlpi_phnum < MAX_SEGMENTS ? object->dlpi_phnum : MAX_SEGMENTS;
	ElfW(Phdr) segments[MAX_SEGMENTS]; /* a copy, since they lie in a segment themselves */

	(void)size;
	(void)unused;
	memcpy(segments, object->dlpi_phdr, num * sizeof(*segments));
	for (size_t i = 0; i < num; i++) {
		uintptr_t start = object->dlpi_addr + segments[i].p_vaddr;
		uintptr_t before = start % page_len;

		if (segments[i].p_type == PT_LOAD && !(segments[i].p_flags & PF_W))
			(void)madvise((void *)(start - before), before + segments[i].p_memsz,
				MADV_DONTNEED_LOCKED);
	}
	return 0;
}

static bool kept;

void memory_rest(void)
{
	if (!kept)
		dl_iterate_phdr(release_object, NULL);
}

void memory_keep(void)
{
	kept = true;
}
