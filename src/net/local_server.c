/* SPDX-License-Identifier: MIT
 *
 * A server of requests on a unix socket. It keeps what a client sends until the caller can answer,
 * and the answer until the client reads it.
 */
#include "net/local_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "net/acceptor.h"

enum {
	READ_SIZE = 65536,
	PUSH_MAX = 65536, /* bytes that may wait for a subscriber to read */
};

struct client {
	int fd;		 /* owned; -1: free */
	struct text in;	 /* what is read and not yet answered */
	size_t scan;	 /* the caller's: how far it has looked */
	struct text out; /* replies */
	size_t out_done; /* bytes of out that are written */
	uint64_t served; /* when it was last served: the server's count */
	bool more;	 /* there may be another request in `in` */
	bool is_subscriber;
	bool is_restricted;
};

struct local_server {
	struct acceptor acceptor;
	int inotify_fd; /* owned */
	struct sockaddr_un addr;
	const char *name; /* the last part of addr */
	uint64_t num_served;
	struct client *answered; /* now; NULL: none */
	struct client clients[LOCAL_SERVER_MAX_CLIENTS];
};

/* Whether a process answers on this address. */
static bool is_served(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool served;

	if (fd < 0)
		return false;
	served = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0;
	close(fd);
	return served;
}

/* Returns the listening socket or a negative errno. */
static int listen_on(const char *dir, const struct sockaddr_un *addr)
{
	int fd, r = 0;
	mode_t mask;

	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (is_served(addr))
		return -EADDRINUSE;
	unlink(addr->sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mask = umask(0077);
	if (bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ||
		listen(fd, LOCAL_SERVER_MAX_CLIENTS) < 0)
		r = -errno;
	umask(mask);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

static bool is_listening(int fd)
{
	int listening = 0;
	socklen_t len = sizeof(listening);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

int local_server_new(
	const char *dir, const char *name, int listen_fd, struct local_server **ret_server)
{
	struct local_server *server;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int len = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", dir, name);

	if (len < 0 || (size_t)len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	if (listen_fd >= 0 && !is_listening(listen_fd))
		return -ENOTSOCK;
	server = calloc(1, sizeof(*server));
	if (!server)
		return -ENOMEM;
	if (listen_fd < 0)
		listen_fd = listen_on(dir, &addr);
	if (listen_fd < 0) {
		free(server);
		return listen_fd;
	}
	acceptor_init(&server->acceptor, listen_fd);
	server->addr = addr;
	server->name = strrchr(server->addr.sun_path, '/') + 1;
	for (int i = 0; i < LOCAL_SERVER_MAX_CLIENTS; i++)
		server->clients[i].fd = -1;
	server->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (server->inotify_fd < 0 ||
		inotify_add_watch(server->inotify_fd, dir, IN_DELETE | IN_MOVED_FROM) < 0)
		log_debug("cannot watch %s: %m", dir);
	*ret_server = server;
	return 0;
}

static void client_close(struct client *client)
{
	close(client->fd);
	text_deinit(&client->in);
	text_deinit(&client->out);
	*client = (struct client){.fd = -1};
}

void local_server_free(struct local_server *server)
{
	if (!server)
		return;
	for (int i = 0; i < LOCAL_SERVER_MAX_CLIENTS; i++) {
		if (server->clients[i].fd >= 0)
			client_close(&server->clients[i]);
	}
	unlink(server->addr.sun_path);
	acceptor_deinit(&server->acceptor);
	close(server->inotify_fd);
	free(server);
}

/* Have one request answered if it is complete. Returns false when what the client says cannot
 * become a request. */
static bool answer_one(
	struct local_server *server, struct client *client, local_server_answer *answer, void *ctx)
{
	ssize_t len;

	server->answered = client;
	len = answer(ctx, client->in.data, client->in.len, &client->scan, &client->out);
	server->answered = NULL;
	client->more = false;
	if (len <= 0)
		return len == 0;
	client->in.len -= (size_t)len;
	memmove(client->in.data, client->in.data + len, client->in.len);
	wipe(client->in.data + client->in.len, (size_t)len);
	client->scan = 0;
	client->more = client->in.len > 0;
	return true;
}

/* Returns false when the client is done with. */
static bool write_out(struct client *client)
{
	while (client->out_done < client->out.len) {
		ssize_t n = send(client->fd, client->out.data + client->out_done,
			client->out.len - client->out_done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		client->out_done += (size_t)n;
	}
	text_deinit(&client->out);
	client->out_done = 0;
	return true;
}

/* Returns false when the client is done with. */
static bool read_in(struct client *client)
{
	char buffer[READ_SIZE];
	ssize_t n = recv(client->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

	if (n > 0)
		text_append(&client->in, buffer, (size_t)n);
	wipe(buffer, n > 0 ? (size_t)n : 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	return n > 0 && !client->in.failed;
}

static void client_dispatch(struct local_server *server, struct client *client,
	local_server_answer *answer, void *ctx, short revents)
{
	bool alive = true;

	if (revents & (POLLIN | POLLHUP | POLLERR))
		alive = read_in(client);
	/* One request a turn, and the next when the reply is on its way: a client keeps us neither
	 * from the others nor in memory. */
	if (alive && write_out(client) && client->out.len == 0)
		alive = answer_one(server, client, answer, ctx);
	if (!alive || client->out.failed || !write_out(client))
		client_close(client);
}

/* The client that has been silent for longest, which a subscriber may be; NULL: there is none. */
static struct client *longest_silent(struct local_server *server)
{
	struct client *silent = NULL;

	for (int i = 0; i < LOCAL_SERVER_MAX_CLIENTS; i++) {
		struct client *client = &server->clients[i];

		if (client->fd >= 0 && !client->is_subscriber &&
			(!silent || client->served < silent->served))
			silent = client;
	}
	return silent;
}

/* A free place, or one that is now: connections that somebody forgot to close must not keep an
 * administrator out. */
static struct client *place_for_client(struct local_server *server)
{
	struct client *silent;

	for (int i = 0; i < LOCAL_SERVER_MAX_CLIENTS; i++) {
		if (server->clients[i].fd < 0)
			return &server->clients[i];
	}
	silent = longest_silent(server);
	assert(silent); /* no more than one is a subscriber */
	client_close(silent);
	return silent;
}

static void accept_client(struct local_server *server)
{
	int fd = acceptor_next(&server->acceptor);
	/* of what the system lacks, a client of ours has nothing to give */
	struct client *silent = fd == -EMFILE ? longest_silent(server) : NULL;

	if (fd >= 0)
		*place_for_client(server) =
			(struct client){.fd = fd, .served = ++server->num_served};
	else if (silent) /* it has to go, so that there is room for who may have more to say */
		client_close(silent);
	else
		acceptor_turn_away(&server->acceptor, fd);
}

/* Whether the file of our own name was removed. */
static bool was_removed(const struct local_server *server)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool removed = false;
	ssize_t n;

	while ((n = read(server->inotify_fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (const void *)(buffer + at);

			removed |= event->len && strcmp(event->name, server->name) == 0;
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	}
	return removed;
}

bool local_server_is_busy(const struct local_server *server)
{
	for (int i = 0; i < LOCAL_SERVER_MAX_CLIENTS; i++) {
		if (server->clients[i].in.len || server->clients[i].out.len)
			return true;
	}
	return false;
}

void local_server_restrict(struct local_server *server)
{
	server->answered->is_restricted = true;
}

bool local_server_is_restricted(const struct local_server *server)
{
	return server->answered->is_restricted;
}

static struct client *find_subscriber(struct local_server *server)
{
	for (int i = 0; i < LOCAL_SERVER_MAX_CLIENTS; i++) {
		if (server->clients[i].is_subscriber)
			return &server->clients[i];
	}
	return NULL;
}

int local_server_subscribe(struct local_server *server)
{
	struct client *before = find_subscriber(server);

	if (before && before != server->answered)
		return -EBUSY;
	server->answered->is_subscriber = true;
	return 0;
}

bool local_server_has_subscriber(struct local_server *server)
{
	return find_subscriber(server) != NULL;
}

void local_server_push(struct local_server *server, const char *data, size_t len)
{
	struct client *client = find_subscriber(server);

	if (!client || client->out.len + len > PUSH_MAX)
		return;
	text_append(&client->out, data, len);
	(void)write_out(client); /* if it is gone, poll says so */
}

unsigned local_server_pollfds(const struct local_server *server, struct pollfd *ret_fds)
{
	unsigned num = 0;
	int end = LOCAL_SERVER_MAX_CLIENTS;

	/* no more than needed: poll takes only as many as the process may have open */
	while (end > 0 && server->clients[end - 1].fd < 0)
		end--;
	ret_fds[num++] = (struct pollfd){.fd = server->acceptor.listen_fd, .events = POLLIN};
	ret_fds[num++] = (struct pollfd){.fd = server->inotify_fd, .events = POLLIN};
	for (int i = 0; i < end; i++) {
		const struct client *client = &server->clients[i];

		/* a client that does not read its replies is not read either */
		ret_fds[num++] = (struct pollfd){.fd = client->fd,
			.events = client->out.len || client->more ? POLLOUT : POLLIN};
	}
	return num;
}

bool local_server_dispatch(struct local_server *server, local_server_answer *answer, void *ctx,
	const struct pollfd *fds, unsigned num_fds)
{
	for (unsigned i = 2; i < num_fds; i++) {
		struct client *client = &server->clients[i - 2];

		if (!fds[i].revents)
			continue;
		client->served = ++server->num_served;
		client_dispatch(server, client, answer, ctx, fds[i].revents);
	}
	if (fds[0].revents)
		accept_client(server);
	return !fds[1].revents || !was_removed(server);
}
