/* SPDX-License-Identifier: MIT
 *
 * HTTP, by libmicrohttpd in the caller's loop.
 */
#include "overlay/hub/http.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "overlay/hub/changes.h"
#include "overlay/hub/router.h"
#include "overlay/wire/json.h"

enum {
	CONNECTIONS_MAX = 16384,
	ADMIN_CONNECTIONS_MAX = 256,
	USERS_CONNECTIONS_MAX = 192, /* of these, by others than root: the rest is for it */
	NODE_CONNECTIONS_MAX = 16,   /* from one address */
	CONNECTION_MEMORY = 6144,    /* bytes, for a request's head and an answer's */
	IDLE_TIMEOUT_S = 60,
};

struct http {
	struct hub *hub;
	struct MHD_Daemon *daemon;
	bool is_admin;
	unsigned num_users; /* connections of others than root */
};

/* A request while it comes in, and while its answer waits. */
struct incoming {
	struct text body;
	bool is_too_large;
	struct response answer; /* status 0: there is none yet */
	struct rendezvous rendezvous;
};

/* --- who calls ------------------------------------------------------- */

static struct member *find_node(struct hub *hub, const struct sockaddr *from)
{
	struct prefix address = {.family = AF_INET, .cidr = 32};

	if (from == NULL)
		return NULL;
	if (from->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)from;

		memcpy(address.addr, &in->sin_addr, 4);
	} else if (from->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)from;

		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
			memcpy(address.addr, in6->sin6_addr.s6_addr + 12, 4);
		} else {
			address.family = AF_INET6;
			address.cidr = 128;
			memcpy(address.addr, &in6->sin6_addr, 16);
		}
	} else {
		return NULL;
	}
	return directory_member_by_address(&hub->directory, NULL, &address);
}

