/* SPDX-License-Identifier: MIT
 *
 * Allocations, each with a header that says whose it is. Large ones, tables for a million peers of
 * which a page is used, are mapped: then pages never touched are known, and not searched.
 */
#include "memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LARGE = 64 << 10, SHOWN_PAGES_MAX = 64 << 10 };

struct block {
	_Alignas(16) struct block *next;
	struct block *prev;
	struct memory *memory;
	size_t size;
};

static struct memory *current;

void *__real_calloc(size_t num, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t num, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t num, size_t size);
void __wrap_free(void *p);

struct memory *memory_of(struct memory *memory)
{
	struct memory *before = current;

	current = memory;
	return before;
}

static struct block *block_new(size_t total)
{
	void *p;

	if (total < LARGE)
		return __real_calloc(1, total);
	p = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		-1, 0);
	return p == MAP_FAILED ? NULL : p;
}

void *__wrap_malloc(size_t size)
{
	struct block *block = block_new(sizeof(*block) + size);

	if (!block)
		return NULL;
	block->size = size;
	block->memory = current;
	if (current) {
		block->next = current->first;
		if (block->next)
			block->next->prev = block;
		current->first = block;
		current->num_blocks++;
		current->num_bytes += size;
	}
	return block + 1;
}

void *__wrap_calloc(size_t num, size_t size)
{
	assert(size == 0 || num <= SIZE_MAX / 2 / size);
	return __wrap_malloc(num * size);
}

void __wrap_free(void *p)
{
	struct block *block;
	struct memory *memory;

	if (!p)
		return;
	block = (struct block *)p - 1;
	memory = block->memory;
	if (memory) {
		if (memory->before_free && block->size < LARGE)
			memory->before_free(memory->ctx, p, block->size);
		if (block->next)
			block->next->prev = block->prev;
		if (block->prev)
			block->prev->next = block->next;
		else
			memory->first = block->next;
		memory->num_blocks--;
		memory->num_bytes -= block->size;
	}
	if (sizeof(*block) + block->size < LARGE)
		__real_free(block);
	else
		munmap(block, sizeof(*block) + block->size);
}

void *__wrap_realloc(void *p, size_t size)
{
	void *grown = __wrap_malloc(size);
	size_t old = p ? ((struct block *)p - 1)->size : 0;

	if (!grown)
		return NULL;
	if (p)
		memcpy(grown, p, old < size ? old : size);
	__wrap_free(p);
	return grown;
}

void *__wrap_reallocarray(void *p, size_t num, size_t size)
{
	assert(size == 0 || num <= SIZE_MAX / 2 / size);
	return __wrap_realloc(p, num * size);
}

/* Runs of pages that were touched; the header of the block is in the first. */
static void show_large(const struct block *block,
	void (*look)(void *ctx, const uint8_t *bytes, size_t len), void *ctx)
{
	static unsigned char touched[SHOWN_PAGES_MAX];
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), total = sizeof(*block) + block->size;
	const size_t num = (total + page - 1) / page;
	const uint8_t *start = (const uint8_t *)block;

	assert(num <= SHOWN_PAGES_MAX);
	if (mincore((void *)(uintptr_t)block, total, touched) != 0)
		memset(touched, 1, num);
	for (size_t i = 0, end; i < num; i = end + 1) {
		for (end = i; end < num && touched[end] & 1; end++)
			;
		if (end > i)
			look(ctx, start + i * page,
				(end * page < total ? end * page : total) - i * page);
	}
}

void memory_show(const struct memory *memory,
	void (*look)(void *ctx, const uint8_t *bytes, size_t len), void *ctx)
{
	for (const struct block *block = memory->first; block; block = block->next) {
		if (sizeof(*block) + block->size < LARGE)
			look(ctx, (const uint8_t *)(block + 1), block->size);
		else
			show_large(block, look, ctx);
	}
}

void *own_alloc(size_t size)
{
	return own_realloc(NULL, size);
}

void *own_realloc(void *old, size_t size)
{
	void *p = old ? __real_realloc(old, size) : __real_calloc(1, size);

	if (!p)
		abort();
	return p;
}

void own_free(void *p)
{
	__real_free(p);
}
