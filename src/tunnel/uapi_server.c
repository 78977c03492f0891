/* SPDX-License-Identifier: MIT
 *
 * The UAPI socket. Requests are read whole, parsed whole, then applied; everything buffered may
 * hold keys and is wiped.
 */
#include "tunnel/uapi_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "config/uapi.h"

enum { READ_SIZE = 65536 };

struct client {
	int fd;		 /* owned; -1: free */
	struct text in;	 /* what is read and not yet handled */
	size_t scan;	 /* how far uapi_find_request has looked */
	struct text out; /* replies */
	size_t out_done; /* bytes of out that are written */
	uint64_t served; /* when it was last served: the server's count */
	bool more;	 /* there may be another request in `in` */
};

struct uapi_server {
	int listen_fd, inotify_fd; /* owned */
	char name[IFNAMSIZ + 8];   /* of the file in UAPI_DIR */
	uint64_t num_served;
	struct client clients[UAPI_MAX_CLIENTS];
};

static struct sockaddr_un server_address(const char *ifname)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), UAPI_DIR "/%s.sock", ifname);
	return addr;
}

void uapi_server_remove(const char *ifname)
{
	struct sockaddr_un addr = server_address(ifname);

	unlink(addr.sun_path);
}

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
static int listen_on(const char *ifname)
{
	struct sockaddr_un addr = server_address(ifname);
	int fd, r = 0;
	mode_t mask;

	if (mkdir(UAPI_DIR, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (is_served(&addr))
		return -EADDRINUSE;
	unlink(addr.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mask = umask(0077);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		listen(fd, UAPI_MAX_CLIENTS) < 0)
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

int uapi_server_new(const char *ifname, int listen_fd, struct uapi_server **ret_server)
{
	struct uapi_server *server;
	int r;

	if (listen_fd >= 0 && !is_listening(listen_fd))
		return -ENOTSOCK;
	server = calloc(1, sizeof(*server));
	if (!server)
		return -ENOMEM;
	for (int i = 0; i < UAPI_MAX_CLIENTS; i++)
		server->clients[i].fd = -1;
	snprintf(server->name, sizeof(server->name), "%s.sock", ifname);
	server->listen_fd = listen_fd >= 0 ? listen_fd : listen_on(ifname);
	if (server->listen_fd < 0) {
		r = server->listen_fd;
		free(server);
		return r;
	}
	server->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (server->inotify_fd < 0 ||
		inotify_add_watch(server->inotify_fd, UAPI_DIR, IN_DELETE | IN_MOVED_FROM) < 0)
		log_debug("cannot watch " UAPI_DIR ": %m");
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

void uapi_server_free(struct uapi_server *server)
{
	char path[sizeof(UAPI_DIR) + sizeof(server->name)];

	if (!server)
		return;
	for (int i = 0; i < UAPI_MAX_CLIENTS; i++) {
		if (server->clients[i].fd >= 0)
			client_close(&server->clients[i]);
	}
	snprintf(path, sizeof(path), UAPI_DIR "/%s", server->name);
	unlink(path);
	close(server->listen_fd);
	close(server->inotify_fd);
	free(server);
}

/* --- requests -------------------------------------------------------- */

static void answer_get(struct client *client, struct settings *settings)
{
	struct config config = {0};
	int r = settings_collect(settings, &config);

	if (r < 0)
		uapi_write_errno(&client->out, r);
	else
		uapi_write_get_reply(&client->out, &config);
	config_deinit(&config);
}

static void answer_set(struct client *client, size_t len, struct settings *settings)
{
	struct config config = {0};
	unsigned line;
	int r = uapi_parse_set(client->in.data, len, &config, &line);

	if (r < 0)
		log_error("UAPI: line %u of a set request: %s", line, strerror(-r));
	else
		r = settings_apply(settings, &config);
	uapi_write_errno(&client->out, r);
	config_deinit(&config);
}

/* Answer one request if it is complete. Returns false when what the client says cannot become a
 * request. */
static bool answer(struct client *client, struct settings *settings)
{
	enum uapi_operation operation;
	ssize_t len = uapi_find_request(client->in.data, client->in.len, &client->scan, &operation);

	client->more = false;
	if (len <= 0)
		return len == 0;
	if (operation == UAPI_GET)
		answer_get(client, settings);
	else
		answer_set(client, (size_t)len, settings);
	client->in.len -= (size_t)len;
	memmove(client->in.data, client->in.data + len, client->in.len);
	wipe(client->in.data + client->in.len, (size_t)len);
	client->scan = 0;
	client->more = client->in.len > 0;
	return true;
}

/* --- clients --------------------------------------------------------- */

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

static void client_dispatch(struct client *client, struct settings *settings, short revents)
{
	bool alive = true;

	if (revents & (POLLIN | POLLHUP | POLLERR))
		alive = read_in(client);
	/* One request a turn, and the next when the reply is on its way: a client keeps us neither
	 * from the others nor in memory. */
	if (alive && write_out(client) && client->out.len == 0)
		alive = answer(client, settings);
	if (!alive || client->out.failed || !write_out(client))
		client_close(client);
}

/* A free place, or that of the client that has been silent for longest: connections that somebody
 * forgot to close must not keep an administrator out. */
static struct client *place_for_client(struct uapi_server *server)
{
	struct client *silent = &server->clients[0];

	for (int i = 0; i < UAPI_MAX_CLIENTS; i++) {
		struct client *client = &server->clients[i];

		if (client->fd < 0)
			return client;
		if (client->served < silent->served)
			silent = client;
	}
	client_close(silent);
	return silent;
}

static void accept_client(struct uapi_server *server)
{
	int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0)
		*place_for_client(server) =
			(struct client){.fd = fd, .served = ++server->num_served};
}

/* Whether the file of our own name was removed. */
static bool was_removed(const struct uapi_server *server)
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

unsigned uapi_server_pollfds(const struct uapi_server *server, struct pollfd *ret_fds)
{
	unsigned num = 0;

	ret_fds[num++] = (struct pollfd){.fd = server->listen_fd, .events = POLLIN};
	ret_fds[num++] = (struct pollfd){.fd = server->inotify_fd, .events = POLLIN};
	for (int i = 0; i < UAPI_MAX_CLIENTS; i++) {
		const struct client *client = &server->clients[i];

		/* a client that does not read its replies is not read either */
		ret_fds[num++] = (struct pollfd){.fd = client->fd,
			.events = client->out.len || client->more ? POLLOUT : POLLIN};
	}
	return num;
}

bool uapi_server_dispatch(struct uapi_server *server, struct settings *settings,
	const struct pollfd *fds, unsigned num_fds)
{
	for (unsigned i = 2; i < num_fds; i++) {
		struct client *client = &server->clients[i - 2];

		if (!fds[i].revents)
			continue;
		client->served = ++server->num_served;
		client_dispatch(client, settings, fds[i].revents);
	}
	if (fds[0].revents)
		accept_client(server);
	return !fds[1].revents || !was_removed(server);
}
