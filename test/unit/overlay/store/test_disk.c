/* SPDX-License-Identifier: MIT
 *
 * What the store asks of the disk, seen from between SQLite and the system: when a change is
 * acknowledged all that was written is synced; and whichever operation of a change fails, the
 * change has not happened, and the next one works.
 */
#include <sqlite3.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/hash.h"
#include "fixture.h"

struct file {
	sqlite3_file base;
	bool is_wal;
	sqlite3_file *real; /* behind this struct */
};

/* What all files of the store have in common. */
static struct {
	sqlite3_vfs vfs, *real;
	bool wal_is_dirty; /* written and not synced */
	unsigned fail_in;  /* operations until one fails, 0: none */
	int fail_with;
} disk;

static sqlite3_file *real(sqlite3_file *base)
{
	return ((struct file *)base)->real;
}

static bool fails(void)
{
	return disk.fail_in > 0 && --disk.fail_in == 0;
}

static int file_close(sqlite3_file *f)
{
	return real(f)->pMethods->xClose(real(f));
}

static int file_read(sqlite3_file *f, void *data, int len, sqlite3_int64 offset)
{
	return real(f)->pMethods->xRead(real(f), data, len, offset);
}

static int file_write(sqlite3_file *f, const void *data, int len, sqlite3_int64 offset)
{
	if (fails())
		return disk.fail_with;
	disk.wal_is_dirty |= ((struct file *)f)->is_wal;
	return real(f)->pMethods->xWrite(real(f), data, len, offset);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return fails() ? disk.fail_with : real(f)->pMethods->xTruncate(real(f), size);
}

static int file_sync(sqlite3_file *f, int flags)
{
	if (fails())
		return SQLITE_IOERR_FSYNC;
	if (((struct file *)f)->is_wal)
		disk.wal_is_dirty = false;
	return real(f)->pMethods->xSync(real(f), flags);
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return real(f)->pMethods->xFileSize(real(f), size);
}

static int file_lock(sqlite3_file *f, int level)
{
	return real(f)->pMethods->xLock(real(f), level);
}

static int file_unlock(sqlite3_file *f, int level)
{
	return real(f)->pMethods->xUnlock(real(f), level);
}

static int file_check_reserved(sqlite3_file *f, int *result)
{
	return real(f)->pMethods->xCheckReservedLock(real(f), result);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
	return real(f)->pMethods->xFileControl(real(f), op, arg);
}

static int file_sector_size(sqlite3_file *f)
{
	return real(f)->pMethods->xSectorSize(real(f));
}

static int file_characteristics(sqlite3_file *f)
{
	return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static int file_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **memory)
{
	return real(f)->pMethods->xShmMap(real(f), page, size, extend, memory);
}

static int file_shm_lock(sqlite3_file *f, int offset, int num, int flags)
{
	return real(f)->pMethods->xShmLock(real(f), offset, num, flags);
}

static void file_shm_barrier(sqlite3_file *f)
{
	real(f)->pMethods->xShmBarrier(real(f));
}

static int file_shm_unmap(sqlite3_file *f, int delete_it)
{
	return real(f)->pMethods->xShmUnmap(real(f), delete_it);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_check_reserved,
	.xFileControl = file_control,
	.xSectorSize = file_sector_size,
	.xDeviceCharacteristics = file_characteristics,
	.xShmMap = file_shm_map,
	.xShmLock = file_shm_lock,
	.xShmBarrier = file_shm_barrier,
	.xShmUnmap = file_shm_unmap,
};

static int disk_open(
	sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *ret_flags)
{
	struct file *f = (struct file *)base;
	int result;

	(void)vfs;
	*f = (struct file){
		.is_wal = (flags & SQLITE_OPEN_WAL) != 0, .real = (sqlite3_file *)(f + 1)};
	result = disk.real->xOpen(disk.real, name, f->real, flags, ret_flags);
	if (f->real->pMethods)
		f->base.pMethods = &methods;
	return result;
}

static int disk_setup(void **state)
{
	(void)state;
	disk.real = sqlite3_vfs_find(NULL);
	disk.vfs = *disk.real;
	disk.vfs.zName = "watched";
	disk.vfs.szOsFile = (int)sizeof(struct file) + disk.real->szOsFile;
	disk.vfs.xOpen = disk_open;
	return sqlite3_vfs_register(&disk.vfs, 1);
}

static int disk_teardown(void **state)
{
	(void)state;
	return sqlite3_vfs_unregister(&disk.vfs);
}

/* --- changes ----------------------------------------------------------- */

