/* SPDX-License-Identifier: MIT
 *
 * Listening sockets.
 */
#include "overlay/hub/sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 }; /* after a restart all nodes come at once */

static int close_with(int fd, int error)
{
	close(fd);
	return error;
}

/* Whether somebody listens there. */
static bool is_served(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool is = fd >= 0 && (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ||
				     errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return is;
}

int socket_listen_local(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat status;
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	if (lstat(path, &status) == 0) {
		if (!S_ISSOCK(status.st_mode) || is_served(&addr))
			return -EADDRINUSE;
		(void)unlink(path);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || chmod(path, 0666) < 0 ||
		listen(fd, BACKLOG) < 0)
		return close_with(fd, -errno);
	return fd;
}

/* A kernel without IPv6 has IPv4 sockets only. */
static int bind_any(int *fd, uint16_t port)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	const int on = 1, off = 0;
	bool has_ipv6;

	*fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	has_ipv6 = *fd >= 0;
	if (!has_ipv6 && errno == EAFNOSUPPORT)
		*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0 || setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (has_ipv6 && setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
		return -errno;
	return has_ipv6 ? bind(*fd, (struct sockaddr *)&v6, sizeof(v6))
			: bind(*fd, (struct sockaddr *)&v4, sizeof(v4));
}

int socket_listen_interface(const char *ifname, uint16_t port)
{
	int fd = -1;

	if (bind_any(&fd, port) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, ifname, (socklen_t)strlen(ifname)) <
			0 ||
		listen(fd, BACKLOG) < 0)
		return fd < 0 ? -errno : close_with(fd, -errno);
	return fd;
}
