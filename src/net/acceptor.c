/* SPDX-License-Identifier: MIT
 *
 * Accepting, with a descriptor in reserve.
 */
#include "net/acceptor.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

enum { PAUSE_MS = 20 };

static int new_spare(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

void acceptor_init(struct acceptor *acceptor, int listen_fd)
{
	*acceptor = (struct acceptor){.listen_fd = listen_fd, .spare_fd = new_spare()};
}

void acceptor_deinit(struct acceptor *acceptor)
{
	close(acceptor->listen_fd);
	if (acceptor->spare_fd >= 0)
		close(acceptor->spare_fd);
}

static int try_accept(const struct acceptor *acceptor)
{
	int fd = accept4(acceptor->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	return fd >= 0 ? fd : -errno;
}

int acceptor_next(struct acceptor *acceptor)
{
	int fd = try_accept(acceptor);

	if (fd >= 0) {
		if (acceptor->spare_fd < 0)
			acceptor->spare_fd = new_spare();
		acceptor->is_short = false;
	}
	return fd;
}

void acceptor_turn_away(struct acceptor *acceptor, int error)
{
	int fd;

	if (error == -EAGAIN || error == -EINTR || error == -ECONNABORTED)
		return; /* it is gone, or comes again */
	if (!acceptor->is_short)
		log_error("a client is turned away: %s", strerror(-error));
	acceptor->is_short = true;
	if (acceptor->spare_fd >= 0)
		close(acceptor->spare_fd);
	fd = try_accept(acceptor);
	/* What becomes free may be another process's at once, when it is the system that has no
	 * more: then the client goes on waiting, and because of it poll does not wait, so we do. */
	if (fd >= 0)
		close(fd);
	else
		poll(NULL, 0, PAUSE_MS);
	acceptor->spare_fd = new_spare();
}
