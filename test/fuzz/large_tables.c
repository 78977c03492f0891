/* SPDX-License-Identifier: MIT
 *
 * Tables for a million peers, of which a fuzzer's input touches a page or two: taken from the
 * kernel, as a sanitizer would mark each of their many bytes, and that ten times for every input.
 * Linked with --wrap=calloc,--wrap=free.
 */
#include <stdlib.h>
#include <sys/mman.h>

enum { LARGE = 1 << 20, TABLES_MAX = 64 };

void *__real_calloc(size_t num, size_t size);
void __real_free(void *memory);
void *__wrap_calloc(size_t num, size_t size);
void __wrap_free(void *memory);

static struct {
	void *memory;
	size_t size;
} tables[TABLES_MAX];

void *__wrap_calloc(size_t num, size_t size)
{
	for (size_t i = 0; i < TABLES_MAX && size && num >= LARGE / size; i++) {
		if (tables[i].memory)
			continue;
		tables[i].size = num * size;
		tables[i].memory = mmap(NULL, num * size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (tables[i].memory == MAP_FAILED)
			abort();
		return tables[i].memory;
	}
	return __real_calloc(num, size);
}

void __wrap_free(void *memory)
{
	for (size_t i = 0; i < TABLES_MAX; i++) {
		if (!memory || tables[i].memory != memory)
			continue;
		munmap(memory, tables[i].size);
		tables[i].memory = NULL;
		return;
	}
	__real_free(memory);
}
