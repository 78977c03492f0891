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

enum { BLOCKS_MAX = 1024, PAGES_MAX = 1 << 14, PAGE = 4096, ALIGNMENT = 16, MANY_PAGES = 64 };
#define ARENA_LEN ((size_t)1 << (sizeof(size_t) > 4 ? 35 : 30)) /* addresses, not memory */

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
} blocks[BLOCKS_MAX];

/* What is put back, page by page; the rest is zero. */
static struct saved {
	uint8_t *memory, *contents;
	size_t len;
} pages[PAGES_MAX];

static struct {
	uint8_t *begin, *end; /* all blocks' */
	unsigned num_blocks, num_pages;
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

static bool is_zero(const uint8_t *memory, size_t len)
{
	return len == 0 || (*memory == 0 && memcmp(memory, memory + 1, len - 1) == 0);
}

/* Most pages of a large block nobody has touched. */
static void save(const struct block *block)
{
	for (size_t page = 0; page < block->num_pages; page++) {
		struct saved *saved = &pages[arena.num_pages];

		saved->memory = part(block, page, &saved->len);
		if (block->num_pages >= MANY_PAGES && is_zero(saved->memory, saved->len))
			continue;
		require(++arena.num_pages < PAGES_MAX);
		saved->contents = __real_malloc(PAGE);
		require(saved->contents != NULL);
		memcpy(saved->contents, saved->memory, saved->len);
	}
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
		if (block->is_part)
			save(block);
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
		/* whoever touched which: then they are zero, those in swap space too */
		if (block->num_pages >= MANY_PAGES)
			require(madvise(block->pages, block->num_pages * PAGE, MADV_DONTNEED) == 0);
	}
	for (unsigned i = 0; i < arena.num_pages; i++)
		memcpy(pages[i].memory, pages[i].contents, pages[i].len);
	return arena.is_there;
}