static int connection_fd(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/* Returns false when it cannot be found out. */
static bool find_caller(
	const struct http *http, struct MHD_Connection *connection, struct caller *ret_caller)
{
	struct ucred credentials;
	socklen_t len = sizeof(credentials);

	*ret_caller = (struct caller){.is_admin = http->is_admin};
	if (!http->is_admin) {
		ret_caller->member = find_node(http->hub,
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
				->client_addr);
		return true;
	}
	if (getsockopt(connection_fd(connection), SOL_SOCKET, SO_PEERCRED, &credentials, &len) != 0)
		return false;
	ret_caller->uid = credentials.uid;
	return true;
}

/* --- answering ------------------------------------------------------- */

static enum MHD_Result send_answer(
	struct MHD_Connection *connection, unsigned status, const json_t *body)
{
	char *text = body != NULL ? json_to_text(body, JSON_COMPACT) : NULL;
	struct MHD_Response *response;
	enum MHD_Result result;

	if (body != NULL && text == NULL)
		return MHD_NO;
	response = text != NULL ? MHD_create_response_from_buffer(
					  strlen(text), text, MHD_RESPMEM_MUST_FREE)
				: MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	if (response == NULL) {
		free(text);
		return MHD_NO;
	}
	if (text != NULL)
		(void)MHD_add_response_header(
			response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

/* Take the connection over. libmicrohttpd closes its descriptor, which (MHD_USE_TURBO: no
 * shutdown) leaves ours. */
static enum MHD_Result hand_over(const struct http *http, struct MHD_Connection *connection,
	struct member *member, uint64_t since)
{
	int fd = fcntl(connection_fd(connection), F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		log_error("stream of %s: %m", member->node.name);
	else
		changes_start_stream(http->hub, member, fd, since);
	return MHD_NO;
}

static enum MHD_Result take_argument(
	void *ctx, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct request *request = ctx;
	size_t i = 0;

	(void)kind;
	while (i < REQUEST_ARGUMENTS_MAX && request->arguments[i].key != NULL)
		i++;
	if (i == REQUEST_ARGUMENTS_MAX)
		return MHD_NO;
	request->arguments[i] = (struct argument){key, value != NULL ? value : ""};
	return MHD_YES;
}

static void resume(void *ctx)
{
	MHD_resume_connection(ctx);
}

/* libmicrohttpd asks again when it is resumed. */
static enum MHD_Result wait_for_peer(const struct http *http, struct MHD_Connection *connection,
	const struct member *caller, struct incoming *incoming)
{
	struct member *peer = incoming->answer.awaited;

	incoming->rendezvous = (struct rendezvous){.caller = caller->node.id,
		.peer = peer->node.id,
		.resume = resume,
		.ctx = connection};
	MHD_suspend_connection(connection);
	rendezvous_wait(&http->hub->rendezvous, &incoming->rendezvous, clock_boottime_ns());
	changes_introduce(http->hub, caller, peer);
	return MHD_YES;
}

static enum MHD_Result serve(const struct http *http, struct MHD_Connection *connection,
	const char *path, const char *method, struct incoming *incoming)
{
	struct request request = {.hub = http->hub, .method = method, .path = path};
	struct response response = {0};

	if (incoming->answer.status != 0)
		return send_answer(connection, incoming->answer.status, incoming->answer.body);

	if (!find_caller(http, connection, &request.caller))
		return MHD_NO;
	request.body = incoming->body.data;
	request.body_len = incoming->body.len;
	request.api = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Adit-Api");
	(void)MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, take_argument, &request);
	if (incoming->is_too_large)
		answer_error(&response, 413, "a body may have %d bytes", REQUEST_BODY_MAX);
	else if (incoming->body.failed)
		answer_error(&response, 503, "the hub is out of memory");
	else
		router_serve(&request, &response);
	if (response.is_stream)
		return hand_over(http, connection, request.caller.member, response.since);
	incoming->answer = response;
	if (response.awaited)
		return wait_for_peer(http, connection, request.caller.member, incoming);
	return send_answer(connection, response.status, response.body);
}

/* libmicrohttpd calls this for the head, for each part of the body, and at the end. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload_data, size_t *upload_data_size,
	void **state)
{
	struct incoming *incoming = *state;

	(void)version;
	if (incoming == NULL) {
		*state = calloc(1, sizeof(*incoming));
		return *state != NULL ? MHD_YES : MHD_NO;
	}
	if (*upload_data_size == 0)
		return serve(ctx, connection, url, method, incoming);
	if (incoming->body.len + *upload_data_size > REQUEST_BODY_MAX)
		incoming->is_too_large = true;
	else
		text_append(&incoming->body, upload_data, *upload_data_size);
	*upload_data_size = 0;
	return MHD_YES;
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **state,
	enum MHD_RequestTerminationCode code)
{
	struct incoming *incoming = *state;

	(void)ctx;
	(void)connection;
	(void)code;
	if (incoming != NULL) {
		rendezvous_cancel(&incoming->rendezvous);
		json_decref(incoming->answer.body);
		text_deinit(&incoming->body);
	}
	free(incoming);
	*state = NULL;
}

/* Anybody of this machine may connect to the admin socket, and be told that he may not; nobody may
 * keep root out by that. A connection that is one too many is at its end before it began. */
static void on_connection(void *ctx, struct MHD_Connection *connection, void **state,
	enum MHD_ConnectionNotificationCode code)
{
	static char counted;
	struct http *http = ctx;
	struct caller caller;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		http->num_users -= *state != NULL;
		return;
	}
	if (!http->is_admin || (find_caller(http, connection, &caller) && caller.uid == 0))
		return;
	http->num_users++;
	*state = &counted;
	if (http->num_users > USERS_CONNECTIONS_MAX)
		(void)shutdown(connection_fd(connection), SHUT_RDWR);
}

/* --- the daemon ------------------------------------------------------ */

int http_new(struct hub *hub, int listen_fd, bool admin, struct http **ret_http)
{
	struct http *http = calloc(1, sizeof(*http));

	if (http == NULL)
		return -ENOMEM;
	http->hub = hub;
	http->is_admin = admin;
	http->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME, 0,
		NULL, NULL, on_request, http, MHD_OPTION_LISTEN_SOCKET, listen_fd,
		MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)(admin ? ADMIN_CONNECTIONS_MAX : CONNECTIONS_MAX),
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)(admin ? 0 : NODE_CONNECTIONS_MAX),
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, http, MHD_OPTION_END);
	if (http->daemon == NULL) {
		free(http);
		return -ENOMEM;
	}
	*ret_http = http;
	return 0;
}

void http_free(struct http *http)
{
	if (http == NULL)
		return;
	(void)rendezvous_expire(&http->hub->rendezvous, UINT64_MAX);
	MHD_stop_daemon(http->daemon);
	free(http);
}

int http_fd(const struct http *http)
{
	return MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

void http_run(struct http *http)
{
	(void)MHD_run(http->daemon);
}

int http_timeout_ms(const struct http *http)
{
	MHD_UNSIGNED_LONG_LONG timeout;

	if (MHD_get_timeout(http->daemon, &timeout) != MHD_YES)
		return -1;
	return timeout > 60000 ? 60000 : (int)timeout;
}
