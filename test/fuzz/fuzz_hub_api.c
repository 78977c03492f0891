/* SPDX-License-Identifier: MIT
 *
 * Requests to the hub, by anybody: lines "CALLER METHOD PATH?QUERY", each followed by a line that
 * is the body. Callers are m (a member), p (pending), n (nobody), r (root), a (an admin of the
 * network), s (a user without a role). Whatever they say, an answer comes out; nobody who may not
 * changes anything; the hub stays usable.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "overlay/hub/changes.h"
#include "overlay/hub/enrol.h"
#include "overlay/hub/router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REQUESTS_MAX = 8, LINE_MAX = 4096, RUNS_OF_A_WORLD = 500 };
enum { ADMIN_UID = 1234, STRANGER_UID = 1235, KEY_MEMBER = 1, KEY_PEER, KEY_PENDING };

static struct hub hub;
static char folder[64];
static unsigned runs;

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* --- the world ------------------------------------------------------- */

static struct member *member_of(uint8_t number)
{
	uint8_t key[KEY_LEN];

	memset(key, number, sizeof(key));
	return directory_member_by_key(&hub.directory, key);
}

static void add_node(const char *name, uint8_t number, bool approved)
{
	struct realm *realm = directory_realm(&hub.directory, "lab");
	struct join_key_info info = {
		.network_id = realm->network.id, .max_uses = 1, .approves = approved};
	struct door_question question = {.number = number};
	struct door_verdict verdict;

	memset(question.request.join_key, number, KEY_LEN);
	memset(question.node_key, number, KEY_LEN);
	question.request.version = ENROL_VERSION;
	snprintf(question.request.network, sizeof(question.request.network), "lab");
	snprintf(question.request.hostname, sizeof(question.request.hostname), "%s", name);
	check(store_add_join_key(hub.store, "fuzz", &info, question.request.join_key) == 0);
	enrol_decide(&hub, &question, 1, &verdict);
	check(!verdict.is_refused);
}

static void close_world(void)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	char path[96];

	streams_free(hub.streams);
	hub_close(&hub);
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		snprintf(path, sizeof(path), "%s/hub.db%s", folder, suffixes[i]);
		(void)unlink(path);
	}
	(void)rmdir(folder);
}

static void open_world(void)
{
	static int epoll_fd = -1;
	struct network network = {.name = "lab", .allows_by_default = true};
	struct admin admin = {.name = "anna:1234", .role = ADMIN_ADMIN};
	char path[96];

	if (epoll_fd < 0)
		epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	snprintf(folder, sizeof(folder), "%s/adit-fuzz-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	check(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/hub.db", folder);
	hub = (struct hub){.launcher_fd = -1, .tunnel.uapi_fd = -1};
	check(streams_new(epoll_fd, 0, &hub.streams) == 0);
	check(hub_open(&hub, path) == 0);
	check(store_add_network(hub.store, "fuzz", &network) == 0);
	check(directory_add_realm(&hub.directory, &network, NULL) != NULL);
	add_node("member", KEY_MEMBER, true);
	add_node("peer", KEY_PEER, true);
	add_node("pending", KEY_PENDING, false);
	admin.network_id = network.id;
	check(store_set_admin(hub.store, "fuzz", &admin) == 0);
}

/* --- one request ----------------------------------------------------- */

static struct caller caller_of(char letter)
{
	switch (letter) {
	case 'm':
		return (struct caller){.member = member_of(KEY_MEMBER)};
	case 'p':
		return (struct caller){.member = member_of(KEY_PENDING)};
	case 'a':
		return (struct caller){.is_admin = true, .uid = ADMIN_UID};
	case 's':
		return (struct caller){.is_admin = true, .uid = STRANGER_UID};
	case 'r':
		return (struct caller){.is_admin = true};
	default:
		return (struct caller){0};
	}
}

static void read_query(struct request *request, char *query)
{
	char *rest = query, *word;

	for (size_t i = 0; i < REQUEST_ARGUMENTS_MAX && (word = strsep(&rest, "&")) != NULL; i++) {
		char *value = strchr(word, '=');

		if (value != NULL)
			*value++ = '\0';
		request->arguments[i] = (struct argument){word, value != NULL ? value : ""};
	}
}

static void stream(struct member *member, uint64_t since)
{
	int fds[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	changes_start_stream(&hub, member, fds[0], since);
	close(fds[1]);
}

static void serve(char *head, const char *body)
{
	struct request request = {.hub = &hub, .caller = caller_of(*head), .body = body};
	struct response response;
	char letter = *head, *rest = head, *query;

	if (letter == '\0' || strsep(&rest, " ") == NULL || rest == NULL)
		return;
	request.method = strsep(&rest, " ");
	request.path = rest != NULL ? rest : "";
	query = rest != NULL ? strchr(rest, '?') : NULL;
	if (query != NULL) {
		*query++ = '\0';
		read_query(&request, query);
	}
	request.body_len = strlen(body);
	router_serve(&request, &response);
	check(response.status >= 200 && response.status < 600 && response.status != 500 &&
		response.status != 503);
	check((response.status == 204 || response.is_stream) == (response.body == NULL));
	if (letter == 's' || letter == 'n' || letter == 'p')
		check(response.status >= 400);
	if (response.is_stream)
		stream(request.caller.member, response.since);
	json_decref(response.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *rest = text, *head;

	check(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	if (member_of(KEY_MEMBER) == NULL || member_of(KEY_MEMBER)->node.state != NODE_ACTIVE ||
		member_of(KEY_PEER) == NULL || member_of(KEY_PENDING) == NULL ||
		member_of(KEY_PENDING)->node.state != NODE_PENDING ||
		++runs % RUNS_OF_A_WORLD == 0) {
		if (hub.store != NULL)
			close_world();
		open_world();
	}
	for (unsigned i = 0; i < REQUESTS_MAX && (head = strsep(&rest, "\n")) != NULL; i++) {
		const char *body = strsep(&rest, "\n");

		serve(head, body != NULL ? body : "");
	}
	free(text);
	return 0;
}
