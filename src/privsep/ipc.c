/* SPDX-License-Identifier: MIT
 *
 * Messages over SOCK_SEQPACKET. The sockets are blocking; what must not wait says MSG_DONTWAIT.
 */
#include "privsep/ipc.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "privsep/role.h"

enum { BUFFER_SIZE = 4 << 20 };

int ipc_pair(int ret_ends[2])
{
	const int size = BUFFER_SIZE;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_ends) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		(void)setsockopt(ret_ends[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	return 0;
}

int ipc_limit_waiting(int fd, int seconds)
{
	const struct timeval limit = {.tv_sec = seconds};

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		return -errno;
	return 0;
}

static int send_message(
	int fd, const void *message, size_t len, const int *fds, size_t num_fds, int flags)
{
	union {
		char buf[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)message, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (num_fds) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(num_fds * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(num_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, num_fds * sizeof(int));
	}
	do {
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | flags);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return 0;
}

int ipc_send(int fd, const void *message, size_t len)
{
	return send_message(fd, message, len, NULL, 0, 0);
}

int ipc_send_fds(int fd, const void *message, size_t len, const int *fds, size_t num_fds)
{
	return send_message(fd, message, len, fds, num_fds, 0);
}

int ipc_try_send(int fd, const void *message, size_t len)
{
	return send_message(fd, message, len, NULL, 0, MSG_DONTWAIT);
}

int ipc_try_send_fds(int fd, const void *message, size_t len, const int *fds, size_t num_fds)
{
	return send_message(fd, message, len, fds, num_fds, MSG_DONTWAIT);
}

/* Take out the descriptors there are, at most 2; fds stays as it is beyond them. */
static void take_fds(struct msghdr *msg, int fds[2])
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);

	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS) {
		size_t len = cmsg->cmsg_len - CMSG_LEN(0);

		memcpy(fds, CMSG_DATA(cmsg), len < 2 * sizeof(int) ? len : 2 * sizeof(int));
	}
}

static int receive_message(int fd, void *message, size_t len, int ret_fds[2], int flags)
{
	union {
		char buf[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {message, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[2] = {-1, -1};
	ssize_t n;

	if (ret_fds) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
	}
	do {
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | flags);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (ret_fds)
		take_fds(&msg, fds);
	if (n == 0 || (size_t)n != len || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		for (size_t i = 0; i < 2; i++) {
			if (fds[i] >= 0)
				close(fds[i]);
		}
		/* descriptors are missing, and it was not for want of room in control */
		if (ret_fds && (msg.msg_flags & MSG_CTRUNC) && fds[1] < 0)
			return -EMFILE;
		return n == 0 ? -EPIPE : -EPROTO;
	}
	if (ret_fds)
		memcpy(ret_fds, fds, sizeof(fds));
	return 0;
}

int ipc_receive(int fd, void *message, size_t len)
{
	return receive_message(fd, message, len, NULL, 0);
}

int ipc_call(int fd, const void *request, size_t request_len, void *reply, size_t reply_len)
{
	int r = ipc_send(fd, request, request_len);

	return r < 0 ? r : ipc_receive(fd, reply, reply_len);
}

int ipc_try_receive(int fd, void *message, size_t len, int ret_fds[2])
{
	return receive_message(fd, message, len, ret_fds, MSG_DONTWAIT);
}

void ipc_fail(const char *neighbour, int error)
{
	char what[64];

	if (error == -EPIPE)
		_exit(0);
	snprintf(what, sizeof(what), "%s%s", error == -EPROTO ? "malformed message from the " : "",
		neighbour);
	role_fail(what, error);
}

bool ipc_next(int fd, void *message, size_t len, int ret_fds[2], const char *neighbour)
{
	int r = ipc_try_receive(fd, message, len, ret_fds);

	if (r < 0 && r != -EAGAIN)
		ipc_fail(neighbour, r);
	return r == 0;
}

void ipc_tell(int fd, const void *message, size_t len, const char *neighbour)
{
	int r = ipc_send(fd, message, len);

	if (r < 0)
		ipc_fail(neighbour, r);
}
