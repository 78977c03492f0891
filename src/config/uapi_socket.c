/* SPDX-License-Identifier: MIT
 *
 * A client of UAPI sockets.
 */
#include "config/uapi_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/uapi.h"

enum {
	REPLY_MAX = 1 << 30, /* bytes; a peer takes about 400 */
	CHUNK_MAX = 65536,   /* read at once */
	BLOCK_MAX = 4096,    /* of an event */
	ERROR_MAX = 16,	     /* a reply that is an error alone: "errno=-4095" and two newlines */
};

void uapi_socket_path(char *ret_path, size_t size, const char *ifname)
{
	(void)snprintf(ret_path, size, UAPI_SOCKET_DIR "/%s" UAPI_SOCKET_SUFFIX, ifname);
}

bool uapi_socket_name_is_valid(const char *ifname)
{
	return *ifname != '\0' && strlen(ifname) < IFNAMSIZ && strchr(ifname, '/') == NULL;
}

int uapi_socket_connect(const char *ifname)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat stat;
	int fd, r;

	if (!uapi_socket_name_is_valid(ifname))
		return -EINVAL;
	uapi_socket_path(addr.sun_path, sizeof(addr.sun_path), ifname);
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

bool uapi_socket_is_lost(int fd)
{
	struct pollfd state = {.fd = fd};

	return poll(&state, 1, 0) > 0;
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

/* Append what can be read at once, max bytes of it at most. Returns how much, or a negative errno.
 */
static ssize_t receive_some(int fd, struct text *text, size_t max, int flags)
{
	char buf[CHUNK_MAX];
	ssize_t len;

	do {
		len = recv(fd, buf, max, flags);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return -errno;
	text_append(text, buf, (size_t)len);
	wipe(buf, (size_t)len);
	return text->failed ? -ENOMEM : len;
}

static int receive_reply(int fd, struct text *reply, size_t max)
{
	while (!is_complete(reply)) {
		ssize_t len = receive_some(fd, reply, CHUNK_MAX, 0);

		if (len <= 0)
			return len < 0 ? (int)len : -EPROTO; /* it hung up in the middle */
		if (reply->len > max)
			return -EMSGSIZE;
	}
	return 0;
}

/* Send a request, release it, and receive the reply to it, of about max bytes at most. */
static int exchange(int fd, struct text *request, struct text *reply, size_t max)
{
	int r = request->failed ? -ENOMEM : uapi_socket_is_lost(fd) ? -EPIPE : 0, sent;

	if (r == 0) {
		sent = send_all(fd, request->data, request->len);
		/* A daemon that refuses a line may stop reading: what it says counts more. */
		r = receive_reply(fd, reply, max);
		if (r != 0 || sent != 0) /* what is left would be taken for the next reply */
			(void)shutdown(fd, SHUT_RDWR);
		if (r != 0 && sent != 0)
			r = sent;
	}
	text_deinit(request);
	return r;
}

/* Send a get request, and release it. */
static int get(int fd, struct text *request, struct config *ret_config)
{
	struct text reply = {0};
	int r = exchange(fd, request, &reply, REPLY_MAX);

	*ret_config = (struct config){0};
	if (r == 0)
		r = uapi_parse_get_reply(reply.data, reply.len, ret_config);
	text_deinit(&reply);
	return r;
}

int uapi_socket_get(int fd, struct config *ret_config)
{
	struct text request = {0};

	text_printf(&request, "get=1\n\n");
	return get(fd, &request, ret_config);
}

int uapi_socket_get_peer(int fd, const uint8_t public_key[KEY_LEN], struct config *ret_config)
{
	struct text request = {0};
	int r;

	uapi_write_get_peer(&request, public_key);
	r = get(fd, &request, ret_config);
	if (r == 0 && (ret_config->num_peers != 1 ||
			      memcmp(ret_config->peers[0].public_key, public_key, KEY_LEN) != 0)) {
		config_deinit(ret_config);
		r = -EPROTO;
	}
	return r;
}

/* Send a request that is answered by an error alone, and release it. */
static int demand(int fd, struct text *request)
{
	struct text reply = {0};
	int r = exchange(fd, request, &reply, ERROR_MAX);

	if (r == 0)
		r = uapi_parse_errno(reply.data, reply.len);
	text_deinit(&reply);
	return r;
}

int uapi_socket_set(int fd, const struct config *config)
{
	struct text request = {0};

	uapi_write_set(&request, config);
	return demand(fd, &request);
}

int uapi_socket_hide_keys(int fd)
{
	struct text request = {0};

	text_printf(&request, "hide_keys=1\n\n");
	return demand(fd, &request);
}

/* --- watching -------------------------------------------------------- */

/* The length of the first block there is, with its empty line; 0: not yet, and there is no more to
 * read at the moment. What is read is max bytes at a time. */
static ssize_t next_block(struct uapi_watch *watch, size_t max, int flags)
{
	for (;;) {
		const struct text *in = &watch->in;
		const char *end = in->len ? memmem(in->data, in->len, "\n\n", 2) : NULL;
		ssize_t r;

		if (end)
			return end + 2 - in->data;
		if (in->len > BLOCK_MAX)
			return -EPROTO;
		r = receive_some(watch->fd, &watch->in, max, flags);
		if (r <= 0)
			return r == 0 ? -EPIPE : r == -EAGAIN ? 0 : r;
	}
}

static void drop_block(struct uapi_watch *watch, size_t len)
{
	watch->in.len -= len;
	memmove(watch->in.data, watch->in.data + len, watch->in.len);
}

int uapi_watch_begin(struct uapi_watch *watch, int fd)
{
	static const char request[] = "watch=1\n\n";
	ssize_t len;
	int r;

	*watch = (struct uapi_watch){.fd = fd};
	r = send_all(fd, request, sizeof(request) - 1);
	if (r != 0)
		return r;
	/* no more than the reply: for an event that is read already no poll would wake up */
	len = next_block(watch, 1, 0);
	r = len > 0 ? uapi_parse_errno(watch->in.data, (size_t)len) : len < 0 ? (int)len : -EAGAIN;
	if (r == 0)
		drop_block(watch, (size_t)len);
	else
		uapi_watch_deinit(watch);
	return r;
}

int uapi_watch_next(struct uapi_watch *watch, struct prefix *ret_address)
{
	ssize_t len;
	int r;

	do {
		len = next_block(watch, CHUNK_MAX, MSG_DONTWAIT);
		if (len <= 0)
			return (int)len;
		r = uapi_parse_address(watch->in.data, (size_t)len, "wanted", ret_address);
		r = r == 0 ? 1 : uapi_parse_errno(watch->in.data, (size_t)len);
		drop_block(watch, (size_t)len);
	} while (r == 0); /* the reply to a refusal */
	return r;
}

int uapi_watch_refuse(struct uapi_watch *watch, const struct prefix *address)
{
	struct text request = {0};
	ssize_t sent = -1;
	int r = -ENOMEM;

	uapi_write_address(&request, "refuse", address);
	if (!request.failed) { /* it is short: all of it is sent, or nothing */
		sent = send(watch->fd, request.data, request.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		r = sent < 0 ? -errno : 0;
	}
	text_deinit(&request);
	return r;
}

void uapi_watch_deinit(struct uapi_watch *watch)
{
	text_deinit(&watch->in);
}
