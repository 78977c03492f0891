/* SPDX-License-Identifier: MIT
 *
 * The child's side: each call is a message and its answer.
 */
#include "overlay/launch/launch.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "overlay/launch/messages.h"
#include "privsep/ipc.h"

static int call(int fd, enum launch_type type, const char *ifname, const struct prefix *address,
	int ret_fds[2])
{
	struct launch_request request = {.type = type};
	struct pollfd answer = {.fd = fd, .events = POLLIN};
	struct launch_reply reply;
	int r;

	memcpy(request.ifname, ifname, strnlen(ifname, IFNAMSIZ - 1));
	if (address)
		request.address = *address;
	r = ipc_send(fd, &request, sizeof(request));
	if (r < 0)
		return r;
	do {
		if (poll(&answer, 1, -1) < 0 && errno != EINTR)
			return -errno;
		r = ipc_try_receive(fd, &reply, sizeof(reply), ret_fds);
	} while (r == -EAGAIN);
	if (r == 0 && !ipc_error_is_valid(reply.error))
		r = -EPROTO;
	return r < 0 ? r : reply.error;
}

/* Two descriptors come with success, and none with an error. */
int launch_tunnel(int fd, const char ifname[IFNAMSIZ], int ret_uapi[2])
{
	int fds[2] = {-1, -1};
	int r = call(fd, LAUNCH_TUNNEL, ifname, NULL, fds);

	if ((fds[0] >= 0) + (fds[1] >= 0) != (r == 0 ? 2 : 0))
		r = -EPROTO;
	if (r == 0) {
		memcpy(ret_uapi, fds, sizeof(fds));
		return 0;
	}
	for (size_t i = 0; i < 2; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	return r;
}

int launch_end_tunnel(int fd, const char ifname[IFNAMSIZ])
{
	return call(fd, LAUNCH_END_TUNNEL, ifname, NULL, NULL);
}

int launch_add_address(int fd, const char ifname[IFNAMSIZ], const struct prefix *address)
{
	return call(fd, LAUNCH_ADD_ADDRESS, ifname, address, NULL);
}

int launch_remove_address(int fd, const char ifname[IFNAMSIZ], const struct prefix *address)
{
	return call(fd, LAUNCH_REMOVE_ADDRESS, ifname, address, NULL);
}

int launch_ready(int fd)
{
	return call(fd, LAUNCH_READY, "", NULL, NULL);
}
