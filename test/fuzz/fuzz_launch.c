/* SPDX-License-Identifier: MIT
 *
 * Between launcher and child, one of them compromised. The first byte says who listens: a child
 * (even), whose every call has an answer waiting, or the launcher. Then come messages: a byte says
 * what is special about one, a byte how long it is, its bytes follow. What is special: the child's
 * call (the low three bits), descriptors with it (the next two), said twice (0x20), hanging up
 * (0x40), nobody takes the answer (0x80).
 *
 * What is malformed is refused and changes nothing, what is not has one answer, and nobody keeps a
 * descriptor that is not his. No tunnel is started here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "overlay/launch/launch.h"
#include "overlay/launch/messages.h"
#include "privsep/ipc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LISTENER, LIAR, CALLS = 5, DESCRIPTORS = 3, MESSAGE_LEN_MAX = UINT8_MAX };

struct saying {
	uint8_t how, len;
	uint8_t bytes[MESSAGE_LEN_MAX];
};

static int ends[2];

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* The number that the next descriptor gets: higher when one was kept. */
static int next_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

static size_t num_fds(const struct saying *saying)
{
	return saying->how >> 3 & DESCRIPTORS;
}

/* More than two at once: not by our own means. */
static void say(const struct saying *saying)
{
	union {
		char buf[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
		struct cmsghdr align;
	} control = {.align = {CMSG_LEN(num_fds(saying) * sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec iov = {(void *)(uintptr_t)saying->bytes, saying->len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	const int fds[DESCRIPTORS] = {STDERR_FILENO, STDERR_FILENO, STDERR_FILENO};

	memcpy(CMSG_DATA(&control.align), fds, num_fds(saying) * sizeof(int));
	if (num_fds(saying)) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(num_fds(saying) * sizeof(int));
	}
	(void)!sendmsg(ends[LIAR], &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (saying->how & 0x40)
		shutdown(ends[LIAR], SHUT_WR);
}

static bool next(const uint8_t **data, size_t *size, struct saying *ret)
{
	if (*size < 2)
		return false;
	*ret = (struct saying){.how = (*data)[0], .len = (*data)[1]};
	*data += 2;
	*size -= 2;
	if (ret->len > *size)
		ret->len = (uint8_t)*size;
	memcpy(ret->bytes, *data, ret->len);
	*data += ret->len;
	*size -= ret->len;
	return true;
}

/* --- the child hears ------------------------------------------------- */

static int call(unsigned number, int ret_uapi[2])
{
	static const struct prefix address = {AF_INET, 16, 0, {10, 1, 0, 1}};
	const char ifname[IFNAMSIZ] = "fuzz0";

	switch (number) {
	case 0:
		return launch_tunnel(ends[LISTENER], ifname, ret_uapi);
	case 1:
		return launch_end_tunnel(ends[LISTENER], ifname);
	case 2:
		return launch_add_address(ends[LISTENER], ifname, &address);
	case 3:
		return launch_remove_address(ends[LISTENER], ifname, &address);
	default:
		return launch_ready(ends[LISTENER]);
	}
}

static void child_hears(const struct saying *saying, bool *is_in_order)
{
	const unsigned number = saying->how % 8U % CALLS;
	const size_t wanted = number == 0 ? 2 : 0;
	int uapi[2] = {-1, -1}, r;
	int32_t error = 1;

	say(saying);
	if (saying->how & 0x20)
		say(saying);
	r = call(number, uapi);
	require(ipc_error_is_valid(r));
	require((uapi[0] >= 0) == (number == 0 && r == 0) && (uapi[0] >= 0) == (uapi[1] >= 0));
	if (uapi[0] >= 0) {
		close(uapi[0]);
		close(uapi[1]);
	}
	if (saying->len == sizeof(error))
		memcpy(&error, saying->bytes, sizeof(error));
	if (*is_in_order && saying->len > 0) {
		bool is_right =
			ipc_error_is_valid(error) && num_fds(saying) == (error == 0 ? wanted : 0);

		require(r == (is_right ? error : -EPROTO) || (r == -EMFILE && num_fds(saying) > 0));
	}
	*is_in_order &= !(saying->how & 0x60);
}

/* --- the launcher hears ---------------------------------------------- */

static bool is_request(const struct saying *saying, struct launch_request *ret)
{
	if (saying->len != sizeof(*ret) || num_fds(saying))
		return false;
	memcpy(ret, saying->bytes, sizeof(*ret));
	return ret->type >= LAUNCH_TUNNEL && ret->type <= LAUNCH_READY &&
	       strnlen(ret->ifname, IFNAMSIZ) < IFNAMSIZ;
}

static void take_answer(const struct launch_request *request)
{
	struct launch_reply reply;

	require(ipc_try_receive(ends[LIAR], &reply, sizeof(reply), NULL) == 0);
	require(ipc_error_is_valid(reply.error) &&
		(reply.error == 0) == (request->type == LAUNCH_READY));
}

static void launcher_hears(struct launcher *launcher, struct saying *saying, unsigned *num_waiting)
{
	struct launch_request request;
	bool is_right;
	int r;

	/* no name of a tunnel */
	if (saying->len >= offsetof(struct launch_request, address) &&
		saying->bytes[0] == LAUNCH_TUNNEL)
		saying->bytes[offsetof(struct launch_request, ifname)] = '/';
	is_right = is_request(saying, &request);
	say(saying);
	r = launcher_serve(launcher, ends[LISTENER]);
	require(is_right ? r == 0 : r == (saying->len ? -EPROTO : -EPIPE));
	require(launcher_take_ready(launcher) == (is_right && request.type == LAUNCH_READY));
	if (is_right && *num_waiting == 0 && !(saying->how & 0x80))
		take_answer(&request);
	else
		*num_waiting += is_right;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct launcher *launcher = launcher_new("/nonexistent");
	const int before = next_fd();
	const bool is_child = size > 0 && *data % 2 == 0;
	bool is_in_order = true, is_over = size == 0;
	unsigned num_waiting = 0;
	struct saying saying;

	require(launcher && ipc_pair(ends) == 0);
	data += size > 0;
	size -= size > 0;
	while (!is_over && next(&data, &size, &saying)) {
		if (is_child)
			child_hears(&saying, &is_in_order);
		else
			launcher_hears(launcher, &saying, &num_waiting);
		is_over = saying.how & 0x40;
	}
	close(ends[0]);
	close(ends[1]);
	launcher_free(launcher);
	require(next_fd() == before);
	return 0;
}
