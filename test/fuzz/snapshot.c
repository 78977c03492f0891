/* SPDX-License-Identifier: MIT
 *
 * Each block has pages of its own: it ends where one begins that nobody may touch, and what is
 * beside it in its first page and its last is poisoned for the address sanitizer. Who looks at a
 * block that was freed dies, too. A large one is that of a table for a million peers, of which a
 * page or two are touched: a sanitizer would mark each of its many bytes.
 */
#include "snapshot.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if __has_feature(address_sanitizer) || defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, len) ((void)(memory), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(memory, len) ((void)(memory), (void)(len))
#endif

enum { BLOCKS_MAX = 1024, PAGE = 4096, ALIGNMENT = 16, PAGES_AT_ONCE = 1 << 16, MANY_PAGES = 64 };
#define ARENA_LEN (UINT64_C(1) << 35)

void *__real_malloc(size_t size);
void *__real_calloc(size_t num, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t num, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_reallocarray(void *memory, size_t num, size_t size);
void __wrap_free(void *memory);

static struct block {
	uint8_t *pages; /* as many as it needs, and one behind them */
	size_t num_pages;
	uint8_t *memory;
	size_t size;
	bool is_freed, is_part; /* the latter: of what is put back */
	uint8_t **saved;	/* its contents by page; NULL: they are zero */
} blocks[BLOCKS_MAX];

static struct {
	uint8_t *begin, *end; /* all blocks' */
	unsigned num_blocks;
	bool is_recording, is_there;
} arena;

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* --- blocks ---------------------------------------------------------- */

static void *allocate(size_t size)
{
	const size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	struct block *block = &blocks[arena.num_blocks++];

	require(arena.num_blocks < BLOCKS_MAX);
	*block = (struct block){.pages = arena.end,
		.num_pages = (rounded + PAGE - 1) / PAGE,
		.size = size,
		.is_part = true};
	block->memory = block->pages + block->num_pages * PAGE - rounded;
	arena.end += (block->num_pages + 1) * PAGE;
	require(arena.end < arena.begin + ARENA_LEN);
	require(mprotect(block->pages, block->num_pages * PAGE, PROT_READ | PROT_WRITE) == 0);
	ASAN_POISON_MEMORY_REGION(block->pages, (size_t)(block->memory - block->pages));
	ASAN_POISON_MEMORY_REGION(block->memory + size, rounded - size);
	return block->memory;
}

/* Whether it may be looked at. */
static void open_or_close(const struct block *block, bool is_open)
{
	const int protection = is_open ? PROT_READ | PROT_WRITE : PROT_NONE;

	if (block->num_pages >= MANY_PAGES)
		require(mprotect(block->pages, block->num_pages * PAGE, protection) == 0);
	else if (is_open)
		ASAN_UNPOISON_MEMORY_REGION(block->memory, block->size);
	else
		ASAN_POISON_MEMORY_REGION(block->memory, block->size);
}

/* NULL: it is none of ours. */
static struct block *find(const void *memory)
{
	const uint8_t *p = memory;

	for (unsigned i = 0; p >= arena.begin && p < arena.end && i < arena.num_blocks; i++) {
		if (blocks[i].memory == p)
			return &blocks[i];
	}
	require(p < arena.begin || p >= arena.end); /* or it is freed by an address that is wrong */
	return NULL;
}

void *__wrap_malloc(size_t size)
{
	return arena.is_recording ? allocate(size) : __real_malloc(size);
}

void *__wrap_calloc(size_t num, size_t size)
{
	return arena.is_recording ? allocate(num * size) : __real_calloc(num, size);
}

void __wrap_free(void *memory)
{
	struct block *block = find(memory);

	if (!block) {
		__real_free(memory);
		return;
	}
	require(!block->is_freed);
	block->is_freed = true;
	open_or_close(block, false);
}

void *__wrap_realloc(void *memory, size_t size)
{
	const struct block *block = find(memory);
	void *larger;

	if (!block && !arena.is_recording)
		return __real_realloc(memory, size);
	larger = __wrap_malloc(size);
	if (block) {
		memcpy(larger, memory, size < block->size ? size : block->size);
		__wrap_free(memory);
	}
	return larger;
}

void *__wrap_reallocarray(void *memory, size_t num, size_t size)
{
	require(size == 0 || num <= SIZE_MAX / size);
	return __wrap_realloc(memory, num * size);
}

/* --- the snapshot ---------------------------------------------------- */

/* What of a page is the block's. */
static uint8_t *part(const struct block *block, size_t page, size_t *ret_len)
{
	uint8_t *begin = block->pages + page * PAGE, *end = begin + PAGE;

	if (begin < block->memory)
		begin = block->memory;
	if (end > block->memory + block->size)
		end = block->memory + block->size;
	*ret_len = (size_t)(end - begin);
	return begin;
}

/* Do something to each page that somebody has touched; of few, to all. */
static void for_touched(struct block *block, void (*act)(struct block *block, size_t page))
{
	static unsigned char is_touched[PAGES_AT_ONCE];

	if (block->num_pages < MANY_PAGES) {
		for (size_t page = 0; page < block->num_pages; page++)
			act(block, page);
		return;
	}
	for (size_t at = 0, num; at < block->num_pages; at += num) {
		const unsigned char *next = is_touched;

		num = block->num_pages - at;
		num = num < PAGES_AT_ONCE ? num : PAGES_AT_ONCE;
		require(mincore(block->pages + at * PAGE, num * PAGE, is_touched) == 0);
		while ((next = memchr(next, 1, num - (size_t)(next - is_touched))))
			act(block, at + (size_t)(next++ - is_touched));
	}
}

static void save(struct block *block, size_t page)
{
	size_t len;
	const uint8_t *begin = part(block, page, &len);

	block->saved[page] = __real_malloc(PAGE);
	require(block->saved[page] != NULL);
	memcpy(block->saved[page], begin, len);
}

static void put_back(struct block *block, size_t page)
{
	size_t len;
	uint8_t *begin = part(block, page, &len);

	if (block->saved[page])
		memcpy(begin, block->saved[page], len);
	else
		memset(begin, 0, len);
}

void snapshot_begin(void)
{
	arena.begin = mmap(
		NULL, ARENA_LEN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	require(arena.begin != MAP_FAILED);
	arena.end = arena.begin;
	arena.is_recording = true;
}

void snapshot_end(void)
{
	arena.is_recording = false;
	arena.is_there = true;
	for (unsigned i = 0; i < arena.num_blocks; i++) {
		struct block *block = &blocks[i];

		block->is_part = !block->is_freed;
		if (!block->is_part)
			continue;
		block->saved = __real_calloc(block->num_pages, sizeof(*block->saved));
		require(block->saved != NULL);
		for_touched(block, save);
	}
}

bool snapshot_restore(void)
{
	for (unsigned i = 0; i < arena.num_blocks; i++) {
		struct block *block = &blocks[i];

		if (!block->is_part)
			continue;
		require(block->is_freed);
		block->is_freed = false;
		open_or_close(block, true);
		for_touched(block, put_back);
	}
	return arena.is_there;
}
