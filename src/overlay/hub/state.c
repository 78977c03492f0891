/* SPDX-License-Identifier: MIT
 *
 * Directories and keys. A key is a line of base64, as `wg genkey` writes it; it is there as a whole
 * or not at all, whenever the power fails.
 */
#include "overlay/hub/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encoding.h"
#include "base/log.h"
#include "crypto/dh.h"

static int complain(const char *path, const char *name, int error)
{
	log_error("%s/%s: %s", path, name, strerror(-error));
	return error;
}

/* Open a directory in dir_fd (or at a path), and make it if it is not there. */
static int open_directory(int dir_fd, const char *name, mode_t mode, bool *ret_is_new)
{
	int fd;

	*ret_is_new = mkdirat(dir_fd, name, mode) == 0;
	if (!*ret_is_new && errno != EEXIST)
		return -errno;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The state directory may be one that somebody made: it stays as it is. -EPERM: others could
 * replace what is in it. */
static int open_state_directory(const char *path)
{
	struct stat status;
	bool is_new;
	int fd = open_directory(AT_FDCWD, path, 0711, &is_new), r = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, &status) < 0 || (is_new && fchmod(fd, 0711) < 0))
		r = -errno;
	else if (status.st_uid != 0 || status.st_mode & 022)
		r = -EPERM;
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

/* One of ours in it: with this owner and mode, whatever the umask says or an earlier owner was. */
static int open_own_directory(int dir_fd, const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	bool is_new;
	int fd = open_directory(dir_fd, name, mode, &is_new), r = 0;

	if (fd < 0)
		return fd;
	if (fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0 || fsync(dir_fd) < 0)
		r = -errno;
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

/* The database's files may be those of the user that an earlier hub ran as. */
static int own_database(int db_fd, uid_t uid, gid_t gid)
{
	static const char *const names[] = {"hub.db", "hub.db-wal", "hub.db-shm"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int fd = openat(db_fd, names[i], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		struct stat status;
		int r = 0;

		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return -errno;
		if (fstat(fd, &status) < 0 || (S_ISREG(status.st_mode) && status.st_nlink == 1 &&
						      fchown(fd, uid, gid) < 0))
			r = -errno;
		close(fd);
		if (r < 0)
			return r;
	}
	return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
	ssize_t n = write(fd, data, len);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -ENOSPC;
}

/* Make a key, and the file with it. */
static int create_key(int keys_fd, const char *name, uint8_t ret_key[KEY_LEN])
{
	char text[KEY_BASE64_LEN + 2], new_name[32];
	uint8_t key[KEY_LEN];
	int fd, r;

	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return -EIO;
	dh_clamp(key);
	key_to_base64(text, key);
	text[KEY_BASE64_LEN] = '\n';
	snprintf(new_name, sizeof(new_name), "%s.new", name);
	(void)unlinkat(keys_fd, new_name, 0);
	fd = openat(keys_fd, new_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : write_all(fd, text, KEY_BASE64_LEN + 1);
	if (r == 0 && (fsync(fd) < 0 || renameat(keys_fd, new_name, keys_fd, name) < 0 ||
			      fsync(keys_fd) < 0))
		r = -errno;
	if (r == 0)
		memcpy(ret_key, key, KEY_LEN);
	if (fd >= 0)
		close(fd);
	wipe(text, sizeof(text));
	wipe(key, sizeof(key));
	return r;
}

/* -ENOENT: there is none. -EPERM: others may have read it. -EINVAL: it is no key. */
static int read_key(int keys_fd, const char *name, uint8_t ret_key[KEY_LEN])
{
	int fd = openat(keys_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), r = 0;
	char text[KEY_BASE64_LEN + 2];
	struct stat status;
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		r = -errno;
	else if (!S_ISREG(status.st_mode) || status.st_uid != 0 || status.st_mode & 077)
		r = -EPERM;
	n = r == 0 ? read(fd, text, sizeof(text)) : 0;
	if (n < 0)
		r = -errno;
	close(fd);
	if (r == 0)
		r = n >= KEY_BASE64_LEN && (n == KEY_BASE64_LEN || text[KEY_BASE64_LEN] == '\n')
			    ? key_from_base64(ret_key, text, KEY_BASE64_LEN)
			    : -EINVAL;
	wipe(text, sizeof(text));
	return r;
}

static int load_key(struct hub_state *state, int keys_fd, const char *name, bool has_database,
	uint8_t ret_key[KEY_LEN])
{
	int r = read_key(keys_fd, name, ret_key);

	if (r == -EPERM) {
		log_error("keys/%s must be a file of root's that nobody else may read", name);
	} else if (r == -EINVAL) {
		log_error("keys/%s is damaged: put it back from where you keep a copy", name);
	} else if (r == -ENOENT && has_database) { /* with a new key no node would know the hub */
		log_error("keys/%s is missing: put it back from where you keep a copy, or remove "
			  "the database, too",
			name);
	} else if (r == -ENOENT) {
		state->is_new = true;
		r = create_key(keys_fd, name, ret_key);
		if (r < 0)
			complain("keys", name, r);
	} else if (r < 0) {
		complain("keys", name, r);
	}
	return r;
}

static int load_keys(struct hub_state *state, const char *path)
{
	bool has_database = faccessat(state->dir_fd, "db/hub.db", F_OK, 0) == 0;
	int fd = open_own_directory(state->dir_fd, "keys", 0700, 0, 0), r;

	if (fd < 0)
		return complain(path, "keys", fd);
	r = load_key(state, fd, "enrol.key", has_database, state->enrol_key);
	if (r == 0)
		r = load_key(state, fd, "tunnel.key", has_database, state->tunnel_key);
	close(fd);
	return r;
}

static int prepare_database(const struct hub_state *state, const char *path, uid_t uid, gid_t gid)
{
	int fd = open_own_directory(state->dir_fd, "db", 0700, uid, gid), r;

	if (fd < 0)
		return complain(path, "db", fd);
	r = own_database(fd, uid, gid);
	close(fd);
	return r < 0 ? complain(path, "db", r) : 0;
}

static int open_state(struct hub_state *state, const char *path, uid_t uid, gid_t gid)
{
	int r;

	state->dir_fd = open_state_directory(path);
	if (state->dir_fd == -EPERM)
		log_error("%s: must be root's, and nobody else's to write to", path);
	else if (state->dir_fd < 0)
		log_error("%s: %s", path, strerror(-state->dir_fd));
	if (state->dir_fd < 0)
		return state->dir_fd;
	if (flock(state->dir_fd, LOCK_EX | LOCK_NB) < 0) {
		log_error("%s: another hub is running with it", path);
		return -EBUSY;
	}
	r = prepare_database(state, path, uid, gid);
	return r == 0 ? load_keys(state, path) : r;
}

int hub_state_open(struct hub_state *ret_state, const char *path, uid_t uid, gid_t gid)
{
	struct hub_state state = {.dir_fd = -1};
	int r = open_state(&state, path, uid, gid);

	if (r == 0)
		*ret_state = state;
	else if (state.dir_fd >= 0)
		close(state.dir_fd);
	wipe(&state, sizeof(state));
	return r;
}

int hub_state_enter(const struct hub_state *state)
{
	int fd = openat(state->dir_fd, "db", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	if (fchdir(fd) < 0)
		r = -errno;
	close(fd);
	return r;
}