static int change_enrol(struct store *store)
{
	static unsigned number;
	struct enrol_request request = enrol_request("robots", "robot", 1);
	uint8_t key[KEY_LEN];
	struct node node;
	bool is_new;

	fill_key(key, 5000 + number++);
	return store_enrol(store, key, &request, NOW_S, &node, &is_new);
}

static int change_rename(struct store *store)
{
	static unsigned number;
	char name[32];

	(void)snprintf(name, sizeof(name), "name%u", number++);
	return store_rename_node(store, "anna", 1, name);
}

static int change_network(struct store *store)
{
	static unsigned number;
	struct network network = {.prefix4 = {.family = AF_INET, .cidr = 24, .addr = {10}}};

	network.prefix4.addr[1] = (uint8_t)(number >> 8);
	network.prefix4.addr[2] = (uint8_t)number;
	(void)snprintf(network.name, sizeof(network.name), "net%u", number++);
	return store_add_network(store, "anna", &network);
}

static int change_policy(struct store *store)
{
	char text[20000];

	memset(text, '#', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	return store_set_policy(store, "anna", 1, text);
}

static int change_link(struct store *store)
{
	int r = store_unlink(store, 1, 2);

	return r < 0 ? r : store_link(store, 1, 2);
}

static int change_endpoints(struct store *store)
{
	static uint16_t port = 1;
	struct endpoint endpoints[NODE_ENDPOINTS_MAX] = {{.family = AF_INET, .port = port++}};
	uint64_t seq;

	return store_set_endpoints(store, 1, endpoints, &seq);
}

typedef int change(struct store *store);
static change *const changes[] = {
	change_enrol, change_rename, change_network, change_policy, change_link, change_endpoints};

static void add_nodes(struct store *store)
{
	struct network network = add_network(store, "robots");

	(void)add_key(store, &network, 1);
	expect(store, change_enrol(store), 0);
	expect(store, change_enrol(store), 0);
	expect(store, store_link(store, 1, 2), 0);
}

static void what_is_acknowledged_is_synced(void **state)
{
	struct fixture *f = *state;

	add_nodes(f->store);
	for (unsigned i = 0; i < 600; i++) { /* some with a checkpoint */
		expect(f->store, changes[i % ARRAY_SIZE(changes)](f->store), 0);
		assert_false(disk.wal_is_dirty);
	}
}

/* Everything there is but what seen and the WAL do. */
static void dump(struct fixture *f, char *ret_text, size_t size)
{
	raw_text(f,
		"SELECT (SELECT coalesce(group_concat(id || name || seq || endpoints), '') FROM "
		"nodes)"
		" || '/' || (SELECT group_concat(name || seq) FROM networks)"
		" || '/' || (SELECT group_concat(uses) FROM join_keys)"
		" || '/' || (SELECT count(*) || max(length(text)) FROM policies)"
		" || '/' || (SELECT coalesce(group_concat(a || '-' || b || seq), '') FROM links)"
		" || '/' || (SELECT count(*) FROM audit)",
		ret_text, size);
}

static void a_change_that_fails_has_not_happened(void **state)
{
	static const struct {
		int sql_result;
		int r;
	} rows[] = {{SQLITE_FULL, -ENOSPC}, {SQLITE_IOERR_WRITE, -EIO}};
	static char before[1 << 16], after[1 << 16];
	struct fixture *f = *state;
	unsigned num_failed = 0;

	add_nodes(f->store);
	expect(f->store, store_set_policy(f->store, "anna", 1, ""), 0);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(changes); i++) {
		disk.fail_with = rows[i % 2].sql_result;
		for (unsigned operation = 1;; operation++) {
			uint8_t last[HASH_LEN];
			int64_t num;
			int r;

			if (changes[i / 2] == change_link) /* the first half is a change, too */
				expect(f->store, store_unlink(f->store, 1, 2), 0);
			dump(f, before, sizeof(before));
			disk.fail_in = operation;
			r = changes[i / 2](f->store);
			if (disk.fail_in > 0) { /* there are not so many */
				disk.fail_in = 0;
				expect(f->store, r, 0);
				break;
			}
			if (r == 0) /* a checkpoint may fail: it will be made up for */
				continue;
			if (r != -EIO || disk.fail_with == SQLITE_IOERR_WRITE)
				expect(f->store, r, rows[i % 2].r);
			num_failed++;
			dump(f, after, sizeof(after));
			assert_string_equal(after, before);
			expect(f->store, store_audit_verify(f->store, &num, last), 0);
			expect(f->store, changes[i / 2](f->store), 0);
		}
	}
	assert_true(num_failed > 4 * ARRAY_SIZE(changes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_is_acknowledged_is_synced, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			a_change_that_fails_has_not_happened, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, disk_setup, disk_teardown);
}
