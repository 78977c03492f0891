/* SPDX-License-Identifier: MIT
 *
 * See fixture.h.
 */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

#include "overlay/hub/changes.h"
#include "overlay/hub/enrol.h"

static void open_hub(struct fixture *f)
{
	f->hub = (struct hub){.launcher_fd = -1, .tunnel.uapi_fd = -1};
	snprintf(f->hub.setup.host, sizeof(f->hub.setup.host), "hub.example.org");
	f->hub.setup.enrol_port = ENROL_PORT;
	f->hub.setup.hub_port = HUB_PORT;
	f->hub.setup.api_port = API_PORT;
	memset(f->hub.setup.hub_key, 0xee, KEY_LEN);
	f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	assert_true(f->epoll_fd >= 0);
	assert_int_equal(streams_new(f->epoll_fd, 0, &f->hub.streams), 0);
	assert_int_equal(hub_open(&f->hub, f->path), 0);
}

static void close_hub(struct fixture *f)
{
	streams_free(f->hub.streams);
	hub_close(&f->hub);
	close(f->epoll_fd);
}

void fixture_open(struct fixture *f)
{
	const char *in = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	snprintf(f->folder, sizeof(f->folder), "%s/adit-hub-XXXXXX", in);
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/hub.db", f->folder);
	open_hub(f);
}

void fixture_close(struct fixture *f)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
	char path[128];

	close_hub(f);
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(f->folder), 0);
}

void fixture_reopen(struct fixture *f)
{
	close_hub(f);
	open_hub(f);
}

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	fixture_open(f);
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	fixture_close(*state);
	free(*state);
	return 0;
}

/* --- content --------------------------------------------------------- */

struct realm *add_network(struct fixture *f, const char *name)
{
	char body[64];

	snprintf(body, sizeof(body), "{\"name\": \"%s\"}", name);
	assert_int_equal(ask_as_root(f, "POST", "/v1/networks", body, NULL), 201);
	return directory_realm(&f->hub.directory, name);
}

struct member *add_node(struct fixture *f, const char *network, const char *name, uint8_t number,
	bool approved, const char *tag)
{
	struct realm *realm = directory_realm(&f->hub.directory, network);
	struct join_key_info info = {
		.network_id = realm->network.id, .max_uses = 1, .approves = approved};
	struct door_question question = {.number = number};
	struct door_verdict verdict;
	struct member *member;

	snprintf(info.tags[0], sizeof(info.tags[0]), "%s", tag);
	memset(question.request.join_key, number, KEY_LEN);
	memset(question.node_key, number, KEY_LEN);
	question.request.version = ENROL_VERSION;
	snprintf(question.request.network, sizeof(question.request.network), "%s", network);
	snprintf(question.request.hostname, sizeof(question.request.hostname), "%s", name);
	snprintf(question.request.agent_version, sizeof(question.request.agent_version), "1");
	assert_int_equal(
		store_add_join_key(f->hub.store, "test", &info, question.request.join_key), 0);
	enrol_decide(&f->hub, &question, 1, &verdict);
	assert_false(verdict.is_refused);
	assert_int_equal(verdict.number, number);
	member = directory_member_by_key(&f->hub.directory, question.node_key);
	assert_int_equal(verdict.answer.state,
		member->node.state == NODE_ACTIVE ? ENROL_ACTIVE : ENROL_PENDING);
	assert_true(approved || member->node.state == NODE_PENDING);
	return member;
}

void add_admin(struct fixture *f, const char *user, unsigned uid, const char *network,
	enum role_of_admin role)
{
	struct admin admin = {.role = role};

	if (network != NULL)
		admin.network_id = directory_realm(&f->hub.directory, network)->network.id;
	snprintf(admin.name, sizeof(admin.name), "%s:%u", user, uid);
	assert_int_equal(store_set_admin(f->hub.store, "test", &admin), 0);
}

/* --- asking ---------------------------------------------------------- */

/* Take the query apart, in place. */
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

unsigned ask(struct fixture *f, const struct caller *caller, const char *method, const char *path,
	const char *body, json_t **ret_answer)
{
	char text[512];
	struct request request = {.hub = &f->hub, .caller = *caller, .method = method};
	struct response response;
	char *query;

	snprintf(text, sizeof(text), "%s", path);
	query = strchr(text, '?');
	if (query != NULL) {
		*query++ = '\0';
		read_query(&request, query);
	}
	request.path = text;
	request.body = body;
	request.body_len = body != NULL ? strlen(body) : 0;
	router_serve(&request, &response);
	if (response.awaited != NULL)
		changes_introduce(&f->hub, request.caller.member, response.awaited);
	if (ret_answer != NULL)
		*ret_answer = response.body;
	else
		json_decref(response.body);
	return response.status;
}

unsigned ask_as_node(struct fixture *f, struct member *member, const char *method, const char *path,
	const char *body, json_t **ret_answer)
{
	return ask(f, &(struct caller){.member = member}, method, path, body, ret_answer);
}

unsigned ask_as_root(struct fixture *f, const char *method, const char *path, const char *body,
	json_t **ret_answer)
{
	return ask(f, &(struct caller){.is_admin = true}, method, path, body, ret_answer);
}
