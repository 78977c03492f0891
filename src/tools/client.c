/* SPDX-License-Identifier: MIT
 *
 * A client of UAPI sockets.
 */
#include "tools/client.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/uapi.h"
#include "crypto/dh.h"
#include "tools/tools.h"

enum { REPLY_MAX = 1 << 30 }; /* bytes; a peer takes about 400 */

static const char suffix[] = ".sock";

static bool is_interface_name(const char *name)
{
	return *name != '\0' && strlen(name) < IFNAMSIZ && strchr(name, '/') == NULL;
}

/* Connect to the daemon of an interface. Returns the socket or a negative errno. */
static int connect_to(const char *name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat stat;
	int fd, r;

	if (!is_interface_name(name))
		return -EINVAL;
	snprintf(addr.sun_path, sizeof(addr.sun_path), CLIENT_SOCKET_DIR "/%s%s", name, suffix);
	if (lstat(addr.sun_path, &stat) != 0)
		return -errno;
	if (!S_ISSOCK(stat.st_mode))
		return -ENOTSOCK;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	r = -errno;
	close(fd);
	if (r == -ECONNREFUSED) /* its daemon is gone */
		(void)unlink(addr.sun_path);
	return r;
}

static int send_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);

		if (sent < 0 && errno != EINTR)
			return -errno;
		if (sent > 0) {
			data += sent;
			len -= (size_t)sent;
		}
	}
	return 0;
}

static bool is_complete(const struct text *reply)
{
	return reply->len >= 2 && memcmp(reply->data + reply->len - 2, "\n\n", 2) == 0;
}

static int receive_reply(int fd, struct text *reply)
{
	char buf[65536];
	int r = 0;

	while (r == 0 && !is_complete(reply)) {
		ssize_t len = recv(fd, buf, sizeof(buf), 0);

		if (len == 0)
			r = -EPROTO; /* the daemon hung up in the middle */
		else if (len < 0 && errno != EINTR)
			r = -errno;
		else if (len > 0)
			text_append(reply, buf, (size_t)len);
		if (reply->failed)
			r = -ENOMEM;
		else if (reply->len > REPLY_MAX)
			r = -EMSGSIZE;
	}
	wipe(buf, sizeof(buf));
	return r;
}

/* Send a request and receive the reply to it. */
static int exchange(const char *name, const struct text *request, struct text *reply)
{
	int fd, r, sent;

	if (request->failed)
		return -ENOMEM;
	fd = connect_to(name);
	if (fd < 0)
		return fd;
	sent = send_all(fd, request->data, request->len);
	/* A daemon that refuses a line may stop reading: what it says counts more. */
	r = receive_reply(fd, reply);
	if (r != 0 && sent != 0)
		r = sent;
	close(fd);
	return r;
}

int client_get(const char *name, struct config *ret_config)
{
	struct text request = {0}, reply = {0};
	int r;

	*ret_config = (struct config){0};
	text_printf(&request, "get=1\n\n");
	r = exchange(name, &request, &reply);
	if (r == 0)
		r = uapi_parse_get_reply(reply.data, reply.len, ret_config);
	if (r == 0) {
		snprintf(ret_config->name, sizeof(ret_config->name), "%s", name);
		if (ret_config->flags & CONFIG_HAS_PRIVATE_KEY)
			dh_public(ret_config->public_key, ret_config->private_key);
	}
	text_deinit(&request);
	text_deinit(&reply);
	return r;
}

int client_set(const char *name, const struct config *config)
{
	struct text request = {0}, reply = {0};
	int r;

	uapi_write_set(&request, config);
	r = exchange(name, &request, &reply);
	if (r == 0)
		r = uapi_parse_errno(reply.data, reply.len);
	text_deinit(&request);
	text_deinit(&reply);
	return r;
}

/* Whether a daemon answers for this name. */
static bool is_served(const char *name)
{
	int fd = connect_to(name);

	if (fd >= 0)
		close(fd);
	return fd >= 0 || (fd != -ECONNREFUSED && fd != -ENOENT && fd != -ENOTSOCK);
}

/* Append a name that is_interface_name() accepts. */
static int add_name(struct client_names *list, const char *name)
{
	if (list->num == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 8;
		char(*names)[IFNAMSIZ] = reallocarray(list->names, cap, sizeof(*names));

		if (names == NULL)
			return -ENOMEM;
		list->names = names;
		list->cap = cap;
	}
	memcpy(list->names[list->num++], name, strlen(name) + 1);
	return 0;
}

int client_list(struct client_names *ret_list)
{
	DIR *dir = opendir(CLIENT_SOCKET_DIR);
	const struct dirent *entry;
	int r = 0;

	*ret_list = (struct client_names){0};
	if (dir == NULL)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (entry = readdir(dir)) != NULL) {
		char name[sizeof(entry->d_name)];
		size_t len = strlen(entry->d_name), suffix_len = sizeof(suffix) - 1;

		if (len <= suffix_len || strcmp(entry->d_name + len - suffix_len, suffix) != 0)
			continue;
		memcpy(name, entry->d_name, len - suffix_len);
		name[len - suffix_len] = '\0';
		if (is_interface_name(name) && is_served(name))
			r = add_name(ret_list, name);
	}
	closedir(dir);
	if (r != 0) {
		free(ret_list->names);
		*ret_list = (struct client_names){0};
	}
	return r;
}

void client_complain(const char *name, int error)
{
	if (error == -ENOENT || error == -ECONNREFUSED)
		complain("%s: no such tunnel: nothing serves " CLIENT_SOCKET_DIR "/%s%s", name,
			name, suffix);
	else if (!is_interface_name(name))
		complain("\"%s\" is no interface name; expected 1 to 15 characters without '/'",
			name);
	else if (error == -EPROTO)
		complain("%s: the daemon's answer makes no sense", name);
	else
		complain("%s: %s", name, strerror(-error));
}
