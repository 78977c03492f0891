/* SPDX-License-Identifier: MIT
 *
 * sd_notify's protocol is one datagram.
 */
#include "privsep/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int notify_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	socklen_t len;
	int fd;

	if (!path || strlen(path) >= sizeof(addr.sun_path))
		return -1;
	strcpy(addr.sun_path, path);
	if (*path == '@')
		addr.sun_path[0] = '\0';
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, len) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

void notify_ready_on(int fd)
{
	static const char message[] = "READY=1";

	if (fd < 0)
		return;
	(void)!write(fd, message, sizeof(message) - 1);
	close(fd);
}

void notify_ready(void)
{
	notify_ready_on(notify_open());
}
