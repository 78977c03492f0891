/* SPDX-License-Identifier: MIT
 *
 * A server for a few clients at a time, each with one request.
 */
#include "overlay/agent/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/acceptor.h"

enum { CLIENTS_MAX = 32, GROUPS_MAX = 256 };

struct client {
	struct control *control;
	int fd;	     /* owned; -1: free */
	uint64_t id; /* never used twice */
	bool may_change;
	char in[CONTROL_LINE_MAX];
	size_t in_len;
	bool is_asked; /* the request was given on */
	struct text out;
	size_t out_done;
};

struct control {
	struct loop *loop;
	struct acceptor acceptor;
	gid_t gid;
	control_request *request;
	void *ctx;
	uint64_t last_id;
	struct client clients[CLIENTS_MAX];
};

static loop_ready client_ready;

static void client_close(struct client *client)
{
	if (client->fd < 0)
		return;
	loop_unwatch(client->control->loop, client->fd);
	close(client->fd);
	text_deinit(&client->out);
	wipe(client->in, sizeof(client->in)); /* a join link, perhaps */
	client->fd = -1;
}

int control_split(char *line, char *ret_words[CONTROL_WORDS_MAX])
{
	int num = 0;
	char *rest = line, *word;

	for (const char *c = line; *c; c++) {
		if (*c < ' ' || *c > '~')
			return -EINVAL;
	}
	while ((word = strsep(&rest, " "))) {
		if (*word == '\0')
			continue;
		if (num == CONTROL_WORDS_MAX)
			return -EINVAL;
		ret_words[num++] = word;
	}
	return num > 0 ? num : -EINVAL;
}

static bool is_in_group(int fd, gid_t gid)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(*groups); i++) {
		if (groups[i] == gid)
			return true;
	}
	return false;
}

static bool may_change(int fd, gid_t gid)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	return peer.uid == 0 || (gid != (gid_t)-1 && (peer.gid == gid || is_in_group(fd, gid)));
}

static void write_out(struct client *client)
{
	while (client->out_done < client->out.len) {
		ssize_t n = send(client->fd, client->out.data + client->out_done,
			client->out.len - client->out_done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			break;
		client->out_done += (size_t)n;
	}
	client_close(client);
}

static void ask(struct client *client, size_t line_len)
{
	struct control *control = client->control;
	char *words[CONTROL_WORDS_MAX];
	int num;

	client->in[line_len] = '\0';
	client->is_asked = true;
	/* what it sends besides does not matter; that it hangs up is told in any case */
	if (loop_watch(control->loop, client->fd, 0, client_ready, client) < 0) {
		client_close(client);
		return;
	}
	num = control_split(client->in, words);
	if (num < 0)
		control_reply_words(control, client->id, 2, "that is no request\n");
	else
		control->request(
			control->ctx, client->id, client->may_change, words, (unsigned)num);
}

static void read_in(struct client *client)
{
	ssize_t n = recv(client->fd, client->in + client->in_len,
		sizeof(client->in) - client->in_len, MSG_DONTWAIT);
	const char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_close(client);
		return;
	}
	client->in_len += (size_t)n;
	end = memchr(client->in, '\n', client->in_len);
	if (end)
		ask(client, (size_t)(end - client->in));
	else if (client->in_len == sizeof(client->in))
		client_close(client);
}

static void client_ready(void *ctx, uint32_t events)
{
	struct client *client = ctx;

	if (client->out.len > 0)
		write_out(client);
	else if (!client->is_asked)
		read_in(client);
	else if (events & (EPOLLHUP | EPOLLERR))
		client_close(client); /* it does not wait for the answer */
}

/* Whether a client has to go before another: who may only look keeps nobody out who may do. */
static bool goes_before(const struct client *a, const struct client *b)
{
	return a->may_change != b->may_change ? b->may_change : a->id < b->id;
}

/* A free place, or that of the oldest: who forgot to hang up must not keep others out. NULL: all
 * are of those who may do more. */
static struct client *place_for_client(struct control *control, bool may_change)
{
	struct client *first = &control->clients[0];

	for (int i = 0; i < CLIENTS_MAX; i++) {
		if (control->clients[i].fd < 0)
			return &control->clients[i];
		if (goes_before(&control->clients[i], first))
			first = &control->clients[i];
	}
	if (first->may_change && !may_change)
		return NULL;
	client_close(first);
	return first;
}

static void accept_client(void *ctx, uint32_t events)
{
	struct control *control = ctx;
	int fd = acceptor_next(&control->acceptor);
	struct client *client;
	bool may;

	(void)events;
	if (fd < 0) {
		acceptor_turn_away(&control->acceptor, fd);
		return;
	}
	may = may_change(fd, control->gid);
	client = place_for_client(control, may);
	if (!client) {
		close(fd);
		return;
	}
	*client = (struct client){
		.control = control, .fd = fd, .id = ++control->last_id, .may_change = may};
	if (loop_watch(control->loop, fd, EPOLLIN, client_ready, client) < 0)
		client_close(client);
}

struct control *control_new(
	struct loop *loop, int listen_fd, gid_t gid, control_request *request, void *ctx)
{
	struct control *control = calloc(1, sizeof(*control));

	if (!control)
		return NULL;
	*control = (struct control){.loop = loop, .gid = gid, .request = request, .ctx = ctx};
	for (int i = 0; i < CLIENTS_MAX; i++)
		control->clients[i].fd = -1;
	if (loop_watch(loop, listen_fd, EPOLLIN, accept_client, control) < 0) {
		free(control);
		return NULL;
	}
	acceptor_init(&control->acceptor, listen_fd);
	return control;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	for (int i = 0; i < CLIENTS_MAX; i++)
		client_close(&control->clients[i]);
	loop_unwatch(control->loop, control->acceptor.listen_fd);
	acceptor_deinit(&control->acceptor);
	free(control);
}

static struct client *find(struct control *control, uint64_t id)
{
	for (int i = 0; i < CLIENTS_MAX; i++) {
		if (control->clients[i].fd >= 0 && control->clients[i].id == id)
			return &control->clients[i];
	}
	return NULL;
}

void control_reply(struct control *control, uint64_t id, int code, const struct text *text)
{
	struct client *client = find(control, id);

	if (!client || client->out.len > 0)
		return;
	if (text->failed)
		text_printf(&client->out, "1\nthe agent is out of memory\n");
	else
		text_printf(&client->out, "%d\n%s", code, text->data ? text->data : "");
	if (client->out.failed ||
		loop_watch(control->loop, client->fd, EPOLLOUT, client_ready, client) < 0)
		client_close(client);
}

void control_reply_words(struct control *control, uint64_t id, int code, const char *format, ...)
{
	char words[512];
	struct text text = {0};
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	text_append(&text, words, strlen(words));
	control_reply(control, id, code, &text);
	text_deinit(&text);
}
