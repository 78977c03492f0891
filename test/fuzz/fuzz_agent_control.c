/* SPDX-License-Identifier: MIT
 *
 * Conversations on the agent's socket: pieces, each to its '|'. The first character of one says
 * whose it is, a client's number or '!' and the number of one that hangs up; the rest is what it
 * says. Answers wait until the next request. Each line is split into words or refused; whoever has
 * one answered hears a code, once, and then nobody is there any more.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "overlay/agent/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENTS = 4 };

static struct loop *loop;
static struct control *control;
static struct sockaddr_un address = {.sun_family = AF_UNIX}; /* without a file */
static socklen_t address_len = sizeof(address.sun_family);
static int clients[CLIENTS];
static uint64_t waiting; /* the request that is not answered yet; 0: none */

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void answer(void)
{
	if (waiting)
		control_reply_words(control, waiting, 4, "not yet\n");
	waiting = 0;
}

static void on_request(
	void *ctx, uint64_t id, bool may_change, char *const *words, unsigned num_words)
{
	require(!ctx && id != waiting && num_words > 0 && num_words <= CONTROL_WORDS_MAX);
	(void)may_change;
	for (unsigned i = 0; i < num_words; i++)
		require(*words[i] && !strpbrk(words[i], " \n\t"));
	answer();
	waiting = id;
}

static void run(void)
{
	while (loop_run_once(loop, 1))
		;
}

static void hang_up(int *client)
{
	if (*client >= 0)
		close(*client);
	*client = -1;
	run();
}

static void say(int *client, const uint8_t *data, size_t size)
{
	if (*client < 0) {
		*client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		require(connect(*client, (struct sockaddr *)&address, address_len) == 0);
		run();
	}
	(void)!send(*client, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	run();
}

/* A code and a text, if there is an answer; and the end. */
static void hear(int client)
{
	char text[4096];
	ssize_t n = client < 0 ? 0 : recv(client, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (n <= 0)
		return;
	text[n] = '\0';
	require(strcmp(text, "4\nnot yet\n") == 0 || strcmp(text, "2\nthat is no request\n") == 0);
	n = recv(client, text, sizeof(text), MSG_DONTWAIT);
	require(n == 0 || (n < 0 && errno == ECONNRESET)); /* it had said more */
}

static void act(const uint8_t *data, size_t size)
{
	if (size >= 1 && data[0] >= '0' && data[0] < '0' + CLIENTS)
		say(&clients[data[0] - '0'], data + 1, size - 1);
	else if (size >= 2 && data[0] == '!' && data[1] >= '0' && data[1] < '0' + CLIENTS)
		hang_up(&clients[data[1] - '0']);
}

static void start(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	require(bind(fd, (struct sockaddr *)&address, address_len) == 0 && listen(fd, 4) == 0);
	address_len = sizeof(address);
	require(getsockname(fd, (struct sockaddr *)&address, &address_len) == 0);
	loop = loop_new(1);
	control = loop ? control_new(loop, fd, (gid_t)-1, on_request, NULL) : NULL;
	require(control != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!control)
		start();
	for (int i = 0; i < CLIENTS; i++)
		clients[i] = -1;
	while (size > 0) {
		const uint8_t *end = memchr(data, '|', size);
		size_t len = end ? (size_t)(end - data) : size;

		act(data, len);
		data += end ? len + 1 : len;
		size -= end ? len + 1 : len;
	}
	answer();
	run();
	for (int i = 0; i < CLIENTS; i++) {
		hear(clients[i]);
		hang_up(&clients[i]);
	}
	return 0;
}
