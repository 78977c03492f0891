/* SPDX-License-Identifier: MIT
 *
 * Tables for a million peers, of which a fuzzer's input touches a page or two: taken from the
 * kernel, as a sanitizer would mark each of their many bytes, and that ten times for every input.
 * They are used again and again, since even the kernel takes longer for a page that is new than
 * all that is done with it. Whoever looks behind a table, or at one that is freed, still dies.
 * Linked with --wrap=calloc,--wrap=free.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LARGE = 1 << 16, TABLES_MAX = 64, PAGE = 4096, PAGES_AT_ONCE = 1 << 16, ALIGNMENT = 16 };

void *__real_calloc(size_t num, size_t size);
void __real_free(void *memory);
void *__wrap_calloc(size_t num, size_t size);
void __wrap_free(void *memory);

static struct table {
	uint8_t *pages; /* and one behind them that nobody may touch; NULL: no table */
	size_t len;	/* of the pages */
	uint8_t *memory;
	bool is_used;
} tables[TABLES_MAX];

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* Zero all pages that somebody has touched. */
static void clean(const struct table *table)
{
	static unsigned char is_touched[PAGES_AT_ONCE];

	for (size_t at = 0, num; at < table->len / PAGE; at += num) {
		uint8_t *pages = table->pages + at * PAGE;
		const unsigned char *next = is_touched;

		num = table->len / PAGE - at;
		num = num < PAGES_AT_ONCE ? num : PAGES_AT_ONCE;
		require(mincore(pages, num * PAGE, is_touched) == 0);
		while ((next = memchr(next, 1, num - (size_t)(next - is_touched))))
			memset(pages + (size_t)(next++ - is_touched) * PAGE, 0, PAGE);
	}
}

/* One that was freed, or a new one. */
static struct table *find_table(size_t len)
{
	for (size_t i = 0; i < TABLES_MAX; i++) {
		if (!tables[i].pages) {
			tables[i].pages = mmap(NULL, len + PAGE, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
			require(tables[i].pages != MAP_FAILED);
			tables[i].len = len;
		}
		if (!tables[i].is_used && tables[i].len == len)
			return &tables[i];
	}
	return NULL;
}

void *__wrap_calloc(size_t num, size_t size)
{
	const size_t wanted = num * size, len = (wanted + PAGE - 1) / PAGE * PAGE;
	struct table *table = size && num >= LARGE / size ? find_table(len) : NULL;

	if (!table)
		return __real_calloc(num, size);
	require(mprotect(table->pages, len, PROT_READ | PROT_WRITE) == 0);
	table->is_used = true;
	table->memory = table->pages + (len - wanted) / ALIGNMENT * ALIGNMENT;
	return table->memory;
}

void __wrap_free(void *memory)
{
	for (size_t i = 0; i < TABLES_MAX && tables[i].pages; i++) {
		struct table *table = &tables[i];

		if (!table->is_used || table->memory != memory)
			continue;
		clean(table);
		require(mprotect(table->pages, table->len, PROT_NONE) == 0);
		table->is_used = false;
		return;
	}
	__real_free(memory);
}
