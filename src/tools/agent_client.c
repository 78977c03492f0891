/* SPDX-License-Identifier: MIT
 *
 * A client of the agent's socket.
 */
#include "tools/agent_client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/number.h"
#include "tools/tools.h"

#define AGENT_SOCKET "/run/adit/agent.sock"
enum { ANSWER_TIMEOUT_S = 30, REPLY_MAX = 64 << 20, CODE_MAX = 125, PAUSE_MS = 100 };

static int connect_to_agent(void)
{
	const struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
	const char *path = getenv("ADIT_AGENT_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, len = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s",
			path && *path ? path : AGENT_SOCKET);

	if (len < 0 || (size_t)len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)); /* of connect, too */
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/* Until the agent hangs up, which it may never do. */
static int receive_all(int fd, struct text *reply)
{
	const uint64_t until_ns = clock_boottime_ns() + ANSWER_TIMEOUT_S * SECOND_NS;
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	char buffer[4096];
	uint64_t now_ns;
	ssize_t len;

	while ((now_ns = clock_boottime_ns()) < until_ns) {
		(void)poll(&ready, 1, clock_poll_ms(until_ns - now_ns));
		len = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		if (len == 0)
			return 0;
		if (len < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (len > 0)
			text_append(reply, buffer, (size_t)len);
		if (reply->failed)
			return -ENOMEM;
		if (reply->len > REPLY_MAX)
			return -EMSGSIZE;
	}
	return -ETIMEDOUT;
}

/* Take the code off the reply's first line. The rest is for a terminal to show. */
static int take_code(struct text *reply)
{
	const char *end = reply->data ? memchr(reply->data, '\n', reply->len) : NULL;
	size_t len;
	uint64_t code;

	if (!end || !number_from_text(reply->data, (size_t)(end - reply->data), CODE_MAX, &code))
		return -EPROTO;
	len = (size_t)(end - reply->data) + 1;
	memmove(reply->data, end + 1, reply->len - len + 1);
	reply->len -= len;
	return text_is_plain(reply->data, reply->len) ? (int)code : -EPROTO;
}

static int ask(struct text *reply, const struct text *request)
{
	int fd = connect_to_agent(), r = 0;

	if (fd < 0)
		return fd;
	if (send(fd, request->data, request->len, MSG_NOSIGNAL) != (ssize_t)request->len)
		r = -EIO;
	if (r == 0)
		r = receive_all(fd, reply);
	close(fd);
	return r == 0 ? take_code(reply) : r;
}

static int __attribute__((format(printf, 2, 0)))
ask_words(struct text *reply, const char *format, va_list args)
{
	struct text request = {0};
	char *words;
	int r;

	if (vasprintf(&words, format, args) < 0)
		return -ENOMEM;
	text_printf(&request, "%s\n", words);
	wipe(words, strlen(words)); /* there may be a join link in it */
	free(words);
	r = request.failed				     ? -ENOMEM
	    : strcspn(request.data, "\n") + 1 != request.len ? -EINVAL
							     : ask(reply, &request);
	text_deinit(&request);
	return r;
}

int agent_ask(struct text *reply, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = ask_words(reply, format, args);
	va_end(args);
	return r;
}

void agent_complain(int error)
{
	if (error == -ENOENT || error == -ECONNREFUSED)
		complain("the agent does not run: systemctl enable --now adit-agent");
	else if (error == -EPROTO)
		complain("the agent's answer makes no sense");
	else
		complain("the agent: %s", strerror(-error));
}

int agent_print(int code, const struct text *reply)
{
	if (code < 0) {
		agent_complain(code);
		return AGENT_FAILED;
	}
	if (reply->len > 0)
		fwrite(reply->data, 1, reply->len, code == AGENT_DONE ? stdout : stderr);
	return finish_output() ? AGENT_FAILED : code;
}

int agent_ask_and_print(const char *format, ...)
{
	struct text reply = {0};
	va_list args;
	int r;

	va_start(args, format);
	r = ask_words(&reply, format, args);
	va_end(args);
	r = agent_print(r, &reply);
	text_deinit(&reply);
	return r;
}

void agent_pause(void)
{
	poll(NULL, 0, PAUSE_MS);
}
