/* SPDX-License-Identifier: MIT
 *
 * Files that are whole or not there.
 */
#include "overlay/agent/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encoding.h"
#include "base/log.h"
#include "overlay/wire/json.h"

enum { FILE_MAX = 16 << 20, FILE_NAME_LEN = NETWORK_NAME_MAX + 16 };

static const char *const suffixes[] = {[STATE_JOIN] = ".join", [STATE_KNOWN] = ".json"};
static const char key_suffix[] = ".key";

static void file_name(
	char ret_name[FILE_NAME_LEN], const char *network, const char *suffix, const char *more)
{
	snprintf(ret_name, FILE_NAME_LEN, "%.*s%s%s", NETWORK_NAME_MAX, network, suffix, more);
}

static void put_aside(int dir_fd, const char *network, const char *suffix, const char *why)
{
	char name[FILE_NAME_LEN], bad[FILE_NAME_LEN];

	file_name(name, network, suffix, "");
	file_name(bad, network, suffix, ".bad");
	if (renameat(dir_fd, name, dir_fd, bad) == 0)
		log_error("%s is damaged: %s; it is kept as %s", name, why, bad);
	else
		log_error("%s is damaged: %s; it cannot be put aside: %m", name, why);
}

void state_put_aside(int dir_fd, const char *network, enum state_file file, const char *why)
{
	put_aside(dir_fd, network, suffixes[file], why);
}

/* --- reading ---------------------------------------------------------- */

/* The content of a file, for wipe() and free(), and its length. */
static int read_file(int dir_fd, const char *name, char **ret_data, size_t *ret_len)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), r = 0;
	struct stat status;
	size_t len = 0;
	char *data;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size > FILE_MAX) {
		close(fd);
		return -EBADMSG;
	}
	data = malloc((size_t)status.st_size + 1);
	while (data && len < (size_t)status.st_size) {
		ssize_t n = read(fd, data + len, (size_t)status.st_size - len);

		if (n <= 0) {
			r = n < 0 ? -errno : 0;
			break;
		}
		len += (size_t)n;
	}
	close(fd);
	if (!data || r < 0) {
		free(data);
		return data ? r : -ENOMEM;
	}
	data[len] = '\0';
	*ret_data = data;
	*ret_len = len;
	return 0;
}

int state_read(int dir_fd, const char *network, enum state_file file, json_t **ret_json)
{
	char name[FILE_NAME_LEN], *data;
	json_error_t error;
	size_t len;
	int r;

	file_name(name, network, suffixes[file], "");
	r = read_file(dir_fd, name, &data, &len);
	if (r < 0)
		return r;
	errno = 0;
	*ret_json = json_loadb(data, len, JSON_REJECT_DUPLICATES, &error);
	r = errno;
	wipe(data, len);
	free(data);
	if (*ret_json)
		return 0;
	if (r == ENOMEM) /* nothing is wrong with the file; jansson does not say so itself */
		return -ENOMEM;
	put_aside(dir_fd, network, suffixes[file], len == 0 ? "it is empty" : error.text);
	return -EBADMSG;
}

int state_read_key(int dir_fd, const char *network, uint8_t ret_key[KEY_LEN])
{
	char name[FILE_NAME_LEN], *data = NULL;
	size_t len = 0;
	int r;

	file_name(name, network, key_suffix, "");
	r = read_file(dir_fd, name, &data, &len);
	if (!data)
		return r;
	r = len == KEY_BASE64_LEN + 1 && data[KEY_BASE64_LEN] == '\n'
		    ? key_from_base64(ret_key, data, KEY_BASE64_LEN)
		    : -EINVAL;
	wipe(data, len);
	free(data);
	if (r == 0)
		return 0;
	put_aside(dir_fd, network, key_suffix, "that is no private key");
	return -EBADMSG;
}

int state_list(int dir_fd, char (*ret_names)[NETWORK_NAME_MAX + 1], unsigned max)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	unsigned num = 0;

	if (!dir) {
		int r = -errno;

		if (fd >= 0)
			close(fd);
		return r;
	}
	while (num < max && (entry = readdir(dir))) {
		const char *end = strstr(entry->d_name, suffixes[STATE_JOIN]);
		size_t len = end ? (size_t)(end - entry->d_name) : 0;

		if (len == 0 || len > NETWORK_NAME_MAX || strcmp(end, suffixes[STATE_JOIN]) != 0)
			continue;
		memcpy(ret_names[num], entry->d_name, len);
		ret_names[num][len] = '\0';
		if (network_name_is_valid(ret_names[num]))
			num++;
	}
	closedir(dir);
	return (int)num;
}

/* --- writing ---------------------------------------------------------- */

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int write_file(
	int dir_fd, const char *network, const char *suffix, const char *data, size_t len)
{
	char name[FILE_NAME_LEN], fresh[FILE_NAME_LEN];
	int fd, r;

	file_name(name, network, suffix, "");
	file_name(fresh, network, suffix, ".new");
	fd = openat(dir_fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, data, len);
	close(fd);
	if (r == 0 && renameat(dir_fd, fresh, dir_fd, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir_fd, fresh, 0);
	else if (fsync(dir_fd) < 0)
		r = -errno;
	return r;
}

int state_write(int dir_fd, const char *network, enum state_file file, const json_t *json)
{
	char *data = json_to_text(json, JSON_INDENT(1));
	int r;

	if (!data)
		return -ENOMEM;
	r = write_file(dir_fd, network, suffixes[file], data, strlen(data));
	wipe(data, strlen(data)); /* there may be a join key in it */
	free(data);
	return r;
}

int state_write_key(int dir_fd, const char *network, const uint8_t key[KEY_LEN])
{
	char text[KEY_BASE64_LEN + 1];
	int r;

	key_to_base64(text, key);
	text[KEY_BASE64_LEN] = '\n';
	r = write_file(dir_fd, network, key_suffix, text, sizeof(text));
	wipe(text, sizeof(text));
	return r;
}

int state_remove(int dir_fd, const char *network)
{
	char name[FILE_NAME_LEN];

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		file_name(name, network, suffixes[i], "");
		if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
			return -errno;
	}
	return fsync(dir_fd) < 0 ? -errno : 0;
}
