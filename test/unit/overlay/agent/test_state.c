/* SPDX-License-Identifier: MIT
 *
 * State files: written and read back, damaged in all ways, on a disk that takes nothing.
 */
#include "overlay/agent/state.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/adit-state-XXXXXX";
static int dir_fd;

static int start(void **state)
{
	(void)state;
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
	return dir_fd < 0 ? -1 : 0;
}

static int stop(void **state)
{
	static const char *const names[] = {"robots.json", "robots.json.bad", "robots.key",
		"robots.key.bad", "robots.join", "robots.join.bad", "lab.join", "Bad.join",
		"x.joint", "robots.json.new"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)unlinkat(dir_fd, names[i], 0);
	close(dir_fd);
	return rmdir(dir);
}

static void put(const char *name, const char *data, size_t len)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static bool exists(const char *name)
{
	return faccessat(dir_fd, name, F_OK, 0) == 0;
}

static void test_write_and_read(void **state)
{
	json_t *json = json_pack("{s:i}", "seq", 7), *back;
	struct stat status;

	(void)state;
	assert_int_equal(state_read(dir_fd, "robots", STATE_KNOWN, &back), -ENOENT);
	assert_int_equal(state_write(dir_fd, "robots", STATE_KNOWN, json), 0);
	assert_int_equal(fstatat(dir_fd, "robots.json", &status, 0), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_false(exists("robots.json.new"));
	assert_int_equal(state_read(dir_fd, "robots", STATE_KNOWN, &back), 0);
	assert_true(json_equal(json, back));
	json_decref(json);
	json_decref(back);
	assert_int_equal(state_remove(dir_fd, "robots"), 0);
	assert_false(exists("robots.json"));
	assert_int_equal(state_remove(dir_fd, "robots"), 0);
}

static void test_damaged(void **state)
{
	static const struct {
		const char *data;
		size_t len;
	} cases[] = {{"", 0}, {"{\"seq\": 7", 9}, {"\0\0\0\0\0\0\0\0", 8}, {"nonsense", 8},
		{"{\"a\": 1, \"a\": 2}", 16}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *json = NULL;

		put("robots.json", cases[i].data, cases[i].len);
		assert_int_equal(state_read(dir_fd, "robots", STATE_KNOWN, &json), -EBADMSG);
		assert_null(json);
		assert_false(exists("robots.json"));
		assert_true(exists("robots.json.bad"));
	}
}

static void test_key(void **state)
{
	static const char *const damaged[] = {"", "short\n",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA*\n",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= "};
	uint8_t key[KEY_LEN], back[KEY_LEN] = {0};

	(void)state;
	memset(key, 7, sizeof(key));
	assert_int_equal(state_read_key(dir_fd, "robots", back), -ENOENT);
	assert_int_equal(state_write_key(dir_fd, "robots", key), 0);
	assert_int_equal(state_read_key(dir_fd, "robots", back), 0);
	assert_memory_equal(key, back, KEY_LEN);
	assert_int_equal(state_remove(dir_fd, "robots"), 0);
	assert_true(exists("robots.key")); /* the same node when it joins again */
	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
		put("robots.key", damaged[i], strlen(damaged[i]));
		assert_int_equal(state_read_key(dir_fd, "robots", back), -EBADMSG);
		assert_true(exists("robots.key.bad"));
		assert_memory_equal(key, back, KEY_LEN);
	}
}

static void test_list(void **state)
{
	char names[8][NETWORK_NAME_MAX + 1];
	int num;

	(void)state;
	put("robots.join", "{}", 2);
	put("lab.join", "{}", 2);
	put("Bad.join", "{}", 2);
	put("x.joint", "{}", 2);
	put("robots.json", "{}", 2);
	num = state_list(dir_fd, names, 8);
	assert_int_equal(num, 2);
	assert_true(strcmp(names[0], "robots") == 0 || strcmp(names[1], "robots") == 0);
	assert_int_equal(state_list(dir_fd, names, 1), 1);
}

/* On a full disk the old file stays whole. */
static void test_disk_full(void **state)
{
	json_t *small = json_pack("{s:i}", "seq", 7), *large = json_array(), *back;
	int full_fd;

	(void)state;
	if (mount("none", dir, "tmpfs", 0, "size=16k") < 0) {
		json_decref(small);
		json_decref(large);
		skip();
	}
	full_fd = open(dir, O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 10000; i++)
		json_array_append_new(large, json_string("filler"));
	assert_int_equal(state_write(full_fd, "robots", STATE_KNOWN, small), 0);
	assert_int_equal(state_write(full_fd, "robots", STATE_KNOWN, large), -ENOSPC);
	assert_int_equal(state_read(full_fd, "robots", STATE_KNOWN, &back), 0);
	assert_true(json_equal(small, back));
	json_decref(back);
	assert_int_equal(mount("none", dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_int_equal(state_write(full_fd, "robots", STATE_KNOWN, small), -EROFS);
	assert_int_equal(state_read(full_fd, "robots", STATE_KNOWN, &back), 0);
	json_decref(back);
	json_decref(small);
	json_decref(large);
	close(full_fd);
	assert_int_equal(umount(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_write_and_read, start, stop),
		cmocka_unit_test_setup_teardown(test_damaged, start, stop),
		cmocka_unit_test_setup_teardown(test_key, start, stop),
		cmocka_unit_test_setup_teardown(test_list, start, stop),
		cmocka_unit_test_setup_teardown(test_disk_full, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
