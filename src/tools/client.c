/* SPDX-License-Identifier: MIT
 *
 * Daemons by the names of their interfaces.
 */
#include "tools/client.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/uapi_socket.h"
#include "crypto/dh.h"
#include "tools/tools.h"

int client_get(const char *name, struct config *ret_config)
{
	int fd = uapi_socket_connect(name), r;

	*ret_config = (struct config){0};
	if (fd < 0)
		return fd;
	r = uapi_socket_get(fd, ret_config);
	close(fd);
	if (r == 0) {
		snprintf(ret_config->name, sizeof(ret_config->name), "%s", name);
		if (ret_config->flags & CONFIG_HAS_PRIVATE_KEY)
			dh_public(ret_config->public_key, ret_config->private_key);
	}
	return r;
}

int client_set(const char *name, const struct config *config)
{
	int fd = uapi_socket_connect(name), r;

	if (fd < 0)
		return fd;
	r = uapi_socket_set(fd, config);
	close(fd);
	return r;
}

/* Whether a daemon answers for this name. */
static bool is_served(const char *name)
{
	int fd = uapi_socket_connect(name);

	if (fd >= 0)
		close(fd);
	return fd >= 0 || (fd != -ECONNREFUSED && fd != -ENOENT && fd != -ENOTSOCK);
}

/* Append a name that uapi_socket_name_is_valid() accepts. */
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
	DIR *dir = opendir(UAPI_SOCKET_DIR);
	const struct dirent *entry;
	int r = 0;

	*ret_list = (struct client_names){0};
	if (dir == NULL)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (entry = readdir(dir)) != NULL) {
		char name[sizeof(entry->d_name)];
		size_t len = strlen(entry->d_name), suffix_len = sizeof(UAPI_SOCKET_SUFFIX) - 1;

		if (len <= suffix_len ||
			strcmp(entry->d_name + len - suffix_len, UAPI_SOCKET_SUFFIX) != 0)
			continue;
		memcpy(name, entry->d_name, len - suffix_len);
		name[len - suffix_len] = '\0';
		if (uapi_socket_name_is_valid(name) && is_served(name))
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
		complain("%s: no such tunnel: nothing serves " UAPI_SOCKET_DIR
			 "/%s" UAPI_SOCKET_SUFFIX,
			name, name);
	else if (!uapi_socket_name_is_valid(name))
		complain("\"%s\" is no interface name; expected 1 to 15 characters without '/'",
			name);
	else if (error == -EPROTO)
		complain("%s: the daemon's answer makes no sense", name);
	else
		complain("%s: %s", name, strerror(-error));
}
